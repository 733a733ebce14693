//! Replaying one history against the store and the model.

use std::{fmt::Debug, fmt::Write as _, time::Duration};

use artos_core::{
    Name, Timestamp,
    model::{
        Epoch, FailureCause, Filter, Lease, ListOrder, ListQuery, NewTask, Outcome, OutcomeKind,
        Retention, Settlement, StartAt, TaskId, TaskState, WorkerId,
    },
    store::{Beat, Claim, Claims, Part, StoreError},
};
use bytes::Bytes;

use super::{
    event::{Draft, Ending, Event, IDS, Start, Target, WORKERS, Which, Wish},
    model::Model,
    view::View,
};
use crate::{
    harness::HarnessFactory,
    outcomes::{HOUR, advance_from, complete, fail, failure, progress, retry, snooze},
    world::World,
};

/// Time that passes for the model between two events if the store's clock runs on its own, so that
/// what happened earlier has the earlier time there too.
const TICK: Duration = Duration::from_micros(1);

/// A history under way.
struct Replay {
    world: World,
    model: Model,
    ids: Vec<TaskId>,
    workers: [WorkerId; WORKERS],
    leases: Vec<Lease>,
    last_settled: Vec<Settlement>,
    /// The model's time, if the store's clock runs on its own.
    model_now: Timestamp,
    store_began: Timestamp,
    model_began: Timestamp,
}

/// Lives through a history; the error tells what happened until the store and the model differed.
pub(super) async fn replay(factory: &HarnessFactory, events: &[Event]) -> Result<(), String> {
    let mut replay = Replay::new(World::open(factory).await).await?;
    for (number, event) in events.iter().enumerate() {
        let lived = replay.live(event).await;
        let same = match lived {
            Ok(()) => replay.compare_records().await,
            Err(difference) => Err(difference),
        };
        same.map_err(|difference| report(&events[..=number], &difference))?;
    }
    let compared = replay.compare_payloads().await;
    compared.map_err(|difference| report(events, &difference))
}

fn report(events: &[Event], difference: &str) -> String {
    let mut report = String::new();
    for (number, event) in events.iter().enumerate() {
        let _ = writeln!(report, "{:>3}. {event:?}", number + 1);
    }
    let _ = write!(report, "after that {difference}");
    report
}

/// Compares what the store says with what the model says.
fn same<T: PartialEq + Debug>(what: &str, store: &T, model: &T) -> Result<(), String> {
    if store == model {
        return Ok(());
    }
    Err(format!("{what} differ.\nthe store says: {store:#?}\nthe model says: {model:#?}"))
}

fn failed(error: &StoreError) -> String {
    format!("the store failed: {error}")
}

fn hours(hours: u8) -> Duration {
    HOUR * u32::from(hours)
}

fn name(prefix: &str, number: u8) -> Name {
    Name::from(format!("{prefix}{number}"))
}

fn labels(values: [Option<u8>; 2]) -> impl Iterator<Item = (Name, Name)> {
    let keys = ["a", "b"].into_iter().zip(values);
    keys.filter_map(|(key, value)| Some((Name::from(key), name("", value?))))
}

impl Replay {
    /// Begins with one task, by which the store's time is known.
    async fn new(world: World) -> Result<Self, String> {
        let mut first = world.task();
        first.queue = Name::from_static("aside");
        let inserted = world.insert_all(std::slice::from_ref(&first)).await;
        let store_began = world.record(first.id).await.created_at;
        let model_began = world.frozen_time().unwrap_or(store_began);
        let mut model = Model::default();
        let expected = model.insert(std::slice::from_ref(&first), model_began);
        same("the answers to the first insert", &inserted, &expected)?;
        Ok(Self {
            ids: (0..IDS).map(|_| world.new_id()).collect(),
            workers: std::array::from_fn(|_| world.new_worker()),
            leases: Vec::new(),
            last_settled: Vec::new(),
            model_now: model_began,
            model,
            world,
            store_began,
            model_began,
        })
    }

    fn now(&self) -> Timestamp {
        self.world.frozen_time().unwrap_or(self.model_now)
    }

