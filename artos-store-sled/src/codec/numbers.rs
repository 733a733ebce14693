//! The numbers by which states, outcomes and causes are stored. A number is never used again.

use artos_core::model::{FailureCause, OutcomeKind, TaskState};

use super::Malformed;

pub(super) const fn of_state(state: TaskState) -> u8 {
    match state {
        TaskState::Pending => 0,
        TaskState::Running => 1,
        TaskState::Completed => 2,
        TaskState::Failed => 3,
        TaskState::Cancelled => 4,
    }
}

pub(super) fn to_state(number: u8) -> Result<TaskState, Malformed> {
    let state = TaskState::ALL.into_iter().find(|state| of_state(*state) == number);
    state.ok_or(Malformed("an unknown state"))
}

pub(super) const fn of_outcome(outcome: OutcomeKind) -> u8 {
    match outcome {
        OutcomeKind::Advance => 0,
        OutcomeKind::Complete => 1,
        OutcomeKind::Retry => 2,
        OutcomeKind::Snooze => 3,
        OutcomeKind::Fail => 4,
        OutcomeKind::Cancel => 5,
        OutcomeKind::Interrupt => 6,
    }
}

pub(super) fn to_outcome(number: u8) -> Result<OutcomeKind, Malformed> {
    let outcome = OutcomeKind::ALL.into_iter().find(|outcome| of_outcome(*outcome) == number);
    outcome.ok_or(Malformed("an unknown outcome"))
}

pub(super) const fn of_cause(cause: FailureCause) -> u8 {
    match cause {
        FailureCause::Error => 0,
        FailureCause::Fatal => 1,
        FailureCause::Panic => 2,
        FailureCause::Timeout => 3,
        FailureCause::LeaseLost => 4,
        FailureCause::Undecodable => 5,
        FailureCause::Unstorable => 6,
        FailureCause::UnknownKind => 7,
        FailureCause::UnknownStage => 8,
        FailureCause::NeverFinished => 9,
        FailureCause::Expired => 10,
    }
}

pub(super) fn to_cause(number: u8) -> Result<FailureCause, Malformed> {
    let cause = FailureCause::ALL.into_iter().find(|cause| of_cause(*cause) == number);
    cause.ok_or(Malformed("an unknown cause of failure"))
}
