//! The submitting and observing side; it needs no stages.

mod inserts;
mod submit;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::oneshot;

use self::inserts::Inserts;
pub use self::submit::{Submit, Submitted};

use crate::{
    Clock, Random, Submission, Task, TaskHandle,
    cancel::BeforeCancel,
    commit::Committer,
    error::{RetryError, SubmitError, TaskError},
    machine::Cancelled,
    model::{
        Labels, ListQuery, Name, NewTask, Page, StartAt, TaskId, TaskRecord, TaskState, Timestamp,
    },
    notify::{Changes, Topic},
    spawn::{self, step_aside},
    store::{Found, Inserted, Part, StoreError, StoreResult, TaskStore},
    submission::{self, Ids},
    watch::Watch,
};

/// Submits tasks and looks after them. Cloning it is cheap; clones share their group commit.
///
/// A process that only submits needs nothing else: no stage, no runtime.
///
/// # Examples
///
/// ```
/// use artos_core::{Client, Task};
/// # use artos_store_memory::MemoryStore;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, Deserialize)]
/// # struct SendMail { to: String }
/// # impl Task for SendMail { const KIND: &'static str = "mail.send"; type Output = (); }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
///
/// let client = Client::new(MemoryStore::default());
/// let mail = client.submit(SendMail { to: "ada@example.org".into() }).priority(5).await?;
/// assert_eq!(mail.record().await?.priority, 5);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    before_cancel: BeforeCancel,
}

struct Shared {
    store: Arc<dyn TaskStore>,
    ids: Ids,
    /// Replaced when the tokio runtime it works in has ended.
    inserts: Mutex<Option<Arc<Committer<Inserts>>>>,
}

impl Client {
    /// Makes a client of a store.
    pub fn new(store: impl TaskStore) -> Self {
        Self::with_ids(Arc::new(store), Ids::default())
    }

    /// Makes a client whose task ids come from this clock and randomness, for tests that must come
    /// out the same every time.
    pub fn deterministic(store: impl TaskStore, clock: impl Clock, random: Random) -> Self {
        Self::with_ids(Arc::new(store), Ids::new(clock, random))
    }

    pub(crate) fn with_ids(store: Arc<dyn TaskStore>, ids: Ids) -> Self {
        Self {
            shared: Arc::new(Shared { store, ids, inserts: Mutex::default() }),
            before_cancel: BeforeCancel::default(),
        }
    }

    pub(crate) fn announcing(self, before_cancel: BeforeCancel) -> Self {
        Self { before_cancel, ..self }
    }

    /// Makes a client that submits something before it cancels a task, as
    /// [`RuntimeBuilder::before_cancel`](crate::RuntimeBuilder::before_cancel) does for the clients
    /// of a runtime.
    #[must_use]
    pub fn before_cancel<T, F>(mut self, announce: F) -> Self
    where
        T: Task,
        F: Fn(&TaskRecord) -> Option<Submission<T>> + Send + Sync + 'static,
    {
        self.before_cancel.add(announce);
        self
    }

