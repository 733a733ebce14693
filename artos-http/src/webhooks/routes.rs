//! Managing webhook endpoints: register, list, rotate, switch off and on, test, see, replay.

use std::time::Duration;

use artos_core::{Filter, ListQuery, Name, Task, TaskId, store::Part};
use axum::{
    body::Body,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use utoipa_axum::{router::UtoipaMethodRouter, routes};

use super::{
    Webhooks,
    deliver::{self, Deliver, Target},
    endpoint::{Endpoint, EndpointError, Endpoints, REQUESTS},
    event, refused_at,
    signature::Secret,
    wire::{
        AttemptList, AttemptView, EndpointList, EndpointView, Fired, NewEndpoint, Rotate,
        WithSecret,
    },
};
use crate::{
    Caller, FieldError, Problem,
    access::{self, Action, Ownership},
    error::ProblemKind,
    nested,
    records::tenant,
    request,
};

/// Largest request body, in bytes.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// Longest description, in characters.
const DESCRIPTION_LENGTH_MAX: usize = 255;
/// Most types of events that an endpoint can name.
const EVENTS_MAX: usize = 32;
/// How long a replaced secret signs as well, unless told otherwise.
const OVERLAP: Duration = Duration::from_secs(24 * 60 * 60);
/// Longest overlap.
const OVERLAP_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How many attempts a page has.
const ATTEMPTS: usize = 50;

/// The routes of webhook management, with their documentation.
pub(crate) fn of_webhooks(webhooks: Webhooks) -> Vec<UtoipaMethodRouter<()>> {
    let routes: Vec<UtoipaMethodRouter<Webhooks>> = vec![
        routes!(register, list),
        routes!(show, remove),
        routes!(secret),
        routes!(rotate),
        routes!(disable),
        routes!(enable),
        routes!(test),
        routes!(attempts),
        routes!(replay),
    ];
    let with_state = |(schemas, paths, methods): UtoipaMethodRouter<Webhooks>| {
        (schemas, paths, methods.with_state(webhooks.clone()))
    };
    routes.into_iter().map(with_state).collect()
}

/// The endpoints of the caller's organization, if it may look after them.
fn endpoints(webhooks: &Webhooks, caller: &Caller) -> Result<Endpoints, Problem> {
    access::decide(Action::Webhooks, caller.scopes(), Ownership::Own).check()?;
    Ok(Endpoints::of(&webhooks.0, organization(caller)))
}

fn organization(caller: &Caller) -> Option<&str> {
    caller.organization().map(Name::as_str)
}

fn unknown() -> Problem {
    Problem::new(ProblemKind::NotFound, "Webhook endpoint not found")
}

async fn find(endpoints: &Endpoints, id: &str) -> Result<Endpoint, Problem> {
    match endpoints.get(id).await? {
        Some(endpoint) => Ok(endpoint),
        None if id == REQUESTS => Ok(endpoints.for_requests().await?),
        None => Err(unknown()),
    }
}

fn view(endpoint: &Endpoint) -> Response {
    json(StatusCode::OK, &EndpointView::from(endpoint))
}

/// Shows an endpoint whose secret was opened.
fn with_secret(endpoint: &Endpoint, status: StatusCode) -> Response {
    let secret = endpoint.secret.reveal().to_owned();
    json(status, &WithSecret { endpoint: EndpointView::from(endpoint), secret })
}

fn json(status: StatusCode, body: &impl serde::Serialize) -> Response {
    (status, axum::Json(body)).into_response()
}

/// Registers an endpoint.
///
/// Every event of the organization is delivered to every endpoint that wants its type.
#[utoipa::path(post, path = "/api/v1/webhooks", request_body = NewEndpoint, responses(
    (status = 201, description = "The endpoint, with the secret to check signatures \
        with.", body = WithSecret, headers(("Location" = String, description = "The endpoint."))),
    (status = 400, description = "Malformed JSON."),
    (status = 409, description = "The organization has too many endpoints."),
    (status = 413, description = "The body is too large."),
    (status = 415, description = "The body is not application/json."),
    (status = 422, description = "The URL must not be called, or the body is not what is \
        expected."),
    (status = 503, description = "The store is unavailable."),
))]
async fn register(
    State(webhooks): State<Webhooks>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let endpoints = endpoints(&webhooks, &caller)?;
    request::check_media_type(&headers)?;
    let new: NewEndpoint = request::parse_object(&request::read_body(body, BODY_BYTES_MAX).await?)?;
    check(&new)?;
    webhooks.0.guard.admit(&new.url).await.map_err(|error| refused_at("/url", error))?;
    let id = format!("ep_{}", webhooks.new_id().as_uuid().simple());
    let mut endpoint =
        Endpoint::new(id, Some(new.url), webhooks.0.client.now()).map_err(EndpointError::from)?;
    endpoint.description = new.description.unwrap_or_default();
    endpoint.events = new.events.unwrap_or_default();
    let endpoint = endpoints.add(endpoint).await?;
    tracing::info!(endpoint = endpoint.id, "webhook endpoint registered");
    let mut response = with_secret(&endpoint, StatusCode::CREATED);
    let location = format!("/api/v1/webhooks/{}", endpoint.id);
    nested::point(&mut response, header::LOCATION, &location);
    Ok(response)
}

