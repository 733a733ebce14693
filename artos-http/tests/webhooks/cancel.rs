//! A cancel may end a task without a worker; receivers hear of it all the same.

use std::time::Duration;

use artos_core::{TaskId, TaskState};
use serde_json::Value;

use crate::support::{BASE, Receiver, Service};

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
