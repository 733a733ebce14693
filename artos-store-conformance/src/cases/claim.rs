//! Claiming: due tasks in order, each leased to one worker.

use std::time::Duration;

use artos_core::{
    Name, Timestamp,
    model::{Epoch, LeaseHolder, NewTask, StartAt, TaskId, TaskState},
    store::Claim,
};

use crate::{
    outcomes::{HOUR, MINUTE, advance, complete, retry},
    world::{LEASE, World, ok},
};

/// Inserts a task for each pair of priority and delay, in order; returns their ids.
async fn insert_each<const N: usize>(world: &World, tasks: [(i16, Duration); N]) -> [TaskId; N] {
    let mut ids = Vec::new();
    for (priority, delay) in tasks {
        let task = NewTask { priority, start_at: StartAt::After(delay), ..world.task() };
        world.created(&task).await;
        ids.push(task.id);
    }
    ids.try_into().unwrap()
}

pub(crate) async fn a_claim_leases_the_task(world: &World) {
    let id = world.insert_new().await;
    let request = world.claim_request(1);
    let claimed = world.claims(&request).await.tasks.remove(0).record;
    assert_eq!(claimed.id, id);
    assert_eq!(claimed.state, TaskState::Running);
    assert_eq!((claimed.epoch, claimed.attempt), (Epoch(1), 1));
    assert_eq!(claimed.started_at, Some(claimed.updated_at));
    let holder = LeaseHolder { worker: request.worker, expires_at: claimed.updated_at + LEASE };
    assert_eq!(claimed.lease, Some(holder));
}

pub(crate) async fn a_claimed_record_is_the_stored_record(world: &World) {
    world.insert_new().await;
    let claimed = world.claim_one().await.record;
    assert_eq!(world.record(claimed.id).await, *claimed);
}

pub(crate) async fn a_claim_hands_out_the_input_at_first(world: &World) {
    let task = world.task();
    world.created(&task).await;
    assert_eq!(world.claim_one().await.payload, task.input);
}

pub(crate) async fn a_claim_hands_out_the_last_checkpoint(world: &World) {
    let lease = world.run_new().await;
    world.settle(lease, advance("second", "\"pages\"")).await;
    world.settle(lease, retry(Duration::ZERO)).await;
    assert_eq!(&world.claim_one().await.payload[..], b"\"pages\"");
}

pub(crate) async fn a_claim_takes_no_more_than_its_limit(world: &World) {
    for _ in 0..5 {
        world.insert_new().await;
    }
    assert_eq!(world.claim(2).await.len(), 2);
    assert_eq!(world.claim(10).await.len(), 3);
    assert_eq!(world.claim(10).await.len(), 0);
}

pub(crate) async fn a_claim_of_nothing_takes_nothing(world: &World) {
    world.insert_new().await;
    assert_eq!(world.claim(0).await.len(), 0);
    assert_eq!(world.claim(1).await.len(), 1);
}

pub(crate) async fn a_claim_without_limit_takes_all(world: &World) {
    let tasks: Vec<_> = (0..1_000).map(|_| world.task()).collect();
    world.insert_all(&tasks).await;
    let ids: Vec<_> = tasks.iter().map(|task| task.id).collect();
    assert_eq!(world.claim_ids(1_000_000).await, ids);
}

pub(crate) async fn an_unknown_queue_is_empty(world: &World) {
    world.insert_new().await;
    let request = Claim { queue: Name::from("nobody-knows"), ..world.claim_request(10) };
    let claims = world.claims(&request).await;
    assert_eq!(claims.tasks, []);
    assert_eq!(claims.next_due_in, None);
}

pub(crate) async fn a_claim_takes_only_from_its_queue(world: &World) {
    world.insert_new().await;
    let task = NewTask { queue: Name::from("mail"), priority: 9, ..world.task() };
    world.created(&task).await;
    let request = Claim { queue: Name::from("mail"), ..world.claim_request(10) };
    let claimed = world.claims(&request).await.tasks;
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].record.id, task.id);
}

