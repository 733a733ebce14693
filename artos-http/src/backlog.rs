//! How many tasks may wait, for each organization and in all, before more are refused.
//!
//! The store is asked now and then, and what is submitted here in between is added: a submission
//! does not cost another call, and the caps are kept about, not exactly. Several processes count
//! each by itself, and hear of each other's tasks with the next look.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use artos_core::{Client, Filter, ListQuery, Name, TaskState, store::StoreResult};
use tokio::{sync::watch, time::Instant};

use crate::error::{Problem, ProblemKind};

/// How long a count is good while the cap is far.
const COUNT_EVERY: Duration = Duration::from_secs(10);

/// How long a count is good that says no.
const REFUSE_FOR: Duration = Duration::from_secs(1);

/// When to try again, in seconds.
const RETRY_AFTER: u64 = 5;

/// Most organizations whose counts are remembered; beyond that they are counted anew.
const REMEMBERED_MAX: usize = 10_000;

/// Keeps tasks that wait below caps.
#[derive(Debug)]
pub(crate) struct Backlog {
    kinds: Vec<Name>,
    per_organization: Option<u64>,
    in_all: Option<u64>,
    counts: Mutex<HashMap<Whose, Count>>,
}

/// Whose tasks are counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Whose {
    Everybodys,
    Organizations(Option<Name>),
}

/// How many tasks wait, as far as is known.
#[derive(Debug, Default)]
struct Count {
    /// What the store said, and when.
    found: Option<(u64, Instant)>,
    /// What was let in since.
    since: u64,
    /// What was let in while the store was being asked.
    meanwhile: u64,
    /// Somebody asks the store, and tells here whether it answered.
    asking: Option<watch::Receiver<Option<bool>>>,
}

/// What a count says about one more task.
enum Verdict {
    In,
    Full,
    /// Nobody knows: ask the store, and tell the others whether it answered.
    Ask(watch::Sender<Option<bool>>),
    /// Nobody knows, and somebody asks already.
    Wait(watch::Receiver<Option<bool>>),
}

impl Count {
    fn judge(&mut self, max: u64, now: Instant) -> Verdict {
        let is_full = |found: u64| found.saturating_add(self.since) >= max;
        let verdict = match (self.found, &self.asking) {
            (None, Some(asking)) => Verdict::Wait(asking.clone()),
            // What was known before is good enough till then.
            (Some((found, _)), Some(_)) if !is_full(found) => Verdict::In,
            (Some(_), Some(_)) => Verdict::Full,
            (Some((found, at)), None) if is_full(found) && now - at < REFUSE_FOR => Verdict::Full,
            (Some((found, at)), None) if !is_full(found) && now - at < COUNT_EVERY => Verdict::In,
            (Some(_) | None, None) => {
                let (tell, asking) = watch::channel(None);
                self.asking = Some(asking);
                Verdict::Ask(tell)
            }
        };
        match verdict {
            Verdict::In => {
                self.since += 1;
                self.meanwhile += 1;
            }
            Verdict::Ask(_) => self.meanwhile = 0,
            Verdict::Full | Verdict::Wait(_) => {}
        }
        verdict
    }

    /// Takes in what the store said.
    const fn learn(&mut self, found: u64, now: Instant) {
        self.found = Some((found, now));
        self.since = self.meanwhile;
    }
}

impl Backlog {
    pub(crate) fn new(
        kinds: Vec<Name>,
        per_organization: Option<u64>,
        in_all: Option<u64>,
    ) -> Self {
        Self { kinds, per_organization, in_all, counts: Mutex::default() }
    }

    /// Lets one more task in, or says that too many wait.
    pub(crate) async fn admit(
        &self,
        client: &Client,
        organization: Option<&Name>,
    ) -> Result<(), Problem> {
        if let Some(max) = self.per_organization {
            let whose = Whose::Organizations(organization.cloned());
            if !self.has_room(client, whose, max).await {
                let detail = format!("the organization has {max} tasks waiting already");
                return Err(
                    Problem::new(ProblemKind::TooManyPending, detail).retry_after(RETRY_AFTER)
                );
            }
        }
        if let Some(max) = self.in_all
            && !self.has_room(client, Whose::Everybodys, max).await
        {
            let detail = "the service has more work waiting than it takes on";
            return Err(Problem::new(ProblemKind::Overloaded, detail).retry_after(RETRY_AFTER));
        }
        Ok(())
    }

    async fn has_room(&self, client: &Client, whose: Whose, max: u64) -> bool {
        loop {
            match self.judge(&whose, max) {
                Verdict::In => return true,
                Verdict::Full => return false,
                Verdict::Ask(tell) => {
                    // Should this future be dropped meanwhile, the next one asks.
                    let asking = Asking { backlog: self, whose: &whose };
                    let found = self.count(client, &whose).await;
                    drop(asking);
                    if let Ok(found) = found {
                        let mut counts = self.counts();
                        counts.entry(whose.clone()).or_default().learn(found, Instant::now());
                    }
                    tell.send_replace(Some(found.is_ok()));
                    // The submission itself will tell that the store is not there.
                    if found.is_err() {
                        return true;
                    }
                }
                Verdict::Wait(mut asking) => {
                    let told = asking.wait_for(Option::is_some).await;
                    if told.is_ok_and(|told| *told == Some(false)) {
                        return true;
                    }
                }
            }
        }
    }

    fn judge(&self, whose: &Whose, max: u64) -> Verdict {
        let mut counts = self.counts();
        if counts.len() >= REMEMBERED_MAX && !counts.contains_key(whose) {
            counts.clear();
        }
        counts.entry(whose.clone()).or_default().judge(max, Instant::now())
    }

    async fn count(&self, client: &Client, whose: &Whose) -> StoreResult<u64> {
        let tenant = match whose {
            Whose::Organizations(organization) => organization.clone(),
            Whose::Everybodys => None,
        };
        let filter = Filter {
            states: vec![TaskState::Pending],
            kinds: self.kinds.clone(),
            tenant,
            ..Filter::default()
        };
        let query = ListQuery { filter, limit: 1, counts: true, ..ListQuery::default() };
        let page = client.list(&query).await?;
        Ok(page.counts.map_or(0, |counts| counts.pending))
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<Whose, Count>> {
        // Counts are right between any two statements, so a poisoned lock is still good.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The store is being asked, until this is dropped.
struct Asking<'a> {
    backlog: &'a Backlog,
    whose: &'a Whose,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if let Some(count) = self.backlog.counts().get_mut(self.whose) {
            count.asking = None;
        }
    }
}