fn check(new: &NewEndpoint) -> Result<(), Problem> {
    let mut errors = Vec::new();
    let length = new.description.as_ref().map_or(0, |text| text.chars().count());
    if length > DESCRIPTION_LENGTH_MAX {
        errors.push(FieldError::new("/description", "is longer than 255 characters"));
    }
    let events = new.events.iter().flatten();
    let is_type = |text: &str| {
        !text.is_empty()
            && text.len() <= 128
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.')
    };
    for (at, _) in events.clone().enumerate().filter(|(_, text)| !is_type(text)) {
        errors.push(FieldError::new(format!("/events/{at}"), "is no type of events"));
    }
    if events.count() > EVENTS_MAX {
        errors.push(FieldError::new("/events", "has more than 32 entries"));
    }
    if errors.is_empty() { Ok(()) } else { Err(Problem::invalid(errors)) }
}

/// Lists the endpoints, the oldest first.
#[utoipa::path(get, path = "/api/v1/webhooks", responses(
    (status = 200, description = "All endpoints.", body = EndpointList),
    (status = 503, description = "The store is unavailable."),
))]
async fn list(State(webhooks): State<Webhooks>, caller: Caller) -> Result<Response, Problem> {
    let all = endpoints(&webhooks, &caller)?.all().await?;
    let endpoints = all.iter().map(EndpointView::from).collect();
    Ok(json(StatusCode::OK, &EndpointList { endpoints }))
}

/// Shows an endpoint.
#[utoipa::path(get, path = "/api/v1/webhooks/{endpoint_id}", params(
    ("endpoint_id" = String, Path, description = "The endpoint."),
), responses(
    (status = 200, description = "The endpoint.", body = EndpointView),
    (status = 404, description = "There is no such endpoint."),
    (status = 503, description = "The store is unavailable."),
))]
async fn show(
    State(webhooks): State<Webhooks>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    Ok(view(&find(&endpoints(&webhooks, &caller)?, &id).await?))
}

/// Removes an endpoint. What is still to be delivered to it is dropped.
#[utoipa::path(delete, path = "/api/v1/webhooks/{endpoint_id}", params(
    ("endpoint_id" = String, Path, description = "The endpoint."),
), responses(
    (status = 204, description = "The endpoint is gone."),
    (status = 404, description = "There is no such endpoint."),
    (status = 503, description = "The store is unavailable."),
))]
async fn remove(
    State(webhooks): State<Webhooks>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let endpoints = endpoints(&webhooks, &caller)?;
    // The one for requests is made anew when it is needed, so it cannot be removed.
    if id == REQUESTS || !endpoints.remove(&id).await? {
        return Err(unknown());
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Shows the secret that signatures are checked with. `requests` stands for the URLs that requests
/// name.
#[utoipa::path(get, path = "/api/v1/webhooks/{endpoint_id}/secret", params(
    ("endpoint_id" = String, Path, description = "The endpoint, or `requests`."),
), responses(
    (status = 200, description = "The endpoint with its secret.", body = WithSecret),
    (status = 404, description = "There is no such endpoint."),
    (status = 503, description = "The store is unavailable."),
))]
async fn secret(
    State(webhooks): State<Webhooks>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let endpoints = endpoints(&webhooks, &caller)?;
    let endpoint = find(&endpoints, &id).await?;
    let endpoint = endpoints.open(endpoint).map_err(EndpointError::from)?;
    Ok(with_secret(&endpoint, StatusCode::OK))
}

