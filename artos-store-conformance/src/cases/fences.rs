//! Fences: no write under a lease that no longer counts changes anything, on any path.

use std::time::Duration;

use artos_core::{
    model::{Lease, NewTask, Outcome, OutcomeKind, Retention, TaskState},
    store::{Claim, Pulse, Settled},
};

use crate::{
    outcomes::{HOUR, outcome, progress, settlement_with},
    world::{World, ok},
};

/// Every write a worker can make.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Write {
    Heartbeat,
    Progress,
    Outcome(OutcomeKind),
}

/// Every way a lease can stop counting.
#[derive(Clone, Copy)]
enum Loss {
    AnotherClaim,
    Lapse,
    Rescue,
    AnotherOutcome,
    Cancellation,
    Pruning,
    SameWorkerAgain,
}

/// Loses a lease, tries the write, and checks that it was refused without a trace.
async fn refused(world: &World, write: Write, loss: Loss) {
    let lease = lose(world, write, loss).await;
    let before = world.snapshot().await;
    match write {
        Write::Heartbeat => assert_eq!(world.beat(lease, None).await, Pulse::Lost),
        Write::Progress => {
            let report = Some(progress("first", 99, "from the past"));
            assert_eq!(world.beat(lease, report).await, Pulse::Lost);
        }
        Write::Outcome(kind) => {
            let item = settlement_with(lease, outcome(kind), vec![world.task()]);
            assert_eq!(world.settle_item(item).await, Settled::Stale);
        }
    }
    assert_eq!(world.snapshot().await, before, "a refused write leaves no trace");
}

/// Runs a task and loses its lease; returns the lost lease.
async fn lose(world: &World, write: Write, loss: Loss) -> Lease {
    let task = world.task();
    world.created(&task).await;
    let request = world.claim_request(1);
    let lease = world.claims(&request).await.tasks[0].record.lease_token();
    match loss {
        Loss::AnotherClaim => claim_again(world, &world.claim_request(1)).await,
        Loss::SameWorkerAgain => claim_again(world, &request).await,
        Loss::Lapse => world.lapse().await,
        Loss::Rescue => {
            world.lapse().await;
            assert_eq!(world.rescue_ids(1).await, [task.id]);
        }
        Loss::AnotherOutcome => {
            world.settle(lease, other_outcome(write)).await;
        }
        Loss::Cancellation => {
            ok(world.store.cancel(task.id).await);
            let settled = world.settle(lease, waiting_outcome(write)).await;
            assert_eq!(settled, Settled::Applied(TaskState::Cancelled));
        }
        Loss::Pruning => {
            world.settle(lease, other_outcome(write)).await;
            if !world.record(task.id).await.is_terminal() {
                ok(world.store.cancel(task.id).await);
            }
            world.advance(HOUR).await;
            assert_eq!(world.prune(&Retention::all(HOUR / 2), 1).await, 1);
        }
    }
    lease
}

async fn claim_again(world: &World, request: &Claim) {
    world.lapse().await;
    assert_eq!(world.rescue_ids(1).await.len(), 1);
    assert_eq!(world.claims(request).await.tasks.len(), 1);
}

/// An outcome of another kind than the write, so that the write is no repetition.
fn other_outcome(write: Write) -> Outcome {
    match write {
        Write::Outcome(OutcomeKind::Complete) => outcome(OutcomeKind::Fail),
        _ => outcome(OutcomeKind::Complete),
    }
}

fn waiting_outcome(write: Write) -> Outcome {
    match write {
        Write::Outcome(OutcomeKind::Retry) => outcome(OutcomeKind::Snooze),
        _ => outcome(OutcomeKind::Retry),
    }
}

macro_rules! refusals {
    ($($name:ident: $write:expr, $loss:ident;)*) => {
        $(pub(crate) async fn $name(world: &World) {
            refused(world, $write, Loss::$loss).await;
        })*
    };
}

const HEARTBEAT: Write = Write::Heartbeat;
const PROGRESS: Write = Write::Progress;
const ADVANCE: Write = Write::Outcome(OutcomeKind::Advance);
const COMPLETE: Write = Write::Outcome(OutcomeKind::Complete);
const RETRY: Write = Write::Outcome(OutcomeKind::Retry);
const SNOOZE: Write = Write::Outcome(OutcomeKind::Snooze);
const FAIL: Write = Write::Outcome(OutcomeKind::Fail);
const CANCEL: Write = Write::Outcome(OutcomeKind::Cancel);
const INTERRUPT: Write = Write::Outcome(OutcomeKind::Interrupt);

