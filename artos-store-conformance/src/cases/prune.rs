//! Pruning: terminal tasks past their retention go, with everything that is theirs.

use std::time::Duration;

use artos_core::model::{Retention, TaskState};
use futures::future::join_all;

use crate::{
    outcomes::{HOUR, MINUTE, complete, retry},
    world::{World, ok},
};

const TERMINAL: [TaskState; 3] = [TaskState::Completed, TaskState::Failed, TaskState::Cancelled];

pub(crate) async fn a_task_past_its_retention_is_pruned(world: &World) {
    for state in TERMINAL {
        let id = world.ended(state).await;
        world.advance(HOUR).await;
        assert_eq!(world.prune(&Retention::all(HOUR), 10).await, 1, "{state}");
        assert!(!world.exists(id).await);
    }
}

pub(crate) async fn a_task_within_its_retention_is_kept(world: &World) {
    for state in TERMINAL {
        world.ended(state).await;
    }
    world.advance(HOUR).await;
    assert_eq!(world.prune(&Retention::all(HOUR * 2), 10).await, 0);
    assert_eq!(world.snapshot().await.len(), 3);
}

/// Gives every terminal state a retention that lasts, but `state`.
async fn only(world: &World, state: TaskState) {
    let mut ids = Vec::new();
    for state in TERMINAL {
        ids.push((state, world.ended(state).await));
    }
    world.advance(HOUR).await;
    let mut retention = Retention::all(HOUR * 9);
    match state {
        TaskState::Completed => retention.completed = HOUR,
        TaskState::Failed => retention.failed = HOUR,
        _ => retention.cancelled = HOUR,
    }
    assert_eq!(world.prune(&retention, 10).await, 1);
    for (other, id) in ids {
        assert_eq!(world.exists(id).await, other != state, "{other}");
    }
}

pub(crate) async fn completed_tasks_have_a_retention_of_their_own(world: &World) {
    only(world, TaskState::Completed).await;
}

pub(crate) async fn failed_tasks_have_a_retention_of_their_own(world: &World) {
    only(world, TaskState::Failed).await;
}

pub(crate) async fn cancelled_tasks_have_a_retention_of_their_own(world: &World) {
    only(world, TaskState::Cancelled).await;
}

pub(crate) async fn retention_counts_from_the_end_of_the_task(world: &World) {
    let lease = world.run_new().await;
    world.advance(HOUR / 2).await;
    world.settle(lease, complete("1")).await;
    world.advance(HOUR / 2).await;
    assert_eq!(world.prune(&Retention::all(HOUR), 10).await, 0);
    world.advance(HOUR / 2).await;
    assert_eq!(world.prune(&Retention::all(HOUR), 10).await, 1);
}

pub(crate) async fn no_retention_prunes_at_once(world: &World) {
    world.ended(TaskState::Completed).await;
    assert_eq!(world.prune(&Retention::all(Duration::ZERO), 10).await, 1);
}

pub(crate) async fn an_endless_retention_keeps_for_ever(world: &World) {
    world.ended(TaskState::Completed).await;
    world.advance(HOUR * 10_000).await;
    assert_eq!(world.prune(&Retention::all(Duration::MAX), 10).await, 0);
}

pub(crate) async fn a_prune_takes_no_more_than_its_limit(world: &World) {
    for state in [TERMINAL, TERMINAL].concat() {
        world.ended(state).await;
    }
    world.advance(HOUR).await;
    let retention = Retention::all(HOUR);
    assert_eq!(world.prune(&retention, 0).await, 0);
    assert_eq!(world.prune(&retention, 4).await, 4);
    assert_eq!(world.prune(&retention, 4).await, 2);
    assert_eq!(world.prune(&retention, 4).await, 0);
}

/// Prunes up to `limit` tasks, and returns how long until the next one may go.
async fn next_in(world: &World, retention: &Retention, limit: usize) -> Option<Duration> {
    ok(world.store.prune(retention, limit).await).next_in
}

/// A store's own clock may go on meanwhile.
fn assert_about(found: Duration, expected: Duration) {
    assert!(found <= expected && found > expected - MINUTE, "found {found:?}, not {expected:?}");
}

