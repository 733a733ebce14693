//! The first thing that goes wrong for good stops the store, and every later call names it.

#![expect(clippy::panic, reason = "a test speaks by panicking")]

mod tasks;

use std::{
    fs,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use artos_core::{
    Clock, Timestamp,
    model::ListQuery,
    notify::Topic,
    store::{Part, StoreError, StoreResult, TaskStore as _},
};
use artos_store_sled::SledStore;

use tasks::new_task;

fn cause<T: std::fmt::Debug>(answer: StoreResult<T>) -> String {
    match answer {
        Err(StoreError::Unavailable { message, .. }) => message,
        answer => panic!("the store must have stopped: {answer:?}"),
    }
}

/// Makes sure that reads and writes fail, all with the same cause.
async fn has_stopped(store: &SledStore, first: &str) {
    assert_eq!(cause(store.insert(&[new_task(999)]).await), first);
    assert_eq!(cause(store.get(new_task(0).id, Part::Record).await), first);
    assert_eq!(cause(store.list(&ListQuery::default()).await), first);
    assert_eq!(cause(store.rescue(1).await), first);
}

#[tokio::test]
async fn a_value_outside_the_file_stops_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path()).unwrap();
    fs::write(folder.path().join("blobs/17"), "text").unwrap();
    for number in 0..200 {
        if let Err(error) = store.insert(&[new_task(number)]).await {
            let first = cause::<()>(Err(error));
            assert!(first.contains("blobs/17"), "{first}");
            return has_stopped(&store, &first).await;
        }
    }
    panic!("nobody noticed");
}

/// A runtime that has nothing to do asks this store nothing, so it has to be told.
#[tokio::test]
async fn whoever_waits_for_changes_hears_of_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Broken::default();
    let store = SledStore::builder(folder.path()).clock(clock.clone()).open().unwrap();
    let mut waiting = [Topic::Queue("default".into()), Topic::Lease, Topic::Cancellation]
        .map(|topic| store.changes(topic));
    clock.0.store(true, Ordering::SeqCst);
    cause(store.insert(&[new_task(1)]).await);
    for changes in &mut waiting {
        let hint = tokio::time::timeout(Duration::from_secs(10), changes.changed()).await;
        assert!(hint.is_ok(), "nobody said that the store has stopped: {changes:?}");
    }
}

/// A clock that panics when it is told to, on the thread that reads it.
#[derive(Debug, Clone, Default)]
struct Broken(Arc<AtomicBool>);

impl Clock for Broken {
    fn now(&self) -> Timestamp {
        assert!(!self.0.load(Ordering::SeqCst), "the clock is broken");
        Timestamp::MIN
    }
}

#[tokio::test]
async fn a_panic_on_the_commit_thread_stops_the_store_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Broken::default();
    let store = SledStore::builder(folder.path()).clock(clock.clone()).open().unwrap();
    store.insert(&[new_task(0)]).await.unwrap();
    clock.0.store(true, Ordering::SeqCst);
    let first = cause(store.insert(&[new_task(1)]).await);
    assert!(first.contains("the clock is broken"), "{first}");
    clock.0.store(false, Ordering::SeqCst);
    has_stopped(&store, &first).await;
    drop(store);

    let store = SledStore::open(folder.path()).unwrap();
    assert!(store.get(new_task(0).id, Part::Record).await.unwrap().is_some());
    assert!(store.get(new_task(1).id, Part::Record).await.unwrap().is_none());
}

/// A clock that lets nobody go who reads it, while it is held.
#[derive(Debug, Clone, Default)]
struct Held(Arc<(Mutex<bool>, Condvar)>);

#[expect(clippy::unwrap_used, reason = "a test speaks by panicking")]
impl Held {
    fn hold(&self, hold: bool) {
        *self.0.0.lock().unwrap() = hold;
        self.0.1.notify_all();
    }
}

impl Clock for Held {
    #[expect(clippy::unwrap_used, reason = "a test speaks by panicking")]
    fn now(&self) -> Timestamp {
        let held = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(held, |held| *held).unwrap());
        Timestamp::MIN
    }
}

#[tokio::test]
async fn a_thread_that_is_stuck_stops_the_store_and_nobody_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Held::default();
    let builder = SledStore::builder(folder.path()).clock(clock.clone());
    let store = builder.stall_limit(Duration::from_millis(100)).open().unwrap();
    store.insert(&[new_task(0)]).await.unwrap();
    clock.hold(true);
    let first = cause(store.insert(&[new_task(1)]).await);
    assert!(first.contains("commit thread running operations"), "{first}");
    has_stopped(&store, &first).await;
    clock.hold(false);
}
