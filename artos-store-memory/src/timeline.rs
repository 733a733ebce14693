//! Tasks in the order of a time, for times that mostly come in order.
//!
//! Due times, ends of leases and ends of tasks are made from one clock, so nearly every entry
//! belongs behind all others, and nearly every one that goes is among the first. Both take a few
//! instructions here; what comes out of order goes into a tree beside the queue.

use std::collections::{BTreeSet, VecDeque};

use artos_core::{Timestamp, model::TaskId};

/// An entry: ties of the time are broken by the id, which is the order of submission.
type Key = (Timestamp, TaskId);

/// Fewer entries than this are not worth tidying up.
const GONE_MIN: usize = 64;

/// Room for this many entries is kept.
const ROOM_MIN: usize = 4_096;

/// Tasks in the order of a time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Timeline {
    /// Entries in order, among them some that are gone; the first is not.
    queue: VecDeque<Slot>,
    /// How many entries of the queue are gone.
    gone: usize,
    /// Entries that came too late to be queued.
    late: BTreeSet<Key>,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    key: Key,
    gone: bool,
}

impl Timeline {
    pub(crate) fn insert(&mut self, time: Timestamp, id: TaskId) {
        let key = (time, id);
        match self.queue.back() {
            Some(last) if last.key == key && last.gone => self.revive_last(),
            Some(last) if last.key >= key => {
                self.late.insert(key);
            }
            _ => self.queue.push_back(Slot { key, gone: false }),
        }
    }

    fn revive_last(&mut self) {
        if let Some(last) = self.queue.back_mut() {
            last.gone = false;
            self.gone -= 1;
        }
    }

    pub(crate) fn remove(&mut self, time: Timestamp, id: TaskId) {
        let key = (time, id);
        if self.queue.front().is_some_and(|first| first.key == key) {
            self.queue.pop_front();
            self.drop_gone_front();
            self.give_back_room();
        } else if let Ok(at) = self.queue.binary_search_by(|slot| slot.key.cmp(&key))
            && let Some(slot) = self.queue.get_mut(at)
            && !slot.gone
        {
            slot.gone = true;
            self.gone += 1;
            if self.gone > GONE_MIN && self.gone * 2 > self.queue.len() {
                self.queue.retain(|slot| !slot.gone);
                self.gone = 0;
                self.give_back_room();
            }
        } else {
            self.late.remove(&key);
        }
    }

    fn drop_gone_front(&mut self) {
        while self.queue.front().is_some_and(|first| first.gone) {
            self.queue.pop_front();
            self.gone -= 1;
        }
    }

    /// Gives memory back once a backlog is gone.
    fn give_back_room(&mut self) {
        let len = self.queue.len();
        if self.queue.capacity() > ROOM_MIN && len < self.queue.capacity() / 4 {
            self.queue.shrink_to((len * 2).max(ROOM_MIN));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        // The first of the queue is never gone.
        self.queue.is_empty() && self.late.is_empty()
    }

    /// Returns the first entry.
    pub(crate) fn first(&self) -> Option<Key> {
        let queued = self.queue.front().map(|first| first.key);
        let late = self.late.first().copied();
        match (queued, late) {
            (Some(queued), Some(late)) => Some(queued.min(late)),
            (queued, late) => queued.or(late),
        }
    }

    /// Returns the entries in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Key> {
        let mut queued =
            self.queue.iter().filter(|slot| !slot.gone).map(|slot| slot.key).peekable();
        let mut late = self.late.iter().copied().peekable();
        std::iter::from_fn(move || match (queued.peek(), late.peek()) {
            (Some(first), Some(other)) if other < first => late.next(),
            (Some(_), _) => queued.next(),
            (None, _) => late.next(),
        })
    }
}
