//! A compaction that stops anywhere leaves a whole store, and whatever is wrong with one is found.

#![allow(clippy::unwrap_used, reason = "a test speaks by panicking")]

use std::{fs, path::Path};

use artos_core::{
    Timestamp,
    model::{NewTask, TaskState},
    store::{StoreError, StoreResult, TaskStore as _},
};
use artos_store_conformance::ManualClock;
use tempfile::TempDir;
use uuid::Uuid;

use super::{Fault, Report, accept, compact, export, info, tables, verify};
use crate::{
    SledStore,
    changes::Changes,
    disk::Disk,
    envelope::Sort,
    failpoints::Point,
    folder::Folder,
    head::Head,
    keys,
    mark::Mark,
    merge,
    sum::Sum,
    tasks::{self, new_task},
};

/// Makes a store with everything in it, and closes it.
async fn filled() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::default();
    let store = SledStore::builder(folder.path()).clock(clock.clone()).open().unwrap();
    tasks::every_state::fill(&store, &clock).await;
    folder
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn exported(path: &Path) -> String {
    let mut lines = Vec::new();
    assert_eq!(export(path, &mut lines).unwrap().report, Report::default());
    String::from_utf8(lines).unwrap()
}

fn checked(path: &Path) -> Report {
    verify(path, &mut |_| {}).unwrap()
}

fn trees(path: &Path) -> Vec<String> {
    let names = fs::read_dir(path).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut trees: Vec<_> = names.filter(|name| name == "db" || name.starts_with("tree")).collect();
    trees.sort();
    trees
}

#[tokio::test]
async fn a_compaction_that_stops_anywhere_leaves_a_whole_store() {
    let made = filled().await;
    let expected = exported(made.path());
    for stop_before in 0.. {
        let folder = tempfile::tempdir().unwrap();
        copy(made.path(), folder.path());
        let mut left = stop_before;
        let mut step = |_: Point| -> StoreResult<()> {
            left -= 1;
            if left < 0 { Err(StoreError::unavailable("the power is gone")) } else { Ok(()) }
        };
        let opened = Folder::open_existing(folder.path()).unwrap();
        let stopped = super::compact::steps(&opened, &mut |_| {}, &mut step);
        drop(opened);
        // Whoever comes next, it is there.
        match stop_before % 3 {
            0 => drop(SledStore::open(folder.path()).unwrap()),
            1 => drop(compact(folder.path(), &mut |_| {}).unwrap()),
            _ => {}
        }
        assert_eq!(exported(folder.path()), expected, "{stop_before}");
        assert!(checked(folder.path()).is_sound(), "{stop_before}");
        assert_eq!(trees(folder.path()).len(), 1, "{stop_before}");
        if stopped.is_ok() {
            assert!(stop_before > 10, "{stop_before} steps");
            return;
        }
    }
}

#[tokio::test]
async fn a_compacted_store_is_the_same_and_goes_on() {
    let folder = filled().await;
    let (expected, before) = (exported(folder.path()), info(folder.path()).unwrap());
    for tree in ["tree.1", "tree.2", "tree.3"] {
        compact(folder.path(), &mut |_| {}).unwrap();
        assert_eq!(trees(folder.path()), [tree]);
        assert_eq!(exported(folder.path()), expected);
        let after = info(folder.path()).unwrap();
        assert_eq!((after.store, after.sequence), (before.store, before.sequence));
        assert_eq!((after.acknowledged, after.counts), (before.acknowledged, before.counts));
    }
    let store = SledStore::open(folder.path()).unwrap();
    let task = new_task(99);
    artos_core::store::TaskStore::insert(&store, &[task]).await.unwrap();
    drop(store);
    assert!(checked(folder.path()).is_sound());
    assert_eq!(info(folder.path()).unwrap().counts.total(), before.counts.total() + 1);
}

