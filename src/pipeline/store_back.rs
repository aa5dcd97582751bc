//! Results are stored after they have been handed out; the queue is bounded and never holds an answer up.

use std::sync::Arc;

use mortar_actors::epoch::Epoch;
use mortar_actors::store_back::{StoreBackItem, Storing};
use mortar_actors::{Key, ObjectMeta, Rendition};

use super::Pipeline;
use crate::domain::{Location, Marker};

/// Queues a result for its store.
pub(super) fn offer(
    pipeline: &Pipeline,
    object: &Location,
    key: &Key,
    rendition: Arc<Rendition>,
    epoch: &Epoch,
) -> Storing {
    let side = |name: &str, pixels: Option<u32>| Some((name.to_owned(), pixels?.to_string()));
    let sides = [side("x-amz-meta-public-width", rendition.width), side("x-amz-meta-public-height", rendition.height)];
    let meta = ObjectMeta {
        length: Some(rendition.body.len() as u64),
        content_type: Some(rendition.content_type.clone()),
        etag: Some(rendition.etag.clone()),
        last_modified: Some(rendition.last_modified),
        headers: sides.into_iter().flatten().collect(),
    };
    let marker = Marker::of(key, &object.key, epoch).name();
    let (store, key, epoch) = (object.store.clone(), object.key.clone(), epoch.clone());
    pipeline.store_back.offer(StoreBackItem { store, key, meta, rendition, marker, epoch })
}
