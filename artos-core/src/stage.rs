//! One durable step of a task: ordinary async Rust, with options beside it.

use std::{future::Future, marker::PhantomData, time::Duration};

use crate::{RetryPolicy, StageContext, StageResult, task::Payload};

/// One durable step of a task.
///
/// A stage is ordinary async Rust: no replay, no determinism, no macro. Its output is recorded
/// before the next stage starts, and is then never recomputed. The body may run again after a
/// crash, so what it does to the outside world should bear repeating; see
/// [`StageContext::idempotency_token`].
///
/// What a stage depends on (a client, a pool, a path) are fields of the type that implements it.
///
/// # Work that does not await
///
/// Stages share tokio's threads with everything else, heartbeats included. One that computes for
/// long, or waits without `.await`, keeps its thread to itself; as many of them as there are
/// threads stop the heartbeats, so that their leases lapse, their results are refused, and the
/// tasks start again. Hand such work to [`tokio::task::spawn_blocking`]:
///
/// ```
/// # use artos_core::{StageContext, StageResult};
/// # fn render(pages: u32) -> Vec<u8> { vec![0; pages as usize] }
/// async fn generate(_: StageContext, pages: u32) -> StageResult<usize> {
///     let pdf = tokio::task::spawn_blocking(move || render(pages)).await?;
///     Ok(pdf.len())
/// }
/// ```
///
/// # Examples
///
/// ```
/// use artos_core::{Stage, StageContext, StageResult};
///
/// struct CountWords {
///     at_least: usize,
/// }
///
/// impl Stage for CountWords {
///     type Input = String;
///     type Output = usize;
///
///     async fn run(&self, cx: &StageContext, text: String) -> StageResult<usize> {
///         cx.progress(50, "counting");
///         Ok(text.split_whitespace().count().max(self.at_least))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a stage",
    label = "expected a `Stage`",
    note = "implement `artos_core::Stage` for a struct, or wrap an async function: `stage_fn(name)`"
)]
pub trait Stage: Send + Sync + 'static {
    /// What the stage takes: the task itself for the first stage, else the output of the one
    /// before.
    type Input: Payload;
    /// What the stage returns, and what is checkpointed.
    type Output: Payload;

    /// Runs one attempt.
    ///
    /// The future is dropped when the attempt times out, when a cancelled stage does not stop by
    /// itself, or when the runtime shuts down without waiting.
    ///
    /// # Errors
    ///
    /// See [`StageError`](crate::StageError): a plain `?` tries again.
    fn run(
        &self,
        cx: &StageContext,
        input: Self::Input,
    ) -> impl Future<Output = StageResult<Self::Output>> + Send;

    /// Returns how the runtime treats this stage.
    fn options(&self) -> StageOptions {
        StageOptions::default()
    }

    /// Replaces the options of a stage where the pipeline is composed.
    fn with(self, options: StageOptions) -> WithOptions<Self>
    where
        Self: Sized,
    {
        WithOptions { stage: self, options }
    }
}

/// How the runtime treats a stage.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use artos_core::{RetryPolicy, StageOptions};
///
/// let options = StageOptions {
///     attempt_timeout: Duration::from_secs(60),
///     retry: RetryPolicy::exponential(Duration::from_secs(2)).max_attempts(5),
///     ..StageOptions::default()
/// };
/// assert_eq!(options.snoozes_max, 1_000);
/// ```
#[derive(Debug, Clone)]
pub struct StageOptions {
    /// How often, and after which delays, a failed attempt is repeated. Default: ten attempts, from
    /// one second doubling up to an hour, with full jitter.
    pub retry: RetryPolicy,
    /// Longest time one attempt may run. After that it counts as failed. Default: 15 minutes.
    pub attempt_timeout: Duration,
    /// How often the stage may snooze before the task fails. Default: 1,000.
    pub snoozes_max: u32,
    /// How often shutdowns may interrupt the stage before the task fails. Default: 100. A stage
    /// that takes longer than the time between deploys would otherwise run for ever.
    pub interrupts_max: u32,
}

impl Default for StageOptions {
    fn default() -> Self {
        Self {
            retry: RetryPolicy::default(),
            attempt_timeout: Duration::from_secs(15 * 60),
            snoozes_max: 1_000,
            interrupts_max: 100,
        }
    }
}

/// A stage with other options; made by [`Stage::with`].
#[derive(Debug, Clone)]
pub struct WithOptions<S> {
    stage: S,
    options: StageOptions,
}

impl<S: Stage> Stage for WithOptions<S> {
    type Input = S::Input;
    type Output = S::Output;

    fn run(
        &self,
        cx: &StageContext,
        input: Self::Input,
    ) -> impl Future<Output = StageResult<Self::Output>> + Send {
        self.stage.run(cx, input)
    }

    fn options(&self) -> StageOptions {
        self.options.clone()
    }
}

/// Makes a stage of an async function that takes a context and an input.
///
/// A closure must name the type of its input; a named function needs nothing.
///
/// # Examples
///
/// ```
/// use artos_core::{Pipeline, StageContext, StageResult, stage_fn};
///
/// async fn double(_: StageContext, number: u64) -> StageResult<u64> {
///     Ok(number * 2)
/// }
///
/// let pipeline = Pipeline::new("double", stage_fn(double))
///     .then("show", stage_fn(|_, number: u64| async move { Ok(number.to_string()) }));
/// # let _: Pipeline<u64, String> = pipeline;
/// ```
pub fn stage_fn<F, In, Out, Fut>(function: F) -> impl Stage<Input = In, Output = Out>
where
    F: Fn(StageContext, In) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = StageResult<Out>> + Send + 'static,
    In: Payload,
    Out: Payload,
{
    StageFn { function, types: PhantomData::<fn(In) -> Out> }
}

struct StageFn<F, In, Out> {
    function: F,
    types: PhantomData<fn(In) -> Out>,
}

impl<F, In, Out, Fut> Stage for StageFn<F, In, Out>
where
    F: Fn(StageContext, In) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = StageResult<Out>> + Send + 'static,
    In: Payload,
    Out: Payload,
{
    type Input = In;
    type Output = Out;

    fn run(&self, cx: &StageContext, input: In) -> impl Future<Output = StageResult<Out>> + Send {
        (self.function)(cx.clone(), input)
    }
}
