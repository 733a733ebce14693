//! The protocol: what may happen in each world, and what must be true in all of them.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};

use artos_core::model::{OutcomeKind, TaskState};
use stateright::{Model, Property};

use crate::{
    action::{Action, Message, Write},
    flaw::Flaw,
    row::Row,
    rules::{self, Rule},
    world::{Hand, World},
};

/// How large the model is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// How many workers there are.
    pub workers: u8,
    /// How many tasks there are.
    pub tasks: u8,
    /// How many stages each task has.
    pub stages: u8,
    /// How many attempts each stage has.
    pub attempts: u8,
    /// How often a shutdown may hand a stage back.
    pub interrupts: u8,
    /// How many writes may be under way at once.
    pub wire: u8,
    /// The mistake that is made, if one is.
    pub flaw: Option<Flaw>,
}

impl Bounds {
    /// Bounds that are explored within seconds.
    #[must_use]
    pub const fn new(workers: u8, tasks: u8) -> Self {
        Self { workers, tasks, stages: 2, attempts: 2, interrupts: 1, wire: 1, flaw: None }
    }

    /// Makes a mistake.
    #[must_use]
    pub const fn with(self, flaw: Flaw) -> Self {
        Self { flaw: Some(flaw), ..self }
    }

    /// How a stage ends that succeeds.
    pub(crate) const fn success(&self, stage: u8) -> OutcomeKind {
        if stage + 1 < self.stages { OutcomeKind::Advance } else { OutcomeKind::Complete }
    }
}

/// The protocol of leases within bounds.
#[derive(Debug, Clone)]
pub struct Protocol {
    bounds: Bounds,
}

impl Protocol {
    /// Makes the protocol.
    #[must_use]
    pub const fn new(bounds: Bounds) -> Self {
        Self { bounds }
    }

    pub(crate) const fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// What a worker may write about a task it believes to have.
    fn writes(&self, hand: &Hand) -> Vec<Write> {
        let bounds = &self.bounds;
        let mut writes = vec![Write::Beat];
        let advance = Write::Advance { from: hand.stage };
        let success = match bounds.success(hand.stage) {
            OutcomeKind::Advance => advance,
            _ => Write::Complete,
        };
        let choices: &[Write] = if hand.attempt > bounds.attempts {
            &[Write::Fail]
        } else if hand.attempt == bounds.attempts {
            &[success, Write::Fail]
        } else {
            &[success, Write::Retry]
        };
        writes.extend(choices);
        if hand.attempt <= bounds.attempts {
            writes.push(Write::Snooze);
            if hand.interrupts < bounds.interrupts {
                writes.push(Write::Interrupt);
            }
        }
        if hand.told {
            writes.push(Write::Cancel);
        }
        // An outcome that was not answered is repeated, and no other is sent in its place.
        writes.retain(|write| match (hand.sent, write.outcome()) {
            (Some(sent), Some(_)) => sent == *write,
            _ => true,
        });
        writes
    }

    /// Every write there is: somebody may have sent it under a lease that is over.
    fn late_writes(&self) -> impl Iterator<Item = Write> + use<> {
        let advances = (0..self.bounds.stages).map(|from| Write::Advance { from });
        let ends = [Write::Complete, Write::Fail, Write::Cancel];
        let waits = [Write::Retry, Write::Snooze, Write::Interrupt];
        advances.chain(ends).chain(waits).chain([Write::Beat])
    }

    fn of_workers(&self, world: &World, actions: &mut Vec<Action>) {
        for (worker, hands) in (0_u8..).zip(&world.workers) {
            for ((task, hand), found) in (0_u8..).zip(hands).zip(&world.tasks) {
                let claimable = self.is_claimable(&found.row);
                if claimable && hand.is_none() {
                    let claim = |heard| Action::Claim { worker, task, heard };
                    actions.extend([claim(true), claim(false)]);
                }
                let Some(hand) = hand else { continue };
                if world.wire.len() >= usize::from(self.bounds.wire) {
                    continue;
                }
                for write in self.writes(hand) {
                    let message = Message { task, held: hand.held, write };
                    if !world.wire.contains(&message) {
                        actions.push(Action::Send { worker, message });
                    }
                }
            }
            if hands.iter().any(Option::is_some) {
                actions.push(Action::Crash { worker });
            }
        }
    }

