//! An embeddable runtime for durable tasks made of typed, checkpointed stages.
//!
//! A service that generates a document, encodes a video or bills ten thousand customers must answer
//! at once and work on in the background. Here, a [`Task`] is a value that is submitted; a
//! [`Pipeline`] of [`Stage`]s runs it; each stage's output is checkpointed in a store before the
//! next stage starts, so that a crash repeats at most one stage. The same program runs on memory,
//! on an embedded file and on a database: only the line that opens the store changes.
//!
//! Start at [`Runtime`], then [`Stage`] and [`StageError`]. A process that only submits needs just
//! a [`Client`]. Those who write a store start at [`store::TaskStore`] and [`machine`].

mod cancel;
mod client;
mod clock;
mod commit;
mod error;
mod follow_ups;
mod handle;
pub mod machine;
pub mod model;
pub mod notify;
mod pipeline;
mod random;
mod retry;
mod runtime;
mod signals;
mod spawn;
mod stage;
mod stage_context;
mod stage_error;
pub mod store;
mod submission;
mod sync;
mod task;
mod watch;

pub use client::{Client, Retried, RetryOptions, Submit, Submitted};
pub use clock::{Clock, SystemClock, TokioClock};
pub use error::{RetryError, StartError, StartProblem, SubmitError, TaskError};
pub use handle::TaskHandle;
pub use machine::Cancelled;
pub use model::{
    Failure, FailureCause, Filter, ListOrder, ListQuery, Name, Page, Progress, Retention, TaskId,
    TaskRecord, TaskState, Timestamp,
};
pub use pipeline::Pipeline;
pub use random::Random;
pub use retry::{PolicyError, RetryPolicy};
pub use runtime::{DutyHealth, Health, Monitor, Queue, Runtime, RuntimeBuilder, ShutdownError};
pub use stage::{Stage, StageOptions, WithOptions, stage_fn};
pub use stage_context::StageContext;
pub use stage_error::{ResultExt, StageError, StageResult};
pub use submission::{PAYLOAD_BYTES_MAX, Submission};
pub use task::{DEFAULT_QUEUE, Payload, Task};
pub use watch::Watch;
