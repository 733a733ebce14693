//! A block: rows that stand next to each other, packed into one value.
//!
//! sled spends about as long on a key as on kilobytes of value, so rows share values. A block's key
//! is at most its first row's, and greater than the last row's of the block before; so a row can
//! only be in the last block whose key is not after its own.

use std::ops::Range;

use artos_core::store::{StoreError, StoreResult};

use sled::IVec;

use crate::{
    envelope::{self, CONTENT_BYTES_MAX, HEADER_BYTES, Sort, VALUE_BYTES_MAX, corrupt},
    keys::KEY_BYTES_MAX,
};

/// Bytes in front of every row: how much of the key is shared with the row before, how much
/// follows, and the length of the value.
const ROW_HEADER_BYTES: usize = 4;
/// Longest value of a row; one row with the longest key has to fit a block.
pub(crate) const ROW_VALUE_BYTES_MAX: usize = CONTENT_BYTES_MAX - ROW_HEADER_BYTES - KEY_BYTES_MAX;

/// The key and the value of a row.
pub(crate) type Row<'k, 'v> = (&'k [u8], &'v [u8]);

/// Goes through the rows of a block, in the order of their keys.
#[derive(Debug)]
pub(crate) struct Rows<'a> {
    block: &'a [u8],
    rest: &'a [u8],
    key: Vec<u8>,
    /// Where in the block's value the last row's value starts, and where it ends.
    at: Range<usize>,
}

impl<'a> Rows<'a> {
    /// Opens a block.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if the envelope is wrong or holds something else.
    pub(crate) fn open(block: &'a [u8], value: &'a [u8]) -> StoreResult<Self> {
        let rest = envelope::open_as(block, value, Sort::Block)?;
        let at = value.len() - rest.len();
        Ok(Self { block, rest, key: block.to_vec(), at: at..at })
    }

    /// Returns the key and the value of the next row.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if the bytes are not rows in order.
    pub(crate) fn next(&mut self) -> StoreResult<Option<Row<'_, 'a>>> {
        let Some((&[shared, own, high, low], rest)) = self.rest.split_first_chunk() else {
            return if self.rest.is_empty() { Ok(None) } else { Err(self.odd()) };
        };
        let value_len = usize::from(u16::from_be_bytes([high, low]));
        let split = rest.split_at_checked(usize::from(own));
        let Some((suffix, rest)) = split else { return Err(self.odd()) };
        let Some((value, rest)) = rest.split_at_checked(value_len) else { return Err(self.odd()) };
        let shared = usize::from(shared);
        if shared > self.key.len() || shared + suffix.len() > KEY_BYTES_MAX {
            return Err(self.odd());
        }
        self.key.truncate(shared);
        self.key.extend_from_slice(suffix);
        let at = self.at.end + ROW_HEADER_BYTES + suffix.len();
        self.at = at..at + value_len;
        self.rest = rest;
        Ok(Some((&self.key, value)))
    }

    /// Returns where in the block's value the last row's value is.
    pub(crate) fn at(&self) -> Range<usize> {
        self.at.clone()
    }

    fn odd(&self) -> StoreError {
        corrupt(self.block, "the block does not consist of rows")
    }
}

/// Packs rows into blocks, in the order of their keys.
#[derive(Debug)]
pub(crate) struct Packer {
    /// Bytes of rows at which a block is full enough for the next one to begin.
    target: usize,
    block: IVec,
    /// The block's value, with room for the envelope in front.
    value: Vec<u8>,
    done: Vec<(IVec, IVec)>,
}

impl Packer {
    /// Makes a packer whose first block has the key `block`.
    pub(crate) fn new(block: &[u8], target: usize) -> Self {
        let mut value = Vec::with_capacity(VALUE_BYTES_MAX);
        value.resize(HEADER_BYTES, 0);
        let target = target.min(CONTENT_BYTES_MAX);
        Self { target, block: IVec::from(block), value, done: Vec::new() }
    }

    /// Ends the block that is being packed, and begins one with the key `block`.
    pub(crate) fn begin(&mut self, block: &[u8], target: usize) {
        self.seal();
        self.block = IVec::from(block);
        self.target = target.min(CONTENT_BYTES_MAX);
    }

    fn content_bytes(&self) -> usize {
        self.value.len() - HEADER_BYTES
    }

    /// Adds a row, whose key is after those of all rows before, and has its first `shared` bytes in
    /// common with the last of them.
    pub(crate) fn push(&mut self, key: &[u8], mut shared: usize, value: &[u8]) {
        let len = row_len(key.len() - shared, value.len());
        let content = self.content_bytes();
        if content > 0 && (content >= self.target || content + len > CONTENT_BYTES_MAX) {
            self.seal();
            self.block = IVec::from(key);
        }
        if self.content_bytes() == 0 {
            // The first row goes on from the key of its block.
            shared = shared_len(&self.block, key);
        }
        let suffix = key.get(shared..).unwrap_or_default();
        // Keys and values are held to their limits before they get here.
        let short = |len: usize| u8::try_from(len).unwrap_or(u8::MAX);
        let [high, low] = u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes();
        self.value.extend_from_slice(&[short(shared), short(suffix.len()), high, low]);
        self.value.extend_from_slice(suffix);
        self.value.extend_from_slice(value);
    }

    fn seal(&mut self) {
        if self.content_bytes() > 0 {
            envelope::seal_in_place(&self.block, Sort::Block, &mut self.value);
            self.done.push((std::mem::take(&mut self.block), IVec::from(self.value.as_slice())));
            self.value.truncate(HEADER_BYTES);
        }
    }

