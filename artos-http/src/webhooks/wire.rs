//! The JSON shapes of webhook management.

use artos_core::{TaskRecord, TaskState, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    deliver::{Came, Deliver, Report},
    endpoint::Endpoint,
};
use crate::request;

/// What to register.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct NewEndpoint {
    /// Where events are posted to: `https`, port 443 or from 1024, a public address.
    #[schema(format = "uri", max_length = 2048, example = "https://receiver.example.com/hook")]
    pub(crate) url: String,
    /// For people; at most 255 characters.
    #[schema(max_length = 255)]
    pub(crate) description: Option<String>,
    /// The types of events wanted, such as `document.complete`; empty or absent for all.
    #[schema(value_type = Option<Vec<EventType>>, max_items = 32)]
    pub(crate) events: Option<Vec<String>>,
}

/// A type of events.
#[derive(ToSchema)]
#[schema(pattern = r"^[A-Za-z0-9_.]{1,128}$", example = "document.complete")]
#[expect(dead_code, reason = "only described: the texts are checked one by one")]
struct EventType(String);

/// How to rotate a secret.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct Rotate {
    /// How long the old secret signs as well, in seconds, at most 30 days. Default: one day.
    #[schema(maximum = 2_592_000)]
    #[serde(default, deserialize_with = "request::whole")]
    pub(crate) overlap_seconds: Option<u64>,
}

/// A registered endpoint.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookEndpoint)]
pub(crate) struct EndpointView {
    endpoint_id: String,
    /// Null for `requests`, which stands for the URLs that requests name.
    #[schema(required)]
    url: Option<String>,
    description: String,
    /// The types of events wanted; empty for all.
    events: Vec<String>,
    /// Whether events are delivered.
    enabled: bool,
    /// Why events are not delivered.
    #[schema(required)]
    disabled_reason: Option<String>,
    /// Why the last event was given up; null once one is delivered again.
    #[schema(required)]
    failing: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
}

impl From<&Endpoint> for EndpointView {
    fn from(endpoint: &Endpoint) -> Self {
        Self {
            endpoint_id: endpoint.id.clone(),
            url: endpoint.url.clone(),
            description: endpoint.description.clone(),
            events: endpoint.events.clone(),
            enabled: endpoint.disabled.is_none(),
            disabled_reason: endpoint.disabled.clone(),
            failing: endpoint.failing.clone(),
            created_at: Timestamp::from_micros(endpoint.created_at).to_string(),
        }
    }
}

/// A new endpoint, or one with a new secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookEndpointWithSecret)]
pub(crate) struct WithSecret {
    #[serde(flatten)]
    pub(crate) endpoint: EndpointView,
    /// What signatures are checked with: `whsec_` and base64.
    pub(crate) secret: String,
}

/// All endpoints.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookEndpoints)]
pub(crate) struct EndpointList {
    pub(crate) endpoints: Vec<EndpointView>,
}

/// A delivery that was asked for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookFired)]
pub(crate) struct Fired {
    /// Names the message; the header `webhook-id` of its attempts.
    pub(crate) message_id: String,
    /// The first attempt.
    pub(crate) attempt_id: String,
}

/// One attempt to deliver a message.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookAttempt)]
pub(crate) struct AttemptView {
    /// Names the attempt, for a replay.
    attempt_id: String,
    /// Names the message; the header `webhook-id`.
    message_id: String,
    r#type: String,
    /// Counts the attempts at this message, from 1.
    attempt: usize,
    /// `scheduled`, `sending`, or what came of it: `delivered`, `retried` (there is another
    /// attempt), `given_up`, `dropped` (the endpoint was gone or disabled).
    outcome: &'static str,
    /// The status of the answer; null if there was none.
    #[schema(required)]
    status: Option<u16>,
    /// The first bytes of the answer.
    response: String,
    /// Why there was no whole answer.
    #[schema(required)]
    error: Option<String>,
    /// How long it took.
    milliseconds: u64,
    /// When it was, or will be, made.
    #[schema(format = DateTime)]
    at: String,
}

impl AttemptView {
    pub(crate) fn new(record: &TaskRecord, delivery: &Deliver, report: Option<Report>) -> Self {
        let outcome = match (record.state, &report) {
            (_, Some(report)) => match report.came {
                Came::Delivered => "delivered",
                Came::Retried => "retried",
                Came::GivenUp => "given_up",
                Came::Dropped => "dropped",
            },
            (TaskState::Running, None) => "sending",
            (TaskState::Pending, None) => "scheduled",
            (_, None) => "given_up",
        };
        let at = match record.state {
            TaskState::Pending => record.run_at,
            _ => record.started_at.unwrap_or(record.updated_at),
        };
        let failure = record.failure.as_ref().map(|failure| failure.message.clone());
        let report =
            report.unwrap_or_else(|| Report { error: failure, ..Report::dropped(String::new()) });
        Self {
            attempt_id: record.id.to_string(),
            message_id: delivery.message_id.clone(),
            r#type: delivery.r#type.clone(),
            attempt: delivery.attempt,
            outcome,
            status: report.status,
            response: report.response,
            error: report.error,
            milliseconds: report.milliseconds,
            at: at.to_string(),
        }
    }
}

/// Attempts at an endpoint, the latest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookAttempts)]
pub(crate) struct AttemptList {
    pub(crate) attempts: Vec<AttemptView>,
    /// Give this as `cursor` to get the next page; null at the end.
    #[schema(required)]
    pub(crate) next_cursor: Option<String>,
}
