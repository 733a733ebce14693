//! A child that is killed at a named point of the store, by itself, as if from outside.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, ensure};
use artos_store_sled::failpoints::{self, Point};
use rustix::process::{Signal, getpid, kill_process};

/// Kills this process the Nth time that it comes to a point.
pub(super) fn await_at(name: &str, number: u64) -> anyhow::Result<()> {
    let awaited = Point::ALL.iter().copied().find(|point| point.name() == name);
    let awaited = awaited.with_context(|| format!("the store has no point `{name}`"))?;
    let times = AtomicU64::new(0);
    let is_first = failpoints::on_reached(move |point| {
        if point == awaited && times.fetch_add(1, Ordering::SeqCst) + 1 == number {
            die();
        }
    });
    ensure!(is_first, "somebody else waits for points already");
    Ok(())
}

/// Ends the process at once: nothing is flushed, and no destructor runs.
fn die() {
    // Whoever waits for the end of this process finds out if it fails.
    let _ = kill_process(getpid(), Signal::KILL);
    loop {
        std::thread::park();
    }
}
