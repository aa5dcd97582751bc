//! Results are stored after they have been handed out; the queue is bounded and never holds an answer up.

use std::sync::Arc;

use mortar_actors::store_back::{StoreBackItem, Storing};
use mortar_actors::{ObjectMeta, Rendition};

use super::Pipeline;
use crate::domain::Location;

/// Queues a result for its store.
pub(super) fn offer(pipeline: &Pipeline, object: &Location, rendition: Arc<Rendition>) -> Storing {
    let side = |name: &str, pixels: Option<u32>| Some((name.to_owned(), pixels?.to_string()));
    let sides = [side("x-amz-meta-public-width", rendition.width), side("x-amz-meta-public-height", rendition.height)];
    let meta = ObjectMeta {
        length: Some(rendition.body.len() as u64),
        content_type: Some(rendition.content_type.clone()),
        etag: Some(rendition.etag.clone()),
        last_modified: Some(rendition.last_modified),
        headers: sides.into_iter().flatten().collect(),
    };
    pipeline.store_back.offer(StoreBackItem { store: object.store.clone(), key: object.key.clone(), meta, rendition })
}
