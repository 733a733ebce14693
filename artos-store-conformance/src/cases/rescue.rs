//! Rescuing: lapsed leases, and only those, give their task back.

use std::time::Duration;

use artos_core::{
    model::{FailureCause, TaskId, TaskState},
    store::{Claim, Settled},
};

use crate::{
    outcomes::{HOUR, MINUTE, complete, retry},
    world::{LEASE, World, ok},
};

/// Runs tasks whose leases lapse after the given times.
async fn run_each<const N: usize>(world: &World, leases: [Duration; N]) -> [TaskId; N] {
    let mut ids = Vec::new();
    for lease_for in leases {
        ids.push(world.insert_new().await);
        let request = Claim { lease_for, ..world.claim_request(1) };
        assert_eq!(world.claims(&request).await.tasks.len(), 1);
    }
    ids.try_into().unwrap()
}

pub(crate) async fn a_lapsed_task_is_pending_again_at_once(world: &World) {
    let lease = world.run_new().await;
    world.lapse().await;
    assert_eq!(world.rescue_ids(10).await, [lease.task_id]);
    let record = world.record(lease.task_id).await;
    assert_eq!(record.state, TaskState::Pending);
    assert_eq!(record.lease, None);
    assert_eq!(record.run_at, record.updated_at);
    assert_eq!(record.settled_by, None);
}

pub(crate) async fn a_live_lease_is_not_rescued(world: &World) {
    let lease = world.run_new().await;
    world.advance(LEASE - MINUTE).await;
    assert_eq!(world.rescue_ids(10).await, []);
    assert_eq!(world.state(lease.task_id).await, TaskState::Running);
}

pub(crate) async fn a_rescue_raises_the_epoch_and_keeps_the_attempt_charged(world: &World) {
    let lease = world.run_new().await;
    world.lapse().await;
    world.rescue_ids(10).await;
    let record = world.record(lease.task_id).await;
    assert_eq!((record.epoch.0, record.attempt), (2, 1));
    let claimed = world.claim_one().await.record;
    assert_eq!((claimed.epoch.0, claimed.attempt), (3, 2));
}

pub(crate) async fn a_rescue_records_why(world: &World) {
    let lease = world.run_second_stage().await;
    world.lapse().await;
    world.rescue_ids(10).await;
    let record = world.record(lease.task_id).await;
    let failure = record.failure.unwrap();
    assert_eq!(failure.cause, FailureCause::LeaseLost);
    assert_eq!(failure.stage, record.stage);
    assert_eq!(failure.attempt, 1);
    assert_eq!(failure.at, record.updated_at);
    assert!(!failure.message.is_empty());
}

pub(crate) async fn a_rescue_keeps_the_checkpoint(world: &World) {
    world.run_second_stage().await;
    world.lapse().await;
    world.rescue_ids(10).await;
    let claimed = world.claim_one().await;
    assert_eq!(claimed.record.stage.as_deref(), Some("second"));
    assert_eq!(&claimed.payload[..], b"\"first\"");
}

pub(crate) async fn a_rescue_takes_no_more_than_its_limit(world: &World) {
    run_each(world, [LEASE; 5]).await;
    world.lapse().await;
    assert_eq!(world.rescue_ids(0).await.len(), 0);
    assert_eq!(world.rescue_ids(2).await.len(), 2);
    assert_eq!(world.rescue_ids(10).await.len(), 3);
    assert_eq!(world.rescue_ids(10).await.len(), 0);
}

pub(crate) async fn a_rescue_takes_only_what_lapsed(world: &World) {
    let [first, _, third] = run_each(world, [MINUTE, HOUR * 3, MINUTE * 2]).await;
    world.advance(HOUR).await;
    let mut rescued = world.rescue_ids(10).await;
    rescued.sort_unstable();
    assert_eq!(rescued, [first, third]);
}

pub(crate) async fn next_in_tells_when_the_next_lease_lapses(world: &World) {
    run_each(world, [HOUR * 5, HOUR * 2, HOUR * 8]).await;
    let next = ok(world.store.rescue(10).await).next_in.unwrap();
    assert!(next <= HOUR * 2 && next > HOUR * 2 - MINUTE, "{next:?}");
}

pub(crate) async fn next_in_is_zero_when_more_lapsed(world: &World) {
    run_each(world, [LEASE; 3]).await;
    world.lapse().await;
    let rescued = ok(world.store.rescue(1).await);
    assert_eq!(rescued.next_in, Some(Duration::ZERO));
}

pub(crate) async fn next_in_is_absent_when_nothing_runs(world: &World) {
    world.insert_new().await;
    assert_eq!(ok(world.store.rescue(10).await).next_in, None);
    let lease = world.claim_one().await.record.lease_token();
    world.settle(lease, complete("1")).await;
    assert_eq!(ok(world.store.rescue(10).await).next_in, None);
    world.run_new().await;
    world.lapse().await;
    assert_eq!(ok(world.store.rescue(10).await).next_in, None);
}

pub(crate) async fn next_in_follows_heartbeats(world: &World) {
    let lease = world.run_new().await;
    world.advance(LEASE / 2).await;
    world.beat(lease, None).await;
    let next = ok(world.store.rescue(10).await).next_in.unwrap();
    assert!(next <= LEASE && next > LEASE - MINUTE, "{next:?}");
}

pub(crate) async fn a_task_is_rescued_as_often_as_it_is_lost(world: &World) {
    let id = world.insert_new().await;
    for attempt in 1..=3 {
        assert_eq!(world.claim_one().await.record.attempt, attempt);
        world.lapse().await;
        assert_eq!(world.rescue_ids(10).await, [id]);
    }
}

pub(crate) async fn waiting_and_terminal_tasks_are_not_rescued(world: &World) {
    let lease = world.run_new().await;
    world.settle(lease, retry(HOUR)).await;
    world.ended(TaskState::Failed).await;
    world.insert_new().await;
    world.advance(HOUR * 100).await;
    assert_eq!(world.rescue_ids(10).await, []);
}

pub(crate) async fn a_rescue_of_many_finds_them_all(world: &World) {
    let tasks: Vec<_> = (0..300).map(|_| world.task()).collect();
    world.insert_all(&tasks).await;
    assert_eq!(world.claim(300).await.len(), 300);
    world.lapse().await;
    assert_eq!(world.rescue_ids(1_000).await.len(), 300);
    assert_eq!(world.claim(1_000).await.len(), 300);
}

pub(crate) async fn the_winner_after_a_rescue_settles(world: &World) {
    let lost = world.run_new().await;
    world.lapse().await;
    world.rescue_ids(10).await;
    let won = world.claim_one().await.record.lease_token();
    assert_eq!(world.settle(lost, complete("1")).await, Settled::Stale);
    let settled = world.settle(won, complete("2")).await;
    assert_eq!(settled, Settled::Applied(TaskState::Completed));
}
