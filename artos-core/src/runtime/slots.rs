//! How many tasks of a queue a runtime works on.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The slots of a queue.
///
/// A task has a slot while its stages run. While its end is recorded it is only settling, and its
/// slot is free for the next task: otherwise slots would stand empty while a disk syncs. As many
/// tasks settle at a time as there are slots; beyond that, they keep their slots until they have
/// settled.
#[derive(Debug, Clone)]
pub(super) struct Slots {
    running: Arc<Semaphore>,
    settling: Arc<Semaphore>,
}

/// What a task holds until it is settled.
#[derive(Debug)]
pub(super) struct Slot {
    /// Of those who run, or of those who settle. Released when it is dropped.
    permit: OwnedSemaphorePermit,
    settling: Arc<Semaphore>,
}

/// Slots that are free, taken for tasks that are about to be claimed.
#[derive(Debug)]
pub(super) struct FreeSlots {
    permits: OwnedSemaphorePermit,
    settling: Arc<Semaphore>,
}

impl Slots {
    pub(super) fn new(concurrency: usize) -> Self {
        let permits = concurrency.min(Semaphore::MAX_PERMITS);
        Self {
            running: Arc::new(Semaphore::new(permits)),
            settling: Arc::new(Semaphore::new(permits)),
        }
    }

    /// Waits for a free slot, and takes all that are free, up to a limit.
    pub(super) async fn free(&self, limit: usize) -> Option<FreeSlots> {
        let mut permits = Arc::clone(&self.running).acquire_owned().await.ok()?;
        // Others that are about to become free do so first: one claim for all of them.
        tokio::task::yield_now().await;
        let more = self.running.available_permits().min(limit.saturating_sub(1));
        if let Ok(more) = u32::try_from(more)
            && let Ok(others) = Arc::clone(&self.running).try_acquire_many_owned(more)
        {
            permits.merge(others);
        }
        Some(FreeSlots { permits, settling: Arc::clone(&self.settling) })
    }
}

impl FreeSlots {
    pub(super) fn count(&self) -> usize {
        self.permits.num_permits()
    }

    /// Takes one of them, if any is left.
    pub(super) fn take(&mut self) -> Option<Slot> {
        let permit = self.permits.split(1)?;
        Some(Slot { permit, settling: Arc::clone(&self.settling) })
    }
}

impl Slot {
    /// Frees the slot for another task, if no more tasks settle than may.
    pub(super) fn settling(&mut self) {
        if let Ok(permit) = Arc::clone(&self.settling).try_acquire_owned() {
            self.permit = permit;
        }
    }
}
