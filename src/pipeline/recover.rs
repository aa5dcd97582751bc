//! Changes of originals whose end this or another process did not see: what follows from them is made up for.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use mortar_actors::storage::ListRequest;
use mortar_actors::{Deadline, Fault, ObjectKey, OriginalId, patiently};
use tokio::sync::{Mutex, SetOnce};
use tokio::time::Instant;

use super::{Pipeline, variants};
use crate::config::Config;
use crate::domain::{Bucket, Change};

/// Longest time between two looks.
const INTERVAL: Duration = Duration::from_secs(60);
/// How long the start of the service waits for the first look.
const AT_START: Duration = Duration::from_secs(5);
/// How long striking out a change may take.
const STRIKING_OUT: Duration = Duration::from_secs(30);
/// Changes in one listing.
const PAGE: usize = 1000;
/// So many changes in a row that cannot be made up for are an outage, and end a look.
const IN_A_ROW: usize = 3;
/// Most changes of one bucket that are known at once. Others come when these are gone.
const KNOWN: usize = 10_000;

/// Looks for changes that were noted and not struck out, and does what follows from them.
///
/// Whether the one who noted a change was killed, or is still at it, cannot be told, and need not be: to end what was
/// derived from an original does no harm. Those that are found at the start are taken for left over. Later a change may
/// be under way; it is seen to when it is found for the second time. Either way its note stays until no write takes that
/// long, and then it is seen to once more: a write may reach its store after the one who sent it is gone.
///
/// No clock of a store, or time of day, has a part in it.
pub struct Recovery {
    pipeline: Arc<Pipeline>,
    /// Longest time between the note of a change and the end of its write.
    longest: Duration,
    buckets: Mutex<Vec<Noted>>,
    /// Set at the end of the first look.
    looked: SetOnce<()>,
}

/// The changes of one bucket that are known of.
struct Noted {
    bucket: Arc<Bucket>,
    /// Whether this is not the first look.
    looked: bool,
    changes: HashMap<ObjectKey, Seen>,
    /// What the last look did not come to; the next one begins with it.
    next: Option<OriginalId>,
}

#[derive(Clone, Copy)]
struct Seen {
    since: Instant,
    /// What followed from the change was done at least once since.
    made_up_for: bool,
}

impl Recovery {
    /// Takes the buckets that somebody may write to, and from whose objects something is derived.
    pub fn new(config: &Config, pipeline: Arc<Pipeline>) -> Self {
        let is_derived_from = |bucket: &&Arc<Bucket>| !config.routes.deriving_from(bucket.name()).is_empty();
        Self {
            pipeline,
            longest: config.s3_api.upload_timeout.saturating_add(config.server.request_timeout),
            buckets: Mutex::new(config.written_to().filter(is_derived_from).map(Noted::new).collect()),
            looked: SetOnce::new(),
        }
    }

    /// Waits for the first look of [`Recovery::run`], for a while: whoever asks after that gets nothing that was left over,
    /// as far as the stores answer.
    pub async fn begin(&self) {
        if tokio::time::timeout(AT_START, self.looked.wait()).await.is_err() {
            tracing::warn!(
                "changes that were left over take long to be made up for; old results may be served meanwhile"
            );
        }
    }

    /// Looks, and waits, and never ends by itself.
    pub async fn run(self: Arc<Self>) {
        loop {
            self.look().await;
            // Later looks find it set.
            self.looked.set(()).ok();
            tokio::time::sleep(INTERVAL.min(self.longest)).await;
        }
    }

    async fn look(&self) {
        for noted in &mut *self.buckets.lock().await {
            if let Err(fault) = self.look_into(noted).await {
                let error: &dyn std::error::Error = &fault;
                tracing::warn!(bucket = &**noted.bucket.name(), error, "changes that are left over cannot be found");
            }
        }
    }

    /// Sees to the changes of one bucket. One that cannot be made up for does not keep the others waiting, unless it is an
    /// outage: then the next look begins where this one ends, so that each of them has its turn.
    ///
    /// # Errors
    /// The fault of the listing.
    async fn look_into(&self, noted: &mut Noted) -> Result<(), Fault> {
        let due = noted.compare_with(self.list(&noted.bucket).await?, self.longest);
        let mut failed_in_a_row = 0;
        for (original, notes) in due {
            if failed_in_a_row == IN_A_ROW {
                noted.next = Some(original);
                return Ok(());
            }
            let is_done = self.make_up_for(&original).await && self.made_up_for(noted, &original, notes).await;
            failed_in_a_row = if is_done { 0 } else { failed_in_a_row + 1 };
        }
        Ok(())
    }

    /// Ends what was derived from an original; `false` where something is out of reach.
    async fn make_up_for(&self, original: &OriginalId) -> bool {
        match self.pipeline.purge_one(original).await {
            Ok(invalidation) if invalidation.is_complete() => {
                tracing::info!(%original, removed = invalidation.removed, "a change that was left over is made up for");
                true
            }
            Ok(invalidation) => {
                tracing::warn!(%original, ?invalidation, "a change that was left over is not made up for yet");
                false
            }
            Err(fault) => {
                let error: &dyn std::error::Error = &fault;
                tracing::warn!(%original, error, "a change that was left over is not made up for yet");
                false
            }
        }
    }

