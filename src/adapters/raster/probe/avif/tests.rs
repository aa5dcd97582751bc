use super::*;

/// A picture of 3 x 2 samples, to be turned.
const STORED: [[u8; 3]; 2] = [[1, 2, 3], [4, 5, 6]];

type Rows = Vec<Vec<u8>>;

fn boxed(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    [&(content.len() as u32 + 8).to_be_bytes(), kind.as_slice(), &content].concat()
}

/// A container with one item of a kind, its properties, and where its bytes lie in `idat`.
fn container(kind: &[u8; 4], properties: &[Vec<u8>], references: &[u8], idat: &[u8]) -> Vec<u8> {
    let size = boxed(b"ispe", &[&[0; 4], &[0, 0, 0, 3], &[0, 0, 0, 2]]);
    let ipco = boxed(b"ipco", &[&size, &properties.concat()]);
    let count = properties.len() as u8 + 1;
    let indexes: Vec<u8> = (1..=count).collect();
    let ipma = boxed(b"ipma", &[&[0, 0, 0, 0, 0, 0, 0, 1, 0, 1, count], &indexes]);
    let infe = |id: u8, kind: &[u8; 4]| boxed(b"infe", &[&[2, 0, 0, 0, 0, id, 0, 0], kind, b"\0"]);
    let iinf = boxed(b"iinf", &[&[0, 0, 0, 0, 0, 2], &infe(1, kind), &infe(2, b"av01")]);
    // Version 1, four-byte offsets and lengths, no base; both items lie in `idat`, the second one behind the first.
    let (first, second) = (idat.len() as u8 - 1, 1);
    let item = |id: u8, offset: u8, length: u8| [0, id, 0, 1, 0, 0, 0, 1, 0, 0, 0, offset, 0, 0, 0, length];
    let iloc = boxed(b"iloc", &[&[1, 0, 0, 0, 0x44, 0, 0, 2], &item(1, 0, first), &item(2, first, second)]);
    let iprp = boxed(b"iprp", &[&ipco, &ipma]);
    let pitm = boxed(b"pitm", &[&[0, 0, 0, 0, 0, 1]]);
    let iref = boxed(b"iref", &[&[0; 4], references]);
    let meta = boxed(b"meta", &[&[0; 4], &pitm, &iinf, &iloc, &iref, &iprp, &boxed(b"idat", &[idat])]);
    [boxed(b"ftyp", &[b"avif\0\0\0\0avif"]), meta].concat()
}

fn rotated_left(rows: &Rows) -> Rows {
    (0..rows[0].len()).rev().map(|x| rows.iter().map(|row| row[x]).collect()).collect()
}

fn flipped(rows: &Rows) -> Rows {
    rows.iter().rev().cloned().collect()
}

fn mirrored(rows: &Rows) -> Rows {
    rows.iter().map(|row| row.iter().rev().copied().collect()).collect()
}

fn transposed(rows: &Rows) -> Rows {
    (0..rows[0].len()).map(|x| rows.iter().map(|row| row[x]).collect()).collect()
}

/// What the EXIF value means, spelled without rotations.
fn shown(orientation: Orientation, rows: &Rows) -> Rows {
    match orientation {
        Orientation::Upright => rows.clone(),
        Orientation::Mirrored => mirrored(rows),
        Orientation::Half => mirrored(&flipped(rows)),
        Orientation::Flipped => flipped(rows),
        Orientation::Transposed => transposed(rows),
        Orientation::Quarter => mirrored(&transposed(rows)),
        Orientation::Transversed => mirrored(&flipped(&transposed(rows))),
        Orientation::ThreeQuarters => flipped(&transposed(rows)),
    }
}

#[test]
fn turning_and_mirroring_give_the_same_picture_as_the_orientation() {
    let stored: Rows = STORED.map(Vec::from).into();
    for quarters in 0..4_u8 {
        for axis in [None, Some(0), Some(1)] {
            let mut properties = vec![boxed(b"irot", &[&[quarters]])];
            properties.extend(axis.map(|axis| boxed(b"imir", &[&[axis]])));
            let header = probe(&container(b"av01", &properties, &[], &[0, 0])).unwrap();
            let mut expected = (0..quarters).fold(stored.clone(), |rows, _| rotated_left(&rows));
            match axis {
                Some(0) => expected = flipped(&expected),
                Some(_) => expected = mirrored(&expected),
                None => {}
            }
            assert_eq!(shown(header.orientation, &stored), expected, "irot {quarters}, imir {axis:?}");
            assert_eq!((header.width, header.height), (3, 2), "the size is as stored");
        }
    }
}

#[test]
fn colours_and_depth_are_read_from_the_properties() {
    let nclx = boxed(b"colr", &[b"nclx", &[0, 9, 0, 16, 0, 9, 0x80]]);
    let icc = boxed(b"colr", &[b"prof", b"profile"]);
    let twelve = boxed(b"av1C", &[&[0x81, 0, 0x60, 0]]);
    let file = container(b"av01", &[nclx, icc, twelve], &[], &[7, 0]);
    assert_eq!(probe(&file).unwrap().bit_depth, 12);
    let avif = parse(&file).unwrap();
    assert_eq!(avif.code_points, Some(CodePoints { primaries: 9, transfer: 16, matrix: 9, full_range: true }));
    assert_eq!(avif.embedded.icc.as_deref(), Some(b"profile".as_slice()));
    assert_eq!(avif.color.tiles, [[7].as_slice()]);
}

#[test]
fn a_grid_has_its_tiles_in_order_and_the_right_number_of_them() {
    let tiles = |count: u8| {
        let list: Vec<u8> = (0..count).flat_map(|_| [0, 2]).collect();
        boxed(b"dimg", &[&[0, 1, 0, count], &list])
    };
    let grid = [0, 0, 1, 2, 0, 3, 0, 2, 9];
    let file = container(b"grid", &[], &tiles(6), &grid);
    let coded = parse(&file).unwrap().color;
    assert_eq!((coded.columns, coded.rows, coded.tiles.len()), (3, 2, 6));
    assert_eq!(*coded.tiles[5], [9]);
    assert!(parse(&container(b"grid", &[], &tiles(5), &grid)).is_err());
}

#[test]
fn what_is_no_av1_is_refused_by_name() {
    let fault = parse(&container(b"hvc1", &[], &[], &[0, 0])).unwrap_err();
    assert!(fault.message().contains("not supported"));
}
