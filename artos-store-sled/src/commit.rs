//! Group commit: one thread applies whatever operations have gathered, and makes them durable once.
//!
//! An operation is answered only after its group is durable. There is no timer: a lone operation is
//! committed at once, and a busy disk makes large groups.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use artos_core::{
    Clock, Timestamp,
    notify::ChangeHub,
    store::{StoreError, StoreResult},
};
use tokio::sync::{oneshot, watch};

use crate::{
    builder::Options,
    disk::Disk,
    folder::{self, Folder},
    group::{Group, Written},
    head::Head,
    keys,
    live::Live,
    mark::Mark,
    operations::Operations,
};

/// Most operations in one group.
const GROUP_OPERATIONS_MAX: usize = 256;
/// Bytes after which a group takes no more operations.
const GROUP_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Groups between two looks for files that must not exist.
const GROUPS_PER_BLOB_CHECK: u64 = 64;
/// Longest time between writing the mark and syncing it. Syncing it for each group would cost a
/// single caller half of the speed, to guard against disks that forget what they have synced.
const MARK_SYNC_EVERY: Duration = Duration::from_millis(100);

/// Applies an operation, and returns how to answer it once the group is durable, or is not.
type Operation = Box<dyn FnOnce(&mut Operations<'_>, Timestamp) -> Answer + Send>;
type Answer = Box<dyn FnOnce(Result<(), StoreError>)>;

/// The callers' end of the commit thread.
#[derive(Debug)]
pub(crate) struct Committer {
    disk: Arc<Disk>,
    hub: ChangeHub,
    operations: Option<mpsc::Sender<Operation>>,
    durable: watch::Receiver<u64>,
    thread: Option<JoinHandle<()>>,
}

impl Committer {
    /// Opens a store and starts its thread, which ends when the committer is dropped.
    pub(crate) fn open(options: &Options, clock: Box<dyn Clock>) -> StoreResult<Self> {
        let folder = Folder::open(&options.path)?;
        let mark = Mark::open(folder.path())?;
        let (disk, head) = Disk::open(folder, options)?;
        let mut head = check(&disk, head, &mark, options)?;
        let disk = Arc::new(disk);
        let live = Live::read(&disk, clock.now())?;
        let running: Vec<_> = live.all_running().keys().copied().collect();
        disk.show(&live, &running, head.counts);
        let (operations, receiver) = mpsc::channel();
        let (durable_sender, durable) = watch::channel(0);
        let hub = ChangeHub::default();
        head.store = mark.store();
        let mut writer = Writer {
            disk: Arc::clone(&disk),
            live,
            head,
            mark,
            clock,
            hub: hub.clone(),
            durable: durable_sender,
        };
        if writer.head.sequence == 0 {
            writer.write_head()?;
        }
        let run = move || writer.run(&receiver);
        let thread = thread::Builder::new()
            .name(String::from("artos-sled-commit"))
            .spawn(run)
            .map_err(|error| folder::io_error("starting the commit thread", error))?;
        Ok(Self { disk, hub, operations: Some(operations), durable, thread: Some(thread) })
    }

    pub(crate) const fn disk(&self) -> &Arc<Disk> {
        &self.disk
    }

    pub(crate) const fn hub(&self) -> &ChangeHub {
        &self.hub
    }

    /// Runs an operation in the next group, and returns its answer once the group is durable.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future after its first poll does not take the operation back.
    pub(crate) async fn change<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Operations<'_>, Timestamp) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<T> {
        self.disk.poison().check()?;
        let (sender, answer) = oneshot::channel();
        let operation: Operation = Box::new(move |operations, now| {
            let answer = operations.run(|operations| operation(operations, now));
            Box::new(move |committed| {
                // Nobody may be waiting any more.
                let _ = sender.send(committed.and(answer));
            })
        });
        let sent = self.operations.as_ref().map(|operations| operations.send(operation));
        if !matches!(sent, Some(Ok(()))) {
            return Err(self.disk.poison().error());
        }
        match answer.await {
            Ok(answer) => answer,
            Err(_) => Err(self.ended().await),
        }
    }

    /// Returns why the thread dropped an operation. The cause is known once the thread has ended.
    async fn ended(&self) -> StoreError {
        let _ = self.durable.clone().wait_for(|_| false).await;
        self.disk.poison().error()
    }

    /// Waits until everything that a reader may have seen so far is durable.
    pub(crate) async fn settled(&self) -> StoreResult<()> {
        let seen = self.disk.applied();
        let mut durable = self.durable.clone();
        match durable.wait_for(|durable| *durable >= seen).await {
            Ok(_) => Ok(()),
            Err(_) => Err(self.disk.poison().error()),
        }
    }
}

