//! What the sled store stands on, used as sparingly as can be.
//!
//! It writes as many bytes for each task as the store's rows of a no-op take, as often as a task's
//! life writes them, in groups that are made durable while the next one is applied, as the store
//! does. All of it is constant: there is no index, no epoch, no attempt and no time, nothing is
//! decided, and nothing is read.

use std::{fmt, fs::File, ops::RangeInclusive, path::Path, sync::mpsc, thread, time::Instant};

use anyhow::{Context as _, anyhow, ensure};
use artos_core::{Clock as _, Random, SystemClock, TaskId};
use sled::{Batch, Db};

use crate::{latency, report::Stopwatch};

/// Bytes that a no-op task of this benchmark takes in the store, once it is completed.
pub(crate) const TASK_BYTES: usize = 400;
/// How often sled's own thread cleans up and syncs, in milliseconds: as often as in the store.
const CLEAN_EVERY_MS: u64 = 250;
/// As large as the store's, unless somebody asks for another size.
const CACHE_MIB: u64 = 64;

/// What is done with raw sled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Raw {
    pub(crate) tasks: u64,
    /// How many are written together.
    pub(crate) group: usize,
    /// Bytes of each.
    pub(crate) bytes: usize,
    /// How many stages each has.
    pub(crate) stages: usize,
    /// When they are inserted.
    pub(crate) inserts: Inserts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inserts {
    /// Before the clock starts, as for a burn-down.
    Before,
    /// By the clock, as where tasks are submitted while others run.
    Meanwhile,
}

impl Raw {
    /// Returns how often each task is overwritten: once for its claim, and once for each stage.
    const fn overwrites(&self) -> usize {
        1 + self.stages
    }

    /// Writes all tasks; how many each second.
    pub(crate) fn run(&self) -> anyhow::Result<f64> {
        ensure!(self.group > 0, "found groups of 0, expected at least 1");
        let folder = tempfile::tempdir_in(".")?;
        let (db, file) = open(folder.path())?;
        let ids = ids(self.tasks);
        let first = match self.inserts {
            Inserts::Before => {
                self.write(&db, &file, &ids, 0..=0)?;
                1
            }
            Inserts::Meanwhile => 0,
        };
        let watch = Stopwatch::start()?;
        self.write(&db, &file, &ids, first..=self.overwrites())?;
        let rate = watch.rate(&format!("ceiling, raw sled, {self}"), self.tasks)?;
        let last = value(self.overwrites(), self.bytes);
        let mut written = 0;
        for row in db.iter() {
            written += u64::from(row?.1 == last);
        }
        ensure!(written == self.tasks, "found {written} tasks, expected {}", self.tasks);
        Ok(rate)
    }

    /// Writes every task several times over. While a group is made durable, another one is applied,
    /// and no more than that; of no task is more written before what was written is durable.
    fn write(
        &self,
        db: &Db,
        file: &File,
        ids: &[TaskId],
        writes: RangeInclusive<usize>,
    ) -> anyhow::Result<()> {
        let (applied, groups) = mpsc::sync_channel(0);
        thread::scope(|scope| {
            let syncing = scope.spawn(move || {
                while groups.recv().is_ok() {
                    sync(db, file)?;
                }
                anyhow::Ok(())
            });
            let written = ids.chunks(2 * self.group).try_for_each(|two| {
                writes.clone().try_for_each(|write| {
                    let value = value(write, self.bytes);
                    two.chunks(self.group).try_for_each(|group| {
                        db.apply_batch(batch(group, &value))?;
                        // One that is alone would overlap with itself.
                        if two.len() <= self.group {
                            return sync(db, file);
                        }
                        applied.send(()).context("nothing is made durable any more")
                    })
                })
            });
            drop(applied);
            // Why nothing was made durable says more than that it was not.
            syncing.join().map_err(|_| anyhow!("the thread that syncs panicked"))??;
            written
        })
    }
}

impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let insert = if self.inserts == Inserts::Meanwhile { "an insert and " } else { "" };
        write!(
            f,
            "{insert}{} overwrites of {} bytes for each, in groups of {}, one applied while the \
             one before is synced; flush_every_ms {CLEAN_EVERY_MS}, a cache of {CACHE_MIB} MiB",
            self.overwrites(),
            self.bytes,
            self.group
        )
    }
}

/// How [`one_by_one`] is set up.
pub(crate) fn settings_of_one() -> String {
    format!("flush_every_ms {CLEAN_EVERY_MS}, a cache of {CACHE_MIB} MiB")
}

/// Inserts one after the other, each durable before the next, with a rest in between; how many
/// microseconds each took.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(crate) fn one_by_one(tasks: u64) -> anyhow::Result<Vec<f64>> {
    let folder = tempfile::tempdir_in(".")?;
    let (db, file) = open(folder.path())?;
    let value = value(0, TASK_BYTES);
    let mut took = Vec::new();
    for (number, id) in (0..).zip(ids(tasks)) {
        thread::park_timeout(latency::rest(number));
        let started = Instant::now();
        db.insert(id.as_uuid().as_bytes(), value.as_slice())?;
        sync(&db, &file)?;
        took.push(started.elapsed().as_secs_f64() * 1e6);
    }
    Ok(took)
}

fn open(folder: &Path) -> anyhow::Result<(Db, File)> {
    let db = sled::Config::new()
        .path(folder)
        .cache_capacity(CACHE_MIB << 20)
        .flush_every_ms(Some(CLEAN_EVERY_MS))
        .open()?;
    let file = File::options().write(true).open(folder.join("db"))?;
    Ok((db, file))
}

fn sync(db: &Db, file: &File) -> anyhow::Result<()> {
    db.flush()?;
    Ok(file.sync_data()?)
}

fn batch(group: &[TaskId], value: &[u8]) -> Batch {
    let mut batch = Batch::default();
    for id in group {
        batch.insert(id.as_uuid().as_bytes(), value);
    }
    batch
}

/// What an insert writes, which is write number 0, and what each overwrite writes.
fn value(write: usize, bytes: usize) -> Vec<u8> {
    vec![u8::try_from(write % 256).unwrap_or(0); bytes]
}

fn ids(tasks: u64) -> Vec<TaskId> {
    let random = Random::from_entropy();
    (0..tasks).map(|_| random.task_id(SystemClock.now())).collect()
}
