//! What a child does to its store: several submitters, each with its own dice.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use artos_core::{Client, ListQuery, Submission, SubmitError, Task, TaskId};
use futures::future;

use super::ChildOptions;
use artos_oracle::{Dice, mix};

use crate::workload::{LARGE, Quint, Single, Triple, Work};

/// How many submit at the same time.
const SUBMITTERS: u64 = 4;
/// Tasks that are not terminal, at most; those above wait.
const ALIVE_MAX: u64 = 100;
/// Calls that are made after the store has stopped, to see that it refuses them.
const CALLS_AFTER_STOP: u32 = 5;
/// Ids that are remembered for cancels.
const REMEMBERED: usize = 64;

/// What the submitters share.
struct Shared<'a> {
    client: &'a Client,
    options: &'a ChildOptions,
    alive: AtomicU64,
    recent: Mutex<Vec<TaskId>>,
    stop: &'a AtomicBool,
}

/// Submits until the store stops; returns whether it did.
pub(super) async fn run(
    client: &Client,
    options: &ChildOptions,
    alive: u64,
    stop: &Arc<AtomicBool>,
) -> bool {
    let shared =
        Shared { client, options, alive: AtomicU64::new(alive), recent: Mutex::default(), stop };
    let submitters = (0..SUBMITTERS).map(|number| submitter(&shared, number));
    future::join(future::join_all(submitters), count(&shared)).await;
    stop.load(Ordering::Relaxed)
}

/// Keeps the number of tasks that are not terminal.
async fn count(shared: &Shared<'_>) {
    let query = ListQuery { limit: 1, counts: true, ..ListQuery::default() };
    while !shared.stop.load(Ordering::Relaxed) {
        if let Ok(page) = shared.client.list(&query).await {
            let alive = page.counts.map_or(0, |counts| counts.pending + counts.running);
            shared.alive.store(alive, Ordering::Relaxed);
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

async fn submitter(shared: &Shared<'_>, number: u64) {
    let mut dice = Dice::new(mix(shared.options.seed, 100 + number));
    let mut refused = 0;
    // A database that refuses may take part again later.
    while shared.options.url.is_some() || refused < CALLS_AFTER_STOP {
        if shared.alive.load(Ordering::Relaxed) < ALIVE_MAX {
            refused += u32::from(!submit_any(shared, &mut dice).await);
        }
        if dice.permille(100) {
            refused += u32::from(!cancel(shared, &mut dice).await);
        }
        tokio::time::sleep(Duration::from_millis(dice.below(30))).await;
    }
    shared.stop.store(true, Ordering::Relaxed);
}

/// Submits one task or several; returns whether the store took part.
async fn submit_any(shared: &Shared<'_>, dice: &mut Dice) -> bool {
    let count = if dice.permille(100) { dice.between(2, 12) } else { 1 };
    match dice.below(4) {
        0 | 1 => submit(shared, dice, count, Single).await,
        2 => submit(shared, dice, count, Triple).await,
        _ => submit(shared, dice, count, Quint).await,
    }
}

async fn submit<T: Task>(
    shared: &Shared<'_>,
    dice: &mut Dice,
    count: u64,
    wrap: fn(Work) -> T,
) -> bool {
    let tasks: Vec<_> = (0..count).map(|_| submission(dice, shared.options, wrap)).collect();
    shared.alive.fetch_add(count, Ordering::Relaxed);
    match shared.client.submit_many(tasks).await {
        Ok(handles) => {
            let mut recent = shared.recent.lock().unwrap_or_else(PoisonError::into_inner);
            recent.extend(handles.iter().map(artos_core::TaskHandle::id));
            let surplus = recent.len().saturating_sub(REMEMBERED);
            recent.drain(..surplus);
            true
        }
        // The key was used with another input, on purpose.
        Err(SubmitError::IdempotencyConflict { .. }) => true,
        Err(_) => false,
    }
}

/// Draws a task with its options.
fn submission<T: Task>(
    dice: &mut Dice,
    options: &ChildOptions,
    wrap: fn(Work) -> T,
) -> Submission<T> {
    let key = dice.permille(200).then(|| dice.below(50));
    // The same key mostly comes with the same input.
    let seed = match key {
        Some(key) if !dice.permille(100) => mix(7, key),
        _ => dice.draw(),
    };
    let seed = if options.large { seed | LARGE } else { seed };
    let mut task = Submission::new(wrap(Work::new(seed, 0)));
    if let Some(key) = key {
        task = task.idempotency_key(format!("key-{key}"));
    }
    if dice.permille(300) {
        task = task.tenant(format!("tenant-{}", dice.below(3)));
    }
    if dice.permille(300) {
        task = task.label("colour", ["red", "green", "blue"][(dice.below(3)) as usize]);
    }
    if dice.permille(200) {
        task = task.priority(if dice.permille(500) { 10 } else { -10 });
    }
    if dice.permille(150) {
        task = task.delay(Duration::from_millis(dice.between(10, 400)));
    }
    if dice.permille(100) {
        task = task.queue("bulk");
    }
    task
}

async fn cancel(shared: &Shared<'_>, dice: &mut Dice) -> bool {
    let id = {
        let recent = shared.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.is_empty() {
            return true;
        }
        let at = usize::try_from(dice.below(recent.len() as u64)).unwrap_or(0);
        recent.get(at).copied()
    };
    match id {
        Some(id) => shared.client.cancel(id).await.is_ok(),
        None => true,
    }
}
