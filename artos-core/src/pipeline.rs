//! A typed chain of stages; the one place where types become bytes and back.

use std::{cell::Cell, fmt, future::Future, marker::PhantomData, pin::Pin, sync::Arc};

use bytes::Bytes;

use crate::{Name, Stage, StageContext, StageError, StageOptions, task::Payload};

/// An ordered chain of stages that takes `In` and ends in `Out`.
///
/// The compiler checks that each stage takes what the one before returns, and, when the pipeline
/// is registered, that the chain takes the task and ends in its output. A stage is named where it
/// is put: the name is what a checkpoint remembers, so stages may be reordered, and the types that
/// implement them renamed, but a name should stay.
///
/// # Examples
///
/// ```
/// use artos_core::{Pipeline, StageContext, StageResult, stage_fn};
///
/// async fn split(_: StageContext, text: String) -> StageResult<Vec<String>> {
///     Ok(text.split(' ').map(String::from).collect())
/// }
///
/// async fn count(_: StageContext, words: Vec<String>) -> StageResult<usize> {
///     Ok(words.len())
/// }
///
/// let pipeline = Pipeline::new("split", stage_fn(split)).then("count", stage_fn(count));
/// assert_eq!(pipeline.stage_names().collect::<Vec<_>>(), ["split", "count"]);
/// ```
#[must_use = "a pipeline does nothing until it is registered with a runtime"]
pub struct Pipeline<In, Out> {
    stages: Vec<ErasedStage>,
    types: PhantomData<fn(In) -> Out>,
}

impl<In: Payload, Out: Payload> Pipeline<In, Out> {
    /// Starts a pipeline with its first stage.
    pub fn new<S>(name: &'static str, stage: S) -> Self
    where
        S: Stage<Input = In, Output = Out>,
    {
        Self { stages: vec![ErasedStage::new(name, stage)], types: PhantomData }
    }

    /// Appends a stage that takes what the pipeline has returned so far.
    pub fn then<S>(mut self, name: &'static str, stage: S) -> Pipeline<In, S::Output>
    where
        S: Stage<Input = Out>,
    {
        self.stages.push(ErasedStage::new(name, stage));
        Pipeline { stages: self.stages, types: PhantomData }
    }

    /// Returns the names of the stages, in order.
    pub fn stage_names(&self) -> impl Iterator<Item = &str> {
        self.stages.iter().map(|stage| stage.name.as_str())
    }

    pub(crate) fn into_stages(self) -> Vec<ErasedStage> {
        self.stages
    }
}

impl<In, Out> fmt::Debug for Pipeline<In, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.stages.iter().map(|stage| &stage.name)).finish()
    }
}

/// A stage that takes and returns bytes.
#[derive(Clone)]
pub(crate) struct ErasedStage {
    pub(crate) name: Name,
    pub(crate) options: Arc<StageOptions>,
    body: Arc<dyn Body>,
}

/// How a stage's body ended, once the types are gone.
pub(crate) enum Ended {
    Output(Bytes),
    Error(StageError),
    /// The payload is not what the stage takes.
    Undecodable(String),
    /// The output cannot be written down.
    Unstorable(String),
}

type BodyFuture<'a> = Pin<Box<dyn Future<Output = Ended> + Send + 'a>>;

trait Body: Send + Sync {
    fn run<'a>(&'a self, cx: &'a StageContext, payload: Bytes) -> BodyFuture<'a>;
}

struct Typed<S>(S);

impl ErasedStage {
    fn new<S: Stage>(name: &'static str, stage: S) -> Self {
        Self {
            name: Name::from_static(name),
            options: Arc::new(stage.options()),
            body: Arc::new(Typed(stage)),
        }
    }

    pub(crate) fn run<'a>(&'a self, cx: &'a StageContext, payload: Bytes) -> BodyFuture<'a> {
        self.body.run(cx, payload)
    }
}

impl<S: Stage> Body for Typed<S> {
    fn run<'a>(&'a self, cx: &'a StageContext, payload: Bytes) -> BodyFuture<'a> {
        Box::pin(async move {
            let input = match decode::<S::Input>(&payload) {
                Ok(input) => input,
                Err(message) => return Ended::Undecodable(message),
            };
            drop(payload);
            match self.0.run(cx, input).await {
                Ok(output) => match encode(&output) {
                    Ok(output) => Ended::Output(output),
                    Err(error) => Ended::Unstorable(error.to_string()),
                },
                Err(error) => Ended::Error(error),
            }
        })
    }
}

/// Most room that is kept for the next payload.
const SCRATCH_BYTES_MAX: usize = 64 * 1024;

/// Writes a payload as JSON.
pub(crate) fn encode<T: serde::Serialize>(value: &T) -> Result<Bytes, serde_json::Error> {
    thread_local! {
        /// Written to first, so that what is kept is allocated once and has no spare room.
        static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    }
    // Taken out meanwhile: a value may encode another one while it is written.
    let mut scratch = SCRATCH.take();
    scratch.clear();
    serde_json::to_writer(&mut scratch, value)?;
    if scratch.capacity() > SCRATCH_BYTES_MAX {
        return Ok(Bytes::from(scratch));
    }
    let encoded = Bytes::copy_from_slice(&scratch);
    SCRATCH.set(scratch);
    Ok(encoded)
}

/// Reads a payload; the error says where in the value it does not fit, and what was expected.
pub(crate) fn decode<T: Payload>(payload: &[u8]) -> Result<T, String> {
    // The fast path does not track where it is; the slow one runs only to explain a failure.
    serde_json::from_slice(payload).map_err(|error| {
        let mut deserializer = serde_json::Deserializer::from_slice(payload);
        let explained: Result<T, _> = serde_path_to_error::deserialize(&mut deserializer);
        let wanted = std::any::type_name::<T>();
        match explained {
            Err(explained) if explained.path().iter().next().is_some() => {
                format!("at `{}`: {}; expected {wanted}", explained.path(), explained.inner())
            }
            _ => format!("{error}; expected {wanted}"),
        }
    })
}
