//! One run: things go wrong, then nothing does, and everything has to end well.

use std::{cell::RefCell, panic, sync::Arc, sync::Once, time::Duration};

use artos_core::{ListQuery, store::TaskStore as _};
use artos_oracle::{Finding, Invariant, Tally};
use tokio::time::Instant;

use crate::{
    base::Base,
    clock::SimClock,
    crowd::{Crowd, DELAY_MAX},
    fate::Fate,
    journal::Journal,
    node::{CANCEL_GRACE, Leaving, Node},
    options::Options,
    work::{self, ATTEMPT_TIMEOUT, WAIT_MAX},
    world::World,
};

/// What a run came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// A number that everything that happened decides: the same run has the same one.
    pub hash: u64,
    /// What cannot be, and was.
    pub findings: Vec<Finding>,
    /// What the checker saw.
    pub tally: Tally,
    /// How many faults were injected, those of stages not counted.
    pub faults: u64,
    /// How long it took in simulated time.
    pub lasted: Duration,
    /// Everything that happened, if it was asked for.
    pub lines: Vec<(Duration, String)>,
}

/// Whether what happened is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Only what it comes to.
    Result,
    /// All of it.
    Everything,
}

/// Makes an empty store that tells time by a clock.
pub type MakeStore<'a> = &'a dyn Fn(SimClock) -> Arc<dyn Base>;

/// How often it is looked whether everything has ended.
const LOOK: Duration = Duration::from_millis(500);

/// How long tasks that nobody here knew wait before somebody looks at them again.
const UNKNOWN_WAIT: Duration = Duration::from_secs(31);

/// Within this time after the last fault everything has to be terminal: the longest wait a task may
/// have begun, a lease and its rescue, a last attempt with everything that may follow it, and a
/// poll before each of its stages.
fn bound(options: &Options) -> Duration {
    let lease = Duration::from_millis(options.lease);
    let poll = Duration::from_millis(options.poll);
    let waits = Duration::from_millis(DELAY_MAX).max(UNKNOWN_WAIT).max(WAIT_MAX);
    waits + lease * 3 + poll * 4 + ATTEMPT_TIMEOUT + CANCEL_GRACE * 4 + Duration::from_secs(20)
}

/// Runs everything once.
#[must_use]
pub fn run(options: &Options, make: MakeStore<'_>, keep: Keep) -> Outcome {
    watch_panics();
    PANICS.with_borrow_mut(|panics| *panics = Some(Vec::new()));
    let executor =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let outcome = match executor {
        Ok(executor) => executor.block_on(live(options, make, keep)),
        Err(error) => nothing(format!("tokio cannot start: {error}")),
    };
    PANICS.with_borrow_mut(|panics| *panics = None);
    outcome
}

fn nothing(message: String) -> Outcome {
    let findings = vec![Finding { invariant: Invariant::Opens, message }];
    let (tally, lasted) = (Tally::default(), Duration::ZERO);
    Outcome { hash: 0, findings, tally, faults: 0, lasted, lines: Vec::new() }
}

async fn live(options: &Options, make: MakeStore<'_>, keep: Keep) -> Outcome {
    let clock = SimClock::new();
    let rules = work::rules();
    let journal = Arc::new(Journal::new(clock.clone(), rules, keep == Keep::Everything));
    let world = Arc::new(World::new(options.clone(), clock.clone(), Arc::clone(&journal)));
    world.start_server(make(clock.clone()));
    let mut nodes: Vec<_> = (0..options.runtimes).map(|number| Node::new(number, &world)).collect();
    for node in &mut nodes {
        node.start().await;
    }
    let crowd = Crowd::start(&world);
    Fate::new(&world, &mut nodes, &crowd).run().await;
    settle_down(&world, &mut nodes, &crowd).await;
    for message in PANICS.with_borrow_mut(|panics| panics.replace(Vec::new()).unwrap_or_default()) {
        journal.find(Invariant::Opens, format!("something panicked: {message}"));
    }
    let (findings, tally) = journal.findings();
    let lines = journal.take_lines();
    let (hash, faults) = (journal.hash(), journal.faults());
    Outcome { hash, findings, tally, faults, lasted: clock.elapsed(), lines }
}

/// Waits until everything has ended, and compares what is there with what was promised.
async fn settle_down(world: &Arc<World>, nodes: &mut [Node], crowd: &Crowd) {
    let Ok(server) = world.server() else {
        return world.journal.find(Invariant::Opens, "the store did not come back");
    };
    let base = Arc::clone(server.inner().base());
    let started = Instant::now();
    let end = started + bound(&world.options);
    let query = ListQuery { limit: 1, counts: true, ..ListQuery::default() };
    loop {
        let counts = base.list(&query).await.ok().and_then(|page| page.counts);
        let alive = counts.is_none_or(|counts| counts.pending + counts.running > 0);
        if !alive && crowd.is_done() {
            break;
        }
        if Instant::now() >= end {
            if alive {
                let message = "tasks are not terminal although nothing goes wrong any more";
                world.journal.find(Invariant::Ends, message);
            }
            if !crowd.is_done() {
                let message = "somebody still waits for an answer although nothing goes wrong";
                world.journal.find(Invariant::Ends, message);
            }
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    // Whoever lost a lease while things went wrong has to notice, before nothing may be left over.
    let lease = Duration::from_millis(world.options.lease);
    tokio::time::sleep(lease + CANCEL_GRACE * 2).await;
    for node in &mut *nodes {
        node.leave(Leaving::Empty);
    }
    let mut late = 0;
    for node in nodes {
        late += node.left(Duration::from_secs(60)).await;
    }
    if late > 0 {
        world.journal.find(Invariant::Ends, format!("{late} shutdowns did not end"));
    }
    if let Err(error) = artos_oracle::dump(&base, &world.log).await {
        world.journal.find(Invariant::Opens, format!("no dump: {error}"));
    }
    world.journal.checker(artos_oracle::Checker::everything_ended);
}

thread_local! {
    /// What panicked on this thread while something is simulated on it.
    static PANICS: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Sees to it that no panic goes by unnoticed: the loops of a runtime survive their own.
fn watch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let noted = PANICS.with_borrow_mut(|panics| {
                panics.as_mut().map(|panics| panics.push(info.to_string())).is_some()
            });
            if !noted {
                usual(info);
            }
        }));
    });
}
