//! Who may call, and what others can find out.

use artos_http::{Auth, Caller, Problem};
use axum::http::{Method, StatusCode};
use serde_json::Value;

use crate::support::{ACME, BASE, GLOBEX, NOBODY, Service};

/// Every guarded route, for an id.
fn routes(id: &str) -> Vec<(Method, String)> {
    let at = |path: &str| format!("{BASE}{path}");
    vec![
        (Method::POST, at("/generate")),
        (Method::GET, at(&format!("/status/{id}"))),
        (Method::GET, at(&format!("/{id}"))),
        (Method::GET, at(&format!("/{id}/file"))),
        (Method::POST, at(&format!("/{id}/cancel"))),
        (Method::POST, at(&format!("/{id}/retry"))),
        (Method::GET, at("/")),
        (Method::GET, at("")),
    ]
}

#[tokio::test(start_paused = true)]
async fn without_a_token_nothing_is_answered_but_401() {
    let service = Service::start().await;
    for (method, path) in routes(NOBODY) {
        let answer = service.call(method, &path).anonymous().send().await;
        assert_eq!(answer.problem(401)["detail"], "Not authenticated", "{path}");
        assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="artos""#);
    }
    // Before the method, the body and the id are looked at.
    service.call(Method::DELETE, &format!("{BASE}/generate")).anonymous().send().await.problem(401);
    service.post(&format!("{BASE}/generate")).body("{").anonymous().send().await.problem(401);
    service.status("no-id").anonymous().send().await.problem(401);
    assert_eq!(service.tasks().await, 0);
}

