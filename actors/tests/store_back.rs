//! Results are stored behind everyone's back: bounded, dropped oldest first, flushed at the end.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::Arc;
use std::time::Duration;

use actix::Arbiter;
use futures::future::join_all;
use mortar_actors::epoch::{Epoch, EpochSettings, Epochs, SharedEpochs, Verdict};
use mortar_actors::fakes::{FakeEpochs, FakeStores, Script, assert_clean, eventually, rendition};
use mortar_actors::storage::{StorageHandle, StorageSettings};
use mortar_actors::store_back::{StoreBackHandle, StoreBackItem, StoreBackSettings, StoreBackStats};
use mortar_actors::{
    Deadline, Detail, Fault, FaultKind, Key, ObjectKey, ObjectMeta, OriginalId, Originals, StoreId, Tree,
};

const ORIGINAL: &str = "media/a.jpg";

struct Scene {
    tree: Tree,
    storage: StorageHandle,
    back: StoreBackHandle,
    stores: Arc<FakeStores>,
    epochs: Epochs,
}

impl Scene {
    async fn set(settings: StoreBackSettings) -> Self {
        Self::sharing(settings, None).await
    }

    async fn sharing(settings: StoreBackSettings, marks: Option<Arc<dyn SharedEpochs>>) -> Self {
        tokio::time::pause();
        let stores = FakeStores::new();
        let epochs = Epochs::new(EpochSettings::default(), marks);
        let mut builder = Tree::builder(Arbiter::current()).epochs(epochs.clone());
        let storage = builder.storage(StorageSettings::default(), stores.opener());
        let back = builder.store_back(settings, storage.clone());
        let tree = builder.start().await.unwrap();
        Self { tree, storage, back, stores, epochs }
    }

    fn offer(&self, key: &str, bytes: usize) {
        self.offer_under(key, bytes, self.epochs.enter(&result_key()));
    }

    fn offer_under(&self, key: &str, bytes: usize, epoch: Epoch) {
        self.back.offer(StoreBackItem {
            store: StoreId::new("results"),
            key: ObjectKey::new(key),
            meta: ObjectMeta::default(),
            rendition: rendition(vec![0; bytes]),
            marker: ObjectKey::new(format!("marker of {key}")),
            epoch,
        });
    }

    /// Begins a write that outlasts the wait of a replacement, which has ended when this returns: the old result is stored
    /// 15 seconds after the start, and removed 15 seconds later. Ten have passed.
    async fn write_late(&self, key: &str) {
        self.stores.script_key(key, Script::Slow(Duration::from_secs(15)));
        self.offer(key, 10);
        eventually("it is being written", || self.stats().writing == 1).await;
        let closed = self.epochs.close(the_original(), Deadline::within(Duration::from_secs(10))).await;
        assert!(!closed.settled && closed.reopen().await);
    }

    async fn flush(&self, seconds: u64) -> bool {
        self.back.flush(Deadline::within(Duration::from_secs(seconds))).await
    }

    /// What is held of a bound of the storage actor.
    fn held(&self, gate: &str) -> u64 {
        let stats = self.tree.stats();
        stats.child("storage").unwrap().gates.iter().find(|stats| stats.name == gate).unwrap().held
    }

    fn stats(&self) -> StoreBackStats {
        match self.tree.stats().child("store-back").unwrap().detail.clone() {
            Some(Detail::StoreBack(stats)) => stats,
            other => panic!("store-back tells {other:?}"),
        }
    }
}

/// The key of anything derived from the one original of these tests.
fn result_key() -> Key {
    Key::new("a result").of(OriginalId::new(ORIGINAL))
}

fn the_original() -> Originals {
    Originals::One(OriginalId::new(ORIGINAL))
}

