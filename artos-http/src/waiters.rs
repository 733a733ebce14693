//! How many long-polls and streams each organization may have open.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use artos_core::Name;

use crate::error::{Problem, ProblemKind};

/// Counts the open long-polls of each organization, so that one cannot use up everybody's memory
/// and connections.
#[derive(Debug)]
pub(crate) struct Waiters {
    kind: ProblemKind,
    max: usize,
    open: Mutex<HashMap<Option<Name>, usize>>,
}

/// One open long-poll; dropping it makes room.
#[derive(Debug)]
pub(crate) struct Waiting {
    waiters: Arc<Waiters>,
    organization: Option<Name>,
}

impl Waiters {
    pub(crate) fn new(kind: ProblemKind, max: usize) -> Self {
        Self { kind, max, open: Mutex::default() }
    }

    pub(crate) fn enter(self: &Arc<Self>, organization: Option<&Name>) -> Result<Waiting, Problem> {
        let organization = organization.cloned();
        let mut open = self.open();
        let count = open.entry(organization.clone()).or_default();
        if *count >= self.max {
            // An entry that was just made must not stay: only `Waiting` removes entries.
            if *count == 0 {
                open.remove(&organization);
            }
            let detail = format!("at most {} of these requests may be open at a time", self.max);
            return Err(Problem::new(self.kind, detail).retry_after(1));
        }
        *count += 1;
        Ok(Waiting { waiters: Arc::clone(self), organization })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Option<Name>, usize>> {
        // Counts are right between any two statements, so a poisoned lock is still good.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut open = self.waiters.open();
        if let Some(count) = open.get_mut(&self.organization) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.organization);
            }
        }
    }
}
