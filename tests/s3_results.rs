//! Results that are kept in a bucket behind S3: they are told, and go with their original, page by page, however many.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod harness;
#[path = "harness/s3.rs"]
mod s3_server;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use harness::origin::{Asked, Origin, Reply};
use harness::{Mortar, drawn_jpeg};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use s3_server::{ACCESS_KEY, S3Server, SECRET_KEY};
use serde_json::{Value, json};

/// More than one page of the index has.
const MANY: u64 = 520;
/// Fewer than wait to be stored before the oldest is dropped.
const AT_ONCE: u64 = 100;

/// Mortar whose bucket `remote` has its originals on disk and its results at the endpoint, all of which `everything` lists.
fn mortar_on(endpoint: &str) -> Mortar {
    let storage = format!(
        "kind = \"s3\"\nendpoint = \"{endpoint}\"\nbucket = \"photos\"\naccess_key = \"{ACCESS_KEY}\"\n\
         secret_access_key = \"{SECRET_KEY}\"\n"
    );
    let buckets = format!(
        "[buckets.remote.storages.basic]\nkind = \"local-meta\"\nroot_path = \"{{root}}\"\nbucket = \"media\"\n\
         [buckets.remote.storages.transform]\n{storage}\
         [buckets.remote.transform]\nkind = \"query\"\n\
         [buckets.everything]\npublic_listing = true\n[buckets.everything.storages.basic]\n{storage}"
    );
    Mortar::with("", &buckets)
}

