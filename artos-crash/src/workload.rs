//! The tasks a child runs: what they are is decided by their seed, so anybody can check a payload.

use std::{
    fmt::Write as _,
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use artos_core::{
    Payload, Pipeline, RetryPolicy, RuntimeBuilder, Stage, StageContext, StageError, StageOptions,
    StageResult, Task,
};
use artos_oracle::{Dice, Log, Rules, StageRule, What, mix};
use serde::{Deserialize, Serialize};

/// Attempts of every stage. A crash charges those that were running.
const ATTEMPTS_MAX: u32 = 8;

/// The queues of a child, with their slots.
pub(crate) const QUEUES: [(&str, usize); 3] = [("fast", 16), ("slow", 12), ("bulk", 16)];

/// Seeds that end in these bits make large payloads only.
pub(crate) const LARGE: u64 = 0xfff;

/// What a task carries from stage to stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Work {
    /// Decides what every stage does and returns.
    pub(crate) seed: u64,
    /// How many stages it went through.
    pub(crate) place: u64,
    /// Text that the seed and the place decide.
    pub(crate) text: String,
}

impl Work {
    pub(crate) fn new(seed: u64, place: u64) -> Self {
        let mut dice = Dice::new(mix(seed, 1_000 + place));
        let length = match dice.below(200) {
            _ if seed & LARGE == LARGE => 30_000,
            0 => 300_000,
            1..=20 => dice.between(5_000, 20_000),
            21..=80 => dice.between(500, 5_000),
            _ => dice.between(10, 200),
        };
        let length = usize::try_from(length).unwrap_or(0);
        let mut text = String::with_capacity(length + 16);
        while text.len() < length {
            let _ = write!(text, "{:016x}", dice.draw());
        }
        text.truncate(length);
        Self { seed, place, text }
    }
}

macro_rules! tasks {
    ($($name:ident $kind:literal $queue:literal [$($stage:literal)*])*) => {
        $(
            #[doc = concat!("A task of kind `", $kind, "`.")]
            #[derive(Debug, Clone, Serialize, Deserialize)]
            #[serde(transparent)]
            pub(crate) struct $name(pub(crate) Work);

            impl Task for $name {
                const KIND: &'static str = $kind;
                const QUEUE: &'static str = $queue;
                type Output = Work;
            }

            impl From<$name> for Work {
                fn from(task: $name) -> Self {
                    task.0
                }
            }
        )*

        /// Returns what a checker has to know of these tasks.
        pub(crate) fn rules() -> Rules {
            let stage = |name: &str| {
                StageRule { name: String::from(name), attempts_max: ATTEMPTS_MAX }
            };
            Rules::default()$(.pipeline($kind, [$($stage),*].map(stage)))*
        }
    };
}

tasks! {
    Single "crash.single" "fast" ["only"]
    Triple "crash.triple" "slow" ["gather" "sort" "write"]
    Quint "crash.quint" "bulk" ["load" "parse" "weigh" "draw" "print"]
}

/// Registers a pipeline for each kind.
pub(crate) fn register(runtime: RuntimeBuilder, log: &Arc<Log>) -> RuntimeBuilder {
    let draws = Arc::new(AtomicU64::new(0));
    let first = Step::<Single>::new(log, &draws);
    let runtime = runtime.register::<Single>(Pipeline::new("only", first));
    let next = || Step::<Work>::new(log, &draws);
    let gather = Pipeline::new("gather", Step::<Triple>::new(log, &draws));
    let runtime = runtime.register::<Triple>(gather.then("sort", next()).then("write", next()));
    let load = Pipeline::new("load", Step::<Quint>::new(log, &draws));
    let weigh = load.then("parse", next()).then("weigh", next());
    runtime.register::<Quint>(weigh.then("draw", next()).then("print", next()))
}

/// A stage: checks what it takes, does what the seed says, and returns the next text.
struct Step<In> {
    log: Arc<Log>,
    /// Drawn from by what may not come out the same in every attempt.
    draws: Arc<AtomicU64>,
    takes: PhantomData<fn(In)>,
}

impl<In> Step<In> {
    fn new(log: &Arc<Log>, draws: &Arc<AtomicU64>) -> Self {
        Self { log: Arc::clone(log), draws: Arc::clone(draws), takes: PhantomData }
    }

    fn tell(&self, what: What) -> StageResult<()> {
        self.log.tell(what).map_err(StageError::retry)
    }
}

impl<In: Payload + Into<Work>> Stage for Step<In> {
    type Input = In;
    type Output = Work;

    async fn run(&self, cx: &StageContext, input: In) -> StageResult<Work> {
        let (task, attempt) = (cx.task_id(), cx.attempt());
        let stage = String::from(cx.stage());
        self.tell(What::Starts { task, stage: stage.clone(), attempt })?;
        let work: Work = input.into();
        let expected = Work::new(work.seed, work.place);
        if work != expected {
            let message = format!(
                "task {task} at {stage} was given {} bytes of place {}, expected {} other ones",
                work.text.len(),
                work.place,
                expected.text.len()
            );
            self.tell(What::Wrong { message })?;
        }
        let mut dice = Dice::new(mix(work.seed, 2_000 + work.place));
        let takes = match dice.below(100) {
            0 => Duration::from_millis(dice.between(200, 600)),
            1..=12 => Duration::from_millis(dice.between(1, 15)),
            _ => Duration::ZERO,
        };
        if !takes.is_zero() {
            cx.progress(50, "half-way");
            tokio::select! {
                () = tokio::time::sleep(takes) => {}
                () = cx.cancelled() => return Err(StageError::cancelled()),
            }
        }
        self.end(cx, &work, &mut dice)
    }

    fn options(&self) -> StageOptions {
        let retry = RetryPolicy::exponential(Duration::from_millis(20))
            .cap(Duration::from_millis(200))
            .max_attempts(ATTEMPTS_MAX);
        StageOptions { retry, ..StageOptions::default() }
    }
}

impl<In> Step<In> {
    /// Ends the attempt as the seed wants it.
    fn end(&self, cx: &StageContext, work: &Work, dice: &mut Dice) -> StageResult<Work> {
        let wish = dice.below(1_000);
        let again = u32::try_from(dice.between(1, 3)).unwrap_or(1);
        let chance = mix(work.seed, self.draws.fetch_add(1, Ordering::Relaxed));
        match wish {
            0..=9 => return Err(StageError::fatal("this task fails for good")),
            10..=14 => return Err(StageError::retry("this stage never succeeds")),
            15..=114 if cx.attempt() <= again => {
                return Err(StageError::retry("this attempt fails"));
            }
            115..=164 if !chance.is_multiple_of(3) => {
                return Err(StageError::snooze(Duration::from_millis(chance % 100)));
            }
            165..=169 => return Err(StageError::cancelled()),
            170..=219 => {
                for number in 0..dice.between(1, 3) {
                    let seed = mix(work.seed, 3_000 + work.place * 10 + number);
                    cx.follow_up(Single(Work::new(seed, 0)))?;
                }
            }
            _ => {}
        }
        Ok(Work::new(work.seed, work.place + 1))
    }
}
