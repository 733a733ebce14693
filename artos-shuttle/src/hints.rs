//! Hints: nobody who waits for a change misses it, whoever else comes and goes.

use shuttle::{
    future::block_on,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use crate::{in_many_orders, must_be_noticed};

macro_rules! scenarios {
    ($module:ident, $text:literal) => {
        #[allow(dead_code, unreachable_pub, missing_docs, reason = "a copy of the core's text")]
        mod $module {
            use super::*;
            use artos_core::model::Name;

            mod copy {
                include!(concat!(env!("OUT_DIR"), "/", $text, ".rs"));
            }

            use copy::{ChangeHub, Changes, Topic};

            fn queue() -> Topic {
                Topic::Queue(Name::from_static("default"))
            }

            /// Waits for the change as the core does: it looks, and then waits for a hint.
            fn wait_for(change: &AtomicBool, mut changes: Changes) {
                block_on(async {
                    while !change.load(Ordering::SeqCst) {
                        changes.changed().await;
                    }
                });
            }

            pub(super) fn a_change_is_heard() {
                let hub = ChangeHub::default();
                let change = Arc::new(AtomicBool::new(false));
                let changes = hub.subscribe(queue());
                let waiting = thread::spawn({
                    let change = Arc::clone(&change);
                    move || wait_for(&change, changes)
                });
                change.store(true, Ordering::SeqCst);
                hub.publish(&queue());
                waiting.join().unwrap();
            }

            pub(super) fn whoever_leaves_takes_nobody_along() {
                let hub = ChangeHub::default();
                let change = Arc::new(AtomicBool::new(false));
                let (stays, leaves) = (hub.subscribe(queue()), hub.subscribe(queue()));
                let waiting = thread::spawn({
                    let change = Arc::clone(&change);
                    move || wait_for(&change, stays)
                });
                let leaving = thread::spawn(move || drop(leaves));
                let late = thread::spawn({
                    let (hub, change) = (hub.clone(), Arc::clone(&change));
                    move || wait_for(&change, hub.subscribe(queue()))
                });
                change.store(true, Ordering::SeqCst);
                hub.publish(&queue());
                for thread in [waiting, leaving, late] {
                    thread.join().unwrap();
                }
                assert!(hub.is_idle(), "everybody has left");
            }
        }
    };
}

scenarios!(shipped, "notify");
scenarios!(forgets_between_waits, "notify_forgets_between_waits");
scenarios!(removes_neighbours, "notify_removes_neighbours");

#[test]
fn a_change_is_heard_by_whoever_waits() {
    in_many_orders(shipped::a_change_is_heard);
}

#[test]
fn whoever_stops_listening_takes_nobody_along() {
    in_many_orders(shipped::whoever_leaves_takes_nobody_along);
}

#[test]
fn a_hint_that_is_forgotten_between_waits_is_noticed() {
    must_be_noticed(forgets_between_waits::a_change_is_heard);
}

#[test]
fn a_listener_that_takes_others_along_is_noticed() {
    must_be_noticed(removes_neighbours::whoever_leaves_takes_nobody_along);
}
