//! Takes back tasks whose lease lapsed, whoever held it.

use std::{sync::Arc, time::Duration};

use super::{backoff::OutageBackoff, engine::Engine};
use crate::notify::Topic;

/// Most tasks of one rescue; it bounds how long one call holds the store.
const RESCUE_LIMIT: usize = 1_000;

/// Shortest pause between two rescues.
const PAUSE: Duration = Duration::from_millis(100);

/// Rescues until the runtime stops.
///
/// It need not poll: a lease given after a look cannot lapse before a whole lease has passed, so it
/// sleeps until the next known lease lapses, or for the length of one. While there is no lease at
/// all, a store that loses no hints wakes it for the first one.
pub(super) async fn run(engine: Arc<Engine>) {
    let duty = engine.board.duty(String::from("rescue"));
    let mut leases = engine.store.changes(Topic::Lease);
    let mut backoff = OutageBackoff::new();
    loop {
        let mut is_idle = false;
        let wait = match engine.call(&duty, engine.store.as_ref().rescue(RESCUE_LIMIT)).await {
            Ok(rescued) => {
                backoff.reset();
                if !rescued.tasks.is_empty() {
                    tracing::warn!(tasks = rescued.tasks.len(), first = ?rescued.tasks.first(),
                        "rescued tasks whose lease had lapsed");
                }
                is_idle = rescued.next_in.is_none() && leases.is_lossless();
                rescued.next_in.unwrap_or(Duration::MAX).clamp(PAUSE, engine.options.lease)
            }
            Err(error) => {
                tracing::warn!(%error, "rescuing failed; trying again");
                backoff.next(&engine.ids.random)
            }
        };
        let pause = async {
            if is_idle {
                leases.changed().await;
            }
            tokio::time::sleep(wait).await;
        };
        tokio::select! {
            biased;
            () = engine.stop.cancelled() => return,
            () = pause => {}
        }
    }
}
