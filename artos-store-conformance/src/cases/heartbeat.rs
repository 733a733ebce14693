//! Heartbeats: the lease grows, progress comes in, and nothing else changes.

use std::time::Duration;

use artos_core::{
    Timestamp,
    model::TaskState,
    store::{Beat, Pulse, Settled},
};

use crate::{
    outcomes::{HOUR, MINUTE, complete, progress},
    world::{LEASE, World, ok},
};

pub(crate) async fn a_heartbeat_extends_the_lease(world: &World) {
    let lease = world.run_new().await;
    let before = world.record(lease.task_id).await.lease.unwrap();
    world.advance(LEASE / 2).await;
    assert_eq!(world.beat(lease, None).await, Pulse::Alive);
    let after = world.record(lease.task_id).await.lease.unwrap();
    assert_eq!(after.worker, before.worker);
    assert!(after.expires_at >= before.expires_at + LEASE / 2);
}

pub(crate) async fn a_task_with_heartbeats_runs_on(world: &World) {
    let lease = world.run_new().await;
    for _ in 0..5 {
        world.advance(LEASE / 2).await;
        assert_eq!(world.beat(lease, None).await, Pulse::Alive);
        assert_eq!(world.rescue_ids(1).await, []);
    }
    let settled = world.settle(lease, complete("1")).await;
    assert_eq!(settled, Settled::Applied(TaskState::Completed));
}

pub(crate) async fn a_heartbeat_counts_from_its_own_time(world: &World) {
    let lease = world.run_new().await;
    let beats = [Beat { lease, progress: None }];
    ok(world.store.heartbeat(MINUTE, &beats).await);
    world.advance(MINUTE * 2).await;
    assert_eq!(world.beat(lease, None).await, Pulse::Lost);
}

pub(crate) async fn a_heartbeat_without_news_is_invisible(world: &World) {
    let lease = world.run_new().await;
    let before = world.record(lease.task_id).await;
    world.advance(MINUTE).await;
    world.beat(lease, None).await;
    let mut after = world.record(lease.task_id).await;
    assert_ne!(after.lease, before.lease);
    after.lease = before.lease;
    assert_eq!(after, before);
}

pub(crate) async fn a_heartbeat_takes_in_progress_at_the_stores_time(world: &World) {
    let lease = world.run_new().await;
    let before = world.record(lease.task_id).await;
    let mut report = progress("first", 37, "half way, nearly");
    world.advance(MINUTE).await;
    world.beat(lease, Some(report.clone())).await;
    let after = world.record(lease.task_id).await;
    assert!(after.updated_at >= before.updated_at + MINUTE);
    report.updated_at = after.updated_at;
    assert_eq!(after.progress, Some(report));
    assert_eq!(after.revision, before.revision + 1);
    assert_eq!(after.attempt, before.attempt);
}

pub(crate) async fn a_heartbeat_without_progress_keeps_the_last_report(world: &World) {
    let lease = world.run_new().await;
    world.beat(lease, Some(progress("first", 37, "x"))).await;
    let before = world.record(lease.task_id).await.progress;
    world.beat(lease, None).await;
    assert_eq!(world.record(lease.task_id).await.progress, before);
}

pub(crate) async fn progress_survives_the_end_of_the_attempt(world: &World) {
    let lease = world.run_new().await;
    world.beat(lease, Some(progress("first", 37, "x"))).await;
    world.lapse().await;
    world.rescue_ids(1).await;
    let record = world.record(lease.task_id).await;
    assert_eq!(record.progress.map(|report| report.percent), Some(37));
}

pub(crate) async fn a_batch_of_heartbeats_is_answered_in_order(world: &World) {
    let lost = world.run_new().await;
    world.settle(lost, complete("1")).await;
    let (alive, wanted) = (world.run_new().await, world.run_new().await);
    ok(world.store.cancel(wanted.task_id).await);
    let beats =
        [wanted, lost, alive].map(|lease| Beat { lease, progress: Some(progress("first", 5, "")) });
    let answers = ok(world.store.heartbeat(LEASE, &beats).await);
    let expected = [Pulse::CancelRequested, Pulse::Lost, Pulse::Alive];
    assert_eq!(answers, expected);
    for lease in [wanted, alive] {
        assert!(world.record(lease.task_id).await.progress.is_some());
    }
}

pub(crate) async fn an_empty_batch_of_heartbeats_is_fine(world: &World) {
    assert_eq!(ok(world.store.heartbeat(LEASE, &[]).await), []);
}

pub(crate) async fn a_heartbeat_after_the_lapse_does_not_revive_the_lease(world: &World) {
    let lease = world.run_new().await;
    world.lapse().await;
    assert_eq!(world.beat(lease, None).await, Pulse::Lost);
    assert_eq!(world.rescue_ids(1).await, [lease.task_id]);
}

pub(crate) async fn an_endless_heartbeat_ends_at_the_end_of_time(world: &World) {
    let lease = world.run_new().await;
    let beats = [Beat { lease, progress: None }];
    ok(world.store.heartbeat(Duration::MAX, &beats).await);
    let holder = world.record(lease.task_id).await.lease.unwrap();
    assert_eq!(holder.expires_at, Timestamp::MAX);
    world.advance(HOUR * 1_000).await;
    assert_eq!(world.rescue_ids(1).await, []);
}

pub(crate) async fn a_heartbeat_goes_on_after_an_advance(world: &World) {
    let lease = world.run_second_stage().await;
    assert_eq!(world.beat(lease, None).await, Pulse::Alive);
}

pub(crate) async fn a_late_report_of_a_stage_that_ended_does_not_turn_progress_back(world: &World) {
    let lease = world.run_second_stage().await;
    let before = world.record(lease.task_id).await;
    world.advance(MINUTE).await;
    let late = Some(progress("first", 90, "late"));
    assert_eq!(world.beat(lease, late).await, Pulse::Alive);
    let after = world.record(lease.task_id).await;
    assert_eq!((after.progress, after.revision), (before.progress, before.revision));
    world.beat(lease, Some(progress("second", 10, ""))).await;
    let after = world.record(lease.task_id).await;
    assert_eq!(after.progress.map(|report| report.percent), Some(10));
}
