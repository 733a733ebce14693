//! Several processes share one schema: two stores of their own stand for two of them.

mod fixture;

use std::{sync::Arc, time::Duration};

use artos_core::{
    Client, Name, Pipeline, Runtime, StageContext, StageError, Submission, TaskError, TaskState,
    notify::Topic, stage_fn, store::TaskStore as _,
};
use tokio::sync::Notify;

use fixture::{Double, Schema, pipeline};

/// Far longer than a hint takes, far shorter than the polls that would hide its absence.
const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_submits_another_runs_and_the_first_hears_of_it() {
    let schema = Schema::new();
    let (here, there) = (schema.connect().await, schema.connect().await);
    let never = Duration::from_secs(3_600);
    let worker = Runtime::builder(there).poll_interval(never).register(pipeline());
    let worker = worker.start().await.unwrap();
    let client = Client::new(here);
    for number in 0..20 {
        let task = client.submit(Double(number)).await.unwrap();
        let output = tokio::time::timeout(PATIENCE, task.wait()).await;
        assert_eq!(output.unwrap().unwrap(), number * 2 + 1);
    }
    worker.shutdown(PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_of_many_callers_all_complete_on_two_nodes() {
    let schema = Schema::new();
    let (one, other) = (schema.connect().await, schema.connect().await);
    let client = Client::new(one.clone());
    let mut nodes = Vec::new();
    for store in [one, other] {
        nodes.push(Runtime::builder(store).register(pipeline()).start().await.unwrap());
    }
    let tasks: Vec<_> = (0..500).map(|number| Submission::new(Double(number))).collect();
    let handles = client.submit_many(tasks).await.unwrap();
    for (number, handle) in (0..).zip(handles) {
        assert_eq!(handle.wait().await.unwrap(), number * 2 + 1);
    }
    for node in nodes {
        node.shutdown(PATIENCE).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_here_reaches_the_stage_that_runs_there() {
    let schema = Schema::new();
    let (here, there) = (schema.connect().await, schema.connect().await);
    let started = Arc::new(Notify::new());
    let begun = Arc::clone(&started);
    let wait = move |cx: StageContext, _: Double| {
        let begun = Arc::clone(&begun);
        async move {
            begun.notify_one();
            cx.cancelled().await;
            Err::<u32, _>(StageError::from(std::io::Error::other("stopped")))
        }
    };
    let pipeline = Pipeline::new("wait", stage_fn(wait));
    // Heartbeats are so far apart that only a hint can tell of the cancel in time.
    let worker = Runtime::builder(there).lease_duration(Duration::from_secs(3_600));
    let worker = worker.register(pipeline).start().await.unwrap();
    let task = Client::new(here).submit(Double(1)).await.unwrap();
    started.notified().await;
    task.cancel().await.unwrap();
    let ended = tokio::time::timeout(PATIENCE, task.wait()).await.unwrap();
    assert!(matches!(ended, Err(TaskError::Cancelled { .. })), "{ended:?}");
    worker.shutdown(PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hints_come_again_after_the_connection_was_lost() {
    let schema = Schema::new();
    let (here, there) = (schema.connect().await, schema.connect().await);
    let client = Client::new(here);
    let mut changes = there.changes(Topic::Queue(Name::from_static("default")));
    client.submit(Double(1)).await.unwrap();
    tokio::time::timeout(PATIENCE, changes.changed()).await.unwrap();
    schema.terminate_all().await;
    // It hears that anything may have changed, as soon as it can hear anything again.
    tokio::time::timeout(PATIENCE, changes.changed()).await.unwrap();
    client.submit(Double(2)).await.unwrap();
    tokio::time::timeout(PATIENCE, changes.changed()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_notifications_the_poll_finds_the_work() {
    let schema = Schema::new();
    let here = schema.builder().behind_transaction_pooling().connect().await.unwrap();
    let there = schema.builder().without_notifications().connect().await.unwrap();
    let worker = Runtime::builder(there).poll_interval(Duration::from_millis(50));
    let worker = worker.register(pipeline()).start().await.unwrap();
    let task = Client::new(here).submit(Double(4)).await.unwrap();
    assert_eq!(tokio::time::timeout(PATIENCE, task.wait()).await.unwrap().unwrap(), 9);
    worker.shutdown(PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_survive_the_end_of_every_connection() {
    let schema = Schema::new();
    let client = Client::new(schema.connect().await);
    for number in 0..5 {
        schema.terminate_all().await;
        let task = client.submit(Double(number)).await.unwrap();
        assert_eq!(task.record().await.unwrap().state, TaskState::Pending);
    }
}
