//! Group commit, once for all stores: what gathers while one call is under way goes into the next.
//!
//! There is no timer and no artificial delay. An idle committer passes a single item on at once; a
//! busy one makes groups as large as the store is slow.

use std::{future::Future, time::Duration};

use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use crate::{
    store::{StoreError, StoreResult},
    sync::Arc,
};

/// Most items in one group. It bounds how long one call can hold a store's lock or transaction.
const GROUP_ITEMS_MAX: usize = 1_000;
/// Most payload bytes in one group, unless a single entry is larger.
const GROUP_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What a group is, and what the store does with it.
pub(crate) trait Commit: Send + Sync + 'static {
    type Item: Send + Sync + 'static;
    type Reply: Send + 'static;

    /// How long to pause after a group failed for now, so that those who repeat it gather again.
    const PAUSE: Duration;

    /// Hands a group to the store; one reply for each item, in order.
    fn commit<'a>(
        &'a self,
        group: &'a [Self::Item],
    ) -> BoxFuture<'a, StoreResult<Vec<Self::Reply>>>;

    /// Says how many payload bytes an item carries.
    fn bytes(item: &Self::Item) -> usize;
}

type Replies<R> = Result<Vec<R>, Arc<StoreError>>;

struct Entry<C: Commit> {
    items: Vec<C::Item>,
    reply: oneshot::Sender<Replies<C::Reply>>,
}

/// The callers' end of a group commit.
pub(crate) struct Committer<C: Commit> {
    entries: mpsc::UnboundedSender<Entry<C>>,
}

/// The committer is gone: its tokio runtime ended.
pub(crate) enum Gone<I> {
    /// Before it took the items, which come back.
    Before(Vec<I>),
    /// After it took them: they may or may not have been committed.
    After,
}

impl<C: Commit> Committer<C> {
    /// Makes a committer and the future that does its work; it ends when all callers are gone.
    pub(crate) fn new(commit: C) -> (Self, impl Future<Output = ()> + Send) {
        let (entries, receiver) = mpsc::unbounded_channel();
        (Self { entries }, run(commit, receiver))
    }

    /// Commits items together with whatever else is waiting, and returns the replies in order.
    ///
    /// Dropping the future after its first poll does not take the items back.
    pub(crate) async fn commit(
        &self,
        items: Vec<C::Item>,
    ) -> Result<Replies<C::Reply>, Gone<C::Item>> {
        let (reply, replies) = oneshot::channel();
        let entry = Entry { items, reply };
        self.entries.send(entry).map_err(|unsent| Gone::Before(unsent.0.items))?;
        replies.await.map_err(|_| Gone::After)
    }
}

async fn run<C: Commit>(commit: C, mut receiver: mpsc::UnboundedReceiver<Entry<C>>) {
    let mut left_over = None;
    loop {
        let first = match left_over.take() {
            Some(entry) => entry,
            None => match receiver.recv().await {
                Some(entry) => entry,
                None => return,
            },
        };
        // Whoever is about to hand something in gets to it first.
        tokio::task::yield_now().await;
        let mut group = Group::default();
        group.push(first);
        while let Ok(entry) = receiver.try_recv() {
            if !group.has_room_for(&entry) {
                left_over = Some(entry);
                break;
            }
            group.push(entry);
        }
        if group.commit(&commit).await == Outage::Now {
            tokio::time::sleep(C::PAUSE).await;
        }
    }
}

/// Whether the store was out when a group came.
#[derive(PartialEq, Eq)]
enum Outage {
    No,
    Now,
}

/// The entries that go to the store together.
struct Group<C: Commit> {
    items: Vec<C::Item>,
    bytes: usize,
    entries: Vec<(usize, oneshot::Sender<Replies<C::Reply>>)>,
}

impl<C: Commit> Default for Group<C> {
    fn default() -> Self {
        Self { items: Vec::new(), bytes: 0, entries: Vec::new() }
    }
}

fn bytes_of<C: Commit>(items: &[C::Item]) -> usize {
    items.iter().map(C::bytes).sum()
}

impl<C: Commit> Group<C> {
    fn push(&mut self, entry: Entry<C>) {
        // Whoever handed it in has stopped waiting, and nothing was promised: a store that comes
        // back after an hour need not be flooded with what was given up long ago.
        if entry.reply.is_closed() {
            return;
        }
        self.bytes += bytes_of::<C>(&entry.items);
        self.entries.push((entry.items.len(), entry.reply));
        self.items.extend(entry.items);
    }

    fn has_room_for(&self, entry: &Entry<C>) -> bool {
        self.items.len() + entry.items.len() <= GROUP_ITEMS_MAX
            && self.bytes + bytes_of::<C>(&entry.items) <= GROUP_BYTES_MAX
    }

    async fn commit(self, commit: &C) -> Outage {
        if self.entries.is_empty() {
            return Outage::No;
        }
        let mut outage = Outage::No;
        match commit.commit(&self.items).await {
            Ok(replies) => {
                let mut replies = replies.into_iter();
                for (count, reply) in self.entries {
                    let own = replies.by_ref().take(count).collect::<Vec<_>>();
                    // A store that answers too few items broke its contract; nobody may hang on it.
                    let own = if own.len() == count { Ok(own) } else { Err(too_few(count)) };
                    let _ = reply.send(own);
                }
            }
            Err(error) if error.is_transient() || self.entries.len() == 1 => {
                outage = if error.is_transient() { Outage::Now } else { Outage::No };
                let error = Arc::new(error);
                for (_, reply) in self.entries {
                    let _ = reply.send(Err(Arc::clone(&error)));
                }
            }
            // One bad entry must not spoil the others: each is tried alone.
            Err(_) => {
                let mut items = self.items.as_slice();
                for (count, reply) in self.entries {
                    let (own, rest) = items.split_at_checked(count).unwrap_or((items, &[]));
                    items = rest;
                    let _ = reply.send(commit.commit(own).await.map_err(Arc::new));
                }
            }
        }
        outage
    }
}

fn too_few(count: usize) -> Arc<StoreError> {
    let message = format!("the store answered fewer than the {count} items it was given");
    Arc::new(StoreError::Corrupt { message })
}
