//! What the stores stand on, used as sparingly as can be: the ceiling they are measured against.

use std::{
    fs::File,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::ensure;
use artos_core::{Clock as _, Random, SystemClock, TaskId};
use sled::Batch;

use crate::report::Stopwatch;

/// Writes as many bytes as a task takes, in groups, each of them durable; so many writes for each
/// task, the first an insert and the others overwrites.
pub(crate) fn sled(tasks: u64, group: usize, bytes: usize, writes: usize) -> anyhow::Result<f64> {
    ensure!(group > 0, "found groups of 0, expected at least 1");
    let folder = tempfile::tempdir_in(".")?;
    let (db, file) = open(folder.path())?;
    let ids = ids(tasks);
    let value = vec![7; bytes];
    let watch = Stopwatch::start()?;
    for ids in ids.chunks(group) {
        for _ in 0..writes {
            let mut batch = Batch::default();
            for id in ids {
                batch.insert(id.as_uuid().as_bytes(), value.as_slice());
            }
            db.apply_batch(batch)?;
            db.flush()?;
            file.sync_data()?;
        }
    }
    ensure!(u64::try_from(db.len())? == tasks, "found {} tasks, expected {tasks}", db.len());
    let what = format!(
        "ceiling, raw sled (outlives power cuts), an insert and {} overwrites of {bytes} bytes for \
         each task, groups of {group}",
        writes.saturating_sub(1)
    );
    watch.rate(&what, tasks)
}

/// Inserts one after the other, each durable before the next, with a rest in between; how many
/// microseconds each took.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(crate) fn sled_one_by_one(tasks: u64, bytes: usize) -> anyhow::Result<Vec<f64>> {
    let folder = tempfile::tempdir_in(".")?;
    let (db, file) = open(folder.path())?;
    let value = vec![7; bytes];
    let mut took = Vec::new();
    for id in ids(tasks) {
        std::thread::park_timeout(Duration::from_millis(2));
        let started = Instant::now();
        db.insert(id.as_uuid().as_bytes(), value.as_slice())?;
        db.flush()?;
        file.sync_data()?;
        took.push(started.elapsed().as_secs_f64() * 1e6);
    }
    Ok(took)
}

fn open(folder: &Path) -> anyhow::Result<(sled::Db, File)> {
    let db = sled::Config::new()
        .path(folder)
        .cache_capacity(64 * 1024 * 1024)
        .flush_every_ms(Some(200))
        .open()?;
    let file = File::options().write(true).open(folder.join("db"))?;
    Ok((db, file))
}

fn ids(tasks: u64) -> Vec<TaskId> {
    let random = Random::from_entropy();
    (0..tasks).map(|_| random.task_id(SystemClock.now())).collect()
}
