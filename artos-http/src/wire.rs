//! The only file with JSON shapes: what clients read, and what the client in Rust reads.

use std::borrow::Cow;

use artos_core::{TaskId, TaskRecord, TaskState};
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::error::{Problem, ProblemKind};

/// What a caller sees of a task's state. Whatever happens inside, it is one of these three: clients
/// loop until they see `Complete` or `Failed`, or while they see `Generating`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[cfg_attr(feature = "client", derive(serde::Deserialize))]
#[cfg_attr(not(feature = "client"), expect(unreachable_pub, reason = "public with the client"))]
pub enum Status {
    /// The task is waiting or being worked on.
    Generating,
    /// The task finished successfully.
    Complete,
    /// The task failed or was cancelled; `error` says why.
    Failed,
}

impl Status {
    pub(crate) const fn of(state: TaskState) -> Self {
        match state {
            TaskState::Pending | TaskState::Running => Self::Generating,
            TaskState::Completed => Self::Complete,
            TaskState::Failed | TaskState::Cancelled => Self::Failed,
        }
    }

    /// Returns the states that show as this status.
    pub(crate) fn states(self) -> Vec<TaskState> {
        TaskState::ALL.into_iter().filter(|state| Self::of(*state) == self).collect()
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Generating => "Generating",
            Self::Complete => "Complete",
            Self::Failed => "Failed",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Generating, Self::Complete, Self::Failed]
            .into_iter()
            .find(|status| status.as_str() == text)
    }
}

/// The answer to a submission.
#[derive(Debug, Serialize, ToSchema)]
#[cfg_attr(feature = "client", derive(serde::Deserialize))]
#[schema(example = json!({
    "message": "Document generation started",
    "task_id": "019ab3c4-6f00-7000-8000-000000000001",
}))]
pub(crate) struct Accepted {
    /// For people.
    pub(crate) message: String,
    /// Identifies the task, and the document once it is complete. Opaque.
    pub(crate) task_id: String,
}

/// The answer to a retry.
#[derive(Debug, Serialize, ToSchema)]
#[cfg_attr(feature = "client", derive(serde::Deserialize))]
pub(crate) struct Retried {
    /// For people.
    pub(crate) message: String,
    /// The new task.
    pub(crate) task_id: String,
    /// The failed task that is run again; it stays as it is.
    pub(crate) retry_of: String,
}

/// How far the running stage has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[cfg_attr(feature = "client", derive(serde::Deserialize))]
#[non_exhaustive]
#[cfg_attr(not(feature = "client"), expect(unreachable_pub, reason = "public with the client"))]
pub struct Progress<'a> {
    /// How much of the stage is done, from 0 to 100.
    #[schema(maximum = 100)]
    pub percent: u8,
    /// The stage that runs, or ran last.
    pub stage: Cow<'a, str>,
    /// The position of the stage, from 1.
    pub stage_number: u32,
    /// The number of stages.
    pub stage_count: u32,
    /// What the stage says it is doing; may be empty.
    pub message: Cow<'a, str>,
    /// When this was reported.
    #[schema(format = DateTime)]
    pub updated_at: String,
}

/// How a task is. The first four keys are always there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[cfg_attr(feature = "client", derive(serde::Deserialize))]
#[non_exhaustive]
#[cfg_attr(not(feature = "client"), expect(unreachable_pub, reason = "public with the client"))]
#[allow(missing_docs, reason = "the names say it, and generated clients would get the words twice")]
#[schema(example = json!({
    "task_id": "019ab3c4-6f00-7000-8000-000000000001",
    "status": "Generating",
    "progress": null,
    "error": null,
    "document_id": "019ab3c4-6f00-7000-8000-000000000001",
    "state": "running",
    "retry_of": null,
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-01T00:00:01Z",
}))]
pub struct TaskStatus<'a> {
    pub task_id: String,
    pub status: Status,
    /// Null until a stage reports.
    #[schema(required)]
    pub progress: Option<Progress<'a>>,
    /// Why the task failed; null unless `status` is `Failed`.
    #[schema(required)]
    pub error: Option<Cow<'a, str>>,
    /// The id to fetch the document by, once `status` is `Complete`. The same as `task_id`.
    pub document_id: String,
    /// The finer state: pending, running, completed, failed or cancelled.
    pub state: Cow<'a, str>,
    /// The failed task that this one runs again.
    #[schema(required)]
    pub retry_of: Option<String>,
    #[schema(format = DateTime)]
    pub created_at: String,
    #[schema(format = DateTime)]
    pub updated_at: String,
}

