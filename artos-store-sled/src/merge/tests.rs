//! Whatever rows are put and removed, in whatever groups, the tree holds exactly those that are
//! left, in blocks that keep their bounds.

use std::{collections::BTreeMap, time::Duration};

use artos_core::model::ListOrder;
use proptest::{collection::vec, option, prelude::*};
use sled::IVec;
use tempfile::TempDir;
use uuid::Uuid;

use super::merge;
use crate::{
    block::{ROW_VALUE_BYTES_MAX, Rows},
    builder::{Durability, Options},
    changes::Changes,
    disk::Disk,
    envelope::VALUE_BYTES_MAX,
    folder::Folder,
    keys,
    scan::Scan,
    sum::Sum,
};

/// A key and what it will hold.
type Change = (Vec<u8>, Option<Vec<u8>>);
type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn open(folder: &TempDir) -> Disk {
    let options = Options {
        path: folder.path().to_owned(),
        durability: Durability::Process,
        cache_bytes: 1 << 20,
        segment_bytes: 512 * 1024,
        accept_rollback: false,
        stall_limit: Duration::from_secs(10),
        snapshot_bytes: u64::MAX,
    };
    Disk::open(Folder::open(folder.path()).unwrap(), &options).unwrap().0
}

/// Keys of two tables that share much of their beginnings, or nothing.
fn key() -> impl Strategy<Value = Vec<u8>> {
    let rest = prop_oneof![
        vec(0_u8..4, 1..6),
        (0_u16..400).prop_map(|number| [[0; 14].as_slice(), &number.to_be_bytes()].concat()),
        vec(any::<u8>(), 1..keys::KEY_BYTES_MAX),
    ];
    (prop_oneof![Just(b't'), Just(b'v')], rest).prop_map(|(table, mut rest)| {
        rest.insert(0, table);
        rest.truncate(keys::KEY_BYTES_MAX);
        rest
    })
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    let len = prop_oneof![3 => 0_usize..40, 2 => 200_usize..600, 1 => Just(ROW_VALUE_BYTES_MAX)];
    (any::<u8>(), len).prop_map(|(byte, len)| vec![byte; len])
}

fn groups() -> impl Strategy<Value = Vec<Vec<Change>>> {
    vec(vec((key(), option::weighted(0.7, value())), 1..60), 1..8)
}

fn rows(disk: &Disk, table: u8, order: ListOrder) -> Vec<(Vec<u8>, Vec<u8>)> {
    let rows = Scan::new(disk, IVec::from(&[table]), order, None).map(Result::unwrap);
    rows.map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

/// Makes sure that every row is where it is looked for, and that blocks are not too large.
fn check_blocks(disk: &Disk) {
    let blocks: Vec<_> = disk.tree().iter().map(Result::unwrap).collect();
    for (at, (block, value)) in blocks.iter().enumerate() {
        assert!(value.len() <= VALUE_BYTES_MAX);
        let next = blocks.get(at + 1).map(|(next, _)| next);
        let next = next.filter(|next| keys::table(next) == keys::table(block));
        let mut rows = Rows::open(block, value).unwrap();
        let mut last = None;
        while let Some((key, _)) = rows.next().unwrap() {
            assert!(block.as_ref() <= key);
            assert!(next.is_none_or(|next| key < next.as_ref()));
            assert!(last.as_deref().is_none_or(|last| last < key));
            last = Some(key.to_vec());
        }
        assert!(last.is_some(), "an empty block");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_tree_holds_what_is_left(groups in groups()) {
        let folder = TempDir::new().unwrap();
        let disk = open(&folder);
        let mut model = Model::new();
        let mut sum = Sum::new(Uuid::nil(), 0);
        for group in groups {
            let mut changes = Changes::default();
            for (key, value) in group {
                changes.set(IVec::from(key.as_slice()), value.as_deref().map(IVec::from));
                match value {
                    Some(value) => model.insert(key, value),
                    None => model.remove(&key),
                };
            }
            disk.apply(merge(&disk, &changes, &mut sum).unwrap(), 0).unwrap();
            let found = Sum::of(disk.tree(), Uuid::nil()).unwrap();
            prop_assert_eq!(found.total(), sum.total());
            check_blocks(&disk);
            for table in [b't', b'v'] {
                let expected: Vec<_> = model
                    .iter()
                    .filter(|(key, _)| key.first() == Some(&table))
                    .map(|(key, value)| (key.clone(), value.clone()))
                    .collect();
                prop_assert!(rows(&disk, table, ListOrder::OldestFirst) == expected);
                let newest = rows(&disk, table, ListOrder::NewestFirst);
                prop_assert!(newest.into_iter().rev().eq(expected));
            }
            for (key, value) in &model {
                let row = disk.row(key).unwrap();
                prop_assert_eq!(row.as_deref(), Some(value.as_slice()));
            }
        }
    }

    #[test]
    fn changes_that_are_taken_back_leave_what_was_there(
        kept in vec((key(), option::of(value())), 0..20),
        taken_back in vec((key(), option::of(value())), 0..20),
    ) {
        let mut changes = Changes::default();
        for (key, value) in &kept {
            changes.set(IVec::from(key.as_slice()), value.as_deref().map(IVec::from));
        }
        let before = format!("{:?}", changes.sorted());
        let len = changes.len();
        for (key, value) in &taken_back {
            changes.set(IVec::from(key.as_slice()), value.as_deref().map(IVec::from));
        }
        changes.truncate(len);
        prop_assert_eq!(format!("{:?}", changes.sorted()), before);
    }

    #[test]
    fn no_bytes_make_the_reader_of_blocks_panic(
        block in vec(any::<u8>(), 0..100),
        content in vec(any::<u8>(), 0..200),
    ) {
        let value = crate::envelope::seal(&block, crate::envelope::Sort::Block, &content);
        let mut rows = Rows::open(&block, &value).unwrap();
        while let Ok(Some(_)) = rows.next() {}
    }
}
