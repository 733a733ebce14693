//! How a store is opened.

use std::{path::PathBuf, time::Duration};

use artos_core::{Clock, SystemClock, store::StoreResult};

use crate::{SledStore, commit::Committer};

/// Bytes of the cache if nothing else is said. sled's own default is a whole gibibyte.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// Bytes of changes after which sled leaves a snapshot behind when the store is closed. Reading as
/// much of its log when the store is opened takes well below a tenth of a second.
const SNAPSHOT_BYTES: u64 = 64 * 1024 * 1024;

/// Bytes of a segment if nothing else is said: sled's own default.
const SEGMENT_BYTES: usize = 512 * 1024;

/// Smaller segments could not hold the largest of sled's pages, which would then go to files of
/// their own.
const SEGMENT_BYTES_MIN: usize = 512 * 1024;

/// How long the store's threads may get nowhere if nothing else is said.
const STALL_LIMIT: Duration = Duration::from_secs(10);
/// A shorter limit would take a slow disk for a broken one.
const STALL_LIMIT_MIN: Duration = Duration::from_millis(100);

/// What an acknowledged change outlives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Durability {
    /// A power cut: every group of changes is synced to the disk before it is acknowledged.
    #[default]
    Power,
    /// The end of the process, however it ends, but not of the machine: changes are handed to the
    /// operating system. It saves one sync for each group.
    Process,
}

/// Options of a store, to be opened with [`open`](Self::open).
#[derive(Debug)]
#[must_use = "a store is opened by `open`"]
pub struct SledStoreBuilder {
    options: Options,
    clock: Box<dyn Clock>,
}

/// What opening the disk depends on.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) path: PathBuf,
    pub(crate) durability: Durability,
    pub(crate) cache_bytes: u64,
    pub(crate) segment_bytes: usize,
    pub(crate) accept_rollback: bool,
    pub(crate) stall_limit: Duration,
    pub(crate) snapshot_bytes: u64,
}

impl SledStoreBuilder {
    pub(crate) fn new(path: PathBuf) -> Self {
        let durability = Durability::default();
        let options = Options {
            path,
            durability,
            cache_bytes: CACHE_BYTES,
            segment_bytes: SEGMENT_BYTES,
            accept_rollback: false,
            stall_limit: STALL_LIMIT,
            snapshot_bytes: SNAPSHOT_BYTES,
        };
        Self { options, clock: Box::new(SystemClock) }
    }

    /// Returns what opening the disk depends on.
    pub(crate) fn into_options(self) -> Options {
        self.options
    }

    /// Says what an acknowledged change outlives. Default: [`Durability::Power`].
    pub fn durability(mut self, durability: Durability) -> Self {
        self.options.durability = durability;
        self
    }

    /// Says how many bytes of the store are kept in memory. Default: 64 MiB.
    ///
    /// It bounds sled's cache; the memory of the whole store is some times that.
    pub const fn cache_bytes(mut self, bytes: u64) -> Self {
        self.options.cache_bytes = bytes;
        self
    }

    /// Says how large the pieces are in which sled's file grows, is cleaned up and is reused.
    /// Default: 512 KiB. The value is rounded up to a power of two of at least 512 KiB.
    ///
    /// It is chosen when a store is made; one that exists keeps its own.
    pub fn segment_bytes(mut self, bytes: usize) -> Self {
        self.options.segment_bytes = bytes.next_power_of_two().max(SEGMENT_BYTES_MIN);
        self
    }

    /// Says how long the store may have work and get nowhere before it stops, with an error for
    /// everybody who waits. Default: 10 seconds; at least 100 milliseconds.
    ///
    /// It is made for a thread that is stuck for good; on a disk that pauses for longer at times, a
    /// larger limit is right.
    pub fn stall_limit(mut self, limit: Duration) -> Self {
        self.options.stall_limit = limit.max(STALL_LIMIT_MIN);
        self
    }

    /// Opens a store even if it came back older than what it had acknowledged, giving up what is
    /// lost. Default: such a store is refused.
    ///
    /// That happens when files were restored in part, when a disk lied about what it had written,
    /// or after a power cut with [`Durability::Process`]. It is for a person to decide, once: a
    /// program should not do it at every start.
    pub fn accept_rollback(mut self, accept: bool) -> Self {
        self.options.accept_rollback = accept;
        self
    }

    /// Says after how many bytes of changes sled leaves a snapshot behind when the store is closed.
    /// Default: 64 MiB. It is there so that tests get there sooner.
    #[cfg(feature = "failpoints")]
    pub const fn snapshot_bytes(mut self, bytes: u64) -> Self {
        self.options.snapshot_bytes = bytes;
        self
    }

    /// Gives the store a clock of its own. Default: the machine's.
    ///
    /// It is read on the store's own thread.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Opens the store, making it if the folder does not exist or is empty.
    ///
    /// Opening reads every task that is not terminal, and blocks meanwhile. If the log looks
    /// damaged and may not be, it copies the store and reads all of it, once.
    ///
    /// # Errors
    ///
    /// An existing store is as it was if it is locked, newer, something else, or if its log is
    /// found damaged or behind its mark, which is looked for before sled touches anything; the
    /// message says "nothing was changed" then. Damage that shows only later may have been met by
    /// sled's own repair before; copy the folder before you try anything else.
    ///
    /// * [`Locked`](artos_core::store::StoreError::Locked): it is open, here or elsewhere.
    /// * [`NewerFormat`](artos_core::store::StoreError::NewerFormat): a newer version wrote it.
    /// * [`Invalid`](artos_core::store::StoreError::Invalid): the folder holds something else.
    /// * [`Corrupt`](artos_core::store::StoreError::Corrupt): its files make no sense.
    /// * [`Full`](artos_core::store::StoreError::Full): there is no room, for a copy for example;
    ///   then it says how much that takes.
    /// * [`Unavailable`](artos_core::store::StoreError::Unavailable): the file system says no.
    pub fn open(self) -> StoreResult<SledStore> {
        Committer::open(self.options, self.clock).map(SledStore::new)
    }
}
