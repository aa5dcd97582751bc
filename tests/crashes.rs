//! Killed at any moment, it leaves whole old objects or whole new ones, and clears away the rest when it is started again;
//! what was made of an object that was replaced just before goes as well.

#![expect(clippy::unwrap_used, reason = "everything here is a test")]

mod harness;
#[path = "harness/s3.rs"]
mod s3_server;

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use harness::redis::{Redis, shared};
use harness::signer::{KEYS, Signer, WRITER, key_of_writer, s3_storage, sha256};
use harness::{Mortar, PATIENCE, decode, drawn_jpeg, everything_below, wait_for};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use s3_server::{ACCESS_KEY, S3Server, SECRET_KEY};
use ureq::http::Request;

/// Times that it is killed; fewer where the machine is slow.
const ROUNDS: usize = 15;
const ENOUGH: Duration = Duration::from_secs(20);

/// The seed of a run that is to be repeated; zero for a new one.
const REPEATED_SEED: u64 = 0;

/// Objects, each with a writer of its own.
const WRITERS: u64 = 4;

/// The widths in which the picture is asked for.
const WIDTHS: std::ops::Range<u32> = 20..60;

/// An object as its writer knows it: what was confirmed last, what was tried last, and how often it was changed. `None` is a
/// removal.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    confirmed: Option<u64>,
    tried: Option<u64>,
    changes: usize,
}

/// Content that tells its version and whether it is whole: the version, that many bytes that follow from it, the checksum of
/// both. Some fit into one piece, some need many.
fn content(version: u64, mut random: StdRng) -> Vec<u8> {
    let mut body = version.to_le_bytes().to_vec();
    let length = [random.random_range(0..2_000), random.random_range(0..700_000)][random.random_range(0..2)];
    body.extend((0..length).map(|byte: u64| (byte ^ version) as u8));
    let sum = sha256(&body);
    body.extend(sum.as_bytes());
    body
}

/// The version of a content, which has to be whole.
fn version_of(body: &[u8]) -> u64 {
    let (content, sum) = body.split_at_checked(body.len().saturating_sub(64)).unwrap();
    assert_eq!(sha256(content).as_bytes(), sum, "{} bytes are not whole", body.len());
    u64::from_le_bytes(content[..8].try_into().unwrap())
}

/// Sends a request, and tells its status if an answer came before the connection broke.
fn attempt(mortar: &Mortar, method: &str, path: &str, body: &[u8]) -> Option<u16> {
    let signed = Signer::new(WRITER).sign(mortar, method, path, &[], &sha256(body));
    let request = Request::builder().method(method).uri(format!("{}{path}", mortar.address));
    let request = signed.headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE));
    let agent: ureq::Agent = config.build().into();
    match agent.run(request.body(body).unwrap()) {
        Ok(answer) => Some(answer.status().as_u16()),
        Err(ureq::Error::Timeout(limit)) => panic!("{method} {path}: it hangs: {limit}"),
        Err(_) => None,
    }
}

/// Writes, overwrites and removes one object until the program is gone.
fn write(mortar: &Mortar, path: &str, mut known: Known, mut random: StdRng, over: &AtomicBool) -> Known {
    while !over.load(Relaxed) {
        let version = random.random_range(1..u64::MAX);
        known.tried = (random.random_range(0..5) > 0).then_some(version);
        let status = match known.tried {
            Some(version) => attempt(mortar, "PUT", path, &content(version, random.clone())),
            None => attempt(mortar, "DELETE", path, b""),
        };
        match status {
            Some(200 | 204) => {
                known.confirmed = known.tried;
                known.changes += 1;
            }
            Some(other) => panic!("{path}: {other}"),
            // Nobody knows whether that one was carried out.
            None => break,
        }
    }
    known
}

