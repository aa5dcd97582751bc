//! Whatever ranges are asked for, the parts that are served lie inside the object, never overlap, and are few.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mortar::respond::{MAX_RANGES, Selection, parse_ranges, select_ranges};
use mortar_actors::ContentRange;

fuzz_target!(|input: (u64, &str)| {
    let (total, value) = input;
    let Some(ranges) = parse_ranges(value) else { return };
    assert!(!ranges.is_empty() && ranges.len() <= MAX_RANGES);
    let mut parts = match select_ranges(&ranges, total) {
        Selection::Whole | Selection::Unsatisfiable => return,
        Selection::One(part) => vec![part],
        Selection::Several(parts) => parts,
    };
    assert!(parts.len() <= MAX_RANGES);
    parts.sort_unstable_by_key(|part: &ContentRange| part.first);
    for part in &parts {
        assert!(part.first <= part.last && part.last < total && part.total == total, "{part:?} of {total}");
    }
    assert!(parts.windows(2).all(|pair| pair[0].last < pair[1].first), "{parts:?} overlap");
});
