//! What is known of one task: what must be true of it, and what may be.

use std::collections::BTreeMap;

use artos_core::TaskState;

use crate::{Digest, Submitted, lease::Lease};

/// What is known of one task.
#[derive(Debug, Clone)]
pub(crate) struct History {
    pub(crate) submitted: Submitted,
    /// When it was first asked to be inserted.
    pub(crate) asked_at: u64,
    /// Whether it is certain that it was inserted.
    pub(crate) is_inserted: bool,
    /// How often it was asked for as a follow-up task, and how often that was refused.
    pub(crate) follow_up: (u32, u32),
    /// By epoch.
    pub(crate) leases: BTreeMap<u64, Lease>,
    /// Checkpoints that somebody wanted to write, by the place of the stage that takes them.
    pub(crate) offers: Vec<(usize, Digest)>,
    /// Outputs that somebody wanted to write.
    pub(crate) outputs: Vec<Digest>,
    /// Since when the task may have ended in a state, because somebody wanted it to.
    pub(crate) may_have_ended: BTreeMap<TaskState, u64>,
    /// How it ended, once that is certain.
    pub(crate) ended: Option<Ended>,
    /// Since when that is certain, in the order of events.
    pub(crate) ended_since: Option<u64>,
    /// When it was certain that its worker would be told to cancel, in the order of events.
    pub(crate) cancel_requested: Option<u64>,
    /// Rescues: when they were asked for, and when they were answered, in the order of events.
    pub(crate) rescues: Vec<(u64, u64)>,
}

/// How a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) state: TaskState,
    /// The output, if it is known.
    pub(crate) output: Option<Digest>,
    /// The epoch whose settlement ended the task, if it is known.
    pub(crate) by: Option<u64>,
}

impl History {
    pub(crate) const fn new(submitted: Submitted, asked_at: u64) -> Self {
        Self {
            submitted,
            asked_at,
            is_inserted: false,
            follow_up: (0, 0),
            leases: BTreeMap::new(),
            offers: Vec::new(),
            outputs: Vec::new(),
            may_have_ended: BTreeMap::new(),
            ended: None,
            ended_since: None,
            cancel_requested: None,
            rescues: Vec::new(),
        }
    }

    /// Notes that somebody wanted the task to end in `state`.
    pub(crate) fn may_end(&mut self, state: TaskState, at: u64) {
        self.may_have_ended.entry(state).or_insert(at);
    }

    /// Returns how it had ended before a lease of this epoch was asked for. A lease that was given
    /// before the end may be told of after it: its worker may have been frozen meanwhile.
    pub(crate) fn ended_before(&self, asked: u64, epoch: u64) -> Option<Ended> {
        let ended = self.ended?;
        let is_before = self.ended_since.is_some_and(|since| since < asked);
        (is_before || ended.by.is_some_and(|by| by < epoch)).then_some(ended)
    }

    /// Returns the last lease before an epoch, and its epoch.
    pub(crate) fn before(&self, epoch: u64) -> Option<(u64, &Lease)> {
        self.leases.range(..epoch).next_back().map(|(epoch, lease)| (*epoch, lease))
    }

    /// Returns why a lease no longer counted when something was asked under it at `asked`.
    pub(crate) fn why_stale(&self, epoch: u64, asked: u64) -> Option<String> {
        let newer = self
            .leases
            .range(epoch + 1..)
            .find(|(_, lease)| lease.claimed.is_some_and(|claimed| claimed < asked));
        if let Some((newer, _)) = newer {
            return Some(format!("epoch {newer} had been given before that was asked"));
        }
        let claimed = self.leases.get(&epoch).and_then(|lease| lease.claimed)?;
        let rescued = self.rescues.iter().any(|(rescue_asked, rescue_answered)| {
            claimed < *rescue_asked && *rescue_answered < asked
        });
        rescued.then(|| String::from("the task had been rescued from it before that was asked"))
    }
}
