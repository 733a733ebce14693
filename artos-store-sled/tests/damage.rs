//! Whatever happens to a store's files, nothing that was acknowledged is missing without a word,
//! and a store that is refused stays as it is.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test speaks by panicking")]

mod tasks;

use std::{fs, path::Path};

use artos_core::{
    model::{ListOrder, ListQuery, NewTask, TaskRecord},
    store::{Part, StoreError, TaskStore as _},
};
use artos_store_sled::SledStore;
use bytes::Bytes;
use tempfile::TempDir;

use tasks::{claim, complete, new_task};

const TASKS: u128 = 1_000;

/// Makes a store of several segments, in two sittings.
async fn make(folder: &Path) {
    for sitting in 0..2 {
        let store = SledStore::open(folder).unwrap();
        for batch in 0..TASKS / 100 {
            let numbers = (0..50).map(|at| (batch * 2 + sitting) * 50 + at);
            let tasks: Vec<_> = numbers
                .map(|number| NewTask { input: Bytes::from(vec![7; 900]), ..new_task(number) })
                .collect();
            store.insert(&tasks).await.unwrap();
            let leases = claim(&store, 40).await;
            let ends = leases.iter().map(|task| complete(task.record.lease_token(), b"done"));
            store.settle(&ends.collect::<Vec<_>>()).await.unwrap();
        }
    }
}

/// Reads all tasks.
async fn read(store: &SledStore) -> Result<Vec<TaskRecord>, StoreError> {
    let order = ListOrder::OldestFirst;
    let page = store.list(&ListQuery { limit: usize::MAX, order, ..ListQuery::default() }).await?;
    for record in &page.tasks {
        store.get(record.id, Part::Input).await?;
        store.get(record.id, Part::Output).await?;
    }
    Ok(page.tasks)
}

/// Returns the names and contents of all files that are not the lock.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let files = folder.read_dir().unwrap().map(Result::unwrap);
    let mut contents: Vec<_> = files
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .filter(|(name, _)| name != "artos-store.lock")
        .collect();
    contents.sort();
    contents
}

fn write(folder: &Path, contents: &[(String, Vec<u8>)]) {
    fs::create_dir_all(folder.join("blobs")).unwrap();
    for (name, bytes) in contents {
        fs::write(folder.join(name), bytes).unwrap();
    }
}

/// Opens a damaged copy: it is refused and not touched, or says what is damaged, or is whole.
async fn check(good: &[(String, Vec<u8>)], expected: &[TaskRecord], damage: impl Fn(&mut Vec<u8>)) {
    let folder = TempDir::new().unwrap();
    let mut damaged = good.to_vec();
    let (_, data) = damaged.iter_mut().find(|(name, _)| name == "db").unwrap();
    damage(data);
    write(folder.path(), &damaged);
    match SledStore::open(folder.path()) {
        Err(StoreError::Corrupt { message }) => {
            if message.contains("nothing was changed") {
                assert!(message.contains("db"), "{message}");
                assert!(contents(folder.path()) == damaged, "{message}");
            }
        }
        Err(error) => panic!("{error}"),
        Ok(store) => match read(&store).await {
            Ok(tasks) => assert!(tasks == expected, "{} tasks, some changed", tasks.len()),
            Err(StoreError::Corrupt { .. } | StoreError::Unavailable { .. }) => {}
            Err(error) => panic!("{error}"),
        },
    }
}

#[tokio::test]
async fn a_flipped_bit_is_found_or_harmless() {
    let folder = TempDir::new().unwrap();
    make(folder.path()).await;
    let good = contents(folder.path());
    let store = SledStore::open(folder.path()).unwrap();
    let expected = read(&store).await.unwrap();
    assert_eq!(expected.len() as u128, TASKS);
    drop(store);
    let len = good.iter().find(|(name, _)| name == "db").unwrap().1.len();
    for at in (11..len).step_by(len / 40) {
        check(&good, &expected, |data| data[at] ^= 1 << (at % 8)).await;
    }
    // The headers of segments.
    for at in (0..len).step_by(512 * 1024) {
        check(&good, &expected, |data| data[at + 5] ^= 4).await;
    }
}

#[tokio::test]
async fn a_file_that_was_cut_short_or_zeroed_in_part_is_found() {
    let folder = TempDir::new().unwrap();
    make(folder.path()).await;
    let good = contents(folder.path());
    let store = SledStore::open(folder.path()).unwrap();
    let expected = read(&store).await.unwrap();
    drop(store);
    let len = good.iter().find(|(name, _)| name == "db").unwrap().1.len();
    for part in 0..12 {
        let at = len / 12 * part;
        check(&good, &expected, |data| data.truncate(at)).await;
        check(&good, &expected, |data| data[at..(at + 4_096).min(len)].fill(0)).await;
    }
}
