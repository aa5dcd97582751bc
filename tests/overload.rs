//! Overload and failure as designed states: hits go on, refusals are quick, and nothing that was cut off looks whole.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod harness;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use harness::wire::Wire;
use harness::{Answer, Mortar, decode, drawn_jpeg, files_below, wait_for};

/// Longest wait for an answer that needs no work, on a busy machine. It is milliseconds on an idle one.
const AT_ONCE: Duration = Duration::from_secs(5);

/// What one asked for during a storm.
#[derive(Debug, Default)]
struct Tally {
    made: AtomicUsize,
    refused: AtomicUsize,
}

impl Tally {
    fn count(&self, answer: &Answer, took: Duration) {
        match answer.status {
            200 => self.made.fetch_add(1, Relaxed),
            503 => {
                assert_eq!(answer.error_code(), "overloaded");
                assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0);
                assert!(took < AT_ONCE, "a refusal took {took:?}");
                self.refused.fetch_add(1, Relaxed)
            }
            other => panic!("{other}: {}", answer.text()),
        };
    }
}

/// One render at a time and three that wait, against forty clients that each want another picture: every request is
/// answered, with a picture or with the time to come back. Meanwhile hits and originals are answered, the process is
/// alive, and says that it is saturated. In the end nothing is left.
#[test]
fn ten_times_more_work_than_can_be_done_is_refused_and_hits_are_served_meanwhile() {
    let mortar = Mortar::with("concurrent_image_processing = 1", "[actors.transform]\nqueued = 3\n");
    mortar.put("small.jpg", &drawn_jpeg(60, 40));
    mortar.put("large.jpg", &drawn_jpeg(1_200, 900));
    let hit = mortar.get("/media/small.jpg?width=10");
    let (tally, saturated, over) = (Tally::default(), AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        let storm: Vec<_> = (0..40)
            .map(|client| {
                let (mortar, tally) = (&mortar, &tally);
                scope.spawn(move || {
                    for number in 0..4 {
                        let asked = Instant::now();
                        let width = 400 + 10 * client + number;
                        let answer = mortar.get(&format!("/media/large.jpg?width={width}&format=webp"));
                        tally.count(&answer, asked.elapsed());
                    }
                })
            })
            .collect();
        let watch = scope.spawn(|| {
            while !over.load(Relaxed) {
                let asked = Instant::now();
                assert_eq!(mortar.get("/media/small.jpg?width=10").body, hit.body);
                assert_eq!(mortar.get("/media/small.jpg").status, 200);
                assert_eq!(mortar.internal("/health").status, 200);
                let ready = mortar.internal("/ready");
                assert!(asked.elapsed() < AT_ONCE, "hits took {:?}", asked.elapsed());
                saturated.fetch_or(ready.status == 503 && ready.text().contains("saturated"), Relaxed);
            }
        });
        storm.into_iter().for_each(|client| client.join().unwrap());
        over.store(true, Relaxed);
        watch.join().unwrap();
    });
    let (made, refused) = (tally.made.into_inner(), tally.refused.into_inner());
    assert!(made >= 4 && refused >= 40 && made + refused == 160, "{made} were made, {refused} refused");
    assert!(saturated.into_inner(), "it says so");
    mortar.wait_until_idle();
    assert_eq!(mortar.internal("/ready").status, 200);
    assert_eq!(mortar.get("/media/large.jpg?width=399").picture().width(), 399);
}

/// Six large AVIFs at a single place, one running and five waiting: thumbnails, of the same bucket even, are made beside
/// and before them.
#[test]
fn thumbnails_do_not_wait_for_large_renders() {
    let mortar = Mortar::with("concurrent_image_processing = 1", "[encoding]\navif_speed = 5\n");
    mortar.put("small.jpg", &drawn_jpeg(60, 40));
    mortar.put("large.jpg", &drawn_jpeg(2_400, 1_800));
    let large = |width: u32| Wire::asking(&mortar, &format!("/media/large.jpg?width={width}&format=avif"));
    let flood: Vec<_> = (2_300..2_306).map(large).collect();
    wait_for("one to run and five to wait", || {
        let transform = mortar.detail("transform");
        (transform["large_running"] == 1 && transform["queued"] == 5).then_some(())
    });
    for width in 10..30 {
        assert_eq!(mortar.get(&format!("/media/small.jpg?width={width}")).picture().width(), width);
    }
    let transform = mortar.detail("transform");
    assert!(transform["queued"].as_u64() > Some(0), "large ones still wait: {transform}");
    drop(flood);
    mortar.wait_until_idle();
}

/// A bucket `other` beside `media`.
const OTHER: &str = "[buckets.other.storages.basic]\nkind = \"local\"\nroot_path = \"{root}\"\n\
                     [buckets.other.storages.transform]\nkind = \"noop\"\n\
                     [buckets.other.transform]\nkind = \"query\"\n";

