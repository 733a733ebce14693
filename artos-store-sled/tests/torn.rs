//! sled overwrites parts of its log that it has given up. A power cut that leaves one of them half
//! old, half new, costs nothing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test speaks by panicking")]

mod tasks;

use std::{fs, path::Path};

use artos_core::{
    model::{ListOrder, ListQuery, NewTask, Retention, TaskRecord},
    store::{Part, StoreError, TaskStore as _},
};
use artos_store_sled::{SledStore, offline};
use bytes::Bytes;
use tempfile::TempDir;

use tasks::{claim, complete, new_task};

const SEGMENT: usize = 512 * 1024;
const SECTOR: usize = 512;
/// How often to work on until sled has given a segment up.
const ROUNDS_MAX: u128 = 30;

/// Returns sled's files and ours, as a power cut would leave them.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let files = folder.read_dir().unwrap().map(Result::unwrap);
    let files = files.filter(|entry| entry.file_type().unwrap().is_file());
    files
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect()
}

async fn read(store: &SledStore) -> Vec<TaskRecord> {
    let order = ListOrder::OldestFirst;
    let query = ListQuery { limit: usize::MAX, order, ..ListQuery::default() };
    let page = store.list(&query).await.unwrap();
    for record in &page.tasks {
        assert!(store.get(record.id, Part::Input).await.unwrap().is_some());
    }
    page.tasks
}

/// Works on a store, so that most of what was there before is written anew or goes.
async fn work(store: &SledStore, round: u128) {
    for batch in 0..10 {
        let numbers = (0..20).map(|at| (round * 10 + batch) * 20 + at);
        let input = Bytes::from(vec![b'7'; 1_000]);
        let tasks: Vec<_> =
            numbers.map(|number| NewTask { input: input.clone(), ..new_task(number) }).collect();
        store.insert(&tasks).await.unwrap();
        let ends: Vec<_> = claim(store, 20)
            .await
            .iter()
            .map(|task| complete(task.record.lease_token(), &input))
            .collect();
        store.settle(&ends).await.unwrap();
    }
    store.prune(&Retention::all(std::time::Duration::ZERO), 150).await.unwrap();
}

/// Returns the log with every other sector of one segment as a later one would have left it, but
/// for the first, which has the segment's header, and most of what follows.
fn torn(data: &[u8], at: usize) -> Vec<u8> {
    let mut torn = data.to_vec();
    let segment = torn.get_mut(at..at + SEGMENT).unwrap();
    for (number, sector) in segment.chunks_mut(SECTOR).enumerate().skip(1) {
        if number % 2 == 1 {
            sector.fill(u8::try_from(number % 251).unwrap());
        }
    }
    torn
}

#[tokio::test]
async fn a_segment_that_was_given_up_and_is_half_overwritten_costs_nothing() {
    let folder = TempDir::new().unwrap();
    let store = SledStore::open(folder.path()).unwrap();
    let mut proven = 0;
    let mut round = 0;
    while proven == 0 {
        assert!(round < ROUNDS_MAX, "sled gave nothing up");
        work(&store, round).await;
        round += 1;
        let expected = read(&store).await;
        let unclosed = contents(folder.path());
        let data = unclosed.iter().find(|(name, _)| name == "db").unwrap().1.clone();
        for at in (0..data.len().saturating_sub(SEGMENT)).step_by(SEGMENT) {
            let copy = TempDir::new().unwrap();
            fs::create_dir(copy.path().join("blobs")).unwrap();
            for (name, bytes) in &unclosed {
                fs::write(copy.path().join(name), bytes).unwrap();
            }
            let torn = torn(&data, at);
            fs::write(copy.path().join("db"), &torn).unwrap();
            match SledStore::open(copy.path()) {
                Err(StoreError::Corrupt { message }) => {
                    assert!(message.contains("nothing was changed"), "{message}");
                    assert!(fs::read(copy.path().join("db")).unwrap() == torn);
                }
                Err(error) => panic!("{error}"),
                Ok(store) => {
                    assert!(read(&store).await == expected, "at {at}");
                    drop(store);
                    // Only a proof moves a tree.
                    proven += u32::from(copy.path().join("tree.1").exists());
                    let report = offline::verify(copy.path(), &mut |_| ()).unwrap();
                    assert!(report.is_sound(), "at {at}: {:?}", report.findings);
                }
            }
        }
    }
}
