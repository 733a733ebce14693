//! A runtime dies in the middle of a pipeline; another goes on from the last checkpoint.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use artos_core::{Pipeline, Runtime, RuntimeBuilder, StageContext, StageResult, Task, stage_fn};
use artos_store_memory::MemoryStore;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

#[derive(Serialize, Deserialize)]
struct Bake {
    loaves: u32,
}

impl Task for Bake {
    const KIND: &'static str = "bake";
    type Output = String;
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let store = MemoryStore::default();
    let kneaded = Arc::new(AtomicUsize::new(0));

    let in_the_oven = Arc::new(Notify::new());
    let first = bakery(&store, &kneaded, Some(Arc::clone(&in_the_oven))).start().await?;
    let id = first.client().submit(Bake { loaves: 3 }).await?.id();
    in_the_oven.notified().await;
    // Dropping a runtime is what a crash looks like to the store: the lease just stops beating.
    drop(first);
    println!("the first bakery burned down while {id} was in the oven");

    let second = bakery(&store, &kneaded, None).start().await?;
    let bread = second.client().attach::<Bake>(id).await?.wait().await?;
    println!("the second bakery finished it: {bread}");
    assert_eq!(bread, "3 loaves, baked");
    assert_eq!(kneaded.load(Ordering::SeqCst), 1, "the dough was kneaded twice");
    Ok(())
}

/// A bakery of two stages; with `oven` given, its oven never finishes.
fn bakery(
    store: &MemoryStore,
    kneaded: &Arc<AtomicUsize>,
    oven: Option<Arc<Notify>>,
) -> RuntimeBuilder {
    let kneaded = Arc::clone(kneaded);
    let knead = move |_: StageContext, task: Bake| {
        kneaded.fetch_add(1, Ordering::SeqCst);
        async move { StageResult::Ok(task.loaves) }
    };
    let bake = move |_: StageContext, loaves: u32| {
        let oven = oven.clone();
        async move {
            if let Some(oven) = oven {
                oven.notify_one();
                std::future::pending::<()>().await;
            }
            StageResult::Ok(format!("{loaves} loaves, baked"))
        }
    };
    Runtime::builder(store.clone())
        // A short lease, so that the example does not wait long for the dead bakery.
        .lease_duration(Duration::from_secs(1))
        .register(Pipeline::new("knead", stage_fn(knead)).then("bake", stage_fn(bake)))
}
