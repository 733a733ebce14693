//! Mistakes in the protocol, to see that the model notices.

use crate::rules::Rule;

/// A mistake that is made on purpose.
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
    /// A claim does not raise the epoch.
    ClaimKeepsEpoch,
    /// A claim charges no attempt.
    ClaimChargesNothing,
    /// A snooze costs an attempt.
    SnoozeCharges,
    /// A shutdown costs an attempt.
    InterruptCharges,
    /// A rescue forgets that somebody wants the task cancelled.
    RescueForgetsWish,
    /// A retry forgets that somebody wants the task cancelled.
    RetryForgetsWish,
    /// A settlement that arrives twice is refused the second time.
    RepetitionIsRefused,
    /// A checkpoint that arrives twice is written twice.
    RepetitionWritesAgain,
    /// A checkpoint may leave any stage.
    CheckpointIgnoresStage,
    /// A cancel changes a task that has ended.
    CancelChangesTheEnd,
    /// A lease that lapsed is never rescued.
    RescueSleeps,
}

impl Flaw {
    /// All flaws.
    pub const ALL: [Self; 16] = [
        Self::SettleIgnoresEpoch,
        Self::SettleIgnoresLapse,
        Self::BeatIgnoresEpoch,
        Self::BeatIgnoresLapse,
        Self::ClaimTakesRunning,
        Self::ClaimKeepsEpoch,
        Self::ClaimChargesNothing,
        Self::SnoozeCharges,
        Self::InterruptCharges,
        Self::RescueForgetsWish,
        Self::RetryForgetsWish,
        Self::RepetitionIsRefused,
        Self::RepetitionWritesAgain,
        Self::CheckpointIgnoresStage,
        Self::CancelChangesTheEnd,
        Self::RescueSleeps,
    ];

    /// Which rules it breaks, whatever else it does.
    #[must_use]
    pub const fn breaks(self) -> &'static [Rule] {
        match self {
            Self::SettleIgnoresEpoch
            | Self::SettleIgnoresLapse
            | Self::BeatIgnoresEpoch
            | Self::BeatIgnoresLapse => &[Rule::Fence],
            Self::ClaimTakesRunning => &[Rule::Lease],
            Self::ClaimKeepsEpoch => &[Rule::One],
            Self::ClaimChargesNothing => &[Rule::Attempts, Rule::Charge],
            Self::SnoozeCharges | Self::InterruptCharges => &[Rule::Charge],
            Self::RescueForgetsWish | Self::RetryForgetsWish => &[Rule::Wish],
            Self::RepetitionIsRefused => &[Rule::Answer],
            Self::RepetitionWritesAgain | Self::CheckpointIgnoresStage => &[Rule::Checkpoint],
            Self::CancelChangesTheEnd => &[Rule::End],
            Self::RescueSleeps => &[Rule::Ends],
        }
    }
}
