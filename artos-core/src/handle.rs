//! A submitted task, as its submitter holds it.

use std::{fmt, marker::PhantomData};

use futures::{Stream, stream};

use crate::{
    Client, Name, Task,
    error::TaskError,
    machine::Cancelled,
    model::{Failure, Progress, TaskId, TaskRecord, TaskState},
    pipeline::decode,
    store::{Found, StoreResult},
};

/// A submitted task. Dropping the handle does nothing to the task.
pub struct TaskHandle<T> {
    client: Client,
    id: TaskId,
    task: PhantomData<fn() -> T>,
}

impl<T: Task> TaskHandle<T> {
    pub(crate) const fn new(client: Client, id: TaskId) -> Self {
        Self { client, id, task: PhantomData }
    }

    /// Returns the task's id; [`Client::attach`] makes a handle of it in any process.
    #[must_use]
    pub const fn id(&self) -> TaskId {
        self.id
    }

    /// Reads the task's record.
    ///
    /// # Errors
    ///
    /// [`TaskError::Unknown`] if the task was pruned, or the store's error.
    pub async fn record(&self) -> Result<TaskRecord, TaskError> {
        self.client.get(self.id).await?.ok_or(TaskError::Unknown { id: self.id })
    }

    /// Waits until the task is terminal and returns its output.
    ///
    /// It is woken by the store and waits out an unavailable one, and it waits for as long as no
    /// runtime works on the task's queue and kind. To wait for a limited time, put it into
    /// `tokio::time::timeout`.
    ///
    /// # Errors
    ///
    /// [`TaskError`] if the task failed, was cancelled or pruned, or its output does not decode.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does nothing to the task.
    pub async fn wait(&self) -> Result<T::Output, TaskError> {
        let id = self.id;
        let found = self.client.watch(id).terminal().await?.ok_or(TaskError::Unknown { id })?;
        let Found { record, payload } = found;
        match record.state {
            TaskState::Completed => decode(&payload.unwrap_or_default())
                .map_err(|message| TaskError::Undecodable { id, message }),
            TaskState::Cancelled => Err(TaskError::Cancelled { id }),
            TaskState::Pending | TaskState::Running | TaskState::Failed => {
                Err(failed(id, record.failure))
            }
        }
    }

    /// Returns the task's progress as a stream, from now until it is terminal.
    ///
    /// Reports that follow each other quickly are merged: the stream always gives the latest.
    pub fn progress(&self) -> impl Stream<Item = Progress> + Send + Unpin + use<T> {
        let watch = self.client.watch(self.id);
        Box::pin(stream::unfold((watch, None, false), |(mut watch, last, mut ended)| async move {
            // Once terminal a record never changes again; waiting for that would be for ever.
            while !ended {
                let record = watch.changed().await.ok().flatten()?;
                ended = record.is_terminal();
                if record.progress.is_some() && record.progress != last {
                    let progress = record.progress?;
                    return Some((progress.clone(), (watch, Some(progress), ended)));
                }
            }
            None
        }))
    }

    /// Asks to cancel the task; see [`Client::cancel`].
    ///
    /// # Errors
    ///
    /// The store's error; the cancel may or may not have been noted.
    pub async fn cancel(&self) -> StoreResult<Cancelled> {
        self.client.cancel(self.id).await
    }
}

fn failed(id: TaskId, failure: Option<Failure>) -> TaskError {
    let first = || Name::from_static("(none)");
    match failure {
        Some(failure) => TaskError::Failed {
            id,
            stage: failure.stage.unwrap_or_else(first),
            attempts: failure.attempt,
            cause: failure.cause,
            message: failure.message,
        },
        None => TaskError::Failed {
            id,
            stage: first(),
            attempts: 0,
            cause: crate::model::FailureCause::Error,
            message: String::from("the store kept no failure"),
        },
    }
}

impl<T> Clone for TaskHandle<T> {
    fn clone(&self) -> Self {
        Self { client: self.client.clone(), id: self.id, task: PhantomData }
    }
}

impl<T> fmt::Debug for TaskHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskHandle({})", self.id)
    }
}
