//! Compressed answers.

use axum::http::Method;

use crate::support::{BASE, NOBODY, Service};

async fn service() -> Service {
    Service::start_with(|router| router.compress()).await
}

#[tokio::test(start_paused = true)]
async fn large_answers_are_compressed_for_those_who_can_read_that() {
    let service = service().await;
    let openapi = || service.get("/api/v1/openapi.json");
    let plain = openapi().send().await;
    assert_eq!(plain.header("content-encoding"), "");
    let small = openapi().header("accept-encoding", "gzip").send().await;
    assert_eq!(small.header("content-encoding"), "gzip");
    assert!(small.header("vary").contains("accept-encoding"));
    assert!(small.body.len() * 4 < plain.body.len(), "{}", small.body.len());
    assert_eq!(&small.body[..2], [0x1f, 0x8b]);
    // Not worth it.
    let status = service.status(NOBODY).header("accept-encoding", "gzip").send().await;
    assert_eq!(status.header("content-encoding"), "");
    status.problem(404);
}

#[tokio::test(start_paused = true)]
async fn streams_and_documents_are_not_compressed() {
    let mut service = service().await;
    service.submit("HOLD").await;
    let id = service.holding().await;
    let stream = service.get(&format!("{BASE}/status/{id}/events"));
    let stream = stream.header("accept-encoding", "gzip").response().await;
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    assert!(!stream.headers().contains_key("content-encoding"));
    let done = service.finished("CSR").await;
    let file = service.get(&format!("{BASE}/{done}/file")).header("accept-encoding", "gzip");
    assert_eq!(file.send().await.header("content-encoding"), "");
}

#[tokio::test(start_paused = true)]
async fn the_tag_of_a_compressed_answer_is_weak_and_is_still_known() {
    use artos_core::{Pipeline, Runtime, StageContext, StageResult, stage_fn};
    let report = async |_: StageContext, _: Long| -> StageResult<String> { Ok("la".repeat(2_000)) };
    let runtime = Runtime::builder(artos_store_memory::MemoryStore::default())
        .register(Pipeline::new("write", stage_fn(report)))
        .start()
        .await
        .unwrap();
    let app = artos_http::router(runtime.client(), artos_http::Auth::open())
        .resource(artos_http::Resource::<Long>::new("/long"))
        .compress()
        .build()
        .unwrap();
    let task = runtime.client().submit(Long).await.unwrap();
    let path = format!("/long/{}", task.id());
    task.wait().await.unwrap();
    let get = || {
        let call = crate::support::Call::new(&app, Method::GET, &path);
        call.header("accept-encoding", "gzip")
    };
    let answer = get().send().await;
    assert_eq!(answer.header("content-encoding"), "gzip");
    let tag = answer.header("etag");
    assert!(tag.starts_with("W/\""), "{tag}");
    assert_eq!(get().header("if-none-match", tag).send().await.status, 304);
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Long;

impl artos_core::Task for Long {
    const KIND: &'static str = "long.write";
    type Output = String;
}
