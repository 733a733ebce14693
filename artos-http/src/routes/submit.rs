//! `POST {base}/generate`: takes a task in.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};

use super::{accepted, json};
use crate::{
    Caller, Problem, access::Action, app::Mount, idempotency, prefer, request, wire::Accepted,
};

/// Starts the generation of a document.
///
/// The answer comes as soon as the task is stored. Poll its status at `Location`.
#[utoipa::path(
    post,
    path = "/generate",
    params(
        ("Idempotency-Key" = Option<String>, Header, pattern = "^[!#-~][!-~]{0,254}$",
            description = "Makes it safe to repeat the \
            request: 1 to 255 visible ASCII characters, quoted or bare. A repeat is answered with \
            the first task. The key is kept as long as the task."),
        ("Prefer" = Option<String>, Header, description = "`respond-async` is acknowledged; the \
            answer is always asynchronous."),
    ),
    request_body(content = Object, content_type = "application/json"),
    responses(
        (status = 202, description = "The task is stored.", body = Accepted, headers(
            ("Location" = String, description = "Where the status of the task is."),
            ("Retry-After" = u64, description = "When to look at it first, in seconds."),
            ("Idempotency-Replayed" = bool, description = "`true` if an earlier request with the \
            same key made the task."),
        )),
        (status = 400, description = "Malformed JSON or a bad Idempotency-Key."),
        (status = 408, description = "The body did not arrive in time."),
        (status = 413, description = "The body is too large."),
        (status = 415, description = "The body is not application/json."),
        (status = 422, description = "The body is not what is expected, or the Idempotency-Key \
            was used for another request."),
        (status = 429, description = "The organization has too many tasks waiting, or its quota \
            is used up."),
        (status = 503, description = "The store is unavailable, the service has too much work \
            waiting, or this instance is shutting down."),
    )
)]
pub(crate) async fn generate(
    State(mount): State<Mount>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    mount.admit(&caller, Action::Submit)?;
    mount.take_work()?;
    request::check_media_type(&headers)?;
    let route = format!("POST {}/generate", mount.endpoint.base);
    let key = idempotency::key(&headers, &route)?;
    let admission = mount.glance(&caller, key.as_ref()).await?;
    let body = request::read_body(body, mount.app.body_limit).await?;
    // Only now: a body that comes slowly must hold no room that others could use.
    let slot = mount.take_task(&caller, key.as_ref(), admission).await?;
    let app = Arc::clone(&mount.app);
    let submitted = (mount.endpoint.submit)(app, caller, body, key).await;
    if let Some(slot) = slot {
        slot.settle(submitted.as_ref().map(|submitted| !submitted.replayed));
    }
    let submitted = submitted?;
    tracing::info!(task_id = %submitted.id, replayed = submitted.replayed, "accepted");
    let answer =
        Accepted { message: mount.endpoint.message.to_string(), task_id: submitted.id.to_string() };
    let mut response = json(StatusCode::ACCEPTED, &answer);
    accepted(&mut response, &mount.status_path(submitted.id), submitted.replayed);
    if prefer::respond_async(&headers) {
        let applied = HeaderValue::from_static("respond-async");
        response.headers_mut().insert(prefer::PREFERENCE_APPLIED, applied);
    }
    response.headers_mut().append(header::VARY, HeaderValue::from_static("Prefer"));
    Ok(response)
}
