//! One look at an organization's tasks: what differs from the last look.
//!
//! A hint of the store says only that something changed somewhere. So a look lists the tasks that
//! are not over and the youngest ones. Nothing is noted before everything was read: what a look
//! that failed did not find, the next one does.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use artos_core::{
    Client, Filter, ListQuery, Name, TaskId, TaskRecord, TaskState, Timestamp,
    model::{Cursor, ListOrder},
    store::StoreResult,
};
use tokio::time::Instant;
use uuid::Uuid;

use super::{events::Shown, mark::Mark};
use crate::wire::TaskStatus;

/// How much younger than the last look a task may seem, because machines' clocks differ and an
/// insert takes its time.
pub(super) const MARGIN: Duration = Duration::from_secs(5);

/// Longest page of one look at the store, and most pages.
const PAGE: usize = 100;
const PAGES_MAX: usize = 10;

/// Most tasks that one look reads one by one, because they are in no listing any more.
const GETS_MAX: usize = 200;

/// Shortest time between two words that not everything can be told.
const GAPS_APART: Duration = Duration::from_secs(10);

/// Where to look.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) client: Client,
    pub(super) kind: Name,
    pub(super) organization: Option<Name>,
}

/// What happened to a task.
#[derive(Debug, Clone)]
pub(super) struct News {
    pub(super) name: &'static str,
    pub(super) id: TaskId,
    pub(super) revision: u64,
    /// The status of the task, as JSON.
    pub(super) data: Arc<str>,
}

/// What is told together.
#[derive(Debug, Clone, Default)]
pub(super) struct Batch {
    /// More happened than can be told.
    pub(super) is_gap: bool,
    pub(super) news: Vec<News>,
    /// Whoever got this batch comes back for what happened later.
    pub(super) mark: Option<Mark>,
}

impl Batch {
    pub(super) fn gap() -> Self {
        Self { is_gap: true, ..Self::default() }
    }
}

/// What was found of a task.
struct Known {
    revision: u64,
    shown: Shown,
    updated_at: Timestamp,
    /// Its status as JSON, for those who come later; only while it is not over.
    data: Option<Arc<str>>,
}

/// What the looks at an organization's tasks found.
#[derive(Default)]
pub(super) struct State {
    /// The tasks that may still change, or that the next look may find again.
    known: BTreeMap<TaskId, Known>,
    /// How far the last look got that succeeded.
    mark: Option<Mark>,
    /// When the last look began.
    pub(super) looked: Option<Instant>,
    /// Not everything that is open is known.
    is_partial: bool,
    owes_gap: bool,
    told_gap: Option<Instant>,
    /// There is more to tell than one look could read.
    pub(super) is_behind: bool,
}

impl State {
    /// Returns whether there was a look that succeeded.
    pub(super) const fn has_looked(&self) -> bool {
        self.mark.is_some()
    }

    /// Looks, and returns what is new; at first nothing is.
    pub(super) async fn look(&mut self, source: &Source) -> StoreResult<Batch> {
        self.looked = Some(Instant::now());
        let now = source.client.now();
        // What ends between the two listings is in the second.
        let (open, is_all_open) = source.open().await?;
        let since = self.mark.map_or(now.before(2 * MARGIN), |mark| mark.at.before(MARGIN));
        let young = source.list(Vec::new(), ListOrder::OldestFirst, Some(since)).await?;
        let (young, is_all_young) = young;
        let seen: BTreeSet<_> = open.iter().chain(&young).map(|record| record.id).collect();
        let is_gone = |(id, known): &(&TaskId, &Known)| known.data.is_some() && !seen.contains(id);
        let gone: Vec<_> = self.known.iter().filter(is_gone).map(|(id, _)| *id).collect();
        let (read, unread) = gone.split_at(gone.len().min(GETS_MAX));
        let mut ended = Vec::new();
        let mut forgotten = Vec::new();
        for id in read {
            match source.client.get(*id).await? {
                // It is open, and too many others are to follow it.
                Some(record) if !is_all_open && !record.is_terminal() => forgotten.push(*id),
                Some(record) => ended.push(record),
                None => forgotten.push(*id),
            }
        }
        // From here on nothing can fail.
        if is_all_open {
            self.is_behind = !unread.is_empty();
        } else {
            self.is_behind = false;
            forgotten.extend(unread);
        }
        for id in forgotten {
            self.known.remove(&id);
        }
        self.is_partial = !is_all_open;
        self.owes_gap |= !is_all_open || !is_all_young;
        let found = open.into_iter().chain(young).chain(ended);
        let news: Vec<_> = in_order(found).iter().filter_map(|record| self.note(record)).collect();
        let oldest = first_id(now.before(2 * MARGIN));
        self.known.retain(|id, known| known.data.is_some() || *id > oldest);
        let mark = Mark { at: now, over_before: self.over_before(now) };
        if self.mark.replace(mark).is_none() {
            return Ok(Batch::default());
        }
        Ok(Batch { is_gap: self.may_tell_gap(), news, mark: Some(mark) })
    }

