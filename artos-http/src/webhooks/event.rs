//! What receivers read: the body of an event.

use artos_core::{TaskId, TaskRecord, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::wire::{self, Status};

/// The type of the event that says nothing but that events arrive.
pub(crate) const TEST: &str = "webhook.test";

/// Longest text of an error in an event: the body is to stay below 20 kB.
const ERROR_BYTES_MAX: usize = 8 * 1024;

/// The body of an event. What is there about the task is at the top level, where the handlers of
/// clients look for it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookEvent)]
pub(crate) struct Event<'a> {
    r#type: &'a str,
    /// When it happened.
    #[schema(format = DateTime)]
    timestamp: String,
    task_id: String,
    status: Status,
    document_id: String,
    /// Why the task failed.
    #[schema(required)]
    error: Option<&'a str>,
}

/// Returns the type of the event that a task of this name ended.
pub(crate) fn type_of(name: &str, record: &TaskRecord) -> String {
    let end = if Status::of(record.state) == Status::Complete { "complete" } else { "failed" };
    format!("{name}.{end}")
}

/// Writes the event that a task ended.
pub(crate) fn ended(r#type: &str, record: &TaskRecord) -> Result<String, serde_json::Error> {
    let error = wire::error_of(record).map(|error| {
        let end = (0..=ERROR_BYTES_MAX).rfind(|at| error.is_char_boundary(*at)).unwrap_or(0);
        error.get(..end.min(error.len())).unwrap_or_default()
    });
    serde_json::to_string(&Event {
        r#type,
        timestamp: record.finished_at.unwrap_or(record.updated_at).to_string(),
        task_id: record.id.to_string(),
        status: Status::of(record.state),
        document_id: record.id.to_string(),
        error,
    })
}

/// Writes an event that says nothing but that events arrive.
pub(crate) fn test(r#type: &str, id: TaskId, now: Timestamp) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Event {
        r#type,
        timestamp: now.to_string(),
        task_id: id.to_string(),
        status: Status::Complete,
        document_id: id.to_string(),
        error: None,
    })
}

/// Returns the id of the message that a task ended: the same in every attempt and every replay.
pub(crate) fn message_id(task: TaskId) -> String {
    format!("msg_{}", task.as_uuid().simple())
}
