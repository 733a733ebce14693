//! Which web pages of other origins may call the API.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, Uri, header};
use tower_http::cors::CorsLayer;

use crate::{idempotency, limits, observe, prefer};

/// How long a browser may remember what it was told.
const REMEMBERED: Duration = Duration::from_secs(600);

/// Reads an origin such as `https://app.example.com`; `None` for anything else, above all for `*`.
pub(crate) fn origin(text: &str) -> Option<HeaderValue> {
    let uri: Uri = text.parse().ok()?;
    let scheme = uri.scheme_str().filter(|scheme| matches!(*scheme, "https" | "http"))?;
    let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
    // Browsers send neither a path nor capital letters, so such an origin would never match.
    let origin = format!("{scheme}://{authority}").to_ascii_lowercase();
    (origin == text).then(|| HeaderValue::try_from(origin).ok()).flatten()
}

/// Lets pages of these origins call, with a token but without cookies.
pub(crate) fn layer(origins: Vec<HeaderValue>) -> CorsLayer {
    let last_event_id = HeaderName::from_static("last-event-id");
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_NONE_MATCH,
            idempotency::IDEMPOTENCY_KEY,
            last_event_id,
            observe::REQUEST_ID,
            prefer::PREFER,
        ])
        .expose_headers([
            header::ETAG,
            header::LINK,
            header::LOCATION,
            header::RETRY_AFTER,
            header::WWW_AUTHENTICATE,
            idempotency::IDEMPOTENCY_REPLAYED,
            limits::RATE_LIMIT,
            limits::RATE_LIMIT_POLICY,
            observe::REQUEST_ID,
            prefer::PREFERENCE_APPLIED,
        ])
        .max_age(REMEMBERED)
}