    /// Returns how to look at the store's times, and at the model's.
    fn views(&self) -> (View, View) {
        if self.world.frozen_time().is_some() {
            return (View::Exact, View::Exact);
        }
        let hours = |began| View::Hours { began };
        (hours(self.store_began), hours(self.model_began))
    }

    async fn live(&mut self, event: &Event) -> Result<(), String> {
        self.model_now = self.model_now + TICK;
        match event {
            Event::Insert(drafts) => self.insert(drafts).await,
            Event::Claim { .. } => self.claim(event).await,
            Event::Heartbeat { hours, beats } => self.heartbeat(*hours, beats).await,
            Event::Settle(endings) => {
                let items: Vec<_> = endings.iter().map(|ending| self.settlement(ending)).collect();
                self.settle(items).await
            }
            Event::SettleAgain => self.settle(self.last_settled.clone()).await,
            Event::Cancel(target) => {
                let id = match target {
                    Target::Id(id) => self.ids[*id],
                    Target::Leased(which) => self.lease(*which).task_id,
                };
                let found = self.world.store.cancel(id).await;
                let found = found.map_err(|error| failed(&error))?;
                let now = self.now();
                same("the answers to a cancel", &found, &self.model.cancel(id, now))
            }
            Event::Rescue { limit } => self.rescue(*limit).await,
            Event::Prune { hours, limit } => self.prune(*hours, *limit).await,
            Event::List(wish) => self.list(wish).await,
            Event::Advance { hours: passed } => {
                self.world.advance(hours(*passed)).await;
                self.model_now = self.model_now + hours(*passed);
                Ok(())
            }
            Event::SetBack { hours: back } => {
                self.world.set_back(hours(*back)).await;
                self.model_now = self.model_now.before(hours(*back));
                Ok(())
            }
        }
    }

    fn task(&self, draft: &Draft, began: Timestamp) -> NewTask {
        NewTask {
            id: self.ids[draft.id],
            kind: name("kind-", draft.kind),
            queue: name("queue-", draft.queue),
            priority: draft.priority,
            tenant: draft.tenant.map(|tenant| name("tenant-", tenant)),
            labels: labels(draft.labels).collect(),
            idempotency_key: draft.key.map(|key| name("key-", key)),
            retry_of: None,
            start_at: match draft.start {
                Start::Now => StartAt::Now,
                Start::AfterHours(after) => StartAt::After(hours(after)),
                Start::AtHour(hour) => StartAt::At(began + hours(hour)),
            },
            expires_after: draft.expires_after.map(hours),
            input: Bytes::from(format!("{{\"input\":{}}}", draft.input)),
            checkpoint: draft
                .checkpointed
                .then(|| (name("stage-", 0), Bytes::from_static(b"\"given\""))),
        }
    }

    /// Makes the tasks of drafts twice: as the store gets them, and as the model does.
    fn tasks(&self, drafts: &[Draft]) -> (Vec<NewTask>, Vec<NewTask>) {
        let tasks =
            |began| -> Vec<_> { drafts.iter().map(|draft| self.task(draft, began)).collect() };
        (tasks(self.store_began), tasks(self.model_began))
    }

    async fn insert(&mut self, drafts: &[Draft]) -> Result<(), String> {
        let (for_store, for_model) = self.tasks(drafts);
        let found = self.world.store.insert(&for_store).await;
        let found = found.map_err(|error| failed(&error))?;
        let expected = self.model.insert(&for_model, self.now());
        same("the answers to an insert", &found, &expected)
    }

