//! Turning changed rows into changed blocks.
//!
//! A block that grows too large is split: evenly, so that both halves have room, unless rows were
//! added behind the table's last, as new tasks are; then the block stays full, or has room for its
//! tasks to grow.

use std::{iter::Peekable, ops::Range};

use artos_core::store::StoreResult;
use sled::{Batch, IVec};

use crate::{
    block::{self, Packer, Rows},
    changes::Changes,
    disk::Disk,
    envelope::CONTENT_BYTES_MAX,
    keys,
    scan::BlockCursor,
    sum::Sum,
};

/// Bytes of a block of tasks that were just submitted. A small task nearly doubles until it is
/// completed; without this room, every block would be split on the way.
const NEW_TASKS_BYTES_MAX: usize = CONTENT_BYTES_MAX / 20 * 11;

/// The changes that are still to be written, in the order of their keys.
type Rest<'a> = Peekable<std::vec::IntoIter<(&'a IVec, Option<&'a IVec>)>>;

/// Returns what has to be written for changes to take effect, and has the sum follow.
pub(crate) fn merge(disk: &Disk, changes: &Changes, sum: &mut Sum) -> StoreResult<Batch> {
    let mut batch = Batch::default();
    let mut rest = changes.sorted().into_iter().peekable();
    let mut blocks = BlockCursor::new(disk);
    let mut packer = Packer::new(&[], CONTENT_BYTES_MAX);
    while let Some((key, value)) = rest.peek().copied() {
        if keys::is_row(key) {
            blocks.seek(key)?;
            // Packed anew, or removed.
            if let Some((block, value)) = blocks.block() {
                sum.take(block, value);
            }
            if let Some(emptied) = merge_block(&blocks, key, &mut rest, &mut packer)? {
                batch.remove(emptied);
            }
            continue;
        }
        rest.next();
        // sled reads the page of a key that it changes, so this costs little.
        if let Some(value) = disk.value(key)? {
            sum.take(key, &value);
        }
        match value {
            Some(value) => {
                sum.add(key, value);
                batch.insert(key, value);
            }
            None => batch.remove(key),
        }
    }
    for (block, value) in packer.finish() {
        sum.add(&block, &value);
        batch.insert(block, value);
    }
    Ok(batch)
}

/// Packs the block that the next change falls into, with all changes that do. Returns its key if
/// no row of it is left.
fn merge_block(
    blocks: &BlockCursor<'_>,
    first: &[u8],
    rest: &mut Rest<'_>,
    packer: &mut Packer,
) -> StoreResult<Option<IVec>> {
    let (found, next) = (blocks.block(), blocks.next());
    let mut change = || {
        let here = |key: &[u8]| {
            keys::table(key) == keys::table(first) && next.is_none_or(|next| key < next.as_ref())
        };
        rest.next_if(|(key, _)| here(key))
    };
    let mut merged = Merged::with_room();
    let mut changed = change();
    if let Some((block, value)) = found {
        let mut rows = Rows::open(block, value)?;
        while let Some((key, value)) = rows.next()? {
            while let Some((new_key, new)) = changed
                && new_key.as_ref() < key
            {
                merged.push(new_key, new.map(AsRef::as_ref));
                changed = change();
            }
            match changed {
                Some((new_key, new)) if new_key.as_ref() == key => {
                    merged.push(key, new.map(AsRef::as_ref));
                    changed = change();
                }
                _ => merged.push(key, Some(value)),
            }
        }
    }
    let kept = merged.rows.len();
    while let Some((new_key, new)) = changed {
        merged.push(new_key, new.map(AsRef::as_ref));
        changed = change();
    }
    let appended = next.is_none() && merged.rows.len() > kept;
    let block = found.map_or_else(|| keys::table(first), |(block, _)| block.as_ref());
    if merged.rows.is_empty() {
        return Ok(found.map(|(block, _)| block.clone()));
    }
    merged.pack(packer, block, appended);
    Ok(None)
}

/// The rows of a block and their changes, in order.
struct Merged<'a> {
    /// The keys, one behind the other.
    keys: Vec<u8>,
    rows: Vec<MergedRow<'a>>,
    bytes: usize,
}

struct MergedRow<'a> {
    /// Where the key is.
    key: Range<usize>,
    /// How much of the key is the same as in the row before.
    shared: usize,
    value: &'a [u8],
}

impl<'a> Merged<'a> {
    /// Begins with room for as many rows as most blocks have.
    fn with_room() -> Self {
        Self { keys: Vec::with_capacity(1_024), rows: Vec::with_capacity(64), bytes: 0 }
    }

    /// Adds a row; without a value it is gone.
    fn push(&mut self, key: &[u8], value: Option<&'a [u8]>) {
        let Some(value) = value else { return };
        let last = self.rows.last().and_then(|last| self.keys.get(last.key.clone()));
        let shared = last.map_or(0, |last| block::shared_len(last, key));
        self.bytes += block::row_len(key.len() - shared, value.len());
        let start = self.keys.len();
        self.keys.extend_from_slice(key);
        self.rows.push(MergedRow { key: start..self.keys.len(), shared, value });
    }

    /// Packs the rows into blocks, the first of which has the key `block`.
    fn pack(self, packer: &mut Packer, block: &[u8], appended: bool) {
        let target = if appended && keys::table(block) == keys::TASKS {
            NEW_TASKS_BYTES_MAX
        } else if appended {
            CONTENT_BYTES_MAX
        } else {
            self.bytes.div_ceil(self.bytes.div_ceil(CONTENT_BYTES_MAX).max(1))
        };
        packer.begin(block, target);
        for MergedRow { key, shared, value } in self.rows {
            packer.push(self.keys.get(key).unwrap_or_default(), shared, value);
        }
    }
}

#[cfg(test)]
mod tests;
