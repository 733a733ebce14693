//! What every record promises over its whole life.

use std::time::Duration;

use artos_core::{
    machine::Cancelled,
    model::{Epoch, Lease, Outcome, OutcomeKind, TaskRecord, TaskState},
    store::{Pulse, Settled},
};

use crate::{
    outcomes::{MINUTE, advance, advance_from, complete, outcome, progress, retry, snooze},
    world::{World, ok},
};

/// Lives a long life, and returns the record after each event.
async fn long_life(world: &World) -> Vec<TaskRecord> {
    let id = world.insert_new().await;
    let mut records = vec![world.record(id).await];
    let second = || Some("second");
    for outcome in [
        retry(Duration::ZERO),
        snooze(Duration::ZERO),
        advance("second", "1"),
        Outcome::Interrupt,
        advance_from(second(), "third", "2"),
        complete("3"),
    ] {
        world.advance(MINUTE).await;
        if world.state(id).await == TaskState::Pending {
            world.claim_one().await;
            records.push(world.record(id).await);
        }
        world.advance(MINUTE).await;
        let running = world.record(id).await;
        let lease = running.lease_token();
        let stage = running.stage.as_deref().unwrap_or("first");
        world.beat(lease, Some(progress(stage, 1, ""))).await;
        records.push(world.record(id).await);
        world.advance(MINUTE).await;
        assert!(matches!(world.settle(lease, outcome).await, Settled::Applied(_)));
        records.push(world.record(id).await);
    }
    records
}

pub(crate) async fn the_revision_grows_with_every_visible_change(world: &World) {
    let records = long_life(world).await;
    for pair in records.windows(2) {
        assert_eq!(pair[1].revision, pair[0].revision + 1);
    }
}

pub(crate) async fn the_epoch_never_falls(world: &World) {
    let records = long_life(world).await;
    assert!(records.windows(2).all(|pair| pair[0].epoch <= pair[1].epoch));
    assert_eq!(records.last().unwrap().epoch, Epoch(4));
}

pub(crate) async fn times_are_in_the_order_of_a_life(world: &World) {
    let records = long_life(world).await;
    for pair in records.windows(2) {
        assert!(pair[0].updated_at < pair[1].updated_at);
        assert!(pair[0].stage_entered_at <= pair[1].stage_entered_at);
        assert_eq!(pair[0].created_at, pair[1].created_at);
    }
    let last = records.last().unwrap();
    assert!(last.created_at < last.started_at.unwrap());
    assert!(last.started_at < last.finished_at);
    assert_eq!(last.finished_at, Some(last.updated_at));
}

pub(crate) async fn a_lease_is_there_exactly_while_the_task_runs(world: &World) {
    for record in long_life(world).await {
        assert_eq!(record.lease.is_some(), record.state == TaskState::Running);
    }
}

pub(crate) async fn the_end_has_a_time_exactly_when_it_came(world: &World) {
    for record in long_life(world).await {
        assert_eq!(record.finished_at.is_some(), record.is_terminal());
    }
}

pub(crate) async fn a_terminal_task_never_changes(world: &World) {
    for state in TaskState::ALL.into_iter().filter(|s| s.is_terminal()) {
        let id = world.ended(state).await;
        let before = world.snapshot().await;
        let record = world.record(id).await;
        world.lapse().await;
        for epoch in 0..3 {
            let lease = Lease { task_id: id, epoch: Epoch(epoch) };
            assert_eq!(world.beat(lease, None).await, Pulse::Lost);
            for kind in OutcomeKind::ALL {
                world.settle(lease, outcome(kind)).await;
            }
        }
        assert_eq!(ok(world.store.cancel(id).await), Cancelled::AlreadyTerminal(state));
        assert_eq!(world.rescue_ids(10).await, []);
        assert_eq!(world.claim_ids(10).await, []);
        assert_eq!(world.snapshot().await, before);
        assert_eq!(world.record(id).await, record);
    }
}

pub(crate) async fn tasks_do_not_disturb_each_other(world: &World) {
    let bystander = world.ended(TaskState::Failed).await;
    let before = world.record(bystander).await;
    long_life(world).await;
    assert_eq!(world.record(bystander).await, before);
}
