//! Keys of an organization: made, listed and revoked over HTTP, kept in the store of the tasks.
//!
//! A key is a task that nobody runs: its id is the public part of the key, and revoking the key is
//! cancelling the task, which is atomic, for good, and seen by every instance with the next
//! request. Of the secret only a hash is kept.

mod routes;
mod wire;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use artos_core::{
    Client, Filter, ListQuery, Name, Submission, Task, TaskId, TaskRecord, TaskState, Timestamp,
    store::Part,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::{
    Caller, Problem, Scope, Scopes,
    error::ProblemKind,
    lapse::Lapse,
    records::{Change, Collection, RecordError, tenant},
};

pub(crate) use routes::of_keys;

/// What keys begin with, so that people and scanners know them.
const PREFIX: &str = "artos_";
/// Bytes of a secret.
const SECRET_BYTES: usize = 32;
/// Most keys of an organization.
const KEYS_MAX: usize = 100;
/// How exact the time of the last use is: each note of it is a write.
const USE_NOTED_EVERY: Duration = Duration::from_secs(10 * 60);
/// Most keys whose use is remembered here; beyond that it is noted anew, which is only a write.
const REMEMBERED_MAX: usize = 10_000;

/// Keys that are kept in the store of the tasks, so that every instance knows them.
///
/// With [`Auth::with_keys`](crate::Auth::with_keys) callers may use them, and those with the scope
/// `admin` may make, list and revoke keys of their organization below `/api/v1/keys`.
///
/// A key looks like `artos_<id>_<secret>`; it has scopes, and may have an end.
#[derive(Debug, Clone)]
pub struct Keys {
    client: Client,
    /// When the last use of a key was noted by this instance.
    noted: Arc<Mutex<HashMap<TaskId, Timestamp>>>,
}

/// A key as it is stored.
#[derive(Debug, Serialize, Deserialize)]
struct StoredKey {
    organization: String,
    name: String,
    scopes: Vec<String>,
    /// SHA-256 of the secret, in hexadecimal. The secret is random, so a slow hash adds nothing.
    hash: String,
    expires_at: Option<i64>,
}

impl Task for StoredKey {
    const KIND: &'static str = "artos.key";
    // No worker claims from it.
    const QUEUE: &'static str = "artos.records";
    type Output = ();
}

/// When a key was last used.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct LastUse(i64);

/// A key as its organization sees it.
struct Key {
    id: TaskId,
    created_at: Timestamp,
    stored: StoredKey,
    last_used: Option<Timestamp>,
}

/// What a new key should be.
struct NewKey {
    name: String,
    scopes: Scopes,
    lifetime: Option<Duration>,
}

impl Keys {
    /// Keeps keys in a client's store.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client, noted: Arc::default() }
    }

    /// Makes a key for an organization: the first one, say, that makes the others. The result is
    /// the only copy of its secret.
    ///
    /// # Errors
    ///
    /// [`Problem`] if the store does not take the key, or the organization has 100 keys.
    pub async fn create(
        &self,
        organization: &str,
        name: &str,
        scopes: impl Into<Scopes> + Send,
    ) -> Result<String, Problem> {
        let new = NewKey { name: name.to_owned(), scopes: scopes.into(), lifetime: None };
        Ok(self.make(organization, new).await?.1)
    }

    async fn make(&self, organization: &str, new: NewKey) -> Result<(Key, String), Problem> {
        if self.rows(organization).await?.len() >= KEYS_MAX {
            let detail = format!("an organization has at most {KEYS_MAX} keys");
            return Err(Problem::new(ProblemKind::Conflict, detail));
        }
        let mut secret = [0; SECRET_BYTES];
        getrandom::fill(&mut secret).map_err(Problem::internal)?;
        let secret = hex(&secret);
        let expires_at = new.lifetime.map(|lifetime| self.client.now() + lifetime);
        let stored = |hash: String| StoredKey {
            organization: organization.to_owned(),
            name: new.name.clone(),
            scopes: new.scopes.iter().map(|scope| scope.to_string()).collect(),
            hash,
            expires_at: expires_at.map(Timestamp::as_micros),
        };
        let hash = hash(&secret);
        let submission = Submission::new(stored(hash.clone()))
            .tenant(tenant("keys", Some(organization)))
            .run_at(Timestamp::MAX);
        let id = self.client.submit(submission).await?.id();
        let created_at = self.client.now();
        let key = Key { id, created_at, stored: stored(hash), last_used: None };
        Ok((key, format!("{PREFIX}{}_{secret}", id.as_uuid().simple())))
    }

    /// Returns whether a token is meant to be one of these keys.
    pub(crate) fn claims(token: &str) -> bool {
        token.starts_with(PREFIX)
    }

