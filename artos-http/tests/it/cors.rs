//! Web pages of other origins.

use axum::http::Method;

use crate::support::{BASE, NOBODY, SECOND, Service};

const APP: &str = "https://app.example.com";

async fn service() -> Service {
    Service::start_with(|router| router.cors_origins([APP]).request_timeout(SECOND)).await
}

#[tokio::test(start_paused = true)]
async fn without_origins_no_page_may_read_an_answer() {
    let service = Service::start().await;
    let preflight = service
        .call(Method::OPTIONS, &format!("{BASE}/generate"))
        .anonymous()
        .header("origin", APP)
        .header("access-control-request-method", "POST");
    for answer in [preflight.send().await, service.get(BASE).header("origin", APP).send().await] {
        assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control")));
    }
}

#[tokio::test(start_paused = true)]
async fn a_browser_is_told_what_it_may_send_before_it_has_a_token() {
    let service = service().await;
    let preflight = |origin: &str| {
        service
            .call(Method::OPTIONS, &format!("{BASE}/generate"))
            .anonymous()
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,idempotency-key")
    };
    let answer = preflight(APP).send().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), APP);
    assert_eq!(answer.header("access-control-max-age"), "600");
    assert_eq!(answer.header("access-control-allow-credentials"), "");
    let allowed = answer.header("access-control-allow-headers");
    for name in ["authorization", "idempotency-key", "prefer", "last-event-id", "if-none-match"] {
        assert!(allowed.split(',').any(|allowed| allowed == name), "{name} in {allowed}");
    }
    assert_ne!(answer.header("x-request-id"), "");
    for other in ["https://evil.example.com", "null", "http://app.example.com"] {
        assert_eq!(preflight(other).send().await.header("access-control-allow-origin"), "");
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_can_read_answers_and_refusals_alike() {
    let service = service().await;
    service.store.set(crate::store::Mood::Hanging);
    let late = service.status(NOBODY).header("origin", APP).send().await;
    service.store.set(crate::store::Mood::Well);
    let calls = [
        service.get(BASE).header("origin", APP),
        service.get(BASE).header("origin", APP).anonymous(),
        service.status(NOBODY).header("origin", APP),
        service.generate("PANIC").header("origin", APP),
    ];
    let mut answers = vec![(504, late)];
    for (status, call) in [200, 401, 404, 500].into_iter().zip(calls) {
        answers.push((status, call.send().await));
    }
    for (status, answer) in answers {
        assert_eq!(answer.status.as_u16(), status);
        assert_eq!(answer.header("access-control-allow-origin"), APP, "{answer:?}");
        let exposed = answer.header("access-control-expose-headers");
        assert!(exposed.contains("x-request-id") && exposed.contains("retry-after"));
        assert!(answer.header("vary").contains("origin"), "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_origin_is_refused_when_the_router_is_built() {
    let service = Service::start().await;
    for bad in [
        "*",
        "null",
        "app.example.com",
        "https://app.example.com/",
        "https://App.example.com",
        "https://user@app.example.com",
        "ftp://app.example.com",
        "",
    ] {
        let router = artos_http::router(service.runtime.client(), artos_http::Auth::open());
        let error = router.cors_origins([bad]).build().unwrap_err();
        assert_eq!(error.problems.len(), 1, "{bad}");
        assert!(error.problems[0].contains("is no origin"), "{error}");
    }
}
