//! Group commit, once for all stores: what gathers while one call is under way goes into the next.
//!
//! There is no timer and no artificial delay. An idle committer passes a single item on at once; a
//! busy one makes groups as large as the store is slow. Only where the next group could not get
//! any larger does it go while the one before is still under way.

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    pin::pin,
    time::Duration,
};

use tokio::sync::Notify;

use crate::{
    spawn::{self, step_aside},
    store::{StoreError, StoreResult},
    sync::{Arc, AtomicBool, Mutex, MutexGuard, Ordering, PoisonError, Weak},
};

/// Most items in one group. It bounds how long one call can hold a store's lock or transaction.
const GROUP_ITEMS_MAX: usize = 1_000;
/// Most payload bytes in one group, unless a single entry is larger.
const GROUP_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How long a committer that panicked pauses before it goes on.
const PAUSE_AFTER_PANIC: Duration = Duration::from_millis(100);

/// What a group is, what the store does with it, and who hears of it.
pub(crate) trait Commit: Send + Sync + 'static {
    type Item: Send + Sync + 'static;
    type Reply: Send + 'static;
    /// Who waits for what became of an entry.
    type Waiter: Send + 'static;

    /// How long to pause after a group failed for now, so that those who repeat it gather again.
    const PAUSE: Duration;

    /// Whether a second group may go while one is under way, once it is as large as any: then there
    /// is nothing to wait for, and a store that has room for two of them need not stand idle.
    const SIDE_BY_SIDE: bool;

    /// Hands a group to the store; one reply for each item, in order.
    fn commit(
        &self,
        group: &[Self::Item],
    ) -> impl Future<Output = StoreResult<Vec<Self::Reply>>> + Send;

    /// Says how many payload bytes an item carries.
    fn bytes(item: &Self::Item) -> usize;

    /// Says whether somebody still waits.
    fn is_awaited(waiter: &Self::Waiter) -> bool;

    /// Passes the replies on, and the items back: as many to each waiter as it handed in, in order.
    fn accepted(
        entries: impl Iterator<Item = Entry<Self::Waiter>>,
        items: impl Iterator<Item = Self::Item>,
        replies: Vec<Self::Reply>,
    );

    /// Passes an error on, and the items back.
    fn refused(waiter: Self::Waiter, items: Vec<Self::Item>, error: Arc<StoreError>);
}

/// Items that were handed in together.
pub(crate) struct Entry<W> {
    pub(crate) waiter: W,
    /// How many they are.
    pub(crate) items: usize,
}

/// The committer is gone, because its tokio runtime ended; the items come back.
pub(crate) struct Gone<I>(pub(crate) Vec<I>);

/// The callers' end of a group commit.
///
/// The store is theirs, and the committer has it only during a call: once the last caller has heard
/// the answer and is gone, so is the store. Whoever waits keeps this until then.
pub(crate) struct Committer<C: Commit> {
    way: Arc<Way<C>>,
    queue: Arc<Queue<C>>,
}

/// The way to the store.
struct Way<C> {
    commit: C,
    /// The store answered the last call at once, without waiting for anything.
    at_once: AtomicBool,
}

/// Where callers leave things for the committer.
struct Queue<C: Commit> {
    waiting: Mutex<Waiting<C>>,
    /// Wakes the committer, if it sleeps.
    arrived: Notify,
    /// Wakes it to begin a second group.
    filled: Notify,
}

/// The groups of a committer that follow each other.
#[derive(Clone, Copy)]
enum Lane {
    /// Whatever has gathered.
    Any,
    /// Those that are as large as they get.
    Full,
}

/// What waits for the next group, or the end of either side.
struct Waiting<C: Commit> {
    items: VecDeque<C::Item>,
    entries: VecDeque<Entry<C::Waiter>>,
    /// The committer found nothing to do.
    sleeps: bool,
    /// The committer would begin a second group, but there is not enough for it.
    lacks: bool,
    /// A caller commits by itself. Nobody waits for that: it may never be polled again.
    alone: bool,
    /// All callers are gone.
    left: bool,
    /// The committer is gone.
    closed: bool,
}

