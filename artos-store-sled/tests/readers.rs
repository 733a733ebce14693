//! Readers that run beside the writers see each task as it was at one moment.

mod tasks;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use artos_core::{
    Name, Timestamp,
    model::{Checkpoint, Lease, ListQuery, Outcome, Progress, Settlement},
    store::{Part, Settled, TaskStore as _},
};
use artos_store_sled::{Durability, SledStore};
use bytes::Bytes;

use tokio::task::JoinSet;

use tasks::{claim, new_task};

fn advance(lease: Lease, from: Option<Name>, to: &Name, payload: Bytes) -> Settlement {
    let progress = Progress {
        stage: to.clone(),
        stage_number: 1,
        stage_count: 2,
        percent: 0,
        message: String::new(),
        updated_at: Timestamp::MIN,
    };
    let checkpoint = Checkpoint { from, stage: to.clone(), payload, progress };
    Settlement { lease, outcome: Outcome::Advance(checkpoint), follow_ups: Vec::new() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_can_be_read_while_it_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let builder = SledStore::builder(folder.path()).durability(Durability::Process);
    let store = builder.open().unwrap();
    let id = new_task(1).id;
    store.insert(&[new_task(1)]).await.unwrap();
    let lease = claim(&store, 1).await.remove(0).record.lease_token();
    let ended = Arc::new(AtomicBool::new(false));
    let mut readers = JoinSet::new();
    for _ in 0..4 {
        let (store, ended) = (store.clone(), Arc::clone(&ended));
        readers.spawn(async move {
            let mut last = 0;
            while !ended.load(Ordering::Relaxed) {
                let found = store.get(id, Part::Checkpoint).await.unwrap().unwrap();
                let payload = found.payload.unwrap_or_default();
                let first = payload.first().copied().unwrap_or_default();
                assert!(payload.iter().all(|byte| *byte == first), "two payloads in one");
                assert!(found.record.revision >= last, "time went back");
                last = found.record.revision;
            }
        });
    }
    let mut from = None;
    for number in 0..400_u32 {
        let to = Name::from(format!("stage {number}"));
        // Large enough to be in chunks.
        let payload = Bytes::from(vec![u8::try_from(number % 251).unwrap(); 6_000]);
        let settled = store.settle(&[advance(lease, from, &to, payload)]).await.unwrap();
        assert!(matches!(settled[..], [Settled::Applied(_)]));
        from = Some(to);
    }
    ended.store(true, Ordering::Relaxed);
    readers.join_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poll_shows_nothing_older_than_what_was_acknowledged_or_listed() {
    let folder = tempfile::tempdir().unwrap();
    let builder = SledStore::builder(folder.path()).durability(Durability::Process);
    let store = builder.open().unwrap();
    let id = new_task(1).id;
    store.insert(&[new_task(1)]).await.unwrap();
    let acknowledged = Arc::new(AtomicU64::new(0));
    let ended = Arc::new(AtomicBool::new(false));
    let mut readers = JoinSet::new();
    for _ in 0..4 {
        let (store, ended) = (store.clone(), Arc::clone(&ended));
        let acknowledged = Arc::clone(&acknowledged);
        readers.spawn(async move {
            let poll = async || {
                let found = store.get(id, Part::Record).await.unwrap().unwrap();
                found.record.revision
            };
            while !ended.load(Ordering::SeqCst) {
                let least = acknowledged.load(Ordering::SeqCst);
                let polled = poll().await;
                assert!(polled >= least, "found {polled}, and {least} was acknowledged");
                let page = store.list(&ListQuery::default()).await.unwrap();
                let listed = page.tasks.first().unwrap().revision;
                assert!(listed >= polled, "listed {listed} after {polled}");
                // Twice: the first of these may be what is remembered.
                for _ in 0..2 {
                    let polled = poll().await;
                    assert!(polled >= listed, "found {polled} after {listed} was listed");
                }
            }
        });
    }
    for _ in 0..400 {
        let claimed = claim(&store, 1).await.remove(0).record;
        acknowledged.store(claimed.revision, Ordering::SeqCst);
        let outcome = Outcome::Snooze { delay: Duration::ZERO };
        let lease = claimed.lease_token();
        let settled = store.settle(&[Settlement { lease, outcome, follow_ups: Vec::new() }]).await;
        assert!(matches!(settled.unwrap()[..], [Settled::Applied(_)]));
        acknowledged.store(claimed.revision + 1, Ordering::SeqCst);
        // Others get to remember what is there.
        assert!(store.get(id, Part::Record).await.unwrap().is_some());
    }
    ended.store(true, Ordering::SeqCst);
    readers.join_all().await;
}
