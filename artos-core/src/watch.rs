//! Following one task's changes: woken by hints, with a slow poll as safety net.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    model::{TaskId, TaskRecord},
    notify::{Changes, Topic},
    store::{Found, Part, StoreResult, TaskStore},
};

/// How long to sleep without a hint before looking anyway: hints may be lost.
const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// Follows one task's changes; made by [`Client::watch`](crate::Client::watch).
pub struct Watch {
    store: Arc<dyn TaskStore>,
    id: TaskId,
    changes: Changes,
    seen: u64,
    poll: Duration,
}

impl Watch {
    pub(crate) fn new(store: Arc<dyn TaskStore>, id: TaskId) -> Self {
        // Subscribed before the first look, so that no change falls in between.
        let changes = store.changes(Topic::Task(id));
        Self { store, id, changes, seen: 0, poll: POLL_INTERVAL }
    }

    /// Counts the record of this revision as seen: [`changed`](Self::changed) returns a later one.
    #[must_use]
    pub const fn since(mut self, revision: u64) -> Self {
        self.seen = revision;
        self
    }

    /// Sets how long to sleep without a hint before looking anyway. Default: 5 seconds. Whoever
    /// follows thousands of tasks, or waits for a limited time, can do with rarer looks.
    #[must_use]
    pub const fn poll_interval(mut self, interval: Duration) -> Self {
        self.poll = interval;
        self
    }

    /// Waits until the record differs from the last one returned, and returns it. The first call
    /// returns at once. `None`: there is no such task.
    ///
    /// It waits for ever on a task that never changes again, such as a terminal one that was
    /// returned already. While the store is unavailable it keeps trying.
    ///
    /// # Errors
    ///
    /// [`StoreError`](crate::store::StoreError) if the store cannot be read and waiting will not
    /// help.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn changed(&mut self) -> StoreResult<Option<TaskRecord>> {
        let found = self.find(Part::Record, |record, seen| record.revision != seen).await?;
        Ok(found.map(|found| found.record))
    }

    /// Waits until the task is terminal, and returns it with its output.
    pub(crate) async fn terminal(&mut self) -> StoreResult<Option<Found>> {
        self.find(Part::Output, |record, _| record.is_terminal()).await
    }

    async fn find(
        &mut self,
        part: Part,
        is_wanted: impl Fn(&TaskRecord, u64) -> bool + Send,
    ) -> StoreResult<Option<Found>> {
        loop {
            match self.store.as_ref().get(self.id, part).await {
                Ok(Some(found)) if is_wanted(&found.record, self.seen) => {
                    self.seen = found.record.revision;
                    return Ok(Some(found));
                }
                Ok(None) => return Ok(None),
                Err(error) if !error.is_transient() => return Err(error),
                Ok(Some(_)) | Err(_) => {}
            }
            // A hint or the poll: both lead to another look.
            let _ = tokio::time::timeout(self.poll, self.changes.changed()).await;
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("id", &self.id).field("seen", &self.seen).finish()
    }
}
