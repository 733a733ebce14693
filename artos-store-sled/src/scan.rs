//! Reading rows off the tree: one by its key, or those of a list in order.
//!
//! No lock is held between two blocks. A row that is there all the while is seen exactly once: rows
//! never change their order, and each step looks for what follows the last key that was seen.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    ops::Bound,
};

use artos_core::{model::ListOrder, store::StoreResult};
use sled::IVec;

use crate::{block::Rows, disk::Disk, keys};

/// A block as it is in the tree.
pub(crate) type Block = (IVec, IVec);

impl Disk {
    /// Returns the only block that a row can be in.
    pub(crate) fn block_of(&self, key: &[u8]) -> StoreResult<Option<Block>> {
        self.entry(self.tree().range(keys::table(key)..=key).next_back())
    }

    /// Returns the block of the same table that comes after a key.
    pub(crate) fn block_after(&self, key: &[u8]) -> StoreResult<Option<Block>> {
        let after = (Bound::Excluded(key), Bound::Unbounded);
        let next = self.entry(self.tree().range::<&[u8], _>(after).next())?;
        Ok(next.filter(|(next, _)| keys::table(next) == keys::table(key)))
    }

    /// Returns the value of a row.
    pub(crate) fn row(&self, key: &[u8]) -> StoreResult<Option<IVec>> {
        match self.block_of(key)? {
            Some(block) => find(&block, key),
            None => Ok(None),
        }
    }

    fn entry(&self, entry: Option<sled::Result<Block>>) -> StoreResult<Option<Block>> {
        entry.transpose().map_err(|error| self.failed("reading", &error))
    }
}

/// Returns the value of a row of a block.
pub(crate) fn find((block, value): &Block, key: &[u8]) -> StoreResult<Option<IVec>> {
    let mut rows = Rows::open(block, value)?;
    while let Some((found, content)) = rows.next()? {
        if found >= key {
            let found = found == key;
            return Ok(found.then(|| value.subslice(rows.at().start, content.len())));
        }
    }
    Ok(None)
}

/// The last block of each table that a row was looked for in, while nothing is written.
///
/// Tasks that are submitted, or due, together are next to each other in all tables.
#[derive(Debug, Default)]
pub(crate) struct BlockCache {
    blocks: HashMap<u8, Cached>,
}

#[derive(Debug)]
struct Cached {
    /// The key of the block; nothing where there is none in front of `next`.
    block: IVec,
    /// Its rows.
    rows: Vec<(IVec, IVec)>,
    /// The key of the block after it.
    next: Option<IVec>,
}

impl BlockCache {
    /// Returns the value of a row.
    pub(crate) fn row(&mut self, disk: &Disk, key: &[u8]) -> StoreResult<Option<IVec>> {
        let Some(table) = key.first() else { return Ok(None) };
        let cached = match self.blocks.entry(*table) {
            Entry::Occupied(mut entry) => {
                if !entry.get().covers(key) {
                    entry.insert(Cached::read(disk, key)?);
                }
                entry.into_mut()
            }
            Entry::Vacant(entry) => entry.insert(Cached::read(disk, key)?),
        };
        let found = cached.rows.binary_search_by(|(found, _)| found.as_ref().cmp(key));
        Ok(found.ok().and_then(|at| cached.rows.get(at)).map(|(_, value)| value.clone()))
    }
}

impl Cached {
    fn read(disk: &Disk, key: &[u8]) -> StoreResult<Self> {
        let next = disk.block_after(key)?.map(|(next, _)| next);
        let Some((block, value)) = disk.block_of(key)? else {
            return Ok(Self { block: IVec::default(), rows: Vec::new(), next });
        };
        let mut found = Vec::new();
        let mut rows = Rows::open(&block, &value)?;
        while let Some((key, content)) = rows.next()? {
            let key = IVec::from(key);
            found.push((key, value.subslice(rows.at().start, content.len())));
        }
        drop(rows);
        Ok(Self { block, rows: found, next })
    }

    fn covers(&self, key: &[u8]) -> bool {
        self.block.as_ref() <= key && self.next.as_ref().is_none_or(|next| key < next.as_ref())
    }
}

/// The rows whose keys begin with a prefix, in order.
#[derive(Debug)]
pub(crate) struct Scan<'a> {
    disk: &'a Disk,
    prefix: IVec,
    order: ListOrder,
    /// The last key that was seen, or where to start; not included.
    from: IVec,
    rows: VecDeque<(IVec, IVec)>,
    ended: bool,
}

impl<'a> Scan<'a> {
    /// Starts at one end of a list, or behind a key of it.
    pub(crate) fn new(disk: &'a Disk, prefix: IVec, order: ListOrder, after: Option<IVec>) -> Self {
        let from = after.unwrap_or_else(|| match order {
            ListOrder::OldestFirst => prefix.clone(),
            ListOrder::NewestFirst => {
                // Longer than what may follow a prefix, and greater than all of it.
                let mut end = prefix.to_vec();
                end.resize(prefix.len() + keys::KEY_BYTES_MAX, u8::MAX);
                IVec::from(end)
            }
        });
        Self { disk, prefix, order, from, rows: VecDeque::new(), ended: false }
    }

    /// Reads the next block that has rows of the list.
    fn fill(&mut self) -> StoreResult<()> {
        let mut block = self.disk.block_of(&self.from)?;
        if block.is_none() && self.order == ListOrder::OldestFirst {
            block = self.disk.block_after(keys::table(&self.from))?;
        }
        while let Some(found) = block {
            self.take(&found)?;
            if !self.rows.is_empty() {
                return Ok(());
            }
            block = match self.order {
                ListOrder::OldestFirst => {
                    let next = self.disk.block_after(&found.0)?;
                    // A later block whose key is past the list's cannot hold anything of it.
                    next.filter(|(key, _)| *key < self.prefix || key.starts_with(&self.prefix))
                }
                ListOrder::NewestFirst if found.0 <= self.prefix => None,
                ListOrder::NewestFirst => self.disk.block_before(&found.0)?,
            };
        }
        self.ended = true;
        Ok(())
    }

    fn take(&mut self, found: &Block) -> StoreResult<()> {
        let (block, value) = found;
        let mut rows = Rows::open(block, value)?;
        while let Some((key, content)) = rows.next()? {
            if !key.starts_with(&self.prefix) {
                continue;
            }
            let key = IVec::from(key);
            let content = value.subslice(rows.at().start, content.len());
            match self.order {
                ListOrder::OldestFirst if key > self.from => self.rows.push_back((key, content)),
                ListOrder::NewestFirst if key < self.from => self.rows.push_front((key, content)),
                _ => {}
            }
        }
        Ok(())
    }
}

impl Disk {
    /// Returns the block of the same table that comes before a block.
    fn block_before(&self, block: &[u8]) -> StoreResult<Option<Block>> {
        self.entry(self.tree().range(keys::table(block)..block).next_back())
    }
}

impl Iterator for Scan<'_> {
    type Item = StoreResult<(IVec, IVec)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rows.is_empty()
            && !self.ended
            && let Err(error) = self.fill()
        {
            self.ended = true;
            return Some(Err(error));
        }
        let (key, value) = self.rows.pop_front()?;
        self.from = key.clone();
        Some(Ok((key, value)))
    }
}
