//! Whole runtimes on the store: they die and are replaced, and the tasks come out right.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use artos_core::{
    Payload, Pipeline, Queue, Random, RetryPolicy, Runtime, RuntimeBuilder, Stage, StageContext,
    StageOptions, StageResult, SystemClock, Task,
    model::{FailureCause, Name, NewTask, TaskId, TaskRecord, TaskState},
    stage_fn,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, mpsc};

use crate::world::{QUEUE, World, ok};

/// Attempts of a task that kills whoever runs it.
const ATTEMPTS: u32 = 3;

/// How many tasks each process of a rolling restart runs at once.
const SLOTS: usize = 4;

/// Processes that take over, one after the other.
const SUCCESSORS: usize = 4;

/// Tasks of a rolling restart: enough for two processes, even if every step of theirs ends one.
const TASKS: usize = 2 * SLOTS + 2 * SUCCESSORS;

#[derive(Serialize, Deserialize)]
struct Number(usize);

impl Task for Number {
    const KIND: &'static str = "number";
    type Output = usize;
}

fn number(world: &World, number: usize) -> NewTask {
    NewTask {
        kind: Name::from_static(Number::KIND),
        input: Bytes::from(number.to_string()),
        ..world.task()
    }
}

fn builder(world: &World, pipeline: Pipeline<Number, usize>) -> RuntimeBuilder {
    let builder = Runtime::builder(Arc::clone(&world.store));
    builder.cancel_grace(Duration::from_millis(100)).register(pipeline)
}

async fn end_of(runtime: &Runtime, id: TaskId) -> TaskRecord {
    let mut watch = runtime.client().watch(id);
    loop {
        let record = ok(watch.changed().await).expect("the task is in the store");
        if record.is_terminal() {
            return record;
        }
    }
}

pub(crate) async fn a_poison_task_fails_after_exactly_its_attempts(world: &World) {
    let (started, mut starts) = mpsc::unbounded_channel();
    let poison = || {
        let started = started.clone();
        let body = move |cx: StageContext, _: Number| {
            started.send(cx.attempt()).ok();
            std::future::pending()
        };
        let retry = RetryPolicy::fixed(Duration::ZERO).max_attempts(ATTEMPTS);
        let options = StageOptions { retry, ..StageOptions::default() };
        Pipeline::new("poison", stage_fn(body).with(options))
    };
    let task = number(world, 1);
    world.created(&task).await;
    for attempt in 1..=ATTEMPTS {
        let process = builder(world, poison()).start().await.unwrap();
        assert_eq!(starts.recv().await, Some(attempt));
        // The process dies in the middle of the stage.
        drop(process);
        world.lapse().await;
    }
    let survivor = builder(world, poison()).start().await.unwrap();
    let record = end_of(&survivor, task.id).await;
    assert_eq!(record.state, TaskState::Failed);
    let failure = record.failure.unwrap();
    assert_eq!((failure.cause, failure.attempt), (FailureCause::LeaseLost, ATTEMPTS));
    assert!(starts.try_recv().is_err(), "no body starts beyond the last attempt");
}

pub(crate) async fn a_rolling_restart_charges_nothing_and_loses_nothing(world: &World) {
    let tasks: Vec<_> = (0..TASKS).map(|n| number(world, n)).collect();
    world.insert_all(&tasks).await;
    let mut crew = Crew::new(&tasks);
    let mut old = crew.start(world).await;
    crew.expect_starts(&[old.number; SLOTS]).await;
    for _ in 0..SUCCESSORS {
        // The successor is there before the old one goes, and both have their hands full.
        let new = crew.start(world).await;
        crew.expect_starts(&[new.number; SLOTS]).await;
        crew.expect_to_be_busy(world, [&old, &new]).await;
        // Each makes a step while the other works: from stage to stage, or from task to task.
        old.gate.add_permits(1);
        new.gate.add_permits(1);
        crew.expect_starts(&[old.number, new.number]).await;
        crew.expect_to_be_busy(world, [&old, &new]).await;
        crew.hand_back(world, old).await;
        old = new;
    }
    old.gate.add_permits(2 * TASKS);
    for (number, task) in tasks.iter().enumerate() {
        let record = end_of(&old.runtime, task.id).await;
        assert_eq!((record.state, record.attempt), (TaskState::Completed, 1));
        assert_eq!(crew.log.ends_of(number), [1, 1], "each stage of task {number} ends once");
    }
    old.runtime.shutdown(Duration::from_secs(60)).await.unwrap();
    while let Ok(start) = crew.starts.try_recv() {
        start.check();
    }
}

/// Processes that replace each other under one name, and what they do.
struct Crew {
    ids: Vec<TaskId>,
    processes: usize,
    log: Arc<Log>,
    starts: mpsc::UnboundedReceiver<Start>,
    /// Which process started each task last.
    holders: [usize; TASKS],
}

/// A process whose bodies wait at a gate.
struct Process {
    number: usize,
    gate: Arc<Semaphore>,
    runtime: Runtime,
}

/// What bodies note.
struct Log {
    starts: mpsc::UnboundedSender<Start>,
    /// How many run each task.
    inside: [AtomicUsize; TASKS],
    /// How often each stage of each task came to its end.
    ends: [[AtomicUsize; 2]; TASKS],
}

/// A body started.
#[derive(Debug)]
struct Start {
    process: usize,
    task: usize,
    attempt: u32,
    /// How many ran the task already.
    others: usize,
}

