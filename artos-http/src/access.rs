//! Who may do what: the one place that decides, from the action, the caller's scopes and whose
//! thing it is.
//!
//! Scopes are looked at first, so that a refusal says nothing about what exists; what belongs to
//! somebody else is then answered exactly as what does not exist.

use std::{fmt, str::FromStr};

use crate::error::{FieldError, Problem, ProblemKind};

/// What a caller may do within an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Submit tasks, and retry failed ones.
    Submit,
    /// Read tasks, documents and events.
    Read,
    /// Cancel tasks.
    Cancel,
    /// Everything, and besides manage the organization's keys and webhooks.
    Admin,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 4] = [Self::Submit, Self::Read, Self::Cancel, Self::Admin];

    /// Returns the scope's name: `submit`, `read`, `cancel` or `admin`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Read => "read",
            Self::Cancel => "cancel",
            Self::Admin => "admin",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Submit => 1,
            Self::Read => 2,
            Self::Cancel => 4,
            Self::Admin => 8,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text is not a scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no scope: expected submit, read, cancel or admin")]
pub struct ParseScopeError(String);

impl FromStr for Scope {
    type Err = ParseScopeError;

    fn from_str(text: &str) -> Result<Self, ParseScopeError> {
        let found = Self::ALL.into_iter().find(|scope| scope.as_str() == text);
        found.ok_or_else(|| ParseScopeError(text.chars().take(40).collect()))
    }
}

/// A set of scopes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Scopes(u8);

impl Scopes {
    /// No scope at all.
    pub const NONE: Self = Self(0);
    /// Every scope.
    pub const ALL: Self = Self(15);

    /// Returns whether a caller with these scopes may do what `scope` allows. With
    /// [`Scope::Admin`] it may do everything.
    #[must_use]
    pub const fn allow(self, scope: Scope) -> bool {
        self.0 & (scope.bit() | Scope::Admin.bit()) != 0
    }

    /// Returns the scopes of the set.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.0 & scope.bit() != 0)
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

impl<const N: usize> From<[Scope; N]> for Scopes {
    fn from(scopes: [Scope; N]) -> Self {
        scopes.into_iter().collect()
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Scope::as_str)).finish()
    }
}

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Submit a task.
    Submit,
    /// Read a task, what it made, or how it goes on.
    Read,
    /// List tasks.
    List,
    /// Cancel a task.
    Cancel,
    /// Run a failed task again.
    Retry,
    /// Look after webhook endpoints.
    #[cfg_attr(
        not(any(feature = "webhooks", test)),
        expect(dead_code, reason = "it has no routes then")
    )]
    Webhooks,
    /// Look after keys.
    Keys,
}

/// Whose thing it is that something is to be done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ownership {
    /// The caller's organization's; also what is about to be made, and a list of one's own.
    Own,
    /// Another organization's.
    Foreign,
    /// Nobody's: there is no such thing.
    Absent,
}

/// What comes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allowed,
    /// The caller lacks a scope; so much may be said, whatever exists.
    NeedsScope(Scope),
    NotFound,
}

impl Action {
    const fn scope(self) -> Scope {
        match self {
            Self::Submit | Self::Retry => Scope::Submit,
            Self::Read | Self::List => Scope::Read,
            Self::Cancel => Scope::Cancel,
            Self::Webhooks | Self::Keys => Scope::Admin,
        }
    }
}

/// Decides whether something may be done.
pub(crate) const fn decide(action: Action, scopes: Scopes, ownership: Ownership) -> Verdict {
    let needed = action.scope();
    if !scopes.allow(needed) {
        return Verdict::NeedsScope(needed);
    }
    match ownership {
        Ownership::Own => Verdict::Allowed,
        Ownership::Foreign | Ownership::Absent => Verdict::NotFound,
    }
}

impl Verdict {
    /// Returns the refusal, if it is one.
    pub(crate) fn check(self) -> Result<(), Problem> {
        match self {
            Self::Allowed => Ok(()),
            Self::NeedsScope(scope) => {
                let detail = "User has no organization or not authorized";
                let needed = FieldError::general(format!("the scope `{scope}` is needed"));
                let problem = Problem::new(ProblemKind::InsufficientScope, detail);
                Err(problem.with_errors(vec![needed]).needs(scope))
            }
            Self::NotFound => Err(Problem::not_found()),
        }
    }
}

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
