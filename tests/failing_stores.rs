//! Stores that hang, answer slowly, break off, lie about lengths or answer nonsense: each has its status, in bounded time,
//! nothing of it is kept, and nothing is left of it.

#![expect(clippy::unwrap_used, reason = "everything here is a test")]

mod harness;

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use harness::origin::{ALLOW_LOOPBACK, Asked, Origin, Reply};
use harness::signer::WRITER;
use harness::wire::Wire;
use harness::{Answer, Mortar, drawn_jpeg, everything_below, wait_for};

/// Longest wait for the answer to any failure, on a busy machine.
const BOUNDED: Duration = Duration::from_secs(30);

/// What becomes of a failure that nothing but a limit ends.
const LATE: (u16, &str) = (504, "timed_out");

/// The kinds of storage that are asked over a network.
const KINDS: [&str; 2] = ["http", "s3"];

/// What an S3 answers whoever asks for a list of what is not there.
const NOTHING_LISTED: &str = "<ListBucketResult><Name>photos</Name><Prefix/><KeyCount>0</KeyCount><MaxKeys>1000</MaxKeys>\
    <IsTruncated>false</IsTruncated></ListBucketResult>";

/// How long a server waits for its stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    /// So that what hangs is soon seen to be late.
    Little,
    /// So that nothing else is late, however busy the machine is.
    Ample,
}

/// A way to fail, and what becomes of it.
struct Failure {
    name: &'static str,
    reply: Reply,
    status: u16,
    code: &'static str,
    shows: Shows,
}

/// How much of an answer is there before it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shows {
    /// Less than a head, or something else, or all of it.
    Other,
    /// A head, and not a byte after it.
    HeadAlone,
    /// As many bytes as it tells, which are fewer than there are.
    LessThanAll,
}

impl Patience {
    const BOTH: [Self; 2] = [Self::Little, Self::Ample];

    /// The limit for the next byte, and the one for a whole request.
    fn limits(self) -> (&'static str, &'static str) {
        match self {
            Self::Little => ("700ms", "3s"),
            Self::Ample => ("10s", "30s"),
        }
    }
}

fn failure(name: &'static str, reply: Reply, (status, code): (u16, &'static str)) -> Failure {
    Failure { name, reply, status, code, shows: Shows::Other }
}

impl Failure {
    fn showing(self, shows: Shows) -> Self {
        Self { shows, ..self }
    }
}

/// The failures to try with this patience: each is tried with one of the two.
fn failures(patience: Patience, picture: &[u8]) -> Vec<Failure> {
    let mut failures = all_failures(picture);
    failures.retain(|failure| (failure.status == LATE.0) == (patience == Patience::Little));
    failures
}

