//! What is remembered of a payload: how long it is, and a checksum.

use std::{fmt, str::FromStr};

use artos_core::{
    Name, TaskId, Timestamp,
    model::{Labels, NewTask, TaskRecord},
};

/// The length and the CRC-32C of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest {
    length: u64,
    crc: u32,
}

impl Digest {
    /// Digests bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self { length: bytes.len() as u64, crc: crc32c::crc32c(bytes) }
    }

    /// Digests what a task is submitted with and keeps for ever, besides its input.
    pub(crate) fn of_submitted(task: &NewTask) -> Self {
        options(&Lasting {
            kind: &task.kind,
            queue: &task.queue,
            priority: task.priority,
            tenant: task.tenant.as_ref(),
            labels: &task.labels,
            key: task.idempotency_key.as_ref(),
            retry_of: task.retry_of,
            lives_for: task.expires_after.map(|lifetime| lifetime.as_micros()),
        })
    }

    /// Digests the same of a record.
    pub(crate) fn of_record(record: &TaskRecord) -> Self {
        let lifetime = |expires_at: Timestamp| expires_at.since(record.created_at).as_micros();
        options(&Lasting {
            kind: &record.kind,
            queue: &record.queue,
            priority: record.priority,
            tenant: record.tenant.as_ref(),
            labels: &record.labels,
            key: record.idempotency_key.as_ref(),
            retry_of: record.retry_of,
            lives_for: record.expires_at.map(lifetime),
        })
    }
}

/// What a task is submitted with and keeps for ever.
#[derive(Debug)]
struct Lasting<'a> {
    kind: &'a Name,
    queue: &'a Name,
    priority: i16,
    tenant: Option<&'a Name>,
    labels: &'a Labels,
    key: Option<&'a Name>,
    retry_of: Option<TaskId>,
    /// From its insertion to its deadline, in microseconds.
    lives_for: Option<u128>,
}

fn options(lasting: &Lasting<'_>) -> Digest {
    let Lasting { kind, queue, priority, tenant, labels, key, retry_of, lives_for } = lasting;
    let text = format!(
        "{kind:?} {queue:?} {priority} {tenant:?} {labels:?} {key:?} {retry_of:?} {lives_for:?}"
    );
    Digest::of(text.as_bytes())
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{:08x}", self.length, self.crc)
    }
}

/// The text is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a digest: expected a length and a checksum, such as 12:0badcafe")]
pub struct ParseDigestError(String);

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        let parse = || {
            let (length, crc) = text.split_once(':')?;
            Some(Self { length: length.parse().ok()?, crc: u32::from_str_radix(crc, 16).ok()? })
        };
        parse().ok_or_else(|| ParseDigestError(String::from(text)))
    }
}
