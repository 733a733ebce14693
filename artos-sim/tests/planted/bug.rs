//! Mistakes in the protocol, each of which a simulation has to find.

use artos_oracle::Invariant::{
    self, Attempts, Cancels, Ends, EndsOnce, Fenced, Forward, Intact, Kept, NotEarly, OneForKey,
};

macro_rules! bugs {
    ($($(#[doc = $what:literal])+ $bug:ident breaks $invariant:ident,)*) => {
        /// One mistake in a store that is otherwise right.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Bug {
            $($(#[doc = $what])+ $bug,)*
        }

        impl Bug {
            pub(crate) const ALL: &[Self] = &[$(Self::$bug,)*];

            /// Returns the invariant that the mistake breaks first of all.
            pub(crate) const fn breaks(self) -> Invariant {
                match self { $(Self::$bug => $invariant,)* }
            }
        }
    };
}

bugs! {
    /// A heartbeat counts under any epoch.
    HeartbeatIgnoresEpoch breaks Fenced,
    /// A heartbeat renews a lease that lapsed.
    HeartbeatRenewsLapsedLease breaks Fenced,
    /// A settlement counts under any epoch.
    SettleIgnoresEpoch breaks Fenced,
    /// A settlement counts after its lease lapsed.
    SettleIgnoresLapse breaks Fenced,
    /// A rescue leaves the epoch, and a settlement looks at nothing else.
    RescueKeepsEpoch breaks Fenced,
    /// A checkpoint may leave any stage.
    CheckpointIgnoresStage breaks Forward,
    /// A checkpoint's stage is written first, and its payload in a step of its own.
    CheckpointInTwoSteps breaks Intact,
    /// Follow-up tasks are inserted in a step of their own.
    FollowUpsInTwoSteps breaks Kept,
    /// A settlement that is refused still inserts its follow-up tasks.
    StaleInsertsFollowUps breaks Kept,
    /// A claim looks for tasks in one step, and leases them in another.
    ClaimInTwoSteps breaks Fenced,
    /// A claim charges no attempt.
    ClaimChargesNothing breaks Attempts,
    /// A claim charges two attempts.
    ClaimChargesTwice breaks Attempts,
    /// A claim does not raise the epoch.
    ClaimKeepsEpoch breaks Fenced,
    /// A claim takes tasks that are not due.
    ClaimIgnoresRunAt breaks NotEarly,
    /// A claim always hands out the input.
    ClaimForgetsCheckpoint breaks Intact,
    /// A retry is due at once.
    RetryIgnoresDelay breaks NotEarly,
    /// A shutdown charges the attempt it interrupts.
    InterruptCharges breaks Attempts,
    /// A snooze charges its attempt.
    SnoozeCharges breaks Attempts,
    /// A wish to cancel undoes a completion.
    WishUndoesCompletion breaks EndsOnce,
    /// A wish to cancel is forgotten when the task waits again.
    RetryForgetsWish breaks Cancels,
    /// A wish to cancel is forgotten by a rescue.
    RescueForgetsWish breaks Cancels,
    /// A rescue gives the attempt back.
    RescueGivesAttemptBack breaks Attempts,
    /// A rescue takes live leases.
    RescueTakesLiveLeases breaks Fenced,
    /// Nothing is ever rescued.
    NothingIsRescued breaks Ends,
    /// The idempotency key is free again as soon as the task has ended.
    KeyFreedAtTheEnd breaks OneForKey,
    /// Keys of a batch are not compared with each other.
    KeyIgnoresOwnBatch breaks OneForKey,
    /// Inserting a task again resets it.
    InsertOverwrites breaks Fenced,
    /// A prune takes tasks by their age, in any state.
    PruneTakesLiveTasks breaks Kept,
    /// A prune takes every task that has ended.
    PruneIgnoresRetention breaks Kept,
    /// What is answered is not durable yet.
    AcknowledgesEarly breaks Kept,
    /// A claim looks only if there was news since the last one.
    HintIsTruth breaks Ends,
    /// Nobody hears of tasks that wait, in a store that says it loses no hints.
    WaitingWakesNobody breaks Ends,
    /// Nobody hears of leases, in a store that says it loses no hints.
    ClaimWakesNobody breaks Ends,
    /// A completion loses its output.
    CompletionLosesOutput breaks Intact,
    /// A repeated settlement is refused.
    RepetitionIsStale breaks EndsOnce,
    /// Every second look at a record finds it as it was at the first look.
    GetGoesBack breaks Forward,
    /// The output of a task is read from another one.
    OutputIsOfAnother breaks Intact,
    /// A page leaves out the task at its end.
    ListSkips breaks Kept,
    /// A page begins with the task that ended the one before.
    ListRepeats breaks Intact,
    /// A task forgets its deadline.
    InsertForgetsDeadline breaks Intact,
    /// A heartbeat of a lease that is lost is answered as if it were not.
    LossIsHidden breaks Fenced,
    /// A settlement that is refused is answered as if it were not.
    RefusalIsHidden breaks Fenced,
    /// Nobody is ever told that a task has ended, and reading it says that it runs.
    EndIsHidden breaks Ends,
}
