//! A log that panics takes no part of the runtime down with it.
//!
//! A program of its own: where the log goes is decided once in a process.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use artos_core::{Pipeline, Runtime, StageContext, StageResult, Task, stage_fn};
use artos_store_memory::MemoryStore;
use serde::{Deserialize, Serialize};
use tracing_subscriber::filter::LevelFilter;

#[derive(Serialize, Deserialize)]
struct Bake(u32);

impl Task for Bake {
    const KIND: &'static str = "bake";
    type Output = u32;
}

async fn bake(_: StageContext, task: Bake) -> StageResult<u32> {
    Ok(task.0)
}

/// Panics once, at what the group commit of settlements says.
#[derive(Clone)]
struct Broken(Arc<AtomicBool>);

impl io::Write for Broken {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let is_settled = String::from_utf8_lossy(text).contains("attempt settled");
        assert!(!is_settled || !self.0.swap(false, SeqCst), "the log is broken");
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_group_commit_that_panics_goes_on_with_the_next_group() {
    let armed = Arc::new(AtomicBool::new(true));
    let writer = Broken(Arc::clone(&armed));
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::DEBUG)
        .with_writer(move || writer.clone())
        .init();
    let runtime = Runtime::builder(MemoryStore::default())
        .register(Pipeline::new("bake", stage_fn(bake)))
        .start()
        .await
        .unwrap();
    let client = runtime.client();
    for number in 1..=3 {
        let task = client.submit(Bake(number)).await.unwrap();
        let waited = tokio::time::timeout(Duration::from_secs(20), task.wait()).await;
        assert_eq!(waited.unwrap().unwrap(), number);
    }
    assert!(!armed.load(SeqCst), "nothing panicked");
    runtime.shutdown(Duration::from_secs(5)).await.unwrap();
}
