//! How a runtime and a stage that runs speak to each other: progress goes out, a wish to stop
//! comes in.
//!
//! Most attempts end before anybody says anything, so nothing is made before it is needed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{model::Progress, submission::Ids};

/// What the signals of all executions of a runtime share.
#[derive(Default)]
pub(crate) struct SignalHub {
    /// Tells the heartbeats that there is progress to carry.
    pub(crate) reports_arrived: Notify,
    /// The same, passed on to the heartbeats.
    pub(crate) reports_due: Notify,
    /// Where the ids of follow-up tasks come from.
    pub(crate) ids: Ids,
}

/// What carries the signals of one execution.
pub(crate) trait Signalled: Send + Sync {
    fn signals(&self) -> &Signals;
}

impl Signalled for Signals {
    fn signals(&self) -> &Self {
        self
    }
}

/// The signals of one execution.
#[derive(Default)]
pub(crate) struct Signals {
    state: Mutex<State>,
    hub: Arc<SignalHub>,
}

#[derive(Default)]
struct State {
    /// Where a stage leaves its latest progress for the next heartbeat to carry.
    report: Option<Progress>,
    stopped: bool,
    /// Made when somebody waits for it.
    token: Option<CancellationToken>,
}

impl Signals {
    pub(crate) fn new(hub: Arc<SignalHub>) -> Self {
        Self { state: Mutex::default(), hub }
    }

    pub(crate) fn ids(&self) -> &Ids {
        &self.hub.ids
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves a report of progress, instead of the one before.
    pub(crate) fn report(&self, progress: Progress) {
        self.state().report = Some(progress);
        self.hub.reports_arrived.notify_one();
    }

    /// Puts a report back that could not be carried, unless there is a newer one.
    pub(crate) fn put_back(&self, progress: Progress) {
        self.state().report.get_or_insert(progress);
    }

    pub(crate) fn take_report(&self) -> Option<Progress> {
        self.state().report.take()
    }

    /// Asks the stage to stop.
    pub(crate) fn stop(&self) {
        let token = {
            let mut state = self.state();
            state.stopped = true;
            state.token.clone()
        };
        // Not under the lock: it wakes whoever waits.
        if let Some(token) = token {
            token.cancel();
        }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.state().stopped
    }

    /// Returns a token that is cancelled when the stage should stop.
    pub(crate) fn stop_token(&self) -> CancellationToken {
        let mut state = self.state();
        let stopped = state.stopped;
        let token = state.token.get_or_insert_with(CancellationToken::new).clone();
        drop(state);
        if stopped {
            token.cancel();
        }
        token
    }
}
