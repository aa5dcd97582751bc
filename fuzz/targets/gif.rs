//! A stranger's GIF, still or animated, is rendered or refused as unusable: no panic, no hang, no memory beyond the estimate.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mortar::adapters::raster::probe::SourceFormat;

fuzz_target!(|source: &[u8]| -> libfuzzer_sys::Corpus { mortar_fuzz::render(SourceFormat::Gif, source) });
