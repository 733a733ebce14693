//! The store: writes go through the commit thread, reads go straight to the tree, or to what is in
//! memory.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use artos_core::{
    machine::Cancelled,
    model::{ListQuery, NewTask, Page, Retention, Settlement, TaskId, TaskRecord},
    notify::{Changes, Topic},
    store::{
        Beat, Claim, Claims, Found, Inserted, Part, Pruned, Pulse, Rescued, Settled, StoreResult,
        TaskStore,
    },
};
use async_trait::async_trait;

use crate::{
    SledStoreBuilder, commit::Committer, disk::Disk, listing, lookup, operations::Operations,
    reading,
};

/// Tasks pruned in one operation, so that a large prune does not hold up heartbeats.
const PRUNE_STEP: usize = 256;

/// Keeps tasks in a folder. Clones share the store.
///
/// Dropping the last clone closes the store: it waits for the group of changes under way, and the
/// folder can be opened again as soon as reads under way have ended, too.
#[derive(Clone)]
pub struct SledStore {
    committer: Arc<Committer>,
}

impl SledStore {
    /// Opens the store in a folder, making it if the folder does not exist or is empty.
    ///
    /// # Errors
    ///
    /// As [`SledStoreBuilder::open`].
    pub fn open(path: impl Into<PathBuf>) -> StoreResult<Self> {
        Self::builder(path).open()
    }

    /// Begins to open the store in a folder, with options.
    pub fn builder(path: impl Into<PathBuf>) -> SledStoreBuilder {
        SledStoreBuilder::new(path.into())
    }

    pub(crate) fn new(committer: Committer) -> Self {
        Self { committer: Arc::new(committer) }
    }

    /// Reads off tokio's threads, because a read may wait for the disk, and for a group that is
    /// just being applied.
    ///
    /// What is read is returned once it is durable, so that nothing a reader saw can be undone.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Disk) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<T> {
        let disk = Arc::clone(self.committer.disk());
        let found = reading::apart(self.committer.disk().poison(), move || read(&disk)).await?;
        self.committer.settled().await?;
        Ok(found)
    }

    /// Reads a record: out of memory, if that has it.
    async fn record(&self, id: TaskId) -> StoreResult<Option<TaskRecord>> {
        let disk = self.committer.disk();
        disk.poison().check()?;
        let Some(read) = disk.glance(id) else {
            return self.read(move |disk| disk.record(id)).await;
        };
        self.committer.settled_up_to(read.seen).await?;
        Ok(Some(read.record.clone()))
    }
}

impl fmt::Debug for SledStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.committer.disk().folder().path();
        f.debug_struct("SledStore").field("path", &path).finish_non_exhaustive()
    }
}

#[async_trait]
impl TaskStore for SledStore {
    async fn insert(&self, tasks: &[NewTask]) -> StoreResult<Vec<Inserted>> {
        let tasks = tasks.to_vec();
        self.committer.change(move |operations, now| operations.insert(&tasks, now)).await
    }

    async fn get(&self, id: TaskId, part: Part) -> StoreResult<Option<Found>> {
        if part == Part::Record {
            let record = self.record(id).await?;
            return Ok(record.map(|record| Found { record, payload: None }));
        }
        let found = self.read(move |disk| lookup::load(disk, id, part)).await?;
        Ok(found.map(|(task, payload)| Found { record: task.stored.record.clone(), payload }))
    }

    async fn list(&self, query: &ListQuery) -> StoreResult<Page> {
        let query = query.clone();
        self.read(move |disk| listing::list(disk, &query)).await
    }

    async fn claim(&self, request: &Claim) -> StoreResult<Claims> {
        let request = request.clone();
        self.committer.change(move |operations, now| operations.claim(&request, now)).await
    }

    async fn heartbeat(&self, lease_for: Duration, beats: &[Beat]) -> StoreResult<Vec<Pulse>> {
        let beats = beats.to_vec();
        let beat = move |operations: &mut Operations<'_>, now| {
            operations.heartbeat(lease_for, &beats, now)
        };
        self.committer.change(beat).await
    }

    async fn settle(&self, settlements: &[Settlement]) -> StoreResult<Vec<Settled>> {
        let settlements = settlements.to_vec();
        self.committer.change(move |operations, now| operations.settle(&settlements, now)).await
    }

    async fn cancel(&self, id: TaskId) -> StoreResult<Cancelled> {
        self.committer.change(move |operations, now| operations.cancel(id, now)).await
    }

    async fn rescue(&self, limit: usize) -> StoreResult<Rescued> {
        self.committer.change(move |operations, now| operations.rescue(limit, now)).await
    }

    async fn prune(&self, retention: &Retention, limit: usize) -> StoreResult<Pruned> {
        let retention = *retention;
        let mut count = 0;
        loop {
            let step = PRUNE_STEP.min(limit - count);
            let prune =
                move |operations: &mut Operations<'_>, now| operations.prune(&retention, step, now);
            let pruned = self.committer.change(prune).await?;
            count += pruned.count;
            if pruned.count < step || count == limit {
                return Ok(Pruned { count, ..pruned });
            }
        }
    }

    fn changes(&self, topic: Topic) -> Changes {
        self.committer.hub().subscribe(topic)
    }
}
