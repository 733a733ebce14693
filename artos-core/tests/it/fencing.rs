//! Two runtimes on one store, one of which has lost its leases without knowing.

use std::sync::atomic::Ordering;

use artos_core::{
    Pipeline, RetryPolicy, Stage, StageContext, StageError, StageOptions, StageResult, TaskState,
    stage_fn,
};
use tokio::sync::{mpsc::UnboundedSender, watch};

use crate::hooked_store::Hook;
use crate::support::{Count, Faults, FaultyStore, SECOND, runtime, signals, store};

/// How the stale worker ends its stage once it is let go.
type End = fn() -> StageResult<u64>;

/// Says who runs it, waits until it is let go, deaf to any cancellation, and ends as told.
fn held(
    who: &'static str,
    runs: &UnboundedSender<&'static str>,
    go: &watch::Receiver<bool>,
    end: End,
) -> Pipeline<Count, u64> {
    let (runs, go) = (runs.clone(), go.clone());
    let stage = move |_: StageContext, _: Count| {
        runs.send(who).ok();
        let mut go = go.clone();
        async move {
            go.wait_for(|go| *go).await.ok();
            end()
        }
    };
    let retry = RetryPolicy::fixed(SECOND).max_attempts(5);
    let options = StageOptions { retry, ..StageOptions::default() };
    Pipeline::new("held", stage_fn(stage).with(options))
}

async fn late_write_is_refused(end: End) {
    let store = store();
    let stale = FaultyStore::new(store.clone());
    let (runs, mut started) = signals();
    let (_go, going) = watch::channel(false);
    let (let_go, late) = watch::channel(false);
    let grace = 3600 * SECOND;
    let first = runtime(stale.clone()).cancel_grace(grace);
    let first = first.register(held("first", &runs, &late, end)).start().await.unwrap();
    let task = first.client().submit(Count(1)).await.unwrap();
    assert_eq!(started.recv().await.unwrap(), "first");

    // The first runtime is cut off; its lease lapses and the second takes over.
    Faults::set(&stale.faults.down, true);
    let second = runtime(store.clone()).cancel_grace(grace);
    let second = second.register(held("second", &runs, &going, || Ok(2))).start().await.unwrap();
    assert_eq!(started.recv().await.unwrap(), "second");
    let before = task_record(&second.client(), task.id()).await;

    // Then it is back, and its stage ends, one lease too late.
    Faults::set(&stale.faults.down, false);
    let_go.send(true).unwrap();
    tokio::time::sleep(2 * SECOND).await;
    assert!(stale.faults.calls.load(Ordering::SeqCst) > 0);
    let after = task_record(&second.client(), task.id()).await;
    assert_eq!(after.state, TaskState::Running);
    assert_eq!((after.epoch, after.attempt), (before.epoch, before.attempt));
    assert_eq!(after.failure, before.failure);
    assert_eq!(first.health().running, 0, "the first runtime still believes it runs the task");
}

async fn task_record(
    client: &artos_core::Client,
    id: artos_core::TaskId,
) -> artos_core::TaskRecord {
    client.get(id).await.unwrap().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_late_success_is_refused() {
    late_write_is_refused(|| Ok(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_late_retry_is_refused() {
    late_write_is_refused(|| Err(StageError::retry("late"))).await;
}

#[tokio::test(start_paused = true)]
async fn a_late_failure_is_refused() {
    late_write_is_refused(|| Err(StageError::fatal("late"))).await;
}

#[tokio::test(start_paused = true)]
async fn a_late_snooze_is_refused() {
    late_write_is_refused(|| Err(StageError::snooze(SECOND))).await;
}

#[tokio::test(start_paused = true)]
async fn a_late_cancel_is_refused() {
    late_write_is_refused(|| Err(StageError::cancelled())).await;
}

#[tokio::test(start_paused = true)]
async fn a_late_panic_is_refused() {
    late_write_is_refused(|| panic!("late")).await;
}

#[tokio::test(start_paused = true)]
async fn a_stage_hears_that_its_lease_is_lost() {
    let store = FaultyStore::new(store());
    let (sender, mut signals) = signals();
    let stage = move |cx: StageContext, _: Count| {
        let sender = sender.clone();
        async move {
            sender.send("started").ok();
            cx.cancelled().await;
            sender.send("told").ok();
            StageResult::<u64>::Err(StageError::cancelled())
        }
    };
    let runtime = runtime(store.clone())
        .register(Pipeline::new("work", stage_fn(stage)))
        .start()
        .await
        .unwrap();
    runtime.client().submit(Count(1)).await.unwrap();
    assert_eq!(signals.recv().await.unwrap(), "started");
    Faults::set(&store.faults.no_heartbeats, true);
    let before = tokio::time::Instant::now();
    assert_eq!(signals.recv().await.unwrap(), "told");
    assert!(before.elapsed() < 30 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_frozen_process_starts_nothing_whose_lease_lapsed_meanwhile() {
    let store = Hook::new(store());
    store.hooks.freeze_once_ms.store(3_600_000, Ordering::SeqCst);
    let (runs, mut started) = signals();
    let stage = move |cx: StageContext, Count(number): Count| {
        runs.send(cx.attempt()).ok();
        async move { Ok(number) }
    };
    let runtime = runtime(store.clone())
        .register(Pipeline::new("note", stage_fn(stage)))
        .start()
        .await
        .unwrap();
    runtime.client().submit(Count(1)).await.unwrap().wait().await.unwrap();
    assert_eq!(store.hooks.freeze_once_ms.load(Ordering::SeqCst), 0, "it was never frozen");
    // The first attempt was charged, and its lease lapsed before it could start.
    assert_eq!((started.recv().await, started.try_recv().ok()), (Some(2), None));
}

#[tokio::test(start_paused = true)]
async fn two_runtimes_share_the_work_and_run_each_task_once() {
    let store = store();
    let (runs, mut started) = signals();
    let build = || {
        let runs = runs.clone();
        let stage = move |_: StageContext, Count(number): Count| {
            runs.send(number).ok();
            async move {
                tokio::task::yield_now().await;
                Ok(number)
            }
        };
        runtime(store.clone()).register(Pipeline::new("note", stage_fn(stage)))
    };
    let first = build().start().await.unwrap();
    let _second = build().start().await.unwrap();
    let tasks = first.client().submit_many((0..500).map(Count)).await.unwrap();
    for task in &tasks {
        task.wait().await.unwrap();
    }
    let mut numbers = Vec::new();
    while let Ok(number) = started.try_recv() {
        numbers.push(number);
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (0..500).collect::<Vec<_>>());
}
