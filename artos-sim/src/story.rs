//! Events in words, for those who read what happened.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use artos_oracle::{Answer, Asks, What};

/// Says in words what happened.
pub(crate) fn describe(what: &What) -> String {
    match what {
        What::Asks(asked) => format!("    #{} asks {}", asked.call, asks(&asked.asks)),
        What::Says { call, answer } => format!("    #{call} says {}", says(answer)),
        What::Ends { call, refusal: None } => format!("    #{call} ends"),
        What::Ends { call, refusal: Some(refusal) } => {
            format!("    #{call} fails: {}", refusal.message)
        }
        What::Starts { task, stage, attempt } => {
            format!("    body of {task} at {stage}, attempt {attempt}")
        }
        What::Row(row) => format!(
            "    row {}: {}, stage {:?}, epoch {}, attempt {}",
            row.id, row.state, row.stage, row.epoch, row.attempt
        ),
        other => format!("    {other:?}"),
    }
}

fn asks(asks: &Asks) -> String {
    match asks {
        Asks::Insert(task) => format!("insert {} {} key {:?}", task.id, task.kind, task.key),
        Asks::Claim { queue, .. } => format!("claim {queue}"),
        Asks::Heartbeat { task, epoch, .. } => format!("heartbeat {task} epoch {epoch}"),
        Asks::Settle { task, epoch, outcome, stage, delay, .. } => {
            let mut text = format!("settle {task} epoch {epoch}: {outcome}");
            if let Some(stage) = stage {
                let _ = write!(text, " to {stage}");
            }
            if *delay > 0 {
                let _ = write!(text, " for {:?}", Duration::from_micros(*delay));
            }
            text
        }
        Asks::FollowUp { of, task } => format!("follow-up {} of {of}", task.id),
        Asks::Cancel { task } => format!("cancel {task}"),
        Asks::Rescue => String::from("rescue"),
        Asks::Prune { .. } => String::from("prune"),
    }
}

fn says(answer: &Answer) -> String {
    match answer {
        Answer::Created { task } => format!("created {task}"),
        Answer::Existing { task, existing, .. } => format!("{existing} was there, not {task}"),
        Answer::Claimed { task, epoch, attempt, stage, .. } => {
            format!("claimed {task} epoch {epoch}, attempt {attempt}, stage {stage:?}")
        }
        Answer::Pulse { task, epoch, alive } => {
            format!("{task} epoch {epoch} is {}", if *alive { "alive" } else { "lost" })
        }
        Answer::Settled { task, epoch, state: Some(state) } => {
            format!("settled {task} epoch {epoch}: {state}")
        }
        Answer::Settled { task, epoch, state: None } => format!("stale {task} epoch {epoch}"),
        Answer::CancelledNow { task } => format!("cancelled {task}"),
        Answer::CancelRequested { task } => format!("cancel of {task} noted"),
        Answer::AlreadyTerminal { task, state } => format!("{task} was {state}"),
        Answer::NoSuchTask { task } => format!("no task {task}"),
        Answer::Rescued { task } => format!("rescued {task}"),
        Answer::Pruned { tasks } => format!("pruned {tasks}"),
    }
}

/// Gives ids short names, in the order in which they appear.
#[derive(Debug, Default)]
pub(crate) struct Names(BTreeMap<String, usize>);

impl Names {
    /// Length of an id in its hyphenated form.
    const LENGTH: usize = 36;

    /// Replaces every id of a text by its short name.
    pub(crate) fn shorten(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(char) = rest.chars().next() {
            match rest.get(..Self::LENGTH).filter(|id| is_id(id)) {
                Some(id) => {
                    let next = self.0.len() + 1;
                    let number = *self.0.entry(String::from(id)).or_insert(next);
                    let _ = write!(out, "t{number}");
                    rest = rest.get(Self::LENGTH..).unwrap_or_default();
                }
                None => {
                    out.push(char);
                    rest = rest.get(char.len_utf8()..).unwrap_or_default();
                }
            }
        }
        out
    }
}

fn is_id(text: &str) -> bool {
    text.parse::<artos_core::TaskId>().is_ok()
}
