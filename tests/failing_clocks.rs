//! A clock that jumps by hours and days, forwards and backwards, while the program runs. Only what is judged by the time of
//! day by its nature follows it: signatures, and dates in headers. Time-outs, breakers and times to live count seconds.

#![expect(clippy::unwrap_used, reason = "everything here is a test")]

mod harness;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use harness::origin::{ALLOW_LOOPBACK, Asked, Origin, Reply};
use harness::signer::{KEYS, Signer, WRITER};
use harness::{Answer, Mortar, drawn_jpeg, wait_for};
use tempfile::TempDir;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// Where the clock is set to one after the other, in seconds from the real time.
const JUMPS: [i64; 5] = [3 * DAY, -5 * HOUR, -400 * DAY, 2 * HOUR, 0];

/// A program with a clock of its own.
struct Clocked {
    mortar: Mortar,
    clock: TempDir,
}

/// Compiles what stands between a program and its clock, with the compiler that the codecs are built with.
fn library(directory: &Path) -> PathBuf {
    let library = directory.join("clock.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/harness/clock.c");
    let mut compiler = Command::new("cc");
    let compiled = compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-o"]).arg(&library).arg(source).status();
    assert!(compiled.unwrap().success());
    library
}

impl Clocked {
    fn start(more: &str) -> Self {
        let clock = tempfile::tempdir().unwrap();
        let library = library(clock.path());
        let time = clock.path().join("ahead");
        fs::write(&time, 0_i64.to_ne_bytes()).unwrap();
        let environment = [("LD_PRELOAD", library.to_str().unwrap()), ("JUMPING_CLOCK", time.to_str().unwrap())];
        let mortar = Mortar::by_way_of("exec \"$@\"", &environment, more);
        Self { mortar, clock }
    }

    /// Sets the clock, and waits until the program goes by it.
    fn jump(&self, seconds: i64) {
        // Overwritten in place, since the program has mapped it.
        let clock = File::options().write(true).open(self.clock.path().join("ahead")).unwrap();
        clock.write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
        wait_for("the clock to jump", || {
            let told = httpdate::parse_http_date(self.mortar.get("/media/none").header("date")).unwrap();
            let expected = moved(seconds);
            let apart = told.duration_since(expected).unwrap_or_else(|before| before.duration());
            (apart < Duration::from_secs(30 * 60)).then_some(())
        });
    }

    /// Uploads as a client whose clock is so many seconds off.
    fn upload(&self, key: &str, body: &[u8], seconds: i64) -> Answer {
        let signer = Signer { at: moved(seconds), ..Signer::new(WRITER) };
        signer.send(&self.mortar, "PUT", &format!("/media/{key}"), body)
    }
}

/// The real time, so many seconds later or earlier.
fn moved(seconds: i64) -> SystemTime {
    let by = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { SystemTime::now() - by } else { SystemTime::now() + by }
}

#[test]
fn what_is_cached_stays_as_long_as_before_and_no_longer() {
    let memory = "[server.cache]\ndefault_time_to_live = \"2s\"\n";
    let clocked = Clocked::start(memory);
    let mortar = &clocked.mortar;
    mortar.put("a.jpg", &drawn_jpeg(60, 40));
    let first = mortar.get("/media/a.jpg?width=30");
    mortar.wait_until_stored(1);
    for seconds in JUMPS {
        let kept = mortar.get("/media/a.jpg?width=30");
        let before = mortar.detail("cache")["expired"].as_u64();
        clocked.jump(seconds);
        assert_eq!((kept.status, &kept.body), (200, &first.body));
        // Counted by the clock, a jump backwards would keep it for days.
        wait_for("the entry to expire", || {
            let again = mortar.get("/media/a.jpg?width=30");
            assert_eq!((again.status, &again.body, again.header("etag")), (200, &first.body, first.header("etag")));
            (mortar.detail("cache")["expired"].as_u64() > before).then_some(())
        });
    }
    assert_eq!(mortar.actor("transform")["handled"], 1, "it was never made again");
}

#[test]
fn nothing_that_is_cached_goes_by_a_jump() {
    let clocked = Clocked::start("");
    let mortar = &clocked.mortar;
    mortar.put("a.jpg", &drawn_jpeg(60, 40));
    let first = mortar.get("/media/a.jpg?width=30");
    mortar.wait_until_stored(1);
    fs::remove_file(mortar.originals().join("a.jpg")).unwrap();
    fs::remove_dir_all(mortar.results()).unwrap();
    for seconds in JUMPS {
        clocked.jump(seconds);
        let again = mortar.get("/media/a.jpg?width=30");
        assert_eq!((again.status, &again.body), (200, &first.body), "{seconds}");
        assert_eq!(again.header("last-modified"), first.header("last-modified"));
        let known = mortar.get_with("/media/a.jpg?width=30", &[("if-none-match", first.header("etag"))]);
        assert_eq!(known.status, 304);
    }
    assert_eq!(mortar.detail("cache")["expired"], 0);
}

/// A signature is good for a quarter of an hour by the clock of the server, whatever that was before. And what is replaced
/// while the clock is behind is replaced all the same, although the new object looks older.
#[test]
fn signatures_go_by_the_clock_and_replacements_do_not() {
    let clocked = Clocked::start(KEYS);
    let mortar = &clocked.mortar;
    for (seconds, height) in JUMPS.into_iter().zip((40..).step_by(10)) {
        clocked.jump(seconds);
        let picture = drawn_jpeg(100, height);
        assert_eq!(clocked.upload("a.jpg", &picture, seconds).status, 200);
        assert_eq!(mortar.get("/media/a.jpg").body, picture);
        assert_eq!(mortar.get("/media/a.jpg?width=50").picture().dimensions(), (50, height / 2), "{seconds}");
        let late = clocked.upload("a.jpg", &picture, seconds - HOUR);
        assert_eq!((late.status, late.s3_code().as_str()), (403, "RequestTimeTooSkewed"));
    }
    mortar.wait_until_idle();
}

#[test]
fn times_out_and_recovers_after_seconds_whatever_the_clock_says() {
    let reply = Arc::new(Mutex::new(Reply::ok(&drawn_jpeg(60, 40))));
    let told = Arc::clone(&reply);
    let origin = Origin::start(move |_: &Asked| told.lock().unwrap().clone());
    let limits = "first_byte_timeout = \"2s\"\n[actors.storage]\nbreaker_failures = 1\nbreaker_cooldown = \"1s\"\n";
    let mut clocked = Clocked::start(&format!("{ALLOW_LOOPBACK}{limits}{}", origin.bucket()));
    for seconds in JUMPS {
        let path = |width: u32| format!("/remote/{seconds}.jpg?width={width}");
        *reply.lock().unwrap() = Reply::Silence;
        let asked = origin.asked().len();
        let waiting = clocked.mortar.get_meanwhile(&path(10));
        origin.wait_for_requests(asked + 1);
        clocked.jump(seconds);
        assert_eq!(waiting.join().unwrap().status, 504, "{seconds}");
        *reply.lock().unwrap() = Reply::ok(&drawn_jpeg(60, 40));
        wait_for("the origin to be tried again", || (clocked.mortar.get(&path(20)).status == 200).then_some(()));
    }
    clocked.mortar.wait_until_idle();
    assert!(clocked.mortar.terminate().success());
}
