//! The outermost layer: request ids, spans, and the one error body; and a layer further in, for
//! panics and deadlines. Each layer costs about as much as reading a task, so they are one where
//! nothing comes between.

use std::{panic::AssertUnwindSafe, sync::Arc};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::FutureExt;
use tokio::time::Instant;
use tracing::{Instrument, Span};

use crate::{app::App, error::Problem, nested::Prefix, prefer, wire::ProblemMedia};

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest request id that is taken over from a client, in bytes.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// Runs a request, and makes a presentable response of whatever comes of it.
pub(crate) async fn observe(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    Observed::new(&app, &request).present(next.run(request)).await
}

/// Answers for a handler that panics or takes too long.
pub(crate) async fn contain(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    limit(&app, request, next).await
}

/// Does both.
pub(crate) async fn observe_and_contain(
    State(app): State<Arc<App>>,
    request: Request,
    next: Next,
) -> Response {
    Observed::new(&app, &request).present(limit(&app, request, next)).await
}

/// What the answer needs of the request.
struct Observed {
    id: HeaderValue,
    span: Span,
    media: ProblemMedia,
    prefix: Prefix,
}

impl Observed {
    fn new(app: &App, request: &Request) -> Self {
        let id = clients_request_id(request.headers()).unwrap_or_else(|| new_request_id(app));
        let route = request.extensions().get::<MatchedPath>();
        let route = route.map_or("(none)", MatchedPath::as_str);
        // Neither the query nor any header: they may hold secrets.
        let span =
            tracing::info_span!("request", id = text(&id), method = %request.method(), route);
        let media = media_of_errors(request.headers());
        let prefix = Prefix::of(request.extensions(), request.uri());
        Self { id, span, media, prefix }
    }

    async fn present(self, run: impl Future<Output = Response>) -> Response {
        let Self { id, span, media, prefix } = self;
        let started = Instant::now();
        let response = async {
            let response = finish(run.await, media, text(&id), &prefix);
            let status = response.status().as_u16();
            tracing::debug!(status, elapsed = ?started.elapsed(), "answered");
            response
        };
        let mut response = response.instrument(span).await;
        response.headers_mut().insert(REQUEST_ID, id);
        response
    }
}

/// Request ids are printable, whoever made them.
fn text(id: &HeaderValue) -> &str {
    id.to_str().unwrap_or_default()
}

async fn limit(app: &App, request: Request, next: Next) -> Response {
    let mut deadline = app.request_timeout;
    if request.method() == Method::GET {
        deadline += prefer::wait(request.headers()).unwrap_or_default();
    }
    // A panic leaves nothing half-done that another request could see: handlers share only what is
    // behind locks of its own.
    let run = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(deadline, run).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => Problem::internal("a handler panicked").into_response(),
        Err(_) => Problem::timeout().into_response(),
    }
}

/// Gives refusals the one error body, and every response the headers that all have.
fn finish(
    mut response: Response,
    media: ProblemMedia,
    request_id: &str,
    prefix: &Prefix,
) -> Response {
    prefix.complete(&mut response);
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        // Without a problem it comes from axum itself or from a route of the service's own.
        let problem = response.extensions_mut().remove::<Problem>();
        let problem = problem.unwrap_or_else(|| Problem::of_status(status));
        response = problem.render(response, media, request_id, prefix);
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Returns the request id the client chose, if it is short and printable.
fn clients_request_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut values = headers.get_all(REQUEST_ID).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    let is_good = (1..=REQUEST_ID_BYTES_MAX).contains(&value.len())
        && value.as_bytes().iter().all(u8::is_ascii_graphic);
    is_good.then(|| value.clone())
}

fn new_request_id(app: &App) -> HeaderValue {
    // Request ids share the shape of task ids, which sort by time, and nothing else.
    let id = app.random.task_id(app.client.now()).to_string();
    HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("unknown"))
}

/// Clients that accept only `application/json` get the error body under that name.
fn media_of_errors(headers: &HeaderMap) -> ProblemMedia {
    let mut accepted = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|range| range.split(';').next().unwrap_or_default().trim())
        .filter(|range| !range.is_empty())
        .peekable();
    let is_named = accepted.peek().is_some();
    if is_named && accepted.all(|range| range.eq_ignore_ascii_case("application/json")) {
        ProblemMedia::Json
    } else {
        ProblemMedia::Problem
    }
}
