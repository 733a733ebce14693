//! Reads events in order, knows what they imply, and finds what cannot be.

mod answers;
mod asks;
mod call;
mod ends;
mod missing;
mod rows;
mod timely;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use artos_core::{TaskId, TaskState};

use self::call::{Call, Step};
use crate::{Event, Finding, Invariant, Rules, What, history::History};

/// Findings that are kept; of a store that is broken one need not know everything.
const FINDINGS_MAX: usize = 100;

/// Knows what a store has acknowledged, and finds what contradicts it.
///
/// It is fed with the events of one store, through any number of crashes.
#[derive(Debug, Clone)]
pub struct Checker {
    rules: Rules,
    tasks: BTreeMap<TaskId, History>,
    /// Tasks that were pruned, and when that was known, in the order of events.
    gone: BTreeMap<TaskId, u64>,
    /// Who owns an idempotency key, by kind and key.
    keys: HashMap<(String, String), TaskId>,
    /// Calls without an end.
    calls: BTreeMap<u64, Call>,
    /// Settlements with follow-up tasks that a crash left without an answer.
    steps: Vec<Step>,
    /// Until when a task that ended in a state may have been pruned.
    prunable_until: HashMap<TaskState, u64>,
    /// The tasks of the dump that is being read.
    dump: Option<BTreeSet<TaskId>>,
    /// How many events were read; orders them.
    now: u64,
    /// How many crashes there were.
    process: u64,
    /// When the store failed for the first time in this process, in the order of events.
    stopped: Option<u64>,
    /// When the clock was set for the last time, in the order of events.
    clock_moved: Option<u64>,
    findings: Vec<Finding>,
    tally: Tally,
}

/// What a checker has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Events.
    pub events: u64,
    /// Answers of the store that acknowledged something.
    pub acknowledged: u64,
    /// Tasks that were acknowledged.
    pub tasks: u64,
    /// Tasks whose end was acknowledged or seen.
    pub ended: u64,
    /// Bodies of stages that started.
    pub started: u64,
    /// Calls that the store refused.
    pub refused: u64,
    /// Findings, even if they were not kept.
    pub findings: u64,
}

/// What a checker has seen that has seen nothing.
const NOTHING: Tally =
    Tally { events: 0, acknowledged: 0, tasks: 0, ended: 0, started: 0, refused: 0, findings: 0 };

impl Checker {
    /// Makes a checker of a store that is empty.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            tasks: BTreeMap::new(),
            gone: BTreeMap::new(),
            keys: HashMap::new(),
            calls: BTreeMap::new(),
            steps: Vec::new(),
            prunable_until: HashMap::new(),
            dump: None,
            now: 0,
            process: 0,
            stopped: None,
            clock_moved: None,
            findings: Vec::new(),
            tally: NOTHING,
        }
    }

    /// Reads an event.
    pub fn read(&mut self, event: &Event) {
        self.now += 1;
        self.tally.events += 1;
        match &event.what {
            What::Asks(asked) => self.asks(asked, event.at),
            What::Says { call, answer } => self.says(*call, answer, event.at),
            What::Ends { call, refusal } => {
                self.calls.remove(call);
                if let Some(refusal) = refusal {
                    self.tally.refused += 1;
                    if refusal.kind != "invalid" {
                        self.stopped.get_or_insert(self.now);
                    }
                }
            }
            What::Starts { task, stage, attempt } => self.starts(*task, stage, *attempt),
            What::DumpBegins => self.dump = Some(BTreeSet::new()),
            What::Row(row) => self.row(row),
            What::DumpEnds { tasks } => self.dump_ends(*tasks),
            What::Wrong { message } => self.find(Invariant::Intact, message.clone()),
            What::Opened | What::Refused(_) | What::Done => {}
        }
    }

    /// Notes that the process ended, in whatever way: what it had asked and not heard about may
    /// have happened or not.
    pub fn crash(&mut self) {
        self.steps.extend(std::mem::take(&mut self.calls).into_values().flat_map(Call::into_steps));
        self.process += 1;
        self.stopped = None;
        self.dump = None;
    }

    /// Notes that the store's clock was set forward or back.
    pub fn clock_moved(&mut self) {
        self.clock_moved = Some(self.now);
        for task in self.tasks.values_mut() {
            task.leases.values_mut().for_each(|lease| lease.times.clock_moved());
            if !task.is_inserted {
                // Who knows which clock it begins by.
                task.asked_at = 0;
            }
            // It may end at any time the clock shows from now on.
            task.may_have_ended.values_mut().for_each(|since| *since = 0);
        }
    }

    /// Checks, after a dump that was made once nothing went wrong any more, that every task ended.
    pub fn everything_ended(&mut self) {
        let unended = self.tasks.values().filter(|task| task.is_inserted && task.ended.is_none());
        let messages: Vec<_> = unended
            .map(|task| {
                let id = task.submitted.id;
                format!("task {id} is not terminal although nothing went wrong any more")
            })
            .collect();
        for message in messages {
            self.find(Invariant::Ends, message);
        }
    }

    /// Adds a finding of somebody who saw more than events.
    pub fn find(&mut self, invariant: Invariant, message: impl Into<String>) {
        self.tally.findings += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding { invariant, message: message.into() });
        }
    }

    /// Returns what was found.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Returns what was seen.
    #[must_use]
    pub const fn tally(&self) -> Tally {
        self.tally
    }

    /// Counts from zero again, for a copy of a store whose events were counted already.
    pub const fn count_anew(&mut self) {
        self.tally = Tally { findings: self.tally.findings, ..NOTHING };
    }

    /// Returns whether a task may have been pruned by now.
    fn may_be_pruned(&self, task: &History) -> bool {
        let ended = task.ended.map(|ended| ended.state);
        task.may_have_ended.iter().any(|(state, since)| {
            ended.is_none_or(|ended| ended == *state)
                && self.prunable_until.get(state).is_some_and(|until| since <= until)
        })
    }

    /// Forgets a task that is not in the store any more.
    fn forget(&mut self, id: TaskId) {
        if let Some(task) = self.tasks.remove(&id) {
            self.gone.insert(id, self.now);
            if let Some(key) = task.submitted.key {
                let key = (task.submitted.kind, key);
                if self.keys.get(&key) == Some(&id) {
                    self.keys.remove(&key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
