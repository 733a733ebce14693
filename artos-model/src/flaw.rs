//! Rules that can be broken, to see that the model notices.

/// A rule that is broken on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flaw {
    /// A settlement counts under any epoch.
    SettleIgnoresEpoch,
    /// A settlement counts after the lease lapsed.
    SettleIgnoresLapse,
    /// A heartbeat counts under any epoch.
    BeatIgnoresEpoch,
    /// A heartbeat revives a lease that lapsed.
    BeatIgnoresLapse,
    /// A claim takes a task that somebody runs.
    ClaimTakesRunning,
    /// A claim charges no attempt.
    ClaimChargesNothing,
    /// A rescue forgets that somebody wants the task cancelled.
    RescueForgetsWish,
    /// A retry forgets that somebody wants the task cancelled.
    RetryForgetsWish,
    /// A settlement that arrives twice is refused the second time.
    RepetitionIsRefused,
    /// A cancel changes a task that has ended.
    CancelChangesTheEnd,
    /// A lease that lapsed is never rescued.
    RescueSleeps,
}

impl Flaw {
    /// All flaws.
    pub const ALL: [Self; 11] = [
        Self::SettleIgnoresEpoch,
        Self::SettleIgnoresLapse,
        Self::BeatIgnoresEpoch,
        Self::BeatIgnoresLapse,
        Self::ClaimTakesRunning,
        Self::ClaimChargesNothing,
        Self::RescueForgetsWish,
        Self::RetryForgetsWish,
        Self::RepetitionIsRefused,
        Self::CancelChangesTheEnd,
        Self::RescueSleeps,
    ];
}