impl<'a> From<&'a TaskRecord> for TaskStatus<'a> {
    fn from(record: &'a TaskRecord) -> Self {
        let progress = record.progress.as_ref().map(|progress| Progress {
            percent: progress.percent,
            stage: Cow::Borrowed(progress.stage.as_str()),
            stage_number: progress.stage_number,
            stage_count: progress.stage_count,
            message: Cow::Borrowed(progress.message.as_str()),
            updated_at: progress.updated_at.to_string(),
        });
        Self {
            task_id: record.id.to_string(),
            status: Status::of(record.state),
            progress,
            error: error_of(record).map(Cow::Borrowed),
            document_id: record.id.to_string(),
            state: Cow::Borrowed(record.state.as_str()),
            retry_of: record.retry_of.map(|id| id.to_string()),
            created_at: record.created_at.to_string(),
            updated_at: record.updated_at.to_string(),
        }
    }
}

/// One of the server-sent events of a stream.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described: its fields are lines of text")]
pub(crate) struct TaskEvent {
    /// What happened: `snapshot`, `state`, `stage`, `progress`, `end`, `gap`.
    event: String,
    /// Give it as `Last-Event-ID` to go on after this event.
    id: String,
    /// The status of the task, as JSON.
    #[schema(content_media_type = "application/json")]
    data: String,
    /// How long to wait before connecting again, in milliseconds.
    retry: Option<u64>,
}

/// Says why a task failed, in the words of the stage that failed; `None` unless it did.
pub(crate) fn error_of(record: &TaskRecord) -> Option<&str> {
    match record.state {
        TaskState::Pending | TaskState::Running | TaskState::Completed => None,
        TaskState::Cancelled => Some("cancelled"),
        TaskState::Failed => {
            Some(record.failure.as_ref().map_or("failed", |failure| failure.message.as_str()))
        }
    }
}

/// A document; its schema is put together in the OpenAPI document.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "client", derive(serde::Deserialize))]
pub(crate) struct Document<D> {
    pub(crate) document: D,
}

/// One document of a listing.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Listed {
    document_id: String,
    task_id: String,
    status: Status,
    #[schema(required)]
    error: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
    /// What the service adds.
    #[serde(flatten)]
    extra: Map<String, Value>,
}

impl Listed {
    pub(crate) fn new(record: &TaskRecord, extra: Map<String, Value>) -> Self {
        Self {
            document_id: record.id.to_string(),
            task_id: record.id.to_string(),
            status: Status::of(record.state),
            error: error_of(record).map(String::from),
            created_at: record.created_at.to_string(),
            updated_at: record.updated_at.to_string(),
            extra,
        }
    }
}

/// The names that [`Listed`] itself uses, so that what a service adds cannot write them twice.
pub(crate) const LISTED_KEYS: [&str; 6] =
    ["document_id", "task_id", "status", "error", "created_at", "updated_at"];

/// One page of a listing, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DocumentList {
    pub(crate) documents: Vec<Listed>,
    /// Give this as `cursor` to get the next page; null at the end.
    #[schema(required)]
    pub(crate) next_cursor: Option<String>,
}

