//! One request, sent as often as it takes.

use std::time::Duration;

use axum::http::{HeaderMap, Method, StatusCode};
use bytes::{Bytes, BytesMut};
use reqwest::{Response, Url};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, timeout};

use super::{
    backoff::retry_after,
    builder::Shared,
    error::{ClientError, Refusal},
};

/// Most bytes of a refusal that are read.
const REFUSAL_BYTES_MAX: usize = 64 * 1_024;

/// A request in the making. Whatever it changes, it may be sent twice.
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// How long the service may wait before it answers.
    pub(super) wait: Duration,
}

/// An answer that is whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    body: Bytes,
}

/// What came of one attempt that failed.
struct Failure {
    error: ClientError,
    retry_after: Option<Duration>,
}

impl Call {
    pub(super) fn new(method: Method, url: Url) -> Self {
        let (headers, body) = (HeaderMap::new(), Bytes::new());
        Self { method, url, headers, body, wait: Duration::ZERO }
    }
}

impl Answer {
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body).map_err(ClientError::Decode)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self { error, retry_after: None }
    }
}

impl Failure {
    /// Returns whether the same request may do better later.
    fn is_passing(&self, call: &Call) -> bool {
        match &self.error {
            ClientError::Transport(error) => !error.is_builder(),
            ClientError::TimedOut(_) => true,
            ClientError::Refused(refusal) => {
                // Too many wait: it helps not to wait.
                let waits = !call.wait.is_zero() && is_too_many_waiters(refusal);
                let status = refusal.status.as_u16();
                !waits && matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504)
            }
            _ => false,
        }
    }
}

/// What is left of a client's patience with one request.
struct Patience<'a> {
    shared: &'a Shared,
    call: &'a Call,
    attempts: u32,
    failing_since: Option<Instant>,
}

impl<'a> Patience<'a> {
    const fn new(shared: &'a Shared, call: &'a Call) -> Self {
        Self { shared, call, attempts: 0, failing_since: None }
    }

    /// Waits until it is time for the next attempt, or says that there will be none.
    async fn after(&mut self, failure: Failure) -> Result<(), ClientError> {
        let Self { shared, call, .. } = *self;
        self.attempts = self.attempts.saturating_add(1);
        if !failure.is_passing(call) {
            return Err(failure.error);
        }
        let attempts = self.attempts;
        let delay = shared.backoff.delay(attempts, failure.retry_after);
        let failing = self.failing_since.get_or_insert_with(Instant::now).elapsed();
        if attempts >= shared.attempts_max || failing.saturating_add(delay) > shared.patience {
            return Err(ClientError::GaveUp { attempts, last: Box::new(failure.error) });
        }
        sleep(delay).await;
        Ok(())
    }
}

pub(super) fn is_too_many_waiters(refusal: &Refusal) -> bool {
    refusal.code.as_deref() == Some("too_many_waiters")
}

impl Shared {
    /// Sends a request until it has an answer, and reads all of it.
    pub(super) async fn send(&self, call: &Call) -> Result<Answer, ClientError> {
        let within = self.timeout.saturating_add(call.wait);
        let mut patience = Patience::new(self, call);
        loop {
            let answer = timeout(within, self.attempt_whole(call)).await;
            match answer.unwrap_or_else(|_| Err(ClientError::TimedOut(within).into())) {
                Ok(answer) => return Ok(answer),
                Err(failure) => patience.after(failure).await?,
            }
        }
    }

    /// Sends a request until it has an answer, and leaves its body to be read.
    pub(super) async fn open(&self, call: &Call) -> Result<Response, ClientError> {
        let within = self.timeout;
        let mut patience = Patience::new(self, call);
        loop {
            let response = timeout(within, self.attempt(call)).await;
            match response.unwrap_or_else(|_| Err(ClientError::TimedOut(within).into())) {
                Ok(response) => return Ok(response),
                Err(failure) => patience.after(failure).await?,
            }
        }
    }

    async fn attempt_whole(&self, call: &Call) -> Result<Answer, Failure> {
        let response = self.attempt(call).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read(response, self.answer_bytes_max).await?;
        Ok(Answer { status, headers, body })
    }

    /// Sends a request once.
    async fn attempt(&self, call: &Call) -> Result<Response, Failure> {
        let mut headers = call.headers.clone();
        self.authorize(&mut headers);
        let request = self.http.request(call.method.clone(), call.url.clone()).headers(headers);
        let response = request.body(call.body.clone()).send().await;
        let response = response.map_err(ClientError::Transport)?;
        let status = response.status();
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return Ok(response);
        }
        let retry_after = retry_after(response.headers());
        let request_id = response.headers().get("x-request-id").cloned();
        let request_id = request_id.as_ref().and_then(|id| id.to_str().ok());
        // The status is enough, if there is no more.
        let body = read(response, REFUSAL_BYTES_MAX).await.unwrap_or_default();
        let refusal = Refusal::read(status, request_id, &body);
        Err(Failure { error: ClientError::Refused(Box::new(refusal)), retry_after })
    }
}

/// Reads a body to its end.
pub(super) async fn read(mut response: Response, limit: usize) -> Result<Bytes, ClientError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(ClientError::Transport)? {
        if chunk.len() > limit.saturating_sub(body.len()) {
            return Err(ClientError::TooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::HttpClient;

    fn refused(retry_after: Duration) -> Failure {
        let refusal = Refusal::read(StatusCode::SERVICE_UNAVAILABLE, None, b"");
        let error = ClientError::Refused(Box::new(refusal));
        Failure { error, retry_after: Some(retry_after) }
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_attempt_is_as_late_as_the_service_asks() {
        let second = Duration::from_secs(1);
        let client = HttpClient::builder("http://127.0.0.1").backoff(second / 10, second);
        let client = client.patience(60 * second).build().expect("a client");
        let url = client.shared.url(&["status"]);
        let call = Call::new(Method::GET, url);
        let mut patience = Patience::new(&client.shared, &call);
        for asked in [second, 30 * second] {
            let began = Instant::now();
            assert!(patience.after(refused(asked)).await.is_ok());
            let waited = began.elapsed();
            assert!(waited >= asked && waited <= asked + second / 5, "{waited:?}");
        }
        // That would be beyond its patience, so it does not wait at all.
        let began = Instant::now();
        let ended = patience.after(refused(30 * second)).await;
        assert!(matches!(ended, Err(ClientError::GaveUp { attempts: 3, .. })), "{ended:?}");
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
