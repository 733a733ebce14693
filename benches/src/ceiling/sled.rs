//! What the stores stand on, used as sparingly as can be: the ceiling they are measured against.

use std::fs::File;

use anyhow::ensure;
use artos_core::{Clock as _, Random, SystemClock};
use sled::Batch;

use crate::report::Stopwatch;

/// Writes as many bytes as a task takes, twice for each task, in groups, each of them durable.
pub(crate) fn sled(tasks: u64, group: usize, bytes: usize) -> anyhow::Result<f64> {
    ensure!(group > 0, "found groups of 0, expected at least 1");
    let folder = tempfile::tempdir_in(".")?;
    let db = sled::Config::new()
        .path(folder.path())
        .cache_capacity(64 * 1024 * 1024)
        .flush_every_ms(Some(200))
        .open()?;
    let file = File::options().write(true).open(folder.path().join("db"))?;
    let random = Random::from_entropy();
    let ids: Vec<_> = (0..tasks).map(|_| random.task_id(SystemClock.now())).collect();
    let value = vec![7; bytes];
    let watch = Stopwatch::start()?;
    for ids in ids.chunks(group) {
        for _ in ["insert", "overwrite"] {
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
        "ceiling, raw sled (outlives power cuts), an insert and an overwrite of {bytes} bytes for \
         each task, groups of {group}"
    );
    watch.rate(&what, tasks)
}
