//! Cancelling: at once while pending, by a wish while running, never after the end.

use std::time::Duration;

use artos_core::{
    machine::Cancelled,
    model::{NewTask, Outcome, StartAt, TaskState},
    store::{Part, Pulse, Settled},
};

use crate::{
    outcomes::{HOUR, MINUTE, advance, advance_from, complete, fail, retry, snooze},
    world::{World, ok},
};

async fn cancel(world: &World, id: artos_core::model::TaskId) -> Cancelled {
    ok(world.store.cancel(id).await)
}

pub(crate) async fn a_pending_task_is_cancelled_at_once(world: &World) {
    let id = world.insert_new().await;
    assert_eq!(cancel(world, id).await, Cancelled::Now);
    let record = world.record(id).await;
    assert_eq!(record.state, TaskState::Cancelled);
    assert_eq!(record.finished_at, Some(record.updated_at));
    assert_eq!(world.claim_ids(1).await, []);
}

pub(crate) async fn a_task_for_later_is_cancelled_at_once(world: &World) {
    let task = NewTask { start_at: StartAt::After(HOUR), ..world.task() };
    world.created(&task).await;
    assert_eq!(cancel(world, task.id).await, Cancelled::Now);
    world.advance(HOUR * 2).await;
    assert_eq!(world.claim_ids(1).await, []);
}

pub(crate) async fn a_task_that_waits_for_its_next_attempt_is_cancelled_at_once(world: &World) {
    let lease = world.run_second_stage().await;
    world.settle(lease, retry(HOUR)).await;
    assert_eq!(cancel(world, lease.task_id).await, Cancelled::Now);
    let checkpoint = world.payload(lease.task_id, Part::Checkpoint).await;
    assert_eq!(checkpoint.unwrap(), "\"first\"");
}

pub(crate) async fn a_running_task_is_asked_to_stop(world: &World) {
    let lease = world.run_new().await;
    assert_eq!(cancel(world, lease.task_id).await, Cancelled::Requested);
    let record = world.record(lease.task_id).await;
    assert_eq!(record.state, TaskState::Running);
    assert!(record.cancel_requested);
    assert!(record.lease.is_some());
}

pub(crate) async fn the_next_heartbeat_tells_of_the_wish_to_cancel(world: &World) {
    let lease = world.run_new().await;
    assert_eq!(world.beat(lease, None).await, Pulse::Alive);
    cancel(world, lease.task_id).await;
    assert_eq!(world.beat(lease, None).await, Pulse::CancelRequested);
    assert_eq!(world.beat(lease, None).await, Pulse::CancelRequested);
}

pub(crate) async fn asking_twice_changes_nothing(world: &World) {
    let lease = world.run_new().await;
    cancel(world, lease.task_id).await;
    let before = world.snapshot().await;
    world.advance(MINUTE).await;
    assert_eq!(cancel(world, lease.task_id).await, Cancelled::Requested);
    assert_eq!(world.snapshot().await, before);
}

pub(crate) async fn a_terminal_task_stays_as_it_is(world: &World) {
    for state in TaskState::ALL.into_iter().filter(|s| s.is_terminal()) {
        let id = world.ended(state).await;
        let before = world.record(id).await;
        world.advance(MINUTE).await;
        assert_eq!(cancel(world, id).await, Cancelled::AlreadyTerminal(state));
        assert_eq!(world.record(id).await, before);
    }
}

pub(crate) async fn an_unknown_task_cannot_be_cancelled(world: &World) {
    assert_eq!(cancel(world, world.new_id()).await, Cancelled::Unknown);
    assert_eq!(world.snapshot().await, []);
}

/// Asks a running task to stop, settles it with `outcome`, and returns the state it ends in.
async fn wish_then(world: &World, outcome: Outcome) -> TaskState {
    let lease = world.run_second_stage().await;
    cancel(world, lease.task_id).await;
    let settled = world.settle(lease, outcome).await;
    let record = world.record(lease.task_id).await;
    assert_eq!(settled, Settled::Applied(record.state));
    assert_eq!(record.finished_at, Some(record.updated_at));
    assert_eq!(record.lease, None);
    record.state
}

