//! Tasks for tests.

#![allow(dead_code, clippy::unwrap_used, reason = "each test takes what it needs")]

pub(crate) mod every_state;

use std::{fs::File, path::Path, time::Duration};

use artos_core::{
    Name,
    model::{Lease, NewTask, Outcome, Settlement, StartAt, TaskId, WorkerId},
    store::{Claim, Claimed, TaskStore},
};
use bytes::Bytes;
use uuid::Uuid;

/// Opens the tree of a store that was closed. A thread of sled's may still have to let go of it,
/// for which stores wait, and sled does not.
pub(crate) fn open_tree(folder: &Path) -> sled::Db {
    File::open(folder.join("db")).unwrap().lock().unwrap();
    sled::open(folder).unwrap()
}

/// Makes a task whose id and input tell it from others.
pub(crate) fn new_task(number: u128) -> NewTask {
    NewTask {
        id: TaskId::from_uuid(Uuid::from_u128(number + 1)),
        kind: Name::from_static("kind"),
        queue: Name::from_static("queue"),
        priority: 0,
        tenant: None,
        labels: std::collections::BTreeMap::default(),
        idempotency_key: None,
        retry_of: None,
        start_at: StartAt::Now,
        expires_after: None,
        input: Bytes::from(format!("{{\"number\":{number}}}")),
        checkpoint: None,
    }
}

pub(crate) async fn claim(store: &impl TaskStore, limit: usize) -> Vec<Claimed> {
    let request = Claim {
        queue: Name::from_static("queue"),
        worker: WorkerId::from_uuid(Uuid::from_u128(77)),
        limit,
        lease_for: Duration::from_secs(60),
    };
    store.claim(&request).await.unwrap().tasks
}

pub(crate) fn complete(lease: Lease, output: &[u8]) -> Settlement {
    let outcome = Outcome::Complete { output: Bytes::copy_from_slice(output) };
    Settlement { lease, outcome, follow_ups: Vec::new() }
}
