//! The library wants planes of whole chroma samples: an odd luma side is padded to the next even number.

use std::borrow::Cow;

use crate::adapters::raster::pixels::{Plane, Planes, Subsampling};

/// Width and height of the luma plane as the library lays it out.
pub(super) fn padded_luma_size(width: u32, height: u32, subsampling: Subsampling) -> (u32, u32) {
    let (across, down) = match subsampling {
        Subsampling::Gray | Subsampling::Full => (1, 1),
        Subsampling::HalfWidth => (2, 1),
        Subsampling::HalfHeight => (1, 2),
        Subsampling::Quarter => (2, 2),
    };
    (width.next_multiple_of(across), height.next_multiple_of(down))
}

/// Empty planes of the library's layout; [`trim`] them when they are filled.
pub(super) fn padded_planes(width: u32, height: u32, subsampling: Subsampling) -> Planes {
    let (luma_width, luma_height) = padded_luma_size(width, height, subsampling);
    let (chroma_width, chroma_height) = subsampling.chroma_size(width, height);
    let plane = |width: u32, height: u32| Plane { width, height, samples: vec![0; width as usize * height as usize] };
    let chroma = (subsampling != Subsampling::Gray)
        .then(|| [plane(chroma_width, chroma_height), plane(chroma_width, chroma_height)]);
    Planes { width, height, luma: plane(luma_width, luma_height), chroma }
}

/// Takes the padding off the luma plane, in place.
pub(super) fn trim(mut planes: Planes) -> Planes {
    let (width, padded) = (planes.width as usize, planes.luma.width as usize);
    if width != padded {
        for row in 1..planes.height as usize {
            planes.luma.samples.copy_within(row * padded..row * padded + width, row * width);
        }
    }
    planes.luma.samples.truncate(width * planes.height as usize);
    planes.luma.width = planes.width;
    planes.luma.height = planes.height;
    planes
}

/// The luma samples with the padding the library reads: the last column and row repeated.
pub(super) fn pad_luma(planes: &Planes, subsampling: Subsampling) -> Cow<'_, [u8]> {
    let (padded_width, padded_height) = padded_luma_size(planes.width, planes.height, subsampling);
    if (padded_width, padded_height) == (planes.width, planes.height) {
        return Cow::Borrowed(&planes.luma.samples);
    }
    let mut padded = Vec::with_capacity(padded_width as usize * padded_height as usize);
    let rows = planes.luma.samples.chunks_exact(planes.width as usize);
    let last = rows.clone().next_back();
    for row in rows.chain(last).take(padded_height as usize) {
        padded.extend_from_slice(row);
        if padded_width > planes.width {
            padded.extend(row.last());
        }
    }
    Cow::Owned(padded)
}
