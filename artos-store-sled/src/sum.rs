//! The sum over all values of a tree: what tells a tree that is whole from one that is not.
//!
//! It is kept in the head, which is written with each group of changes. So a tree whose values come
//! to the sum of its own head is the one that this group left: nothing of it is missing, older than
//! the head, or back again.
//!
//! It is a sum, so that a group only adds what it writes and takes away what it replaces. Chance is
//! what it guards against, and nobody who wants to deceive it.

use std::hash::Hasher as _;

use siphasher::sip128::{Hasher128 as _, SipHasher13};
use sled::Tree;
use uuid::Uuid;

use crate::{envelope::HEADER_BYTES, keys};

/// The sum over the values of one store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sum {
    /// With the store's id as its key, so that values of another store come to something else.
    hasher: SipHasher13,
    total: u128,
}

impl Sum {
    /// Goes on from what a store's values come to.
    pub(crate) fn new(store: Uuid, total: u128) -> Self {
        Self { hasher: SipHasher13::new_with_key(store.as_bytes()), total }
    }

    /// Sums up a tree; `None` if not all of it can be read.
    pub(crate) fn of(tree: &Tree, store: Uuid) -> Option<Self> {
        let mut sum = Self::new(store, 0);
        for entry in tree.iter() {
            let (key, value) = entry.ok()?;
            sum.add(&key, &value);
        }
        Some(sum)
    }

    /// Returns what the values come to.
    pub(crate) const fn total(&self) -> u128 {
        self.total
    }

    /// Adds a value that is in the tree.
    pub(crate) fn add(&mut self, key: &[u8], value: &[u8]) {
        self.total = self.total.wrapping_add(self.hash(key, value));
    }

    /// Takes a value away that is in the tree no more.
    pub(crate) fn take(&mut self, key: &[u8], value: &[u8]) {
        self.total = self.total.wrapping_sub(self.hash(key, value));
    }

    /// Hashes the key and the envelope, which has the length and the checksum of what is in it.
    fn hash(&self, key: &[u8], value: &[u8]) -> u128 {
        // It cannot be in the sum that it holds.
        if key == keys::HEAD {
            return 0;
        }
        let mut hasher = self.hasher;
        hasher.write(key);
        hasher.write(value.get(..HEADER_BYTES).unwrap_or(value));
        hasher.finish128().as_u128()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::{Sort, seal};

    const STORE: Uuid = Uuid::from_u128(0x0001_0203_0405_0607_0809_0A0B_0C0D_0E0F);

    fn total(values: &[(&[u8], &[u8])]) -> u128 {
        let mut sum = Sum::new(STORE, 0);
        for (key, content) in values {
            sum.add(key, &seal(key, Sort::Block, content));
        }
        sum.total()
    }

    #[test]
    fn it_is_what_the_format_says() {
        assert_eq!(total(&[(b"t", b"rows")]), 0x254b_2569_0230_022e_e1bf_c40a_8625_edcf);
    }

    #[test]
    fn any_other_values_come_to_another_sum() {
        let whole = total(&[(b"t", b"1"), (b"v", b"2")]);
        assert_eq!(total(&[(b"v", b"2"), (b"t", b"1")]), whole);
        for other in [
            total(&[(b"t", b"1")]),
            total(&[(b"t", b"1"), (b"v", b"2"), (b"l", b"3")]),
            total(&[(b"t", b"1"), (b"v", b"2"), (b"v", b"2")]),
            total(&[(b"t", b"1"), (b"v", b"3")]),
            total(&[(b"t", b"2"), (b"v", b"1")]),
        ] {
            assert_ne!(other, whole);
        }
    }

    #[test]
    fn what_is_taken_away_leaves_nothing_and_heads_do_not_count() {
        let mut sum = Sum::new(STORE, 7);
        sum.add(b"t", &seal(b"t", Sort::Block, b"1"));
        sum.add(keys::HEAD, &seal(keys::HEAD, Sort::Head, b"1"));
        sum.take(b"t", &seal(b"t", Sort::Block, b"1"));
        assert_eq!(sum.total(), 7);
    }
}
