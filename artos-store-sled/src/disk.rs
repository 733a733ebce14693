//! sled behind its guard rails: what is written, when it counts as durable, and what stops it all.

use std::{
    collections::HashMap,
    fs::{File, TryLockError},
    io,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use artos_core::{
    model::{StateCounts, TaskId, TaskRecord, TaskState},
    notify::ChangeHub,
    store::{Part, StoreError, StoreResult},
};
use foldhash::fast::RandomState;
use sled::{Batch, Db, IVec, Tree};
use uuid::Uuid;

use crate::{
    builder::{Durability, Options},
    changes::Changes,
    envelope::corrupt,
    failpoints::{Point, reach},
    folder::{self, Folder},
    group::{Touched, Written},
    head::{Counts, Head},
    keys,
    lookup::{self, Loaded, Lookup},
    poison::Poison,
    recent::{self, Read, Recent},
    sled_file::SledFile,
    watchdog::{Activity, Doing},
};

/// How often, and how far apart, to ask whether sled has let go of its file: five seconds in all.
const TRIES: u32 = 500;
const PAUSE: Duration = Duration::from_millis(10);

/// An open store on disk.
#[derive(Debug)]
pub(crate) struct Disk {
    // Fields are dropped in this order: others may open the store only after sled has let go.
    db: Db,
    file: SledFile,
    data_file: File,
    folder: Folder,
    durability: Durability,
    /// Groups of changes that readers may have seen.
    applied: AtomicU64,
    visible: RwLock<Visible>,
    /// Held while sled is asked to flush, when it takes no batch.
    flushing: Mutex<()>,
    recent: Recent,
    hub: ChangeHub,
    poison: Poison,
    activity: Arc<Activity>,
}

/// What readers need besides the tree.
#[derive(Debug, Default)]
struct Visible {
    /// Tasks that run, each with the group of changes that it is from.
    running: HashMap<TaskId, (Arc<Loaded>, u64), RandomState>,
    counts: Counts,
}

impl Visible {
    /// Takes in what changed; returns what is not needed any more.
    fn update(
        &mut self,
        touched: Vec<Touched>,
        counts: Counts,
        group: u64,
    ) -> Vec<(Arc<Loaded>, u64)> {
        self.counts = counts;
        let mut before = Vec::with_capacity(touched.len());
        for (id, task) in touched {
            before.extend(match task {
                Some(task) => self.running.insert(id, (task, group)),
                None => self.running.remove(&id),
            });
        }
        before
    }
}

impl Disk {
    /// Opens the tree in a folder, and returns its head.
    pub(crate) fn open(folder: Folder, options: &Options) -> StoreResult<(Self, Head)> {
        let disk = Self::open_unread(folder, options)?;
        let head = disk.read_head()?;
        Ok((disk, head))
    }

    /// Opens the tree in a folder, whatever is in it.
    pub(crate) fn open_unread(folder: Folder, options: &Options) -> StoreResult<Self> {
        let shown = folder.path().display().to_string();
        let failed = |doing: &str, error| folder::io_error(&format!("{doing} {shown}"), error);
        refuse_blobs(&folder).map_err(|error| failed("reading", error))??;
        let options = &folder.options_of_tree(options);
        // Dropped in the opposite order, if anything below fails.
        let (file, db) = SledFile::open(options)?;
        reach(Point::SledOpened);
        folder.sync_all().map_err(|error| failed("syncing", error))?;
        reach(Point::TreeSynced);
        let data_file = folder.data_file().map_err(|error| failed("opening", error))?;
        let hub = ChangeHub::lossless();
        Ok(Self {
            db,
            file,
            data_file,
            folder,
            durability: options.durability,
            applied: AtomicU64::new(0),
            visible: RwLock::default(),
            flushing: Mutex::default(),
            recent: Recent::default(),
            poison: Poison::new(hub.clone()),
            hub,
            activity: Arc::default(),
        })
    }

    /// Reads the head; a tree that has none yet is empty.
    pub(crate) fn read_head(&self) -> StoreResult<Head> {
        if let Some(value) = self.value(keys::HEAD)? {
            return Head::open(&value);
        }
        if let Some(key) = self.db.iter().keys().next() {
            let key = key.map_err(|error| self.failed("reading", &error))?;
            return Err(corrupt(&key, "there are keys, and no head"));
        }
        Ok(Head::new(Uuid::nil()))
    }

    pub(crate) fn tree(&self) -> &Tree {
        &self.db
    }

    pub(crate) const fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Returns who is told of changes, and of the end.
    pub(crate) const fn hub(&self) -> &ChangeHub {
        &self.hub
    }

    pub(crate) const fn poison(&self) -> &Poison {
        &self.poison
    }

    pub(crate) const fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Returns how many groups of changes readers may have seen.
    pub(crate) fn applied(&self) -> u64 {
        self.applied.load(Ordering::SeqCst)
    }

    /// Turns an error of sled into one of the store, which stops.
    pub(crate) fn failed(&self, doing: &str, error: &sled::Error) -> StoreError {
        self.poison.sled(doing, error)
    }

    /// Returns the value of a key that is not a row's.
    pub(crate) fn value(&self, key: &[u8]) -> StoreResult<Option<IVec>> {
        self.db.get(key).map_err(|error| self.failed("reading", &error))
    }

    /// Returns a record that memory has, without waiting for anything.
    pub(crate) fn glance(&self, id: TaskId) -> Option<Arc<Read>> {
        if let Some(read) = self.recent.get(id) {
            return Some(read);
        }
        // It is held for as long as a group is applied.
        let visible = self.visible.try_read().ok()?;
        let (task, seen) = visible.running.get(&id)?;
        Some(Arc::new(Read { record: task.stored.record.clone(), seen: *seen }))
    }

    /// Reads a record, and keeps it for others that ask.
    pub(crate) fn record(&self, id: TaskId) -> StoreResult<Option<TaskRecord>> {
        let turn = self.recent.look();
        let Some((task, _)) = lookup::load(self, id, Part::Record)? else {
            return Ok(None);
        };
        let record = &task.stored.record;
        if record.state != TaskState::Running && recent::is_small(record) {
            self.recent.keep(turn, Read { record: record.clone(), seen: self.applied() });
        }
        Ok(Some(record.clone()))
    }

    /// Returns how many tasks are in each state.
    pub(crate) fn counts(&self) -> StateCounts {
        self.visible.read().unwrap_or_else(PoisonError::into_inner).counts.0
    }

    /// Lets readers see which tasks run, of those that changed.
    pub(crate) fn show(&self, touched: Vec<Touched>, counts: Counts) {
        let mut visible = self.visible.write().unwrap_or_else(PoisonError::into_inner);
        visible.update(touched, counts, self.applied());
    }

    /// Says whether all went well so far; a store that is not sound is closed with more care.
    pub(crate) fn set_sound(&self, sound: bool) {
        self.file.set_sound(sound);
    }

    /// Writes a batch of so many bytes; it may be seen from here on, and is not durable yet.
    pub(crate) fn apply(&self, batch: Batch, bytes: usize) -> StoreResult<()> {
        self.poison.check()?;
        // Counted before it can be seen, so that no reader takes it for durable too early.
        self.applied.fetch_add(1, Ordering::SeqCst);
        self.activity.commit(Doing::Writing);
        self.file.wrote(bytes as u64);
        reach(Point::BatchApplies);
        self.db.apply_batch(batch).map_err(|error| self.failed("writing", &error))?;
        reach(Point::BatchApplied);
        Ok(())
    }

    /// Writes a batch, and in the same step lets readers see which tasks run now.
    ///
    /// In two steps, a reader could meet a running task as it was before the batch, whose chunks
    /// are gone.
    pub(crate) fn apply_and_show(
        &self,
        written: Written,
        changes: &Changes,
        counts: Counts,
    ) -> StoreResult<()> {
        let Written { batch, touched, bytes, .. } = written;
        self.activity.commit(Doing::Writing);
        // A flush is waited for here, because whoever waits below keeps readers out.
        let flushing = self.flushing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut visible = self.visible.write().unwrap_or_else(PoisonError::into_inner);
        let changing = self.recent.change(changes.tasks().chain(touched.iter().map(|(id, _)| *id)));
        self.apply(batch, bytes)?;
        let before = visible.update(touched, counts, self.applied());
        // Freed once nobody waits for it.
        drop((changing, visible, flushing));
        drop(before);
        Ok(())
    }

    /// Returns when all that was applied is as durable as was asked for.
    pub(crate) fn sync(&self) -> StoreResult<()> {
        self.activity.sync(Doing::Flushing);
        let flushing = self.flushing.lock().unwrap_or_else(PoisonError::into_inner);
        self.db.flush().map_err(|error| self.failed("flushing", &error))?;
        drop(flushing);
        reach(Point::Flushed);
        if self.durability == Durability::Power {
            self.activity.sync(Doing::Syncing);
            // sled's flush ends in the memory of the operating system; only this reaches the disk.
            self.data_file.sync_data().map_err(|error| self.poison.io("syncing", &error))?;
        }
        Ok(())
    }

    /// Closes the tree and waits until sled's own threads have let go of it, so that its files stay
    /// as they are.
    pub(crate) fn close(self) -> StoreResult<()> {
        self.sync()?;
        self.set_sound(true);
        let shown = self.folder.tree().display().to_string();
        let failed = |error| folder::io_error(&format!("closing {shown}"), error);
        let file = self.folder.data_file().map_err(failed)?;
        drop(self);
        for _ in 0..TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::WouldBlock) => std::thread::park_timeout(PAUSE),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
        Err(failed(io::Error::new(io::ErrorKind::TimedOut, "sled does not let go of it")))
    }

    /// Makes sure that sled keeps nothing outside its data file.
    pub(crate) fn check_blobs(&self) -> StoreResult<()> {
        match self.folder.blob() {
            Ok(None) => Ok(()),
            Ok(Some(name)) => Err(self.poison.blob(format!("sled wrote blobs/{name}"))),
            Err(error) => Err(self.poison.io("reading blobs", &error)),
        }
    }
}

