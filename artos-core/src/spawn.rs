//! The door through which work enters tokio.

use std::future::Future;

use tokio::{runtime::Handle, task::JoinHandle};

/// Runs a future on a tokio runtime, beside the caller.
pub(crate) fn on<F>(executor: &Handle, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    executor.spawn(future)
}
