//! Who is calling: bearer tokens, each bound to an organization.
//!
//! Only hashes of tokens are kept, and a presented token is compared with all of them in constant
//! time. Whatever a caller may see is decided by [`Caller::may_see`].

use std::{fmt, future::Future, sync::Arc};

use artos_core::{Name, TaskRecord};
use axum::{
    extract::{FromRequestParts, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use futures::future::BoxFuture;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{
    Keys,
    access::Scopes,
    error::{Problem, ProblemKind},
    lapse::Lapse,
    limits::Limiter,
};

/// Who may call. There is no default: an open service must be a decision.
#[derive(Clone)]
pub struct Auth {
    scheme: Scheme,
    keys: Option<Keys>,
}

#[derive(Clone)]
enum Scheme {
    Open,
    Tokens(Arc<[Token]>),
    Lookup(Lookup),
    #[cfg(feature = "jwt")]
    Jwt(crate::Jwt),
}

type Lookup =
    Arc<dyn Fn(String) -> BoxFuture<'static, Result<Option<Caller>, Problem>> + Send + Sync>;

struct Token {
    organization: Name,
    hash: [u8; 32],
    /// Noted here, because only the hash is kept.
    is_empty: bool,
}

impl Auth {
    /// Lets everybody do everything, and sees all organizations as one. For development, and behind
    /// a gateway that does the rest.
    #[must_use]
    pub const fn open() -> Self {
        Self { scheme: Scheme::Open, keys: None }
    }

    /// Knows these tokens, each as the organization it acts for. An organization may have several.
    ///
    /// Tokens should be long and random: they are kept as plain SHA-256 hashes, which is right for
    /// keys that cannot be guessed and wrong for passwords.
    pub fn tokens<O, K>(tokens: impl IntoIterator<Item = (O, K)>) -> Self
    where
        O: Into<Name>,
        K: AsRef<str>,
    {
        let token = |(organization, token): (O, K)| Token {
            organization: organization.into(),
            hash: hash(token.as_ref()),
            is_empty: token.as_ref().is_empty(),
        };
        Self { scheme: Scheme::Tokens(tokens.into_iter().map(token).collect()), keys: None }
    }

    /// Asks a function whom a token belongs to: `None` for nobody. For tokens in a database, or
    /// signed ones. A token that is known but may do nothing is [`Problem::forbidden`].
    pub fn lookup<F, Fut>(lookup: F) -> Self
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<Caller>, Problem>> + Send + 'static,
    {
        Self { scheme: Scheme::Lookup(Arc::new(move |token| Box::pin(lookup(token)))), keys: None }
    }

    /// Takes JSON Web Tokens of an issuer.
    #[cfg(feature = "jwt")]
    #[must_use]
    pub const fn jwt(jwt: crate::Jwt) -> Self {
        Self { scheme: Scheme::Jwt(jwt), keys: None }
    }

    /// Knows these keys as well, and lets admins look after the keys of their organization.
    ///
    /// A token that looks like a key is looked up among the keys only. On an open service keys
    /// make no difference.
    #[must_use]
    pub fn with_keys(self, keys: Keys) -> Self {
        Self { keys: Some(keys), ..self }
    }

    pub(crate) fn keys(&self) -> Option<&Keys> {
        self.keys.as_ref().filter(|_| !self.is_open())
    }

    pub(crate) const fn is_open(&self) -> bool {
        matches!(self.scheme, Scheme::Open)
    }

    /// Lists what is wrong with the tokens.
    pub(crate) fn problems(&self) -> Vec<String> {
        let Scheme::Tokens(tokens) = &self.scheme else { return Vec::new() };
        let mut problems = Vec::new();
        if tokens.is_empty() {
            problems.push(String::from("there are no tokens, so nobody could call"));
        }
        for (at, token) in tokens.iter().enumerate() {
            let organization = &token.organization;
            if organization.is_empty()
                || organization.len() > 255
                || organization.contains(char::is_control)
            {
                problems.push(format!(
                    "{organization:?} is no good organization: \
                     expected 1 to 255 bytes, no control characters"
                ));
            }
            if token.is_empty {
                problems.push(format!("the token of organization {organization:?} is empty"));
            }
            if tokens.iter().take(at).any(|other| other.hash == token.hash) {
                problems.push(format!("the token of organization {organization:?} is there twice"));
            }
        }
        problems
    }

    /// Finds out who calls, if nobody has to be asked for that; `None` if somebody has to.
    fn glance(&self, headers: &HeaderMap) -> Result<Option<Caller>, Problem> {
        match &self.scheme {
            Scheme::Open => Ok(Some(Caller { organization: None, scopes: Scopes::ALL })),
            Scheme::Tokens(tokens) => {
                let token = bearer(headers)?;
                if self.keys.is_some() && Keys::claims(token) {
                    return Ok(None);
                }
                find(tokens, token).map(Some).ok_or_else(invalid_token)
            }
            Scheme::Lookup(_) => Ok(None),
            #[cfg(feature = "jwt")]
            Scheme::Jwt(_) => Ok(None),
        }
    }

    /// Finds out who calls, and until when that holds, where [`glance`](Self::glance) does not say.
    async fn ask(&self, headers: &HeaderMap) -> Result<(Caller, Lapse), Problem> {
        let token = bearer(headers)?;
        if let Some(keys) = self.keys()
            && Keys::claims(token)
        {
            return keys.caller(token).await?.ok_or_else(invalid_token);
        }
        let found = match &self.scheme {
            Scheme::Open | Scheme::Tokens(_) => None,
            Scheme::Lookup(lookup) => lookup(token.to_owned()).await?.map(|caller| {
                let lapse = asking_again(lookup, token, &caller);
                (caller, lapse)
            }),
            #[cfg(feature = "jwt")]
            Scheme::Jwt(jwt) => jwt.caller(token).await?,
        };
        found.ok_or_else(invalid_token)
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scheme {
            Scheme::Open => f.write_str("Auth::open"),
            Scheme::Tokens(tokens) => write!(f, "Auth::tokens({} tokens)", tokens.len()),
            Scheme::Lookup(_) => f.write_str("Auth::lookup"),
            #[cfg(feature = "jwt")]
            Scheme::Jwt(jwt) => write!(f, "Auth::jwt({jwt:?})"),
        }
    }
}

/// Who is calling; an axum extractor for routes that were added with
/// [`RouterBuilder::routes`](crate::RouterBuilder::routes).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    organization: Option<Name>,
    scopes: Scopes,
}

impl Caller {
    /// A caller who acts for an organization, and may do everything in it unless
    /// [`with_scopes`](Self::with_scopes) says otherwise.
    pub fn of(organization: impl Into<Name>) -> Self {
        Self { organization: Some(organization.into()), scopes: Scopes::ALL }
    }

    /// Limits what the caller may do.
    #[must_use]
    pub fn with_scopes(self, scopes: impl Into<Scopes>) -> Self {
        Self { scopes: scopes.into(), ..self }
    }

    /// Returns what the caller may do.
    #[must_use]
    pub const fn scopes(&self) -> Scopes {
        self.scopes
    }

    /// Returns the organization the caller acts for; `None` if the service is open.
    #[must_use]
    pub fn organization(&self) -> Option<&Name> {
        self.organization.as_ref()
    }

    /// Returns whether the task belongs to the caller's organization.
    #[must_use]
    pub fn may_see(&self, record: &TaskRecord) -> bool {
        self.organization.is_none() || self.organization == record.tenant
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| {
            Problem::internal("a route asks for a caller outside the guarded routes")
        })
    }
}