#[tokio::test]
async fn a_tree_that_is_missing_is_not_replaced_by_another() {
    let folder = filled().await;
    compact(folder.path(), &mut |_| {}).unwrap();
    let tree = folder.path().join("tree.1");
    copy(&tree, &folder.path().join("tree.7"));
    fs::remove_file(tree.join("db")).unwrap();
    let opened = SledStore::open(folder.path());
    assert!(matches!(opened, Err(StoreError::Corrupt { .. })), "{opened:?}");
    assert!(folder.path().join("tree.7/db").exists());
}

#[test]
fn too_little_space_is_said_beforehand() {
    let refused = super::compact::check_space(Path::new("tasks"), 100, 99);
    assert!(matches!(refused, Err(StoreError::Full { .. })), "{refused:?}");
}

#[tokio::test]
async fn accepting_makes_an_older_store_open() {
    let folder = filled().await;
    let overview = info(folder.path()).unwrap();
    Mark::replace(folder.path(), overview.store, overview.sequence + 3).unwrap();
    assert!(SledStore::open(folder.path()).is_err());
    assert!(compact(folder.path(), &mut |_| {}).is_err());
    assert_eq!(accept(folder.path()).unwrap().given_up(), Some(3));
    drop(SledStore::open(folder.path()).unwrap());

    fs::remove_file(folder.path().join("artos-store.mark")).unwrap();
    assert!(SledStore::open(folder.path()).is_err());
    assert_eq!(accept(folder.path()).unwrap().given_up(), None);
    assert!(checked(folder.path()).is_sound());
    drop(SledStore::open(folder.path()).unwrap());
}

/// Changes rows and chunks behind the store's back.
fn tamper(path: &Path, change: impl FnOnce(&Disk, &mut Changes)) {
    let disk = tables::open_path(path).unwrap();
    let mut changes = Changes::default();
    change(&disk, &mut changes);
    let mut sum = Sum::new(Uuid::nil(), 0);
    disk.apply(merge::merge(&disk, &changes, &mut sum).unwrap(), 0).unwrap();
    // As a store would that made a mistake: its sum is right.
    if let Ok(head) = disk.read_head() {
        let sum = Sum::of(disk.tree(), head.store).unwrap().total();
        disk.tree().insert(keys::HEAD, Head { sum, ..head }.seal()).unwrap();
    }
    disk.sync().unwrap();
    disk.set_sound(true);
}

/// As if something had been lost that the head still counts.
fn spoil_sum(path: &Path) {
    let disk = tables::open_path(path).unwrap();
    let head = disk.read_head().unwrap();
    disk.tree().insert(keys::HEAD, Head { sum: !head.sum, ..head }.seal()).unwrap();
    disk.sync().unwrap();
    disk.set_sound(true);
}

/// Returns the faults of a store with everything in it after a change.
async fn faults(change: impl FnOnce(&Disk, &mut Changes)) -> Vec<Fault> {
    let folder = filled().await;
    tamper(folder.path(), change);
    let found = checked(folder.path()).findings;
    // A person reads these.
    assert!(found.iter().all(|finding| !finding.to_string().is_empty()));
    found.iter().map(|finding| finding.fault).collect()
}

/// The tasks with everything, and one that is terminal.
fn full() -> NewTask {
    NewTask { tenant: Some("acme".into()), idempotency_key: Some("order 17".into()), ..new_task(1) }
}

#[tokio::test]
async fn a_list_that_lacks_a_task_is_found() {
    let task = full();
    let time = Timestamp::from_micros(1_767_225_600_001_000);
    let failed = new_task(20).id;
    let rows = [
        keys::listed(keys::LIVE, task.id),
        keys::listed(&keys::kind(&task.kind), task.id),
        keys::listed(&keys::tenant(&"acme".into()), task.id),
        keys::listed(&keys::label(&"region".into(), &"eu".into()), task.id),
        keys::owner(task.tenant.as_ref(), &task.kind, &"order 17".into()),
        keys::ended(TaskState::Failed, time, failed),
        keys::listed(&keys::state(TaskState::Failed), failed),
    ];
    for row in rows {
        let shown = keys::show(&row);
        let found = faults(|disk, changes| {
            assert!(disk.row(&row).unwrap().is_some(), "{shown}");
            changes.set(row, None);
        });
        assert_eq!(found.await, [Fault::MissingRow], "{shown}");
    }
}

