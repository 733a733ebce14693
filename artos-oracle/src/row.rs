//! One task of a dump: its record and all its payloads, as an event tells them.

use artos_core::{TaskId, TaskRecord, TaskState};
use serde::{Deserialize, Serialize};

use crate::{Digest, event, text};

/// One task of a dump.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Row {
    /// Its id.
    #[serde(with = "text")]
    pub id: TaskId,
    /// Its kind.
    pub kind: String,
    /// Kind, queue, priority, tenant, labels, lifetime and the like, in one digest.
    #[serde(with = "text")]
    pub options: Digest,
    /// Tenant and idempotency key, in one text.
    pub key: Option<String>,
    /// Its state.
    #[serde(with = "text")]
    pub state: TaskState,
    /// The stage that runs next; none is the first.
    pub stage: Option<String>,
    /// How many leases it has had.
    pub epoch: u64,
    /// Attempts charged to the stage.
    pub attempt: u32,
    /// Whether somebody asked to cancel it while it ran.
    pub cancel_requested: bool,
    /// The input.
    #[serde(with = "text::option")]
    pub input: Option<Digest>,
    /// The payload of the last checkpoint.
    #[serde(with = "text::option")]
    pub checkpoint: Option<Digest>,
    /// The output.
    #[serde(with = "text::option")]
    pub output: Option<Digest>,
}

impl Row {
    /// Describes a record; its payloads are still missing.
    #[must_use]
    pub fn of(record: &TaskRecord) -> Self {
        Self {
            id: record.id,
            kind: record.kind.to_string(),
            options: Digest::of_record(record),
            key: event::key(record.tenant.as_deref(), record.idempotency_key.as_deref()),
            state: record.state,
            stage: record.stage.as_ref().map(ToString::to_string),
            epoch: record.epoch.0,
            attempt: record.attempt,
            cancel_requested: record.cancel_requested,
            input: None,
            checkpoint: None,
            output: None,
        }
    }
}
