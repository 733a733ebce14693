//! The door through which work enters tokio.

use std::{
    future::{Future, poll_fn},
    panic::AssertUnwindSafe,
    task::Poll,
};

use futures::FutureExt;

use tokio::{runtime::Handle, task::JoinHandle};

/// Lets the others of this thread go first, and lets another thread go on with this one.
///
/// tokio's own `yield_now` leaves a task to the thread it is on: where one of the others blocks its
/// thread, the task would not go on.
pub(crate) async fn step_aside() {
    let mut aside = false;
    poll_fn(|cx| {
        if aside {
            return Poll::Ready(());
        }
        aside = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A future panicked; it is dropped, and was never polled again.
pub(crate) struct Panicked;

/// Runs a future that may panic.
pub(crate) async fn guarded<T>(future: impl Future<Output = T>) -> Result<T, Panicked> {
    AssertUnwindSafe(future).catch_unwind().await.map_err(|_| Panicked)
}

/// Runs a future on a tokio runtime, beside the caller.
pub(crate) fn on<F>(executor: &Handle, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    executor.spawn(future)
}

/// Runs a future on the tokio runtime of the caller, beside it.
///
/// # Panics
///
/// Outside of a tokio runtime.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub(crate) fn beside<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(future)
}
