//! Bearer tokens that somebody else signs: JSON Web Tokens of one issuer, for one audience, with
//! one algorithm.
//!
//! Nothing of a token is believed before its signature is checked, and the algorithm is ours to
//! choose, never the token's.

mod keys;

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use artos_core::{Clock, Name, SystemClock, Timestamp};
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde_json::{Map, Value};

use self::keys::{KeySet, Source};
use crate::{Caller, Problem, Scope, Scopes, lapse::Lapse};

/// Longest token, in bytes; a token is read before it is known whose it is.
const TOKEN_BYTES_MAX: usize = 8 * 1_024;

/// How far clocks may differ.
const LEEWAY: Duration = Duration::from_secs(30);

/// How tokens are signed. Only with a private key: whoever checks tokens need not be able to make
/// them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum JwtAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// EdDSA with Ed25519.
    EdDsa,
}

impl JwtAlgorithm {
    const fn algorithm(self) -> Algorithm {
        match self {
            Self::Rs256 => Algorithm::RS256,
            Self::Ps256 => Algorithm::PS256,
            Self::Es256 => Algorithm::ES256,
            Self::EdDsa => Algorithm::EdDSA,
        }
    }
}

/// Checks tokens of one issuer; for [`Auth::jwt`](crate::Auth::jwt). Clones share their keys.
///
/// A token must have `exp`, `iss`, `aud` and `sub`, and name its organization in `org_id`. What it
/// may do is in `scope`, `scp` or `permissions` (a list, or names with spaces between them), with
/// the names of [`Scope`]s; others are ignored, and the first of these claims that names one counts
/// alone. A token without an organization is answered 403, one that is
/// not good in any other way 401.
///
/// # Examples
///
/// ```no_run
/// use artos_http::{Auth, Jwt, JwtAlgorithm};
///
/// # fn main() -> Result<(), artos_http::JwtError> {
/// let jwt = Jwt::builder("https://login.example.com/", "artos", JwtAlgorithm::Rs256)
///     .keys_from_url("https://login.example.com/.well-known/jwks.json")
///     .build()?;
/// let auth = Auth::jwt(jwt);
/// # let _ = auth;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Jwt(Arc<Shared>);

struct Shared {
    validation: Validation,
    organization_claim: String,
    scopes_if_absent: Scopes,
    keys: KeySet,
}

/// Puts a [`Jwt`] together; made by [`Jwt::builder`].
#[derive(Debug)]
#[must_use = "nothing is checked until it is built"]
pub struct JwtBuilder {
    issuer: String,
    audience: String,
    algorithm: JwtAlgorithm,
    organization_claim: String,
    scopes_if_absent: Scopes,
    source: Option<Source>,
}

/// Tokens cannot be checked with these settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JwtError {
    /// Nobody said where the keys are.
    #[error("no keys: expected keys_from_file, keys_from_url or keys")]
    NoKeys,
    /// The keys cannot be read, or none of them is of use.
    #[error("the keys cannot be used: {0}")]
    Keys(String),
}

impl Jwt {
    /// Starts to put it together: whose tokens are taken, for whom they must be made, and how they
    /// must be signed.
    pub fn builder(
        issuer: impl Into<String>,
        audience: impl Into<String>,
        algorithm: JwtAlgorithm,
    ) -> JwtBuilder {
        JwtBuilder {
            issuer: issuer.into(),
            audience: audience.into(),
            algorithm,
            organization_claim: String::from("org_id"),
            scopes_if_absent: Scopes::NONE,
            source: None,
        }
    }

    /// Finds out who calls with a token, and until when; `None` if it is not a good one.
    pub(crate) async fn caller(&self, token: &str) -> Result<Option<(Caller, Lapse)>, Problem> {
        if token.len() > TOKEN_BYTES_MAX {
            return Ok(None);
        }
        let Ok(header) = decode_header(token) else { return Ok(None) };
        // What `crit` names has to be understood, and none of it is.
        if !self.0.validation.algorithms.contains(&header.alg) || header.crit.is_some() {
            return Ok(None);
        }
        let Some(key) = self.0.keys.find(header.kid.as_deref()).await? else { return Ok(None) };
        match decode::<Map<String, Value>>(token, &key, &self.0.validation) {
            Ok(token) => {
                let lapse = lapse_of(&token.claims);
                self.caller_of(&token.claims).map(|caller| Some((caller, lapse)))
            }
            Err(error) => {
                tracing::debug!(%error, "a token was refused");
                Ok(None)
            }
        }
    }

