//! A task as it is handed to a store, and as the store keeps it.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;

use super::{
    Epoch, Failure, Lease, LeaseHolder, Name, OutcomeKind, Progress, TaskId, TaskState, Timestamp,
};

/// Keys and values a submitter attached to a task, to find it by.
pub type Labels = BTreeMap<Name, Name>;

/// When a new task may first be claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StartAt {
    /// As soon as a worker is free.
    #[default]
    Now,
    /// After this much time on the store's clock.
    After(Duration),
    /// At this time on the store's clock; at once if it has passed.
    At(Timestamp),
}

/// A task as it is handed to a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTask {
    /// Chosen by the submitter, so that inserting the same task twice inserts it once.
    pub id: TaskId,
    /// The type of the task; see [`Task::KIND`](crate::Task::KIND).
    pub kind: Name,
    /// The queue it waits in.
    pub queue: Name,
    /// Higher runs first.
    pub priority: i16,
    /// The organization the task belongs to, if the service has several.
    pub tenant: Option<Name>,
    /// What to find the task by.
    pub labels: Labels,
    /// At most one task with the same tenant, kind and key exists at a time.
    pub idempotency_key: Option<Name>,
    /// The failed task this one runs again.
    pub retry_of: Option<TaskId>,
    /// When it may first be claimed.
    pub start_at: StartAt,
    /// How long after its insertion the task may live before it fails as expired.
    pub expires_after: Option<Duration>,
    /// The submitted value, as JSON.
    pub input: Bytes,
    /// The stage to start at with its payload, instead of the first stage with the input.
    pub checkpoint: Option<(Name, Bytes)>,
}

impl NewTask {
    /// Makes a task that may start at once, without any of the options.
    ///
    /// # Examples
    ///
    /// ```
    /// use artos_core::model::{NewTask, TaskId};
    ///
    /// let id = TaskId::from_uuid(uuid::Uuid::from_u128(1));
    /// let task = NewTask { priority: 5, ..NewTask::new(id, "mail.send", "default", "{}") };
    /// assert_eq!(task.input, "{}");
    /// ```
    #[must_use]
    pub fn new(
        id: TaskId,
        kind: impl Into<Name>,
        queue: impl Into<Name>,
        input: impl Into<Bytes>,
    ) -> Self {
        Self {
            id,
            kind: kind.into(),
            queue: queue.into(),
            priority: 0,
            tenant: None,
            labels: Labels::new(),
            idempotency_key: None,
            retry_of: None,
            start_at: StartAt::Now,
            expires_after: None,
            input: input.into(),
            checkpoint: None,
        }
    }
}

/// A task as a store keeps it, without its payloads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRecord {
    /// The task's identity.
    pub id: TaskId,
    /// The type of the task.
    pub kind: Name,
    /// The queue it waits in.
    pub queue: Name,
    /// Higher runs first.
    pub priority: i16,
    /// The organization the task belongs to.
    pub tenant: Option<Name>,
    /// What to find the task by.
    pub labels: Labels,
    /// Unique together with tenant and kind while the task exists.
    pub idempotency_key: Option<Name>,
    /// The failed task this one runs again.
    pub retry_of: Option<TaskId>,
    /// When the store inserted it.
    pub created_at: Timestamp,
    /// When it fails as expired unless it is terminal by then.
    pub expires_at: Option<Timestamp>,

    /// Where the task is in its life.
    pub state: TaskState,
    /// The stage that runs next, or runs now. `None`: the first stage of the pipeline.
    pub stage: Option<Name>,
    /// When the task reached this stage.
    pub stage_entered_at: Timestamp,
    /// Attempts charged to this stage, counting the one that runs.
    pub attempt: u32,
    /// Snoozes since the task reached this stage.
    pub snoozes: u32,
    /// Interrupts since the task reached this stage.
    pub interrupts: u32,
    /// The earliest time the task may be claimed.
    pub run_at: Timestamp,
    /// How many leases the task has had.
    pub epoch: Epoch,
    /// Who runs it; `Some` exactly while the state is `Running`.
    pub lease: Option<LeaseHolder>,
    /// How the last lease ended; tells a repeated settlement from a late one.
    pub settled_by: Option<OutcomeKind>,
    /// Somebody asked to cancel the task while it was running.
    pub cancel_requested: bool,

    /// The last report of progress.
    pub progress: Option<Progress>,
    /// The last failure; cleared when a stage succeeds.
    pub failure: Option<Failure>,
    /// Grows with every change a reader could see.
    pub revision: u64,
    /// When it was first claimed.
    pub started_at: Option<Timestamp>,
    /// When it last changed in a way a reader could see.
    pub updated_at: Timestamp,
    /// When it became terminal.
    pub finished_at: Option<Timestamp>,
}

impl TaskRecord {
    /// Returns the lease of a claim that just gave this record its epoch.
    #[must_use]
    pub const fn lease_token(&self) -> Lease {
        Lease { task_id: self.id, epoch: self.epoch }
    }

    /// Returns whether the task may never change again.
    #[must_use]
    pub const fn is_terminal(&self) -> bool {
        self.state.is_terminal()
    }
}
