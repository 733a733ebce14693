//! What cannot be opened or read is a clear error, and stays as it is.

#![expect(clippy::unwrap_used, reason = "a test speaks by panicking")]

mod tasks;

use std::{fs, path::Path};

use artos_core::store::{Part, StoreError, TaskStore as _};
use artos_store_sled::SledStore;
use uuid::Uuid;

use tasks::{claim, new_task};

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
    let Err(StoreError::NewerFormat { found: 7, supported: 1 }) = SledStore::open(folder.path())
    else {
        panic!("the format is newer");
    };
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

#[tokio::test]
async fn every_flipped_bit_of_a_record_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path()).unwrap();
    let (broken, good) = (new_task(1), new_task(2));
    store.insert(&[broken.clone(), good.clone()]).await.unwrap();
    drop(store);
    let key = [b"t".as_slice(), broken.id.as_uuid().as_bytes()].concat();
    let value = sled::open(folder.path()).unwrap().get(&key).unwrap().unwrap();
    for at in (0..value.len()).step_by(23) {
        let mut value = value.to_vec();
        value[at] ^= 1 << (at % 8);
        sled::open(folder.path()).unwrap().insert(&key, value).unwrap();

        let store = SledStore::open(folder.path()).unwrap();
        let found = store.get(broken.id, Part::Record).await;
        let Err(StoreError::Corrupt { message }) = found else {
            panic!("byte {at}: {found:?}");
        };
        assert!(message.starts_with("key t"), "{message}");
        let listed = store.list(&Default::default()).await;
        assert!(matches!(listed, Err(StoreError::Corrupt { .. })));
        assert!(store.get(good.id, Part::Input).await.unwrap().is_some());
        assert!(matches!(store.cancel(broken.id).await, Err(StoreError::Corrupt { .. })));
        store.cancel(good.id).await.unwrap();
    }
}

#[tokio::test]
async fn a_value_under_another_key_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path()).unwrap();
    let tasks = [new_task(1), new_task(2)];
    store.insert(&tasks).await.unwrap();
    drop(store);
    let key = |id: Uuid| [b"t".as_slice(), id.as_bytes()].concat();
    let tree = sled::open(folder.path()).unwrap();
    let value = tree.get(key(*tasks[0].id.as_uuid())).unwrap().unwrap();
    tree.insert(key(*tasks[1].id.as_uuid()), value).unwrap();
    drop(tree);
    let store = SledStore::open(folder.path()).unwrap();
    let found = store.get(tasks[1].id, Part::Record).await;
    assert!(matches!(found, Err(StoreError::Corrupt { .. })), "{found:?}");
    assert!(store.get(tasks[0].id, Part::Record).await.unwrap().is_some());
}

#[tokio::test]
async fn a_refused_operation_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path()).unwrap();
    let (good, broken) = (new_task(1), new_task(2));
    store.insert(&[good.clone(), broken.clone()]).await.unwrap();
    drop(store);
    let key = [b"t".as_slice(), broken.id.as_uuid().as_bytes()].concat();
    sled::open(folder.path()).unwrap().insert(key, b"nonsense").unwrap();

    let store = SledStore::open(folder.path()).unwrap();
    // The claim takes the good task first, meets the broken one, and must give the first back.
    let request = artos_core::store::Claim {
        queue: good.queue.clone(),
        worker: artos_core::model::WorkerId::from_uuid(Uuid::nil()),
        limit: 2,
        lease_for: std::time::Duration::from_secs(1),
    };
    assert!(matches!(store.claim(&request).await, Err(StoreError::Corrupt { .. })));
    assert_eq!(store.rescue(1).await.unwrap().next_in, None);
    assert_eq!(claim(&store, 1).await[0].record.id, good.id);
}
