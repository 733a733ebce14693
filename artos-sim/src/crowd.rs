//! Those who submit, wait, cancel, retry and read.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use artos_core::{
    Client, ListOrder, ListQuery, Random, RetryOptions, Submission, SubmitError, Task, TaskError,
    TaskHandle, TaskId, model::Epoch, store::Part,
};
use artos_oracle::{Dice, Invariant, mix};
use tokio::task::JoinHandle;

use crate::{
    clock::SimClock,
    fate::skew,
    journal::Who,
    link::Link,
    options::Chaos,
    remote::Remote,
    work::{Four, One, Three, Work},
    world::{World, lock},
};

/// Longest time a submitter waits before it tries again.
const AGAIN: u64 = 2_000;
/// Longest delay of a task.
pub(crate) const DELAY_MAX: u64 = 20_000;
/// How long somebody waits for an answer before giving up.
const PATIENCE: Duration = Duration::from_secs(10);
/// Keys that submitters draw from.
const KEYS: u64 = 6;

/// Those who submit, wait, cancel, retry and read.
pub(crate) struct Crowd {
    links: Vec<Arc<Link>>,
    clock: SimClock,
    work: Mutex<Vec<JoinHandle<()>>>,
}

/// One of them.
struct Person {
    who: Who,
    client: Client,
    world: Arc<World>,
    crowd: Arc<Crowd>,
    dice: Dice,
}

impl Crowd {
    /// Lets everybody begin.
    pub(crate) fn start(world: &Arc<World>) -> Arc<Self> {
        let mut dice = Dice::new(mix(world.options.seed, 4));
        let clock = SimClock::new();
        if world.options.has(Chaos::WorkerClock) {
            skew(&clock, &mut dice);
        }
        let submitters = dice.between(1, 3);
        let others = [Chaos::Cancel, Chaos::Retry, Chaos::Read];
        let others = others.into_iter().filter(|chaos| world.options.has(*chaos));
        let roles: Vec<_> = (0..submitters).map(|_| None).chain(others.map(Some)).collect();
        let numbered = |number: usize| Who::Client(number as u64);
        let mut link = |number| Link::new(numbered(number), world, Dice::new(dice.draw()));
        let links: Vec<_> = (0..roles.len()).map(&mut link).collect();
        let crowd = Arc::new(Self { links, clock, work: Mutex::default() });
        for ((number, role), link) in roles.into_iter().enumerate().zip(&crowd.links) {
            let store = Remote::new(link);
            let random = Random::from_seed(dice.draw());
            let person = Person {
                who: numbered(number),
                client: Client::deterministic(store, crowd.clock.clone(), random),
                world: Arc::clone(world),
                crowd: Arc::clone(&crowd),
                dice: Dice::new(dice.draw()),
            };
            let share = world.options.tasks.div_ceil(submitters);
            let work = match role {
                None => world.spawn(person.submit(share)),
                Some(role) => world.spawn(person.interfere(role)),
            };
            lock(&crowd.work).push(work);
        }
        crowd
    }

    pub(crate) const fn clients(&self) -> usize {
        self.links.len()
    }

    pub(crate) fn cut(&self, index: usize, is_cut: bool) {
        if let Some(link) = self.links.get(index) {
            link.world.note(link.who, "is cut off", u64::from(is_cut));
            link.cut(is_cut);
        }
    }

    pub(crate) fn heal(&self) {
        self.links.iter().for_each(|link| link.cut(false));
    }

    pub(crate) fn set_clock(&self, micros: i64) {
        self.clock.jump(micros);
    }

    /// Returns whether everybody has done what they wanted.
    pub(crate) fn is_done(&self) -> bool {
        lock(&self.work).iter().all(JoinHandle::is_finished)
    }
}

/// A task that somebody wants to submit, however often it takes.
struct Plan {
    number: u64,
    key: Option<String>,
    tenant: Option<String>,
    delay: Option<Duration>,
    deadline: Option<Duration>,
    priority: i16,
}

