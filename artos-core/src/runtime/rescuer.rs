//! Takes back tasks whose lease lapsed, whoever held it.

use std::{sync::Arc, time::Duration};

use super::{backoff::OutageBackoff, engine::Engine};

/// Most tasks of one rescue; it bounds how long one call holds the store.
const RESCUE_LIMIT: usize = 1_000;

/// Shortest pause between two rescues.
const PAUSE: Duration = Duration::from_millis(100);

/// Rescues until the runtime stops.
///
/// It need not poll: a lease given after a look cannot lapse before a whole lease has passed, so it
/// sleeps until the next known lease lapses, or for the length of one.
pub(super) async fn run(engine: Arc<Engine>) {
    let duty = engine.board.duty(String::from("rescue"));
    let mut backoff = OutageBackoff::new();
    loop {
        let wait = match engine.call(&duty, engine.store.as_ref().rescue(RESCUE_LIMIT)).await {
            Ok(rescued) => {
                backoff.reset();
                if !rescued.tasks.is_empty() {
                    tracing::warn!(tasks = rescued.tasks.len(), first = ?rescued.tasks.first(),
                        "rescued tasks whose lease had lapsed");
                }
                rescued.next_in.unwrap_or(Duration::MAX).clamp(PAUSE, engine.options.lease)
            }
            Err(error) => {
                tracing::warn!(%error, "rescuing failed; trying again");
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
