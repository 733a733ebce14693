//! How long to wait before a request is repeated.

use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, header};
use headers::Header;

#[derive(Debug, Clone, Copy)]
pub(super) struct Backoff {
    pub(super) first: Duration,
    pub(super) max: Duration,
}

impl Backoff {
    /// Returns how long to wait after so many attempts: a random time between the half and the
    /// whole of what doubles each time, and as long as the service asked for before that.
    pub(super) fn delay(&self, attempts: u32, asked_for: Option<Duration>) -> Duration {
        let doubled = 1u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX);
        let whole = self.first.saturating_mul(doubled).min(self.max);
        // Without randomness, clients come back together, and that is all.
        let share = f64::from(getrandom::u32().unwrap_or(u32::MAX)) / f64::from(u32::MAX);
        match asked_for {
            // Not a moment before; a little later, so that not all who were told so come at once.
            Some(least) => least.saturating_add(whole.min(self.first).mul_f64(share)),
            None => whole.mul_f64(0.5 + share / 2.0),
        }
    }
}

/// Reads `Retry-After`, in seconds or as a date. A date counts from the date of the answer, so that
/// two clocks do not matter.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?;
    let text = value.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // Only too many digits can fail to parse.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = |name| {
        let date = headers::Date::decode(&mut headers.get_all(name).iter()).ok()?;
        Some(SystemTime::from(date))
    };
    let (then, now) = (date(header::RETRY_AFTER)?, date(header::DATE)?);
    Some(then.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn read(lines: &[(header::HeaderName, &'static str)]) -> Option<u64> {
        let lines = lines.iter().cloned();
        let headers = lines.map(|(name, value)| (name, HeaderValue::from_static(value))).collect();
        retry_after(&headers).map(|after| after.as_secs())
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let date = (header::DATE, "Wed, 21 Oct 2026 07:28:00 GMT");
        let later = (header::RETRY_AFTER, "Wed, 21 Oct 2026 07:28:30 GMT");
        let earlier = (header::RETRY_AFTER, "Wed, 21 Oct 2026 07:27:30 GMT");
        assert_eq!(read(&[(header::RETRY_AFTER, " 7 ")]), Some(7));
        assert_eq!(read(&[(header::RETRY_AFTER, "99999999999999999999999")]), Some(u64::MAX));
        assert_eq!(read(&[date.clone(), later.clone()]), Some(30));
        assert_eq!(read(&[date, earlier]), Some(0));
        assert_eq!(read(&[later]), None);
        for bad in ["", "-1", "1.5", "soon"] {
            assert_eq!(read(&[(header::RETRY_AFTER, bad)]), None, "{bad}");
        }
    }

    #[test]
    fn delays_double_up_to_the_most_and_are_no_shorter_than_asked_for() {
        let backoff = Backoff { first: Duration::from_secs(1), max: Duration::from_secs(10) };
        for (attempts, whole) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (40, 10), (u32::MAX, 10)]
        {
            let whole = Duration::from_secs(whole);
            let delay = backoff.delay(attempts, None);
            assert!(delay >= whole / 2 && delay <= whole, "{attempts}: {delay:?}");
        }
        let delay = backoff.delay(1, Some(Duration::from_secs(7)));
        assert!(delay >= Duration::from_secs(7) && delay <= Duration::from_secs(8));
        assert_eq!(backoff.delay(1, Some(Duration::MAX)), Duration::MAX);
    }
}
