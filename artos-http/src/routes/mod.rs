//! The handlers, one file for each, and what their answers have in common.

mod cancel;
mod docs;
mod document;
mod events;
mod feed;
mod health;
mod list;
mod look;
mod looks;
mod mark;
mod retry;
mod status;
mod submit;

#[cfg(feature = "client")]
pub(crate) use events::LAST_EVENT_ID;

use std::sync::Arc;

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use serde::Serialize;
use utoipa_axum::{router::UtoipaMethodRouter, routes};

use crate::{
    Caller, Problem,
    app::{App, Mount, PathId},
    conditional::Known,
    idempotency, nested,
    resource::ServeBytes,
};

pub(crate) use health::Probe;
pub(crate) use looks::Looks;

/// Most headers that an answer of ours has, or about that.
const HEADERS: usize = 10;

/// Bytes that the status of most tasks fits in.
const BODY_BYTES: usize = 512;

/// The routes of a resource, below its base path, with their documentation.
pub(crate) fn of_resource() -> [UtoipaMethodRouter<Mount>; 8] {
    [
        routes!(submit::generate),
        routes!(status::status),
        routes!(events::events),
        routes!(feed::feed),
        routes!(document::document),
        routes!(list::list),
        routes!(cancel::cancel),
        routes!(retry::retry),
    ]
}

/// The routes that every service has, without a caller.
pub(crate) fn of_service() -> [UtoipaMethodRouter<Arc<App>>; 3] {
    [routes!(health::livez), routes!(health::readyz), routes!(docs::problem)]
}

/// The route of the OpenAPI document; where it is can be chosen.
pub(crate) fn of_openapi() -> UtoipaMethodRouter<Arc<App>> {
    routes!(docs::openapi)
}

/// The route of something that a resource offers besides the document.
pub(crate) fn of_download(mount: Mount, serve: ServeBytes) -> MethodRouter {
    get(move |caller: Caller, id: PathId, known: Known| {
        document::download(Arc::clone(&serve), mount.clone(), caller, id, known)
    })
}

fn ok_json(body: &impl Serialize) -> Response {
    json(StatusCode::OK, body)
}

/// Writes an answer as JSON, with room so that most are not moved while they grow.
fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let mut bytes = Vec::with_capacity(BODY_BYTES);
    if let Err(error) = serde_json::to_writer(&mut bytes, body) {
        return Problem::internal(error).into_response();
    }
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.reserve(HEADERS);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn json_bytes(body: impl Into<Body>) -> Response {
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json)], body.into()).into_response()
}

fn not_modified() -> Response {
    StatusCode::NOT_MODIFIED.into_response()
}

/// Sets the headers of an answer that says where a new task can be followed.
fn accepted(response: &mut Response, status_path: &str, replayed: bool) {
    nested::point(response, header::LOCATION, status_path);
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from(1));
    if replayed {
        headers.insert(idempotency::IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    }
}
