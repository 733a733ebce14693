//! Going on with a store that came back older than what it had acknowledged.

use std::path::Path;

use artos_core::{
    Clock as _, Random, SystemClock,
    store::{StoreError, StoreResult},
};
use sled::Batch;
use uuid::Uuid;

use super::tables;
use crate::{
    disk::Disk,
    folder::{Folder, io_error},
    head::Head,
    keys,
    live::Live,
    mark::Mark,
    poison::guarded,
    sum::Sum,
};

/// What was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Accepted {
    /// How many groups of changes the store holds, which is what its mark says from now on.
    pub sequence: u64,
    /// How many groups of changes had been acknowledged. `None`: the mark was missing, made no
    /// sense, or was that of another store, so nobody knows.
    pub acknowledged: Option<u64>,
    /// How many tasks the store holds.
    pub tasks: u64,
    /// Whether the store holds all that was there after so many groups. If not, its files were
    /// damaged, and nobody knows what of it is missing or older.
    pub is_whole: bool,
}

impl Accepted {
    /// Returns how many acknowledged groups of changes are given up, if that is known.
    ///
    /// Each may hold up to 256 submissions, settlements and other operations.
    #[must_use]
    pub fn given_up(&self) -> Option<u64> {
        self.acknowledged
            .filter(|_| self.is_whole)
            .map(|acknowledged| acknowledged.saturating_sub(self.sequence))
    }
}

/// Takes a store as it is: from now on its mark says no more than what the store holds.
///
/// For an operator who has no backup, or none that is newer. What was acknowledged and is missing
/// stays missing; tasks whose results are missing run again.
///
/// # Errors
///
/// * [`Locked`](StoreError::Locked): it is open.
/// * [`Invalid`](StoreError::Invalid): no store is there.
/// * [`NewerFormat`](StoreError::NewerFormat): a newer version wrote it.
/// * [`Corrupt`](StoreError::Corrupt): its files make no sense, and accepting does not help.
/// * [`Full`](StoreError::Full) and [`Unavailable`](StoreError::Unavailable): the file system says
///   no.
pub fn accept(path: &Path) -> StoreResult<Accepted> {
    let folder = Folder::open_existing(path)?;
    let mark = match Mark::open(path) {
        Ok(mark) => Some((mark.store(), mark.sequence())),
        Err(StoreError::Corrupt { .. }) => None,
        Err(error) => return Err(error),
    };
    guarded(path, || {
        let disk = tables::open(folder)?;
        let head = disk.read_head()?;
        let is_whole = accept_values(&disk, head)?;
        disk.set_sound(true);
        let is_new = head.sequence == 0;
        let own = mark.filter(|(store, _)| is_new || *store == head.store);
        let store =
            if is_new { own.map_or_else(new_store, |(store, _)| store) } else { head.store };
        let failed = |error| io_error(&format!("marking {}", path.display()), error);
        Mark::replace(path, store, head.sequence).map_err(failed)?;
        Ok(Accepted {
            sequence: head.sequence,
            acknowledged: own.map(|(_, sequence)| sequence),
            tasks: head.counts.0.total(),
            is_whole,
        })
    })
}

/// Takes the values that are there for all there are; returns whether they are those that the head
/// knew of.
fn accept_values(disk: &Disk, head: Head) -> StoreResult<bool> {
    let Some(sum) = Sum::of(disk.tree(), head.store) else { return Ok(false) };
    let mut held = Head { sum: sum.total(), ..head };
    // Whoever opens it reads the same, and says what is wrong if that makes no sense.
    if let Ok(live) = Live::read(disk, SystemClock.now()) {
        (held.counts.0.pending, held.counts.0.running) = live.counts();
    }
    if held == head {
        return Ok(true);
    }
    let value = held.seal();
    let mut batch = Batch::default();
    batch.insert(keys::HEAD, value.as_slice());
    disk.apply(batch, value.len())?;
    disk.sync()?;
    Ok(false)
}

fn new_store() -> Uuid {
    *Random::from_entropy().worker_id().as_uuid()
}
