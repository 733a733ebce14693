//! Waiting for a task, from anywhere.

use artos_core::{Client, Pipeline, StageContext, StageResult, TaskError, stage_fn};
use futures::StreamExt;

use crate::support::{Count, SECOND, increment, runtime, store};

#[tokio::test(start_paused = true)]
async fn a_waiter_is_woken_without_polling() {
    let store = store();
    let client = Client::new(store.clone());
    let runtime = runtime(store)
        .register(Pipeline::new("increment", stage_fn(increment)))
        .start()
        .await
        .unwrap();
    // Let the worker fall asleep, so that only a hint can wake it.
    tokio::time::sleep(SECOND).await;
    let before = tokio::time::Instant::now();
    let task = client.submit(Count(1)).await.unwrap();
    assert_eq!(task.wait().await.unwrap(), 2);
    assert!(before.elapsed() < SECOND / 10, "{:?}", before.elapsed());
    drop(runtime);
}

#[tokio::test(start_paused = true)]
async fn progress_arrives_as_a_stream_that_ends_with_the_task() {
    let stage = |cx: StageContext, Count(number): Count| async move {
        for percent in [10, 60] {
            cx.progress(percent, format!("{percent} of 100"));
            tokio::time::sleep(2 * SECOND).await;
        }
        StageResult::Ok(number)
    };
    let pipeline = Pipeline::new("work", stage_fn(stage)).then(
        "rest",
        stage_fn(|_, number: u64| async move {
            tokio::time::sleep(SECOND).await;
            Ok(number)
        }),
    );
    let runtime = runtime(store()).register(pipeline).start().await.unwrap();
    let task = runtime.client().submit(Count(1)).await.unwrap();
    let shown: Vec<_> = task.progress().map(|progress| progress.to_string()).collect().await;
    assert_eq!(
        shown,
        [
            "work (1/2) 10% 10 of 100",
            "work (1/2) 60% 60 of 100",
            "rest (2/2) 0%",
            "rest (2/2) 100%"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_stage_that_reports_all_the_time_does_not_flood_the_store() {
    use crate::support::FaultyStore;
    use std::sync::atomic::Ordering;
    let store = FaultyStore::new(store());
    let stage = |cx: StageContext, Count(number): Count| async move {
        for percent in 0..1_000_u32 {
            cx.progress(u8::try_from(percent / 10).unwrap(), "busy");
            tokio::time::sleep(SECOND / 100).await;
        }
        StageResult::Ok(number)
    };
    let pipeline = Pipeline::new("busy", stage_fn(stage));
    let runtime = runtime(store.clone()).register(pipeline).start().await.unwrap();
    let task = runtime.client().submit(Count(1)).await.unwrap();
    let before = store.faults.calls.load(Ordering::SeqCst);
    // Looks once at the end only, so that its own reads do not count.
    tokio::time::sleep(11 * SECOND).await;
    let calls = store.faults.calls.load(Ordering::SeqCst) - before;
    assert!((10..=70).contains(&calls), "{calls} calls in ten seconds of reports");
    assert_eq!(task.wait().await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pruned_task_is_unknown_not_forgotten_in_silence() {
    use artos_core::Retention;
    let runtime = runtime(store())
        .retention(Retention::all(60 * SECOND))
        .prune_interval(10 * SECOND)
        .register(Pipeline::new("increment", stage_fn(increment)))
        .start()
        .await
        .unwrap();
    let task = runtime.client().submit(Count(1)).await.unwrap();
    assert_eq!(task.wait().await.unwrap(), 2);
    tokio::time::sleep(100 * SECOND).await;
    let error = task.wait().await.unwrap_err();
    assert!(matches!(error, TaskError::Unknown { id } if id == task.id()), "{error}");
}
