//! Whatever was acknowledged is there when the store is opened again.

#![expect(clippy::unwrap_used, reason = "a test speaks by panicking")]

mod tasks;

use std::{collections::HashMap, time::Duration};

use artos_core::{
    Name, Timestamp,
    machine::Cancelled,
    model::{
        Checkpoint, Filter, Labels, Lease, ListQuery, Outcome, Progress, Retention, Settlement,
        TaskState,
    },
    store::{Beat, Inserted, Part, Pulse, Settled, TaskStore as _},
};
use artos_store_conformance::ManualClock;
use artos_store_sled::{SledStore, offline};
use bytes::Bytes;
use tempfile::TempDir;

use tasks::{claim, complete, new_task, open_tree};

const MINUTE: Duration = Duration::from_secs(60);

struct Folder {
    folder: TempDir,
    clock: ManualClock,
}

impl Folder {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), clock: ManualClock::default() }
    }

    fn open(&self) -> SledStore {
        let builder = SledStore::builder(self.folder.path().join("a/b/store"));
        builder.clock(self.clock.clone()).open().unwrap()
    }
}

#[tokio::test]
async fn records_survive_in_every_state() {
    let folder = Folder::new();
    let store = folder.open();
    let tasks: Vec<_> = (0..4).map(new_task).collect();
    store.insert(&tasks).await.unwrap();
    let running = claim(&store, 1).await.remove(0);
    let done = claim(&store, 1).await.remove(0);
    store.settle(&[complete(done.record.lease_token(), b"out")]).await.unwrap();
    assert_eq!(store.cancel(tasks[3].id).await.unwrap(), Cancelled::Now);
    let all = store.list(&ListQuery::default()).await.unwrap();
    drop(store);

    let store = folder.open();
    let mut expected = all;
    assert_eq!(expected.tasks.len(), 4);
    assert_eq!(expected.tasks[3], *running.record);
    // The lease ended with whoever held it.
    let now = expected.tasks[3].updated_at;
    expected.tasks[3].lease.as_mut().unwrap().expires_at = now;
    assert_eq!(store.list(&ListQuery::default()).await.unwrap(), expected);
    let output = store.get(done.record.id, Part::Output).await.unwrap().unwrap();
    assert_eq!(output.payload.as_deref(), Some(b"out".as_slice()));
    assert_eq!(claim(&store, 9).await.len(), 1, "the pending one is still due");
}

#[tokio::test]
async fn a_lease_ends_with_the_process_that_had_the_store_open() {
    let folder = Folder::new();
    let store = folder.open();
    store.insert(&[new_task(1)]).await.unwrap();
    let lease = claim(&store, 1).await.remove(0).record.lease_token();
    assert_eq!(store.rescue(10).await.unwrap().next_in, Some(MINUTE));
    drop(store);

    let store = folder.open();
    let beat = Beat { lease, progress: None };
    assert_eq!(store.heartbeat(MINUTE, &[beat]).await.unwrap(), [Pulse::Lost]);
    assert_eq!(store.rescue(10).await.unwrap().tasks, [lease.task_id]);
    assert_eq!(store.settle(&[complete(lease, b"late")]).await.unwrap(), [Settled::Stale]);
    let again = claim(&store, 1).await.remove(0).record;
    assert_eq!((again.id, again.attempt), (lease.task_id, 2), "the lost attempt was charged");
    assert!(again.epoch > lease.epoch);
}

#[tokio::test]
async fn an_idempotency_key_survives_until_its_task_is_pruned() {
    let folder = Folder::new();
    let keyed = |number| artos_core::model::NewTask {
        idempotency_key: Some("key".into()),
        ..new_task(number)
    };
    let store = folder.open();
    store.insert(&[keyed(1)]).await.unwrap();
    drop(store);

    let store = folder.open();
    let existing = Inserted::Existing { id: keyed(1).id, same_input: false };
    assert_eq!(store.insert(&[keyed(2)]).await.unwrap(), [existing]);
    store.cancel(keyed(1).id).await.unwrap();
    drop(store);

    let store = folder.open();
    let retention = Retention::all(Duration::ZERO);
    assert_eq!(store.prune(&retention, 10).await.unwrap().count, 1);
    drop(store);

    let store = folder.open();
    assert_eq!(store.insert(&[keyed(3)]).await.unwrap(), [Inserted::Created]);
}

#[tokio::test]
async fn large_payloads_and_records_survive() {
    let folder = Folder::new();
    let large = |start: u8| {
        let pattern: Vec<_> = (start..251).collect();
        Bytes::from(pattern.repeat((64 << 20) / pattern.len()))
    };
    let labels: Labels = (0..500)
        .map(|number| (format!("key {number}").into(), format!("value {number}").into()))
        .collect();
    let task = artos_core::model::NewTask { input: large(0), labels, ..new_task(1) };
    let store = folder.open();
    store.insert(std::slice::from_ref(&task)).await.unwrap();
    drop(store);

    let store = folder.open();
    let claimed = claim(&store, 1).await.remove(0);
    assert!(claimed.payload == task.input);
    assert_eq!(claimed.record.labels, task.labels);
    store.settle(&[complete(claimed.record.lease_token(), &large(7))]).await.unwrap();
    drop(store);

    let store = folder.open();
    let found = store.get(task.id, Part::Input).await.unwrap().unwrap();
    assert!(found.payload.unwrap() == task.input);
    let found = store.get(task.id, Part::Output).await.unwrap().unwrap();
    assert!(found.payload.unwrap() == large(7));
    let blobs = folder.folder.path().join("a/b/store/blobs");
    assert_eq!(blobs.read_dir().unwrap().count(), 0);
}

