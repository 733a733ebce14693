//! What became of every stage of every task, across processes, as they told it themselves.
//!
//! A process says that a checkpoint is recorded only after the store has acknowledged it. So what
//! is said here must hold in every later process, however the earlier one ended.

use std::collections::{BTreeMap, BTreeSet};

use document_service::stages::STAGES;

/// Everything that was said about tasks.
#[derive(Default)]
pub(crate) struct Journal {
    tasks: BTreeMap<String, Told>,
    /// Stages that started twice or more, by task and stage.
    pub(crate) repeated: BTreeSet<(String, usize)>,
    started: BTreeSet<(String, usize)>,
    /// How many stages ended well, and were said to.
    pub(crate) acknowledged: usize,
    /// Most attempts that a stage needed.
    pub(crate) attempts_max: u32,
}

/// What was said about a task.
#[derive(Default)]
struct Told {
    /// The first stage whose end was not acknowledged; the number of stages if all were.
    next: usize,
    /// The stage that was started last, if its end was not acknowledged by the same process.
    under_way: Option<usize>,
}

/// What a line of the log says about a task.
pub(crate) enum Event<'a> {
    Started { task: &'a str, stage: usize, attempt: u32 },
    Acknowledged { task: &'a str, next: usize },
}

impl<'a> Event<'a> {
    /// Reads a line; most of them say nothing about a stage.
    pub(crate) fn parse(line: &'a str) -> Option<Self> {
        let task = field(line, "task_id=")?;
        // Webhooks are tasks as well, and no documents.
        if field(line, "kind=")? != "document.generate" {
            return None;
        }
        if line.contains(": stage started ") {
            let attempt = field(line, "attempt=")?.parse().ok()?;
            return Some(Self::Started { task, stage: number_of(field(line, "stage=")?), attempt });
        }
        if line.contains(": checkpoint recorded ") {
            return Some(Self::Acknowledged { task, next: number_of(field(line, "next_stage=")?) });
        }
        let is_end = line.contains(": attempt settled ") && line.contains(" state=completed");
        is_end.then_some(Self::Acknowledged { task, next: STAGES.len() })
    }
}

impl Journal {
    /// Reads everything that a process said, and checks it against what earlier ones said. Returns
    /// how many stages were under way when it ended.
    pub(crate) fn read(&mut self, lines: &[String]) -> usize {
        for told in self.tasks.values_mut() {
            told.under_way = None;
        }
        for line in lines {
            match Event::parse(line) {
                Some(Event::Started { task, stage, attempt }) => {
                    self.attempts_max = self.attempts_max.max(attempt);
                    self.started(task, stage, line);
                }
                Some(Event::Acknowledged { task, next }) => {
                    let told = self.tasks.entry(task.to_owned()).or_default();
                    assert!(told.next <= next, "a checkpoint went back: {line}");
                    told.next = next;
                    told.under_way = None;
                    self.acknowledged += 1;
                }
                None => {}
            }
        }
        self.tasks.values().filter(|told| told.under_way.is_some()).count()
    }

    /// Returns whether a task was seen through to its last stage.
    pub(crate) fn is_over(&self, task: &str) -> bool {
        self.tasks.get(task).is_some_and(|told| told.next + 1 >= STAGES.len())
    }

    fn started(&mut self, task: &str, stage: usize, line: &str) {
        let told = self.tasks.entry(task.to_owned()).or_default();
        assert!(
            stage >= told.next,
            "stage {} was acknowledged, and started again: {line}",
            STAGES[stage].0
        );
        // A process may die after the store acknowledged a checkpoint and before it says so, but
        // then it starts no further stage.
        assert!(stage <= told.next + 1, "stage {} was skipped: {line}", STAGES[told.next].0);
        told.next = stage;
        told.under_way = Some(stage);
        if !self.started.insert((task.to_owned(), stage)) {
            self.repeated.insert((task.to_owned(), stage));
        }
    }
}

/// Returns the highest attempt that is under way, as a process tells it.
pub(crate) fn attempt_under_way(lines: &[String]) -> u32 {
    let mut under_way = BTreeMap::new();
    for event in lines.iter().filter_map(|line| Event::parse(line)) {
        match event {
            Event::Started { task, attempt, .. } => under_way.insert(task, attempt),
            Event::Acknowledged { task, .. } => under_way.remove(task),
        };
    }
    under_way.into_values().max().unwrap_or(0)
}

/// Returns the value after a name in a line of the log.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let is_start = |at: usize| at == 0 || line[..at].ends_with([' ', '{']);
    let (at, _) = line.match_indices(name).find(|(at, _)| is_start(*at))?;
    line[at + name.len()..].split([' ', '}']).next()
}

fn number_of(stage: &str) -> usize {
    let found = STAGES.iter().position(|(name, _)| *name == stage);
    found.unwrap_or_else(|| panic!("`{stage}` is no stage"))
}
