//! A task as a line of JSON. The names of the fields are promised: see [`export`](super::export).

use std::collections::BTreeMap;

use artos_core::{
    Timestamp,
    model::{Failure, LeaseHolder, Progress, TaskRecord},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

/// The payloads of a task.
#[derive(Debug, Default)]
pub(super) struct Payloads {
    pub(super) input: Option<Bytes>,
    pub(super) checkpoint: Option<Bytes>,
    pub(super) output: Option<Bytes>,
}

#[derive(Serialize)]
struct Line<'a> {
    id: String,
    kind: &'a str,
    queue: &'a str,
    priority: i16,
    tenant: Option<&'a str>,
    labels: BTreeMap<&'a str, &'a str>,
    idempotency_key: Option<&'a str>,
    retry_of: Option<String>,
    created_at: String,
    expires_at: Option<String>,
    state: &'static str,
    stage: Option<&'a str>,
    stage_entered_at: String,
    attempt: u32,
    snoozes: u32,
    interrupts: u32,
    run_at: String,
    epoch: u64,
    lease: Option<LeaseLine>,
    settled_by: Option<&'static str>,
    cancel_requested: bool,
    progress: Option<ProgressLine<'a>>,
    failure: Option<FailureLine<'a>>,
    revision: u64,
    started_at: Option<String>,
    updated_at: String,
    finished_at: Option<String>,
    input: Option<PayloadLine<'a>>,
    checkpoint: Option<PayloadLine<'a>>,
    output: Option<PayloadLine<'a>>,
}

#[derive(Serialize)]
struct LeaseLine {
    worker: String,
    expires_at: String,
}

#[derive(Serialize)]
struct ProgressLine<'a> {
    stage: &'a str,
    stage_number: u32,
    stage_count: u32,
    percent: u8,
    message: &'a str,
    updated_at: String,
}

#[derive(Serialize)]
struct FailureLine<'a> {
    cause: &'static str,
    stage: Option<&'a str>,
    attempt: u32,
    message: &'a str,
    at: String,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum PayloadLine<'a> {
    Json(&'a RawValue),
    Base64(String),
}

/// Writes a task as JSON without a line break.
pub(super) fn of(record: &TaskRecord, payloads: &Payloads) -> serde_json::Result<Vec<u8>> {
    let time = |time: Timestamp| time.to_string();
    serde_json::to_vec(&Line {
        id: record.id.to_string(),
        kind: &record.kind,
        queue: &record.queue,
        priority: record.priority,
        tenant: record.tenant.as_deref(),
        labels: record.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect(),
        idempotency_key: record.idempotency_key.as_deref(),
        retry_of: record.retry_of.map(|id| id.to_string()),
        created_at: time(record.created_at),
        expires_at: record.expires_at.map(time),
        state: record.state.as_str(),
        stage: record.stage.as_deref(),
        stage_entered_at: time(record.stage_entered_at),
        attempt: record.attempt,
        snoozes: record.snoozes,
        interrupts: record.interrupts,
        run_at: time(record.run_at),
        epoch: record.epoch.0,
        lease: record.lease.as_ref().map(lease),
        settled_by: record.settled_by.map(|outcome| outcome.as_str()),
        cancel_requested: record.cancel_requested,
        progress: record.progress.as_ref().map(progress),
        failure: record.failure.as_ref().map(failure),
        revision: record.revision,
        started_at: record.started_at.map(time),
        updated_at: time(record.updated_at),
        finished_at: record.finished_at.map(time),
        input: payloads.input.as_deref().map(payload),
        checkpoint: payloads.checkpoint.as_deref().map(payload),
        output: payloads.output.as_deref().map(payload),
    })
}

fn lease(holder: &LeaseHolder) -> LeaseLine {
    LeaseLine { worker: holder.worker.to_string(), expires_at: holder.expires_at.to_string() }
}

fn progress(progress: &Progress) -> ProgressLine<'_> {
    ProgressLine {
        stage: &progress.stage,
        stage_number: progress.stage_number,
        stage_count: progress.stage_count,
        percent: progress.percent,
        message: &progress.message,
        updated_at: progress.updated_at.to_string(),
    }
}

fn failure(failure: &Failure) -> FailureLine<'_> {
    FailureLine {
        cause: failure.cause.as_str(),
        stage: failure.stage.as_deref(),
        attempt: failure.attempt,
        message: &failure.message,
        at: failure.at.to_string(),
    }
}

/// JSON stands as it was written if that is possible in one line; all else is in base64, so that
/// every payload can be had back byte for byte.
fn payload(bytes: &[u8]) -> PayloadLine<'_> {
    let raw = serde_json::from_slice::<&RawValue>(bytes).ok();
    match raw.filter(|raw| raw.get().len() == bytes.len() && !raw.get().contains(['\n', '\r'])) {
        Some(raw) => PayloadLine::Json(raw),
        None => PayloadLine::Base64(BASE64_STANDARD.encode(bytes)),
    }
}