/// Makes one payload after another the checkpoint of a running task, and reports a message then.
async fn advance(store: &SledStore, lease: Lease, payloads: &[&Bytes], message: &str) {
    let progress = Progress {
        stage: "stage".into(),
        stage_number: 1,
        stage_count: 9,
        percent: 40,
        message: String::from(message),
        updated_at: Timestamp::default(),
    };
    let mut from = None;
    for (number, payload) in payloads.iter().enumerate() {
        let stage = Name::from(format!("stage {number}"));
        let outcome = Outcome::Advance(Checkpoint {
            from: from.replace(stage.clone()),
            stage,
            payload: Bytes::clone(payload),
            progress: progress.clone(),
        });
        let settlement = Settlement { lease, outcome, follow_ups: Vec::new() };
        let settled = store.settle(&[settlement]).await.unwrap();
        assert_eq!(settled, [Settled::Applied(TaskState::Running)]);
    }
    let beat = Beat { lease, progress: Some(progress) };
    assert_eq!(store.heartbeat(MINUTE, &[beat]).await.unwrap(), [Pulse::Alive]);
}

#[tokio::test]
async fn the_last_checkpoint_survives_whatever_its_size_and_what_came_before_and_after() {
    let empty = Bytes::new();
    let [small, other] = [b"[1,2]", b"[3,4]"].map(|bytes| Bytes::from_static(bytes));
    let full = Bytes::from(vec![5; 1_024]);
    let [large, huge] = [2_000, 90_000].map(|len| Bytes::from(vec![6; len]));
    let histories = [
        vec![&small],
        vec![&empty],
        vec![&full],
        vec![&small, &other],
        vec![&large, &small],
        vec![&huge, &large, &full, &empty],
        vec![&small, &large],
        vec![&small, &huge, &other],
    ];
    // Beside a long message, not even a small checkpoint fits the row for what has changed.
    let messages = ["page 3 of 7", &"m".repeat(3_900)];
    let folder = Folder::new();
    let store = folder.open();
    let mut expected = HashMap::new();
    for (history, message) in histories.iter().flat_map(|history| messages.map(|m| (history, m))) {
        store.insert(&[new_task(expected.len() as u128)]).await.unwrap();
        let lease = claim(&store, 1).await.remove(0).record.lease_token();
        advance(&store, lease, history, message).await;
        expected.insert(lease.task_id, *history.last().unwrap());
    }
    let check = async |store: &SledStore| {
        for (id, payload) in &expected {
            let found = store.get(*id, Part::Checkpoint).await.unwrap().unwrap();
            assert_eq!(found.payload.as_ref(), Some(*payload));
        }
    };
    check(&store).await;
    drop(store);
    let path = folder.folder.path().join("a/b/store");
    let report = offline::verify(&path, &mut |_| {}).unwrap();
    assert!(report.is_sound(), "{:?}", report.findings);

    let store = folder.open();
    check(&store).await;
    assert_eq!(store.rescue(100).await.unwrap().tasks.len(), expected.len());
    check(&store).await;
    for claimed in claim(&store, 100).await {
        assert_eq!(Some(&&claimed.payload), expected.get(&claimed.record.id));
        store.settle(&[complete(claimed.record.lease_token(), b"out")]).await.unwrap();
    }
    assert_eq!(
        store.prune(&Retention::all(Duration::ZERO), 100).await.unwrap().count,
        expected.len()
    );
    drop(store);
    let tree = open_tree(&path);
    assert_eq!(tree.iter().keys().map(Result::unwrap).collect::<Vec<_>>(), [b"h"]);
}

#[tokio::test]
async fn a_pruned_task_leaves_nothing_behind() {
    let folder = Folder::new();
    let store = folder.open();
    let task = artos_core::model::NewTask {
        input: Bytes::from(vec![7; 100_000]),
        tenant: Some("acme".into()),
        idempotency_key: Some("key".into()),
        labels: (0..500).map(|n| (format!("{n}").into(), "value".into())).collect(),
        ..new_task(1)
    };
    store.insert(std::slice::from_ref(&task)).await.unwrap();
    let lease = claim(&store, 1).await.remove(0).record.lease_token();
    store.settle(&[complete(lease, &[9; 50_000])]).await.unwrap();
    assert_eq!(store.prune(&Retention::all(Duration::ZERO), 10).await.unwrap().count, 1);
    let filter = Filter { states: vec![TaskState::Completed], ..Filter::default() };
    let listing = ListQuery { filter, counts: true, ..ListQuery::default() };
    assert_eq!(store.list(&listing).await.unwrap().counts.unwrap().total(), 0);
    drop(store);

    let tree = open_tree(&folder.folder.path().join("a/b/store"));
    let left: Vec<_> = tree.iter().keys().map(Result::unwrap).collect();
    assert_eq!(left, [b"h"], "only the head");
}
