//! A store with a task in every state, and with everything a task can have.

use std::time::Duration;

use artos_core::{
    Name, Timestamp,
    model::{
        Checkpoint, Failure, FailureCause, Labels, Lease, NewTask, Outcome, Progress, Retention,
        Settlement, StartAt,
    },
    store::{Beat, Claimed, TaskStore},
};
use artos_store_conformance::ManualClock;
use bytes::Bytes;

use super::{claim, complete, new_task};

const HOUR: Duration = Duration::from_secs(3_600);
/// More than fits a record, and not the same in every chunk.
const LARGE_BYTES: u32 = 5_000;

/// Fills a store. What is in it depends on nothing but the clock.
pub(crate) async fn fill(store: &impl TaskStore, clock: &ManualClock) {
    waiting(store).await;
    pruned(store, clock).await;
    ended(store).await;
    running(store).await;
}

fn large(seed: u32) -> Bytes {
    (0..LARGE_BYTES).map(|at| (at.wrapping_mul(seed) % 251).to_le_bytes()[0]).collect()
}

/// So many labels that a record does not fit a row.
fn many_labels() -> Labels {
    let label = |number| (Name::from(format!("key {number}")), Name::from("v".repeat(100)));
    (0..40).map(label).collect()
}

fn failure(message: &str) -> Failure {
    Failure {
        cause: FailureCause::Error,
        stage: Some(Name::from_static("parse")),
        attempt: 1,
        message: String::from(message),
        at: Timestamp::default(),
    }
}

fn progress(percent: u8) -> Progress {
    Progress {
        stage: Name::from_static("parse"),
        stage_number: 1,
        stage_count: 3,
        percent,
        message: String::from("page 3 of 7"),
        updated_at: Timestamp::default(),
    }
}

/// Inserts a task in front of all others, and claims it.
async fn claimed(store: &impl TaskStore, task: NewTask) -> Claimed {
    let id = task.id;
    store.insert(&[NewTask { priority: i16::MAX, ..task }]).await.unwrap();
    let claimed = claim(store, 1).await.remove(0);
    assert_eq!(claimed.record.id, id);
    claimed
}

async fn settled(store: &impl TaskStore, task: NewTask, outcome: Outcome) {
    let lease = claimed(store, task).await.record.lease_token();
    settle(store, lease, outcome).await;
}

async fn settle(store: &impl TaskStore, lease: Lease, outcome: Outcome) {
    store.settle(&[Settlement { lease, outcome, follow_ups: Vec::new() }]).await.unwrap();
}

async fn waiting(store: &impl TaskStore) {
    let everything = NewTask {
        tenant: Some(Name::from_static("acme")),
        labels: [("customer", "17"), ("region", "eu")]
            .map(|(key, value)| (Name::from_static(key), Name::from_static(value)))
            .into(),
        idempotency_key: Some(Name::from_static("order 17")),
        priority: -5,
        expires_after: Some(24 * HOUR),
        ..new_task(1)
    };
    let long = NewTask {
        kind: Name::from("k".repeat(60)),
        tenant: Some(Name::from("t".repeat(60))),
        labels: [(Name::from("l".repeat(30)), Name::from("v".repeat(30)))].into(),
        ..new_task(2)
    };
    let spilled = NewTask { labels: many_labels(), input: large(7), ..new_task(3) };
    let again = NewTask {
        retry_of: Some(new_task(20).id),
        checkpoint: Some((Name::from_static("render"), Bytes::from_static(b"[1,2]"))),
        ..new_task(4)
    };
    let scheduled = NewTask { start_at: StartAt::After(HOUR), ..new_task(5) };
    let odd = [
        NewTask { input: large(3), ..new_task(6) },
        NewTask { input: Bytes::from_static(b"\xFF\x00 no JSON"), ..new_task(7) },
        NewTask { input: Bytes::from_static(b"{\n  \"a\": 1.50\n}"), ..new_task(8) },
        NewTask { input: Bytes::new(), ..new_task(9) },
    ];
    store.insert(&[everything, long, spilled, again, scheduled]).await.unwrap();
    store.insert(&odd).await.unwrap();
    let delay = HOUR;
    let retry = Outcome::Retry { failure: failure("the printer is out of paper"), delay };
    settled(store, new_task(10), retry).await;
    settled(store, new_task(11), Outcome::Snooze { delay }).await;
    settled(store, NewTask { priority: 1, ..new_task(12) }, Outcome::Interrupt).await;
    store.cancel(new_task(12).id).await.unwrap();
}