fn all_failures(picture: &[u8]) -> Vec<Failure> {
    const BAD: (u16, &str) = (502, "upstream_error");
    const NO_PICTURE: (u16, &str) = (422, "unprocessable_image");
    let whole = answer(picture.len(), picture);
    let chunk =
        [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1000\r\n".as_slice(), &picture[..0x1000]].concat();
    let long_head = format!("HTTP/1.1 200 OK\r\nx: {}\r\ncontent-length: 0\r\n\r\n", "x".repeat(2 << 20));
    vec![
        failure("it hangs", Reply::Silence, LATE),
        failure("it hangs after the headers", Reply::HeadOnly, LATE).showing(Shows::HeadAlone),
        failure("it is too slow", Reply::Dripping(whole.clone(), Duration::from_millis(20)), LATE),
        failure("it fails", Reply::status(500), BAD),
        failure("it leaves without a word", Reply::Raw(Vec::new()), BAD),
        failure("it breaks off in its headers", Reply::Raw(whole[..20].to_vec()), BAD),
        failure("it breaks off after the headers", Reply::Raw(answer(picture.len(), &[])), BAD)
            .showing(Shows::HeadAlone),
        failure("it breaks off in its body", Reply::Raw(whole[..whole.len() - 1].to_vec()), BAD),
        failure("it breaks off in a chunk", Reply::Raw(chunk.clone()), BAD),
        failure("it breaks off between chunks", Reply::Raw([&chunk, b"\r\n".as_slice()].concat()), BAD),
        failure("it tells a length that is too small", Reply::Raw(answer(picture.len() / 2, picture)), NO_PICTURE)
            .showing(Shows::LessThanAll),
        failure(
            "it tells two lengths",
            Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n12345".to_vec()),
            BAD,
        ),
        failure(
            "it tells a length that is none",
            Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n12345".to_vec()),
            BAD,
        ),
        failure("it has too many headers", Reply::Raw(long_head.into_bytes()), BAD),
        failure("it speaks something else", Reply::Raw(b"220 smtp.example ESMTP\r\n".to_vec()), BAD),
        failure("it sends no picture", Reply::ok(b"<html>Please log in</html>"), NO_PICTURE),
        failure("it sends nothing", Reply::ok(b""), NO_PICTURE),
    ]
}

/// A 200 that tells this length, and this body.
fn answer(length: usize, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").as_bytes(), body].concat()
}

/// An origin that answers as it was told last.
fn changing(reply: Reply) -> (Origin, Arc<Mutex<Reply>>) {
    let reply = Arc::new(Mutex::new(reply));
    let told = Arc::clone(&reply);
    (Origin::start(move |_: &Asked| told.lock().unwrap().clone()), reply)
}

fn kinds_and_patience() -> impl Iterator<Item = (&'static str, Patience)> {
    KINDS.into_iter().flat_map(|kind| Patience::BOTH.map(|patience| (kind, patience)))
}

/// The keys of a storage at `address`.
fn storage(kind: &str, address: &str) -> String {
    match kind {
        "http" => format!("kind = \"http\"\nurl = \"http://{address}/<item>\"\n"),
        _ => format!(
            "kind = \"s3\"\nendpoint = \"http://{address}\"\nbucket = \"photos\"\naccess_key = \"key\"\n\
             secret_access_key = \"secret\"\n"
        ),
    }
}

/// With a bucket `remote`, and breakers that never open, so that each failure is seen by itself.
fn start(patience: Patience, originals: &str, results: &str) -> Mortar {
    let (next, whole) = patience.limits();
    let limits = format!("first_byte_timeout = \"{next}\"\nidle_body_timeout = \"{next}\"\n");
    let more = format!(
        "{ALLOW_LOOPBACK}{limits}[s3]\n{limits}backoff = \"10ms\"\n\
         [actors.storage]\nbreaker_failures = 100000\n[actors.store_back]\nwrite_timeout = \"3s\"\n\
         [buckets.remote.storages.basic]\n{originals}[buckets.remote.storages.transform]\n{results}\
         [buckets.remote.transform]\nkind = \"query\"\n"
    );
    Mortar::with(&format!("request_timeout = \"{whole}\""), &more)
}

/// With results at this origin, and the original `a.jpg` on disk.
fn start_with_original(patience: Patience, results: &Origin, picture: &[u8]) -> Mortar {
    let mortar = start(patience, on_disk(), &storage("s3", &results.address));
    std::fs::create_dir_all(mortar.root().join("results/remote")).unwrap();
    std::fs::write(mortar.root().join("results/remote/a.jpg"), picture).unwrap();
    mortar
}

fn on_disk() -> &'static str {
    "kind = \"local-meta\"\nroot_path = \"{root}/results\"\n"
}

fn in_bounded_time(mortar: &Mortar, path: &str) -> Answer {
    let asked = Instant::now();
    let answer = mortar.get(path);
    assert!(asked.elapsed() < BOUNDED, "{path} took {:?}", asked.elapsed());
    answer
}

