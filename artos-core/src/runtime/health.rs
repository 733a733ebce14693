//! What a runtime says about itself, for a readiness probe and for people.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::Name;

/// How long a loop may fail, or hang in a call, before the runtime no longer counts as ready.
const STALLED_AFTER: Duration = Duration::from_secs(5);

/// How long a lag is told after a claim that found fewer tasks than it asked for. A worker that has
/// nothing to do does not claim again to find out that it is over.
const LAG_LASTS: Duration = Duration::from_secs(15);

/// How a runtime is, at one moment.
#[derive(Debug, Clone)]
pub struct Health {
    /// Whether it was told to shut down.
    pub draining: bool,
    /// How many tasks it is running.
    pub running: usize,
    /// Each loop that talks to the store.
    pub duties: Vec<DutyHealth>,
}

/// How one loop of a runtime is.
#[derive(Debug, Clone)]
pub struct DutyHealth {
    /// Which loop: `claim default`, `heartbeat`, `rescue`, `prune`, `settle`.
    pub duty: String,
    /// How long ago the store last answered it. The pruner may have nothing to ask for an hour,
    /// and other loops for days if the store loses no hints; `Client::ping` asks whether it answers
    /// now.
    pub answered_ago: Option<Duration>,
    /// How long it has been failing, or waiting for one answer.
    pub failing_for: Option<Duration>,
    /// What the store said last, if it failed.
    pub error: Option<String>,
    /// Of a claim loop: how long the oldest task of the last claim had been due. Zero fifteen
    /// seconds after a claim that found fewer tasks than it asked for, unless the loop is failing.
    pub lag: Option<Duration>,
}

impl DutyHealth {
    /// Returns whether the loop has not got through for so long that work is held up.
    #[must_use]
    pub fn is_stalled(&self) -> bool {
        self.failing_for.is_some_and(|failing| failing >= STALLED_AFTER)
    }
}

impl Health {
    /// Returns whether the runtime takes in and runs tasks: not draining, no loop stalled.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.draining && !self.duties.iter().any(DutyHealth::is_stalled)
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.draining {
            f.write_str("draining; ")?;
        }
        write!(f, "{} tasks running", self.running)?;
        for duty in self.duties.iter().filter(|duty| duty.is_stalled()) {
            let error = duty.error.as_deref().unwrap_or("no answer");
            write!(f, "; {} stalled for {:?}: {error}", duty.duty, duty.failing_for)?;
        }
        Ok(())
    }
}

/// Reads a runtime's health from anywhere; made by [`Runtime::monitor`](crate::Runtime::monitor).
#[derive(Clone)]
pub struct Monitor {
    pub(super) board: Arc<Board>,
}

impl Monitor {
    /// Returns how the runtime is now. It reads memory only and never waits for the store.
    #[must_use]
    pub fn health(&self) -> Health {
        self.board.health()
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Monitor({})", self.health())
    }
}

/// Where the loops leave notes about themselves.
#[derive(Default)]
pub(crate) struct Board {
    pub(super) draining: AtomicBool,
    duties: Mutex<Vec<Arc<Duty>>>,
    running: std::sync::OnceLock<Box<dyn Fn() -> usize + Send + Sync>>,
}

impl Board {
    /// Tells where the number of running tasks comes from.
    pub(super) fn count_running_by(&self, count: impl Fn() -> usize + Send + Sync + 'static) {
        let _ = self.running.set(Box::new(count));
    }

    /// Returns the notes of a loop; a loop that starts again goes on in its old ones.
    pub(super) fn duty(&self, name: String) -> Arc<Duty> {
        let mut duties = self.duties.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(duty) = duties.iter().find(|duty| duty.name == name) {
            return Arc::clone(duty);
        }
        let duty = Arc::new(Duty { name, notes: Mutex::default() });
        duties.push(Arc::clone(&duty));
        duty
    }

    fn health(&self) -> Health {
        let now = Instant::now();
        let duties = self.duties.lock().unwrap_or_else(PoisonError::into_inner);
        Health {
            draining: self.draining.load(Ordering::SeqCst),
            running: self.running.get().map_or(0, |count| count()),
            duties: duties.iter().map(|duty| duty.health(now)).collect(),
        }
    }
}

/// One loop's notes about itself.
pub(crate) struct Duty {
    name: String,
    notes: Mutex<Notes>,
}

#[derive(Default)]
struct Notes {
    answered: Option<Instant>,
    /// When the call that is under way, or the first of a row of failed calls, began.
    trouble_since: Option<Instant>,
    error: Option<String>,
    lag: Option<Lag>,
}

/// How late the tasks of a claim were.
#[derive(Clone, Copy)]
struct Lag {
    late: Duration,
    at: Instant,
    /// It got as many tasks as it asked for, so more may wait.
    leaves_some: bool,
}

impl Lag {
    fn at(self, now: Instant) -> Duration {
        let is_over = now.saturating_duration_since(self.at) >= LAG_LASTS;
        if is_over && !self.leaves_some { Duration::ZERO } else { self.late }
    }
}

impl Duty {
    fn note(&self, note: impl FnOnce(&mut Notes)) {
        note(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Notes that a call begins; returns when.
    pub(super) fn calling(&self) -> Instant {
        let now = Instant::now();
        self.note(|notes| {
            notes.trouble_since.get_or_insert(now);
        });
        now
    }

    pub(super) fn answered(&self, now: Instant) {
        self.note(|notes| {
            notes.answered = Some(now);
            notes.trouble_since = None;
            notes.error = None;
        });
    }

    /// Notes that there is nothing to call the store for.
    pub(super) fn idle(&self) {
        self.note(|notes| {
            notes.trouble_since = None;
            notes.error = None;
        });
    }

    pub(super) fn failed(&self, error: &dyn fmt::Display) {
        self.note(|notes| notes.error = Some(error.to_string()));
    }

    /// Notes how late the tasks of a claim were, and whether there may be more of them.
    pub(super) fn lagging(&self, late: Duration, leaves_some: bool) {
        let lag = Lag { late, at: Instant::now(), leaves_some };
        self.note(|notes| notes.lag = Some(lag));
    }

    fn health(&self, now: Instant) -> DutyHealth {
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        DutyHealth {
            duty: self.name.clone(),
            answered_ago: notes.answered.map(|at| now.saturating_duration_since(at)),
            failing_for: notes.trouble_since.map(|at| now.saturating_duration_since(at)),
            error: notes.error.clone(),
            lag: notes.lag.map(|lag| match notes.trouble_since {
                None => lag.at(now),
                Some(_) => lag.late,
            }),
        }
    }
}

/// Names a claim loop.
pub(super) fn claim_duty(queue: &Name) -> String {
    format!("claim {queue}")
}
