//! A task of a dump, compared with what is known of it.

use artos_core::TaskState;

use super::Checker;
use crate::{
    Invariant, Row,
    history::{Ended, History},
    lease::Lease,
    times::Times,
};

type Problems = Vec<(Invariant, String)>;

impl Checker {
    pub(super) fn row(&mut self, row: &Row) {
        let id = row.id;
        let is_new = self.dump.get_or_insert_default().insert(id);
        if !is_new {
            self.find(Invariant::Kept, format!("task {id} is listed twice"));
        }
        let Some(history) = self.tasks.get(&id) else {
            let why = if self.gone.contains_key(&id) {
                "is there again, and was pruned"
            } else {
                "is there, and nobody submitted it"
            };
            self.find(Invariant::Kept, format!("task {id} {why}"));
            return;
        };
        let mut problems = unchanged(history, row);
        let place = self.rules.place(&row.kind, row.stage.as_deref());
        match place {
            Some(place) => problems.extend(self.standing(history, row, place)),
            None => {
                let message = format!("task {id} is at stage {:?}, which it has not", row.stage);
                problems.push((Invariant::Forward, message));
            }
        }
        problems.extend(end(history, row));
        for (invariant, message) in problems {
            self.find(invariant, message);
        }
        self.inserted(id);
        self.learn(row, place.unwrap_or(0));
    }

    /// Checks epoch, stage, attempt and checkpoint.
    fn standing(&self, history: &History, row: &Row, place: usize) -> Problems {
        let (id, epoch) = (row.id, row.epoch);
        let mut problems = Problems::new();
        if let Some((last, _)) = history.leases.last_key_value()
            && *last > epoch
        {
            let message = format!("task {id} had epoch {last}, and has {epoch}");
            problems.push((Invariant::Forward, message));
        }
        let payload = if row.stage.is_some() && row.state != TaskState::Completed {
            row.checkpoint
        } else {
            None
        };
        if row.stage.is_some() && row.state != TaskState::Completed && payload.is_none() {
            let message = format!("task {id} is at stage {:?} without its payload", row.stage);
            problems.push((Invariant::Intact, message));
        }
        match (row.state, history.leases.get(&epoch)) {
            // The lease is known: it may have moved on since, and ended.
            (_, Some(lease)) if place == lease.place => {
                let (least, most) = match row.state {
                    TaskState::Pending => lease.charges(),
                    _ => (lease.charges().0.min(lease.attempt), lease.attempt),
                };
                if !(least..=most).contains(&row.attempt) {
                    let attempt = row.attempt;
                    let message =
                        format!("task {id} has {attempt} attempts, expected {least} to {most}");
                    problems.push((Invariant::Attempts, message));
                }
                if let (Some(found), Some(expected)) = (payload, lease.payload)
                    && found != expected
                {
                    let message = format!("task {id} has checkpoint {found}, expected {expected}");
                    problems.push((Invariant::Intact, message));
                }
            }
            (_, Some(lease)) if place < lease.place => {
                let message = format!("task {id} was at place {}, and is at {place}", lease.place);
                problems.push((Invariant::Forward, message));
            }
            (_, Some(_)) => {
                if let Some(found) = payload
                    && !history.offers.contains(&(place, found))
                {
                    let message = format!("task {id} has checkpoint {found}, which nobody wrote");
                    problems.push((Invariant::Intact, message));
                }
            }
            (TaskState::Running, None) => {
                let at = (place, row.attempt);
                problems.extend(self.continues(history, epoch, at, payload));
            }
            // Waiting or ended: up to one attempt for each lease may have been given back.
            (_, None) => {
                let next = (place, row.attempt.saturating_add(1));
                let found = self.continues(history, epoch.saturating_add(1), next, payload);
                problems.extend(
                    found.into_iter().filter(|(invariant, _)| *invariant != Invariant::Attempts),
                );
            }
        }
        problems
    }

    /// Makes what the row shows certain.
    fn learn(&mut self, row: &Row, place: usize) {
        let ended = Ended { state: row.state, output: row.output, by: None };
        let process = self.process;
        if let Some(history) = self.tasks.get_mut(&row.id) {
            if row.state.is_terminal() {
                // The rest of what is known stays: who ended it, and since when.
            } else {
                // What was asked under a lease of a process that is gone did not happen.
                history
                    .may_have_ended
                    .retain(|state, _| *state == TaskState::Cancelled && row.cancel_requested);
                if row.cancel_requested {
                    history.may_have_ended.entry(TaskState::Cancelled).or_insert(0);
                    history.cancel_requested.get_or_insert(self.now);
                }
            }
            if row.epoch > 0 {
                let input = history.submitted.checkpoint.unwrap_or(history.submitted.input);
                let lease = history.leases.entry(row.epoch).or_insert_with(|| Lease {
                    process,
                    claimed: None,
                    place,
                    attempt: row.attempt,
                    has_started: false,
                    payload: None,
                    end: None,
                    charged: None,
                    ran_nothing: false,
                    is_rescued: false,
                    times: Times::default(),
                });
                lease.place = place;
                lease.attempt = row.attempt;
                lease.payload = row.checkpoint.or(row.stage.is_none().then_some(input));
                lease.charged = (row.state == TaskState::Pending).then_some(row.attempt);
            }
            if let Some(key) = &row.key {
                let key = (row.kind.clone(), key.clone());
                let owner = self.keys.insert(key.clone(), row.id);
                let seen = owner
                    .filter(|owner| *owner != row.id)
                    .filter(|owner| self.dump.as_ref().is_some_and(|dump| dump.contains(owner)));
                if let Some(owner) = seen {
                    let message = format!("tasks {owner} and {} both have key {key:?}", row.id);
                    self.find(Invariant::OneForKey, message);
                }
            }
        }
        if row.state.is_terminal() {
            self.ends(row.id, ended);
        }
    }
}

/// Checks what no transition changes.
fn unchanged(history: &History, row: &Row) -> Problems {
    let submitted = &history.submitted;
    let mut problems = Problems::new();
    if (&row.kind, &row.options, &row.key) != (&submitted.kind, &submitted.options, &submitted.key)
    {
        let message = format!("task {} is not as it was submitted: {row:?}, {submitted:?}", row.id);
        problems.push((Invariant::Intact, message));
    }
    if row.input != Some(submitted.input) {
        let expected = submitted.input;
        let message = format!("task {} has input {:?}, expected {expected}", row.id, row.input);
        problems.push((Invariant::Intact, message));
    }
    problems
}

/// Checks whether the task ended, and whether it may have.
fn end(history: &History, row: &Row) -> Problems {
    let (id, state) = (row.id, row.state);
    let mut problems = Problems::new();
    match history.ended {
        Some(ended) if !state.is_terminal() => {
            let message = format!("task {id} had ended as {}, and is {state}", ended.state);
            problems.push((Invariant::Forward, message));
        }
        None if state.is_terminal() && !history.may_have_ended.contains_key(&state) => {
            let message = format!("task {id} is {state}, and nobody asked for that");
            problems.push((Invariant::EndsOnce, message));
        }
        _ => {}
    }
    if state == TaskState::Completed && !row.output.is_some_and(|o| history.outputs.contains(&o)) {
        let message = format!("task {id} has output {:?}, which nobody wrote", row.output);
        problems.push((Invariant::Intact, message));
    }
    if history.cancel_requested.is_some() && !state.is_terminal() {
        let is_noted = row.cancel_requested && state == TaskState::Running;
        if !is_noted {
            let message = format!("task {id} was to be cancelled, and is {state} without a note");
            problems.push((Invariant::Cancels, message));
        }
    }
    problems
}