    /// Submits a task. Set options on what this returns, then await it.
    ///
    /// When the await returns a handle, the task is as durable as the store makes it.
    ///
    /// # Errors
    ///
    /// Awaiting gives [`SubmitError`]. Except for [`SubmitError::Store`], nothing was submitted.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped after its first poll may or may not have submitted the task.
    pub fn submit<T: Task>(&self, task: impl Into<Submission<T>>) -> Submit<'_, T> {
        Submit { client: self, submission: task.into() }
    }

    /// Submits many tasks in one group. Returns a handle for each, in order.
    ///
    /// # Errors
    ///
    /// As for [`submit`](Self::submit). An invalid task is found before any is submitted. Of a
    /// group whose store call fails, some may have been submitted; of one with an idempotency
    /// conflict, all others were.
    pub async fn submit_many<T, S>(
        &self,
        tasks: impl IntoIterator<Item = S> + Send,
    ) -> Result<Vec<TaskHandle<T>>, SubmitError>
    where
        T: Task,
        S: Into<Submission<T>>,
    {
        let tasks = tasks
            .into_iter()
            .map(|task| task.into().into_new_task(&self.shared.ids))
            .collect::<Result<Vec<_>, _>>()?;
        let handle = |id| TaskHandle::new(self.clone(), id);
        Ok(self.insert(tasks).await?.into_iter().map(handle).collect())
    }

    /// Attaches to a task that was submitted elsewhere or earlier.
    ///
    /// # Errors
    ///
    /// [`TaskError::Unknown`] if there is no such task, [`TaskError::WrongKind`] if it is not a
    /// `T`.
    pub async fn attach<T: Task>(&self, id: TaskId) -> Result<TaskHandle<T>, TaskError> {
        let found = self.get(id).await?.ok_or(TaskError::Unknown { id })?;
        if found.kind != T::KIND {
            let expected = Name::from_static(T::KIND);
            return Err(TaskError::WrongKind { id, found: found.kind, expected });
        }
        Ok(TaskHandle::new(self.clone(), id))
    }

    /// Reads a task's record.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be read.
    pub async fn get(&self, id: TaskId) -> StoreResult<Option<TaskRecord>> {
        Ok(self.find(id, Part::Record).await?.map(|found| found.record))
    }

    /// Reads a task's record together with one of its payloads, as of one moment.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be read.
    pub async fn find(&self, id: TaskId, part: Part) -> StoreResult<Option<Found>> {
        self.shared.store.as_ref().get(id, part).await
    }

    /// Lists tasks.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be read.
    pub async fn list(&self, query: &ListQuery) -> StoreResult<Page> {
        self.shared.store.as_ref().list(query).await
    }

    /// Cancels a task: at once if it is pending, else by telling the stage that runs.
    ///
    /// A cancel that was only [`Requested`](Cancelled::Requested) ends the task as cancelled unless
    /// its last stage succeeds, or fails for good, before it hears of it.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be reached; the cancel may or may not have been noted.
    pub async fn cancel(&self, id: TaskId) -> StoreResult<Cancelled> {
        if !self.before_cancel.is_empty() {
            self.announce_cancel(id).await?;
        }
        self.shared.store.as_ref().cancel(id).await
    }

    /// Submits what is to be there before a cancel.
    async fn announce_cancel(&self, id: TaskId) -> StoreResult<()> {
        let Some(record) = self.get(id).await? else { return Ok(()) };
        let tasks = self.before_cancel.of(&record, &self.shared.ids);
        if tasks.is_empty() {
            return Ok(());
        }
        match self.insert(tasks).await {
            Ok(_) => Ok(()),
            Err(error) => Err(StoreError::Unavailable {
                message: String::from("the cancel could not be announced"),
                source: Some(Box::new(error)),
            }),
        }
    }

    /// Submits a failed or cancelled task again, starting at the stage it ended in with the
    /// checkpoint it had. The old task stays as it is; the new one names it in `retry_of`.
    ///
    /// The new task keeps kind, queue, priority, tenant and labels. It has no idempotency key, and
    /// its deadline starts anew.
    ///
    /// # Errors
    ///
    /// [`RetryError`]; then no task was submitted, except perhaps with a store error.
    pub async fn retry(&self, id: TaskId) -> Result<TaskId, RetryError> {
        Ok(self.retry_with(id, RetryOptions::default()).await?.id)
    }

    /// Does what [`retry`](Self::retry) does, once for each idempotency key, and gives the new task
    /// more labels.
    ///
    /// # Errors
    ///
    /// [`RetryError`]; then no task was submitted, except perhaps with a store error.
    pub async fn retry_with(
        &self,
        id: TaskId,
        options: RetryOptions,
    ) -> Result<Retried, RetryError> {
        let found = self.find(id, Part::Input).await?.ok_or(RetryError::Unknown { id })?;
        let (record, input) = (found.record, found.payload.unwrap_or_default());
        if !matches!(record.state, TaskState::Failed | TaskState::Cancelled) {
            return Err(RetryError::NotFailed { id, state: record.state });
        }
        let checkpoint = match &record.stage {
            Some(stage) => {
                let found = self.find(id, Part::Checkpoint).await?;
                let payload = found.and_then(|found| found.payload);
                Some((stage.clone(), payload.ok_or(RetryError::Unknown { id })?))
            }
            None => None,
        };
        let mut labels = record.labels;
        labels.extend(options.labels);
        let task = NewTask {
            id: self.shared.ids.task_id(),
            retry_of: Some(id),
            idempotency_key: options.idempotency_key,
            start_at: StartAt::Now,
            expires_after: record.expires_at.map(|at| at.since(record.created_at)),
            kind: record.kind,
            queue: record.queue,
            priority: record.priority,
            tenant: record.tenant,
            labels,
            input,
            checkpoint,
        };
        submission::check(&task)?;
        let asked = task.id;
        let ids = self.insert(vec![task]).await?;
        let id = ids.into_iter().next().ok_or(SubmitError::NoExecutor)?;
        Ok(Retried { id, replayed: id != asked })
    }

    /// Follows a task's changes.
    #[must_use]
    pub fn watch(&self, id: TaskId) -> Watch {
        Watch::new(Arc::clone(&self.shared.store), id)
    }

    /// Subscribes to hints that some task changed, whichever it is: look with
    /// [`list`](Self::list) then, and now and then without a hint, because hints may get lost. In a
    /// busy store there is one all the time, so whoever looks should not look too often.
    #[must_use]
    pub fn changes(&self) -> Changes {
        self.shared.store.changes(Topic::Any)
    }

    /// Returns the time of the clock task ids are made with. A store decides by its own.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.shared.ids.now()
    }

    /// Checks that the store answers within `patience`.
    ///
    /// # Errors
    ///
    /// The store's error, or [`StoreError::Unavailable`] if it does not answer in time.
    pub async fn ping(&self, patience: Duration) -> StoreResult<()> {
        let nobody = TaskId::from_uuid(uuid::Uuid::nil());
        match tokio::time::timeout(patience, self.find(nobody, Part::Record)).await {
            Ok(answer) => answer.map(|_| ()),
            Err(_) => Err(StoreError::unavailable(format!("no answer within {patience:?}"))),
        }
    }

    /// Inserts tasks through the group commit; the ids of the tasks that are now in the store.
    async fn insert(&self, tasks: Vec<NewTask>) -> Result<Vec<TaskId>, SubmitError> {
        let asked: Vec<_> =
            tasks.iter().map(|task| (task.id, task.idempotency_key.clone())).collect();
        let committer = self.committer()?;
        // Callers may be anywhere; the committer is in a tokio runtime.
        let is_in_tokio = tokio::runtime::Handle::try_current().is_ok();
        let replies = match is_in_tokio.then(|| committer.alone()).flatten() {
            Some(alone) => {
                let replies = alone.commit(&tasks).await.map_err(Arc::new);
                // Workers that heard of it may wait for this thread, and the caller may block it.
                step_aside().await;
                replies
            }
            None => {
                let (waiter, answer) = oneshot::channel();
                let fresh = match committer.commit(tasks, waiter) {
                    Ok(_) => None,
                    Err((gone, waiter)) => {
                        let fresh = self.new_committer()?;
                        let again = fresh.commit(gone.0, waiter);
                        again.map_err(|_| SubmitError::NoExecutor)?;
                        Some(fresh)
                    }
                };
                let answer = answer.await.unwrap_or_else(|_| {
                    let message = "the group commit ended before the store answered";
                    Err(Arc::new(StoreError::unavailable(message)))
                });
                // Another caller may have replaced it meanwhile, and whoever waits keeps the store.
                drop(fresh);
                answer
            }
        };
        let replies = replies.map_err(SubmitError::Store)?;
        replies.into_iter().zip(asked).map(|(reply, (id, key))| resolve(reply, id, key)).collect()
    }

    fn committer(&self) -> Result<Arc<Committer<Inserts>>, SubmitError> {
        let known = self.inserts().clone();
        known.map_or_else(|| self.new_committer(), Ok)
    }

    /// Starts a group commit in the tokio runtime of the caller.
    fn new_committer(&self) -> Result<Arc<Committer<Inserts>>, SubmitError> {
        let executor =
            tokio::runtime::Handle::try_current().map_err(|_| SubmitError::NoExecutor)?;
        let (committer, work) = Committer::new(Inserts { store: Arc::clone(&self.shared.store) });
        spawn::on(&executor, work);
        let committer = Arc::new(committer);
        *self.inserts() = Some(Arc::clone(&committer));
        Ok(committer)
    }

    fn inserts(&self) -> MutexGuard<'_, Option<Arc<Committer<Inserts>>>> {
        self.shared.inserts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the id of the task that is in the store now.
fn resolve(reply: Inserted, id: TaskId, key: Option<Name>) -> Result<TaskId, SubmitError> {
    match reply {
        Inserted::Created => Ok(id),
        Inserted::Existing { id: existing, same_input: true } => Ok(existing),
        Inserted::Existing { id: existing, same_input: false } => {
            Err(SubmitError::IdempotencyConflict { key: key.unwrap_or("".into()), existing })
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("store", &self.shared.store).finish()
    }
}

/// What the task of a retry has besides what the failed one had; for [`Client::retry_with`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RetryOptions {
    /// Makes it safe to retry twice: while the task of a retry with this key exists, that is
    /// returned.
    pub idempotency_key: Option<Name>,
    /// More labels. Where the failed task has one with the same key, this value replaces it.
    pub labels: Labels,
}

/// What [`Client::retry_with`] tells about the new task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retried {
    /// The id of the new task.
    pub id: TaskId,
    /// Whether an earlier retry with the same idempotency key was found instead of inserting one.
    pub replayed: bool,
}
