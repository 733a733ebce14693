//! Records that were read lately, so that who polls a task need not wait for a look at the tree.
//!
//! A record is kept only while its row is as it was read, and while the task does not run: of
//! those that do, memory has all there is. Each task has a rack in which it may be kept, and
//! shares its few places with others.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use artos_core::model::{TaskId, TaskRecord};

/// How many racks there are. Together they keep 4,096 records: about 2 MB, and at most 8 MB.
const RACKS: usize = 1_024;
/// How many records are kept in each. With one place for each task, of a thousand that are polled
/// two hundred would push each other out.
const PLACES: usize = 4;
/// Most bytes of texts in a record that is kept.
const TEXT_BYTES_MAX: usize = 1_024;

/// Returns whether a record is small enough to be kept: a failure's message and labels can make it
/// many times as large as most are.
pub(crate) fn is_small(record: &TaskRecord) -> bool {
    let names = [&record.tenant, &record.idempotency_key, &record.stage];
    let names = names.into_iter().flatten().chain([&record.kind, &record.queue]);
    let labels = record.labels.iter().flat_map(|(key, value)| [key, value]);
    let texts = names.chain(labels).map(|name| name.len());
    let message = record.failure.as_ref().map_or(0, |failure| failure.message.len());
    let progress = record.progress.as_ref().map_or(0, |progress| progress.message.len());
    texts.sum::<usize>() + message + progress <= TEXT_BYTES_MAX
}

/// Records that were read lately.
#[derive(Debug)]
pub(crate) struct Recent {
    racks: Box<[Mutex<Rack>]>,
    /// How many are kept, or are about to be.
    kept: AtomicUsize,
    /// Odd while the tree changes, and another number after each change.
    turn: AtomicU64,
}

/// A few records; the one that was put here last comes first.
#[derive(Debug, Default)]
struct Rack([Option<Arc<Read>>; PLACES]);

impl Rack {
    fn find(&mut self, id: TaskId) -> Option<&mut Option<Arc<Read>>> {
        self.0.iter_mut().find(|place| place.as_ref().is_some_and(|read| read.record.id == id))
    }

    /// Puts a record in front; returns whether there is one more now.
    fn put(&mut self, read: Read) -> bool {
        let was_there = self.find(read.record.id).and_then(Option::take).is_some();
        let mut read = Some(Arc::new(read));
        for place in &mut self.0 {
            std::mem::swap(place, &mut read);
            if read.is_none() {
                return !was_there;
            }
        }
        false
    }
}

/// A record as it was read.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) record: TaskRecord,
    /// The last group of changes that it may have been read from.
    pub(crate) seen: u64,
}

/// When a look at the tree began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn(u64);

/// The tree changes while this exists.
pub(crate) struct Changing<'a>(&'a Recent);

impl Default for Recent {
    fn default() -> Self {
        Self {
            racks: std::iter::repeat_with(Mutex::default).take(RACKS).collect(),
            kept: AtomicUsize::new(0),
            turn: AtomicU64::new(0),
        }
    }
}

impl Recent {
    /// Returns the record of a task, if it is kept.
    pub(crate) fn get(&self, id: TaskId) -> Option<Arc<Read>> {
        self.rack(id)?.find(id)?.as_ref().map(Arc::clone)
    }

    /// Begins a look at the tree, of which a record may be kept.
    pub(crate) fn look(&self) -> Turn {
        Turn(self.turn.load(Ordering::SeqCst))
    }

