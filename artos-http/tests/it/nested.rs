//! The router below a path of a larger application.

use axum::{Router, routing::get};

use crate::support::{BASE, NOBODY, Service};

async fn nested() -> Service {
    let service = Service::start().await;
    let outer = Router::new()
        .route("/", get(async || "the larger application"))
        .nest("/inner", service.app.clone());
    service.behind(Router::new().nest("/outer", outer))
}

#[tokio::test(start_paused = true)]
async fn what_an_answer_points_to_is_there() {
    let service = nested().await;
    let body = serde_json::json!({ "document_type": "CSR", "file_paths": ["acme/protocol.pdf"] });
    let generate = || service.post(&format!("/outer/inner{BASE}/generate")).json(&body);
    let submitted = generate().send().await;
    let location = submitted.header("location").to_owned();
    assert_eq!(location, format!("/outer/inner{BASE}/status/{}", submitted.task_id()));
    assert_eq!(service.get(&location).send().await.status, 200);

    generate().send().await;
    let page = service.get(&format!("/outer/inner{BASE}?limit=1")).send().await;
    let link = page.header("link");
    let next = link.strip_prefix('<').and_then(|link| link.split_once('>')).unwrap().0;
    assert!(next.starts_with("/outer/inner/"), "{link}");
    let rest = service.get(next).send().await;
    assert_eq!(rest.json()["documents"].as_array().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn problems_say_where_they_are_explained() {
    let service = nested().await;
    let missing = service.get(&format!("/outer/inner{BASE}/{NOBODY}")).send().await;
    assert_eq!(missing.problem_below("/outer/inner", 404)["code"], "not_found");
    let page = service.get("/outer/inner/problems/not-found").anonymous().send().await;
    assert_eq!(page.json()["type"], "/outer/inner/problems/not-found");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_gets_the_error_body_too() {
    let service = Service::start().await;
    let app = Router::new().nest("/inner", service.app.clone());
    let answer = service.behind(app).get("/inner/nothing").send().await;
    answer.problem_below("/inner", 404);
}

#[tokio::test(start_paused = true)]
async fn the_openapi_document_says_where_its_paths_begin() {
    let service = nested().await;
    let document = service.get("/outer/inner/api/v1/openapi.json").send().await.json();
    assert_eq!(document["servers"], serde_json::json!([{ "url": "/outer/inner" }]));
    assert_eq!(document["openapi"], "3.1.0");
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_the_application_is_left_alone() {
    let service = nested().await;
    let answer = service.get("/outer").anonymous().send().await;
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"the larger application"[..]));
    assert_eq!(answer.header("x-request-id"), "");
    assert_eq!(service.get("/elsewhere").send().await.body, "");
}
