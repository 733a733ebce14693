//! The numbers that states, outcomes and causes have in the database. They never change.

use artos_core::model::{FailureCause, OutcomeKind, TaskState};

/// What has a number in the database.
pub(crate) trait Numbered: Copy + PartialEq + 'static {
    /// All of them, each at its number.
    const ALL: &'static [Self];
    /// What a number stands for, in words.
    const WHAT: &'static str;

    fn number(self) -> i16 {
        let position = Self::ALL.iter().position(|one| *one == self);
        position.and_then(|position| i16::try_from(position).ok()).unwrap_or(-1)
    }

    fn of(number: i16) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }
}

impl Numbered for TaskState {
    const ALL: &'static [Self] =
        &[Self::Pending, Self::Running, Self::Completed, Self::Failed, Self::Cancelled];
    const WHAT: &'static str = "state";
}

impl Numbered for OutcomeKind {
    const ALL: &'static [Self] = &[
        Self::Advance,
        Self::Complete,
        Self::Retry,
        Self::Snooze,
        Self::Fail,
        Self::Cancel,
        Self::Interrupt,
    ];
    const WHAT: &'static str = "outcome";
}

impl Numbered for FailureCause {
    const ALL: &'static [Self] = &[
        Self::Error,
        Self::Fatal,
        Self::Panic,
        Self::Timeout,
        Self::LeaseLost,
        Self::Undecodable,
        Self::Unstorable,
        Self::UnknownKind,
        Self::UnknownStage,
        Self::NeverFinished,
        Self::Expired,
    ];
    const WHAT: &'static str = "cause of failure";
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_have_numbers<T: Numbered + std::fmt::Debug>(all: &[T]) {
        for one in all {
            assert_eq!(T::of(one.number()), Some(*one));
        }
        assert_eq!(T::ALL.len(), all.len());
        assert_eq!(T::of(-1), None);
    }

    #[test]
    fn everything_has_a_number_of_its_own() {
        all_have_numbers(&TaskState::ALL);
        all_have_numbers(&OutcomeKind::ALL);
        all_have_numbers(&FailureCause::ALL);
    }
}
