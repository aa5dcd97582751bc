//! The C codecs behind safe doors. Every `unsafe` block of the codecs is in here.

pub(super) mod aom;
pub(super) mod turbo;
pub(super) mod webp;
