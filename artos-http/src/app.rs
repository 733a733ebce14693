//! What all handlers share, and how they find a task that the caller may see.

use std::{ops::Deref, sync::Arc, time::Duration};

use artos_core::{
    Client, Filter, ListQuery, Monitor, Name, Random, TaskId, TaskRecord,
    store::{Found, Part},
};
use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};
use bytes::Bytes;

use crate::{
    Caller, Drain, Problem,
    access::{self, Action, Ownership},
    backlog::{Backlog, Slot},
    idempotency,
    resource::Endpoint,
    routes::{Looks, Probe},
    waiters::Waiters,
    wire,
};

/// What all handlers share.
pub(crate) struct App {
    pub(crate) client: Client,
    pub(crate) monitor: Option<Monitor>,
    pub(crate) drain: Drain,
    pub(crate) body_limit: usize,
    pub(crate) request_timeout: Duration,
    pub(crate) backlog: Backlog,
    pub(crate) waiters: Arc<Waiters>,
    pub(crate) streams: Arc<Waiters>,
    pub(crate) probe: Probe,
    pub(crate) random: Random,
    pub(crate) openapi: Bytes,
    #[cfg(feature = "webhooks")]
    pub(crate) webhooks: Option<crate::Webhooks>,
}

/// What the handlers of one resource share. A router clones it several times for a request.
#[derive(Clone)]
pub(crate) struct Mount(Arc<Mounted>);

/// A resource and what it needs.
pub(crate) struct Mounted {
    pub(crate) app: Arc<App>,
    pub(crate) endpoint: Arc<Endpoint>,
    /// Who follows the tasks of whole organizations.
    pub(crate) looks: Arc<Looks>,
}

impl Deref for Mount {
    type Target = Mounted;

    fn deref(&self) -> &Mounted {
        &self.0
    }
}

impl Mount {
    pub(crate) fn new(app: &Arc<App>, endpoint: Arc<Endpoint>) -> Self {
        let (app, looks) = (Arc::clone(app), Arc::default());
        Self(Arc::new(Mounted { app, endpoint, looks }))
    }

    /// Reads a task of this resource that the caller may see. Every other id is not found: whether
    /// it is unknown, of another kind or of another organization cannot be told apart.
    pub(crate) async fn find(
        &self,
        caller: &Caller,
        action: Action,
        id: TaskId,
        part: Part,
    ) -> Result<Found, Problem> {
        // Not even read for somebody who may not do it anyway.
        self.admit(caller, action)?;
        let found = self.app.client.find(id, part).await?;
        let ownership = match &found {
            Some(found) if found.record.kind != self.endpoint.kind => Ownership::Absent,
            Some(found) if !caller.may_see(&found.record) => Ownership::Foreign,
            Some(_) => Ownership::Own,
            None => Ownership::Absent,
        };
        access::decide(action, caller.scopes(), ownership).check()?;
        found.ok_or_else(Problem::not_found)
    }

    pub(crate) async fn record(
        &self,
        caller: &Caller,
        action: Action,
        id: TaskId,
    ) -> Result<TaskRecord, Problem> {
        Ok(self.find(caller, action, id, Part::Record).await?.record)
    }

    /// Refuses a caller without the scope for something that is, or will be, its organization's.
    pub(crate) fn admit(&self, caller: &Caller, action: Action) -> Result<(), Problem> {
        access::decide(action, caller.scopes(), Ownership::Own).check()
    }

    /// Refuses new work while this instance is shutting down.
    pub(crate) fn take_work(&self) -> Result<(), Problem> {
        if self.app.drain.is_started() { Err(Problem::draining()) } else { Ok(()) }
    }

    /// Refuses another task while too many wait, as far as is known already: before anything that
    /// costs more than this. What was taken in under this key is no other one.
    pub(crate) async fn glance(
        &self,
        caller: &Caller,
        key: Option<&Name>,
    ) -> Result<Admission, Problem> {
        match (self.app.backlog.glance(caller.organization()), key) {
            (Ok(()), _) => Ok(Admission::New),
            (Err(_), Some(key)) if self.has_taken(caller, key).await? => Ok(Admission::Repeat),
            (Err(problem), _) => Err(problem),
        }
    }

    /// Makes room for a task; `None` if a request with this key made it already.
    pub(crate) async fn take_task(
        &self,
        caller: &Caller,
        key: Option<&Name>,
        admission: Admission,
    ) -> Result<Option<Slot<'_>>, Problem> {
        if admission == Admission::Repeat {
            return Ok(None);
        }
        let admitted = self.app.backlog.admit(&self.app.client, caller.organization()).await;
        match (admitted, key) {
            (Ok(slot), _) => Ok(Some(slot)),
            (Err(_), Some(key)) if self.has_taken(caller, key).await? => Ok(None),
            (Err(problem), _) => Err(problem),
        }
    }

    /// Returns whether a request with this key made a task.
    async fn has_taken(&self, caller: &Caller, key: &Name) -> Result<bool, Problem> {
        let filter = Filter {
            kinds: vec![self.endpoint.kind.clone()],
            tenant: caller.organization().cloned(),
            labels: vec![(Name::from_static(idempotency::REQUEST), key.clone())],
            ..Filter::default()
        };
        let query = ListQuery { filter, limit: 1, ..ListQuery::default() };
        Ok(!self.app.client.list(&query).await?.tasks.is_empty())
    }

    pub(crate) fn status_path(&self, id: TaskId) -> String {
        format!("{}/status/{id}", self.endpoint.base)
    }

    /// Returns after how many seconds a task at work is worth another look: half its age, so that
    /// short tasks are seen soon and long ones cost little.
    pub(crate) fn retry_after(&self, record: &TaskRecord) -> u64 {
        let age = self.app.client.now().since(record.created_at);
        (age / 2).as_millis().div_ceil(1_000).clamp(1, 30).try_into().unwrap_or(30)
    }
}

/// What a first glance says about a request for a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It may make another task, if there still is room then.
    New,
    /// A request with the same key made the task.
    Repeat,
}

/// The task id in the path. What is no id is an id nobody has.
pub(crate) struct PathId(pub(crate) TaskId);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        let params = params.map_err(|_| Problem::not_found())?;
        let id = params.iter().next().and_then(|(_, text)| wire::parse_id(text));
        id.map(Self).ok_or_else(Problem::not_found)
    }
}
