//! Putting a router together, and checking it before it serves.

mod assemble;
mod check;

use std::{fmt, time::Duration};

use artos_core::{Client, Monitor, Task};
use axum::Router;

use crate::{Auth, Drain, Limits, Resource, resource::Endpoint};

/// Starts to put a router together that serves the tasks of a client's store to those whom `auth`
/// lets in.
pub fn router(client: Client, auth: Auth) -> RouterBuilder {
    RouterBuilder {
        client,
        auth,
        monitor: None,
        drain: Drain::new(),
        body_limit: 256 * 1024,
        request_timeout: Duration::from_secs(30),
        waiters_max: 64,
        streams_max: 64,
        limits: None,
        pending_max: None,
        backlog_max: None,
        cors_origins: Vec::new(),
        #[cfg(feature = "compression")]
        is_compressing: false,
        #[cfg(feature = "docs-ui")]
        has_ui: false,
        openapi_path: String::from("/api/v1/openapi.json"),
        title: String::from("artos"),
        version: String::from("1"),
        endpoints: Vec::new(),
        routes: Vec::new(),
        #[cfg(feature = "webhooks")]
        webhooks: None,
    }
}

/// Puts an [`axum::Router`] together; made by [`router`].
#[must_use = "a router serves nothing until it is built"]
pub struct RouterBuilder {
    client: Client,
    auth: Auth,
    monitor: Option<Monitor>,
    drain: Drain,
    body_limit: usize,
    request_timeout: Duration,
    waiters_max: usize,
    streams_max: usize,
    limits: Option<Limits>,
    pending_max: Option<u64>,
    backlog_max: Option<u64>,
    cors_origins: Vec<String>,
    #[cfg(feature = "compression")]
    is_compressing: bool,
    #[cfg(feature = "docs-ui")]
    has_ui: bool,
    openapi_path: String,
    title: String,
    version: String,
    endpoints: Vec<Endpoint>,
    routes: Vec<Router>,
    #[cfg(feature = "webhooks")]
    webhooks: Option<crate::Webhooks>,
}

/// A router cannot be built. Every reason is listed, not only the first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the router cannot be built: {}", .problems.join("; "))]
pub struct BuildError {
    /// What is wrong.
    pub problems: Vec<String>,
}

impl RouterBuilder {
    /// Lets `/readyz` tell how the runtime in this process is.
    pub fn monitor(mut self, monitor: Monitor) -> Self {
        self.monitor = Some(monitor);
        self
    }

    /// Listens to this drain, to end long-polls and refuse new work when the instance goes away.
    pub fn drain(mut self, drain: Drain) -> Self {
        self.drain = drain;
        self
    }

    /// Mounts tasks of one kind.
    pub fn resource<T: Task>(mut self, resource: Resource<T>) -> Self {
        self.endpoints.push(resource.erase());
        self
    }

    /// Lets organizations register webhook endpoints, below `/api/v1/webhooks`, and requests name
    /// URLs. The runtime needs them too: [`Webhooks::install`](crate::Webhooks::install).
    #[cfg(feature = "webhooks")]
    pub fn webhooks(mut self, webhooks: crate::Webhooks) -> Self {
        self.webhooks = Some(webhooks);
        self
    }

    /// Adds routes of the service's own behind the same guard: their handlers may extract a
    /// [`Caller`](crate::Caller), and what they refuse gets the same error body. A route that is
    /// there already makes [`build`](Self::build) panic, as it does in axum.
    pub fn routes(mut self, routes: Router) -> Self {
        self.routes.push(routes);
        self
    }

    /// Sets the largest request body, in bytes. Default: 256 KiB.
    pub const fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Sets how long an answer may take, beyond what a long-poll asked for. Default: 30 seconds.
    pub const fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// Sets how many long-polls an organization may have open on this instance. Default: 64.
    pub const fn waiters_max(mut self, waiters: usize) -> Self {
        self.waiters_max = waiters;
        self
    }

    /// Sets how many event streams an organization may have open on this instance. Default: 64.
    pub const fn streams_max(mut self, streams: usize) -> Self {
        self.streams_max = streams;
        self
    }

    /// Limits how often callers may call. Default: no limits.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// Sets how many tasks an organization may have waiting before more are refused: 429, with
    /// `Retry-After`. Default: any number.
    ///
    /// Tasks that wait for their time or for another try count; those at work do not. The count is
    /// up to ten seconds old, and each process adds only what it takes in itself.
    pub const fn pending_max(mut self, tasks: u64) -> Self {
        self.pending_max = Some(tasks);
        self
    }

    /// Sets how many tasks may wait in all, of all organizations, before more are refused: 503,
    /// with `Retry-After`. Default: any number.
    pub const fn backlog_max(mut self, tasks: u64) -> Self {
        self.backlog_max = Some(tasks);
        self
    }

    /// Lets web pages of these origins call, such as `https://app.example.com`. Default: none, so
    /// browsers let only pages of the service's own origin read its answers.
    ///
    /// Pages have to send a token; cookies are not accepted.
    pub fn cors_origins(mut self, origins: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.cors_origins.extend(origins.into_iter().map(Into::into));
        self
    }

    /// Compresses larger answers of JSON for clients that accept gzip; never event streams, and
    /// never documents. Default: no, because a proxy in front often does it.
    #[cfg(feature = "compression")]
    pub const fn compress(mut self) -> Self {
        self.is_compressing = true;
        self
    }

    /// Sets where the OpenAPI document is. Default: `/api/v1/openapi.json`.
    pub fn openapi_path(mut self, path: impl Into<String>) -> Self {
        self.openapi_path = path.into();
        self
    }

    /// Serves Swagger UI at `/docs`, to anybody: a page to read and try the OpenAPI document with.
    /// Default: no. It loads nothing from elsewhere.
    #[cfg(feature = "docs-ui")]
    pub const fn docs_ui(mut self) -> Self {
        self.has_ui = true;
        self
    }

    /// Sets title and version of the OpenAPI document.
    pub fn info(mut self, title: impl Into<String>, version: impl Into<String>) -> Self {
        self.title = title.into();
        self.version = version.into();
        self
    }
}

impl fmt::Debug for RouterBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bases: Vec<_> = self.endpoints.iter().map(|endpoint| &endpoint.base).collect();
        f.debug_struct("RouterBuilder")
            .field("client", &self.client)
            .field("auth", &self.auth)
            .field("bases", &bases)
            .finish_non_exhaustive()
    }
}