fn purge(mortar: &Mortar, order: &Value) -> Value {
    let answer = mortar.order("/purge", &order.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// The results of an original, by pages.
fn variants(mortar: &Mortar, key: &str) -> Vec<Vec<Value>> {
    let (mut pages, mut after) = (Vec::new(), String::new());
    loop {
        let page = mortar.internal(&format!("/variants?bucket=remote&key={key}{after}"));
        assert_eq!(page.status, 200, "{}", page.text());
        let page = page.json();
        pages.push(page["variants"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={}", utf8_percent_encode(next, NON_ALPHANUMERIC)),
            None => return pages,
        }
    }
}

/// Asks for so many results of an original, and waits until all of them are stored; `before` were stored already.
fn make(mortar: &Mortar, key: &str, count: u64, before: u64) {
    for width in 1..=count {
        assert_eq!(mortar.get(&format!("/remote/{key}?width={width}")).status, 200, "{width}");
        if width % AT_ONCE == 0 || width == count {
            mortar.wait_until_stored(before + width);
        }
    }
}

#[test]
fn more_results_than_one_page_has_are_told_and_removed() {
    let server = S3Server::start();
    let mortar = mortar_on(&server.url());
    mortar.put("a.jpg", &drawn_jpeg(8, 6));
    mortar.put("b.jpg", &drawn_jpeg(8, 6));
    make(&mortar, "b.jpg", 2, 0);
    make(&mortar, "a.jpg", MANY, 2);
    let pages = variants(&mortar, "a.jpg");
    assert!(pages.len() > 1, "they are told page by page");
    let told: BTreeSet<_> = pages.iter().flatten().map(|variant| variant["key"].as_str().unwrap()).collect();
    assert_eq!((told.len(), pages.concat().len()), (MANY as usize, MANY as usize), "each of them, once");
    let one = &pages[0][0];
    assert_eq!((&one["bucket"], &one["content_type"]), (&"remote".into(), &"image/jpeg".into()), "{one}");
    assert!(one["size"].as_u64() > Some(0) && one["last_modified"].as_str().unwrap().ends_with(" GMT"), "{one}");

    mortar.put("a.jpg", &drawn_jpeg(8, 2));
    let purged = purge(&mortar, &json!({"bucket": "remote", "key": "a.jpg"}));
    assert_eq!((&purged["removed"], &purged["failed"]), (&MANY.into(), &0.into()), "{purged}");
    assert_eq!(variants(&mortar, "a.jpg"), [Vec::<Value>::new()]);
    assert_eq!(mortar.get("/remote/a.jpg?width=4").picture().dimensions(), (4, 1));
    mortar.wait_until_stored(MANY + 3);

    assert_eq!(variants(&mortar, "b.jpg").concat().len(), 2, "the other's results stay");
    assert_eq!(purge(&mortar, &json!({"bucket": "remote", "all": true}))["removed"], 3);
    let left = mortar.get("/everything?list-type=2").text();
    assert!(left.contains("<KeyCount>0</KeyCount>"), "neither results nor markers: {left}");
}

/// An endpoint that has markers of five results of `a.jpg`, tells two at a time, and lets go of them or not.
struct Endpoint {
    origin: Origin,
    lets_go: Arc<AtomicBool>,
}

impl Endpoint {
    const RESULTS: u64 = 5;
    const PAGES: usize = 3;

    fn start() -> Self {
        let names = (0..Self::RESULTS).map(|number| format!(".mortar/variants/remote/a.jpg/=/a.jpg/{number}=0"));
        let markers = Mutex::new(names.collect::<BTreeSet<_>>());
        let lets_go = Arc::new(AtomicBool::new(false));
        let may_go = Arc::clone(&lets_go);
        let origin = Origin::start(move |asked| match asked.method.as_str() {
            "GET" => Reply::ok(page(&markers.lock().unwrap(), asked).as_bytes()),
            "DELETE" if may_go.load(Relaxed) => {
                let key = percent_decode_str(asked.target.trim_start_matches("/photos/")).decode_utf8().unwrap();
                markers.lock().unwrap().remove(&*key);
                Reply::status(204)
            }
            "DELETE" => Reply::status(403),
            _ => Reply::status(200),
        });
        Self { origin, lets_go }
    }

    /// How often it was asked for a page of them.
    fn pages_asked(&self) -> usize {
        self.origin.asked().iter().filter(|asked| asked.method == "GET" && asked.target.contains("variants")).count()
    }
}

fn page(markers: &BTreeSet<String>, asked: &Asked) -> String {
    let parameter = |name: &str| {
        let query = asked.target.split_once('?').unwrap().1;
        let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        percent_decode_str(value.unwrap_or_default()).decode_utf8().unwrap().into_owned()
    };
    let (prefix, start) = (parameter("prefix"), parameter("start-after"));
    let mut rest = markers.iter().filter(|name| name.starts_with(&prefix) && **name > start);
    let contents = rest.by_ref().take(2).fold(String::new(), |mut text, name| {
        write!(text, "<Contents><Key>{name}</Key><Size>0</Size></Contents>").unwrap();
        text
    });
    let more = match rest.next() {
        Some(_) => "<IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken>",
        None => "<IsTruncated>false</IsTruncated>",
    };
    format!("<ListBucketResult>{contents}{more}</ListBucketResult>")
}

#[test]
fn a_purge_goes_through_the_pages_once_and_ends_also_when_nothing_can_be_removed() {
    let endpoint = Endpoint::start();
    let mortar = mortar_on(&format!("http://{}", endpoint.origin.address));
    let order = json!({"bucket": "remote", "key": "a.jpg"});
    let kept = purge(&mortar, &order);
    assert_eq!((&kept["removed"], &kept["failed"]), (&0.into(), &Endpoint::RESULTS.into()), "{kept}");
    assert_eq!(endpoint.pages_asked(), 3 * Endpoint::PAGES, "it is tried three times, and not for ever");
    endpoint.lets_go.store(true, Relaxed);
    let before = endpoint.pages_asked();
    let removed = purge(&mortar, &order);
    assert_eq!((&removed["removed"], &removed["failed"]), (&Endpoint::RESULTS.into(), &0.into()), "{removed}");
    assert_eq!(endpoint.pages_asked() - before, Endpoint::PAGES);
    assert_eq!(purge(&mortar, &order)["removed"], 0);
    assert_eq!(endpoint.pages_asked() - before, Endpoint::PAGES + 1);
}
