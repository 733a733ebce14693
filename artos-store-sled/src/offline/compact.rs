//! Writing a store anew, so that its files are about as large as what they hold.
//!
//! The new tree goes to a folder of its own. Until it is complete, checked and on the disk, the
//! marker names the old one; then the marker is replaced in one step, and the old tree goes. So at
//! every moment one complete tree counts, and what else is there is removed the next time the store
//! is opened.

use std::{fs, path::Path};

use artos_core::store::{StoreError, StoreResult};
use sha2::{Digest as _, Sha256};
use sled::{Batch, IVec};

use super::{Headway, Report, headway::Meter, overview, tables, verify};
use crate::{
    block::{Packer, Rows, shared_len},
    disk::Disk,
    envelope::CONTENT_BYTES_MAX,
    failpoints::{Point, reach},
    folder::{Folder, io_error, sync},
    head::Head,
    keys, leftovers,
    mark::Mark,
    marker,
    poison::guarded,
    sum::Sum,
};

/// Blocks in one batch: about as much as a busy group of changes.
const BATCH_BLOCKS: usize = 256;
/// Bytes that a new tree takes beyond what it holds, at least: some of sled's segments.
const SPARE_BYTES: u64 = 8 * 1024 * 1024;

/// What a compaction came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compacted {
    /// Bytes of all files before.
    pub bytes_before: u64,
    /// Bytes of all files now.
    pub bytes_after: u64,
    /// Bytes of all keys and values before, which is what has to fit beside the old files.
    pub live_bytes: u64,
}

/// Returns how much free space a compaction asks for.
pub(super) const fn needed(live_bytes: u64) -> u64 {
    // sled writes more than once what it is given: up to twice was seen.
    live_bytes.saturating_mul(5) / 2 + SPARE_BYTES
}

/// Writes a store anew, and removes the old files once the new ones are complete, checked and on
/// the disk. The tasks are the same, and so are the store's id and how far it has come.
///
/// It needs free space for two and a half times what the store holds, and 8 MiB.
///
/// # Errors
///
/// In each case the store is as it was.
///
/// * [`Locked`](StoreError::Locked): it is open.
/// * [`Invalid`](StoreError::Invalid): no store is there.
/// * [`NewerFormat`](StoreError::NewerFormat): a newer version wrote it.
/// * [`Corrupt`](StoreError::Corrupt): [`verify`](super::verify()) has findings.
/// * [`Full`](StoreError::Full): there is too little free space.
/// * [`Unavailable`](StoreError::Unavailable): the file system says no.
///
/// # Cancel safety
///
/// The process may be killed, and the machine may lose its power, at any moment: afterwards the
/// store is the old or the new one, and opening it removes what is left of the other.
pub fn compact(path: &Path, progress: &mut dyn FnMut(Headway)) -> StoreResult<Compacted> {
    let folder = Folder::open_existing(path)?;
    let mut step = |point| {
        reach(point);
        Ok(())
    };
    let compacted = guarded(path, || steps(&folder, progress, &mut step));
    if compacted.is_err() {
        // The next one who opens the store tries again.
        let _ = marker::read(path).map(|place| leftovers::remove(path, place.unwrap_or_default()));
    }
    compacted
}

/// Compacts, and says before each step what it is about to do. An error stops it there, as if the
/// process had been killed.
pub(super) fn steps(
    folder: &Folder,
    progress: &mut dyn FnMut(Headway),
    step: &mut dyn FnMut(Point) -> StoreResult<()>,
) -> StoreResult<Compacted> {
    let path = folder.path();
    let failed = |doing: &str, error| io_error(&format!("{doing} {}", path.display()), error);
    let size = |folder: &Folder| {
        let files = overview::files(path, folder.tree());
        let bytes = files.map(|files| files.iter().map(|file| file.bytes).sum::<u64>());
        bytes.map_err(|error| failed("reading", error))
    };
    let bytes_before = size(folder)?;
    let mark = Mark::open(path)?;
    let old = tables::open_intact(folder.with_tree(folder.place()))?;
    // A copy may have taken its place.
    let folder = &old.folder().with_tree(old.folder().place());
    let head = old.read_head()?;
    check_head(&head, &mark)?;
    let live_bytes = measure(&old)?;
    let free = fs2::available_space(path).map_err(|error| failed("asking for space in", error))?;
    check_space(path, needed(live_bytes), free)?;

    let next = folder.with_tree(folder.place().next());
    step(Point::NewTreeMakes)?;
    fs::create_dir(next.tree()).map_err(|error| failed("making a new tree in", error))?;
    step(Point::NewTreeMade)?;
    let new = tables::open_or_make(next.with_tree(next.place()))?;
    let written = copy(&old, &new, head, progress, step)?;
    step(Point::NewTreeWritten)?;
    old.close()?;
    new.close()?;
    step(Point::NewTreeChecks)?;
    let new = tables::open_intact(next.with_tree(next.place()))?;
    check_copy(&new, &mark, written, progress)?;
    new.close()?;
    step(Point::NewTreeSyncs)?;
    next.sync_all()
        .and_then(|()| sync(&next.tree().join("blobs")))
        .map_err(|error| failed("syncing the new tree of", error))?;
    step(Point::NewMarkerWrites)?;
    marker::write_new(path, next.place()).map_err(|error| failed("marking", error))?;
    step(Point::NewMarkerPlaces)?;
    marker::put_in_place(path).map_err(|error| failed("marking", error))?;
    step(Point::OldTreeRemoves)?;
    leftovers::remove_with(path, next.place(), step)?;
    Ok(Compacted { bytes_before, bytes_after: size(&next)?, live_bytes })
}

