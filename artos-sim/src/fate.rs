//! What befalls machines, ways and clocks while things go wrong.

use std::{sync::Arc, time::Duration};

use artos_oracle::{Dice, Invariant, mix};
use tokio::time::Instant;

use crate::{
    Base, clock::SimClock, crowd::Crowd, journal::Who, node::Node, options::Chaos, world::World,
};

/// What can befall them.
const BLOWS: [Chaos; 6] = [
    Chaos::Crash,
    Chaos::Blackout,
    Chaos::Shutdown,
    Chaos::Partition,
    Chaos::StoreClock,
    Chaos::WorkerClock,
];

/// What befalls machines, ways and clocks.
pub(crate) struct Fate<'a> {
    world: Arc<World>,
    nodes: &'a mut [Node],
    crowd: &'a Crowd,
    dice: Dice,
    /// Ways that are cut, and until when.
    cuts: Vec<(Instant, Cut)>,
    store_back_at: Option<(Instant, Arc<dyn Base>)>,
}

/// One end of a way that is cut.
#[derive(Clone, Copy)]
enum Cut {
    Node(usize),
    Client(usize),
}

impl<'a> Fate<'a> {
    pub(crate) fn new(world: &Arc<World>, nodes: &'a mut [Node], crowd: &'a Crowd) -> Self {
        let dice = Dice::new(mix(world.options.seed, 3));
        let world = Arc::clone(world);
        Self { world, nodes, crowd, dice, cuts: Vec::new(), store_back_at: None }
    }

    /// Lets things go wrong for as long as the options say, then mends everything.
    pub(crate) async fn run(mut self) {
        let end = Instant::now() + Duration::from_secs(self.world.options.seconds);
        while Instant::now() < end {
            let pause = self.dice.between(50, 2_500);
            tokio::time::sleep(Duration::from_millis(pause)).await;
            self.mend().await;
            let index = usize::try_from(self.dice.below(BLOWS.len() as u64)).unwrap_or(0);
            let Some(blow) = BLOWS.get(index).copied() else {
                continue;
            };
            if self.dice.permille(self.world.options.level(blow)) {
                self.strike(blow).await;
            }
        }
        self.heal().await;
    }

    /// Mends what has been broken for long enough.
    async fn mend(&mut self) {
        let now = Instant::now();
        let mended: Vec<_> = self.cuts.extract_if(.., |(until, _)| *until <= now).collect();
        for (_, cut) in mended {
            self.cut(cut, false);
        }
        if let Some((_, base)) = self.store_back_at.take_if(|(at, _)| *at <= now) {
            self.world.note(Who::Fate, "the store is back", 0);
            self.world.start_server(base);
        }
        for node in &mut *self.nodes {
            node.come_back().await;
        }
    }

    fn any_node(&mut self) -> usize {
        usize::try_from(self.dice.below(self.nodes.len() as u64)).unwrap_or(0)
    }

    async fn strike(&mut self, blow: Chaos) {
        let index = self.any_node();
        match blow {
            Chaos::Crash => {
                let Some(node) = self.nodes.get_mut(index).filter(|node| node.is_alive()) else {
                    return;
                };
                node.crash();
            }
            Chaos::Shutdown => {
                let Some(node) = self.nodes.get_mut(index).filter(|node| node.is_alive()) else {
                    return;
                };
                node.replace().await;
            }
            Chaos::Blackout => {
                let Some(durable) = self.world.end_server() else { return };
                self.blackout(durable).await;
            }
            Chaos::Partition => {
                let clients = self.crowd.clients() as u64;
                let cut = if self.dice.permille(700) {
                    Cut::Node(index)
                } else {
                    Cut::Client(usize::try_from(self.dice.below(clients)).unwrap_or(0))
                };
                let most = self.world.options.lease * 2;
                let lasts = Duration::from_millis(self.dice.between(200, most));
                self.cut(cut, true);
                self.cuts.push((Instant::now() + lasts, cut));
            }
            Chaos::StoreClock => {
                let micros = self.jump();
                self.world.note(Who::Fate, "sets the store's clock by", seconds(micros));
                self.world.journal.checker(artos_oracle::Checker::clock_moved);
                self.world.clock.jump(micros);
            }
            _ => {
                let micros = self.jump();
                let by = seconds(micros);
                match self.nodes.get(index) {
                    Some(node) if self.dice.permille(700) => {
                        self.world.note(node.who(), "finds its clock set by", by);
                        node.set_clock(micros);
                    }
                    _ => {
                        self.world.note(Who::Fate, "sets the clients' clock by", by);
                        self.crowd.set_clock(micros);
                    }
                }
            }
        }
        self.world.journal.fault();
    }

    /// Draws by how much a clock is set: a little, an hour, or a day; forward or back.
    fn jump(&mut self) -> i64 {
        const SECOND: i64 = 1_000_000;
        let far = match self.dice.below(4) {
            0 => SECOND / 2,
            1 => 20 * SECOND,
            2 => 3_600 * SECOND,
            _ => 86_400 * SECOND,
        };
        if self.dice.permille(500) { far } else { -far }
    }

    fn cut(&self, cut: Cut, is_cut: bool) {
        match cut {
            Cut::Node(index) => {
                if let Some(node) = self.nodes.get(index) {
                    node.cut(is_cut);
                }
            }
            Cut::Client(index) => self.crowd.cut(index, is_cut),
        }
    }

    /// Ends every process and the store's machine; what was not durable is gone.
    async fn blackout(&mut self, durable: Arc<dyn Base>) {
        self.world.note(Who::Fate, "everything goes dark", 0);
        for node in &mut *self.nodes {
            node.crash();
        }
        self.world.journal.checker(artos_oracle::Checker::crash);
        self.dump(&durable).await;
        let dark = Duration::from_millis(self.dice.between(50, 3_000));
        self.store_back_at = Some((Instant::now() + dark, durable));
    }

    async fn dump(&self, base: &Arc<dyn Base>) {
        if let Err(error) = artos_oracle::dump(base, &self.world.log).await {
            self.world.journal.find(Invariant::Opens, format!("no dump: {error}"));
        }
    }

    async fn heal(mut self) {
        self.world.note(Who::Fate, "heals everything", 0);
        if let Some((_, base)) = self.store_back_at.take() {
            self.world.start_server(base);
        }
        self.world.journal.checker(artos_oracle::Checker::clock_moved);
        self.world.clock.heal();
        self.world.healed.cancel();
        self.crowd.heal();
        for node in &mut *self.nodes {
            node.heal().await;
        }
    }
}

/// Says by how much a clock is set, and in which direction.
fn seconds(micros: i64) -> String {
    let (sign, micros) = (if micros < 0 { '-' } else { '+' }, micros.unsigned_abs());
    format!("{sign}{:?}", Duration::from_micros(micros))
}

/// Draws how wrong a clock is when a run starts.
pub(crate) fn skew(clock: &SimClock, dice: &mut Dice) {
    let micros = i64::try_from(dice.below(4_000_000)).unwrap_or(0) - 2_000_000;
    clock.jump(micros);
}