    async fn claim(&mut self, event: &Event) -> Result<(), String> {
        let Event::Claim { queue, worker, limit, hours: lease_hours } = event else {
            return Ok(());
        };
        let request = Claim {
            queue: name("queue-", *queue),
            limit: *limit,
            lease_for: hours(*lease_hours),
            worker: self.workers[*worker],
        };
        let found = self.world.store.claim(&request).await;
        let found = found.map_err(|error| failed(&error))?;
        let claimed = found.tasks.iter().map(|task| task.record.lease_token());
        self.leases.extend(claimed);
        let expected = self.model.claim(&request, self.now());
        let (store_view, model_view) = self.views();
        let seen = |claims: Claims, view: View| {
            let tasks: Vec<_> = claims
                .tasks
                .into_iter()
                .map(|task| (view.record(*task.record), task.payload))
                .collect();
            let next = claims.next_due_in.map(|next| view.duration(next));
            (tasks, next)
        };
        same(
            "the claimed tasks, or the time until the next is due,",
            &seen(found, store_view),
            &seen(expected, model_view),
        )
    }

    fn lease(&self, which: Which) -> Lease {
        let lease = match which {
            Which::Recent(back) => {
                let last = self.leases.len().checked_sub(usize::from(back) + 1);
                last.map(|index| self.leases[index])
            }
            Which::Any(index) if !self.leases.is_empty() => Some(*index.get(&self.leases)),
            Which::Any(_) => None,
        };
        lease.unwrap_or(Lease { task_id: self.ids[0], epoch: Epoch(1) })
    }

    async fn heartbeat(&mut self, lease_hours: u8, beats: &[(Which, bool)]) -> Result<(), String> {
        let beat = |(number, (which, reports)): (usize, &(Which, bool))| Beat {
            lease: self.lease(*which),
            progress: reports.then(|| progress("stage-0", 1, &number.to_string())),
        };
        let beats: Vec<_> = beats.iter().enumerate().map(beat).collect();
        let found = self.world.store.heartbeat(hours(lease_hours), &beats).await;
        let found = found.map_err(|error| failed(&error))?;
        let now = self.now();
        let expected = self.model.heartbeat(hours(lease_hours), &beats, now);
        same("the answers to heartbeats", &found, &expected)
    }

    fn settlement(&self, ending: &Ending) -> Settlement {
        let lease = self.lease(ending.lease);
        let payload = format!("\"{}\"", ending.hours);
        let wait = hours(ending.hours);
        let outcome = match ending.outcome {
            OutcomeKind::Advance => {
                let entry = self.model.tasks.get(&lease.task_id);
                let stage = entry.and_then(|entry| entry.record.stage.clone());
                let from = if ending.right_stage { stage } else { Some(name("elsewhere-", 0)) };
                advance_from(from.as_deref(), &name("stage-", ending.to), &payload)
            }
            OutcomeKind::Complete => complete(&payload),
            // One wait in four is for somebody who knows the task's stage.
            OutcomeKind::Retry if ending.hours == 3 => Outcome::Retry {
                failure: failure(FailureCause::UnknownStage, "unknown"),
                delay: wait,
            },
            OutcomeKind::Retry => retry(wait),
            OutcomeKind::Snooze => snooze(wait),
            OutcomeKind::Fail => fail(),
            OutcomeKind::Cancel => Outcome::Cancel,
            OutcomeKind::Interrupt => Outcome::Interrupt,
        };
        let follow_ups = ending.follow_ups.iter().map(|draft| {
            let mut task = self.task(draft, self.store_began);
            // A batch goes to both as it is, so it must not name times of one of the two clocks.
            if matches!(task.start_at, StartAt::At(_)) {
                task.start_at = StartAt::Now;
            }
            task
        });
        Settlement { lease, outcome, follow_ups: follow_ups.collect() }
    }

    async fn settle(&mut self, items: Vec<Settlement>) -> Result<(), String> {
        let found = self.world.store.settle(&items).await;
        let found = found.map_err(|error| failed(&error))?;
        let expected = self.model.settle(&items, self.now());
        self.last_settled = items;
        same("the answers to settlements", &found, &expected)
    }

