//! The door through which this crate's own work enters tokio.

use std::future::Future;

use tokio_util::sync::CancellationToken;

/// Runs a future beside the caller until it ends or `stop` is cancelled.
///
/// # Panics
///
/// Outside a tokio runtime, as whatever connects to a database does.
pub(crate) fn until_stopped(
    stop: CancellationToken,
    future: impl Future<Output = ()> + Send + 'static,
) {
    tokio::runtime::Handle::current().spawn(async move {
        stop.run_until_cancelled(future).await;
    });
}
