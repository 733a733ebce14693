//! Submitting: options, limits, idempotency, batches.

use artos_core::{Client, Filter, ListQuery, Name, Submission, SubmitError, TaskError, TaskState};

use crate::support::{Count, SECOND, store};

#[tokio::test(start_paused = true)]
async fn a_submission_s_options_reach_the_store() {
    let client = Client::new(store());
    let task = client
        .submit(Count(1))
        .queue("slow")
        .priority(-7)
        .tenant("acme")
        .label("customer", "42")
        .idempotency_key("k1")
        .delay(60 * SECOND)
        .deadline(3600 * SECOND)
        .await
        .unwrap();
    let record = task.record().await.unwrap();
    assert_eq!(record.state, TaskState::Pending);
    assert_eq!((record.queue.as_str(), record.priority), ("slow", -7));
    assert_eq!(record.tenant.as_deref(), Some("acme"));
    assert_eq!(record.idempotency_key.as_deref(), Some("k1"));
    assert_eq!(record.labels.get("customer").map(|value| value.as_str()), Some("42"));
    assert_eq!(record.run_at.since(record.created_at), 60 * SECOND);
    assert_eq!(record.expires_at.unwrap().since(record.created_at), 3600 * SECOND);

    let label = (Name::from("customer"), Name::from("42"));
    let filter = Filter { labels: vec![label], ..Filter::default() };
    let query = ListQuery { filter, counts: true, ..ListQuery::default() };
    let page = client.list(&query).await.unwrap();
    assert_eq!((page.tasks.len(), page.counts.unwrap().pending), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn the_same_key_and_input_give_the_same_task_and_another_input_a_conflict() {
    let client = Client::new(store());
    let send = |number, tenant: &str| {
        client.submit(Count(number)).tenant(tenant).idempotency_key("k").send()
    };
    let first = send(1, "acme").await.unwrap();
    let second = send(1, "acme").await.unwrap();
    assert_eq!((first.replayed, second.replayed), (false, true));
    assert_eq!(first.handle.id(), second.handle.id());
    let elsewhere = send(1, "other").await.unwrap();
    assert_ne!(first.handle.id(), elsewhere.handle.id());
    let error = send(2, "acme").await.unwrap_err();
    let id = first.handle.id();
    assert_eq!(
        error.to_string(),
        format!("idempotency key `k` belongs to task {id}, submitted with another input")
    );
}

#[tokio::test(start_paused = true)]
async fn a_submission_that_breaks_a_limit_is_refused_with_what_was_found() {
    let client = Client::new(store());
    let long = "x".repeat(300);
    let bad = [
        Submission::new(Count(1)).queue(""),
        Submission::new(Count(1)).queue("a\0b"),
        Submission::new(Count(1)).tenant(long.clone()),
        Submission::new(Count(1)).idempotency_key(""),
        Submission::new(Count(1)).label("", "x"),
        Submission::new(Count(1)).label("k", long),
        (0..33).fold(Submission::new(Count(1)), |all, i| all.label(i.to_string(), "x")),
        (0..9).fold(Submission::new(Count(1)), |all, i| all.label(format!("artos.{i}"), "x")),
    ];
    for submission in bad {
        let shown = format!("{submission:?}");
        let error = client.submit(submission).await.unwrap_err();
        assert!(matches!(error, SubmitError::Invalid { .. }), "{shown}: {error}");
    }
    let listed = client.list(&ListQuery::default()).await.unwrap();
    assert!(listed.tasks.is_empty());
}

#[tokio::test(start_paused = true)]
async fn labels_of_artos_itself_take_no_room_of_others() {
    let client = Client::new(store());
    let full = (0..32).fold(Submission::new(Count(1)), |all, i| all.label(i.to_string(), "x"));
    let task = client.submit(full.label("artos.request", "x")).await.unwrap();
    assert_eq!(task.record().await.unwrap().labels.len(), 33);
}

#[tokio::test(start_paused = true)]
async fn a_batch_keeps_its_order_and_ids_grow() {
    let client = Client::new(store());
    let tasks = client.submit_many((0..3_000).map(Count)).await.unwrap();
    assert!(tasks.windows(2).all(|pair| pair[0].id() < pair[1].id()));
}

#[tokio::test(start_paused = true)]
async fn attaching_to_a_task_of_another_kind_is_refused() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Other;
    impl artos_core::Task for Other {
        const KIND: &'static str = "other";
        type Output = ();
    }
    let client = Client::new(store());
    let task = client.submit(Count(1)).await.unwrap();
    let error = client.attach::<Other>(task.id()).await.unwrap_err();
    assert!(matches!(error, TaskError::WrongKind { .. }), "{error}");
}

#[test]
fn a_client_outside_tokio_gives_an_error_and_no_panic() {
    let client = Client::new(store());
    let submit = std::future::IntoFuture::into_future(client.submit(Count(1)));
    let error = futures::executor::block_on(submit).unwrap_err();
    assert!(matches!(error, SubmitError::NoExecutor), "{error}");
}
