//! Whoever is through with a store has let go of it: it can be opened again at once.

use std::{
    future::IntoFuture,
    sync::{Arc, Weak, atomic::Ordering},
};

use artos_core::{Client, Pipeline, Queue, StageContext, StageResult, stage_fn};

use crate::support::{Count, Faults, FaultyStore, SECOND, increment, runtime, signals, store};

/// A store, and whether somebody still has it.
fn watched() -> (Arc<FaultyStore>, Weak<FaultyStore>) {
    let store = Arc::new(FaultyStore::new(store()));
    let watch = Arc::downgrade(&store);
    (store, watch)
}

async fn after_a_shutdown() {
    let (store, watch) = watched();
    let runtime = runtime(store)
        .queue(Queue::new("default").concurrency(4))
        .register(Pipeline::new("increment", stage_fn(increment)))
        .start()
        .await
        .unwrap();
    let tasks = runtime.client().submit_many((0..20).map(Count)).await.unwrap();
    for task in tasks {
        task.wait().await.unwrap();
    }
    runtime.shutdown(SECOND).await.unwrap();
    assert!(watch.upgrade().is_none(), "the store is still held");
}

#[tokio::test(start_paused = true)]
async fn a_runtime_that_was_shut_down_has_let_go_of_its_store() {
    after_a_shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runtime_that_was_shut_down_on_many_threads_has_let_go_of_its_store() {
    for _ in 0..100 {
        after_a_shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_that_hands_tasks_back_lets_go_of_the_store() {
    let (store, watch) = watched();
    let (sender, mut started) = signals();
    let stage = move |_: StageContext, _: Count| {
        sender.send(()).ok();
        std::future::pending::<StageResult<u64>>()
    };
    let runtime =
        runtime(store).register(Pipeline::new("hang", stage_fn(stage))).start().await.unwrap();
    drop(runtime.client().submit(Count(1)).await.unwrap());
    started.recv().await.unwrap();
    runtime.shutdown(SECOND).await.unwrap();
    assert!(watch.upgrade().is_none(), "the store is still held");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_without_a_store_lets_go_of_it() {
    let (store, watch) = watched();
    let faults = Arc::clone(&store.faults);
    let runtime = runtime(store)
        .register(Pipeline::new("increment", stage_fn(increment)))
        .start()
        .await
        .unwrap();
    drop(runtime.client().submit(Count(1)).await.unwrap());
    Faults::set(&faults.down, true);
    // Loops sleep between two tries, and a settlement is about to be repeated.
    tokio::time::sleep(30 * SECOND).await;
    let _ = runtime.shutdown(SECOND).await;
    assert!(watch.upgrade().is_none(), "the store is still held");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_lets_go_of_its_store() {
    let (store, watch) = watched();
    let faults = Arc::clone(&store.faults);
    let client = Client::new(store);
    for number in 0..3 {
        // The first of them wakes the group commit, and those beside it go through it.
        let submits = (0..5).map(|at| client.submit(Count(10 * number + at)).into_future());
        for submitted in futures::future::join_all(submits).await {
            submitted.unwrap();
        }
    }
    assert!(faults.inserts.load(Ordering::SeqCst) < 15, "nothing went by the group commit");
    drop(client);
    assert!(watch.upgrade().is_none(), "the store is still held");
}

#[tokio::test(start_paused = true)]
async fn a_runtime_that_is_dropped_with_tasks_about_to_start_forgets_them() {
    let (store, watch) = watched();
    let runtime = runtime(Arc::clone(&store))
        .register(Pipeline::new("increment", stage_fn(increment)))
        .start()
        .await
        .unwrap();
    let monitor = runtime.monitor();
    let client = runtime.client();
    // Tasks of tokio take turns in the order in which they were woken, so this one goes on after
    // the claim, and before whoever is to run what was claimed.
    let faults = Arc::clone(&store.faults);
    let mut dropping = tokio::task::JoinSet::new();
    dropping.spawn(async move {
        faults.claimed.notified().await;
        drop(runtime);
    });
    drop(client.submit_many((0..10).map(Count)).await.unwrap());
    drop((client, store));
    dropping.join_next().await.unwrap().unwrap();
    assert_eq!(monitor.health().running, 0);
    while watch.upgrade().is_some() {
        tokio::task::yield_now().await;
    }
    assert_eq!(monitor.health().running, 0);
}