    /// Returns before which time every task was made over, as far as is known at `now`.
    fn over_before(&self, now: Timestamp) -> Option<Timestamp> {
        let open = self.known.iter().find(|(_, known)| known.data.is_some());
        let oldest = open.map_or(now, |(id, _)| made_at(*id)).min(now.before(MARGIN));
        (!self.is_partial).then_some(oldest)
    }

    /// Returns whether it is time to tell that not everything was told.
    fn may_tell_gap(&mut self) -> bool {
        let is_time = self.told_gap.is_none_or(|told| told.elapsed() >= GAPS_APART);
        let may = self.owes_gap && is_time;
        if may {
            self.owes_gap = false;
            self.told_gap = Some(Instant::now());
        }
        may
    }

    /// Notes how a task is; returns what is new about it, if anything is.
    fn note(&mut self, record: &TaskRecord) -> Option<News> {
        let shown = Shown::of(record);
        let name =
            match self.known.get(&record.id) {
                Some(known) if known.revision >= record.revision => return None,
                _ if record.is_terminal() => "end",
                Some(known) if known.shown.state == shown.state => {
                    if known.shown.stage == shown.stage { "progress" } else { "stage" }
                }
                Some(_) | None => "state",
            };
        let news = News::of(name, record)?;
        let data = (!record.is_terminal()).then(|| Arc::clone(&news.data));
        let (revision, updated_at) = (record.revision, record.updated_at);
        self.known.insert(record.id, Known { revision, shown, updated_at, data });
        Some(news)
    }

    /// Returns how everything is that is not over, as the last look found it.
    pub(super) fn snapshot(&self) -> Batch {
        let mut open: Vec<_> = self.open(None).collect();
        open.sort_by_key(|(updated_at, news)| (*updated_at, news.id));
        let news = open.into_iter().map(|(_, news)| news).collect();
        Batch { is_gap: self.is_partial, news, mark: self.mark }
    }

    fn open(&self, since: Option<Timestamp>) -> impl Iterator<Item = (Timestamp, News)> {
        let is_later = move |known: &Known| since.is_none_or(|since| known.updated_at > since);
        self.known.iter().filter(move |(_, known)| is_later(known)).filter_map(|(id, known)| {
            let data = Arc::clone(known.data.as_ref()?);
            let news = News { name: "snapshot", id: *id, revision: known.revision, data };
            Some((known.updated_at, news))
        })
    }

