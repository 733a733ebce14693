//! A cancel may end a task without a worker; receivers hear of it all the same.

use std::time::Duration;

use artos_core::{Filter, ListQuery, Name, TaskId, TaskState};
use artos_store_memory::MemoryStore;
use serde_json::Value;

use crate::{
    deaf::DeafStore,
    support::{BASE, MovedClock, Receiver, Service},
};

#[tokio::test]
async fn a_cancelled_task_is_told_once_whether_it_was_waiting_or_running() {
    let service = Service::start().await;
    let mut receiver = Receiver::start().await;
    let (endpoint, _) = service.register(&receiver.url()).await;
    for (what, state) in [("later", TaskState::Pending), ("hold", TaskState::Running)] {
        let id = service.submit(what, None).await;
        service.until(&id, |record| record.state == state).await;
        service.post(&format!("{BASE}/{id}/cancel"), Value::Null).await;
        let body = receiver.next().await.json();
        assert_eq!(body["task_id"], id);
        assert_eq!(body["type"], "document.failed");
        assert_eq!(body["error"], "cancelled");
        service.post(&format!("{BASE}/{id}/cancel"), Value::Null).await;
        service.clock.advance(Duration::from_secs(600));
        service.nothing_but_a_test(&endpoint, &mut receiver).await;
    }
}

#[tokio::test]
async fn a_cancel_that_is_asked_for_elsewhere_is_told_as_well() {
    let service = Service::start().await;
    let mut receiver = Receiver::start().await;
    let (endpoint, _) = service.register(&receiver.url()).await;
    for client in [service.runtime.client(), service.webhooks.client()] {
        let id = service.submit("later", None).await;
        let task: TaskId = id.parse().unwrap();
        // Asking twice is telling once.
        client.cancel(task).await.unwrap();
        client.cancel(task).await.unwrap();
        let body = receiver.next().await.json();
        assert_eq!((&body["task_id"], &body["error"]), (&id.into(), &"cancelled".into()));
    }
    service.nothing_but_a_test(&endpoint, &mut receiver).await;
}

/// Waits until so much news has come to something.
async fn until_news_ended(service: &Service, count: usize) {
    let kinds = vec![Name::from_static("webhook.notify")];
    let states = vec![TaskState::Completed];
    let filter = Filter { kinds, states, ..Filter::default() };
    let query = ListQuery { filter, limit: 100, ..ListQuery::default() };
    while service.runtime.client().list(&query).await.unwrap().tasks.len() < count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_cancel_is_told_once_though_an_earlier_one_did_not_reach_the_store() {
    let minute = Duration::from_secs(60);
    // Long after the earlier cancel was given up, and while its news is still waiting for it.
    for (pause, is_given_up) in [(6 * minute, true), (2 * minute, false)] {
        let clock = MovedClock::default();
        let store = DeafStore::new(MemoryStore::with_clock(clock.clone()));
        let more =
            |webhooks: artos_http::WebhooksBuilder| webhooks.allow("127.0.0.0/8".parse().unwrap());
        let service = Service::on(store.clone(), clock, more).await;
        let mut receiver = Receiver::start().await;
        let (endpoint, _) = service.register(&receiver.url()).await;
        let id = service.submit("later", None).await;
        let cancel = format!("{BASE}/{id}/cancel");
        store.set_deaf(true);
        assert_eq!(service.post(&cancel, Value::Null).await.0, 503);
        store.set_deaf(false);
        service.clock.advance(pause);
        if is_given_up {
            until_news_ended(&service, 1).await;
        }
        assert_eq!(service.post(&cancel, Value::Null).await.0, 200);
        assert_eq!(receiver.next().await.json()["task_id"], id);
        service.clock.advance(10 * minute);
        until_news_ended(&service, 2).await;
        service.nothing_but_a_test(&endpoint, &mut receiver).await;
    }
}
