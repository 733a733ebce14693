//! Everything there is at one moment: tasks, what workers believe, and what is under way.

use artos_core::{
    machine::{Applied, Cancelled},
    model::{OutcomeKind, TaskState},
};

use crate::{
    protocol::Bounds,
    row::Row,
    rules::{Broken, Witness},
};

/// The epoch of a task, as the model calls it.
pub(crate) const CURRENT: u8 = 1;
/// Every epoch that a task had before.
pub(crate) const STALE: u8 = 0;

/// Everything there is at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    pub(crate) tasks: Vec<Task>,
    /// What each worker believes, for each task.
    pub(crate) workers: Vec<Vec<Option<Hand>>>,
    /// What was sent and may still arrive, in an order that says nothing.
    pub(crate) wire: Vec<Message>,
    /// The first rule that was broken.
    pub(crate) broken: Option<Broken>,
}

/// A task, and who watched it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Task {
    pub(crate) row: Row,
    pub(crate) witness: Witness,
}

/// What a worker believes about a task it claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Hand {
    pub(crate) epoch: u8,
    pub(crate) stage: u8,
    pub(crate) attempt: u8,
    pub(crate) interrupts: u8,
    /// A heartbeat said that the task is to be cancelled.
    pub(crate) told: bool,
    /// The outcome that was sent and not answered: it is sent again until it is.
    pub(crate) sent: Option<OutcomeKind>,
}

/// A write on its way to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Message {
    pub(crate) task: u8,
    pub(crate) epoch: u8,
    pub(crate) write: Write,
}

/// What a worker writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Write {
    /// A heartbeat.
    Beat,
    /// A stage succeeded and another follows.
    Advance {
        /// The stage that ended.
        from: u8,
    },
    /// The last stage succeeded.
    Complete,
    /// An attempt failed.
    Retry,
    /// The task failed for good.
    Fail,
    /// The worker stopped, as it was asked to.
    Cancel,
    /// A shutdown hands the task back.
    Interrupt,
}

impl Write {
    pub(crate) const fn outcome(self) -> Option<(OutcomeKind, u8)> {
        match self {
            Self::Beat => None,
            Self::Advance { from } => Some((OutcomeKind::Advance, from)),
            Self::Complete => Some((OutcomeKind::Complete, 0)),
            Self::Retry => Some((OutcomeKind::Retry, 0)),
            Self::Fail => Some((OutcomeKind::Fail, 0)),
            Self::Cancel => Some((OutcomeKind::Cancel, 0)),
            Self::Interrupt => Some((OutcomeKind::Interrupt, 0)),
        }
    }
}

/// What may happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A worker claims a task; it may not hear that it did.
    Claim {
        /// Who.
        worker: u8,
        /// Which task.
        task: u8,
        /// Whether the answer arrives.
        heard: bool,
    },
    /// A worker sends a write, for the first time or again.
    Send {
        /// Who.
        worker: u8,
        /// What.
        message: Message,
    },
    /// A write arrives; it may arrive again, and its answer may be lost.
    Arrive {
        /// What.
        message: Message,
        /// Whether it stays under way.
        again: bool,
        /// Whether the answer arrives.
        heard: bool,
    },
    /// A write of a lease that ended long ago arrives.
    ArriveLate {
        /// To which task.
        task: u8,
        /// What.
        write: Write,
    },
    /// A write never arrives.
    Lose {
        /// What.
        message: Message,
    },
    /// A worker forgets everything; what it sent is still under way.
    Crash {
        /// Who.
        worker: u8,
    },
    /// Somebody cancels a task.
    Cancel {
        /// Which.
        task: u8,
    },
    /// Somebody rescues a task whose lease lapsed.
    Rescue {
        /// Which.
        task: u8,
    },
    /// Time passes.
    Tick,
}

impl World {
    pub(crate) fn new(bounds: &Bounds) -> Self {
        let row = Row { epoch: CURRENT, ..Row::inserted() };
        let task = Task { row, witness: Witness::default() };
        Self {
            tasks: vec![task; usize::from(bounds.tasks)],
            workers: vec![vec![None; usize::from(bounds.tasks)]; usize::from(bounds.workers)],
            wire: Vec::new(),
            broken: None,
        }
    }

    fn task(&mut self, task: u8) -> Option<&mut Task> {
        self.tasks.get_mut(usize::from(task))
    }

    fn hand(&mut self, worker: u8, task: u8) -> Option<&mut Option<Hand>> {
        self.workers.get_mut(usize::from(worker))?.get_mut(usize::from(task))
    }

    /// Does what happens next; nothing if it cannot happen.
    pub(crate) fn happen(&mut self, action: Action, bounds: &Bounds) -> Option<()> {
        self.happens(action, bounds)?;
        self.forget_old_epochs();
        Some(())
    }

    /// Calls the epoch of each task [`CURRENT`], and forgets who had it before.
    ///
    /// The machine asks only whether two epochs are equal, and an epoch never comes back; so all
    /// that came before are one, and endless counting becomes a finite number of worlds. What was
    /// or could have been sent under an old epoch may arrive at any time, any number of times:
    /// [`Protocol`](crate::Protocol) lets every such write arrive in every world.
    fn forget_old_epochs(&mut self) {
        let epochs: Vec<u8> = self.tasks.iter().map(|task| task.row.epoch).collect();
        let is_current = |task: usize, epoch: u8| epochs.get(task) == Some(&epoch);
        for hands in &mut self.workers {
            for (task, hand) in hands.iter_mut().enumerate() {
                *hand = hand.filter(|hand| is_current(task, hand.epoch));
                *hand = hand.map(|hand| Hand { epoch: CURRENT, ..hand });
            }
        }
        self.wire.retain(|message| is_current(usize::from(message.task), message.epoch));
        for message in &mut self.wire {
            message.epoch = CURRENT;
        }
        for task in &mut self.tasks {
            task.witness.forget_old_epochs(task.row.epoch);
            task.row.epoch = CURRENT;
        }
    }

