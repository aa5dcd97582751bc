//! The words that every actor and port shares: what a thing is called, how long one may take, what a body is.

mod body;
mod deadline;
mod names;
mod object;
mod rendition;
mod stop;

pub use body::{Body, ByteStream};
pub use deadline::Deadline;
pub use names::{Key, ObjectKey, OriginalId, Originals, Owner, StoreId};
pub use object::{ByteRange, ContentRange, EntityTag, Fetched, ObjectMeta};
pub use rendition::Rendition;
#[cfg(test)]
pub(crate) use rendition::weighings;
pub use stop::StopFlag;