impl Drop for Committer {
    /// Waits for the group under way, so that the store can be opened again at once.
    fn drop(&mut self) {
        self.operations = None;
        if let Some(thread) = self.thread.take() {
            // Panics were caught in the thread.
            let _ = thread.join();
        }
    }
}

/// Refuses a tree that belongs to another store, or that went back behind its mark.
fn check(disk: &Disk, head: Head, mark: &Mark, options: &Options) -> StoreResult<Head> {
    folder::check_format(head.format)?;
    let shown = disk.folder().path().display();
    if head.sequence > 0 && head.store != mark.store() {
        let message = format!(
            "{} belongs to another store than the other files of {shown}; restore all files of \
             the folder from the same backup",
            mark.path().display()
        );
        return Err(StoreError::Corrupt { message });
    }
    if head.sequence < mark.sequence() && !options.accept_rollback {
        let message = format!(
            "{shown} came back older than what it had acknowledged: it holds {} groups of \
             changes, and {} were acknowledged; restore it from a backup, or go on with what is \
             left by opening it with `accept_rollback` or after `artos-sled accept {shown}`",
            head.sequence,
            mark.sequence()
        );
        return Err(StoreError::Corrupt { message });
    }
    Ok(head)
}

/// What the thread owns.
struct Writer {
    disk: Arc<Disk>,
    live: Live,
    head: Head,
    mark: Mark,
    clock: Box<dyn Clock>,
    hub: ChangeHub,
    durable: watch::Sender<u64>,
}

impl Writer {
    fn run(&mut self, operations: &mpsc::Receiver<Operation>) {
        while let Some(first) = self.next(operations) {
            let committed = catch_unwind(AssertUnwindSafe(|| self.commit(first, operations)));
            if let Err(panic) = committed {
                // Answers that were not sent are dropped, and their callers find the cause.
                self.disk.poison().panic("committing", &*panic);
            }
            if self.disk.poison().check().is_err() {
                // Callers find the channel closed, and the cause.
                return;
            }
        }
    }

    /// Waits for an operation, and syncs the mark when there is none for a while.
    fn next(&mut self, operations: &mpsc::Receiver<Operation>) -> Option<Operation> {
        if self.mark.is_unsynced() {
            match operations.recv_timeout(MARK_SYNC_EVERY) {
                Ok(operation) => return Some(operation),
                Err(RecvTimeoutError::Timeout) => self.sync_mark().ok()?,
                Err(RecvTimeoutError::Disconnected) => {
                    let _ = self.sync_mark();
                    return None;
                }
            }
        }
        operations.recv().ok()
    }

    fn sync_mark(&mut self) -> StoreResult<()> {
        self.mark.sync().map_err(|error| self.disk.poison().io("syncing the mark", &error))
    }

    /// Commits one group and answers its operations.
    fn commit(&mut self, first: Operation, operations: &mpsc::Receiver<Operation>) {
        let group = Group::new(&self.disk, &mut self.live, &mut self.head.counts);
        let mut running = Operations::new(group);
        let mut answers = Vec::new();
        let mut next = Some(first);
        while let Some(operation) = next {
            answers.push(operation(&mut running, self.clock.now()));
            let has_room =
                answers.len() < GROUP_OPERATIONS_MAX && running.group.bytes() < GROUP_BYTES_MAX;
            next = if has_room { operations.try_recv().ok() } else { None };
        }
        let Operations { group, news } = running;
        let written = group.write();
        let committed = written.and_then(|written| match written {
            Some(written) => self.write(written),
            None => Ok(()),
        });
        match committed {
            Ok(()) => {
                self.durable.send_replace(self.disk.applied());
                news.publish(&self.hub);
            }
            Err(error) => {
                self.disk.poison().stop(&error);
            }
        }
        for answer in answers {
            answer(self.disk.poison().check());
        }
    }

    /// Writes the head of a new store.
    fn write_head(&mut self) -> StoreResult<()> {
        self.write(Written { batch: sled::Batch::default(), touched: Vec::new() })?;
        self.durable.send_replace(self.disk.applied());
        self.sync_mark()
    }

    /// Writes a group, and returns when it is as durable as the store makes it.
    fn write(&mut self, written: Written) -> StoreResult<()> {
        let Written { mut batch, touched } = written;
        self.head.sequence += 1;
        batch.insert(keys::HEAD, self.head.seal());
        self.disk.apply(batch)?;
        self.disk.show(&self.live, &touched, self.head.counts);
        self.disk.sync()?;
        self.mark
            .set(self.head.sequence)
            .map_err(|error| self.disk.poison().io("writing the mark", &error))?;
        if self.head.sequence % GROUPS_PER_BLOB_CHECK == 1 {
            self.disk.check_blobs()?;
        }
        Ok(())
    }
}
