//! Managing keys: make, list, revoke.

use std::time::Duration;

use artos_core::Name;
use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use utoipa_axum::{router::UtoipaMethodRouter, routes};

use super::{
    Keys, NewKey,
    wire::{KeyList, KeyRequest, KeyView, NewKeyView},
};
use crate::{
    Caller, FieldError, Problem, Scope, Scopes,
    access::{self, Action, Ownership},
    error::ProblemKind,
    request,
};

/// Largest request body, in bytes.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// Longest name, in characters.
const NAME_LENGTH_MAX: usize = 255;
/// Longest life of a key that has an end, in seconds: ten years. What is to live longer needs none.
const LIFETIME_SECONDS_MAX: u64 = 10 * 365 * 24 * 60 * 60;

/// The routes of key management, with their documentation.
pub(crate) fn of_keys(keys: Keys) -> Vec<UtoipaMethodRouter<()>> {
    let routes: [UtoipaMethodRouter<Keys>; 2] = [routes!(create, list), routes!(revoke)];
    let with_state = |(schemas, paths, methods): UtoipaMethodRouter<Keys>| {
        (schemas, paths, methods.with_state(keys.clone()))
    };
    routes.into_iter().map(with_state).collect()
}

/// Returns the organization whose keys the caller may look after.
fn organization(caller: &Caller) -> Result<&str, Problem> {
    access::decide(Action::Keys, caller.scopes(), Ownership::Own).check()?;
    let organization = caller.organization().map(Name::as_str);
    organization.ok_or_else(|| Problem::forbidden("User has no organization or not authorized"))
}

/// Makes a key for the caller's organization.
#[utoipa::path(post, path = "/api/v1/keys", request_body = KeyRequest, responses(
    (status = 201, description = "The key. Its token is not shown again.", body = NewKeyView),
    (status = 400, description = "Malformed JSON."),
    (status = 409, description = "The organization has too many keys."),
    (status = 413, description = "The body is too large."),
    (status = 415, description = "The body is not application/json."),
    (status = 422, description = "The body is not what is expected."),
    (status = 503, description = "The store is unavailable."),
))]
async fn create(
    State(keys): State<Keys>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let organization = organization(&caller)?;
    request::check_media_type(&headers)?;
    let asked: KeyRequest =
        request::parse_object(&request::read_body(body, BODY_BYTES_MAX).await?)?;
    let (key, token) = keys.make(organization, check(asked)?).await?;
    tracing::info!(key_id = %key.id, "key made");
    let view = NewKeyView { key: KeyView::from(&key), token };
    Ok((StatusCode::CREATED, Json(view)).into_response())
}

fn check(asked: KeyRequest) -> Result<NewKey, Problem> {
    let mut errors = Vec::new();
    let name = asked.name;
    let is_good = (1..=NAME_LENGTH_MAX).contains(&name.chars().count());
    if !is_good || name.contains(char::is_control) {
        let expected = "expected 1 to 255 characters, no control characters";
        errors.push(FieldError::new("/name", expected));
    }
    let mut scopes = Vec::new();
    for (at, text) in asked.scopes.iter().enumerate() {
        match text.parse::<Scope>() {
            Ok(scope) => scopes.push(scope),
            Err(error) => {
                errors.push(FieldError::new(format!("/scopes/{at}"), error.to_string()));
            }
        }
    }
    if asked.scopes.is_empty() {
        errors.push(FieldError::new("/scopes", "a key without a scope may do nothing"));
    }
    let is_good = |seconds| (1..=LIFETIME_SECONDS_MAX).contains(&seconds);
    if !asked.expires_in_seconds.is_none_or(is_good) {
        let expected = format!("expected 1 to {LIFETIME_SECONDS_MAX}");
        errors.push(FieldError::new("/expires_in_seconds", expected));
    }
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let scopes: Scopes = scopes.into_iter().collect();
    Ok(NewKey { name, scopes, lifetime: asked.expires_in_seconds.map(Duration::from_secs) })
}

/// Lists the keys of the caller's organization, the newest first.
#[utoipa::path(get, path = "/api/v1/keys", responses(
    (status = 200, description = "All keys that were not revoked.", body = KeyList),
    (status = 503, description = "The store is unavailable."),
))]
async fn list(State(keys): State<Keys>, caller: Caller) -> Result<Response, Problem> {
    let all = keys.list(organization(&caller)?).await?;
    Ok(Json(KeyList { keys: all.iter().map(KeyView::from).collect() }).into_response())
}

/// Revokes a key, at once and for good.
#[utoipa::path(delete, path = "/api/v1/keys/{key_id}", params(
    ("key_id" = String, Path, description = "The key."),
), responses(
    (status = 204, description = "The key is good for nothing any more."),
    (status = 404, description = "The organization has no such key."),
    (status = 503, description = "The store is unavailable."),
))]
async fn revoke(
    State(keys): State<Keys>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let organization = organization(&caller)?;
    let unknown = || Problem::new(ProblemKind::NotFound, "Key not found");
    let id = id.parse().map_err(|_| unknown())?;
    if !keys.revoke(organization, id).await? {
        return Err(unknown());
    }
    tracing::info!(key_id = %id, "key revoked");
    Ok(StatusCode::NO_CONTENT.into_response())
}
