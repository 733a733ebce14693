//! Whole runtimes on the store: they die and are replaced, and the tasks come out right.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use artos_core::{
    Pipeline, RetryPolicy, Runtime, Stage, StageContext, StageOptions, Task,
    model::{FailureCause, Name, NewTask, TaskId, TaskRecord, TaskState},
    stage_fn,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, mpsc};

use crate::world::{World, ok};

/// Attempts of a task that kills whoever runs it.
const ATTEMPTS: u32 = 3;

/// Tasks that go through a rolling restart, and how many at once.
const TASKS: usize = 12;

/// Processes that follow each other.
const PROCESSES: u32 = 4;

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

async fn start(world: &World, pipeline: Pipeline<Number, usize>) -> Runtime {
    let builder = Runtime::builder(Arc::clone(&world.store));
    builder.cancel_grace(Duration::from_millis(100)).register(pipeline).start().await.unwrap()
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
        let process = start(world, poison()).await;
        assert_eq!(starts.recv().await, Some(attempt));
        // The process dies in the middle of the stage.
        drop(process);
        world.lapse().await;
    }
    let survivor = start(world, poison()).await;
    let record = end_of(&survivor, task.id).await;
    assert_eq!(record.state, TaskState::Failed);
    let failure = record.failure.unwrap();
    assert_eq!((failure.cause, failure.attempt), (FailureCause::LeaseLost, ATTEMPTS));
    assert!(starts.try_recv().is_err(), "no body starts beyond the last attempt");
}

pub(crate) async fn a_rolling_restart_charges_nothing_and_loses_nothing(world: &World) {
    let gate = Arc::new(Semaphore::new(0));
    let (started, mut starts) = mpsc::unbounded_channel();
    let inside: Arc<[AtomicUsize]> = (0..TASKS).map(|_| AtomicUsize::new(0)).collect();
    let pipeline = || {
        let (gate, started, inside) = (Arc::clone(&gate), started.clone(), Arc::clone(&inside));
        let body = move |cx: StageContext, Number(number): Number| {
            let (gate, started, inside) = (Arc::clone(&gate), started.clone(), Arc::clone(&inside));
            async move {
                let here = Inside::enter(&inside[number]);
                started.send((number, cx.attempt())).ok();
                gate.acquire().await?.forget();
                drop(here);
                Ok(number)
            }
        };
        Pipeline::new("wait", stage_fn(body))
    };
    let tasks: Vec<_> = (0..TASKS).map(|n| number(world, n)).collect();
    world.insert_all(&tasks).await;
    for _ in 0..PROCESSES {
        let process = start(world, pipeline()).await;
        for _ in 0..TASKS {
            let (number, attempt) = starts.recv().await.unwrap();
            assert_eq!(attempt, 1, "a shutdown charged an attempt to task {number}");
        }
        process.shutdown(Duration::ZERO).await.unwrap();
    }
    let last = start(world, pipeline()).await;
    gate.add_permits(TASKS);
    for task in &tasks {
        let record = end_of(&last, task.id).await;
        assert_eq!(record.state, TaskState::Completed);
        assert_eq!((record.attempt, record.interrupts), (1, PROCESSES));
    }
    last.shutdown(Duration::from_secs(60)).await.unwrap();
}

/// Somebody who runs a task, and is the only one.
struct Inside<'a>(&'a AtomicUsize);

impl<'a> Inside<'a> {
    fn enter(count: &'a AtomicUsize) -> Self {
        assert_eq!(count.fetch_add(1, Ordering::SeqCst), 0, "two run one task at once");
        Self(count)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
