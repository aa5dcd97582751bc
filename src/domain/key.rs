//! Result keys and the hash of a transform, bit-exact with mort, so that an installation can reuse what it has stored.
//!
//! # The hash of one transform
//! A 64-bit accumulator takes one tag and some numbers from each operation (multiply by the FNV prime after each
//! exclusive or) and is then finished by MurmurHash3. The order is that of mort's preset reader or query reader.
//!
//! # Where it differs from mort
//! Four things that mort leaves out would make different results share a key; these, and only these, have other keys:
//!
//! | where | mort | here |
//! |---|---|---|
//! | `extract` | hashes the resize target instead of the area | hashes all four numbers of the area |
//! | `watermark` | hashes the *lengths* of its texts | hashes the texts |
//! | parent in a bucket that the path chose, other than the own one | not hashed | hashes the bucket's name |
//! | `hash` keys of parents with a `-` in their name | `a/b` and `a-b` look the same | hashes the parent's key too |
//!
//! AVIF, which mort cannot write, has a number of its own.

use murmur3::murmur3_x64_128;

use super::bucket::{Recipe, ResultKey};
use super::plan::{Crop, Extract, Format, Gravity, Output, Resize, Rotation, Step, Third, Watermark};

const FNV_START: u64 = 1231;
const FNV_PRIME: u64 = 1_099_511_628_211;
const HASH_SEED: u32 = 20_171_108;
const TEXT_SEED: u32 = 0;
/// Marks what mort does not write; none of its tags has this value.
const CHOSEN_BUCKET_TAG: u64 = 40_009;
const DASHED_PARENT_TAG: u64 = 40_013;

/// One transform on the way from the asked object to the root.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hop<'a> {
    /// What the transform does.
    pub(super) recipe: &'a Recipe,
    /// Which of mort's readers sets the order.
    pub(super) order: WriteOrder,
    /// Key of the parent, with its leading slash.
    pub(super) parent_key: &'a str,
    /// The parent's bucket, where the path chose it and it is not the own one.
    pub(super) chosen_bucket: Option<&'a str>,
}

/// The order in which operations write themselves into the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WriteOrder {
    /// As mort reads presets.
    Preset,
    /// As mort reads a query whose operations stand in the order of its presets.
    Query,
}

/// The key, with its leading slash, under which a result is stored. `hops` starts at the asked object and ends beside the
/// root.
pub(super) fn result_key(mode: ResultKey, request_key: &str, hops: &[Hop<'_>]) -> String {
    let (Some(own), Some(last)) = (hops.first(), hops.last()) else { return request_key.to_owned() };
    match mode {
        ResultKey::Request => request_key.to_owned(),
        ResultKey::Hash => {
            let name = dashed(own.parent_key);
            let hash = format!("{:x}", hash_for_dashed_parent(own));
            format!("/{}/{}/{name}-{hash}", head(&hash), head(&name))
        }
        ResultKey::HashParent => format!("/{}/{}", dashed(last.parent_key), chain_digest(own, hops)),
    }
}

/// The hash of one transform.
pub(super) fn transform_hash(hop: &Hop<'_>) -> u64 {
    accumulate(hop).finish()
}

fn hash_for_dashed_parent(own: &Hop<'_>) -> u64 {
    let mut hash = accumulate(own);
    if own.parent_key.contains('-') {
        hash.write(&[DASHED_PARENT_TAG, digest(own.parent_key.as_bytes())]);
    }
    hash.finish()
}

/// Hashes and keys of all hops, as 32 hexadecimal digits.
fn chain_digest(own: &Hop<'_>, hops: &[Hop<'_>]) -> String {
    let mut bytes = Vec::with_capacity(64);
    bytes.extend_from_slice(&transform_hash(own).to_be_bytes());
    bytes.extend_from_slice(own.parent_key.as_bytes());
    for pair in hops.windows(2) {
        bytes.extend_from_slice(pair[0].parent_key.as_bytes());
        bytes.extend_from_slice(&transform_hash(&pair[1]).to_be_bytes());
    }
    let [first, second] = murmur(&bytes, TEXT_SEED);
    format!("{first:016x}{second:016x}")
}

/// A key as one path component.
fn dashed(key: &str) -> String {
    key.strip_prefix('/').unwrap_or(key).replace('/', "-")
}

/// The first three bytes, or a little more where they would cut a character.
fn head(text: &str) -> &str {
    &text[..text.ceil_char_boundary(3)]
}

struct Accumulator(u64);

impl Accumulator {
    fn write(&mut self, values: &[u64]) {
        if self.0 == 0 {
            self.0 = FNV_START;
        }
        for value in values {
            self.0 = (self.0 ^ value).wrapping_mul(FNV_PRIME);
        }
    }

    fn finish(self) -> u64 {
        murmur(&self.0.to_le_bytes(), HASH_SEED)[0]
    }
}

/// The two halves of MurmurHash3 x64-128.
fn murmur(mut bytes: &[u8], seed: u32) -> [u64; 2] {
    let hash = murmur3_x64_128(&mut bytes, seed).expect("a slice is read without errors");
    [hash as u64, (hash >> 64) as u64]
}