impl<C: Commit> Default for Waiting<C> {
    fn default() -> Self {
        Self {
            items: VecDeque::new(),
            entries: VecDeque::new(),
            sleeps: false,
            lacks: false,
            alone: false,
            left: false,
            closed: false,
        }
    }
}

impl<C: Commit> Committer<C> {
    /// Makes a committer and the future that does its work; it ends when all callers are gone.
    pub(crate) fn new(commit: C) -> (Self, impl Future<Output = ()> + Send) {
        let way = Arc::new(Way { commit, at_once: AtomicBool::new(false) });
        let queue = Arc::new(Queue {
            waiting: Mutex::default(),
            arrived: Notify::new(),
            filled: Notify::new(),
        });
        // Made here, so that a future that is dropped before its first poll counts as gone too.
        let work = Work { way: Arc::downgrade(&way), queue: Arc::clone(&queue) };
        (Self { way, queue }, async move { work.run().await })
    }

    /// Commits items together with whatever else is waiting; the waiter hears what became of them.
    ///
    /// Answers whether that woke the committer. It may then wait for the thread of the caller, who
    /// has to let it go on before anything that may block.
    ///
    /// A waiter that is dropped unheard was still there when the tokio runtime ended, or when the
    /// committer panicked: its items may or may not have been committed.
    pub(crate) fn commit(
        &self,
        items: impl IntoIterator<Item = C::Item>,
        waiter: C::Waiter,
    ) -> Result<bool, (Gone<C::Item>, C::Waiter)> {
        let mut waiting = self.queue.waiting();
        if waiting.closed {
            drop(waiting);
            return Err((Gone(items.into_iter().collect()), waiter));
        }
        let before = waiting.items.len();
        waiting.items.extend(items);
        let items = waiting.items.len() - before;
        waiting.entries.push_back(Entry { waiter, items });
        let sleeps = std::mem::take(&mut waiting.sleeps);
        let fills = waiting.is_full() && std::mem::take(&mut waiting.lacks);
        drop(waiting);
        if sleeps {
            self.queue.arrived.notify_one();
        }
        if fills {
            self.queue.filled.notify_one();
        }
        Ok(sleeps || fills)
    }

    /// Returns whether the store answers at once, so that nobody waits for it.
    pub(crate) fn answers_at_once(&self) -> bool {
        self.way.at_once.load(Ordering::Relaxed)
    }

    /// Lets the caller commit by itself, if nothing is under way: it need not wait for the
    /// committer to wake up. Whoever comes meanwhile goes by the committer. To a store that answers
    /// at once, callers go side by side: there is no time for a group to gather.
    ///
    /// The caller has to be in a tokio runtime: stores may need one.
    pub(crate) fn alone(&self) -> Option<Alone<'_, C>> {
        if self.answers_at_once() {
            return Some(Alone { committer: self, counted: false });
        }
        let mut waiting = self.queue.waiting();
        let idle = waiting.sleeps && !waiting.alone && waiting.entries.is_empty();
        if !idle || waiting.closed {
            return None;
        }
        waiting.alone = true;
        Some(Alone { committer: self, counted: true })
    }
}

/// The right to commit without the committer.
pub(crate) struct Alone<'a, C: Commit> {
    committer: &'a Committer<C>,
    /// It is the only one until it ends.
    counted: bool,
}

impl<C: Commit> Alone<'_, C> {
    /// Commits items; the replies come in order.
    ///
    /// Dropping the future before it ends leaves open whether they were committed.
    pub(crate) async fn commit(self, items: &[C::Item]) -> StoreResult<Vec<C::Reply>> {
        self.committer.way.replies(items).await
    }
}

impl<C: Commit> Drop for Alone<'_, C> {
    fn drop(&mut self) {
        if self.counted {
            self.committer.queue.waiting().alone = false;
        }
    }
}