/// Asks a store that is well. With little patience a busy machine may be late by itself.
fn when_well(mortar: &Mortar, path: &str) -> Answer {
    wait_for("an answer in time", || Some(mortar.get(path)).filter(|answer| answer.status != LATE.0))
}

/// A picture is asked for while its store fails, by several at once, and then once more when the store is well again.
#[test]
fn every_failure_has_its_answer_and_is_over_with_it() {
    let picture = drawn_jpeg(300, 240);
    for (kind, patience) in kinds_and_patience() {
        let (origin, reply) = changing(Reply::Silence);
        let mortar = start(patience, &storage(kind, &origin.address), on_disk());
        for Failure { name, reply: failing, status, code, .. } in failures(patience, &picture) {
            *reply.lock().unwrap() = failing;
            let path = format!("/remote/{}.jpg?width=50", name.replace(' ', "-"));
            thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| {
                        let failed = in_bounded_time(&mortar, &path);
                        assert_eq!((failed.status, failed.error_code().as_str()), (status, code), "{kind}: {name}");
                        assert!(status < 500 || failed.header("cache-control") == "no-store", "{kind}: {name}");
                    });
                }
            });
            mortar.wait_until_idle();
            origin.wait_until_left();
            assert_eq!(mortar.detail("cache")["entries"], 0, "{kind}: {name}");
            assert_eq!(everything_below(&mortar.root().join("results")).len(), 0, "{kind}: {name}");
        }
        *reply.lock().unwrap() = Reply::ok(&picture);
        for Failure { name, .. } in failures(patience, &picture) {
            let path = format!("/remote/{}.jpg?width=50", name.replace(' ', "-"));
            assert_eq!(when_well(&mortar, &path).picture().dimensions(), (50, 40), "{kind}: {name}");
        }
        assert_eq!(mortar.stats()["http"]["panics"], 0);
    }
}

/// An original that is answered as it is may have its head out before its store fails, though not before the first bytes
/// are there. Then it must not look whole: the connection ends early.
#[test]
fn an_original_whose_store_fails_never_looks_whole() {
    let picture = drawn_jpeg(300, 240);
    for (kind, patience) in kinds_and_patience() {
        let (origin, reply) = changing(Reply::Silence);
        let mortar = start(patience, &storage(kind, &origin.address), on_disk());
        // What is no picture is none of the server's business here, and a length that is too small cannot be seen.
        let seen = failures(patience, &picture).into_iter().filter(|failure| failure.status != 422);
        for Failure { name, reply: failing, status, shows, .. } in seen {
            *reply.lock().unwrap() = failing;
            let asked = Instant::now();
            let told = Wire::asking(&mortar, "/remote/a.jpg").rest();
            assert!(asked.elapsed() < BOUNDED, "{kind}: {name}: {:?}", asked.elapsed());
            let text = String::from_utf8_lossy(&told);
            let head = text.split_once("\r\n\r\n").map_or("", |(head, _)| head);
            assert!(shows != Shows::HeadAlone || head.starts_with(&format!("HTTP/1.1 {status} ")), "{name}");
            if head.starts_with("HTTP/1.1 200 ") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                let is_whole = match length {
                    Some(length) => told.len() >= head.len() + 4 + length.parse::<usize>().unwrap(),
                    None => told.ends_with(b"0\r\n\r\n"),
                };
                assert!(!is_whole, "{kind}: {name}: {} bytes: {head}", told.len());
            } else if !told.is_empty() {
                assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{kind}: {name}: {head}");
            }
            mortar.wait_until_idle();
            origin.wait_until_left();
        }
        *reply.lock().unwrap() = Reply::ok(&picture);
        assert_eq!(when_well(&mortar, "/remote/a.jpg").body, picture);
    }
}

