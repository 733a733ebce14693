//! The keys of an issuer, and when to read them anew.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{Jwk, JwkSet, KeyAlgorithm, PublicKeyUse},
};
use reqwest::redirect;
use tokio::{sync::watch, time::Instant};
use url::{Host, Url};

use super::JwtError;
use crate::{Problem, spawn};

/// How long keys are good before they are read again.
const READ_EVERY: Duration = Duration::from_secs(10 * 60);

/// How long they are good while that is done, so that a busy service never waits for the issuer.
/// Whoever comes later, because nobody called meanwhile, waits until they are read.
const GRACE: Duration = Duration::from_secs(60);

/// How old keys may get while they cannot be read again.
const AGE_MAX: Duration = Duration::from_secs(60 * 60);

/// Shortest time between two readings: tokens that name keys nobody has cost nothing to make.
const READ_APART: Duration = Duration::from_secs(10);

/// Longest time to read.
const PATIENCE: Duration = Duration::from_secs(5);

/// Most bytes of a set, and most keys.
const SET_BYTES_MAX: usize = 256 * 1_024;
const KEYS_MAX: usize = 100;

/// Where keys come from.
#[derive(Debug)]
pub(super) enum Source {
    Text(String),
    File(PathBuf),
    Url(String),
}

/// Where keys are read again from.
enum Place {
    Nowhere,
    File(PathBuf),
    Url { url: Url, client: reqwest::Client },
}

/// Keys by their ids; those without one are under the empty id.
type Keys = HashMap<String, Arc<DecodingKey>>;

/// The keys of an issuer.
pub(super) struct KeySet(Arc<Shared>);

struct Shared {
    place: Place,
    algorithm: Algorithm,
    known: Mutex<Known>,
}

#[derive(Clone, Default)]
struct Known {
    keys: Arc<Keys>,
    /// When they were read.
    read: Option<Instant>,
    /// When it was last tried.
    tried: Option<Instant>,
    /// When it last failed, since they were read.
    failed: Option<Instant>,
    /// Somebody reads them for all, until the other end is dropped.
    reading: Option<watch::Receiver<()>>,
}

/// What the age of keys says about using them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Good,
    /// Good, and to be read again beside.
    Old,
    /// To be read again first; good if that fails.
    Stale,
    /// Good for nothing.
    TooOld,
}

impl Known {
    fn standing(&self) -> Standing {
        // After a failure the next ones do not wait for another one.
        let has_just_failed = self.failed.is_some_and(|failed| failed.elapsed() < GRACE);
        match self.read.map(|read| read.elapsed()) {
            None => Standing::TooOld,
            Some(age) if age >= AGE_MAX => Standing::TooOld,
            Some(age) if age < READ_EVERY => Standing::Good,
            Some(age) if age < READ_EVERY + GRACE || has_just_failed => Standing::Old,
            Some(_) => Standing::Stale,
        }
    }
}

impl KeySet {
    pub(super) fn new(source: Source, algorithm: Algorithm) -> Result<Self, JwtError> {
        let bad = JwtError::Keys;
        let (place, text) = match source {
            Source::Text(text) => (Place::Nowhere, Some(text)),
            Source::File(path) => {
                let text = std::fs::read_to_string(&path);
                let text = text.map_err(|error| bad(format!("{}: {error}", path.display())))?;
                (Place::File(path), Some(text))
            }
            Source::Url(url) => {
                let url = Url::parse(&url).map_err(|error| bad(format!("{url}: {error}")))?;
                if !is_safe(&url) {
                    return Err(bad(format!("{url}: expected https")));
                }
                let client = reqwest::Client::builder()
                    .redirect(redirect::Policy::none())
                    .timeout(PATIENCE)
                    .build()
                    .map_err(|error| bad(error.to_string()))?;
                (Place::Url { url, client }, None)
            }
        };
        let mut known = Known::default();
        if let Some(text) = text {
            known.keys = Arc::new(parse(&text, algorithm).map_err(bad)?);
            known.read = Some(Instant::now());
        }
        Ok(Self(Arc::new(Shared { place, algorithm, known: Mutex::new(known) })))
    }

    /// Finds the key that a token names. Whoever names one that is known and not too old does not
    /// wait; everybody else waits until the keys are read again, if it is time for that.
    pub(super) async fn find(&self, id: Option<&str>) -> Result<Option<Arc<DecodingKey>>, Problem> {
        let shared = &self.0;
        let known = shared.known().clone();
        match (choose(&known.keys, id), shared.standing(&known)) {
            (Some(key), Standing::Good) => return Ok(Some(key)),
            (Some(key), Standing::Old) => {
                shared.begin_reading();
                return Ok(Some(key));
            }
            (Some(_), Standing::Stale | Standing::TooOld) | (None, _) => {}
        }
        if let Some(mut reading) = shared.begin_reading() {
            // Nothing is ever sent: it ends with whoever reads.
            while reading.changed().await.is_ok() {}
        }
        let known = shared.known().clone();
        if shared.standing(&known) == Standing::TooOld {
            return Err(Problem::unavailable("the keys of the issuer cannot be had at the moment"));
        }
        Ok(choose(&known.keys, id))
    }
}

