//! Reading one task: its record, and the payload asked for.

use artos_core::{
    model::TaskState,
    store::{Found, Part},
};

use crate::{
    outcomes::{HOUR, complete, retry},
    world::World,
};

const PARTS: [Part; 4] = [Part::Record, Part::Input, Part::Checkpoint, Part::Output];

pub(crate) async fn an_unknown_task_is_not_found(world: &World) {
    world.insert_new().await;
    for part in PARTS {
        assert_eq!(world.find(world.new_id(), part).await, None);
    }
}

pub(crate) async fn every_part_comes_with_the_same_record(world: &World) {
    let lease = world.run_second_stage().await;
    let record = world.record(lease.task_id).await;
    for part in PARTS {
        let found = world.find(lease.task_id, part).await.unwrap();
        assert_eq!(found.record, record);
    }
}

pub(crate) async fn the_record_comes_without_a_payload(world: &World) {
    let id = world.ended(TaskState::Completed).await;
    assert_eq!(world.payload(id, Part::Record).await, None);
}

pub(crate) async fn a_new_task_has_only_its_input(world: &World) {
    let task = world.task();
    world.created(&task).await;
    let input = world.payload(task.id, Part::Input).await;
    assert_eq!(input, Some(task.input));
    assert_eq!(world.payload(task.id, Part::Checkpoint).await, None);
    assert_eq!(world.payload(task.id, Part::Output).await, None);
}

pub(crate) async fn a_checkpointed_task_has_no_output(world: &World) {
    let lease = world.run_second_stage().await;
    assert_eq!(world.payload(lease.task_id, Part::Output).await, None);
    world.settle(lease, retry(HOUR)).await;
    assert_eq!(world.payload(lease.task_id, Part::Output).await, None);
}

pub(crate) async fn a_task_without_output_has_none_in_any_other_state(world: &World) {
    for state in [TaskState::Failed, TaskState::Cancelled] {
        let id = world.ended(state).await;
        assert_eq!(world.payload(id, Part::Output).await, None, "{state}");
    }
}

pub(crate) async fn reading_changes_nothing(world: &World) {
    let lease = world.run_new().await;
    let first = world.find(lease.task_id, Part::Input).await;
    let second = world.find(lease.task_id, Part::Input).await;
    assert_eq!(first, second);
    world.settle(lease, complete("1")).await;
    let Found { record, payload } = world.find(lease.task_id, Part::Output).await.unwrap();
    assert_eq!(record.state, TaskState::Completed);
    assert_eq!(payload.unwrap(), "1");
}