impl Plan {
    fn submission<T: Task>(&self, wrap: fn(Work) -> T) -> Submission<T> {
        let mut task = Submission::new(wrap(Work::new(self.number))).priority(self.priority);
        if let Some(key) = &self.key {
            task = task.idempotency_key(key.as_str());
        }
        if let Some(tenant) = &self.tenant {
            task = task.tenant(tenant.as_str());
        }
        if let Some(delay) = self.delay {
            task = task.delay(delay);
        }
        if let Some(deadline) = self.deadline {
            task = task.deadline(deadline);
        }
        task
    }
}

impl Person {
    fn happens(&mut self, chaos: Chaos) -> bool {
        let level = self.world.options.level(chaos);
        level > 0 && self.dice.permille(level)
    }

    fn plan(&mut self) -> Plan {
        let key = self.happens(Chaos::Keys).then(|| self.dice.below(KEYS));
        let number = match key {
            // The same key mostly comes with the same input.
            Some(key) if !self.dice.permille(150) => key,
            _ => self.dice.below(1_000),
        };
        let millis =
            |dice: &mut Dice, least, most| Duration::from_millis(dice.between(least, most));
        let delay = self.happens(Chaos::Delays);
        let delay = delay.then(|| millis(&mut self.dice, 1, DELAY_MAX));
        let deadline = self.happens(Chaos::Deadlines);
        let deadline = deadline.then(|| millis(&mut self.dice, DELAY_MAX + 1, 2 * DELAY_MAX));
        Plan {
            number,
            key: key.map(|key| format!("key-{key}")),
            tenant: self.dice.permille(300).then(|| format!("tenant-{}", self.dice.below(2))),
            delay,
            deadline,
            priority: i16::try_from(self.dice.below(3)).unwrap_or(0),
        }
    }

    /// Submits its share of tasks.
    async fn submit(mut self, share: u64) {
        let gap = (self.world.options.seconds * 1_000 / share.max(1)).max(1);
        let mut left = share;
        while left > 0 {
            let pause = Duration::from_millis(self.dice.below(gap + gap / 2));
            self.world.sleep_until_healed(pause).await;
            let batch = if self.happens(Chaos::Batches) { self.dice.between(2, 5) } else { 1 };
            let batch = batch.min(left);
            left -= batch;
            let plans: Vec<_> = (0..batch).map(|_| self.plan()).collect();
            match self.dice.below(3) {
                0 => self.submit_all(&plans, One, &[&["only"]]).await,
                1 => self.submit_all(&plans, Three, &[&["first", "second", "third"]]).await,
                _ => {
                    let paths: &[&[&str]] = &[
                        &["load", "parse", "print"],
                        &["load", "weigh", "print"],
                        &["load", "parse", "weigh", "print"],
                    ];
                    self.submit_all(&plans, Four, paths).await;
                }
            }
        }
        self.world.note(self.who, "has submitted everything", share);
    }

