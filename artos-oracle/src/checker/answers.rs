//! What is answered is certain from now on.

use artos_core::TaskId;

use super::Checker;
use crate::{Answer, Digest, Invariant, lease::Lease};

/// A lease, as a claim answers it.
struct Claimed<'a> {
    id: TaskId,
    epoch: u64,
    attempt: u32,
    stage: Option<&'a str>,
    payload: Digest,
}

impl Checker {
    pub(super) fn says(&mut self, call: u64, answer: &Answer, at: u64) {
        self.tally.acknowledged += 1;
        let (asked, asked_at, lease_for) = self
            .calls
            .get(&call)
            .map_or((self.now, at, 0), |call| (call.asked, call.at, call.lease_for));
        // Exactly when the store decided, or else at the latest.
        let at = if self.rules.exact_clock { asked_at } else { at };
        if self.rules.fail_stop
            && let Some(stopped) = self.stopped
            && stopped < asked
        {
            let message = format!("the store had failed, and answered {answer:?} after that");
            self.find(Invariant::Stops, message);
        }
        match answer {
            Answer::Created { task } => self.created(*task),
            Answer::Existing { task, existing, same_input } => {
                self.existing(*task, *existing, *same_input);
            }
            Answer::Claimed { task, epoch, attempt, stage, payload } => {
                let stage = stage.as_deref();
                let claimed = Claimed {
                    id: *task,
                    epoch: *epoch,
                    attempt: *attempt,
                    stage,
                    payload: *payload,
                };
                self.claimed(&claimed, asked, (at, at.saturating_add(lease_for)));
            }
            Answer::Pulse { task, epoch, alive } => {
                if !*alive {
                    self.refused(*task, *epoch, at, "a heartbeat");
                } else {
                    self.accepted(*task, *epoch, asked, "a heartbeat");
                    if self.rules.exact_clock {
                        self.extended(*task, *epoch, asked, (at, at.saturating_add(lease_for)));
                    }
                }
            }
            Answer::Settled { task, epoch, state } => {
                let step = self.calls.get(&call).and_then(|call| call.step(*task, *epoch));
                match (step.cloned(), state) {
                    (Some(step), Some(state)) => self.settled(&step, *state, asked),
                    (Some(step), None) => self.stale(&step),
                    (None, _) => {}
                }
            }
            Answer::CancelledNow { .. }
            | Answer::CancelRequested { .. }
            | Answer::AlreadyTerminal { .. }
            | Answer::NoSuchTask { .. } => self.cancelled(answer),
            Answer::Rescued { task } => {
                self.rescued(*task, asked, at);
            }
            // Which ones they were is seen when they are missing.
            Answer::Pruned { .. } => {}
        }
    }

    pub(super) fn inserted(&mut self, id: TaskId) {
        let Some(history) = self.tasks.get_mut(&id) else {
            return;
        };
        if history.is_inserted {
            return;
        }
        history.is_inserted = true;
        self.tally.tasks += 1;
        let (asked, refused) = history.follow_up;
        if asked > 0 && asked == refused {
            let message =
                format!("task {id} is there, and the settlement it came with was refused");
            self.find(Invariant::Kept, message);
        }
    }

    fn created(&mut self, id: TaskId) {
        self.inserted(id);
        let Some(history) = self.tasks.get(&id) else {
            return;
        };
        let Some(key) = history.submitted.key.clone() else {
            return;
        };
        let key = (history.submitted.kind.clone(), key);
        if let Some(owner) = self.keys.get(&key).copied()
            && owner != id
            && let Some(other) = self.tasks.get(&owner)
        {
            if self.may_be_pruned(other) {
                self.forget(owner);
            } else {
                let message = format!(
                    "key {key:?} belongs to task {owner}, and task {id} was created with it"
                );
                self.find(Invariant::OneForKey, message);
            }
        }
        self.keys.insert(key, id);
    }

    fn existing(&mut self, id: TaskId, existing: TaskId, same_input: bool) {
        if self.gone.contains_key(&existing) {
            // It was pruned between this answer and its event.
            return;
        }
        let (Some(asked), Some(found)) = (self.tasks.get(&id), self.tasks.get(&existing)) else {
            let message = format!("task {id} met task {existing}, which nobody submitted");
            self.find(Invariant::Kept, message);
            return;
        };
        let (asked, found) = (asked.submitted.clone(), found.submitted.clone());
        let is_same_key = asked.key.is_some() && asked.key == found.key && asked.kind == found.kind;
        if id != existing && !is_same_key {
            let message =
                format!("task {id} met task {existing}, which has neither its id nor key");
            self.find(Invariant::OneForKey, message);
        }
        if same_input != (asked.input == found.input) {
            let message = format!(
                "task {id} with input {} met task {existing} with {}, and was told the inputs are \
                 {}",
                asked.input,
                found.input,
                if same_input { "the same" } else { "different" }
            );
            self.find(Invariant::Intact, message);
        }
        self.inserted(existing);
        if id != existing {
            // This one never came to be.
            self.tasks.remove(&id);
        }
        if let Some(key) = found.key {
            self.keys.insert((found.kind, key), existing);
        }
    }

