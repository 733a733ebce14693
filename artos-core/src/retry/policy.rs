//! How often to try, and how long to wait in between.

use std::{fmt, sync::Arc, time::Duration};

/// How often a stage is tried, and how long to wait after each failed attempt.
///
/// The default makes ten attempts, waiting one second after the first and twice as long after each
/// further one, at most an hour, with full jitter: each wait is drawn evenly between nothing and
/// that time, so that tasks that failed together do not come back together. All arithmetic
/// saturates.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use artos_core::RetryPolicy;
///
/// let policy = RetryPolicy::exponential(Duration::from_secs(1))
///     .factor(3.0)
///     .cap(Duration::from_secs(20))
///     .max_attempts(5)
///     .without_jitter();
/// let delays: Vec<u64> = (1..5).map(|attempt| policy.delay(attempt, 0.5).as_secs()).collect();
/// assert_eq!(delays, [1, 3, 9, 20]);
/// ```
#[derive(Clone)]
pub struct RetryPolicy {
    attempts_max: u32,
    backoff: Backoff,
    jitter: Jitter,
}

#[derive(Clone)]
enum Backoff {
    Exponential { base: Duration, factor: f64, cap: Duration },
    Custom(Arc<dyn Fn(u32) -> Duration + Send + Sync>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Jitter {
    Full,
    None,
}

/// A retry policy makes no sense.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// No attempt would ever be made.
    #[error("max_attempts is 0: expected at least 1")]
    NoAttempts,
    /// The waits would shrink, or not be numbers.
    #[error("factor is {0}: expected a finite number of at least 1")]
    Factor(f64),
    /// The first wait is already longer than the longest.
    #[error("the backoff starts at {base:?}, which is longer than its cap of {cap:?}")]
    Cap {
        /// The wait after the first failed attempt.
        base: Duration,
        /// The longest wait.
        cap: Duration,
    },
}

impl RetryPolicy {
    /// Waits `base` after the first failed attempt and twice as long after each further one.
    #[must_use]
    pub const fn exponential(base: Duration) -> Self {
        let cap = Duration::from_secs(60 * 60);
        let cap = if base.as_nanos() > cap.as_nanos() { base } else { cap };
        Self {
            attempts_max: 10,
            backoff: Backoff::Exponential { base, factor: 2.0, cap },
            jitter: Jitter::Full,
        }
    }

    /// Waits equally long, without jitter, after each failed attempt.
    #[must_use]
    pub const fn fixed(delay: Duration) -> Self {
        Self {
            attempts_max: 10,
            backoff: Backoff::Exponential { base: delay, factor: 1.0, cap: delay },
            jitter: Jitter::None,
        }
    }

    /// Waits as long as `delay` says, without jitter, after the attempt of the given number.
    #[must_use]
    pub fn custom(delay: impl Fn(u32) -> Duration + Send + Sync + 'static) -> Self {
        Self { attempts_max: 10, backoff: Backoff::Custom(Arc::new(delay)), jitter: Jitter::None }
    }

    /// Tries once and never again.
    ///
    /// A claim charges the attempt before any code runs. Should the process die, or the store's
    /// answer get lost, between the claim and the stage's first line, the task fails without having
    /// run: allow two attempts where that would be worse than running twice.
    #[must_use]
    pub const fn never() -> Self {
        Self::fixed(Duration::ZERO).max_attempts(1)
    }

    /// Sets how many attempts are made in all. Default: 10.
    #[must_use]
    pub const fn max_attempts(mut self, attempts: u32) -> Self {
        self.attempts_max = attempts;
        self
    }

    /// Sets by how much each wait is longer than the one before. Default: 2. Without effect on a
    /// custom backoff.
    #[must_use]
    pub const fn factor(mut self, by: f64) -> Self {
        if let Backoff::Exponential { factor, .. } = &mut self.backoff {
            *factor = by;
        }
        self
    }

    /// Sets the longest wait. Default: one hour. Without effect on a custom backoff.
    #[must_use]
    pub const fn cap(mut self, longest: Duration) -> Self {
        if let Backoff::Exponential { cap, .. } = &mut self.backoff {
            *cap = longest;
        }
        self
    }

    /// Waits exactly as long as the backoff says.
    #[must_use]
    pub const fn without_jitter(mut self) -> Self {
        self.jitter = Jitter::None;
        self
    }

    /// Draws each wait evenly between nothing and what the backoff says.
    #[must_use]
    pub const fn with_full_jitter(mut self) -> Self {
        self.jitter = Jitter::Full;
        self
    }

    /// Returns how many attempts are made in all.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.attempts_max
    }

    /// Returns the wait after the failed attempt of this number (from 1); `fraction`, from 0 to 1,
    /// is the draw of the jitter.
    #[must_use]
    pub fn delay(&self, attempt: u32, fraction: f64) -> Duration {
        let delay = match &self.backoff {
            Backoff::Exponential { base, factor, cap } => {
                let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
                scale(*base, factor.powi(exponent)).min(*cap)
            }
            Backoff::Custom(delay) => delay(attempt),
        };
        match self.jitter {
            Jitter::None => delay,
            // Rounding must not carry a wait past its cap.
            Jitter::Full => scale(delay, fraction.clamp(0.0, 1.0)).min(delay),
        }
    }

    /// Checks that the policy makes sense; a runtime refuses to start with one that does not.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] says what is wrong.
    pub fn check(&self) -> Result<(), PolicyError> {
        if self.attempts_max == 0 {
            return Err(PolicyError::NoAttempts);
        }
        match self.backoff {
            Backoff::Exponential { factor, .. } if !factor.is_finite() || factor < 1.0 => {
                Err(PolicyError::Factor(factor))
            }
            Backoff::Exponential { base, cap, .. } if base > cap => {
                Err(PolicyError::Cap { base, cap })
            }
            _ => Ok(()),
        }
    }
}

/// Multiplies, and saturates where the result is no duration.
fn scale(duration: Duration, by: f64) -> Duration {
    if duration.is_zero() {
        return duration;
    }
    Duration::try_from_secs_f64(duration.as_secs_f64() * by).unwrap_or(Duration::MAX)
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::exponential(Duration::from_secs(1))
    }
}

impl fmt::Debug for RetryPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("RetryPolicy");
        out.field("attempts_max", &self.attempts_max);
        match &self.backoff {
            Backoff::Exponential { base, factor, cap } => {
                out.field("base", base).field("factor", factor).field("cap", cap)
            }
            Backoff::Custom(_) => out.field("backoff", &"custom"),
        };
        out.field("jitter", &self.jitter).finish()
    }
}