    /// Remembers that changes were made up for, and strikes out those that are over; `false` at the first that stays.
    async fn made_up_for(&self, noted: &mut Noted, original: &OriginalId, notes: Vec<ObjectKey>) -> bool {
        for note in notes {
            let Some(seen) = noted.changes.get_mut(&note) else { continue };
            seen.made_up_for = true;
            if !seen.is_over(self.longest) {
                continue;
            }
            let (storage, store) = (&self.pipeline.storage, noted.bucket.originals());
            let strike_out = |deadline| storage.strike_out(store, &note, deadline);
            if let Err(fault) = patiently(Deadline::within(STRIKING_OUT), strike_out).await {
                let error: &dyn std::error::Error = &fault;
                tracing::warn!(%original, error, "the note of a change that is made up for cannot be struck out");
                return false;
            }
            noted.changes.remove(&note);
        }
        true
    }

    async fn list(&self, bucket: &Bucket) -> Result<Vec<(ObjectKey, Change)>, Fault> {
        let (prefix, mut found, mut start_after) = (Change::prefix(bucket.name()), Vec::new(), None);
        loop {
            let request = ListRequest { prefix: prefix.clone(), start_after, max_keys: PAGE, delimiter: None };
            let page = variants::list(&self.pipeline, bucket.originals(), request).await?;
            found.extend(page.objects.into_iter().filter_map(|listed| {
                let change = Change::parse(&listed.key)?;
                Some((listed.key, change))
            }));
            start_after = page.next;
            if start_after.is_none() || found.len() >= KNOWN {
                return Ok(found);
            }
        }
    }
}

impl Noted {
    fn new(bucket: &Arc<Bucket>) -> Self {
        Self { bucket: Arc::clone(bucket), looked: false, changes: HashMap::new(), next: None }
    }

    /// Learns what there is now, and tells what is to be seen to, in its order.
    fn compare_with(
        &mut self,
        found: Vec<(ObjectKey, Change)>,
        longest: Duration,
    ) -> Vec<(OriginalId, Vec<ObjectKey>)> {
        let mut before = std::mem::take(&mut self.changes);
        let mut due: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (note, change) in found {
            let known = before.remove(&note);
            let seen = known.unwrap_or_else(|| Seen { since: Instant::now(), made_up_for: false });
            let is_left_over = known.is_some() || !self.looked;
            if (is_left_over && !seen.made_up_for) || seen.is_over(longest) {
                due.entry(change.original).or_default().push(note.clone());
            }
            self.changes.insert(note, seen);
        }
        self.looked = true;
        let first = self.next.take().map(|next| due.split_off(&next)).unwrap_or_default();
        first.into_iter().chain(due).collect()
    }
}

impl Seen {
    fn is_over(&self, longest: Duration) -> bool {
        self.since.elapsed() > longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(100);

    /// A look that finds one change of each of these originals, under the name of its original.
    fn look(noted: &mut Noted, found: &[&str]) -> Vec<String> {
        let found = found.iter().map(|original| (ObjectKey::new(*original), Change::new(OriginalId::new(*original))));
        let due = noted.compare_with(found.collect(), LONGEST);
        due.into_iter().map(|(original, _)| original.to_string()).collect()
    }

    fn looked() -> Noted {
        let mut noted = Noted::new(&Arc::new(Bucket::new("b", None)));
        assert!(look(&mut noted, &[]).is_empty());
        noted
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_found_at_the_start_is_left_over_and_later_what_is_found_twice() {
        let mut noted = Noted::new(&Arc::new(Bucket::new("b", None)));
        assert_eq!(look(&mut noted, &["b/early"]), ["b/early"]);
        assert_eq!(look(&mut noted, &["b/early", "b/late"]), ["b/early"], "the first is not made up for yet");
        assert_eq!(look(&mut noted, &["b/early", "b/late"]), ["b/early", "b/late"]);
        assert!(look(&mut noted, &[]).is_empty() && noted.changes.is_empty(), "they are struck out");
        assert!(look(&mut noted, &["b/late"]).is_empty(), "it is another one");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_made_up_for_is_seen_to_once_more_when_no_write_of_it_can_be_under_way() {
        let mut noted = looked();
        assert!(look(&mut noted, &["b/a"]).is_empty());
        tokio::time::advance(LONGEST / 2).await;
        assert_eq!(look(&mut noted, &["b/a"]), ["b/a"]);
        noted.changes.get_mut(&ObjectKey::new("b/a")).unwrap().made_up_for = true;
        tokio::time::advance(LONGEST / 2).await;
        assert!(look(&mut noted, &["b/a"]).is_empty(), "it may still be under way");
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(look(&mut noted, &["b/a"]), ["b/a"]);
        assert_eq!(look(&mut noted, &["b/a"]), ["b/a"], "until its note is gone");
    }

    #[tokio::test(start_paused = true)]
    async fn several_changes_of_one_original_are_made_up_for_at_once() {
        let mut noted = Noted::new(&Arc::new(Bucket::new("b", None)));
        let original = OriginalId::new("b/a");
        let found = ["one", "other"].map(|note| (ObjectKey::new(note), Change::new(original.clone())));
        let due = noted.compare_with(found.to_vec(), LONGEST);
        assert_eq!(due, [(original, ["one", "other"].map(ObjectKey::new).to_vec())]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_begins_with_what_the_one_before_did_not_come_to() {
        let mut noted = Noted::new(&Arc::new(Bucket::new("b", None)));
        noted.next = Some(OriginalId::new("b/c"));
        let found = ["b/a", "b/b", "b/c", "b/d"];
        assert_eq!(look(&mut noted, &found), ["b/c", "b/d", "b/a", "b/b"]);
        assert_eq!(look(&mut noted, &found), found);
    }
}
