//! The built-in sample picture, so that the first URL a new user opens shows something.

use bytes::Bytes;
use mortar_actors::storage::{PutCondition, StorageHandle};
use mortar_actors::{Body, Deadline, Fault, ObjectKey, ObjectMeta, StoreId};

/// A lake at sunset, drawn for this project: 1920 x 1280 pixels, JPEG.
pub const PICTURE: &[u8] = include_bytes!("sample.jpg");

/// The bucket that it is put into, if there is one of this name.
pub const BUCKET: &str = "media";

/// Its name there.
pub const NAME: &str = "sample.jpg";

/// Puts the sample picture into a store unless something of that name is there.
///
/// # Errors
/// Whatever the store reported; the service can go on without the picture.
pub async fn provide(storage: &StorageHandle, store: &StoreId, deadline: Deadline) -> Result<(), Fault> {
    let key = ObjectKey::new(NAME);
    match storage.stat(store, &key, deadline).await {
        Err(fault) if fault.is_not_found() => {}
        found_or_failed => return found_or_failed.map(drop),
    }
    let meta = ObjectMeta {
        length: Some(PICTURE.len() as u64),
        content_type: Some("image/jpeg".to_owned()),
        ..ObjectMeta::default()
    };
    let body = Body::Bytes(Bytes::from_static(PICTURE));
    storage.put(store, &key, meta, body, PutCondition::None, deadline).await.map(drop)
}