fn check_head(head: &Head, mark: &Mark) -> StoreResult<()> {
    let found = if head.sequence > 0 && head.store != mark.store() {
        "the mark is that of another store"
    } else if head.sequence < mark.sequence() {
        "the store came back older than what it had acknowledged"
    } else {
        return Ok(());
    };
    let message = format!("{found}; `artos-sled verify` says more");
    Err(StoreError::Corrupt { message })
}

fn measure(disk: &Disk) -> StoreResult<u64> {
    disk.tree().iter().try_fold(0, |bytes, entry| {
        let (key, value) = entry.map_err(|error| disk.failed("reading", &error))?;
        Ok(bytes + (key.len() + value.len()) as u64)
    })
}

pub(super) fn check_space(path: &Path, needed: u64, free: u64) -> StoreResult<()> {
    if free >= needed {
        return Ok(());
    }
    let shown = path.display();
    let message =
        format!("compacting {shown} needs {needed} bytes of free space, and {free} are free");
    Err(StoreError::Full { message })
}

/// Writes all that a tree holds into an empty one; returns its fingerprint.
fn copy(
    old: &Disk,
    new: &Disk,
    head: Head,
    progress: &mut dyn FnMut(Headway),
    step: &mut dyn FnMut(Point) -> StoreResult<()>,
) -> StoreResult<Fingerprint> {
    let mut meter = Meter::new(progress);
    meter.begin("writing", tables::count(old));
    let mut fingerprint = Fingerprint::default();
    let sum = Sum::new(head.store, 0);
    let mut found = sum;
    let mut writer = BatchWriter { new, batch: Batch::default(), blocks: 0, bytes: 0, sum, step };
    let mut packer = Packer::new(&[], CONTENT_BYTES_MAX);
    let mut last = Vec::new();
    for entry in old.tree().iter() {
        let (key, value) = entry.map_err(|error| old.failed("reading", &error))?;
        meter.step();
        found.add(&key, &value);
        if !keys::is_row(&key) {
            if key != keys::HEAD {
                fingerprint.add(&key, &value);
                writer.put(&key, &value)?;
            }
            continue;
        }
        if keys::table(&key) != keys::table(&last) {
            let table = Packer::new(keys::table(&key), CONTENT_BYTES_MAX);
            writer.put_all(std::mem::replace(&mut packer, table).finish())?;
            last = keys::table(&key).to_vec();
        }
        let mut rows = Rows::open(&key, &value)?;
        while let Some((key, content)) = rows.next()? {
            fingerprint.add(key, content);
            packer.push(key, shared_len(&last, key), content);
            last.clear();
            last.extend_from_slice(key);
        }
        writer.put_all(packer.take_full())?;
    }
    writer.put_all(packer.finish())?;
    if found.total() != head.sum {
        let message = String::from(
            "the values are not those that the head knows of; `artos-sled verify` says more",
        );
        return Err(StoreError::Corrupt { message });
    }
    if head.sequence > 0 {
        let sum = writer.sum.total();
        writer.put(keys::HEAD, &Head { sum, ..head }.seal())?;
    }
    writer.write()?;
    Ok(fingerprint)
}

/// Refuses a new tree that does not hold what the old one held, or that has findings.
fn check_copy(
    new: &Disk,
    mark: &Mark,
    expected: Fingerprint,
    progress: &mut dyn FnMut(Headway),
) -> StoreResult<()> {
    let mut fingerprint = Fingerprint::default();
    for entry in new.tree().iter() {
        let (key, value) = entry.map_err(|error| new.failed("reading", &error))?;
        if keys::is_row(&key) {
            let mut rows = Rows::open(&key, &value)?;
            while let Some((key, content)) = rows.next()? {
                fingerprint.add(key, content);
            }
        } else if key != keys::HEAD {
            fingerprint.add(&key, &value);
        }
    }
    if fingerprint.finish() != expected.finish() {
        let message = String::from("the new tree does not hold what the old one holds");
        return Err(StoreError::Corrupt { message });
    }
    let mut report = Report::default();
    verify::check(new, Some(mark), &mut report, progress)?;
    match report.findings.first() {
        None => Ok(()),
        Some(finding) => {
            let message =
                format!("{finding}; only a sound store is compacted: see `artos-sled verify`");
            Err(StoreError::Corrupt { message })
        }
    }
}

/// Writes blocks and chunks in batches.
struct BatchWriter<'a> {
    new: &'a Disk,
    batch: Batch,
    blocks: usize,
    bytes: usize,
    sum: Sum,
    step: &'a mut dyn FnMut(Point) -> StoreResult<()>,
}

impl BatchWriter<'_> {
    fn put_all(&mut self, blocks: Vec<(IVec, IVec)>) -> StoreResult<()> {
        blocks.iter().try_for_each(|(key, value)| self.put(key, value))
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> StoreResult<()> {
        self.batch.insert(key, value);
        self.sum.add(key, value);
        self.blocks += 1;
        self.bytes += key.len() + value.len();
        if self.blocks == BATCH_BLOCKS { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> StoreResult<()> {
        (self.step)(Point::NewTreeWrites)?;
        self.blocks = 0;
        let bytes = std::mem::take(&mut self.bytes);
        self.new.apply(std::mem::take(&mut self.batch), bytes)
    }
}

/// What tells rows and chunks from any others, in their order.
#[derive(Default)]
struct Fingerprint {
    digest: Sha256,
}

impl Fingerprint {
    fn add(&mut self, key: &[u8], value: &[u8]) {
        for part in [key, value] {
            self.digest.update((part.len() as u64).to_be_bytes());
            self.digest.update(part);
        }
    }

    fn finish(self) -> [u8; 32] {
        self.digest.finalize().into()
    }
}
