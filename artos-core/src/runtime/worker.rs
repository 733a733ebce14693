//! The claim loop of one queue: free slots in, running tasks out.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    backoff::OutageBackoff, engine::Engine, executor::ClaimedTask, health::claim_duty, pool::Work,
    queue::Queue, running::Execution, slots::FreeSlots,
};
use crate::{
    model::WorkerId,
    notify::Topic,
    store::{Claim, Claimed},
};

/// Most tasks of one claim; more would start late while the call is under way.
const CLAIM_LIMIT: usize = 512;

/// How much later than others a worker looks for tasks after it met one it cannot run. Without it,
/// the same worker could win the same race for a strange task every time it is due.
const STEP_BACK: Duration = Duration::from_secs(1);

/// Claims and starts tasks of a queue until the runtime stops.
pub(super) async fn run(engine: Arc<Engine>, queue: Queue, number: usize) {
    let worker = engine.ids.random.worker_id();
    let duty = engine.board.duty(claim_duty(&queue.name));
    let mut changes = engine.store.changes(Topic::Queue(queue.name.clone()));
    let mut backoff = OutageBackoff::new();
    let mut met_strange = false;
    tracing::debug!(%worker, queue = %queue.name, slots = queue.concurrency, "worker started");
    while let Some(slots) = free_slots(&engine, number).await {
        let asked = slots.count();
        let request = Claim {
            queue: queue.name.clone(),
            worker,
            limit: asked,
            lease_for: engine.options.lease,
        };
        // Never dropped half-way, not even by a shutdown: what it claims must be known, or it would
        // stay leased until the lease lapses.
        let called = Instant::now();
        let wait = match engine.call(&duty, engine.store.as_ref().claim(&request)).await {
            Ok(claims) => {
                backoff.reset();
                let found = claims.tasks.len();
                duty.lagging(lag(&claims.tasks), found == asked);
                if found > 0 {
                    let is_strange = |claimed: &Claimed| !engine.registry.knows(&claimed.record);
                    met_strange = claims.tasks.iter().any(is_strange);
                    met_strange |= engine.unreadable.swap(false, Ordering::Relaxed);
                }
                start(&engine, claims.tasks, slots, (number, worker), called);
                if found == asked {
                    continue;
                }
                let step_back = if met_strange { STEP_BACK } else { Duration::ZERO };
                match claims.next_due_in {
                    // Nothing waits, and a hint comes when something does.
                    None if changes.is_lossless() => Duration::MAX,
                    next => next.unwrap_or(Duration::MAX).min(engine.options.poll) + step_back,
                }
            }
            Err(error) => {
                drop(slots);
                tracing::warn!(%error, queue = %queue.name, "claiming failed; trying again");
                backoff.next(&engine.ids.random)
            }
        };
        tokio::select! {
            biased;
            () = engine.stop.cancelled() => {}
            () = tokio::time::sleep(wait) => {}
            // A hint does not shorten the wait for a store that is out.
            () = changes.changed(), if backoff.is_reset() => {}
        }
    }
}

/// Waits for a free slot and takes all that are free; `None` when the runtime stops.
async fn free_slots(engine: &Engine, number: usize) -> Option<FreeSlots<'_>> {
    tokio::select! {
        biased;
        () = engine.stop.cancelled() => None,
        slots = engine.running.slots.take(number, CLAIM_LIMIT) => Some(slots),
    }
}

/// Starts the claimed tasks, each with its slot; the slots left over become free.
fn start(
    engine: &Arc<Engine>,
    tasks: Vec<Claimed>,
    mut slots: FreeSlots<'_>,
    (queue, worker): (usize, WorkerId),
    called: Instant,
) {
    let (stopping, now) = (engine.stop.is_cancelled(), Instant::now());
    let mut executions = Vec::with_capacity(tasks.len());
    let mut work = Vec::with_capacity(tasks.len());
    for claimed in tasks {
        if !slots.give() {
            // A store that answers more tasks than it was asked for breaks its contract; the task
            // comes back when its lease lapses.
            tracing::error!(%worker, task_id = %claimed.record.id, "claimed beyond the limit");
            continue;
        }
        let execution = Arc::new(Execution::new(
            claimed.record.lease_token(),
            claimed.record.kind.clone(),
            called + engine.options.lease,
            queue,
            &engine.signals,
        ));
        executions.push(Arc::clone(&execution));
        let task = ClaimedTask::new(claimed, now);
        work.push(Work { execution, task: (!stopping).then_some(task) });
    }
    engine.running.add(executions);
    engine.pool.push(engine, work);
}

/// Returns how long the oldest of these tasks had been due when it was claimed.
fn lag(tasks: &[Claimed]) -> Duration {
    let lag = |claimed: &Claimed| claimed.record.updated_at.since(claimed.record.run_at);
    tasks.iter().map(lag).max().unwrap_or(Duration::ZERO)
}
