//! The keys of an issuer, and when to read them anew.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{Jwk, JwkSet, KeyAlgorithm, PublicKeyUse},
};
use reqwest::redirect;
use tokio::{
    sync::{Mutex, OwnedMutexGuard},
    time::Instant,
};
use url::{Host, Url};

use super::JwtError;
use crate::{Problem, spawn};

/// How long keys are good before they are read again.
const READ_EVERY: Duration = Duration::from_secs(10 * 60);

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
    known: RwLock<Known>,
    /// When it was last tried to read them; held while that is done, so that one does it for all.
    tried: Arc<Mutex<Option<Instant>>>,
}

#[derive(Clone, Default)]
struct Known {
    keys: Arc<Keys>,
    read: Option<Instant>,
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
        let (known, tried) = (RwLock::new(known), Arc::default());
        Ok(Self(Arc::new(Shared { place, algorithm, known, tried })))
    }

    /// Finds the key that a token names. Whoever names a known one does not wait: if the keys are
    /// old, they are read again beside.
    pub(super) async fn find(&self, id: Option<&str>) -> Result<Option<Arc<DecodingKey>>, Problem> {
        let shared = &self.0;
        let known = shared.known();
        if let Some(key) = choose(&known.keys, id) {
            if known.read.is_none_or(|read| read.elapsed() >= READ_EVERY) {
                shared.begin_reading();
            }
            return Ok(Some(key));
        }
        shared.begin_reading();
        drop(shared.tried.lock().await);
        let known = shared.known();
        if known.keys.is_empty() {
            return Err(Problem::unavailable("the keys of the issuer cannot be had at the moment"));
        }
        Ok(choose(&known.keys, id))
    }
}

impl Shared {
    /// Begins to read the keys again, unless somebody does or just did. It goes on also if whoever
    /// asked goes away, so that none who does makes the next one ask as well.
    fn begin_reading(self: &Arc<Self>) {
        if matches!(self.place, Place::Nowhere) {
            return;
        }
        let Ok(tried) = Arc::clone(&self.tried).try_lock_owned() else { return };
        if tried.is_none_or(|tried| tried.elapsed() >= READ_APART) {
            let shared = Arc::clone(self);
            spawn::beside(async move { shared.read_again(tried).await });
        }
    }

    /// Reads the keys again. If that fails, the known ones stay.
    async fn read_again(&self, mut tried: OwnedMutexGuard<Option<Instant>>) {
        let text = self.read().await;
        // Counted from the end: a slow answer is no reason to ask again at once.
        *tried = Some(Instant::now());
        match text.and_then(|text| parse(&text, self.algorithm)) {
            Ok(keys) => {
                let known = Known { keys: Arc::new(keys), read: Some(Instant::now()) };
                *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
            }
            Err(error) => tracing::warn!(%error, "the keys for tokens cannot be read again"),
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

    fn known(&self) -> Known {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
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
