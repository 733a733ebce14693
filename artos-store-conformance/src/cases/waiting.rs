//! Retry, snooze and interrupt: pending again, each with its own price.

use std::time::Duration;

use artos_core::{
    Timestamp,
    model::{Failure, FailureCause, Outcome, TaskState},
    store::{Part, Settled},
};

use crate::{
    outcomes::{HOUR, MINUTE, failure, retry, snooze},
    world::{World, ok},
};

const PENDING: Settled = Settled::Applied(TaskState::Pending);

pub(crate) async fn a_retry_waits_for_its_delay(world: &World) {
    let lease = world.run_new().await;
    assert_eq!(world.settle(lease, retry(HOUR)).await, PENDING);
    let record = world.record(lease.task_id).await;
    assert_eq!(record.state, TaskState::Pending);
    assert_eq!(record.run_at, record.updated_at + HOUR);
    assert_eq!(record.lease, None);
    assert_eq!(world.claim_ids(1).await, []);
    world.advance(HOUR).await;
    assert_eq!(world.claim_ids(1).await, [lease.task_id]);
}

pub(crate) async fn a_retry_without_delay_is_due_at_once(world: &World) {
    let lease = world.run_new().await;
    world.settle(lease, retry(Duration::ZERO)).await;
    assert_eq!(world.claim_ids(1).await, [lease.task_id]);
}

pub(crate) async fn a_retry_keeps_its_attempt_charged(world: &World) {
    let lease = world.run_new().await;
    world.settle(lease, retry(Duration::ZERO)).await;
    assert_eq!(world.record(lease.task_id).await.attempt, 1);
    assert_eq!(world.claim_one().await.record.attempt, 2);
}

pub(crate) async fn a_retry_records_its_failure_at_the_stores_time(world: &World) {
    let lease = world.run_new().await;
    world.settle(lease, retry(HOUR)).await;
    let record = world.record(lease.task_id).await;
    let expected = Failure { at: record.updated_at, ..failure(FailureCause::Error, "no luck") };
    assert_eq!(record.failure, Some(expected));
}

pub(crate) async fn every_cause_of_failure_is_kept(world: &World) {
    for cause in FailureCause::ALL {
        let mut failure = failure(cause, "why");
        failure.stage = None;
        failure.attempt = u32::MAX >> 1;
        let lease = world.run_new().await;
        let outcome = Outcome::Retry { failure: failure.clone(), delay: HOUR };
        world.settle(lease, outcome).await;
        let record = world.record(lease.task_id).await;
        failure.at = record.updated_at;
        assert_eq!(record.failure, Some(failure));
    }
}

pub(crate) async fn a_retry_replaces_the_failure_before(world: &World) {
    let lease = world.run_new().await;
    world.settle(lease, retry(Duration::ZERO)).await;
    let lease = world.claim_one().await.record.lease_token();
    let outcome =
        Outcome::Retry { failure: failure(FailureCause::Panic, "worse luck"), delay: HOUR };
    world.settle(lease, outcome).await;
    let failure = world.record(lease.task_id).await.failure.unwrap();
    assert_eq!(failure.cause, FailureCause::Panic);
    assert_eq!(failure.message, "worse luck");
}

pub(crate) async fn a_retry_keeps_the_stage_and_its_checkpoint(world: &World) {
    let lease = world.run_second_stage().await;
    let stage = world.record(lease.task_id).await.stage;
    world.settle(lease, retry(Duration::ZERO)).await;
    assert_eq!(world.record(lease.task_id).await.stage, stage);
    let checkpoint = world.payload(lease.task_id, Part::Checkpoint).await;
    assert_eq!(checkpoint.unwrap(), "\"first\"");
}

pub(crate) async fn an_endless_backoff_ends_at_the_end_of_time(world: &World) {
    let lease = world.run_new().await;
    world.settle(lease, retry(Duration::MAX)).await;
    assert_eq!(world.record(lease.task_id).await.run_at, Timestamp::MAX);
}

pub(crate) async fn a_snooze_waits_and_gives_its_attempt_back(world: &World) {
    let lease = world.run_new().await;
    assert_eq!(world.settle(lease, snooze(HOUR)).await, PENDING);
    let record = world.record(lease.task_id).await;
    assert_eq!((record.attempt, record.snoozes), (0, 1));
    assert_eq!(record.run_at, record.updated_at + HOUR);
    assert_eq!(world.claim_ids(1).await, []);
    world.advance(HOUR).await;
    let claimed = world.claim_one().await.record;
    assert_eq!((claimed.attempt, claimed.epoch.0), (1, 2));
}

pub(crate) async fn snoozes_are_counted(world: &World) {
    let id = world.insert_new().await;
    for number in 1..=3 {
        let lease = world.claim_one().await.record.lease_token();
        world.settle(lease, snooze(Duration::ZERO)).await;
        assert_eq!(world.record(id).await.snoozes, number);
    }
}

pub(crate) async fn a_snooze_keeps_the_failure_before(world: &World) {
    let lease = world.run_new().await;
    world.settle(lease, retry(Duration::ZERO)).await;
    let failure = world.record(lease.task_id).await.failure;
    let lease = world.claim_one().await.record.lease_token();
    world.settle(lease, snooze(HOUR)).await;
    let record = world.record(lease.task_id).await;
    assert_eq!(record.failure, failure);
    assert_eq!(record.attempt, 1);
}

pub(crate) async fn an_interrupt_hands_the_task_back_at_once_and_uncharged(world: &World) {
    let lease = world.run_new().await;
    assert_eq!(world.settle(lease, Outcome::Interrupt).await, PENDING);
    let record = world.record(lease.task_id).await;
    assert_eq!((record.attempt, record.interrupts), (0, 1));
    assert_eq!(record.run_at, record.updated_at);
    assert_eq!(record.failure, None);
    assert_eq!(world.claim_one().await.record.attempt, 1);
}

pub(crate) async fn an_interrupt_keeps_the_checkpoint(world: &World) {
    let lease = world.run_second_stage().await;
    world.settle(lease, Outcome::Interrupt).await;
    assert_eq!(&world.claim_one().await.payload[..], b"\"first\"");
}

pub(crate) async fn a_task_that_waits_keeps_its_place_among_equals(world: &World) {
    let lease = world.run_new().await;
    let newer = world.insert_new().await;
    world.settle(lease, retry(HOUR)).await;
    world.advance(HOUR * 2).await;
    assert_eq!(world.claim_ids(10).await, [newer, lease.task_id]);
}

pub(crate) async fn a_retry_because_nobody_knows_the_task_charges_no_attempt(world: &World) {
    for cause in [FailureCause::UnknownKind, FailureCause::UnknownStage, FailureCause::Undecodable]
    {
        let lease = world.run_new().await;
        let unknown = || Outcome::Retry { failure: failure(cause, "who is it?"), delay: MINUTE };
        world.settle(lease, unknown()).await;
        let first = world.record(lease.task_id).await;
        assert_eq!(first.attempt, 0);
        world.advance(MINUTE).await;
        let lease = world.claim_one().await.record.lease_token();
        world.settle(lease, unknown()).await;
        let second = world.record(lease.task_id).await;
        assert_eq!(second.attempt, 0);
        let since = |failure: Option<Failure>| failure.map(|failure| failure.at);
        assert_eq!(since(second.failure), since(first.failure), "known since the first time");
        assert!(second.run_at > first.run_at);
        ok(world.store.cancel(lease.task_id).await);
    }
}
