//! What happened, one line of JSON for each event.
//!
//! A line is written whole or not at all, so a log that ends in the middle of a line ends before
//! that line.

use std::str::FromStr;

use artos_core::{
    TaskId, TaskState,
    model::{NewTask, OutcomeKind, StartAt},
    store::StoreError,
};
use serde::{Deserialize, Serialize};

use crate::{Digest, Row, text};

/// Something that happened, and when.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Event {
    /// Microseconds since 1970, by the clock of the process that tells it.
    pub at: u64,
    /// What happened.
    pub what: What,
}

/// Everything that can happen.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The store is about to be asked for something. A call that asks for several things has
    /// several such events with one number.
    Asks(Asked),
    /// The store has answered, and the caller does not know it yet.
    Says {
        /// The number of the call.
        call: u64,
        /// One thing it answered.
        answer: Answer,
    },
    /// The call is over: all its answers have been told, or it failed.
    Ends {
        /// The number of the call.
        call: u64,
        /// Why it failed, if it did.
        refusal: Option<Refusal>,
    },
    /// The body of a stage starts.
    Starts {
        /// The task.
        #[serde(with = "text")]
        task: TaskId,
        /// The stage, by name.
        stage: String,
        /// The attempt, as the stage sees it.
        attempt: u32,
    },
    /// The store was opened.
    Opened,
    /// The store could not be opened.
    Refused(Refusal),
    /// A listing of the whole store begins. Nothing else happens until it ends.
    DumpBegins,
    /// A task of the listing.
    Row(Box<Row>),
    /// The listing ends.
    DumpEnds {
        /// How many tasks it had.
        tasks: u64,
    },
    /// Something the program around the store saw and that must not be.
    Wrong {
        /// What was found, and what was expected.
        message: String,
    },
    /// Everything that was wanted of this process is done.
    Done,
}

/// Something that is asked of the store.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Asked {
    /// The number of the call; unique in a process.
    pub call: u64,
    /// What is asked for.
    pub asks: Asks,
}

/// What a store can be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asks {
    /// To insert a task.
    Insert(Box<Submitted>),
    /// To lease due tasks of a queue.
    Claim {
        /// The queue.
        queue: String,
        /// How long the leases last, in microseconds.
        lease_for: u64,
    },
    /// To extend a lease.
    Heartbeat {
        /// The task.
        #[serde(with = "text")]
        task: TaskId,
        /// The epoch of the lease.
        epoch: u64,
        /// How long the lease lasts from now, in microseconds.
        lease_for: u64,
    },
    /// To end an attempt.
    Settle {
        /// The task.
        #[serde(with = "text")]
        task: TaskId,
        /// The epoch of the lease.
        epoch: u64,
        /// How it ended.
        #[serde(with = "text::outcome")]
        outcome: OutcomeKind,
        /// The next stage, of an advance.
        stage: Option<String>,
        /// The checkpoint or the output.
        #[serde(with = "text::option")]
        payload: Option<Digest>,
        /// How long the task waits then, in microseconds.
        delay: u64,
        /// Whether no stage ran, because nobody there knew the kind or the stage.
        is_unknown: bool,
    },
    /// To insert a task together with the settlement of another, asked for in the same call.
    FollowUp {
        /// The task that is settled.
        #[serde(with = "text")]
        of: TaskId,
        /// The task to insert.
        task: Box<Submitted>,
    },
    /// To cancel a task.
    Cancel {
        /// The task.
        #[serde(with = "text")]
        task: TaskId,
    },
    /// To take back tasks whose leases lapsed.
    Rescue,
    /// To delete old terminal tasks.
    Prune {
        /// How long completed tasks are kept, in microseconds.
        completed: u64,
        /// How long failed tasks are kept, in microseconds.
        failed: u64,
        /// How long cancelled tasks are kept, in microseconds.
        cancelled: u64,
        /// At most this many.
        limit: u64,
    },
}

/// A task as it is submitted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Submitted {
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
    /// The input.
    #[serde(with = "text")]
    pub input: Digest,
    /// The stage to start at, instead of the first.
    pub stage: Option<String>,
    /// The payload to start with, instead of the input.
    #[serde(with = "text::option")]
    pub checkpoint: Option<Digest>,
    /// How long it must wait, in microseconds.
    pub delay: u64,
}

