//! Wake-ups: hints reach whoever waits for them.
//!
//! A hint may be lost in an accident, unless the store says that none is; but a store in good
//! health gives them, or every wait would last until its safety net.

use std::time::Duration;

use artos_core::{
    Name,
    model::{NewTask, Outcome, Retention, StartAt, TaskState},
    notify::{Changes, Topic},
};

use crate::{
    outcomes::{HOUR, advance, complete, progress, retry, settlement_with, snooze},
    world::{QUEUE, World, ok},
};

/// Far longer than a hint takes in any store, and far shorter than the patience of a test.
const PATIENCE: Duration = Duration::from_secs(10);

fn queue(world: &World, queue: &str) -> Changes {
    world.store.changes(Topic::Queue(Name::from(queue)))
}

async fn heard(mut changes: Changes) {
    let hint = tokio::time::timeout(PATIENCE, changes.changed()).await;
    assert!(hint.is_ok(), "no hint came: {changes:?}");
}

pub(crate) async fn an_insert_wakes_its_queue(world: &World) {
    let changes = queue(world, QUEUE);
    world.insert_new().await;
    heard(changes).await;
}

pub(crate) async fn an_insert_for_later_wakes_its_queue(world: &World) {
    let changes = queue(world, QUEUE);
    let task = NewTask { start_at: StartAt::After(HOUR), ..world.task() };
    world.created(&task).await;
    heard(changes).await;
}

pub(crate) async fn a_batch_wakes_every_queue_it_fills(world: &World) {
    let (a, b) = (queue(world, "a"), queue(world, "b"));
    let to = |queue: &str| NewTask { queue: Name::from(queue), ..world.task() };
    world.insert_all(&[to("a"), to("b"), to("a")]).await;
    heard(a).await;
    heard(b).await;
}

/// Runs a task, subscribes to its queue, and expects the outcome to wake it.
async fn outcome_wakes(world: &World, outcome: Outcome) {
    let lease = world.run_new().await;
    let changes = queue(world, QUEUE);
    world.settle(lease, outcome).await;
    heard(changes).await;
}

pub(crate) async fn a_retry_wakes_its_queue(world: &World) {
    outcome_wakes(world, retry(HOUR)).await;
}

pub(crate) async fn a_snooze_wakes_its_queue(world: &World) {
    outcome_wakes(world, snooze(HOUR)).await;
}

pub(crate) async fn an_interrupt_wakes_its_queue(world: &World) {
    outcome_wakes(world, Outcome::Interrupt).await;
}

pub(crate) async fn a_rescue_wakes_its_queue(world: &World) {
    world.run_new().await;
    world.lapse().await;
    let changes = queue(world, QUEUE);
    world.rescue_ids(10).await;
    heard(changes).await;
}

pub(crate) async fn a_follow_up_wakes_its_queue(world: &World) {
    let lease = world.run_new().await;
    let changes = queue(world, "mail");
    let follow_up = NewTask { queue: Name::from("mail"), ..world.task() };
    let item = settlement_with(lease, complete("1"), vec![follow_up]);
    world.settle_item(item).await;
    heard(changes).await;
}

pub(crate) async fn every_visible_change_wakes_those_who_wait_for_the_task(world: &World) {
    let id = world.insert_new().await;
    let wait = || world.store.changes(Topic::Task(id));
    let changes = wait();
    let lease = world.claim_one().await.record.lease_token();
    heard(changes).await;
    let changes = wait();
    world.beat(lease, Some(progress("first", 5, ""))).await;
    heard(changes).await;
    let changes = wait();
    world.settle(lease, advance("second", "1")).await;
    heard(changes).await;
    let changes = wait();
    ok(world.store.cancel(id).await);
    heard(changes).await;
    let changes = wait();
    world.settle(lease, complete("1")).await;
    heard(changes).await;
}

pub(crate) async fn cancelling_a_pending_task_wakes_those_who_wait_for_it(world: &World) {
    let id = world.insert_new().await;
    let changes = world.store.changes(Topic::Task(id));
    ok(world.store.cancel(id).await);
    heard(changes).await;
}