impl Crew {
    fn new(tasks: &[NewTask]) -> Self {
        let (sender, starts) = mpsc::unbounded_channel();
        let log = Log {
            starts: sender,
            inside: std::array::from_fn(|_| AtomicUsize::new(0)),
            ends: std::array::from_fn(|_| [AtomicUsize::new(0), AtomicUsize::new(0)]),
        };
        let ids = tasks.iter().map(|task| task.id).collect();
        Self { ids, processes: 0, log: Arc::new(log), starts, holders: [usize::MAX; TASKS] }
    }

    async fn start(&mut self, world: &World) -> Process {
        let (number, gate) = (self.processes, Arc::new(Semaphore::new(0)));
        self.processes += 1;
        let pipeline = Pipeline::new("first", self.stage(number, 0, &gate, |Number(task)| task));
        let pipeline = pipeline.then("second", self.stage(number, 1, &gate, |task| task));
        // Whatever has the same seed calls itself by the same name.
        let builder = builder(world, pipeline).deterministic(SystemClock, Random::from_seed(1));
        let queue = Queue::new(QUEUE).concurrency(SLOTS);
        Process { number, gate, runtime: builder.queue(queue).start().await.unwrap() }
    }

    /// Makes a stage that waits for a permit.
    fn stage<I: Payload>(
        &self,
        process: usize,
        stage: usize,
        gate: &Arc<Semaphore>,
        task_of: fn(I) -> usize,
    ) -> impl Stage<Input = I, Output = usize> + use<I> {
        let (log, gate) = (Arc::clone(&self.log), Arc::clone(gate));
        stage_fn(move |cx: StageContext, input: I| {
            let (log, gate, task) = (Arc::clone(&log), Arc::clone(&gate), task_of(input));
            async move {
                let inside = Inside::enter(&log.inside[task]);
                let start = Start { process, task, attempt: cx.attempt(), others: inside.others };
                log.starts.send(start).ok();
                gate.acquire().await?.forget();
                log.ends[task][stage].fetch_add(1, Ordering::SeqCst);
                StageResult::Ok(task)
            }
        })
    }

    /// Waits until bodies have started in just these processes.
    async fn expect_starts(&mut self, processes: &[usize]) {
        let mut started = Vec::new();
        for _ in processes {
            let start = self.starts.recv().await.unwrap();
            start.check();
            self.holders[start.task] = start.process;
            started.push(start.process);
        }
        started.sort_unstable();
        assert_eq!(started, processes);
    }

    /// Checks that both run as much as they may, at once, under one name, and nobody else anything.
    async fn expect_to_be_busy(&self, world: &World, processes: [&Process; 2]) {
        let held = processes.map(|process| self.held_by(process));
        assert_eq!(held.each_ref().map(Vec::len), [SLOTS; 2], "they run {held:?}");
        let mut names = HashSet::new();
        for (task, id) in self.ids.iter().enumerate() {
            let record = world.record(*id).await;
            if held.iter().flatten().any(|one| *one == task) {
                assert_eq!(self.log.runs_of(task), 1);
                names.insert(record.lease.expect("a task that runs is leased").worker);
            } else if self.log.ends_of(task)[1] == 0 {
                assert_eq!(record.state, TaskState::Pending, "task {task} is lost");
            }
        }
        assert_eq!(names.len(), 1, "the processes call themselves {names:?}");
    }

    /// Shuts a process down, and checks that what it had waits for somebody, uncharged.
    async fn hand_back(&self, world: &World, process: Process) {
        let mut held = Vec::new();
        for task in self.held_by(&process) {
            held.push((task, world.record(self.ids[task]).await));
        }
        process.runtime.shutdown(Duration::ZERO).await.unwrap();
        for (task, before) in held {
            let record = world.record(self.ids[task]).await;
            assert_eq!((record.state, record.stage), (TaskState::Pending, before.stage));
            assert_eq!((before.attempt, record.attempt), (1, 0), "the restart was charged");
            assert_eq!(record.interrupts, before.interrupts + 1);
            assert_eq!(self.log.runs_of(task), 0);
        }
    }

    /// Returns the tasks whose last body started there and has not come to the pipeline's end.
    fn held_by(&self, process: &Process) -> Vec<usize> {
        let holds =
            |task: &usize| self.holders[*task] == process.number && self.log.ends_of(*task)[1] == 0;
        (0..TASKS).filter(holds).collect()
    }
}

impl Log {
    fn runs_of(&self, task: usize) -> usize {
        self.inside[task].load(Ordering::SeqCst)
    }

    fn ends_of(&self, task: usize) -> [usize; 2] {
        self.ends[task].each_ref().map(|ends| ends.load(Ordering::SeqCst))
    }
}

impl Start {
    /// A panic in a body would only be one more attempt, so this is checked elsewhere.
    fn check(&self) {
        assert_eq!(self.attempt, 1, "it is the first attempt: {self:?}");
        assert_eq!(self.others, 0, "two run one task at once: {self:?}");
    }
}

/// Somebody who runs a task.
struct Inside<'a> {
    count: &'a AtomicUsize,
    others: usize,
}

impl<'a> Inside<'a> {
    fn enter(count: &'a AtomicUsize) -> Self {
        Self { count, others: count.fetch_add(1, Ordering::SeqCst) }
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::SeqCst);
    }
}
