//! Settling: every outcome, batches, and the same settlement sent again.

use std::time::Duration;

use artos_core::{
    Name,
    model::{Outcome, OutcomeKind, TaskState},
    store::{Part, Settled},
};

use crate::{
    outcomes::{
        HOUR, MINUTE, advance, advance_from, complete, fail, outcome, progress, retry, settlement,
        snooze,
    },
    world::World,
};

const RUNNING: Settled = Settled::Applied(TaskState::Running);
const COMPLETED: Settled = Settled::Applied(TaskState::Completed);

pub(crate) async fn advancing_moves_to_the_next_stage_under_the_same_lease(world: &World) {
    let lease = world.run_new().await;
    let before = world.record(lease.task_id).await;
    assert_eq!(world.settle(lease, advance("second", "1")).await, RUNNING);
    let record = world.record(lease.task_id).await;
    assert_eq!(record.stage, Some(Name::from("second")));
    assert_eq!(record.lease, before.lease);
    assert_eq!(record.epoch, before.epoch);
    assert_eq!(record.stage_entered_at, record.updated_at);
    assert_eq!(record.settled_by, Some(OutcomeKind::Advance));
}

pub(crate) async fn advancing_starts_counting_anew(world: &World) {
    let id = world.insert_new().await;
    for waiting in [retry(Duration::ZERO), snooze(Duration::ZERO), Outcome::Interrupt] {
        let lease = world.claim_one().await.record.lease_token();
        world.settle(lease, waiting).await;
    }
    let lease = world.claim_one().await.record.lease_token();
    world.settle(lease, advance("second", "1")).await;
    let record = world.record(id).await;
    let counts = (record.attempt, record.snoozes, record.interrupts);
    assert_eq!(counts, (1, 0, 0));
    assert_eq!(record.failure, None);
}

pub(crate) async fn advancing_keeps_the_output_as_checkpoint(world: &World) {
    let lease = world.run_second_stage().await;
    let checkpoint = world.payload(lease.task_id, Part::Checkpoint).await;
    assert_eq!(checkpoint.unwrap(), "\"first\"");
    let last = advance_from(Some("second"), "third", "\"second\"");
    assert_eq!(world.settle(lease, last).await, RUNNING);
    let checkpoint = world.payload(lease.task_id, Part::Checkpoint).await;
    assert_eq!(checkpoint.unwrap(), "\"second\"");
}

pub(crate) async fn advancing_keeps_the_input(world: &World) {
    let lease = world.run_second_stage().await;
    let input = world.payload(lease.task_id, Part::Input).await;
    assert_eq!(input, Some(world.task().input));
}

pub(crate) async fn advancing_reports_progress_at_the_stores_time(world: &World) {
    let lease = world.run_second_stage().await;
    let record = world.record(lease.task_id).await;
    let mut expected = progress("second", 0, "");
    expected.updated_at = record.updated_at;
    assert_eq!(record.progress, Some(expected));
}

pub(crate) async fn a_checkpoint_that_leaves_another_stage_is_refused(world: &World) {
    let lease = world.run_second_stage().await;
    let before = world.snapshot().await;
    for from in [None, Some("third"), Some("")] {
        let wrong = advance_from(from, "fourth", "\"wrong\"");
        assert_eq!(world.settle(lease, wrong).await, Settled::Stale, "{from:?}");
    }
    assert_eq!(world.snapshot().await, before);
    let right = advance_from(Some("second"), "fourth", "\"right\"");
    assert_eq!(world.settle(lease, right).await, RUNNING);
}

pub(crate) async fn a_checkpoint_is_never_rolled_back(world: &World) {
    let lease = world.run_second_stage().await;
    let on = advance_from(Some("second"), "third", "\"second\"");
    world.settle(lease, on).await;
    let before = world.snapshot().await;
    let late = advance("second", "\"first\"");
    assert_eq!(world.settle(lease, late).await, Settled::Stale);
    assert_eq!(world.snapshot().await, before);
}

pub(crate) async fn completing_ends_the_task_with_its_output(world: &World) {
    let lease = world.run_new().await;
    assert_eq!(world.settle(lease, complete("42")).await, COMPLETED);
    let record = world.record(lease.task_id).await;
    assert_eq!(record.state, TaskState::Completed);
    assert_eq!(record.lease, None);
    assert_eq!(record.finished_at, Some(record.updated_at));
    let output = world.payload(lease.task_id, Part::Output).await;
    assert_eq!(output.unwrap(), "42");
}

