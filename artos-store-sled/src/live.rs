//! What the commit thread keeps in memory about tasks that are not terminal: who is due, and all
//! of those that run.
//!
//! It is as large as there are such tasks, and can be read off the tree at any time: see
//! [`Live::read`].

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use artos_core::{
    Name, Timestamp,
    model::{ListOrder, TaskId, TaskRecord, TaskState},
    store::{Part, StoreResult},
};

use foldhash::fast::RandomState;

use crate::{
    disk::Disk,
    envelope::corrupt,
    keys,
    lookup::{self, InOrder, Loaded},
    scan::Scan,
};

/// Tasks in the order of a time, ties in the order of submission.
type ByTime = BTreeSet<(Timestamp, TaskId)>;
/// The tasks of a queue, the most urgent priority first.
type Ready = BTreeMap<Reverse<i16>, ByTime>;
/// The tasks of each queue and priority, in no order.
type Waiting = HashMap<(Name, i16), Vec<(Timestamp, TaskId)>, RandomState>;

/// Where a pending task waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    queue: Name,
    priority: i16,
    run_at: Timestamp,
    id: TaskId,
}

impl Place {
    /// Returns where a task waits, if it is pending.
    pub(crate) fn of(record: &TaskRecord) -> Option<Self> {
        (record.state == TaskState::Pending).then(|| Self {
            queue: record.queue.clone(),
            priority: record.priority,
            run_at: record.run_at,
            id: record.id,
        })
    }
}

/// Tasks that are not terminal.
#[derive(Debug, Default)]
pub(crate) struct Live {
    ready: HashMap<Name, Ready>,
    running: HashMap<TaskId, Arc<Loaded>, RandomState>,
    /// Running tasks by the time their lease lapses.
    leases: ByTime,
}

impl Live {
    /// Reads all tasks that are not terminal.
    ///
    /// The leases they were under are lapsed: only one process at a time has the store, so whoever
    /// held one is gone.
    pub(crate) fn read(disk: &Disk, now: Timestamp) -> StoreResult<Self> {
        let mut live = Self::default();
        let mut waiting = Waiting::default();
        let mut changed = Scan::new(disk, keys::RUNNING.into(), ListOrder::OldestFirst, None);
        let mut next_changed = changed.next().transpose()?;
        let records = InOrder::new(disk);
        for row in Scan::new(disk, keys::LIVE.into(), ListOrder::OldestFirst, None) {
            let (key, _) = row?;
            let id = keys::parse_id(&key).ok_or_else(|| corrupt(&key, "it names no task"))?;
            let Some((loaded, _)) = lookup::load(&records, id, Part::Record)? else {
                return Err(corrupt(&keys::task(id), "it is listed as not terminal, and missing"));
            };
            let mut loaded = Arc::unwrap_or_clone(loaded);
            if let Some((changed_key, changes)) = &next_changed
                && keys::parse_id(changed_key) == Some(id)
            {
                loaded.take_over(changes).map_err(|malformed| corrupt(changed_key, malformed.0))?;
                next_changed = changed.next().transpose()?;
            }
            let record = &mut loaded.stored.record;
            if let Some(holder) = &mut record.lease {
                holder.expires_at = holder.expires_at.min(now);
            }
            match record.state {
                TaskState::Pending => {
                    let tasks = waiting.entry((record.queue.clone(), record.priority));
                    tasks.or_default().push((record.run_at, id));
                }
                TaskState::Running if record.lease.is_some() => {
                    live.run(id, Some(Arc::new(loaded)));
                }
                state => {
                    let found = format!("it is listed as not terminal, and is {state}");
                    return Err(corrupt(&keys::task(id), &found));
                }
            }
        }
        if let Some((key, _)) = next_changed {
            return Err(corrupt(&key, "it runs, and is not listed so"));
        }
        for ((queue, priority), tasks) in waiting {
            // Made at once it takes half of the memory that it takes when it grows.
            let tasks = ByTime::from_iter(tasks);
            live.ready.entry(queue).or_default().insert(Reverse(priority), tasks);
        }
        Ok(live)
    }

    /// Adds a pending task where it waits, or takes it away from there.
    pub(crate) fn place(&mut self, place: Option<Place>, here: bool) {
        let Some(Place { queue, priority, run_at, id }) = place else {
            return;
        };
        if here {
            let queue = self.ready.entry(queue).or_default();
            queue.entry(Reverse(priority)).or_default().insert((run_at, id));
            return;
        }
        let Some(ready) = self.ready.get_mut(&queue) else {
            return;
        };
        if let Some(waiting) = ready.get_mut(&Reverse(priority)) {
            waiting.remove(&(run_at, id));
            if waiting.is_empty() {
                ready.remove(&Reverse(priority));
            }
        }
        if ready.is_empty() {
            self.ready.remove(&queue);
        }
    }

    /// Sets what a running task is; `None`: it does not run. Returns what it was.
    pub(crate) fn run(&mut self, id: TaskId, task: Option<Arc<Loaded>>) -> Option<Arc<Loaded>> {
        let until = |task: &Arc<Loaded>| task.stored.record.lease.map(|holder| holder.expires_at);
        let lease = task.as_ref().and_then(until);
        let before = match task {
            Some(task) => self.running.insert(id, task),
            None => self.running.remove(&id),
        };
        let lease_before = before.as_ref().and_then(until);
        if lease != lease_before {
            if let Some(until) = lease_before {
                self.leases.remove(&(until, id));
            }
            self.leases.extend(lease.map(|until| (until, id)));
        }
        before
    }

    /// Returns a running task.
    pub(crate) fn running(&self, id: TaskId) -> Option<&Arc<Loaded>> {
        self.running.get(&id)
    }

    /// Returns all running tasks.
    pub(crate) const fn all_running(&self) -> &HashMap<TaskId, Arc<Loaded>, RandomState> {
        &self.running
    }

    /// Returns how many tasks are pending, and how many run.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let waiting = self.ready.values().flat_map(BTreeMap::values).map(BTreeSet::len);
        (waiting.map(|len| len as u64).sum(), self.running.len() as u64)
    }

    /// Returns up to `limit` due tasks of a queue, in the order they should start.
    pub(crate) fn due(&self, queue: &Name, now: Timestamp, limit: usize) -> Vec<TaskId> {
        let priorities = self.ready.get(queue).into_iter().flat_map(BTreeMap::values);
        priorities
            .flat_map(|waiting| waiting.iter().take_while(|(run_at, _)| *run_at <= now))
            .map(|(_, id)| *id)
            .take(limit)
            .collect()
    }

    /// Returns when the next pending task of a queue is, or was, due.
    pub(crate) fn next_due(&self, queue: &Name) -> Option<Timestamp> {
        let priorities = self.ready.get(queue)?.values();
        priorities.filter_map(BTreeSet::first).map(|(run_at, _)| *run_at).min()
    }

    /// Returns the running task whose lease lapses first, and when.
    pub(crate) fn first_lease(&self) -> Option<(Timestamp, TaskId)> {
        self.leases.first().copied()
    }
}
