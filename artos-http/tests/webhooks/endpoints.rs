//! Managing endpoints.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{HOOKS, Receiver, Service};

#[tokio::test]
async fn endpoints_are_registered_listed_and_removed() {
    let service = Service::start().await;
    let receiver = Receiver::start().await;
    let (first, _) = service.register(&receiver.url()).await;
    let (second, secret) = service.register(&receiver.url()).await;
    let list = service.get(HOOKS).await;
    let ids: Vec<_> = list["endpoints"].as_array().unwrap().iter().collect();
    assert_eq!(ids.iter().map(|one| &one["endpoint_id"]).collect::<Vec<_>>(), [&first, &second]);
    assert!(ids[0].get("secret").is_none(), "a list shows no secrets");
    let shown = service.get(&format!("{HOOKS}/{second}/secret")).await;
    assert_eq!(shown["secret"], secret);
    let path = format!("{HOOKS}/{first}");
    assert_eq!(service.call(Method::DELETE, &path, Value::Null).await.0, StatusCode::NO_CONTENT);
    assert_eq!(service.call(Method::DELETE, &path, Value::Null).await.0, StatusCode::NOT_FOUND);
    assert_eq!(service.call(Method::GET, &path, Value::Null).await.0, StatusCode::NOT_FOUND);
    assert_eq!(service.get(HOOKS).await["endpoints"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_organization_has_no_more_than_twenty() {
    let service = Service::start().await;
    for number in 0..20 {
        service.register(&format!("https://192.0.1.1/{number}")).await;
    }
    let one_more = json!({ "url": "https://192.0.1.1/20" });
    let (status, body) = service.post(HOOKS, one_more).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(body["code"], "conflict");
}

#[tokio::test]
async fn while_a_secret_is_replaced_both_sign() {
    let service = Service::start().await;
    let mut receiver = Receiver::start().await;
    let (id, old) = service.register(&receiver.url()).await;
    let rotate = format!("{HOOKS}/{id}/rotate");
    let (status, body) = service.post(&rotate, json!({ "overlap_seconds": 3_600 })).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let new = body["secret"].as_str().unwrap();
    assert_ne!(new, old);
    service.submit("ok", None).await;
    let event = receiver.next().await;
    assert!(event.verify(&old) && event.verify(new));
    service.clock.advance(Duration::from_secs(3_601));
    service.submit("ok", None).await;
    let event = receiver.next().await;
    assert!(!event.verify(&old) && event.verify(new));
    let too_long = json!({ "overlap_seconds": 40 * 24 * 3_600 });
    assert_eq!(service.post(&rotate, too_long).await.0, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_disabled_endpoint_hears_nothing_until_it_is_enabled() {
    let service = Service::start().await;
    let mut receiver = Receiver::start().await;
    let (id, _) = service.register(&receiver.url()).await;
    let (_, body) = service.post(&format!("{HOOKS}/{id}/disable"), Value::Null).await;
    assert_eq!(body["enabled"], false);
    let task = service.submit("ok", None).await;
    service.until(&task, artos_core::TaskRecord::is_terminal).await;
    // A test is a delivery as well, and dropped.
    service.post(&format!("{HOOKS}/{id}/test"), Value::Null).await;
    let attempts = service.attempts(&id, 1).await;
    assert_eq!(attempts[0]["outcome"], "dropped");
    let (_, body) = service.post(&format!("{HOOKS}/{id}/enable"), Value::Null).await;
    assert_eq!(body["enabled"], true);
    assert!(receiver.is_empty());
    service.post(&format!("{HOOKS}/{id}/test"), Value::Null).await;
    assert_eq!(receiver.next().await.json()["type"], "webhook.test");
}

#[tokio::test]
async fn attempts_can_be_seen_and_replayed() {
    let service = Service::start().await;
    let mut receiver = Receiver::start().await;
    let (id, secret) = service.register(&receiver.url()).await;
    receiver.answer(200, &[], &"x".repeat(5_000));
    let (status, fired) = service.post(&format!("{HOOKS}/{id}/test"), Value::Null).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let first = receiver.next().await;
    assert_eq!(first.header("webhook-id"), fired["message_id"].as_str().unwrap());
    let attempts = service.attempts(&id, 1).await;
    assert_eq!(attempts[0]["attempt_id"], fired["attempt_id"]);
    assert_eq!(attempts[0]["outcome"], "delivered");
    assert_eq!(attempts[0]["status"], 200);
    assert_eq!(attempts[0]["response"].as_str().unwrap().len(), 1_024);
    let attempt = fired["attempt_id"].as_str().unwrap();
    let replay = format!("{HOOKS}/{id}/attempts/{attempt}/replay");
    let (status, replayed) = service.post(&replay, Value::Null).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(replayed["message_id"], fired["message_id"]);
    assert_ne!(replayed["attempt_id"], fired["attempt_id"]);
    let again = receiver.next().await;
    assert_eq!(again.body, first.body);
    assert!(again.verify(&secret));
    let (status, _) = service.call_as("globex-token", Method::POST, &replay, Value::Null).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn only_admins_look_after_endpoints_and_only_after_their_own() {
    let service = Service::start().await;
    let receiver = Receiver::start().await;
    let (id, _) = service.register(&receiver.url()).await;
    let calls = [
        (Method::GET, String::from(HOOKS)),
        (Method::POST, String::from(HOOKS)),
        (Method::GET, format!("{HOOKS}/{id}")),
        (Method::DELETE, format!("{HOOKS}/{id}")),
        (Method::GET, format!("{HOOKS}/{id}/secret")),
        (Method::POST, format!("{HOOKS}/{id}/rotate")),
        (Method::POST, format!("{HOOKS}/{id}/disable")),
        (Method::POST, format!("{HOOKS}/{id}/enable")),
        (Method::POST, format!("{HOOKS}/{id}/test")),
        (Method::GET, format!("{HOOKS}/{id}/attempts")),
        (Method::POST, format!("{HOOKS}/{id}/attempts/{id}/replay")),
    ];
    for (method, path) in calls {
        let (status, body) =
            service.call_as("acme-reader", method.clone(), &path, Value::Null).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{method} {path}");
        assert_eq!(body["code"], "insufficient_scope");
        let (status, _) = service.call_as("nobody", method.clone(), &path, Value::Null).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {path}");
        if path != HOOKS {
            let (status, _) =
                service.call_as("globex-token", method.clone(), &path, Value::Null).await;
            assert_eq!(status, StatusCode::NOT_FOUND, "{method} {path}");
        }
    }
}
