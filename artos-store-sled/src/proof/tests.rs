//! A store whose log looks damaged opens if it is whole, and only then.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
    path::Path,
    time::Duration,
};

use artos_core::{
    Timestamp,
    model::Progress,
    store::{Beat, Part, TaskStore as _},
};
use sled::IVec;
use tempfile::TempDir;

use super::*;
use crate::{
    SledStore, keys,
    offline::{self, Fault, Report},
    tasks::{claim, new_task},
};

/// A value of the tree, or that there is none.
type Value = (IVec, Option<IVec>);

fn progress(percent: u8) -> Progress {
    Progress {
        stage: "stage".into(),
        stage_number: 1,
        stage_count: 1,
        percent,
        message: String::new(),
        updated_at: Timestamp::MIN,
    }
}

/// Makes a store in which a task reported progress, and returns how the block of running tasks was
/// before the last report, and how it is.
async fn made() -> (TempDir, Value, Value) {
    let folder = tempfile::tempdir().unwrap();
    let mut blocks = Vec::new();
    let store = SledStore::open(folder.path()).unwrap();
    let tasks: Vec<_> = (0..20).map(new_task).collect();
    store.insert(&tasks).await.unwrap();
    let lease = claim(&store, 1).await[0].record.lease_token();
    for percent in [10, 20] {
        let beat = Beat { lease, progress: Some(progress(percent)) };
        store.heartbeat(Duration::from_secs(60), &[beat]).await.unwrap();
        let copy = tempfile::tempdir().unwrap();
        for (name, bytes) in contents(folder.path()) {
            fs::write(copy.path().join(name), bytes).unwrap();
        }
        blocks.push(value(copy.path(), keys::RUNNING));
    }
    drop(store);
    let [before, now] = blocks.try_into().unwrap();
    assert!(before != now && before.1.is_some());
    (folder, before, now)
}

fn disk(path: &Path) -> Disk {
    let options = SledStore::builder(path).into_options();
    Disk::open_unread(Folder::open_existing(path).unwrap(), &options).unwrap()
}

fn value(path: &Path, key: &[u8]) -> Value {
    let disk = disk(path);
    let value = disk.tree().get(key).unwrap();
    disk.close().unwrap();
    (key.into(), value)
}

/// Puts a value back, or takes one away, as a page would that went back with it.
fn set(path: &Path, (key, value): &Value) {
    let disk = disk(path);
    match value {
        Some(value) => disk.tree().insert(key, value.clone()).unwrap(),
        None => disk.tree().remove(key).unwrap(),
    };
    disk.close().unwrap();
}

/// Puts a segment into the log that makes no sense, and is of no account.
fn damage(tree: &Path) {
    let file = File::options().write(true).open(tree.join("db")).unwrap();
    let end = file.metadata().unwrap().len().next_multiple_of(512 * 1024);
    file.write_all_at(&[0xA5; 4_096], end).unwrap();
    file.set_len(end + 512 * 1024).unwrap();
}

/// Returns all files with what is in them, but for the lock.
fn contents(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut contents = Vec::new();
    for entry in fs::read_dir(path).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_file() && name != "artos-store.lock" {
            contents.push((name, fs::read(entry.path()).unwrap()));
        } else if name.starts_with("tree") {
            contents.push((name, Vec::new()));
        }
    }
    contents.sort();
    contents
}

fn checked(path: &Path) -> Report {
    offline::verify(path, &mut |_| {}).unwrap()
}

fn refused(path: &Path) -> String {
    match SledStore::open(path) {
        Err(StoreError::Corrupt { message }) => message,
        other => panic!("{other:?}"),
    }
}

/// What a page that went back, is gone, or is there again does to one value.
async fn wrong() -> Vec<(TempDir, &'static str)> {
    let (older, before, now) = made().await;
    set(older.path(), &before);
    let (removed, _, _) = made().await;
    set(removed.path(), &(now.0.clone(), None));
    let (back, _, now) = made().await;
    let store = SledStore::open(back.path()).unwrap();
    // The task is handed back.
    store.rescue(10).await.unwrap();
    drop(store);
    set(back.path(), &now);
    vec![(older, "older"), (removed, "removed"), (back, "back")]
}

