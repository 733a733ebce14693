//! A store that is out for a while, and what happens by itself when it is back.

use std::sync::atomic::Ordering;

use artos_core::{Pipeline, StageContext, StageResult, TaskState, stage_fn};

use crate::support::{Count, Faults, FaultyStore, SECOND, increment, runtime, signals, store};

#[tokio::test(start_paused = true)]
async fn after_sixty_seconds_without_a_store_everything_goes_on_by_itself() {
    let store = FaultyStore::new(store());
    let (sender, mut started) = signals();
    let (proceed, going) = tokio::sync::watch::channel(false);
    let slow = move |_: StageContext, Count(number): Count| {
        sender.send(number).ok();
        let mut going = going.clone();
        async move {
            if number == 0 {
                going.wait_for(|go| *go).await.ok();
            }
            StageResult::Ok(number)
        }
    };
    let pipeline = Pipeline::new("slow", stage_fn(slow))
        .then("add", stage_fn(|cx, number: u64| increment(cx, Count(number))));
    let runtime = runtime(store.clone()).register(pipeline).start().await.unwrap();
    let client = runtime.client();
    let running = client.submit(Count(0)).await.unwrap();
    assert_eq!(started.recv().await.unwrap(), 0);
    let waiting = client.submit(Count(5)).delay(30 * SECOND).await.unwrap();
    assert!(runtime.health().is_ready());

    Faults::set(&store.faults.down, true);
    client.submit(Count(6)).await.unwrap_err();
    tokio::time::sleep(60 * SECOND).await;
    let health = runtime.health();
    assert!(!health.is_ready(), "{health}");
    assert!(health.to_string().contains("told to fail"), "{health}");

    Faults::set(&store.faults.down, false);
    proceed.send(true).unwrap();
    let back = tokio::time::Instant::now();
    assert_eq!(waiting.wait().await.unwrap(), 6);
    assert_eq!(running.wait().await.unwrap(), 1);
    assert_eq!(client.submit(Count(7)).await.unwrap().wait().await.unwrap(), 8);
    assert!(back.elapsed() < 10 * SECOND, "{:?}", back.elapsed());
    assert!(runtime.health().is_ready(), "{}", runtime.health());
}

#[tokio::test(start_paused = true)]
async fn a_settle_whose_answer_is_lost_counts_once() {
    let store = FaultyStore::new(store());
    let (sender, mut runs) = signals();
    let stage = move |_: StageContext, Count(number): Count| {
        sender.send(()).ok();
        async move { Ok(number) }
    };
    let pipeline = Pipeline::new("one", stage_fn(stage))
        .then("two", stage_fn(|_, number: u64| async move { Ok(number + 1) }));
    let runtime = runtime(store.clone()).register(pipeline).start().await.unwrap();
    Faults::set(&store.faults.lose_settle_answers, true);
    let task = runtime.client().submit(Count(1)).await.unwrap();
    assert_eq!(task.wait().await.unwrap(), 2);
    assert!(!store.faults.lose_settle_answers.load(Ordering::SeqCst), "nothing was lost");
    let record = task.record().await.unwrap();
    assert_eq!((record.state, record.epoch.0), (TaskState::Completed, 1));
    runs.recv().await.unwrap();
    assert!(runs.try_recv().is_err(), "the first stage ran twice");
}

#[tokio::test(start_paused = true)]
async fn a_runtime_starts_while_its_store_is_out() {
    let store = FaultyStore::new(store());
    Faults::set(&store.faults.down, true);
    let runtime = runtime(store.clone())
        .register(Pipeline::new("increment", stage_fn(increment)))
        .start()
        .await
        .unwrap();
    tokio::time::sleep(30 * SECOND).await;
    Faults::set(&store.faults.down, false);
    let task = runtime.client().submit(Count(1)).await.unwrap();
    assert_eq!(task.wait().await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_runtime_that_gave_up_a_settlement_is_ready_again_with_its_store() {
    let store = FaultyStore::new(store());
    let (sender, mut started) = signals();
    let (proceed, going) = tokio::sync::watch::channel(false);
    let stage = move |_: StageContext, Count(number): Count| {
        sender.send(()).ok();
        let mut going = going.clone();
        async move {
            going.wait_for(|go| *go).await.ok();
            StageResult::Ok(number)
        }
    };
    let runtime = runtime(store.clone())
        .register(Pipeline::new("wait", stage_fn(stage)))
        .start()
        .await
        .unwrap();
    let task = runtime.client().submit(Count(1)).await.unwrap();
    started.recv().await.unwrap();
    Faults::set(&store.faults.down, true);
    proceed.send(true).unwrap();
    // Longer than the lease: its end cannot be recorded any more.
    tokio::time::sleep(60 * SECOND).await;
    assert!(!runtime.health().is_ready(), "{}", runtime.health());
    // Somebody else runs it, and here nothing is left to settle.
    store.inner.cancel(task.id()).await.unwrap();
    store.inner.rescue(1).await.unwrap();
    Faults::set(&store.faults.down, false);
    tokio::time::sleep(60 * SECOND).await;
    assert!(runtime.health().is_ready(), "{}", runtime.health());
}
