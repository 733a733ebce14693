//! Every way a request can be refused, and the only place that picks status codes.
//!
//! One body serves two readers: it is an RFC 9457 problem, and its `detail` is the plain string
//! that clients of `{"detail": "..."}` read. A [`Problem`] travels in the response's extensions, so
//! that the outermost layer can write it once, with the request's id.

use std::borrow::Cow;

use artos_core::{RetryError, SubmitError, store::StoreError};
use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{
    access::Scope,
    nested::Prefix,
    wire::{self, ProblemMedia},
};

/// The fixed parts of one kind of problem.
pub(crate) struct KindFacts {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) title: &'static str,
    pub(crate) meaning: &'static str,
}

macro_rules! problem_kinds {
    ($($kind:ident: $status:ident, $code:literal, $title:literal, $meaning:literal;)*) => {
        /// What sort of problem it is: fixes the status, the code and the type.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum ProblemKind {
            $($kind,)*
        }

        impl ProblemKind {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$kind,)*];

            pub(crate) const fn facts(self) -> KindFacts {
                let (status, code, title, meaning) = match self {
                    $(Self::$kind => (StatusCode::$status, $code, $title, $meaning),)*
                };
                KindFacts { status, code, title, meaning }
            }
        }
    };
}

problem_kinds! {
    MalformedJson: BAD_REQUEST, "malformed_json", "Malformed JSON",
        "The request body is not JSON, or is nested too deeply.";
    BadRequest: BAD_REQUEST, "bad_request", "Bad request",
        "A parameter or header of the request makes no sense.";
    InvalidCursor: BAD_REQUEST, "invalid_cursor", "Invalid cursor",
        "The cursor is not the next_cursor of an earlier page of the same listing.";
    InvalidIdempotencyKey: BAD_REQUEST, "invalid_idempotency_key", "Invalid idempotency key",
        "An Idempotency-Key is 1 to 255 visible ASCII characters, quoted or bare, sent once.";
    NotAuthenticated: UNAUTHORIZED, "not_authenticated", "Not authenticated",
        "The request carries no bearer token.";
    InvalidToken: UNAUTHORIZED, "invalid_token", "Invalid authentication credentials",
        "The request's credentials are not a bearer token that this service knows.";
    Forbidden: FORBIDDEN, "forbidden", "Forbidden",
        "The caller is known and may not do this.";
    InsufficientScope: FORBIDDEN, "insufficient_scope", "Insufficient scope",
        "The caller's key lacks a scope that this needs; errors says which.";
    NotFound: NOT_FOUND, "not_found", "Not found",
        "There is no such thing, or it belongs to another organization.";
    MethodNotAllowed: METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed",
        "The path exists and takes other methods; Allow lists them.";
    RequestTimeout: REQUEST_TIMEOUT, "request_timeout", "Request timeout",
        "The request body did not arrive in time.";
    NotReady: CONFLICT, "not_ready", "Not ready",
        "The document is still being generated; poll its status.";
    GenerationFailed: CONFLICT, "generation_failed", "Generation failed",
        "The document's generation failed or was cancelled; there will be no document.";
    NotRetryable: CONFLICT, "not_retryable", "Not retryable",
        "Only a task that failed can be retried.";
    Conflict: CONFLICT, "conflict", "Conflict",
        "The request does not fit the state of what it is about.";
    PayloadTooLarge: PAYLOAD_TOO_LARGE, "payload_too_large", "Payload too large",
        "The request body is larger than this service takes.";
    UnsupportedMediaType: UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Unsupported media",
        "The request body must be application/json.";
    ValidationError: UNPROCESSABLE_ENTITY, "validation_error", "Validation error",
        "The request body is JSON, but not what is expected; errors says where.";
    IdempotencyKeyReused: UNPROCESSABLE_ENTITY, "idempotency_key_reused", "Idempotency key reused",
        "The Idempotency-Key was used before with another request.";
    TooManyWaiters: TOO_MANY_REQUESTS, "too_many_waiters", "Too many waiting requests",
        "The organization has too many requests with Prefer: wait open; poll instead.";
    TooManyStreams: TOO_MANY_REQUESTS, "too_many_streams", "Too many streams",
        "The organization has too many event streams open; poll instead.";
    TooManyPending: TOO_MANY_REQUESTS, "too_many_pending", "Too many waiting tasks",
        "The organization has as many tasks waiting as it may; Retry-After says when to try again.";
    QuotaExceeded: TOO_MANY_REQUESTS, "quota_exceeded", "Quota exceeded",
        "There were more requests than the quota allows; Retry-After says when to go on.";
    InternalError: INTERNAL_SERVER_ERROR, "internal_error", "Internal error",
        "Something went wrong inside the service; its log has more under the request_id.";
    StoreUnavailable: SERVICE_UNAVAILABLE, "store_unavailable", "Store unavailable",
        "The service cannot reach its store at the moment.";
    Draining: SERVICE_UNAVAILABLE, "draining", "Draining",
        "This instance is shutting down and takes no new work.";
    Overloaded: SERVICE_UNAVAILABLE, "overloaded", "Overloaded",
        "The service has more work waiting than it takes on; Retry-After says when to try again.";
    Unready: SERVICE_UNAVAILABLE, "unready", "Not ready",
        "This instance should get no traffic now; errors says why.";
    Timeout: GATEWAY_TIMEOUT, "timeout", "Timeout",
        "The answer took too long. What was asked for may or may not have been done.";
}

