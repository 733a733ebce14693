//! A service over a temporary directory with the samples of two organizations.

use std::{path::Path, sync::Arc, time::Duration};

use artos_core::store::TaskStore;
use axum::{
    body::Body,
    http::{Request, Response, StatusCode, header},
};
use clap::Parser as _;
use document_service::{
    cli::{Arguments, Command},
    files_location::FilesLocation,
    service::{self, BASE, Service, Settings},
    store::StoreLocation,
    webhook_keys,
};
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt as _;

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/samples");

pub(crate) struct Running {
    service: Service,
    _files: TempDir,
}

impl Running {
    pub(crate) async fn start() -> Self {
        let store = StoreLocation::Memory.open().await.unwrap();
        Self::on(store, &["--token", "acme=token-a", "--token", "globex=token-g"]).await
    }

    /// Starts a service on a store, with the access that options of `serve` give.
    pub(crate) async fn on(store: Arc<dyn TaskStore>, options: &[&str]) -> Self {
        let files = tempfile::tempdir().unwrap();
        for organization in ["acme", "globex", "library"] {
            copy_samples(&files.path().join(organization).join("documents"));
        }
        let options = ["document-service", "serve"].iter().chain(options);
        let Command::Serve(arguments) = Arguments::try_parse_from(options).unwrap().command else {
            unreachable!("it says so");
        };
        let service = service::start(Settings {
            store,
            files: FilesLocation::Folder(files.path().into()).open().unwrap(),
            tokens: &arguments.tokens,
            jwt: arguments.jwt.checker().unwrap(),
            shared_folders: &arguments.shared_folders,
            webhook_keys: &webhook_keys::read(arguments.work.webhook_keys.as_deref()).unwrap(),
            webhook_networks: &arguments.work.webhook_networks,
            limits: Some(artos_http::Limits::default()),
            pending_max: None,
            cors_origins: &[],
            workers: 4,
            lease: Duration::from_secs(20),
        })
        .await
        .unwrap();
        Self { service, _files: files }
    }

    /// Sends a request as the organization of a token; the status and the whole body.
    pub(crate) async fn send(&self, request: Request<Body>) -> (StatusCode, Response<Vec<u8>>) {
        let response = self.service.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        (parts.status, Response::from_parts(parts, body.to_vec()))
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> (StatusCode, Response<Vec<u8>>) {
        let request = Request::get(format!("{BASE}/{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {token}"));
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<Body>) -> (StatusCode, Value) {
        self.post_as("token-a", &format!("{BASE}/{path}"), body).await
    }

    pub(crate) async fn post_as(
        &self,
        token: &str,
        path: &str,
        body: impl Into<Body>,
    ) -> (StatusCode, Value) {
        let request = Request::post(path)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, "application/json");
        let (status, response) = self.send(request.body(body.into()).unwrap()).await;
        (status, json(&response))
    }

    /// Submits a request as acme and waits for the end; the id and the last status.
    pub(crate) async fn generate(&self, request: &Value) -> (String, Value) {
        let (status, body) = self.post("generate", request.to_string()).await;
        assert_eq!(status, 202, "{body}");
        let id = body["task_id"].as_str().unwrap().to_owned();
        let status = self.finished(&id).await;
        (id, status)
    }

    /// Waits as a client does, with long-polls, until a task has ended.
    pub(crate) async fn finished(&self, id: &str) -> Value {
        let mut etag = String::new();
        loop {
            let request = Request::get(format!("{BASE}/status/{id}"))
                .header(header::AUTHORIZATION, "Bearer token-a")
                .header(header::IF_NONE_MATCH, etag.as_str())
                .header("prefer", "wait=30");
            let (code, response) = self.send(request.body(Body::empty()).unwrap()).await;
            if code == StatusCode::NOT_MODIFIED {
                continue;
            }
            let status = json(&response);
            if status["status"] != "Generating" {
                return status;
            }
            etag = response.headers()[header::ETAG].to_str().unwrap().to_owned();
        }
    }
}

pub(crate) fn json(response: &Response<Vec<u8>>) -> Value {
    serde_json::from_slice(response.body()).unwrap_or(Value::Null)
}

fn copy_samples(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    for entry in std::fs::read_dir(SAMPLES).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
    }
}
