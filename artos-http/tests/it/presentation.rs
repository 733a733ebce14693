//! What every answer has in common.

use axum::{
    http::{Method, StatusCode},
    response::IntoResponse,
    routing::get,
};

use crate::{
    store::Mood,
    support::{BASE, NOBODY, SECOND, Service},
};

#[tokio::test(start_paused = true)]
async fn a_good_request_id_is_taken_over_and_a_bad_one_replaced() {
    let service = Service::start().await;
    let longest = "r".repeat(128);
    for id in ["abc-123", &longest] {
        let answer = service.status(NOBODY).header("x-request-id", id).send().await;
        assert_eq!(answer.header("x-request-id"), id);
        assert_eq!(answer.problem(404)["request_id"], id);
    }
    let too_long = "r".repeat(129);
    for id in ["", "a b", &too_long] {
        let answer = service.status(NOBODY).header("x-request-id", id).send().await;
        assert_eq!(answer.header("x-request-id").len(), 36, "{id}");
    }
    let call = service.get("/livez").header("x-request-id", "a").and_header("x-request-id", "b");
    assert_eq!(call.send().await.header("x-request-id").len(), 36);
    let ids = [service.get("/livez").send().await, service.get("/livez").send().await];
    assert_ne!(ids[0].header("x-request-id"), ids[1].header("x-request-id"));
}

#[tokio::test(start_paused = true)]
async fn errors_are_problems_unless_only_json_is_accepted() {
    let service = Service::start().await;
    for (accept, expected) in [
        ("application/json", "application/json"),
        ("application/json;q=0.9", "application/json"),
        ("*/*", "application/problem+json"),
        ("application/json, */*", "application/problem+json"),
        ("application/problem+json, application/json", "application/problem+json"),
        ("text/html", "application/problem+json"),
        ("", "application/problem+json"),
    ] {
        let call = service.status(NOBODY).header("accept", accept).header("x-request-id", "same");
        let answer = call.send().await;
        assert_eq!(answer.header("content-type"), expected, "{accept}");
        assert_eq!(answer.check_problem()["detail"], "Document not found");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_an_internal_error_without_details() {
    let service = Service::start().await;
    let problem = service.generate("PANIC").send().await.problem(500);
    assert_eq!(problem["detail"], "internal error");
    assert_eq!(service.generate("CSR").send().await.status, StatusCode::ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn refusals_of_the_services_own_routes_get_the_same_body() {
    let own = axum::Router::new()
        .route("/teapot", get(async || (StatusCode::IM_A_TEAPOT, "short and stout")))
        .route("/json", get(async |_: axum::Json<u8>| "never"))
        .route("/gone", get(async || StatusCode::GONE.into_response()));
    let service = Service::start_with(|router| router.routes(own)).await;
    let teapot = service.get("/teapot").send().await.problem(418);
    assert_eq!(
        (&teapot["type"], &teapot["title"]),
        (&"about:blank".into(), &"I'm a teapot".into())
    );
    service.get("/gone").send().await.problem(410);
    service.get("/json").send().await.problem(415);
}

#[tokio::test(start_paused = true)]
async fn what_nested_routes_say_of_what_is_not_there_is_presented_too() {
    let nested = axum::Router::new().route("/here", get(async || "here")).fallback(
        async |uri: axum::http::Uri| -> StatusCode {
            assert_ne!(uri.path(), "/panic", "as the test wants it");
            StatusCode::NOT_FOUND
        },
    );
    let own = axum::Router::new().nest("/own", nested);
    let service = Service::start_with(|router| router.routes(own)).await;
    assert_eq!(service.get("/own/here").send().await.status, StatusCode::OK);
    let absent = service.get("/own/nowhere").send().await;
    assert_eq!(absent.header("x-content-type-options"), "nosniff");
    absent.problem(404);
    service.get("/own/panic").send().await.problem(500);
}

// In real time, because a paused clock waits for those who are busy.
#[tokio::test]
async fn a_handler_that_never_lets_go_is_late_all_the_same() {
    let busy = get(async || -> StatusCode {
        loop {
            tokio::task::consume_budget().await;
        }
    });
    let own = axum::Router::new().route("/busy", busy);
    let service = Service::start_with(|router| router.routes(own).request_timeout(SECOND)).await;
    service.get("/busy").send().await.problem(504);
}

#[tokio::test(start_paused = true)]
async fn every_answer_has_the_security_headers() {
    let service = Service::start().await;
    let id = service.finished("CSR").await;
    let paths = ["/livez".into(), "/nothing".into(), BASE.into(), format!("{BASE}/{id}")];
    for path in paths {
        let answer = service.get(&path).send().await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_ne!(answer.header("cache-control"), "");
        let head = service.call(Method::HEAD, &path).send().await;
        assert_eq!((head.status, head.body.len()), (answer.status, 0), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_is_503_everywhere_and_tells_no_secrets() {
    let service = Service::start().await;
    let id = service.finished("CSR").await;
    service.store.set(Mood::Down);
    let calls = || {
        [
            service.generate("CSR"),
            service.status(&id),
            service.get(&format!("{BASE}/{id}")),
            service.get(BASE),
            service.post(&format!("{BASE}/{id}/cancel")),
            service.post(&format!("{BASE}/{id}/retry")),
        ]
    };
    for call in calls() {
        let answer = call.send().await;
        assert_eq!(answer.problem(503)["code"], "store_unavailable");
        assert_eq!(answer.header("retry-after"), "1");
    }
    service.store.set(Mood::Corrupt);
    for call in calls() {
        let problem = call.send().await.problem(500);
        assert!(!problem.to_string().contains("secret-path"), "{problem}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_is_not_waited_for() {
    let service = Service::start().await;
    service.store.set(Mood::Hanging);
    let started = tokio::time::Instant::now();
    assert_eq!(service.status(NOBODY).send().await.problem(504)["code"], "timeout");
    assert_eq!(started.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn every_problem_type_is_explained_where_it_says() {
    let service = Service::start().await;
    let problem = service.status(NOBODY).send().await.problem(404);
    let page = service.get(problem["type"].as_str().unwrap()).anonymous().send().await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.json()["type"], problem["type"]);
    assert_eq!(page.json()["code"], "not_found");
    assert_eq!(page.header("vary"), "accept");
    service.get("/problems/nonsense").send().await.problem(404);
}

#[tokio::test(start_paused = true)]
async fn a_browser_gets_a_page_about_a_problem() {
    let service = Service::start().await;
    let accept = "text/html,application/xhtml+xml,*/*;q=0.8";
    let call = service.get("/problems/not-ready").anonymous().header("accept", accept);
    let page = call.send().await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
    let text = String::from_utf8(page.body.to_vec()).unwrap();
    assert!(text.contains("<code>409</code>") && text.contains("not_ready"), "{text}");
}
