//! A task as the model keeps it: what the machine decides by, in a few bytes.
//!
//! A row becomes a record before each step and is read back after it, so every step is the
//! machine's. Times are ticks from now; what is past is zero, which is all the machine can see.

use std::time::Duration;

use artos_core::{
    Timestamp,
    machine::{self, Applied, Cancelled},
    model::{
        Checkpoint, Epoch, Failure, FailureCause, Labels, Lease, LeaseHolder, Name, NewTask,
        Outcome, OutcomeKind, Progress, TaskId, TaskRecord, TaskState, WorkerId,
    },
};
use bytes::Bytes;
use uuid::Uuid;

use crate::flaw::Flaw;

/// How many ticks a lease lasts: two, so that a heartbeat is worth something.
pub(crate) const LEASE: u8 = 2;
/// How many ticks a task waits after a failed attempt or a snooze.
pub(crate) const BACKOFF: u8 = 1;

const TICK: Duration = Duration::from_secs(1);
/// Now, as the machine sees it, always.
const NOW: Timestamp = Timestamp::from_micros(1_000_000_000);
/// The names of the stages; the first is no checkpoint.
const STAGES: [&str; 3] = ["first", "second", "third"];

/// A task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    pub(crate) state: TaskState,
    pub(crate) stage: u8,
    pub(crate) attempt: u8,
    pub(crate) interrupts: u8,
    pub(crate) epoch: u8,
    /// Ticks until it may be claimed.
    pub(crate) wait: u8,
    /// Ticks until its lease ends; whose that is, the epoch says.
    pub(crate) lease: Option<u8>,
    pub(crate) settled_by: Option<OutcomeKind>,
    pub(crate) cancel_requested: bool,
}

fn ticks(count: u8) -> Duration {
    TICK * u32::from(count)
}

fn ticks_until(time: Timestamp) -> u8 {
    u8::try_from(time.since(NOW).as_secs()).unwrap_or(u8::MAX)
}

fn small<N: TryInto<u8>>(number: N) -> u8 {
    number.try_into().unwrap_or(u8::MAX)
}

fn stage_name(stage: u8) -> Name {
    Name::from_static(STAGES.get(usize::from(stage)).copied().unwrap_or("beyond"))
}

fn failure() -> Failure {
    let message = String::new();
    Failure { cause: FailureCause::Error, stage: None, attempt: 1, message, at: NOW }
}

impl Row {
    /// The one task there is, as far as the machine is concerned: tasks do not know each other.
    fn id() -> TaskId {
        TaskId::from_uuid(Uuid::from_u128(1))
    }

    /// The name of whoever has it: the machine never asks for it.
    fn worker() -> WorkerId {
        WorkerId::from_uuid(Uuid::from_u128(1))
    }

    pub(crate) fn inserted() -> Self {
        let task = NewTask::new(Self::id(), "kind", "queue", "");
        Self::of(&machine::insert(&task, NOW))
    }

    fn of(record: &TaskRecord) -> Self {
        let stage = record.stage.as_ref();
        let stage = stage.and_then(|stage| STAGES.iter().position(|name| *name == &**stage));
        Self {
            state: record.state,
            stage: small(stage.unwrap_or(0)),
            attempt: small(record.attempt),
            interrupts: small(record.interrupts),
            epoch: small(record.epoch.0),
            wait: if record.state == TaskState::Pending { ticks_until(record.run_at) } else { 0 },
            lease: record.lease.map(|holder| ticks_until(holder.expires_at)),
            settled_by: record.settled_by,
            cancel_requested: record.cancel_requested,
        }
    }

    fn record(self) -> TaskRecord {
        TaskRecord {
            id: Self::id(),
            kind: Name::from_static("kind"),
            queue: Name::from_static("queue"),
            priority: 0,
            tenant: None,
            labels: Labels::new(),
            idempotency_key: None,
            retry_of: None,
            created_at: NOW,
            expires_at: None,
            state: self.state,
            stage: (self.stage > 0).then(|| stage_name(self.stage)),
            stage_entered_at: NOW,
            attempt: u32::from(self.attempt),
            // How often is for workers to count; the machine never asks for it.
            snoozes: 0,
            interrupts: u32::from(self.interrupts),
            run_at: NOW + ticks(self.wait),
            epoch: Epoch(u64::from(self.epoch)),
            lease: self
                .lease
                .map(|left| LeaseHolder { worker: Self::worker(), expires_at: NOW + ticks(left) }),
            settled_by: self.settled_by,
            cancel_requested: self.cancel_requested,
            progress: None,
            failure: None,
            revision: 1,
            started_at: None,
            updated_at: NOW,
            finished_at: None,
        }
    }

    /// Lets the machine do something to this task.
    fn step<T>(&mut self, step: impl FnOnce(&mut TaskRecord) -> T) -> T {
        let mut record = self.record();
        let answer = step(&mut record);
        *self = Self::of(&record);
        answer
    }

    pub(crate) fn tick(&mut self) {
        self.wait = self.wait.saturating_sub(1);
        if let Some(left) = &mut self.lease {
            *left = left.saturating_sub(1);
        }
    }

    pub(crate) fn is_live(&self, epoch: u8) -> bool {
        self.state == TaskState::Running
            && self.epoch == epoch
            && self.lease.is_some_and(|left| left > 0)
    }