impl ProblemKind {
    /// Returns the last segment of the problem's type.
    pub(crate) fn slug(self) -> String {
        self.facts().code.replace('_', "-")
    }
}

/// One thing that is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    pub(crate) pointer: Option<Cow<'static, str>>,
    pub(crate) detail: Cow<'static, str>,
}

impl FieldError {
    /// Says what is wrong at a JSON pointer (RFC 6901) into the request body, such as
    /// `/file_paths/0`.
    pub fn new(
        pointer: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { pointer: Some(pointer.into()), detail: detail.into() }
    }

    /// Returns where in the request body it is, if it is at one place.
    #[must_use]
    pub fn pointer(&self) -> Option<&str> {
        self.pointer.as_deref()
    }

    /// Returns what is wrong there.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    pub(crate) fn general(detail: impl Into<Cow<'static, str>>) -> Self {
        Self { pointer: None, detail: detail.into() }
    }
}

/// Why a request was refused; an axum response.
///
/// Made by this crate, and by the closures of a [`Resource`](crate::Resource) through the
/// constructors below. Its `detail` is shown to the caller, so it must not name what the caller may
/// not know.
#[derive(Debug, Clone)]
pub struct Problem {
    kind: Result<ProblemKind, StatusCode>,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    retry_after: Option<u64>,
    needs: Option<Scope>,
    violated: Option<&'static str>,
}

