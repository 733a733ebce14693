//! How a stage says that it did not succeed: try again, never again, later, or stop.

use std::{error::Error as StdError, fmt, time::Duration};

/// What a stage returns.
pub type StageResult<T> = Result<T, StageError>;

type BoxError = Box<dyn StdError + Send + Sync>;

/// Why a stage did not succeed, and what should happen now.
///
/// A plain `?` on any error means: try again, with the stage's backoff. This type is deliberately
/// not a `std::error::Error`, as `anyhow::Error` is not, so that every error converts into it; what
/// is no error by itself says so with [`ResultExt::retry`].
///
/// The text of the error, with those of its sources, is kept with the task and logged, and
/// `artos-http` shows it to whoever may see the task. Keep secrets and addresses out of it.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use artos_core::{ResultExt, StageError, StageResult};
///
/// fn pages(text: &str) -> StageResult<u32> {
///     if text.is_empty() {
///         return Err(StageError::snooze(Duration::from_secs(60))); // not there yet: look later
///     }
///     let pages = text.parse::<u32>().fatal()?; // no attempt can cure this
///     Ok(pages)
/// }
///
/// assert_eq!(pages("12").unwrap(), 12);
/// assert!(pages("twelve").unwrap_err().is_fatal());
/// ```
pub struct StageError(Kind);

pub(crate) enum Kind {
    Retry { source: BoxError, after: Option<Duration> },
    Fatal { source: BoxError },
    Snooze { delay: Duration },
    Cancelled,
}

impl StageError {
    /// The attempt failed; try again with the stage's backoff. The same as a plain `?`, for values
    /// that are not errors by themselves, such as a message or an `anyhow::Error`.
    pub fn retry(source: impl Into<BoxError>) -> Self {
        Self(Kind::Retry { source: source.into(), after: None })
    }

    /// The attempt failed; try again after exactly this long, such as a `Retry-After` asks for.
    pub fn retry_after(delay: Duration, source: impl Into<BoxError>) -> Self {
        Self(Kind::Retry { source: source.into(), after: Some(delay) })
    }

    /// The task failed for good; no further attempt is made.
    pub fn fatal(source: impl Into<BoxError>) -> Self {
        Self(Kind::Fatal { source: source.into() })
    }

    /// Nothing is wrong, but it is too early: run this stage again after `delay`, without
    /// spending an attempt.
    #[must_use]
    pub const fn snooze(delay: Duration) -> Self {
        Self(Kind::Snooze { delay })
    }

    /// The task should end as cancelled: the stage noticed a cancellation, or decided on one.
    #[must_use]
    pub const fn cancelled() -> Self {
        Self(Kind::Cancelled)
    }

    /// Returns whether no further attempt will be made.
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        matches!(self.0, Kind::Fatal { .. })
    }

    pub(crate) fn into_kind(self) -> Kind {
        self.0
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for StageError {
    fn from(source: E) -> Self {
        Self::retry(source)
    }
}

impl fmt::Display for StageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Retry { source, .. } | Kind::Fatal { source } => {
                f.write_str(&message(source.as_ref()))
            }
            Kind::Snooze { delay } => write!(f, "snoozed for {delay:?}"),
            Kind::Cancelled => f.write_str("cancelled"),
        }
    }
}

impl fmt::Debug for StageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match &self.0 {
            Kind::Retry { .. } => "Retry",
            Kind::Fatal { .. } => "Fatal",
            Kind::Snooze { .. } => "Snooze",
            Kind::Cancelled => "Cancelled",
        };
        write!(f, "StageError::{name}({self})")
    }
}

/// Longest failure message that is stored with a task, in bytes.
const MESSAGE_BYTES_MAX: usize = 4_096;

/// Writes an error and its sources in one line, each once, cut to a length that can be stored with
/// every task.
pub(crate) fn message(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let part = error.to_string();
        // Many errors repeat their source in their own text.
        if !text.contains(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        source = error.source();
    }
    shorten(text)
}

/// Cuts a message to a length that can be stored with every task, and takes out NUL, which some
/// databases cannot store.
pub(crate) fn shorten(mut text: String) -> String {
    if text.contains('\0') {
        text = text.replace('\0', "\u{FFFD}");
    }
    if text.len() > MESSAGE_BYTES_MAX {
        let cut = (0..=MESSAGE_BYTES_MAX).rfind(|at| text.is_char_boundary(*at));
        text.truncate(cut.unwrap_or(0));
        text.push_str("...");
    }
    text
}

/// Says of any `Result` what its error means for the task.
pub trait ResultExt<T> {
    /// An error ends the task: no further attempt is made.
    ///
    /// # Errors
    ///
    /// The error of `self`, marked as fatal.
    fn fatal(self) -> StageResult<T>;

    /// An error is tried again with the stage's backoff. A plain `?` says the same of whatever is
    /// an error by itself; this is for what is not, such as an `anyhow::Error`.
    ///
    /// # Errors
    ///
    /// The error of `self`, marked for another attempt.
    fn retry(self) -> StageResult<T>;

    /// An error is tried again after exactly this long, instead of after the stage's backoff.
    ///
    /// # Errors
    ///
    /// The error of `self`, with the delay.
    fn retry_after(self, delay: Duration) -> StageResult<T>;
}

impl<T, E: Into<BoxError>> ResultExt<T> for Result<T, E> {
    fn fatal(self) -> StageResult<T> {
        self.map_err(StageError::fatal)
    }

    fn retry(self) -> StageResult<T> {
        self.map_err(StageError::retry)
    }

    fn retry_after(self, delay: Duration) -> StageResult<T> {
        self.map_err(|error| StageError::retry_after(delay, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("reading the report failed")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn the_message_names_every_source_once() {
        let error = StageError::from(Outer(std::io::Error::other("disk on fire")));
        assert_eq!(error.to_string(), "reading the report failed: disk on fire");
    }

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        let text = StageError::retry("ä".repeat(5_000)).to_string();
        assert!(text.len() <= MESSAGE_BYTES_MAX + 3 && text.ends_with("ä..."));
    }
}
