//! What a run is made of; its seed decides, and each can be taken away.

use std::{fmt, str::FromStr};

use artos_oracle::{Dice, mix};

macro_rules! chaos {
    ($($(#[doc = $what:literal])+ $name:ident $text:literal $most:literal,)*) => {
        /// Something that can happen in a run.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Chaos {
            $($(#[doc = $what])+ $name,)*
        }

        impl Chaos {
            /// Everything that can happen.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Returns its name on the command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// Returns the highest level it is drawn at, in cases of a thousand.
            const fn most(self) -> u64 {
                match self { $(Self::$name => $most,)* }
            }
        }
    };
}

chaos! {
    /// A call fails and was not applied.
    FailBefore "fail-before" 150,
    /// A call is applied, and its caller is told that it failed.
    LostReply "lost-reply" 150,
    /// A call reaches the store late.
    SlowRequest "slow-request" 200,
    /// An answer arrives late.
    SlowReply "slow-reply" 200,
    /// A call is not applied and never answered.
    LostRequest "lost-request" 60,
    /// A call is applied and never answered.
    Silence "silence" 60,
    /// A call is dropped after the store began with it.
    Halfway "halfway" 60,
    /// A call reaches the store twice.
    Twice "twice" 150,
    /// A call that failed reaches the store much later.
    Late "late" 60,
    /// The store answers with an error that does not pass by itself.
    OddError "odd-error" 25,
    /// The store panics.
    StorePanic "store-panic" 20,
    /// A runtime dies.
    Crash "crash" 600,
    /// The store and all runtimes die; what was not durable is gone.
    Blackout "blackout" 300,
    /// A runtime is shut down, and another is started in its place.
    Shutdown "shutdown" 500,
    /// A runtime or a client cannot reach the store for a while.
    Partition "partition" 600,
    /// The store's clock is set forward or back.
    StoreClock "store-clock" 700,
    /// The clocks of runtimes and clients are wrong, and are set.
    WorkerClock "worker-clock" 400,
    /// Hints come late, for nothing, or not at all.
    Hints "hints" 1000,
    /// What the store applied becomes durable later, in groups.
    Flush "flush" 1000,
    /// Pipelines change while tasks are on their way.
    Deploy "deploy" 500,
    /// Tasks are cancelled.
    Cancel "cancel" 500,
    /// Failed and cancelled tasks are retried.
    Retry "retry" 500,
    /// Tasks are pruned soon after their end.
    Prune "prune" 500,
    /// Records are read and listed.
    Read "read" 500,
    /// An attempt fails.
    StageError "stage-error" 300,
    /// An attempt fails and names the time of the next.
    StageRetryAfter "stage-retry-after" 100,
    /// A stage fails for good.
    StageFatal "stage-fatal" 60,
    /// A stage panics.
    StagePanic "stage-panic" 100,
    /// A stage hangs until it is told to stop.
    StageHang "stage-hang" 60,
    /// A stage hangs, and does not listen when it is told to stop.
    StageStubborn "stage-stubborn" 60,
    /// A stage takes long, often longer than a lease.
    StageSlow "stage-slow" 500,
    /// A stage snoozes.
    StageSnooze "stage-snooze" 150,
    /// A stage says that it was cancelled.
    StageCancelled "stage-cancelled" 40,
    /// A stage reports progress, again and again.
    StageProgress "stage-progress" 300,
    /// A stage submits follow-up tasks.
    StageFollowUp "stage-follow-up" 500,
    /// Tasks are submitted with idempotency keys.
    Keys "keys" 600,
    /// Tasks are submitted for later.
    Delays "delays" 300,
    /// Tasks are submitted with deadlines.
    Deadlines "deadlines" 150,
    /// Tasks are submitted in batches.
    Batches "batches" 400,
}

impl fmt::Display for Chaos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// There is no such chaos.
#[derive(Debug)]
pub struct UnknownChaos(String);

impl fmt::Display for UnknownChaos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = Chaos::ALL.iter().map(|chaos| chaos.name()).collect();
        write!(f, "found `{}`, expected one of {}", self.0, names.join(", "))
    }
}

impl std::error::Error for UnknownChaos {}

impl FromStr for Chaos {
    type Err = UnknownChaos;

    fn from_str(text: &str) -> Result<Self, UnknownChaos> {
        let found = Self::ALL.iter().copied().find(|chaos| chaos.name() == text);
        found.ok_or_else(|| UnknownChaos(String::from(text)))
    }
}

/// What one run is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Decides everything.
    pub seed: u64,
    /// How many runtimes there are.
    pub runtimes: u64,
    /// How many tasks are submitted, follow-ups not counted.
    pub tasks: u64,
    /// How long things go wrong, in seconds of simulated time.
    pub seconds: u64,
    /// How long a lease lasts, in milliseconds.
    pub lease: u64,
    /// How long workers sleep without a hint, in milliseconds.
    pub poll: u64,
    /// How often each chaos happens, in cases of a thousand; what is absent does not.
    pub(crate) levels: Vec<(Chaos, u64)>,
}

