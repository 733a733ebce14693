//! Deletes terminal tasks that outlived their retention.

use std::{sync::Arc, time::Duration};

use super::{backoff::OutageBackoff, engine::Engine};
use crate::{
    model::{Retention, TaskState},
    store::Pruned,
};

/// Most tasks of one prune; it bounds how long one call holds the store.
const PRUNE_LIMIT: usize = 1_000;

/// Longest pause between two looks: the store's clock says how old a task is, and that may jump, or
/// go on while a machine sleeps.
const PAUSE_MAX: Duration = Duration::from_secs(60 * 60);

/// Prunes until the runtime stops.
pub(super) async fn run(engine: Arc<Engine>) {
    let duty = engine.board.duty(String::from("prune"));
    let retention = engine.options.retention;
    let mut backoff = OutageBackoff::new();
    loop {
        let call = engine.store.as_ref().prune(&retention, PRUNE_LIMIT);
        let wait = match engine.call(&duty, call).await {
            Ok(pruned) => {
                backoff.reset();
                pause(pruned, &retention, engine.options.prune)
            }
            Err(error) => {
                tracing::warn!(%error, "pruning failed; trying again");
                backoff.next(&engine.ids.random)
            }
        };
        tokio::select! {
            biased;
            () = engine.stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Returns when to look again: when the first of the tasks that have ended may go, or the first of
/// those that end from now on.
fn pause(pruned: Pruned, retention: &Retention, shortest: Duration) -> Duration {
    if pruned.count >= PRUNE_LIMIT {
        // A full batch means there is more; other callers get their turn in between.
        return Duration::from_millis(10);
    }
    let states = TaskState::ALL.into_iter();
    let shortest_kept = states.filter_map(|state| retention.of(state)).min();
    let next = pruned.next_in.into_iter().chain(shortest_kept).min().unwrap_or(Duration::MAX);
    next.min(PAUSE_MAX).max(shortest)
}
