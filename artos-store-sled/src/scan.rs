//! Reading rows off the tree: one by its key, or those of a list in order.
//!
//! No lock is held between two blocks. A row that is there all the while is seen exactly once: rows
//! never change their order, and each step looks for what follows the last key that was seen.

use std::{collections::VecDeque, fmt, ops::Bound};

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

/// Finds blocks in about the order of their keys, while nothing is written.
///
/// What comes next costs little; sled copies a page of its own for every search.
pub(crate) struct BlockCursor<'a> {
    disk: &'a Disk,
    /// The only block that the last key can be in; `None`: there is none in front of `next`.
    block: Option<Block>,
    next: Option<Block>,
    following: Option<sled::Iter>,
}

impl<'a> BlockCursor<'a> {
    /// How many blocks to pass over before searching is cheaper.
    const STEPS_MAX: u32 = 8;

    pub(crate) const fn new(disk: &'a Disk) -> Self {
        Self { disk, block: None, next: None, following: None }
    }

    /// Goes to the only block that a row can be in, and returns whether that is another one.
    pub(crate) fn seek(&mut self, key: &[u8]) -> StoreResult<bool> {
        if self.covers(key) {
            return Ok(false);
        }
        let same_table = self
            .next
            .as_ref()
            .is_some_and(|(next, _)| next.as_ref() <= key && keys::table(next) == keys::table(key));
        for _ in 0..Self::STEPS_MAX {
            if !same_table || self.covers(key) {
                break;
            }
            self.block = self.next.take();
            self.next = self.step(key)?;
        }
        if !self.covers(key) {
            self.block = self.disk.block_of(key)?;
            let from = self.block.as_ref().map_or(key, |(block, _)| block.as_ref());
            let following = (Bound::Excluded(from), Bound::Unbounded);
            self.following = Some(self.disk.tree().range::<&[u8], _>(following));
            self.next = self.step(key)?;
        }
        Ok(true)
    }

    /// Returns the block that the last key can be in.
    pub(crate) const fn block(&self) -> Option<&Block> {
        self.block.as_ref()
    }

    /// Returns the key of the block after that.
    pub(crate) fn next(&self) -> Option<&IVec> {
        self.next.as_ref().map(|(next, _)| next)
    }

    fn step(&mut self, key: &[u8]) -> StoreResult<Option<Block>> {
        let next = self.following.as_mut().and_then(Iterator::next);
        let next = self.disk.entry(next)?;
        Ok(next.filter(|(next, _)| keys::table(next) == keys::table(key)))
    }

    fn covers(&self, key: &[u8]) -> bool {
        let (Some((block, _)), following) = (&self.block, &self.following) else {
            return false;
        };
        following.is_some()
            && keys::table(block) == keys::table(key)
            && block.as_ref() <= key
            && self.next().is_none_or(|next| key < next.as_ref())
    }
}

impl fmt::Debug for BlockCursor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = |block: Option<&Block>| block.map(|(key, _)| keys::show(key));
        f.debug_struct("BlockCursor")
            .field("block", &key(self.block.as_ref()))
            .field("next", &key(self.next.as_ref()))
            .finish_non_exhaustive()
    }
}

/// The last block of each table that a row was looked for in, while nothing is written.
///
/// Tasks that are submitted, or due, together are next to each other in all tables.
#[derive(Debug, Default)]
pub(crate) struct BlockCache<'a> {
    tables: Vec<(u8, Cached<'a>)>,
}

#[derive(Debug)]
struct Cached<'a> {
    cursor: BlockCursor<'a>,
    /// The rows of its block.
    rows: Vec<(IVec, IVec)>,
}

impl<'a> BlockCache<'a> {
    /// Returns the value of a row.
    pub(crate) fn row(&mut self, disk: &'a Disk, key: &[u8]) -> StoreResult<Option<IVec>> {
        let Some(table) = key.first() else { return Ok(None) };
        let at = match self.tables.iter().position(|(known, _)| known == table) {
            Some(at) => at,
            None => {
                let cached = Cached { cursor: BlockCursor::new(disk), rows: Vec::new() };
                self.tables.push((*table, cached));
                self.tables.len() - 1
            }
        };
        match self.tables.get_mut(at) {
            Some((_, cached)) => cached.row(key),
            None => Ok(None),
        }
    }
}

impl Cached<'_> {
    fn row(&mut self, key: &[u8]) -> StoreResult<Option<IVec>> {
        if self.cursor.seek(key)? {
            self.rows.clear();
            if let Some((block, value)) = self.cursor.block() {
                let mut rows = Rows::open(block, value)?;
                while let Some((key, content)) = rows.next()? {
                    let key = IVec::from(key);
                    self.rows.push((key, value.subslice(rows.at().start, content.len())));
                }
            }
        }
        let found = self.rows.binary_search_by(|(found, _)| found.as_ref().cmp(key));
        Ok(found.ok().and_then(|at| self.rows.get(at)).map(|(_, value)| value.clone()))
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
