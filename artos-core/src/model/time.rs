//! A moment, as a store's clock tells it.

use std::{fmt, time::Duration};

/// A moment in UTC with microsecond precision.
///
/// Arithmetic saturates: no duration can move a timestamp past the ends of its range.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use artos_core::Timestamp;
///
/// let start = Timestamp::from_micros(1_700_000_000_000_000);
/// assert_eq!(start.to_string(), "2023-11-14T22:13:20Z");
/// assert_eq!((start + Duration::from_secs(5)).since(start), Duration::from_secs(5));
/// let day = std::time::UNIX_EPOCH + Duration::from_secs(24 * 60 * 60);
/// assert_eq!(Timestamp::from(day).to_string(), "1970-01-02T00:00:00Z");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest timestamp.
    pub const MIN: Self = Self(0);
    /// The latest timestamp: 9999-12-30T22:00:00.999999Z, the last one that RFC 3339 can write.
    pub const MAX: Self = Self(253_402_207_200_999_999);

    /// Makes a timestamp from microseconds since 1970; values outside the range become its ends.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        if micros < Self::MIN.0 {
            Self::MIN
        } else if micros > Self::MAX.0 {
            Self::MAX
        } else {
            Self(micros)
        }
    }

    /// Returns the microseconds since 1970.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Returns how long after `earlier` this is; zero if it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Returns the moment `duration` before this one, or [`Timestamp::MIN`].
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self::from_micros(self.0.saturating_sub(micros(duration)))
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self::from_micros(self.0.saturating_add(micros(duration)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const PER_SECOND: i64 = 1_000_000;
        // By seconds and the rest, as jiff's count of microseconds ends with the last whole second.
        let nanos = i32::try_from(self.0 % PER_SECOND * 1_000).unwrap_or(0);
        match jiff::Timestamp::new(self.0 / PER_SECOND, nanos) {
            Ok(time) => time.fmt(f),
            // The range above is inside jiff's, so this line is only the honest fallback.
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_outside_the_range_becomes_its_end() {
        let [min, max] = [Timestamp::MIN, Timestamp::MAX].map(Timestamp::as_micros);
        assert_eq!(Timestamp::from_micros(min - 1), Timestamp::MIN);
        assert_eq!(Timestamp::from_micros(i64::MIN), Timestamp::MIN);
        assert_eq!(Timestamp::from_micros(max + 1), Timestamp::MAX);
        assert_eq!(Timestamp::MAX + Duration::MAX, Timestamp::MAX);
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-30T22:00:00.999999Z");
    }

    #[test]
    fn a_moment_before_another_is_that_long_before_it() {
        let noon = Timestamp::from_micros(43_200_000_000);
        assert_eq!(noon.before(Duration::from_secs(3_600)).as_micros(), 39_600_000_000);
        assert_eq!(noon.before(Duration::from_secs(86_400)), Timestamp::MIN);
        assert_eq!(noon.since(noon.before(Duration::from_secs(60))), Duration::from_secs(60));
        assert_eq!(noon.before(Duration::from_secs(60)).since(noon), Duration::ZERO);
    }
}
