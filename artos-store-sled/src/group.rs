//! Changes that will be written together: later operations of a group see what earlier ones did.
//!
//! An operation that fails takes back what it changed, and nothing else of the group.

use std::{cell::RefCell, collections::btree_map, iter::Peekable, sync::Arc};

use artos_core::{
    model::{ListOrder, TaskId, TaskState},
    store::StoreResult,
};
use sled::{Batch, IVec};

use crate::{
    disk::Disk,
    head::Counts,
    keys,
    live::{Live, Place},
    lookup::{Loaded, Lookup},
    merge::{self, Changes},
    scan::{BlockCache, Scan},
};

/// The changes of a group.
#[derive(Debug)]
pub(crate) struct Group<'a> {
    disk: &'a Disk,
    pub(crate) live: &'a mut Live,
    counts: &'a mut Counts,
    changes: Changes,
    blocks: RefCell<BlockCache>,
    /// Running tasks that changed.
    touched: Vec<TaskId>,
    bytes: usize,
    /// How to take back what the current operation did, in the order it was done.
    undo: Vec<Undo>,
}

#[derive(Debug)]
enum Undo {
    /// The key was changed to this before, or not at all.
    Key(Vec<u8>, Option<Option<IVec>>),
    /// A pending task was put to where it waits, or taken away from there.
    Place(Place, bool),
    /// A task that runs, or did, was this.
    Run(TaskId, Option<Arc<Loaded>>),
    /// A task was counted in the second state instead of the first.
    Count(Option<TaskState>, Option<TaskState>),
}

/// What a group comes to.
#[derive(Debug)]
pub(crate) struct Written {
    /// What goes to the tree.
    pub(crate) batch: Batch,
    /// Running tasks that changed.
    pub(crate) touched: Vec<TaskId>,
}

impl<'a> Group<'a> {
    pub(crate) fn new(disk: &'a Disk, live: &'a mut Live, counts: &'a mut Counts) -> Self {
        Self {
            disk,
            live,
            counts,
            changes: Changes::new(),
            blocks: RefCell::default(),
            touched: Vec::new(),
            bytes: 0,
            undo: Vec::new(),
        }
    }

    /// Returns how many bytes the group has changed.
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

    /// Puts a pending task where it waits, or takes it away from there.
    pub(crate) fn place(&mut self, place: Place, here: bool) {
        self.live.place(Some(place.clone()), here);
        self.undo.push(Undo::Place(place, here));
    }

    /// Sets what a running task is; `None`: it does not run.
    pub(crate) fn run(&mut self, id: TaskId, task: Option<Arc<Loaded>>) {
        let before = self.live.run(id, task);
        self.undo.push(Undo::Run(id, before));
        self.touched.push(id);
    }

    /// Counts a task in another state; `None` is outside the store.
    pub(crate) fn count(&mut self, from: Option<TaskState>, to: Option<TaskState>) {
        self.counts.move_one(from, to);
        self.undo.push(Undo::Count(from, to));
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
                Undo::Place(place, here) => self.live.place(Some(place), !here),
                Undo::Run(id, before) => {
                    self.live.run(id, before);
                }
                Undo::Count(from, to) => self.counts.move_one(to, from),
            }
        }
    }

    /// Returns up to `limit` keys that begin with `prefix`, in order.
    pub(crate) fn first_keys(&self, prefix: &[u8], limit: usize) -> StoreResult<Vec<Vec<u8>>> {
        let stored = Scan::new(self.disk, prefix.to_vec(), ListOrder::OldestFirst, None);
        let changed = self.changes.range(prefix.to_vec()..);
        let keys = Merged { stored: stored.peekable(), changed: changed.peekable() };
        keys.take_while(|key| key.as_ref().map_or(true, |key| key.starts_with(prefix)))
            .take(limit)
            .collect()
    }

    /// Turns the group into what is written for it; `None` if it changed nothing.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](artos_core::store::StoreError::Corrupt) if a block that changes makes no sense.
    pub(crate) fn write(self) -> StoreResult<Option<Written>> {
        if self.changes.is_empty() {
            return Ok(None);
        }
        let batch = merge::merge(self.disk, &self.changes)?;
        Ok(Some(Written { batch, touched: self.touched }))
    }
}

impl Lookup for Group<'_> {
    fn running(&self, id: TaskId) -> Option<Arc<Loaded>> {
        self.live.running(id).map(Arc::clone)
    }

    fn value(&self, key: &[u8]) -> StoreResult<Option<IVec>> {
        match self.changes.get(key) {
            Some(value) => Ok(value.clone()),
            None if keys::is_row(key) => self.blocks.borrow_mut().row(self.disk, key),
            None => self.disk.value(key),
        }
    }
}

/// The keys of the tree as they will be once the group is written.
struct Merged<'a> {
    stored: Peekable<Scan<'a>>,
    changed: Peekable<btree_map::Range<'a, Vec<u8>, Option<IVec>>>,
}

impl Iterator for Merged<'_> {
    type Item = StoreResult<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let stored = match self.stored.peek() {
                Some(Ok((key, _))) => Some(key),
                Some(Err(_)) => return self.stored.next().map(|row| row.map(|(key, _)| key)),
                None => None,
            };
            let changed = self.changed.peek().copied();
            let (stored_first, same) = match (stored, changed) {
                (Some(stored), Some((changed, _))) => (stored < changed, stored == changed),
                (Some(_), None) => (true, false),
                (None, _) => (false, false),
            };
            if stored_first {
                return self.stored.next().map(|row| row.map(|(key, _)| key));
            }
            let (key, value) = self.changed.next()?;
            if same {
                self.stored.next();
            }
            if value.is_some() {
                return Some(Ok(key.clone()));
            }
        }
    }
}
