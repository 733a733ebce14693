//! The seam between the runtime and a database: ten operations, each atomic.
//!
//! The rules live in [`machine`](crate::machine); a store makes them atomic and durable.

use std::{
    error::Error as StdError,
    fmt,
    future::{Future, poll_fn},
    panic::AssertUnwindSafe,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;

use crate::{
    machine::Cancelled,
    model::{
        Lease, ListQuery, Name, NewTask, Page, Progress, Retention, Settlement, TaskId, TaskRecord,
        TaskState, WorkerId,
    },
    notify::{Changes, Topic},
};

/// Where tasks live.
///
/// # Contract
///
/// Implementors promise, and `artos-store-conformance` checks:
///
/// * Every method is atomic for each task it touches: all of a transition is visible, or none.
/// * When a method returns `Ok`, what it did is as durable as the store ever makes it.
/// * When it returns `Err`, it may or may not have been applied. Callers repeat it; every write is
///   safe to repeat: `insert` by task id, `settle` by lease and outcome, the rest by nature.
/// * The rules are those of [`machine`](crate::machine), under the store's own clock. No caller
///   hands in a time.
/// * A batch is answered in order, one answer for each item; a refused item does not disturb the
///   others.
/// * Dropping a returned future at any point leaves the store consistent; the operation then may or
///   may not have been applied.
///
/// There are no default methods: a wrapper that forgets to forward one does not compile.
#[async_trait]
pub trait TaskStore: fmt::Debug + Send + Sync + 'static {
    /// Inserts tasks, each at most once.
    ///
    /// A task whose id exists, or whose idempotency key (together with tenant and kind) belongs to
    /// a task that exists, is not inserted; the answer names the task that was there, and where id
    /// and key name different tasks, the one of the id. Within one call earlier items count as
    /// existing for later ones. An id is never used for two tasks, not even after the first was
    /// pruned: leases are told apart by it. Publishes [`Topic::Queue`].
    async fn insert(&self, tasks: &[NewTask]) -> StoreResult<Vec<Inserted>>;

    /// Reads one task, and one of its payloads, as of one moment.
    async fn get(&self, id: TaskId, part: Part) -> StoreResult<Option<Found>>;

    /// Lists tasks in the order of their ids, after the cursor, up to the limit.
    async fn list(&self, query: &ListQuery) -> StoreResult<Page>;

    /// Leases due tasks of a queue to a worker: higher priority first, then the earlier `run_at`,
    /// then the smaller id. No two calls ever return the same lease. Nothing due is an empty list.
    async fn claim(&self, request: &Claim) -> StoreResult<Claims>;

    /// Extends leases and takes in progress. A stale lease is answered [`Pulse::Lost`].
    async fn heartbeat(&self, lease_for: Duration, beats: &[Beat]) -> StoreResult<Vec<Pulse>>;

    /// Ends attempts, each in one atomic step together with its payload and follow-up tasks.
    ///
    /// A stale lease is answered [`Settled::Stale`]; then nothing of that item was written. A
    /// settlement that was applied before changes nothing and is answered with the task's state.
    ///
    /// A checkpoint's payload replaces the one before. It is dropped when the task completes, and
    /// kept when it fails or is cancelled, so that the task can be run again from there. Input and
    /// output are kept until the task is pruned.
    async fn settle(&self, settlements: &[Settlement]) -> StoreResult<Vec<Settled>>;

    /// Cancels a pending task at once, or asks the worker of a running one to stop.
    async fn cancel(&self, id: TaskId) -> StoreResult<Cancelled>;

    /// Takes back up to `limit` tasks whose leases lapsed.
    async fn rescue(&self, limit: usize) -> StoreResult<Rescued>;

    /// Deletes up to `limit` terminal tasks that outlived their retention, with their payloads and
    /// idempotency keys.
    async fn prune(&self, retention: &Retention, limit: usize) -> StoreResult<Pruned>;

    /// Subscribes to hints that something about `topic` may have changed.
    ///
    /// Hints make waiting cheap. They may come late, come twice and come for nothing. They may be
    /// lost, and nothing but time is lost with them, unless the store says that its hints are
    /// [lossless](Changes::is_lossless): then a runtime that has nothing to do waits for nothing
    /// else.
    fn changes(&self, topic: Topic) -> Changes;
}

