//! What the embedded store remembers of what was read: nobody who saw a task as it is now is told
//! how it was before.

use artos_core::{
    Timestamp, machine,
    model::{NewTask, TaskId, TaskRecord},
};
use shuttle::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};
use uuid::Uuid;

use crate::{in_many_orders, must_be_noticed};

macro_rules! scenarios {
    ($module:ident, $text:literal) => {
        #[allow(dead_code, reason = "a copy of the store's text")]
        mod $module {
            use super::*;

            mod copy {
                include!(concat!(env!("OUT_DIR"), "/", $text, ".rs"));
            }

            use copy::{Read, Recent};

            /// A store with one task.
            #[derive(Default)]
            struct Store {
                recent: Recent,
                /// Which revision the tree has.
                tree: AtomicU64,
            }

            impl Store {
                fn id() -> TaskId {
                    TaskId::from_uuid(Uuid::from_u128(7))
                }

                /// Others that are kept in the same rack.
                fn neighbours() -> [TaskId; 2] {
                    [9, 11].map(|id| TaskId::from_uuid(Uuid::from_u128(id)))
                }

                fn write(&self, revision: u64) {
                    let [changed, _] = Self::neighbours();
                    let _changing = self.recent.change([changed, Self::id()].into_iter());
                    self.tree.store(revision, Ordering::SeqCst);
                }

                fn record(id: TaskId, revision: u64) -> TaskRecord {
                    let task = NewTask::new(id, "kind", "default", Vec::new());
                    TaskRecord { revision, ..machine::insert(&task, Timestamp::from_micros(1)) }
                }

                /// Reads as listings do, which never remember.
                fn list(&self) -> u64 {
                    self.tree.load(Ordering::SeqCst)
                }

                fn poll(&self) -> u64 {
                    if let Some(read) = self.recent.get(Self::id()) {
                        return read.record.revision;
                    }
                    let turn = self.recent.look();
                    let revision = self.tree.load(Ordering::SeqCst);
                    let record = Self::record(Self::id(), revision);
                    self.recent.keep(turn, Read { record, seen: 0 });
                    for neighbour in Self::neighbours() {
                        let record = Self::record(neighbour, 0);
                        self.recent.keep(self.recent.look(), Read { record, seen: 0 });
                    }
                    revision
                }
            }

            pub(super) fn nothing_older_is_told() {
                let store = Arc::new(Store::default());
                let reading = [(); 2].map(|()| {
                    let store = Arc::clone(&store);
                    thread::spawn(move || {
                        for _ in 0..3 {
                            let listed = store.list();
                            let polled = store.poll();
                            assert!(polled >= listed, "{polled} after {listed}");
                        }
                    })
                });
                store.write(1);
                store.write(2);
                for thread in reading {
                    thread.join().unwrap();
                }
                assert_eq!(store.poll(), 2);
            }
        }
    };
}

scenarios!(shipped, "sled_recent");
scenarios!(forgets_nothing, "sled_recent_forgets_nothing");
scenarios!(keeps_what_is_over, "sled_recent_keeps_what_is_over");
scenarios!(keeps_what_changes, "sled_recent_keeps_what_changes");
scenarios!(counts_late, "sled_recent_counts_late");

#[test]
fn a_poll_tells_nothing_older_than_a_listing() {
    in_many_orders(shipped::nothing_older_is_told);
}

#[test]
fn a_change_that_forgets_nothing_is_noticed() {
    must_be_noticed(forgets_nothing::nothing_older_is_told);
}

#[test]
fn a_read_from_before_a_change_that_is_kept_is_noticed() {
    must_be_noticed(keeps_what_is_over::nothing_older_is_told);
}

#[test]
fn a_read_during_a_change_that_is_kept_is_noticed() {
    must_be_noticed(keeps_what_changes::nothing_older_is_told);
}

#[test]
fn a_read_that_is_counted_late_is_noticed() {
    must_be_noticed(counts_late::nothing_older_is_told);
}