#[tokio::test]
async fn a_row_of_no_task_is_found() {
    let (task, unknown, failed) = (full(), new_task(1_000).id, new_task(20).id);
    let id = unknown.as_uuid().as_bytes().as_slice();
    let rows: Vec<(_, &[u8])> = vec![
        (keys::listed(keys::LIVE, unknown), &[]),
        (keys::listed(keys::LIVE, failed), &[]),
        (keys::listed(&keys::kind(&task.kind), unknown), &[]),
        (keys::listed(&keys::tenant(&"other".into()), task.id), &[]),
        (keys::listed(&keys::label(&"region".into(), &"us".into()), task.id), &[]),
        (keys::owner(None, &task.kind, &"other".into()), id),
        (keys::ended(TaskState::Failed, Timestamp::MIN, failed), &[]),
        (keys::listed(&keys::state(TaskState::Cancelled), failed), &[]),
        (keys::listed(keys::RUNNING, unknown), &[]),
    ];
    for (row, value) in rows {
        let shown = keys::show(&row);
        let found = faults(|_, changes| changes.set(row, Some(value.into())));
        assert_eq!(found.await, [Fault::OrphanRow], "{shown}");
    }
}

#[tokio::test]
async fn values_that_are_wrong_are_found() {
    let task = full();
    let key = keys::owner(task.tenant.as_ref(), &task.kind, &"order 17".into());
    let other = new_task(2).id;
    let found = faults(|_, changes| changes.set(key, Some(other.as_uuid().as_bytes().into())));
    assert_eq!(found.await, [Fault::WrongOwner]);
    let found = faults(|_, changes| changes.set(keys::task(other), Some(b"\x00nonsense".into())));
    assert!(found.await.contains(&Fault::DamagedRecord));
    let live = keys::listed(keys::LIVE, other);
    let found = faults(|_, changes| changes.set(live, Some(b"more".into())));
    assert!(found.await.contains(&Fault::DamagedRow));
}

#[tokio::test]
async fn chunks_that_are_wrong_are_found() {
    let id = new_task(6).id;
    let (first, other) = (keys::chunk(id, 1, 0), keys::chunk(id, 2, 0));
    let found = faults(|_, changes| changes.set(first.clone(), None)).await;
    assert_eq!(found, [Fault::MissingChunk]);
    let found = faults(|_, changes| changes.set(first.clone(), Some(b"nonsense".into()))).await;
    assert_eq!(found[0], Fault::DamagedChunk);
    let value = crate::envelope::seal(&other, Sort::Chunk, b"more");
    let found = faults(|_, changes| changes.set(other, Some(value.into()))).await;
    assert_eq!(found, [Fault::OrphanChunk]);
}

#[tokio::test]
async fn keys_and_blocks_that_are_wrong_are_found() {
    let put = |key: &'static [u8], value: &'static [u8]| {
        move |disk: &Disk, _: &mut Changes| {
            disk.tree().insert(key, value).unwrap();
        }
    };
    assert_eq!(faults(put(b"z", b"")).await, [Fault::UnknownKey]);
    assert_eq!(faults(put(b"v", b"nonsense")).await[0], Fault::DamagedBlock);
    assert_eq!(faults(put(keys::HEAD, b"nonsense")).await, [Fault::DamagedHead]);
    let counts = |disk: &Disk, changes: &mut Changes| {
        let mut head = disk.read_head().unwrap();
        head.counts.0.pending += 1;
        changes.set(keys::HEAD.into(), Some(head.seal().into()));
    };
    assert_eq!(faults(counts).await, [Fault::WrongCount]);
    let misplaced = |disk: &Disk, _: &mut Changes| {
        let mut packer = crate::block::Packer::new(b"va", usize::MAX);
        packer.push(b"va", 0, b"");
        packer.push(b"va", 2, b"");
        for (key, value) in packer.finish() {
            disk.tree().insert(key, value).unwrap();
        }
    };
    assert!(faults(misplaced).await.contains(&Fault::MisplacedRow));
}