impl<C: Commit> Drop for Committer<C> {
    fn drop(&mut self) {
        self.queue.waiting().left = true;
        self.queue.arrived.notify_one();
        self.queue.filled.notify_one();
    }
}

impl<C: Commit> Queue<C> {
    fn waiting(&self) -> MutexGuard<'_, Waiting<C>> {
        // Items and entries agree between any two statements that can panic.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for something to do and moves it to an empty group; answers `false` when nobody will
    /// ever hand in anything again.
    async fn next(&self, lane: Lane, group: &mut Group<C>) -> bool {
        loop {
            // Whoever is about to hand something in gets to it first: it makes the group larger.
            step_aside().await;
            {
                let mut waiting = self.waiting();
                if waiting.has_enough_for(lane) {
                    waiting.move_to(group);
                    return true;
                }
                if waiting.left {
                    return false;
                }
                match lane {
                    Lane::Any => waiting.sleeps = true,
                    Lane::Full => waiting.lacks = true,
                }
            }
            match lane {
                Lane::Any => self.arrived.notified().await,
                Lane::Full => self.filled.notified().await,
            }
        }
    }
}

impl<C: Commit> Waiting<C> {
    fn is_full(&self) -> bool {
        self.items.len() >= GROUP_ITEMS_MAX
    }

    fn has_enough_for(&self, lane: Lane) -> bool {
        match lane {
            Lane::Any => !self.entries.is_empty(),
            Lane::Full => self.is_full(),
        }
    }

    /// Moves what one group may hold.
    fn move_to(&mut self, group: &mut Group<C>) {
        let (mut items, mut bytes, mut count) = (0, 0, 0);
        for entry in &self.entries {
            let range = self.items.range(items..items + entry.items);
            bytes += range.map(C::bytes).sum::<usize>();
            let room = items + entry.items <= GROUP_ITEMS_MAX && bytes <= GROUP_BYTES_MAX;
            if count > 0 && !room {
                break;
            }
            items += entry.items;
            count += 1;
        }
        if count == self.entries.len() {
            // Room goes back and forth, so that a busy committer need not allocate.
            std::mem::swap(&mut self.items, &mut group.items);
            std::mem::swap(&mut self.entries, &mut group.entries);
        } else {
            group.items.extend(self.items.drain(..items));
            group.entries.extend(self.entries.drain(..count));
        }
    }
}

/// The committer's end; its end is the committer's.
struct Work<C: Commit> {
    way: Weak<Way<C>>,
    queue: Arc<Queue<C>>,
}

impl<C: Commit> Drop for Work<C> {
    fn drop(&mut self) {
        let left_behind = {
            let mut waiting = self.queue.waiting();
            waiting.closed = true;
            (std::mem::take(&mut waiting.items), std::mem::take(&mut waiting.entries))
        };
        // Not under the lock: whoever waits may hand in something while it goes.
        drop(left_behind);
    }
}

impl<C: Commit> Work<C> {
    /// Commits groups until all callers are gone.
    async fn run(&self) {
        if C::SIDE_BY_SIDE {
            futures::join!(self.run_lane(Lane::Any), self.run_lane(Lane::Full));
        } else {
            self.run_lane(Lane::Any).await;
        }
    }

    /// Commits one group after the other. Should that panic, it goes on: only the group that was
    /// under way is dropped.
    async fn run_lane(&self, lane: Lane) {
        let mut panicked = false;
        loop {
            let committed = spawn::guarded(async {
                if panicked {
                    tracing::error!("a group commit panicked; whoever waited for it is told so");
                    tokio::time::sleep(PAUSE_AFTER_PANIC).await;
                }
                self.commit_groups(lane).await;
            });
            match committed.await {
                Ok(()) => return,
                Err(spawn::Panicked) => panicked = true,
            }
        }
    }

