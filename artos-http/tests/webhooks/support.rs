//! What the scenarios share: a service with webhooks, a clock that the test moves, and receivers.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use artos_core::{
    Client, Clock, Pipeline, Queue, Random, RetryPolicy, Runtime, Stage, StageContext, StageError,
    StageOptions, StageResult, Submission, SystemClock, Task, TaskId, Timestamp, store::TaskStore,
};
use artos_http::{Auth, Caller, Problem, Resource, Scope, Webhooks, WebhooksBuilder};
use artos_store_memory::MemoryStore;
use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, Method, Request, StatusCode},
    response::IntoResponse,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tower::ServiceExt;

pub(crate) const HOOKS: &str = "/api/v1/webhooks";
pub(crate) const BASE: &str = "/api/v1/documents";

/// The machine's clock, and how far the test has moved it on.
#[derive(Debug, Clone, Default)]
pub(crate) struct MovedClock(Arc<AtomicU64>);

impl MovedClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        SystemClock.now() + Duration::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// `ok` succeeds, `bad` fails, `hold` runs until it is cancelled.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Make {
    pub(crate) what: String,
    pub(crate) webhook: Option<String>,
}

impl Task for Make {
    const KIND: &'static str = "document.generate";
    type Output = String;
}

struct Work;

impl Stage for Work {
    type Input = Make;
    type Output = String;

    async fn run(&self, cx: &StageContext, task: Make) -> StageResult<String> {
        match task.what.as_str() {
            "bad" => Err(StageError::fatal("Missing required section: Safety Analysis")),
            "hold" => {
                cx.cancelled().await;
                Err(StageError::cancelled())
            }
            _ => Ok(task.what),
        }
    }

    fn options(&self) -> StageOptions {
        StageOptions { retry: RetryPolicy::never(), ..StageOptions::default() }
    }
}

/// A service with webhooks.
pub(crate) struct Service {
    pub(crate) app: Router,
    pub(crate) runtime: Runtime,
    pub(crate) webhooks: Webhooks,
    pub(crate) clock: MovedClock,
}

impl Service {
    pub(crate) async fn start() -> Self {
        let clock = MovedClock::default();
        let store = MemoryStore::with_clock(clock.clone());
        Self::on(store, clock, |webhooks| webhooks.allow("127.0.0.0/8".parse().unwrap())).await
    }

    pub(crate) async fn on(
        store: impl TaskStore + Clone,
        clock: MovedClock,
        more: impl FnOnce(WebhooksBuilder) -> WebhooksBuilder,
    ) -> Self {
        let client = Client::deterministic(store.clone(), clock.clone(), Random::from_entropy());
        let webhooks = Webhooks::builder(client.clone())
            .events::<Make>("document", |task| task.webhook.clone());
        let webhooks = more(webhooks).build().unwrap();
        let runtime = webhooks
            .install(Runtime::builder(store))
            .deterministic(clock.clone(), Random::from_entropy())
            // The clock moves in jumps, of which nobody sends a hint.
            .poll_interval(Duration::from_millis(20))
            .queue(Queue::new("default"))
            .register(Pipeline::new("work", Work))
            .start()
            .await
            .unwrap();
        let documents = Resource::<Make>::new(BASE).from_request(|make: Make, _: Caller| async {
            let delay = if make.what == "later" { 3_600 } else { 0 };
            Ok::<_, Problem>(Submission::new(make).delay(Duration::from_secs(delay)))
        });
        let app = artos_http::router(client, auth())
            .webhooks(webhooks.clone())
            .resource(documents)
            .build()
            .unwrap();
        Self { app, runtime, webhooks, clock }
    }

    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Value,
    ) -> (StatusCode, Value) {
        self.call_as("acme-token", method, path, body).await
    }

    pub(crate) async fn call_as(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Value,
    ) -> (StatusCode, Value) {
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .body(body)
            .unwrap();
        let response = self.app.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.call(Method::POST, path, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, body) = self.call(Method::GET, path, Value::Null).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }

    /// Registers an endpoint; its id and secret.
    pub(crate) async fn register(&self, url: &str) -> (String, String) {
        let (status, body) = self.post(HOOKS, json!({ "url": url })).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        let text = |key: &str| body[key].as_str().unwrap().to_owned();
        (text("endpoint_id"), text("secret"))
    }

    pub(crate) async fn submit(&self, what: &str, webhook: Option<&str>) -> String {
        let body = json!({ "what": what, "webhook": webhook });
        let (status, body) = self.post(&format!("{BASE}/generate"), body).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{body}");
        body["task_id"].as_str().unwrap().to_owned()
    }

    /// Waits until a task is over, or at least runs.
    pub(crate) async fn until(
        &self,
        id: &str,
        is_there: impl Fn(&artos_core::TaskRecord) -> bool + Send + Sync,
    ) {
        let id: TaskId = id.parse().unwrap();
        let mut watch = self.runtime.client().watch(id);
        while !is_there(&watch.changed().await.unwrap().unwrap()) {}
    }

    /// Sends a test event, and checks that nothing else arrived before it: whatever was due earlier
    /// is claimed earlier.
    pub(crate) async fn nothing_but_a_test(&self, endpoint: &str, receiver: &mut Receiver) {
        let (status, fired) = self.post(&format!("{HOOKS}/{endpoint}/test"), Value::Null).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{fired}");
        let event = receiver.next().await;
        assert_eq!(event.json()["type"], "webhook.test", "{event:?}");
    }

    /// Waits until the latest attempt at an endpoint has come to something.
    pub(crate) async fn attempts(&self, endpoint: &str, count: usize) -> Vec<Value> {
        loop {
            let body = self.get(&format!("{HOOKS}/{endpoint}/attempts")).await;
            let attempts = body["attempts"].as_array().unwrap().clone();
            // What waits is the next attempt, unless it is the first.
            let is_over = |attempt: &Value| match attempt["outcome"].as_str() {
                Some("sending") => false,
                Some("scheduled") => attempt["attempt"] != 1,
                _ => true,
            };
            let ended = attempts.iter().filter(|one| is_over(one)).count();
            if ended >= count {
                return attempts;
            }
            tokio::task::yield_now().await;
        }
    }
}

