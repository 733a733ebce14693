//! `GET {base}/status/{task_id}`: how a task is, now or when it changes.

use std::time::Duration;

use artos_core::TaskRecord;
use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::Response,
};

use super::{not_modified, ok_json};
use crate::{
    Caller, Problem,
    access::Action,
    app::{Mount, PathId},
    conditional::{self, Known},
    prefer::{self, Wait},
    wire::TaskStatus,
};

/// Added to a wait, so that no look falls into it and none follows another at once.
const SHORTEST_LOOK: Duration = Duration::from_secs(1);

/// Tells how a task is.
///
/// With `Prefer: wait=N` the answer waits until the task changes (from what `If-None-Match` names,
/// if that is there), for at most N seconds.
#[utoipa::path(
    get,
    path = "/status/{task_id}",
    params(
        ("task_id" = String, Path, description = "The id that the submission returned."),
        ("Prefer" = Option<String>, Header, description = "`wait=N`: wait up to N seconds, at \
            most 60, for a change."),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of an earlier \
            answer."),
    ),
    responses(
        (status = 200, description = "How the task is. A failed task is no failed \
            request.", body = TaskStatus<'_>, headers(
            ("ETag" = String, description = "Changes whenever the task does."),
            ("Retry-After" = u64, description = "When to look again, in seconds; absent once the \
            task is over."),
            ("Preference-Applied" = String, description = "The wait that was granted."),
        )),
        (status = 304, description = "The task is still as `If-None-Match` says."),
        (status = 404, description = "There is no such task, or it belongs to another \
            organization."),
        (status = 429, description = "Too many requests of the organization are waiting."),
        (status = 503, description = "The store is unavailable."),
    )
)]
pub(crate) async fn status(
    State(mount): State<Mount>,
    caller: Caller,
    PathId(id): PathId,
    known: Known,
    Wait(wait): Wait,
) -> Result<Response, Problem> {
    let mut record = mount.record(&caller, Action::Read, id).await?;
    if let Some(patience) = wait
        && !record.is_terminal()
        && (!known.is_some() || known.is_current(&record))
    {
        // On the heap, because few wait, and the others would carry the room for it.
        record = Box::pin(next(&mount, &caller, record, patience)).await?;
    }
    let mut response = answer(&mount, &record, &known);
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Prefer"));
    if let Some(wait) = wait {
        headers.insert(prefer::PREFERENCE_APPLIED, prefer::applied(wait));
    }
    Ok(response)
}

/// Waits until the task differs from `record`, for as long as `patience` and the instance last.
async fn next(
    mount: &Mount,
    caller: &Caller,
    record: TaskRecord,
    patience: Duration,
) -> Result<TaskRecord, Problem> {
    let app = &mount.app;
    let _waiting = app.waiters.enter(caller.organization())?;
    // The end of the wait is a look of its own, so none is needed in between.
    let watch = app.client.watch(record.id).since(record.revision);
    let mut watch = watch.poll_interval(patience.saturating_add(SHORTEST_LOOK));
    tokio::select! {
        changed = watch.changed() => changed?.ok_or_else(Problem::not_found),
        () = app.drain.started() => Ok(record),
        () = tokio::time::sleep(patience) => {
            let found = app.client.get(record.id).await?;
            found.ok_or_else(Problem::not_found)
        }
    }
}

/// Shows a task as it is now.
pub(super) fn answer(mount: &Mount, record: &TaskRecord, known: &Known) -> Response {
    let mut response =
        if known.is_current(record) { not_modified() } else { ok_json(&TaskStatus::from(record)) };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, conditional::etag(record));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if !record.is_terminal() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(mount.retry_after(record)));
    }
    response
}
