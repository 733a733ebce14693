//! What happened: checked at once, hashed, and, if somebody wants to read it, written down.

use std::{
    fmt,
    hash::{DefaultHasher, Hash, Hasher as _},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use artos_oracle::{Checker, Event, Finding, Invariant, Rules, Tally};

use crate::{clock::SimClock, story::describe};

/// Somebody who does something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Who {
    Runtime(u64),
    Client(u64),
    Fate,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Runtime(number) => write!(f, "runtime {number}"),
            Self::Client(number) => write!(f, "client {number}"),
            Self::Fate => f.write_str("fate"),
        }
    }
}

/// Everything that happened in a run.
pub(crate) struct Journal {
    clock: SimClock,
    state: Mutex<State>,
}

struct State {
    checker: Checker,
    hash: DefaultHasher,
    faults: u64,
    lines: Option<Vec<(Duration, String)>>,
}

impl Journal {
    pub(crate) fn new(clock: SimClock, rules: Rules, keeps_lines: bool) -> Self {
        let state = State {
            checker: Checker::new(rules),
            hash: DefaultHasher::new(),
            faults: 0,
            lines: keeps_lines.then(Vec::new),
        };
        Self { clock, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what was asked of the store, and what it answered.
    pub(crate) fn read(&self, event: &Event) {
        let mut state = self.state();
        event.hash(&mut state.hash);
        state.checker.read(event);
        if let Some(lines) = &mut state.lines {
            lines.push((self.clock.elapsed(), describe(&event.what)));
        }
    }

    /// Takes in what somebody did.
    pub(crate) fn note(&self, who: Who, what: &'static str, detail: impl Hash + fmt::Display) {
        let mut state = self.state();
        let at = self.clock.elapsed();
        (at, who, what).hash(&mut state.hash);
        detail.hash(&mut state.hash);
        if let Some(lines) = &mut state.lines {
            lines.push((at, format!("{who}: {what} {detail}")));
        }
    }

    /// Counts a fault.
    pub(crate) fn fault(&self) {
        self.state().faults += 1;
    }

    pub(crate) fn faults(&self) -> u64 {
        self.state().faults
    }

    /// Lets something be done to the checker.
    pub(crate) fn checker<T>(&self, change: impl FnOnce(&mut Checker) -> T) -> T {
        change(&mut self.state().checker)
    }

    pub(crate) fn find(&self, invariant: Invariant, message: impl Into<String>) {
        self.checker(|checker| checker.find(invariant, message));
    }

    pub(crate) fn hash(&self) -> u64 {
        self.state().hash.finish()
    }

    pub(crate) fn findings(&self) -> (Vec<Finding>, Tally) {
        self.checker(|checker| (checker.findings().to_vec(), checker.tally()))
    }

    pub(crate) fn take_lines(&self) -> Vec<(Duration, String)> {
        self.state().lines.take().unwrap_or_default()
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("clock", &self.clock).finish_non_exhaustive()
    }
}
