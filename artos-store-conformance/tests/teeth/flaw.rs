//! Mistakes that people make when they write a store.

macro_rules! flaws {
    ($($(#[doc = $what:literal])+ $flaw:ident,)*) => {
        /// One mistake in a store that is otherwise right.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Flaw {
            $($(#[doc = $what])+ $flaw,)*
        }

        impl Flaw {
            pub(crate) const ALL: &[Self] = &[$(Self::$flaw,)*];
        }
    };
}

flaws! {
    /// A heartbeat counts under any epoch.
    HeartbeatIgnoresEpoch,
    /// A heartbeat revives a lapsed lease.
    HeartbeatIgnoresLapse,
    /// A heartbeat that is lost still leaves its progress.
    LostHeartbeatLeavesProgress,
    /// A heartbeat without news raises the revision.
    HeartbeatRaisesRevision,
    /// Progress carries the worker's time.
    ProgressKeepsWorkersTime,
    /// The worker is never told of a wish to cancel.
    HeartbeatHidesWish,
    /// A write counts for whoever has the name of the worker that runs the task.
    FencesByWorker,
    /// An outcome counts under any epoch: "if it is running".
    SettleIgnoresEpoch,
    /// An outcome counts after the lease lapsed.
    SettleIgnoresLapse,
    /// A checkpoint may leave any stage.
    CheckpointIgnoresStage,
    /// The same settlement sent again is refused.
    RepetitionIsStale,
    /// The same settlement sent again inserts its follow-ups again.
    RepetitionInsertsFollowUps,
    /// The same settlement sent again writes its payload again.
    RepetitionOverwritesPayload,
    /// Follow-ups are inserted although the outcome was refused.
    StaleInsertsFollowUps,
    /// Only a completion inserts follow-ups.
    FollowUpsOnlyOnCompletion,
    /// Follow-ups are not checked for keys.
    FollowUpsIgnoreKeys,
    /// Follow-ups are inserted after the outcome, in a step of their own.
    FollowUpsInAStepOfTheirOwn,
    /// One stale item makes the rest of the batch stale.
    StaleItemEndsTheBatch,
    /// A claim ignores priorities.
    ClaimIgnoresPriority,
    /// A claim orders by id alone within a priority.
    ClaimIgnoresOrderOfTime,
    /// A claim takes tasks that are not due.
    ClaimIgnoresRunAt,
    /// A claim takes from any queue.
    ClaimIgnoresQueue,
    /// A claim takes one too many.
    ClaimExceedsLimit,
    /// A claim takes lapsed tasks without a rescue.
    ClaimTakesLapsed,
    /// A claim looks for tasks in one step and leases them in another.
    ClaimInTwoSteps,
    /// A worker that claims is taken for one that was restarted, and loses what it runs.
    ClaimEndsOlderLeasesOfItsWorker,
    /// A task that is tried again waits for the worker that had it.
    RetryBelongsToItsWorker,
    /// A claim always hands out the input.
    ClaimForgetsCheckpoint,
    /// A claim charges no attempt.
    ClaimChargesNothing,
    /// A claim returns the record as it was before.
    ClaimReturnsOldRecord,
    /// Tasks for later are not announced.
    NextDueIgnoresLaterTasks,
    /// A retry is due at once.
    RetryIgnoresDelay,
    /// A snooze costs an attempt.
    SnoozeCharges,
    /// An interrupt costs an attempt.
    InterruptCharges,
    /// An advance keeps counting attempts.
    AdvanceKeepsAttempts,
    /// Completing loses the output.
    CompletionLosesOutput,
    /// Completing keeps the checkpoint.
    CompletionKeepsCheckpoint,
    /// Failing drops the checkpoint.
    FailureDropsCheckpoint,
    /// A wish to cancel undoes a completion.
    WishUndoesCompletion,
    /// A wish to cancel is forgotten when the task waits again.
    RetryForgetsWish,
    /// Cancelling a running task ends it at once.
    CancelEndsRunningTask,
    /// Cancelling changes a terminal task.
    CancelChangesTerminalTask,
    /// A rescue does not raise the epoch.
    RescueKeepsEpoch,
    /// A rescue forgets a wish to cancel.
    RescueForgetsWish,
    /// A rescue gives the attempt back.
    RescueGivesAttemptBack,
    /// A rescue takes what changed in the future, for no worker can have done that.
    RescueDistrustsTheClock,
    /// A rescue takes live leases, too.
    RescueTakesLiveLeases,
    /// A rescue takes all it finds.
    RescueIgnoresLimit,
    /// A rescue does not say when the next one is needed.
    RescueHidesNext,
    /// A prune does not say when the next task may go.
    PruneHidesNext,
    /// Workers hear of a task before they can claim it.
    WakesBeforeTheTask,
    /// A claim wakes nobody, in a store that says it loses no hints.
    ClaimWakesNobody,
    /// A prune takes tasks by their age, in any state.
    PruneTakesLiveTasks,
    /// A prune takes all it finds.
    PruneIgnoresLimit,
    /// A prune knows one retention only.
    PruneKnowsOneRetention,
    /// A prune takes the distance between two times for an age.
    PruneForgetsTheSign,
    /// A pruned task keeps its idempotency key.
    PruneKeepsKey,
    /// A key counts for all tenants together.
    KeyIgnoresTenant,
    /// A key counts for all kinds together.
    KeyIgnoresKind,
    /// A terminal task frees its key.
    KeyFreedAtTheEnd,
    /// Keys of one batch are checked only against what was there before it.
    KeyIgnoresOwnBatch,
    /// Any input is taken for the same.
    InputNotCompared,
    /// A task can be seen before its input is there.
    InsertInTwoSteps,
    /// Inserting again overwrites.
    InsertOverwrites,
    /// A page begins with the last task of the page before.
    CursorRepeatsTask,
    /// A cursor counts tasks instead of naming one.
    CursorCountsTasks,
    /// A listing ignores the tenant.
    ListIgnoresTenant,
    /// A listing wants any of the labels.
    ListWantsAnyLabel,
    /// A listing always has the newest first.
    ListIgnoresOrder,
    /// Counts are those of the page.
    CountsOfPageOnly,
    /// Payloads end after 64 KiB.
    PayloadIsCutOff,
    /// Payloads are text, and lose what is none.
    PayloadIsText,
    /// A rescue wakes nobody.
    RescueWakesNobody,
    /// A task that waits again wakes nobody.
    WaitingWakesNobody,
    /// Those who wait are woken before the change.
    WakesBeforeTheChange,
}
