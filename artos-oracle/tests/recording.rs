//! A recording store behaves as the store inside, and tells everything in time.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use artos_core::{
    Filter, ListQuery, Queue, Retention, Runtime, StageContext, StageResult, SystemClock, Task,
    TokioClock, stage_fn,
};
use artos_oracle::{Checker, Event, LINE_BYTES_MAX, Log, RecordingStore, Rules, StageRule, dump};
use artos_store_memory::MemoryStore;
use serde::{Deserialize, Serialize};

/// Keeps what is written, and how much at a time.
#[derive(Debug, Clone, Default)]
struct Written(Arc<Mutex<Vec<String>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8(bytes.to_vec()).map_err(io::Error::other)?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(text);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Written {
    fn events(&self) -> Vec<Event> {
        let written = self.0.lock().unwrap_or_else(PoisonError::into_inner).concat();
        written.lines().filter_map(|line| line.parse().ok()).collect()
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Count(u64);

impl Task for Count {
    const KIND: &'static str = "count";
    type Output = u64;
}

fn rules() -> Rules {
    let stage = |name: &str| StageRule { name: String::from(name), attempts_max: 10 };
    Rules::default().pipeline("count", ["one", "two"].map(stage))
}

async fn add(_: StageContext, count: Count) -> StageResult<Count> {
    Ok(Count(count.0 + 1))
}

async fn end(cx: StageContext, count: Count) -> StageResult<u64> {
    if count.0.is_multiple_of(7) {
        cx.follow_up(Count(count.0 + 1_001))?;
    }
    Ok(count.0)
}

#[tokio::test(start_paused = true)]
async fn a_runtime_on_a_recording_store_satisfies_the_checker() {
    let written = Written::default();
    let log = Arc::new(Log::new(SystemClock, written.clone()));
    let memory = MemoryStore::with_clock(TokioClock::default());
    let store = Arc::new(RecordingStore::new(memory, Arc::clone(&log)));
    let pipeline = artos_core::Pipeline::new("one", stage_fn(add)).then("two", stage_fn(end));
    let runtime = Runtime::builder(Arc::clone(&store))
        .queue(Queue::new("default").concurrency(4))
        .retention(Retention::all(Duration::from_secs(60)))
        .register(pipeline)
        .start()
        .await
        .unwrap();
    let handles = runtime.client().submit_many((0..50).map(Count)).await.unwrap();
    for handle in &handles {
        handle.wait().await.unwrap();
    }
    assert!(runtime.client().cancel(handles[0].id()).await.is_ok());
    runtime.shutdown(Duration::from_secs(5)).await.unwrap();
    dump(store.inner(), &log).await.unwrap();
    let mut checker = Checker::new(rules());
    for event in written.events() {
        checker.read(&event);
    }
    assert_eq!(checker.findings(), []);
    let tally = checker.tally();
    assert!(tally.tasks >= 50 && tally.ended >= 50, "{tally:?}");
    let longest = written.0.lock().unwrap().iter().map(String::len).max();
    assert!(longest < Some(LINE_BYTES_MAX), "{longest:?}");
}

/// Fails to write.
struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn what_cannot_be_told_is_not_done() {
    let log = Arc::new(Log::new(SystemClock, Full));
    let store = Arc::new(RecordingStore::new(MemoryStore::default(), log));
    let client = artos_core::Client::new(Arc::clone(&store));
    assert!(client.submit(Count(1)).await.is_err());
    let query = ListQuery { filter: Filter::default(), ..ListQuery::default() };
    assert!(client.list(&query).await.unwrap().tasks.is_empty());
}
