//! Many callers, few calls to the store.

use std::sync::atomic::Ordering;

use artos_core::{Client, SubmitError, Task};
use futures::future::join_all;

use crate::{
    hooked_store::Hook,
    support::{Count, Faults, FaultyStore, SECOND, store},
};

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
async fn a_group_holds_eight_mebibytes_of_payload() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Text(String);
    impl Task for Text {
        const KIND: &'static str = "text";
        type Output = ();
    }
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
    let submits = (0..3).map(|number| client.submit(Count(number)).into_future());
    for result in join_all(submits).await {
        let error = result.unwrap_err();
        assert!(matches!(error, SubmitError::Store(_)), "{error}");
        assert_eq!(error.to_string(), "the store is unavailable: told to fail");
    }
    Faults::set(&store.faults.down, false);
    client.submit(Count(4)).await.unwrap();
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

use std::future::IntoFuture;
