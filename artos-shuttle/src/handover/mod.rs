//! The threads of the embedded store: whoever is answered, or waits for what it has read, finds it
//! durable, and a disk that fails is nobody's success.

use artos_core::{Clock, Timestamp, store::StoreResult};
use futures::FutureExt as _;
use shuttle::{future::block_on, sync::Arc, thread};

use crate::{in_many_orders, must_be_noticed};

#[allow(dead_code, reason = "what is copied uses some of it")]
mod parts;

use parts::{Tree, builder::Options, news::News};

/// More than this is a large group.
const LARGE_BYTES: usize = 10;

#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1)
    }
}

macro_rules! scenarios {
    ($module:ident, $commit:literal, $sync:literal) => {
        #[allow(dead_code, unused_imports, unreachable_pub, reason = "a copy of the store's text")]
        mod $module {
            use super::{
                parts::{
                    builder, changes, failpoints, folder, group, head, keys, live, mark, news,
                    operations, sled, watchdog,
                },
                *,
            };

            mod poison {
                include!(concat!(env!("OUT_DIR"), "/sled_poison.rs"));
            }

            mod commit {
                include!(concat!(env!("OUT_DIR"), "/", $commit, ".rs"));
            }

            mod sync {
                include!(concat!(env!("OUT_DIR"), "/", $sync, ".rs"));
            }

            mod disk {
                use std::io;

                use artos_core::{notify::ChangeHub, store::StoreResult};
                use shuttle::sync::Arc;

                use super::{
                    super::parts::{
                        Tree,
                        disk::{DiskState, Plain},
                    },
                    changes::Changes,
                    group::Written,
                    head::Counts,
                    live::Live,
                    poison::Poison,
                    watchdog::Activity,
                };

                #[derive(Debug)]
                pub(crate) struct Disk {
                    pub(crate) plain: Plain,
                    pub(crate) poison: Poison,
                    pub(crate) hub: ChangeHub,
                }

                impl DiskState for Arc<Disk> {
                    fn tree(&self) -> &Tree {
                        &self.plain.tree
                    }
                }

                impl Disk {
                    pub(crate) const fn hub(&self) -> &ChangeHub {
                        &self.hub
                    }

                    pub(crate) const fn poison(&self) -> &Poison {
                        &self.poison
                    }

                    pub(crate) const fn activity(&self) -> &Activity {
                        &self.plain.activity
                    }

                    pub(crate) fn applied(&self) -> u64 {
                        self.plain.applied()
                    }

                    pub(crate) const fn set_sound(&self, _: bool) {}

                    pub(crate) const fn check_blobs(&self) -> StoreResult<()> {
                        Ok(())
                    }

                    pub(crate) fn apply_and_show(
                        &self,
                        written: Written,
                        _: &Changes,
                        _: Counts,
                    ) -> StoreResult<()> {
                        self.poison.check()?;
                        self.plain.apply(&written);
                        Ok(())
                    }

                    pub(crate) fn sync(&self) -> StoreResult<()> {
                        match self.plain.sync()? {
                            true => Ok(()),
                            false => Err(self.poison.io("syncing", &io::Error::other("failed"))),
                        }
                    }
                }
            }

            mod opening {
                use artos_core::{Clock, notify::ChangeHub, store::StoreResult};
                use shuttle::sync::{Arc, mpsc::SyncSender};
                use tokio::sync::watch;

                use super::{
                    super::parts::disk::Plain,
                    builder::Options,
                    changes::Changes,
                    commit::{Applied, Writer},
                    disk::Disk,
                    head::Head,
                    live::Live,
                    mark::Mark,
                    poison::Poison,
                    sync::Syncer,
                    watchdog::Watchdog,
                };

                pub(crate) struct Opening {
                    pub(crate) disk: Arc<Disk>,
                    pub(crate) syncer: Syncer,
                    pub(crate) durable: watch::Receiver<u64>,
                    pub(crate) watchdog: Watchdog,
                    pub(crate) writes_head: bool,
                }

                impl Opening {
                    pub(crate) fn open(
                        options: &Options,
                        clock: Box<dyn Clock>,
                        applied: SyncSender<Applied>,
                    ) -> StoreResult<(Writer, Self)> {
                        let plain = Plain::open(Arc::clone(&options.tree), options.large_bytes);
                        let hub = ChangeHub::lossless();
                        let poison = Poison::new(hub.clone());
                        let disk = Arc::new(Disk { plain, poison, hub });
                        let mark = Mark(Arc::clone(&options.tree));
                        let (syncer, durable) = Syncer::new(Arc::clone(&disk), mark);
                        let writer = Writer {
                            disk: Arc::clone(&disk),
                            live: Live,
                            head: Head::default(),
                            changes: Changes,
                            clock,
                            applied,
                            durable: durable.clone(),
                            large_bytes: options.large_bytes,
                        };
                        let watchdog = Watchdog;
                        Ok((writer, Self { disk, syncer, durable, watchdog, writes_head: true }))
                    }
                }
            }

            use commit::Committer;

            fn open(tree: &Arc<Tree>) -> Arc<Committer> {
                let options = Options { tree: Arc::clone(tree), large_bytes: LARGE_BYTES };
                Arc::new(Committer::open(options, Box::new(Still)).unwrap())
            }

            /// Makes a change of so many bytes, and returns which one it was.
            async fn change(committer: &Committer, bytes: usize) -> StoreResult<usize> {
                let tree = Arc::clone(&committer.disk().plain.tree);
                let changed = committer.change(move |operations, _| {
                    let number = operations.group.change(bytes);
                    operations.news = News(Some((tree, number)));
                    Ok(number)
                });
                changed.await
            }

            /// Closes the store; then nothing may be open or undecided.
            fn close(committer: Arc<Committer>, tree: &Tree) {
                drop(Arc::into_inner(committer).unwrap());
                assert!(!tree.is_open(), "a thread is left");
            }

            pub(super) fn what_is_answered_is_durable() {
                let tree = Arc::new(Tree::default());
                let committer = open(&tree);
                let calling = [1, 1, LARGE_BYTES + 1].map(|bytes| {
                    let (committer, tree) = (Arc::clone(&committer), Arc::clone(&tree));
                    thread::spawn(move || {
                        for _ in 0..2 {
                            let number = block_on(change(&committer, bytes)).unwrap();
                            assert!(tree.durable() >= number, "answered too early");
                        }
                    })
                });
                for thread in calling {
                    thread.join().unwrap();
                }
                close(committer, &tree);
                assert_eq!((tree.written(), tree.durable()), (6, 6));
            }

            pub(super) fn what_is_settled_is_durable() {
                let tree = Arc::new(Tree::default());
                let committer = open(&tree);
                let writing = thread::spawn({
                    let committer = Arc::clone(&committer);
                    move || {
                        for _ in 0..2 {
                            block_on(change(&committer, 1)).unwrap();
                        }
                    }
                });
                let seen = tree.written();
                block_on(committer.settled()).unwrap();
                assert!(tree.durable() >= seen, "settled too early");
                writing.join().unwrap();
                close(committer, &tree);
            }

            pub(super) fn what_nobody_waits_for_is_done() {
                let tree = Arc::new(Tree::default());
                let committer = open(&tree);
                let early = change(&committer, 1).now_or_never();
                assert!(early.is_none_or(|number| number.unwrap() == 1));
                close(committer, &tree);
                assert_eq!(tree.durable(), 1);
            }

            pub(super) fn a_failed_sync_is_nobodys_success() {
                // The first is the head's.
                let tree = Arc::new(Tree::that_fails_after(2));
                let committer = open(&tree);
                let calling = [(); 2].map(|()| {
                    let (committer, tree) = (Arc::clone(&committer), Arc::clone(&tree));
                    thread::spawn(move || {
                        for _ in 0..3 {
                            if let Ok(number) = block_on(change(&committer, 1)) {
                                assert!(tree.durable() >= number, "answered in spite of it");
                            }
                        }
                    })
                });
                for thread in calling {
                    thread.join().unwrap();
                }
                block_on(change(&committer, 1)).unwrap_err();
                block_on(committer.settled()).unwrap_err();
                close(committer, &tree);
            }
        }
    };
}

