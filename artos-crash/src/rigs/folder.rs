//! A folder on the machine's own disk, with a new store for each seed.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::tools;

/// A folder with at most one store in it.
pub(crate) struct Folder {
    place: TempDir,
    stores: u64,
}

impl Folder {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self { place: tools::folder()?, stores: 0 })
    }

    /// Takes the old store away, and returns where a new one is to be.
    pub(crate) fn next(&mut self) -> anyhow::Result<PathBuf> {
        let old = self.store();
        if old.exists() {
            std::fs::remove_dir_all(old)?;
        }
        self.stores += 1;
        Ok(self.store())
    }

    fn store(&self) -> PathBuf {
        self.place.path().join(format!("store-{}", self.stores))
    }

    pub(crate) fn path(&self) -> &Path {
        self.place.path()
    }
}
