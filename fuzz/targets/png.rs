//! A stranger's PNG is rendered or refused as unusable: no panic, no hang, no memory beyond the estimate.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use mortar::adapters::raster::probe::SourceFormat;
use mortar_fuzz::{render, with_right_checksums};

fuzz_target!(|source: &[u8]| -> Corpus {
    match render(SourceFormat::Png, source) {
        Corpus::Keep => render(SourceFormat::Png, &with_right_checksums(source)),
        Corpus::Reject => Corpus::Reject,
    }
});