    pub(crate) fn claim(&mut self, flaw: Option<Flaw>) -> bool {
        let before = *self;
        if flaw == Some(Flaw::ClaimTakesRunning) && self.state == TaskState::Running {
            self.state = TaskState::Pending;
        }
        let claim = |record: &mut TaskRecord| {
            machine::claim(record, Self::worker(), ticks(LEASE), NOW).is_ok()
        };
        let claimed = self.step(claim);
        match flaw {
            _ if !claimed => {}
            Some(Flaw::ClaimKeepsEpoch) => self.epoch = before.epoch,
            Some(Flaw::ClaimChargesNothing) => self.attempt = before.attempt.max(1),
            _ => {}
        }
        claimed
    }

    /// Extends a lease; the answer says whether a cancel is wanted, or nothing if it is lost.
    pub(crate) fn beat(&mut self, epoch: u8, flaw: Option<Flaw>) -> Option<bool> {
        let before = *self;
        let lease = self.shown(epoch, flaw == Some(Flaw::BeatIgnoresEpoch));
        if flaw == Some(Flaw::BeatIgnoresLapse) {
            self.revive();
        }
        let beat = |record: &mut TaskRecord| {
            machine::heartbeat(record, lease, ticks(LEASE), None, NOW).ok()
        };
        let bent = *self != before;
        let answer = self.step(beat);
        if bent && answer.is_none() {
            // A flaw that was of no use leaves no trace.
            *self = before;
        }
        answer
    }

    pub(crate) fn settle(
        &mut self,
        epoch: u8,
        kind: OutcomeKind,
        from: u8,
        flaw: Option<Flaw>,
    ) -> Option<Applied> {
        let before = *self;
        let lease = self.shown(epoch, flaw == Some(Flaw::SettleIgnoresEpoch));
        if let Some(flaw) = flaw {
            self.bend(kind, from, flaw);
        }
        let bent = *self != before;
        let settle = |record: &mut TaskRecord| {
            machine::settle(record, lease, &outcome(kind, from), NOW).ok()
        };
        let applied = self.step(settle);
        if applied != Some(Applied::Now) {
            if bent {
                // A flaw that was of no use leaves no trace.
                *self = before;
            }
            return applied;
        }
        let charges = match flaw {
            Some(Flaw::SnoozeCharges) => kind == OutcomeKind::Snooze,
            Some(Flaw::InterruptCharges) => kind == OutcomeKind::Interrupt,
            _ => false,
        };
        if charges {
            self.attempt = before.attempt;
        }
        applied
    }

    /// Becomes what a store that has a flaw takes this task for when a settlement arrives.
    fn bend(&mut self, kind: OutcomeKind, from: u8, flaw: Flaw) {
        let is_repeated = self.settled_by == Some(kind) && self.stage == from + 1;
        match (flaw, kind) {
            (Flaw::SettleIgnoresLapse, _) => self.revive(),
            (Flaw::RepetitionIsRefused, _) => self.settled_by = None,
            (Flaw::RepetitionWritesAgain, OutcomeKind::Advance) if is_repeated => self.stage = from,
            (Flaw::CheckpointIgnoresStage, OutcomeKind::Advance) if !is_repeated => {
                self.stage = from;
            }
            (Flaw::RetryForgetsWish, OutcomeKind::Retry) => self.cancel_requested = false,
            _ => {}
        }
    }

    pub(crate) fn cancel(&mut self, flaw: Option<Flaw>) -> Cancelled {
        if flaw == Some(Flaw::CancelChangesTheEnd) && self.state == TaskState::Failed {
            self.state = TaskState::Pending;
        }
        self.step(|record| machine::cancel(record, NOW))
    }

    pub(crate) fn rescue(&mut self, flaw: Option<Flaw>) -> bool {
        if flaw == Some(Flaw::RescueSleeps) {
            return false;
        }
        let wished = self.cancel_requested;
        self.cancel_requested &= flaw != Some(Flaw::RescueForgetsWish);
        let rescued = self.step(|record| machine::rescue(record, NOW));
        if !rescued {
            self.cancel_requested = wished;
        }
        rescued
    }

    /// The lease that is shown to the machine.
    fn shown(&self, epoch: u8, ignores_epoch: bool) -> Lease {
        let epoch = if ignores_epoch { self.epoch } else { epoch };
        Lease { task_id: Self::id(), epoch: Epoch(u64::from(epoch)) }
    }

    /// Gives a lapsed lease another tick.
    fn revive(&mut self) {
        if let Some(left) = &mut self.lease {
            *left = (*left).max(1);
        }
    }
}

fn outcome(kind: OutcomeKind, from: u8) -> Outcome {
    match kind {
        OutcomeKind::Advance => Outcome::Advance(Checkpoint {
            from: (from > 0).then(|| stage_name(from)),
            stage: stage_name(from + 1),
            payload: Bytes::new(),
            progress: Progress {
                stage: stage_name(from + 1),
                stage_number: 2,
                stage_count: 3,
                percent: 0,
                message: String::new(),
                updated_at: NOW,
            },
        }),
        OutcomeKind::Complete => Outcome::Complete { output: Bytes::new() },
        OutcomeKind::Retry => Outcome::Retry { failure: failure(), delay: ticks(BACKOFF) },
        OutcomeKind::Snooze => Outcome::Snooze { delay: ticks(BACKOFF) },
        OutcomeKind::Fail => Outcome::Fail { failure: failure() },
        OutcomeKind::Cancel => Outcome::Cancel,
        OutcomeKind::Interrupt => Outcome::Interrupt,
    }
}
