//! Conditional requests: an `ETag` from a task's revision, and `304 Not Modified`.

use std::convert::Infallible;

use artos_core::TaskRecord;
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, header, request::Parts},
};
use headers::{ETag, HeaderMapExt, IfNoneMatch};

/// Returns the entity tag of everything that is a pure function of the task: `"17"`.
///
/// It is strong, so what changes without the revision (such as `Retry-After`) stays in headers.
pub(crate) fn etag(record: &TaskRecord) -> HeaderValue {
    let text = format!("\"{}\"", record.revision);
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("\"\""))
}

/// What the client says it has.
pub(crate) struct Known(Option<IfNoneMatch>);

impl Known {
    /// Reads `If-None-Match`; what cannot be read is ignored.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        // An absent header would decode to a condition that no tag meets.
        let is_there = headers.contains_key(header::IF_NONE_MATCH);
        let can_be_read = is_there && has_no_space_in_quotes(headers);
        Self(if can_be_read { headers.typed_get() } else { None })
    }

    /// Returns whether the client named anything at all.
    pub(crate) const fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// Returns whether the client has this revision of the task.
    pub(crate) fn is_current(&self, record: &TaskRecord) -> bool {
        let Some(known) = &self.0 else { return false };
        let tag = format!("\"{}\"", record.revision).parse::<ETag>();
        tag.is_ok_and(|tag| !known.precondition_passes(&tag))
    }
}

impl<S: Sync> FromRequestParts<S> for Known {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

/// No entity tag has a space, or worse, between its quotes: RFC 9110, section 8.8.3. `headers`
/// takes that for granted of what it compares, and panics in programs with debug assertions.
fn has_no_space_in_quotes(headers: &HeaderMap) -> bool {
    let mut is_quoted = false;
    for value in headers.get_all(header::IF_NONE_MATCH) {
        // Several fields are one, with a comma and a space between them.
        if is_quoted {
            return false;
        }
        for byte in value.as_bytes() {
            match byte {
                b'"' => is_quoted = !is_quoted,
                0..=b' ' | 0x7F if is_quoted => return false,
                _ => {}
            }
        }
    }
    true
}
