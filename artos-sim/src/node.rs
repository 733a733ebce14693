//! A machine that runs tasks: its runtime dies, is shut down, and comes back.

use std::{fmt, sync::Arc, time::Duration};

use artos_core::{Queue, Random, Retention, Runtime};
use artos_oracle::{Dice, Invariant, mix};
use tokio::{task::JoinHandle, time::Instant};

use crate::{
    clock::SimClock,
    journal::Who,
    link::Link,
    options::Chaos,
    remote::Remote,
    work::{self, VERSIONS, WHOLE_VERSION},
    world::World,
};

/// How long a stage that was told to stop may take.
pub(crate) const CANCEL_GRACE: Duration = Duration::from_secs(2);
/// How long terminal tasks are kept where they are pruned.
const RETENTION: Duration = Duration::from_secs(4);

/// What is expected of a shutdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// Tasks may be left over.
    Anyhow,
    /// Nothing is left over.
    Empty,
}

/// A machine that runs tasks.
pub(crate) struct Node {
    number: u64,
    world: Arc<World>,
    dice: Dice,
    clock: SimClock,
    starts: u64,
    version: u64,
    alive: Option<(Runtime, Arc<Link>)>,
    /// When it comes back, if it is down.
    back_at: Option<Instant>,
    /// Shutdowns that are under way, with the links they still use.
    leaving: Vec<(JoinHandle<()>, Arc<Link>)>,
}

impl Node {
    pub(crate) fn new(number: u64, world: &Arc<World>) -> Self {
        let dice = Dice::new(mix(world.options.seed, 100 + number));
        let has_deploys = world.options.has(Chaos::Deploy);
        Self {
            number,
            world: Arc::clone(world),
            dice,
            clock: SimClock::new(),
            starts: 0,
            version: if has_deploys { 0 } else { WHOLE_VERSION },
            alive: None,
            back_at: None,
            leaving: Vec::new(),
        }
    }

    pub(crate) const fn is_alive(&self) -> bool {
        self.alive.is_some()
    }

    pub(crate) const fn who(&self) -> Who {
        Who::Runtime(self.number)
    }

    /// Starts a runtime.
    pub(crate) async fn start(&mut self) {
        self.starts += 1;
        self.back_at = None;
        self.world.note(self.who(), "starts with version", self.version);
        let options = &self.world.options;
        let link = Link::new(self.who(), &self.world, Dice::new(self.dice.draw()));
        let slots = |dice: &mut Dice| usize::try_from(dice.between(1, 4)).unwrap_or(1);
        let mut builder = Runtime::builder(Remote::new(&link))
            .queue(Queue::new("default").concurrency(slots(&mut self.dice)))
            .queue(Queue::new("other").concurrency(slots(&mut self.dice)))
            .lease_duration(Duration::from_millis(options.lease))
            .poll_interval(Duration::from_millis(options.poll))
            .cancel_grace(CANCEL_GRACE)
            .deterministic(self.clock.clone(), Random::from_seed(self.dice.draw()));
        if options.has(Chaos::Prune) {
            let every = Duration::from_millis(self.dice.between(500, 5_000));
            builder = builder.retention(Retention::all(RETENTION)).prune_interval(every);
        }
        match work::register(builder, &self.world, self.version).start().await {
            Ok(runtime) => self.alive = Some((runtime, link)),
            Err(error) => {
                let message = format!("a runtime did not start: {error}");
                self.world.journal.find(Invariant::Opens, message);
            }
        }
    }

    /// Ends the process at once. It comes back after a while.
    pub(crate) fn crash(&mut self) {
        if let Some((runtime, link)) = self.alive.take() {
            self.world.note(self.who(), "dies after starts", self.starts);
            link.kill();
            drop(runtime);
        }
        for (leaving, link) in self.leaving.drain(..) {
            link.kill();
            leaving.abort();
        }
        let most = self.world.options.lease * 2;
        let down = Duration::from_millis(self.dice.below(most));
        self.back_at = Some(Instant::now() + down);
        self.deploy();
    }

    /// Shuts the runtime down, and starts another in its place.
    pub(crate) async fn replace(&mut self) {
        self.leave(Leaving::Anyhow);
        self.deploy();
        self.start().await;
    }

    /// Starts to shut the runtime down.
    pub(crate) fn leave(&mut self, expects: Leaving) {
        let Some((runtime, link)) = self.alive.take() else {
            return;
        };
        let grace = Duration::from_millis(self.dice.below(5_000));
        self.world.note(self.who(), "is told to shut down after starts", self.starts);
        let (world, who) = (Arc::clone(&self.world), self.who());
        let leaving = self.world.spawn(async move {
            let left = runtime.shutdown(grace).await;
            world.note(who, "has shut down, left over", u64::from(left.is_err()));
            if let Err(error) = left
                && expects == Leaving::Empty
            {
                let message = format!("a shutdown failed although nothing went wrong: {error}");
                world.journal.find(Invariant::Ends, message);
            }
        });
        self.leaving.push((leaving, link));
    }

    /// Draws the version of the program that starts next.
    fn deploy(&mut self) {
        if self.world.options.has(Chaos::Deploy) {
            let level = self.world.options.level(Chaos::Deploy);
            if self.dice.permille(level) {
                self.version = self.dice.below(VERSIONS);
            }
        }
    }

    /// Comes back if it is time.
    pub(crate) async fn come_back(&mut self) {
        if self.back_at.is_some_and(|back_at| back_at <= Instant::now()) {
            self.start().await;
        }
    }

    /// Cuts the way to the store, or mends it.
    pub(crate) fn cut(&self, is_cut: bool) {
        if let Some((_, link)) = &self.alive {
            self.world.note(self.who(), "is cut off", u64::from(is_cut));
            link.cut(is_cut);
        }
    }

    pub(crate) fn set_clock(&self, micros: i64) {
        self.clock.jump(micros);
    }

    /// Sees to it that the newest program runs here, and the way to the store is free.
    pub(crate) async fn heal(&mut self) {
        self.cut(false);
        if self.version != WHOLE_VERSION {
            self.leave(Leaving::Anyhow);
            self.version = WHOLE_VERSION;
        }
        if !self.is_alive() {
            self.start().await;
        }
    }

    /// Waits until every shutdown is over; returns how many are not after this time.
    pub(crate) async fn left(&mut self, patience: Duration) -> usize {
        let mut late = 0;
        for (leaving, _) in self.leaving.drain(..) {
            late += usize::from(tokio::time::timeout(patience, leaving).await.is_err());
        }
        late
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({})", self.number)
    }
}
