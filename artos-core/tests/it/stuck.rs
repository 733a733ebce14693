//! Stages that ignore being told to stop, politely and rudely.

use std::time::Duration;

use artos_core::{
    Cancelled, Pipeline, Queue, Stage, StageContext, StageOptions, StageResult, TaskError, stage_fn,
};

use crate::support::{Count, SECOND, runtime, signals, store};

#[tokio::test(start_paused = true)]
async fn a_stage_that_ignores_cancellation_is_dropped_after_the_grace() {
    let (sender, mut started) = signals();
    let stage = move |_: StageContext, _: Count| {
        sender.send(()).ok();
        std::future::pending::<StageResult<u64>>()
    };
    let runtime =
        runtime(store()).register(Pipeline::new("deaf", stage_fn(stage))).start().await.unwrap();
    let task = runtime.client().submit(Count(1)).await.unwrap();
    started.recv().await.unwrap();
    let before = tokio::time::Instant::now();
    assert_eq!(task.cancel().await.unwrap(), Cancelled::Requested);
    assert!(matches!(task.wait().await.unwrap_err(), TaskError::Cancelled { .. }));
    assert!(before.elapsed() < 7 * SECOND, "{:?}", before.elapsed());
    assert_eq!(runtime.health().running, 0);
}

/// On real threads and real time: only a blocked thread can show that a slot survives it.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_stage_that_never_yields_loses_its_task_but_not_the_slot() {
    let (release, blocked) = std::sync::mpsc::channel::<()>();
    let blocked = std::sync::Mutex::new(blocked);
    let blocked = std::sync::Arc::new(blocked);
    let stage = move |cx: StageContext, Count(number): Count| {
        let blocked = std::sync::Arc::clone(&blocked);
        async move {
            if number == 0 && cx.attempt() == 1 {
                // Blocks this thread of tokio's, as a careless computation would.
                let _ = blocked.lock().unwrap().recv();
            }
            Ok(number)
        }
    };
    let options = StageOptions {
        attempt_timeout: Duration::from_millis(200),
        retry: artos_core::RetryPolicy::never(),
        ..StageOptions::default()
    };
    let runtime = runtime(artos_store_memory::MemoryStore::default())
        .queue(Queue::new("default").concurrency(1))
        .lease_duration(Duration::from_millis(400))
        .cancel_grace(Duration::from_millis(100))
        .register(Pipeline::new("block", stage_fn(stage).with(options)))
        .start()
        .await
        .unwrap();
    let client = runtime.client();
    let stuck = client.submit(Count(0)).await.unwrap();
    let next = client.submit(Count(5)).await.unwrap();
    assert_eq!(next.wait().await.unwrap(), 5, "the only slot was never freed");
    let error = stuck.wait().await.unwrap_err();
    assert!(error.to_string().contains("ran longer than 200ms"), "{error}");
    drop(release);
    runtime.shutdown(SECOND).await.unwrap();
}

/// On real threads: a loop of the runtime that waits for a blocked thread shows up as a task that
/// does not end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stage_that_blocks_its_thread_holds_up_nobody_else() {
    let (release, blocked) = std::sync::mpsc::channel::<()>();
    let blocked = std::sync::Arc::new(std::sync::Mutex::new(blocked));
    let stage = move |_: StageContext, Count(number): Count| {
        let blocked = std::sync::Arc::clone(&blocked);
        async move {
            if number == 0 {
                // Only one is submitted at a time.
                let _ = blocked.lock().unwrap().recv();
            }
            Ok(number)
        }
    };
    let runtime = runtime(artos_store_memory::MemoryStore::default())
        .queue(Queue::new("default").concurrency(64))
        .register(Pipeline::new("block", stage_fn(stage)))
        .start()
        .await
        .unwrap();
    let client = runtime.client();
    for round in 0..500 {
        let numbers = (0..10).map(|at| u64::from(at != round % 10));
        let tasks = client.submit_many(numbers.map(Count)).await.unwrap();
        for (at, task) in tasks.iter().enumerate() {
            if at != round % 10 {
                let waited = tokio::time::timeout(20 * SECOND, task.wait()).await;
                assert!(waited.is_ok(), "round {round}: task {at} waits for a blocked thread");
            }
        }
        release.send(()).unwrap();
        tasks[round % 10].wait().await.unwrap();
    }
}

/// On real threads: a stage that reports, and then computes for longer than a lease.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stage_that_reports_and_blocks_its_thread_stops_no_heartbeats() {
    let lease = Duration::from_millis(400);
    let (release, blocked) = std::sync::mpsc::channel::<()>();
    let blocked = std::sync::Arc::new(std::sync::Mutex::new(blocked));
    let stage = move |cx: StageContext, Count(number): Count| {
        let blocked = std::sync::Arc::clone(&blocked);
        async move {
            if number == 0 && cx.attempt() == 1 {
                cx.progress(50, "computing");
                let _ = blocked.lock().unwrap().recv();
            } else {
                tokio::time::sleep(3 * lease).await;
            }
            Ok(number)
        }
    };
    let runtime = runtime(artos_store_memory::MemoryStore::default())
        .lease_duration(lease)
        .register(Pipeline::new("compute", stage_fn(stage)))
        .start()
        .await
        .unwrap();
    let tasks = runtime.client().submit_many([0, 1].map(Count)).await.unwrap();
    tasks[1].wait().await.unwrap();
    release.send(()).unwrap();
    for task in tasks {
        task.wait().await.unwrap();
        assert_eq!(task.record().await.unwrap().attempt, 1);
    }
}
