//! Idempotency keys: at most one task with the same tenant, kind and key at a time.

use artos_core::{
    Name,
    model::{NewTask, Retention, TaskState},
    store::{Inserted, Part, Settled},
};
use bytes::Bytes;

use crate::{
    outcomes::{HOUR, complete, settlement_with},
    world::World,
};

const fn existing(first: &NewTask, same_input: bool) -> Inserted {
    Inserted::Existing { id: first.id, same_input }
}

pub(crate) async fn a_key_that_exists_names_the_task_that_carries_it(world: &World) {
    let (first, second) = (world.keyed("k"), world.keyed("k"));
    world.created(&first).await;
    assert_eq!(world.insert(&second).await, existing(&first, true));
    assert!(!world.exists(second.id).await);
}

pub(crate) async fn a_key_that_exists_with_other_input_says_so(world: &World) {
    let first = world.keyed("k");
    world.created(&first).await;
    let second = NewTask { input: Bytes::from_static(b"{\"source\":\"z\"}"), ..world.keyed("k") };
    assert_eq!(world.insert(&second).await, existing(&first, false));
    let input = world.payload(first.id, Part::Input).await;
    assert_eq!(input, Some(first.input));
}

pub(crate) async fn input_is_compared_byte_by_byte(world: &World) {
    let first = world.keyed("k");
    world.created(&first).await;
    let second =
        NewTask { input: Bytes::from_static(b"{ \"source\": \"a\" }"), ..world.keyed("k") };
    assert_eq!(world.insert(&second).await, existing(&first, false));
}

pub(crate) async fn a_key_counts_per_tenant(world: &World) {
    let of = |tenant: Option<&str>| NewTask { tenant: tenant.map(Name::from), ..world.keyed("k") };
    for tenant in [None, Some("acme"), Some("globex")] {
        let task = of(tenant);
        world.created(&task).await;
        assert_eq!(world.insert(&of(tenant)).await, existing(&task, true), "{tenant:?}");
    }
}

pub(crate) async fn no_tenant_differs_from_a_tenant_with_an_empty_name(world: &World) {
    world.created(&world.keyed("k")).await;
    let nameless = NewTask { tenant: Some(Name::from("")), ..world.keyed("k") };
    world.created(&nameless).await;
    assert_eq!(world.record(nameless.id).await.tenant, Some(Name::from("")));
}

pub(crate) async fn a_key_counts_per_kind(world: &World) {
    world.created(&world.keyed("k")).await;
    let other = NewTask { kind: Name::from("other.kind"), ..world.keyed("k") };
    world.created(&other).await;
}

pub(crate) async fn a_key_does_not_count_per_queue(world: &World) {
    let first = world.keyed("k");
    world.created(&first).await;
    let other = NewTask { queue: Name::from("elsewhere"), ..world.keyed("k") };
    assert_eq!(world.insert(&other).await, existing(&first, true));
}

pub(crate) async fn parts_of_a_key_do_not_run_into_each_other(world: &World) {
    for (tenant, kind, key) in [
        ("a", "bc", "d"),
        ("ab", "c", "d"),
        ("a", "b", "cd"),
        ("a/b", "c", "d"),
        ("a", "b/c", "d"),
        ("a", "b", "c/d"),
    ] {
        let task = NewTask {
            tenant: Some(Name::from(tenant)),
            kind: Name::from(kind),
            ..world.keyed(key)
        };
        world.created(&task).await;
    }
}

pub(crate) async fn tasks_without_a_key_never_collide(world: &World) {
    for _ in 0..3 {
        world.insert_new().await;
    }
    assert_eq!(world.claim(10).await.len(), 3);
}

pub(crate) async fn an_empty_key_is_a_key(world: &World) {
    let first = world.keyed("");
    world.created(&first).await;
    assert_eq!(world.insert(&world.keyed("")).await, existing(&first, true));
}

pub(crate) async fn keys_differ_by_case(world: &World) {
    world.created(&world.keyed("Key")).await;
    world.created(&world.keyed("key")).await;
    world.created(&world.keyed("key ")).await;
}

pub(crate) async fn a_key_counts_within_one_batch(world: &World) {
    let (first, second) = (world.keyed("k"), world.keyed("k"));
    let other = world.keyed("other");
    let answers = world.insert_all(&[first.clone(), second.clone(), other.clone()]).await;
    assert_eq!(answers, [Inserted::Created, existing(&first, true), Inserted::Created]);
    assert!(!world.exists(second.id).await);
}

pub(crate) async fn a_terminal_task_keeps_its_key(world: &World) {
    for state in TaskState::ALL.into_iter().filter(|s| s.is_terminal()) {
        let first = world.keyed(state.as_str());
        world.end(&first, state).await;
        assert_eq!(
            world.insert(&world.keyed(state.as_str())).await,
            existing(&first, true),
            "{state}"
        );
    }
}

pub(crate) async fn a_pruned_task_frees_its_key(world: &World) {
    let first = world.keyed("k");
    world.end(&first, TaskState::Completed).await;
    world.advance(HOUR).await;
    assert_eq!(world.prune(&Retention::all(HOUR / 2), 10).await, 1);
    let second = world.keyed("k");
    world.created(&second).await;
    assert_eq!(world.insert(&world.keyed("k")).await, existing(&second, true));
}

pub(crate) async fn a_refused_task_takes_no_key(world: &World) {
    let first = world.keyed("k");
    world.created(&first).await;
    let same_id = NewTask { idempotency_key: Some(Name::from("other")), ..first.clone() };
    assert_eq!(world.insert(&same_id).await, existing(&first, true));
    world.created(&world.keyed("other")).await;
}

pub(crate) async fn the_id_of_a_task_counts_before_its_key(world: &World) {
    let (first, second) = (world.keyed("k"), world.keyed("l"));
    world.created(&first).await;
    world.created(&second).await;
    let both = NewTask { idempotency_key: Some(Name::from("k")), ..second.clone() };
    assert_eq!(world.insert(&both).await, existing(&second, true));
}

pub(crate) async fn a_follow_up_respects_keys(world: &World) {
    let first = world.keyed("k");
    world.end(&first, TaskState::Completed).await;
    let lease = world.run_new().await;
    let (twin, fresh) = (world.keyed("k"), world.keyed("l"));
    let item = settlement_with(lease, complete("1"), vec![twin.clone(), fresh.clone()]);
    let settled = world.settle_item(item).await;
    assert_eq!(settled, Settled::Applied(TaskState::Completed));
    assert!(!world.exists(twin.id).await);
    assert!(world.exists(fresh.id).await);
}

pub(crate) async fn a_follow_up_takes_its_key(world: &World) {
    let lease = world.run_new().await;
    let follow_up = world.keyed("k");
    let item = settlement_with(lease, complete("1"), vec![follow_up.clone()]);
    world.settle_item(item).await;
    assert_eq!(world.insert(&world.keyed("k")).await, existing(&follow_up, true));
}
