//! A store with a memory and a disk: what it applied becomes durable later, and answers wait.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use artos_core::{
    ListQuery, Page, Retention, TaskId,
    machine::Cancelled,
    model::{NewTask, Settlement},
    notify::{Changes, Topic},
    store::{
        Beat, Claim, Claims, Found, Inserted, Part, Pruned, Pulse, Rescued, Settled, StoreError,
        StoreResult, TaskStore,
    },
};
use artos_oracle::Dice;
use async_trait::async_trait;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{base::Base, world::lock};

/// A store whose changes become durable in groups, a moment after they were applied.
pub(crate) struct Durable {
    base: Arc<dyn Base>,
    disk: Option<Disk>,
    /// The machine is down: nothing is answered any more.
    down: CancellationToken,
}

struct Disk {
    /// How many operations were applied.
    applied: Mutex<u64>,
    /// How many of them are durable.
    synced: Mutex<u64>,
    /// Told of each group. Not a watch channel, which wakes its waiters in a random order.
    progress: Notify,
    work: Notify,
    /// What is durable.
    copy: Mutex<Arc<dyn Base>>,
}

impl Durable {
    /// Makes a store whose changes are durable at once.
    pub(crate) fn at_once(base: Arc<dyn Base>) -> Self {
        Self { base, disk: None, down: CancellationToken::new() }
    }

    /// Makes a store whose changes are durable when [`sync`](Self::sync) has seen them.
    pub(crate) fn later(base: Arc<dyn Base>) -> Self {
        let disk = Disk {
            applied: Mutex::new(0),
            synced: Mutex::new(0),
            progress: Notify::new(),
            work: Notify::new(),
            copy: Mutex::new(base.fork()),
        };
        Self { base, disk: Some(disk), down: CancellationToken::new() }
    }

    pub(crate) fn base(&self) -> &Arc<dyn Base> {
        &self.base
    }

    pub(crate) fn is_down(&self) -> bool {
        self.down.is_cancelled()
    }

    /// Ends the machine; returns what was durable.
    pub(crate) fn end(&self) -> Arc<dyn Base> {
        self.down.cancel();
        match &self.disk {
            None => self.base.fork(),
            Some(disk) => lock(&disk.copy).fork(),
        }
    }

    /// Makes changes durable, group by group, until the machine ends.
    pub(crate) async fn sync(&self, mut dice: Dice, takes_at_most: Duration) {
        let Some(disk) = &self.disk else {
            return;
        };
        let most = u64::try_from(takes_at_most.as_millis()).unwrap_or(1).max(1);
        let syncing = async {
            loop {
                disk.work.notified().await;
                tokio::time::sleep(Duration::from_millis(dice.between(1, most))).await;
                if self.is_down() {
                    return;
                }
                let applied = *lock(&disk.applied);
                let copy = self.base.fork();
                *lock(&disk.copy) = copy;
                *lock(&disk.synced) = applied;
                disk.progress.notify_waiters();
            }
        };
        self.down.run_until_cancelled(syncing).await;
    }

    /// Waits until everything that was applied so far is durable.
    async fn durable(&self) -> StoreResult<()> {
        self.up()?;
        let Some(disk) = &self.disk else {
            return Ok(());
        };
        let ticket = {
            let mut applied = lock(&disk.applied);
            *applied += 1;
            *applied
        };
        disk.work.notify_one();
        if !self.base.waits_for_durability() {
            return Ok(());
        }
        let waiting = async {
            while *lock(&disk.synced) < ticket {
                disk.progress.notified().await;
            }
        };
        self.down.run_until_cancelled(waiting).await;
        self.up()
    }

    /// Checks that the machine is up.
    fn up(&self) -> StoreResult<()> {
        if self.is_down() { Err(StoreError::unavailable("the machine went down")) } else { Ok(()) }
    }
}

impl fmt::Debug for Durable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Durable").field("base", &self.base).finish_non_exhaustive()
    }
}

#[async_trait]
impl TaskStore for Durable {
    async fn insert(&self, tasks: &[NewTask]) -> StoreResult<Vec<Inserted>> {
        self.up()?;
        let answer = self.base.insert(tasks).await?;
        self.durable().await.map(|()| answer)
    }

    async fn get(&self, id: TaskId, part: Part) -> StoreResult<Option<Found>> {
        self.up()?;
        let answer = self.base.get(id, part).await?;
        self.durable().await.map(|()| answer)
    }

    async fn list(&self, query: &ListQuery) -> StoreResult<Page> {
        self.up()?;
        let answer = self.base.list(query).await?;
        self.durable().await.map(|()| answer)
    }

    async fn claim(&self, request: &Claim) -> StoreResult<Claims> {
        self.up()?;
        let answer = self.base.claim(request).await?;
        self.durable().await.map(|()| answer)
    }

    async fn heartbeat(&self, lease_for: Duration, beats: &[Beat]) -> StoreResult<Vec<Pulse>> {
        self.up()?;
        let answer = self.base.heartbeat(lease_for, beats).await?;
        self.durable().await.map(|()| answer)
    }

    async fn settle(&self, settlements: &[Settlement]) -> StoreResult<Vec<Settled>> {
        self.up()?;
        let answer = self.base.settle(settlements).await?;
        self.durable().await.map(|()| answer)
    }

    async fn cancel(&self, id: TaskId) -> StoreResult<Cancelled> {
        self.up()?;
        let answer = self.base.cancel(id).await?;
        self.durable().await.map(|()| answer)
    }

    async fn rescue(&self, limit: usize) -> StoreResult<Rescued> {
        self.up()?;
        let answer = self.base.rescue(limit).await?;
        self.durable().await.map(|()| answer)
    }

    async fn prune(&self, retention: &Retention, limit: usize) -> StoreResult<Pruned> {
        self.up()?;
        let answer = self.base.prune(retention, limit).await?;
        self.durable().await.map(|()| answer)
    }

    fn changes(&self, topic: Topic) -> Changes {
        self.base.changes(topic)
    }
}
