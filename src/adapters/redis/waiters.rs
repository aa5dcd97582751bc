use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

/// Who waits on which channel. All who wait on one share a watch channel; an entry goes with the last of them.
#[derive(Default)]
pub(super) struct Waiters {
    table: Mutex<Table>,
    changed: Notify,
}

#[derive(Default)]
struct Table {
    channels: HashMap<Arc<str>, Channel>,
    /// Channels that may have to be subscribed to or left. Bounded by those that are or were waited on since the
    /// listener last looked.
    changed: HashSet<Arc<str>>,
}

#[derive(Default)]
struct Channel {
    waiters: usize,
    news: watch::Sender<News>,
}

/// What is known of a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct News {
    subscribed: bool,
    announcements: u64,
}

/// One who waits on a channel. Dropping it is leaving.
pub(super) struct Waiter {
    waiters: Arc<Waiters>,
    channel: Arc<str>,
    news: watch::Receiver<News>,
    since: u64,
}

/// What the listener has to do.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    pub(super) subscribe: Vec<Arc<str>>,
    pub(super) unsubscribe: Vec<Arc<str>>,
}

impl Waiters {
    /// Begins to wait on a channel.
    pub(super) fn sit(self: &Arc<Self>, channel: &str) -> Waiter {
        let mut table = self.table();
        let channel = match table.channels.get_key_value(channel) {
            Some((known, _)) => Arc::clone(known),
            None => Arc::from(channel),
        };
        let entry = table.channels.entry(Arc::clone(&channel)).or_default();
        entry.waiters += 1;
        let (first, news) = (entry.waiters == 1, entry.news.subscribe());
        if first {
            table.changed.insert(Arc::clone(&channel));
            self.changed.notify_one();
        }
        drop(table);
        let since = news.borrow().announcements;
        Waiter { waiters: Arc::clone(self), channel, news, since }
    }

    /// Resolves when there may be changes.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    pub(super) fn channels(&self) -> usize {
        self.table().channels.len()
    }

    pub(super) fn waiters(&self) -> usize {
        self.table().channels.values().map(|channel| channel.waiters).sum()
    }

    /// What a listener that is subscribed to `subscribed` has to do now. Those who wait on a channel of these are told
    /// that they hear.
    pub(super) fn changes(&self, subscribed: &HashSet<Arc<str>>) -> Changes {
        let mut table = self.table();
        let mut changes = Changes::default();
        for channel in std::mem::take(&mut table.changed) {
            match (table.channels.get(&channel), subscribed.contains(&channel)) {
                (Some(entry), true) => entry.hears(),
                (Some(_), false) => changes.subscribe.push(channel),
                (None, true) => changes.unsubscribe.push(channel),
                (None, false) => {}
            }
        }
        changes
    }

    /// Tells those who wait on these channels that from now on they hear.
    pub(super) fn subscribed(&self, channels: &[Arc<str>]) {
        let table = self.table();
        channels.iter().filter_map(|channel| table.channels.get(channel)).for_each(Channel::hears);
    }

    /// Tells those who wait on a channel that it was announced.
    pub(super) fn announce(&self, channel: &str) {
        if let Some(entry) = self.table().channels.get(channel) {
            entry.news.send_modify(|news| news.announcements += 1);
        }
    }

    /// The connection was lost: whoever waits may have missed an announcement and had better look. Every channel has to
    /// be subscribed to again.
    pub(super) fn lost(&self) {
        let mut table = self.table();
        let Table { channels, changed } = &mut *table;
        for (name, entry) in channels {
            entry.news.send_modify(|news| *news = News { subscribed: false, announcements: news.announcements + 1 });
            changed.insert(Arc::clone(name));
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Channel {
    fn hears(&self) {
        self.news.send_if_modified(|news| !std::mem::replace(&mut news.subscribed, true));
    }
}

impl Waiter {
    /// Resolves once nothing that is announced from now on can be missed, or with an announcement.
    pub(super) async fn hears(&mut self) {
        let since = self.since;
        self.until(|news| news.subscribed || news.announcements > since).await;
    }

    /// Resolves with an announcement since the wait began.
    pub(super) async fn announced(&mut self) {
        let since = self.since;
        self.until(|news| news.announcements > since).await;
    }

    async fn until(&mut self, condition: impl Fn(&News) -> bool) {
        // The sender lives in the table as long as this waiter does.
        drop(self.news.wait_for(condition).await);
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut table = self.waiters.table();
        let Some(entry) = table.channels.get_mut(&self.channel) else { return };
        entry.waiters -= 1;
        if entry.waiters > 0 {
            return;
        }
        table.channels.remove(&self.channel);
        table.changed.insert(Arc::clone(&self.channel));
        drop(table);
        self.waiters.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn names(channels: &[&str]) -> Vec<Arc<str>> {
        channels.iter().map(|name| Arc::from(*name)).collect()
    }

    /// Red without the `Drop` of `Waiter`.
    #[test]
    fn fault_21_waiters_that_leave_leave_nothing() {
        let waiters = Arc::<Waiters>::default();
        let crowd: Vec<_> = (0..10_000).map(|number| waiters.sit(&format!("{}", number % 100))).collect();
        assert_eq!((waiters.channels(), waiters.waiters()), (100, 10_000));
        let subscribed: HashSet<_> = waiters.changes(&HashSet::new()).subscribe.into_iter().collect();
        assert_eq!(subscribed.len(), 100);
        drop(crowd);
        assert_eq!((waiters.channels(), waiters.waiters()), (0, 0));
        let changes = waiters.changes(&subscribed);
        assert_eq!((changes.subscribe.len(), changes.unsubscribe.len()), (0, 100));
        assert_eq!(waiters.changes(&HashSet::new()), Changes::default());
    }

    #[test]
    fn one_who_comes_and_goes_unseen_costs_no_subscription() {
        let waiters = Arc::<Waiters>::default();
        drop(waiters.sit("a"));
        assert_eq!(waiters.changes(&HashSet::new()), Changes::default());
    }

    #[test]
    fn an_announcement_is_for_those_who_wait_and_not_for_those_who_come_later() {
        let waiters = Arc::<Waiters>::default();
        let mut early = waiters.sit("a");
        let mut other = waiters.sit("b");
        waiters.announce("a");
        let mut late = waiters.sit("a");
        assert!(early.announced().now_or_never().is_some());
        assert!(late.announced().now_or_never().is_none());
        assert!(other.announced().now_or_never().is_none());
    }

    #[test]
    fn a_lost_connection_wakes_everyone_and_all_is_subscribed_to_again() {
        let waiters = Arc::<Waiters>::default();
        let mut waiter = waiters.sit("a");
        assert!(waiter.hears().now_or_never().is_none());
        let subscribe = waiters.changes(&HashSet::new()).subscribe;
        waiters.subscribed(&subscribe);
        assert!(waiter.hears().now_or_never().is_some());
        assert!(waiter.announced().now_or_never().is_none());
        waiters.lost();
        assert!(waiter.announced().now_or_never().is_some());
        assert!(waiters.sit("a").hears().now_or_never().is_none(), "nobody listens");
        assert_eq!(waiters.changes(&HashSet::new()).subscribe, names(&["a"]));
    }

    #[test]
    fn one_who_comes_back_before_the_channel_is_left_hears_at_once() {
        let waiters = Arc::<Waiters>::default();
        drop(waiters.sit("a"));
        let mut waiter = waiters.sit("a");
        assert_eq!(waiters.changes(&names(&["a"]).into_iter().collect()), Changes::default());
        assert!(waiter.hears().now_or_never().is_some());
    }
}
