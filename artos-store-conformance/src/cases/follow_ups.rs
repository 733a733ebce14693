//! Follow-up tasks: inserted in the same atomic step as the outcome that carries them, once.

use std::time::Duration;

use artos_core::{
    Name,
    model::{NewTask, OutcomeKind, Retention, StartAt, TaskState},
    store::{Claim, Inserted, Part, Settled},
};
use bytes::Bytes;

use crate::{
    outcomes::{HOUR, advance, complete, outcome, settlement_with},
    world::{World, ok},
};

pub(crate) async fn every_outcome_may_carry_follow_ups(world: &World) {
    for kind in OutcomeKind::ALL {
        let task = NewTask { priority: 1, ..world.task() };
        let lease = world.run(&task).await;
        let follow_up = NewTask { queue: Name::from("later"), ..world.task() };
        let item = settlement_with(lease, outcome(kind), vec![follow_up.clone()]);
        assert!(matches!(world.settle_item(item).await, Settled::Applied(_)));
        assert!(world.exists(follow_up.id).await, "{kind}");
        ok(world.store.cancel(task.id).await);
    }
}

pub(crate) async fn a_follow_up_is_a_task_like_any_other(world: &World) {
    let lease = world.run_new().await;
    let follow_up = NewTask {
        queue: Name::from("mail"),
        priority: 3,
        tenant: Some(Name::from("acme")),
        labels: [(Name::from("a"), Name::from("b"))].into(),
        checkpoint: Some((Name::from("render"), Bytes::from_static(b"7"))),
        ..world.task()
    };
    world.settle_item(settlement_with(lease, complete("1"), vec![follow_up.clone()])).await;
    let record = world.record(follow_up.id).await;
    assert_eq!(record.state, TaskState::Pending);
    assert_eq!((record.revision, record.epoch.0), (1, 0));
    assert_eq!(record.labels, follow_up.labels);
    assert_eq!(record.tenant, follow_up.tenant);
    let input = world.payload(follow_up.id, Part::Input).await;
    assert_eq!(input, Some(follow_up.input));
    let request = Claim { queue: Name::from("mail"), ..world.claim_request(1) };
    let claimed = world.claims(&request).await.tasks.remove(0);
    assert_eq!(claimed.record.id, follow_up.id);
    assert_eq!(&claimed.payload[..], b"7");
}

pub(crate) async fn a_follow_up_may_start_later(world: &World) {
    let lease = world.run_new().await;
    let follow_up = NewTask { start_at: StartAt::After(HOUR), ..world.task() };
    world.settle_item(settlement_with(lease, complete("1"), vec![follow_up.clone()])).await;
    let record = world.record(follow_up.id).await;
    assert_eq!(record.run_at, record.created_at + HOUR);
    assert_eq!(world.claim_ids(1).await, []);
}

pub(crate) async fn many_follow_ups_are_inserted_in_order(world: &World) {
    let lease = world.run_new().await;
    let follow_ups: Vec<_> = (0..50).map(|_| world.task()).collect();
    let ids: Vec<_> = follow_ups.iter().map(|task| task.id).collect();
    world.settle_item(settlement_with(lease, complete("1"), follow_ups)).await;
    assert_eq!(world.claim_ids(100).await, ids);
}

pub(crate) async fn a_refused_settlement_inserts_no_follow_ups(world: &World) {
    let lease = world.run_new().await;
    world.lapse().await;
    let follow_up = world.task();
    let item = settlement_with(lease, complete("1"), vec![follow_up.clone()]);
    assert_eq!(world.settle_item(item).await, Settled::Stale);
    assert!(!world.exists(follow_up.id).await);
}

pub(crate) async fn a_refused_checkpoint_inserts_no_follow_ups(world: &World) {
    let lease = world.run_second_stage().await;
    let follow_up = world.task();
    let item = settlement_with(lease, advance("third", "1"), vec![follow_up.clone()]);
    assert_eq!(world.settle_item(item).await, Settled::Stale);
    assert!(!world.exists(follow_up.id).await);
}

