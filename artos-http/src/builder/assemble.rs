//! Making the router: its documentation, its routes, and the layers around them.

use std::sync::Arc;

use artos_core::Random;
use axum::{Router, handler::Handler, middleware, response::IntoResponse, routing::MethodRouter};
use bytes::Bytes;
use utoipa_axum::router::UtoipaMethodRouter;

use super::{BuildError, RouterBuilder};
#[cfg(feature = "compression")]
use crate::compression;
#[cfg(feature = "docs-ui")]
use crate::ui;
use crate::{
    Problem,
    app::{App, Mount},
    around::Around,
    auth::Guard,
    backlog::Backlog,
    cors,
    error::ProblemKind,
    keys,
    limits::{self, Limiter},
    openapi::{self, Documentation},
    resource::{Download, Endpoint},
    routes,
    waiters::Waiters,
};

/// A route of a resource, before it has its state.
type Route<S> = (String, MethodRouter<S>);

impl RouterBuilder {
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
        let kinds = endpoints.iter().map(|(endpoint, _)| endpoint.kind.clone()).collect();
        let app = Arc::new(App {
            client: self.client,
            backlog: Backlog::new(kinds, self.pending_max, self.backlog_max),
            monitor: self.monitor,
            drain: self.drain,
            body_limit: self.body_limit,
            request_timeout: self.request_timeout,
            waiters: Arc::new(Waiters::new(ProblemKind::TooManyWaiters, self.waiters_max)),
            streams: Arc::new(Waiters::new(ProblemKind::TooManyStreams, self.streams_max)),
            probe: routes::Probe::default(),
            random: Random::from_entropy(),
            openapi,
            #[cfg(feature = "webhooks")]
            webhooks: self.webhooks,
        });
        let mut guarded = Router::new();
        for (endpoint, routes) in endpoints {
            let endpoint = Arc::new(endpoint);
            let mount = Mount::new(&app, endpoint);
            guarded = guarded.merge(with_both_spellings(routes, mount.clone()));
            let downloads = mount.endpoint.downloads.iter().map(|download| {
                let path = format!("{}/{{document_id}}/{}", mount.endpoint.base, download.name);
                (path, routes::of_download(mount.clone(), Arc::clone(&download.serve)))
            });
            guarded = guarded.merge(with_both_spellings(downloads, ()));
        }
        guarded = guarded.merge(with_both_spellings(managed, ()));
        let hosts = self.routes.into_iter().fold(Router::new(), Router::merge);
        let limiter = self.limits.as_ref().map(|limits| Arc::new(Limiter::new(limits)));
        let limited = |routes: Router| match &limiter {
            Some(limiter) if routes.has_routes() => {
                let limiter = Arc::clone(limiter);
                routes.route_layer(middleware::from_fn_with_state(limiter, limits::enforce))
            }
            _ => routes,
        };
        let guard = Arc::new(Guard { auth: self.auth, limiter: limiter.clone() });
        let origins: Vec<_> =
            self.cors_origins.iter().filter_map(|origin| cors::origin(origin)).collect();
        let around = |guard| match origins.is_empty() {
            true => Around::all(&app, guard),
            false => Around::inner(&app, guard),
        };
        // A layer on routes, not around the router: what is not there is not found, whoever asks.
        let layered = |routes: Router, layer| match routes.has_routes() {
            true => routes.route_layer(layer),
            false => routes,
        };
        let guarded = layered(limited(guarded), around(Some(Arc::clone(&guard))));
        // What is nested in the host's routes may have answers of its own for what is not there.
        let hosts = layered(limited(hosts), Around::guard(&app, guard)).layer(around(None));
        let open = with_both_spellings(service, Arc::clone(&app));
        #[cfg(feature = "docs-ui")]
        let open = match self.has_ui {
            true => ui::routes(&self.openapi_path)
                .into_iter()
                .fold(open, |router, (path, methods)| router.route(&path, methods)),
            false => open,
        };
        let nothing = async || Problem::new(ProblemKind::NotFound, "Not found").into_response();
        let router = guarded
            .merge(hosts)
            .merge(open.route_layer(around(None)))
            .fallback(nothing.layer(around(None)));
        let router = match origins.is_empty() {
            true => router,
            false => router.layer(cors::layer(origins)).layer(Around::outer(&app)),
        };
        #[cfg(feature = "compression")]
        let router = if self.is_compressing { compression::around(router) } else { router };
        router
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
    for Download { name, media_type, .. } in &endpoint.downloads {
        let mut item = openapi::download(name, media_type);
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
