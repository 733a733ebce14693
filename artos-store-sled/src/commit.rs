//! Group commit: one thread applies whatever operations have gathered, and makes them durable once.
//!
//! An operation is answered only after its group is durable. There is no timer: a lone operation is
//! committed at once, and a busy disk makes large groups.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
};

use artos_core::{
    Clock, Timestamp,
    notify::ChangeHub,
    store::{StoreError, StoreResult},
};
use tokio::sync::{oneshot, watch};

use crate::{disk::Disk, group::Leases, tables::Tables};

/// Most operations in one group.
const GROUP_OPERATIONS_MAX: usize = 256;
/// Bytes after which a group takes no more operations.
const GROUP_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Applies an operation, and returns how to answer it once the group is durable, or is not.
type Operation = Box<dyn FnOnce(&mut Tables<'_>, Timestamp) -> Answer + Send>;
type Answer = Box<dyn FnOnce(Result<(), StoreError>)>;

/// The callers' end of the commit thread.
#[derive(Debug)]
pub(crate) struct Committer {
    disk: Arc<Disk>,
    operations: Option<mpsc::Sender<Operation>>,
    durable: watch::Receiver<u64>,
    thread: Option<JoinHandle<()>>,
}

impl Committer {
    /// Starts the thread; it ends when the committer is dropped.
    pub(crate) fn start(
        disk: Arc<Disk>,
        leases: Leases,
        clock: Box<dyn Clock>,
        hub: ChangeHub,
    ) -> io::Result<Self> {
        let (operations, receiver) = mpsc::channel();
        let (durable_sender, durable) = watch::channel(disk.applied());
        let mut writer =
            Writer { disk: Arc::clone(&disk), leases, clock, hub, durable: durable_sender };
        let run = move || writer.run(&receiver);
        let thread = thread::Builder::new().name(String::from("artos-sled-commit")).spawn(run)?;
        Ok(Self { disk, operations: Some(operations), durable, thread: Some(thread) })
    }

    /// Runs an operation in the next group, and returns its answer once the group is durable.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future after its first poll does not take the operation back.
    pub(crate) async fn change<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Tables<'_>, Timestamp) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<T> {
        self.disk.poison().check()?;
        let (sender, answer) = oneshot::channel();
        let operation: Operation = Box::new(move |tables, now| {
            let answer = tables.run(|tables| operation(tables, now));
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

/// What the thread owns.
struct Writer {
    disk: Arc<Disk>,
    leases: Leases,
    clock: Box<dyn Clock>,
    hub: ChangeHub,
    durable: watch::Sender<u64>,
}

impl Writer {
    fn run(&mut self, operations: &mpsc::Receiver<Operation>) {
        while let Ok(first) = operations.recv() {
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

    /// Commits one group and answers its operations.
    fn commit(&mut self, first: Operation, operations: &mpsc::Receiver<Operation>) {
        let mut tables = Tables::new(&self.disk, &mut self.leases);
        let mut answers = Vec::new();
        let mut next = Some(first);
        while let Some(operation) = next {
            answers.push(operation(&mut tables, self.clock.now()));
            let has_room =
                answers.len() < GROUP_OPERATIONS_MAX && tables.group.bytes() < GROUP_BYTES_MAX;
            next = if has_room { operations.try_recv().ok() } else { None };
        }
        let Tables { group, news } = tables;
        let committed = group.commit();
        if committed.is_ok() {
            self.durable.send_replace(self.disk.applied());
            news.publish(&self.hub);
        }
        for answer in answers {
            answer(match &committed {
                Ok(()) => Ok(()),
                Err(_) => Err(self.disk.poison().error()),
            });
        }
    }
}