refusals! {
    a_heartbeat_is_refused_after_another_claim: HEARTBEAT, AnotherClaim;
    a_heartbeat_is_refused_after_the_lease_lapsed: HEARTBEAT, Lapse;
    a_heartbeat_is_refused_after_a_rescue: HEARTBEAT, Rescue;
    a_heartbeat_is_refused_after_another_outcome: HEARTBEAT, AnotherOutcome;
    a_heartbeat_is_refused_after_a_cancellation: HEARTBEAT, Cancellation;
    a_heartbeat_is_refused_after_the_task_was_pruned: HEARTBEAT, Pruning;
    a_heartbeat_is_refused_after_the_same_worker_claimed_again: HEARTBEAT, SameWorkerAgain;
    progress_is_refused_after_another_claim: PROGRESS, AnotherClaim;
    progress_is_refused_after_the_lease_lapsed: PROGRESS, Lapse;
    progress_is_refused_after_a_rescue: PROGRESS, Rescue;
    progress_is_refused_after_another_outcome: PROGRESS, AnotherOutcome;
    progress_is_refused_after_a_cancellation: PROGRESS, Cancellation;
    progress_is_refused_after_the_task_was_pruned: PROGRESS, Pruning;
    progress_is_refused_after_the_same_worker_claimed_again: PROGRESS, SameWorkerAgain;
    an_advance_is_refused_after_another_claim: ADVANCE, AnotherClaim;
    an_advance_is_refused_after_the_lease_lapsed: ADVANCE, Lapse;
    an_advance_is_refused_after_a_rescue: ADVANCE, Rescue;
    an_advance_is_refused_after_another_outcome: ADVANCE, AnotherOutcome;
    an_advance_is_refused_after_a_cancellation: ADVANCE, Cancellation;
    an_advance_is_refused_after_the_task_was_pruned: ADVANCE, Pruning;
    an_advance_is_refused_after_the_same_worker_claimed_again: ADVANCE, SameWorkerAgain;
    a_complete_is_refused_after_another_claim: COMPLETE, AnotherClaim;
    a_complete_is_refused_after_the_lease_lapsed: COMPLETE, Lapse;
    a_complete_is_refused_after_a_rescue: COMPLETE, Rescue;
    a_complete_is_refused_after_another_outcome: COMPLETE, AnotherOutcome;
    a_complete_is_refused_after_a_cancellation: COMPLETE, Cancellation;
    a_complete_is_refused_after_the_task_was_pruned: COMPLETE, Pruning;
    a_complete_is_refused_after_the_same_worker_claimed_again: COMPLETE, SameWorkerAgain;
    a_retry_is_refused_after_another_claim: RETRY, AnotherClaim;
    a_retry_is_refused_after_the_lease_lapsed: RETRY, Lapse;
    a_retry_is_refused_after_a_rescue: RETRY, Rescue;
    a_retry_is_refused_after_another_outcome: RETRY, AnotherOutcome;
    a_retry_is_refused_after_a_cancellation: RETRY, Cancellation;
    a_retry_is_refused_after_the_task_was_pruned: RETRY, Pruning;
    a_retry_is_refused_after_the_same_worker_claimed_again: RETRY, SameWorkerAgain;
    a_snooze_is_refused_after_another_claim: SNOOZE, AnotherClaim;
    a_snooze_is_refused_after_the_lease_lapsed: SNOOZE, Lapse;
    a_snooze_is_refused_after_a_rescue: SNOOZE, Rescue;
    a_snooze_is_refused_after_another_outcome: SNOOZE, AnotherOutcome;
    a_snooze_is_refused_after_a_cancellation: SNOOZE, Cancellation;
    a_snooze_is_refused_after_the_task_was_pruned: SNOOZE, Pruning;
    a_snooze_is_refused_after_the_same_worker_claimed_again: SNOOZE, SameWorkerAgain;
    a_fail_is_refused_after_another_claim: FAIL, AnotherClaim;
    a_fail_is_refused_after_the_lease_lapsed: FAIL, Lapse;
    a_fail_is_refused_after_a_rescue: FAIL, Rescue;
    a_fail_is_refused_after_another_outcome: FAIL, AnotherOutcome;
    a_fail_is_refused_after_a_cancellation: FAIL, Cancellation;
    a_fail_is_refused_after_the_task_was_pruned: FAIL, Pruning;
    a_fail_is_refused_after_the_same_worker_claimed_again: FAIL, SameWorkerAgain;
    a_cancel_is_refused_after_another_claim: CANCEL, AnotherClaim;
    a_cancel_is_refused_after_the_lease_lapsed: CANCEL, Lapse;
    a_cancel_is_refused_after_a_rescue: CANCEL, Rescue;
    a_cancel_is_refused_after_another_outcome: CANCEL, AnotherOutcome;
    a_cancel_is_refused_after_a_cancellation: CANCEL, Cancellation;
    a_cancel_is_refused_after_the_task_was_pruned: CANCEL, Pruning;
    a_cancel_is_refused_after_the_same_worker_claimed_again: CANCEL, SameWorkerAgain;
    an_interrupt_is_refused_after_another_claim: INTERRUPT, AnotherClaim;
    an_interrupt_is_refused_after_the_lease_lapsed: INTERRUPT, Lapse;
    an_interrupt_is_refused_after_a_rescue: INTERRUPT, Rescue;
    an_interrupt_is_refused_after_another_outcome: INTERRUPT, AnotherOutcome;
    an_interrupt_is_refused_after_a_cancellation: INTERRUPT, Cancellation;
    an_interrupt_is_refused_after_the_task_was_pruned: INTERRUPT, Pruning;
    an_interrupt_is_refused_after_the_same_worker_claimed_again: INTERRUPT, SameWorkerAgain;
}

