//! One attempt to deliver an event, as one task; the next attempt is its follow-up.
//!
//! So what came of an attempt, and that there will be another, are recorded in one step, and the
//! attempts of a delivery are a list of tasks that anybody can read.

use std::time::Duration;

use artos_core::{
    Name, Stage, StageContext, StageError, StageOptions, StageResult, Submission, Task,
};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    Shared, Webhooks,
    endpoint::{Endpoint, Endpoints, REQUESTS},
    send::{Answer, Outgoing},
    turns,
};
use crate::records::tenant;

/// How long to wait before each attempt, after the one before: 75 hours and 35 minutes in all.
const SCHEDULE: [Duration; 10] = [
    Duration::ZERO,
    Duration::from_secs(5),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 60 * 60),
    Duration::from_secs(5 * 60 * 60),
    Duration::from_secs(10 * 60 * 60),
    Duration::from_secs(14 * 60 * 60),
    Duration::from_secs(20 * 60 * 60),
    Duration::from_secs(24 * 60 * 60),
];

/// Each wait is up to this part longer, so that receivers that were down are not all called at
/// once.
const JITTER: f64 = 0.2;

/// Longest wait that a receiver can ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The label that all attempts at one endpoint have.
pub(crate) const ENDPOINT: &str = "artos.endpoint";

/// The label that all attempts of one delivery have; a replay is another delivery.
pub(crate) const DELIVERY: &str = "artos.delivery";

/// Where a delivery goes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Target {
    /// To a registered endpoint, wherever that is at the time.
    Endpoint(String),
    /// To the URL in a request.
    Url(String),
}

/// One attempt to deliver an event.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Deliver {
    pub(crate) organization: Option<String>,
    pub(crate) target: Target,
    pub(crate) message_id: String,
    pub(crate) r#type: String,
    pub(crate) body: String,
    /// From 1.
    pub(crate) attempt: usize,
}

/// What came of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Came {
    /// The receiver has it.
    Delivered,
    /// Not yet; there will be another attempt.
    Retried,
    /// Not, and there will be no other attempt.
    GivenUp,
    /// The endpoint is gone or disabled, so nothing was sent.
    Dropped,
}

/// What is kept of an attempt.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) came: Came,
    pub(crate) status: Option<u16>,
    /// The first bytes of the answer, as far as they are text.
    pub(crate) response: String,
    pub(crate) error: Option<String>,
    pub(crate) milliseconds: u64,
}

impl Report {
    pub(crate) const fn dropped(error: String) -> Self {
        Self {
            came: Came::Dropped,
            status: None,
            response: String::new(),
            error: Some(error),
            milliseconds: 0,
        }
    }
}

impl Task for Deliver {
    const KIND: &'static str = "webhook.deliver";
    const QUEUE: &'static str = "artos.webhooks";
    type Output = Report;
}

impl Deliver {
    pub(crate) fn endpoint_id(&self) -> &str {
        match &self.target {
            Target::Endpoint(id) => id,
            Target::Url(_) => REQUESTS,
        }
    }

    /// Names who receives it, apart for each that may be slow. What one organization sends to a
    /// host holds up no other's messages to it.
    fn receiver(&self) -> String {
        let organization = self.organization.as_deref();
        match &self.target {
            Target::Endpoint(id) => endpoint_label(organization, id),
            Target::Url(url) => {
                let url = Url::parse(url).ok();
                let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
                let port = url.as_ref().and_then(Url::port_or_known_default).unwrap_or_default();
                endpoint_label(organization, &format!("{host}:{port}"))
            }
        }
    }

    /// Makes the submission of this attempt of the delivery `key`.
    pub(crate) fn submission(self, key: &str, delay: Duration) -> Submission<Self> {
        let endpoint = self.endpoint_id().to_owned();
        let tenant = tenant("webhooks", self.organization.as_deref());
        let attempt = self.attempt;
        let label = endpoint_label(self.organization.as_deref(), &endpoint);
        Submission::new(self)
            .tenant(tenant)
            .label(ENDPOINT, label)
            .label(DELIVERY, key)
            .idempotency_key(format!("{key}#{attempt}"))
            .delay(delay)
    }
}

/// Returns the value of the label [`ENDPOINT`]: it names the organization as well, so that it means
/// one endpoint in the whole store.
pub(crate) fn endpoint_label(organization: Option<&str>, endpoint: &str) -> String {
    format!("{}/{endpoint}", tenant("webhooks", organization))
}

/// Makes one attempt.
pub(crate) struct Attempt {
    pub(crate) webhooks: Webhooks,
}

impl Stage for Attempt {
    type Input = Deliver;
    type Output = Report;