scenarios!(shipped, "sled_commit", "sled_sync");
scenarios!(answers_early, "sled_commit", "sled_sync_answers_early");
scenarios!(counts_early, "sled_commit", "sled_sync_counts_early");
scenarios!(tells_early, "sled_commit", "sled_sync_tells_early");
scenarios!(skips_a_group, "sled_commit", "sled_sync_skips_a_group");
scenarios!(forgives, "sled_commit", "sled_sync_forgives");
scenarios!(overtakes, "sled_commit_overtakes", "sled_sync");
scenarios!(leaves_a_thread, "sled_commit_leaves_a_thread", "sled_sync");

#[test]
fn whoever_is_answered_finds_it_durable() {
    in_many_orders(shipped::what_is_answered_is_durable);
}

#[test]
fn whoever_waits_for_what_it_read_finds_it_durable() {
    in_many_orders(shipped::what_is_settled_is_durable);
}

#[test]
fn a_change_that_nobody_waits_for_is_made() {
    in_many_orders(shipped::what_nobody_waits_for_is_done);
}

#[test]
fn after_a_failed_sync_everybody_gets_an_error() {
    in_many_orders(shipped::a_failed_sync_is_nobodys_success);
}

#[test]
fn an_answer_before_the_sync_is_noticed() {
    must_be_noticed(answers_early::what_is_answered_is_durable);
}

#[test]
fn a_group_that_counts_before_its_sync_is_noticed() {
    must_be_noticed(counts_early::what_is_settled_is_durable);
}

#[test]
fn a_hint_before_the_sync_is_noticed() {
    must_be_noticed(tells_early::what_is_answered_is_durable);
}

#[test]
fn a_group_without_a_sync_is_noticed() {
    must_be_noticed(skips_a_group::what_is_answered_is_durable);
}

#[test]
fn an_answer_after_a_failed_sync_is_noticed() {
    must_be_noticed(forgives::a_failed_sync_is_nobodys_success);
}

#[test]
fn a_large_group_that_overtakes_is_noticed() {
    must_be_noticed(overtakes::what_is_answered_is_durable);
}

#[test]
fn a_thread_that_outlives_its_store_is_noticed() {
    must_be_noticed(leaves_a_thread::what_is_answered_is_durable);
}
