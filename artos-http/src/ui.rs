//! Swagger UI: a page at `/docs` to try the API with. Everything it needs is in this program.

use std::sync::Arc;

use axum::{
    extract::Path,
    http::{HeaderValue, header},
    response::{IntoResponse, Redirect, Response},
    routing::{MethodRouter, get},
};
use utoipa_swagger_ui::Config;

use crate::{Problem, error::ProblemKind};

/// Where the page is.
pub(crate) const PATH: &str = "/docs";

/// The page loads nothing from elsewhere and talks to this service only. It sets styles of its own.
const POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; \
    style-src 'self' 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// The routes of the page, which reads the OpenAPI document at a path of this router.
pub(crate) fn routes(openapi_path: &str) -> [(String, MethodRouter); 3] {
    // Relative, so that it is right in a nested router.
    let config = Config::new([format!("..{openapi_path}")]).validator_url("none");
    let config = Arc::new(config);
    let index = Arc::clone(&config);
    [
        (PATH.to_owned(), get(async || Redirect::permanent("docs/"))),
        (format!("{PATH}/"), get(async move || file("index.html", index))),
        (
            format!("{PATH}/{{file}}"),
            get(async move |Path(name): Path<String>| file(&name, Arc::clone(&config))),
        ),
    ]
}

fn file(name: &str, config: Arc<Config<'static>>) -> Result<Response, Problem> {
    let file = utoipa_swagger_ui::serve(name, config).map_err(Problem::internal)?;
    let file = file.ok_or_else(|| Problem::new(ProblemKind::NotFound, "Not found"))?;
    let content_type = HeaderValue::try_from(file.content_type).map_err(Problem::internal)?;
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")),
    ];
    Ok((headers, file.bytes.into_owned()).into_response())
}
