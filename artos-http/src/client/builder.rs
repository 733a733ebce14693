//! What a client knows of its service, and how patient it is.

use std::{fmt, sync::Arc, time::Duration};

use axum::http::{HeaderMap, HeaderValue, Method, header};
use reqwest::{Url, redirect};
use serde::de::DeserializeOwned;

use super::{RemoteResource, backoff::Backoff, call::Call, error::ClientError};

const USER_AGENT: &str = concat!("artos-http/", env!("CARGO_PKG_VERSION"));

/// A client of one service; cheap to clone.
///
/// It goes to its base URL and nowhere else: it follows no redirect, and its token is sent to no
/// other origin.
#[derive(Clone)]
pub struct HttpClient {
    pub(super) shared: Arc<Shared>,
}

/// What the clones of a client share.
pub(super) struct Shared {
    pub(super) http: reqwest::Client,
    base: Url,
    authorization: Option<HeaderValue>,
    pub(super) timeout: Duration,
    pub(super) patience: Duration,
    pub(super) attempts_max: u32,
    pub(super) backoff: Backoff,
    pub(super) wait: Duration,
    pub(super) answer_bytes_max: usize,
    pub(super) event_bytes_max: usize,
}

impl HttpClient {
    /// Makes a client of the service at `base_url`, such as `https://documents.example.com`, that
    /// authenticates itself with a bearer token.
    ///
    /// # Errors
    ///
    /// As [`HttpClientBuilder::build`].
    pub fn new(base_url: &str, token: &str) -> Result<Self, ClientError> {
        Self::builder(base_url).token(token).build()
    }

    /// Starts to make a client that differs from the usual one.
    pub fn builder(base_url: &str) -> HttpClientBuilder {
        HttpClientBuilder {
            base_url: base_url.to_owned(),
            token: None,
            user_agent: None,
            connections: None,
            timeout: Duration::from_secs(30),
            patience: Duration::from_secs(60),
            attempts_max: 8,
            backoff: Backoff { first: Duration::from_millis(200), max: Duration::from_secs(10) },
            wait: Duration::from_secs(30),
            answer_bytes_max: 64 * 1_024 * 1_024,
            event_bytes_max: 1_024 * 1_024,
        }
    }

    /// Returns a client of one resource, by the types of its requests and its documents. The path
    /// is that of the [`Resource`](crate::Resource) there, such as `/api/v1/documents`.
    #[must_use]
    pub fn resource<R, D>(&self, path: &str) -> RemoteResource<R, D> {
        RemoteResource::new(self.clone(), path)
    }

    /// Reads any JSON that the service has at a path.
    ///
    /// # Errors
    ///
    /// [`ClientError`], after what failed in passing was tried again.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.shared.send(&Call::new(Method::GET, self.shared.url(&[path]))).await?.json()
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient")
            .field("base", &self.shared.base.as_str())
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// Returns a URL below the base; a part may be a path of several segments.
    pub(super) fn url(&self, parts: &[&str]) -> Url {
        let mut url = self.base.clone();
        // An http URL always has a path.
        if let Ok(mut path) = url.path_segments_mut() {
            let segments = parts.iter().flat_map(|part| part.split('/'));
            path.pop_if_empty().extend(segments.filter(|segment| !segment.is_empty()));
        }
        url
    }

    pub(super) fn authorize(&self, headers: &mut HeaderMap) {
        if let Some(authorization) = &self.authorization {
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
    }
}

/// Makes an [`HttpClient`].
#[must_use = "call build"]
pub struct HttpClientBuilder {
    base_url: String,
    token: Option<String>,
    user_agent: Option<String>,
    connections: Option<reqwest::ClientBuilder>,
    timeout: Duration,
    patience: Duration,
    attempts_max: u32,
    backoff: Backoff,
    wait: Duration,
    answer_bytes_max: usize,
    event_bytes_max: usize,
}

impl HttpClientBuilder {
    /// Authenticates with this bearer token. Without one, requests carry none.
    pub fn token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// Says who calls; by default `artos-http` and its version.
    pub fn user_agent(mut self, user_agent: &str) -> Self {
        self.user_agent = Some(user_agent.to_owned());
        self
    }

    /// Makes connections with these settings, for certificates, proxies and the like. Redirects are
    /// turned off all the same.
    pub fn connections(mut self, connections: reqwest::ClientBuilder) -> Self {
        self.connections = Some(connections);
        self
    }

    /// Sets how long one attempt may take, 30 seconds by default. A long-poll may take as much
    /// longer as it waits, and a stream may go on as long as something comes.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how long to try again, from the first failure on: 60 seconds by default. A service that
    /// asks for more with `Retry-After` is not asked again.
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Sets how often a request is sent at most: 8 times by default.
    pub const fn attempts_max(mut self, attempts: u32) -> Self {
        self.attempts_max = attempts;
        self
    }

    /// Sets the pause after the first failure and the longest one: 200 milliseconds and 10 seconds
    /// by default. They double in between, and are jittered.
    pub const fn backoff(mut self, first: Duration, max: Duration) -> Self {
        self.backoff = Backoff { first, max };
        self
    }

    /// Sets how long one long-poll waits: 30 seconds by default. The service grants at most 60.
    pub const fn long_poll(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Sets the most bytes of an answer that is kept in memory, such as a document: 64 MiB by
    /// default.
    pub const fn answer_bytes_max(mut self, bytes: usize) -> Self {
        self.answer_bytes_max = bytes;
        self
    }

    /// Sets the most bytes of one event of a stream: 1 MiB by default.
    pub const fn event_bytes_max(mut self, bytes: usize) -> Self {
        self.event_bytes_max = bytes;
        self
    }

    /// Makes the client; it does not connect yet.
    ///
    /// # Errors
    ///
    /// [`ClientError::BaseUrl`], [`ClientError::Token`], or [`ClientError::Transport`] if the
    /// settings of connections do not work.
    pub fn build(self) -> Result<HttpClient, ClientError> {
        let base = base(&self.base_url)?;
        let authorization = self.token.as_deref().map(|token| {
            let value = HeaderValue::try_from(format!("Bearer {token}"));
            let mut value = value.map_err(|_| ClientError::Token)?;
            value.set_sensitive(true);
            Ok(value)
        });
        let authorization = authorization.transpose()?;
        let is_own = self.connections.is_some();
        let mut http = self.connections.unwrap_or_default().redirect(redirect::Policy::none());
        if let Some(user_agent) = self.user_agent.or((!is_own).then(|| USER_AGENT.to_owned())) {
            http = http.user_agent(user_agent);
        }
        let http = http.build().map_err(ClientError::Transport)?;
        let shared = Shared {
            http,
            base,
            authorization,
            timeout: self.timeout,
            patience: self.patience,
            attempts_max: self.attempts_max,
            backoff: self.backoff,
            wait: self.wait,
            answer_bytes_max: self.answer_bytes_max,
            event_bytes_max: self.event_bytes_max,
        };
        Ok(HttpClient { shared: Arc::new(shared) })
    }
}

impl fmt::Debug for HttpClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither the token nor a base URL that may have a password in it.
        f.debug_struct("HttpClientBuilder").finish_non_exhaustive()
    }
}

/// Reads a base URL, which may have a path.
fn base(text: &str) -> Result<Url, ClientError> {
    let url = Url::parse(text).map_err(|_| ClientError::BaseUrl("it is no URL"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(ClientError::BaseUrl("expected http or https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(ClientError::BaseUrl("it has a user or a password; give a token instead"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(ClientError::BaseUrl("it has a query or a fragment"));
    }
    Ok(url)
}