#[tokio::test(start_paused = true)]
async fn missing_and_wrong_credentials_are_told_apart() {
    let service = Service::start().await;
    let missing = ["", "Bearer", "Bearer ", "Basic"];
    let long = format!("Bearer {}", "x".repeat(10_000));
    let wrong = [
        "Bearer wrong",
        "Basic dXNlcjpwYXNz",
        "Token token-of-acme",
        "Bearer token-of-acm",
        "Bearer token-of-acme2",
        "Bearer TOKEN-OF-ACME",
        "Bearer token-of-acme, Bearer token-of-globex",
        &long,
    ];
    let texts =
        [("Not authenticated", &missing[..]), ("Invalid authentication credentials", &wrong)];
    for (detail, values) in texts {
        for value in values {
            let answer = service.status(NOBODY).header("authorization", value).send().await;
            assert_eq!(answer.problem(401)["detail"], detail, "{value}");
            let challenge = answer.header("www-authenticate");
            assert_eq!(challenge.contains("invalid_token"), detail.starts_with("Invalid"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_authorization_headers_are_refused_even_if_both_are_right() {
    let service = Service::start().await;
    let call = service.status(NOBODY).and_header("authorization", &format!("Bearer {ACME}"));
    assert_eq!(call.send().await.problem(401)["code"], "invalid_token");
}

#[tokio::test(start_paused = true)]
async fn a_token_in_the_query_counts_for_nothing() {
    let service = Service::start().await;
    let path = format!("{BASE}/?access_token={ACME}&token={ACME}");
    service.get(&path).anonymous().send().await.problem(401);
}

#[tokio::test(start_paused = true)]
async fn the_scheme_may_be_in_any_case() {
    let service = Service::start().await;
    for scheme in ["bearer", "BEARER"] {
        let value = format!("{scheme} {ACME}");
        let answer = service.get(BASE).header("authorization", &value).send().await;
        assert_eq!(answer.status, StatusCode::OK);
    }
}

#[tokio::test(start_paused = true)]
async fn foreign_absent_and_impossible_ids_are_answered_alike() {
    let service = Service::start().await;
    let complete = service.finished("CSR").await;
    let failed = service.finished("INCOMPLETE").await;
    let absent: Vec<_> = routes(NOBODY).into_iter().skip(1).take(5).collect();
    for ours in [complete.as_str(), &failed, "no-id", "019AB3C46F0070008000000000000001"] {
        for ((method, ours), (_, absent)) in routes(ours).into_iter().skip(1).zip(&absent) {
            let call = |path: &str| {
                let call = service.call(method.clone(), path).token(GLOBEX);
                call.header("x-request-id", "same").send()
            };
            let (ours, absent) = (call(&ours).await, call(absent).await);
            assert_eq!(ours.problem(404)["detail"], "Document not found");
            assert_eq!((ours.headers, ours.body), (absent.headers, absent.body));
        }
    }
    assert_eq!(service.tasks().await, 2);
}

#[tokio::test(start_paused = true)]
async fn nobody_can_touch_the_tasks_of_others() {
    let mut service = Service::start().await;
    let failed = service.finished("INCOMPLETE").await;
    service.submit("HOLD").await;
    let held = service.holding().await;
    let before = [service.status(&failed).send().await, service.status(&held).send().await];
    for id in [&failed, &held] {
        for verb in ["cancel", "retry"] {
            let call = service.post(&format!("{BASE}/{id}/{verb}")).token(GLOBEX);
            call.send().await.problem(404);
        }
    }
    let after = [service.status(&failed).send().await, service.status(&held).send().await];
    for (before, after) in before.iter().zip(&after) {
        assert_eq!((&after.body, after.header("etag")), (&before.body, before.header("etag")));
    }
    assert_eq!(service.tasks().await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_task_of_another_kind_is_not_found() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Mail;
    impl artos_core::Task for Mail {
        const KIND: &'static str = "mail";
        type Output = ();
    }
    let service = Service::start().await;
    let mail = artos_core::Submission::new(Mail).tenant("acme");
    let id = service.runtime.client().submit(mail).await.unwrap().id();
    service.status(&id.to_string()).send().await.problem(404);
}

#[tokio::test(start_paused = true)]
async fn an_open_service_asks_nobody_and_shows_everything() {
    let service = Service::start().await;
    let id = service.finished("CSR").await;
    let open = artos_http::router(service.runtime.client(), Auth::open())
        .resource(crate::support::documents())
        .build()
        .unwrap();
    let service = service.behind(open);
    assert_eq!(service.status(&id).anonymous().send().await.json()["status"], "Complete");
    let listed = service.get(BASE).anonymous().send().await.json();
    assert_eq!(listed["documents"].as_array().map(Vec::len), Some(1));
    assert_eq!(service.generate("CSR").anonymous().send().await.status, StatusCode::ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn a_lookup_decides_whom_a_token_belongs_to() {
    let auth = Auth::lookup(|token: String| async move {
        assert_ne!(token, "broken", "as the test wants it");
        match token.strip_prefix("key-of-") {
            Some("nobody") => Err(Problem::forbidden("User has no organization or not authorized")),
            Some(organization) => Ok(Some(Caller::of(organization))),
            None => Ok(None),
        }
    });
    let service = Service::start().await;
    let id = service.finished("CSR").await;
    let app = artos_http::router(service.runtime.client(), auth)
        .resource(crate::support::documents())
        .build()
        .unwrap();
    let service = service.behind(app);
    assert_eq!(service.status(&id).token("key-of-acme").send().await.status, StatusCode::OK);
    service.status(&id).token("key-of-globex").send().await.problem(404);
    service.status(&id).token("other").send().await.problem(401);
    service.status(&id).token("broken").send().await.problem(500);
    let problem = service.status(&id).token("key-of-nobody").send().await.problem(403);
    assert_eq!(problem["detail"], "User has no organization or not authorized");
}

#[tokio::test(start_paused = true)]
async fn a_services_own_routes_are_behind_the_same_guard() {
    let whoami = axum::Router::new().route(
        "/whoami",
        axum::routing::get(async |caller: Caller| caller.organization().unwrap().to_string()),
    );
    let service = Service::start_with(|router| router.routes(whoami)).await;
    let answer = service.get("/whoami").token(GLOBEX).send().await;
    assert_eq!(answer.body.as_ref(), b"globex");
    service.get("/whoami").anonymous().send().await.problem(401);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_must_know_is_open() {
    let service = Service::start().await;
    for path in ["/livez", "/readyz", "/api/v1/openapi.json", "/problems/not-found"] {
        let answer = service.get(path).anonymous().send().await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert!(answer.json() != Value::Null);
    }
}
