//! A submission on its way: options first, then it is sent, or joins a transaction.

use std::{
    fmt,
    future::{Future, IntoFuture},
    sync::Arc,
    time::Duration,
};

use futures::future::BoxFuture;

use super::{Client, resolve};
use crate::{
    Submission, Task, TaskHandle,
    error::SubmitError,
    model::{Name, Timestamp},
    store::{StoreError, Transaction},
};

/// A submission that is sent when it is awaited; made by [`Client::submit`].
#[must_use = "a submission is sent when it is awaited"]
pub struct Submit<'a, T> {
    pub(super) client: &'a Client,
    pub(super) submission: Submission<T>,
}

/// What awaiting a [`Submit`] tells about the task.
#[derive(Debug)]
pub struct Submitted<T> {
    /// The handle of the task.
    pub handle: TaskHandle<T>,
    /// Whether an earlier task with the same idempotency key was found instead of inserting one.
    pub replayed: bool,
}

macro_rules! forward_options {
    ($($name:ident($($argument:ident: $type:ty),*)),* $(,)?) => {$(
        #[doc = concat!("See [`Submission::", stringify!($name), "`].")]
        pub fn $name(mut self, $($argument: $type),*) -> Self {
            self.submission = self.submission.$name($($argument),*);
            self
        }
    )*};
}

impl<'a, T: Task> Submit<'a, T> {
    forward_options! {
        queue(queue: impl Into<Name>),
        priority(priority: i16),
        tenant(tenant: impl Into<Name>),
        label(key: impl Into<Name>, value: impl Into<Name>),
        idempotency_key(key: impl Into<Name>),
        delay(delay: Duration),
        run_at(time: Timestamp),
        deadline(after: Duration),
    }

    /// Submits the task and tells whether it is new.
    ///
    /// # Errors
    ///
    /// As for [`Client::submit`].
    pub fn send(self) -> impl Future<Output = Result<Submitted<T>, SubmitError>> + Send + 'a {
        let client = self.client;
        // Encoded before the first await, so that the future need not hold the task itself.
        let task = self.submission.into_new_task(&client.shared.ids);
        async move {
            let task = task?;
            let asked = task.id;
            let ids = client.insert(vec![task]).await?;
            let id = ids.into_iter().next().ok_or(SubmitError::NoExecutor)?;
            Ok(Submitted { handle: TaskHandle::new(client.clone(), id), replayed: id != asked })
        }
    }
}

impl<'a, T: Task> Submit<'a, T> {
    /// Submits the task within a transaction of yours, which a store of a database can join: the
    /// task exists if and only if the transaction commits.
    ///
    /// The handle finds its task only after that.
    ///
    /// # Errors
    ///
    /// As for [`Client::submit`]. After an error of the store, roll the transaction back.
    pub fn within(
        self,
        mut transaction: impl Transaction + 'a,
    ) -> impl Future<Output = Result<TaskHandle<T>, SubmitError>> + Send + 'a {
        let client = self.client;
        let task = self.submission.into_new_task(&client.shared.ids);
        async move {
            let task = task?;
            let inserted = transaction.insert(std::slice::from_ref(&task)).await;
            let reply = inserted.map_err(|error| SubmitError::Store(Arc::new(error)))?.pop();
            let reply = reply.ok_or_else(|| {
                let message = String::from("the store answered nothing to an insert");
                SubmitError::Store(Arc::new(StoreError::Corrupt { message }))
            })?;
            let id = resolve(reply, task.id, task.idempotency_key)?;
            Ok(TaskHandle::new(client.clone(), id))
        }
    }
}

impl<'a, T: Task> IntoFuture for Submit<'a, T> {
    type Output = Result<TaskHandle<T>, SubmitError>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let sent = self.send();
        Box::pin(async move { Ok(sent.await?.handle) })
    }
}

impl<T> fmt::Debug for Submit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.submission.fmt(f)
    }
}