pub(crate) async fn higher_priority_is_claimed_first(world: &World) {
    let none = Duration::ZERO;
    let [low, lowest, high, middle, highest] =
        insert_each(world, [(-1, none), (i16::MIN, none), (1, none), (0, none), (i16::MAX, none)])
            .await;
    assert_eq!(world.claim_ids(10).await, [highest, high, middle, low, lowest]);
}

pub(crate) async fn the_order_holds_from_claim_to_claim(world: &World) {
    let none = Duration::ZERO;
    let [low, high, middle] = insert_each(world, [(-1, none), (1, none), (0, none)]).await;
    for expected in [high, middle, low] {
        assert_eq!(world.claim_ids(1).await, [expected]);
    }
}

pub(crate) async fn among_equal_priorities_the_earlier_run_at_is_claimed_first(world: &World) {
    let [third, first, second] =
        insert_each(world, [(0, HOUR * 3), (0, HOUR), (0, HOUR * 2)]).await;
    world.advance(HOUR * 4).await;
    assert_eq!(world.claim_ids(10).await, [first, second, third]);
}

pub(crate) async fn among_equal_times_the_smaller_id_is_claimed_first(world: &World) {
    let now = world.record(world.insert_new().await).await.created_at;
    world.claim_one().await;
    let mut tasks: Vec<_> = (0..5).map(|_| world.task()).collect();
    for task in &mut tasks {
        task.start_at = StartAt::At(now + HOUR);
    }
    let ids: Vec<_> = tasks.iter().map(|task| task.id).collect();
    tasks.reverse();
    world.insert_all(&tasks).await;
    world.advance(HOUR * 2).await;
    assert_eq!(world.claim_ids(10).await, ids);
}

pub(crate) async fn priority_counts_before_run_at(world: &World) {
    let [early, urgent] = insert_each(world, [(0, HOUR), (1, HOUR * 2)]).await;
    world.advance(HOUR * 3).await;
    assert_eq!(world.claim_ids(10).await, [urgent, early]);
}

pub(crate) async fn a_task_that_is_not_due_is_not_claimed(world: &World) {
    insert_each(world, [(0, HOUR)]).await;
    assert_eq!(world.claim_ids(10).await, []);
    world.advance(HOUR / 2).await;
    assert_eq!(world.claim_ids(10).await, []);
}

pub(crate) async fn a_task_is_claimed_once_it_is_due(world: &World) {
    let [id] = insert_each(world, [(0, HOUR)]).await;
    world.advance(HOUR).await;
    assert_eq!(world.claim_ids(10).await, [id]);
}

pub(crate) async fn an_urgent_task_that_is_not_due_blocks_nobody(world: &World) {
    let [_, due] = insert_each(world, [(9, HOUR), (0, Duration::ZERO)]).await;
    assert_eq!(world.claim_ids(1).await, [due]);
}

pub(crate) async fn many_tasks_for_later_block_nobody(world: &World) {
    let later = |_| NewTask { start_at: StartAt::After(HOUR), priority: 5, ..world.task() };
    let tasks: Vec<_> = (0..300).map(later).collect();
    world.insert_all(&tasks).await;
    let due = world.insert_new().await;
    assert_eq!(world.claim_ids(1).await, [due]);
}

pub(crate) async fn a_running_task_is_not_claimed_again(world: &World) {
    world.run_new().await;
    assert_eq!(world.claim_ids(10).await, []);
}

pub(crate) async fn a_task_between_stages_is_not_claimed(world: &World) {
    world.run_second_stage().await;
    assert_eq!(world.claim_ids(10).await, []);
}

pub(crate) async fn a_terminal_task_is_never_claimed(world: &World) {
    for state in TaskState::ALL.into_iter().filter(|s| s.is_terminal()) {
        world.ended(state).await;
    }
    world.advance(HOUR * 100).await;
    assert_eq!(world.claim_ids(10).await, []);
}

pub(crate) async fn a_lapsed_task_is_not_claimed_before_its_rescue(world: &World) {
    world.run_new().await;
    world.lapse().await;
    assert_eq!(world.claim_ids(10).await, []);
    assert_eq!(world.rescue_ids(10).await.len(), 1);
    assert_eq!(world.claim_ids(10).await.len(), 1);
}

