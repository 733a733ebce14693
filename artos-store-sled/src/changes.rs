//! The changed keys of a group: what each will hold, and how to take the last ones back.

use std::collections::HashMap;

use artos_core::model::TaskId;
use foldhash::fast::RandomState;
use sled::IVec;

use crate::keys;

/// Changed keys.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Every change, in the order they were made.
    log: Vec<Change>,
    /// Where in the log each key's last change is.
    last: HashMap<IVec, usize, RandomState>,
    bytes: usize,
}

#[derive(Debug)]
struct Change {
    key: IVec,
    /// What the key will hold; `None`: the key goes.
    value: Option<IVec>,
    /// The change of the same key before.
    before: Option<usize>,
}

impl Changes {
    /// Changes what a key will hold; `None`: the key goes.
    pub(crate) fn set(&mut self, key: IVec, value: Option<IVec>) {
        self.bytes += key.len() + value.as_ref().map_or(0, |value| value.len());
        let before = self.last.insert(key.clone(), self.log.len());
        self.log.push(Change { key, value, before });
    }

    /// Returns what a changed key will hold; the outer `None` if it was not changed.
    pub(crate) fn get(&self, key: &[u8]) -> Option<Option<&IVec>> {
        let change = self.log.get(*self.last.get(key)?)?;
        Some(change.value.as_ref())
    }

    /// Returns how many changes there were.
    pub(crate) const fn len(&self) -> usize {
        self.log.len()
    }

    /// Returns how many bytes all changes have together.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes all changes back, and keeps the room they took for those to come.
    pub(crate) fn clear(&mut self) {
        self.log.clear();
        self.last.clear();
        self.bytes = 0;
    }

    /// Takes all changes back but the first `len`.
    pub(crate) fn truncate(&mut self, len: usize) {
        while self.log.len() > len
            && let Some(Change { key, before, .. }) = self.log.pop()
        {
            match before {
                Some(before) => self.last.insert(key, before),
                None => self.last.remove(&key),
            };
        }
    }

    /// Returns the tasks whose own rows were changed, in no order.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = TaskId> {
        let own = |key: &&IVec| key.starts_with(keys::TASKS) && key.len() == keys::ID_KEY_BYTES;
        self.last.keys().filter(own).filter_map(|key| keys::parse_id(key))
    }

    /// Returns the keys with a prefix that were changed and do not go, in no order.
    pub(crate) fn put_below(&self, prefix: &[u8]) -> impl Iterator<Item = &IVec> {
        let put = |at: &usize| self.log.get(*at).is_some_and(|change| change.value.is_some());
        let below = self.last.iter().filter(move |(key, _)| key.starts_with(prefix));
        below.filter(move |(_, at)| put(at)).map(|(key, _)| key)
    }

    /// Returns the changed keys with what they will hold, in the order of the keys.
    pub(crate) fn sorted(&self) -> Vec<(&IVec, Option<&IVec>)> {
        let mut sorted = Vec::with_capacity(self.last.len());
        let last = self.last.iter().filter_map(|(key, at)| Some((key, self.log.get(*at)?)));
        sorted.extend(last.map(|(key, last)| (key, last.value.as_ref())));
        sorted.sort_unstable_by_key(|(key, _)| *key);
        sorted
    }
}
