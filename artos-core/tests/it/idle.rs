//! What a runtime asks of its store while there is nothing to do, and how it comes back to work.

use std::{sync::atomic::Ordering, time::Duration};

use artos_core::{
    Name, Pipeline, Queue, Random, Retention, Runtime, RuntimeBuilder, StageContext, StageResult,
    Timestamp,
    model::NewTask,
    stage_fn,
    store::{Claim, TaskStore as _},
};
use tokio::time::Instant;

use crate::support::{Count, Faults, FaultyStore, SECOND, increment, runtime, store};

const HOUR: Duration = Duration::from_secs(60 * 60);

async fn start(store: &FaultyStore) -> Runtime {
    let runtime = runtime(store.clone()).register(Pipeline::new("increment", stage_fn(increment)));
    runtime.start().await.unwrap()
}

/// Counts what is asked of a store for a while.
async fn calls_within(store: &FaultyStore, time: Duration) -> usize {
    let before = store.faults.calls.load(Ordering::SeqCst);
    tokio::time::sleep(time).await;
    store.faults.calls.load(Ordering::SeqCst) - before
}

#[tokio::test(start_paused = true)]
async fn a_store_that_loses_no_hints_is_left_alone() {
    let store = FaultyStore::new(store());
    let runtime = start(&store).await;
    tokio::time::sleep(SECOND).await;
    assert_eq!(calls_within(&store, HOUR / 2).await, 0);
    assert_eq!(calls_within(&store, 24 * HOUR).await, 24, "one look of the pruner an hour");
    let asked = Instant::now();
    let task = runtime.client().submit(Count(1)).await.unwrap();
    assert_eq!(task.wait().await.unwrap(), 2);
    assert!(asked.elapsed() < SECOND, "it took {:?} to notice the task", asked.elapsed());
    // The rescuer heard of the lease, and finds that there is none any more.
    assert_eq!(calls_within(&store, HOUR / 4).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_may_lose_hints_is_looked_at_now_and_then() {
    let store = FaultyStore::new(store());
    Faults::set(&store.faults.deaf, true);
    let runtime = start(&store).await;
    tokio::time::sleep(SECOND).await;
    let calls = calls_within(&store, HOUR).await;
    // A claim every 15 seconds, a rescue every 20, and a prune.
    assert_eq!(calls, 240 + 180 + 1);
    let task = runtime.client().submit(Count(1)).await.unwrap();
    assert_eq!(task.wait().await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_lease_of_others_is_watched_after_hours_of_nothing() {
    let store = FaultyStore::new(store());
    let runtime = start(&store).await;
    tokio::time::sleep(5 * HOUR).await;
    let random = Random::from_seed(1);
    let id = random.task_id(Timestamp::default());
    store.inner.insert(&[NewTask::new(id, "count", "elsewhere", "1")]).await.unwrap();
    let claim = Claim {
        queue: Name::from("elsewhere"),
        worker: random.worker_id(),
        limit: 1,
        lease_for: 20 * SECOND,
    };
    assert_eq!(store.inner.claim(&claim).await.unwrap().tasks.len(), 1);
    // Its worker is never heard of again.
    tokio::time::sleep(41 * SECOND).await;
    let record = runtime.client().get(id).await.unwrap().unwrap();
    assert!(record.lease.is_none(), "nobody rescued it: {record:?}");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_waits_for_later_is_looked_for_now_and_then() {
    let store = FaultyStore::new(store());
    let runtime = start(&store).await;
    let task = runtime.client().submit(Count(1)).delay(HOUR).await.unwrap();
    tokio::time::sleep(SECOND).await;
    // Clocks may be set: the store's may say earlier than expected that it is due.
    assert_eq!(calls_within(&store, 60 * SECOND).await, 4);
    assert_eq!(task.wait().await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_pruner_sleeps_until_the_next_task_may_go() {
    let store = FaultyStore::new(store());
    let runtime = runtime(store.clone())
        .retention(Retention::all(HOUR / 2))
        .register(Pipeline::new("increment", stage_fn(increment)))
        .start()
        .await
        .unwrap();
    tokio::time::sleep(HOUR / 4).await;
    let task = runtime.client().submit(Count(1)).await.unwrap();
    assert_eq!(task.wait().await.unwrap(), 2);
    tokio::time::sleep(HOUR / 2 - SECOND).await;
    assert!(runtime.client().get(task.id()).await.unwrap().is_some(), "it went too early");
    // A look that comes just before it may go is the last one for a minute.
    tokio::time::sleep(62 * SECOND).await;
    assert!(runtime.client().get(task.id()).await.unwrap().is_none(), "it is kept too long");
}

/// Inserts tasks that nobody runs for an hour, and starts a runtime for them then.
async fn after_an_hour(store: &FaultyStore, runtime: RuntimeBuilder) -> Runtime {
    let random = Random::from_seed(1);
    let tasks = [(); 5]
        .map(|()| NewTask::new(random.task_id(Timestamp::default()), "count", "default", "1"));
    store.inner.insert(&tasks).await.unwrap();
    tokio::time::sleep(HOUR).await;
    let runtime = runtime.start().await.unwrap();
    tokio::time::sleep(SECOND).await;
    runtime
}

fn lag(runtime: &Runtime) -> Duration {
    runtime.health().duties.into_iter().find_map(|duty| duty.lag).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_lag_is_over_when_all_that_waited_was_claimed() {
    let store = FaultyStore::new(store());
    let late = runtime(store.clone()).register(Pipeline::new("late", stage_fn(increment)));
    let late = after_an_hour(&store, late).await;
    assert!(lag(&late) >= HOUR, "{:?}", lag(&late));
    tokio::time::sleep(15 * SECOND).await;
    assert_eq!(lag(&late), Duration::ZERO, "nothing waits any more");
}

#[tokio::test(start_paused = true)]
async fn a_lag_lasts_while_tasks_may_wait_for_a_slot() {
    let store = FaultyStore::new(store());
    let hang = |_: StageContext, Count(_): Count| std::future::pending::<StageResult<u64>>();
    let busy = runtime(store.clone())
        .queue(Queue::new("default").concurrency(2))
        .register(Pipeline::new("hang", stage_fn(hang)));
    let busy = after_an_hour(&store, busy).await;
    tokio::time::sleep(60 * SECOND).await;
    assert!(lag(&busy) >= HOUR, "{:?}", lag(&busy));
}

#[tokio::test(start_paused = true)]
async fn a_lag_lasts_while_the_store_is_away() {
    let store = FaultyStore::new(store());
    Faults::set(&store.faults.deaf, true);
    let late = runtime(store.clone()).register(Pipeline::new("late", stage_fn(increment)));
    let late = after_an_hour(&store, late).await;
    Faults::set(&store.faults.down, true);
    tokio::time::sleep(60 * SECOND).await;
    assert!(lag(&late) >= HOUR, "{:?}", lag(&late));
}

#[tokio::test(start_paused = true)]
async fn a_strange_task_that_is_gone_leaves_the_store_alone() {
    let store = FaultyStore::new(store());
    let runtime = start(&store).await;
    let id = Random::from_seed(1).task_id(Timestamp::default());
    store.inner.insert(&[NewTask::new(id, "strange", "default", "1")]).await.unwrap();
    tokio::time::sleep(SECOND).await;
    runtime.client().cancel(id).await.unwrap();
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!(calls_within(&store, HOUR / 2).await, 0);
}
