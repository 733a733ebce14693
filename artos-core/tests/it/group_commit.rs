//! Many callers, few calls to the store.

use std::sync::atomic::Ordering;

use artos_core::{Client, ListQuery, Pipeline, Queue, SubmitError, Task, stage_fn};
use futures::future::join_all;

use crate::{
    hooked_store::Hook,
    support::{Count, Faults, FaultyStore, SECOND, increment, runtime, store},
};

#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Text(String);

impl Task for Text {
    const KIND: &'static str = "text";
    type Output = ();
}

#[tokio::test]
async fn submits_that_gather_during_a_call_go_into_the_next_one() {
    let store = FaultyStore::new(store());
    let client = Client::new(store.clone());
    let submits = (0..500).map(|number| client.submit(Count(number)).into_future());
    let tasks: Vec<_> = join_all(submits).await.into_iter().collect::<Result<_, _>>().unwrap();
    assert_eq!(tasks.len(), 500);
    let calls = store.faults.inserts.load(Ordering::SeqCst);
    assert!(calls <= 3, "500 concurrent submits took {calls} calls");
}

#[tokio::test]
async fn checkpoints_that_gather_during_a_call_go_into_the_next_one() {
    let store = FaultyStore::new(store());
    let pipeline = Pipeline::new("increment", stage_fn(increment))
        .then("again", stage_fn(|cx, number| increment(cx, Count(number))));
    let runtime = runtime(store.clone())
        .queue(Queue::new("default").concurrency(100))
        .register(pipeline)
        .start()
        .await
        .unwrap();
    let tasks = runtime.client().submit_many((0..100).map(Count)).await.unwrap();
    for (task, number) in tasks.iter().zip(2..) {
        assert_eq!(task.wait().await.unwrap(), number);
    }
    let calls = store.faults.settles.load(Ordering::SeqCst);
    assert!(calls <= 20, "100 tasks of two stages took {calls} calls");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_steps_aside_goes_on_only_when_it_is_woken() {
    let store = FaultyStore::new(store());
    let client = Client::new(store.clone());
    client.submit(Count(0)).await.unwrap();
    // By now nothing else is under way, so that the next one is alone.
    tokio::time::sleep(SECOND).await;
    let mut submission = client.submit(Count(1)).into_future();
    assert!(futures::poll!(submission.as_mut()).is_pending());
    assert_eq!(store.faults.inserts.load(Ordering::SeqCst), 2);
    let inserted = store.inner.list(&ListQuery::default()).await.unwrap().tasks.len();
    assert_eq!(inserted, 1, "nothing has woken it");
    submission.await.unwrap();
}

#[tokio::test]
async fn a_group_holds_eight_mebibytes_of_payload() {
    let store = FaultyStore::new(store());
    let client = Client::new(store.clone());
    let text = "x".repeat(3 * 1024 * 1024);
    let submits = (0..5).map(|_| client.submit(Text(text.clone())).into_future());
    for submitted in join_all(submits).await {
        submitted.unwrap();
    }
    // Two of them, two, and the last.
    assert_eq!(store.faults.inserts.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn everybody_in_a_failed_group_hears_the_store_s_error() {
    let store = FaultyStore::new(store());
    let client = Client::new(store.clone());
    Faults::set(&store.faults.down, true);
    let before = store.faults.calls.load(Ordering::SeqCst);
    let submits = (0..3).map(|number| client.submit(Count(number)).into_future());
    for result in join_all(submits).await {
        let error = result.unwrap_err();
        assert!(matches!(error, SubmitError::Store(_)), "{error}");
        assert_eq!(error.to_string(), "the store is unavailable: told to fail");
    }
    // A store that is out is not asked again for each of them.
    let calls = store.faults.calls.load(Ordering::SeqCst) - before;
    assert!(calls <= 2, "3 concurrent submits took {calls} calls");
    Faults::set(&store.faults.down, false);
    client.submit(Count(4)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_that_the_store_refuses_spoils_none_of_its_group() {
    let store = Hook::new(store());
    store.hooks.refuse_big_inserts.store(true, Ordering::SeqCst);
    // The first call is under way meanwhile, so that all others are one group.
    store.hooks.hang_insert.store(true, Ordering::SeqCst);
    let client = Client::new(store.clone());
    let mut first = Box::pin(client.submit(Count(0)).into_future());
    while store.hooks.inserting.load(Ordering::SeqCst) == 0 {
        assert!(futures::poll!(first.as_mut()).is_pending());
        tokio::task::yield_now().await;
    }
    let small = (1..=5).map(|number| client.submit(Count(number)).into_future());
    let small = join_all(small);
    let big = client.submit(Text("x".repeat(2_000))).into_future();
    let let_go = async { store.hooks.hang_insert.store(false, Ordering::SeqCst) };
    let (first, small, big, ()) = futures::join!(first, small, big, let_go);
    first.unwrap();
    for submitted in small {
        submitted.unwrap();
    }
    let error = big.unwrap_err();
    assert!(error.to_string().contains("no room for so much"), "{error}");
    // The first, the group, and each of it alone.
    assert_eq!(store.hooks.insert_calls.load(Ordering::SeqCst), 1 + 1 + 6);
}

#[tokio::test(start_paused = true)]
async fn submissions_that_nobody_polls_any_more_hold_up_nobody() {
    let store = Hook::new(store());
    let client = Client::new(store.clone());
    client.submit(Count(0)).await.unwrap();
    store.hooks.hang_insert.store(true, Ordering::SeqCst);
    let mut left = Vec::new();
    for number in 1..=3 {
        let mut submission = Box::pin(client.submit(Count(number)).into_future());
        assert!(futures::poll!(submission.as_mut()).is_pending());
        left.push(submission);
    }
    store.hooks.hang_insert.store(false, Ordering::SeqCst);
    let last = client.submit(Count(4)).into_future();
    tokio::time::timeout(SECOND, last).await.expect("it waits for nobody").unwrap();
}

/// Submits batches of a hundred, each by a caller of its own, to a store that does not answer; how
/// many inserts are under way once everybody waits.
async fn inserts_under_way(callers: u32) -> usize {
    let store = Hook::new(store());
    let client = Client::new(store.clone());
    store.hooks.hang_insert.store(true, Ordering::SeqCst);
    let submits = (0..callers).map(|_| client.submit_many((0..100).map(Count)));
    let mut submits = std::pin::pin!(join_all(submits));
    assert!(tokio::time::timeout(SECOND, submits.as_mut()).await.is_err());
    let under_way = store.hooks.inserting.load(Ordering::SeqCst);
    store.hooks.hang_insert.store(false, Ordering::SeqCst);
    for handles in submits.await {
        assert_eq!(handles.unwrap().len(), 100);
    }
    let all = store.hooks.inserted.load(Ordering::SeqCst);
    assert_eq!(all, 100 * callers as usize);
    under_way
}

#[tokio::test(start_paused = true)]
async fn a_group_that_cannot_grow_does_not_wait_for_the_one_before() {
    assert_eq!(inserts_under_way(19).await, 1);
    assert_eq!(inserts_under_way(20).await, 2);
    assert_eq!(inserts_under_way(64).await, 2);
}

use std::future::IntoFuture;
