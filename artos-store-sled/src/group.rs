//! Changes that will be written together: later operations of a group see what earlier ones did.
//!
//! An operation that fails takes back what it changed, and nothing else of the group.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map},
    iter::Peekable,
};

use artos_core::{Timestamp, model::TaskId, store::StoreResult};
use sled::{Batch, IVec};

use crate::{disk::Disk, lookup::Lookup};

/// Running tasks by the time their lease lapses; as many as run at once, so they are in memory.
pub(crate) type Leases = BTreeSet<(Timestamp, TaskId)>;

/// The changes of a group.
#[derive(Debug)]
pub(crate) struct Group<'a> {
    disk: &'a Disk,
    leases: &'a mut Leases,
    /// What each changed key will hold; `None` if it goes.
    changes: BTreeMap<Vec<u8>, Option<IVec>>,
    bytes: usize,
    /// How to take back what the current operation did, in the order it was done.
    undo: Vec<Undo>,
}

#[derive(Debug)]
enum Undo {
    /// The key was changed to this before, or not at all.
    Key(Vec<u8>, Option<Option<IVec>>),
    /// The lease of the task was moved from one time to another.
    Lease(TaskId, Option<Timestamp>, Option<Timestamp>),
}

impl<'a> Group<'a> {
    pub(crate) const fn new(disk: &'a Disk, leases: &'a mut Leases) -> Self {
        Self { disk, leases, changes: BTreeMap::new(), bytes: 0, undo: Vec::new() }
    }

    /// Returns how many bytes the group will write.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Sets the value of a key.
    pub(crate) fn put(&mut self, key: Vec<u8>, value: impl Into<IVec>) {
        let value = value.into();
        self.bytes += key.len() + value.len();
        self.change(key, Some(value));
    }

    /// Removes a key that exists.
    pub(crate) fn remove(&mut self, key: Vec<u8>) {
        self.bytes += key.len();
        self.change(key, None);
    }

    fn change(&mut self, key: Vec<u8>, value: Option<IVec>) {
        let before = self.changes.insert(key.clone(), value);
        self.undo.push(Undo::Key(key, before));
    }

    /// Moves a lease from one time to another; `None` is no lease.
    pub(crate) fn move_lease(
        &mut self,
        id: TaskId,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) {
        move_lease(self.leases, id, from, to);
        self.undo.push(Undo::Lease(id, from, to));
    }

    /// Returns the running task whose lease lapses first, and when.
    pub(crate) fn first_lease(&self) -> Option<(Timestamp, TaskId)> {
        self.leases.first().copied()
    }

    /// Keeps what the operation did.
    pub(crate) fn keep(&mut self) {
        self.undo.clear();
    }

    /// Takes back what the operation did.
    pub(crate) fn take_back(&mut self) {
        for undo in std::mem::take(&mut self.undo).into_iter().rev() {
            match undo {
                Undo::Key(key, Some(before)) => {
                    self.changes.insert(key, before);
                }
                Undo::Key(key, None) => {
                    self.changes.remove(&key);
                }
                Undo::Lease(id, from, to) => move_lease(self.leases, id, to, from),
            }
        }
    }

    /// Returns the keys that begin with `prefix`, in order, from `from` on.
    pub(crate) fn scan(&self, prefix: &[u8], from: &[u8]) -> Scan<'_> {
        Scan {
            disk: self.disk,
            prefix: prefix.to_vec(),
            stored: self.disk.tree().range(from.to_vec()..).peekable(),
            changed: self.changes.range(from.to_vec()..).peekable(),
        }
    }

    /// Writes the group, and returns when it is as durable as the store makes it.
    pub(crate) fn commit(self) -> StoreResult<()> {
        if self.changes.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::default();
        for (key, value) in self.changes {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        self.disk.commit(batch)
    }
}

impl Lookup for Group<'_> {
    fn value(&self, key: &[u8]) -> StoreResult<Option<IVec>> {
        match self.changes.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.disk.value(key),
        }
    }
}

fn move_lease(leases: &mut Leases, id: TaskId, from: Option<Timestamp>, to: Option<Timestamp>) {
    if let Some(from) = from {
        leases.remove(&(from, id));
    }
    leases.extend(to.map(|to| (to, id)));
}

/// The keys of the tree as they will be once the group is written.
pub(crate) struct Scan<'a> {
    disk: &'a Disk,
    prefix: Vec<u8>,
    stored: Peekable<sled::Iter>,
    changed: Peekable<btree_map::Range<'a, Vec<u8>, Option<IVec>>>,
}

impl Iterator for Scan<'_> {
    type Item = StoreResult<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let stored = match self.stored.peek() {
                Some(Ok((key, _))) => Some(key.clone()),
                Some(Err(error)) => return Some(Err(self.disk.failed("reading", error))),
                None => None,
            };
            let changed = self.changed.peek().copied();
            let stored_first = match (&stored, changed) {
                (Some(stored), Some((changed, _))) => stored.as_ref() < changed.as_slice(),
                (Some(_), None) => true,
                (None, _) => false,
            };
            let key = if stored_first {
                self.stored.next();
                stored?.to_vec()
            } else {
                let (key, value) = self.changed.next()?;
                if stored.is_some_and(|stored| stored.as_ref() == key.as_slice()) {
                    self.stored.next();
                }
                if value.is_none() {
                    // The group removes it.
                    continue;
                }
                key.clone()
            };
            return key.starts_with(&self.prefix).then_some(Ok(key));
        }
    }
}