    /// Finds out who calls with a key, and until when; `None` if it is none, or no longer.
    pub(crate) async fn caller(&self, token: &str) -> Result<Option<(Caller, Lapse)>, Problem> {
        let Some((id, secret)) = parse(token) else { return Ok(None) };
        let found = self.client.find(id, Part::Input).await?;
        let found = found.filter(|found| is_live(&found.record));
        let found = found.and_then(|found| {
            let input = found.payload.unwrap_or_default();
            Some((found.record, serde_json::from_slice::<StoredKey>(&input).ok()?))
        });
        // Compared in any case, so that the time does not tell which ids exist.
        let nobody = "0".repeat(64);
        let expected = found.as_ref().map_or(nobody.as_str(), |(_, stored)| stored.hash.as_str());
        let is_right = bool::from(expected.as_bytes().ct_eq(hash(secret).as_bytes()));
        let Some((record, stored)) = found.filter(|_| is_right) else { return Ok(None) };
        let now = self.client.now();
        if stored.expires_at.is_some_and(|at| at <= now.as_micros()) {
            return Ok(None);
        }
        self.note_use(&stored.organization, id, now).await;
        let scopes: Scopes =
            stored.scopes.iter().filter_map(|scope| scope.parse::<Scope>().ok()).collect();
        let end = stored.expires_at.map(Timestamp::from_micros);
        let lapse = end.map_or_else(Lapse::default, |end| Lapse::at(end, now));
        let lapse = lapse.of_key(self.client.clone(), &record, is_live);
        Ok(Some((Caller::of(stored.organization).with_scopes(scopes), lapse)))
    }

    /// Notes that a key was used, now and then. A note that gets lost is only a note.
    async fn note_use(&self, organization: &str, id: TaskId, now: Timestamp) {
        {
            let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
            if noted.get(&id).is_some_and(|last| now.since(*last) < USE_NOTED_EVERY) {
                return;
            }
            if noted.len() >= REMEMBERED_MAX {
                noted.clear();
            }
            noted.insert(id, now);
        }
        let put = |last: Option<LastUse>| {
            let is_newer = last.is_none_or(|last| last.0 < now.as_micros());
            let used = LastUse(now.as_micros());
            Ok::<_, RecordError>(if is_newer { Change::Put(used) } else { Change::Keep })
        };
        if let Err(error) = self.uses(organization).change(&id.to_string(), put).await {
            tracing::warn!(%error, key_id = %id, "the use of a key cannot be noted");
        }
    }

    fn uses(&self, organization: &str) -> Collection {
        Collection::new(self.client.clone(), tenant("key-uses", Some(organization)))
    }

    async fn rows(&self, organization: &str) -> Result<Vec<TaskRecord>, Problem> {
        let filter = Filter {
            states: vec![TaskState::Pending],
            kinds: vec![Name::from_static(StoredKey::KIND)],
            tenant: Some(tenant("keys", Some(organization))),
            ..Filter::default()
        };
        let query = ListQuery { filter, limit: KEYS_MAX, ..ListQuery::default() };
        Ok(self.client.list(&query).await?.tasks)
    }

    /// Lists an organization's keys, the newest first.
    async fn list(&self, organization: &str) -> Result<Vec<Key>, Problem> {
        let uses = self.uses(organization);
        let mut keys = Vec::new();
        for row in self.rows(organization).await? {
            let Some(found) = self.client.find(row.id, Part::Input).await? else { continue };
            let input = found.payload.unwrap_or_default();
            let stored = serde_json::from_slice(&input).map_err(Problem::internal)?;
            let last: Option<LastUse> = uses.get(&row.id.to_string()).await?;
            let last_used = last.map(|last| Timestamp::from_micros(last.0));
            keys.push(Key { id: row.id, created_at: row.created_at, stored, last_used });
        }
        Ok(keys)
    }

    /// Revokes a key; returns whether the organization had it.
    async fn revoke(&self, organization: &str, id: TaskId) -> Result<bool, Problem> {
        let found = self.client.get(id).await?;
        let owner = tenant("keys", Some(organization));
        let is_theirs =
            found.is_some_and(|row| is_live(&row) && row.tenant.is_some_and(|one| one == owner));
        if is_theirs {
            self.client.cancel(id).await?;
            let delete = |found: Option<LastUse>| {
                Ok::<_, RecordError>(found.map_or(Change::Keep, |_| Change::Delete))
            };
            self.uses(organization).change(&id.to_string(), delete).await?;
        }
        Ok(is_theirs)
    }
}

fn is_live(row: &TaskRecord) -> bool {
    row.kind == StoredKey::KIND && row.state == TaskState::Pending
}

/// Reads `artos_<id>_<secret>`.
fn parse(token: &str) -> Option<(TaskId, &str)> {
    let (id, secret) = token.strip_prefix(PREFIX)?.split_once('_')?;
    let is_hex = |text: &str, len| text.len() == len && text.bytes().all(|b| b.is_ascii_hexdigit());
    if !is_hex(id, 32) || !is_hex(secret, 2 * SECRET_BYTES) {
        return None;
    }
    Some((TaskId::from_uuid(Uuid::try_parse(id).ok()?), secret))
}

fn hash(secret: &str) -> String {
    hex(&Sha256::digest(secret.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