pub(crate) async fn every_claim_raises_the_epoch_and_charges_an_attempt(world: &World) {
    let id = world.insert_new().await;
    for number in 1..=3 {
        let claimed = world.claim_one().await.record;
        assert_eq!(claimed.id, id);
        assert_eq!(claimed.epoch, Epoch(u64::from(number)));
        assert_eq!(claimed.attempt, number);
        world.settle(claimed.lease_token(), retry(Duration::ZERO)).await;
    }
}

pub(crate) async fn a_claim_keeps_the_time_of_the_first_start(world: &World) {
    let lease = world.run_new().await;
    let first = world.record(lease.task_id).await.started_at;
    world.settle(lease, retry(Duration::ZERO)).await;
    world.advance(MINUTE).await;
    assert_eq!(world.claim_one().await.record.started_at, first);
}

pub(crate) async fn a_claim_forgets_how_the_last_lease_ended(world: &World) {
    let lease = world.run_new().await;
    world.settle(lease, retry(Duration::ZERO)).await;
    assert_eq!(world.claim_one().await.record.settled_by, None);
}

pub(crate) async fn next_due_in_is_zero_when_more_is_due(world: &World) {
    world.insert_new().await;
    world.insert_new().await;
    let claims = world.claims(&world.claim_request(1)).await;
    assert_eq!(claims.next_due_in, Some(Duration::ZERO));
}

pub(crate) async fn next_due_in_tells_when_the_next_task_is_due(world: &World) {
    insert_each(world, [(0, HOUR * 5), (9, HOUR * 8), (-9, HOUR * 2)]).await;
    let next = world.claims(&world.claim_request(1)).await.next_due_in;
    let next = next.expect("three tasks are waiting");
    assert!(next <= HOUR * 2 && next > HOUR * 2 - MINUTE, "{next:?}");
}

pub(crate) async fn next_due_in_is_absent_when_nothing_waits(world: &World) {
    world.run_new().await;
    world.ended(TaskState::Completed).await;
    let other = NewTask { queue: Name::from("elsewhere"), ..world.task() };
    world.created(&other).await;
    let claims = world.claims(&world.claim_request(1)).await;
    assert_eq!(claims.next_due_in, None);
}

pub(crate) async fn next_due_in_knows_of_retries(world: &World) {
    let lease = world.run_new().await;
    world.settle(lease, retry(HOUR * 2)).await;
    let next = world.claims(&world.claim_request(1)).await.next_due_in;
    let next = next.expect("a retry is waiting");
    assert!(next <= HOUR * 2 && next > HOUR * 2 - MINUTE, "{next:?}");
}

pub(crate) async fn two_workers_never_get_the_same_task(world: &World) {
    for _ in 0..10 {
        world.insert_new().await;
    }
    let mut ids = world.claim_ids(6).await;
    ids.extend(world.claim_ids(6).await);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 10);
}

pub(crate) async fn an_endless_lease_ends_at_the_end_of_time(world: &World) {
    world.insert_new().await;
    let request = Claim { lease_for: Duration::MAX, ..world.claim_request(1) };
    let claimed = world.claims(&request).await.tasks.remove(0).record;
    let until = claimed.lease.map(|holder| holder.expires_at);
    assert_eq!(until, Some(Timestamp::MAX));
    world.advance(HOUR * 1_000).await;
    assert_eq!(ok(world.store.rescue(10).await).tasks, []);
}

pub(crate) async fn an_empty_lease_lapses_at_once(world: &World) {
    let id = world.insert_new().await;
    let request = Claim { lease_for: Duration::ZERO, ..world.claim_request(1) };
    let claimed = world.claims(&request).await.tasks.remove(0).record;
    let settled = world.settle(claimed.lease_token(), complete("1")).await;
    assert_eq!(settled, artos_core::store::Settled::Stale);
    assert_eq!(world.rescue_ids(10).await, [id]);
}
