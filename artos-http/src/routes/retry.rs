//! `POST {base}/{document_id}/retry`: runs a failed task again, from the stage that failed.

use artos_core::{
    Name, RetryError, RetryOptions, TaskRecord, TaskState,
    store::{Found, Part},
};
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};

use super::{accepted, json};
use crate::{
    Caller, Problem,
    access::Action,
    app::{Admission, Mount, PathId},
    idempotency,
    wire::Retried,
};

/// Runs a failed task again.
///
/// A new task starts at the stage that failed, with what the stages before it have done. The failed
/// task stays as it is.
#[utoipa::path(
    post,
    path = "/{document_id}/retry",
    params(
        ("document_id" = String, Path, description = "The id of the failed task."),
        ("Idempotency-Key" = Option<String>, Header, pattern = "^[!#-~][!-~]{0,254}$",
            description = "Makes it safe to repeat the \
            request: a repeat is answered with the first new task."),
    ),
    responses(
        (status = 202, description = "The new task is stored.", body = Retried, headers(
            ("Location" = String, description = "Where the status of the new task is."),
            ("Retry-After" = u64, description = "When to look at it first, in seconds."),
            ("Idempotency-Replayed" = bool, description = "`true` if an earlier request with the \
            same key made the task."),
        )),
        (status = 400, description = "A bad Idempotency-Key."),
        (status = 403, description = "The caller may not have the task done, or not any more."),
        (status = 404, description = "There is no such task, or it belongs to another \
            organization."),
        (status = 409, description = "The task has not failed."),
        (status = 429, description = "The organization has too many tasks waiting, or its quota \
            is used up."),
        (status = 503, description = "The store is unavailable, the service has too much work \
            waiting, or this instance is shutting down."),
    )
)]
pub(crate) async fn retry(
    State(mount): State<Mount>,
    caller: Caller,
    PathId(id): PathId,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    mount.admit(&caller, Action::Retry)?;
    mount.take_work()?;
    let authorize = mount.endpoint.authorize.as_ref();
    let part = if authorize.is_some() { Part::Input } else { Part::Record };
    let Found { record, payload, .. } = mount.find(&caller, Action::Retry, id, part).await?;
    let route = format!("POST {}/{id}/retry", mount.endpoint.base);
    let key = idempotency::key(&headers, &route)?;
    if !matches!(record.state, TaskState::Failed | TaskState::Cancelled) {
        return Err(RetryError::NotFailed { id, state: record.state }.into());
    }
    if let Some(authorize) = authorize {
        authorize(&payload.unwrap_or_default(), &caller)?;
    }
    let slot = mount.take_task(&caller, key.as_ref(), Admission::New).await?;
    let retried = mount.app.client.retry_with(id, options(&record, key)).await;
    let retried = retried.map_err(Problem::from);
    if let Some(slot) = slot {
        slot.settle(retried.as_ref().map(|retried| !retried.replayed));
    }
    let retried = retried?;
    tracing::info!(task_id = %retried.id, retry_of = %id, replayed = retried.replayed, "accepted");
    let answer = Retried {
        message: mount.endpoint.message.to_string(),
        task_id: retried.id.to_string(),
        retry_of: id.to_string(),
    };
    let mut response = json(StatusCode::ACCEPTED, &answer);
    accepted(&mut response, &mount.status_path(retried.id), retried.replayed);
    Ok(response)
}

/// What the new task has of this request. The key of the one that made the failed task is not its.
fn options(record: &TaskRecord, key: Option<Name>) -> RetryOptions {
    let request = Name::from_static(idempotency::REQUEST);
    let had = record.labels.contains_key(&request).then(|| Name::from_static(""));
    let labels = key.clone().or(had).into_iter().map(|key| (request.clone(), key)).collect();
    RetryOptions { idempotency_key: key, labels }
}
