//! What everybody in a run shares: the store, its clock, and the journal.

use std::{
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use artos_core::{TaskId, store::StoreError};
use artos_oracle::{Dice, Log, RecordingStore, mix};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::{
    base::Base,
    clock::SimClock,
    durable::Durable,
    journal::{Journal, Who},
    options::{Chaos, Options},
};

/// The machine the store runs on: told of by a recorder, and ended by a blackout.
pub(crate) type Server = RecordingStore<Arc<Durable>>;

/// What everybody shares.
pub(crate) struct World {
    pub(crate) options: Options,
    /// The store's clock.
    pub(crate) clock: SimClock,
    pub(crate) journal: Arc<Journal>,
    pub(crate) log: Arc<Log>,
    /// Nothing goes wrong any more.
    pub(crate) healed: CancellationToken,
    server: Mutex<Option<Arc<Server>>>,
    /// Tasks that somebody has heard of.
    known: Mutex<Vec<TaskId>>,
    /// Those of them that the store has acknowledged.
    promised: Mutex<Vec<TaskId>>,
    /// What stages draw from.
    script: Mutex<Dice>,
    servers: Mutex<u64>,
    spawner: Handle,
}

impl World {
    pub(crate) fn new(options: Options, clock: SimClock, journal: Arc<Journal>) -> Self {
        let reader = Arc::clone(&journal);
        let script = Dice::new(mix(options.seed, 2));
        Self {
            options,
            log: Arc::new(Log::read_by(clock.clone(), move |event| reader.read(event))),
            clock,
            journal,
            healed: CancellationToken::new(),
            server: Mutex::default(),
            known: Mutex::default(),
            promised: Mutex::default(),
            script: Mutex::new(script),
            servers: Mutex::new(0),
            spawner: Handle::current(),
        }
    }

    pub(crate) fn spawn<F>(&self, future: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.spawner.spawn(future)
    }

    pub(crate) fn is_healed(&self) -> bool {
        self.healed.is_cancelled()
    }

    /// Sleeps, but no longer than things go wrong.
    pub(crate) async fn sleep_until_healed(&self, duration: Duration) {
        self.healed.run_until_cancelled(tokio::time::sleep(duration)).await;
    }

    /// Starts the store's machine with these tasks.
    pub(crate) fn start_server(&self, base: Arc<dyn Base>) {
        let number = {
            let mut servers = lock(&self.servers);
            *servers += 1;
            *servers
        };
        let flush = self.options.level(Chaos::Flush);
        let durable = if flush == 0 { Durable::at_once(base) } else { Durable::later(base) };
        let durable = Arc::new(durable);
        if flush > 0 {
            let dice = Dice::new(mix(self.options.seed, 1_000 + number));
            let syncing = Arc::clone(&durable);
            let most = Duration::from_millis(flush.div_ceil(5));
            self.spawn(async move { syncing.sync(dice, most).await });
        }
        let server = RecordingStore::new(durable, Arc::clone(&self.log));
        *lock(&self.server) = Some(Arc::new(server));
    }

    /// Ends the store's machine; returns what was durable.
    pub(crate) fn end_server(&self) -> Option<Arc<dyn Base>> {
        let server = lock(&self.server).take()?;
        Some(server.inner().end())
    }

    pub(crate) fn server(&self) -> Result<Arc<Server>, StoreError> {
        let server = lock(&self.server).clone();
        server.ok_or_else(|| StoreError::unavailable("the store's machine is down"))
    }

    pub(crate) fn know(&self, id: TaskId) {
        let mut known = lock(&self.known);
        if !known.contains(&id) {
            known.push(id);
        }
    }

    /// Draws a task that somebody has heard of.
    pub(crate) fn any_known(&self, dice: &mut Dice) -> Option<TaskId> {
        let known = lock(&self.known);
        let count = u64::try_from(known.len()).ok().filter(|count| *count > 0)?;
        usize::try_from(dice.below(count)).ok().and_then(|index| known.get(index)).copied()
    }

    /// Notes that the store has acknowledged a task.
    pub(crate) fn promise(&self, id: TaskId) {
        self.know(id);
        let mut promised = lock(&self.promised);
        if !promised.contains(&id) {
            promised.push(id);
        }
    }

    /// Returns all tasks that the store has acknowledged to somebody.
    pub(crate) fn all_promised(&self) -> Vec<TaskId> {
        lock(&self.promised).clone()
    }

    /// Draws what a stage does.
    pub(crate) fn script<T>(&self, draw: impl FnOnce(&mut Dice) -> T) -> T {
        draw(&mut lock(&self.script))
    }

    pub(crate) fn note(&self, who: Who, what: &'static str, detail: impl Hash + fmt::Display) {
        self.journal.note(who, what, detail);
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("options", &self.options).finish_non_exhaustive()
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
