//! Every defect that was found leaves a test here, so that it stays mended.

use std::{future::IntoFuture, sync::atomic::Ordering::SeqCst, time::Duration};

use artos_core::{
    Client, Pipeline, Queue, RetryPolicy, Stage, StageContext, StageError, StageOptions,
    StageResult, Task, TaskState, stage_fn,
};
use futures::StreamExt;

use crate::{
    hooked_store::Hook,
    support::{Count, SECOND, increment, runtime, store},
};

pub(crate) async fn within<T>(d: Duration, what: &str, f: impl Future<Output = T>) -> T {
    tokio::time::timeout(d, f).await.unwrap_or_else(|_| panic!("{what}: not within {d:?}"))
}
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn a_retry_policy_that_panics_fails_its_task_and_frees_the_slot() {
    let opts = StageOptions {
        retry: RetryPolicy::custom(|_| panic!("user bug")),
        ..StageOptions::default()
    };
    let stage = |_: StageContext, Count(n): Count| async move {
        if n == 0 {
            return Err(StageError::retry("no"));
        }
        Ok(n)
    };
    let rt = runtime(store())
        .queue(Queue::new("default").concurrency(1))
        .register(Pipeline::new("s", stage_fn(stage).with(opts)))
        .start()
        .await
        .unwrap();
    let bad = rt.client().submit(Count(0)).await.unwrap();
    let good = rt.client().submit(Count(1)).await.unwrap();
    tokio::time::sleep(HOUR).await;
    assert_eq!(bad.record().await.unwrap().state, TaskState::Failed);
    within(24 * HOUR, "the good task behind it", good.wait()).await.unwrap();
}
#[derive(Debug)]
struct BadText;
impl std::fmt::Display for BadText {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("display")
    }
}
impl std::error::Error for BadText {}

#[tokio::test(start_paused = true)]
async fn an_error_whose_text_panics_fails_its_task() {
    let stage = |_: StageContext, _: Count| async move { StageResult::<u64>::Err(BadText.into()) };
    let rt = runtime(store()).register(Pipeline::new("s", stage_fn(stage))).start().await.unwrap();
    let bad = rt.client().submit(Count(0)).await.unwrap();
    within(48 * HOUR, "terminal", bad.wait()).await.unwrap_err();
}

