//! sled behind its guard rails: what is written, when it counts as durable, and what stops it all.

use std::{
    fs::File,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicU64, Ordering},
};

use artos_core::store::{StoreError, StoreResult};
use sled::{Batch, Db, IVec, Tree};

use crate::{
    builder::{Durability, Options},
    envelope::{self, Sort, corrupt},
    folder::{self, FORMAT, Folder},
    group::Leases,
    index, keys,
    lookup::Lookup,
    poison::{Poison, panic_message},
};

/// How often sled's background thread runs, in milliseconds. It cleans the file up behind the
/// writers; without it a store takes about twice the room. Durability does not depend on it.
const CLEAN_EVERY_MS: u64 = 200;
/// Commits between two looks for files that must not exist.
const COMMITS_PER_BLOB_CHECK: u64 = 64;

/// An open store on disk.
#[derive(Debug)]
pub(crate) struct Disk {
    // Fields are dropped in this order: others may open the store only after sled has let go.
    db: Db,
    data_file: File,
    folder: Folder,
    durability: Durability,
    /// Commits that readers may have seen.
    applied: AtomicU64,
    poison: Poison,
}

impl Disk {
    /// Opens a folder, and returns which leases are held.
    pub(crate) fn open(options: &Options) -> StoreResult<(Self, Leases)> {
        let folder = Folder::open(&options.path)?;
        let shown = folder.path().display().to_string();
        let failed = |doing: &str, error| folder::io_error(&format!("{doing} {shown}"), error);
        refuse_blobs(&folder).map_err(|error| failed("reading", error))??;
        let db = open_sled(&folder, options.cache_bytes)?;
        folder.sync_all().map_err(|error| failed("syncing", error))?;
        let data_file = folder.data_file().map_err(|error| failed("opening", error))?;
        let disk = Self {
            db,
            data_file,
            folder,
            durability: options.durability,
            applied: AtomicU64::new(0),
            poison: Poison::default(),
        };
        disk.check_or_write_format()?;
        let leases = disk.leases()?;
        Ok((disk, leases))
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

    /// Poisons the store after an error of sled.
    pub(crate) fn failed(&self, doing: &str, error: &sled::Error) -> StoreError {
        self.poison.sled(doing, error)
    }

    /// Returns how many commits a reader may have seen.
    pub(crate) fn applied(&self) -> u64 {
        self.applied.load(Ordering::SeqCst)
    }

    /// Writes a batch, and returns when it is as durable as was asked for.
    pub(crate) fn commit(&self, batch: Batch) -> StoreResult<()> {
        self.poison.check()?;
        // Counted before it can be seen, so that no reader takes it for durable too early.
        let number = self.applied.fetch_add(1, Ordering::SeqCst) + 1;
        self.db.apply_batch(batch).map_err(|error| self.failed("writing", &error))?;
        self.db.flush().map_err(|error| self.failed("flushing", &error))?;
        if self.durability == Durability::Power {
            // sled's flush ends in the memory of the operating system; only this reaches the disk.
            self.data_file.sync_data().map_err(|error| self.poison.io("syncing", &error))?;
        }
        if number % COMMITS_PER_BLOB_CHECK == 1 {
            self.check_blobs()?;
        }
        Ok(())
    }

    fn check_blobs(&self) -> StoreResult<()> {
        match self.folder.blob() {
            Ok(None) => Ok(()),
            Ok(Some(name)) => Err(self.poison.blob(format!("sled wrote blobs/{name}"))),
            Err(error) => Err(self.poison.io("reading blobs", &error)),
        }
    }

    fn check_or_write_format(&self) -> StoreResult<()> {
        if let Some(value) = self.value(keys::FORMAT)? {
            let content = envelope::open_as(keys::FORMAT, &value, Sort::Format)?;
            let found = <[u8; 4]>::try_from(content);
            let found = found.map_err(|_| corrupt(keys::FORMAT, "it is not a format"))?;
            return folder::check_format(u32::from_be_bytes(found));
        }
        if let Some(key) = self.db.iter().keys().next() {
            let key = key.map_err(|error| self.failed("reading", &error))?;
            return Err(corrupt(&key, "there are keys, and none that says their format"));
        }
        let value = envelope::seal(keys::FORMAT, Sort::Format, &FORMAT.to_be_bytes());
        let mut batch = Batch::default();
        batch.insert(keys::FORMAT, value);
        self.commit(batch)
    }

    /// Reads which leases are held. It takes as long as there are tasks that are not terminal.
    fn leases(&self) -> StoreResult<Leases> {
        let mut leases = Leases::new();
        for entry in self.db.scan_prefix(keys::LIVE) {
            let (key, value) = entry.map_err(|error| self.failed("reading", &error))?;
            let id = key.strip_prefix(keys::LIVE).and_then(keys::parse_id);
            let id = id.ok_or_else(|| corrupt(&key, "the key does not name a task"))?;
            leases.extend(index::parse_lease(&key, &value)?.map(|until| (until, id)));
        }
        Ok(leases)
    }
}

impl Lookup for Disk {
    fn value(&self, key: &[u8]) -> StoreResult<Option<IVec>> {
        self.db.get(key).map_err(|error| self.failed("reading", &error))
    }
}

/// Refuses a folder in which sled keeps values outside its data file.
fn refuse_blobs(folder: &Folder) -> std::io::Result<StoreResult<()>> {
    let refused = |name: String| {
        let path = folder.path().join("blobs").join(name);
        let message = format!("{} exists, and this store never makes one", path.display());
        Err(StoreError::Corrupt { message })
    };
    Ok(folder.blob()?.map_or(Ok(()), refused))
}

/// Opens sled's database in a folder whose lock is ours.
fn open_sled(folder: &Folder, cache_bytes: u64) -> StoreResult<sled::Db> {
    let shown = folder.path().display().to_string();
    let mut tries_left = TRIES;
    loop {
        let config = sled::Config::new()
            .path(folder.path())
            .cache_capacity(cache_bytes)
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
