//! Payloads: any bytes, any size up to 16 MiB, exactly as they came.

use artos_core::{
    model::{Checkpoint, NewTask, Outcome, TaskState},
    store::{Part, Settled},
};
use bytes::Bytes;

use crate::{
    outcomes::{progress, settlement},
    world::World,
};

const LARGE: usize = 16 * 1024 * 1024;

/// Bytes without a pattern that compression or alignment could hide behind.
fn noise(len: usize) -> Bytes {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend(next());
    }
    bytes.truncate(len);
    Bytes::from(bytes)
}

/// Sends a payload through every place that keeps one.
async fn round_trip(world: &World, payload: Bytes) {
    let task = NewTask { input: payload.clone(), ..world.task() };
    world.created(&task).await;
    let same = |found: Option<Bytes>| found.is_some_and(|found| found == payload);
    assert!(same(world.payload(task.id, Part::Input).await), "input");
    let claimed = world.claim_one().await;
    assert!(claimed.payload == payload, "claimed input");
    let lease = claimed.record.lease_token();
    let checkpoint = Outcome::Advance(Checkpoint {
        from: None,
        stage: "second".into(),
        payload: payload.clone(),
        progress: progress("second", 0, ""),
    });
    let output = Outcome::Complete { output: payload.clone() };
    assert_eq!(world.settle(lease, checkpoint).await, Settled::Applied(TaskState::Running));
    let found = world.payload(task.id, Part::Checkpoint).await;
    assert!(same(found), "checkpoint");
    world.settle(lease, Outcome::Interrupt).await;
    let claimed = world.claim_one().await;
    assert!(claimed.payload == payload, "claimed checkpoint");
    let lease = claimed.record.lease_token();
    let settled = world.settle_all(&[settlement(lease, output)]).await;
    assert_eq!(settled, [Settled::Applied(TaskState::Completed)]);
    let found = world.payload(task.id, Part::Output).await;
    assert!(same(found), "output");
}

pub(crate) async fn an_empty_payload_is_kept(world: &World) {
    round_trip(world, Bytes::new()).await;
}

pub(crate) async fn a_payload_of_any_bytes_is_kept(world: &World) {
    let all: Vec<u8> = (0..=u8::MAX).collect();
    round_trip(world, Bytes::from(all)).await;
    round_trip(world, Bytes::from_static(&[0; 9])).await;
}

pub(crate) async fn a_payload_of_16_mib_is_kept(world: &World) {
    round_trip(world, noise(LARGE)).await;
}

pub(crate) async fn payloads_of_every_order_of_size_are_kept(world: &World) {
    for power in 0..=20 {
        for len in [(1 << power) - 1, (1 << power) + 1] {
            round_trip(world, noise(len)).await;
        }
    }
}

pub(crate) async fn many_large_payloads_do_not_mix(world: &World) {
    let all = noise(64 * 1024 + 20);
    let tasks: Vec<_> = (0..20)
        .map(|start| NewTask { input: all.slice(start..start + 64 * 1024), ..world.task() })
        .collect();
    world.insert_all(&tasks).await;
    let claimed = world.claim(20).await;
    for (task, claimed) in tasks.iter().zip(claimed) {
        assert_eq!(task.id, claimed.record.id);
        assert!(task.input == claimed.payload);
    }
}