impl Shared {
    /// What is read only once does not grow old.
    fn standing(&self, known: &Known) -> Standing {
        match self.place {
            Place::Nowhere => Standing::Good,
            Place::File(_) | Place::Url { .. } => known.standing(),
        }
    }

    /// Begins to read the keys again, unless somebody does or just did; returns what ends when that
    /// is done. It goes on also if whoever asked goes away, so that none who does makes the next
    /// one ask as well.
    fn begin_reading(self: &Arc<Self>) -> Option<watch::Receiver<()>> {
        if matches!(self.place, Place::Nowhere) {
            return None;
        }
        let mut known = self.known();
        if let Some(reading) = &known.reading
            && reading.has_changed().is_ok()
        {
            return Some(reading.clone());
        }
        if known.tried.is_some_and(|tried| tried.elapsed() < READ_APART) {
            return None;
        }
        let (end, reading) = watch::channel(());
        known.reading = Some(reading.clone());
        let shared = Arc::clone(self);
        spawn::beside(async move {
            shared.read_again().await;
            drop(end);
        });
        Some(reading)
    }

    /// Reads the keys again. If that fails, the known ones stay.
    async fn read_again(&self) {
        let text = self.read().await;
        let keys = text.and_then(|text| parse(&text, self.algorithm));
        let mut known = self.known();
        // Counted from the end: a slow answer is no reason to ask again at once.
        let now = Instant::now();
        known.tried = Some(now);
        match keys {
            Ok(keys) => {
                known.keys = Arc::new(keys);
                (known.read, known.failed) = (Some(now), None);
            }
            Err(error) => {
                known.failed = Some(now);
                drop(known);
                tracing::warn!(%error, "the keys for tokens cannot be read again");
            }
        }
    }

    async fn read(&self) -> Result<String, String> {
        match &self.place {
            Place::Nowhere => Err(String::from("there is nothing to read")),
            // A small local file.
            Place::File(path) => std::fs::read_to_string(path)
                .map_err(|error| format!("{}: {error}", path.display())),
            Place::Url { url, client } => {
                let sent = client.get(url.clone()).send().await;
                let sent = sent.and_then(reqwest::Response::error_for_status);
                let mut answer = sent.map_err(|error| error.to_string())?;
                let mut set = Vec::new();
                while let Some(chunk) = answer.chunk().await.map_err(|error| error.to_string())? {
                    if set.len() + chunk.len() > SET_BYTES_MAX {
                        return Err(format!("{url}: more than {SET_BYTES_MAX} bytes"));
                    }
                    set.extend_from_slice(&chunk);
                }
                String::from_utf8(set).map_err(|error| error.to_string())
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing that may panic happens between two of its changes.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A token that names no key can only mean the only one.
fn choose(keys: &Keys, id: Option<&str>) -> Option<Arc<DecodingKey>> {
    match id {
        Some(id) => keys.get(id).cloned(),
        None if keys.len() == 1 => keys.values().next().cloned(),
        None => None,
    }
}

/// In plain text, anybody on the way could put keys of their own.
fn is_safe(url: &Url) -> bool {
    let is_here = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && is_here)
}

/// Reads the keys of a set that can check such signatures.
fn parse(text: &str, algorithm: Algorithm) -> Result<Keys, String> {
    let set: JwkSet = serde_json::from_str(text).map_err(|error| format!("no key set: {error}"))?;
    let is_for_it = |jwk: &&Jwk| {
        let common = &jwk.common;
        let named = common.key_algorithm;
        !matches!(common.public_key_use, Some(PublicKeyUse::Encryption))
            && named.is_none_or(|named| named == KeyAlgorithm::from(algorithm))
    };
    let mut keys = Keys::new();
    for jwk in set.keys.iter().filter(is_for_it).take(KEYS_MAX) {
        let Ok(key) = DecodingKey::from_jwk(jwk) else { continue };
        if key.family() == algorithm.family() {
            keys.insert(jwk.common.key_id.clone().unwrap_or_default(), Arc::new(key));
        }
    }
    if keys.is_empty() {
        return Err(format!("the set has no key for {algorithm:?}"));
    }
    Ok(keys)
}