/// One bucket asks for more giant AVIFs than there are places for large renders, each of which needs more memory than
/// large ones may have together. Thumbnails of that bucket and of another one are made meanwhile, at the second place and
/// with the memory that is left; and a giant AVIF of the other bucket is not refused.
///
/// Red when large renders wait for memory with a turn: `fits` that is always true, and nothing taken of the memory of large
/// ones, in `Turnstile` (`actors/src/transform/turnstile.rs`); or when they are not shared out: without
/// `large_shares.enter` in `Render::large_place` and without the reserve of their gate (`actors/src/transform`).
#[test]
fn giant_avifs_of_one_bucket_starve_neither_thumbnails_nor_another_bucket() {
    let bounds = "[limits]\nrender_memory_bytes = \"300MiB\"\n[encoding]\navif_speed = 5\n\
                  [actors.transform]\nqueued = 6\nreserved = 2\n";
    let mortar = Mortar::with("concurrent_image_processing = 2", &format!("{bounds}{OTHER}"));
    let (small, large) = (drawn_jpeg(60, 40), drawn_jpeg(2_400, 1_800));
    fs::create_dir_all(mortar.root().join("other")).unwrap();
    for (name, bytes) in [("small.jpg", &small), ("large.jpg", &large)] {
        mortar.put(name, bytes);
        fs::write(mortar.root().join("other").join(name), bytes).unwrap();
    }
    let giant =
        |bucket: &str, width: u32| Wire::asking(&mortar, &format!("/{bucket}/large.jpg?width={width}&format=avif"));
    let flood: Vec<_> = (2_300..2_308).map(|width| giant("media", width)).collect();
    let waits = |queued: u64| {
        let transform = mortar.detail("transform");
        (transform["large_running"] == 1 && transform["queued"] == queued).then_some(())
    };
    wait_for("four to be refused", || (mortar.actor("transform")["refused"] == 4).then_some(()));
    wait_for("one to run and three to wait", || waits(3));
    let modest = giant("other", 2_299);
    wait_for("that of the other bucket to wait as well", || waits(4));
    for width in 10..20 {
        for bucket in ["media", "other"] {
            let thumbnail = mortar.get(&format!("/{bucket}/small.jpg?width={width}"));
            assert_eq!(thumbnail.picture().width(), width);
        }
    }
    assert!(mortar.detail("transform")["queued"].as_u64() > Some(0), "giants still wait");
    drop((flood, modest));
    mortar.wait_until_idle();
}

/// When as many renders wait as may, another one is refused before its original is asked for: at once, with the time to
/// come back. Meanwhile the service says that it is saturated and alive, and hits are answered.
///
/// Red when it is first seen after the original was read: without `announce` in `make` (`src/pipeline/flight.rs`).
#[test]
fn what_has_no_place_is_refused_before_its_original_is_asked_for() {
    let origin = harness::origin::Origin::of(&drawn_jpeg(2_400, 1_800));
    // Nothing is large here, so that the same long renders fill all places.
    let bounds =
        "[encoding]\navif_speed = 5\n[actors.transform]\nqueued = 2\nreserved = 1\nlarge_work = 1000000000000\n";
    let more = format!("{}{bounds}{}", harness::origin::ALLOW_LOOPBACK, origin.bucket());
    let mortar = Mortar::with("concurrent_image_processing = 1", &more);
    mortar.put("a.jpg", &drawn_jpeg(60, 40));
    let hit = mortar.get("/media/a.jpg?width=10");
    let renders: Vec<_> = (0..3_u64)
        .map(|queued| {
            let render = Wire::asking(&mortar, &format!("/remote/{queued}.jpg?width=2300&format=avif"));
            wait_for("it to run or wait", || {
                let transform = mortar.detail("transform");
                (transform["running"] == 1 && transform["queued"] == queued).then_some(())
            });
            render
        })
        .collect();
    let asked = origin.asked().len();
    for number in 0..10 {
        let refusal = mortar.get(&format!("/remote/more-{number}.jpg?width=20"));
        assert_eq!((refusal.status, refusal.error_code().as_str()), (503, "overloaded"));
        assert!(refusal.header("retry-after").parse::<u64>().unwrap() > 0);
    }
    assert_eq!((asked, origin.asked().len()), (3, 3));
    let ready = mortar.internal("/ready");
    assert!(ready.status == 503 && ready.text().contains("transform is saturated"), "{}", ready.text());
    assert_eq!((mortar.internal("/health").status, mortar.get("/media/a.jpg?width=10").body), (200, hit.body));
    drop(renders);
    mortar.wait_until_idle();
    assert_eq!(mortar.internal("/ready").status, 200);
}

