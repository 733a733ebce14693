//! The tasks this runtime runs right now: what heartbeats, cancels and shutdown act on.

use std::{collections::HashMap, time::Duration};

use foldhash::fast::RandomState;
use tokio::{sync::Notify, time::Instant};

use super::{
    attempt::CurrentAttempt,
    slots::{Freed, Hold, Slots},
};
use crate::{
    model::{Lease, Name, TaskId},
    signals::{SignalHub, Signalled, Signals},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Why a running stage is asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StopReason {
    /// Somebody cancelled the task.
    CancelRequested,
    /// The runtime shuts down.
    Shutdown,
    /// The lease no longer counts: whatever the stage still does is in vain.
    LeaseLost,
}

/// One task in this runtime, from claim to settlement.
pub(super) struct Execution {
    pub(super) lease: Lease,
    pub(super) kind: Name,
    /// The number of the queue whose slot it takes.
    queue: usize,
    pub(super) signals: Signals,
    state: Mutex<ExecutionState>,
}

struct ExecutionState {
    stop: Option<(StopReason, Instant)>,
    /// When the lease lapses at the latest, by this process's reckoning.
    lease_until: Instant,
    /// The slot is held here, not by the stage's future, so that a stage which never yields can be
    /// left behind without taking its slot along.
    holds: Hold,
    current: Option<CurrentAttempt>,
}

impl Execution {
    pub(super) fn new(
        lease: Lease,
        kind: Name,
        lease_until: Instant,
        queue: usize,
        hub: &Arc<SignalHub>,
    ) -> Self {
        Self {
            lease,
            kind,
            queue,
            signals: Signals::new(Arc::clone(hub)),
            state: Mutex::new(ExecutionState {
                stop: None,
                lease_until,
                holds: Hold::Slot,
                current: None,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, ExecutionState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the stage to stop. A lost lease outweighs the other reasons, since nothing may be
    /// written any more; otherwise the first reason stands.
    pub(super) fn stop(&self, reason: StopReason) {
        {
            let mut state = self.state();
            match &mut state.stop {
                Some((known, _)) if reason == StopReason::LeaseLost => *known = reason,
                Some(_) => {}
                none => *none = Some((reason, Instant::now())),
            }
        }
        self.signals.stop();
    }

    pub(super) fn stop_reason(&self) -> Option<StopReason> {
        self.state().stop.map(|(reason, _)| reason)
    }

    /// Returns why the next stage must not start. A process that was frozen finds its leases gone
    /// when it wakes up, before anybody says so.
    pub(super) fn stop_reason_at(&self, now: Instant) -> Option<StopReason> {
        let state = self.state();
        if state.lease_until <= now {
            return Some(StopReason::LeaseLost);
        }
        state.stop.map(|(reason, _)| reason)
    }

    pub(super) fn lease_extended(&self, until: Instant) {
        self.state().lease_until = until;
    }

    pub(super) fn has_lapsed(&self, now: Instant) -> bool {
        self.state().lease_until <= now
    }

    /// Notes that an attempt begins.
    pub(super) fn begin(&self, attempt: CurrentAttempt) {
        self.state().current = Some(attempt);
    }

    /// Takes the current attempt to its end, with what asked it to stop. Whoever gets it decides
    /// what becomes of it: the executor, or the heartbeats when the stage's future does not yield.
    pub(super) fn end(&self) -> (Option<CurrentAttempt>, Option<StopReason>) {
        let mut state = self.state();
        (state.current.take(), state.stop.map(|(reason, _)| reason))
    }

    /// Takes an attempt that should have ended long ago, if there is one.
    pub(super) fn end_overdue(&self, now: Instant, grace: Duration) -> Option<CurrentAttempt> {
        let mut state = self.state();
        let stopped = state.stop.map(|(_, at)| at + grace);
        let deadline = state.current.as_ref()?.deadline();
        let due = stopped.map_or(deadline, |stopped| stopped.min(deadline)) + grace;
        if due > now {
            return None;
        }
        state.current.take()
    }

    /// Lets another task have the slot while the end of this one is recorded; answers whether it
    /// does.
    pub(super) fn settling(&self, running: &Running) -> bool {
        let mut state = self.state();
        let may = state.holds == Hold::Slot && running.slots.may_settle(self.queue);
        if may {
            state.holds = Hold::Settling;
        }
        may
    }

    /// Takes what it holds, to give it back, and what is left of an attempt that was cut off: its
    /// context knows the execution, and either would keep the other.
    fn release(&self) -> (Hold, Option<CurrentAttempt>) {
        let mut state = self.state();
        (std::mem::replace(&mut state.holds, Hold::Nothing), state.current.take())
    }
}

impl Signalled for Execution {
    fn signals(&self) -> &Signals {
        &self.signals
    }
}

type Executions = HashMap<Lease, Arc<Execution>, RandomState>;

/// All executions of a runtime, by lease: a task that was lost and claimed again has two.
pub(super) struct Running {
    executions: Mutex<Executions>,
    pub(super) slots: Slots,
    emptied: Notify,
    /// Tasks whose lease was lost before they could be settled or handed back.
    lost: Mutex<Vec<TaskId>>,
}

impl Running {
    /// Makes room for what runs, with so many slots for each queue.
    pub(super) fn new(slots: impl Iterator<Item = usize>) -> Self {
        Self {
            executions: Mutex::default(),
            slots: Slots::new(slots),
            emptied: Notify::new(),
            lost: Mutex::default(),
        }
    }

    fn executions(&self) -> MutexGuard<'_, Executions> {
        self.executions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, added: Vec<Arc<Execution>>) {
        self.executions().extend(added.into_iter().map(|one| (one.lease, one)));
    }

    /// Takes executions off the books that are over, and frees their slots.
    pub(super) fn remove<'a>(&self, over: impl Iterator<Item = &'a Execution>) {
        // Freed all at once, so that a worker wakes once and claims as many.
        let mut freed = Freed::new(&self.slots);
        let mut cut_off = Vec::new();
        let mut executions = self.executions();
        for execution in over {
            executions.remove(&execution.lease);
            let (hold, attempt) = execution.release();
            freed.add(execution.queue, hold);
            cut_off.extend(attempt);
        }
        let is_empty = executions.is_empty();
        drop(executions);
        drop(freed);
        drop(cut_off);
        if is_empty {
            self.emptied.notify_waiters();
        }
    }

    /// Notes during a shutdown that a task could not be handed back.
    pub(super) fn note_lost(&self, task_id: TaskId) {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).push(task_id);
    }

    /// Returns the tasks that still run, and those that were lost during a shutdown.
    pub(super) fn left_over(&self) -> Vec<TaskId> {
        let mut tasks = self.lost.lock().unwrap_or_else(PoisonError::into_inner).clone();
        tasks.extend(self.executions().keys().map(|lease| lease.task_id));
        tasks
    }

    /// Returns everything that runs, in the order of its leases: the same run makes the same calls.
    pub(super) fn all(&self) -> Vec<Arc<Execution>> {
        let mut all: Vec<_> = self.executions().values().cloned().collect();
        all.sort_unstable_by_key(|execution| execution.lease);
        all
    }

    /// Waits until nothing runs any more.
    pub(super) async fn empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.len() == 0 {
                return;
            }
            emptied.await;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.executions().len()
    }
}