    async fn run(&self, cx: &StageContext, delivery: Deliver) -> StageResult<Report> {
        let shared = &self.webhooks.0;
        let organization = delivery.organization.as_deref();
        let receiver = delivery.receiver();
        let Some(_turn) = shared.turns.begin(organization, &receiver) else {
            let age = shared.client.now().since(cx.submitted_at());
            let due = SCHEDULE.get(delivery.attempt.saturating_sub(1)).copied();
            let waited = age.saturating_sub(due.unwrap_or_default().mul_f64(1.0 + JITTER));
            return Err(StageError::snooze(turns::pause(waited)));
        };
        let endpoints = Endpoints::of(shared, organization);
        let endpoint = match &delivery.target {
            Target::Endpoint(id) => endpoints.get(id).await?,
            Target::Url(_) => match endpoints.get(REQUESTS).await? {
                Some(endpoint) => Some(endpoint),
                None => Some(endpoints.for_requests().await?),
            },
        };
        let url = match (&delivery.target, &endpoint) {
            (Target::Url(url), _) => Some(url.clone()),
            (_, Some(endpoint)) if endpoint.disabled.is_none() => endpoint.url.clone(),
            _ => None,
        };
        let (Some(endpoint), Some(url)) = (endpoint, url) else {
            return Ok(Report::dropped(String::from("the endpoint is gone or disabled")));
        };
        let answer = send(shared, &endpoints, &endpoint, &url, &delivery).await;
        let is_gone = answer.status == Some(410);
        let next = SCHEDULE.get(delivery.attempt).filter(|_| !is_gone);
        let came = match (answer.is_success(), next) {
            (true, _) => Came::Delivered,
            (false, Some(pause)) => {
                let pause = pause.mul_f64(1.0 + JITTER * shared.random.fraction());
                let asked = answer.retry_after.unwrap_or_default().min(RETRY_AFTER_MAX);
                let key = cx.labels().get(DELIVERY).map_or("", Name::as_str);
                let next = Deliver { attempt: delivery.attempt + 1, ..delivery.clone() };
                cx.follow_up(next.submission(key, pause.max(asked)))?;
                Came::Retried
            }
            (false, None) => Came::GivenUp,
        };
        tracing::info!(
            message_id = delivery.message_id,
            endpoint = endpoint.id,
            attempt = delivery.attempt,
            status = answer.status,
            ?came,
            "webhook attempted"
        );
        remember(&endpoints, &endpoint, &delivery, &answer, came).await?;
        Ok(answer.report(came))
    }

    fn options(&self) -> StageOptions {
        // An attempt itself takes at most twenty seconds; the rest is the store's.
        // How long it waits for its turn is not its fault.
        StageOptions {
            attempt_timeout: Duration::from_secs(120),
            snoozes_max: u32::MAX,
            ..StageOptions::default()
        }
    }
}

/// Signs a message and sends it. One that cannot be signed is not sent; a later attempt may be made
/// by a process that has the key.
async fn send(
    shared: &Shared,
    endpoints: &Endpoints,
    endpoint: &Endpoint,
    url: &str,
    delivery: &Deliver,
) -> Answer {
    let endpoint = match endpoints.open(endpoint.clone()) {
        Ok(endpoint) => endpoint,
        Err(error) => {
            tracing::error!(%error, endpoint = endpoint.id, "a webhook cannot be signed");
            return Answer::unsigned();
        }
    };
    let now = shared.client.now();
    let signature = endpoint.sign(&delivery.message_id, now, delivery.body.as_bytes());
    let outgoing = Outgoing {
        url,
        id: &delivery.message_id,
        seconds: now.as_micros() / 1_000_000,
        signature,
        body: delivery.body.clone(),
    };
    shared.sender.send(outgoing).await
}

/// Notes at an endpoint that it is gone, fails, or works again. Of the receivers that requests name
/// nothing is noted, only whether messages to them can be signed.
async fn remember(
    endpoints: &Endpoints,
    endpoint: &Endpoint,
    delivery: &Deliver,
    answer: &Answer,
    came: Came,
) -> StageResult<()> {
    let is_registered = matches!(delivery.target, Target::Endpoint(_));
    match came {
        Came::Delivered if endpoint.failing.is_some() => {
            endpoints.update(&endpoint.id, |endpoint| endpoint.failing = None).await?;
        }
        // Waiting three days to say so would help nobody.
        Came::Retried if answer.is_unsigned && endpoint.failing.is_none() => {
            let why = answer.summary();
            let flag = |endpoint: &mut Endpoint| endpoint.failing = Some(why.clone());
            endpoints.update(&endpoint.id, flag).await?;
        }
        Came::GivenUp if is_registered && answer.status == Some(410) => {
            let why = "the receiver answered 410 Gone";
            let disable = |endpoint: &mut Endpoint| endpoint.disabled = Some(why.into());
            endpoints.update(&endpoint.id, disable).await?;
        }
        Came::GivenUp if is_registered => {
            let why = format!("{} was given up: {}", delivery.message_id, answer.summary());
            let flag = |endpoint: &mut Endpoint| endpoint.failing = Some(why.clone());
            endpoints.update(&endpoint.id, flag).await?;
        }
        Came::Delivered | Came::Retried | Came::GivenUp | Came::Dropped => {}
    }
    Ok(())
}