/// One thing a store answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The task is in the store.
    Created {
        /// The task.
        #[serde(with = "text")]
        task: TaskId,
    },
    /// Another task, or this one, was there.
    Existing {
        /// The task that was to be inserted.
        #[serde(with = "text")]
        task: TaskId,
        /// The task that was there.
        #[serde(with = "text")]
        existing: TaskId,
        /// Whether it has the same input.
        same_input: bool,
    },
    /// A task was leased.
    Claimed {
        /// The task.
        #[serde(with = "text")]
        task: TaskId,
        /// The epoch of the lease.
        epoch: u64,
        /// The attempt that was charged.
        attempt: u32,
        /// The stage that runs next; none is the first.
        stage: Option<String>,
        /// What the stage takes.
        #[serde(with = "text")]
        payload: Digest,
    },
    /// A lease is extended, or lost.
    Pulse {
        /// The task.
        #[serde(with = "text")]
        task: TaskId,
        /// The epoch of the lease.
        epoch: u64,
        /// Whether the lease still counts.
        alive: bool,
    },
    /// An attempt is settled.
    Settled {
        /// The task.
        #[serde(with = "text")]
        task: TaskId,
        /// The epoch of the lease.
        epoch: u64,
        /// The state of the task now; none if the lease was stale.
        #[serde(with = "text::option")]
        state: Option<TaskState>,
    },
    /// The task was pending and is cancelled.
    CancelledNow {
        /// The task.
        #[serde(with = "text")]
        task: TaskId,
    },
    /// The task runs, and its worker will be told.
    CancelRequested {
        /// The task.
        #[serde(with = "text")]
        task: TaskId,
    },
    /// The task had ended before.
    AlreadyTerminal {
        /// The task.
        #[serde(with = "text")]
        task: TaskId,
        /// The state it ended in.
        #[serde(with = "text")]
        state: TaskState,
    },
    /// There is no such task to cancel.
    NoSuchTask {
        /// The task.
        #[serde(with = "text")]
        task: TaskId,
    },
    /// A task was taken back.
    Rescued {
        /// The task.
        #[serde(with = "text")]
        task: TaskId,
    },
    /// Tasks were deleted.
    Pruned {
        /// How many.
        tasks: u64,
    },
}

/// An error of a store.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Refusal {
    /// Which error it is, in one word.
    pub kind: String,
    /// What it says, cut to what fits a line.
    pub message: String,
}

/// Longest text of a refusal, in bytes.
const MESSAGE_BYTES_MAX: usize = 1_500;

impl Refusal {
    /// Describes an error.
    #[must_use]
    pub fn of(error: &StoreError) -> Self {
        let kind = match error {
            StoreError::Unavailable { .. } => "unavailable",
            StoreError::Full { .. } => "full",
            StoreError::Locked { .. } => "locked",
            StoreError::Corrupt { .. } => "corrupt",
            StoreError::NewerFormat { .. } => "newer_format",
            StoreError::Invalid { .. } => "invalid",
            _ => "other",
        };
        Self { kind: String::from(kind), message: shorten(error.to_string()) }
    }
}

/// Cuts a text so that its line stays short even if every character has to be escaped.
pub(crate) fn shorten(text: String) -> String {
    let mut end = 0;
    let mut bytes = 0;
    for (at, char) in text.char_indices() {
        bytes += if char.is_control() || "\"\\".contains(char) { 6 } else { char.len_utf8() };
        if bytes > MESSAGE_BYTES_MAX {
            return String::from(text.get(..end).unwrap_or_default());
        }
        end = at + char.len_utf8();
    }
    text
}

impl Submitted {
    /// Describes a task.
    #[must_use]
    pub fn of(task: &NewTask) -> Self {
        let delay = match task.start_at {
            StartAt::After(delay) => u64::try_from(delay.as_micros()).unwrap_or(u64::MAX),
            StartAt::Now | StartAt::At(_) => 0,
        };
        let (stage, checkpoint) = task.checkpoint.as_ref().map_or((None, None), |(name, bytes)| {
            (Some(name.to_string()), Some(Digest::of(bytes)))
        });
        Self {
            id: task.id,
            kind: task.kind.to_string(),
            options: Digest::of_submitted(task),
            key: key(task.tenant.as_deref(), task.idempotency_key.as_deref()),
            input: Digest::of(&task.input),
            stage,
            checkpoint,
            delay,
        }
    }
}

/// Writes tenant and idempotency key in one text.
pub(crate) fn key(tenant: Option<&str>, key: Option<&str>) -> Option<String> {
    key.map(|key| format!("{}/{key}", tenant.unwrap_or_default()))
}

impl Event {
    /// Returns whether the event tells what is asked or refused, and acknowledges nothing.
    ///
    /// Such an event may be believed even if it was read after the machine had lost its power.
    #[must_use]
    pub const fn acknowledges_nothing(&self) -> bool {
        matches!(self.what, What::Asks(_) | What::Wrong { .. })
    }

    /// Writes the event as a line, without its end.
    #[must_use]
    pub fn to_line(&self) -> String {
        // Nothing in an event can fail to be written: there are no maps and no numbers that are
        // none.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The text is not an event.
#[derive(Debug, thiserror::Error)]
#[error("`{line}` is not an event: {source}")]
pub struct ParseEventError {
    line: String,
    source: serde_json::Error,
}

impl FromStr for Event {
    type Err = ParseEventError;

    fn from_str(line: &str) -> Result<Self, ParseEventError> {
        serde_json::from_str(line)
            .map_err(|source| ParseEventError { line: line.chars().take(200).collect(), source })
    }
}

#[cfg(test)]
mod tests;
