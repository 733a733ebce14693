//! Mistakes in the protocol, each of which a simulation has to find.

macro_rules! bugs {
    ($($(#[doc = $what:literal])+ $bug:ident,)*) => {
        /// One mistake in a store that is otherwise right.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Bug {
            $($(#[doc = $what])+ $bug,)*
        }

        impl Bug {
            pub(crate) const ALL: &[Self] = &[$(Self::$bug,)*];
        }
    };
}

bugs! {
    /// A heartbeat counts under any epoch.
    HeartbeatIgnoresEpoch,
    /// A heartbeat renews a lease that lapsed.
    HeartbeatRenewsLapsedLease,
    /// A settlement counts under any epoch.
    SettleIgnoresEpoch,
    /// A settlement counts after its lease lapsed.
    SettleIgnoresLapse,
    /// A rescue leaves the epoch, and a settlement looks at nothing else.
    RescueKeepsEpoch,
    /// A checkpoint may leave any stage.
    CheckpointIgnoresStage,
    /// A checkpoint's stage is written first, and its payload in a step of its own.
    CheckpointInTwoSteps,
    /// Follow-up tasks are inserted in a step of their own.
    FollowUpsInTwoSteps,
    /// A settlement that is refused still inserts its follow-up tasks.
    StaleInsertsFollowUps,
    /// A claim looks for tasks in one step, and leases them in another.
    ClaimInTwoSteps,
    /// A claim charges no attempt.
    ClaimChargesNothing,
    /// A claim charges two attempts.
    ClaimChargesTwice,
    /// A claim does not raise the epoch.
    ClaimKeepsEpoch,
    /// A claim takes tasks that are not due.
    ClaimIgnoresRunAt,
    /// A claim always hands out the input.
    ClaimForgetsCheckpoint,
    /// A retry is due at once.
    RetryIgnoresDelay,
    /// A shutdown charges the attempt it interrupts.
    InterruptCharges,
    /// A snooze charges its attempt.
    SnoozeCharges,
    /// A wish to cancel undoes a completion.
    WishUndoesCompletion,
    /// A wish to cancel is forgotten when the task waits again.
    RetryForgetsWish,
    /// A wish to cancel is forgotten by a rescue.
    RescueForgetsWish,
    /// A rescue gives the attempt back.
    RescueGivesAttemptBack,
    /// A rescue takes live leases.
    RescueTakesLiveLeases,
    /// Nothing is ever rescued.
    NothingIsRescued,
    /// The idempotency key is free again as soon as the task has ended.
    KeyFreedAtTheEnd,
    /// Keys of a batch are not compared with each other.
    KeyIgnoresOwnBatch,
    /// Inserting a task again resets it.
    InsertOverwrites,
    /// A prune takes tasks by their age, in any state.
    PruneTakesLiveTasks,
    /// A prune takes every task that has ended.
    PruneIgnoresRetention,
    /// What is answered is not durable yet.
    AcknowledgesEarly,
    /// A claim looks only if there was news since the last one.
    HintIsTruth,
    /// A completion loses its output.
    CompletionLosesOutput,
    /// A repeated settlement is refused.
    RepetitionIsStale,
}
