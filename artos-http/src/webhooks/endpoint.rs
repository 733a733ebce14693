//! Where events of an organization go: what is kept of an endpoint, and how it changes.

use std::time::Duration;

use artos_core::{Client, Name, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    Shared,
    signature::{NoRandomness, Secret},
    vault::{Vault, VaultError},
};
use crate::{
    Problem,
    records::{Change, Collection, RecordError, tenant},
};

/// The endpoint that stands for URLs in requests: it has no URL of its own, only secrets.
pub(crate) const REQUESTS: &str = "requests";

/// Most endpoints of an organization: each end of a task makes as many deliveries.
pub(crate) const ENDPOINTS_MAX: usize = 20;

/// Why an endpoint cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EndpointError {
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error(transparent)]
    Secret(#[from] NoRandomness),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error("an organization has at most {ENDPOINTS_MAX} webhook endpoints")]
    TooMany,
}

impl From<EndpointError> for Problem {
    fn from(error: EndpointError) -> Self {
        match error {
            EndpointError::Record(error) => error.into(),
            EndpointError::Secret(error) => Self::internal(error),
            EndpointError::Vault(error) => Self::internal(error),
            EndpointError::TooMany => Self::conflict(error.to_string()),
        }
    }
}

/// A registered endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Endpoint {
    pub(crate) id: String,
    /// `None` for the one that stands for URLs in requests.
    pub(crate) url: Option<String>,
    pub(crate) description: String,
    /// Types of events it wants; empty for all.
    pub(crate) events: Vec<String>,
    pub(crate) secret: Secret,
    /// Secrets that were replaced, and until when they sign as well.
    pub(crate) retired: Vec<(Secret, i64)>,
    /// Why nothing is delivered.
    pub(crate) disabled: Option<String>,
    /// Why the last event was given up, until one is delivered again.
    pub(crate) failing: Option<String>,
    pub(crate) created_at: i64,
}

impl Endpoint {
    /// Makes an endpoint with a secret of its own.
    pub(crate) fn new(
        id: String,
        url: Option<String>,
        now: Timestamp,
    ) -> Result<Self, NoRandomness> {
        Ok(Self {
            id,
            url,
            description: String::new(),
            events: Vec::new(),
            secret: Secret::generate()?,
            retired: Vec::new(),
            disabled: None,
            failing: None,
            created_at: now.as_micros(),
        })
    }

    pub(crate) fn wants(&self, event: &str) -> bool {
        let is_wanted = self.events.is_empty() || self.events.iter().any(|one| one == event);
        self.url.is_some() && self.disabled.is_none() && is_wanted
    }

    /// Returns the signatures of one attempt: by the secret, and by those that are being replaced.
    pub(crate) fn sign(&self, id: &str, now: Timestamp, body: &[u8]) -> String {
        let valid = self.retired.iter().filter(|(_, until)| now.as_micros() < *until);
        let secrets = std::iter::once(&self.secret).chain(valid.map(|(secret, _)| secret));
        let seconds = now.as_micros() / 1_000_000;
        let signatures: Vec<_> =
            secrets.filter_map(|secret| secret.sign(id, seconds, body)).collect();
        signatures.join(" ")
    }

    /// Replaces the secret; the old one signs as well for `overlap`.
    pub(crate) fn rotate(&mut self, new: Secret, overlap: Duration, now: Timestamp) {
        let old = std::mem::replace(&mut self.secret, new);
        self.retired.retain(|(_, until)| now.as_micros() < *until);
        self.retired.push((old, (now + overlap).as_micros()));
    }
}

/// The endpoints of one organization.
#[derive(Clone)]
pub(crate) struct Endpoints {
    client: Client,
    vault: Vault,
    tenant: Name,
    records: Collection,
}

impl Endpoints {
    pub(crate) fn of(shared: &Shared, organization: Option<&str>) -> Self {
        let (client, tenant) = (shared.client.clone(), tenant("endpoints", organization));
        let records = Collection::new(client.clone(), tenant.clone());
        Self { client, vault: shared.vault.clone(), tenant, records }
    }

