//! What can go wrong for a caller: submitting, waiting, starting, retrying.

use std::sync::Arc;

use crate::{
    model::{FailureCause, Name, TaskId, TaskState},
    retry::PolicyError,
    store::StoreError,
};

/// A task was not submitted.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The value does not serialize as JSON.
    #[error("a {kind} task does not encode: {message}")]
    Encode {
        /// The kind of the task.
        kind: Name,
        /// What serde says.
        message: String,
    },
    /// Some part of the submission breaks a limit.
    #[error("a {kind} task has a bad {what}: {message}")]
    Invalid {
        /// The kind of the task.
        kind: Name,
        /// Which part.
        what: &'static str,
        /// What was found and what was expected.
        message: String,
    },
    /// The idempotency key belongs to a task that was submitted with a different input.
    #[error("idempotency key `{key}` belongs to task {existing}, submitted with another input")]
    IdempotencyConflict {
        /// The key.
        key: Name,
        /// The task that has it.
        existing: TaskId,
    },
    /// The store could not take the task, or did not answer. The task may or may not be in it; an
    /// idempotency key makes it safe to submit again.
    #[error(transparent)]
    Store(Arc<StoreError>),
    /// There is no tokio runtime to submit from, or it is shutting down.
    #[error("not submitted: no tokio runtime is there to run the submission")]
    NoExecutor,
}

/// A task did not give its output.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TaskError {
    /// The task failed for good.
    #[error("task {id} failed in stage {stage}, attempt {attempts}: {message}")]
    Failed {
        /// The task.
        id: TaskId,
        /// The stage that failed.
        stage: Name,
        /// How many attempts it had.
        attempts: u32,
        /// What sort of thing happened.
        cause: FailureCause,
        /// What happened.
        message: String,
    },
    /// The task was cancelled.
    #[error("task {id} was cancelled")]
    Cancelled {
        /// The task.
        id: TaskId,
    },
    /// The stored output is not what this program expects.
    #[error("the output of task {id} does not decode: {message}")]
    Undecodable {
        /// The task.
        id: TaskId,
        /// Where it does not fit.
        message: String,
    },
    /// There is no such task: it never was, or it was pruned.
    #[error("task {id} is not in the store; it may have been pruned")]
    Unknown {
        /// The task.
        id: TaskId,
    },
    /// The task is of another kind than the handle.
    #[error("task {id} is a {found} task, not a {expected} task")]
    WrongKind {
        /// The task.
        id: TaskId,
        /// Its kind.
        found: Name,
        /// The kind asked for.
        expected: Name,
    },
    /// The store cannot be read, and waiting will not help.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A failed task was not submitted again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RetryError {
    /// There is no such task.
    #[error("task {id} is not in the store; it may have been pruned")]
    Unknown {
        /// The task.
        id: TaskId,
    },
    /// Only a failed or cancelled task can be run again.
    #[error("task {id} is {state}; only a failed or cancelled task can be retried")]
    NotFailed {
        /// The task.
        id: TaskId,
        /// Its state.
        state: TaskState,
    },
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The new task was not submitted.
    #[error(transparent)]
    Submit(#[from] SubmitError),
}

/// A runtime did not start. Every reason is listed, not only the first.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("the runtime cannot start: {}", list(.problems))]
pub struct StartError {
    /// What is wrong.
    pub problems: Vec<StartProblem>,
}

fn list(problems: &[StartProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// One reason why a runtime did not start.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StartProblem {
    /// Two pipelines are registered for one kind.
    #[error("two pipelines are registered for kind `{0}`")]
    DuplicateKind(Name),
    /// Two stages of one pipeline have one name.
    #[error("the pipeline of kind `{kind}` has two stages named `{stage}`")]
    DuplicateStage {
        /// The kind of the pipeline.
        kind: Name,
        /// The name.
        stage: Name,
    },
    /// Two queues have one name.
    #[error("queue `{0}` is declared twice")]
    DuplicateQueue(Name),
    /// A kind waits in a queue this runtime does not work on, so its tasks would never run here.
    #[error("tasks of kind `{kind}` wait in queue `{queue}`, which this runtime has not declared")]
    UnknownQueue {
        /// The kind.
        kind: Name,
        /// Its queue.
        queue: Name,
    },
    /// A queue has no slots.
    #[error("queue `{0}` has concurrency 0: expected at least 1")]
    NoConcurrency(Name),
    /// A name is empty, too long or has control characters.
    #[error(
        "`{name}` is no good name for a {what}: expected 1 to 128 bytes, no control characters"
    )]
    BadName {
        /// What it names.
        what: &'static str,
        /// The name.
        name: Name,
    },
    /// A retry policy makes no sense.
    #[error("stage `{stage}` of kind `{kind}` has a bad retry policy: {problem}")]
    BadPolicy {
        /// The kind of the pipeline.
        kind: Name,
        /// The stage.
        stage: Name,
        /// What is wrong.
        problem: PolicyError,
    },
    /// A duration of the runtime makes no sense.
    #[error("{what}: {message}")]
    BadOption {
        /// The option.
        what: &'static str,
        /// What was found and what was expected.
        message: String,
    },
    /// There is no tokio runtime to run in.
    #[error("there is no tokio runtime to run in: call `start` inside one")]
    NoExecutor,
}