pub(crate) async fn completing_drops_the_checkpoint_and_keeps_the_input(world: &World) {
    let lease = world.run_second_stage().await;
    world.settle(lease, complete("42")).await;
    let id = lease.task_id;
    assert_eq!(world.payload(id, Part::Checkpoint).await, None);
    let input = world.payload(id, Part::Input).await;
    assert_eq!(input, Some(world.task().input));
}

pub(crate) async fn completing_clears_the_failure_of_an_earlier_attempt(world: &World) {
    let lease = world.run_new().await;
    world.settle(lease, retry(Duration::ZERO)).await;
    let lease = world.claim_one().await.record.lease_token();
    world.settle(lease, complete("42")).await;
    assert_eq!(world.record(lease.task_id).await.failure, None);
}

pub(crate) async fn failing_ends_the_task_with_its_failure(world: &World) {
    let lease = world.run_new().await;
    let settled = world.settle(lease, fail()).await;
    assert_eq!(settled, Settled::Applied(TaskState::Failed));
    let record = world.record(lease.task_id).await;
    let Outcome::Fail { mut failure } = fail() else { unreachable!() };
    failure.at = record.updated_at;
    assert_eq!(record.failure, Some(failure));
    assert_eq!(record.lease, None);
    assert_eq!(record.finished_at, Some(record.updated_at));
}

pub(crate) async fn failing_keeps_the_checkpoint_and_the_input(world: &World) {
    let lease = world.run_second_stage().await;
    world.settle(lease, fail()).await;
    let id = lease.task_id;
    let checkpoint = world.payload(id, Part::Checkpoint).await;
    assert_eq!(checkpoint.unwrap(), "\"first\"");
    assert_eq!(world.payload(id, Part::Input).await, Some(world.task().input));
    assert_eq!(world.payload(id, Part::Output).await, None);
}

pub(crate) async fn cancelling_as_an_outcome_ends_the_task_and_keeps_the_checkpoint(world: &World) {
    let lease = world.run_second_stage().await;
    let settled = world.settle(lease, Outcome::Cancel).await;
    assert_eq!(settled, Settled::Applied(TaskState::Cancelled));
    let record = world.record(lease.task_id).await;
    assert_eq!(record.finished_at, Some(record.updated_at));
    let checkpoint = world.payload(record.id, Part::Checkpoint).await;
    assert_eq!(checkpoint.unwrap(), "\"first\"");
}

pub(crate) async fn settling_records_which_outcome_it_was(world: &World) {
    for kind in OutcomeKind::ALL {
        let lease = world.run_new().await;
        world.settle(lease, outcome(kind)).await;
        let record = world.record(lease.task_id).await;
        assert_eq!(record.settled_by, Some(kind));
        if record.state == TaskState::Pending && record.run_at <= record.updated_at {
            // An interrupted task is due at once; out of the way of the next.
            world.claim_one().await;
        }
    }
}

/// Settles, sends the same settlement again, and checks that it answers the same and does nothing.
async fn repeated(world: &World, kind: OutcomeKind) {
    let lease = world.run_new().await;
    let first = world.settle(lease, outcome(kind)).await;
    assert!(matches!(first, Settled::Applied(_)));
    let before = world.snapshot().await;
    world.advance(MINUTE).await;
    for _ in 0..3 {
        assert_eq!(world.settle(lease, outcome(kind)).await, first);
        assert_eq!(world.snapshot().await, before);
    }
}

macro_rules! repetitions {
    ($($name:ident: $kind:ident;)*) => {
        $(pub(crate) async fn $name(world: &World) {
            repeated(world, OutcomeKind::$kind).await;
        })*
    };
}

repetitions! {
    an_advance_sent_again_is_answered_as_before: Advance;
    a_complete_sent_again_is_answered_as_before: Complete;
    a_retry_sent_again_is_answered_as_before: Retry;
    a_snooze_sent_again_is_answered_as_before: Snooze;
    a_fail_sent_again_is_answered_as_before: Fail;
    a_cancel_sent_again_is_answered_as_before: Cancel;
    an_interrupt_sent_again_is_answered_as_before: Interrupt;
}

pub(crate) async fn a_settlement_sent_again_after_the_lease_would_have_lapsed_still_counts(
    world: &World,
) {
    let lease = world.run_new().await;
    world.settle(lease, complete("42")).await;
    world.lapse().await;
    assert_eq!(world.settle(lease, complete("42")).await, COMPLETED);
}

