//! The way from one process to the store, on which everything goes wrong that can.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use artos_core::store::{StoreError, StoreResult};
use artos_oracle::Dice;

use crate::{
    journal::Who,
    options::Chaos,
    world::{Server, World, lock},
};

/// How long a connection stays without an answer before it is given up.
const DEAD_SILENCE: Duration = Duration::from_secs(120);

/// The way from one process to the store.
pub(crate) struct Link {
    pub(crate) who: Who,
    pub(crate) world: Arc<World>,
    dice: Mutex<Dice>,
    /// The process is gone; it hears no answer any more.
    dead: AtomicBool,
    /// Nothing gets through.
    cut: AtomicBool,
}

/// The faults a call can meet, in the order in which they are drawn.
const FAULTS: [Chaos; 11] = [
    Chaos::FailBefore,
    Chaos::LostReply,
    Chaos::SlowRequest,
    Chaos::SlowReply,
    Chaos::LostRequest,
    Chaos::Silence,
    Chaos::Halfway,
    Chaos::Twice,
    Chaos::Late,
    Chaos::OddError,
    Chaos::StorePanic,
];

impl Link {
    pub(crate) fn new(who: Who, world: &Arc<World>, dice: Dice) -> Arc<Self> {
        Arc::new(Self {
            who,
            world: Arc::clone(world),
            dice: Mutex::new(dice),
            dead: AtomicBool::new(false),
            cut: AtomicBool::new(false),
        })
    }

    /// Ends the process at this end.
    pub(crate) fn kill(&self) {
        self.dead.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// Cuts the way, or mends it.
    pub(crate) fn cut(&self, is_cut: bool) {
        self.cut.store(is_cut, Ordering::Relaxed);
    }

    pub(crate) fn draw<T>(&self, draw: impl FnOnce(&mut Dice) -> T) -> T {
        draw(&mut lock(&self.dice))
    }

    fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed) && !self.world.is_healed()
    }

    /// Draws what happens to a call.
    fn fault(&self) -> Option<Chaos> {
        if self.world.is_healed() {
            return None;
        }
        let mut dice = lock(&self.dice);
        let options = &self.world.options;
        FAULTS.into_iter().find(|fault| {
            let level = options.level(*fault);
            level > 0 && dice.permille(level)
        })
    }

    fn pause(&self, most: u64) -> Duration {
        Duration::from_millis(self.draw(|dice| dice.between(1, most)))
    }

    /// Never answers, as far as the caller can tell.
    async fn silence<T>(&self) -> StoreResult<T> {
        self.world.sleep_until_healed(DEAD_SILENCE).await;
        Err(StoreError::unavailable("the connection was reset"))
    }

    /// Carries a call to the store, and its answer back.
    pub(crate) async fn carry<T, C, F>(&self, name: &'static str, call: C) -> StoreResult<T>
    where
        T: Send + 'static,
        C: Fn(Arc<Server>) -> F + Send + Sync + 'static,
        F: Future<Output = StoreResult<T>> + Send + 'static,
    {
        let answer = self.carry_alive(name, call).await;
        if self.is_dead() {
            std::future::pending::<()>().await;
        }
        answer
    }

    async fn carry_alive<T, C, F>(&self, name: &'static str, call: C) -> StoreResult<T>
    where
        T: Send + 'static,
        C: Fn(Arc<Server>) -> F + Send + Sync + 'static,
        F: Future<Output = StoreResult<T>> + Send + 'static,
    {
        if self.is_dead() {
            std::future::pending::<()>().await;
        }
        let fault = self.fault();
        if fault.is_some() || self.is_cut() {
            self.world.journal.fault();
        }
        let met = if self.is_cut() { "on a way that is cut" } else { "as it should" };
        self.world.note(self.who, name, fault.map_or(met, Chaos::name));
        if self.is_cut() {
            if self.draw(|dice| dice.permille(500)) {
                return Err(StoreError::unavailable("no route to the store"));
            }
            return self.silence().await;
        }
        let server = self.world.server()?;
        let lost = || StoreError::unavailable("the connection was lost");
        match fault {
            None => call(server).await,
            Some(Chaos::SlowRequest) => {
                tokio::time::sleep(self.pause(3_000)).await;
                if server.inner().is_down() { Err(lost()) } else { call(server).await }
            }
            Some(Chaos::SlowReply) => {
                let answer = call(server).await;
                tokio::time::sleep(self.pause(3_000)).await;
                answer
            }
            Some(Chaos::LostReply) => {
                call(server).await?;
                Err(lost())
            }
            Some(Chaos::LostRequest) => self.silence().await,
            Some(Chaos::Silence) => {
                call(server).await?;
                self.silence().await
            }
            Some(Chaos::Halfway) => tokio::select! {
                biased;
                answer = call(server) => answer.and_then(|_| Err(lost())),
                () = std::future::ready(()) => Err(lost()),
            },
            Some(Chaos::Twice) => {
                let first = call(Arc::clone(&server)).await;
                // A task that was pruned meanwhile would be inserted anew: retention is there to be
                // longer than any network keeps a request.
                if name != "insert" && self.draw(|dice| dice.permille(500)) {
                    self.later(2_000, server, call);
                    return first;
                }
                let second = call(server).await;
                if self.draw(|dice| dice.permille(500)) { first } else { second }
            }
            Some(Chaos::Late) => {
                let most = if self.draw(|dice| dice.permille(500)) { 45_000 } else { 2_000 };
                self.later(most, server, call);
                Err(lost())
            }
            Some(Chaos::OddError) => Err(self.odd_error()),
            Some(Chaos::StorePanic) if is_guarded(name) => {
                // Unlike `panic!` it bothers no hook, and this one is on purpose.
                std::panic::resume_unwind(Box::new("the store panics"))
            }
            Some(_) => Err(lost()),
        }
    }

    /// Lets a call reach the store later, and nobody hear of its answer.
    fn later<T, C, F>(&self, most: u64, server: Arc<Server>, call: C)
    where
        C: Fn(Arc<Server>) -> F + Send + 'static,
        F: Future<Output = StoreResult<T>> + Send + 'static,
        T: Send,
    {
        let pause = self.pause(most);
        let world = Arc::clone(&self.world);
        self.world.spawn(async move {
            world.sleep_until_healed(pause).await;
            if !server.inner().is_down() {
                let _ = call(server).await;
            }
        });
    }

    fn odd_error(&self) -> StoreError {
        let message = String::from("on purpose");
        match self.draw(|dice| dice.below(4)) {
            0 => StoreError::Full { message },
            1 => StoreError::Locked { message },
            2 => StoreError::Corrupt { message },
            _ => StoreError::Invalid { message },
        }
    }
}

/// Returns whether those who call this expect a store that panics.
fn is_guarded(name: &str) -> bool {
    !matches!(name, "get" | "list" | "cancel")
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({})", self.who)
    }
}
