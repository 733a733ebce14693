//! The tables of a store, and which rows of them a task has.

use std::path::Path;

use artos_core::{
    model::{TaskId, TaskRecord, TaskState},
    store::StoreResult,
};
use sled::IVec;

use crate::{
    builder::{Options, SledStoreBuilder},
    disk::Disk,
    folder::Folder,
    index, keys,
    lookup::{Chunks, Loaded},
    mark::Mark,
    proof::{self, Admitted},
};

/// Tables with the first byte of their keys.
pub(super) const TABLES: [(u8, &str); 9] = [
    (b't', "tasks"),
    (b'v', "live"),
    (b'c', "running"),
    (b'e', "ended"),
    (b's', "states"),
    (b'n', "kinds and tenants"),
    (b'l', "labels"),
    (b'k', "idempotency keys"),
    (keys::CHUNKS, "chunks"),
];

/// Returns the name of a table.
pub(super) fn name(table: u8) -> &'static str {
    let found = TABLES.iter().find(|(first, _)| *first == table);
    found.map_or("no table", |(_, name)| name)
}

/// Opens the tree of a folder, whatever is in it. Only an operator may want that: sled repairs what
/// is damaged, and overwrites what lies behind.
pub(super) fn open(folder: Folder) -> StoreResult<Disk> {
    let builder = SledStoreBuilder::new(folder.path().to_owned()).accept_rollback(true);
    admitted(folder, &builder.into_options())
}

/// Opens the tree of a folder if sled has nothing to repair in it.
pub(super) fn open_intact(folder: Folder) -> StoreResult<Disk> {
    let options = SledStoreBuilder::new(folder.path().to_owned()).into_options();
    admitted(folder, &options)
}

fn admitted(folder: Folder, options: &Options) -> StoreResult<Disk> {
    // sled would make what is missing, and an empty tree in the place of the old one.
    folder.require_tree()?;
    // Without a mark there is less to compare with, and as much to look at.
    let mark = Mark::open(folder.path()).ok();
    let Admitted { folder, .. } = proof::admit(folder, mark.as_ref(), options)?;
    open_or_make(folder)
}

/// Opens the tree of a folder, or makes one.
pub(super) fn open_or_make(folder: Folder) -> StoreResult<Disk> {
    let options = SledStoreBuilder::new(folder.path().to_owned()).into_options();
    Disk::open_unread(folder, &options)
}

/// Opens the tree of a store that exists, if sled has nothing to repair in it.
pub(super) fn open_path(path: &Path) -> StoreResult<Disk> {
    open_intact(Folder::open_existing(path)?)
}

/// Counts the keys of a tree, to show how far a walk through it has come; `None` if not all can be
/// read. sled's own `len` does not end then: its iterator returns the same error again and again.
pub(super) fn count(disk: &Disk) -> Option<u64> {
    disk.tree().iter().keys().try_fold(0, |keys, key| key.ok().map(|_| keys + 1))
}

/// Returns the keys of the rows that list a task, but for those that depend on whether it is live.
pub(super) fn listing(record: &TaskRecord) -> Vec<IVec> {
    index::lasting(record).chain(index::ended(record)).collect()
}

/// Returns the key of a task's idempotency key.
pub(super) fn owner(record: &TaskRecord) -> Option<IVec> {
    let key = record.idempotency_key.as_ref()?;
    Some(keys::owner(record.tenant.as_ref(), &record.kind, key))
}

/// Returns all chunks that a task names.
pub(super) fn chunks(task: &Loaded) -> impl Iterator<Item = Chunks> {
    let result = task.stored.result.as_ref().and_then(|kept| kept.chunks());
    [task.stored.input.chunks(), result, task.spilled].into_iter().flatten()
}

/// Returns what is wrong with a record by itself.
pub(super) fn odd(task: &Loaded) -> Option<(&'static str, String)> {
    let record = &task.stored.record;
    let state = record.state;
    if record.is_terminal() != record.finished_at.is_some() {
        return Some(("an end exactly if the task is terminal", format!("it is {state}")));
    }
    if (state == TaskState::Running) != record.lease.is_some() {
        return Some(("a lease exactly while the task runs", format!("it is {state}")));
    }
    if state == TaskState::Completed && task.stored.result.is_none() {
        return Some(("an output of a completed task", String::from("none")));
    }
    let last = chunks(task).map(|chunks| chunks.generation).max();
    if last > Some(task.stored.generation) {
        let expected = "no chunks newer than the last generation";
        return Some((expected, format!("{last:?} and {}", task.stored.generation)));
    }
    None
}

/// Returns a task as people read it in a message.
pub(super) fn show(id: TaskId) -> String {
    format!("task {id}")
}
