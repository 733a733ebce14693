//! What runs, and that nothing of it is left when it is over.

use std::{
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    attempt::CurrentAttempt,
    running::{Execution, Running, StopReason},
};
use crate::{
    StageContext, Timestamp,
    follow_ups::FollowUps,
    machine,
    model::{Name, NewTask, TaskId},
    signals::SignalHub,
    stage_context::Attempt,
};

/// An execution whose attempt is under way, with so much time: the two know each other.
fn execution_for(time: Duration) -> Arc<Execution> {
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
        deadline: now + time,
        signals: Arc::<Execution>::clone(&execution),
        cancellation: OnceLock::new(),
        follow_ups: Mutex::new(FollowUps::after(id)),
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
    let execution = execution_for(Duration::ZERO);
    let left = Arc::downgrade(&execution);
    running.add(vec![Arc::clone(&execution)]);
    running.remove([execution.as_ref()].into_iter());
    assert_eq!(running.len(), 0);
    drop(execution);
    assert!(left.upgrade().is_none(), "it keeps itself");
}

#[test]
fn the_first_reason_to_stop_stands_unless_the_lease_is_lost() {
    let execution = execution_for(Duration::ZERO);
    assert_eq!(execution.stop_reason(), None);
    for (reason, stands) in [
        (StopReason::CancelRequested, StopReason::CancelRequested),
        (StopReason::Shutdown, StopReason::CancelRequested),
        (StopReason::LeaseLost, StopReason::LeaseLost),
        (StopReason::Shutdown, StopReason::LeaseLost),
    ] {
        execution.stop(reason);
        assert_eq!(execution.stop_reason(), Some(stands), "after {reason:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_is_overdue_a_grace_after_it_should_have_ended() {
    const SECOND: Duration = Duration::from_secs(1);
    let began = Instant::now();
    // Told to stop after 10 seconds, it has its grace to do so, and once more to yield.
    for (told_after, overdue_after) in [(None, 60 + 5), (Some(10), 10 + 5 + 5), (Some(58), 65)] {
        let execution = execution_for(60 * SECOND - began.elapsed());
        if let Some(seconds) = told_after {
            tokio::time::advance(seconds * SECOND - began.elapsed()).await;
            execution.stop(StopReason::Shutdown);
        }
        let due = began + overdue_after * SECOND;
        assert!(execution.end_overdue(due - SECOND / 1_000, 5 * SECOND).is_none());
        assert!(execution.end_overdue(due, 5 * SECOND).is_some(), "{told_after:?}");
    }
}
