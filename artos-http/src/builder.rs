//! Putting a router together, and checking it before it serves.

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use artos_core::{Client, Monitor, Random, Task};
use axum::{Router, middleware, response::IntoResponse, routing::MethodRouter};
use bytes::Bytes;
use utoipa_axum::router::UtoipaMethodRouter;

#[cfg(feature = "compression")]
use crate::compression;
#[cfg(feature = "docs-ui")]
use crate::ui;
use crate::{
    Auth, Drain, Limits, Problem, Resource,
    app::{App, Mount},
    auth::{self, Guard},
    cors,
    error::ProblemKind,
    keys,
    limits::{self, Limiter},
    observe,
    openapi::{self, Documentation},
    resource::Endpoint,
    routes,
    waiters::Waiters,
};

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

/// A route of a resource, before it has its state.
type Route<S> = (String, MethodRouter<S>);

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

    /// Checks everything and builds the router.
    ///
    /// It answers every path, so nest it into another router, or merge it only if that one has no
    /// fallback. The layers around it are, from the outside in: compression; request ids, the log,
    /// the headers that every answer has, and the one error body; CORS; panics and deadlines; the
    /// guard; quotas.
    ///
    /// # Errors
    ///
    /// [`BuildError`] lists everything that is wrong.
    ///
    /// # Panics
    ///
    /// If one of [`routes`](Self::routes) is there already.
    pub fn build(mut self) -> Result<Router, BuildError> {
        let problems = self.problems();
        if !problems.is_empty() {
            return Err(BuildError { problems });
        }
        let is_limited = self.limits.is_some();
        let mut docs =
            Documentation::new(&self.title, &self.version, self.auth.is_open(), is_limited);
        let mut service = Vec::new();
        for route in routes::of_service() {
            service.extend(document(&mut docs, route, None));
        }
        service.extend(document(&mut docs, routes::of_openapi(), Some(&self.openapi_path)));
        #[cfg(feature = "webhooks")]
        let mut managed: Vec<Route<()>> = self
            .webhooks
            .as_ref()
            .map(|webhooks| document_webhooks(&mut docs, webhooks))
            .unwrap_or_default();
        #[cfg(not(feature = "webhooks"))]
        let mut managed = Vec::new();
        if let Some(keys) = self.auth.keys() {
            for route in keys::of_keys(keys.clone()) {
                managed.extend(document_guarded(&mut docs, "keys", route));
            }
        }
        let endpoints = std::mem::take(&mut self.endpoints);
        let endpoints: Vec<_> =
            endpoints.into_iter().map(|endpoint| describe(&mut docs, endpoint)).collect();
        let openapi =
            docs.write().map_err(|error| BuildError { problems: vec![error.to_string()] })?;
        Ok(self.assemble(service, managed, endpoints, openapi))
    }

    fn assemble(
        self,
        service: Vec<Route<Arc<App>>>,
        managed: Vec<Route<()>>,
        endpoints: Vec<(Endpoint, Vec<Route<Mount>>)>,
        openapi: Bytes,
    ) -> Router {
        let app = Arc::new(App {
            client: self.client,
            monitor: self.monitor,
            drain: self.drain,
            body_limit: self.body_limit,
            request_timeout: self.request_timeout,
            waiters: Arc::new(Waiters::new(ProblemKind::TooManyWaiters, self.waiters_max)),
            streams: Arc::new(Waiters::new(ProblemKind::TooManyStreams, self.streams_max)),
            random: Random::from_entropy(),
            openapi,
            #[cfg(feature = "webhooks")]
            webhooks: self.webhooks,
        });
        let mut guarded = Router::new();
        for (endpoint, routes) in endpoints {
            let mount = Mount { app: Arc::clone(&app), endpoint: Arc::new(endpoint) };
            guarded = guarded.merge(with_both_spellings(routes, mount.clone()));
            let downloads = mount.endpoint.downloads.iter().map(|(name, serve)| {
                let path = format!("{}/{{document_id}}/{name}", mount.endpoint.base);
                (path, routes::of_download(mount.clone(), Arc::clone(serve)))
            });
            guarded = guarded.merge(with_both_spellings(downloads, ()));
        }
        guarded = guarded.merge(with_both_spellings(managed, ()));
        for routes in self.routes {
            guarded = guarded.merge(routes);
        }
        // A layer on routes, not around the router: what is not there is not found, whoever asks.
        let limiter = self.limits.as_ref().map(|limits| Arc::new(Limiter::new(limits)));
        let guard = Guard { auth: self.auth, limiter: limiter.clone() };
        let guarded = match limiter.filter(|_| guarded.has_routes()) {
            Some(limiter) => {
                guarded.route_layer(middleware::from_fn_with_state(limiter, limits::enforce))
            }
            None => guarded,
        };
        let guarded = match guarded.has_routes() {
            true => guarded.route_layer(middleware::from_fn_with_state(guard, auth::guard)),
            false => guarded,
        };
        #[cfg(feature = "docs-ui")]
        let guarded = match self.has_ui {
            true => ui::routes(&self.openapi_path)
                .into_iter()
                .fold(guarded, |router, (path, methods)| router.route(&path, methods)),
            false => guarded,
        };
        let router = guarded
            .merge(with_both_spellings(service, Arc::clone(&app)))
            .fallback(async || Problem::new(ProblemKind::NotFound, "Not found").into_response());
        // From the inside out.
        let router =
            router.layer(middleware::from_fn_with_state(Arc::clone(&app), observe::contain));
        let origins: Vec<_> =
            self.cors_origins.iter().filter_map(|origin| cors::origin(origin)).collect();
        let router = if origins.is_empty() { router } else { router.layer(cors::layer(origins)) };
        let router = router.layer(middleware::from_fn_with_state(app, observe::observe));
        #[cfg(feature = "compression")]
        let router = if self.is_compressing { compression::around(router) } else { router };
        router
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = self.auth.problems();
        let mut claimed = BTreeSet::new();
        let mut claim = |path: String, problems: &mut Vec<String>| {
            if !claimed.insert(path.clone()) {
                problems.push(format!("two resources claim the path {path}"));
            }
        };
        for path in ["/livez", "/readyz", "/problems/{}", self.openapi_path.as_str()] {
            claim(path.to_owned(), &mut problems);
        }
        #[cfg(feature = "webhooks")]
        if self.webhooks.is_some() {
            for suffix in ["", "/{}", "/{}/secret", "/{}/attempts"] {
                claim(format!("/api/v1/webhooks{suffix}"), &mut problems);
            }
        }
        if self.auth.keys().is_some() {
            claim(String::from("/api/v1/keys"), &mut problems);
            claim(String::from("/api/v1/keys/{}"), &mut problems);
        }
        for origin in self.cors_origins.iter().filter(|origin| cors::origin(origin).is_none()) {
            problems.push(format!(
                "{origin:?} is no origin: expected something like https://app.example.com"
            ));
        }
        #[cfg(feature = "docs-ui")]
        if self.has_ui {
            claim(ui::PATH.to_owned(), &mut problems);
            claim(format!("{}/{{}}", ui::PATH), &mut problems);
        }
        check_path("openapi_path", &self.openapi_path, &mut problems);
        for endpoint in &self.endpoints {
            check_path("base", &endpoint.base, &mut problems);
            for suffix in [
                "",
                "/generate",
                "/status/{}",
                "/status/{}/events",
                "/{}",
                "/{}/cancel",
                "/{}/retry",
            ] {
                claim(format!("{}{suffix}", endpoint.base), &mut problems);
            }
            for (name, _) in &endpoint.downloads {
                if name.contains('/') {
                    problems
                        .push(format!("{name:?} is no good name for a download: it has a slash"));
                }
                check_path("download", &format!("/{name}"), &mut problems);
                claim(format!("{}/{{}}/{name}", endpoint.base), &mut problems);
            }
        }
        problems
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

/// Checks that a path is made of plain segments: anything else axum would take for a pattern, or a
/// client would have to escape.
fn check_path(what: &str, path: &str, problems: &mut Vec<String>) {
    let is_plain = |segment: &str| {
        !segment.is_empty()
            && segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
    };
    let segments = path.strip_prefix('/').map(|rest| rest.split('/').all(is_plain));
    if segments != Some(true) {
        problems.push(format!(
            "{path:?} is no good path for a {what}: \
             expected segments of letters, digits and -._~, each after a slash"
        ));
    }
}

/// Documents a route that every service has; it may be moved elsewhere.
fn document(
    docs: &mut Documentation,
    (schemas, paths, methods): UtoipaMethodRouter<Arc<App>>,
    elsewhere: Option<&str>,
) -> Vec<Route<Arc<App>>> {
    let mut routes = Vec::new();
    for (path, item) in paths.paths {
        let path = elsewhere.map_or(path, str::to_owned);
        docs.add(&path, item, schemas.clone());
        routes.push((path, methods.clone()));
    }
    routes
}

/// Documents a route that only known callers may use, and that no resource has.
fn document_guarded(
    docs: &mut Documentation,
    tag: &str,
    (schemas, paths, methods): UtoipaMethodRouter<()>,
) -> Vec<Route<()>> {
    let mut routes = Vec::new();
    for (path, mut item) in paths.paths {
        docs.secure(&mut item, tag);
        docs.add(&path, item, schemas.clone());
        routes.push((path, methods.clone()));
    }
    routes
}

/// Documents the routes that look after webhooks, and the events.
#[cfg(feature = "webhooks")]
fn document_webhooks(docs: &mut Documentation, webhooks: &crate::Webhooks) -> Vec<Route<()>> {
    for r#type in webhooks.event_types() {
        docs.add_event(&r#type);
    }
    let routes = crate::webhooks::of_webhooks(webhooks.clone()).into_iter();
    routes.flat_map(|route| document_guarded(docs, "webhooks", route)).collect()
}

/// Documents the routes of a resource, and returns them with their full paths.
fn describe(docs: &mut Documentation, endpoint: Endpoint) -> (Endpoint, Vec<Route<Mount>>) {
    let tag = docs.tag(&endpoint);
    let mut routes = Vec::new();
    for route in routes::of_resource() {
        let (schemas, paths, methods) = route;
        for (path, mut item) in paths.paths {
            docs.complete(&mut item, &tag, &endpoint);
            let path = format!("{}{path}", endpoint.base);
            docs.add(&path, item, schemas.clone());
            routes.push((path, methods.clone()));
        }
    }
    for (name, _) in &endpoint.downloads {
        let mut item = openapi::download(name);
        docs.complete(&mut item, &tag, &endpoint);
        docs.add(&format!("{}/{{document_id}}/{name}", endpoint.base), item, Vec::new());
    }
    (endpoint, routes)
}

/// Registers each route with and without a trailing slash.
fn with_both_spellings<S: Clone + Send + Sync + 'static>(
    routes: impl IntoIterator<Item = Route<S>>,
    state: S,
) -> Router {
    let mut router = Router::new();
    for (path, methods) in routes {
        let path = path.trim_end_matches('/');
        router = router.route(path, methods.clone()).route(&format!("{path}/"), methods);
    }
    router.with_state(state)
}
