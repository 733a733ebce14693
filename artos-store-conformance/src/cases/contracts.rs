//! What a service that accepts work owes those who hand it in, each as one story.
//!
//! Single promises have cases of their own elsewhere; here they have to hold together.

use std::time::Duration;

use artos_core::{
    model::{Lease, NewTask, Outcome, OutcomeKind, Retention, StartAt, TaskId, TaskState},
    store::{Claim, Claimed, Inserted, Part, Pulse, Settled},
};
use bytes::Bytes;
use futures::future::join;
use tokio::sync::Notify;

use crate::{
    outcomes::{HOUR, MINUTE, advance, complete, outcome, progress, retry, settlement_with},
    world::{World, ok},
};

/// How long a story's leases last: less than the smallest jump of a clock.
const SHORT_LEASE: Duration = Duration::from_secs(20 * 60);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Batches that are accepted while others look.
const BATCHES: usize = 40;

// Acceptance.

pub(crate) async fn an_acceptance_is_whole_or_not_at_all(world: &World) {
    let batches: Vec<Vec<NewTask>> = (0..BATCHES)
        .map(|batch| {
            (0..3)
                .map(|number| NewTask {
                    labels: [("batch".into(), batch.to_string().into())].into(),
                    checkpoint: Some(("second".into(), Bytes::from_static(b"\"given\""))),
                    ..world.keyed(&format!("{batch}-{number}"))
                })
                .collect()
        })
        .collect();
    let all = batches.concat();
    let done = Notify::new();
    let accepting = async {
        for batch in &batches {
            assert_eq!(world.insert_all(batch).await, [const { Inserted::Created }; 3]);
            // The caller did not hear the answer, and asks again.
            let again = world.insert_all(batch).await;
            let same = |task: &NewTask| Inserted::Existing { id: task.id, same_input: true };
            assert_eq!(again, batch.iter().map(same).collect::<Vec<_>>());
        }
        done.notify_one();
    };
    // On one thread, so that whoever pauses in the middle of an insert is looked at there.
    let watching = async {
        let mut over = std::pin::pin!(done.notified());
        loop {
            let ended = futures::poll!(over.as_mut()).is_ready();
            let seen = watch_all(world, &all).await;
            if ended {
                return seen;
            }
            tokio::task::yield_now().await;
        }
    };
    let ((), seen) = join(accepting, watching).await;
    assert_eq!(seen, all.len(), "everything that was accepted is there");
    // A key that was accepted stands for its task until that is pruned, however it ended.
    for task in all.iter().take(6) {
        ok(world.store.cancel(task.id).await);
        let other = NewTask { id: world.new_id(), ..task.clone() };
        let existing = Inserted::Existing { id: task.id, same_input: true };
        assert_eq!(world.insert(&other).await, existing);
        assert!(!world.exists(other.id).await);
    }
}

/// Looks at every task once, and checks that none is there by half; returns how many are there.
async fn watch_all(world: &World, tasks: &[NewTask]) -> usize {
    let mut seen = 0;
    for task in tasks {
        let Some(found) = world.find(task.id, Part::Input).await else {
            continue;
        };
        assert_eq!(found.payload.as_ref(), Some(&task.input), "an accepted task has its input");
        assert_eq!(found.record.labels, task.labels);
        let checkpoint = task.checkpoint.as_ref().map(|(_, payload)| payload);
        assert_eq!(world.payload(task.id, Part::Checkpoint).await.as_ref(), checkpoint);
        let other = NewTask { id: world.new_id(), ..task.clone() };
        let existing = Inserted::Existing { id: task.id, same_input: true };
        assert_eq!(world.insert(&other).await, existing, "an accepted task has its key");
        seen += 1;
    }
    seen
}

// Ownership.

/// Checks that a lease that no longer counts can neither renew nor report nor end anything.
async fn refused(world: &World, lease: Lease) {
    let before = world.snapshot().await;
    assert_eq!(world.beat(lease, None).await, Pulse::Lost, "a renewal");
    let report = progress("first", 99, "from the past");
    assert_eq!(world.beat(lease, Some(report)).await, Pulse::Lost, "progress");
    for kind in OutcomeKind::ALL {
        let item = settlement_with(lease, outcome(kind), vec![world.task()]);
        assert_eq!(world.settle_item(item).await, Settled::Stale, "the outcome {kind}");
    }
    assert_eq!(world.snapshot().await, before, "a refused write leaves no trace");
}