pub(crate) async fn a_prune_tells_when_the_next_task_may_go(world: &World) {
    let retention = Retention { failed: HOUR, ..Retention::all(HOUR * 3) };
    world.run_new().await;
    assert_eq!(next_in(world, &retention, 10).await, None, "nothing has ended");
    world.ended(TaskState::Completed).await;
    world.advance(HOUR * 2).await;
    let next = next_in(world, &retention, 10).await.unwrap();
    assert_about(next, HOUR);
    world.ended(TaskState::Failed).await;
    world.ended(TaskState::Cancelled).await;
    world.advance(HOUR / 2).await;
    let next = next_in(world, &retention, 10).await.unwrap();
    assert_about(next, HOUR / 2);
    world.advance(HOUR / 2).await;
    assert_eq!(next_in(world, &retention, 0).await, Some(Duration::ZERO));
    assert_eq!(next_in(world, &retention, 1).await, Some(Duration::ZERO), "one is left");
    let next = next_in(world, &retention, 1).await.unwrap();
    assert_about(next, HOUR * 2);
    world.advance(HOUR * 2).await;
    assert_eq!(next_in(world, &retention, 10).await, None, "none is left");
}

pub(crate) async fn a_live_task_is_never_pruned(world: &World) {
    let waiting = world.run_new().await;
    world.settle(waiting, retry(HOUR)).await;
    let lapsed = world.run_new().await;
    let pending = world.insert_new().await;
    world.advance(HOUR * 100).await;
    let retention = Retention::all(Duration::ZERO);
    assert_eq!(world.prune(&retention, 10).await, 0);
    for id in [waiting.task_id, lapsed.task_id, pending] {
        assert!(world.exists(id).await);
    }
}

pub(crate) async fn a_pruned_task_leaves_nothing_behind(world: &World) {
    let lease = world.run_second_stage().await;
    world.settle(lease, complete("1")).await;
    world.prune(&Retention::all(Duration::ZERO), 10).await;
    assert!(!world.exists(lease.task_id).await);
    assert_eq!(world.snapshot().await, []);
    let query = artos_core::model::ListQuery { counts: true, ..Default::default() };
    let counts = world.page(&query).await.counts.unwrap();
    assert_eq!(counts.total(), 0);
}

pub(crate) async fn a_pruned_id_may_be_inserted_again(world: &World) {
    let task = world.task();
    world.end(&task, TaskState::Completed).await;
    world.prune(&Retention::all(Duration::ZERO), 10).await;
    world.created(&task).await;
    let record = world.record(task.id).await;
    assert_eq!((record.revision, record.attempt), (1, 0));
    assert_eq!(record.state, TaskState::Pending);
    assert_eq!(world.claim_ids(10).await, [task.id]);
}

pub(crate) async fn a_prune_frees_no_keys_but_its_own(world: &World) {
    let (pruned, kept) = (world.keyed("pruned"), world.keyed("kept"));
    world.end(&pruned, TaskState::Completed).await;
    world.created(&kept).await;
    world.prune(&Retention::all(Duration::ZERO), 10).await;
    let answer = world.insert(&world.keyed("kept")).await;
    let existing = artos_core::store::Inserted::Existing { id: kept.id, same_input: true };
    assert_eq!(answer, existing);
    world.created(&world.keyed("pruned")).await;
}

pub(crate) async fn many_tasks_are_pruned_in_one_call(world: &World) {
    // Stores prune in steps; what they say in the end has to hold for all of them.
    let tasks: Vec<_> = (0..1_100).map(|_| world.task()).collect();
    world.insert_all(&tasks).await;
    for cancelled in join_all(tasks.iter().map(|task| world.store.cancel(task.id))).await {
        ok(cancelled);
    }
    world.ended(TaskState::Completed).await;
    let retention = Retention { completed: HOUR, ..Retention::all(Duration::ZERO) };
    let pruned = ok(world.store.prune(&retention, 2_000).await);
    assert_eq!(pruned.count, 1_100);
    assert_about(pruned.next_in.unwrap(), HOUR);
}