#[tokio::test]
async fn files_that_are_wrong_are_found() {
    let found = |path: &Path| -> Vec<Fault> {
        checked(path).findings.iter().map(|finding| finding.fault).collect()
    };
    let folder = filled().await;
    let overview = info(folder.path()).unwrap();
    Mark::replace(folder.path(), overview.store, overview.sequence + 1).unwrap();
    assert_eq!(found(folder.path()), [Fault::BehindMark]);
    Mark::replace(folder.path(), Uuid::nil(), 0).unwrap();
    assert_eq!(found(folder.path()), [Fault::ForeignMark]);
    fs::write(folder.path().join("artos-store.mark"), "nonsense").unwrap();
    assert_eq!(found(folder.path()), [Fault::DamagedMark]);
    accept(folder.path()).unwrap();
    fs::write(folder.path().join("blobs/17"), "text").unwrap();
    assert_eq!(found(folder.path()), [Fault::StrayFile]);
}

#[tokio::test]
async fn a_damaged_store_is_exported_but_for_what_is_damaged() {
    let folder = filled().await;
    let all = exported(folder.path()).lines().count();
    let key = keys::task(new_task(2).id);
    tamper(folder.path(), |_, changes| changes.set(key, Some(b"\x00nonsense".into())));
    let mut lines = Vec::new();
    let exported = export(folder.path(), &mut lines).unwrap();
    assert_eq!((exported.tasks, exported.report.findings.len()), (all as u64 - 1, 1));
    assert!(compact(folder.path(), &mut |_| {}).is_err(), "only a sound store is compacted");
    assert_eq!(trees(folder.path()), ["db"]);
}

#[tokio::test]
async fn checking_a_store_with_an_unreadable_page_comes_to_an_end() {
    let folder = filled().await;
    let store = SledStore::open(folder.path()).unwrap();
    for number in 2_000..2_012 {
        let input = vec![7; 100_000].into();
        store.insert(&[NewTask { input, ..new_task(number) }]).await.unwrap();
    }
    drop(store);
    // sled writes its snapshot when it opens a database, and no longer reads the segments before.
    info(folder.path()).unwrap();
    let data = folder.path().join("db");
    let good = fs::read(&data).unwrap();
    let len = good.iter().rposition(|byte| *byte != 0).unwrap();
    let mut unreadable = 0;
    for at in (100..len).step_by(1 + len / 60) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&data, bad).unwrap();
        let report = checked(folder.path());
        let of_tree = |finding: &super::Finding| finding.fault == Fault::UnreadableTree;
        unreadable += usize::from(report.findings.iter().any(of_tree));
        assert!(report.is_sound() || compact(folder.path(), &mut |_| {}).is_err());
    }
    assert!(unreadable > 0, "a page of the tree was damaged");
}

#[tokio::test]
async fn a_store_that_lost_a_live_task_opens_only_for_who_accepts_that() {
    let folder = filled().await;
    let row = keys::listed(keys::LIVE, full().id);
    tamper(folder.path(), |_, changes| changes.set(row, None));
    spoil_sum(folder.path());
    let Err(error @ StoreError::Corrupt { .. }) = SledStore::open(folder.path()) else {
        panic!("it lacks a task");
    };
    assert!(error.to_string().contains("and should have"), "{error}");
    let accepted = SledStore::builder(folder.path()).accept_rollback(true).open().unwrap();
    accepted.insert(&[new_task(1_001)]).await.unwrap();
    drop(accepted);
    drop(SledStore::open(folder.path()).unwrap());
    let found = checked(folder.path()).findings;
    assert!(found.iter().all(|finding| finding.fault != Fault::WrongSum), "{found:?}");
}