/// Loses what a worker runs, and gives it to `next`.
async fn pass_on(world: &World, id: TaskId, next: &Claim) -> Claimed {
    world.lapse().await;
    assert_eq!(world.rescue_ids(10).await, [id]);
    let mut claimed = world.claims(next).await.tasks;
    assert_eq!(claimed.len(), 1);
    claimed.remove(0)
}

/// The one who has the task now finishes it.
async fn finishes(world: &World, claimed: &Claimed) {
    let lease = claimed.record.lease_token();
    assert_eq!(world.beat(lease, None).await, Pulse::Alive);
    let settled = world.settle(lease, complete("\"right\"")).await;
    assert_eq!(settled, Settled::Applied(TaskState::Completed));
    let output = world.payload(lease.task_id, Part::Output).await.unwrap();
    assert_eq!(&output[..], b"\"right\"");
}

pub(crate) async fn a_stale_worker_cannot_complete_renew_or_report(world: &World) {
    let stale = world.run_new().await;
    let next = world.claim_request(1);
    let claimed = pass_on(world, stale.task_id, &next).await;
    refused(world, stale).await;
    finishes(world, &claimed).await;
    refused(world, stale).await;
}

pub(crate) async fn an_expired_worker_cannot_complete_renew_or_report(world: &World) {
    let expired = world.run_new().await;
    world.lapse().await;
    // Nobody took the task back yet, and it is not the worker's any more.
    refused(world, expired).await;
    assert_eq!(world.rescue_ids(10).await, [expired.task_id]);
    refused(world, expired).await;
    let claimed = world.claim_one().await;
    refused(world, expired).await;
    finishes(world, &claimed).await;
}

pub(crate) async fn a_reused_worker_cannot_complete_renew_or_report(world: &World) {
    let worker = world.claim_request(1);
    world.insert_new().await;
    let old = world.claims(&worker).await.tasks[0].record.lease_token();
    let claimed = pass_on(world, old.task_id, &worker).await;
    refused(world, old).await;
    let again = pass_on(world, old.task_id, &worker).await;
    refused(world, old).await;
    refused(world, claimed.record.lease_token()).await;
    finishes(world, &again).await;
}

pub(crate) async fn a_retry_is_finished_by_a_fresh_worker(world: &World) {
    let first = world.run_new().await;
    world.settle(first, advance("second", "\"kept\"")).await;
    let failed = retry(MINUTE);
    assert_eq!(world.settle(first, failed).await, Settled::Applied(TaskState::Pending));
    assert_eq!(world.claim(1).await, [], "the backoff lasts");
    world.advance(2 * MINUTE).await;
    let fresh = world.claim_one().await;
    assert_eq!(fresh.record.id, first.task_id);
    assert_eq!((fresh.record.epoch.0, fresh.record.attempt), (2, 2));
    assert_eq!(fresh.record.stage.as_deref(), Some("second"));
    assert_eq!(&fresh.payload[..], b"\"kept\"", "it goes on where the other stopped");
    refused(world, first).await;
    finishes(world, &fresh).await;
}

pub(crate) async fn a_restart_under_the_same_name_mixes_nothing_up(world: &World) {
    // A process and its successor share a name, and for a while they run side by side.
    let name = world.claim_request(1);
    let mut leases = Vec::new();
    for _ in 0..3 {
        world.insert_new().await;
        leases.push(world.claims(&name).await.tasks[0].record.lease_token());
    }
    for lease in &leases {
        assert_eq!(world.beat(*lease, None).await, Pulse::Alive, "the successor took it away");
    }
    // The old one hands a task back, and the new one gets it under the same name.
    let handed = leases[0];
    let settled = world.settle(handed, Outcome::Interrupt).await;
    assert_eq!(settled, Settled::Applied(TaskState::Pending));
    let taken = world.claims(&name).await.tasks.remove(0);
    assert_eq!((taken.record.id, taken.record.attempt), (handed.task_id, 1), "uncharged");
    refused(world, handed).await;
    // The others are the old one's until it ends, and then nobody's, whatever the name.
    world.advance(HOUR / 2).await;
    world.beat(taken.record.lease_token(), None).await;
    world.advance(HOUR * 2 / 3).await;
    let mut rescued = world.rescue_ids(10).await;
    rescued.sort_unstable();
    assert_eq!(rescued, [leases[1].task_id, leases[2].task_id]);
    for expected in &leases[1..] {
        let claimed = world.claims(&name).await.tasks.remove(0);
        assert_eq!(claimed.record.id, expected.task_id);
        refused(world, *expected).await;
        finishes(world, &claimed).await;
    }
    finishes(world, &taken).await;
}

