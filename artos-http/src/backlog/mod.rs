//! How many tasks may wait, for each organization and in all, before more are refused.
//!
//! The store is asked now and then, and what is submitted here in between is added: a submission
//! does not cost another call. Several processes count each by itself, and hear of each other's
//! tasks with the next look.

mod count;

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use artos_core::{Client, Filter, ListQuery, Name, TaskState, store::StoreResult};
use tokio::time::Instant;

use self::count::{Count, Fate, Verdict};
use crate::error::{Problem, ProblemKind};

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

impl Backlog {
    pub(crate) fn new(
        kinds: Vec<Name>,
        per_organization: Option<u64>,
        in_all: Option<u64>,
    ) -> Self {
        Self { kinds, per_organization, in_all, counts: Mutex::default() }
    }

    /// Returns the caps that hold for an organization, and what is said beyond them.
    fn caps(&self, organization: Option<&Name>) -> impl Iterator<Item = (Whose, u64)> + use<> {
        let own =
            self.per_organization.map(|max| (Whose::Organizations(organization.cloned()), max));
        let all = self.in_all.map(|max| (Whose::Everybodys, max));
        own.into_iter().chain(all)
    }

    /// Says that too many tasks wait, if that is known without asking anybody.
    pub(crate) fn glance(&self, organization: Option<&Name>) -> Result<(), Problem> {
        let now = Instant::now();
        for (whose, max) in self.caps(organization) {
            let counts = self.counts();
            if counts.get(&whose).is_some_and(|count| count.is_known_full(max, now)) {
                return Err(whose.beyond(max));
            }
        }
        Ok(())
    }

    /// Lets one more task in, or says that too many wait.
    pub(crate) async fn admit(
        &self,
        client: &Client,
        organization: Option<&Name>,
    ) -> Result<Slot<'_>, Problem> {
        let mut slot = Slot { backlog: self, taken: Vec::new(), fate: Fate::Refused };
        for (whose, max) in self.caps(organization) {
            if !self.has_room(client, &whose, max).await {
                return Err(whose.beyond(max));
            }
            slot.taken.push(whose);
        }
        // From here on nobody knows, until somebody says.
        slot.fate = Fate::Unknown;
        Ok(slot)
    }

    async fn has_room(&self, client: &Client, whose: &Whose, max: u64) -> bool {
        loop {
            match self.judge(whose, max) {
                Verdict::In => return true,
                Verdict::Full => return false,
                Verdict::Ask(tell) => {
                    // Should this future be dropped meanwhile, the next one asks.
                    let asking = Asking { backlog: self, whose };
                    let found = self.count(client, whose).await;
                    drop(asking);
                    if let Ok(found) = found {
                        self.with(whose, |count| count.learn(found, Instant::now()));
                    }
                    tell.send_replace(Some(found.is_ok()));
                    // The submission itself will tell that the store is not there.
                    if found.is_err() {
                        self.with(whose, Count::let_in);
                        return true;
                    }
                }
                Verdict::Wait(mut asking) => {
                    let told = asking.wait_for(Option::is_some).await;
                    if told.is_ok_and(|told| *told == Some(false)) {
                        self.with(whose, Count::let_in);
                        return true;
                    }
                }
            }
        }
    }

    fn judge(&self, whose: &Whose, max: u64) -> Verdict {
        self.with(whose, |count| count.judge(max, Instant::now()))
    }

    fn with<R>(&self, whose: &Whose, change: impl FnOnce(&mut Count) -> R) -> R {
        let mut counts = self.counts();
        if counts.len() >= REMEMBERED_MAX && !counts.contains_key(whose) {
            counts.clear();
        }
        change(counts.entry(whose.clone()).or_default())
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
            count.ask_no_more();
        }
    }
}

impl Whose {
    /// What is said about one more task of theirs.
    fn beyond(&self, max: u64) -> Problem {
        let problem = match self {
            Self::Organizations(_) => {
                let detail = format!("the organization has {max} tasks waiting already");
                Problem::new(ProblemKind::TooManyPending, detail)
            }
            Self::Everybodys => {
                let detail = "the service has more work waiting than it takes on";
                Problem::new(ProblemKind::Overloaded, detail)
            }
        };
        problem.retry_after(RETRY_AFTER)
    }
}

/// Room for one task, until it is known what became of it. When that is never said, the task may
/// come in later than the next look at the store.
#[derive(Debug)]
pub(crate) struct Slot<'a> {
    backlog: &'a Backlog,
    taken: Vec<Whose>,
    fate: Fate,
}

impl Slot<'_> {
    /// Says how the submission was answered; `is_new` if there is another task now.
    pub(crate) fn settle(mut self, answer: Result<bool, &Problem>) {
        self.fate = match answer {
            Ok(true) => Fate::Taken,
            Ok(false) => Fate::Refused,
            // The store may not have said what it did.
            Err(problem) if problem.status().is_server_error() => Fate::Unknown,
            Err(_) => Fate::Refused,
        };
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let mut counts = self.backlog.counts();
        for whose in &self.taken {
            if let Some(count) = counts.get_mut(whose) {
                count.settle(self.fate);
            }
        }
    }
}
