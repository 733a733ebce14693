//! Many at once: real threads, and futures that are dropped half-way.

use std::{
    collections::HashSet,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use artos_core::{
    machine::Cancelled,
    model::{NewTask, OutcomeKind, Retention, TaskId, TaskState},
    store::{Inserted, Settled},
};
use futures::{FutureExt, future::join_all};
use tokio::task::JoinSet;

use crate::{
    outcomes::{complete, fail, outcome, progress, retry, settlement, settlement_with},
    world::{World, ok},
};

/// More rounds than any store needs, so that a broken one fails instead of going on for ever.
const ROUNDS_MAX: usize = 1_000;

/// Runs `count` futures on real threads and returns what they return.
async fn at_once<T, F>(world: &World, count: usize, run: impl Fn(World, usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut futures = JoinSet::new();
    for number in 0..count {
        futures.spawn(run(world.clone(), number));
    }
    futures.join_all().await
}

async fn insert_many(world: &World, count: usize) -> HashSet<TaskId> {
    let tasks: Vec<_> = (0..count).map(|_| world.task()).collect();
    world.insert_all(&tasks).await;
    tasks.iter().map(|task| task.id).collect()
}

pub(crate) async fn many_claimers_never_share_a_task(world: &World) {
    let ids = insert_many(world, 400).await;
    let claimed = at_once(world, 8, |world, number| async move {
        let mut mine = Vec::new();
        for _ in 0..ROUNDS_MAX {
            let ids = world.claim_ids(number + 1).await;
            if ids.is_empty() {
                return mine;
            }
            mine.extend(ids);
        }
        panic!("the store never runs dry")
    })
    .await
    .concat();
    assert_eq!(claimed.len(), 400, "every task was claimed once");
    assert_eq!(claimed.into_iter().collect::<HashSet<_>>(), ids);
}

pub(crate) async fn many_inserts_of_one_key_insert_one_task(world: &World) {
    let answers = at_once(world, 16, |world, _| async move {
        let task = world.keyed("k");
        (task.id, world.insert(&task).await)
    })
    .await;
    let created: Vec<_> =
        answers.iter().filter(|(_, answer)| *answer == Inserted::Created).collect();
    assert_eq!(created.len(), 1);
    let existing = Inserted::Existing { id: created[0].0, same_input: true };
    let others = answers.iter().filter(|(_, answer)| *answer == existing);
    assert_eq!(others.count(), 15);
}

pub(crate) async fn many_inserts_of_one_task_insert_it_once(world: &World) {
    let task = Arc::new(world.task());
    let answers = at_once(world, 16, |world, _| {
        let task = Arc::clone(&task);
        async move { world.insert(&task).await }
    })
    .await;
    let created = answers.iter().filter(|a| **a == Inserted::Created);
    assert_eq!(created.count(), 1);
    assert_eq!(world.claim_ids(10).await, [task.id]);
}

pub(crate) async fn of_many_outcomes_for_one_lease_one_counts(world: &World) {
    let lease = world.run_new().await;
    let settled = at_once(world, 8, |world, number| async move {
        let result = if number % 2 == 0 { complete("1") } else { fail() };
        let follow_up = world.task();
        let item = settlement_with(lease, result, vec![follow_up]);
        world.settle_item(item).await
    })
    .await;
    let state = world.state(lease.task_id).await;
    let applied = Settled::Applied(state);
    assert!(settled.iter().all(|s| *s == applied || *s == Settled::Stale));
    assert_eq!(settled.iter().filter(|s| **s == applied).count(), 4);
    let tasks = world.matching(Default::default()).await;
    assert_eq!(tasks.len(), 2, "one outcome inserted its follow-up");
}

pub(crate) async fn a_cancel_and_an_outcome_at_once_end_the_task(world: &World) {
    for _ in 0..20 {
        let lease = world.run_new().await;
        let answers = at_once(world, 2, |world, number| async move {
            if number == 0 {
                ok(world.store.cancel(lease.task_id).await);
            } else {
                let item = settlement(lease, outcome(OutcomeKind::Retry));
                world.settle_item(item).await;
            }
        })
        .await;
        assert_eq!(answers.len(), 2);
        assert_eq!(world.state(lease.task_id).await, TaskState::Cancelled);
    }
}

pub(crate) async fn many_cancels_cancel_once(world: &World) {
    let id = world.insert_new().await;
    let answers =
        at_once(world, 8, |world, _| async move { ok(world.store.cancel(id).await) }).await;
    let now = answers.iter().filter(|a| **a == Cancelled::Now);
    assert_eq!(now.count(), 1);
    assert_eq!(world.record(id).await.revision, 2);
}

pub(crate) async fn many_rescuers_rescue_each_task_once(world: &World) {
    let ids = insert_many(world, 200).await;
    assert_eq!(world.claim(200).await.len(), 200);
    world.lapse().await;
    let rescued = at_once(world, 4, |world, _| async move {
        let mut mine = Vec::new();
        for _ in 0..ROUNDS_MAX {
            let ids = world.rescue_ids(7).await;
            if ids.is_empty() {
                return mine;
            }
            mine.extend(ids);
        }
        panic!("the store never runs dry")
    })
    .await
    .concat();
    assert_eq!(rescued.len(), 200);
    assert_eq!(rescued.into_iter().collect::<HashSet<_>>(), ids);
}

pub(crate) async fn many_pruners_prune_each_task_once(world: &World) {
    for id in insert_many(world, 200).await {
        ok(world.store.cancel(id).await);
    }
    let pruned = at_once(world, 4, |world, _| async move {
        let mut mine = 0;
        for _ in 0..ROUNDS_MAX {
            match world.prune(&Retention::all(Duration::ZERO), 7).await {
                0 => return mine,
                pruned => mine += pruned,
            }
        }
        panic!("the store never runs dry")
    })
    .await;
    assert_eq!(pruned.iter().sum::<usize>(), 200);
    assert_eq!(world.snapshot().await, []);
}

pub(crate) async fn inserters_and_workers_together_lose_nothing(world: &World) {
    const EACH: usize = 100;
    let left = Arc::new(AtomicUsize::new(EACH * 4));
    at_once(world, 8, |world, number| {
        let left = Arc::clone(&left);
        async move {
            if number < 4 {
                for _ in 0..EACH / 10 {
                    insert_many(&world, 10).await;
                }
                return;
            }
            while left.load(Ordering::SeqCst) > 0 {
                for claimed in world.claim(5).await {
                    let lease = claimed.record.lease_token();
                    world.beat(lease, Some(progress("x", 1, ""))).await;
                    // Every task fails its first attempt, so it goes through both ways.
                    let first = claimed.record.attempt == 1;
                    let result = if first { retry(Duration::ZERO) } else { complete("1") };
                    let settled = world.settle(lease, result).await;
                    assert!(matches!(settled, Settled::Applied(_)));
                    left.fetch_sub(usize::from(!first), Ordering::SeqCst);
                }
                tokio::task::yield_now().await;
            }
        }
    })
    .await;
    let records = world.drain(Default::default()).await;
    assert_eq!(records.len(), EACH * 4);
    for record in records {
        assert_eq!(record.state, TaskState::Completed);
        assert_eq!((record.epoch.0, record.attempt), (2, 2));
    }
}

pub(crate) async fn a_listing_amid_changes_repeats_nothing_and_skips_nothing(world: &World) {
    let ids = insert_many(world, 300).await;
    let listed = at_once(world, 3, |world, number| async move {
        if number > 0 {
            for _ in 0..50 {
                let lease = world.claim_one().await.record.lease_token();
                world.settle(lease, complete("1")).await;
                world.insert_new().await;
            }
            return Vec::new();
        }
        let query = artos_core::model::ListQuery {
            order: artos_core::model::ListOrder::OldestFirst,
            limit: 7,
            ..Default::default()
        };
        let records = world.drain(query).await;
        records.iter().map(|record| record.id).collect()
    })
    .await
    .concat();
    assert!(listed.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(ids.is_subset(&listed.into_iter().collect()));
}

/// Polls a future once and drops it.
fn drop_half_way(future: impl Future) {
    drop(Box::pin(future).now_or_never());
}

pub(crate) async fn a_dropped_insert_inserts_all_or_nothing_of_a_task(world: &World) {
    let tasks: Vec<NewTask> = (0..20).map(|n| world.keyed(&n.to_string())).collect();
    for task in &tasks {
        drop_half_way(world.store.insert(std::slice::from_ref(task)));
    }
    // Whatever happened, inserting again leads to the same end. When each was inserted, and so in
    // which order they are due, depends on how far the dropped calls came.
    world.insert_all(&tasks).await;
    let ids: HashSet<_> = tasks.iter().map(|task| task.id).collect();
    let claimed = world.claim_ids(100).await;
    assert_eq!(claimed.len(), ids.len());
    assert_eq!(claimed.into_iter().collect::<HashSet<_>>(), ids);
}

pub(crate) async fn a_dropped_claim_loses_no_task(world: &World) {
    let ids = insert_many(world, 10).await;
    for _ in 0..3 {
        drop_half_way(world.store.claim(&world.claim_request(2)));
    }
    // What a dropped claim leased lapses and comes back.
    let mut found: HashSet<_> = world.claim_ids(100).await.into_iter().collect();
    world.lapse().await;
    world.rescue_ids(100).await;
    found.extend(world.claim_ids(100).await);
    assert_eq!(found, ids);
}

pub(crate) async fn a_dropped_settle_applies_all_or_nothing_of_an_item(world: &World) {
    for _ in 0..10 {
        let lease = world.run_new().await;
        let item = settlement_with(lease, complete("1"), vec![world.task()]);
        let items = [item];
        drop_half_way(world.store.settle(&items));
        let settled = world.settle_all(&items).await;
        assert_eq!(settled, [Settled::Applied(TaskState::Completed)]);
        assert!(world.exists(items[0].follow_ups[0].id).await);
        assert_eq!(world.claim_ids(10).await.len(), 1);
    }
}

pub(crate) async fn other_dropped_futures_leave_the_store_consistent(world: &World) {
    let lease = world.run_new().await;
    let cancelled = world.insert_new().await;
    let retention = Retention::all(Duration::ZERO);
    drop_half_way(world.store.cancel(cancelled));
    drop_half_way(world.store.rescue(10));
    drop_half_way(world.store.prune(&retention, 10));
    drop_half_way(world.store.list(&Default::default()));
    ok(world.store.cancel(cancelled).await);
    world.prune(&retention, 10).await;
    assert!(!world.exists(cancelled).await);
    let settled = world.settle(lease, complete("1")).await;
    assert_eq!(settled, Settled::Applied(TaskState::Completed));
}

pub(crate) async fn many_calls_from_one_thread_interleave(world: &World) {
    let ids = insert_many(world, 60).await;
    let claims = (0..20).map(|_| world.claim_ids(3));
    let claimed = join_all(claims).await.concat();
    assert_eq!(claimed.len(), 60);
    assert_eq!(claimed.into_iter().collect::<HashSet<_>>(), ids);
}
