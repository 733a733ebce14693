//! Slots: no more tasks run, or settle, than may, and every slot comes back.

use shuttle::{
    future::{block_on, spawn, yield_now},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{in_many_orders, must_be_noticed};

const SLOTS: usize = 2;
const TASKS: usize = 5;

/// Somewhere only so many may be at a time.
#[derive(Default)]
struct Room(AtomicUsize);

impl Room {
    /// Stays a while, and sees how many are there.
    async fn stay(&self) {
        let inside = self.0.fetch_add(1, Ordering::SeqCst) + 1;
        assert!(inside <= SLOTS, "{inside} at once");
        yield_now().await;
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

macro_rules! scenarios {
    ($module:ident, $text:literal) => {
        #[allow(dead_code, reason = "a copy of the core's text")]
        mod $module {
            use super::*;

            mod copy {
                include!(concat!(env!("OUT_DIR"), "/", $text, ".rs"));
            }

            use copy::{Freed, Hold, Slots};

            pub(super) fn no_more_than_may() {
                block_on(async {
                    let slots = Arc::new(Slots::new([SLOTS].into_iter()));
                    let (running, settling) =
                        (Arc::new(Room::default()), Arc::new(Room::default()));
                    let mut tasks = Vec::new();
                    while tasks.len() < TASKS {
                        let mut free = slots.take(0, TASKS - tasks.len()).await;
                        assert!((1..=SLOTS).contains(&free.count()));
                        while free.give() {
                            let slots = Arc::clone(&slots);
                            let (running, settling) = (Arc::clone(&running), Arc::clone(&settling));
                            tasks.push(spawn(async move {
                                running.stay().await;
                                let hold = if slots.may_settle(0) {
                                    settling.stay().await;
                                    Hold::Settling
                                } else {
                                    // It still has its slot.
                                    running.stay().await;
                                    Hold::Slot
                                };
                                Freed::new(&slots).add(0, hold);
                            }));
                        }
                    }
                    for task in tasks {
                        task.await.unwrap();
                    }
                    let free = slots.take(0, TASKS).await;
                    assert_eq!(free.count(), SLOTS, "every slot came back");
                });
            }
        }
    };
}

scenarios!(shipped, "slots");
scenarios!(settle_without_end, "slots_settle_without_end");

#[test]
fn no_more_tasks_run_or_settle_than_may() {
    in_many_orders(shipped::no_more_than_may);
}

#[test]
fn tasks_that_settle_without_end_are_noticed() {
    must_be_noticed(settle_without_end::no_more_than_may);
}
