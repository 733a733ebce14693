//! What a running stage knows about its attempt, and how it speaks to the runtime.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    StageError, StageResult, Submission, Task,
    follow_ups::FollowUps,
    model::{Labels, Name, NewTask, Progress, TaskId, TaskRecord, Timestamp},
    signals::{Signalled, Signals},
    submission::Ids,
};

/// What a running stage knows about its attempt. Cloning it is cheap.
#[derive(Clone)]
pub struct StageContext(Arc<Attempt>);

/// One attempt of one stage, as its context sees it.
pub(crate) struct Attempt {
    pub(crate) record: Box<TaskRecord>,
    pub(crate) stage: Name,
    pub(crate) stage_number: u32,
    pub(crate) stage_count: u32,
    pub(crate) deadline: Instant,
    pub(crate) signals: Arc<dyn Signalled>,
    /// What the stage sees of a wish to stop, made when it looks: a token of its own, for what a
    /// stage does with it must not reach the next stage.
    pub(crate) cancellation: OnceLock<CancellationToken>,
    pub(crate) follow_ups: Mutex<FollowUps>,
}

impl StageContext {
    pub(crate) fn new(attempt: Attempt) -> Self {
        Self(Arc::new(attempt))
    }

    /// Makes a context for calling a stage in a unit test, outside any runtime.
    ///
    /// Progress and follow-up tasks go nowhere; nobody cancels it.
    ///
    /// # Examples
    ///
    /// ```
    /// use artos_core::{StageContext, StageResult};
    ///
    /// async fn double(cx: StageContext, number: u64) -> StageResult<u64> {
    ///     cx.progress(100, "done");
    ///     Ok(number * 2)
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// assert_eq!(double(StageContext::for_test("double"), 21).await.unwrap(), 42);
    /// # }
    /// ```
    #[must_use]
    pub fn for_test(stage: &str) -> Self {
        let ids = Ids::default();
        let task = Submission::bare(Name::from_static("test")).encode(&ids);
        let record = Box::new(crate::machine::insert(&task, ids.now()));
        Self::new(Attempt {
            record,
            stage: Name::from(stage),
            stage_number: 1,
            stage_count: 1,
            deadline: Instant::now() + Duration::from_secs(60 * 60),
            signals: Arc::new(Signals::default()),
            cancellation: OnceLock::new(),
            follow_ups: Mutex::new(FollowUps::after(task.id)),
        })
    }

    /// Returns the id of the task.
    #[must_use]
    pub fn task_id(&self) -> TaskId {
        self.0.record.id
    }

    /// Returns the kind of the task.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.0.record.kind
    }

    /// Returns the name of the stage.
    #[must_use]
    pub fn stage(&self) -> &str {
        &self.0.stage
    }

    /// Returns the number of this attempt of this stage, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.0.record.attempt
    }

    /// Returns the labels the task was submitted with.
    #[must_use]
    pub fn labels(&self) -> &Labels {
        &self.0.record.labels
    }

    /// Returns the organization the task belongs to, if it was submitted with one.
    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        self.0.record.tenant.as_deref()
    }

    /// Returns when the task was submitted, by the store's clock.
    #[must_use]
    pub fn submitted_at(&self) -> Timestamp {
        self.0.record.created_at
    }

    /// Returns when this attempt is stopped: by its timeout or the task's deadline, what comes
    /// first.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.0.deadline
    }

    /// Reports how much of the stage is done, from 0 to 100, and what it is doing.
    ///
    /// It returns at once and may be called as often as one likes: only the latest report travels,
    /// with the next heartbeat.
    pub fn progress(&self, percent: u8, message: impl Into<String>) {
        self.0.signals.signals().report(self.0.progress(percent.min(100), message.into()));
    }

    /// Waits until the task should stop: somebody cancelled it, the runtime shuts down, or the
    /// lease is lost. A stage that sees this should clean up and return
    /// [`StageError::cancelled`](crate::StageError::cancelled), whichever it is; one that does not
    /// return soon is dropped.
    pub async fn cancelled(&self) {
        self.cancellation().cancelled().await;
    }

    /// Returns whether the task should stop; for loops without an await.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0
            .cancellation
            .get()
            .map_or_else(|| self.0.signals.signals().is_stopped(), CancellationToken::is_cancelled)
    }

    /// Returns a token that is cancelled when the task should stop, to hand to other code.
    #[must_use]
    pub fn cancellation(&self) -> &CancellationToken {
        self.0.cancellation.get_or_init(|| self.0.signals.signals().stop_token().child_token())
    }

    /// Returns a text that is the same in every attempt of this stage of this task, and different
    /// anywhere else: an idempotency key to hand to outside services.
    #[must_use]
    pub fn idempotency_token(&self) -> String {
        format!("{}/{}", self.0.record.id, self.0.stage)
    }

    /// Submits another task together with this stage's success: both are recorded in one atomic
    /// step, or neither. If this attempt does not succeed, the task is not submitted.
    ///
    /// Returns the id the task will have. A follow-up whose idempotency key belongs to a task that
    /// exists by then is not submitted: that task stands for it, under its own id.
    ///
    /// # Errors
    ///
    /// A fatal error around [`SubmitError`](crate::SubmitError) if the task does not encode or
    /// breaks a limit.
    pub fn follow_up<T: Task>(&self, task: impl Into<Submission<T>>) -> StageResult<TaskId> {
        let ids = self.0.signals.signals().ids();
        // A task that does not encode now never will.
        let task = task.into().into_new_task(ids).map_err(StageError::fatal)?;
        Ok(self.0.follow_ups().add(task))
    }

    /// Returns the record as of the start of the attempt, with the stage's name filled in.
    pub(crate) fn record(&self) -> &TaskRecord {
        &self.0.record
    }

    /// Returns the record for the next attempt, without a copy unless the stage kept its context.
    pub(crate) fn into_record(self) -> Box<TaskRecord> {
        match Arc::try_unwrap(self.0) {
            Ok(attempt) => attempt.record,
            Err(shared) => shared.record.clone(),
        }
    }

    /// Returns the progress of the task when it enters the stage after this one.
    pub(crate) fn progress_at_next(&self, stage: Name) -> Progress {
        Progress {
            stage,
            stage_number: self.0.stage_number + 1,
            stage_count: self.0.stage_count,
            percent: 0,
            message: String::new(),
            updated_at: self.0.record.updated_at,
        }
    }

    pub(crate) fn take_follow_ups(&self) -> Vec<NewTask> {
        self.0.follow_ups().take()
    }

    /// Returns the id of the last follow-up of the task so far; the task's own if it has none.
    pub(crate) fn last_id(&self) -> TaskId {
        self.0.follow_ups().last()
    }
}

impl Attempt {
    fn follow_ups(&self) -> MutexGuard<'_, FollowUps> {
        self.follow_ups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn progress(&self, percent: u8, message: String) -> Progress {
        Progress {
            stage: self.stage.clone(),
            stage_number: self.stage_number,
            stage_count: self.stage_count,
            percent,
            message: crate::stage_error::shorten(message),
            updated_at: self.record.updated_at,
        }
    }
}

impl fmt::Debug for StageContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StageContext")
            .field("task_id", &self.task_id())
            .field("kind", &self.kind())
            .field("stage", &self.stage())
            .field("attempt", &self.attempt())
            .finish_non_exhaustive()
    }
}
