//! What a case plays with: one empty store, and short ways to use it.

use std::{sync::Arc, time::Duration};

use artos_core::{
    Random, Timestamp,
    model::{
        Filter, Lease, ListOrder, ListQuery, Name, NewTask, Outcome, Page, Progress, Retention,
        Settlement, TaskId, TaskRecord, TaskState, WorkerId,
    },
    store::{
        Beat, Claim, Claimed, Claims, Found, Inserted, Part, Pulse, Settled, StoreResult, TaskStore,
    },
};
use bytes::Bytes;

use crate::{
    harness::{Harness, HarnessFactory},
    outcomes::{HOUR, MINUTE, advance, complete, fail, settlement},
};

/// Every claim of a case leases for this long, unless it says otherwise.
pub(crate) const LEASE: Duration = HOUR;

pub(crate) const QUEUE: &str = "default";

/// One empty store.
#[derive(Clone)]
pub(crate) struct World {
    harness: Arc<dyn Harness>,
    pub(crate) store: Arc<dyn TaskStore>,
    random: Arc<Random>,
}

impl World {
    pub(crate) async fn open(factory: &HarnessFactory) -> Self {
        let harness = factory.open().await;
        Self { store: harness.store(), harness, random: Arc::new(Random::from_entropy()) }
    }

    pub(crate) fn frozen_time(&self) -> Option<Timestamp> {
        self.harness.frozen_time()
    }

    pub(crate) async fn advance(&self, by: Duration) {
        self.harness.advance(by).await;
    }

    pub(crate) async fn set_back(&self, by: Duration) {
        self.harness.set_back(by).await;
    }

    /// Lets every lease lapse.
    pub(crate) async fn lapse(&self) {
        self.advance(LEASE + MINUTE).await;
    }

    /// Returns an id that sorts after all ids before.
    pub(crate) fn new_id(&self) -> TaskId {
        self.random.task_id(Timestamp::from_micros(1_767_225_600_000_000))
    }

    pub(crate) fn new_worker(&self) -> WorkerId {
        self.random.worker_id()
    }

