//! Queues: order, concurrency, delayed start.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use artos_core::{
    Client, Pipeline, Queue, StageContext, StageResult, Submission, Timestamp, stage_fn,
};

use crate::{
    hooked_store::Hook,
    support::{Count, SECOND, increment, runtime, signals, store},
};

#[tokio::test(start_paused = true)]
async fn higher_priority_runs_first_and_equal_priority_in_order_of_submission() {
    let store = store();
    let client = Client::new(store.clone());
    let submissions = [(1, 0), (2, 5), (3, 0), (4, -3), (5, 5)]
        .map(|(number, priority)| Submission::new(Count(number)).priority(priority));
    let tasks = client.submit_many(submissions).await.unwrap();
    let (sender, mut order) = signals();
    let note = move |_: StageContext, Count(number): Count| {
        sender.send(number).ok();
        async move { Ok(number) }
    };
    let _runtime = runtime(store)
        .queue(Queue::new("default").concurrency(1))
        .register(Pipeline::new("note", stage_fn(note)))
        .start()
        .await
        .unwrap();
    for task in tasks {
        task.wait().await.unwrap();
    }
    let mut ran = Vec::new();
    while let Ok(number) = order.try_recv() {
        ran.push(number);
    }
    assert_eq!(ran, [2, 5, 1, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_queue_never_runs_more_than_its_concurrency() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (running, peak) = (Arc::clone(&now), Arc::clone(&most));
    let stage = move |_: StageContext, Count(number): Count| {
        let (running, peak) = (Arc::clone(&running), Arc::clone(&peak));
        async move {
            peak.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(SECOND).await;
            running.fetch_sub(1, Ordering::SeqCst);
            StageResult::Ok(number)
        }
    };
    let runtime = runtime(store())
        .queue(Queue::new("default").concurrency(7))
        .register(Pipeline::new("work", stage_fn(stage)))
        .start()
        .await
        .unwrap();
    let tasks = runtime.client().submit_many((0..50).map(Count)).await.unwrap();
    for task in tasks {
        task.wait().await.unwrap();
    }
    assert_eq!(most.load(Ordering::SeqCst), 7);
}

#[tokio::test(start_paused = true)]
async fn while_ends_are_recorded_as_many_tasks_run_as_there_are_slots_and_no_more() {
    let store = Hook::new(store());
    store.hooks.settle_down.store(true, Ordering::SeqCst);
    let (sender, mut started) = signals();
    let stage = move |_: StageContext, Count(number): Count| {
        sender.send(number).ok();
        async move { Ok(number) }
    };
    let runtime = runtime(store.clone())
        .queue(Queue::new("default").concurrency(3))
        .register(Pipeline::new("work", stage_fn(stage)))
        .start()
        .await
        .unwrap();
    let tasks = runtime.client().submit_many((0..20).map(Count)).await.unwrap();
    tokio::time::sleep(3 * SECOND).await;
    // Three settle, and three have a slot until one of those has settled.
    assert_eq!(started.len(), 6);
    store.hooks.settle_down.store(false, Ordering::SeqCst);
    for task in tasks {
        task.wait().await.unwrap();
    }
    let mut ran = Vec::new();
    while let Ok(number) = started.try_recv() {
        ran.push(number);
    }
    assert_eq!(ran.len(), 20, "{ran:?}");
}

#[tokio::test(start_paused = true)]
async fn a_delayed_task_starts_on_time() {
    let runtime = runtime(store())
        .register(Pipeline::new("increment", stage_fn(increment)))
        .start()
        .await
        .unwrap();
    let client = runtime.client();
    let before = tokio::time::Instant::now();
    let tomorrow = client.submit(Count(1)).delay(86_400 * SECOND).await.unwrap();
    let past = client.submit(Count(2)).run_at(Timestamp::from_micros(1)).await.unwrap();
    assert_eq!(past.wait().await.unwrap(), 3);
    assert!(before.elapsed() < SECOND);
    assert_eq!(tomorrow.wait().await.unwrap(), 2);
    let elapsed = before.elapsed();
    assert!(elapsed >= 86_400 * SECOND && elapsed < 86_401 * SECOND, "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_task_in_another_queue_is_left_to_others() {
    let store = store();
    let ours = runtime(store.clone())
        .register(Pipeline::new("increment", stage_fn(increment)))
        .start()
        .await
        .unwrap();
    let task = ours.client().submit(Count(1)).queue("slow").await.unwrap();
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!(task.record().await.unwrap().attempt, 0);
    let _theirs = runtime(store)
        .queue(Queue::new("default"))
        .queue(Queue::new("slow"))
        .register(Pipeline::new("increment", stage_fn(increment)))
        .start()
        .await
        .unwrap();
    assert_eq!(task.wait().await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_stage_that_yields_lets_the_others_run_each_time() {
    let (sender, mut steps) = signals();
    let stage = move |_: StageContext, Count(number): Count| {
        let sender = sender.clone();
        async move {
            for step in 0..3 {
                sender.send((step, number)).ok();
                tokio::task::yield_now().await;
            }
            StageResult::Ok(number)
        }
    };
    let runtime =
        runtime(store()).register(Pipeline::new("step", stage_fn(stage))).start().await.unwrap();
    let tasks = runtime.client().submit_many((0..4).map(Count)).await.unwrap();
    for task in tasks {
        task.wait().await.unwrap();
    }
    let mut taken = Vec::new();
    while let Ok((step, _)) = steps.try_recv() {
        taken.push(step);
    }
    assert_eq!(taken, [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
}