pub(crate) async fn a_rescue_wakes_those_who_wait_for_the_task(world: &World) {
    let lease = world.run_new().await;
    world.lapse().await;
    let changes = world.store.changes(Topic::Task(lease.task_id));
    world.rescue_ids(10).await;
    heard(changes).await;
}

pub(crate) async fn a_wish_to_cancel_wakes_the_workers(world: &World) {
    let lease = world.run_new().await;
    let changes = world.store.changes(Topic::Cancellation);
    ok(world.store.cancel(lease.task_id).await);
    heard(changes).await;
}

/// A runtime of a store that says it loses no hints waits for this one.
pub(crate) async fn a_lease_wakes_those_who_watch_leases(world: &World) {
    world.insert_new().await;
    let leases = || world.store.changes(Topic::Lease);
    let changes = leases();
    world.claim_one().await;
    if changes.is_lossless() {
        heard(changes).await;
    }
    assert_eq!(queue(world, QUEUE).is_lossless(), leases().is_lossless());
}

pub(crate) async fn a_hint_before_the_wait_is_not_lost(world: &World) {
    let changes = queue(world, QUEUE);
    world.insert_new().await;
    world.claim_one().await;
    heard(changes).await;
}

pub(crate) async fn the_change_is_visible_when_its_hint_comes(world: &World) {
    let lease = world.run_new().await;
    for _ in 0..20 {
        let mut changes = world.store.changes(Topic::Task(lease.task_id));
        let before = world.record(lease.task_id).await.revision;
        let waiter = async {
            // The hint of the change before may still come, by another way.
            loop {
                let hint = tokio::time::timeout(PATIENCE, changes.changed()).await;
                assert!(hint.is_ok(), "no hint came when the change was visible");
                if world.record(lease.task_id).await.revision > before {
                    break;
                }
            }
        };
        let writer = world.beat(lease, Some(progress("first", 5, "")));
        tokio::join!(waiter, writer);
    }
}

pub(crate) async fn a_task_can_be_claimed_when_its_hint_comes(world: &World) {
    for _ in 0..20 {
        let mut changes = queue(world, QUEUE);
        let waiter = async {
            // The hint of the change before may still come, by another way.
            loop {
                let hint = tokio::time::timeout(PATIENCE, changes.changed()).await;
                assert!(hint.is_ok(), "no hint came when the task could be claimed");
                if !world.claim_ids(1).await.is_empty() {
                    break;
                }
            }
        };
        // Whoever waits is asked first whenever both could go on.
        futures::future::join(waiter, world.insert_new()).await;
    }
}

pub(crate) async fn many_may_wait_for_the_same(world: &World) {
    let changes: Vec<_> = (0..10).map(|_| queue(world, QUEUE)).collect();
    world.insert_new().await;
    for changes in changes {
        heard(changes).await;
    }
}

pub(crate) async fn whoever_stops_waiting_disturbs_nobody(world: &World) {
    let (gone, stays) = (queue(world, QUEUE), queue(world, QUEUE));
    drop(gone);
    let id = world.insert_new().await;
    heard(stays).await;
    ok(world.store.cancel(id).await);
    world.prune(&Retention::all(Duration::ZERO), 1).await;
    assert!(!world.exists(id).await);
    assert_eq!(
        world.ended(TaskState::Completed).await,
        world.matching(Default::default()).await[0]
    );
}

pub(crate) async fn whatever_changes_wakes_those_who_wait_for_anything(world: &World) {
    let anything = || world.store.changes(Topic::Any);
    let changes = anything();
    let task = NewTask { start_at: StartAt::After(HOUR), ..world.task() };
    world.created(&task).await;
    heard(changes).await;
    let changes = anything();
    ok(world.store.cancel(task.id).await);
    heard(changes).await;
    let lease = world.run_new().await;
    let changes = anything();
    world.settle(lease, complete("1")).await;
    heard(changes).await;
}