pub(crate) async fn a_lease_of_an_epoch_that_never_was_is_refused(world: &World) {
    let lease = world.run_new().await;
    for epoch in [0, 2, u64::MAX >> 1] {
        let forged = Lease { epoch: artos_core::model::Epoch(epoch), ..lease };
        assert_eq!(world.beat(forged, None).await, Pulse::Lost, "{epoch}");
        for kind in OutcomeKind::ALL {
            let settled = world.settle(forged, outcome(kind)).await;
            assert_eq!(settled, Settled::Stale, "{kind} under epoch {epoch}");
        }
    }
    assert_eq!(world.beat(lease, None).await, Pulse::Alive);
}

pub(crate) async fn a_lease_on_a_task_that_was_never_claimed_is_refused(world: &World) {
    let id = world.insert_new().await;
    let before = world.snapshot().await;
    let forged = world.record(id).await.lease_token();
    assert_eq!(world.beat(forged, None).await, Pulse::Lost);
    for kind in OutcomeKind::ALL {
        let settled = world.settle(forged, outcome(kind)).await;
        assert_eq!(settled, Settled::Stale, "{kind}");
    }
    assert_eq!(world.snapshot().await, before);
}

pub(crate) async fn a_lease_on_an_unknown_task_is_refused(world: &World) {
    let forged = Lease { task_id: world.new_id(), epoch: artos_core::model::Epoch(1) };
    let follow_up = world.task();
    assert_eq!(world.beat(forged, None).await, Pulse::Lost);
    for kind in OutcomeKind::ALL {
        let item = settlement_with(forged, outcome(kind), vec![follow_up.clone()]);
        assert_eq!(world.settle_item(item).await, Settled::Stale, "{kind}");
    }
    assert_eq!(world.snapshot().await, []);
}

pub(crate) async fn a_pruned_task_that_is_inserted_again_refuses_its_old_lease(world: &World) {
    let task: NewTask = world.task();
    let lease = world.run(&task).await;
    world.settle(lease, outcome(OutcomeKind::Complete)).await;
    assert_eq!(world.prune(&Retention::all(Duration::ZERO), 1).await, 1);
    world.created(&task).await;
    let settled = world.settle(lease, outcome(OutcomeKind::Complete)).await;
    assert_eq!(settled, Settled::Stale);
    assert_eq!(world.state(task.id).await, TaskState::Pending);
}

pub(crate) async fn the_live_lease_still_counts_after_a_refusal(world: &World) {
    let old = lose(world, HEARTBEAT, Loss::AnotherClaim).await;
    let live = world.record(old.task_id).await.lease_token();
    world.settle(old, outcome(OutcomeKind::Fail)).await;
    assert_eq!(world.beat(live, None).await, Pulse::Alive);
    let settled = world.settle(live, outcome(OutcomeKind::Complete)).await;
    assert_eq!(settled, Settled::Applied(TaskState::Completed));
}