/// Replaces the secret. For a while messages are signed with the old one as well.
#[utoipa::path(post, path = "/api/v1/webhooks/{endpoint_id}/rotate", params(
    ("endpoint_id" = String, Path, description = "The endpoint, or `requests`."),
), request_body(content = Option<Rotate>), responses(
    (status = 200, description = "The endpoint with its new secret.", body = WithSecret),
    (status = 400, description = "Malformed JSON."),
    (status = 404, description = "There is no such endpoint."),
    (status = 413, description = "The body is too large."),
    (status = 422, description = "The overlap is too long, or the body is not what is expected."),
    (status = 503, description = "The store is unavailable."),
))]
async fn rotate(
    State(webhooks): State<Webhooks>,
    caller: Caller,
    Path(id): Path<String>,
    body: Body,
) -> Result<Response, Problem> {
    let endpoints = endpoints(&webhooks, &caller)?;
    let body = request::read_body(body, BODY_BYTES_MAX).await?;
    let asked: Option<Rotate> = if body.is_empty() { None } else { request::parse_object(&body)? };
    let overlap = asked.unwrap_or_default().overlap_seconds.map(Duration::from_secs);
    let overlap = overlap.unwrap_or(OVERLAP);
    if overlap > OVERLAP_MAX {
        let error = FieldError::new("/overlap_seconds", "is more than 30 days");
        return Err(Problem::invalid(vec![error]));
    }
    find(&endpoints, &id).await?;
    let new = Secret::generate().map_err(EndpointError::from)?;
    let now = webhooks.0.client.now();
    let rotate = |endpoint: &mut Endpoint| endpoint.rotate(new.clone(), overlap, now);
    let endpoint = endpoints.update(&id, rotate).await?.ok_or_else(unknown)?;
    let endpoint = endpoints.open(endpoint).map_err(EndpointError::from)?;
    Ok(with_secret(&endpoint, StatusCode::OK))
}

/// Stops deliveries to an endpoint. What becomes due meanwhile is dropped.
#[utoipa::path(post, path = "/api/v1/webhooks/{endpoint_id}/disable", params(
    ("endpoint_id" = String, Path, description = "The endpoint."),
), responses(
    (status = 200, description = "The endpoint.", body = EndpointView),
    (status = 404, description = "There is no such endpoint."),
    (status = 503, description = "The store is unavailable."),
))]
async fn disable(
    State(webhooks): State<Webhooks>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let why = String::from("disabled by the organization");
    let disable = |endpoint: &mut Endpoint| endpoint.disabled = Some(why.clone());
    let endpoint = endpoints(&webhooks, &caller)?.update(&id, disable).await?;
    Ok(view(&endpoint.ok_or_else(unknown)?))
}

/// Lets deliveries to an endpoint go on.
#[utoipa::path(post, path = "/api/v1/webhooks/{endpoint_id}/enable", params(
    ("endpoint_id" = String, Path, description = "The endpoint."),
), responses(
    (status = 200, description = "The endpoint.", body = EndpointView),
    (status = 404, description = "There is no such endpoint."),
    (status = 503, description = "The store is unavailable."),
))]
async fn enable(
    State(webhooks): State<Webhooks>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let enable = |endpoint: &mut Endpoint| endpoint.disabled = None;
    let endpoint = endpoints(&webhooks, &caller)?.update(&id, enable).await?;
    Ok(view(&endpoint.ok_or_else(unknown)?))
}

/// Sends an event of the type `webhook.test` to an endpoint, whatever types it wants.
#[utoipa::path(post, path = "/api/v1/webhooks/{endpoint_id}/test", params(
    ("endpoint_id" = String, Path, description = "The endpoint."),
), responses(
    (status = 202, description = "The event will be delivered; see its attempts.", body = Fired),
    (status = 404, description = "There is no such endpoint."),
    (status = 503, description = "The store is unavailable."),
))]
async fn test(
    State(webhooks): State<Webhooks>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let endpoint = find(&endpoints(&webhooks, &caller)?, &id).await?;
    if endpoint.url.is_none() {
        return Err(unknown());
    }
    let event = webhooks.new_id();
    let body = event::test(event::TEST, event, webhooks.0.client.now());
    let delivery = Deliver {
        organization: organization(&caller).map(str::to_owned),
        target: Target::Endpoint(id),
        message_id: event::message_id(event),
        r#type: String::from(event::TEST),
        body: body.map_err(Problem::internal)?,
        attempt: 1,
    };
    fire(&webhooks, delivery).await
}

