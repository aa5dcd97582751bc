//! Bodies are shared or passed on: never drained, never copied for each reader.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rand::RngCore;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::harness::{Mortar, PATIENCE, files_below, wait_for};
use crate::reading::Reading;
use crate::store::{Manner, REACHABLE, Store, bucket};

/// The result that is served: too large to be copied unnoticed.
const RESULT_BYTES: usize = 20 << 20;

/// A client that takes what it wants, and keeps little of it on its way.
struct Sipper(TcpStream);

impl Sipper {
    fn asking(mortar: &Mortar, path: &str) -> Self {
        let address: std::net::SocketAddr = mortar.address.strip_prefix("http://").unwrap().parse().unwrap();
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(64 << 10).unwrap();
        socket.connect(&SockAddr::from(address)).unwrap();
        let mut stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: mortar\r\nConnection: close\r\n\r\n").unwrap();
        Self(stream)
    }

    fn sips(&mut self, bytes: usize) {
        self.0.read_exact(&mut vec![0; bytes]).unwrap();
    }

    /// Reads the answer to its end and tells its length, head included.
    fn rest(mut self) -> u64 {
        std::io::copy(&mut self.0, &mut std::io::sink()).unwrap()
    }
}

/// A bucket `plain` whose results are plain files, and a cache that takes a result of [`RESULT_BYTES`].
fn large_results() -> Mortar {
    let bucket = "[buckets.plain.storages.basic]\nkind = \"local\"\nroot_path = \"{root}\"\n\
                  [buckets.plain.storages.transform]\nkind = \"local\"\nroot_path = \"{root}/results\"\n\
                  [buckets.plain.transform]\nkind = \"query\"\n";
    let cache = "[server.cache]\ncache_size = \"256MiB\"\nmax_cache_item_size = \"64MiB\"\n";
    let mortar = Mortar::with("", &format!("{cache}{bucket}"));
    fs::create_dir_all(mortar.root().join("plain")).unwrap();
    mortar
}

/// A PNG that cannot be compressed.
fn noise(width: u32, height: u32) -> Vec<u8> {
    let mut picture = image::RgbImage::new(width, height);
    rand::rng().fill_bytes(&mut picture);
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// Ten clients leave after 64 KiB of an object of 1 GiB. The store has handed out what the connections in between hold,
/// less than 8 MiB for each, and its connections are closed: nothing is drained into memory or into nowhere.
///
/// Red when a body that is dropped is read to its end: a `Drop` of `Attended` that spawns a task which goes on reading
/// (`actors/src/storage/attended.rs`).
#[test]
fn fault_04_a_client_that_leaves_stops_the_store_at_once() {
    const READERS: u64 = 10;
    let store = Store::start(|_, _| Manner::Pours(1 << 30));
    let mortar = Mortar::with("", &format!("{REACHABLE}{}", bucket("remote", &store.address, "")));
    Sipper::asking(&mortar, "/remote/first.bin").sips(64 << 10);
    let before = Reading::at_rest(&mortar);
    store.wait_until_open(0);
    let sent = store.sent();
    let mut readers: Vec<_> =
        (0..READERS).map(|number| Sipper::asking(&mortar, &format!("/remote/{number}.bin"))).collect();
    readers.iter_mut().for_each(|reader| reader.sips(64 << 10));
    drop(readers);
    store.wait_until_open(0);
    let sent = store.sent() - sent;
    assert!((READERS * (64 << 10)..READERS * (8 << 20)).contains(&sent), "{sent} bytes");
    before.comes_back(&mortar, 16 << 20);
    let peak = Reading::of(&mortar).peak - before.peak;
    assert!(peak < 32 << 20, "the peak rose by {peak} bytes");
}

/// A result of 20 MB goes to 100 clients at once, who all wait in the middle of it. Memory holds it once, and a slice of
/// 120 KiB in the buffer of each connection; a copy for each would be 2 GB.
///
/// Red when an answer is made of a copy: `Bytes::copy_from_slice` of the body in `respond::rendition`
/// (`src/respond/rendition.rs`).
#[test]
fn fault_06_a_large_result_is_held_once_however_many_read_it() {
    let mortar = large_results();
    fs::write(mortar.root().join("plain/a.png"), noise(8, 8)).unwrap();
    assert_eq!(mortar.get("/plain/a.png?width=4").status, 200);
    // The stored result is replaced by a large one, and a second instance begins with it.
    mortar.wait_until_stored(1);
    let stored = files_below(&mortar.root().join("results/plain")).pop().unwrap();
    let large = noise(2_650, 2_640);
    assert!(large.len() > RESULT_BYTES);
    fs::write(stored, large).unwrap();
    let mortar = mortar.beside();
    assert_eq!(
        Sipper::asking(&mortar, "/plain/a.png?width=5").rest(),
        Sipper::asking(&mortar, "/plain/a.png?width=5").rest()
    );
    let before = Reading::at_rest(&mortar);

    let mut readers: Vec<_> = (0..100).map(|_| Sipper::asking(&mortar, "/plain/a.png?width=4")).collect();
    readers.iter_mut().for_each(|reader| reader.sips(64 << 10));
    let growth = Reading::of(&mortar).resident.saturating_sub(before.resident) as usize;
    assert!(growth < RESULT_BYTES * 3, "{growth} bytes");
    let whole = readers.pop().unwrap().rest() as usize;
    assert!(whole > RESULT_BYTES - (64 << 10), "{whole} bytes");
    drop(readers);
    // The cache keeps it.
    before.comes_back(&mortar, 2 * RESULT_BYTES as u64);
}

/// A render of 20 MB whose client waits in the middle of the answer: the cache has the result and the answer goes on, and
/// together they hold it once. The second render, of a picture of the same size, adds one body to what stays resident,
/// where copies for the cache and the answer would be two.
///
/// Red when the cache is given a copy: `Rendition { body: Bytes::copy_from_slice(..), .. }` before `cache.insert` in `keep`
/// (`src/pipeline/flight.rs`).
#[test]
fn fault_09_the_answer_the_cache_and_the_store_share_one_buffer() {
    let mortar = large_results();
    let source = noise(2_600, 2_600);
    for name in ["warm.png", "a.png"] {
        fs::write(mortar.root().join("plain").join(name), &source).unwrap();
    }
    let render = |name: &str| {
        let mut reader = Sipper::asking(&mortar, &format!("/plain/{name}?width=2590&format=png"));
        reader.sips(64 << 10);
        wait_for("the result to be cached and stored", || {
            let (cache, stored) = (mortar.detail("cache"), mortar.detail("store-back"));
            (cache["entries"] == stored["written"] && cache["entries"].as_u64() > Some(0)).then_some(())
        });
        reader
    };
    let warm = render("warm.png");
    drop(warm);
    let before = Reading::at_rest(&mortar);
    let bytes = mortar.detail("cache")["bytes"].as_u64().unwrap();
    let reader = render("a.png");
    wait_for("the second entry", || (mortar.detail("cache")["entries"] == 2).then_some(()));
    assert!(bytes as usize > RESULT_BYTES / 2, "{bytes}");
    wait_for("memory to hold one body more", || {
        std::thread::park_timeout(Duration::from_millis(200));
        (Reading::of(&mortar).resident < before.resident + bytes + bytes / 2).then_some(())
    });
    drop(reader);
}
