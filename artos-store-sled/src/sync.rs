//! Making applied groups durable, and answering them.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    time::Duration,
};

use artos_core::store::StoreResult;
use tokio::sync::watch;

use crate::{
    commit::Applied,
    disk::Disk,
    failpoints::{Point, reach},
    mark::Mark,
    watchdog::Doing,
};

/// Groups between two looks for files that must not exist.
const GROUPS_PER_BLOB_CHECK: u64 = 64;
/// Longest time between writing the mark and syncing it. Syncing it for each group would cost a
/// single caller half of the speed, to guard against disks that forget what they have synced.
const MARK_SYNC_EVERY: Duration = Duration::from_millis(100);

/// What the thread owns.
pub(crate) struct Syncer {
    disk: Arc<Disk>,
    mark: Mark,
    durable: watch::Sender<u64>,
    groups: u64,
}

impl Syncer {
    /// Makes a syncer, and what tells how many groups are durable.
    pub(crate) fn new(disk: Arc<Disk>, mark: Mark) -> (Self, watch::Receiver<u64>) {
        let (durable, receiver) = watch::channel(0);
        (Self { disk, mark, durable, groups: 0 }, receiver)
    }

    /// Works until the commit thread has ended.
    pub(crate) fn run(&mut self, groups: &mpsc::Receiver<Applied>) {
        while let Some(group) = self.next(groups) {
            let finished = catch_unwind(AssertUnwindSafe(|| self.finish(group)));
            if let Err(panic) = finished {
                // Answers that were not sent are dropped, and their callers find the cause.
                self.disk.poison().panic("syncing", &*panic);
            }
        }
        if self.mark.unsynced_since().is_some() && self.disk.poison().check().is_ok() {
            let _ = self.sync_mark();
        }
    }

    /// Waits for a group, and syncs the mark when there is none for a while.
    fn next(&mut self, groups: &mpsc::Receiver<Applied>) -> Option<Applied> {
        if let Some(since) = self.mark.unsynced_since() {
            match groups.recv_timeout(MARK_SYNC_EVERY.saturating_sub(since.elapsed())) {
                Ok(group) => return Some(group),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {
                    // If it fails, the store has stopped, and the next group finds out.
                    let _ = self.sync_mark();
                }
            }
        }
        groups.recv().ok()
    }

    /// Makes a group durable and answers its operations.
    fn finish(&mut self, group: Applied) {
        let Applied { sequence, count, news, answers } = group;
        let is_durable = self.sync(sequence, count).is_ok();
        for answer in answers {
            answer(self.disk.poison().check());
            reach(Point::Answered);
        }
        if is_durable {
            news.publish(self.disk.hub());
        }
        if self.mark.unsynced_since().is_some_and(|since| since.elapsed() >= MARK_SYNC_EVERY) {
            // If it fails, the store has stopped, and the next group finds out.
            let _ = self.sync_mark();
        }
        self.disk.activity().sync(Doing::Nothing);
    }

    /// Makes all groups durable up to one.
    ///
    /// # Errors
    ///
    /// Whatever stopped the store, now or before.
    pub(crate) fn sync(&mut self, sequence: u64, count: u64) -> StoreResult<()> {
        self.disk.poison().check()?;
        if *self.durable.borrow() == count {
            return Ok(());
        }
        self.disk.sync()?;
        reach(Point::Synced);
        self.disk.activity().sync(Doing::Marking);
        self.mark
            .set(sequence)
            .map_err(|error| self.disk.poison().io("writing the mark", &error))?;
        reach(Point::Marked);
        if self.groups == 0 {
            // A mark of zero says that the store is new, and nothing in it is worth a look.
            self.sync_mark()?;
        }
        self.durable.send_replace(count);
        self.groups += 1;
        if self.groups % GROUPS_PER_BLOB_CHECK == 1 {
            self.disk.check_blobs()?;
        }
        Ok(())
    }

    fn sync_mark(&mut self) -> StoreResult<()> {
        self.disk.activity().sync(Doing::Marking);
        reach(Point::MarkSyncs);
        let synced = self.mark.sync();
        reach(Point::MarkSynced);
        self.disk.activity().sync(Doing::Nothing);
        synced.map_err(|error| self.disk.poison().io("syncing the mark", &error))
    }
}