    fn claimed(&mut self, claimed: &Claimed<'_>, asked: u64, (at, until): (u64, u64)) {
        let Claimed { id, epoch, attempt, stage, payload } = *claimed;
        if self.is_of_before_it_went(id, asked) {
            return;
        }
        let Some(history) = self.tasks.get(&id) else {
            let message = format!("task {id} was leased, and nobody submitted it");
            self.find(Invariant::Kept, message);
            return;
        };
        let kind = history.submitted.kind.clone();
        let Some(place) = self.rules.place(&kind, stage) else {
            let message = format!("task {id} was leased at stage {stage:?}, which {kind} has not");
            self.find(Invariant::Forward, message);
            return;
        };
        let mut problems = Vec::new();
        if history.leases.get(&epoch).is_some_and(|lease| lease.claimed.is_some()) {
            let message = format!("epoch {epoch} of task {id} was given twice");
            problems.push((Invariant::Fenced, message));
        }
        if let Some(ended) = history.ended_before(asked, epoch) {
            let message =
                format!("task {id} had ended as {}, and was leased as epoch {epoch}", ended.state);
            problems.push((Invariant::EndsOnce, message));
        }
        if history.cancel_requested.is_some_and(|noted| noted < asked) {
            let message = format!(
                "task {id} was to be cancelled by the worker it had, and was leased again as epoch \
                 {epoch}"
            );
            problems.push((Invariant::Cancels, message));
        }
        if epoch == 1 && at < history.asked_at.saturating_add(history.submitted.delay) {
            let delay = history.submitted.delay;
            let early = (history.asked_at + delay).saturating_sub(at);
            let message =
                format!("task {id} was to wait {delay} us, and was leased {early} us early");
            problems.push((Invariant::NotEarly, message));
        }
        problems.extend(self.too_early(history, epoch, at));
        problems.extend(self.continues(history, epoch, (place, attempt), Some(payload)));
        for (invariant, message) in problems {
            self.find(invariant, message);
        }
        self.inserted(id);
        let lease = Lease {
            process: self.process,
            claimed: Some(self.now),
            place,
            attempt,
            has_started: false,
            payload: Some(payload),
            end: None,
            charged: None,
            ran_nothing: false,
            is_rescued: false,
            times: self.times_of(asked, until),
        };
        if let Some(history) = self.tasks.get_mut(&id) {
            history.leases.insert(epoch, lease);
        }
    }

    pub(super) fn starts(&mut self, id: TaskId, stage: &str, attempt: u32) {
        self.tally.started += 1;
        let process = self.process;
        let Some(history) = self.tasks.get_mut(&id) else {
            self.find(Invariant::Kept, format!("task {id} ran, and nobody submitted it"));
            return;
        };
        let kind = history.submitted.kind.clone();
        let Some(place) = self.rules.place(&kind, Some(stage)) else {
            self.find(Invariant::Forward, format!("task {id} ran {stage}, which {kind} has not"));
            return;
        };
        let lease = history.leases.values_mut().find(|lease| {
            lease.process == process
                && lease.claimed.is_some()
                && !lease.has_started
                && (lease.place, lease.attempt) == (place, attempt)
        });
        let limit = self.rules.stage(&kind, place).map_or(0, |stage| stage.attempts_max);
        if let Some(lease) = lease {
            lease.has_started = true;
            if attempt > limit {
                let message = format!("attempt {attempt} of task {id} at {stage}, at most {limit}");
                self.find(Invariant::Attempts, message);
            }
            return;
        }
        let passed = history.leases.values().any(|lease| lease.place > place);
        let (invariant, why) = if passed {
            (Invariant::Forward, "its checkpoint had been acknowledged")
        } else {
            (Invariant::Fenced, "no lease allowed it")
        };
        let message = format!("attempt {attempt} of task {id} at {stage} started, and {why}");
        self.find(invariant, message);
    }
}
