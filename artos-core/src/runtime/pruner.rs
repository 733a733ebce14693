//! Deletes terminal tasks that outlived their retention.

use std::{sync::Arc, time::Duration};

use super::{backoff::OutageBackoff, engine::Engine};

/// Most tasks of one prune; it bounds how long one call holds the store.
const PRUNE_LIMIT: usize = 1_000;

/// Prunes until the runtime stops.
pub(super) async fn run(engine: Arc<Engine>) {
    let duty = engine.board.duty(String::from("prune"));
    let retention = engine.options.retention;
    let mut backoff = OutageBackoff::new();
    let mut wait = engine.options.prune;
    loop {
        tokio::select! {
            biased;
            () = engine.stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = match engine.call(&duty, engine.store.as_ref().prune(&retention, PRUNE_LIMIT)).await
        {
            Ok(pruned) => {
                backoff.reset();
                // A full batch means there is more; other callers get their turn in between.
                if pruned < PRUNE_LIMIT { engine.options.prune } else { Duration::from_millis(10) }
            }
            Err(error) => {
                tracing::warn!(%error, "pruning failed; trying again");
                backoff.next(&engine.ids.random)
            }
        };
    }
}
