//! What runs, and that nothing of it is left when it is over.

use std::sync::{Arc, Mutex, OnceLock};

use tokio::time::Instant;

use super::{
    attempt::CurrentAttempt,
    running::{Execution, Running},
};
use crate::{
    StageContext, Timestamp, machine,
    model::{Name, NewTask, TaskId},
    signals::SignalHub,
    stage_context::Attempt,
};

/// An execution whose attempt is under way: the two know each other.
fn execution() -> Arc<Execution> {
    let id = TaskId::from_uuid(uuid::Uuid::from_u128(1));
    let record = machine::insert(&NewTask::new(id, "kind", "default", "{}"), Timestamp::MIN);
    let now = Instant::now();
    let hub = Arc::new(SignalHub::default());
    let execution =
        Arc::new(Execution::new(record.lease_token(), record.kind.clone(), now, 0, &hub));
    let context = StageContext::new(Attempt {
        record: Box::new(record),
        stage: Name::from_static("stage"),
        stage_number: 1,
        stage_count: 1,
        deadline: now,
        signals: Arc::<Execution>::clone(&execution),
        cancellation: OnceLock::new(),
        follow_ups: Mutex::default(),
    });
    let stored_stage = None;
    execution.begin(CurrentAttempt {
        stored_stage,
        next: None,
        context,
        started: now,
        expires: false,
    });
    execution
}

#[test]
fn nothing_is_left_of_an_execution_that_was_cut_off() {
    let running = Running::new([1].into_iter());
    let execution = execution();
    let left = Arc::downgrade(&execution);
    running.add(vec![Arc::clone(&execution)]);
    running.remove([execution.as_ref()].into_iter());
    assert_eq!(running.len(), 0);
    drop(execution);
    assert!(left.upgrade().is_none(), "it keeps itself");
}
