//! What the scenarios share: a service whose stages do as the request says, and a way to call it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use artos_core::{
    ListQuery, Name, Pipeline, Random, ResultExt, RetryPolicy, Runtime, Stage, StageContext,
    StageError, StageOptions, StageResult, Submission, Task, TaskId, TokioClock,
};
use artos_http::{Auth, Caller, Drain, FieldError, Problem, Resource, RouterBuilder};
use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};
use tower::ServiceExt;
use utoipa::ToSchema;

pub(crate) const BASE: &str = "/api/v1/documents";
pub(crate) const ACME: &str = "token-of-acme";
pub(crate) const GLOBEX: &str = "token-of-globex";
pub(crate) const NOBODY: &str = "019ab3c4-6f00-7000-8000-000000000001";

/// What the stages read from `document_type`: `CSR` succeeds, `HOLD` waits for a permit in its
/// first stage, `INCOMPLETE` fails in its second; `LATER` is due in an hour.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct GenerateDocument {
    document_type: String,
    file_paths: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct Report {
    title: String,
    words: usize,
}

impl Task for GenerateDocument {
    const KIND: &'static str = "document.generate";
    type Output = Report;
}

/// What a client posts.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct GenerateRequest {
    /// For example CSR.
    document_type: String,
    /// Object keys of source documents.
    file_paths: Vec<String>,
    output_name: Option<String>,
}

/// What tests tell the stages, and the stages tell tests.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) permits: Semaphore,
    pub(crate) extracted: AtomicUsize,
    pub(crate) section_is_there: AtomicBool,
    held: mpsc::UnboundedSender<TaskId>,
}

struct Extract(Arc<Script>);

impl Stage for Extract {
    type Input = GenerateDocument;
    type Output = GenerateDocument;

    async fn run(
        &self,
        cx: &StageContext,
        task: GenerateDocument,
    ) -> StageResult<GenerateDocument> {
        self.0.extracted.fetch_add(1, Ordering::SeqCst);
        if task.document_type == "HOLD" {
            cx.progress(40, "reading protocol.pdf");
            let _ = self.0.held.send(cx.task_id());
            tokio::select! {
                permit = self.0.permits.acquire() => permit.fatal()?.forget(),
                () = cx.cancelled() => return Err(StageError::cancelled()),
            }
        }
        Ok(task)
    }
}

struct Render(Arc<Script>);

impl Stage for Render {
    type Input = GenerateDocument;
    type Output = Report;

    async fn run(&self, _: &StageContext, task: GenerateDocument) -> StageResult<Report> {
        let is_there = self.0.section_is_there.load(Ordering::SeqCst);
        if task.document_type == "INCOMPLETE" && !is_there {
            return Err(StageError::fatal("Missing required section: Safety Analysis"));
        }
        Ok(Report { title: task.document_type, words: task.file_paths.len() })
    }
}

/// A router, and what is behind it.
pub(crate) struct Service {
    pub(crate) app: Router,
    pub(crate) store: super::store::MoodyStore,
    pub(crate) runtime: Runtime,
    pub(crate) drain: Drain,
    pub(crate) script: Arc<Script>,
    held: mpsc::UnboundedReceiver<TaskId>,
}

pub(crate) fn tokens() -> Auth {
    Auth::tokens([("acme", ACME), ("globex", GLOBEX)])
}

pub(crate) fn documents() -> Resource<GenerateDocument> {
    Resource::<GenerateDocument>::new(BASE)
        .from_request(|body: GenerateRequest, _: Caller| async move {
            if body.document_type == "PANIC" {
                panic!("told to");
            }
            let blank = |path: &String| path.is_empty();
            if let Some(at) = body.file_paths.iter().position(blank) {
                let error = FieldError::new(format!("/file_paths/{at}"), "is empty");
                return Err(Problem::invalid(vec![error]));
            }
            let name = body.output_name.unwrap_or_else(|| "Report".into());
            let GenerateRequest { document_type, file_paths, .. } = body;
            let delay = if document_type == "LATER" { 3_600 } else { 0 };
            Ok(Submission::new(GenerateDocument { document_type, file_paths })
                .label("name", name)
                .delay(Duration::from_secs(delay)))
        })
        .document(|task, report| json!({ "document_id": task.id.to_string(), "report": report }))
        .summary(|task| {
            let name = task.labels.get("name").map(Name::as_str);
            json!({ "document_name": name, "status": "x" })
        })
        .download("file", "text/plain", |_, report: Report| async move {
            Ok(([(header::CONTENT_TYPE, "text/plain")], report.title))
        })
        .request_schema::<GenerateRequest>()
        .document_schema::<Report>()
}

impl Service {
    pub(crate) async fn start() -> Self {
        Self::start_with(|router| router).await
    }

    /// Starts a service whose router has more.
    pub(crate) async fn start_with(more: impl FnOnce(RouterBuilder) -> RouterBuilder) -> Self {
        let store = super::store::MoodyStore::new();
        let (send, held) = mpsc::unbounded_channel();
        let script = Arc::new(Script {
            permits: Semaphore::new(0),
            extracted: AtomicUsize::new(0),
            section_is_there: AtomicBool::new(false),
            held: send,
        });
        let once = StageOptions { retry: RetryPolicy::never(), ..StageOptions::default() };
        let pipeline = Pipeline::new("extract", Extract(Arc::clone(&script)).with(once.clone()))
            .then("render", Render(Arc::clone(&script)).with(once));
        let runtime = Runtime::builder(store.clone())
            .deterministic(TokioClock::default(), Random::from_seed(7))
            .register(pipeline)
            .start()
            .await
            .unwrap();
        let drain = Drain::new();
        let router = artos_http::router(runtime.client(), tokens())
            .monitor(runtime.monitor())
            .drain(drain.clone())
            .info("artos documents", "1.0.0")
            .resource(documents());
        let app = more(router).build().unwrap();
        Self { app, store, runtime, drain, script, held }
    }

