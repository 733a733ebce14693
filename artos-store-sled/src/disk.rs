//! sled behind its guard rails: what is written, when it counts as durable, and what stops it all.

use std::{
    collections::HashMap,
    fs::File,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use artos_core::{
    model::{StateCounts, TaskId},
    store::{StoreError, StoreResult},
};
use sled::{Batch, Db, IVec, Tree};
use uuid::Uuid;

use crate::{
    builder::{Durability, Options},
    envelope::corrupt,
    folder::{self, FORMAT, Folder},
    head::{Counts, Head},
    keys,
    live::Live,
    lookup::{Loaded, Lookup},
    poison::{Poison, panic_message},
    watchdog::{Activity, Doing},
};

/// How often sled's background thread runs, in milliseconds. It cleans the file up behind the
/// writers; without it a store takes about twice the room. Durability does not depend on it.
const CLEAN_EVERY_MS: u64 = 200;

/// An open store on disk.
#[derive(Debug)]
pub(crate) struct Disk {
    // Fields are dropped in this order: others may open the store only after sled has let go.
    db: Db,
    data_file: File,
    folder: Folder,
    durability: Durability,
    /// Groups of changes that readers may have seen.
    applied: AtomicU64,
    visible: RwLock<Visible>,
    poison: Poison,
    activity: Arc<Activity>,
}

/// What readers need besides the tree.
#[derive(Debug, Default)]
struct Visible {
    running: HashMap<TaskId, Arc<Loaded>>,
    counts: Counts,
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
        let db = open_sled(&folder, options)?;
        folder.sync_all().map_err(|error| failed("syncing", error))?;
        let data_file = folder.data_file().map_err(|error| failed("opening", error))?;
        Ok(Self {
            db,
            data_file,
            folder,
            durability: options.durability,
            applied: AtomicU64::new(0),
            visible: RwLock::default(),
            poison: Poison::default(),
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
        Ok(Head { format: FORMAT, store: Uuid::nil(), sequence: 0, counts: Counts::default() })
    }

    pub(crate) fn tree(&self) -> &Tree {
        &self.db
    }

    pub(crate) const fn folder(&self) -> &Folder {
        &self.folder
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

    /// Turns an error of sled into one of the store, which stops unless it was only a request.
    pub(crate) fn failed(&self, doing: &str, error: &sled::Error) -> StoreError {
        self.poison.sled(doing, error)
    }

    /// Returns the value of a key that is not a row's.
    pub(crate) fn value(&self, key: &[u8]) -> StoreResult<Option<IVec>> {
        self.db.get(key).map_err(|error| self.failed("reading", &error))
    }

    /// Returns how many tasks are in each state.
    pub(crate) fn counts(&self) -> StateCounts {
        self.visible.read().unwrap_or_else(PoisonError::into_inner).counts.0
    }

    /// Lets readers see which tasks run, of those that changed.
    pub(crate) fn show(&self, live: &Live, touched: &[TaskId], counts: Counts) {
        let mut visible = self.visible.write().unwrap_or_else(PoisonError::into_inner);
        visible.counts = counts;
        for id in touched {
            match live.running(*id) {
                Some(task) => visible.running.insert(*id, Arc::clone(task)),
                None => visible.running.remove(id),
            };
        }
    }

    /// Writes a batch; it may be seen from here on, and is not durable yet.
    pub(crate) fn apply(&self, batch: Batch) -> StoreResult<()> {
        self.poison.check()?;
        // Counted before it can be seen, so that no reader takes it for durable too early.
        self.applied.fetch_add(1, Ordering::SeqCst);
        self.activity.commit(Doing::Writing);
        self.db.apply_batch(batch).map_err(|error| self.failed("writing", &error))
    }

    /// Returns when all that was applied is as durable as was asked for.
    pub(crate) fn sync(&self) -> StoreResult<()> {
        self.activity.sync(Doing::Flushing);
        self.db.flush().map_err(|error| self.failed("flushing", &error))?;
        if self.durability == Durability::Power {
            self.activity.sync(Doing::Syncing);
            // sled's flush ends in the memory of the operating system; only this reaches the disk.
            self.data_file.sync_data().map_err(|error| self.poison.io("syncing", &error))?;
        }
        Ok(())
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
        visible.running.get(&id).map(Arc::clone)
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

/// Opens sled's database in a folder whose lock is ours.
fn open_sled(folder: &Folder, options: &Options) -> StoreResult<sled::Db> {
    let shown = folder.tree().display().to_string();
    let segment_bytes = folder.segment_bytes().unwrap_or(options.segment_bytes);
    let mut tries_left = TRIES;
    loop {
        let config = sled::Config::new()
            .path(folder.tree())
            .cache_capacity(options.cache_bytes)
            .segment_size(segment_bytes)
            .flush_every_ms(Some(CLEAN_EVERY_MS));
        // A file that is damaged in an unusual way makes sled panic.
        match catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(Ok(db)) => return Ok(db),
            // Nobody else has the folder, so it is a thread of sled's from the last time this
            // process had it open, which has yet to end.
            Ok(Err(sled::Error::Io(error))) if is_lock_error(&error) && tries_left > 0 => {
                tries_left -= 1;
                std::thread::park_timeout(PAUSE);
            }
            Ok(Err(sled::Error::Io(error))) => {
                return Err(folder::io_error(&format!("opening {shown}"), error));
            }
            Ok(Err(error)) => {
                return Err(StoreError::Corrupt { message: format!("opening {shown}: {error}") });
            }
            Err(panic) => {
                let panic = panic_message(&*panic);
                return Err(StoreError::Corrupt { message: format!("opening {shown}: {panic}") });
            }
        }
    }
}

/// How often, and how far apart, to ask for sled's own lock: five seconds in all.
const TRIES: u32 = 500;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(10);

/// Sled reports a lock that is taken as an error of no kind, told apart by its text only.
fn is_lock_error(error: &std::io::Error) -> bool {
    error.to_string().contains("could not acquire lock")
}