struct PanicOnDrop;
impl Drop for PanicOnDrop {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("drop")
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stage_whose_drop_panics_fails_its_task() {
    let stage = |_: StageContext, _: Count| async move {
        let _p = PanicOnDrop;
        std::future::pending::<()>().await;
        StageResult::<u64>::Ok(1)
    };
    let opts = StageOptions {
        attempt_timeout: SECOND,
        retry: RetryPolicy::never(),
        ..StageOptions::default()
    };
    let rt = runtime(store())
        .register(Pipeline::new("s", stage_fn(stage).with(opts)))
        .start()
        .await
        .unwrap();
    let bad = rt.client().submit(Count(0)).await.unwrap();
    within(48 * HOUR, "terminal", bad.wait()).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_store_that_panics_in_settle_is_asked_again() {
    let s = Hook::new(store());
    let rt =
        runtime(s.clone()).register(Pipeline::new("i", stage_fn(increment))).start().await.unwrap();
    s.hooks.panic_settle.store(true, SeqCst);
    let _a = rt.client().submit(Count(1)).await.unwrap();
    tokio::time::sleep(SECOND).await;
    let b = rt.client().submit(Count(2)).await.unwrap();
    assert_eq!(within(48 * HOUR, "a later task", b.wait()).await.unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_panics_in_insert_is_an_error_once() {
    let s = Hook::new(store());
    let c = Client::new(s.clone());
    s.hooks.panic_insert.store(true, SeqCst);
    c.submit(Count(1)).await.unwrap_err();
    tokio::time::sleep(HOUR).await;
    c.submit(Count(2)).await.unwrap();
}

#[test]
fn a_client_outlives_the_tokio_runtime_it_first_submitted_from() {
    let c = Client::new(artos_store_memory::MemoryStore::default());
    let go = || {
        let c = c.clone();
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(async move { c.submit(Count(1)).await.map(|h| h.id()) })
    };
    go().unwrap();
    go().unwrap();
}

/// It may be in the store, so it must not count as one that was never submitted.
#[test]
fn a_submission_whose_group_commit_ends_meanwhile_fails_as_one_the_store_did_not_answer() {
    let executor = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (ending, staying) = (executor(), executor());
    let s = Hook::new(artos_store_memory::MemoryStore::default());
    let c = Client::new(s.clone());
    s.hooks.hang_insert.store(true, SeqCst);
    // The group commit starts where the first submission does, and has the first one in hand.
    ending.block_on(async {
        let hangs = (0..2).map(|n| c.submit(Count(n)).into_future());
        let hang = futures::future::join_all(hangs);
        tokio::time::timeout(SECOND / 20, hang).await.unwrap_err();
    });
    let mut waits = c.submit(Count(2)).into_future();
    assert!(staying.block_on(async { futures::poll!(&mut waits) }).is_pending());
    drop(ending);
    let error = staying.block_on(waits).unwrap_err();
    assert!(matches!(error, artos_core::SubmitError::Store(_)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn the_progress_of_a_finished_task_ends_at_once() {
    let p = Pipeline::new("a", stage_fn(increment))
        .then("b", stage_fn(|_, n: u64| async move { Ok(n) }));
    let rt = runtime(store()).register(p).start().await.unwrap();
    let t = rt.client().submit(Count(1)).await.unwrap();
    t.wait().await.unwrap();
    let _all: Vec<_> = within(24 * HOUR, "stream end", t.progress().collect()).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_stage_does_with_its_token_does_not_reach_the_next_stage() {
    let first = |cx: StageContext, Count(n): Count| async move {
        let _stops_what_it_started = cx.cancellation().clone().drop_guard();
        StageResult::Ok(n)
    };
    let second = |_: StageContext, n: u64| async move {
        tokio::time::sleep(60 * SECOND).await;
        StageResult::Ok(n)
    };
    let p = Pipeline::new("a", stage_fn(first)).then("b", stage_fn(second));
    let rt = runtime(store()).register(p).start().await.unwrap();
    let t = rt.client().submit(Count(1)).await.unwrap();
    assert_eq!(t.wait().await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_task_unknown_in_two_ways_fails_after_a_day() {
    let s = store();
    let stop =
        |_: StageContext, _: u64| async { StageResult::<u64>::Err(StageError::snooze(SECOND)) };
    let p = Pipeline::new("increment", stage_fn(increment)).then("render", stage_fn(stop));
    let old = runtime(s.clone()).register(p).start().await.unwrap();
    let t = old.client().submit(Count(1)).await.unwrap();
    let mut w = old.client().watch(t.id());
    while w.changed().await.unwrap().unwrap().snoozes == 0 {}
    old.shutdown(SECOND).await.unwrap();
    let _a = runtime(s.clone())
        .register(Pipeline::new("increment", stage_fn(increment)))
        .start()
        .await
        .unwrap();
    let _b = runtime(s.clone()).start().await.unwrap();
    let c = Client::new(s).attach::<Count>(t.id()).await.unwrap();
    within(5 * 24 * HOUR, "terminal", c.wait()).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_settlement_the_store_has_no_room_for_holds_up_no_other() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct T(usize);
    impl Task for T {
        const KIND: &'static str = "t";
        type Output = String;
    }
    let s = Hook::new(store());
    s.hooks.full_if_big.store(true, SeqCst);
    let rt = runtime(s)
        .register(Pipeline::new("s", stage_fn(|_, T(n): T| async move { Ok("x".repeat(n)) })))
        .start()
        .await
        .unwrap();
    let _big = rt.client().submit(T(5_000)).await.unwrap();
    tokio::time::sleep(SECOND).await;
    let small = rt.client().submit(T(1)).await.unwrap();
    within(48 * HOUR, "the small task", small.wait()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_report_the_store_refuses_costs_nobody_a_lease() {
    let s = Hook::new(store());
    s.hooks.refuse_reports.store(true, SeqCst);
    let stage = |cx: StageContext, Count(n): Count| async move {
        if n == 0 {
            cx.progress(1, "a report");
        }
        tokio::time::sleep(120 * SECOND).await;
        StageResult::Ok(cx.attempt().into())
    };
    let rt = runtime(s).register(Pipeline::new("s", stage_fn(stage))).start().await.unwrap();
    let innocent = rt.client().submit(Count(1)).await.unwrap();
    rt.client().submit(Count(0)).await.unwrap();
    assert_eq!(innocent.wait().await.unwrap(), 1, "the innocent task lost attempts");
}