pub(crate) async fn a_settlement_sent_again_inserts_its_follow_ups_once(world: &World) {
    let lease = world.run_new().await;
    let follow_up = world.keyed("k");
    let item = settlement_with(lease, complete("1"), vec![follow_up.clone()]);
    let first = world.settle_item(item.clone()).await;
    let before = world.snapshot().await;
    assert_eq!(world.settle_item(item).await, first);
    assert_eq!(world.snapshot().await, before);
}

pub(crate) async fn a_settlement_sent_again_does_not_bring_back_pruned_follow_ups(world: &World) {
    let lease = world.run_new().await;
    let follow_up = world.task();
    let item = settlement_with(lease, advance("second", "1"), vec![follow_up.clone()]);
    let first = world.settle_item(item.clone()).await;
    ok(world.store.cancel(follow_up.id).await);
    assert_eq!(world.prune(&Retention::all(Duration::ZERO), 10).await, 1);
    assert_eq!(world.settle_item(item).await, first);
    assert!(!world.exists(follow_up.id).await);
}

pub(crate) async fn a_follow_up_that_exists_does_not_stop_the_outcome(world: &World) {
    let existing = world.task();
    world.end(&existing, TaskState::Completed).await;
    let before = world.record(existing.id).await;
    let lease = world.run_new().await;
    let item = settlement_with(lease, complete("1"), vec![existing.clone()]);
    let settled = world.settle_item(item).await;
    assert_eq!(settled, Settled::Applied(TaskState::Completed));
    assert_eq!(world.record(existing.id).await, before);
}

pub(crate) async fn a_follow_up_with_the_id_of_its_own_task_changes_nothing(world: &World) {
    let task = world.task();
    let lease = world.run(&task).await;
    let item = settlement_with(lease, complete("1"), vec![task.clone()]);
    let settled = world.settle_item(item).await;
    assert_eq!(settled, Settled::Applied(TaskState::Completed));
    assert_eq!(world.state(task.id).await, TaskState::Completed);
}

pub(crate) async fn follow_ups_of_one_batch_share_one_key(world: &World) {
    let (first, second) = (world.run_new().await, world.run_new().await);
    let (a, b) = (world.keyed("k"), world.keyed("k"));
    let items = [
        settlement_with(first, complete("1"), vec![a.clone()]),
        settlement_with(second, complete("2"), vec![b.clone()]),
    ];
    let settled = world.settle_all(&items).await;
    assert_eq!(settled, [Settled::Applied(TaskState::Completed); 2]);
    assert!(world.exists(a.id).await);
    assert!(!world.exists(b.id).await);
}

pub(crate) async fn a_stale_item_of_a_batch_inserts_no_follow_ups(world: &World) {
    let stale = world.run_new().await;
    world.lapse().await;
    let live = world.run_new().await;
    let (lost, kept) = (world.task(), world.task());
    let items = [
        settlement_with(stale, complete("1"), vec![lost.clone()]),
        settlement_with(live, complete("2"), vec![kept.clone()]),
    ];
    world.settle_all(&items).await;
    assert!(!world.exists(lost.id).await);
    assert!(world.exists(kept.id).await);
}

pub(crate) async fn a_cancelled_checkpoint_still_inserts_its_follow_ups(world: &World) {
    let lease = world.run_new().await;
    ok(world.store.cancel(lease.task_id).await);
    let follow_up = world.task();
    let item = settlement_with(lease, advance("second", "1"), vec![follow_up.clone()]);
    let settled = world.settle_item(item).await;
    assert_eq!(settled, Settled::Applied(TaskState::Cancelled));
    assert!(world.exists(follow_up.id).await);
}

pub(crate) async fn a_follow_up_inserted_before_is_found_by_a_later_insert(world: &World) {
    let lease = world.run_new().await;
    let follow_up = world.task();
    let item = settlement_with(lease, complete("1"), vec![follow_up.clone()]);
    world.settle_item(item).await;
    let existing = Inserted::Existing { id: follow_up.id, same_input: true };
    assert_eq!(world.insert(&follow_up).await, existing);
}