    fn is_claimable(&self, row: &Row) -> bool {
        // A task whose attempts are used up is claimed once more, to fail; that may go wrong as
        // often as one likes without anything new.
        let worth_it = row.attempt <= self.bounds.attempts;
        let due = row.state == TaskState::Pending && row.wait == 0;
        let taken = row.state == TaskState::Running;
        worth_it && (due || taken && self.bounds.flaw == Some(Flaw::ClaimTakesRunning))
    }
}

impl Model for Protocol {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(&self.bounds)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.broken.is_some() || !rules::one_worker_at_a_time(world) {
            return;
        }
        self.of_workers(world, actions);
        for message in world.wire.iter().copied() {
            for (again, heard) in [(false, true), (false, false), (true, true), (true, false)] {
                actions.push(Action::Arrive { message, again, heard });
            }
            actions.push(Action::Lose { message });
        }
        for (task, found) in (0_u8..).zip(&world.tasks) {
            let late = self.late_writes().filter(|write| found.minds(*write, &self.bounds));
            actions.extend(late.map(|write| Action::ArriveLate { task, write }));
            if !found.row.cancel_requested {
                actions.push(Action::Cancel { task });
            }
            if found.row.lease.is_some_and(|left| left == 0) {
                actions.push(Action::Rescue { task });
            }
        }
        actions.push(Action::Tick);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        next.happen(action, &self.bounds)?;
        (next != *world).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(Rule::Fence.words(), |_, world| rules::kept(world, Rule::Fence)),
            Property::always(Rule::End.words(), |_, world| rules::kept(world, Rule::End)),
            Property::always(Rule::Checkpoint.words(), |_, world| {
                rules::kept(world, Rule::Checkpoint)
            }),
            Property::always(Rule::Attempts.words(), |_, world| rules::kept(world, Rule::Attempts)),
            Property::always(Rule::Charge.words(), |_, world| rules::kept(world, Rule::Charge)),
            Property::always(Rule::Wish.words(), |_, world| rules::kept(world, Rule::Wish)),
            Property::always(Rule::Answer.words(), |_, world| rules::kept(world, Rule::Answer)),
            Property::always(Rule::Lease.words(), |_, world| rules::kept(world, Rule::Lease)),
            Property::always(Rule::One.words(), |_, world| rules::one_worker_at_a_time(world)),
            Property::always(Rule::Ends.words(), rules::ends_when_left_alone),
            Property::sometimes("all tasks complete", |_, world| all(world, TaskState::Completed)),
            Property::sometimes("all tasks fail", |_, world| all(world, TaskState::Failed)),
            Property::sometimes("all tasks are cancelled", |_, world| {
                all(world, TaskState::Cancelled)
            }),
        ]
    }
}

fn all(world: &World, state: TaskState) -> bool {
    world.tasks.iter().all(|task| task.row.state == state)
}

/// Returns the one world that stands for all in which workers and tasks only change places.
#[must_use]
pub fn representative(world: &World) -> World {
    let tasks: Vec<u64> = world.tasks.iter().map(hash).collect();
    // Only tasks that are alike leave a choice.
    let orders = orders(tasks.len()).into_iter();
    let orders = orders.filter(|order| order.is_sorted_by_key(|old| tasks.get(*old)));
    let worlds = orders.map(|order| world.permuted(&order));
    worlds.min_by(|one, other| hash(one).cmp(&hash(other))).unwrap_or_else(|| world.clone())
}

fn hash(value: impl Hash) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(value)
}

/// Returns all orders of so many things.
fn orders(count: usize) -> Vec<Vec<usize>> {
    let Some(last) = count.checked_sub(1) else {
        return vec![Vec::new()];
    };
    let mut all = Vec::new();
    for shorter in orders(last) {
        for place in 0..=last {
            let mut order = shorter.clone();
            order.insert(place, last);
            all.push(order);
        }
    }
    all
}
