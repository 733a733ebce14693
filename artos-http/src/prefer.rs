//! The `Prefer` header (RFC 7240): long-polls, and asking for what we do anyway.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, HeaderValue, request::Parts},
};

pub(crate) const PREFER: HeaderName = HeaderName::from_static("prefer");
pub(crate) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Longest wait that is granted: most load balancers close idle connections after a minute or more.
const WAIT_MAX_SECONDS: u64 = 60;

/// Returns how long the client wants to wait for a change, capped. What cannot be read is ignored,
/// as the RFC wants.
pub(crate) fn wait(headers: &HeaderMap) -> Option<Duration> {
    let value = find(headers, "wait")??;
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Only too many digits can fail to parse.
    let seconds = value.parse().unwrap_or(WAIT_MAX_SECONDS).min(WAIT_MAX_SECONDS);
    Some(Duration::from_secs(seconds))
}

/// How long the client wants to wait for a change, if it does.
pub(crate) struct Wait(pub(crate) Option<Duration>);

impl<S: Sync> FromRequestParts<S> for Wait {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(wait(&parts.headers)))
    }
}

/// Returns whether the client prefers what a submission does anyway.
pub(crate) fn respond_async(headers: &HeaderMap) -> bool {
    find(headers, "respond-async").is_some()
}

/// Says which wait was granted.
pub(crate) fn applied(wait: Duration) -> HeaderValue {
    let text = format!("wait={}", wait.as_secs());
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("wait"))
}

/// Finds a preference; the first one of a name counts. Returns its value, if it has one.
fn find(headers: &HeaderMap, wanted: &str) -> Option<Option<String>> {
    let values = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    for preference in values.flat_map(|value| value.split(',')) {
        let token = preference.split(';').next().unwrap_or_default();
        let (name, value) = match token.split_once('=') {
            Some((name, value)) => (name, Some(value.trim().trim_matches('"').to_owned())),
            None => (token, None),
        };
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait_of(lines: &[&'static str]) -> Option<u64> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(PREFER, HeaderValue::from_static(line));
        }
        wait(&headers).map(|wait| wait.as_secs())
    }

    #[test]
    fn waits_are_found_capped_or_ignored() {
        assert_eq!(wait_of(&["wait=10"]), Some(10));
        assert_eq!(wait_of(&["respond-async, WAIT = \"7\"; x=1"]), Some(7));
        assert_eq!(wait_of(&["respond-async", "wait=0"]), Some(0));
        assert_eq!(wait_of(&["wait=99999999999999999999999"]), Some(60));
        assert_eq!(wait_of(&["wait=5, wait=6"]), Some(5));
        for ignored in ["wait", "wait=", "wait=-1", "wait=1.5", "waits=3", "", "=3", ",,;"] {
            assert_eq!(wait_of(&[ignored]), None, "{ignored}");
        }
    }
}
