//! Group commit: one thread applies whatever operations have gathered, and another one makes them
//! durable, once for all.
//!
//! An operation is answered only after its group is durable. There is no timer: a lone operation is
//! committed at once, and a busy disk makes large groups. While one group is made durable, the next
//! one is applied, and no more than that.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        mpsc::{self, SyncSender},
    },
    thread::JoinHandle,
    time::Duration,
};

use artos_core::{Clock, Timestamp, notify::ChangeHub, store::StoreResult};
use tokio::sync::{oneshot, watch};

use crate::{
    builder::Options,
    changes::Changes,
    disk::Disk,
    failpoints::{Point, reach},
    folder,
    group::{Group, Written},
    head::Head,
    keys,
    live::Live,
    news::News,
    opening::Opening,
    operations::Operations,
    watchdog::{Doing, Watchdog},
};

/// Most operations in one group.
const GROUP_OPERATIONS_MAX: usize = 256;
/// Bytes after which a group takes no more operations.
const GROUP_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How often to look whether the group before is durable, where one has to wait for it.
const LOOK_AGAIN: Duration = Duration::from_micros(100);
/// How often to look whether the store has stopped, while it is opened.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Applies an operation, and returns how to answer it once the group is durable, or is not.
type Operation = Box<dyn FnOnce(&mut Operations<'_>, Timestamp) -> Answer + Send>;

/// Answers an operation.
pub(crate) type Answer = Box<dyn FnOnce(StoreResult<()>) + Send>;

/// A group that was applied, and is not durable yet.
pub(crate) struct Applied {
    /// The sequence number of the last group that changed anything.
    pub(crate) sequence: u64,
    /// How many groups readers may have seen.
    pub(crate) count: u64,
    pub(crate) news: News,
    pub(crate) answers: Vec<Answer>,
}

/// The callers' end of the threads.
#[derive(Debug)]
pub(crate) struct Committer {
    disk: Arc<Disk>,
    operations: Option<mpsc::Sender<Operation>>,
    durable: watch::Receiver<u64>,
    watchdog: Watchdog,
    threads: Vec<JoinHandle<()>>,
}

impl Committer {
    /// Opens a store and starts its threads, which end when the committer is dropped.
    pub(crate) fn open(options: Options, clock: Box<dyn Clock>) -> StoreResult<Self> {
        let (operations, receiver) = mpsc::channel();
        // Handed over hand to hand: see `Writer::run`.
        let (applied, groups) = mpsc::sync_channel(0);
        let (opened, opening) = mpsc::channel();
        // The thread that changes what is in memory also makes it: allocators keep what is freed
        // for the thread that asked for it.
        let commit =
            start("artos-sled-commit", move || match Opening::open(&options, clock, applied) {
                Ok((mut writer, found)) => {
                    if opened.send(Ok(found)).is_ok() {
                        drop((opened, options));
                        writer.run(&receiver);
                    }
                }
                Err(error) => drop(opened.send(Err(error))),
            })?;
        let Ok(found) = opening.recv() else {
            let panic = commit.join().err().unwrap_or_else(|| Box::new("the thread is gone"));
            std::panic::resume_unwind(panic);
        };
        let Opening { disk, mut syncer, durable, watchdog, writes_head } = found?;
        let threads = vec![commit, start("artos-sled-sync", move || syncer.run(&groups))?];
        let committer = Self { disk, operations: Some(operations), durable, watchdog, threads };
        if writes_head {
            reach(Point::HeadWrites);
            committer.write_head()?;
        }
        committer.disk.set_sound(true);
        Ok(committer)
    }

    /// Writes the head of a store that is new, or of which something was given up.
    fn write_head(&self) -> StoreResult<()> {
        let (sender, answer) = mpsc::channel();
        let pending = self.watchdog.begin();
        let operation: Operation = Box::new(move |operations, _| {
            operations.group.write_anyway();
            Box::new(move |committed| {
                let _ = sender.send(committed);
                drop(pending);
            })
        });
        if let Some(operations) = &self.operations {
            let _ = operations.send(operation);
        }
        // Nobody can await here, so this looks now and then whether the store has stopped.
        loop {
            match answer.recv_timeout(LOOK_EVERY) {
                Ok(committed) => return committed,
                Err(_) => self.disk.poison().check()?,
            }
        }
    }

    pub(crate) const fn disk(&self) -> &Arc<Disk> {
        &self.disk
    }

    pub(crate) fn hub(&self) -> &ChangeHub {
        self.disk.hub()
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
        let pending = self.watchdog.begin();
        let operation: Operation = Box::new(move |operations, now| {
            let answer = operations.run(|operations| operation(operations, now));
            Box::new(move |committed: StoreResult<()>| {
                // Nobody may be waiting any more.
                let _ = sender.send(committed.and(answer));
                drop(pending);
            })
        });
        if let Some(operations) = &self.operations {
            // If the thread has ended, the cause is known, or will be at once.
            let _ = operations.send(operation);
        }
        let poison = self.disk.poison();
        tokio::select! {
            biased;
            Ok(answer) = answer => answer,
            error = poison.stopped() => Err(error),
        }
    }

    /// Waits until everything that a reader may have seen so far is durable.
    pub(crate) async fn settled(&self) -> StoreResult<()> {
        self.settled_up_to(self.disk.applied()).await
    }

    /// Waits until so many groups of changes are durable.
    pub(crate) async fn settled_up_to(&self, seen: u64) -> StoreResult<()> {
        if *self.durable.borrow() >= seen {
            return Ok(());
        }
        let mut durable = self.durable.clone();
        tokio::select! {
            biased;
            Ok(_) = durable.wait_for(|durable| *durable >= seen) => Ok(()),
            error = self.disk.poison().stopped() => Err(error),
        }
    }
}

impl Drop for Committer {
    /// Waits for the group under way, so that the store can be opened again at once.
    fn drop(&mut self) {
        self.operations = None;
        for thread in self.threads.drain(..) {
            while !thread.is_finished() {
                if self.disk.poison().is_stuck() {
                    self.disk.set_sound(false);
                    // Whoever waits for a thread that is stuck gets stuck, too.
                    return;
                }
                std::thread::park_timeout(LOOK_AGAIN);
            }
            // Panics were caught in the thread.
            let _ = thread.join();
        }
        self.disk.set_sound(self.disk.poison().check().is_ok());
    }
}

fn start(name: &str, run: impl FnOnce() + Send + 'static) -> StoreResult<JoinHandle<()>> {
    let thread = std::thread::Builder::new().name(String::from(name)).spawn(run);
    thread.map_err(|error| folder::io_error(&format!("starting the thread {name}"), error))
}

/// What the thread owns.
pub(crate) struct Writer {
    pub(crate) disk: Arc<Disk>,
    pub(crate) live: Live,
    pub(crate) head: Head,
    /// Of the group that is made; kept for the room it takes.
    pub(crate) changes: Changes,
    pub(crate) clock: Box<dyn Clock>,
    pub(crate) applied: SyncSender<Applied>,
    pub(crate) durable: watch::Receiver<u64>,
    /// Bytes of changes from which on a group does not overtake the one before.
    pub(crate) large_bytes: usize,
}

impl Writer {
    fn run(&mut self, operations: &mpsc::Receiver<Operation>) {
        while let Ok(first) = operations.recv() {
            let applied = catch_unwind(AssertUnwindSafe(|| self.apply(first, operations)));
            let applied = match applied {
                Ok(applied) => applied,
                Err(panic) => {
                    // Answers that were not sent are dropped, and their callers find the cause.
                    self.disk.poison().panic("committing", &*panic);
                    return;
                }
            };
            self.disk.activity().commit(Doing::Nothing);
            // While the group before is made durable, this waits, and the next one gathers.
            if self.applied.send(applied).is_err() || self.disk.poison().check().is_err() {
                return;
            }
        }
    }

    /// Applies one group; it is answered once it is durable.
    fn apply(&mut self, first: Operation, operations: &mpsc::Receiver<Operation>) -> Applied {
        self.disk.activity().commit(Doing::Running);
        let sum = self.head.sum();
        let counts = &mut self.head.counts;
        let group = Group::new(&self.disk, &mut self.live, counts, &mut self.changes);
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
        let written = group.write(sum).and_then(|written| match written {
            Some(written) => self.write(written),
            None => Ok(()),
        });
        if let Err(error) = written {
            self.disk.poison().stop(&error);
        }
        Applied { sequence: self.head.sequence, count: self.disk.applied(), news, answers }
    }

    /// Lets the group before become durable, if this one may fill segments of its own.
    ///
    /// sled gives a segment up once what replaces it is written; if that is not synced yet, and a
    /// large group overwrites the segment, a power cut could take both.
    fn wait_for_large_group(&self, bytes: usize) {
        while bytes > self.large_bytes
            && *self.durable.borrow() < self.disk.applied()
            && self.disk.poison().check().is_ok()
        {
            std::thread::park_timeout(LOOK_AGAIN);
        }
    }

    fn write(&mut self, mut written: Written) -> StoreResult<()> {
        self.head.sequence += 1;
        self.head.sum = written.sum.total();
        written.batch.insert(keys::HEAD, self.head.seal());
        self.wait_for_large_group(written.bytes);
        self.disk.apply_and_show(written, &self.changes, self.head.counts)
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use artos_core::SystemClock;

    use super::*;
    use crate::SledStore;

    #[tokio::test]
    async fn what_is_not_durable_yet_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let options = SledStore::builder(folder.path()).into_options();
        let committer = Committer::open(options, Box::new(SystemClock)).unwrap();
        let applied = committer.disk().applied();
        committer.settled_up_to(applied).await.unwrap();
        tokio::select! {
            biased;
            answer = committer.settled_up_to(applied + 1) => panic!("{answer:?} without a group"),
            () = ready(()) => {}
        }
    }
}