    /// Puts another router before the same runtime.
    pub(crate) fn behind(self, app: Router) -> Self {
        Self { app, ..self }
    }

    pub(crate) fn get(&self, path: &str) -> Call {
        Call::new(&self.app, Method::GET, path)
    }

    pub(crate) fn post(&self, path: &str) -> Call {
        Call::new(&self.app, Method::POST, path)
    }

    pub(crate) fn call(&self, method: Method, path: &str) -> Call {
        Call::new(&self.app, method, path)
    }

    pub(crate) fn generate(&self, document_type: &str) -> Call {
        let body = json!({ "document_type": document_type, "file_paths": ["acme/protocol.pdf"] });
        self.post(&format!("{BASE}/generate")).json(&body)
    }

    pub(crate) fn status(&self, id: &str) -> Call {
        self.get(&format!("{BASE}/status/{id}"))
    }

    /// Submits a task as acme.
    pub(crate) async fn submit(&self, document_type: &str) -> String {
        let answer = self.generate(document_type).send().await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
        answer.task_id()
    }

    /// Submits a task and waits for its end.
    pub(crate) async fn finished(&self, document_type: &str) -> String {
        let id = self.submit(document_type).await;
        self.end_of(&id).await;
        id
    }

    /// Waits until a task is over.
    pub(crate) async fn end_of(&self, id: &str) {
        let client = self.runtime.client();
        let task = client.attach::<GenerateDocument>(id.parse().unwrap()).await.unwrap();
        let _ = task.wait().await;
    }

    /// Waits until a `HOLD` task is in its first stage and has reported its progress.
    pub(crate) async fn holding(&mut self) -> String {
        let id = self.held.recv().await.unwrap();
        let mut watch = self.runtime.client().watch(id);
        while watch.changed().await.unwrap().unwrap().progress.is_none() {}
        id.to_string()
    }

    /// Counts the tasks in the store.
    pub(crate) async fn tasks(&self) -> u64 {
        let query = ListQuery { counts: true, ..ListQuery::default() };
        self.runtime.client().list(&query).await.unwrap().counts.unwrap().total()
    }
}

/// A request in the making; as acme unless told otherwise.
pub(crate) struct Call {
    app: Router,
    request: Request<Body>,
}

impl Call {
    pub(crate) fn new(app: &Router, method: Method, path: &str) -> Self {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        Self { app: app.clone(), request }.token(ACME)
    }

    pub(crate) fn token(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn anonymous(mut self) -> Self {
        self.request.headers_mut().remove(header::AUTHORIZATION);
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.request.headers_mut().insert(name, value.parse().unwrap());
        self
    }

    pub(crate) fn raw_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.request.headers_mut().append(name, value);
        self
    }

    /// Adds one more header of this name.
    pub(crate) fn and_header(mut self, name: &'static str, value: &str) -> Self {
        self.request.headers_mut().append(name, value.parse().unwrap());
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.body(body.to_string()).header("content-type", "application/json")
    }

    pub(crate) fn body(mut self, body: impl Into<Body>) -> Self {
        *self.request.body_mut() = body.into();
        self
    }

    /// Sends the request and leaves the body to be read.
    pub(crate) async fn response(self) -> axum::response::Response {
        self.app.oneshot(self.request).await.unwrap()
    }

    pub(crate) async fn send(self) -> Answer {
        let response = self.response().await;
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Sends the request from a future of its own.
    pub(crate) fn spawn(self) -> tokio::task::JoinHandle<Answer> {
        tokio::runtime::Handle::current().spawn(self.send())
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// Returns a header; empty if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn task_id(&self) -> String {
        self.json()["task_id"].as_str().unwrap().to_owned()
    }

    /// Checks that this is the one error body, and returns it.
    pub(crate) fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        self.check_problem()
    }

    /// Checks that this is the error body of a router that is nested.
    pub(crate) fn problem_below(&self, prefix: &str, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        self.check_problem_below(prefix)
    }

    pub(crate) fn check_problem(&self) -> Value {
        self.check_problem_below("")
    }

    fn check_problem_below(&self, prefix: &str) -> Value {
        let body = self.json();
        let text = |key: &str| body[key].as_str().unwrap_or_else(|| panic!("no {key}: {self:?}"));
        let pages = format!("{prefix}/problems/");
        assert!(text("type") == "about:blank" || text("type").starts_with(&pages), "{self:?}");
        assert!(
            !text("title").is_empty() && !text("detail").is_empty() && !text("code").is_empty()
        );
        assert_eq!(body["status"], self.status.as_u16());
        assert_eq!(text("request_id"), self.header("x-request-id"));
        assert!(!text("request_id").is_empty());
        assert_eq!(self.header("cache-control"), "no-store");
        assert_eq!(self.header("x-content-type-options"), "nosniff");
        for error in body["errors"].as_array().into_iter().flatten() {
            assert!(error["detail"].is_string());
        }
        body
    }
}

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// A task that waits in its first stage, for a test that submits without HTTP.
pub(crate) fn held_task() -> GenerateDocument {
    GenerateDocument { document_type: "HOLD".into(), file_paths: Vec::new() }
}
