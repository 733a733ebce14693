//! Changes that will be written together: later operations of a group see what earlier ones did.
//!
//! An operation that fails takes back what it changed, and nothing else of the group.

use std::{cell::RefCell, collections::BTreeSet, sync::Arc};

use artos_core::{
    model::{ListOrder, TaskId, TaskState},
    store::StoreResult,
};
use sled::{Batch, IVec};

use crate::{
    changes::Changes,
    disk::Disk,
    head::Counts,
    keys,
    live::{Live, Place},
    lookup::{Loaded, Lookup},
    merge,
    scan::{BlockCache, Scan},
    sum::Sum,
    watchdog::Doing,
};

/// The changes of a group.
#[derive(Debug)]
pub(crate) struct Group<'a> {
    disk: &'a Disk,
    pub(crate) live: &'a mut Live,
    counts: &'a mut Counts,
    changes: &'a mut Changes,
    blocks: RefCell<BlockCache<'a>>,
    /// Running tasks that changed.
    touched: Vec<Touched>,
    /// How many changes earlier operations made, and how many running tasks they changed.
    kept: (usize, usize),
    /// Room to write a row in.
    room: Vec<u8>,
    /// The group is written even if nothing changes.
    written_anyway: bool,
    /// How to take back what the current operation did, in the order it was done.
    undo: Vec<Undo>,
}

#[derive(Debug)]
enum Undo {
    /// A pending task was put to where it waits, or taken away from there.
    Place(Place, bool),
    /// A task that runs, or did, was this.
    Run(TaskId, Option<Arc<Loaded>>),
    /// A task was counted in the second state instead of the first.
    Count(Option<TaskState>, Option<TaskState>),
}

/// A task that runs, or did, and what it is now.
pub(crate) type Touched = (TaskId, Option<Arc<Loaded>>);

/// What a group comes to.
#[derive(Debug)]
pub(crate) struct Written {
    /// What goes to the tree.
    pub(crate) batch: Batch,
    /// Running tasks that changed, in the order in which they did.
    pub(crate) touched: Vec<Touched>,
    /// About how many bytes that is, beside the blocks they are in.
    pub(crate) bytes: usize,
    /// What all values of the tree come to then.
    pub(crate) sum: Sum,
}

impl<'a> Group<'a> {
    pub(crate) fn new(
        disk: &'a Disk,
        live: &'a mut Live,
        counts: &'a mut Counts,
        changes: &'a mut Changes,
    ) -> Self {
        changes.clear();
        Self {
            disk,
            live,
            counts,
            changes,
            blocks: RefCell::default(),
            touched: Vec::new(),
            kept: (0, 0),
            room: Vec::new(),
            written_anyway: false,
            undo: Vec::new(),
        }
    }

    /// Shows the watchdog that a long operation gets on.
    pub(crate) fn tick(&self) {
        self.disk.activity().commit(Doing::Running);
    }

    /// Returns how many bytes the group has changed.
    pub(crate) const fn bytes(&self) -> usize {
        self.changes.bytes()
    }

