//! The promises that hold for every store.

use bytes::Bytes;
use futures::{StreamExt, stream};
use mortar_actors::storage::{ListRequest, PutCondition, Store};
use mortar_actors::{Body, ByteRange, ByteStream, EntityTag, Fault, FaultKind, ObjectKey, ObjectMeta};

/// Names that an object of any store can have.
pub(crate) fn odd_keys() -> Vec<String> {
    let plain =
        ["a", "a b.jpg", "ünï/çødé/写真.jpg", "50%.png", "%2e%2e", "a+b&c=d?e#f", "...", "-rf", r"a\b", "~/*'\""];
    let longest_name = "n".repeat(255);
    let longest_key = vec!["d".repeat(127); 8].join("/");
    plain.into_iter().map(str::to_owned).chain([longest_name, longest_key]).collect()
}

/// Bytes that are different everywhere, so that a shifted part is noticed.
pub(crate) fn content(length: usize) -> Bytes {
    (0..length as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// A body that comes in chunks of `size` bytes.
pub(crate) fn streamed(content: &Bytes, size: usize) -> Body {
    let chunks: Vec<_> = content.chunks(size).map(|chunk| Ok(content.slice_ref(chunk))).collect();
    Body::Stream(ByteStream::new(Some(content.len() as u64), stream::iter(chunks)))
}

/// A body that does not tell its length.
pub(crate) fn unmeasured(content: &Bytes) -> Body {
    Body::Stream(ByteStream::new(None, stream::iter([Ok(content.clone())])))
}

/// A body that comes to `whole` and then fails.
pub(crate) fn broken(whole: &Bytes) -> Body {
    let chunks = [Ok(whole.clone()), Err(Fault::new(FaultKind::Upstream, "the uploader is gone"))];
    Body::Stream(ByteStream::new(None, stream::iter(chunks)))
}

/// A body that comes to `whole` and then never ends.
pub(crate) fn stuck(whole: &Bytes) -> Body {
    let chunks = stream::iter([Ok(whole.clone())]).chain(stream::pending());
    Body::Stream(ByteStream::new(None, chunks))
}

/// Everything that holds for a store which is read and written.
pub(crate) async fn is_kept(store: &dyn Store) {
    round_trips(store).await;
    stat_tells_what_fetch_does(store).await;
    absence(store).await;
    overwriting_is_atomic(store).await;
    conditions_hold(store).await;
    put(store, "ranges/small", content(10)).await.unwrap();
    ranges(store, "ranges/small", &content(10)).await;
    put(store, "ranges/large", content(700_000)).await.unwrap();
    ranges(store, "ranges/large", &content(700_000)).await;
    store.check().await.unwrap();
}

pub(crate) async fn put(store: &dyn Store, key: &str, body: impl Into<Body>) -> Result<ObjectMeta, FaultKind> {
    put_with(store, key, ObjectMeta::default(), body).await
}

pub(crate) async fn put_with(
    store: &dyn Store,
    key: &str,
    meta: ObjectMeta,
    body: impl Into<Body>,
) -> Result<ObjectMeta, FaultKind> {
    store.put(&ObjectKey::new(key), meta, body.into(), &PutCondition::None).await.map_err(|fault| fault.kind())
}

pub(crate) async fn get(store: &dyn Store, key: &str) -> Result<Bytes, FaultKind> {
    get_range(store, key, None).await
}

pub(crate) async fn get_range(store: &dyn Store, key: &str, range: Option<ByteRange>) -> Result<Bytes, FaultKind> {
    let fetched = store.fetch(&ObjectKey::new(key), range).await.map_err(|fault| fault.kind())?;
    fetched.body.collect(u64::MAX).await.map_err(|fault| fault.kind())
}

pub(crate) async fn delete(store: &dyn Store, key: &str) -> Result<(), FaultKind> {
    store.delete(&ObjectKey::new(key)).await.map_err(|fault| fault.kind())
}

/// What was put comes back: of any size, in any chunks, under any name.
pub(crate) async fn round_trips(store: &dyn Store) {
    for size in [0, 1, 2, 3, 7, 128 * 1024, 128 * 1024 + 1, 5_000_000] {
        let content = content(size);
        let key = format!("sizes/{size}.png");
        let written = put(store, &key, streamed(&content, 100_000)).await.unwrap();
        assert_eq!(written.length, Some(size as u64), "{size}");
        assert_eq!(get(store, &key).await.unwrap(), content, "{size}");
    }
    for key in odd_keys() {
        let content = Bytes::from(format!("content of {key}"));
        put(store, &key, content.clone()).await.unwrap();
        assert_eq!(get(store, &key).await.unwrap(), content, "{key}");
    }
}

/// `stat` tells the same as `fetch`, and as the `put` before it; the validator changes with the content.
pub(crate) async fn stat_tells_what_fetch_does(store: &dyn Store) {
    let written = put(store, "stat.webp", content(300_000)).await.unwrap();
    let stat = store.stat(&ObjectKey::new("stat.webp")).await.unwrap();
    let fetched = store.fetch(&ObjectKey::new("stat.webp"), None).await.unwrap();
    let part = store.fetch(&ObjectKey::new("stat.webp"), Some(ByteRange::From(1))).await.unwrap();
    // A store that hands the write on hears its time only when it asks.
    let written = ObjectMeta { last_modified: written.last_modified.or(stat.last_modified), ..written };
    assert_eq!(stat, written);
    assert_eq!(stat, fetched.meta);
    assert_eq!(stat, part.meta);
    assert_eq!(stat.length, Some(300_000));
    assert_eq!(stat.content_type.as_deref(), Some("image/webp"));
    assert!(stat.last_modified.is_some());
    let other = put(store, "stat.webp", content(300_001)).await.unwrap();
    assert_ne!(other.etag, written.etag);
    assert!(other.etag.is_some());
}

/// Every kind of range of the object `key`, which holds `content` of at least 10 bytes.
pub(crate) async fn ranges(store: &dyn Store, key: &str, content: &Bytes) {
    let length = content.len() as u64;
    let cases = [
        (ByteRange::Between(0, 0), 0..1),
        (ByteRange::Between(2, 7), 2..8),
        (ByteRange::Between(5, u64::MAX), 5..length),
        (ByteRange::Between(0, length - 1), 0..length),
        (ByteRange::From(0), 0..length),
        (ByteRange::From(length - 1), length - 1..length),
        (ByteRange::Last(1), length - 1..length),
        (ByteRange::Last(4), length - 4..length),
        (ByteRange::Last(length + 5), 0..length),
    ];
    for (range, expected) in cases {
        let fetched = store.fetch(&ObjectKey::new(key), Some(range)).await.unwrap();
        let part = fetched.part.expect("a part was asked for");
        assert_eq!((part.first, part.last + 1, part.total), (expected.start, expected.end, length), "{range:?}");
        assert_eq!(fetched.body.length(), Some(part.len()), "{range:?}");
        assert_eq!(fetched.meta.length, Some(length), "{range:?}");
        let expected = content.slice(expected.start as usize..expected.end as usize);
        assert_eq!(fetched.body.collect(length).await.unwrap(), expected, "{range:?}");
    }
    let outside = [ByteRange::From(length), ByteRange::Between(length, length), ByteRange::Last(0)];
    for range in outside.into_iter().chain([ByteRange::Between(3, 2)]) {
        let refused = get_range(store, key, Some(range)).await;
        assert_eq!(refused, Err(FaultKind::RangeNotSatisfiable { total: length }), "{range:?}");
    }
}

/// What does not exist is not found, and removing it succeeds.
pub(crate) async fn absence(store: &dyn Store) {
    put(store, "there/it/is", content(10)).await.unwrap();
    for key in ["absent", "there", "there/it", "there/it/is/not", "there/it/i"] {
        assert_eq!(get(store, key).await, Err(FaultKind::NotFound), "{key}");
        let stat = store.stat(&ObjectKey::new(key)).await.map_err(|fault| fault.kind());
        assert_eq!(stat, Err(FaultKind::NotFound), "{key}");
        assert_eq!(delete(store, key).await, Ok(()), "{key}");
    }
    assert_eq!(get(store, "there/it/is").await.unwrap(), content(10), "deletes of others have not touched it");
    assert_eq!(delete(store, "there/it/is").await, Ok(()));
    assert_eq!(get(store, "there/it/is").await, Err(FaultKind::NotFound));
    assert_eq!(delete(store, "there/it/is").await, Ok(()));
}

/// A put replaces the whole object or leaves it alone; a reader goes on with what it began.
pub(crate) async fn overwriting_is_atomic(store: &dyn Store) {
    let (old, new) = (content(1_000_000), content(400_000));
    put(store, "object", old.clone()).await.unwrap();
    let before = store.fetch(&ObjectKey::new("object"), None).await.unwrap();
    put(store, "object", streamed(&new, 70_000)).await.unwrap();
    assert_eq!(before.body.collect(u64::MAX).await.unwrap(), old);
    assert_eq!(get(store, "object").await.unwrap(), new);

    let short = ObjectMeta { length: Some(400_001), ..ObjectMeta::default() };
    let long = ObjectMeta { length: Some(399_999), ..ObjectMeta::default() };
    assert_eq!(put(store, "object", broken(&old)).await, Err(FaultKind::Upstream));
    assert_eq!(put_with(store, "object", short, streamed(&new, 1000)).await, Err(FaultKind::Invalid));
    assert_eq!(put_with(store, "object", long, broken(&new)).await, Err(FaultKind::Invalid));
    let one_missing = ObjectMeta { length: Some(400_001), ..ObjectMeta::default() };
    assert_eq!(put_with(store, "object", one_missing, unmeasured(&new)).await, Err(FaultKind::Invalid));
    assert_eq!(get(store, "object").await.unwrap(), new);
    assert_eq!(put(store, "new", broken(&old)).await, Err(FaultKind::Upstream));
    assert_eq!(get(store, "new").await, Err(FaultKind::NotFound));
}

/// Of conditional writes the one whose condition holds is made, and of several at once exactly one.
pub(crate) async fn conditions_hold(store: &dyn Store) {
    let key = ObjectKey::new("conditional");
    let put_if = async |body: Bytes, condition: &PutCondition| {
        let written = store.put(&key, ObjectMeta::default(), Body::Bytes(body), condition).await;
        written.map_err(|fault| fault.kind())
    };
    let other = PutCondition::IfMatch(EntityTag::new("0123456789abcdef0123456789abcdef"));
    assert_eq!(put_if(content(9), &other).await, Err(FaultKind::NotFound));
    let first = put_if(content(10), &PutCondition::IfAbsent).await.unwrap();
    assert_eq!(put_if(content(11), &PutCondition::IfAbsent).await, Err(FaultKind::PreconditionFailed));
    assert_eq!(put_if(content(12), &other).await, Err(FaultKind::PreconditionFailed));
    assert_eq!(get(store, "conditional").await.unwrap(), content(10));
    let same = PutCondition::IfMatch(first.etag.unwrap());
    let rivals = futures::future::join_all((20..28).map(|size| put_if(content(size), &same))).await;
    assert_eq!(rivals.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{rivals:?}");
    assert!(get(store, "conditional").await.unwrap().len() >= 20);

    let new = ObjectKey::new("contested");
    let body = |size| Body::Bytes(content(size));
    let rivals = (1..9).map(|size| store.put(&new, ObjectMeta::default(), body(size), &PutCondition::IfAbsent));
    let rivals = futures::future::join_all(rivals).await;
    let won: Vec<_> = rivals.iter().filter_map(|outcome| outcome.as_ref().ok()).collect();
    let [won] = won.as_slice() else { panic!("{rivals:?}") };
    assert_eq!(store.stat(&new).await.unwrap().length, won.length);
}

/// Pages of every size tell every entry once and in order.
pub(crate) async fn listings_are_whole_and_ordered(store: &dyn Store) {
    let keys = ["l/a-1", "l/a/1", "l/a/2/x", "l/a0", "l/b c+d%20.jpg", "l/z", "l/ü/é/1", "l/ü/é/2"];
    put(store, "k", content(1)).await.unwrap();
    put(store, "m/n", content(1)).await.unwrap();
    for (size, key) in keys.iter().rev().enumerate() {
        put(store, key, content(size)).await.unwrap();
    }
    for size in [1, 2, 3, 5, 8, 1000] {
        assert_eq!(entries(store, "l/", None, size).await, keys, "{size}");
        let rolled_up = ["l/a-1", "l/a/*", "l/a0", "l/b c+d%20.jpg", "l/z", "l/ü/*"];
        assert_eq!(entries(store, "l/", Some("/"), size).await, rolled_up, "{size}");
        assert_eq!(entries(store, "", Some("/"), size).await, ["k", "l/*", "m/*"], "{size}");
        assert_eq!(entries(store, "l/a", None, size).await, &keys[..4], "{size}");
        assert_eq!(entries(store, "l/ü/é/", Some("/"), size).await, &keys[6..], "{size}");
        assert!(entries(store, "l/none", Some("/"), size).await.is_empty());
    }
    let request = ListRequest { prefix: "l/a/".to_owned(), max_keys: 2, ..ListRequest::default() };
    let page = store.list(&request).await.unwrap();
    assert_eq!(page.next, None, "it holds all there is");
    for listed in page.objects {
        let stat = store.stat(&listed.key).await.unwrap();
        assert_eq!((listed.meta.length, listed.meta.etag), (stat.length, stat.etag), "{}", listed.key);
        assert_eq!(listed.meta.last_modified, stat.last_modified);
    }
    let request = ListRequest { start_after: Some("l/a/2".to_owned()), max_keys: 1, ..ListRequest::default() };
    assert_eq!(store.list(&request).await.unwrap().objects[0].key.as_str(), "l/a/2/x");
}

/// All entries, gathered page by page; common prefixes are marked.
async fn entries(store: &dyn Store, prefix: &str, delimiter: Option<&str>, max_keys: usize) -> Vec<String> {
    let delimiter = delimiter.map(str::to_owned);
    let mut request = ListRequest { prefix: prefix.to_owned(), delimiter, start_after: None, max_keys };
    let mut entries = Vec::new();
    loop {
        let page = store.list(&request).await.unwrap();
        let mut told: Vec<_> = page.objects.iter().map(|listed| listed.key.to_string()).collect();
        assert!(told.is_sorted() && page.prefixes.is_sorted());
        told.extend(page.prefixes.iter().map(|prefix| format!("{prefix}*")));
        told.sort();
        assert!(told.len() <= max_keys, "{} entries instead of {max_keys}", told.len());
        entries.extend(told);
        match page.next {
            Some(next) => request.start_after = Some(next),
            None => return entries,
        }
    }
}
