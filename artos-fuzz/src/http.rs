//! A request to the router, as text: a line with method and target, headers, a blank line, a body.

use std::{io, net::IpAddr, time::Duration};

use artos_core::{
    Client, Task,
    model::{Name, NewTask},
    store::TaskStore as _,
};
use artos_http::{Auth, Drain, Keys, Resource, Webhooks};
use artos_store_memory::MemoryStore;
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header},
};
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tower::ServiceExt as _;

/// How long to read a body: a stream of events may not end. Time is paused.
const PATIENCE: Duration = Duration::from_secs(60);

/// A task that is there.
const KNOWN: &str = "019ab3c4-6f00-7000-8000-000000000001";

#[derive(Serialize, Deserialize)]
struct Generate {
    document_type: String,
    file_paths: Vec<String>,
}

impl Task for Generate {
    const KIND: &'static str = "document.generate";
    type Output = String;
}

/// Sends a request to a router of its own; the second one finds what the first one left.
pub fn http(bytes: &[u8]) {
    let Some(first) = Message::read(bytes) else { return };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let router = router(first.uri.path()).await;
        for _ in 0..2 {
            check(&first.method, router.clone().oneshot(first.request()).await.unwrap()).await;
        }
    });
}

/// Makes a router for a path, with one task that waits, of the id that the corpus knows.
async fn router(path: &str) -> Router {
    let store = MemoryStore::default();
    let client = Client::new(store.clone());
    let auth = Auth::tokens([("acme", "secret")]).with_keys(Keys::new(client.clone()));
    let task = NewTask {
        tenant: Some(Name::from_static("acme")),
        ..NewTask::new(
            KNOWN.parse().unwrap(),
            Generate::KIND,
            "default",
            r#"{"document_type":"CSR","file_paths":[]}"#,
        )
    };
    store.insert(&[task]).await.unwrap();
    let documents = Resource::<Generate>::new("/api/v1/documents");
    let mut builder = artos_http::router(client.clone(), auth).drain(Drain::new());
    // They read the certificates of the system, which takes longer than all other requests do.
    if path.contains("webhooks") {
        builder = builder.webhooks(webhooks(client));
    }
    builder.resource(documents).build().unwrap()
}

/// Makes webhooks to which every name is that of one machine.
fn webhooks(client: Client) -> Webhooks {
    let address = async |_: String| io::Result::Ok(vec![IpAddr::from([192, 0, 2, 1])]);
    let webhooks = Webhooks::builder(client).resolve_by(address);
    webhooks.events::<Generate>("document", |_| None).build().unwrap()
}

/// A request that may be sent more than once.
struct Message {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Message {
    /// Reads a request; `None` if no server would hand it to a router.
    fn read(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(2).position(|pair| pair == b"\n\n");
        let (head, body) = match end {
            Some(end) => (bytes.get(..end)?, bytes.get(end + 2..)?),
            None => (bytes, &[][..]),
        };
        let mut lines = head.split(|byte| *byte == b'\n');
        let first = lines.next()?;
        let space = first.iter().position(|byte| *byte == b' ')?;
        let method = Method::from_bytes(first.get(..space)?).ok()?;
        let uri = Uri::try_from(first.get(space + 1..)?).ok()?;
        let mut headers = HeaderMap::new();
        for line in lines {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let name = HeaderName::from_bytes(line.get(..colon)?).ok()?;
            let value = HeaderValue::from_bytes(line.get(colon + 1..)?.trim_ascii()).ok()?;
            headers.append(name, value);
        }
        // Few would guess the token, and there is little behind a wrong one.
        let token = HeaderValue::from_static("Bearer secret");
        headers.entry(header::AUTHORIZATION).or_insert(token);
        Some(Self { method, uri, headers, body: body.to_vec() })
    }

    fn request(&self) -> Request<Body> {
        let mut request = Request::new(Body::from(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }
}

/// What goes out is an answer: never a failure of the server, and what is refused says why.
async fn check(method: &Method, answer: axum::response::Response) {
    let (parts, body) = answer.into_parts();
    let ready = StatusCode::SERVICE_UNAVAILABLE;
    let broke = parts.status.is_server_error() && parts.status != ready;
    assert!(!broke, "{} to {method}", parts.status);
    let mut stream = body.into_data_stream();
    let mut bytes = Vec::new();
    let end = Instant::now() + PATIENCE;
    while let Ok(Some(piece)) = tokio::time::timeout_at(end, stream.next()).await {
        bytes.extend_from_slice(&piece.expect("a body comes to its end"));
        if bytes.len() > 1_000_000 {
            break;
        }
    }
    if parts.status.is_client_error() && method != Method::HEAD {
        let sort = parts.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
        let is_problem = sort.is_some_and(|sort| {
            [&b"application/problem+json"[..], b"application/json"].contains(&sort)
        });
        assert!(is_problem, "{} with a body of {sort:?}", parts.status);
        let problem: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        assert_eq!(problem.get("status"), Some(&parts.status.as_u16().into()));
        assert!(problem.get("detail").is_some_and(serde_json::Value::is_string));
    }
}