    fn caller_of(&self, claims: &Map<String, Value>) -> Result<Caller, Problem> {
        let organization = claims.get(&self.0.organization_claim).and_then(Value::as_str);
        let is_good =
            |name: &&str| (1..=255).contains(&name.len()) && !name.contains(char::is_control);
        let organization = organization
            .filter(is_good)
            .ok_or_else(|| Problem::forbidden("User has no organization or not authorized"))?;
        let scopes = scopes(claims).unwrap_or(self.0.scopes_if_absent);
        Ok(Caller::of(Name::from(organization)).with_scopes(scopes))
    }
}

/// Returns when a token ends; its claims were checked.
fn lapse_of(claims: &Map<String, Value>) -> Lapse {
    let end = claims.get("exp").and_then(Value::as_f64).unwrap_or_default();
    let end = Duration::try_from_secs_f64(end).unwrap_or(Duration::MAX);
    Lapse::at(Timestamp::from_micros(0) + end + LEEWAY, SystemClock.now())
}

/// Where a token says what it allows. The first that names one of our scopes counts, and no other
/// adds to it: `scope` is what was granted to the program that calls, `permissions` often all that
/// its user may do. With OpenID Connect, `scope` has names of its own, which say nothing here.
const SCOPE_CLAIMS: [&str; 3] = ["scope", "scp", "permissions"];

/// Reads what a token allows; `None` if it does not say.
fn scopes(claims: &Map<String, Value>) -> Option<Scopes> {
    let said: Vec<_> = SCOPE_CLAIMS.iter().filter_map(|name| claims.get(*name)).collect();
    let mut read = said.iter().map(|claim| {
        let names: Vec<&str> = match claim {
            Value::String(text) => text.split(' ').collect(),
            Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
            // It says something, but nothing that could be understood.
            _ => Vec::new(),
        };
        names.iter().filter_map(|name| name.parse::<Scope>().ok()).collect::<Scopes>()
    });
    let first = read.find(|scopes| *scopes != Scopes::NONE);
    first.or((!said.is_empty()).then_some(Scopes::NONE))
}

impl JwtBuilder {
    /// Sets which claim names the organization. Default: `org_id`.
    pub fn organization_claim(mut self, name: impl Into<String>) -> Self {
        self.organization_claim = name.into();
        self
    }

    /// Sets what a token may do that has no `scope`, `scp` or `permissions`. Default: nothing.
    pub fn scopes_if_absent(mut self, scopes: impl Into<Scopes>) -> Self {
        self.scopes_if_absent = scopes.into();
        self
    }

    /// Takes the keys from a JSON Web Key Set, as text.
    pub fn keys(mut self, set: impl Into<String>) -> Self {
        self.source = Some(Source::Text(set.into()));
        self
    }

    /// Takes the keys from a file with a JSON Web Key Set. It is read again every ten minutes, and
    /// when a token names a key that is not known, as one from a URL is.
    pub fn keys_from_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.source = Some(Source::File(path.into()));
        self
    }

    /// Takes the keys from where the issuer publishes them: `https`, or `http` on this machine. The
    /// answer is kept for ten minutes, and asked for again when a token names a key that is not
    /// known, at most every ten seconds. While it cannot be had, known keys stay good until they
    /// are an hour old; then, and as long as there are none, requests are answered 503.
    pub fn keys_from_url(mut self, url: impl Into<String>) -> Self {
        self.source = Some(Source::Url(url.into()));
        self
    }

    /// Puts it together. Keys from a URL are asked for when the first token comes.
    ///
    /// # Errors
    ///
    /// [`JwtError`] if there are no keys, they cannot be read, or the URL is not a good one.
    pub fn build(self) -> Result<Jwt, JwtError> {
        let mut validation = Validation::new(self.algorithm.algorithm());
        validation.set_issuer(&[self.issuer]);
        validation.set_audience(&[self.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.leeway = LEEWAY.as_secs();
        validation.validate_nbf = true;
        let source = self.source.ok_or(JwtError::NoKeys)?;
        let keys = KeySet::new(source, self.algorithm.algorithm())?;
        let (organization_claim, scopes_if_absent) =
            (self.organization_claim, self.scopes_if_absent);
        let shared = Shared { validation, organization_claim, scopes_if_absent, keys };
        Ok(Jwt(Arc::new(shared)))
    }
}

impl fmt::Debug for Jwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwt").field("issuer", &self.0.validation.iss).finish_non_exhaustive()
    }
}