/// A store that does not answer keeps its own requests waiting and nobody else's: fetching an original holds no place
/// among renders.
#[test]
fn a_store_that_hangs_holds_no_place_among_renders() {
    let origin = harness::origin::Origin::of(&drawn_jpeg(60, 40));
    origin.hold();
    let more = format!("{}[actors.transform]\nqueued = 1\n{}", harness::origin::ALLOW_LOOPBACK, origin.bucket());
    let mortar = Mortar::with("concurrent_image_processing = 1", &more);
    mortar.put("a.jpg", &drawn_jpeg(60, 40));
    let held: Vec<_> = (0..20).map(|number| mortar.get_meanwhile(&format!("/remote/{number}.jpg?width=10"))).collect();
    origin.wait_for_requests(20);
    let transform = mortar.detail("transform");
    assert_eq!((&transform["running"], &transform["queued"]), (&0.into(), &0.into()));
    for width in 10..20 {
        assert_eq!(mortar.get(&format!("/media/a.jpg?width={width}")).status, 200);
    }
    origin.release();
    for request in held {
        assert!(matches!(request.join().unwrap().status, 200 | 503));
    }
}

/// The drafts of a container: what is being written, or was when the writer was killed.
fn drafts(mortar: &Mortar) -> Vec<PathBuf> {
    let drafts = |file: &PathBuf| file.strip_prefix(mortar.results()).unwrap().starts_with(".mortar-drafts");
    files_below(&mortar.results()).into_iter().filter(drafts).collect()
}

/// Killed in the middle of storing results, again and again: what is there after a restart is whole, and what was being
/// written is cleared away. A kill loses what was not stored yet, and that is made again.
#[test]
fn killed_while_it_stores_results_it_leaves_whole_ones_or_none() {
    let mut mortar = Mortar::start();
    mortar.put("a.jpg", &drawn_jpeg(300, 200));
    for round in 0..6 {
        let (width, stored) = (20 + round * 20, files_below(&mortar.results()).len());
        let asked: Vec<_> =
            (width..width + 20).map(|width| Wire::asking(&mortar, &format!("/media/a.jpg?width={width}"))).collect();
        wait_for("some to be stored", || (files_below(&mortar.results()).len() > stored + 2).then_some(()));
        mortar.signal("KILL");
        mortar.wait();
        drop(asked);
        mortar = mortar.restart();
        for width in width..width + 20 {
            let answer = mortar.get(&format!("/media/a.jpg?width={width}"));
            assert_eq!(decode(&answer.body).width(), width);
        }
        wait_for("drafts to be cleared away", || drafts(&mortar).is_empty().then_some(()));
    }
}

/// Results that cannot be stored, since nothing may be written where they belong, are answered all the same, and counted.
#[test]
fn where_nothing_can_be_written_results_are_answered_all_the_same() {
    let bucket = "[buckets.still.storages.basic]\nkind = \"local\"\nroot_path = \"{root}\"\n\
                  [buckets.still.storages.transform]\nkind = \"local\"\nroot_path = \"/proc\"\n\
                  [buckets.still.transform]\nkind = \"query\"\n";
    let mortar = Mortar::with("", bucket);
    fs::create_dir_all(mortar.root().join("still")).unwrap();
    fs::write(mortar.root().join("still/a.jpg"), drawn_jpeg(60, 40)).unwrap();
    for width in 10..20 {
        assert_eq!(mortar.get(&format!("/still/a.jpg?width={width}")).picture().width(), width);
    }
    wait_for("the writes to fail", || (mortar.detail("store-back")["failed"] == 10).then_some(()));
    mortar.wait_until_idle();
    assert_eq!(mortar.get("/still/a.jpg?width=10").picture().width(), 10, "from memory");
}

/// A disk of 256 KiB runs full of results: they are answered all the same, what is stored is whole, no draft stays, and
/// what is stored goes on being read.
#[test]
fn a_full_disk_costs_what_does_not_fit_and_nothing_else() {
    let Some(mortar) = Mortar::on_a_disk_of("256k", "") else { return };
    fs::create_dir_all(mortar.inside("media")).unwrap();
    fs::write(mortar.inside("media/a.jpg"), drawn_jpeg(300, 200)).unwrap();
    for width in 100..130 {
        assert_eq!(mortar.get(&format!("/media/a.jpg?width={width}&format=png")).picture().width(), width);
    }
    wait_for("the disk to be full", || (mortar.detail("store-back")["failed"].as_u64() > Some(0)).then_some(()));
    mortar.wait_until_idle();
    let stored = files_below(&mortar.inside("results/media"));
    assert!(!stored.is_empty() && stored.iter().all(|file| !file.to_string_lossy().contains(".mortar-drafts")));
    assert!(stored.iter().all(|file| fs::metadata(file).unwrap().len() > 1_000));
    assert_eq!(mortar.internal("/health").status, 200);
}
