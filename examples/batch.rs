//! Ten thousand customers: submitted in one batch, twice, billed once each.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use artos_core::{
    Filter, ListQuery, Pipeline, Queue, Runtime, StageContext, StageResult, Submission, Task,
    stage_fn,
};
use artos_store_memory::MemoryStore;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Bill {
    customer: u32,
    month: String,
}

impl Task for Bill {
    const KIND: &'static str = "billing.bill";
    const QUEUE: &'static str = "billing";
    type Output = ();
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let billed = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&billed);
    let bill = move |_: StageContext, _: Bill| {
        counter.fetch_add(1, Ordering::Relaxed);
        async { StageResult::Ok(()) }
    };
    let runtime = Runtime::builder(MemoryStore::default())
        .queue(Queue::new("billing").concurrency(64))
        .register(Pipeline::new("bill", stage_fn(bill)))
        .start()
        .await?;
    let client = runtime.client();

    // The key makes a submitter that was interrupted free to start over.
    let submissions = || {
        (0..10_000_u32).map(|customer| {
            let key = format!("2026-11/{customer}");
            Submission::new(Bill { customer, month: "2026-11".into() })
                .idempotency_key(key)
                .label("month", "2026-11")
        })
    };
    client.submit_many(submissions()).await?;
    for task in client.submit_many(submissions()).await? {
        task.wait().await?;
    }
    println!("billed {} customers", billed.load(Ordering::Relaxed));
    assert_eq!(billed.load(Ordering::Relaxed), 10_000);

    let filter = Filter { labels: vec![("month".into(), "2026-11".into())], ..Filter::default() };
    let query = ListQuery { filter, counts: true, ..ListQuery::default() };
    let counts = client.list(&query).await?.counts.unwrap_or_default();
    println!("{} tasks completed, {} failed", counts.completed, counts.failed);
    assert_eq!((counts.completed, counts.total()), (10_000, 10_000));
    Ok(())
}
