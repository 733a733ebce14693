//! The high-water mark: how far the store has acknowledged, in a file of its own.
//!
//! A log whose end is damaged looks as if its end had never been written. Only what was noted
//! elsewhere can tell, so a store that comes back behind its mark is refused.
//!
//! The file has two slots that take turns, so that one that was torn leaves the other.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use artos_core::store::{StoreError, StoreResult};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{codec::Writer, folder};

/// The name of the file.
pub(crate) const NAME: &str = "artos-store.mark";
/// Its name while it is replaced.
const NEW_NAME: &str = "artos-store.mark.new";
/// Begins every slot.
const MAGIC: &[u8; 8] = b"artosmk1";
/// Disks write so much at once, or not at all.
const SLOT_BYTES: usize = 512;
/// Magic, store (16), sequence (8), checksum (4).
const MARK_BYTES: usize = 36;

/// The mark of an open store.
#[derive(Debug)]
pub(crate) struct Mark {
    file: File,
    path: PathBuf,
    store: Uuid,
    sequence: u64,
    /// Since when the mark on the disk may be behind.
    unsynced_since: Option<Instant>,
}

impl Mark {
    /// Makes the mark of a new store.
    pub(crate) fn create(folder: &Path, store: Uuid) -> io::Result<()> {
        write(&folder.join(NAME), store, 0)
    }

    /// Replaces the mark of a store, whatever is in it, and makes that outlive a power cut.
    pub(crate) fn replace(folder: &Path, store: Uuid, sequence: u64) -> io::Result<()> {
        let new = folder.join(NEW_NAME);
        write(&new, store, sequence)?;
        fs::rename(&new, folder.join(NAME))?;
        folder::sync(folder)
    }

    /// Reads the mark of a store.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if it is missing or neither slot makes sense.
    pub(crate) fn open(folder: &Path) -> StoreResult<Self> {
        let path = folder.join(NAME);
        let shown = path.display();
        let corrupt = |found: &str| StoreError::Corrupt {
            message: format!(
                "{shown}: {found}, so nobody can tell whether the store is complete; restore the \
                 folder from a backup, or accept it as it is with `artos-sled accept`"
            ),
        };
        let mut file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(corrupt("the file is missing"));
            }
            Err(error) => return Err(folder::io_error(&format!("opening {shown}"), error)),
        };
        let mut bytes = Vec::with_capacity(2 * SLOT_BYTES);
        file.read_to_end(&mut bytes)
            .map_err(|error| folder::io_error(&format!("reading {shown}"), error))?;
        let slots = bytes.chunks(SLOT_BYTES).take(2).filter_map(parse);
        let last = slots.max_by_key(|(_, sequence)| *sequence);
        let (store, sequence) = last.ok_or_else(|| corrupt("neither of its slots makes sense"))?;
        Ok(Self { file, path, store, sequence, unsynced_since: None })
    }

    pub(crate) const fn store(&self) -> Uuid {
        self.store
    }

    /// Returns how many groups of changes were acknowledged, or somewhat fewer.
    pub(crate) const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Notes that a group of changes is about to be acknowledged.
    ///
    /// It outlives the process at once, and a power cut after the next [`sync`](Self::sync).
    pub(crate) fn set(&mut self, sequence: u64) -> io::Result<()> {
        self.sequence = sequence;
        let slot = if sequence.is_multiple_of(2) { 0 } else { SLOT_BYTES as u64 };
        self.file.seek(SeekFrom::Start(slot))?;
        self.file.write_all(&seal(self.store, sequence))?;
        self.unsynced_since.get_or_insert_with(Instant::now);
        Ok(())
    }

    /// Sets the mark back to how far the store has come, and gives up what was acknowledged since.
    pub(crate) fn reset(&mut self, sequence: u64) -> io::Result<()> {
        // Both slots, or else the higher one would count.
        for slot in [0, SLOT_BYTES as u64] {
            self.file.seek(SeekFrom::Start(slot))?;
            self.file.write_all(&seal(self.store, sequence))?;
        }
        self.sequence = sequence;
        self.sync()
    }

    pub(crate) const fn unsynced_since(&self) -> Option<Instant> {
        self.unsynced_since
    }

    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        self.unsynced_since = None;
        Ok(())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Writes both slots, so that no older one is left that says more.
fn write(path: &Path, store: Uuid, sequence: u64) -> io::Result<()> {
    let mut file = File::create(path)?;
    for _ in 0..2 {
        let mut slot = seal(store, sequence);
        slot.resize(SLOT_BYTES, 0);
        file.write_all(&slot)?;
    }
    file.sync_all()
}

fn seal(store: Uuid, sequence: u64) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    let mut w = Writer::with_capacity(MARK_BYTES);
    w.uuid(&store);
    w.u64(sequence);
    bytes.extend_from_slice(&w.finish());
    let checksum = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&checksum.to_be_bytes());
    bytes
}

fn parse(slot: &[u8]) -> Option<(Uuid, u64)> {
    let slot = slot.get(..MARK_BYTES)?;
    let (store, rest) = slot.strip_prefix(MAGIC)?.split_first_chunk()?;
    let (sequence, _) = rest.split_first_chunk()?;
    let (store, sequence) = (Uuid::from_bytes(*store), u64::from_be_bytes(*sequence));
    (seal(store, sequence) == slot).then_some((store, sequence))
}

#[cfg(test)]
mod tests {
    //! A mark that is written again and again is still synced in time.

    use super::*;

    #[test]
    fn the_time_since_the_last_sync_is_not_set_back_by_new_marks() {
        let folder = tempfile::tempdir().unwrap();
        Mark::create(folder.path(), Uuid::nil()).unwrap();
        let mut mark = Mark::open(folder.path()).unwrap();
        assert_eq!(mark.unsynced_since(), None);
        mark.set(1).unwrap();
        let since = mark.unsynced_since();
        assert!(since.is_some());
        mark.set(2).unwrap();
        assert_eq!(mark.unsynced_since(), since);
        mark.sync().unwrap();
        assert_eq!(mark.unsynced_since(), None);
    }
}
