//! What can go wrong for a client.

use std::{borrow::Cow, fmt, time::Duration};

use axum::http::StatusCode;

use crate::{error::FieldError, wire::ProblemBody};

/// A request came to nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The address of the service is none that a client can use.
    #[error("bad base URL: {0}")]
    BaseUrl(&'static str),
    /// The token cannot be sent: it has characters that no header may have.
    #[error("the token has characters that cannot be sent")]
    Token,
    /// The idempotency key cannot be sent: expected 1 to 255 visible ASCII characters.
    #[error("expected an idempotency key of 1 to 255 visible ASCII characters")]
    IdempotencyKey,
    /// The machine has no randomness for an idempotency key.
    #[error("no randomness for an idempotency key: {0}")]
    NoRandomness(String),
    /// The request cannot be written as JSON.
    #[error("the request cannot be written as JSON")]
    Encode(#[source] serde_json::Error),
    /// The connection, or the request on it, failed.
    #[error("the request failed")]
    Transport(#[source] reqwest::Error),
    /// Nothing came for so long.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// The service said no.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// The service, or something before it, answered what it should not.
    #[error("the answer makes no sense: {0}")]
    Unexpected(&'static str),
    /// The answer is not the JSON that is expected.
    #[error("the answer is not the JSON that is expected")]
    Decode(#[source] serde_json::Error),
    /// The answer, or one event of it, has more bytes than this client takes.
    #[error("the answer has more than {limit} bytes")]
    TooLarge {
        /// The most that it takes.
        limit: usize,
    },
    /// Nothing that was tried again helped.
    #[error("gave up after {attempts} attempts")]
    GaveUp {
        /// How often it was tried.
        attempts: u32,
        /// What went wrong last.
        #[source]
        last: Box<Self>,
    },
}

impl ClientError {
    /// Returns what the service said, also when it was asked several times.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::GaveUp { last, .. } => last.refusal(),
            _ => None,
        }
    }
}

/// What the service said when it refused a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The status code of the answer.
    pub status: StatusCode,
    /// The sort of problem, for programs; `None` if the answer is none of artos, but for example
    /// that of a proxy.
    pub code: Option<String>,
    /// What went wrong, for people.
    pub detail: String,
    /// The id of the request, by which the log of the service has more.
    pub request_id: Option<String>,
    /// Each thing that is wrong with the request.
    pub errors: Vec<FieldError>,
}

impl Refusal {
    pub(super) fn read(status: StatusCode, request_id: Option<&str>, body: &[u8]) -> Self {
        let problem: Option<ProblemBody<'_>> = serde_json::from_slice(body).ok();
        let Some(problem) = problem else {
            let detail = status.canonical_reason().unwrap_or("refused").to_owned();
            let request_id = request_id.map(String::from);
            return Self { status, code: None, detail, request_id, errors: Vec::new() };
        };
        let errors = problem.errors.into_iter().map(|error| FieldError {
            pointer: error.pointer.map(|pointer| Cow::Owned(pointer.into_owned())),
            detail: Cow::Owned(error.detail.into_owned()),
        });
        Self {
            status,
            code: Some(problem.code.into_owned()),
            detail: problem.detail.into_owned(),
            request_id: Some(problem.request_id.into_owned()),
            errors: errors.collect(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status.as_u16(), self.detail)?;
        match &self.request_id {
            Some(id) => write!(f, " (request {id})"),
            None => Ok(()),
        }
    }
}