/// Asks the host now and then whether a token still is what it was when a stream was opened.
fn asking_again(lookup: &Lookup, token: &str, caller: &Caller) -> Lapse {
    let (lookup, token, caller) = (Arc::clone(lookup), token.to_owned(), caller.clone());
    Lapse::asked(move || {
        let (asked, caller) = (lookup(token.clone()), caller.clone());
        Box::pin(async move {
            match asked.await {
                Ok(found) => found.is_some_and(|found| found == caller),
                // Whoever cannot be asked does not say no.
                Err(problem) => problem.status().is_server_error(),
            }
        })
    })
}

/// What stands before the routes of known callers.
pub(crate) struct Guard {
    pub(crate) auth: Auth,
    pub(crate) limiter: Option<Arc<Limiter>>,
}

impl Guard {
    /// Lets a request pass if it is known at once who calls; `false` if somebody has to be asked.
    pub(crate) fn glance(&self, request: &mut Request) -> Result<bool, Problem> {
        let Some(caller) = self.auth.glance(request.headers())? else { return Ok(false) };
        request.extensions_mut().insert(caller);
        Ok(true)
    }

    /// Lets a request pass if those who have to be asked know who calls.
    pub(crate) async fn ask(&self, request: &mut Request) -> Result<(), Problem> {
        let (caller, lapse) = self.auth.ask(request.headers()).await?;
        request.extensions_mut().insert(caller);
        // Nothing is read as credentials that stay good.
        if lapse.may_come() {
            request.extensions_mut().insert(lapse);
        }
        Ok(())
    }

    /// Answers a request that may not pass.
    pub(crate) fn refuse(&self, request: &Request, problem: Problem) -> Response {
        match &self.limiter {
            Some(limiter) if problem.status() == StatusCode::UNAUTHORIZED => {
                limiter.after_refusal(request.extensions(), problem)
            }
            _ => problem.into_response(),
        }
    }
}

/// Returns the bearer token of a request.
fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let missing = || Problem::new(ProblemKind::NotAuthenticated, "Not authenticated");
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or_else(missing)?;
    // Which of two would count depends on who reads them, so neither does.
    if values.next().is_some() {
        return Err(invalid_token());
    }
    let value = value.to_str().map_err(|_| invalid_token())?.trim();
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    let token = token.trim();
    if scheme.is_empty() || token.is_empty() {
        return Err(missing());
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(invalid_token());
    }
    Ok(token)
}

fn invalid_token() -> Problem {
    Problem::new(ProblemKind::InvalidToken, "Invalid authentication credentials")
}

fn find(tokens: &[Token], presented: &str) -> Option<Caller> {
    let presented = hash(presented);
    let mut found = None;
    // Every token is looked at, so that the time says nothing about which one came close.
    for token in tokens {
        if bool::from(token.hash.ct_eq(&presented)) {
            found = Some(&token.organization);
        }
    }
    found.map(|organization| Caller::of(organization.clone()))
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}
