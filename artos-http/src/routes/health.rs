//! Probes: whether the process lives, and whether it should get traffic.

use std::{sync::Arc, time::Duration};

use axum::{extract::State, response::Response};

use super::ok_json;
use crate::{
    Problem,
    app::App,
    error::{FieldError, ProblemKind},
    wire::Healthy,
};

/// How long the store may take to answer a probe; probes themselves usually give up after 1 to 5
/// seconds.
const STORE_PATIENCE: Duration = Duration::from_secs(2);

/// Tells that the process lives. It depends on nothing else: a restart would not repair a store.
#[utoipa::path(
    get,
    path = "/livez",
    tag = "health",
    responses((status = 200, description = "The process answers.", body = Healthy))
)]
pub(crate) async fn livez() -> Response {
    ok_json(&Healthy { status: "live", running: None })
}

/// Tells whether this instance should get traffic.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "health",
    responses(
        (status = 200, description = "The store answers and the instance takes \
            work.", body = Healthy),
        (status = 503, description = "`errors` says what is wrong, \
            in the store's own words."),
    )
)]
pub(crate) async fn readyz(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    // What the store says is shown word for word, though no token is asked for: whoever is woken up
    // must be able to act on it. It may name folders and hosts of the service, never what callers
    // sent.
    let mut wrong = Vec::new();
    let health = app.monitor.as_ref().map(artos_core::Monitor::health);
    if app.drain.is_started() || health.as_ref().is_some_and(|health| health.draining) {
        wrong.push(String::from("draining"));
    }
    for duty in health.iter().flat_map(|health| &health.duties).filter(|duty| duty.is_stalled()) {
        let seconds = duty.failing_for.unwrap_or_default().as_secs();
        let error = duty.error.as_deref().unwrap_or("no answer");
        wrong.push(format!("{} has been stalled for {seconds} s: {error}", duty.duty));
    }
    if let Err(error) = app.client.ping(STORE_PATIENCE).await {
        wrong.push(error.to_string());
    }
    if wrong.is_empty() {
        return Ok(ok_json(&Healthy {
            status: "ready",
            running: health.map(|health| health.running),
        }));
    }
    let detail = wrong.join("; ");
    let errors = wrong.into_iter().map(FieldError::general).collect();
    Err(Problem::new(ProblemKind::Unready, detail).with_errors(errors))
}
