//! Group commit: each entry goes to the store once, and its caller gets its own answers.

use std::time::Duration;

use artos_core::store::{StoreError, StoreResult};
use shuttle::{
    future::{block_on, spawn},
    sync::{Arc, Mutex},
};
use tokio::sync::oneshot;

use crate::{in_many_orders, must_be_noticed};

macro_rules! scenarios {
    ($module:ident, $text:literal) => {
        #[allow(dead_code, reason = "a copy of the core's text")]
        mod $module {
            use super::*;

            mod copy {
                include!(concat!(env!("OUT_DIR"), "/", $text, ".rs"));
            }

            use copy::{Commit, Committer, Entry};

            /// A store that answers ten times each number.
            struct Tens(Arc<Mutex<Vec<u32>>>);

            impl Commit for Tens {
                type Item = u32;
                type Reply = u32;
                type Waiter = oneshot::Sender<Result<Vec<u32>, Arc<StoreError>>>;

                const PAUSE: Duration = Duration::ZERO;
                const SIDE_BY_SIDE: bool = true;

                async fn commit(&self, group: &[u32]) -> StoreResult<Vec<u32>> {
                    // Others get their turn while the store works.
                    shuttle::future::yield_now().await;
                    self.0.lock().unwrap().extend(group);
                    Ok(group.iter().map(|number| number * 10).collect())
                }

                fn bytes(_: &u32) -> usize {
                    1
                }

                fn is_awaited(waiter: &Self::Waiter) -> bool {
                    !waiter.is_closed()
                }

                fn accepted(
                    entries: impl Iterator<Item = Entry<Self::Waiter>>,
                    _: impl Iterator<Item = u32>,
                    replies: Vec<u32>,
                ) {
                    let mut replies = replies.into_iter();
                    for entry in entries {
                        let _ = entry.waiter.send(Ok(replies.by_ref().take(entry.items).collect()));
                    }
                }

                fn refused(waiter: Self::Waiter, _: Vec<u32>, error: Arc<StoreError>) {
                    let _ = waiter.send(Err(error));
                }
            }

            /// Commits as the core does: alone if that may be, else with the others.
            async fn commit(committer: &Committer<Tens>, items: Vec<u32>) -> Option<Vec<u32>> {
                if let Some(alone) = committer.alone() {
                    return alone.commit(&items).await.ok();
                }
                let (waiter, answer) = oneshot::channel();
                committer.commit(items, waiter).ok()?;
                answer.await.ok()?.ok()
            }

            pub(super) fn every_caller_gets_its_answers() {
                block_on(async {
                    let seen = Arc::new(Mutex::new(Vec::new()));
                    let (committer, work) = Committer::new(Tens(Arc::clone(&seen)));
                    let committer = Arc::new(committer);
                    let working = spawn(work);
                    let callers: Vec<_> = [vec![1], vec![2, 3], vec![4]]
                        .into_iter()
                        .map(|items| {
                            let committer = Arc::clone(&committer);
                            spawn(async move {
                                let tens: Vec<_> = items.iter().map(|item| item * 10).collect();
                                let replies = commit(&committer, items).await;
                                assert_eq!(replies.expect("the entry was dropped"), tens);
                            })
                        })
                        .collect();
                    drop(committer);
                    for caller in callers {
                        caller.await.unwrap();
                    }
                    working.await.unwrap();
                    let mut seen = seen.lock().unwrap().clone();
                    seen.sort_unstable();
                    assert_eq!(seen, [1, 2, 3, 4], "each item was committed once");
                });
            }

            pub(super) fn the_store_goes_with_the_last_caller() {
                block_on(async {
                    let seen = Arc::new(Mutex::new(Vec::new()));
                    let (committer, work) = Committer::new(Tens(Arc::clone(&seen)));
                    let committer = Arc::new(committer);
                    let working = spawn(work);
                    let callers: Vec<_> = [1, 2]
                        .into_iter()
                        .map(|item| {
                            let committer = Arc::clone(&committer);
                            spawn(async move {
                                let (waiter, answer) = oneshot::channel();
                                assert!(committer.commit([item], waiter).is_ok());
                                let replies = answer.await.expect("the entry was dropped").ok();
                                assert_eq!(replies, Some(vec![item * 10]));
                                drop(committer);
                            })
                        })
                        .collect();
                    drop(committer);
                    for caller in callers {
                        caller.await.unwrap();
                    }
                    assert_eq!(Arc::strong_count(&seen), 1, "somebody still has the store");
                    working.await.unwrap();
                });
            }

            pub(super) fn whoever_gives_up_disturbs_nobody() {
                block_on(async {
                    let seen = Arc::new(Mutex::new(Vec::new()));
                    let (committer, work) = Committer::new(Tens(Arc::clone(&seen)));
                    let committer = Arc::new(committer);
                    let working = spawn(work);
                    let (impatient, patient) = (Arc::clone(&committer), committer);
                    let gives_up = spawn(async move {
                        let mut asked = std::pin::pin!(commit(&impatient, vec![1, 2]));
                        // Polled once, and dropped: the items may be committed or not.
                        let _ = futures::poll!(asked.as_mut());
                    });
                    let waits = spawn(async move {
                        let replies = commit(&patient, vec![3]).await;
                        assert_eq!(replies.expect("the entry was dropped"), [30]);
                    });
                    gives_up.await.unwrap();
                    waits.await.unwrap();
                    working.await.unwrap();
                    let seen = seen.lock().unwrap().clone();
                    assert!(seen.contains(&3));
                    assert_eq!(seen.contains(&1), seen.contains(&2), "all or nothing: {seen:?}");
                });
            }
        }
    };
}

scenarios!(shipped, "commit");
scenarios!(drops_what_does_not_fit, "commit_drops_what_does_not_fit");
scenarios!(mixes_answers, "commit_mixes_answers");
scenarios!(does_not_wake_up, "commit_does_not_wake_up");
scenarios!(keeps_the_store, "commit_keeps_the_store");

#[test]
fn every_caller_gets_its_own_answers() {
    in_many_orders(shipped::every_caller_gets_its_answers);
}

#[test]
fn whoever_gives_up_disturbs_nobody() {
    in_many_orders(shipped::whoever_gives_up_disturbs_nobody);
}

#[test]
fn the_store_goes_with_the_last_caller() {
    in_many_orders(shipped::the_store_goes_with_the_last_caller);
}

#[test]
fn a_committer_that_keeps_the_store_is_noticed() {
    must_be_noticed(keeps_the_store::the_store_goes_with_the_last_caller);
}

#[test]
fn an_entry_that_is_dropped_is_noticed() {
    must_be_noticed(drops_what_does_not_fit::every_caller_gets_its_answers);
}

#[test]
fn answers_that_are_mixed_up_are_noticed() {
    must_be_noticed(mixes_answers::every_caller_gets_its_answers);
}

#[test]
fn a_committer_that_is_not_woken_is_noticed() {
    must_be_noticed(does_not_wake_up::every_caller_gets_its_answers);
}