async fn ended(store: &impl TaskStore) {
    settled(store, new_task(20), Outcome::Fail { failure: failure("no such page") }).await;
    settled(store, new_task(21), Outcome::Complete { output: Bytes::from_static(b"\"ok\"") }).await;
    settled(store, new_task(22), Outcome::Complete { output: large(11) }).await;
    settled(store, new_task(23), Outcome::Cancel).await;
    store.insert(&[new_task(24)]).await.unwrap();
    store.cancel(new_task(24).id).await.unwrap();
    let keyed = NewTask { idempotency_key: Some(Name::from_static("key")), ..new_task(25) };
    settled(store, keyed, Outcome::Complete { output: Bytes::from_static(b"null") }).await;
}

async fn running(store: &impl TaskStore) {
    let beaten = claimed(store, new_task(30)).await.record.lease_token();
    let beat = Beat { lease: beaten, progress: Some(progress(40)) };
    store.heartbeat(HOUR, &[beat]).await.unwrap();

    let advanced = claimed(store, new_task(31)).await.record.lease_token();
    let checkpoint = |from: Option<&'static str>, stage, payload| Checkpoint {
        from: from.map(Name::from_static),
        stage: Name::from_static(stage),
        payload,
        progress: progress(0),
    };
    let follow_ups = vec![new_task(40), NewTask { input: large(5), ..new_task(41) }];
    let outcome = Outcome::Advance(checkpoint(None, "parse", large(13)));
    store.settle(&[Settlement { lease: advanced, outcome, follow_ups }]).await.unwrap();
    let outcome = Outcome::Advance(checkpoint(Some("parse"), "render", large(17)));
    settle(store, advanced, outcome).await;

    claimed(store, new_task(32)).await;
    store.cancel(new_task(32).id).await.unwrap();

    claimed(store, NewTask { labels: many_labels(), ..new_task(33) }).await;

    let small = Bytes::from_static(b"{\"pages\":7}");
    let lease = claimed(store, new_task(34)).await.record.lease_token();
    settle(store, lease, Outcome::Advance(checkpoint(None, "parse", small.clone()))).await;
    let beat = Beat { lease, progress: Some(progress(70)) };
    store.heartbeat(HOUR, &[beat]).await.unwrap();

    let lease = claimed(store, new_task(35)).await.record.lease_token();
    settle(store, lease, Outcome::Advance(checkpoint(None, "parse", large(29)))).await;
    settle(store, lease, Outcome::Advance(checkpoint(Some("parse"), "render", small))).await;
}

/// Tasks that were there and are no more.
async fn pruned(store: &impl TaskStore, clock: &ManualClock) {
    let task = NewTask {
        tenant: Some(Name::from_static("gone")),
        idempotency_key: Some(Name::from_static("gone")),
        labels: [(Name::from_static("gone"), Name::from_static("yes"))].into(),
        input: large(19),
        ..new_task(50)
    };
    let lease = claimed(store, task).await.record.lease_token();
    store.settle(&[complete(lease, &large(23))]).await.unwrap();
    clock.advance(Duration::from_millis(1));
    let retention = Retention { completed: Duration::ZERO, ..Retention::default() };
    assert_eq!(store.prune(&retention, 100).await.unwrap().count, 1);
}
