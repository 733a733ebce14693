//! What cannot be opened or read is a clear error, and stays as it is.

#![expect(clippy::unwrap_used, reason = "a test speaks by panicking")]

mod tasks;

use std::{fs, path::Path};

use artos_core::{
    model::{ListQuery, NewTask},
    store::{Part, StoreError, TaskStore as _},
};
use artos_store_sled::SledStore;
use tempfile::TempDir;

use tasks::{claim, complete, new_task, open_tree};

/// Returns the names and contents of all files of a folder.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let files = folder.read_dir().unwrap().map(Result::unwrap);
    let files = files.filter(|entry| entry.file_type().unwrap().is_file());
    let mut contents: Vec<_> = files
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    contents.sort();
    contents
}

#[tokio::test]
async fn a_store_that_is_open_is_locked() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path()).unwrap();
    let Err(StoreError::Locked { message }) = SledStore::open(folder.path()) else {
        panic!("it must be locked");
    };
    assert!(message.contains(&format!("process {}", std::process::id())), "{message}");
    store.insert(&[new_task(1)]).await.unwrap();
    drop(store);
    SledStore::open(folder.path()).unwrap();
}

#[test]
fn a_newer_format_is_refused_and_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    drop(SledStore::open(folder.path()).unwrap());
    fs::write(folder.path().join("artos-store"), "artos-store-sled format 7\n").unwrap();
    let before = contents(folder.path());
    let Err(StoreError::NewerFormat { found: 7, supported: 2 }) = SledStore::open(folder.path())
    else {
        panic!("the format is newer");
    };
    assert_eq!(contents(folder.path()), before);
}

#[test]
fn a_format_of_before_the_first_release_is_refused_and_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    drop(SledStore::open(folder.path()).unwrap());
    fs::write(folder.path().join("artos-store"), "artos-store-sled format 1\n").unwrap();
    let before = contents(folder.path());
    let Err(StoreError::Invalid { message }) = SledStore::open(folder.path()) else {
        panic!("the format is older");
    };
    assert!(message.contains("format 1"), "{message}");
    assert_eq!(contents(folder.path()), before);
}

#[test]
fn a_folder_of_somebody_else_is_refused_and_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    drop(sled::open(folder.path()).unwrap());
    let before = contents(folder.path());
    let opened = SledStore::open(folder.path());
    assert!(matches!(opened, Err(StoreError::Invalid { .. })), "{opened:?}");
    assert_eq!(contents(folder.path()), before);
}

#[test]
fn a_file_instead_of_a_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, "text").unwrap();
    let opened = SledStore::open(&path);
    assert!(matches!(opened, Err(StoreError::Invalid { .. })), "{opened:?}");
}

#[test]
fn a_store_with_values_outside_its_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(SledStore::open(folder.path()).unwrap());
    fs::write(folder.path().join("blobs/17"), "text").unwrap();
    let opened = SledStore::open(folder.path());
    assert!(matches!(opened, Err(StoreError::Corrupt { .. })), "{opened:?}");
}

/// Makes a store with one completed task in it, and returns it closed.
async fn store_with_an_ended_task() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path()).unwrap();
    store.insert(&[new_task(1)]).await.unwrap();
    let lease = claim(&store, 1).await.remove(0).record.lease_token();
    store.settle(&[complete(lease, b"1")]).await.unwrap();
    folder
}

/// Changes the first block of a table, as a broken disk would, and sled did not notice.
fn damage(folder: &Path, table: &[u8], damage: impl FnOnce(&mut Vec<u8>)) {
    let tree = open_tree(folder);
    let mut block = tree.get(table).unwrap().unwrap().to_vec();
    damage(&mut block);
    tree.insert(table, block).unwrap();
}

#[tokio::test]
async fn every_flipped_bit_of_a_block_is_found() {
    let folder = store_with_an_ended_task().await;
    let good = open_tree(folder.path()).get(b"t").unwrap().unwrap();
    for at in (0..good.len()).step_by(7) {
        damage(folder.path(), b"t", |block| {
            *block = good.to_vec();
            block[at] ^= 1 << (at % 8);
        });
        let store = SledStore::open(folder.path()).unwrap();
        let found = store.get(new_task(1).id, Part::Record).await;
        let Err(StoreError::Corrupt { message }) = found else {
            panic!("byte {at}: {found:?}");
        };
        assert!(message.starts_with("key t"), "{message}");
        let listed = store.list(&ListQuery::default()).await;
        assert!(matches!(listed, Err(StoreError::Corrupt { .. })));
        let cancelled = store.cancel(new_task(1).id).await;
        assert!(matches!(cancelled, Err(StoreError::Corrupt { .. })));
    }
}

#[tokio::test]
async fn a_damaged_task_that_is_not_terminal_is_found_when_the_store_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path()).unwrap();
    store.insert(&[new_task(1)]).await.unwrap();
    drop(store);
    damage(folder.path(), b"t", |block| block[20] ^= 1);
    let opened = SledStore::open(folder.path());
    let Err(StoreError::Corrupt { message }) = opened else { panic!("{opened:?}") };
    assert!(message.starts_with("key t"), "{message}");
}

#[tokio::test]
async fn a_task_that_is_listed_and_missing_is_found_when_the_store_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path()).unwrap();
    store.insert(&[new_task(1)]).await.unwrap();
    drop(store);
    open_tree(folder.path()).remove(b"t").unwrap();
    let opened = SledStore::open(folder.path());
    let Err(StoreError::Corrupt { message }) = opened else { panic!("{opened:?}") };
    assert!(message.contains(&new_task(1).id.to_string()), "{message}");
}

#[tokio::test]
async fn a_block_under_another_key_is_found() {
    let folder = store_with_an_ended_task().await;
    let tree = open_tree(folder.path());
    let block = tree.get(b"t").unwrap().unwrap();
    tree.insert([b"t".as_slice(), new_task(0).id.as_uuid().as_bytes()].concat(), block).unwrap();
    drop(tree);
    let store = SledStore::open(folder.path()).unwrap();
    let found = store.get(new_task(1).id, Part::Record).await;
    assert!(matches!(found, Err(StoreError::Corrupt { .. })), "{found:?}");
}

#[tokio::test]
async fn a_refused_operation_leaves_nothing_behind() {
    let folder = store_with_an_ended_task().await;
    // A block that no idempotency key can be read from.
    open_tree(folder.path()).insert(b"k", b"nonsense").unwrap();
    let store = SledStore::open(folder.path()).unwrap();
    let keyed = NewTask { idempotency_key: Some("key".into()), ..new_task(3) };
    // The first task is inserted, then the damaged block is met, and the first is taken back.
    let refused = store.insert(&[new_task(2), keyed]).await;
    assert!(matches!(refused, Err(StoreError::Corrupt { .. })), "{refused:?}");
    assert!(store.get(new_task(2).id, Part::Record).await.unwrap().is_none());
    assert!(claim(&store, 10).await.is_empty());
    let listing = ListQuery { counts: true, ..ListQuery::default() };
    assert_eq!(store.list(&listing).await.unwrap().counts.unwrap().total(), 1);
    store.insert(&[new_task(2)]).await.unwrap();
    assert_eq!(claim(&store, 10).await[0].record.id, new_task(2).id);
}