    /// Submits until the store has answered.
    async fn submit_all<T>(
        &mut self,
        plans: &[Plan],
        wrap: fn(Work) -> T,
        paths: &'static [&'static [&'static str]],
    ) where
        T: Task<Output = Work>,
    {
        loop {
            let tasks: Vec<_> = plans.iter().map(|plan| plan.submission(wrap)).collect();
            match self.client.submit_many(tasks).await {
                Ok(handles) => {
                    for handle in handles {
                        self.world.promise(handle.id());
                        if self.dice.permille(400) {
                            self.wait(handle, paths);
                        }
                    }
                    return;
                }
                Err(SubmitError::IdempotencyConflict { .. }) => return,
                Err(SubmitError::Store(_)) => {
                    let pause = Duration::from_millis(self.dice.between(1, AGAIN));
                    self.world.sleep_until_healed(pause).await;
                    if self.world.is_healed() {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                }
                Err(error) => {
                    let message = format!("a submission was refused: {error}");
                    return self.world.journal.find(Invariant::Opens, message);
                }
            }
        }
    }

    /// Waits for a task beside everything else, and looks at its output.
    fn wait<T>(&self, task: TaskHandle<T>, paths: &'static [&'static [&'static str]])
    where
        T: Task<Output = Work>,
    {
        let (world, who) = (Arc::clone(&self.world), self.who);
        let waiting = self.world.spawn(async move {
            let output = loop {
                match task.wait().await {
                    Ok(output) => break Some(output),
                    // Asked again a moment later: an error of the store says nothing of the task.
                    Err(TaskError::Store(_)) => {
                        tokio::time::sleep(Duration::from_millis(500)).await;
                    }
                    Err(_) => break None,
                }
            };
            world.note(who, "has seen the end of a task, completed", u64::from(output.is_some()));
            let is_whole = |output: &Work| paths.iter().any(|path| output.path == **path);
            if let Some(output) = output.filter(|output| !is_whole(output)) {
                let message = format!("task {} went through {:?}", task.id(), output.path);
                world.journal.find(Invariant::Intact, message);
            }
        });
        lock(&self.crowd.work).push(waiting);
    }

    /// Cancels, retries or reads, until nothing goes wrong any more.
    async fn interfere(mut self, role: Chaos) {
        let mut seen = BTreeMap::new();
        while !self.world.is_healed() {
            let pause = Duration::from_millis(self.dice.between(100, 6_000));
            self.world.sleep_until_healed(pause).await;
            let Some(id) = self.world.any_known(&mut self.dice) else {
                continue;
            };
            if !self.happens(role) {
                continue;
            }
            match role {
                Chaos::Cancel => {
                    let _ = tokio::time::timeout(PATIENCE, self.client.cancel(id)).await;
                }
                Chaos::Retry => self.retry(id).await,
                _ => self.read(id, &mut seen).await,
            }
        }
    }

    async fn retry(&mut self, id: TaskId) {
        let key = self.happens(Chaos::Keys).then(|| format!("retry-{id}"));
        let idempotency_key = key.map(Into::into);
        let options = RetryOptions { idempotency_key, ..RetryOptions::default() };
        let retrying = self.client.retry_with(id, options);
        if let Ok(Ok(retried)) = tokio::time::timeout(PATIENCE, retrying).await {
            self.world.promise(retried.id);
        }
    }

    /// Reads a record, and checks that it did not go back; lists everything, and checks that it is
    /// in order and whole.
    async fn read(&mut self, id: TaskId, seen: &mut BTreeMap<TaskId, (Epoch, u64)>) {
        if let Ok(Ok(Some(found))) =
            tokio::time::timeout(PATIENCE, self.client.find(id, Part::Record)).await
        {
            let now = (found.record.epoch, found.record.revision);
            let before = seen.insert(id, now).unwrap_or_default();
            if now.0 < before.0 || now.1 < before.1 {
                let message = format!("task {id} was read at {before:?}, and then at {now:?}");
                self.world.journal.find(Invariant::Forward, message);
            }
        }
        let mut query =
            ListQuery { limit: 3, order: ListOrder::OldestFirst, ..ListQuery::default() };
        let mut last = None;
        // Whoever is told of a task finds it, unless it was pruned.
        let prunes = self.world.options.has(Chaos::Prune);
        let mut missing = if prunes { Vec::new() } else { self.world.all_promised() };
        while let Ok(Ok(page)) = tokio::time::timeout(PATIENCE, self.client.list(&query)).await {
            for record in &page.tasks {
                if last.is_some_and(|last| last >= record.id) {
                    let message = format!("task {} was listed out of order", record.id);
                    self.world.journal.find(Invariant::Intact, message);
                }
                last = Some(record.id);
                missing.retain(|id| *id != record.id);
            }
            query.cursor = page.next;
            if query.cursor.is_none() {
                for id in missing {
                    let message = format!("task {id} was acknowledged, and is not listed");
                    self.world.journal.find(Invariant::Kept, message);
                }
                break;
            }
        }
    }
}

impl fmt::Debug for Crowd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crowd").field("links", &self.links).finish_non_exhaustive()
    }
}