// Clocks. It is the store's clock that jumps: nobody else's decides anything.

async fn run_briefly(world: &World) -> Lease {
    world.insert_new().await;
    let request = Claim { lease_for: SHORT_LEASE, ..world.claim_request(1) };
    world.claims(&request).await.tasks[0].record.lease_token()
}

async fn jump_ahead(world: &World, by: Duration) {
    let lost = run_briefly(world).await;
    world.settle(lost, advance("further", "\"kept\"")).await;
    let ended = world.ended(TaskState::Completed).await;
    let later = |after| NewTask { start_at: StartAt::After(after), ..world.task() };
    let (due, not_due) = (later(by / 2), later(by * 2));
    world.created(&due).await;
    world.created(&not_due).await;

    world.advance(by).await;

    refused(world, lost).await;
    assert_eq!(world.rescue_ids(10).await, [lost.task_id]);
    let claims = world.claims(&world.claim_request(10)).await;
    let ids: Vec<_> = claims.tasks.iter().map(|claimed| claimed.record.id).collect();
    assert_eq!(ids, [due.id, lost.task_id]);
    let next = claims.next_due_in.unwrap();
    assert!(next <= by && next > by - MINUTE, "{next:?}");
    let again = &claims.tasks[1];
    assert_eq!((again.record.epoch.0, again.record.attempt), (3, 2));
    assert_eq!(&again.payload[..], b"\"kept\"");
    refused(world, lost).await;
    assert_eq!(world.prune(&Retention::all(by + HOUR), 10).await, 0, "it was kept too shortly");
    assert_eq!(world.prune(&Retention::all(by / 2), 10).await, 1);
    assert!(!world.exists(ended).await);
    finishes(world, again).await;
}

async fn jump_back(world: &World, by: Duration) {
    let live = run_briefly(world).await;
    let orphan = run_briefly(world).await;
    let ended = world.ended(TaskState::Failed).await;
    let waiting = world.insert_new().await;
    let epochs = [world.record(live.task_id).await.epoch, world.record(orphan.task_id).await.epoch];

    world.set_back(by).await;

    // No lease ended, and none is given twice.
    assert_eq!(world.rescue_ids(10).await, []);
    assert_eq!(world.beat(live, None).await, Pulse::Alive);
    assert_eq!(world.claim(10).await, [], "what was accepted later is due later");
    let fresh = world.insert_new().await;
    assert_eq!(world.claim_one().await.record.id, fresh, "what is accepted now is due now");
    assert_eq!(world.prune(&Retention::all(MINUTE), 10).await, 0, "its end lies ahead");
    assert_eq!(world.state(ended).await, TaskState::Failed);
    let moved = advance("second", "\"kept\"");
    assert_eq!(world.settle(live, moved).await, Settled::Applied(TaskState::Running));
    let found = [world.record(live.task_id).await.epoch, world.record(orphan.task_id).await.epoch];
    assert_eq!(found, epochs);
    let settled = world.settle(live, complete("\"right\"")).await;
    assert_eq!(settled, Settled::Applied(TaskState::Completed));

    // When the time is there again, so is everything else.
    world.advance(by + SHORT_LEASE + MINUTE).await;
    assert_eq!(world.rescue_ids(10).await.len(), 2, "the orphan, and what came after the jump");
    refused(world, orphan).await;
    let claimed = world.claim(10).await;
    let find = |id| claimed.iter().find(|claimed| claimed.record.id == id).unwrap();
    assert_eq!(find(waiting).record.attempt, 1);
    assert_eq!(find(orphan.task_id).record.attempt, 2);
    finishes(world, find(orphan.task_id)).await;
    assert_eq!(world.beat(live, None).await, Pulse::Lost);
}

pub(crate) async fn a_clock_that_jumps_an_hour_ahead_ends_leases_and_waits(world: &World) {
    jump_ahead(world, HOUR).await;
}

pub(crate) async fn a_clock_that_jumps_a_day_ahead_ends_leases_and_waits(world: &World) {
    jump_ahead(world, DAY).await;
}

pub(crate) async fn a_clock_that_jumps_an_hour_back_ends_no_lease_and_loses_nothing(world: &World) {
    jump_back(world, HOUR).await;
}

pub(crate) async fn a_clock_that_jumps_a_day_back_ends_no_lease_and_loses_nothing(world: &World) {
    jump_back(world, DAY).await;
}