/// A transaction of the user's own that a store can insert tasks in, so that they exist if and only
/// if it commits. Only a store that shares a database with its users has such a thing.
#[async_trait]
pub trait Transaction: Send {
    /// Inserts tasks as [`TaskStore::insert`] does, once the transaction commits.
    ///
    /// An error leaves the transaction as the database leaves it; many databases then let it do
    /// nothing but roll back.
    async fn insert(&mut self, tasks: &[NewTask]) -> StoreResult<Vec<Inserted>>;
}

/// A shared store is a store, so that one can be chosen at run time.
#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: TaskStore + ?Sized> TaskStore for Arc<S> {
    async fn insert(&self, tasks: &[NewTask]) -> StoreResult<Vec<Inserted>> {
        self.as_ref().insert(tasks).await
    }

    async fn get(&self, id: TaskId, part: Part) -> StoreResult<Option<Found>> {
        self.as_ref().get(id, part).await
    }

    async fn list(&self, query: &ListQuery) -> StoreResult<Page> {
        self.as_ref().list(query).await
    }

    async fn claim(&self, request: &Claim) -> StoreResult<Claims> {
        self.as_ref().claim(request).await
    }

    async fn heartbeat(&self, lease_for: Duration, beats: &[Beat]) -> StoreResult<Vec<Pulse>> {
        self.as_ref().heartbeat(lease_for, beats).await
    }

    async fn settle(&self, settlements: &[Settlement]) -> StoreResult<Vec<Settled>> {
        self.as_ref().settle(settlements).await
    }

    async fn cancel(&self, id: TaskId) -> StoreResult<Cancelled> {
        self.as_ref().cancel(id).await
    }

    async fn rescue(&self, limit: usize) -> StoreResult<Rescued> {
        self.as_ref().rescue(limit).await
    }

    async fn prune(&self, retention: &Retention, limit: usize) -> StoreResult<Pruned> {
        self.as_ref().prune(retention, limit).await
    }

    fn changes(&self, topic: Topic) -> Changes {
        self.as_ref().changes(topic)
    }
}

/// Calls a store with patience, and turns its panic into an error: a bug in a store must not take
/// the caller's loop down with it.
pub(crate) async fn call<T>(
    patience: Duration,
    call: impl Future<Output = StoreResult<T>> + Send,
) -> StoreResult<T> {
    // The future is dropped after a panic and never polled again.
    let mut call = pin!(AssertUnwindSafe(call).catch_unwind());
    let mut timer = pin!(None);
    // Both in one place: who polls a call twice in a row does not let it step aside.
    let answer = poll_fn(|cx| {
        if let Poll::Ready(answer) = call.as_mut().poll(cx) {
            return Poll::Ready(Ok(answer));
        }
        // A store that answers at once needs no timer.
        if timer.is_none() {
            // It goes off even if the call uses up what its thread may do in one go.
            timer.set(Some(tokio::task::unconstrained(tokio::time::sleep(patience))));
        }
        let timer = timer.as_mut().as_pin_mut();
        timer.map_or(Poll::Pending, |timer| timer.poll(cx).map(Err))
    });
    match answer.await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(StoreError::unavailable("the store panicked")),
        Err(_) => Err(StoreError::unavailable(format!("no answer within {patience:?}"))),
    }
}

/// What an insert did with one task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inserted {
    /// The task is in the store now.
    Created,
    /// A task with this id or idempotency key was there; nothing was inserted.
    Existing {
        /// The task that was there.
        id: TaskId,
        /// Whether that task was submitted with exactly the same input.
        same_input: bool,
    },
}

/// Which payload to read along with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// None: only the record.
    Record,
    /// The submitted value.
    Input,
    /// The payload of the last checkpoint.
    Checkpoint,
    /// The output of a completed task.
    Output,
}