/// Submits a delivery of its own.
async fn fire(webhooks: &Webhooks, delivery: Deliver) -> Result<Response, Problem> {
    let message_id = delivery.message_id.clone();
    let key = format!("{}/{}", webhooks.new_id(), delivery.endpoint_id());
    let submission = delivery.submission(&key, Duration::ZERO);
    let attempt_id = webhooks.0.client.submit(submission).await?.id().to_string();
    Ok(json(StatusCode::ACCEPTED, &Fired { message_id, attempt_id }))
}

/// The query of a list of attempts.
#[derive(Debug, Deserialize)]
struct AttemptsQuery {
    cursor: Option<String>,
}

/// Lists the attempts at an endpoint, the latest first. They are kept as long as tasks are.
#[utoipa::path(get, path = "/api/v1/webhooks/{endpoint_id}/attempts", params(
    ("endpoint_id" = String, Path, description = "The endpoint, or `requests`."),
    ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before."),
), responses(
    (status = 200, description = "One page.", body = AttemptList),
    (status = 400, description = "The cursor makes no sense."),
    (status = 404, description = "There is no such endpoint."),
    (status = 503, description = "The store is unavailable."),
))]
async fn attempts(
    State(webhooks): State<Webhooks>,
    caller: Caller,
    Path(id): Path<String>,
    Query(asked): Query<AttemptsQuery>,
) -> Result<Response, Problem> {
    find(&endpoints(&webhooks, &caller)?, &id).await?;
    let cursor = asked.cursor.map(|text| text.parse()).transpose().map_err(|_| {
        Problem::new(ProblemKind::InvalidCursor, "the cursor is not of an earlier page")
    })?;
    let label = deliver::endpoint_label(organization(&caller), &id);
    let filter = Filter {
        kinds: vec![Name::from_static(Deliver::KIND)],
        tenant: Some(tenant("webhooks", organization(&caller))),
        labels: vec![(Name::from_static(deliver::ENDPOINT), label.into())],
        ..Filter::default()
    };
    let query = ListQuery { filter, limit: ATTEMPTS, cursor, ..ListQuery::default() };
    let client = &webhooks.0.client;
    let page = client.list(&query).await?;
    let mut attempts = Vec::new();
    for task in page.tasks {
        let Some(input) = client.find(task.id, Part::Input).await? else { continue };
        let Some(found) = client.find(task.id, Part::Output).await? else { continue };
        let input = input.payload.unwrap_or_default();
        let delivery: Deliver = serde_json::from_slice(&input).map_err(Problem::internal)?;
        let report = found.payload.and_then(|output| serde_json::from_slice(&output).ok());
        attempts.push(AttemptView::new(&found.record, &delivery, report));
    }
    let next_cursor = page.next.map(|next| next.to_string());
    Ok(json(StatusCode::OK, &AttemptList { attempts, next_cursor }))
}

/// Delivers the message of an attempt again, with the whole schedule before it.
#[utoipa::path(post, path = "/api/v1/webhooks/{endpoint_id}/attempts/{attempt_id}/replay", params(
    ("endpoint_id" = String, Path, description = "The endpoint, or `requests`."),
    ("attempt_id" = String, Path, description = "Any attempt at the message."),
), responses(
    (status = 202, description = "The message will be delivered again, under its \
        id.", body = Fired),
    (status = 404, description = "There is no such attempt."),
    (status = 503, description = "The store is unavailable."),
))]
async fn replay(
    State(webhooks): State<Webhooks>,
    caller: Caller,
    Path((endpoint_id, attempt_id)): Path<(String, String)>,
) -> Result<Response, Problem> {
    endpoints(&webhooks, &caller)?;
    let no_attempt = || Problem::new(ProblemKind::NotFound, "Webhook attempt not found");
    let id: TaskId = attempt_id.parse().map_err(|_| no_attempt())?;
    let found = webhooks.0.client.find(id, Part::Input).await?.ok_or_else(no_attempt)?;
    let label = deliver::endpoint_label(organization(&caller), &endpoint_id);
    let is_of_endpoint = found.record.kind == Deliver::KIND
        && found.record.labels.get(deliver::ENDPOINT).is_some_and(|found| *found == *label);
    if !is_of_endpoint {
        return Err(no_attempt());
    }
    let input = found.payload.unwrap_or_default();
    let delivery: Deliver = serde_json::from_slice(&input).map_err(Problem::internal)?;
    fire(&webhooks, Deliver { attempt: 1, ..delivery }).await
}