fn digest(bytes: &[u8]) -> u64 {
    murmur(bytes, TEXT_SEED)[0]
}

fn accumulate(hop: &Hop<'_>) -> Accumulator {
    let Recipe { step, output } = hop.recipe;
    let mut hash = Accumulator(0);
    write_geometry(&mut hash, step);
    match hop.order {
        WriteOrder::Preset => {
            write_quality(&mut hash, output);
            write_flags(&mut hash, output);
            write_format(&mut hash, output);
            write_filters(&mut hash, step);
            write_grayscale(&mut hash, step);
            write_rotation(&mut hash, step);
        }
        WriteOrder::Query => {
            write_filters(&mut hash, step);
            write_rotation(&mut hash, step);
            write_quality(&mut hash, output);
            write_flags(&mut hash, output);
            write_format(&mut hash, output);
            write_grayscale(&mut hash, step);
        }
    }
    if let Some(bucket) = hop.chosen_bucket {
        hash.write(&[CHOSEN_BUCKET_TAG, digest(bucket.as_bytes())]);
    }
    hash
}

fn write_geometry(hash: &mut Accumulator, step: &Step) {
    if let Some(resize) = step.resize {
        write_resize(hash, resize);
    }
    if let Some(crop) = step.crop {
        write_crop(hash, crop);
    }
    if let Some(extract) = step.extract {
        hash.write(&[1611, extract_digest(extract)]);
    }
    if let Some(target) = step.resize_crop_auto {
        hash.write(&[31229, u64::from(target.width.get()) * 2, u64::from(target.height.get())]);
    }
}

fn write_resize(hash: &mut Accumulator, resize: Resize) {
    hash.write(&[1111, side(resize.width) * 7, side(resize.height) * 3]);
    if resize.enlarge {
        hash.write(&[12311]);
    }
    if resize.preserve_aspect_ratio {
        hash.write(&[700_000_001]);
    }
    if resize.fill {
        hash.write(&[700_000_002]);
    }
}

fn write_crop(hash: &mut Accumulator, crop: Crop) {
    let gravity = match crop.gravity {
        Gravity::Center => 0,
        Gravity::North => 1,
        Gravity::East => 2,
        Gravity::South => 3,
        Gravity::West => 4,
        Gravity::Smart => 5,
    };
    hash.write(&[1212, side(crop.width) * 5, side(crop.height), gravity]);
    if crop.embed {
        hash.write(&[3333]);
    }
    if crop.enlarge {
        hash.write(&[54324]);
    }
}

fn extract_digest(extract: Extract) -> u64 {
    let area = [u64::from(extract.top), u64::from(extract.left), side(extract.width), side(extract.height)];
    digest(area.map(u64::to_le_bytes).as_flattened())
}

fn write_filters(hash: &mut Accumulator, step: &Step) {
    if let Some(blur) = step.blur {
        hash.write(&[19121, u64::from(blur.sigma_thousandths), u64::from(blur.min_ampl_thousandths)]);
    }
    if let Some(watermark) = &step.watermark {
        write_watermark(hash, watermark);
    }
}

fn write_watermark(hash: &mut Accumulator, watermark: &Watermark) {
    let third = |third| match third {
        Third::Start => 0,
        Third::Middle => 1,
        Third::End => 2,
    };
    hash.write(&[
        171_200,
        digest(watermark.image.as_bytes()),
        third(watermark.position.vertical) * 3 + third(watermark.position.horizontal),
        u64::from(watermark.opacity_hundredths),
    ]);
}

fn write_grayscale(hash: &mut Accumulator, step: &Step) {
    if step.grayscale {
        hash.write(&[32309]);
    }
}

fn write_rotation(hash: &mut Accumulator, step: &Step) {
    let Some(rotation) = step.rotate else { return };
    let quarters = match rotation {
        Rotation::None => 0,
        Rotation::Quarter => 1,
        Rotation::Half => 2,
        Rotation::ThreeQuarters => 3,
    };
    hash.write(&[32941, quarters]);
}

fn write_quality(hash: &mut Accumulator, output: &Output) {
    if let Some(quality) = output.quality {
        hash.write(&[1401, u64::from(quality.get())]);
    }
}

fn write_flags(hash: &mut Accumulator, output: &Output) {
    if output.interlace {
        hash.write(&[1311, 71]);
    }
    if output.strip {
        hash.write(&[1999]);
    }
}

fn write_format(hash: &mut Accumulator, output: &Output) {
    let Some(format) = output.format else { return };
    let number = match format {
        Format::Jpeg => 1,
        Format::Webp => 2,
        Format::Png => 3,
        Format::Gif => 5,
        Format::Avif => 8,
    };
    hash.write(&[1_122_121, number]);
}

fn side(side: Option<std::num::NonZeroU32>) -> u64 {
    side.map_or(0, |side| u64::from(side.get()))
}

#[cfg(test)]
mod tests;