    /// Returns what happened since an earlier stream, and what of that a later look may find again.
    pub(super) async fn since(
        &self,
        source: &Source,
        since: Mark,
    ) -> StoreResult<(Batch, Vec<(TaskId, u64)>)> {
        let (last, is_all) = source.list(Vec::new(), ListOrder::NewestFirst, None).await?;
        // What is older than the last ones, and was open then, may have ended without a trace.
        let is_over = |oldest: &TaskRecord| {
            since.over_before.is_some_and(|before| oldest.id <= first_id(before))
        };
        let is_cut = !is_all && !last.last().is_some_and(is_over);
        let since = since.at.before(MARGIN);
        let mut happened: BTreeMap<TaskId, (Timestamp, News)> = BTreeMap::new();
        happened.extend(self.open(Some(since)).map(|(at, news)| (news.id, (at, news))));
        let mut ahead = Vec::new();
        let young = self.mark.map(|mark| first_id(mark.at.before(MARGIN)));
        for record in last.iter().filter(|record| record.updated_at > since) {
            let name = if record.is_terminal() { "end" } else { "snapshot" };
            let Some(news) = News::of(name, record) else { continue };
            let is_ahead = match self.known.get(&record.id) {
                Some(known) => known.revision < record.revision,
                None => !record.is_terminal() || young.is_none_or(|young| record.id >= young),
            };
            ahead.extend(is_ahead.then_some((record.id, record.revision)));
            happened.insert(record.id, (record.updated_at, news));
        }
        let mut happened: Vec<_> = happened.into_values().collect();
        happened.sort_by_key(|(updated_at, news)| (*updated_at, news.id));
        let news = happened.into_iter().map(|(_, news)| news).collect();
        Ok((Batch { is_gap: self.is_partial || is_cut, news, mark: self.mark }, ahead))
    }
}

impl News {
    fn of(name: &'static str, record: &TaskRecord) -> Option<Self> {
        let data = serde_json::to_string(&TaskStatus::from(record)).ok()?;
        Some(Self { name, id: record.id, revision: record.revision, data: data.into() })
    }
}

impl Source {
    async fn open(&self) -> StoreResult<(Vec<TaskRecord>, bool)> {
        let states = vec![TaskState::Pending, TaskState::Running];
        self.list(states, ListOrder::NewestFirst, None).await
    }

    /// Lists tasks up to the most pages, those that were made since a time if there is one; also
    /// returns whether these are all.
    async fn list(
        &self,
        states: Vec<TaskState>,
        order: ListOrder,
        since: Option<Timestamp>,
    ) -> StoreResult<(Vec<TaskRecord>, bool)> {
        let kinds = vec![self.kind.clone()];
        let tenant = self.organization.clone();
        let filter = Filter { states, kinds, tenant, ..Filter::default() };
        let cursor = since.map(|since| Cursor { after: first_id(since) });
        let mut query = ListQuery { filter, order, limit: PAGE, cursor, ..ListQuery::default() };
        let mut found = Vec::new();
        for _ in 0..PAGES_MAX {
            let page = self.client.list(&query).await?;
            found.extend(page.tasks);
            query.cursor = page.next;
            if query.cursor.is_none() {
                return Ok((found, true));
            }
        }
        Ok((found, false))
    }
}

/// Returns the smallest id that a task of this time can have: ids begin with it, in milliseconds.
fn first_id(time: Timestamp) -> TaskId {
    let millis = u128::try_from(time.as_micros() / 1_000).unwrap_or_default();
    TaskId::from_uuid(Uuid::from_u128(millis << 80))
}

/// Returns the time that an id begins with.
fn made_at(id: TaskId) -> Timestamp {
    let millis = i64::try_from(id.as_uuid().as_u128() >> 80).unwrap_or_default();
    Timestamp::from_micros(millis.saturating_mul(1_000))
}

/// Sorts what happened earlier to the front; of several looks at a task the last one stays.
fn in_order(found: impl Iterator<Item = TaskRecord>) -> Vec<TaskRecord> {
    let mut latest: BTreeMap<TaskId, TaskRecord> = BTreeMap::new();
    for record in found {
        let is_older =
            latest.get(&record.id).is_some_and(|known| known.revision >= record.revision);
        if !is_older {
            latest.insert(record.id, record);
        }
    }
    let mut records: Vec<_> = latest.into_values().collect();
    records.sort_by_key(|record| (record.updated_at, record.id));
    records
}
