//! `POST {base}/{document_id}/cancel`: stops a task.

use artos_core::Cancelled;
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::Response,
};

use super::status;
use crate::{
    Caller, Problem,
    access::Action,
    app::{Mount, PathId},
    conditional::Known,
    nested,
    wire::TaskStatus,
};

/// Cancels a task.
///
/// Repeating it changes nothing. A running stage is told to stop; until it has, the answer is 202.
#[utoipa::path(
    post,
    path = "/{document_id}/cancel",
    params(("document_id" = String, Path, description = "The id of the document: that of its \
            task.")),
    responses(
        (status = 200, description = "The task is over: cancelled now, or ended \
            before.", body = TaskStatus<'_>),
        (status = 202, description = "The task is told to stop, and may still \
            complete.", body = TaskStatus<'_>, headers(
            ("Location" = String, description = "Where the status of the task is."),
            ("Retry-After" = u64, description = "When to look at it, in seconds."),
        )),
        (status = 404, description = "There is no such task, or it belongs to another \
            organization."),
        (status = 503, description = "The store is unavailable."),
    )
)]
pub(crate) async fn cancel(
    State(mount): State<Mount>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<Response, Problem> {
    let record = mount.record(&caller, Action::Cancel, id).await?;
    // A cancel may end the task without a worker who could tell.
    #[cfg(feature = "webhooks")]
    if let Some(webhooks) = &mount.app.webhooks {
        webhooks.before_cancel(&record).await?;
    }
    drop(record);
    if mount.app.client.cancel(id).await? == Cancelled::Unknown {
        return Err(Problem::not_found());
    }
    tracing::info!(task_id = %id, "cancel asked for");
    // Read again, because the task may have ended since: the answer says how it is now.
    let record = mount.record(&caller, Action::Cancel, id).await?;
    let mut response = status::answer(&mount, &record, &Known::of(&HeaderMap::new()));
    if !record.is_terminal() {
        *response.status_mut() = StatusCode::ACCEPTED;
        nested::point(&mut response, header::LOCATION, &mount.status_path(id));
    }
    Ok(response)
}
