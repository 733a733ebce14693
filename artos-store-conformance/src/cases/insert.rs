//! Inserting: each task at most once, with everything that was submitted.

use std::time::Duration;

use artos_core::{
    Name, Timestamp,
    model::{Epoch, NewTask, StartAt, TaskState},
    store::{Inserted, Part},
};
use bytes::Bytes;

use crate::{
    outcomes::{HOUR, MINUTE},
    world::World,
};

pub(crate) async fn an_inserted_task_carries_what_was_submitted(world: &World) {
    let earlier = world.insert_new().await;
    let task = NewTask {
        kind: Name::from("invoice.send"),
        queue: Name::from("mail"),
        priority: -7,
        tenant: Some(Name::from("acme")),
        labels: [(Name::from("a"), Name::from("1")), (Name::from("b"), Name::from(""))].into(),
        idempotency_key: Some(Name::from("key")),
        retry_of: Some(earlier),
        expires_after: Some(HOUR),
        ..world.task()
    };
    world.created(&task).await;
    let record = world.record(task.id).await;
    assert_eq!(record.id, task.id);
    assert_eq!(record.kind, task.kind);
    assert_eq!(record.queue, task.queue);
    assert_eq!(record.priority, task.priority);
    assert_eq!(record.tenant, task.tenant);
    assert_eq!(record.labels, task.labels);
    assert_eq!(record.idempotency_key, task.idempotency_key);
    assert_eq!(record.retry_of, Some(earlier));
    assert_eq!(world.payload(task.id, Part::Input).await, Some(task.input.clone()));
}

pub(crate) async fn an_inserted_task_is_pending_and_has_no_past(world: &World) {
    let record = world.record(world.insert_new().await).await;
    assert_eq!(record.state, TaskState::Pending);
    assert_eq!(record.epoch, Epoch(0));
    assert_eq!((record.attempt, record.snoozes, record.interrupts), (0, 0, 0));
    assert_eq!(record.stage, None);
    assert_eq!(record.lease, None);
    assert_eq!(record.settled_by, None);
    assert_eq!(record.progress, None);
    assert_eq!(record.failure, None);
    assert_eq!(record.started_at, None);
    assert_eq!(record.finished_at, None);
    assert_eq!(record.revision, 1);
    assert!(!record.cancel_requested);
}

pub(crate) async fn inserting_the_same_task_twice_inserts_it_once(world: &World) {
    let task = world.task();
    world.created(&task).await;
    let before = world.snapshot().await;
    let existing = Inserted::Existing { id: task.id, same_input: true };
    assert_eq!(world.insert(&task).await, existing);
    assert_eq!(world.snapshot().await, before);
}

pub(crate) async fn inserting_the_same_id_with_other_input_says_so(world: &World) {
    let task = world.task();
    world.created(&task).await;
    let other = NewTask { input: Bytes::from_static(b"{\"source\":\"b\"}"), ..task.clone() };
    let existing = Inserted::Existing { id: task.id, same_input: false };
    assert_eq!(world.insert(&other).await, existing);
    let input = world.payload(task.id, Part::Input).await;
    assert_eq!(input, Some(task.input));
}

pub(crate) async fn inserting_a_running_task_again_leaves_it_running(world: &World) {
    let task = world.task();
    let lease = world.run(&task).await;
    let before = world.snapshot().await;
    world.insert(&task).await;
    assert_eq!(world.snapshot().await, before);
    assert_eq!(world.beat(lease, None).await, artos_core::store::Pulse::Alive);
}

pub(crate) async fn inserting_a_terminal_task_again_leaves_it_terminal(world: &World) {
    let task = world.task();
    world.end(&task, TaskState::Completed).await;
    let existing = Inserted::Existing { id: task.id, same_input: true };
    assert_eq!(world.insert(&task).await, existing);
    assert_eq!(world.state(task.id).await, TaskState::Completed);
}

pub(crate) async fn a_batch_of_inserts_is_answered_in_order(world: &World) {
    let (a, b, c) = (world.task(), world.task(), world.task());
    world.created(&b).await;
    let answers = world.insert_all(&[c.clone(), b.clone(), a.clone()]).await;
    let existing = Inserted::Existing { id: b.id, same_input: true };
    assert_eq!(answers, [Inserted::Created, existing, Inserted::Created]);
}

