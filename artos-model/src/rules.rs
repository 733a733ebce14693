//! What must be true, judged by witnesses that do not ask the machine.

use artos_core::{
    machine::Applied,
    model::{OutcomeKind, TaskState},
};

use crate::{
    action::Held,
    flaw::Flaw,
    protocol::{Bounds, Protocol},
    row::Row,
    world::{CURRENT, Reply, World},
};

/// What must be true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Who may write.
    Fence,
    /// What has ended.
    End,
    /// How far a task has come.
    Checkpoint,
    /// How often a stage is tried.
    Attempts,
    /// What counts as an attempt.
    Charge,
    /// What is to be cancelled.
    Wish,
    /// What a settlement is told.
    Answer,
    /// When a lease is given.
    Lease,
    /// Who has a lease.
    One,
    /// Where it all leads.
    Ends,
}

impl Rule {
    /// All rules.
    pub const ALL: [Self; 10] = [
        Self::Fence,
        Self::End,
        Self::Checkpoint,
        Self::Attempts,
        Self::Charge,
        Self::Wish,
        Self::Answer,
        Self::Lease,
        Self::One,
        Self::Ends,
    ];

    /// Says it.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Fence => "a write counts only under the live lease",
            Self::End => "an end never changes",
            Self::Checkpoint => "each checkpoint is written once",
            Self::Attempts => "no body starts beyond the last attempt",
            Self::Charge => "a snooze or a shutdown charges no attempt",
            Self::Wish => "what is to be cancelled is not started again",
            Self::Answer => "a settlement that was applied is never called late",
            Self::Lease => "no lease is given while another lives",
            Self::One => "one worker at a time has the live lease",
            Self::Ends => "a task that is left to an honest worker ends",
        }
    }
}

/// Sees what happens to a task, and remembers what the rules need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Witness {
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
    ) -> Option<Rule> {
        let before = *row;
        let promised = step(row);
        self.wished |= promised == Some(true);
        changed_end(before, *row)
    }

    /// Remembers only what was applied under the epoch the task has now.
    pub(crate) fn forget_old_epochs(&mut self, epoch: u8) {
        self.applied = self.applied.filter(|(under, _)| *under == epoch);
        self.applied = self.applied.map(|(_, kind)| (CURRENT, kind));
    }

    /// Watches a claim; `None` if there was nothing to claim.
    pub(crate) fn sees_claim(&mut self, row: &mut Row, bounds: &Bounds) -> Option<Option<Rule>> {
        let (was_live, before) = (row.is_live(row.epoch), *row);
        if !row.claim(bounds.flaw) {
            return None;
        }
        let mut broken = changed_end(before, *row);
        if was_live {
            broken = broken.or(Some(Rule::Lease));
        }
        if self.wished {
            broken = broken.or(Some(Rule::Wish));
        }
        // The worker looks at the attempt before it starts anything.
        if row.attempt <= bounds.attempts {
            self.starts += 1;
            if self.starts > bounds.attempts {
                broken = broken.or(Some(Rule::Attempts));
            }
        }
        Some(broken)
    }

    pub(crate) fn sees_beat(
        &mut self,
        row: &mut Row,
        held: Held,
        flaw: Option<Flaw>,
    ) -> (Option<Rule>, Reply) {
        let (was_live, before) = (held.is_live(row), *row);
        let Some(cancel) = row.beat(held.epoch, flaw) else {
            return (changed_end(before, *row), Reply::Lost);
        };
        let broken = (!was_live).then_some(Rule::Fence).or(changed_end(before, *row));
        (broken, Reply::Alive { cancel })
    }

    pub(crate) fn sees_settle(
        &mut self,
        row: &mut Row,
        held: Held,
        kind: OutcomeKind,
        from: u8,
        flaw: Option<Flaw>,
    ) -> (Option<Rule>, Reply) {
        let (was_live, before) = (held.is_live(row), *row);
        let applied = row.settle(held.epoch, kind, from, flaw);
        let mut broken = changed_end(before, *row);
        match applied {
            Some(Applied::Now) => {
                if !was_live {
                    broken = broken.or(Some(Rule::Fence));
                }
                self.applied = Some((held.epoch, kind));
                match kind {
                    OutcomeKind::Advance => {
                        self.checkpoints += 1;
                        if self.checkpoints != before.stage + 1 || before.stage != from {
                            broken = broken.or(Some(Rule::Checkpoint));
                        }
                        // The next stage starts at once, under the same lease.
                        self.starts = 1;
                    }
                    OutcomeKind::Snooze | OutcomeKind::Interrupt => {
                        self.starts = self.starts.saturating_sub(1);
                        if row.attempt != self.starts {
                            broken = broken.or(Some(Rule::Charge));
                        }
                    }
                    _ => {}
                }
            }
            Some(Applied::Before) => {}
            None => {
                let overtaken = kind == OutcomeKind::Advance && row.stage != from + 1;
                if self.applied == Some((held.epoch, kind)) && row.epoch == held.epoch && !overtaken
                {
                    broken = broken.or(Some(Rule::Answer));
                }
            }
        }
        (broken, Reply::to_settle(applied, row.state))
    }
}

fn changed_end(before: Row, after: Row) -> Option<Rule> {
    (before.state.is_terminal() && after != before).then_some(Rule::End)
}

/// Returns whether a rule of a witness was kept.
pub(crate) fn kept(world: &World, rule: Rule) -> bool {
    world.broken != Some(rule)
}

/// Returns whether at most one worker has what the store takes for the live lease.
pub(crate) fn one_worker_at_a_time(world: &World) -> bool {
    world.tasks.iter().enumerate().all(|(number, task)| {
        let hands = world.workers.iter().filter_map(|hands| hands.get(number).copied().flatten());
        hands.filter(|hand| task.row.is_live(hand.held.epoch)).count() <= 1
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
            if !row.claim(bounds.flaw) {
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
