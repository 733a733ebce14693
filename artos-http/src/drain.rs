//! The word that an instance is going away, for everybody who waits.

use tokio_util::sync::CancellationToken;

/// Tells the router that this instance is shutting down. Clones share one drain.
///
/// From then on long-polls answer at once, `/readyz` answers 503, and new work is refused with 503
/// and `Retry-After`; everything else goes on, so that running requests can finish.
///
/// # Examples
///
/// ```
/// use artos_http::Drain;
///
/// let drain = Drain::new();
/// assert!(!drain.is_started());
/// drain.start();
/// assert!(drain.is_started());
/// ```
#[derive(Debug, Clone, Default)]
pub struct Drain(CancellationToken);

impl Drain {
    /// Makes a drain that has not started.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts draining. There is no way back.
    pub fn start(&self) {
        self.0.cancel();
    }

    /// Returns whether draining has started.
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until draining starts.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn started(&self) {
        self.0.cancelled().await;
    }
}

impl From<CancellationToken> for Drain {
    /// Drains when the token is cancelled.
    fn from(token: CancellationToken) -> Self {
        Self(token)
    }
}
