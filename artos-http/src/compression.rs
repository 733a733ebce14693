//! Which answers are compressed, and what becomes of their tags.

use axum::{
    Router,
    http::{HeaderValue, header},
    middleware,
    response::Response,
};
use http_body::Body;
use tower_http::compression::{CompressionLayer, Predicate};

/// Smaller ones would hardly get smaller, in bytes.
const BYTES_MIN: u64 = 1_024;

/// Compresses JSON and pages for clients that accept gzip.
pub(crate) fn around(router: Router) -> Router {
    router
        .layer(CompressionLayer::new().compress_when(WorthIt))
        .layer(middleware::map_response(weaken))
}

/// Streams pass as they are, because compression would hold events back, and so do documents,
/// which mostly are compressed already.
#[derive(Clone, Copy)]
struct WorthIt;

impl Predicate for WorthIt {
    fn should_compress<B: Body>(&self, response: &axum::http::Response<B>) -> bool {
        let media = response.headers().get(header::CONTENT_TYPE);
        let media = media.and_then(|media| media.to_str().ok()).unwrap_or_default();
        let media = media.split(';').next().unwrap_or_default().trim();
        let is_text =
            matches!(media, "application/json" | "application/problem+json" | "text/html");
        // What has no length comes bit by bit.
        let length = response.body().size_hint().exact();
        is_text && length.is_some_and(|length| length >= BYTES_MIN)
    }
}

/// A strong tag promises the same bytes, which compressed ones are not.
async fn weaken(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let tag = headers.get(header::ETAG).and_then(|tag| tag.to_str().ok());
    if headers.contains_key(header::CONTENT_ENCODING)
        && let Some(tag) = tag.filter(|tag| tag.starts_with('"'))
        && let Ok(weak) = HeaderValue::try_from(format!("W/{tag}"))
    {
        headers.insert(header::ETAG, weak);
    }
    response
}