impl Problem {
    pub(crate) fn new(kind: ProblemKind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind: Ok(kind),
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
            needs: None,
            violated: None,
        }
    }

    /// The request body is JSON but not what is expected: 422, with an entry for each error.
    #[must_use]
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let detail: Cow<'static, str> = match errors.as_slice() {
            [] => "the request is not valid".into(),
            [one] => one.detail.clone(),
            [first, rest @ ..] => format!("{} (and {} more)", first.detail, rest.len()).into(),
        };
        Self { errors, ..Self::new(ProblemKind::ValidationError, detail) }
    }

    /// A parameter or header makes no sense: 400.
    pub fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemKind::BadRequest, detail)
    }

    /// The caller is known and may not do this: 403.
    pub fn forbidden(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemKind::Forbidden, detail)
    }

    /// There is no such document, or the caller must not know of it: 404.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(ProblemKind::NotFound, "Document not found")
    }

    /// The request does not fit the state of what it is about: 409.
    pub fn conflict(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemKind::Conflict, detail)
    }

    /// Something that the service needs is not there at the moment: 503, worth repeating.
    pub fn unavailable(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemKind::StoreUnavailable, detail).retry_after(1)
    }

    /// Something is wrong with the service: 500. What it is goes to the log, not to the caller.
    pub fn internal(error: impl std::fmt::Display) -> Self {
        tracing::error!(%error, "internal error");
        Self::new(ProblemKind::InternalError, "internal error")
    }

    /// Tells the caller to wait this many seconds before the next try.
    #[must_use]
    pub const fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    pub(crate) fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }

    /// Says which scope is missing.
    pub(crate) const fn needs(mut self, scope: Scope) -> Self {
        self.needs = Some(scope);
        self
    }

    /// Says which quota is used up.
    pub(crate) const fn violating(mut self, policy: &'static str) -> Self {
        self.violated = Some(policy);
        self
    }

    pub(crate) const fn violated(&self) -> Option<&'static str> {
        self.violated
    }

    pub(crate) fn draining() -> Self {
        Self::new(ProblemKind::Draining, "this instance is shutting down").retry_after(1)
    }

    pub(crate) fn timeout() -> Self {
        let detail =
            "the service did not answer in time; what was asked for may or may not be done";
        Self::new(ProblemKind::Timeout, detail).retry_after(1)
    }

    /// What is said about a response that another part of the service refused without a problem.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::new(ProblemKind::NotFound, "Not found"),
            StatusCode::METHOD_NOT_ALLOWED => {
                Self::new(ProblemKind::MethodNotAllowed, "Method not allowed")
            }
            StatusCode::INTERNAL_SERVER_ERROR => {
                Self::new(ProblemKind::InternalError, "internal error")
            }
            other => Self {
                kind: Err(other),
                detail: other.canonical_reason().unwrap_or("Refused").into(),
                errors: Vec::new(),
                retry_after: None,
                needs: None,
                violated: None,
            },
        }
    }

    /// Returns the status code of the response.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self.kind {
            Ok(kind) => kind.facts().status,
            Err(status) => status,
        }
    }

    /// Returns the problem's code, such as `validation_error`; `None` if it is only a status.
    #[must_use]
    pub fn code(&self) -> Option<&'static str> {
        self.kind.ok().map(|kind| kind.facts().code)
    }

    pub(crate) const fn kind(&self) -> Option<ProblemKind> {
        match self.kind {
            Ok(kind) => Some(kind),
            Err(_) => None,
        }
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    pub(crate) fn errors(&self) -> &[FieldError] {
        &self.errors
    }

    /// Sets the headers that belong to the problem; what another part of the service set stays.
    fn write_headers(&self, headers: &mut HeaderMap) {
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        let challenge = match self.kind {
            Ok(ProblemKind::NotAuthenticated) => r#"Bearer realm="artos""#,
            Ok(ProblemKind::InsufficientScope) => {
                let scope = self.needs.map_or("", Scope::as_str);
                let challenge = format!(
                    "Bearer realm=\"artos\", error=\"insufficient_scope\", scope=\"{scope}\""
                );
                if let Ok(challenge) = HeaderValue::try_from(challenge) {
                    headers.insert(header::WWW_AUTHENTICATE, challenge);
                }
                return;
            }
            // RFC 6750: error codes only when credentials were presented.
            Ok(ProblemKind::InvalidToken) => {
                "Bearer realm=\"artos\", error=\"invalid_token\", \
                 error_description=\"Invalid authentication credentials\""
            }
            _ => return,
        };
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }

    /// Writes the problem over a response that has its status, keeping the other headers.
    pub(crate) fn render(
        &self,
        response: Response,
        media: ProblemMedia,
        request_id: &str,
        prefix: &Prefix,
    ) -> Response {
        let (mut parts, _) = response.into_parts();
        let body = wire::problem(self, request_id, prefix.as_str());
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media.as_str()));
        Response::from_parts(parts, body.into())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        self.write_headers(response.headers_mut());
        // Written here already, for a router that lacks the outermost layer.
        let mut response = self.render(response, ProblemMedia::Problem, "", &Prefix::default());
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::from(&error)
    }
}

impl From<&StoreError> for Problem {
    fn from(error: &StoreError) -> Self {
        if error.is_transient() {
            tracing::warn!(%error, "the store did not answer");
            return Self::unavailable("the service cannot reach its store at the moment");
        }
        Self::internal(error)
    }
}

impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::IdempotencyConflict { .. } => Self::new(
                ProblemKind::IdempotencyKeyReused,
                "the Idempotency-Key was used before with another request",
            ),
            // Labels come from the request; the rest is chosen by the service itself.
            SubmitError::Invalid { what: what @ ("label" | "set of labels"), message, .. } => {
                Self::invalid(vec![FieldError::general(format!("bad {what}: {message}"))])
            }
            SubmitError::Store(error) if error.is_transient() => {
                tracing::warn!(%error, "a submission may be lost");
                Self::unavailable(
                    "the store did not confirm the task, which may or may not have been accepted; \
                     repeat the request with the same Idempotency-Key",
                )
            }
            SubmitError::NoExecutor => Self::draining(),
            other => Self::internal(other),
        }
    }
}

impl From<RetryError> for Problem {
    fn from(error: RetryError) -> Self {
        match error {
            RetryError::Unknown { .. } => Self::not_found(),
            RetryError::NotFailed { .. } => {
                Self::new(ProblemKind::NotRetryable, "only a failed task can be retried")
            }
            RetryError::Store(error) => error.into(),
            RetryError::Submit(error) => error.into(),
            other => Self::internal(other),
        }
    }
}

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
