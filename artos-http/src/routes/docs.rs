//! What the service says about itself: its OpenAPI document and its problem types.

use std::sync::Arc;

use axum::{
    extract::{RawPathParams, State},
    http::{HeaderMap, HeaderValue, header},
    response::{Html, IntoResponse, Response},
};

use super::{json_bytes, ok_json};
use crate::{Problem, app::App, error::ProblemKind, nested::Prefix, openapi, wire::ProblemPage};

/// Returns this document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "documentation",
    responses((status = 200, description = "The OpenAPI document of this service.", body = Object))
)]
pub(crate) async fn openapi(State(app): State<Arc<App>>, prefix: Prefix) -> Response {
    public(json_bytes(openapi::below(&app.openapi, prefix.as_str())))
}

/// Explains a type of problem: where the `type` of an error body leads. Browsers get a page.
#[utoipa::path(
    get,
    path = "/problems/{slug}",
    tag = "documentation",
    params(("slug" = String, Path, example = "not-found",
        description = "The last part of the problem's `type`.")),
    responses(
        (status = 200, description = "What the problem means.", body = ProblemPage),
        (status = 404, description = "There is no such problem."),
    )
)]
pub(crate) async fn problem(
    params: RawPathParams,
    prefix: Prefix,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let slug = params.iter().next().map(|(_, slug)| slug).unwrap_or_default();
    let kind = ProblemKind::ALL.iter().copied().find(|kind| kind.slug() == slug);
    let kind = kind.ok_or_else(|| Problem::new(ProblemKind::NotFound, "Not found"))?;
    let page = ProblemPage::new(kind, prefix.as_str());
    let accepted = headers.get_all(header::ACCEPT).iter();
    let is_browser = accepted
        .filter_map(|accepted| accepted.to_str().ok())
        .any(|accepted| accepted.contains("text/html"));
    let mut response = if is_browser { Html(page.html()).into_response() } else { ok_json(&page) };
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    let nothing = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.insert(header::CONTENT_SECURITY_POLICY, nothing);
    Ok(public(response))
}

/// The same for everybody until the next deploy.
fn public(mut response: Response) -> Response {
    let cached = HeaderValue::from_static("public, max-age=300");
    response.headers_mut().insert(header::CACHE_CONTROL, cached);
    response
}
