//! What a caller submits: a value with a stable kind and a typed output.

use serde::{Serialize, de::DeserializeOwned};

/// The queue of tasks that name none.
pub const DEFAULT_QUEUE: &str = "default";

/// Anything that can be stored between stages: JSON in, JSON out.
///
/// Implemented for every type that is `Serialize`, `DeserializeOwned`, `Send` and `'static`; there
/// is nothing to implement by hand. What JSON cannot say does not come back: a float that is not
/// finite becomes `null`, which no `f64` reads.
///
/// Keep payloads small, kilobytes rather than megabytes: each stage reads and writes them whole,
/// and a store that is busy with a large one is busy for others, too. Put files where all stages
/// reach them, and their names into the payload.
/// [`PAYLOAD_BYTES_MAX`](crate::PAYLOAD_BYTES_MAX) is the most a store takes.
///
/// # Changing a payload between deploys
///
/// Tasks that wait were written by earlier versions, and during a deploy both run. A new field
/// needs `#[serde(default)]`; a field that goes is ignored. Whatever else changes the form wants a
/// new name: a new stage, or a new [`KIND`](Task::KIND). A payload that a process cannot read is
/// handed back, uncharged, for one that can; after a day the task fails, with what did not decode.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored as a payload",
    label = "a payload must be `Serialize + Deserialize + Send + 'static`",
    note = "add `#[derive(serde::Serialize, serde::Deserialize)]` to `{Self}`"
)]
pub trait Payload: Serialize + DeserializeOwned + Send + 'static {}

impl<T: Serialize + DeserializeOwned + Send + 'static> Payload for T {}

/// A unit of durable work. The submitted value is the task; what runs it is a
/// [`Pipeline`](crate::Pipeline), registered where the stages live.
///
/// # Examples
///
/// ```
/// use artos_core::Task;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct GenerateReport {
///     source: String,
/// }
///
/// impl Task for GenerateReport {
///     const KIND: &'static str = "report.generate";
///     type Output = u64;
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a task",
    label = "only a `Task` can be submitted",
    note = "implement `artos_core::Task` for `{Self}`: give it a KIND and an Output"
)]
pub trait Task: Payload {
    /// The stable identity of this type of task, such as `report.generate`.
    ///
    /// It is stored with every task: renaming the Rust type is free, changing this is not.
    const KIND: &'static str;

    /// The queue the task waits in unless the submission names another.
    const QUEUE: &'static str = DEFAULT_QUEUE;

    /// What the last stage of the pipeline returns.
    type Output: Payload;
}
