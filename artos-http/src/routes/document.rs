//! `GET {base}/{document_id}` and what else a completed task has to offer.

use artos_core::{
    TaskRecord, TaskState,
    store::{Found, Part},
};
use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::Response,
};
use bytes::Bytes;

use super::{json_bytes, not_modified};
use crate::{
    Caller, Problem,
    access::Action,
    app::{Mount, PathId},
    conditional::{self, Known},
    error::ProblemKind,
    resource::ServeBytes,
    wire,
};

/// Returns a document.
///
/// Its id is the id of the task that generated it.
#[utoipa::path(
    get,
    path = "/{document_id}",
    params(
        ("document_id" = String, Path, description = "The id of the document: that of its task."),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of an earlier \
            answer."),
    ),
    responses(
        (status = 200, description = "The document.", body = Object, headers(
            ("ETag" = String, description = "Stays the same as long as the document."),
        )),
        (status = 304, description = "The document is still as `If-None-Match` says."),
        (status = 404, description = "There is no such document, or it belongs to another \
            organization."),
        (status = 409, description = "There is no document yet (`not_ready`, with `Retry-After`), \
            or there will be none (`generation_failed`)."),
        (status = 503, description = "The store is unavailable."),
    )
)]
pub(crate) async fn document(
    State(mount): State<Mount>,
    caller: Caller,
    PathId(id): PathId,
    known: Known,
) -> Result<Response, Problem> {
    let (record, output) =
        completed(&mount, mount.find(&caller, Action::Read, id, Part::Output).await?)?;
    let mut response = if known.is_current(&record) {
        not_modified()
    } else {
        json_bytes((mount.endpoint.render)(&record, &output)?)
    };
    make_cacheable(&mut response, &record);
    Ok(response)
}

/// Returns what a resource offers besides the document itself.
pub(crate) async fn download(
    serve: ServeBytes,
    mount: Mount,
    caller: Caller,
    PathId(id): PathId,
    known: Known,
) -> Result<Response, Problem> {
    let (record, output) =
        completed(&mount, mount.find(&caller, Action::Read, id, Part::Output).await?)?;
    if known.is_current(&record) {
        let mut response = not_modified();
        make_cacheable(&mut response, &record);
        return Ok(response);
    }
    let mut response = serve(record.clone(), output).await?;
    if response.status().is_success() {
        make_cacheable(&mut response, &record);
    }
    Ok(response)
}

/// Returns the output of a completed task, or says why there is none.
fn completed(mount: &Mount, found: Found) -> Result<(TaskRecord, Bytes), Problem> {
    let Found { record, payload } = found;
    match record.state {
        TaskState::Completed => Ok((record, payload.unwrap_or_default())),
        TaskState::Pending | TaskState::Running => {
            let detail = "the document is still being generated";
            let seconds = mount.retry_after(&record);
            Err(Problem::new(ProblemKind::NotReady, detail).retry_after(seconds))
        }
        TaskState::Failed | TaskState::Cancelled => {
            let error = wire::error_of(&record).unwrap_or("failed");
            let detail = format!("the generation of the document failed: {error}");
            Err(Problem::new(ProblemKind::GenerationFailed, detail))
        }
    }
}

/// A completed task never changes, but a cache must ask whether the caller may still see it.
fn make_cacheable(response: &mut Response, record: &TaskRecord) {
    let headers = response.headers_mut();
    headers.insert(header::ETAG, conditional::etag(record));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
}