pub(crate) async fn the_same_task_twice_in_one_batch_is_inserted_once(world: &World) {
    let task = world.task();
    let answers = world.insert_all(&[task.clone(), task.clone()]).await;
    let existing = Inserted::Existing { id: task.id, same_input: true };
    assert_eq!(answers, [Inserted::Created, existing]);
    assert_eq!(world.claim_ids(10).await, [task.id]);
}

pub(crate) async fn an_empty_batch_inserts_nothing(world: &World) {
    assert_eq!(world.insert_all(&[]).await, []);
    assert_eq!(world.snapshot().await, []);
}

pub(crate) async fn a_large_batch_is_inserted_whole(world: &World) {
    let tasks: Vec<_> = (0..1_000).map(|_| world.task()).collect();
    let answers = world.insert_all(&tasks).await;
    assert_eq!(answers, vec![Inserted::Created; 1_000]);
    let ids: Vec<_> = tasks.iter().map(|task| task.id).collect();
    assert_eq!(world.matching(Default::default()).await, ids);
}

pub(crate) async fn a_task_may_start_after_a_delay(world: &World) {
    let task = NewTask { start_at: StartAt::After(HOUR), ..world.task() };
    world.created(&task).await;
    let record = world.record(task.id).await;
    assert_eq!(record.run_at, record.created_at + HOUR);
}

pub(crate) async fn a_task_may_start_at_a_time(world: &World) {
    let now = world.record(world.insert_new().await).await.created_at;
    let task = NewTask { start_at: StartAt::At(now + HOUR), ..world.task() };
    world.created(&task).await;
    assert_eq!(world.record(task.id).await.run_at, now + HOUR);
}

pub(crate) async fn a_start_time_in_the_past_means_now(world: &World) {
    let task = NewTask { start_at: StartAt::At(Timestamp::MIN), ..world.task() };
    world.created(&task).await;
    let record = world.record(task.id).await;
    assert_eq!(record.run_at, record.created_at);
}

pub(crate) async fn an_endless_delay_ends_at_the_end_of_time(world: &World) {
    let task = NewTask {
        start_at: StartAt::After(Duration::MAX),
        expires_after: Some(Duration::MAX),
        ..world.task()
    };
    world.created(&task).await;
    let record = world.record(task.id).await;
    assert_eq!(record.run_at, Timestamp::MAX);
    assert_eq!(record.expires_at, Some(Timestamp::MAX));
    assert_eq!(world.claim_ids(1).await, []);
}

pub(crate) async fn an_expiry_is_counted_from_the_insertion(world: &World) {
    let task = NewTask { expires_after: Some(MINUTE), ..world.task() };
    world.created(&task).await;
    let record = world.record(task.id).await;
    assert_eq!(record.expires_at, Some(record.created_at + MINUTE));
}

pub(crate) async fn an_inserted_task_has_one_time_for_everything(world: &World) {
    let record = world.record(world.insert_new().await).await;
    assert_eq!(record.run_at, record.created_at);
    assert_eq!(record.updated_at, record.created_at);
    assert_eq!(record.stage_entered_at, record.created_at);
}

pub(crate) async fn a_task_may_start_at_a_later_stage(world: &World) {
    let checkpoint = Bytes::from_static(b"\"pages\"");
    let task =
        NewTask { checkpoint: Some((Name::from("render"), checkpoint.clone())), ..world.task() };
    world.created(&task).await;
    assert_eq!(world.record(task.id).await.stage, Some(Name::from("render")));
    let found = world.payload(task.id, Part::Checkpoint).await;
    assert_eq!(found, Some(checkpoint.clone()));
    assert_eq!(world.claim_one().await.payload, checkpoint);
}

pub(crate) async fn extreme_priorities_are_kept(world: &World) {
    for priority in [i16::MIN, -1, 1, i16::MAX] {
        let task = NewTask { priority, ..world.task() };
        world.created(&task).await;
        assert_eq!(world.record(task.id).await.priority, priority);
    }
}
