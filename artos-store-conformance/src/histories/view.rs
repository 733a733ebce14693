//! What of a record is compared: all of it if the store's clock stands still between events, times
//! to the hour if it runs.
//!
//! Everything in a history lasts whole hours, so the seconds that pass on a server's clock decide
//! nothing; they only shift times by far less than half an hour.

use std::time::Duration;

use artos_core::{
    Timestamp,
    model::{FailureCause, LeaseHolder, TaskRecord},
};

use crate::outcomes::HOUR;

/// How closely times are looked at.
#[derive(Debug, Clone, Copy)]
pub(super) enum View {
    /// Exactly.
    Exact,
    /// In hours since the history began.
    Hours { began: Timestamp },
}

impl View {
    fn time(self, time: Timestamp) -> Timestamp {
        match self {
            Self::Exact => time,
            Self::Hours { began } => Timestamp::MIN + self.duration(time.since(began)),
        }
    }

    pub(super) fn duration(self, duration: Duration) -> Duration {
        match self {
            Self::Exact => duration,
            Self::Hours { .. } => {
                let hours = (duration.as_secs() + HOUR.as_secs() / 2) / HOUR.as_secs();
                Duration::from_secs(hours * HOUR.as_secs())
            }
        }
    }

    pub(super) fn record(self, mut record: TaskRecord) -> TaskRecord {
        for time in [
            &mut record.created_at,
            &mut record.stage_entered_at,
            &mut record.run_at,
            &mut record.updated_at,
        ] {
            *time = self.time(*time);
        }
        for time in [&mut record.expires_at, &mut record.started_at, &mut record.finished_at] {
            *time = time.map(|time| self.time(time));
        }
        record.lease = record
            .lease
            .map(|holder| LeaseHolder { expires_at: self.time(holder.expires_at), ..holder });
        if let Some(progress) = &mut record.progress {
            progress.updated_at = self.time(progress.updated_at);
        }
        if let Some(failure) = &mut record.failure {
            failure.at = self.time(failure.at);
            if failure.cause == FailureCause::LeaseLost {
                // Words for people; a store may choose its own.
                failure.message.clear();
            }
        }
        record
    }
}
