//! What must be true, judged by witnesses that do not ask the machine.

use artos_core::{
    machine::Applied,
    model::{OutcomeKind, TaskState},
};

use crate::{
    flaw::Flaw,
    protocol::{Bounds, Protocol},
    row::Row,
    world::{CURRENT, Reply, World},
};

/// Which rule was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Broken {
    Fence,
    End,
    Checkpoint,
    Attempts,
    Wish,
    Answer,
    Lease,
}

/// The rules, in words.
pub const RULES: [&str; 9] = [
    "a write counts only under the live lease",
    "an end never changes",
    "each checkpoint is written once",
    "no body starts beyond the last attempt",
    "what is to be cancelled is not started again",
    "a settlement that was applied is never called late",
    "no lease is given while another lives",
    "one worker at a time has the live lease",
    "a task that is left to an honest worker ends",
];

/// Sees what happens to a task, and remembers what the rules need.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Witness {
    /// The row at its end.
    ended: Option<Row>,
    /// Checkpoints so far.
    checkpoints: u8,
    /// Attempts of this stage that began and were not handed back.
    starts: u8,
    /// Somebody was told that the running task will be cancelled.
    wished: bool,
    /// The last settlement that was applied: under which epoch, and which outcome.
    applied: Option<(u8, OutcomeKind)>,
}

impl Witness {
    /// Watches a step of nobody in particular; the step says whether a cancel was promised by it,
    /// or by `None` that it did nothing worth noting.
    pub(crate) fn sees(
        &mut self,
        row: &mut Row,
        step: impl FnOnce(&mut Row) -> Option<bool>,
    ) -> Option<Broken> {
        let promised = step(row);
        self.wished |= promised == Some(true);
        self.sees_end(row)
    }

    /// Remembers only what was applied under the epoch the task has now.
    pub(crate) fn forget_old_epochs(&mut self, epoch: u8) {
        self.applied = self.applied.filter(|(under, _)| *under == epoch);
        self.applied = self.applied.map(|(_, kind)| (CURRENT, kind));
        if let Some(end) = &mut self.ended {
            end.epoch = CURRENT;
        }
    }

    fn sees_end(&mut self, row: &Row) -> Option<Broken> {
        match self.ended {
            Some(end) => (end != *row).then_some(Broken::End),
            None => {
                if row.state.is_terminal() {
                    self.ended = Some(*row);
                }
                None
            }
        }
    }

    /// Watches a claim; `None` if there was nothing to claim.
    pub(crate) fn sees_claim(
        &mut self,
        row: &mut Row,
        worker: u8,
        bounds: &Bounds,
    ) -> Option<Option<Broken>> {
        let was_live = row.is_live(row.epoch);
        if !row.claim(worker, bounds.flaw) {
            return None;
        }
        let mut broken = self.sees_end(row);
        if was_live {
            broken = broken.or(Some(Broken::Lease));
        }
        if self.wished {
            broken = broken.or(Some(Broken::Wish));
        }
        // The worker looks at the attempt before it starts anything.
        if row.attempt <= bounds.attempts {
            self.starts += 1;
            if self.starts > bounds.attempts {
                broken = broken.or(Some(Broken::Attempts));
            }
        }
        Some(broken)
    }

    pub(crate) fn sees_beat(
        &mut self,
        row: &mut Row,
        epoch: u8,
        flaw: Option<Flaw>,
    ) -> (Option<Broken>, Reply) {
        let was_live = row.is_live(epoch);
        let Some(cancel) = row.beat(epoch, flaw) else {
            return (self.sees_end(row), Reply::Lost);
        };
        let broken = (!was_live).then_some(Broken::Fence).or(self.sees_end(row));
        (broken, Reply::Alive { cancel })
    }

    pub(crate) fn sees_settle(
        &mut self,
        row: &mut Row,
        epoch: u8,
        kind: OutcomeKind,
        from: u8,
        flaw: Option<Flaw>,
    ) -> (Option<Broken>, Reply) {
        let (was_live, stage) = (row.is_live(epoch), row.stage);
        let applied = row.settle(epoch, kind, from, flaw);
        let mut broken = self.sees_end(row);
        match applied {
            Some(Applied::Now) => {
                if !was_live {
                    broken = broken.or(Some(Broken::Fence));
                }
                self.applied = Some((epoch, kind));
                match kind {
                    OutcomeKind::Advance => {
                        self.checkpoints += 1;
                        if self.checkpoints != stage + 1 || stage != from {
                            broken = broken.or(Some(Broken::Checkpoint));
                        }
                        // The next stage starts at once, under the same lease.
                        self.starts = 1;
                    }
                    OutcomeKind::Interrupt => self.starts = self.starts.saturating_sub(1),
                    _ => {}
                }
            }
            Some(Applied::Before) => {}
            None => {
                let overtaken = kind == OutcomeKind::Advance && row.stage != from + 1;
                if self.applied == Some((epoch, kind)) && row.epoch == epoch && !overtaken {
                    broken = broken.or(Some(Broken::Answer));
                }
            }
        }
        (broken, Reply::to_settle(applied, row.state))
    }
}

/// Returns whether a rule of a witness was kept.
pub(crate) fn kept(world: &World, rule: Broken) -> bool {
    world.broken != Some(rule)
}

pub(crate) fn one_worker_at_a_time(world: &World) -> bool {
    world.tasks.iter().enumerate().all(|(number, task)| {
        let hands = world.workers.iter().filter_map(|hands| hands.get(number).copied().flatten());
        hands.filter(|hand| task.row.is_live(hand.epoch)).count() <= 1
    })
}

/// When everything goes right from here on, the task ends: nothing it needs was lost.
pub(crate) fn ends_when_left_alone(model: &Protocol, world: &World) -> bool {
    let bounds = model.bounds();
    world.tasks.iter().all(|task| {
        let mut row = task.row;
        // Twice: a task may be handed back once more before its attempts are over.
        for _ in 0..=bounds.attempts {
            (0..=crate::row::LEASE).for_each(|_| row.tick());
            row.rescue(bounds.flaw);
            if !row.claim(0, bounds.flaw) {
                break;
            }
            if row.attempt > bounds.attempts {
                row.settle(row.epoch, OutcomeKind::Fail, 0, bounds.flaw);
            }
            while row.state == TaskState::Running {
                let kind = bounds.success(row.stage);
                if row.settle(row.epoch, kind, row.stage, bounds.flaw).is_none() {
                    return false;
                }
            }
        }
        row.state.is_terminal()
    })
}
