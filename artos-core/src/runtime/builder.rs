//! Putting a runtime together, and checking it before anything starts.

use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Runtime,
    ends::Ends,
    engine::{Engine, Repeats, Settles},
    health::Board,
    heartbeat,
    options::Options,
    pool::Pool,
    pruner,
    queue::Queue,
    registry::{Registration, Registry, check_name},
    rescuer,
    running::Running,
    worker,
};
use crate::{
    Client, Clock, Name, Pipeline, Random, Submission, Task,
    cancel::BeforeCancel,
    commit::Committer,
    error::{StartError, StartProblem},
    model::{Retention, TaskRecord, TaskState},
    signals::SignalHub,
    store::TaskStore,
    submission::Ids,
    task::DEFAULT_QUEUE,
};

/// Longest duration a runtime reckons with, 100 years: longer ones are meant as "never".
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

const fn shorter(one: Duration, other: Duration) -> Duration {
    if one.as_nanos() < other.as_nanos() { one } else { other }
}

/// Puts a [`Runtime`] together; made by [`Runtime::builder`].
#[must_use = "a runtime runs nothing until it is started"]
pub struct RuntimeBuilder {
    store: Arc<dyn TaskStore>,
    queues: Vec<Queue>,
    registrations: Vec<Registration>,
    ends: Ends,
    before_cancel: BeforeCancel,
    options: Options,
    ids: Ids,
}

impl RuntimeBuilder {
    pub(super) fn new(store: Arc<dyn TaskStore>) -> Self {
        Self {
            store,
            queues: Vec::new(),
            registrations: Vec::new(),
            ends: Ends::default(),
            before_cancel: BeforeCancel::default(),
            options: Options::default(),
            ids: Ids::default(),
        }
    }

    /// Works on a queue. Without any, the runtime works on the queue `default`.
    pub fn queue(mut self, queue: Queue) -> Self {
        self.queues.push(queue);
        self
    }

    /// Registers the pipeline that runs tasks of type `T`.
    pub fn register<T: Task>(mut self, pipeline: Pipeline<T, T::Output>) -> Self {
        self.registrations.push(Registration {
            kind: Name::from_static(T::KIND),
            queue: Name::from_static(T::QUEUE),
            stages: pipeline.into_stages(),
        });
        self
    }

    /// Submits a task together with the end of others: both are recorded in one atomic step.
    ///
    /// `follow_up` is asked about every task that ends here as completed, failed or cancelled, and
    /// answers what to submit, if anything. The record is the one the attempt started from. It runs
    /// once for each end, on the way to the store, so it must be quick and do nothing else.
    ///
    /// A cancel may end a task without a worker: a pending one at once, and a running one if its
    /// worker dies or its attempt fails before it hears of it. Nothing is submitted for such an
    /// end, so whoever cancels tasks and relies on a follow-up submits it before cancelling.
    ///
    /// # Examples
    ///
    /// ```
    /// # use artos_core::{Pipeline, Runtime, StageContext, StageResult};
    /// # use artos_core::{Submission, Task, stage_fn};
    /// # use artos_store_memory::MemoryStore;
    /// # use serde::{Deserialize, Serialize};
    /// # async fn print(_: StageContext, tell: Tell) -> StageResult<()> { Ok(drop(tell.how)) }
    /// #[derive(Serialize, Deserialize)]
    /// struct Tell { how: String }
    ///
    /// impl Task for Tell { const KIND: &'static str = "tell"; type Output = (); }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let runtime = Runtime::builder(MemoryStore::default())
    ///     .register(Pipeline::new("print", stage_fn(print)))
    ///     .on_end(|task, state| {
    ///         // Otherwise the end of each `Tell` would be told as well, and so on.
    ///         let is_other = task.kind != Tell::KIND;
    ///         is_other.then(|| Submission::new(Tell { how: format!("{} {state}", task.id) }))
    ///     })
    ///     .start()
    ///     .await?;
    /// # Ok(runtime.shutdown(std::time::Duration::from_secs(1)).await?)
    /// # }
    /// ```
    pub fn on_end<T, F>(mut self, follow_up: F) -> Self
    where
        T: Task,
        F: Fn(&TaskRecord, TaskState) -> Option<Submission<T>> + Send + Sync + 'static,
    {
        self.ends.add(follow_up);
        self
    }

    /// Submits something before a cancel, through the clients and handles of this runtime.
    ///
    /// [`on_end`](Self::on_end) hears only of tasks that a worker ends; a cancel ends a task that
    /// waits at once. `announce` is asked about every task that is to be cancelled and is not over.
    /// What it makes is submitted before the cancel is asked for, so it may find the task as it
    /// was, and the cancel may yet come to nothing. Give it an idempotency key: cancels are
    /// repeated.
    ///
    /// Clients that were made otherwise know nothing of this; see
    /// [`Client::before_cancel`](crate::Client::before_cancel).
    pub fn before_cancel<T, F>(mut self, announce: F) -> Self
    where
        T: Task,
        F: Fn(&TaskRecord) -> Option<Submission<T>> + Send + Sync + 'static,
    {
        self.before_cancel.add(announce);
        self
    }

    /// Sets how long a task stays leased without a sign of life. Default: 20 seconds. Heartbeats
    /// are sent four times as often. A shorter lease finds a dead process sooner and calls the
    /// store more often.
    pub fn lease_duration(mut self, lease: Duration) -> Self {
        self.options.set_lease(lease.min(LONGEST));
        self
    }

