//! Small records with versions, kept in the store of the tasks: settings that many instances share.
//!
//! A record is a row of tasks that nobody runs, one for each version. The idempotency key of a
//! version exists once, so of two changes that start from one version one is refused, and begins
//! anew. Versions before the last are cancelled, so that the pruner takes them in time.

use artos_core::{
    Client, Filter, ListQuery, Name, Submission, SubmitError, Task, TaskRecord, TaskState,
    Timestamp,
    store::{Part, StoreError},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::Problem;

/// The label that all versions of a record have.
const RECORD: &str = "artos.record";
/// The label that all records of a collection have.
const COLLECTION: &str = "artos.collection";
/// Most rows to read for one record: its last version, and those that wait to be cancelled.
const VERSIONS_MAX: usize = 16;
/// How often to begin anew when others change the record as well.
const TRIES_MAX: usize = 16;

/// One version of a record.
#[derive(Debug, Serialize, Deserialize)]
struct Version {
    number: u64,
    /// Null: the record was deleted.
    value: Value,
}

impl Task for Version {
    const KIND: &'static str = "artos.record";
    // No worker claims from it.
    const QUEUE: &'static str = "artos.records";
    type Output = ();
}

/// Why a record cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Submit(#[from] SubmitError),
    #[error("a record does not decode: {0}")]
    Corrupt(#[from] serde_json::Error),
    #[error("a record changes too often")]
    Busy,
}

impl From<RecordError> for Problem {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::Store(error) => error.into(),
            RecordError::Submit(error) => error.into(),
            RecordError::Busy => Self::unavailable("somebody else changes this at the moment"),
            RecordError::Corrupt(error) => Self::internal(error),
        }
    }
}

/// What a change wants of a record.
pub(crate) enum Change<V> {
    /// Nothing: it is well as it is.
    Keep,
    /// This instead.
    Put(V),
    /// That it be gone.
    Delete,
}

/// Records of one sort that belong together, such as all endpoints of an organization.
#[derive(Debug, Clone)]
pub(crate) struct Collection {
    client: Client,
    name: Name,
}

/// A record as it is, with what the next change needs to know.
struct Latest<V> {
    number: u64,
    value: Option<V>,
    rows: Vec<TaskRecord>,
}

impl Collection {
    pub(crate) fn new(client: Client, name: impl Into<Name>) -> Self {
        Self { client, name: name.into() }
    }

    /// Reads a record; `None` if it does not exist.
    pub(crate) async fn get<V: DeserializeOwned>(
        &self,
        id: &str,
    ) -> Result<Option<V>, RecordError> {
        Ok(self.latest(id).await?.value)
    }

    /// Reads all records, in no order.
    #[cfg_attr(not(feature = "webhooks"), expect(dead_code, reason = "only endpoints are listed"))]
    pub(crate) async fn all<V: DeserializeOwned>(&self) -> Result<Vec<V>, RecordError> {
        let mut query = self.query(COLLECTION, self.name.clone());
        let mut ids = Vec::new();
        loop {
            let page = self.client.list(&query).await?;
            ids.extend(page.tasks.iter().filter_map(|row| row.labels.get(RECORD).cloned()));
            query.cursor = page.next;
            if query.cursor.is_none() {
                break;
            }
        }
        ids.sort_unstable();
        ids.dedup();
        let mut records = Vec::new();
        for id in ids {
            // The label carries the collection as well, so that it means one record everywhere.
            let rows = self.rows(id).await?;
            records.extend(self.newest(rows).await?.value);
        }
        Ok(records)
    }

    /// Changes a record, or makes it; `change` is called again if somebody else was faster.
    /// Returns how the record is then.
    pub(crate) async fn change<V, E>(
        &self,
        id: &str,
        change: impl Fn(Option<V>) -> Result<Change<V>, E> + Send + Sync,
    ) -> Result<Option<V>, E>
    where
        V: Serialize + DeserializeOwned + Clone + Send,
        E: From<RecordError> + Send,
    {
        for _ in 0..TRIES_MAX {
            let latest = self.latest::<V>(id).await?;
            let value = match change(latest.value.clone())? {
                Change::Keep => return Ok(latest.value),
                Change::Put(value) => Some(value),
                Change::Delete => None,
            };
            let number = latest.number + 1;
            let row = Version { number, value: serde_json::to_value(&value).map_err(corrupt)? };
            let label = self.label(id);
            let submission = Submission::new(row)
                .tenant(self.name.clone())
                .label(RECORD, label.clone())
                .label(COLLECTION, self.name.clone())
                .idempotency_key(format!("{label}/{number}"))
                .run_at(Timestamp::MAX);
            match self.client.submit(submission).send().await {
                Ok(sent) => {
                    let mut old: Vec<_> = latest.rows.iter().map(|row| row.id).collect();
                    if value.is_none() {
                        old.push(sent.handle.id());
                    }
                    for row in old {
                        self.client.cancel(row).await.map_err(RecordError::from)?;
                    }
                    return Ok(value);
                }
                Err(SubmitError::IdempotencyConflict { .. }) => {}
                Err(error) => return Err(RecordError::from(error).into()),
            }
        }
        Err(RecordError::Busy.into())
    }

    fn label(&self, id: &str) -> Name {
        Name::from(format!("{}/{id}", self.name))
    }

    fn query(&self, label: &'static str, value: Name) -> ListQuery {
        let filter = Filter {
            states: vec![TaskState::Pending],
            tenant: Some(self.name.clone()),
            kinds: vec![Name::from_static(Version::KIND)],
            labels: vec![(Name::from_static(label), value)],
            ..Filter::default()
        };
        ListQuery { filter, limit: 100, ..ListQuery::default() }
    }

    async fn rows(&self, label: Name) -> Result<Vec<TaskRecord>, RecordError> {
        let query = ListQuery { limit: VERSIONS_MAX, ..self.query(RECORD, label) };
        Ok(self.client.list(&query).await?.tasks)
    }

    async fn latest<V: DeserializeOwned>(&self, id: &str) -> Result<Latest<V>, RecordError> {
        let rows = self.rows(self.label(id)).await?;
        self.newest(rows).await
    }

    /// Of several versions that are there, the one with the highest number counts.
    async fn newest<V: DeserializeOwned>(
        &self,
        rows: Vec<TaskRecord>,
    ) -> Result<Latest<V>, RecordError> {
        let mut newest: Option<Version> = None;
        for row in &rows {
            let Some(found) = self.client.find(row.id, Part::Input).await? else { continue };
            let version: Version = serde_json::from_slice(&found.payload.unwrap_or_default())?;
            if newest.as_ref().is_none_or(|newest| newest.number < version.number) {
                newest = Some(version);
            }
        }
        let (number, value) = newest.map_or((0, Value::Null), |last| (last.number, last.value));
        Ok(Latest { number, value: serde_json::from_value(value)?, rows })
    }
}

fn corrupt<E: From<RecordError>>(error: serde_json::Error) -> E {
    RecordError::from(error).into()
}

/// Returns the tenant under which things of an organization are kept that are no tasks of its own:
/// in any listing of its tasks they would be in the way.
pub(crate) fn tenant(what: &str, organization: Option<&str>) -> Name {
    match organization {
        // Hashed, because a tenant holds no more bytes than an organization may already have.
        Some(organization) => {
            let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(organization.as_bytes()));
            Name::from(format!("artos.{what}:{hash}"))
        }
        None => Name::from(format!("artos.{what}")),
    }
}