pub(crate) async fn a_wish_does_not_undo_a_completion(world: &World) {
    let state = wish_then(world, complete("1")).await;
    assert_eq!(state, TaskState::Completed);
}

pub(crate) async fn a_wish_does_not_undo_a_failure(world: &World) {
    assert_eq!(wish_then(world, fail()).await, TaskState::Failed);
}

pub(crate) async fn a_wish_turns_a_retry_into_a_cancellation(world: &World) {
    assert_eq!(wish_then(world, retry(HOUR)).await, TaskState::Cancelled);
}

pub(crate) async fn a_wish_turns_a_snooze_into_a_cancellation(world: &World) {
    assert_eq!(wish_then(world, snooze(HOUR)).await, TaskState::Cancelled);
}

pub(crate) async fn a_wish_turns_an_interrupt_into_a_cancellation(world: &World) {
    let state = wish_then(world, Outcome::Interrupt).await;
    assert_eq!(state, TaskState::Cancelled);
}

pub(crate) async fn a_wish_is_granted_by_the_outcome_cancel(world: &World) {
    let state = wish_then(world, Outcome::Cancel).await;
    assert_eq!(state, TaskState::Cancelled);
}

pub(crate) async fn a_wish_ends_the_task_at_its_next_checkpoint(world: &World) {
    let next = advance_from(Some("second"), "third", "\"second\"");
    assert_eq!(wish_then(world, next).await, TaskState::Cancelled);
}

pub(crate) async fn a_task_cancelled_at_a_checkpoint_keeps_its_output(world: &World) {
    let lease = world.run_new().await;
    cancel(world, lease.task_id).await;
    world.settle(lease, advance("second", "\"done\"")).await;
    let checkpoint = world.payload(lease.task_id, Part::Checkpoint).await;
    assert_eq!(checkpoint.unwrap(), "\"done\"");
    let record = world.record(lease.task_id).await;
    assert_eq!(record.stage.as_deref(), Some("second"));
}

pub(crate) async fn an_advance_that_ended_in_a_cancellation_is_answered_the_same_again(
    world: &World,
) {
    let lease = world.run_new().await;
    cancel(world, lease.task_id).await;
    let first = world.settle(lease, advance("second", "1")).await;
    assert_eq!(world.settle(lease, advance("second", "1")).await, first);
    assert_eq!(world.settle(lease, complete("1")).await, Settled::Stale);
}

pub(crate) async fn a_wish_outlives_the_lease(world: &World) {
    let lease = world.run_new().await;
    cancel(world, lease.task_id).await;
    world.lapse().await;
    assert_eq!(world.rescue_ids(1).await, [lease.task_id]);
    let record = world.record(lease.task_id).await;
    assert_eq!(record.state, TaskState::Cancelled);
    assert_eq!(record.finished_at, Some(record.updated_at));
    assert_eq!(world.claim_ids(1).await, []);
}

pub(crate) async fn a_wish_after_the_lapse_is_kept_for_the_rescue(world: &World) {
    let lease = world.run_new().await;
    world.lapse().await;
    assert_eq!(cancel(world, lease.task_id).await, Cancelled::Requested);
    world.rescue_ids(1).await;
    assert_eq!(world.state(lease.task_id).await, TaskState::Cancelled);
}

pub(crate) async fn a_rescued_task_is_cancelled_at_once(world: &World) {
    let lease = world.run_new().await;
    world.lapse().await;
    world.rescue_ids(1).await;
    assert_eq!(cancel(world, lease.task_id).await, Cancelled::Now);
}

pub(crate) async fn a_cancelled_task_is_not_rescued(world: &World) {
    let lease = world.run_new().await;
    cancel(world, lease.task_id).await;
    world.settle(lease, retry(Duration::ZERO)).await;
    world.lapse().await;
    assert_eq!(world.rescue_ids(10).await, []);
}