pub(crate) async fn a_settlement_sent_again_after_the_next_claim_is_refused(world: &World) {
    let lease = world.run_new().await;
    world.settle(lease, retry(Duration::ZERO)).await;
    world.claim_one().await;
    let before = world.snapshot().await;
    let settled = world.settle(lease, retry(Duration::ZERO)).await;
    assert_eq!(settled, Settled::Stale);
    assert_eq!(world.snapshot().await, before);
}

pub(crate) async fn a_second_output_never_replaces_the_first(world: &World) {
    let lease = world.run_new().await;
    world.settle(lease, complete("1")).await;
    world.settle(lease, complete("2")).await;
    let output = world.payload(lease.task_id, Part::Output).await;
    assert_eq!(output.unwrap(), "1");
}

pub(crate) async fn a_second_checkpoint_for_a_stage_never_replaces_the_first(world: &World) {
    let lease = world.run_new().await;
    world.settle(lease, advance("second", "1")).await;
    world.settle(lease, advance("second", "2")).await;
    let checkpoint = world.payload(lease.task_id, Part::Checkpoint).await;
    assert_eq!(checkpoint.unwrap(), "1");
}

pub(crate) async fn the_same_settlement_twice_in_one_batch_is_applied_once(world: &World) {
    let lease = world.run_new().await;
    let item = settlement(lease, retry(HOUR));
    let settled = world.settle_all(&[item.clone(), item]).await;
    assert_eq!(settled, [Settled::Applied(TaskState::Pending); 2]);
    assert_eq!(world.record(lease.task_id).await.revision, 3);
}

pub(crate) async fn one_batch_may_advance_and_complete_the_same_task(world: &World) {
    let lease = world.run_new().await;
    let items = [
        settlement(lease, advance("second", "1")),
        settlement(lease, advance_from(Some("second"), "third", "2")),
        settlement(lease, complete("3")),
    ];
    let settled = world.settle_all(&items).await;
    assert_eq!(settled, [RUNNING, RUNNING, COMPLETED]);
    let output = world.payload(lease.task_id, Part::Output).await;
    assert_eq!(output.unwrap(), "3");
}

pub(crate) async fn in_one_batch_the_first_of_two_outcomes_counts(world: &World) {
    let lease = world.run_new().await;
    let items = [settlement(lease, complete("1")), settlement(lease, fail())];
    assert_eq!(world.settle_all(&items).await, [COMPLETED, Settled::Stale]);
}

pub(crate) async fn a_stale_item_does_not_disturb_the_others(world: &World) {
    let stale = world.run_new().await;
    world.lapse().await;
    let (first, second) = (world.run_new().await, world.run_new().await);
    let items = [
        settlement(first, complete("1")),
        settlement(stale, complete("2")),
        settlement(second, complete("3")),
    ];
    let settled = world.settle_all(&items).await;
    assert_eq!(settled, [COMPLETED, Settled::Stale, COMPLETED]);
    assert_eq!(world.state(stale.task_id).await, TaskState::Running);
}

pub(crate) async fn a_batch_of_settlements_is_answered_in_order(world: &World) {
    let mut items = Vec::new();
    for kind in OutcomeKind::ALL {
        items.push(settlement(world.run_new().await, outcome(kind)));
    }
    items.reverse();
    let settled = world.settle_all(&items).await;
    let states = [
        TaskState::Pending,
        TaskState::Cancelled,
        TaskState::Failed,
        TaskState::Pending,
        TaskState::Pending,
        TaskState::Completed,
        TaskState::Running,
    ];
    assert_eq!(settled, states.map(Settled::Applied));
    for (item, state) in items.iter().zip(states) {
        assert_eq!(world.state(item.lease.task_id).await, state);
    }
}

pub(crate) async fn an_empty_batch_settles_nothing(world: &World) {
    world.run_new().await;
    let before = world.snapshot().await;
    assert_eq!(world.settle_all(&[]).await, []);
    assert_eq!(world.snapshot().await, before);
}

pub(crate) async fn a_large_batch_is_settled_whole(world: &World) {
    let tasks: Vec<_> = (0..500).map(|_| world.task()).collect();
    world.insert_all(&tasks).await;
    let claimed = world.claim(500).await;
    let items: Vec<_> =
        claimed.iter().map(|task| settlement(task.record.lease_token(), complete("1"))).collect();
    assert_eq!(world.settle_all(&items).await, vec![COMPLETED; 500]);
    assert_eq!(world.state(tasks[499].id).await, TaskState::Completed);
}