    fn happens(&mut self, action: Action, bounds: &Bounds) -> Option<()> {
        match action {
            Action::Claim { worker, task, heard } => self.claim(worker, task, heard, bounds),
            Action::Send { worker, message } => {
                let hand = self.hand(worker, message.task)?.as_mut()?;
                if let Some((kind, _)) = message.write.outcome() {
                    hand.sent = Some(kind);
                }
                self.wire.push(message);
                self.wire.sort_unstable();
                Some(())
            }
            Action::Arrive { message, again, heard } => self.arrive(message, again, heard, bounds),
            Action::ArriveLate { task, write } => {
                let message = Message { task, epoch: STALE, write };
                self.arrive(message, true, false, bounds)
            }
            Action::Lose { message } => self.take(message),
            Action::Crash { worker } => {
                self.workers.get_mut(usize::from(worker))?.fill(None);
                Some(())
            }
            Action::Cancel { task } => {
                let Task { row, witness } = self.task(task)?;
                let broken = witness.sees(row, |row| match row.cancel(bounds.flaw) {
                    Cancelled::Requested => Some(true),
                    _ => None,
                });
                self.note(broken);
                Some(())
            }
            Action::Rescue { task } => {
                let Task { row, witness } = self.task(task)?;
                let broken = witness.sees(row, |row| row.rescue(bounds.flaw).then_some(false));
                self.note(broken);
                Some(())
            }
            Action::Tick => {
                self.tasks.iter_mut().for_each(|task| task.row.tick());
                Some(())
            }
        }
    }

    fn note(&mut self, broken: Option<Broken>) {
        self.broken = self.broken.or(broken);
    }

    /// Takes a write off the wire.
    fn take(&mut self, message: Message) -> Option<()> {
        let index = self.wire.iter().position(|one| *one == message)?;
        self.wire.remove(index);
        Some(())
    }

    fn claim(&mut self, worker: u8, task: u8, heard: bool, bounds: &Bounds) -> Option<()> {
        let Task { row, witness } = self.task(task)?;
        let broken = witness.sees_claim(row, worker, bounds)?;
        let hand = Hand {
            epoch: row.epoch,
            stage: row.stage,
            attempt: row.attempt,
            interrupts: row.interrupts,
            told: false,
            sent: None,
        };
        if heard {
            *self.hand(worker, task)? = Some(hand);
        }
        self.note(broken);
        Some(())
    }

    fn arrive(
        &mut self,
        message: Message,
        again: bool,
        heard: bool,
        bounds: &Bounds,
    ) -> Option<()> {
        if !again {
            self.take(message)?;
        }
        let Message { task, epoch, write } = message;
        let Task { row, witness } = self.task(task)?;
        let (broken, reply) = match write.outcome() {
            None => witness.sees_beat(row, epoch, bounds.flaw),
            Some((kind, from)) => witness.sees_settle(row, epoch, kind, from, bounds.flaw),
        };
        let stage = row.stage;
        self.note(broken);
        if heard {
            let hands =
                self.workers.iter_mut().filter_map(|hands| hands.get_mut(usize::from(task)));
            for hand in hands {
                if let Some(known) = hand
                    && known.epoch == epoch
                {
                    *hand = after(*known, write, reply, stage);
                }
            }
        }
        Some(())
    }

    /// Makes the workers and tasks change places.
    pub(crate) fn permuted(&self, workers: &[u8], tasks: &[u8]) -> Self {
        let place = |order: &[u8], old: u8| {
            order
                .iter()
                .position(|one| *one == old)
                .map_or(old, |new| u8::try_from(new).unwrap_or(old))
        };
        let pick = |order: &[u8], new: usize| order.get(new).map_or(0, |old| usize::from(*old));
        let mut world = Self {
            tasks: (0..self.tasks.len())
                .filter_map(|new| self.tasks.get(pick(tasks, new)).cloned())
                .collect(),
            workers: (0..self.workers.len())
                .filter_map(|new| self.workers.get(pick(workers, new)))
                .map(|hands| {
                    (0..hands.len())
                        .filter_map(|new| hands.get(pick(tasks, new)).copied())
                        .collect()
                })
                .collect(),
            wire: self.wire.clone(),
            broken: self.broken,
        };
        for task in &mut world.tasks {
            if let Some((worker, _)) = &mut task.row.lease {
                *worker = place(workers, *worker);
            }
        }
        for message in &mut world.wire {
            message.task = place(tasks, message.task);
        }
        world.wire.sort_unstable();
        world
    }
}

/// What a worker believes after an answer.
pub(crate) fn after(hand: Hand, write: Write, reply: Reply, stage: u8) -> Option<Hand> {
    match (write, reply) {
        (_, Reply::Lost) => None,
        (Write::Beat, Reply::Alive { cancel }) => Some(Hand { told: hand.told | cancel, ..hand }),
        // An answer that was overtaken: the worker went on long ago.
        (Write::Advance { from }, _) if from < hand.stage => Some(hand),
        (Write::Advance { .. }, Reply::Applied { state: TaskState::Running }) => {
            Some(Hand { stage, attempt: 1, interrupts: 0, sent: None, ..hand })
        }
        _ => None,
    }
}

/// What the store answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reply {
    Lost,
    Alive { cancel: bool },
    Applied { state: TaskState },
}

impl Reply {
    pub(crate) const fn to_settle(applied: Option<Applied>, state: TaskState) -> Self {
        match applied {
            Some(_) => Self::Applied { state },
            None => Self::Lost,
        }
    }
}