/// What there is of an object after a restart: what was confirmed, or what was tried when the program was killed.
fn check(mortar: &Mortar, path: &str, known: Known) -> Known {
    let answer = mortar.get(path);
    let there = match answer.status {
        404 => None,
        200 => Some(version_of(&answer.body)),
        other => panic!("{path}: {other}"),
    };
    assert!(there == known.confirmed || there == known.tried, "{path}: {there:?} of {known:?}");
    Known { confirmed: there, tried: there, ..known }
}

fn drafts(mortar: &Mortar) -> usize {
    let files = [mortar.originals(), mortar.results()].into_iter().flat_map(|directory| everything_below(&directory));
    files.filter(|file| file.to_string_lossy().contains(".mortar-drafts")).count()
}

/// Leaves a draft as a writer does that is killed at the worst moment.
fn leave_a_draft(mortar: &Mortar) {
    let place = mortar.originals().join(".mortar-drafts");
    fs::create_dir_all(&place).unwrap();
    fs::write(place.join("left-over"), "half of a").unwrap();
}

/// Writers and renders run until it is killed, at a random moment. After each restart every object is whole, as confirmed or
/// as tried last; every picture can be had, stored results included; and no draft is left.
#[test]
fn killed_at_any_moment_it_leaves_whole_objects() {
    let seed = if REPEATED_SEED == 0 { rand::random() } else { REPEATED_SEED };
    eprintln!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut mortar = Mortar::with("", KEYS);
    mortar.put("a.jpg", &drawn_jpeg(300, 240));
    let path = |writer: u64| format!("/media/objects/{writer}");
    let mut known = vec![Known::default(); WRITERS as usize];
    let (begun, mut left_over) = (Instant::now(), 0);
    for _ in 0..ROUNDS {
        let over = AtomicBool::new(false);
        let lifetime = Duration::from_millis(random.random_range(20..300));
        thread::scope(|scope| {
            let writers: Vec<_> = (0..)
                .zip(known.clone())
                .map(|(writer, known)| {
                    let (mortar, over, random) = (&mortar, &over, StdRng::seed_from_u64(random.random()));
                    scope.spawn(move || write(mortar, &path(writer), known, random, over))
                })
                .collect();
            let (mortar, over, first) = (&mortar, &over, random.random_range(WIDTHS));
            scope.spawn(move || {
                for width in (first..WIDTHS.end).chain(WIDTHS).take_while(|_| !over.load(Relaxed)) {
                    attempt(mortar, "GET", &format!("/media/a.jpg?width={width}"), b"");
                }
            });
            thread::park_timeout(lifetime);
            mortar.signal("KILL");
            over.store(true, Relaxed);
            known = writers.into_iter().map(|writer| writer.join().unwrap()).collect();
        });
        mortar.wait();
        left_over += drafts(&mortar);
        // So that there is one in every round.
        leave_a_draft(&mortar);
        mortar = mortar.restart();
        known = (0..).zip(&known).map(|(writer, known)| check(&mortar, &path(writer), *known)).collect();
        for width in WIDTHS.step_by(7) {
            assert_eq!(decode(&mortar.get(&format!("/media/a.jpg?width={width}")).body).width(), width);
        }
        mortar.wait_until_idle();
        wait_for("drafts to be cleared away", || (drafts(&mortar) == 0).then_some(()));
        if begun.elapsed() > ENOUGH {
            break;
        }
    }
    let changes: usize = known.iter().map(|known| known.changes).sum();
    eprintln!("{changes} changes; {left_over} drafts were left by writers");
    assert!(changes > 0);
}

/// Originals that are told from each other by the shape of what is made of them.
const OLD: (u32, u32) = (400, 320);
const NEW: (u32, u32) = (400, 160);

/// Sections for a bucket `photos` with its originals on disk and its results at a server.
fn results_at(server: &S3Server) -> String {
    let originals = "[buckets.photos.storages.basic]\nkind = \"local-meta\"\nroot_path = \"{root}\"\n";
    let results = s3_storage("photos", "transform", &server.url(), (ACCESS_KEY, SECRET_KEY));
    format!("{originals}{results}[buckets.photos.transform]\nkind = \"query\"\n{}", key_of_writer("photos"))
}