    /// Takes the blocks that are full, with their keys.
    pub(crate) fn take_full(&mut self) -> Vec<(IVec, IVec)> {
        std::mem::take(&mut self.done)
    }

    /// Returns the blocks with their keys; none if there were no rows.
    pub(crate) fn finish(mut self) -> Vec<(IVec, IVec)> {
        self.seal();
        self.done
    }
}

/// Returns how many bytes a row takes that brings this much of its key along.
pub(crate) const fn row_len(suffix: usize, value: usize) -> usize {
    ROW_HEADER_BYTES + suffix + value
}

/// Returns how many bytes two keys have in common at their beginning.
pub(crate) fn shared_len(a: &[u8], b: &[u8]) -> usize {
    const STEP: usize = size_of::<u64>();
    let mut at = 0;
    for (a, b) in a.as_chunks::<STEP>().0.iter().zip(b.as_chunks::<STEP>().0) {
        let differing = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if differing != 0 {
            return at + differing.trailing_zeros() as usize / 8;
        }
        at += STEP;
    }
    let rest = a.iter().zip(b).skip(at);
    at + rest.take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packs rows into blocks that are as full as they get.
    fn pack(rows: &[(&[u8], &[u8])]) -> Vec<(IVec, IVec)> {
        let mut packer = Packer::new(b"t", CONTENT_BYTES_MAX);
        let mut last: &[u8] = &[];
        for (key, value) in rows {
            packer.push(key, shared_len(last, key), value);
            last = key;
        }
        packer.finish()
    }

    fn unpack(blocks: &[(IVec, IVec)]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut found = Vec::new();
        for (block, value) in blocks {
            let mut rows = Rows::open(block, value).unwrap();
            while let Some((key, value)) = rows.next().unwrap() {
                found.push((key.to_vec(), value.to_vec()));
            }
        }
        found
    }

    /// Opens a block with this content, and reads its first two rows.
    fn read(content: &[u8]) -> StoreResult<()> {
        let value = envelope::seal(b"t", Sort::Block, content);
        let mut rows = Rows::open(b"t", &value)?;
        rows.next()?;
        rows.next().map(|_| ())
    }

    #[test]
    fn the_longest_row_fills_a_block_to_the_last_byte() {
        // It has nothing in common with the key of its block.
        let (key, value) = ([0xFF; KEY_BYTES_MAX], [7; ROW_VALUE_BYTES_MAX]);
        let blocks = pack(&[(&key, &value)]);
        let lens: Vec<_> = blocks.iter().map(|(_, value)| value.len()).collect();
        assert_eq!(lens, [VALUE_BYTES_MAX]);
        assert_eq!(unpack(&blocks), [(key.to_vec(), value.to_vec())]);
    }

    #[test]
    fn a_row_that_just_fits_stays_in_the_block_and_a_longer_one_begins_another() {
        // The first row goes on from the key `t` of its block, the second one shares `ta`.
        let first = (&b"taa"[..], &[1; 2_000][..]);
        let room = CONTENT_BYTES_MAX - row_len(2, 2_000) - row_len(1, 0);
        let (fits, longer) = (vec![2; room], vec![2; room + 1]);
        let blocks = pack(&[first, (b"tab", &fits)]);
        assert_eq!(blocks.len(), 1);
        assert_eq!(blocks[0].1.len(), VALUE_BYTES_MAX);
        let blocks = pack(&[first, (b"tab", &longer)]);
        let keys: Vec<_> = blocks.iter().map(|(key, _)| key.as_ref()).collect();
        assert_eq!(keys, [b"t".as_slice(), b"tab"]);
        assert_eq!(unpack(&blocks).len(), 2);
    }

    #[test]
    fn full_blocks_can_be_taken_while_others_are_packed() {
        let mut packer = Packer::new(b"t", 1);
        packer.push(b"ta", 0, b"1");
        assert_eq!(packer.take_full(), []);
        packer.push(b"tb", 1, b"2");
        let full = packer.take_full();
        assert_eq!(unpack(&full), [(b"ta".to_vec(), b"1".to_vec())]);
        assert_eq!(packer.take_full(), []);
        assert_eq!(unpack(&packer.finish()), [(b"tb".to_vec(), b"2".to_vec())]);
    }

    #[test]
    fn a_row_whose_key_goes_on_from_more_than_there_is_or_gets_too_long_is_refused() {
        read(&[1, 1, 0, 0, b'a', 2, 1, 0, 0, b'b']).unwrap();
        read(&[1, 1, 0, 0, b'a', 3, 1, 0, 0, b'b']).unwrap_err();
        let longest = |len: u8| [vec![1, len, 0, 0], vec![b'a'; len.into()]].concat();
        let most = u8::try_from(KEY_BYTES_MAX).unwrap() - 1;
        read(&longest(most)).unwrap();
        read(&longest(most + 1)).unwrap_err();
    }

    #[test]
    fn rows_that_break_off_are_refused() {
        let whole = [1, 1, 0, 2, b'a', 8, 9];
        read(&whole).unwrap();
        for len in 1..whole.len() {
            read(&whole[..len]).unwrap_err();
        }
    }

    #[test]
    fn what_keys_share_is_counted_to_the_byte() {
        let key = [b'k'; 40];
        assert_eq!(shared_len(&key, &key), 40);
        for at in 0..key.len() {
            let mut other = key;
            other[at] = b'l';
            assert_eq!(shared_len(&key, &other), at);
            assert_eq!(shared_len(&key[..at], &key), at);
        }
    }
}
