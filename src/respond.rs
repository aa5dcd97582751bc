//! From a finished picture, an object or a fault to the HTTP answer: validators, ranges, HEAD, headers.
//!
//! Everything that is sent goes through one `Payload`, be it a shared buffer or a stream, and
//! everything that can be asked for conditionally or in part goes through one `Answer`.

mod answer;
mod conditional;
mod header_rules;
mod lifetime;
mod multipart;
mod object;
mod payload;
mod range;
mod rendition;
mod vary;

use actix_web::http::header::HeaderName;

pub use conditional::{Validators, Verdict, judge};
pub(crate) use header_rules::is_reserved;
pub use header_rules::{DefaultHeaders, HeaderRule, HeaderRules};
pub use lifetime::shared_lifetime;
pub use object::{object, object_head};
pub(crate) use payload::Payload;
pub use range::{MAX_RANGES, Selection, parse as parse_ranges, select as select_ranges};
pub use rendition::{placeholder, rendition};
pub use vary::vary_on;

/// What an answer carries besides what its picture, object or fault says of itself.
#[derive(Clone, Copy, Default)]
pub struct Extras<'a> {
    /// The headers of the bucket, set where absent; `None` where no bucket is known.
    pub defaults: Option<&'a DefaultHeaders>,
    /// Request headers on which the choice of this answer depended; they are told in `Vary`.
    pub vary: &'a [HeaderName],
}