/// Results that cannot be stored are answered all the same. What hangs is ended by the limit for writes.
#[test]
fn writes_to_a_store_of_results_may_fail_in_any_way() {
    let picture = drawn_jpeg(300, 240);
    let writes_fail_by = Arc::new(Mutex::new(Reply::Silence));
    let told = Arc::clone(&writes_fail_by);
    let results = Origin::start(move |asked| match asked.method.as_str() {
        "GET" => Reply::status(404),
        _ => told.lock().unwrap().clone(),
    });
    let mortar = start_with_original(Patience::Ample, &results, &picture);
    let written = all_failures(&picture).into_iter().filter(|failure| failure.status != 422);
    for (Failure { name, reply, .. }, failed) in written.zip(1..) {
        let width = 10 + failed;
        *writes_fail_by.lock().unwrap() = reply;
        let answer = in_bounded_time(&mortar, &format!("/remote/a.jpg?width={width}"));
        assert_eq!(answer.picture().width(), width, "{name}");
        wait_for("the write to fail", || (mortar.detail("store-back")["failed"] == failed).then_some(()));
        mortar.wait_until_idle();
        results.wait_until_left();
    }
}

/// What is read of results is told apart: a result that is no picture is made again, and a store that does not answer is an
/// outage, not a miss.
#[test]
fn reads_of_a_store_of_results_may_fail_in_any_way() {
    let picture = drawn_jpeg(300, 240);
    for patience in Patience::BOTH {
        let (results, reads_fail_by) = changing(Reply::Silence);
        let mortar = start_with_original(patience, &results, &picture);
        // A length that is too small cannot be seen in a result that begins as a picture.
        let failing = || failures(patience, &picture).into_iter().filter(|failure| failure.shows != Shows::LessThanAll);
        for (Failure { name, reply, status, code, .. }, width) in failing().zip(10..) {
            *reads_fail_by.lock().unwrap() = reply;
            let answer = in_bounded_time(&mortar, &format!("/remote/a.jpg?width={width}"));
            match status {
                422 => assert_eq!(answer.picture().width(), width, "{name}"),
                status => assert_eq!((answer.status, answer.error_code().as_str()), (status, code), "{name}"),
            }
        }
        mortar.wait_until_idle();
        let made = failing().filter(|failure| failure.status == 422).count();
        assert_eq!(mortar.actor("transform")["handled"], made);
    }
}

/// Where results of some originals are out of reach, changes of others are made up for all the same, even where as many as
/// are taken for an outage come first.
#[test]
fn a_change_that_cannot_be_made_up_for_keeps_no_other_one_waiting() {
    let results = Origin::start(|asked| match asked.target.contains("stuck") {
        true => Reply::status(500),
        false => Reply::ok(NOTHING_LISTED.as_bytes()),
    });
    let more = format!(
        "{ALLOW_LOOPBACK}[s3]\nbackoff = \"10ms\"\n[actors.storage]\nbreaker_failures = 100000\n\
         [s3_api]\nupload_timeout = \"1s\"\n\
         [buckets.remote.storages.basic]\n{}[buckets.remote.storages.transform]\n{}\
         [buckets.remote.transform]\nkind = \"query\"\n\
         [[buckets.remote.keys]]\naccess_key = \"{}\"\nsecret_access_key = \"{}\"\n",
        on_disk(),
        storage("s3", &results.address),
        WRITER.0,
        WRITER.1,
    );
    let mortar = Mortar::with("request_timeout = \"2s\"", &more);
    let notes = mortar.root().join("results/remote/.mortar/changes/remote");
    std::fs::create_dir_all(&notes).unwrap();
    for changed in ["a-stuck.jpg", "b-stuck.jpg", "c-stuck.jpg", "d.jpg"] {
        std::fs::write(notes.join(format!("{changed}=00000001")), "").unwrap();
    }
    let mut mortar = mortar.restart();
    let line = mortar.wait_for_log("a change that was left over is made up for");
    assert_eq!(line["original"], "remote/d.jpg");
    wait_for("its note to be struck out, and no other", || (everything_below(&notes).len() == 3).then_some(()));
}