impl Options {
    /// Draws what a run is made of. Each run has only some of what can happen, so that one fault
    /// does not hide what another shows.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::new(mix(seed, 1));
        let share = dice.between(100, 700);
        let mut levels = Vec::new();
        for chaos in Chaos::ALL.iter().copied() {
            let is_on = dice.permille(share);
            let level = dice.between(1, chaos.most());
            if is_on {
                levels.push((chaos, level));
            }
        }
        let few = dice.permille(500);
        Self {
            seed,
            runtimes: if few { dice.between(2, 3) } else { dice.between(2, 8) },
            tasks: if few { dice.between(2, 8) } else { dice.between(5, 30) },
            seconds: dice.between(15, 60),
            lease: dice.between(1_000, 12_000),
            poll: dice.between(1_000, 15_000),
            levels,
        }
    }

    /// Returns how often something happens, in cases of a thousand.
    #[must_use]
    pub fn level(&self, chaos: Chaos) -> u64 {
        self.levels.iter().find(|(one, _)| *one == chaos).map_or(0, |(_, level)| *level)
    }

    /// Returns whether something happens at all.
    #[must_use]
    pub fn has(&self, chaos: Chaos) -> bool {
        self.level(chaos) > 0
    }

    /// Takes something away.
    #[must_use]
    pub fn without(mut self, chaos: Chaos) -> Self {
        self.levels.retain(|(one, _)| *one != chaos);
        self
    }

    /// Returns everything that can happen in this run.
    pub fn chaos(&self) -> impl Iterator<Item = Chaos> {
        self.levels.iter().map(|(chaos, _)| *chaos)
    }

    /// Writes the command line that runs exactly this.
    #[must_use]
    pub fn command(&self) -> String {
        let drawn = Self::of(self.seed);
        let mut command =
            format!("cargo run --profile sim -p artos-sim -- run --seed {}", self.seed);
        let numbers = [
            ("runtimes", self.runtimes, drawn.runtimes),
            ("tasks", self.tasks, drawn.tasks),
            ("seconds", self.seconds, drawn.seconds),
            ("lease", self.lease, drawn.lease),
            ("poll", self.poll, drawn.poll),
        ];
        for (name, number, drawn) in numbers {
            if number != drawn {
                command.push_str(&format!(" --{name} {number}"));
            }
        }
        let gone: Vec<_> =
            drawn.chaos().filter(|chaos| !self.has(*chaos)).map(Chaos::name).collect();
        if !gone.is_empty() {
            command.push_str(&format!(" --without {}", gone.join(",")));
        }
        command
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, runtimes, tasks, seconds, lease, poll, levels } = self;
        write!(
            f,
            "seed {seed}: {runtimes} runtimes, {tasks} tasks, {seconds} s, leases of {lease} ms, \
             polls of {poll} ms;"
        )?;
        for (chaos, level) in levels {
            write!(f, " {chaos} {level}")?;
        }
        Ok(())
    }
}