    /// Keeps what a look found, unless the tree has changed since it began.
    pub(crate) fn keep(&self, turn: Turn, read: Read) {
        let Some(mut rack) = self.rack(read.record.id) else { return };
        // Counted before the turn is read: a change takes its turn first and looks then whether
        // anything is kept, so one of both sees the other.
        self.kept.fetch_add(1, Ordering::SeqCst);
        let is_current = turn.0.is_multiple_of(2) && self.look().0 == turn.0;
        let is_one_more = is_current && rack.put(read);
        if !is_one_more {
            self.kept.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Begins a change of the tree, and forgets the tasks that change. One at a time.
    pub(crate) fn change(&self, changed: impl Iterator<Item = TaskId>) -> Changing<'_> {
        self.turn.fetch_add(1, Ordering::SeqCst);
        let changing = Changing(self);
        if self.kept.load(Ordering::SeqCst) > 0 {
            changed.for_each(|id| self.forget(id));
        }
        changing
    }

    fn forget(&self, id: TaskId) {
        let Some(mut rack) = self.rack(id) else { return };
        if let Some(place) = rack.find(id) {
            *place = None;
            self.kept.fetch_sub(1, Ordering::SeqCst);
        }
    }

    fn rack(&self, id: TaskId) -> Option<MutexGuard<'_, Rack>> {
        // The end of an id is random.
        let [.., high, low] = *id.as_uuid().as_bytes();
        let at = usize::from(u16::from_be_bytes([high, low])) % RACKS;
        // What a rack holds is always whole.
        Some(self.racks.get(at)?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.0.turn.fetch_add(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use artos_core::{
        Name, Timestamp, machine,
        model::{Failure, FailureCause, NewTask},
    };
    use bytes::Bytes;
    use uuid::Uuid;

    use super::*;

    /// A record; those with the same `low` share a rack.
    fn read(high: u128, low: u128) -> Read {
        let task = NewTask::new(
            TaskId::from_uuid(Uuid::from_u128(high << 64 | low)),
            "mail.send",
            "default",
            Bytes::new(),
        );
        Read { record: machine::insert(&task, Timestamp::from_micros(1)), seen: 7 }
    }

    fn id(high: u128, low: u128) -> TaskId {
        read(high, low).record.id
    }

    #[test]
    fn a_record_is_kept_until_its_task_changes() {
        let recent = Recent::default();
        recent.keep(recent.look(), read(1, 1));
        recent.keep(recent.look(), read(1, 2));
        assert_eq!(recent.get(id(1, 1)).map(|read| read.seen), Some(7));
        drop(recent.change(std::iter::once(id(1, 1))));
        assert!(recent.get(id(1, 1)).is_none());
        assert!(recent.get(id(1, 2)).is_some());
    }

    #[test]
    fn what_was_read_before_a_change_or_during_one_is_not_kept() {
        let recent = Recent::default();
        let before = recent.look();
        let changing = recent.change(std::iter::empty());
        recent.keep(before, read(1, 1));
        let during = recent.look();
        recent.keep(during, read(1, 1));
        assert!(recent.get(id(1, 1)).is_none());
        drop(changing);
        recent.keep(before, read(1, 1));
        recent.keep(during, read(1, 1));
        assert!(recent.get(id(1, 1)).is_none());
        recent.keep(recent.look(), read(1, 1));
        assert!(recent.get(id(1, 1)).is_some());
    }

    #[test]
    fn a_record_with_a_long_message_or_many_labels_is_not_small() {
        let Read { record, .. } = read(1, 1);
        assert!(is_small(&record));
        let message = "m".repeat(TEXT_BYTES_MAX);
        let failure = Failure {
            cause: FailureCause::Error,
            stage: None,
            attempt: 1,
            message,
            at: Timestamp::default(),
        };
        assert!(!is_small(&TaskRecord { failure: Some(failure), ..record.clone() }));
        let label = |number| (Name::from(format!("key {number}")), Name::from("v".repeat(50)));
        assert!(!is_small(&TaskRecord { labels: (0..20).map(label).collect(), ..record }));
    }

    #[test]
    fn tasks_that_share_a_rack_are_not_taken_for_each_other() {
        let recent = Recent::default();
        recent.keep(recent.look(), read(1, 1));
        assert!(recent.get(id(2, 1)).is_none());
        drop(recent.change(std::iter::once(id(2, 1))));
        assert!(recent.get(id(1, 1)).is_some());
        recent.keep(recent.look(), read(2, 1));
        assert!(recent.get(id(1, 1)).is_some() && recent.get(id(2, 1)).is_some());
        drop(recent.change(std::iter::once(id(1, 1))));
        assert!(recent.get(id(1, 1)).is_none() && recent.get(id(2, 1)).is_some());
        drop(recent.change(std::iter::once(id(2, 1))));
        assert!(recent.get(id(2, 1)).is_none());
        assert_eq!(recent.kept.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn a_full_rack_loses_what_was_put_there_first() {
        let recent = Recent::default();
        for high in 1..=5 {
            recent.keep(recent.look(), read(high, 1));
        }
        let kept = |high| recent.get(id(high, 1)).is_some();
        assert_eq!([1, 2, 3, 4, 5].map(kept), [false, true, true, true, true]);
        // Put there again, it is there once, and in front.
        recent.keep(recent.look(), read(2, 1));
        assert_eq!(recent.kept.load(Ordering::SeqCst), PLACES);
        recent.keep(recent.look(), read(6, 1));
        assert_eq!([2, 3, 4, 5, 6].map(kept), [true, false, true, true, true]);
        // The same behind a place that is free.
        drop(recent.change(std::iter::once(id(5, 1))));
        recent.keep(recent.look(), read(4, 1));
        drop(recent.change(std::iter::once(id(4, 1))));
        assert_eq!([2, 4, 5, 6].map(kept), [true, false, false, true]);
        // Counted once, so the last one that goes is looked for.
        drop(recent.change((1..=6).map(|high| id(high, 1))));
        assert_eq!([2, 4, 5, 6].map(kept), [false; 4]);
        assert_eq!(recent.kept.load(Ordering::SeqCst), 0);
    }
}
