//! What the pure parts cost: one task through the machine, and its wake-ups.

use std::{hint::black_box, time::Duration};

use artos_core::{
    Random, Timestamp, machine,
    model::{NewTask, Outcome},
    notify::{ChangeHub, Topic},
};
use criterion::{Criterion, criterion_group, criterion_main};

const NOW: Timestamp = Timestamp::from_micros(1_000_000_000);

fn task(random: &Random) -> NewTask {
    NewTask::new(random.task_id(NOW), "bench", "default", "{}")
}

fn life_of_a_task(criterion: &mut Criterion) {
    let random = Random::from_seed(1);
    let worker = random.worker_id();
    let task = task(&random);
    let outcome = Outcome::Complete { output: bytes::Bytes::from_static(b"null") };
    criterion.bench_function("machine: insert, claim, complete", |bencher| {
        bencher.iter(|| {
            let mut record = machine::insert(black_box(&task), NOW);
            let claimed = machine::claim(&mut record, worker, Duration::from_secs(20), NOW);
            let lease = record.lease_token();
            let settled = machine::settle(&mut record, lease, black_box(&outcome), NOW);
            (claimed, settled, record)
        });
    });
    criterion.bench_function("random: task id", |bencher| {
        bencher.iter(|| random.task_id(black_box(NOW)));
    });
}

fn wake_ups(criterion: &mut Criterion) {
    let random = Random::from_seed(1);
    let hub = ChangeHub::default();
    let topic = Topic::Task(random.task_id(NOW));
    criterion.bench_function("notify: publish to nobody", |bencher| {
        bencher.iter(|| hub.publish(black_box(&topic)));
    });
    let _others: Vec<_> =
        (0..10_000).map(|_| hub.subscribe(Topic::Task(random.task_id(NOW)))).collect();
    criterion.bench_function("notify: publish past 10,000 waiters", |bencher| {
        bencher.iter(|| hub.publish(black_box(&topic)));
    });
}

criterion_group!(benches, life_of_a_task, wake_ups);
criterion_main!(benches);
