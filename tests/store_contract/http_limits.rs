//! HTTP origins: sizes, addresses and redirects.

use mortar::adapters::{GuardedClient, HttpOrigin};
use mortar::config::OriginConfig;
use mortar_actors::storage::Store;
use mortar_actors::{Deadline, FaultKind, ObjectKey};
use url::Url;

use crate::contract::{content, get};
use crate::origin::{Answer, LONG, Origin, SHORT, answer, config};

fn redirect(to: &str) -> Vec<u8> {
    answer("302 Found", &[("location", to)], b"")
}

async fn fetch_url(config: &OriginConfig, url: &Url, limit: u64) -> Result<bytes::Bytes, FaultKind> {
    let fetched = GuardedClient::new(config).fetch_url(url, limit, Deadline::within(LONG), &|_| true).await;
    fetched.map_err(|fault| fault.kind())?.body.collect(limit).await.map_err(|fault| fault.kind())
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_when_announced_and_when_read() {
    let config = OriginConfig { max_body_bytes: 100_000, ..config() };
    let announced =
        Origin::start(|_| Answer::Endless(b"HTTP/1.1 200 OK\r\ncontent-length: 100001\r\n\r\n".to_vec())).await;
    let refused = announced.store(&config).fetch(&ObjectKey::new("a"), None).await.unwrap_err();
    assert_eq!(refused.kind(), FaultKind::TooLarge);
    announced.all_closed().await;

    let endless = Origin::start(|_| Answer::Endless(b"HTTP/1.1 200 OK\r\n\r\n".to_vec())).await;
    assert_eq!(get(&endless.store(&config), "a").await, Err(FaultKind::TooLarge));
    endless.all_closed().await;

    let fitting = Origin::saying(answer("200 OK", &[], &content(100_000))).await;
    assert_eq!(get(&fitting.store(&config), "a").await.unwrap().len(), 100_000);
}

#[tokio::test]
async fn addresses_that_are_not_global_are_refused_unless_allowed() {
    let origin = Origin::saying(answer("200 OK", &[], b"secret")).await;
    let strict = OriginConfig { allow_networks: Vec::new(), ..config() };
    let port = origin.address.port();
    let hosts = [
        "127.0.0.1",
        "localhost",
        "0x7f.1",
        "2130706433",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "169.254.169.254",
        "10.0.0.1",
        "[fe80::1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
    ];
    for host in hosts {
        let url = Url::parse(&format!("http://{host}:{port}/")).unwrap();
        assert_eq!(fetch_url(&strict, &url, 100).await, Err(FaultKind::Forbidden), "{host}");
        let store =
            HttpOrigin::new(&format!("http://{host}:{port}/<item>"), "photos", &Default::default(), &strict).unwrap();
        assert_eq!(get(&store, "a").await, Err(FaultKind::Forbidden), "{host}");
        assert_eq!(store.check().await.unwrap_err().kind(), FaultKind::Forbidden, "{host}");
    }
    assert!(origin.asked().is_empty());
    assert_eq!(fetch_url(&config(), &origin.url("/"), 100).await.unwrap(), "secret");
}

#[tokio::test]
async fn redirects_are_followed_and_counted() {
    let origin = Origin::start(|asked| {
        let path = asked.line.split(' ').nth(1).unwrap();
        Answer::Whole(match path {
            "/photos/a" => redirect("/photos/b"),
            "/photos/b" => redirect("c?x=1"),
            "/photos/c?x=1" => redirect("d"),
            "/photos/d" => answer("200 OK", &[], b"found"),
            _ => redirect("/loop"),
        })
    })
    .await;
    let store = origin.store(&config());
    assert_eq!(get(&store, "a").await.unwrap(), "found");
    assert_eq!(origin.asked().len(), 4);
    assert!(origin.asked().iter().all(|asked| asked.headers["x-secret"] == "s3cr3t"));
    assert_eq!(get(&store, "loop").await, Err(FaultKind::Upstream));
    assert_eq!(origin.asked().len(), 8, "three redirects are followed, not more");
}

#[tokio::test]
async fn a_redirect_to_an_address_that_may_not_be_reached_is_refused() {
    let inside = Origin::saying(answer("200 OK", &[], b"secret")).await;
    let only_this = OriginConfig { allow_networks: vec!["127.0.0.1/32".parse().unwrap()], ..config() };
    let port = inside.address.port();
    let targets = [
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://10.0.0.1/".to_owned(),
        "//192.168.0.1/x".to_owned(),
        format!("http://127.0.0.2:{port}/"),
        format!("http://[::1]:{port}/"),
        "file:///etc/passwd".to_owned(),
    ];
    for target in targets {
        let origin = Origin::saying(redirect(&target)).await;
        assert!(get(&origin.store(&only_this), "a").await.is_err(), "{target}");
        let refused = fetch_url(&only_this, &origin.url("/"), 100).await;
        assert_eq!(refused, Err(FaultKind::Forbidden), "{target}");
    }
    assert!(inside.asked().is_empty());
}

#[tokio::test]
async fn configured_headers_stay_with_their_origin() {
    let other = Origin::saying(answer("200 OK", &[], b"elsewhere")).await;
    let target = other.url("/x").to_string();
    let origin = Origin::saying(redirect(&target)).await;
    assert_eq!(get(&origin.store(&config()), "a").await.unwrap(), "elsewhere");
    assert!(origin.asked()[0].headers.contains_key("x-secret"));
    assert!(!other.asked()[0].headers.contains_key("x-secret"));
}

#[tokio::test]
async fn a_url_is_fetched_whole_within_its_limit_and_deadline() {
    let origin = Origin::saying(answer("200 OK", &[("content-type", "image/png")], &content(1000))).await;
    assert_eq!(fetch_url(&config(), &origin.url("/"), 1000).await.unwrap(), content(1000));
    assert_eq!(fetch_url(&config(), &origin.url("/"), 999).await, Err(FaultKind::TooLarge));

    let stalled = Origin::start(|_| Answer::Stall(b"HTTP/1.1 200 OK\r\n\r\nhalf".to_vec())).await;
    let client = GuardedClient::new(&config());
    let fetched = client.fetch_url(&stalled.url("/"), 1000, Deadline::within(SHORT), &|_| true).await;
    assert_eq!(fetched.unwrap_err().kind(), FaultKind::TimedOut);
    stalled.all_closed().await;
}

#[tokio::test]
async fn a_url_leads_only_where_it_is_allowed_also_by_redirect() {
    let other = Origin::saying(answer("200 OK", &[], b"elsewhere")).await;
    let target = other.url("/x").to_string();
    let origin = Origin::saying(redirect(&target)).await;
    let port = origin.address.port();
    let client = GuardedClient::new(&config());
    let only_first = move |url: &Url| url.port() == Some(port);
    for url in [origin.url("/"), other.url("/")] {
        let refused = client.fetch_url(&url, 100, Deadline::within(LONG), &only_first).await;
        assert_eq!(refused.unwrap_err().kind(), FaultKind::Forbidden);
    }
    assert!(other.asked().is_empty());
}

#[tokio::test]
async fn only_http_is_fetched() {
    let origin = Origin::saying(answer("200 OK", &[], b"x")).await;
    for url in [format!("ftp://{}/", origin.address), "file:///etc/passwd".to_owned(), "data:,x".to_owned()] {
        let refused = fetch_url(&config(), &Url::parse(&url).unwrap(), 100).await;
        assert_eq!(refused, Err(FaultKind::Forbidden), "{url}");
    }
    assert!(origin.asked().is_empty());
}

#[tokio::test]
async fn user_name_and_password_of_a_url_are_not_sent() {
    let origin = Origin::saying(answer("200 OK", &[], b"x")).await;
    let url = Url::parse(&format!("http://me:secret@{}/x#y", origin.address)).unwrap();
    assert_eq!(fetch_url(&config(), &url, 100).await.unwrap(), "x");
    let asked = origin.asked().pop().unwrap();
    assert_eq!(asked.line, "GET /x HTTP/1.1");
    assert!(!asked.headers.contains_key("authorization"));
    assert_eq!(asked.headers["host"], origin.address.to_string());
}
