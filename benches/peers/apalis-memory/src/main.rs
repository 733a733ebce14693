//! The burn-down of `artos-bench` on apalis 1.0's `MemoryStorage`, which is not durable.
//!
//! The storage is a channel: it keeps no status, lease or result, so what was done is counted by
//! the handler. It runs in two ways: as apalis's README says for throughput (each task on a tokio
//! task of its own), and without that, where all handlers run in one tokio task on one thread.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use apalis::{
    layers::WorkerBuilderExt,
    prelude::{Data, MemoryStorage, ParallelizeExt, TaskSink, WorkerBuilder, WorkerContext},
};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// As large as the task of `artos-bench`.
struct Noop {
    number: u64,
    customer: String,
    document: String,
}

async fn run(
    task: Noop,
    left: Data<Arc<AtomicU64>>,
    worker: WorkerContext,
) -> Result<(), Error> {
    std::hint::black_box((task.number, task.customer, task.document));
    if left.fetch_sub(1, Ordering::AcqRel) == 1 {
        worker.stop()?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let tasks: u64 = arguments.next().map_or(Ok(300_000), |count| count.parse())?;
    let slots: usize = arguments.next().map_or(Ok(256), |count| count.parse())?;
    for parallel in [true, false] {
        let mut storage = MemoryStorage::new();
        let noop = |number| Noop {
            number,
            customer: String::from("org-7f3a"),
            document: String::from("org-7f3a/documents/protocol.pdf"),
        };
        storage.push_bulk((0..tasks).map(noop).collect()).await?;
        let left = Arc::new(AtomicU64::new(tasks));
        let started = Instant::now();
        let worker = WorkerBuilder::new("bench")
            .backend(storage)
            .data(Arc::clone(&left))
            .concurrency(slots);
        if parallel {
            worker.parallelize(tokio::spawn).build(run).run().await?;
        } else {
            worker.build(run).run().await?;
        }
        let rate = tasks as f64 / started.elapsed().as_secs_f64();
        assert_eq!(left.load(Ordering::Acquire), 0, "every task was handled");
        let what = if parallel { "parallelize(tokio::spawn)" } else { "one tokio task" };
        let what = format!("apalis 1.0.0 MemoryStorage, {what}, {slots} slots, not durable");
        println!("{what}: {rate:.0} tasks/s");
        let line = serde_json::json!({ "what": what, "value": rate, "unit": "tasks/s" });
        eprintln!("{line}");
    }
    Ok(())
}