impl Lookup for Disk {
    fn running(&self, id: TaskId) -> Option<Arc<Loaded>> {
        let visible = self.visible.read().unwrap_or_else(PoisonError::into_inner);
        visible.running.get(&id).map(|(task, _)| Arc::clone(task))
    }

    fn value(&self, key: &[u8]) -> StoreResult<Option<IVec>> {
        if keys::is_row(key) { self.row(key) } else { Self::value(self, key) }
    }
}

/// Refuses a folder in which sled keeps values outside its data file.
fn refuse_blobs(folder: &Folder) -> std::io::Result<StoreResult<()>> {
    let refused = |name: String| {
        let path = folder.tree().join("blobs").join(name);
        let message = format!("{} exists, and this store never makes one", path.display());
        Err(StoreError::Corrupt { message })
    };
    Ok(folder.blob()?.map_or(Ok(()), refused))
}

#[cfg(test)]
impl Disk {
    /// Opens an empty tree below a folder.
    pub(crate) fn empty(place: &std::path::Path) -> Self {
        let options = crate::SledStore::builder(place).into_options();
        Self::open_unread(Folder::open(place).unwrap(), &options).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poll_of_a_running_task_waits_for_no_later_group_than_its_own() {
        let place = tempfile::tempdir().unwrap();
        let disk = Disk::empty(place.path());
        let id = TaskId::from_uuid(Uuid::from_u128(7));
        disk.apply(Batch::default(), 0).unwrap();
        disk.show(vec![(id, Some(Loaded::submitted(id)))], Counts::default());
        disk.apply(Batch::default(), 0).unwrap();
        disk.show(Vec::new(), Counts::default());
        assert_eq!((disk.applied(), disk.glance(id).unwrap().seen), (2, 1));
    }
}