#[actix::test]
async fn what_is_offered_is_written_and_a_flush_waits_for_it() {
    let scene = Scene::set(StoreBackSettings::default()).await;
    for key in ["a", "b", "c"] {
        scene.offer(key, 10);
    }
    assert!(scene.flush(10).await);
    assert_eq!(scene.stats().written, 3);
    assert_eq!(scene.stores.bytes("b").unwrap().len(), 10);
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn notes_of_changes_wait_for_no_result_that_is_being_written() {
    let StorageSettings { write_backs, .. } = StorageSettings::default();
    let scene = Scene::set(StoreBackSettings { writers: write_backs, ..StoreBackSettings::default() }).await;
    scene.stores.script_store("results", Script::Hangs);
    for number in 0..write_backs {
        scene.offer(&number.to_string(), 10);
    }
    eventually("all writers hang", || scene.held("write-backs") == write_backs as u64).await;
    let (store, note) = (StoreId::new("originals"), ObjectKey::new("note"));
    scene.storage.note(&store, &note, Deadline::within(Duration::from_secs(1))).await.unwrap();
    assert_eq!(scene.stores.bytes("note"), Some(Vec::new()));
    scene.storage.strike_out(&store, &note, Deadline::within(Duration::from_secs(1))).await.unwrap();
    assert_eq!(scene.stores.bytes("note"), None);
    assert_eq!(scene.stats().writing, write_backs, "they hang still");
}

#[actix::test]
async fn results_wait_for_no_note_of_a_change() {
    let scene = Scene::set(StoreBackSettings::default()).await;
    let StorageSettings { writes, .. } = StorageSettings::default();
    let (store, note) = (StoreId::new("originals"), ObjectKey::new("note"));
    scene.stores.script_store("originals", Script::Hangs);
    let soon = Deadline::within(Duration::from_secs(60));
    let notes = join_all((0..writes).map(|_| scene.storage.note(&store, &note, soon)));
    let (notes, ()) = tokio::join!(notes, async {
        eventually("all notes hang", || scene.held("notes") == writes as u64).await;
        scene.offer("a", 10);
        assert!(scene.flush(10).await && scene.stores.bytes("a").is_some());
    });
    assert!(notes.iter().all(Result::is_err), "they hung to their end");
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn a_full_queue_drops_the_oldest_by_number() {
    let scene = Scene::set(StoreBackSettings { items: 3, ..StoreBackSettings::default() }).await;
    for key in ["a", "b", "c", "d", "e"] {
        scene.offer(key, 10);
    }
    assert_eq!((scene.stats().queued, scene.stats().dropped), (3, 2));
    assert!(scene.flush(10).await);
    assert_eq!((scene.stores.bytes("a"), scene.stores.bytes("b")), (None, None));
    assert!(["c", "d", "e"].iter().all(|key| scene.stores.bytes(key).is_some()));
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn a_full_queue_drops_the_oldest_by_bytes_and_an_item_that_never_fits_drops_itself() {
    let scene = Scene::set(StoreBackSettings { bytes: 3_000, ..StoreBackSettings::default() }).await;
    for key in ["a", "b", "c"] {
        scene.offer(key, 1_000);
    }
    scene.offer("giant", 4_000);
    let stats = scene.stats();
    assert_eq!((stats.queued, stats.dropped), (2, 2));
    assert!(stats.queued_bytes <= 3_000);
    assert!(scene.flush(10).await);
    assert_eq!((scene.stores.bytes("a"), scene.stores.bytes("giant")), (None, None));
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn a_slow_store_takes_so_many_writes_at_once_and_no_more() {
    let scene = Scene::set(StoreBackSettings { writers: 2, items: 5, ..StoreBackSettings::default() }).await;
    scene.stores.script_store("results", Script::Hangs);
    for key in 0..2 {
        scene.offer(&format!("{key}"), 10);
    }
    eventually("both writers write", || scene.stats().writing == 2).await;
    for key in 2..1000 {
        scene.offer(&format!("{key}"), 10);
    }
    let stats = scene.stats();
    assert_eq!((stats.writing, stats.queued, stats.dropped), (2, 5, 993));
    assert!(!scene.flush(1).await, "a flush gives up at its deadline");
    scene.stores.script_store("results", Script::Works);
    assert!(scene.flush(60).await);
    assert_eq!((scene.stats().failed, scene.stats().written), (2, 5), "the hanging writes ended by their time-out");
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn a_write_that_fails_or_panics_is_counted_and_the_next_is_written() {
    let scene = Scene::set(StoreBackSettings::default()).await;
    scene.stores.script_key("down", Script::Fails(Fault::new(FaultKind::Upstream, "down")));
    scene.stores.script_key("poison", Script::Panics);
    for key in ["down", "poison", "fine"] {
        scene.offer(key, 10);
    }
    assert!(scene.flush(10).await);
    assert_eq!((scene.stats().failed, scene.stats().written), (2, 1));
    assert!(scene.tree.readiness().ready);
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn stopping_the_tree_leaves_nothing_being_written() {
    let scene = Scene::set(StoreBackSettings::default()).await;
    scene.stores.script_store("results", Script::Hangs);
    scene.offer("a", 10);
    eventually("it is being written", || scene.stats().writing == 1).await;
    scene.tree.stop(Duration::from_secs(1)).await;
    let stats = scene.stats();
    assert_eq!((stats.writing, stats.lost), (0, 1));
}

#[actix::test]
async fn a_result_is_written_after_the_marker_that_it_is_found_by() {
    let scene = Scene::set(StoreBackSettings::default()).await;
    scene.stores.script_key("marker of a", Script::Fails(Fault::new(FaultKind::Upstream, "down")));
    scene.offer("a", 10);
    scene.offer("b", 10);
    assert!(scene.flush(10).await);
    assert_eq!((scene.stores.bytes("a"), scene.stores.bytes("marker of a")), (None, None));
    assert!(scene.stores.bytes("b").is_some() && scene.stores.bytes("marker of b").unwrap().is_empty());
    assert_eq!((scene.stats().failed, scene.stats().written), (1, 1));
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn what_waits_in_the_queue_when_its_original_is_replaced_is_not_written() {
    let scene = Scene::set(StoreBackSettings { writers: 1, ..StoreBackSettings::default() }).await;
    scene.stores.script_key("other", Script::Hangs);
    scene.offer("other", 10);
    eventually("the writer is busy", || scene.stats().writing == 1).await;
    scene.offer("a", 10);
    scene.epochs.end_here(&the_original());
    assert!(scene.flush(120).await);
    assert_eq!((scene.stores.bytes("a"), scene.stats().outdated), (None, 2));
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn closing_an_original_waits_for_the_write_that_has_begun() {
    let scene = Scene::set(StoreBackSettings::default()).await;
    scene.stores.script_key("a", Script::Hangs);
    scene.offer("a", 10);
    eventually("it is being written", || scene.stats().writing == 1).await;
    let closed = scene.epochs.close(the_original(), Deadline::within(Duration::from_secs(120))).await;
    assert!(closed.settled);
    assert_eq!(
        (scene.stats().writing, scene.stats().outdated),
        (0, 1),
        "it took until its time-out, and removed what may have arrived"
    );
    scene.offer("b", 10);
    assert!(scene.flush(10).await);
    assert_eq!(scene.stores.bytes("b"), None, "nothing is written until it is reopened");
    assert!(closed.reopen().await);
    scene.offer("c", 10);
    assert!(scene.flush(10).await);
    assert!(scene.stores.bytes("c").is_some());
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn a_result_whose_original_was_replaced_at_another_instance_is_removed_again() {
    let marks = FakeEpochs::new();
    let shared: Arc<dyn SharedEpochs> = Arc::clone(&marks) as _;
    let scene = Scene::sharing(StoreBackSettings::default(), Some(Arc::clone(&shared))).await;
    let epoch = scene.epochs.learn_mark(scene.epochs.enter(&result_key()), &result_key()).await;
    scene.offer("before", 10);
    assert!(scene.flush(10).await);
    shared.end(&the_original()).await.unwrap();
    scene.offer("after", 10);
    assert!(scene.flush(10).await);
    assert!(epoch.is_over(), "nobody has told it, it found out by itself");
    assert!(scene.stores.bytes("before").is_some() && scene.stores.bytes("after").is_none());
    assert_eq!((scene.stats().written, scene.stats().outdated), (1, 1));
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn whatever_was_read_of_a_late_write_is_forgotten_when_it_is_removed() {
    let scene = Scene::set(StoreBackSettings::default()).await;
    scene.write_late("late").await;
    let reading = scene.epochs.enter(&result_key());
    assert!(!scene.flush(6).await && scene.stores.bytes("late").is_some());
    assert!(!reading.is_over(), "it may be read and kept");
    assert!(scene.flush(60).await);
    assert_eq!((scene.stores.bytes("late"), scene.stats().outdated), (None, 1));
    assert!(reading.is_over());
    assert!(!scene.epochs.enter(&result_key()).is_over());
    assert_clean(&scene.tree).await;
}

/// Else each removal would outdate the writes beside it, whose removal would outdate the next ones, and so on for ever.
#[actix::test]
async fn a_late_write_takes_none_with_it_that_is_not_old() {
    let scene = Scene::set(StoreBackSettings::default()).await;
    scene.write_late("late").await;
    scene.stores.script_key("fresh", Script::Slow(Duration::from_secs(25)));
    scene.offer("fresh", 10);
    assert!(!scene.flush(22).await);
    assert_eq!((scene.stats().outdated, scene.stats().writing), (1, 1), "the other one goes on");
    let since = scene.epochs.enter(&result_key());
    assert!(scene.flush(60).await);
    assert_eq!((scene.stats().written, scene.stats().outdated), (1, 1));
    assert!(scene.stores.bytes("fresh").is_some() && !since.is_over());
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn closing_waits_for_writes_of_epochs_that_have_ended_before() {
    let scene = Scene::set(StoreBackSettings::default()).await;
    scene.write_late("late").await;
    let closed = scene.epochs.close(the_original(), Deadline::within(Duration::from_secs(60))).await;
    assert!(closed.settled);
    assert_eq!((scene.stats().writing, scene.stores.bytes("late")), (0, None));
    assert!(closed.reopen().await);

    scene.write_late("later").await;
    scene.stores.script_key("fresh", Script::Slow(Duration::from_secs(25)));
    scene.offer("fresh", 10);
    assert!(!scene.flush(22).await);
    assert_eq!((scene.stats().outdated, scene.stats().writing), (2, 1));
    let closed = scene.epochs.close(the_original(), Deadline::within(Duration::from_secs(60))).await;
    assert!(closed.settled);
    assert_eq!((scene.stats().outdated, scene.stores.bytes("fresh")), (3, None), "now it is old, too");
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn a_result_that_was_old_by_a_replacement_elsewhere_is_forgotten_everywhere() {
    let marks = FakeEpochs::new();
    let shared: Arc<dyn SharedEpochs> = Arc::clone(&marks) as _;
    let scene = Scene::sharing(StoreBackSettings::default(), Some(Arc::clone(&shared))).await;
    let before = scene.epochs.learn_mark(scene.epochs.enter(&result_key()), &result_key()).await;
    scene.stores.script_key("old", Script::Slow(Duration::from_secs(15)));
    scene.offer("old", 10);
    eventually("it is being written", || scene.stats().writing == 1).await;
    shared.end(&the_original()).await.unwrap();
    let elsewhere = Epochs::new(EpochSettings::default(), Some(shared));
    let reading = elsewhere.learn_mark(elsewhere.enter(&result_key()), &result_key()).await;
    let writing = reading.commit().unwrap();
    assert!(scene.flush(60).await);
    let since = elsewhere.learn_mark(elsewhere.enter(&result_key()), &result_key()).await;
    assert!(before.is_over() && reading.is_over() && !since.is_over(), "what was read of it is not kept");
    assert_eq!(writing.verdict().await, Verdict::Stands, "what is written there is not old");
    assert_clean(&scene.tree).await;
}

/// A scene without shared marks, in which a result was stored that nobody can tell of whether it is old. Its epoch was of a
/// known mark if `marked`.
async fn in_doubt(marks: &Arc<FakeEpochs>, marked: bool) -> (Scene, Epoch) {
    let scene = Scene::sharing(StoreBackSettings::default(), Some(Arc::clone(marks) as _)).await;
    scene.epochs.all_is_heard();
    let mut epoch = scene.epochs.enter(&result_key());
    if marked {
        epoch = scene.epochs.learn_mark(epoch, &result_key()).await;
    }
    marks.script(Script::Fails(Fault::new(FaultKind::Upstream, "down")));
    scene.offer("doubtful", 10);
    assert!(scene.flush(10).await);
    look_again().await;
    assert_eq!((scene.stats().written, scene.stats().doubtful), (1, 1), "nobody can tell");
    assert!(scene.stores.bytes("doubtful").is_some());
    (scene, epoch)
}

/// Lets time pass in which what is in doubt is looked at again, also by a store of marks that was given a rest.
async fn look_again() {
    tokio::time::sleep(Duration::from_secs(60)).await;
}

#[actix::test]
async fn a_result_in_doubt_stays_when_the_marks_can_be_asked_again_and_are_the_same() {
    let marks = FakeEpochs::new();
    let (scene, _epoch) = in_doubt(&marks, true).await;
    marks.script(Script::Works);
    look_again().await;
    assert_eq!((scene.stats().doubtful, scene.stats().outdated), (0, 0));
    assert!(scene.stores.bytes("doubtful").is_some());
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn a_result_in_doubt_is_taken_back_when_the_marks_tell_that_its_original_was_replaced() {
    let marks = FakeEpochs::new();
    let (scene, _epoch) = in_doubt(&marks, true).await;
    marks.end_elsewhere(&the_original());
    let reading = scene.epochs.enter(&Key::new("another result").of(OriginalId::new(ORIGINAL)));
    marks.script(Script::Works);
    look_again().await;
    assert_eq!((scene.stats().doubtful, scene.stats().outdated), (0, 1));
    assert!(scene.stores.bytes("doubtful").is_none() && reading.is_over(), "what was read of it goes as well");
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn a_result_in_doubt_whose_mark_was_never_known_stays_when_no_announcement_was_missed() {
    let marks = FakeEpochs::new();
    let (scene, _epoch) = in_doubt(&marks, false).await;
    marks.script(Script::Works);
    look_again().await;
    assert_eq!(scene.stats().doubtful, 1, "a mark of now says nothing about then");
    scene.epochs.all_is_heard();
    look_again().await;
    assert_eq!(scene.stats().doubtful, 1, "that answer may have been given before the write");
    scene.epochs.all_is_heard();
    look_again().await;
    assert_eq!((scene.stats().doubtful, scene.stats().outdated), (0, 0));
    assert!(scene.stores.bytes("doubtful").is_some());
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn a_result_that_stays_in_doubt_keeps_no_other_one_waiting() {
    let marks = FakeEpochs::new();
    let (scene, _epoch) = in_doubt(&marks, false).await;
    marks.script(Script::Works);
    look_again().await;
    let key = Key::new("another result").of(OriginalId::new("media/b.jpg"));
    let epoch = scene.epochs.learn_mark(scene.epochs.enter(&key), &key).await;
    assert!(epoch.mark().is_some());
    marks.script(Script::Fails(Fault::new(FaultKind::Upstream, "down")));
    scene.offer_under("another", 10, epoch);
    assert!(scene.flush(10).await);
    assert_eq!(scene.stats().doubtful, 2);
    marks.script(Script::Works);
    look_again().await;
    assert_eq!((scene.stats().doubtful, scene.stats().outdated), (1, 0), "the first is in doubt still");
    assert!(scene.stores.bytes("another").is_some());
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn a_result_in_doubt_is_taken_back_when_an_announcement_is_read_after_the_first_answer() {
    let marks = FakeEpochs::new();
    let (scene, _epoch) = in_doubt(&marks, false).await;
    // Answered before the announcement, which came before the write; and read after it.
    scene.epochs.all_is_heard();
    look_again().await;
    scene.epochs.end_here(&the_original());
    scene.epochs.all_is_heard();
    look_again().await;
    assert_eq!((scene.stats().doubtful, scene.stats().outdated), (0, 1));
    assert!(scene.stores.bytes("doubtful").is_none());
    assert_clean(&scene.tree).await;
}

#[actix::test]
async fn a_result_in_doubt_whose_mark_was_never_known_is_taken_back_when_an_announcement_may_have_been_missed() {
    let marks = FakeEpochs::new();
    let (scene, _epoch) = in_doubt(&marks, false).await;
    scene.epochs.end_here(&Originals::Beginning("".into()));
    look_again().await;
    assert_eq!((scene.stats().doubtful, scene.stats().outdated), (0, 1));
    assert!(scene.stores.bytes("doubtful").is_none());
    assert_clean(&scene.tree).await;
}
