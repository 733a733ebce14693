//! Source files and documents in a bucket, which a small server of the test's own speaks S3 for.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use tokio::net::TcpListener;

use crate::{
    api::{Api, json_of, samples},
    service::{Service, program},
};

type Objects = Arc<Mutex<HashMap<String, Bytes>>>;

async fn read(State(objects): State<Objects>, Path(path): Path<String>) -> Response {
    match objects.lock().unwrap().get(&path) {
        Some(object) => {
            let headers =
                [(header::ETAG, "\"1\""), (header::LAST_MODIFIED, "Wed, 25 Nov 2026 08:00:00 GMT")];
            (headers, object.clone()).into_response()
        }
        None => (StatusCode::NOT_FOUND, "<Error><Code>NoSuchKey</Code></Error>").into_response(),
    }
}

async fn write(
    State(objects): State<Objects>,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let signed = headers.get(header::AUTHORIZATION).is_some_and(|signature| {
        signature.to_str().is_ok_and(|text| text.starts_with("AWS4-HMAC-SHA256 Credential=key/"))
    });
    if !signed {
        return StatusCode::FORBIDDEN.into_response();
    }
    objects.lock().unwrap().insert(path, body);
    [(header::ETAG, "\"1\"")].into_response()
}

#[expect(clippy::disallowed_methods, reason = "the server runs as long as the test")]
async fn bucket(objects: Objects) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().route("/{*path}", get(read).put(write)).with_state(objects);
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_may_be_in_a_bucket() {
    let objects = Objects::default();
    for (path, content) in samples() {
        objects.lock().unwrap().insert(format!("papers/inner/{path}"), content.into());
    }
    let address = bucket(Arc::clone(&objects)).await;
    let mut program = program();
    program
        .env("AWS_ACCESS_KEY_ID", "key")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env("AWS_REGION", "here")
        .env("AWS_ENDPOINT", format!("http://{address}"))
        .env("AWS_ALLOW_HTTP", "true");
    let service = Service::start(program, "memory", &["--files", "s3://papers/inner/"]);
    let said = "source files and documents are in s3://papers/inner";
    assert!(service.seen().iter().any(|line| line == said), "{:?}", service.seen());
    let api = Api::new(service.address);
    let (code, body) = api.generate("bucket", 0).unwrap();
    assert_eq!(code, 202);
    let id = json_of(&body)["task_id"].as_str().unwrap().to_owned();
    let status = api.finished(&id);
    assert_eq!(status["status"], "Complete", "{status}");
    let path = api.document(&id)["metadata"]["docx_path"].as_str().unwrap().to_owned();
    let kept = objects.lock().unwrap().get(&format!("papers/inner/{path}")).cloned();
    assert_eq!(kept.unwrap(), api.file(&id));
    service.kill();
}
