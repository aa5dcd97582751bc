//! S3: the contract against a server, and what only S3 can do.

use std::time::Duration;

use bytes::Bytes;
use mortar::adapters::{PrefixedStore, S3Store};
use mortar::config::{AwsEnvironment, CredentialSource, GlacierConfig, S3Config, S3StorageConfig, StaticCredentials};
use mortar_actors::storage::{ListRequest, PutCondition, Store};
use mortar_actors::{Body, ByteRange, ByteStream, FaultKind, ObjectKey, ObjectMeta};

use crate::contract::{self, broken, content, delete, get, get_range, put, put_with, streamed, stuck, unmeasured};
use crate::s3_server::{ACCESS_KEY, S3Server, SECRET_KEY};

const LONG: Duration = Duration::from_secs(20);

pub(crate) fn config() -> S3Config {
    S3Config {
        connect_timeout: LONG,
        tls_timeout: LONG,
        first_byte_timeout: LONG,
        idle_body_timeout: LONG,
        attempts: 3,
        backoff: Duration::from_millis(1),
        idle_connections: 4,
        part_size: 5 << 20,
        parts_in_flight: 2,
        upload_memory: 16 << 20,
        machine: AwsEnvironment::default(),
    }
}

pub(crate) fn storage(endpoint: &str, secret: &str) -> S3StorageConfig {
    S3StorageConfig {
        endpoint: Some(endpoint.parse().unwrap()),
        region: "eu-central-1".to_owned(),
        path_style: true,
        credentials: CredentialSource::Static(StaticCredentials {
            access_key: ACCESS_KEY.to_owned(),
            secret_access_key: secret.to_owned(),
            session_token: None,
        }),
        glacier: GlacierConfig::default(),
    }
}

fn store(server: &S3Server) -> S3Store {
    S3Store::new("photos", &storage(&server.url(), SECRET_KEY), &config())
}

/// `MORTAR_TEST_S3_ENDPOINT=http://127.0.0.1:9000` holds any endpoint to the contract that has the access keys of these
/// tests and an empty bucket `photos`, such as MinIO. Without it a server is started.
#[tokio::test]
async fn a_bucket_keeps_the_contract() {
    let given = std::env::var_os("MORTAR_TEST_S3_ENDPOINT").map(|url| url.into_string().unwrap());
    let started = given.is_none().then(S3Server::start);
    let endpoint = started.as_ref().map(S3Server::url).or(given).expect("one of them is there");
    let store = S3Store::new("photos", &storage(&endpoint, SECRET_KEY), &config());
    let listed = PrefixedStore::wrap("listed", std::sync::Arc::new(store.clone()));
    contract::listings_are_whole_and_ordered(&*listed).await;
    contract::is_kept(&store).await;
}

#[tokio::test]
async fn a_bucket_is_listed_page_by_page() {
    let server = S3Server::start();
    contract::listings_are_whole_and_ordered(&store(&server)).await;
    let prefixed = PrefixedStore::wrap("below", std::sync::Arc::new(store(&server)));
    contract::listings_are_whole_and_ordered(&*prefixed).await;
}

#[tokio::test]
async fn any_text_is_a_key_and_no_two_are_the_same() {
    let server = S3Server::start();
    let store = store(&server);
    let keys = ["a", "a//b", "a/b", "a/", "a/.", "a/../b", "../a", "./a", " a ", "a+b", "a%20b", "a?b#c", "ü/é", "%"];
    for key in keys {
        put(&store, key, Bytes::from(format!("content of {key:?}"))).await.unwrap();
    }
    for key in keys {
        assert_eq!(get(&store, key).await.unwrap(), format!("content of {key:?}"), "{key:?}");
    }
    let page = store.list(&ListRequest { max_keys: 100, ..ListRequest::default() }).await.unwrap();
    let mut expected = keys.to_vec();
    expected.sort_unstable();
    assert_eq!(page.objects.iter().map(|listed| listed.key.as_str()).collect::<Vec<_>>(), expected);
    for key in keys {
        assert_eq!(delete(&store, key).await, Ok(()));
    }
    assert!(store.list(&ListRequest { max_keys: 100, ..ListRequest::default() }).await.unwrap().objects.is_empty());
}

#[tokio::test]
async fn metadata_travels_with_the_object() {
    let server = S3Server::start();
    let store = store(&server);
    let headers = [("cache-control", "max-age=60"), ("content-disposition", "inline"), ("x-amz-meta-who", "me")];
    let meta = ObjectMeta {
        content_type: Some("image/avif".to_owned()),
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        ..ObjectMeta::default()
    };
    for (key, size) in [("small.jpg", 1_000), ("large.jpg", 11_000_000)] {
        put_with(&store, key, meta.clone(), content(size)).await.unwrap();
        let read = store.stat(&ObjectKey::new(key)).await.unwrap();
        assert_eq!((read.content_type, read.headers), (meta.content_type.clone(), meta.headers.clone()), "{key}");
    }
}

