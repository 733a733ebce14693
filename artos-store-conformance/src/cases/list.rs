//! Listing: filters, order, pages that stay stable, counts.

use std::time::Duration;

use artos_core::{
    Name,
    model::{Filter, ListOrder, ListQuery, NewTask, Retention, StateCounts, TaskId, TaskState},
};

use crate::world::{World, ok};

fn names(names: &[&str]) -> Vec<Name> {
    names.iter().map(|name| Name::from(*name)).collect()
}

fn label(key: &str, value: &str) -> (Name, Name) {
    (Name::from(key), Name::from(value))
}

/// Inserts `count` plain tasks; returns their ids, the oldest first.
async fn insert_many(world: &World, count: usize) -> Vec<TaskId> {
    let tasks: Vec<_> = (0..count).map(|_| world.task()).collect();
    world.insert_all(&tasks).await;
    tasks.iter().map(|task| task.id).collect()
}

/// Inserts one task for each change to a plain task; returns their ids.
async fn insert_each<const N: usize>(world: &World, changes: [fn(&mut NewTask); N]) -> [TaskId; N] {
    let mut ids = Vec::new();
    for change in changes {
        let mut task = world.task();
        change(&mut task);
        world.created(&task).await;
        ids.push(task.id);
    }
    ids.try_into().unwrap()
}

/// A task in each state, in the order of [`TaskState::ALL`].
async fn one_in_each_state(world: &World) -> [TaskId; 5] {
    let completed = world.ended(TaskState::Completed).await;
    let failed = world.ended(TaskState::Failed).await;
    let cancelled = world.ended(TaskState::Cancelled).await;
    let running = world.run_new().await.task_id;
    let pending = world.insert_new().await;
    [pending, running, completed, failed, cancelled]
}

pub(crate) async fn an_empty_store_lists_nothing(world: &World) {
    let query = ListQuery { counts: true, ..ListQuery::default() };
    let page = world.page(&query).await;
    assert_eq!(page.tasks, []);
    assert_eq!(page.next, None);
    assert_eq!(page.counts, Some(StateCounts::default()));
}

pub(crate) async fn a_listed_record_is_the_stored_record(world: &World) {
    one_in_each_state(world).await;
    for record in world.drain(ListQuery::default()).await {
        assert_eq!(world.record(record.id).await, record);
    }
}

pub(crate) async fn the_newest_come_first_if_not_asked_otherwise(world: &World) {
    let mut ids = insert_many(world, 10).await;
    ids.reverse();
    let listed = world.drain(ListQuery::default()).await;
    let listed: Vec<_> = listed.iter().map(|record| record.id).collect();
    assert_eq!(listed, ids);
}

pub(crate) async fn the_oldest_come_first_if_asked(world: &World) {
    let ids = insert_many(world, 10).await;
    assert_eq!(world.matching(Filter::default()).await, ids);
}

pub(crate) async fn the_order_is_that_of_ids_not_of_insertion(world: &World) {
    let mut tasks: Vec<_> = (0..10).map(|_| world.task()).collect();
    let ids: Vec<_> = tasks.iter().map(|task| task.id).collect();
    tasks.reverse();
    for task in &tasks {
        world.created(task).await;
    }
    assert_eq!(world.matching(Filter::default()).await, ids);
}

pub(crate) async fn pages_follow_each_other_without_gap_or_repetition(world: &World) {
    let ids = insert_many(world, 23).await;
    for order in [ListOrder::OldestFirst, ListOrder::NewestFirst] {
        for limit in [1, 2, 7, 23, 100] {
            let query = ListQuery { order, limit, ..ListQuery::default() };
            let mut listed: Vec<_> = world.drain(query).await.iter().map(|r| r.id).collect();
            if order == ListOrder::NewestFirst {
                listed.reverse();
            }
            assert_eq!(listed, ids, "{order:?} by {limit}");
        }
    }
}

