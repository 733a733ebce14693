//! A queue in memory as one would write it by hand: tokio's channel, a sharded map, and the same
//! books as a store keeps of each task: state, lease, attempt, times, input and result.
//!
//! It has no priorities, due times, listings, retries, heartbeats or rescues: that is the point.

use std::{
    collections::HashMap,
    hash::BuildHasher,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use artos_core::{Clock as _, Random, SystemClock, TaskId, Timestamp};
use bytes::Bytes;
use foldhash::fast::RandomState;
use tokio::sync::{Notify, Semaphore, mpsc};

const SHARDS: usize = 64;
const LEASE: Duration = Duration::from_secs(20);

/// What is known of one task.
struct Entry {
    state: State,
    epoch: u64,
    attempt: u32,
    stage: usize,
    lease_until: Option<Timestamp>,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    input: Bytes,
    result: Option<Bytes>,
}

#[derive(PartialEq, Eq)]
enum State {
    Pending,
    Running,
    Completed,
}

struct Map {
    hasher: RandomState,
    shards: Vec<Mutex<HashMap<TaskId, Entry, RandomState>>>,
}

impl Map {
    fn shard(&self, id: &TaskId) -> MutexGuard<'_, HashMap<TaskId, Entry, RandomState>> {
        let at = usize::try_from(self.hasher.hash_one(id) >> 32).unwrap_or(0) % SHARDS;
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leases a task; its epoch and what its first stage takes.
    fn claim(&self, id: &TaskId) -> Option<(u64, Bytes)> {
        let now = SystemClock.now();
        let mut shard = self.shard(id);
        let entry = shard.get_mut(id).filter(|entry| entry.state == State::Pending)?;
        entry.state = State::Running;
        entry.epoch += 1;
        entry.attempt += 1;
        entry.lease_until = Some(now + LEASE);
        entry.started_at.get_or_insert(now);
        Some((entry.epoch, entry.input.clone()))
    }

    /// Keeps what a stage returned, if the lease is the task's; the last one completes the task.
    fn settle(&self, id: &TaskId, epoch: u64, output: Bytes, last: bool) -> bool {
        let now = SystemClock.now();
        let mut shard = self.shard(id);
        let Some(entry) = shard.get_mut(id).filter(|entry| {
            entry.epoch == epoch && entry.lease_until.is_some_and(|until| now < until)
        }) else {
            return false;
        };
        entry.result = Some(output);
        entry.stage += 1;
        entry.attempt = 1;
        if last {
            entry.state = State::Completed;
            entry.lease_until = None;
            entry.finished_at = Some(now);
        }
        true
    }

    fn completed(&self, stages: usize) -> usize {
        let shards = self.shards.iter();
        let is_done = |entry: &&Entry| {
            entry.state == State::Completed
                && entry.stage == stages
                && entry.result.is_some()
                && entry.finished_at >= Some(entry.created_at)
        };
        let done = shards.map(|shard| {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.values().filter(is_done).count()
        });
        done.sum()
    }
}

/// A queue that was filled.
pub(crate) struct Filled {
    map: Arc<Map>,
    ids: mpsc::UnboundedReceiver<TaskId>,
    tasks: usize,
}

/// Fills a queue.
pub(crate) fn fill(inputs: impl Iterator<Item = Bytes>) -> Filled {
    let map = Map {
        hasher: RandomState::default(),
        shards: std::iter::repeat_with(Mutex::default).take(SHARDS).collect(),
    };
    let random = Random::from_entropy();
    let (sender, ids) = mpsc::unbounded_channel();
    let mut tasks = 0;
    for input in inputs {
        let now = SystemClock.now();
        let id = random.task_id(now);
        let entry = Entry {
            state: State::Pending,
            epoch: 0,
            attempt: 0,
            stage: 0,
            lease_until: None,
            created_at: now,
            started_at: None,
            finished_at: None,
            input,
            result: None,
        };
        map.shard(&id).insert(id, entry);
        let _ = sender.send(id);
        tasks += 1;
    }
    Filled { map: Arc::new(map), ids, tasks }
}

/// Runs what is in the queue: one task of tokio for each, as many at a time as there are slots.
/// Returns how many of them the map has as completed in the end.
#[expect(clippy::disallowed_methods, reason = "nothing outlives the count")]
pub(crate) async fn run<F>(filled: Filled, slots: usize, stages: usize, stage: F) -> usize
where
    F: Fn(Bytes) -> Bytes + Clone + Send + 'static,
{
    let Filled { map, mut ids, tasks } = filled;
    let (left, all) = (Arc::new(AtomicUsize::new(tasks)), Arc::new(Notify::new()));
    let free = Arc::new(Semaphore::new(slots));
    while let Some(id) = ids.recv().await {
        let Ok(slot) = Arc::clone(&free).acquire_owned().await else { break };
        let (map, left, all) = (Arc::clone(&map), Arc::clone(&left), Arc::clone(&all));
        let stage = stage.clone();
        tokio::spawn(async move {
            if let Some((epoch, mut payload)) = map.claim(&id) {
                for number in 1..=stages {
                    payload = stage(payload);
                    map.settle(&id, epoch, payload.clone(), number == stages);
                }
            }
            drop(slot);
            if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                all.notify_one();
            }
        });
    }
    all.notified().await;
    map.completed(stages)
}

/// Does the same with one long-lived worker for each slot, which share the channel.
#[expect(clippy::disallowed_methods, reason = "the workers are waited for")]
pub(crate) async fn run_pool<F>(filled: Filled, slots: usize, stages: usize, stage: F) -> usize
where
    F: Fn(Bytes) -> Bytes + Clone + Send + 'static,
{
    let Filled { map, ids, .. } = filled;
    let ids = Arc::new(tokio::sync::Mutex::new(ids));
    let workers = (0..slots).map(|_| {
        let (map, ids, stage) = (Arc::clone(&map), Arc::clone(&ids), stage.clone());
        tokio::spawn(async move {
            loop {
                let next = ids.lock().await.recv().await;
                let Some(id) = next else { return };
                if let Some((epoch, mut payload)) = map.claim(&id) {
                    for number in 1..=stages {
                        payload = stage(payload);
                        map.settle(&id, epoch, payload.clone(), number == stages);
                    }
                }
            }
        })
    });
    futures::future::join_all(workers.collect::<Vec<_>>()).await;
    map.completed(stages)
}
