//! The C codecs behind safe doors. Every `unsafe` block of the image engine's codecs is in here.

pub(super) mod turbo;