    /// Returns a task with a new id and nothing special about it.
    pub(crate) fn task(&self) -> NewTask {
        NewTask::new(self.new_id(), "report.generate", QUEUE, r#"{"source":"a"}"#)
    }

    /// Returns a task that carries an idempotency key.
    pub(crate) fn keyed(&self, key: &str) -> NewTask {
        NewTask { idempotency_key: Some(Name::from(key)), ..self.task() }
    }

    pub(crate) async fn insert(&self, task: &NewTask) -> Inserted {
        let answers = self.insert_all(std::slice::from_ref(task)).await;
        assert_eq!(answers.len(), 1, "one task was inserted");
        answers.into_iter().next().unwrap()
    }

    pub(crate) async fn insert_all(&self, tasks: &[NewTask]) -> Vec<Inserted> {
        ok(self.store.insert(tasks).await)
    }

    /// Inserts a task and returns its id.
    pub(crate) async fn insert_new(&self) -> TaskId {
        let task = self.task();
        assert_eq!(self.insert(&task).await, Inserted::Created);
        task.id
    }

    /// Inserts a task that must not have been there.
    pub(crate) async fn created(&self, task: &NewTask) {
        assert_eq!(self.insert(task).await, Inserted::Created);
    }

    pub(crate) fn claim_request(&self, limit: usize) -> Claim {
        Claim {
            queue: Name::from_static(QUEUE),
            worker: self.new_worker(),
            limit,
            lease_for: LEASE,
        }
    }

    pub(crate) async fn claims(&self, request: &Claim) -> Claims {
        ok(self.store.claim(request).await)
    }

    /// Claims as a worker of its own.
    pub(crate) async fn claim(&self, limit: usize) -> Vec<Claimed> {
        self.claims(&self.claim_request(limit)).await.tasks
    }

    pub(crate) async fn claim_ids(&self, limit: usize) -> Vec<TaskId> {
        let claimed = self.claim(limit).await;
        claimed.iter().map(|task| task.record.id).collect()
    }

    /// Claims the next task, which must exist.
    pub(crate) async fn claim_one(&self) -> Claimed {
        let mut claimed = self.claim(1).await;
        assert_eq!(claimed.len(), 1, "a task was due, and one was asked for");
        claimed.remove(0)
    }

    /// Returns the lease of a new task.
    pub(crate) async fn run_new(&self) -> Lease {
        self.run(&self.task()).await
    }

    /// Inserts and claims a task.
    pub(crate) async fn run(&self, task: &NewTask) -> Lease {
        self.created(task).await;
        let claimed = self.claim_one().await;
        assert_eq!(claimed.record.id, task.id, "no other task was due");
        claimed.record.lease_token()
    }

    pub(crate) async fn settle(&self, lease: Lease, outcome: Outcome) -> Settled {
        self.settle_item(settlement(lease, outcome)).await
    }

    pub(crate) async fn settle_item(&self, item: Settlement) -> Settled {
        let answers = self.settle_all(&[item]).await;
        assert_eq!(answers.len(), 1, "one attempt was settled");
        answers[0]
    }

    pub(crate) async fn settle_all(&self, items: &[Settlement]) -> Vec<Settled> {
        ok(self.store.settle(items).await)
    }

    pub(crate) async fn beat(&self, lease: Lease, progress: Option<Progress>) -> Pulse {
        let beats = [Beat { lease, progress }];
        let answers = ok(self.store.heartbeat(LEASE, &beats).await);
        assert_eq!(answers.len(), 1, "one lease had a heartbeat");
        answers[0]
    }

    pub(crate) async fn find(&self, id: TaskId, part: Part) -> Option<Found> {
        ok(self.store.get(id, part).await)
    }

    pub(crate) async fn exists(&self, id: TaskId) -> bool {
        self.find(id, Part::Record).await.is_some()
    }

    pub(crate) async fn record(&self, id: TaskId) -> TaskRecord {
        let found = self.find(id, Part::Record).await;
        found.expect("the task is in the store").record
    }

    pub(crate) async fn state(&self, id: TaskId) -> TaskState {
        self.record(id).await.state
    }

    pub(crate) async fn payload(&self, id: TaskId, part: Part) -> Option<Bytes> {
        let found = self.find(id, part).await;
        found.expect("the task is in the store").payload
    }

    /// Makes a task that ended in `state`.
    pub(crate) async fn ended(&self, state: TaskState) -> TaskId {
        self.end(&self.task(), state).await
    }

    /// Inserts a task and brings it to a terminal state.
    pub(crate) async fn end(&self, task: &NewTask, state: TaskState) -> TaskId {
        self.created(task).await;
        if state == TaskState::Cancelled {
            ok(self.store.cancel(task.id).await);
        } else {
            let request = Claim { queue: task.queue.clone(), ..self.claim_request(1) };
            let claimed = self.claims(&request).await.tasks;
            assert_eq!(claimed[0].record.id, task.id, "no other task was due");
            let outcome = match state {
                TaskState::Failed => fail(),
                _ => complete("\"output\""),
            };
            self.settle(claimed[0].record.lease_token(), outcome).await;
        }
        assert_eq!(self.state(task.id).await, state);
        task.id
    }

    /// Makes a running task that is at its second stage, and returns its lease.
    pub(crate) async fn run_second_stage(&self) -> Lease {
        let lease = self.run_new().await;
        let settled = self.settle(lease, advance("second", "\"first\"")).await;
        assert_eq!(settled, Settled::Applied(TaskState::Running));
        lease
    }

    pub(crate) async fn prune(&self, retention: &Retention, limit: usize) -> usize {
        ok(self.store.prune(retention, limit).await).count
    }

    pub(crate) async fn rescue_ids(&self, limit: usize) -> Vec<TaskId> {
        ok(self.store.rescue(limit).await).tasks
    }

    pub(crate) async fn page(&self, query: &ListQuery) -> Page {
        ok(self.store.list(query).await)
    }

    /// Follows the cursor to the end of a listing.
    pub(crate) async fn drain(&self, mut query: ListQuery) -> Vec<TaskRecord> {
        let mut tasks = Vec::new();
        loop {
            let page = self.page(&query).await;
            assert!(page.tasks.len() <= query.limit, "a page is within its limit");
            tasks.extend(page.tasks);
            assert!(tasks.len() < 100_000, "a listing comes to its end");
            match page.next {
                Some(next) => {
                    assert_ne!(query.cursor, Some(next), "a cursor moves on");
                    query.cursor = Some(next);
                }
                None => return tasks,
            }
        }
    }

    /// Lists all ids that match, the oldest first.
    pub(crate) async fn matching(&self, filter: Filter) -> Vec<TaskId> {
        let query = ListQuery { filter, order: ListOrder::OldestFirst, ..ListQuery::default() };
        let records = self.drain(query).await;
        records.iter().map(|record| record.id).collect()
    }

    /// Lists everything there is, with all payloads.
    pub(crate) async fn snapshot(&self) -> Vec<(TaskRecord, [Option<Bytes>; 3])> {
        let mut snapshot = Vec::new();
        for id in self.matching(Filter::default()).await {
            let record = self.record(id).await;
            let payloads = [
                self.payload(id, Part::Input).await,
                self.payload(id, Part::Checkpoint).await,
                self.payload(id, Part::Output).await,
            ];
            snapshot.push((record, payloads));
        }
        snapshot
    }
}

/// Unwraps a store's answer: the suite runs against a healthy store.
#[track_caller]
pub(crate) fn ok<T>(answer: StoreResult<T>) -> T {
    match answer {
        Ok(answer) => answer,
        Err(error) => panic!("the store must not fail here: {error}"),
    }
}
