//! Everything there is at one moment: tasks, what workers believe, and what is under way.

use artos_core::{
    machine::{Applied, Cancelled},
    model::TaskState,
};

use crate::{
    action::{Action, Held, Message, Write},
    protocol::Bounds,
    row::Row,
    rules::{Rule, Witness},
};

/// The epoch of a task, as the model calls it.
pub(crate) const CURRENT: u8 = 1;

/// Everything there is at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    pub(crate) tasks: Vec<Task>,
    /// What each worker believes, for each task.
    pub(crate) workers: Vec<Vec<Option<Hand>>>,
    /// What was sent and may still arrive, in an order that says nothing.
    pub(crate) wire: Vec<Message>,
    /// The first rule that was broken.
    pub(crate) broken: Option<Rule>,
}

/// A task, and who watched it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Task {
    pub(crate) row: Row,
    pub(crate) witness: Witness,
}

/// What a worker believes about a task it claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Hand {
    pub(crate) held: Held,
    pub(crate) stage: u8,
    pub(crate) attempt: u8,
    pub(crate) interrupts: u8,
    /// A heartbeat said that the task is to be cancelled.
    pub(crate) told: bool,
    /// The outcome that was sent and not answered: it is sent again until it is.
    pub(crate) sent: Option<Write>,
}

impl Task {
    fn receive(&mut self, held: Held, write: Write, bounds: &Bounds) -> (Option<Rule>, Reply) {
        let Self { row, witness } = self;
        match write.outcome() {
            None => witness.sees_beat(row, held, bounds.flaw),
            Some((kind, from)) => witness.sees_settle(row, held, kind, from, bounds.flaw),
        }
    }

    /// Returns whether a write of a lease that ended long ago makes a difference.
    pub(crate) fn minds(self, write: Write, bounds: &Bounds) -> bool {
        let mut after = self;
        let (broken, _) = after.receive(Held::LONG_AGO, write, bounds);
        broken.is_some() || after != self
    }
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
                *hand = hand.filter(|hand| is_current(task, hand.held.epoch));
                if let Some(hand) = hand {
                    hand.held.epoch = CURRENT;
                }
            }
        }
        self.wire.retain(|message| is_current(usize::from(message.task), message.held.epoch));
        for message in &mut self.wire {
            message.held.epoch = CURRENT;
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
                if message.write != Write::Beat {
                    hand.sent = Some(message.write);
                }
                self.wire.push(message);
                self.wire.sort_unstable();
                Some(())
            }
            Action::Arrive { message, again, heard } => self.arrive(message, again, heard, bounds),
            Action::ArriveLate { task, write } => {
                let message = Message { task, held: Held::LONG_AGO, write };
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

    fn note(&mut self, broken: Option<Rule>) {
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
        let broken = witness.sees_claim(row, bounds)?;
        let hand = Hand {
            held: Held { epoch: row.epoch, over: false },
            stage: row.stage,
            attempt: row.attempt,
            interrupts: row.interrupts,
            told: false,
            sent: None,
        };
        self.end_leases_of(task);
        if heard {
            *self.hand(worker, task)? = Some(hand);
        }
        self.note(broken);
        Some(())
    }

    /// Notes that whatever was held until now is over, be its epoch what it may.
    fn end_leases_of(&mut self, task: u8) {
        let place = usize::from(task);
        let hands = self.workers.iter_mut().filter_map(|hands| hands.get_mut(place)?.as_mut());
        hands.for_each(|hand| hand.held.over = true);
        let messages = self.wire.iter_mut().filter(|message| message.task == task);
        messages.for_each(|message| message.held.over = true);
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
        let Message { task, held, write } = message;
        let found = self.task(task)?;
        let (broken, reply) = found.receive(held, write, bounds);
        let stage = found.row.stage;
        self.note(broken);
        if heard {
            let hands =
                self.workers.iter_mut().filter_map(|hands| hands.get_mut(usize::from(task)));
            for hand in hands {
                if let Some(known) = hand
                    && known.held == held
                {
                    *hand = after(*known, write, reply, stage);
                }
            }
        }
        Some(())
    }

    /// Makes the tasks change places, and puts the workers in an order that depends only on what
    /// they believe.
    pub(crate) fn permuted(&self, tasks: &[usize]) -> Self {
        let mut world = self.clone();
        for (place, old) in world.tasks.iter_mut().zip(tasks) {
            *place = self.tasks.get(*old).copied().unwrap_or(*place);
        }
        for (hands, found) in world.workers.iter_mut().zip(&self.workers) {
            for (place, old) in hands.iter_mut().zip(tasks) {
                *place = found.get(*old).copied().flatten();
            }
        }
        for message in &mut world.wire {
            let new = tasks.iter().position(|old| *old == usize::from(message.task));
            message.task = new.and_then(|new| u8::try_from(new).ok()).unwrap_or(message.task);
        }
        world.workers.sort_unstable();
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
