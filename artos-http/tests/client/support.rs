//! A service on a socket, and a client of it.

use std::time::Duration;

use artos_core::{
    ListQuery, Pipeline, ResultExt, RetryPolicy, Runtime, Stage, StageContext, StageError,
    StageOptions, StageResult, Task, stage_fn,
};
use artos_http::{
    Auth, Resource, RouterBuilder,
    client::{HttpClient, HttpClientBuilder, RemoteResource, reqwest},
};
use artos_store_memory::MemoryStore;
use axum::{Router, http::header};
use serde::{Deserialize, Serialize};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

pub(crate) const BASE: &str = "/api/v1/documents";
pub(crate) const TOKEN: &str = "token-of-acme";
pub(crate) const NOBODY: &str = "019ab3c4-6f00-7000-8000-000000000001";

/// A task whose stage succeeds, unless the document is `INCOMPLETE`; `HELD` ones wait until they
/// are released.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct GenerateDocument {
    pub(crate) document_type: String,
}

impl Task for GenerateDocument {
    const KIND: &'static str = "document.generate";
    type Output = String;
}

async fn generate(
    mut released: watch::Receiver<bool>,
    task: GenerateDocument,
) -> StageResult<String> {
    if task.document_type == "INCOMPLETE" {
        return Err(StageError::fatal("Missing required section: Safety Analysis"));
    }
    if task.document_type == "HELD" {
        released.wait_for(|is_released| *is_released).await.fatal()?;
    }
    Ok(format!("a {}", task.document_type))
}

/// A runtime and the router before it.
pub(crate) struct Service {
    runtime: Runtime,
    pub(crate) app: Router,
    /// Lets `HELD` documents go on.
    pub(crate) release: watch::Sender<bool>,
}

impl Service {
    pub(crate) async fn start() -> Self {
        Self::start_with(|router| router).await
    }

    /// Starts a service whose router has more.
    pub(crate) async fn start_with(more: impl FnOnce(RouterBuilder) -> RouterBuilder) -> Self {
        let (release, released) = watch::channel(false);
        let generate = move |_: StageContext, task| generate(released.clone(), task);
        let once = StageOptions { retry: RetryPolicy::never(), ..StageOptions::default() };
        let runtime = Runtime::builder(MemoryStore::default())
            .register(Pipeline::new("generate", stage_fn(generate).with(once)))
            .start()
            .await
            .unwrap();
        let documents = Resource::<GenerateDocument>::new(BASE).download(
            "file",
            "text/plain",
            |_, text: String| async move { Ok(([(header::CONTENT_TYPE, "text/plain")], text)) },
        );
        let auth = Auth::tokens([("acme", TOKEN)]);
        let router = artos_http::router(runtime.client(), auth).monitor(runtime.monitor());
        let app = more(router.resource(documents)).build().unwrap();
        Self { runtime, app, release }
    }

    /// Counts the tasks in the store.
    pub(crate) async fn tasks(&self) -> u64 {
        let query = ListQuery { counts: true, ..ListQuery::default() };
        self.runtime.client().list(&query).await.unwrap().counts.unwrap().total()
    }
}

/// Serves a router on a free port, for as long as the test lasts.
pub(crate) async fn serve(app: Router) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = async move { axum::serve(listener, app).await.unwrap() };
    (url, tokio::runtime::Handle::current().spawn(serving))
}

pub(crate) fn builder(url: &str) -> HttpClientBuilder {
    let direct = reqwest::Client::builder().no_proxy();
    let brief = Duration::from_millis(1);
    HttpClient::builder(url).token(TOKEN).connections(direct).backoff(brief, brief * 10)
}

pub(crate) fn documents(client: &HttpClient) -> RemoteResource<GenerateDocument, String> {
    client.resource(BASE)
}

pub(crate) fn request(document_type: &str) -> GenerateDocument {
    GenerateDocument { document_type: document_type.into() }
}
