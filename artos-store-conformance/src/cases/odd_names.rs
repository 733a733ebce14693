//! Names: any text is only text.

use artos_core::{
    Name,
    model::{Failure, FailureCause, Filter, Labels, NewTask, Outcome},
    store::{Claim, Inserted, StoreError},
};

use crate::{
    outcomes::{HOUR, advance, failure, progress},
    world::{World, ok},
};

/// Uses a name everywhere a name may stand, and finds the task by each of them.
async fn name_everywhere(world: &World, text: &str) {
    let name = Name::from(text);
    let task = NewTask {
        kind: name.clone(),
        queue: name.clone(),
        tenant: Some(name.clone()),
        labels: Labels::from([(name.clone(), name.clone())]),
        idempotency_key: Some(name.clone()),
        ..world.task()
    };
    world.created(&task).await;
    let request = Claim { queue: name.clone(), ..world.claim_request(1) };
    let record = world.claims(&request).await.tasks.remove(0).record;
    assert_eq!((&record.kind, &record.queue), (&name, &name));
    assert_eq!(record.tenant, Some(name.clone()));
    assert_eq!(record.labels, task.labels);
    assert_eq!(record.idempotency_key, Some(name.clone()));
    let filter = Filter {
        kinds: vec![name.clone()],
        queue: Some(name.clone()),
        tenant: Some(name.clone()),
        labels: vec![(name.clone(), name.clone())],
        ..Filter::default()
    };
    assert_eq!(world.matching(filter).await, [task.id]);
    let twin = NewTask { id: world.new_id(), ..task.clone() };
    let existing = Inserted::Existing { id: task.id, same_input: true };
    assert_eq!(world.insert(&twin).await, existing);
    world.settle(record.lease_token(), advance(text, "1")).await;
    assert_eq!(world.record(task.id).await.stage, Some(name));
}

pub(crate) async fn names_in_any_script_are_kept(world: &World) {
    for text in ["größe", "отчёт", "报告", "دعم", "👩‍🔬", "e\u{301}", "é", "\u{feff}"]
    {
        name_everywhere(world, text).await;
    }
}

pub(crate) async fn names_with_marks_of_other_languages_are_kept(world: &World) {
    for text in [
        "it's",
        "\"quoted\"",
        "a\\b",
        "%_*?",
        "a b\tc\nd",
        "; drop table tasks; --",
        "{}",
        "$1",
        "a/b:c|d,e",
        "null",
        "\u{1}\u{7f}",
    ] {
        name_everywhere(world, text).await;
    }
}

pub(crate) async fn an_empty_name_is_a_name(world: &World) {
    name_everywhere(world, "").await;
}

pub(crate) async fn a_long_name_is_kept_whole(world: &World) {
    name_everywhere(world, &"n".repeat(1_000)).await;
    name_everywhere(world, &"名".repeat(255)).await;
}

pub(crate) async fn names_that_look_alike_stay_apart(world: &World) {
    for text in ["a", "A", "a ", " a", "á", "a\u{301}", "а"] {
        name_everywhere(world, text).await;
    }
}

pub(crate) async fn a_name_with_a_zero_byte_is_kept_or_refused_as_invalid(world: &World) {
    let odd = Name::from("a\0b");
    let tasks = [
        NewTask { labels: Labels::from([(odd.clone(), odd.clone())]), ..world.task() },
        NewTask { idempotency_key: Some(odd.clone()), ..world.task() },
        NewTask { tenant: Some(odd.clone()), ..world.task() },
    ];
    for task in tasks {
        match world.store.insert(std::slice::from_ref(&task)).await {
            Ok(answers) => {
                assert_eq!(answers, [Inserted::Created]);
                let record = world.record(task.id).await;
                assert_eq!(record.labels, task.labels);
                assert_eq!(record.tenant, task.tenant);
                assert_eq!(record.idempotency_key, task.idempotency_key);
            }
            Err(StoreError::Invalid { .. }) => assert!(!world.exists(task.id).await),
            Err(error) => panic!("a zero byte is no reason for: {error}"),
        }
    }
}

pub(crate) async fn any_message_is_kept(world: &World) {
    let message = "größer als 报告\n\tat \"line\" 7; '--' \\ {} ".repeat(500);
    let lease = world.run_new().await;
    world.beat(lease, Some(progress("größe", 100, &message))).await;
    let fail = Outcome::Retry {
        failure: Failure {
            stage: Some(Name::from("größe")),
            ..failure(FailureCause::Error, &message)
        },
        delay: HOUR,
    };
    world.settle(lease, fail).await;
    let record = world.record(lease.task_id).await;
    assert_eq!(record.progress.unwrap().message, message);
    let failure = record.failure.unwrap();
    assert_eq!(failure.message, message);
    assert_eq!(failure.stage, Some(Name::from("größe")));
}

pub(crate) async fn many_labels_are_kept(world: &World) {
    let labels: Labels = (0..100)
        .map(|number| {
            let key = format!("key-{number}");
            (Name::from(key), Name::from(format!("value {number}")))
        })
        .collect();
    let task = NewTask { labels: labels.clone(), ..world.task() };
    world.created(&task).await;
    assert_eq!(world.record(task.id).await.labels, labels);
    let filter = Filter {
        labels: vec![(Name::from("key-42"), Name::from("value 42"))],
        ..Filter::default()
    };
    assert_eq!(world.matching(filter).await, [task.id]);
    ok(world.store.cancel(task.id).await);
    assert_eq!(world.record(task.id).await.labels, labels);
}
