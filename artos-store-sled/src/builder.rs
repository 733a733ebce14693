//! How a store is opened.

use std::path::PathBuf;

use artos_core::{Clock, SystemClock, store::StoreResult};

use crate::{SledStore, commit::Committer};

/// Bytes of the cache if nothing else is said. sled's own default is a whole gibibyte.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// Bytes of a segment if nothing else is said: sled's own default.
const SEGMENT_BYTES: usize = 512 * 1024;

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

    /// Gives the store a clock of its own. Default: the machine's.
    ///
    /// It is read on the store's own thread.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Opens the store, making it if the folder does not exist or is empty.
    ///
    /// Opening reads every task that is not terminal, and blocks meanwhile.
    ///
    /// # Errors
    ///
    /// In each case an existing store is as it was.
    ///
    /// * [`Locked`](artos_core::store::StoreError::Locked): it is open, here or elsewhere.
    /// * [`NewerFormat`](artos_core::store::StoreError::NewerFormat): a newer version wrote it.
    /// * [`Invalid`](artos_core::store::StoreError::Invalid): the folder holds something else.
    /// * [`Corrupt`](artos_core::store::StoreError::Corrupt): its files make no sense.
    /// * [`Full`](artos_core::store::StoreError::Full) and
    ///   [`Unavailable`](artos_core::store::StoreError::Unavailable): the file system says no.
    pub fn open(self) -> StoreResult<SledStore> {
        Committer::open(&self.options, self.clock).map(SledStore::new)
    }
}