    async fn rescue(&mut self, limit: usize) -> Result<(), String> {
        let found = self.world.store.rescue(limit).await;
        let found = found.map_err(|error| failed(&error))?;
        let now = self.now();
        let lapsed = self.model.lapsed(now);
        let stray = found.tasks.iter().find(|id| !lapsed.contains(id));
        same("rescued tasks whose lease had not lapsed", &stray, &None)?;
        let expected = lapsed.len().min(limit);
        same("the numbers of rescued tasks", &found.tasks.len(), &expected)?;
        self.model.rescue(&found.tasks, now);
        let (store_view, model_view) = self.views();
        let next = self.model.next_lapse_in(now);
        same(
            "the times until the next rescue",
            &found.next_in.map(|next| store_view.duration(next)),
            &next.map(|next| model_view.duration(next)),
        )
    }

    async fn prune(&mut self, keep: [u8; 3], limit: usize) -> Result<(), String> {
        let retention = Retention {
            completed: hours(keep[0]),
            failed: hours(keep[1]),
            cancelled: hours(keep[2]),
        };
        let found = self.world.store.prune(&retention, limit).await;
        let found = found.map_err(|error| failed(&error))?;
        let prunable = self.model.prunable(&retention, self.now());
        let expected = prunable.len().min(limit);
        same("the numbers of pruned tasks", &found.count, &expected)?;
        for id in prunable {
            if !self.world.exists(id).await {
                self.model.tasks.remove(&id);
            }
        }
        let (store_view, model_view) = self.views();
        let next = self.model.next_prune_in(&retention, self.now());
        same(
            "the times until the next prune",
            &found.next_in.map(|next| store_view.duration(next)),
            &next.map(|next| model_view.duration(next)),
        )
    }

    async fn list(&mut self, wish: &Wish) -> Result<(), String> {
        let mut query = ListQuery {
            filter: Filter {
                states: wish.states.clone(),
                kinds: Vec::from_iter(wish.kind.map(|kind| name("kind-", kind))),
                queue: wish.queue.map(|queue| name("queue-", queue)),
                tenant: wish.tenant.map(|tenant| name("tenant-", tenant)),
                labels: labels(wish.labels).collect(),
            },
            order: if wish.newest_first { ListOrder::NewestFirst } else { ListOrder::OldestFirst },
            limit: wish.limit,
            cursor: None,
            counts: true,
        };
        let (records, counts) = self.model.list(&query);
        let (store_view, model_view) = self.views();
        let records: Vec<_> = records.into_iter().map(|r| model_view.record(r)).collect();
        let mut found = Vec::new();
        loop {
            let page = self.world.store.list(&query).await;
            let page = page.map_err(|error| failed(&error))?;
            same("the counts of a listing", &page.counts, &Some(counts))?;
            found.extend(page.tasks.into_iter().map(|r| store_view.record(r)));
            let Some(next) = page.next.filter(|_| found.len() <= records.len()) else {
                break;
            };
            query.cursor = Some(next);
        }
        same("the listed tasks", &found, &records)
    }

    async fn compare_records(&self) -> Result<(), String> {
        let query =
            ListQuery { order: ListOrder::OldestFirst, limit: 1_000, ..ListQuery::default() };
        let (store_view, model_view) = self.views();
        let found: Vec<_> = self.world.drain(query).await;
        let found: Vec<_> = found.into_iter().map(|r| store_view.record(r)).collect();
        let expected = self.model.tasks.values();
        let expected: Vec<_> =
            expected.map(|entry| model_view.record(entry.record.clone())).collect();
        let ids = |records: &[artos_core::model::TaskRecord]| -> Vec<_> {
            records.iter().map(|record| record.id).collect()
        };
        same("the tasks in the store", &ids(&found), &ids(&expected))?;
        for (found, expected) in found.iter().zip(&expected) {
            same("the records of a task", found, expected)?;
            let running = found.state == TaskState::Running;
            same("the lease and the state", &found.lease.is_some(), &running)?;
        }
        Ok(())
    }

    async fn compare_payloads(&self) -> Result<(), String> {
        for (id, entry) in &self.model.tasks {
            for part in [Part::Input, Part::Checkpoint, Part::Output] {
                let found = self.world.payload(*id, part).await;
                let what = format!("the payloads {part:?} of task {id}");
                same(&what, &found, &entry.payload(part))?;
            }
        }
        Ok(())
    }
}
