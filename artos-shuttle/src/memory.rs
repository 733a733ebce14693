//! The memory store: whoever waits for a task gets it, and each operation sees the one before.

use std::time::Duration;

use artos_core::{
    Clock, Timestamp,
    model::{NewTask, TaskId, WorkerId},
    notify::Topic,
    store::{Claim, Claims, TaskStore as _},
};
use shuttle::{
    future::block_on,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};
use uuid::Uuid;

use crate::{in_many_orders, must_be_noticed};

macro_rules! behind_the_lock {
    ($($name:ident)*) => {$(
        #[allow(dead_code, unreachable_pub, reason = "a copy of the store's text")]
        pub(crate) mod $name {
            include!(concat!(env!("OUT_DIR"), "/", stringify!($name), ".rs"));
        }
    )*};
}

behind_the_lock! { index listing names news shelf stored tables timeline }

/// A clock that moves on whenever somebody looks at it.
#[derive(Debug)]
struct Ticks(AtomicUsize);

impl Clock for Ticks {
    fn now(&self) -> Timestamp {
        let ticks = self.0.fetch_add(1, Ordering::SeqCst);
        Timestamp::from_micros(i64::try_from(ticks).unwrap())
    }
}

fn task(number: u128) -> NewTask {
    NewTask::new(TaskId::from_uuid(Uuid::from_u128(number)), "kind", "default", "{}")
}

fn claim(limit: usize) -> Claim {
    Claim {
        queue: "default".into(),
        worker: WorkerId::from_uuid(Uuid::nil()),
        limit,
        lease_for: Duration::from_secs(20),
    }
}

macro_rules! scenarios {
    ($module:ident, $text:literal) => {
        #[allow(dead_code, unreachable_pub, missing_docs, reason = "a copy of the store's text")]
        mod $module {
            use super::*;

            mod copy {
                include!(concat!(env!("OUT_DIR"), "/", $text, ".rs"));
            }

            use copy::MemoryStore;

            fn store() -> Arc<MemoryStore> {
                Arc::new(MemoryStore::with_clock(Ticks(AtomicUsize::new(1_000))))
            }

            async fn claimed(store: &MemoryStore, limit: usize) -> Claims {
                store.claim(&claim(limit)).await.unwrap()
            }

            /// Waits as a worker does: it looks, and then waits for a hint.
            pub(super) fn whoever_waits_gets_each_task_once() {
                let store = store();
                let waiting = thread::spawn({
                    let store = Arc::clone(&store);
                    move || {
                        let mut changes = store.changes(Topic::Queue("default".into()));
                        block_on(async {
                            let mut found = Vec::new();
                            while found.len() < 2 {
                                let claims = claimed(&store, 2).await;
                                if claims.tasks.is_empty() {
                                    changes.changed().await;
                                }
                                found.extend(claims.tasks.into_iter().map(|one| one.record.id));
                            }
                            found.sort_unstable();
                            assert_eq!(found, [task(1).id, task(2).id]);
                        });
                    }
                });
                let inserting = [1, 2].map(|number| {
                    let store = Arc::clone(&store);
                    thread::spawn(move || {
                        block_on(store.insert(&[task(number)])).unwrap();
                    })
                });
                for thread in inserting {
                    thread.join().unwrap();
                }
                waiting.join().unwrap();
            }

            pub(super) fn times_are_in_the_order_of_operations() {
                let store = store();
                block_on(store.insert(&[task(1), task(2)])).unwrap();
                let claiming = [(); 2].map(|()| {
                    let store = Arc::clone(&store);
                    thread::spawn(move || {
                        let mut claims = block_on(claimed(&store, 1));
                        let record = claims.tasks.pop().unwrap().record;
                        (record.id, record.started_at)
                    })
                });
                let mut claimed = claiming.map(|thread| thread.join().unwrap());
                claimed.sort_unstable();
                let [(first, early), (second, late)] = claimed;
                assert_eq!([first, second], [task(1).id, task(2).id]);
                assert!(early < late, "the first of them was claimed later");
            }
        }
    };
}

scenarios!(shipped, "memory");
scenarios!(tells_before_it_is_so, "memory_tells_before_it_is_so");
scenarios!(reads_the_time_early, "memory_reads_the_time_early");

#[test]
fn whoever_waits_for_tasks_gets_each_once() {
    in_many_orders(shipped::whoever_waits_gets_each_task_once);
}

#[test]
fn the_times_of_operations_are_in_their_order() {
    in_many_orders(shipped::times_are_in_the_order_of_operations);
}

#[test]
fn a_hint_before_the_change_is_noticed() {
    must_be_noticed(tells_before_it_is_so::whoever_waits_gets_each_task_once);
}

#[test]
fn a_time_that_is_read_early_is_noticed() {
    must_be_noticed(reads_the_time_early::times_are_in_the_order_of_operations);
}