pub(crate) async fn a_full_page_has_as_many_tasks_as_asked_for(world: &World) {
    insert_many(world, 10).await;
    let query = ListQuery { limit: 4, ..ListQuery::default() };
    let page = world.page(&query).await;
    assert_eq!(page.tasks.len(), 4);
    assert!(page.next.is_some());
}

pub(crate) async fn a_cursor_survives_being_written_as_text(world: &World) {
    let ids = insert_many(world, 4).await;
    let mut query = ListQuery { order: ListOrder::OldestFirst, limit: 2, ..ListQuery::default() };
    let next = world.page(&query).await.next.unwrap();
    query.cursor = Some(next.to_string().parse().unwrap());
    let rest: Vec<_> = world.drain(query).await.iter().map(|r| r.id).collect();
    assert_eq!(rest, ids[2..]);
}

pub(crate) async fn a_cursor_survives_inserts(world: &World) {
    let ids = insert_many(world, 6).await;
    for order in [ListOrder::OldestFirst, ListOrder::NewestFirst] {
        let mut query = ListQuery { order, limit: 3, ..ListQuery::default() };
        let page = world.page(&query).await;
        insert_many(world, 2).await;
        query.cursor = page.next;
        let mut listed = page.tasks;
        listed.extend(world.drain(query).await);
        for id in &ids {
            let times = listed.iter().filter(|record| record.id == *id).count();
            assert_eq!(times, usize::from(order == ListOrder::OldestFirst || times == 1));
        }
        if order == ListOrder::OldestFirst {
            assert_eq!(listed.len(), 8, "later tasks come after the cursor");
        }
    }
}

pub(crate) async fn a_cursor_survives_the_pruning_of_its_task(world: &World) {
    let ids = insert_many(world, 6).await;
    for (order, expected) in [
        (ListOrder::OldestFirst, vec![ids[2], ids[3], ids[4], ids[5]]),
        (ListOrder::NewestFirst, vec![ids[2], ids[0]]),
    ] {
        let mut query = ListQuery { order, limit: 2, ..ListQuery::default() };
        let page = world.page(&query).await;
        let last = page.tasks.last().unwrap().id;
        ok(world.store.cancel(last).await);
        assert_eq!(world.prune(&Retention::all(Duration::ZERO), 10).await, 1);
        query.cursor = page.next;
        let rest: Vec<_> = world.drain(query).await.iter().map(|r| r.id).collect();
        let expected: Vec<_> = expected.into_iter().filter(|id| *id != last).collect();
        if order == ListOrder::OldestFirst {
            assert_eq!(rest, expected);
        } else {
            // The first round pruned the second task, this one the fifth.
            assert_eq!(rest, [ids[3], ids[2], ids[0]]);
        }
    }
}

pub(crate) async fn a_cursor_survives_changes_of_state(world: &World) {
    let ids = insert_many(world, 6).await;
    let mut query = ListQuery { order: ListOrder::OldestFirst, limit: 3, ..ListQuery::default() };
    let page = world.page(&query).await;
    for id in &ids {
        ok(world.store.cancel(*id).await);
    }
    query.cursor = page.next;
    let rest: Vec<_> = world.drain(query).await.iter().map(|r| r.id).collect();
    assert_eq!(rest, ids[3..]);
}

pub(crate) async fn a_cursor_past_the_end_lists_nothing(world: &World) {
    insert_many(world, 3).await;
    let query = ListQuery {
        order: ListOrder::OldestFirst,
        cursor: Some(artos_core::model::Cursor { after: world.new_id() }),
        ..ListQuery::default()
    };
    assert_eq!(world.drain(query).await, []);
}

pub(crate) async fn a_listing_by_state_finds_just_that_state(world: &World) {
    let ids = one_in_each_state(world).await;
    for (state, id) in TaskState::ALL.into_iter().zip(ids) {
        let filter = Filter { states: vec![state], ..Filter::default() };
        assert_eq!(world.matching(filter).await, [id], "{state}");
    }
}