/// The error body: an RFC 9457 problem whose `detail` is always a string.
#[derive(Debug, Serialize, ToSchema)]
#[cfg_attr(feature = "client", derive(serde::Deserialize))]
#[schema(as = Problem)]
pub(crate) struct ProblemBody<'a> {
    /// Identifies the sort of problem: a path of this service that explains it, or `about:blank`.
    pub(crate) r#type: String,
    /// The sort of problem, for people.
    pub(crate) title: Cow<'a, str>,
    /// The status code of the response.
    #[schema(minimum = 400, maximum = 599)]
    pub(crate) status: u16,
    /// What went wrong this time.
    pub(crate) detail: Cow<'a, str>,
    /// The sort of problem, for programs.
    pub(crate) code: Cow<'a, str>,
    /// The id of the request, as in the header `x-request-id`.
    pub(crate) request_id: Cow<'a, str>,
    /// Each thing that is wrong with the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(crate) errors: Vec<ErrorEntry<'a>>,
    /// The quotas that are used up.
    #[serde(default, rename = "violated-policies", skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(crate) violated_policies: Vec<Cow<'a, str>>,
}

/// One thing that is wrong.
#[derive(Debug, Serialize, ToSchema)]
#[cfg_attr(feature = "client", derive(serde::Deserialize))]
pub(crate) struct ErrorEntry<'a> {
    /// Where in the request body, as a JSON pointer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pointer: Option<Cow<'a, str>>,
    pub(crate) detail: Cow<'a, str>,
}

/// What labels an error body; the bytes are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProblemMedia {
    Problem,
    Json,
}

impl ProblemMedia {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Problem => "application/problem+json",
            Self::Json => "application/json",
        }
    }
}

/// Returns the path that explains a kind of problem.
pub(crate) fn problem_type(kind: ProblemKind, prefix: &str) -> String {
    // Two kinds have registered types.
    let registered = match kind {
        ProblemKind::QuotaExceeded => "quota-exceeded",
        ProblemKind::Overloaded => "temporary-reduced-capacity",
        other => return format!("{prefix}/problems/{}", other.slug()),
    };
    format!("https://iana.org/assignments/http-problem-types#{registered}")
}

/// Writes the error body.
pub(crate) fn problem(problem: &Problem, request_id: &str, prefix: &str) -> Bytes {
    let status = problem.status();
    let title = match problem.kind() {
        Some(kind) => kind.facts().title,
        None => status.canonical_reason().unwrap_or("Refused"),
    };
    let errors = problem.errors().iter().map(|error| ErrorEntry {
        pointer: error.pointer.as_deref().map(Cow::Borrowed),
        detail: Cow::Borrowed(error.detail.as_ref()),
    });
    let body = ProblemBody {
        r#type: problem
            .kind()
            .map_or_else(|| String::from("about:blank"), |kind| problem_type(kind, prefix)),
        title: title.into(),
        status: status.as_u16(),
        detail: problem.detail().into(),
        code: problem.code().unwrap_or("error").into(),
        request_id: request_id.into(),
        errors: errors.collect(),
        violated_policies: problem.violated().into_iter().map(Cow::Borrowed).collect(),
    };
    // Strings and a number always encode; the constant is only the honest fallback.
    serde_json::to_vec(&body)
        .map_or(Bytes::from_static(br#"{"detail":"internal error"}"#), Bytes::from)
}

/// What `/problems/{slug}` says.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProblemPage {
    r#type: String,
    title: &'static str,
    status: u16,
    code: &'static str,
    description: &'static str,
}

impl ProblemPage {
    pub(crate) fn new(kind: ProblemKind, prefix: &str) -> Self {
        let facts = kind.facts();
        Self {
            r#type: problem_type(kind, prefix),
            title: facts.title,
            status: facts.status.as_u16(),
            code: facts.code,
            description: facts.meaning,
        }
    }

    /// Returns the page for people. What it says is fixed, so there is nothing to escape.
    pub(crate) fn html(&self) -> String {
        let Self { title, status, code, description, .. } = self;
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <title>{title}</title>\n<h1>{title}</h1>\n<p>{description}</p>\n\
             <p>Status <code>{status}</code>, code <code>{code}</code>.</p>\n</html>\n"
        )
    }
}

/// What the probes say when all is well.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Healthy {
    /// `live` or `ready`.
    pub(crate) status: &'static str,
    /// How many tasks this instance is running; null if it runs none of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) running: Option<usize>,
}

/// Returns the id that a path segment spells.
pub(crate) fn parse_id(text: &str) -> Option<TaskId> {
    text.parse().ok()
}