    async fn commit_groups(&self, lane: Lane) {
        let mut group = Group { items: VecDeque::new(), entries: VecDeque::new() };
        while self.queue.next(lane, &mut group).await {
            group.forget_unawaited();
            // Without it, everybody is gone, and nobody waits for the group.
            let Some(way) = self.way.upgrade() else { return };
            let outage = group.commit(way).await;
            group.clear();
            if outage == Outage::Now {
                tokio::time::sleep(C::PAUSE).await;
            }
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
    items: VecDeque<C::Item>,
    entries: VecDeque<Entry<C::Waiter>>,
}

impl<C: Commit> Group<C> {
    /// Drops what nobody waits for any more. Nothing was promised about it, and a store that comes
    /// back after an hour need not be flooded with what was given up long ago.
    fn forget_unawaited(&mut self) {
        if self.entries.iter().all(|entry| C::is_awaited(&entry.waiter)) {
            return;
        }
        for _ in 0..self.entries.len() {
            let Some(entry) = self.entries.pop_front() else { return };
            let own = entry.items.min(self.items.len());
            if C::is_awaited(&entry.waiter) {
                self.items.rotate_left(own);
                self.entries.push_back(entry);
            } else {
                self.items.drain(..own);
            }
        }
    }

    /// Hands everything to the store, and what became of it to those who wait.
    ///
    /// The store is given back before anybody hears of it: whoever does may be the last to have it,
    /// and open it again.
    async fn commit(&mut self, way: Arc<Way<C>>) -> Outage {
        if self.entries.is_empty() {
            return Outage::No;
        }
        match way.replies(self.items.make_contiguous()).await {
            Ok(replies) => {
                drop(way);
                C::accepted(self.entries.drain(..), self.items.drain(..), replies);
                Outage::No
            }
            Err(error) if error.is_transient() || self.entries.len() == 1 => {
                drop(way);
                let outage = if error.is_transient() { Outage::Now } else { Outage::No };
                let error = Arc::new(error);
                while let Some((waiter, own)) = self.pop() {
                    C::refused(waiter, own, Arc::clone(&error));
                }
                outage
            }
            // One bad entry must not spoil the others: each is tried alone.
            Err(_) => {
                while let Some((waiter, own)) = self.pop() {
                    match way.replies(&own).await {
                        Ok(replies) => {
                            let entry = Entry { waiter, items: own.len() };
                            C::accepted(std::iter::once(entry), own.into_iter(), replies);
                        }
                        Err(error) => C::refused(waiter, own, Arc::new(error)),
                    }
                }
                Outage::No
            }
        }
    }

    fn pop(&mut self) -> Option<(C::Waiter, Vec<C::Item>)> {
        let entry = self.entries.pop_front()?;
        let own = entry.items.min(self.items.len());
        Some((entry.waiter, self.items.drain(..own).collect()))
    }

    fn clear(&mut self) {
        self.items.clear();
        self.entries.clear();
        if self.items.capacity() > GROUP_ITEMS_MAX * 4 {
            // An outage is over.
            self.items = VecDeque::new();
            self.entries = VecDeque::new();
        }
    }
}

impl<C: Commit> Way<C> {
    async fn replies(&self, items: &[C::Item]) -> StoreResult<Vec<C::Reply>> {
        let mut call = pin!(self.commit.commit(items));
        let mut is_first = true;
        let replies = poll_fn(|cx| {
            let replies = call.as_mut().poll(cx);
            let at_once = replies.is_ready();
            // Written only when it changes, so that threads need not pass it to and fro.
            if std::mem::take(&mut is_first) && self.at_once.load(Ordering::Relaxed) != at_once {
                self.at_once.store(at_once, Ordering::Relaxed);
            }
            replies
        })
        .await;
        let replies = replies?;
        if replies.len() >= items.len() {
            return Ok(replies);
        }
        // A store that answers too few items broke its contract; nobody may hang on it.
        let (found, expected) = (replies.len(), items.len());
        let message = format!("the store answered {found} items, expected {expected}");
        Err(StoreError::Corrupt { message })
    }
}