pub(crate) async fn a_listing_by_several_states_finds_any_of_them(world: &World) {
    let [pending, _, completed, failed, _] = one_in_each_state(world).await;
    let filter = Filter {
        states: vec![
            TaskState::Failed,
            TaskState::Pending,
            TaskState::Completed,
            TaskState::Pending,
        ],
        ..Filter::default()
    };
    let mut expected = [pending, completed, failed];
    expected.sort_unstable();
    assert_eq!(world.matching(filter).await, expected);
}

pub(crate) async fn a_listing_by_kind_finds_any_of_the_kinds(world: &World) {
    let [a, b, _] = insert_each(
        world,
        [
            |task| task.kind = Name::from("a"),
            |task| task.kind = Name::from("b"),
            |task| task.kind = Name::from("c"),
        ],
    )
    .await;
    let of = |kinds: &[&str]| Filter { kinds: names(kinds), ..Filter::default() };
    assert_eq!(world.matching(of(&["a"])).await, [a]);
    assert_eq!(world.matching(of(&["b", "a", "nothing"])).await, [a, b]);
    assert_eq!(world.matching(of(&["nothing"])).await, []);
}

pub(crate) async fn a_listing_by_queue_finds_just_that_queue(world: &World) {
    let [mail, _] = insert_each(world, [|task| task.queue = Name::from("mail"), |_| {}]).await;
    let of = |queue: &str| Filter { queue: Some(Name::from(queue)), ..Filter::default() };
    assert_eq!(world.matching(of("mail")).await, [mail]);
    assert_eq!(world.matching(of("mai")).await, []);
}

pub(crate) async fn a_listing_by_tenant_finds_just_that_tenant(world: &World) {
    let [acme, empty, _] = insert_each(
        world,
        [
            |task| task.tenant = Some(Name::from("acme")),
            |task| task.tenant = Some(Name::from("")),
            |_| {},
        ],
    )
    .await;
    let of = |tenant: &str| Filter { tenant: Some(Name::from(tenant)), ..Filter::default() };
    assert_eq!(world.matching(of("acme")).await, [acme]);
    assert_eq!(world.matching(of("")).await, [empty]);
    assert_eq!(world.matching(of("ACME")).await, []);
}

pub(crate) async fn a_listing_by_labels_wants_all_of_them(world: &World) {
    let [both, _, _] = insert_each(
        world,
        [
            |task| task.labels = [label("a", "1"), label("b", "2")].into(),
            |task| task.labels = [label("a", "1")].into(),
            |task| task.labels = [label("a", "1"), label("b", "3")].into(),
        ],
    )
    .await;
    let of = |labels: &[(&str, &str)]| Filter {
        labels: labels.iter().map(|(k, v)| label(k, v)).collect(),
        ..Filter::default()
    };
    assert_eq!(world.matching(of(&[("a", "1"), ("b", "2")])).await, [both]);
    assert_eq!(world.matching(of(&[("a", "1")])).await.len(), 3);
    assert_eq!(world.matching(of(&[("a", "1"), ("a", "2")])).await, []);
    assert_eq!(world.matching(of(&[("c", "")])).await, []);
}

pub(crate) async fn filters_add_up(world: &World) {
    let mut expected = Vec::new();
    for tenant in ["acme", "globex"] {
        for kind in ["a", "b"] {
            for queue in ["default", "mail"] {
                for state in [TaskState::Completed, TaskState::Cancelled] {
                    let task = NewTask {
                        tenant: Some(Name::from(tenant)),
                        kind: Name::from(kind),
                        queue: Name::from(queue),
                        labels: [label("k", kind)].into(),
                        ..world.task()
                    };
                    world.end(&task, state).await;
                    if (tenant, kind, queue, state) == ("acme", "b", "mail", TaskState::Completed) {
                        expected.push(task.id);
                    }
                }
            }
        }
    }
    let filter = Filter {
        states: vec![TaskState::Completed, TaskState::Failed],
        kinds: names(&["b", "c"]),
        queue: Some(Name::from("mail")),
        tenant: Some(Name::from("acme")),
        labels: vec![label("k", "b")],
    };
    assert_eq!(world.matching(filter).await, expected);
}