    /// Sets how long a worker sleeps without a hint from the store before it looks for tasks
    /// anyway. Default: 15 seconds. A store that loses no hints (in memory, or embedded) is not
    /// asked while no task of the queue waits.
    pub const fn poll_interval(mut self, interval: Duration) -> Self {
        self.options.poll = shorter(interval, LONGEST);
        self
    }

    /// Sets how long a stage that was told to stop may take before it is dropped. Default: 5
    /// seconds.
    pub const fn cancel_grace(mut self, grace: Duration) -> Self {
        self.options.cancel_grace = shorter(grace, LONGEST);
        self
    }

    /// Sets how long terminal tasks are kept. Default: 7 days. A runtime prunes all tasks of its
    /// store, from its start on; of several runtimes, the one with the shortest retention decides.
    pub const fn retention(mut self, retention: Retention) -> Self {
        self.options.retention = retention;
        self
    }

    /// Sets the shortest pause between two looks for tasks past their retention, unless there were
    /// too many for one look. Default: 60 seconds. The runtime looks again when the next task may
    /// go, or one that ends now could; after an hour at the latest, or after this if it is longer.
    pub const fn prune_interval(mut self, interval: Duration) -> Self {
        self.options.prune = shorter(interval, LONGEST);
        self
    }

    /// Takes ids and jitter from this clock and randomness, for tests that must come out the same
    /// every time.
    pub fn deterministic(mut self, clock: impl Clock, random: Random) -> Self {
        self.ids = Ids::new(clock, random);
        self
    }

    /// Checks everything and starts the runtime. A store that is unavailable does not keep it from
    /// starting: its loops wait for it.
    ///
    /// # Errors
    ///
    /// [`StartError`] lists everything that is wrong; then nothing was started.
    pub async fn start(self) -> Result<Runtime, StartError> {
        self.build()
    }

    fn build(mut self) -> Result<Runtime, StartError> {
        if self.queues.is_empty() {
            self.queues.push(Queue::new(Name::from_static(DEFAULT_QUEUE)));
        }
        let mut problems = Vec::new();
        self.check(&mut problems);
        let registry = Registry::new(std::mem::take(&mut self.registrations), &mut problems);
        if tokio::runtime::Handle::try_current().is_err() {
            problems.push(StartProblem::NoExecutor);
        }
        if !problems.is_empty() {
            return Err(StartError { problems });
        }
        Ok(self.launch(registry))
    }

    fn check(&self, problems: &mut Vec<StartProblem>) {
        self.options.check(problems);
        let mut names = HashSet::new();
        for queue in &self.queues {
            check_name("queue", &queue.name, problems);
            if queue.concurrency == 0 {
                problems.push(StartProblem::NoConcurrency(queue.name.clone()));
            }
            if !names.insert(&queue.name) {
                problems.push(StartProblem::DuplicateQueue(queue.name.clone()));
            }
        }
        for Registration { kind, queue, .. } in &self.registrations {
            if !names.contains(queue) {
                let (kind, queue) = (kind.clone(), queue.clone());
                problems.push(StartProblem::UnknownQueue { kind, queue });
            }
        }
    }

    fn launch(self, registry: Registry) -> Runtime {
        let board = Arc::new(Board::default());
        let slots = self.queues.iter().map(|queue| queue.concurrency);
        let running = Arc::new(Running::new(slots));
        let counted = Arc::clone(&running);
        board.count_running_by(move || counted.len());
        let settle_duty = board.duty(String::from("settle"));
        let (settles, settling) = Committer::new(Settles {
            store: Arc::clone(&self.store),
            options: self.options.clone(),
            duty: Arc::clone(&settle_duty),
        });
        let signals = Arc::new(SignalHub {
            reports_arrived: Notify::new(),
            reports_due: Notify::new(),
            ids: self.ids.clone(),
        });
        let engine = Arc::new(Engine {
            client: Client::with_ids(Arc::clone(&self.store), self.ids.clone())
                .announcing(self.before_cancel),
            store: self.store,
            registry,
            unreadable: AtomicBool::new(false),
            ends: self.ends,
            options: self.options,
            ids: self.ids,
            running,
            pool: Pool::default(),
            signals,
            board,
            settles,
            repeats: Repeats::new(settle_duty),
            stop: CancellationToken::new(),
            kill: CancellationToken::new(),
            workers: TaskTracker::new(),
            duties: TaskTracker::new(),
        });
        let kill = engine.kill.clone();
        engine.duties.spawn(async move {
            kill.run_until_cancelled(settling).await;
        });
        engine.start_duty("heartbeat", &engine.duties, heartbeat::run);
        engine.start_duty("progress", &engine.duties, heartbeat::pass_on);
        engine.start_duty("rescue", &engine.duties, rescuer::run);
        engine.start_duty("prune", &engine.duties, pruner::run);
        for (number, queue) in self.queues.into_iter().enumerate() {
            let name = queue.name.clone();
            engine.start_duty(&name, &engine.workers, move |engine| {
                worker::run(engine, queue.clone(), number)
            });
        }
        Runtime::new(engine)
    }
}

impl fmt::Debug for RuntimeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: Vec<_> = self.registrations.iter().map(|one| &one.kind).collect();
        f.debug_struct("RuntimeBuilder")
            .field("store", &self.store)
            .field("queues", &self.queues)
            .field("kinds", &kinds)
            .finish_non_exhaustive()
    }
}
