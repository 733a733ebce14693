//! What a store is at a glance.

use std::{fs, io, path::Path};

use artos_core::{
    model::StateCounts,
    store::{StoreError, StoreResult},
};
use uuid::Uuid;

use super::tables::{self, TABLES};
use crate::{
    block::Rows,
    folder::{Folder, io_error},
    keys,
    mark::Mark,
    poison::guarded,
};

/// What a store is at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Overview {
    /// The format of its files.
    pub format: u32,
    /// What tells this store from any other.
    pub store: Uuid,
    /// How many groups of changes the tree holds.
    pub sequence: u64,
    /// How many groups of changes were acknowledged, or somewhat fewer. `None`: the mark is
    /// missing or makes no sense.
    pub acknowledged: Option<u64>,
    /// How many tasks are in each state.
    pub counts: StateCounts,
    /// The tables, with what is in them.
    pub tables: Vec<TableSize>,
    /// The files, with their sizes.
    pub files: Vec<FileSize>,
    /// Bytes of all keys and values.
    pub live_bytes: u64,
    /// Bytes of all files.
    pub file_bytes: u64,
}

impl Overview {
    /// Returns how many bytes of free space [`compact`](super::compact()) asks for.
    #[must_use]
    pub const fn compact_bytes(&self) -> u64 {
        super::compact::needed(self.live_bytes)
    }
}

/// A table and what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableSize {
    /// What the table is called.
    pub name: &'static str,
    /// How many rows it has. Chunks are counted as rows.
    pub rows: u64,
    /// How many values its rows are packed in. Each chunk is one.
    pub blocks: u64,
    /// How many bytes its keys and values have.
    pub bytes: u64,
}

/// A file and its size.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileSize {
    /// Its name, below the store's folder.
    pub name: String,
    /// Its length.
    pub bytes: u64,
}

/// Returns what a store is at a glance. It reads the whole store once.
///
/// # Errors
///
/// * [`Locked`](StoreError::Locked): it is open.
/// * [`Invalid`](StoreError::Invalid): no store is there.
/// * [`NewerFormat`](StoreError::NewerFormat): a newer version wrote it.
/// * [`Corrupt`](StoreError::Corrupt): its files make no sense; [`verify`](super::verify()) says
///   more.
/// * [`Full`](StoreError::Full) and [`Unavailable`](StoreError::Unavailable): the file system says
///   no.
pub fn info(path: &Path) -> StoreResult<Overview> {
    let folder = Folder::open_existing(path)?;
    let acknowledged = match Mark::open(path) {
        Ok(mark) => Some(mark.sequence()),
        Err(StoreError::Corrupt { .. }) => None,
        Err(error) => return Err(error),
    };
    let failed = |error| io_error(&format!("reading {}", path.display()), error);
    guarded(path, || {
        let disk = tables::open_intact(folder)?;
        let files = files(path, disk.folder().tree()).map_err(failed)?;
        let head = disk.read_head()?;
        let sizes = TABLES.iter().map(|(table, name)| {
            let mut size = TableSize { name, rows: 0, blocks: 0, bytes: 0 };
            for entry in disk.tree().scan_prefix([*table]) {
                let (key, value) = entry.map_err(|error| disk.failed("reading", &error))?;
                size.blocks += 1;
                size.bytes += (key.len() + value.len()) as u64;
                size.rows += if *table == keys::CHUNKS { 1 } else { rows(&key, &value)? };
            }
            Ok(size)
        });
        let tables: Vec<_> = sizes.collect::<StoreResult<_>>()?;
        disk.set_sound(true);
        Ok(Overview {
            format: head.format,
            store: head.store,
            sequence: head.sequence,
            acknowledged,
            counts: head.counts.0,
            live_bytes: tables.iter().map(|table| table.bytes).sum(),
            file_bytes: files.iter().map(|file| file.bytes).sum(),
            tables,
            files,
        })
    })
}

fn rows(block: &[u8], value: &[u8]) -> StoreResult<u64> {
    let mut rows = Rows::open(block, value)?;
    let mut count = 0;
    while rows.next()?.is_some() {
        count += 1;
    }
    Ok(count)
}

/// Returns the files of a store, and those of its tree if that is in a folder of its own.
pub(super) fn files(store: &Path, tree: &Path) -> io::Result<Vec<FileSize>> {
    let mut folders = vec![store];
    if tree != store {
        folders.push(tree);
    }
    let mut files = Vec::new();
    for folder in folders {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_file() {
                let path = entry.path();
                let name = path.strip_prefix(store).unwrap_or(&path);
                let name = name.to_string_lossy().into_owned();
                files.push(FileSize { name, bytes: metadata.len() });
            }
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}
