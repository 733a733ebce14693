//! The door through which work enters tokio.

/// Runs a future beside the caller, on its runtime. It has to end by itself.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub(crate) fn beside(future: impl Future<Output = ()> + Send + 'static) {
    drop(tokio::spawn(future));
}
