//! Opening a store: what is there is looked at first, and then read.

use std::sync::{Arc, mpsc::SyncSender};

use artos_core::{
    Clock,
    store::{StoreError, StoreResult},
};
use tokio::sync::watch;

use crate::{
    builder::Options,
    changes::Changes,
    commit::{Applied, Writer},
    disk::Disk,
    folder::{self, Folder},
    head::Head,
    live::Live,
    mark::Mark,
    marker,
    proof::{self, Admitted},
    sum::Sum,
    sync::Syncer,
    watchdog::Watchdog,
};

/// A store that was just opened, but for its writer.
pub(crate) struct Opening {
    pub(crate) disk: Arc<Disk>,
    pub(crate) syncer: Syncer,
    pub(crate) durable: watch::Receiver<u64>,
    pub(crate) watchdog: Watchdog,
    /// The head in the tree is not as it should be: there is none, or something was given up.
    pub(crate) writes_head: bool,
}

impl Opening {
    /// Opens a store, and makes what its threads work with.
    pub(crate) fn open(
        options: &Options,
        clock: Box<dyn Clock>,
        applied: SyncSender<Applied>,
    ) -> StoreResult<(Writer, Self)> {
        let mut folder = Folder::open(&options.path)?;
        let mut is_suspect = false;
        let mut mark = Mark::open(folder.path())?;
        if mark.sequence() > 0 {
            // sled would make what is missing, and a new store in the place of the old one.
            folder.require_tree()?;
            Admitted { folder, is_suspect } = proof::admit(folder, Some(&mark), options)?;
        }
        let (disk, mut head) = Disk::open(folder, options)?;
        let as_read = head;
        check(&disk, &head, &mark, options)?;
        if head.sequence < mark.sequence() {
            tracing::warn!(
                held = head.sequence,
                acknowledged = mark.sequence(),
                "the store goes on with what is left"
            );
        }
        if head.sequence != mark.sequence() {
            // Also when the mark was behind: what is durable now must not pass for what never was.
            let reset = mark.reset(head.sequence);
            reset.map_err(|error| folder::io_error("resetting the mark", error))?;
        }
        let disk = Arc::new(disk);
        let live = Live::read(&disk, clock.now())?;
        is_suspect |= !check_counts(&disk, &live, &mut head, options)?;
        let running = live.all_running().iter().map(|(id, task)| (*id, Some(Arc::clone(task))));
        disk.show(running.collect(), head.counts);
        head.store = mark.store();
        if is_suspect && let Some(sum) = Sum::of(disk.tree(), head.store) {
            // Where not all of it can be read, whoever checks the store has to find out.
            head.sum = sum.total();
        }
        let watchdog = Watchdog::start(Arc::clone(&disk), options.stall_limit)
            .map_err(|error| folder::io_error("starting the watchdog", error))?;
        let (syncer, durable) = Syncer::new(Arc::clone(&disk), mark);
        let writes_head = head != as_read;
        let writer = Writer {
            disk: Arc::clone(&disk),
            live,
            head,
            changes: Changes::default(),
            clock,
            applied,
            durable: durable.clone(),
            large_bytes: options.segment_bytes / 2,
        };
        Ok((writer, Self { disk, syncer, durable, watchdog, writes_head }))
    }
}

/// Makes sure that all tasks that are not terminal are there; returns `false` if they are not, and
/// that was accepted.
fn check_counts(disk: &Disk, live: &Live, head: &mut Head, options: &Options) -> StoreResult<bool> {
    let counts = &mut head.counts.0;
    let (pending, running) = live.counts();
    if (pending, running) == (counts.pending, counts.running) {
        return Ok(true);
    }
    let found = format!(
        "{} has {pending} pending and {running} running tasks, and should have {} and {}",
        disk.folder().path().display(),
        counts.pending,
        counts.running
    );
    if !options.accept_rollback {
        let message = format!(
            "{found}; restore it from a backup, or go on with what is left by opening it with \
             `accept_rollback`; `artos-sled verify` says what is wrong"
        );
        return Err(StoreError::Corrupt { message });
    }
    tracing::warn!("{found}; the store goes on with what is left");
    (counts.pending, counts.running) = (pending, running);
    Ok(false)
}

/// Refuses a tree that belongs to another store, or that went back behind its mark.
fn check(disk: &Disk, head: &Head, mark: &Mark, options: &Options) -> StoreResult<()> {
    marker::check_format(head.format)?;
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
    Ok(())
}