fn auth() -> Auth {
    Auth::lookup(|token| async move {
        Ok(match token.as_str() {
            "acme-token" => Some(Caller::of("acme")),
            "acme-reader" => Some(Caller::of("acme").with_scopes([Scope::Read])),
            "globex-token" => Some(Caller::of("globex")),
            _ => None,
        })
    })
}

/// What a receiver got.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Received {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    /// Checks the signature with an implementation that is not ours.
    pub(crate) fn verify(&self, secret: &str) -> bool {
        let theirs = standardwebhooks::Webhook::new(secret).unwrap();
        let seconds = self.header("webhook-timestamp").parse().unwrap();
        let expected = theirs.sign(self.header("webhook-id"), seconds, &self.body).unwrap();
        self.header("webhook-signature").split(' ').any(|signature| signature == expected)
    }
}

/// A server that receives events, and answers as it was told: 204 when it was told nothing.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Arc<AtomicUsize>,
    received: mpsc::UnboundedReceiver<Received>,
    answers: Arc<Mutex<VecDeque<(u16, HeaderMap, String)>>>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener)
    }

    pub(crate) fn on(listener: tokio::net::TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        let (send, received) = mpsc::unbounded_channel();
        let answers: Arc<Mutex<VecDeque<(u16, HeaderMap, String)>>> = Arc::default();
        let connections = Arc::new(AtomicUsize::new(0));
        let (script, counted) = (Arc::clone(&answers), Arc::clone(&connections));
        let app = Router::new().fallback(move |headers: HeaderMap, body: Bytes| {
            let told = script.lock().unwrap().pop_front();
            send.send(Received { headers, body }).ok();
            async move {
                let (status, headers, body) =
                    told.unwrap_or((204, HeaderMap::new(), String::new()));
                (StatusCode::from_u16(status).unwrap(), headers, body).into_response()
            }
        });
        tokio::runtime::Handle::current().spawn(async move {
            let listener = axum::serve::ListenerExt::tap_io(listener, move |_| {
                counted.fetch_add(1, Ordering::SeqCst);
            });
            axum::serve(listener, app).await.unwrap();
        });
        Self { address, connections, received, answers }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Tells how to answer the next request that was told nothing yet.
    pub(crate) fn answer(&self, status: u16, headers: &[(&'static str, &str)], body: &str) {
        let headers = headers.iter().map(|(name, value)| {
            (axum::http::HeaderName::from_static(name), value.parse().unwrap())
        });
        self.answers.lock().unwrap().push_back((status, headers.collect(), body.to_owned()));
    }

    pub(crate) async fn next(&mut self) -> Received {
        self.next_within(Duration::from_secs(30)).await
    }

    pub(crate) async fn next_within(&mut self, patience: Duration) -> Received {
        tokio::time::timeout(patience, self.received.recv()).await.expect("an event").unwrap()
    }

    pub(crate) fn is_empty(&mut self) -> bool {
        self.received.try_recv().is_err()
    }
}