pub(crate) async fn pages_of_a_filtered_listing_join_up(world: &World) {
    let mut expected = Vec::new();
    for number in 0..60 {
        let task = NewTask {
            tenant: Some(Name::from(if number % 3 == 0 { "acme" } else { "globex" })),
            labels: [label("odd", if number % 2 == 1 { "yes" } else { "no" })].into(),
            ..world.task()
        };
        world.created(&task).await;
        if number % 4 == 1 {
            ok(world.store.cancel(task.id).await);
        }
        if number % 3 == 0 && number % 2 == 1 {
            expected.push(task.id);
        }
    }
    let query = ListQuery {
        filter: Filter {
            tenant: Some(Name::from("acme")),
            labels: vec![label("odd", "yes")],
            ..Filter::default()
        },
        order: ListOrder::OldestFirst,
        limit: 3,
        ..ListQuery::default()
    };
    let listed: Vec<_> = world.drain(query).await.iter().map(|r| r.id).collect();
    assert_eq!(listed, expected);
}

pub(crate) async fn counts_come_only_if_asked_for(world: &World) {
    insert_many(world, 3).await;
    assert_eq!(world.page(&ListQuery::default()).await.counts, None);
}

pub(crate) async fn counts_count_every_state(world: &World) {
    one_in_each_state(world).await;
    insert_many(world, 3).await;
    let query = ListQuery { counts: true, limit: 1, ..ListQuery::default() };
    let expected = StateCounts { pending: 4, running: 1, completed: 1, failed: 1, cancelled: 1 };
    assert_eq!(world.page(&query).await.counts, Some(expected));
}

pub(crate) async fn counts_respect_the_filter(world: &World) {
    let mine = |task: &mut NewTask| {
        task.tenant = Some(Name::from("acme"));
        task.labels = [label("a", "1")].into();
    };
    let [one, _, _] = insert_each(world, [mine, mine, |_| {}]).await;
    ok(world.store.cancel(one).await);
    let count = async |filter: Filter| {
        let query = ListQuery { filter, counts: true, limit: 1, ..ListQuery::default() };
        let counts = world.page(&query).await.counts.unwrap();
        (counts.pending, counts.cancelled, counts.total())
    };
    let tenant = Filter { tenant: Some(Name::from("acme")), ..Filter::default() };
    assert_eq!(count(tenant.clone()).await, (1, 1, 2));
    let labels = Filter { labels: vec![label("a", "1")], ..Filter::default() };
    assert_eq!(count(labels).await, (1, 1, 2));
    let states = Filter { states: vec![TaskState::Cancelled], ..tenant };
    assert_eq!(count(states).await, (0, 1, 1));
}

pub(crate) async fn counts_do_not_depend_on_the_page(world: &World) {
    insert_many(world, 7).await;
    let mut query = ListQuery { counts: true, limit: 3, ..ListQuery::default() };
    let first = world.page(&query).await;
    query.cursor = first.next;
    let second = world.page(&query).await;
    assert_eq!(first.counts, second.counts);
    assert_eq!(first.counts.unwrap().pending, 7);
}

pub(crate) async fn a_limit_of_zero_counts_without_listing(world: &World) {
    insert_many(world, 3).await;
    let query = ListQuery { counts: true, limit: 0, ..ListQuery::default() };
    let page = world.page(&query).await;
    assert_eq!(page.tasks, []);
    assert_eq!(page.counts.unwrap().pending, 3);
}

pub(crate) async fn a_long_listing_is_complete(world: &World) {
    let ids = insert_many(world, 3_000).await;
    let query = ListQuery {
        filter: Filter { kinds: names(&["report.generate"]), ..Filter::default() },
        order: ListOrder::OldestFirst,
        limit: 5_000,
        counts: true,
        ..ListQuery::default()
    };
    assert_eq!(world.page(&query).await.counts.unwrap().pending, 3_000);
    let listed: Vec<_> = world.drain(query).await.iter().map(|r| r.id).collect();
    assert_eq!(listed, ids);
}
