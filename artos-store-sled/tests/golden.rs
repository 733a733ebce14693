//! Stores that earlier versions left open as they were, and go on.
//!
//! A golden store that a release has is never made anew: it stands for somebody's tasks.

#![expect(clippy::unwrap_used, reason = "a test speaks by panicking")]

mod tasks;

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use artos_core::{
    Timestamp,
    model::{ListQuery, Retention, TaskRecord},
    store::{Part, TaskStore as _},
};
use artos_store_conformance::ManualClock;
use artos_store_sled::{SledStore, offline};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, value::RawValue};
use tempfile::TempDir;

use tasks::{claim, complete, new_task};

/// Returns all golden stores.
fn golden() -> Vec<PathBuf> {
    let versions = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let folders = |path: &Path| -> Vec<PathBuf> {
        let paths = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
        paths.filter(|path| path.is_dir()).collect()
    };
    let mut golden: Vec<_> =
        folders(&versions).iter().flat_map(|version| folders(version)).collect();
    golden.sort();
    assert!(golden.len() >= 3, "{golden:?}");
    golden
}

/// Copies a store, so that the golden one stays as it is.
fn copy_of(golden: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&golden.join("store"), copy.path());
    copy
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn expected(golden: &Path) -> String {
    fs::read_to_string(golden.join("export.jsonl")).unwrap()
}

#[test]
fn a_golden_store_is_sound_and_exported_as_ever() {
    for golden in golden() {
        let store = copy_of(&golden);
        let report = offline::verify(store.path(), &mut |_| {}).unwrap();
        assert!(report.is_sound(), "{}: {:?}", golden.display(), report.findings);
        let mut lines = Vec::new();
        offline::export(store.path(), &mut lines).unwrap();
        assert_eq!(String::from_utf8(lines).unwrap(), expected(&golden), "{}", golden.display());
    }
}

#[tokio::test]
async fn a_golden_store_opens_with_every_record_and_payload() {
    for golden in golden() {
        let folder = copy_of(&golden);
        let store = SledStore::builder(folder.path()).clock(ManualClock::default()).open().unwrap();
        let page = store.list(&ListQuery { limit: 1_000, ..ListQuery::default() }).await.unwrap();
        let mut records: HashMap<_, _> =
            page.tasks.into_iter().map(|record| (record.id.to_string(), record)).collect();
        for line in expected(&golden).lines() {
            let task: Value = serde_json::from_str(line).unwrap();
            let record = records.remove(task["id"].as_str().unwrap()).unwrap();
            assert_record(&task, &record);
            let payloads: Payloads<'_> = serde_json::from_str(line).unwrap();
            for (part, payload) in [
                (Part::Input, &payloads.input),
                (Part::Checkpoint, &payloads.checkpoint),
                (Part::Output, &payloads.output),
            ] {
                let found = store.get(record.id, part).await.unwrap().unwrap();
                assert_eq!(found.record, record);
                assert_eq!(found.payload.map(Vec::from), payload.as_ref().map(Payload::bytes));
            }
        }
        assert!(records.is_empty(), "{records:?}");
    }
}

#[tokio::test]
async fn a_golden_store_goes_on() {
    for golden in golden() {
        let folder = copy_of(&golden);
        let clock = ManualClock::default();
        clock.advance(std::time::Duration::from_secs(7_200));
        let store = SledStore::builder(folder.path()).clock(clock.clone()).open().unwrap();
        let before = expected(&golden).lines().count();
        store.rescue(100).await.unwrap();
        store.insert(&[new_task(900), new_task(901)]).await.unwrap();
        for claimed in claim(&store, 100).await {
            store.settle(&[complete(claimed.record.lease_token(), b"1")]).await.unwrap();
        }
        let query = ListQuery { counts: true, ..ListQuery::default() };
        let counts = store.list(&query).await.unwrap().counts.unwrap();
        assert_eq!((counts.total(), counts.running), (before as u64 + 2, 0));
        drop(store);
        assert!(offline::verify(folder.path(), &mut |_| {}).unwrap().is_sound());
        offline::compact(folder.path(), &mut |_| {}).unwrap();

        let store = SledStore::builder(folder.path()).clock(clock).open().unwrap();
        store.prune(&Retention::all(std::time::Duration::ZERO), 1_000).await.unwrap();
        drop(store);
        assert!(offline::verify(folder.path(), &mut |_| {}).unwrap().is_sound());
    }
}

#[derive(serde::Deserialize)]
struct Payloads<'a> {
    #[serde(borrow)]
    input: Option<Payload<'a>>,
    checkpoint: Option<Payload<'a>>,
    output: Option<Payload<'a>>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Payload<'a> {
    #[serde(borrow)]
    Json(&'a RawValue),
    Base64(String),
}

impl Payload<'_> {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Json(json) => json.get().as_bytes().to_vec(),
            Self::Base64(text) => BASE64_STANDARD.decode(text).unwrap(),
        }
    }
}

fn assert_record(expected: &Value, record: &TaskRecord) {
    let time = |time: Timestamp| time.to_string();
    let labels: HashMap<&str, &str> =
        record.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let found = serde_json::json!({
        "id": record.id.to_string(),
        "kind": record.kind.as_str(),
        "queue": record.queue.as_str(),
        "priority": record.priority,
        "tenant": record.tenant.as_deref(),
        "labels": labels,
        "idempotency_key": record.idempotency_key.as_deref(),
        "retry_of": record.retry_of.map(|id| id.to_string()),
        "created_at": time(record.created_at),
        "expires_at": record.expires_at.map(time),
        "state": record.state.as_str(),
        "stage": record.stage.as_deref(),
        "stage_entered_at": time(record.stage_entered_at),
        "attempt": record.attempt,
        "snoozes": record.snoozes,
        "interrupts": record.interrupts,
        "run_at": time(record.run_at),
        "epoch": record.epoch.0,
        "settled_by": record.settled_by.map(|outcome| outcome.as_str()),
        "cancel_requested": record.cancel_requested,
        "progress": record.progress.as_ref().map(|progress| serde_json::json!({
            "stage": progress.stage.as_str(),
            "stage_number": progress.stage_number,
            "stage_count": progress.stage_count,
            "percent": progress.percent,
            "message": progress.message,
            "updated_at": time(progress.updated_at),
        })),
        "failure": record.failure.as_ref().map(|failure| serde_json::json!({
            "cause": failure.cause.as_str(),
            "stage": failure.stage.as_deref(),
            "attempt": failure.attempt,
            "message": failure.message,
            "at": time(failure.at),
        })),
        "revision": record.revision,
        "started_at": record.started_at.map(time),
        "updated_at": time(record.updated_at),
        "finished_at": record.finished_at.map(time),
    });
    for (name, value) in found.as_object().unwrap() {
        assert_eq!(&expected[name], value, "{name} of {}", record.id);
    }
    // Leases end when a store is opened, so their time is not what it was.
    let worker = record.lease.map(|holder| holder.worker.to_string());
    let expected = expected.pointer("/lease/worker");
    assert_eq!(expected.and_then(Value::as_str), worker.as_deref());
}