/// A task that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its record.
    pub record: TaskRecord,
    /// The payload asked for; `None` if the task has none such, or none was asked for.
    pub payload: Option<Bytes>,
}

/// A request to lease due tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// From this queue.
    pub queue: Name,
    /// For this worker.
    pub worker: WorkerId,
    /// At most this many.
    pub limit: usize,
    /// For this long.
    pub lease_for: Duration,
}

/// What a claim found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Claims {
    /// The leased tasks, in the order they should start.
    pub tasks: Vec<Claimed>,
    /// How long until the next pending task of the queue is due; `None` if there is none. Zero when
    /// more tasks were due than asked for.
    pub next_due_in: Option<Duration>,
}

/// A task that was just leased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The record, running, with its new epoch. Boxed, because it is large and passes through many
    /// hands.
    pub record: Box<TaskRecord>,
    /// What the stage takes: the payload of the last checkpoint, or the input.
    pub payload: Bytes,
}

/// A sign of life from one running task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// The lease to extend.
    pub lease: Lease,
    /// New progress, if there is any.
    pub progress: Option<Progress>,
}

/// The answer to a [`Beat`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pulse {
    /// The lease is extended.
    Alive,
    /// The lease is extended, and somebody wants the task cancelled.
    CancelRequested,
    /// The lease no longer counts; the worker must stop.
    Lost,
}

/// The answer to a [`Settlement`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Settled {
    /// The outcome is recorded; the task is in this state now. It differs from the outcome's usual
    /// one when a cancel came in between.
    Applied(TaskState),
    /// The lease no longer counted; nothing was written.
    Stale,
}

/// What a rescue did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rescued {
    /// The tasks that were taken back.
    pub tasks: Vec<TaskId>,
    /// How long until the next lapsed or lapsing lease wants a rescue; `None` if no task is leased.
    pub next_in: Option<Duration>,
}

/// What a prune did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    /// How many tasks were deleted.
    pub count: usize,
    /// How long until the first of the terminal tasks that are left outlives its retention; `None`
    /// if none is left. Zero when more had outlived it than were asked for.
    pub next_in: Option<Duration>,
}

impl Pruned {
    /// Notes that one of the tasks that are left may go after so long.
    pub fn note_next(&mut self, next_in: Duration) {
        self.next_in = Some(self.next_in.map_or(next_in, |earlier| earlier.min(next_in)));
    }
}

/// The result of a store's method.
pub type StoreResult<T> = Result<T, StoreError>;

/// Why a store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The store cannot be reached, or did not answer in time. Worth repeating.
    #[error("the store is unavailable: {message}")]
    Unavailable {
        /// What happened.
        message: String,
        /// The error below, if there is one.
        #[source]
        source: Option<Box<dyn StdError + Send + Sync>>,
    },
    /// The store has no room. Worth repeating once there is some.
    #[error("the store is full: {message}")]
    Full {
        /// What happened, and where.
        message: String,
    },
    /// Another process holds the store.
    #[error("the store is locked: {message}")]
    Locked {
        /// Who holds it, as far as can be known.
        message: String,
    },
    /// What the store holds makes no sense. A person has to look.
    #[error("the store is corrupt: {message}")]
    Corrupt {
        /// What was found, where, and what was expected.
        message: String,
    },
    /// The store was written by a newer version.
    #[error(
        "the store has format {found}, this version reads up to {supported}; use a newer version"
    )]
    NewerFormat {
        /// The format found.
        found: u32,
        /// The newest format this version knows.
        supported: u32,
    },
    /// The request itself cannot be served, now or later.
    #[error("the store refuses the request: {message}")]
    Invalid {
        /// What is wrong with it.
        message: String,
    },
}

impl StoreError {
    /// Makes an [`Unavailable`](Self::Unavailable) without a source.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::Unavailable { message: message.into(), source: None }
    }

    /// Returns whether the same call may succeed later without anybody's help.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Full { .. })
    }
}
