//! Probes: whether the process lives, and whether it should get traffic.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use artos_core::Client;
use axum::{extract::State, response::Response};
use tokio::sync::Mutex;

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

/// Asks the store whether it is there, once at a time: anybody may probe, without a token.
#[derive(Debug, Default)]
pub(crate) struct Probe {
    /// What it said last; held while it is asked.
    said: Mutex<Option<String>>,
    /// How often it was asked.
    asked: AtomicU64,
}

impl Probe {
    /// Returns what is wrong with the store. Those who come while it is being asked share the
    /// answer.
    async fn trouble(&self, client: &Client) -> Option<String> {
        let before = self.asked.load(Ordering::SeqCst);
        let mut said = self.said.lock().await;
        if self.asked.load(Ordering::SeqCst) == before {
            *said = client.ping(STORE_PATIENCE).await.err().map(|error| error.to_string());
            self.asked.fetch_add(1, Ordering::SeqCst);
        }
        said.clone()
    }
}

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
    wrong.extend(app.probe.trouble(&app.client).await);
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
