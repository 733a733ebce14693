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
/// How many ticks a task waits after a failed attempt.
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
    /// Who has it, and the ticks until that ends.
    pub(crate) lease: Option<(u8, u8)>,
    pub(crate) settled_by: Option<OutcomeKind>,
    pub(crate) cancel_requested: bool,
}

fn ticks(count: u8) -> Duration {
    TICK * u32::from(count)
}

fn ticks_until(time: Timestamp) -> u8 {
    u8::try_from(time.since(NOW).as_secs()).unwrap_or(u8::MAX)
}

fn worker_id(worker: u8) -> WorkerId {
    WorkerId::from_uuid(Uuid::from_u128(u128::from(worker)))
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
            lease: record.lease.map(|holder| {
                (small(holder.worker.as_uuid().as_u128()), ticks_until(holder.expires_at))
            }),
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
            snoozes: 0,
            interrupts: u32::from(self.interrupts),
            run_at: NOW + ticks(self.wait),
            epoch: Epoch(u64::from(self.epoch)),
            lease: self.lease.map(|(worker, left)| LeaseHolder {
                worker: worker_id(worker),
                expires_at: NOW + ticks(left),
            }),
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
        if let Some((_, left)) = &mut self.lease {
            *left = left.saturating_sub(1);
        }
    }

    pub(crate) fn is_live(&self, epoch: u8) -> bool {
        self.state == TaskState::Running
            && self.epoch == epoch
            && self.lease.is_some_and(|(_, left)| left > 0)
    }

    pub(crate) fn claim(&mut self, worker: u8, flaw: Option<Flaw>) -> bool {
        if flaw == Some(Flaw::ClaimTakesRunning) && self.state == TaskState::Running {
            self.state = TaskState::Pending;
        }
        let before = self.attempt;
        let claim = |record: &mut TaskRecord| {
            machine::claim(record, worker_id(worker), ticks(LEASE), NOW).is_ok()
        };
        let claimed = self.step(claim);
        if claimed && flaw == Some(Flaw::ClaimChargesNothing) {
            self.attempt = before.max(1);
        }
        claimed
    }

    /// Extends a lease; the answer says whether a cancel is wanted, or nothing if it is lost.
    pub(crate) fn beat(&mut self, epoch: u8, flaw: Option<Flaw>) -> Option<bool> {
        let lease = self.shown(epoch, flaw == Some(Flaw::BeatIgnoresEpoch));
        self.revive(flaw == Some(Flaw::BeatIgnoresLapse));
        self.step(|record| machine::heartbeat(record, lease, ticks(LEASE), None, NOW).ok())
    }

    pub(crate) fn settle(
        &mut self,
        epoch: u8,
        kind: OutcomeKind,
        from: u8,
        flaw: Option<Flaw>,
    ) -> Option<Applied> {
        let lease = self.shown(epoch, flaw == Some(Flaw::SettleIgnoresEpoch));
        self.revive(flaw == Some(Flaw::SettleIgnoresLapse));
        if flaw == Some(Flaw::RepetitionIsRefused) {
            self.settled_by = None;
        }
        if flaw == Some(Flaw::RetryForgetsWish) && kind == OutcomeKind::Retry {
            self.cancel_requested = false;
        }
        self.step(|record| machine::settle(record, lease, &outcome(kind, from), NOW).ok())
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
        let forgets = flaw == Some(Flaw::RescueForgetsWish);
        self.cancel_requested &= !forgets;
        self.step(|record| machine::rescue(record, NOW))
    }

    /// The lease that is shown to the machine.
    fn shown(&self, epoch: u8, ignores_epoch: bool) -> Lease {
        let epoch = if ignores_epoch { self.epoch } else { epoch };
        Lease { task_id: Self::id(), epoch: Epoch(u64::from(epoch)) }
    }

    /// Gives a lapsed lease another tick, for the flaws that do not look at its end.
    fn revive(&mut self, ignores_lapse: bool) {
        if let Some((_, left)) = &mut self.lease
            && ignores_lapse
        {
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
