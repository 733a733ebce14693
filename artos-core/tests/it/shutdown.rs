//! Shutting down: nothing lost, nothing charged.

use std::sync::atomic::Ordering;

use artos_core::{
    Client, Filter, ListQuery, Pipeline, Queue, StageContext, StageError, StageResult, TaskState,
    stage_fn,
};

use crate::support::{Count, SECOND, increment, runtime, signals, store};

#[tokio::test(start_paused = true)]
async fn shutdown_under_load_loses_nothing_and_charges_nothing() {
    let store = store();
    let client = Client::new(store.clone());
    let tasks = client.submit_many((0..200).map(Count)).await.unwrap();
    let build = |nap: std::time::Duration| {
        let stage = move |_: StageContext, Count(number): Count| async move {
            tokio::time::sleep(nap * u32::try_from(number % 5).unwrap()).await;
            StageResult::Ok(number)
        };
        let queue = Queue::new("default").concurrency(20);
        runtime(store.clone()).queue(queue).register(Pipeline::new("nap", stage_fn(stage)))
    };
    // Each round is cut short: some tasks finish within the grace, some are handed back.
    for _ in 0..10 {
        let round = build(10 * SECOND).start().await.unwrap();
        tokio::time::sleep(3 * SECOND).await;
        round.shutdown(15 * SECOND).await.unwrap();
        let query = ListQuery { limit: 1_000, ..ListQuery::default() };
        for record in client.list(&query).await.unwrap().tasks {
            match record.state {
                TaskState::Completed => assert_eq!(record.attempt, 1, "{record:?}"),
                TaskState::Pending => assert_eq!(record.attempt, 0, "{record:?}"),
                state => panic!("{state} after a shutdown: {record:?}"),
            }
        }
    }
    let _last = build(SECOND).start().await.unwrap();
    for (number, task) in tasks.iter().enumerate() {
        assert_eq!(task.wait().await.unwrap(), number as u64);
        assert_eq!(task.record().await.unwrap().attempt, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stage_told_to_stop_may_hand_its_task_back_itself() {
    let store = store();
    let (sender, mut started) = signals();
    let stage = move |cx: StageContext, _: Count| {
        sender.send(()).ok();
        async move {
            cx.cancelled().await;
            StageResult::<u64>::Err(StageError::cancelled())
        }
    };
    let runtime = runtime(store.clone())
        .register(Pipeline::new("wait", stage_fn(stage)))
        .start()
        .await
        .unwrap();
    let task = runtime.client().submit(Count(1)).await.unwrap();
    started.recv().await.unwrap();
    let before = tokio::time::Instant::now();
    runtime.shutdown(SECOND).await.unwrap();
    assert!(before.elapsed() < 2 * SECOND, "{:?}", before.elapsed());
    let record = task.record().await.unwrap();
    assert_eq!((record.state, record.attempt, record.interrupts), (TaskState::Pending, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn leases_are_kept_alive_while_a_shutdown_waits() {
    let store = store();
    let (sender, mut started) = signals();
    let stage = move |_: StageContext, Count(number): Count| {
        sender.send(()).ok();
        async move {
            tokio::time::sleep(300 * SECOND).await;
            Ok(number)
        }
    };
    let pipeline = Pipeline::new("long", stage_fn(stage));
    let first = runtime(store.clone()).register(pipeline).start().await.unwrap();
    let task = first.client().submit(Count(1)).await.unwrap();
    started.recv().await.unwrap();
    let _other =
        runtime(store).register(Pipeline::new("long", stage_fn(increment))).start().await.unwrap();
    first.shutdown(600 * SECOND).await.unwrap();
    assert_eq!(task.wait().await.unwrap(), 1);
    assert_eq!(task.record().await.unwrap().epoch.0, 1);
}

#[tokio::test(start_paused = true)]
async fn tasks_that_cannot_be_handed_back_are_named() {
    use crate::support::{Faults, FaultyStore};
    let store = FaultyStore::new(store());
    let (sender, mut started) = signals();
    let stage = move |_: StageContext, _: Count| {
        sender.send(()).ok();
        std::future::pending::<StageResult<u64>>()
    };
    let runtime = runtime(store.clone())
        .register(Pipeline::new("hang", stage_fn(stage)))
        .start()
        .await
        .unwrap();
    let task = runtime.client().submit(Count(1)).await.unwrap();
    started.recv().await.unwrap();
    Faults::set(&store.faults.down, true);
    let error = runtime.shutdown(SECOND).await.unwrap_err();
    assert_eq!(error.tasks, [task.id()]);
    Faults::set(&store.faults.down, false);
    let query = ListQuery {
        filter: Filter { states: vec![TaskState::Running], ..Filter::default() },
        ..ListQuery::default()
    };
    let client = Client::new(store);
    assert_eq!(client.list(&query).await.unwrap().tasks.len(), 1);
}

/// A log that panics when it is told that something is tried again.
struct Touchy;

impl std::io::Write for Touchy {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        assert!(!String::from_utf8_lossy(text).contains("settling failed"), "told to panic");
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn tasks_whose_settlement_went_with_a_panic_are_named() {
    use crate::hooked_store::Hook;
    let log = tracing_subscriber::fmt().with_max_level(tracing::Level::WARN);
    let _log = tracing::subscriber::set_default(log.with_writer(|| Touchy).finish());
    let store = Hook::new(store());
    let (sender, mut started) = signals();
    let (release, released) = tokio::sync::watch::channel(false);
    let stage = move |_: StageContext, task: Count| {
        sender.send(()).ok();
        let mut released = released.clone();
        async move {
            released.wait_for(|is_released| *is_released).await.ok();
            StageResult::Ok(task.0)
        }
    };
    let pipeline = Pipeline::new("waits", stage_fn(stage));
    let runtime = runtime(store.clone()).register(pipeline).start().await.unwrap();
    let task = runtime.client().submit(Count(1)).await.unwrap();
    started.recv().await.unwrap();
    store.hooks.settle_down.store(true, Ordering::SeqCst);
    let (ended, ()) = tokio::join!(runtime.shutdown(60 * SECOND), async {
        release.send_replace(true);
    });
    assert_eq!(ended.unwrap_err().tasks, [task.id()]);
    assert_eq!(task.record().await.unwrap().state, TaskState::Running);
}