fn upload(mortar: &Mortar, path: &str, (width, height): (u32, u32)) {
    assert_eq!(attempt(mortar, "PUT", path, &drawn_jpeg(width, height)), Some(200), "{path}");
}

/// The height of a result of 50 pixels in width; zero where the original is gone.
fn height(mortar: &Mortar, path: &str) -> u32 {
    let answer = mortar.get(&format!("{path}?width=50"));
    if answer.status == 404 { 0 } else { answer.picture().height() }
}

/// The notes of changes.
fn notes(mortar: &Mortar) -> usize {
    everything_below(&mortar.root().join("photos/.mortar/changes")).len()
}

const REPLACED: &str = "/photos/dir/replaced.jpg";
const REMOVED: &str = "/photos/removed.jpg";

/// Replaces one original and removes another, and has every instance killed when that is done and before anything of what
/// was made of them could be removed.
fn kill_between_changes_and_what_follows(mortar: &mut Mortar, server: &S3Server, redis: &Redis) {
    server.freeze();
    redis.signal("STOP");
    thread::scope(|scope| {
        let mortar = &*mortar;
        scope.spawn(move || attempt(mortar, "PUT", REPLACED, &drawn_jpeg(NEW.0, NEW.1)));
        scope.spawn(move || attempt(mortar, "DELETE", REMOVED, b""));
        let file = |path: &str| mortar.root().join(path.trim_start_matches('/'));
        wait_for("the object to be replaced", || {
            (mortar.get(REPLACED).body == drawn_jpeg(NEW.0, NEW.1) && !file(REMOVED).exists()).then_some(())
        });
        mortar.signal("KILL");
    });
    mortar.wait();
    redis.signal("CONT");
    server.thaw();
}

/// Whoever is killed between a change and the removal of what was made of the old object makes up for it at its next start,
/// before it answers: in the storage of results and in Redis. A note of the change is all that it goes by.
#[test]
fn killed_after_a_change_it_serves_nothing_of_the_old_object() {
    let (server, redis) = (S3Server::start(), Redis::start());
    let mut mortar = Mortar::with("", &format!("{}{}", shared(&redis.address()), results_at(&server)));
    for path in [REPLACED, REMOVED] {
        upload(&mortar, path, OLD);
        assert_eq!(height(&mortar, path), 40);
    }
    mortar.wait_until_stored(2);
    wait_for("the results in Redis", || (redis.keys("mortar:result:*").len() == 2).then_some(()));
    assert_eq!(notes(&mortar), 0, "those changes have ended");
    kill_between_changes_and_what_follows(&mut mortar, &server, &redis);
    assert_eq!(notes(&mortar), 2);
    let mortar = mortar.restart();
    assert_eq!([REPLACED, REMOVED].map(|path| height(&mortar, path)), [20, 0]);
}

/// Where the one that was killed is not started again, the others make up for it, in their memory too, and strike its notes
/// out when nothing can come of it any more.
#[test]
fn what_followed_from_a_change_is_made_up_for_by_others() {
    let (server, redis) = (S3Server::start(), Redis::start());
    let limits = "[s3_api]\nupload_timeout = \"1s\"\n";
    let sections = format!("{}{limits}{}", shared(&redis.address()), results_at(&server));
    let mut mortar = Mortar::with("request_timeout = \"5s\"", &sections);
    let other = mortar.beside();
    for path in [REPLACED, REMOVED] {
        upload(&mortar, path, OLD);
        assert_eq!([&mortar, &other].map(|instance| height(instance, path)), [40; 2]);
    }
    mortar.wait_until_stored(2);
    kill_between_changes_and_what_follows(&mut mortar, &server, &redis);
    wait_for("the other to make up for it", || {
        ([REPLACED, REMOVED].map(|path| height(&other, path)) == [20, 0]).then_some(())
    });
    wait_for("the notes to be struck out", || (notes(&other) == 0).then_some(()));
}