#[tokio::test]
async fn a_value_that_is_older_or_gone_or_back_again_is_found_by_the_sum() {
    for (folder, what) in wrong().await {
        let report = checked(folder.path());
        let faults: Vec<_> = report.findings.iter().map(|finding| finding.fault).collect();
        assert!(faults.contains(&Fault::WrongSum), "{what}: {:?}", report.findings);
        if what == "older" {
            // Nothing else could tell.
            assert_eq!(faults, [Fault::WrongSum], "{what}: {:?}", report.findings);
        }
        let compacted = offline::compact(folder.path(), &mut |_| {});
        assert!(matches!(compacted, Err(StoreError::Corrupt { .. })), "{what}: {compacted:?}");
    }
}

#[tokio::test]
async fn a_log_that_looks_damaged_opens_if_the_store_is_whole() {
    let (folder, _, now) = made().await;
    damage(folder.path());
    let store = SledStore::open(folder.path()).unwrap();
    assert!(store.get(new_task(7).id, Part::Input).await.unwrap().is_some());
    store.insert(&[new_task(100)]).await.unwrap();
    drop(store);
    assert_eq!(value(folder.path(), keys::RUNNING), now);
    let has = |name| folder.path().join(name).exists();
    assert!(has("tree.1") && !has("db"));
    // There is nothing left to prove.
    drop(SledStore::open(folder.path()).unwrap());
    assert!(has("tree.1"));
    assert!(checked(folder.path()).is_sound());

    // Nor does anybody else refuse it.
    damage(&folder.path().join("tree.1"));
    assert!(checked(folder.path()).is_sound());
    damage(&folder.path().join("tree.2"));
    offline::compact(folder.path(), &mut |_| {}).unwrap();
    damage(&folder.path().join("tree.4"));
    let accepted = offline::accept(folder.path()).unwrap();
    assert_eq!((accepted.is_whole, accepted.given_up()), (true, Some(0)));
    assert!(has("tree.5"));
    damage(&folder.path().join("tree.5"));
    assert_eq!(offline::info(folder.path()).unwrap().counts.total(), 21);
    drop(SledStore::open(folder.path()).unwrap());
}

#[tokio::test]
async fn a_log_that_looks_damaged_is_refused_and_left_alone_if_the_store_is_not_whole() {
    for (folder, what) in wrong().await {
        damage(folder.path());
        let before = contents(folder.path());
        let message = refused(folder.path());
        assert!(message.contains("some are missing, older, or back again"), "{what}: {message}");
        assert!(message.contains("nothing was changed"), "{what}: {message}");
        assert!(offline::info(folder.path()).is_err());
        let report = checked(folder.path());
        assert_eq!(report.findings[0].fault, Fault::DamagedLog, "{what}");
        assert!(contents(folder.path()) == before, "{what}");
    }
}

#[tokio::test]
async fn what_is_left_is_all_there_is_once_it_was_accepted() {
    for (folder, what) in wrong().await {
        damage(folder.path());
        if what != "removed" {
            drop(SledStore::builder(folder.path()).accept_rollback(true).open().unwrap());
        } else {
            let accepted = offline::accept(folder.path()).unwrap();
            assert_eq!((accepted.is_whole, accepted.given_up()), (false, None), "{what}");
        }
        let found = checked(folder.path()).findings;
        assert!(found.iter().all(|found| found.fault != Fault::WrongSum), "{what}: {found:?}");
        drop(SledStore::open(folder.path()).unwrap());
    }
}

#[test]
fn too_little_space_for_a_copy_is_said_beforehand_with_how_much_it_takes() {
    let refused = check_space(Path::new("tasks"), 100, Ok(99)).unwrap_err();
    assert!(matches!(refused, StoreError::Full { .. }), "{refused}");
    assert!(refused.to_string().contains("needs 100 bytes"), "{refused}");
    check_space(Path::new("tasks"), 100, Ok(100)).unwrap();
}
