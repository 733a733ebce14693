//! What every request and its answer have: a request id, a span, and the one error body.

use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::Response,
};
use tokio::time::Instant;
use tracing::{Span, span::Entered};

use crate::{app::App, error::Problem, nested::Prefix, wire::ProblemMedia};

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest request id that is taken over from a client, in bytes.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// What the answer needs of the request.
pub(crate) struct Observed {
    id: HeaderValue,
    span: Span,
    started: Instant,
    media: ProblemMedia,
    prefix: Prefix,
}

impl Observed {
    pub(crate) fn new(app: &App, request: &Request) -> Self {
        let id = clients_request_id(request.headers()).unwrap_or_else(|| new_request_id(app));
        let route = request.extensions().get::<MatchedPath>();
        let route = route.map_or("(none)", MatchedPath::as_str);
        // Neither the query nor any header: they may hold secrets.
        let span =
            tracing::info_span!("request", id = text(&id), method = %request.method(), route);
        let media = media_of_errors(request.headers());
        let prefix = Prefix::of(request.extensions(), request.uri());
        Self { id, span, started: Instant::now(), media, prefix }
    }

    /// Enters the span of the request.
    pub(crate) fn enter(&self) -> Entered<'_> {
        self.span.enter()
    }

    /// Makes a presentable response of whatever came of the request.
    pub(crate) fn present(&self, response: Response) -> Response {
        let mut response = finish(response, self.media, text(&self.id), &self.prefix);
        let status = response.status().as_u16();
        tracing::debug!(status, elapsed = ?self.started.elapsed(), "answered");
        response.headers_mut().insert(REQUEST_ID, self.id.clone());
        response
    }
}

/// Request ids are printable, whoever made them.
fn text(id: &HeaderValue) -> &str {
    id.to_str().unwrap_or_default()
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
