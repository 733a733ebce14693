//! The tasks of a run and the stages that run them, which do what fate draws.

use std::{marker::PhantomData, sync::Arc, time::Duration};

use artos_core::{
    Payload, Pipeline, RetryPolicy, RuntimeBuilder, Stage, StageContext, StageError, StageOptions,
    StageResult, Task,
};
use artos_oracle::{Rules, StageRule, What};
use serde::{Deserialize, Serialize};

use crate::{options::Chaos, world::World};

/// Attempts of every stage.
pub(crate) const ATTEMPTS_MAX: u32 = 4;
/// Longest time an attempt may run.
pub(crate) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(9);
/// Longest wait after a failed attempt, and longest snooze.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(8);

/// What a task carries from stage to stage: the stages it went through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Work {
    pub(crate) number: u64,
    pub(crate) path: Vec<String>,
}

impl Work {
    pub(crate) const fn new(number: u64) -> Self {
        Self { number, path: Vec::new() }
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
            Rules::default().exact_clock().may_skip()
                $(.pipeline($kind, [$($stage),*].map(stage)))*
        }
    };
}

tasks! {
    One "sim.one" "default" ["only"]
    Three "sim.three" "default" ["first" "second" "third"]
    Four "sim.four" "other" ["load" "parse" "weigh" "print"]
}

/// How many versions of the program there are.
pub(crate) const VERSIONS: u64 = 3;
/// The version that knows every stage.
pub(crate) const WHOLE_VERSION: u64 = 1;

/// Registers the pipelines of a version of the program.
pub(crate) fn register(
    runtime: RuntimeBuilder,
    world: &Arc<World>,
    version: u64,
) -> RuntimeBuilder {
    let next = || Step::<Work>::new(world);
    let runtime = runtime.register::<One>(Pipeline::new("only", Step::<One>::new(world)));
    let first = Pipeline::new("first", Step::<Three>::new(world));
    let runtime = runtime.register::<Three>(first.then("second", next()).then("third", next()));
    let load = Pipeline::new("load", Step::<Four>::new(world));
    let pipeline = match version {
        0 => load.then("parse", next()).then("print", next()),
        WHOLE_VERSION => load.then("parse", next()).then("weigh", next()).then("print", next()),
        _ => load.then("weigh", next()).then("print", next()),
    };
    runtime.register::<Four>(pipeline)
}

/// A stage that does what fate draws.
struct Step<In> {
    world: Arc<World>,
    takes: PhantomData<fn(In)>,
}

impl<In> Step<In> {
    fn new(world: &Arc<World>) -> Self {
        Self { world: Arc::clone(world), takes: PhantomData }
    }

    /// Draws whether something happens now.
    fn happens(&self, chaos: Chaos) -> bool {
        let level = self.world.options.level(chaos);
        level > 0 && !self.world.is_healed() && self.world.script(|dice| dice.permille(level))
    }

    fn millis(&self, most: u64) -> Duration {
        Duration::from_millis(self.world.script(|dice| dice.between(1, most)))
    }

    fn wait(&self) -> Duration {
        self.millis(u64::try_from(WAIT_MAX.as_millis()).unwrap_or(1))
    }

    /// Does what takes time; an error ends the attempt.
    async fn last(&self, cx: &StageContext) -> StageResult<()> {
        if self.happens(Chaos::StageProgress) {
            let (reports, every) =
                (self.world.script(|dice| dice.between(1, 30)), self.millis(400));
            for report in 0..reports {
                cx.progress(u8::try_from(report).unwrap_or(100), "going on");
                tokio::select! {
                    biased;
                    () = cx.cancelled() => return Err(StageError::cancelled()),
                    () = tokio::time::sleep(every) => {}
                }
            }
        }
        if self.happens(Chaos::StageSlow) {
            let takes = self.millis(self.world.options.lease * 3 / 2);
            tokio::select! {
                biased;
                () = cx.cancelled() => return Err(StageError::cancelled()),
                () = tokio::time::sleep(takes) => {}
            }
        }
        if self.happens(Chaos::StageStubborn) {
            std::future::pending::<()>().await;
        }
        if self.happens(Chaos::StageHang) {
            cx.cancelled().await;
            return Err(StageError::cancelled());
        }
        Ok(())
    }

    /// Ends the attempt in another way than with a success, or not.
    fn end(&self, cx: &StageContext) -> StageResult<()> {
        if self.happens(Chaos::StageFollowUp) {
            for _ in 0..self.world.script(|dice| dice.between(1, 2)) {
                let number = self.world.script(|dice| dice.below(1_000));
                self.world.know(cx.follow_up(One(Work::new(number)))?);
            }
        }
        if self.happens(Chaos::StagePanic) {
            // Unlike `panic!` it bothers no hook, and this one is on purpose.
            std::panic::resume_unwind(Box::new("the stage panics"));
        }
        if self.happens(Chaos::StageError) {
            return Err(StageError::retry("this attempt fails"));
        }
        if self.happens(Chaos::StageRetryAfter) {
            return Err(StageError::retry_after(self.wait(), "this attempt fails for a while"));
        }
        if self.happens(Chaos::StageSnooze) {
            return Err(StageError::snooze(self.wait()));
        }
        if self.happens(Chaos::StageFatal) {
            return Err(StageError::fatal("this task fails for good"));
        }
        if self.happens(Chaos::StageCancelled) {
            return Err(StageError::cancelled());
        }
        Ok(())
    }
}

impl<In: Payload + Into<Work>> Stage for Step<In> {
    type Input = In;
    type Output = Work;

    async fn run(&self, cx: &StageContext, input: In) -> StageResult<Work> {
        let (task, attempt) = (cx.task_id(), cx.attempt());
        let stage = String::from(cx.stage());
        let mut work: Work = input.into();
        work.path.push(stage.clone());
        let starts = What::Starts { task, stage, attempt };
        self.world.log.tell(starts).map_err(StageError::retry)?;
        self.last(cx).await?;
        self.end(cx)?;
        Ok(work)
    }

    fn options(&self) -> StageOptions {
        let retry = RetryPolicy::exponential(Duration::from_millis(200))
            .cap(WAIT_MAX)
            .max_attempts(ATTEMPTS_MAX);
        StageOptions { retry, attempt_timeout: ATTEMPT_TIMEOUT, snoozes_max: 4, interrupts_max: 4 }
    }
}
