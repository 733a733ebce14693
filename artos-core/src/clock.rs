//! The door through which time enters.

use std::{
    fmt,
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use crate::model::Timestamp;

/// Tells what time it is.
///
/// A store owns a clock and decides leases and due times by it; tests give it one they control.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Returns the time. It may go backwards, as wall clocks do.
    fn now(&self) -> Timestamp;
}

/// The machine's wall clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }
}

impl From<SystemTime> for Timestamp {
    /// Returns the same moment, cut to microseconds; one outside the range becomes its end.
    fn from(time: SystemTime) -> Self {
        let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self::MIN + since_epoch
    }
}

/// A clock that follows tokio's timers, so that a test which pauses and advances tokio's time moves
/// leases, backoffs and due times with it.
///
/// It starts at the time given when it is first read.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// use std::time::Duration;
/// use artos_core::{Clock, Timestamp, TokioClock};
///
/// let clock = TokioClock::starting_at(Timestamp::from_micros(0));
/// assert_eq!(clock.now(), Timestamp::from_micros(0));
/// tokio::time::advance(Duration::from_secs(60)).await;
/// assert_eq!(clock.now(), Timestamp::from_micros(60_000_000));
/// # }
/// ```
#[derive(Debug)]
pub struct TokioClock {
    start: Timestamp,
    origin: OnceLock<tokio::time::Instant>,
}

impl TokioClock {
    /// Makes a clock that reads `start` the first time it is asked.
    #[must_use]
    pub const fn starting_at(start: Timestamp) -> Self {
        Self { start, origin: OnceLock::new() }
    }
}

impl Default for TokioClock {
    /// Starts on 2026-01-01T00:00:00Z.
    fn default() -> Self {
        Self::starting_at(Timestamp::from_micros(1_767_225_600_000_000))
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        let now = tokio::time::Instant::now();
        self.start + now.saturating_duration_since(*self.origin.get_or_init(|| now))
    }
}
