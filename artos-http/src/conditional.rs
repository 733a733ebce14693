//! Conditional requests: an `ETag` from a task's revision, and `304 Not Modified`.

use artos_core::TaskRecord;
use axum::http::{HeaderMap, HeaderValue, header};
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
        // An absent header decodes to a condition that no tag meets.
        let is_there = headers.contains_key(header::IF_NONE_MATCH);
        Self(headers.typed_get().filter(|_| is_there))
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
