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
