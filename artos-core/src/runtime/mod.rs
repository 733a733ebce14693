//! The embeddable whole: workers that claim and run, and the duties that keep promises meanwhile.

mod attempt;
mod backoff;
mod builder;
mod ends;
mod engine;
mod executor;
mod health;
mod heartbeat;
mod options;
mod pool;
mod pruner;
mod queue;
mod registry;
mod rescuer;
mod running;
mod slots;
#[cfg(test)]
mod tests;
mod worker;

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::Instant;

use self::{engine::Engine, running::StopReason};
use crate::{Client, model::TaskId, store::TaskStore};

pub use builder::RuntimeBuilder;
pub use health::{DutyHealth, Health, Monitor};
pub use queue::Queue;

/// How long what was killed may take to be gone.
const KILLED_WITHIN: Duration = Duration::from_secs(1);

/// Runs tasks in this process until it is shut down or dropped.
///
/// Any number of runtimes may share a store; each task is run by one of them at a time.
///
/// Dropping a runtime stops everything at once, as a crash would: what was running is dropped, and
/// runs again when its lease has lapsed. [`shutdown`](Self::shutdown) is the gentle way.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use artos_core::{Pipeline, Runtime, StageContext, StageResult, Task, stage_fn};
/// use artos_store_memory::MemoryStore;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Greet {
///     name: String,
/// }
///
/// impl Task for Greet {
///     const KIND: &'static str = "greet";
///     type Output = String;
/// }
///
/// async fn greet(_: StageContext, task: Greet) -> StageResult<String> {
///     Ok(format!("Hello, {}!", task.name))
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let runtime = Runtime::builder(MemoryStore::default())
///     .register(Pipeline::new("greet", stage_fn(greet)))
///     .start()
///     .await?;
/// let task = runtime.client().submit(Greet { name: "Ada".into() }).await?;
/// assert_eq!(task.wait().await?, "Hello, Ada!");
/// runtime.shutdown(Duration::from_secs(30)).await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "dropping a runtime stops everything at once"]
pub struct Runtime {
    engine: Arc<Engine>,
}

/// A runtime shut down, but some tasks could not be handed back.
///
/// Nothing is lost: they run again when their leases have lapsed, with one attempt charged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} tasks could not be handed back and run again when their leases lapse, among them {}",
    .tasks.len(),
    .tasks.first().map(ToString::to_string).unwrap_or_default()
)]
pub struct ShutdownError {
    /// The tasks.
    pub tasks: Vec<TaskId>,
}

impl Runtime {
    /// Starts to put a runtime together on a store.
    pub fn builder(store: impl TaskStore) -> RuntimeBuilder {
        RuntimeBuilder::new(Arc::new(store))
    }

    fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }

    /// Returns a client of the same store.
    #[must_use]
    pub fn client(&self) -> Client {
        self.engine.client.clone()
    }

    /// Returns how the runtime is now.
    #[must_use]
    pub fn health(&self) -> Health {
        self.monitor().health()
    }

    /// Returns a reader of the runtime's health, to keep elsewhere.
    #[must_use]
    pub fn monitor(&self) -> Monitor {
        Monitor { board: Arc::clone(&self.engine.board) }
    }

    /// Shuts down gently: stops claiming, lets running tasks go on for up to `grace`, then tells
    /// their stages to stop, and hands back what is left without charging it an attempt.
    ///
    /// It returns as soon as nothing runs any more. Beyond `grace` it takes at most twice the
    /// cancel grace, one heartbeat (for stages that never yield) and the patience with the store,
    /// and a second: 26 seconds with the defaults.
    ///
    /// When it returns, the runtime has let go of the store, unless a stage still blocks its thread
    /// by then: dropping the last client closes the store.
    ///
    /// # Errors
    ///
    /// [`ShutdownError`] if some tasks could not be handed back, because the store was unavailable.
    /// The runtime is stopped nevertheless.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the runtime.
    pub async fn shutdown(self, grace: Duration) -> Result<(), ShutdownError> {
        let began = Instant::now();
        let engine = &self.engine;
        engine.board.draining.store(true, Ordering::SeqCst);
        engine.stop.cancel();
        engine.workers.close();
        let finished = async {
            // A claim under way is waited for: what it leases must be handed back.
            engine.workers.wait().await;
            engine.running.empty().await;
        };
        tokio::pin!(finished);
        let options = &engine.options;
        let last = options.cancel_grace.saturating_mul(2) + options.heartbeat + options.patience;
        if tokio::time::timeout(grace, &mut finished).await.is_err() {
            for execution in engine.running.all() {
                execution.stop(StopReason::Shutdown);
            }
            let _ = tokio::time::timeout(last, finished).await;
        }
        let tasks = engine.running.left_over();
        self.kill();
        let ended = async {
            engine.workers.wait().await;
            engine.duties.wait().await;
            engine.pool.ended().await;
        };
        // They end at once, except where a stage blocks its thread.
        let left = grace.saturating_add(last).saturating_sub(began.elapsed());
        let patience = left.min(options.cancel_grace).max(KILLED_WITHIN);
        let _ = tokio::time::timeout(patience, ended).await;
        if tasks.is_empty() { Ok(()) } else { Err(ShutdownError { tasks }) }
    }

    /// Ends everything, wherever it is.
    fn kill(&self) {
        let engine = &self.engine;
        engine.board.draining.store(true, Ordering::SeqCst);
        engine.stop.cancel();
        engine.kill.cancel();
        engine.duties.close();
        engine.pool.kill(&engine.running);
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if !self.engine.kill.is_cancelled() {
            tracing::warn!(
                running = self.engine.running.all().len(),
                "a runtime is dropped that \
                was not shut down: what runs here starts again when its lease has lapsed, and what \
                waits, waits for another runtime"
            );
        }
        self.kill();
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Runtime({})", self.health())
    }
}
