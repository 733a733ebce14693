//! The runtime's durations, with the reasons for their defaults.

use std::time::Duration;

use crate::{error::StartProblem, model::Retention};

/// The runtime's durations; set through [`RuntimeBuilder`](crate::RuntimeBuilder).
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// How long a lease lasts without a heartbeat. 20 s: an orphan runs again within 30 s.
    pub(crate) lease: Duration,
    /// Time between heartbeats. A quarter of the lease: three may be lost before the task is.
    pub(crate) heartbeat: Duration,
    /// Shortest time between two heartbeats that only carry progress.
    pub(crate) report: Duration,
    /// How long a worker sleeps without a hint before it looks for tasks anyway, where hints may be
    /// lost or a task waits for later.
    pub(crate) poll: Duration,
    /// How long a store may take to answer a call before it counts as unavailable.
    pub(crate) patience: Duration,
    /// How long a cancelled stage may take to stop by itself.
    pub(crate) cancel_grace: Duration,
    /// Shortest time between two looks for tasks past their retention.
    pub(crate) prune: Duration,
    pub(crate) retention: Retention,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(20),
            heartbeat: Duration::from_secs(5),
            report: Duration::from_millis(200),
            poll: Duration::from_secs(15),
            patience: Duration::from_secs(10),
            cancel_grace: Duration::from_secs(5),
            prune: Duration::from_secs(60),
            retention: Retention::default(),
        }
    }
}

impl Options {
    /// Sets the lease and the durations that follow from it.
    pub(crate) fn set_lease(&mut self, lease: Duration) {
        self.lease = lease;
        self.heartbeat = lease / 4;
        self.report = self.report.min(self.heartbeat);
        self.patience = lease / 2;
    }

    pub(crate) fn check(&self, problems: &mut Vec<StartProblem>) {
        let shortest = Duration::from_millis(100);
        if self.lease < shortest {
            let message = format!("found {:?}, expected at least {shortest:?}", self.lease);
            problems.push(StartProblem::BadOption { what: "lease_duration", message });
        }
        for (what, duration) in [("poll_interval", self.poll), ("prune_interval", self.prune)] {
            if duration.is_zero() {
                let message = String::from("found zero, which would poll without a pause");
                problems.push(StartProblem::BadOption { what, message });
            }
        }
    }
}