#[tokio::test]
async fn large_bodies_go_in_parts_and_come_back_whole() {
    let server = S3Server::start();
    let store = store(&server);
    for size in [(5 << 20) - 1, 5 << 20, (5 << 20) + 1, 10 << 20, 23_456_789] {
        let whole = content(size);
        let measured = put(&store, "large", streamed(&whole, 100_000)).await.unwrap();
        assert_eq!(measured.length, Some(size as u64));
        assert_eq!(get(&store, "large").await.unwrap(), whole, "{size}");
        put(&store, "large", unmeasured(&whole)).await.unwrap();
        assert_eq!(get_range(&store, "large", Some(ByteRange::Last(7))).await.unwrap(), whole.slice(size - 7..));
    }
    let key = ObjectKey::new("large");
    let again = store.put(&key, ObjectMeta::default(), streamed(&content(12 << 20), 1 << 20), &PutCondition::IfAbsent);
    assert_eq!(again.await.unwrap_err().kind(), FaultKind::PreconditionFailed);
    assert_eq!(get(&store, "large").await.unwrap().len(), 23_456_789);
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_the_old_object_and_no_parts() {
    let server = S3Server::start();
    let store = store(&server);
    put(&store, "object", content(5)).await.unwrap();
    let large = content(12 << 20);
    assert_eq!(put(&store, "object", broken(&large)).await, Err(FaultKind::Upstream));
    let key = ObjectKey::new("object");
    let endless = store.put(&key, ObjectMeta::default(), stuck(&large), &PutCondition::None);
    assert!(tokio::time::timeout(Duration::from_millis(500), endless).await.is_err());
    assert_eq!(get(&store, "object").await.unwrap(), content(5));
    let aborted = async {
        while server.uploads() != 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, aborted).await.expect("an upload stays behind");
}

#[tokio::test]
async fn what_is_wrong_with_a_storage_is_told_and_is_no_miss() {
    let server = S3Server::start();
    let nowhere = S3Store::new("nowhere", &storage(&server.url(), SECRET_KEY), &config());
    assert_eq!(nowhere.check().await.unwrap_err().kind(), FaultKind::Upstream);
    assert_eq!(get(&nowhere, "a").await, Err(FaultKind::Upstream));
    assert_eq!(put(&nowhere, "a", content(5)).await, Err(FaultKind::Upstream));
    let impostor = S3Store::new("photos", &storage(&server.url(), "wrong"), &config());
    let fault = impostor.fetch(&ObjectKey::new("a"), None).await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Upstream);
    assert!(!fault.message().contains(ACCESS_KEY));
    let mut server = server;
    server.kill();
    assert_eq!(get(&store(&server), "a").await, Err(FaultKind::Upstream));
}

#[tokio::test]
async fn a_store_that_is_killed_in_mid_upload_keeps_the_old_object_or_none() {
    let mut server = S3Server::on_disk();
    let one_attempt = S3Config { attempts: 1, ..config() };
    let store = S3Store::new("photos", &storage(&server.url(), SECRET_KEY), &one_attempt);
    put(&store, "old", content(1_000)).await.unwrap();
    for (key, size) in [("old", 4 << 20), ("old", 12 << 20), ("new", 4 << 20), ("new", 12 << 20)] {
        let whole = content(size);
        let (sender, receiver) = futures::channel::oneshot::channel::<()>();
        let first = Ok(whole.slice(..size / 2));
        let last = futures::stream::once(async move {
            let _ = receiver.await;
            Ok(whole.slice(size / 2..))
        });
        let body = futures::StreamExt::chain(futures::stream::iter([first]), last);
        let body = Body::Stream(ByteStream::new(Some(size as u64), body));
        let key_of = ObjectKey::new(key);
        let upload = store.put(&key_of, ObjectMeta::default(), body, &PutCondition::None);
        let kill = async {
            server.kill();
            let _ = sender.send(());
        };
        let (uploaded, ()) = futures::join!(upload, kill);
        assert_eq!(uploaded.unwrap_err().kind(), FaultKind::Upstream, "{key} {size}");
        server.start_again();
        let read = get(&store, key).await;
        assert!(read == Ok(content(1_000)) || key == "new" && read == Err(FaultKind::NotFound), "{key} {size}");
    }
}

#[tokio::test]
async fn a_store_that_freezes_in_mid_upload_ends_it_in_time() {
    let server = S3Server::on_disk();
    let hasty = S3Config { attempts: 1, first_byte_timeout: Duration::from_millis(300), ..config() };
    let store = S3Store::new("photos", &storage(&server.url(), SECRET_KEY), &hasty);
    put(&store, "old", content(1_000)).await.unwrap();
    server.freeze();
    for size in [1_000, 4 << 20, 12 << 20] {
        let uploaded = tokio::time::timeout(LONG, put(&store, "old", content(size))).await;
        assert_eq!(uploaded.expect("it hangs"), Err(FaultKind::TimedOut), "{size}");
    }
    server.thaw();
    let patient = S3Store::new("photos", &storage(&server.url(), SECRET_KEY), &config());
    put(&patient, "new", content(2_000)).await.unwrap();
    assert_eq!(get(&patient, "new").await.unwrap(), content(2_000));
}
