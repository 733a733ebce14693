//! A store that comes back older than what it acknowledged says so, and goes on only if told to.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test speaks by panicking")]

mod tasks;

use std::{fs, path::Path};

use artos_core::store::{Part, StoreError, StoreResult, TaskStore as _};
use artos_store_sled::SledStore;

use tasks::new_task;

/// Copies the files that sled writes, and not the others.
fn copy_tree(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_file() && !name.starts_with("artos-store") {
            fs::copy(entry.path(), to.join(name)).unwrap();
        }
    }
}

/// Makes a store with two tasks whose tree is from a time when there was one.
async fn rolled_back() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let old = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path()).unwrap();
    store.insert(&[new_task(1)]).await.unwrap();
    drop(store);
    copy_tree(folder.path(), old.path());
    let store = SledStore::open(folder.path()).unwrap();
    store.insert(&[new_task(2)]).await.unwrap();
    drop(store);
    for entry in fs::read_dir(folder.path()).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if name.starts_with("snap") {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    copy_tree(old.path(), folder.path());
    folder
}

fn message(opened: StoreResult<SledStore>) -> String {
    match opened {
        Err(StoreError::Corrupt { message }) => message,
        opened => panic!("it must be refused: {opened:?}"),
    }
}

#[tokio::test]
async fn a_store_behind_its_mark_is_refused() {
    let folder = rolled_back().await;
    let message = message(SledStore::open(folder.path()));
    assert!(message.contains("it holds 2 groups of changes, and 3 were acknowledged"), "{message}");
    assert!(message.contains("artos-sled accept"), "{message}");
}

#[tokio::test]
async fn a_person_can_go_on_with_what_is_left() {
    let folder = rolled_back().await;
    let accepting = SledStore::builder(folder.path()).accept_rollback(true);
    let store = accepting.open().unwrap();
    assert!(store.get(new_task(1).id, Part::Record).await.unwrap().is_some());
    assert!(store.get(new_task(2).id, Part::Record).await.unwrap().is_none());
    drop(store);
    let store = SledStore::open(folder.path()).unwrap();
    store.insert(&[new_task(3)]).await.unwrap();
    drop(store);
    SledStore::open(folder.path()).unwrap();
}

#[tokio::test]
async fn a_data_file_that_is_gone_is_not_taken_for_a_new_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path()).unwrap();
    store.insert(&[new_task(1)]).await.unwrap();
    drop(store);
    fs::remove_file(folder.path().join("db")).unwrap();
    let message = message(SledStore::open(folder.path()));
    assert!(message.contains("db"), "{message}");
    assert!(!folder.path().join("db").exists(), "nothing was made in its place");
}

#[tokio::test]
async fn a_mark_that_is_gone_or_makes_no_sense_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path()).unwrap();
    store.insert(&[new_task(1)]).await.unwrap();
    drop(store);
    let mark = folder.path().join("artos-store.mark");
    let good = fs::read(&mark).unwrap();

    fs::write(&mark, vec![7; good.len()]).unwrap();
    assert!(message(SledStore::open(folder.path())).contains("artos-store.mark"));
    fs::remove_file(&mark).unwrap();
    assert!(message(SledStore::open(folder.path())).contains("missing"));

    // A slot that was torn leaves the other, which is one group behind at most.
    for slot in [0, 512] {
        let mut torn = good.clone();
        torn[slot + 20] ^= 1;
        fs::write(&mark, &torn).unwrap();
        SledStore::open(folder.path()).unwrap();
    }
}

#[tokio::test]
async fn the_mark_of_another_store_is_refused() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for folder in [&one, &other] {
        let store = SledStore::open(folder.path()).unwrap();
        store.insert(&[new_task(1)]).await.unwrap();
    }
    let name = "artos-store.mark";
    fs::copy(one.path().join(name), other.path().join(name)).unwrap();
    assert!(message(SledStore::open(other.path())).contains("another store"));
}
