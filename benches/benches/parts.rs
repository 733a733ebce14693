//! What the parts of stores and runtimes cost that touch no disk: the bytes of a task, the index of
//! what is due, and how long to wait before the next attempt.

use std::{hint::black_box, time::Duration};

use artos_core::{
    Random, Retention, RetryPolicy, Timestamp,
    model::{Name, NewTask, Outcome, Settlement},
    store::{Claim, StoreResult, TaskStore as _},
};
use artos_store_memory::MemoryStore;
use artos_store_sled::fuzzing;
use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};

const INPUT: &[u8] =
    br#"{"number":1,"customer":"org-7f3a","document":"org-7f3a/documents/protocol.pdf"}"#;
const NOW: Timestamp = Timestamp::from_micros(1_000_000_000);

fn codec(criterion: &mut Criterion) {
    criterion.bench_function("sled: a task written", |bencher| {
        bencher.iter(|| fuzzing::waiting(black_box(INPUT)));
    });
    let bytes = fuzzing::waiting(INPUT);
    criterion.bench_function("sled: a task read and written, twice", |bencher| {
        bencher.iter(|| fuzzing::task(black_box(&bytes)));
    });
}

/// The store in memory is its index and a lock; it never waits.
fn due(criterion: &mut Criterion) {
    let random = Random::from_seed(1);
    let worker = random.worker_id();
    let task = || NewTask::new(random.task_id(NOW), "bench", "default", INPUT);
    for waiting in [0, 10_000, 1_000_000] {
        let store = MemoryStore::default();
        let others: Vec<_> = (0..waiting).map(|_| task()).collect();
        let filled = futures::executor::block_on(store.insert(&others));
        assert!(filled.is_ok(), "the store is full: {filled:?}");
        drop(others);
        let claim = Claim {
            queue: Name::from("default"),
            worker,
            limit: 1,
            lease_for: Duration::from_secs(20),
        };
        let life = async || -> StoreResult<usize> {
            store.insert(&[task()]).await?;
            let claims = store.claim(&claim).await?;
            let settlements: Vec<_> = claims
                .tasks
                .iter()
                .map(|claimed| Settlement {
                    lease: claimed.record.lease_token(),
                    outcome: Outcome::Complete { output: Bytes::from_static(b"null") },
                    follow_ups: Vec::new(),
                })
                .collect();
            store.settle(&settlements).await?;
            // What ended goes, so that there are always as many.
            Ok(store.prune(&Retention::all(Duration::ZERO), 1).await?.count)
        };
        let what = format!("memory: a task inserted, claimed, ended and pruned, {waiting} waiting");
        criterion.bench_function(&what, |bencher| {
            bencher.iter(|| futures::executor::block_on(life()));
        });
    }
}

fn retry(criterion: &mut Criterion) {
    let policy = RetryPolicy::exponential(Duration::from_secs(1)).cap(Duration::from_secs(3_600));
    criterion.bench_function("retry: the delay after the tenth attempt", |bencher| {
        bencher.iter(|| policy.delay(black_box(10), black_box(0.5)));
    });
}

criterion_group!(benches, codec, due, retry);
criterion_main!(benches);
