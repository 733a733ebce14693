//! Opening sled's database, and leaving it so that it opens fast.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use artos_core::store::{StoreError, StoreResult};

use crate::{builder::Options, folder, poison::panic_message};

/// How often sled's background thread runs, in milliseconds. It cleans the file up behind the
/// writers; without it a store takes about twice the room. Durability does not depend on it.
const CLEAN_EVERY_MS: u64 = 200;
/// How often, and how far apart, to ask for sled's own lock: five seconds in all.
const TRIES: u32 = 500;
const PAUSE: Duration = Duration::from_millis(10);
/// Bytes of changes after which sled leaves a snapshot behind when the store is closed. Reading as
/// much of its log when the store is opened takes well below a tenth of a second.
const SNAPSHOT_BYTES: u64 = 64 * 1024 * 1024;

/// Opens sled's database in a folder whose lock is ours.
pub(crate) fn open(options: &Options) -> StoreResult<sled::Db> {
    let shown = options.path.display();
    let mut tries_left = TRIES;
    loop {
        let config = sled::Config::new()
            .path(&options.path)
            .cache_capacity(options.cache_bytes)
            .segment_size(options.segment_bytes)
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

/// Sled reports a lock that is taken as an error of no kind, told apart by its text only.
fn is_lock_error(error: &std::io::Error) -> bool {
    error.to_string().contains("could not acquire lock")
}

/// Has sled write a snapshot when this is dropped, if much was written.
///
/// sled writes one only when it opens its database, and then reads all of its log that is younger
/// than the last one. So after a long run it is opened once more, for whoever opens it next.
#[derive(Debug)]
pub(crate) struct SnapshotOnDrop {
    options: Options,
    written: AtomicU64,
}

impl SnapshotOnDrop {
    pub(crate) fn new(options: &Options) -> Self {
        let path = PathBuf::clone(&options.path);
        Self { options: Options { path, ..*options }, written: AtomicU64::new(0) }
    }

    /// Counts changes.
    pub(crate) fn wrote(&self, bytes: u64) {
        self.written.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Leaves the files as they are, because something is wrong with them.
    pub(crate) fn disarm(&self) {
        self.written.store(0, Ordering::Relaxed);
    }
}

impl Drop for SnapshotOnDrop {
    fn drop(&mut self) {
        if *self.written.get_mut() >= SNAPSHOT_BYTES
            && let Err(error) = open(&self.options)
        {
            // The store is closed as it should be, and the next one to open it finds out.
            tracing::warn!(%error, "no snapshot was written");
        }
    }
}