    /// Lends room to write a row in.
    pub(crate) fn take_room(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.room)
    }

    /// Takes the room back.
    pub(crate) fn give_room(&mut self, room: Vec<u8>) {
        self.room = room;
    }

    /// Sets the value of a key.
    pub(crate) fn put(&mut self, key: IVec, value: impl Into<IVec>) {
        self.changes.set(key, Some(value.into()));
    }

    /// Removes a key that exists.
    pub(crate) fn remove(&mut self, key: IVec) {
        self.changes.set(key, None);
    }

    /// Puts a pending task where it waits, or takes it away from there.
    pub(crate) fn place(&mut self, place: Place, here: bool) {
        self.live.place(Some(place.clone()), here);
        self.undo.push(Undo::Place(place, here));
    }

    /// Sets what a running task is; `None`: it does not run.
    pub(crate) fn run(&mut self, id: TaskId, task: Option<Arc<Loaded>>) {
        let before = self.live.run(id, task.clone());
        self.undo.push(Undo::Run(id, before));
        self.touched.push((id, task));
    }

    /// Counts a task in another state; `None` is outside the store.
    pub(crate) fn count(&mut self, from: Option<TaskState>, to: Option<TaskState>) {
        self.counts.move_one(from, to);
        self.undo.push(Undo::Count(from, to));
    }

    /// Has the group written even if nothing changes, for the head's sake.
    pub(crate) const fn write_anyway(&mut self) {
        self.written_anyway = true;
    }

    /// Keeps what the operation did.
    pub(crate) fn keep(&mut self) {
        self.kept = (self.changes.len(), self.touched.len());
        self.undo.clear();
    }

    /// Takes back what the operation did.
    pub(crate) fn take_back(&mut self) {
        let (changes, touched) = self.kept;
        self.changes.truncate(changes);
        self.touched.truncate(touched);
        for undo in std::mem::take(&mut self.undo).into_iter().rev() {
            match undo {
                Undo::Place(place, here) => self.live.place(Some(place), !here),
                Undo::Run(id, before) => {
                    self.live.run(id, before);
                }
                Undo::Count(from, to) => self.counts.move_one(to, from),
            }
        }
    }

    /// Returns up to `limit` keys that begin with `prefix`, in order.
    pub(crate) fn first_keys(&self, prefix: &IVec, limit: usize) -> StoreResult<Vec<IVec>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let mut keys: BTreeSet<IVec> = self.changes.put_below(prefix).cloned().collect();
        let stored = Scan::new(self.disk, prefix.clone(), ListOrder::OldestFirst, None);
        let mut taken = 0;
        for row in stored {
            let (key, _) = row?;
            if !matches!(self.changes.get(&key), Some(None)) {
                keys.insert(key);
                taken += 1;
            }
            if taken == limit {
                break;
            }
        }
        Ok(keys.into_iter().take(limit).collect())
    }

    /// Turns the group into what is written for it, to a tree with this sum; `None` if it changed
    /// nothing.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](artos_core::store::StoreError::Corrupt) if a block that changes makes no sense.
    pub(crate) fn write(self, mut sum: Sum) -> StoreResult<Option<Written>> {
        if self.changes.len() == 0 && !self.written_anyway {
            return Ok(None);
        }
        let batch = merge::merge(self.disk, self.changes, &mut sum)?;
        let bytes = self.changes.bytes();
        Ok(Some(Written { batch, touched: self.touched, bytes, sum }))
    }
}

impl Lookup for Group<'_> {
    fn running(&self, id: TaskId) -> Option<Arc<Loaded>> {
        self.live.running(id).map(Arc::clone)
    }

    fn value(&self, key: &[u8]) -> StoreResult<Option<IVec>> {
        match self.changes.get(key) {
            Some(value) => Ok(value.cloned()),
            None if keys::is_row(key) => self.blocks.borrow_mut().row(self.disk, key),
            None => self.disk.value(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_an_operation_took_back_is_shown_to_no_reader() {
        let place = tempfile::tempdir().unwrap();
        let disk = Disk::empty(place.path());
        let (mut live, mut counts) = (Live::default(), Counts::default());
        let mut changes = Changes::default();
        let mut group = Group::new(&disk, &mut live, &mut counts, &mut changes);
        let [first, second] = [1, 2].map(|id| TaskId::from_uuid(Uuid::from_u128(id)));
        group.run(first, Some(Loaded::submitted(first)));
        group.keep();
        group.run(first, None);
        group.run(second, Some(Loaded::submitted(second)));
        group.take_back();
        group.write_anyway();
        let written = group.write(Sum::new(Uuid::nil(), 0)).unwrap().unwrap();
        assert_eq!(written.touched, [(first, Some(Loaded::submitted(first)))]);
        assert!(live.running(first).is_some() && live.running(second).is_none());
    }
}
