//! What the oracle does not judge: how long calls take, how soon orphans run again, and how soon
//! work goes on after an outage.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use artos_core::TaskId;
use artos_oracle::{Answer, Asks, Event, What};

use crate::{child::CALL_DEADLINE, subject::CALLS_OF_A_CHILD};

/// How much longer than its deadline a call may take to be told about: processes wait for a
/// processor, too.
const SLACK: Duration = Duration::from_secs(3);
/// How soon a task whose worker died is leased again.
const ORPHANED_MAX: Duration = Duration::from_secs(30);

/// Watches the events of several children.
#[derive(Default)]
pub(crate) struct Watch {
    /// Calls without an end, and when they were asked.
    calls: HashMap<u64, u64>,
    /// Children that may be as slow as they like.
    excused: HashSet<u64>,
    /// Tasks that are leased, and the child that has them.
    leased: HashMap<TaskId, u64>,
    /// Tasks whose child died, and when.
    orphans: HashMap<TaskId, u64>,
    /// The time of the last event.
    now: u64,
    /// Children that are connected.
    opened: usize,
    /// What was acknowledged since somebody asked.
    inserted: u64,
    claimed: u64,
    settled: u64,
    /// The longest that anything took.
    pub(crate) longest_call: Duration,
    pub(crate) longest_orphaned: Duration,
}

impl Watch {
    /// Sees an event; returns what is wrong with it.
    pub(crate) fn see(&mut self, event: &Event) -> Option<String> {
        self.now = self.now.max(event.at);
        match &event.what {
            What::Asks(asked) => {
                self.calls.entry(asked.call).or_insert(event.at);
                if let Asks::Settle { task, .. } = &asked.asks {
                    self.leased.remove(task);
                }
            }
            What::Says { call, answer } => return self.says(*call, answer, event.at),
            What::Opened => self.opened += 1,
            What::Ends { call, .. } => return self.ends(*call, event.at),
            _ => {}
        }
        None
    }

    fn says(&mut self, call: u64, answer: &Answer, at: u64) -> Option<String> {
        match answer {
            Answer::Created { .. } => self.inserted += 1,
            Answer::Settled { state: Some(_), .. } => self.settled += 1,
            Answer::Claimed { task, .. } => {
                self.claimed += 1;
                self.leased.insert(*task, call >> CALLS_OF_A_CHILD);
                let died = self.orphans.remove(task)?;
                let orphaned = Duration::from_micros(at.saturating_sub(died));
                self.longest_orphaned = self.longest_orphaned.max(orphaned);
                if orphaned > ORPHANED_MAX {
                    return Some(format!("task {task} was an orphan for {orphaned:?}"));
                }
            }
            _ => {}
        }
        None
    }

    fn ends(&mut self, call: u64, at: u64) -> Option<String> {
        let took = Duration::from_micros(at.saturating_sub(self.calls.remove(&call)?));
        if self.excused.contains(&(call >> CALLS_OF_A_CHILD)) {
            return None;
        }
        self.longest_call = self.longest_call.max(took);
        let is_late = took > CALL_DEADLINE + SLACK;
        is_late.then(|| format!("call {call} took {took:?}, its deadline is {CALL_DEADLINE:?}"))
    }

    /// Notes that a child is dead: its tasks are orphans.
    pub(crate) fn is_dead(&mut self, child: u64) {
        let now = self.now;
        let its = self.leased.extract_if(|_, owner| *owner == child);
        self.orphans.extend(its.map(|(task, _)| (task, now)));
    }

    /// Lets a child that is to be frozen be as slow as it likes.
    pub(crate) fn excuse(&mut self, child: u64) {
        self.excused.insert(child);
    }

    /// Counts what is acknowledged from zero.
    pub(crate) const fn count_anew(&mut self) {
        (self.inserted, self.claimed, self.settled) = (0, 0, 0);
    }

    /// Returns whether everything that a runtime does was acknowledged since.
    pub(crate) const fn is_everything_back(&self) -> bool {
        self.inserted > 0 && self.claimed > 0 && self.settled > 0
    }

    /// Returns whether so many children are connected, and everything was acknowledged.
    pub(crate) const fn has_begun(&self, children: usize) -> bool {
        self.opened >= children && self.is_everything_back()
    }

    /// Returns how many settlements were acknowledged since.
    pub(crate) const fn settled(&self) -> u64 {
        self.settled
    }
}