    /// Names where an endpoint is stored.
    fn place(&self, endpoint: &Endpoint) -> String {
        format!("{}/{}", self.tenant, endpoint.id)
    }

    fn seal(&self, endpoint: Endpoint) -> Result<Endpoint, VaultError> {
        self.vault.seal(&self.place(&endpoint), endpoint)
    }

    /// Opens the secrets of an endpoint; an error if that of today cannot be opened. One that was
    /// replaced and cannot be opened signs nothing any more.
    pub(crate) fn open(&self, endpoint: Endpoint) -> Result<Endpoint, VaultError> {
        self.vault.open(&self.place(&endpoint), endpoint)
    }

    /// Returns an endpoint as it is stored: its secrets may be sealed.
    pub(crate) async fn get(&self, id: &str) -> Result<Option<Endpoint>, RecordError> {
        self.records.get(id).await
    }

    /// Returns all endpoints, the oldest first, as they are stored: one whose secret cannot be
    /// opened is no reason not to know the others.
    pub(crate) async fn all(&self) -> Result<Vec<Endpoint>, RecordError> {
        let mut all: Vec<Endpoint> = self.records.all().await?;
        all.sort_by(|one, other| (one.created_at, &one.id).cmp(&(other.created_at, &other.id)));
        Ok(all)
    }

    /// Adds an endpoint, unless there are too many.
    pub(crate) async fn add(&self, endpoint: Endpoint) -> Result<Endpoint, EndpointError> {
        let others = self.all().await?;
        if others.iter().filter(|other| other.url.is_some()).count() >= ENDPOINTS_MAX {
            return Err(EndpointError::TooMany);
        }
        self.change(&endpoint.id, |_| Change::Put(endpoint.clone())).await?;
        Ok(endpoint)
    }

    /// Changes an endpoint, which is returned as it is stored. `None`: there is no such endpoint.
    pub(crate) async fn update(
        &self,
        id: &str,
        change: impl Fn(&mut Endpoint) + Send + Sync,
    ) -> Result<Option<Endpoint>, EndpointError> {
        let change = |endpoint: Option<Endpoint>| {
            let Some(before) = endpoint else { return Change::Keep };
            let mut after = before.clone();
            change(&mut after);
            if after == before { Change::Keep } else { Change::Put(after) }
        };
        self.change(id, change).await
    }

    /// Removes an endpoint; returns whether it was there.
    pub(crate) async fn remove(&self, id: &str) -> Result<bool, RecordError> {
        // Not opened: what is sealed with a lost key can go all the same.
        let was_there = self.get(id).await?.is_some();
        let delete = |found: Option<Endpoint>| {
            Ok::<_, RecordError>(found.map_or(Change::Keep, |_| Change::Delete))
        };
        self.records.change(id, delete).await?;
        Ok(was_there)
    }

    /// Returns the endpoint that stands for URLs in requests, as it is stored; it is made when it
    /// is first needed.
    pub(crate) async fn for_requests(&self) -> Result<Endpoint, EndpointError> {
        let new = Endpoint::new(REQUESTS.into(), None, self.client.now())?;
        let make = |found: Option<Endpoint>| {
            found.map_or_else(|| Change::Put(new.clone()), |_| Change::Keep)
        };
        match self.change(REQUESTS, make).await? {
            Some(endpoint) => Ok(endpoint),
            None => Ok(self.seal(new)?),
        }
    }

    /// Changes what is stored of an endpoint. What was sealed with a key that is not there any more
    /// stays as it is; everything else is sealed with the first key.
    async fn change(
        &self,
        id: &str,
        change: impl Fn(Option<Endpoint>) -> Change<Endpoint> + Send + Sync,
    ) -> Result<Option<Endpoint>, EndpointError> {
        let change = |stored: Option<Endpoint>| {
            let known = stored.map(|endpoint| {
                let place = self.place(&endpoint);
                self.vault.open_some(&place, endpoint)
            });
            Ok::<_, EndpointError>(match change(known) {
                Change::Put(endpoint) => Change::Put(self.seal(endpoint)?),
                other => other,
            })
        };
        self.records.change(id, change).await
    }
}
