//! `GET {base}/`: the caller's tasks, a page at a time.

use artos_core::{Filter, ListQuery};
use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderValue, header},
    response::Response,
};
use serde::Deserialize;

use super::ok_json;
use crate::{
    Caller, Problem,
    access::Action,
    app::Mount,
    cursor::Listing,
    nested,
    wire::{DocumentList, Listed, Status},
};

/// Longest page.
const LIMIT_MAX: usize = 100;
/// Page length if none is asked for.
const LIMIT_DEFAULT: usize = 50;

/// The query, all text: each part is refused in our own words.
#[derive(Debug, Deserialize)]
pub(crate) struct ListParams {
    limit: Option<String>,
    status: Option<String>,
    cursor: Option<String>,
}

/// Lists documents, newest first, also those that are being generated or failed.
#[utoipa::path(
    get,
    path = "/",
    params(
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "Longest page \
            wanted; 50 if absent."),
        ("status" = Option<Status>, Query, description = "Only documents with this status."),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before. \
            The other parameters must be the same, but for `limit`."),
    ),
    responses(
        (status = 200, description = "One page. A page may be shorter than asked for; only a null \
            `next_cursor` is the end.", body = DocumentList, headers(
            ("Link" = String, description = "The next page, as `rel=\"next\"`."),
        )),
        (status = 400, description = "A parameter makes no sense, or the cursor belongs to \
            another listing."),
        (status = 503, description = "The store is unavailable."),
    )
)]
pub(crate) async fn list(
    State(mount): State<Mount>,
    caller: Caller,
    params: Result<Query<ListParams>, QueryRejection>,
) -> Result<Response, Problem> {
    mount.admit(&caller, Action::List)?;
    let Query(params) = params.map_err(|error| Problem::bad_request(error.body_text()))?;
    let limit = limit(params.limit.as_deref())?;
    let status = status(params.status.as_deref())?;
    let endpoint = &mount.endpoint;
    let listing = Listing { base: &endpoint.base, organization: caller.organization(), status };
    let cursor = params.cursor.as_deref().map(|cursor| listing.decode(cursor)).transpose()?;
    let filter = Filter {
        states: status.map(Status::states).unwrap_or_default(),
        kinds: vec![endpoint.kind.clone()],
        tenant: caller.organization().cloned(),
        ..Filter::default()
    };
    let query = ListQuery { filter, limit, cursor, ..ListQuery::default() };
    let page = mount.app.client.list(&query).await?;
    let listed = |record| Listed::new(record, (endpoint.summarize)(record));
    let next_cursor = page.next.map(|next| listing.encode(next));
    let link = next_cursor.as_deref().map(|cursor| {
        let status = status.map(|status| format!("&status={}", status.as_str()));
        let status = status.unwrap_or_default();
        format!("<{}/?limit={limit}{status}&cursor={cursor}>; rel=\"next\"", endpoint.base)
    });
    let documents = page.tasks.iter().map(listed).collect();
    let mut response = ok_json(&DocumentList { documents, next_cursor });
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if let Some(link) = link {
        nested::point(&mut response, header::LINK, &link);
    }
    Ok(response)
}

fn limit(text: Option<&str>) -> Result<usize, Problem> {
    let Some(text) = text else { return Ok(LIMIT_DEFAULT) };
    let limit = text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
    limit.ok_or_else(|| Problem::bad_request("limit: expected a number from 1 to 100"))
}

fn status(text: Option<&str>) -> Result<Option<Status>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let status = Status::parse(text);
    status
        .map(Some)
        .ok_or_else(|| Problem::bad_request("status: expected Generating, Complete or Failed"))
}
