//! Keys: made, used, listed, revoked, and what each scope allows.

use artos_http::{Auth, Caller, Keys, Scope};
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::events::Stream;
use crate::support::{ACME, BASE, GLOBEX, SECOND, Service, documents};

const KEYS: &str = "/api/v1/keys";

async fn service() -> Service {
    let service = Service::start().await;
    let auth = Auth::tokens([("acme", ACME), ("globex", GLOBEX)])
        .with_keys(Keys::new(service.runtime.client()));
    let app =
        artos_http::router(service.runtime.client(), auth).resource(documents()).build().unwrap();
    service.behind(app)
}

/// Makes a key as acme; its id and its token.
async fn make(service: &Service, scopes: &[&str], lifetime: Option<u64>) -> (String, String) {
    let body = json!({ "name": "ci", "scopes": scopes, "expires_in_seconds": lifetime });
    let answer = service.post(KEYS).json(&body).send().await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    let text = |key: &str| answer.json()[key].as_str().unwrap().to_owned();
    (text("key_id"), text("token"))
}

#[tokio::test(start_paused = true)]
async fn a_key_acts_for_its_organization_until_it_is_revoked() {
    let service = service().await;
    let (id, token) = make(&service, &["submit", "read"], None).await;
    assert!(token.starts_with("artos_"), "{token}");
    let answer = service.generate("CSR").token(&token).send().await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let task = answer.task_id();
    assert_eq!(service.status(&task).token(&token).send().await.status, StatusCode::OK);
    service.status(&task).token(GLOBEX).send().await.problem(404);
    let listed = service.get(KEYS).send().await.json();
    assert_eq!(listed["keys"][0]["key_id"], id);
    assert_eq!(listed["keys"][0]["scopes"], json!(["submit", "read"]));
    assert!(listed["keys"][0]["last_used_at"].is_string());
    assert!(!listed.to_string().contains(token.rsplit('_').next().unwrap()));
    let revoke = |token| service.call(Method::DELETE, &format!("{KEYS}/{id}")).token(token);
    revoke(GLOBEX).send().await.problem(404);
    assert_eq!(revoke(ACME).send().await.status, StatusCode::NO_CONTENT);
    service.status(&task).token(&token).send().await.problem(401);
    revoke(ACME).send().await.problem(404);
    assert_eq!(service.get(KEYS).send().await.json()["keys"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn a_key_stops_being_good_at_its_end() {
    let service = service().await;
    let (_, token) = make(&service, &["read"], Some(60)).await;
    assert_eq!(service.get(BASE).token(&token).send().await.status, StatusCode::OK);
    tokio::time::sleep(61 * SECOND).await;
    service.get(BASE).token(&token).send().await.problem(401);
}

#[tokio::test(start_paused = true)]
async fn what_is_almost_a_key_is_none() {
    let service = service().await;
    let (id, token) = make(&service, &["read"], None).await;
    let (_, other) = make(&service, &["read"], None).await;
    let secret = |token: &str| token.rsplit('_').next().unwrap().to_owned();
    let simple = id.replace('-', "");
    for bad in [
        format!("artos_{simple}_{}", secret(&other)),
        format!("artos_{simple}_{}", secret(&token).to_uppercase()),
        format!("artos_{simple}_"),
        format!("artos_{id}_{}", secret(&token)),
        format!("artos_{simple}"),
        format!("{token}0"),
        String::from("artos_"),
        format!("artos_{}_{}", "0".repeat(32), "0".repeat(64)),
    ] {
        let problem = service.get(BASE).token(&bad).send().await.problem(401);
        assert_eq!(problem["code"], "invalid_token", "{bad}");
    }
    // A task is no key either, whatever its id.
    let task = service.submit("CSR").await.replace('-', "");
    let bad = format!("artos_{task}_{}", secret(&token));
    service.get(BASE).token(&bad).send().await.problem(401);
}

#[tokio::test(start_paused = true)]
async fn each_scope_allows_what_it_says_and_a_refusal_says_nothing_about_what_exists() {
    let service = service().await;
    let own = service.finished("INCOMPLETE").await;
    let foreign = service.generate("INCOMPLETE").token(GLOBEX).send().await.task_id();
    service.end_of(&foreign).await;
    let missing = crate::support::NOBODY;
    for held in Scope::ALL {
        let (_, token) = make(&service, &[held.as_str()], None).await;
        for (id, is_own) in [(own.as_str(), true), (&foreign, false), (missing, false)] {
            let calls = [
                (Scope::Read, Method::GET, format!("{BASE}/status/{id}"), 200),
                (Scope::Read, Method::GET, format!("{BASE}/status/{id}/events"), 200),
                (Scope::Read, Method::GET, format!("{BASE}/{id}"), 409),
                (Scope::Read, Method::GET, format!("{BASE}/{id}/file"), 409),
                (Scope::Cancel, Method::POST, format!("{BASE}/{id}/cancel"), 200),
                (Scope::Submit, Method::POST, format!("{BASE}/{id}/retry"), 202),
            ];
            for (needed, method, path, when_allowed) in calls {
                let answer = service.call(method, &path).token(&token).send().await;
                let is_allowed = held == needed || held == Scope::Admin;
                let expected = match (is_allowed, is_own) {
                    (false, _) => 403,
                    (true, true) => when_allowed,
                    (true, false) => 404,
                };
                assert_eq!(answer.status.as_u16(), expected, "{held} at {path}");
                if expected == 403 {
                    let challenge = format!(
                        "Bearer realm=\"artos\", error=\"insufficient_scope\", scope=\"{needed}\""
                    );
                    assert_eq!(answer.header("www-authenticate"), challenge);
                    assert_eq!(answer.json()["code"], "insufficient_scope");
                }
            }
        }
        for (needed, call) in [
            (Scope::Submit, service.generate("CSR")),
            (Scope::Read, service.get(BASE)),
            (Scope::Admin, service.get(KEYS)),
        ] {
            let status = call.token(&token).send().await.status;
            let is_allowed = held == needed || held == Scope::Admin;
            assert_eq!(status.is_success(), is_allowed, "{held} for what needs {needed}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_bad_request_for_a_key_says_where() {
    let service = service().await;
    for (body, pointer) in [
        (json!({ "name": "", "scopes": ["read"] }), "/name"),
        (json!({ "name": "x", "scopes": [] }), "/scopes"),
        (json!({ "name": "x", "scopes": ["read", "root"] }), "/scopes/1"),
        (
            json!({ "name": "x", "scopes": ["read"], "expires_in_seconds": 0 }),
            "/expires_in_seconds",
        ),
        // Such an end is beyond what can be written as a date.
        (
            json!({ "name": "x", "scopes": ["read"], "expires_in_seconds": u64::MAX }),
            "/expires_in_seconds",
        ),
    ] {
        let problem = service.post(KEYS).json(&body).send().await.problem(422);
        assert_eq!(problem["errors"][0]["pointer"], pointer);
    }
    let none = service.get(KEYS).anonymous().send().await.problem(401);
    assert_eq!(none["code"], "not_authenticated");
}

#[tokio::test(start_paused = true)]
async fn a_service_without_keys_has_no_routes_for_them() {
    let service = Service::start().await;
    service.get(KEYS).send().await.problem(404);
    let first = Keys::new(service.runtime.client()).create("acme", "first", [Scope::Admin]).await;
    service.get(BASE).token(&first.unwrap()).send().await.problem(401);
    assert_eq!(Caller::of("acme").scopes().iter().count(), 4);
    assert_eq!(service.get(BASE).send().await.json()["documents"], Value::Array(Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_the_key_that_opened_it() {
    let service = service().await;
    let task = service.submit("LATER").await;
    let paths = [format!("{BASE}/events"), format!("{BASE}/status/{task}/events")];
    for path in paths {
        let (id, token) = make(&service, &["read"], None).await;
        let mut stream = Stream::open(service.get(&path).token(&token)).await;
        assert_eq!(stream.next().await.unwrap().name, "snapshot");
        let before = service.store.gets();
        assert!(tokio::time::timeout(120 * SECOND, stream.next()).await.is_err());
        // A key at rest is not looked at all the time.
        assert!(service.store.gets() - before <= 2);
        let revoked = service.call(Method::DELETE, &format!("{KEYS}/{id}")).send().await;
        assert_eq!(revoked.status, StatusCode::NO_CONTENT);
        let started = tokio::time::Instant::now();
        assert_eq!(stream.next().await, None);
        assert!(started.elapsed() < SECOND, "{:?}", started.elapsed());

        let (_, token) = make(&service, &["read"], Some(60)).await;
        let mut stream = Stream::open(service.get(&path).token(&token)).await;
        assert_eq!(stream.next().await.unwrap().name, "snapshot");
        let started = tokio::time::Instant::now();
        assert_eq!(stream.next().await, None);
        assert_eq!(started.elapsed().as_secs(), 60);
    }
}
