//! One request to a receiver: within a time, to where it may go, and read only so far.

use std::time::Duration;

use bytes::BytesMut;
use reqwest::{Client, Response, header, redirect};
use tokio::time::Instant;

use super::{
    deliver::{Came, Report},
    guard::Guard,
};

/// Longest time of an attempt, from the first packet to the last byte that is read.
const ATTEMPT_PATIENCE: Duration = Duration::from_secs(20);

/// How much of an answer is read, so that the connection ends in order.
const READ_BYTES_MAX: usize = 64 * 1024;

/// How much of an answer is kept.
const KEPT_BYTES_MAX: usize = 1_024;

/// Sends attempts.
#[derive(Debug)]
pub(crate) struct Sender {
    guard: Guard,
    secure: Client,
    plain: Client,
}

/// One attempt on its way out.
pub(crate) struct Outgoing<'a> {
    pub(crate) url: &'a str,
    pub(crate) id: &'a str,
    pub(crate) seconds: i64,
    pub(crate) signature: String,
    pub(crate) body: String,
}

/// What came back.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: Option<u16>,
    pub(crate) retry_after: Option<Duration>,
    /// Nothing was sent, because there was nothing to sign with.
    pub(crate) is_unsigned: bool,
    response: String,
    error: Option<String>,
    took: Duration,
}

impl Sender {
    pub(crate) fn new(guard: Guard) -> Result<Self, reqwest::Error> {
        let client = |is_secure: bool| {
            Client::builder()
                .dns_resolver(guard.resolver(is_secure))
                // A redirect could lead anywhere, and a proxy would resolve names by itself.
                .redirect(redirect::Policy::none())
                .no_proxy()
                .referer(false)
                .timeout(ATTEMPT_PATIENCE)
                // The address is checked whenever a connection is made, so each attempt makes one.
                .pool_max_idle_per_host(0)
                .user_agent(concat!("artos-webhooks/", env!("CARGO_PKG_VERSION")))
                .build()
        };
        let (secure, plain) = (client(true)?, client(false)?);
        Ok(Self { guard, secure, plain })
    }

    /// Makes one attempt. Whatever goes wrong is part of the answer.
    pub(crate) async fn send(&self, outgoing: Outgoing<'_>) -> Answer {
        let started = Instant::now();
        let mut answer = self.attempt(outgoing).await;
        answer.took = started.elapsed();
        answer
    }

    async fn attempt(&self, outgoing: Outgoing<'_>) -> Answer {
        // Literal addresses never reach the resolver, so they are checked here, every time.
        let url = match self.guard.parse(outgoing.url) {
            Ok(url) => url,
            Err(refused) => return Answer::failed(format!("the URL {refused}")),
        };
        let client = if url.scheme() == "https" { &self.secure } else { &self.plain };
        let request = client
            .post(url)
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-id", outgoing.id)
            .header("webhook-timestamp", outgoing.seconds)
            .header("webhook-signature", outgoing.signature)
            .body(outgoing.body);
        match request.send().await {
            Ok(response) => Answer::read(response).await,
            Err(error) => Answer::failed(explain(&error)),
        }
    }
}

impl Answer {
    /// What comes of a message whose secret cannot be opened.
    pub(crate) fn unsigned() -> Self {
        let error = "nothing was sent: the secret was sealed with a key that is not there any more";
        Self { is_unsigned: true, ..Self::failed(error.into()) }
    }

    fn failed(error: String) -> Self {
        Self { error: Some(error), ..Self::default() }
    }

    async fn read(mut response: Response) -> Self {
        let status = response.status().as_u16();
        let retry_after = response.headers().get(header::RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let mut answer = Self {
            status: Some(status),
            retry_after: retry_after.map(Duration::from_secs),
            ..Self::default()
        };
        let mut kept = BytesMut::new();
        let mut read = 0;
        while read < READ_BYTES_MAX {
            match response.chunk().await {
                Ok(Some(chunk)) => {
                    read += chunk.len();
                    let room = KEPT_BYTES_MAX.saturating_sub(kept.len()).min(chunk.len());
                    kept.extend_from_slice(chunk.get(..room).unwrap_or_default());
                }
                Ok(None) => break,
                Err(error) => {
                    answer.error = Some(explain(&error));
                    break;
                }
            }
        }
        answer.response = String::from_utf8_lossy(&kept).into_owned();
        answer
    }

    /// Only 2xx says that the receiver has it, whatever happens to the rest of its answer.
    pub(crate) fn is_success(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }

    /// Says in a few words what came back.
    pub(crate) fn summary(&self) -> String {
        match (self.status, &self.error) {
            (Some(status), _) => format!("the receiver answered {status}"),
            (None, Some(error)) => error.clone(),
            (None, None) => String::from("no answer"),
        }
    }

    pub(crate) fn report(&self, came: Came) -> Report {
        Report {
            came,
            status: self.status,
            response: self.response.clone(),
            error: self.error.clone(),
            milliseconds: self.took.as_millis().try_into().unwrap_or(u64::MAX),
        }
    }
}

/// Says what went wrong down to its cause, but not where: the URL is known to whoever may read
/// this, and an address that was found out is not for them.
fn explain(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return String::from("no answer within 20 seconds");
    }
    let mut source: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(refused) = cause.downcast_ref::<super::guard::Refused>() {
            return format!("the URL {refused}");
        }
        source = cause.source();
    }
    let what = if error.is_connect() { "cannot connect" } else { "the answer broke off" };
    String::from(what)
}
