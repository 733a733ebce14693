//! Defects at the limits (durations, outages, shutdowns) that were found and stay mended.

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use artos_core::{
    Client, Pipeline, Queue, RetryPolicy, Stage, StageContext, StageError, StageOptions,
    StageResult, TaskState, stage_fn,
};
use futures::StreamExt;

use crate::{
    hooked_store::Hook,
    support::{Count, SECOND, increment, runtime, signals, store},
};

use crate::regressions::{HOUR, within};

#[tokio::test(start_paused = true)]
async fn the_shortest_lease_is_kept_alive() {
    let stage = |cx: StageContext, _: Count| async move {
        tokio::time::sleep(2 * SECOND).await;
        StageResult::Ok(u64::from(cx.attempt()))
    };
    let rt = runtime(store())
        .lease_duration(Duration::from_millis(100))
        .register(Pipeline::new("s", stage_fn(stage)))
        .start()
        .await
        .unwrap();
    let t = rt.client().submit(Count(0)).await.unwrap();
    assert_eq!(t.wait().await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_grace_without_end_is_a_grace_of_a_century() {
    let stage = |cx: StageContext, _: Count| async move {
        tokio::time::sleep(60 * SECOND).await;
        StageResult::Ok(u64::from(cx.attempt()))
    };
    let rt = runtime(store())
        .cancel_grace(Duration::MAX)
        .register(Pipeline::new("s", stage_fn(stage)))
        .start()
        .await
        .unwrap();
    let t = rt.client().submit(Count(0)).await.unwrap();
    assert_eq!(t.wait().await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lease_without_end_is_a_lease_of_a_century() {
    let Ok(rt) = runtime(store())
        .lease_duration(Duration::MAX)
        .register(Pipeline::new("s", stage_fn(increment)))
        .start()
        .await
    else {
        return;
    };
    let t = rt.client().submit(Count(0)).await.unwrap();
    within(HOUR, "done", t.wait()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_task_claimed_during_a_shutdown_is_named_if_it_cannot_be_handed_back() {
    let s = Hook::new(store());
    s.hooks.slow_claim_ms.store(2_000, SeqCst);
    let rt =
        runtime(s.clone()).register(Pipeline::new("i", stage_fn(increment))).start().await.unwrap();
    let t = rt.client().submit(Count(1)).await.unwrap();
    tokio::time::sleep(SECOND).await; // the claim is applied, its answer under way
    s.hooks.settle_down.store(true, SeqCst);
    let result = rt.shutdown(SECOND).await;
    assert_eq!(t.record().await.unwrap().state, TaskState::Running);
    assert_eq!(result.unwrap_err().tasks, [t.id()]);
}

#[tokio::test(start_paused = true)]
async fn a_task_waiting_to_be_handed_back_keeps_its_lease() {
    let s = Hook::new(store());
    s.hooks.slow_claim_ms.store(2_000, SeqCst);
    let rt =
        runtime(s.clone()).register(Pipeline::new("i", stage_fn(increment))).start().await.unwrap();
    let t = rt.client().submit(Count(1)).await.unwrap();
    tokio::time::sleep(SECOND).await;
    s.hooks.settle_down.store(true, SeqCst);
    let back = async {
        tokio::time::sleep(40 * SECOND).await;
        s.hooks.settle_down.store(false, SeqCst);
    };
    let ((), shut_down) = tokio::join!(back, rt.shutdown(60 * SECOND));
    shut_down.unwrap();
    let r = t.record().await.unwrap();
    assert_eq!((r.state, r.attempt), (TaskState::Pending, 0), "{r:?}");
}

#[test]
fn a_runtime_starts_when_it_is_awaited() {
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    drop(rt.block_on(runtime(artos_store_memory::MemoryStore::default()).start()).unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_runtime_is_not_ready_and_runs_nothing() {
    let (tx, mut rx) = signals();
    let stage = move |_: StageContext, _: Count| {
        tx.send(()).ok();
        std::future::pending::<StageResult<u64>>()
    };
    let rt = runtime(store()).register(Pipeline::new("s", stage_fn(stage))).start().await.unwrap();
    rt.client().submit(Count(1)).await.unwrap();
    rx.recv().await.unwrap();
    let m = rt.monitor();
    drop(rt);
    tokio::time::sleep(HOUR).await;
    let h = m.health();
    assert!(!h.is_ready() && h.running == 0, "ready {} running {}", h.is_ready(), h.running);
}

#[tokio::test(start_paused = true)]
async fn submits_that_were_given_up_are_not_sent_later() {
    let s = Hook::new(store());
    s.hooks.hang_insert.store(true, SeqCst);
    let c = Client::new(s.clone());
    for n in 0..1_000 {
        assert!(
            tokio::time::timeout(SECOND / 10, async { c.submit(Count(n)).await }).await.is_err()
        );
    }
    s.hooks.hang_insert.store(false, SeqCst);
    tokio::time::sleep(SECOND).await;
    assert!(
        s.hooks.inserted.load(SeqCst) < 10,
        "{} given-up tasks were inserted",
        s.hooks.inserted.load(SeqCst)
    );
}

#[tokio::test(start_paused = true)]
async fn a_deadline_before_the_start_is_refused() {
    let rt =
        runtime(store()).register(Pipeline::new("i", stage_fn(increment))).start().await.unwrap();
    let t = rt.client().submit(Count(1)).delay(10 * HOUR).deadline(HOUR).await;
    let error = t.unwrap_err().to_string();
    assert!(error.ends_with("3600s, expected more than the delay of 36000s"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_takes_no_longer_than_it_says() {
    let s = Hook::new(store());
    let stage = |_: StageContext, _: Count| std::future::pending::<StageResult<u64>>();
    let rt =
        runtime(s.clone()).register(Pipeline::new("i", stage_fn(stage))).start().await.unwrap();
    rt.client().submit(Count(1)).await.unwrap();
    tokio::time::sleep(SECOND).await;
    s.hooks.hang_claim.store(true, SeqCst);
    s.hooks.settle_down.store(true, SeqCst);
    rt.client().submit(Count(2)).await.unwrap();
    tokio::time::sleep(SECOND / 10).await;
    let before = tokio::time::Instant::now();
    let _ = rt.shutdown(SECOND).await;
    // The grace, twice the cancel grace, a heartbeat, the patience with the store.
    assert!(before.elapsed() <= Duration::from_secs(1 + 10 + 5 + 10), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_unknown_in_turns_fails_after_a_day() {
    let s = store();
    let stop =
        |_: StageContext, _: u64| async { StageResult::<u64>::Err(StageError::snooze(SECOND)) };
    let p = Pipeline::new("increment", stage_fn(increment)).then("render", stage_fn(stop));
    let old = runtime(s.clone()).register(p).start().await.unwrap();
    let t = old.client().submit(Count(1)).await.unwrap();
    let mut w = old.client().watch(t.id());
    while w.changed().await.unwrap().unwrap().snoozes == 0 {}
    old.shutdown(SECOND).await.unwrap();
    let (a, b) = (Hook::new(s.clone()), Hook::new(s.clone()));
    *a.hooks.coin.lock().unwrap() = Some(artos_core::Random::from_seed(1));
    *b.hooks.coin.lock().unwrap() = Some(artos_core::Random::from_seed(2));
    let _a =
        runtime(a).register(Pipeline::new("increment", stage_fn(increment))).start().await.unwrap();
    let _b = runtime(b).start().await.unwrap();
    let c = Client::new(s).attach::<Count>(t.id()).await.unwrap();
    within(5 * 24 * HOUR, "terminal", c.wait()).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn one_refused_settlement_does_not_leave_an_idle_runtime_unready() {
    let s = Hook::new(store());
    s.hooks.corrupt_once.store(true, SeqCst);
    let opts = StageOptions { retry: RetryPolicy::never(), ..StageOptions::default() };
    let rt = runtime(s.clone())
        .register(Pipeline::new("i", stage_fn(increment).with(opts)))
        .start()
        .await
        .unwrap();
    let t = rt.client().submit(Count(1)).await.unwrap();
    tokio::time::sleep(10 * SECOND).await;
    rt.client().cancel(t.id()).await.unwrap(); // rescued as cancelled: nothing is settled again
    tokio::time::sleep(24 * HOUR).await;
    assert!(rt.health().is_ready(), "{}", rt.health());
}

#[tokio::test(start_paused = true)]
async fn a_task_being_given_up_keeps_its_lease_and_is_counted() {
    let s = Hook::new(store());
    let stage = |_: StageContext, _: Count| std::future::pending::<StageResult<u64>>();
    for ms in [4_998, 4_999, 5_000, 5_001, 5_002] {
        let opts =
            StageOptions { attempt_timeout: Duration::from_millis(ms), ..StageOptions::default() };
        let rt = runtime(s.clone())
            .cancel_grace(Duration::ZERO)
            .register(Pipeline::new("s", stage_fn(stage).with(opts)))
            .start()
            .await
            .unwrap();
        let t = rt.client().submit(Count(1)).await.unwrap();
        tokio::time::sleep(SECOND).await;
        s.hooks.settle_down.store(true, SeqCst);
        tokio::time::sleep(10 * SECOND).await;
        let n = rt.health().running;
        s.hooks.settle_down.store(false, SeqCst);
        t.cancel().await.unwrap();
        tokio::time::sleep(60 * SECOND).await;
        assert_eq!(n, 1, "timeout {ms}: the unsettled task is not counted, nor kept alive");
    }
}

#[tokio::test(start_paused = true)]
async fn many_heartbeats_to_a_slow_store_do_not_outlast_the_lease() {
    let s = Hook::new(store());
    let stage = |cx: StageContext, _: Count| async move {
        tokio::time::sleep(300 * SECOND).await;
        StageResult::Ok(u64::from(cx.attempt()))
    };
    let rt = runtime(s.clone())
        .queue(Queue::new("default").concurrency(6_000))
        .register(Pipeline::new("s", stage_fn(stage)))
        .start()
        .await
        .unwrap();
    let ts = rt.client().submit_many((0..6_000).map(Count)).await.unwrap();
    s.hooks.beat_ms.store(3_000, SeqCst);
    for t in &ts {
        assert_eq!(t.wait().await.unwrap(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_live_progress_stream_ends_with_the_task() {
    let stage = |cx: StageContext, Count(n): Count| async move {
        cx.progress(10, "x");
        tokio::time::sleep(2 * SECOND).await;
        StageResult::Ok(n)
    };
    let rt = runtime(store()).register(Pipeline::new("a", stage_fn(stage))).start().await.unwrap();
    let t = rt.client().submit(Count(1)).await.unwrap();
    let _all: Vec<_> = within(HOUR, "stream end", t.progress().collect()).await;
}
