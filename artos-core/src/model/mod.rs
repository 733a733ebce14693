//! The plain data of a task: what a store keeps and the machine decides about.
//!
//! Nothing here is async, reads a clock or draws a random number.

mod failure;
pub(crate) mod id;
mod lease;
mod name;
mod outcome;
mod progress;
mod query;
mod record;
mod retention;
mod state;
mod time;

pub use failure::{Failure, FailureCause};
pub use id::{ParseIdError, TaskId, WorkerId};
pub use lease::{Epoch, Lease, LeaseHolder};
pub use name::Name;
pub use outcome::{Checkpoint, Outcome, OutcomeKind, Settlement};
pub use progress::Progress;
pub use query::{Cursor, Filter, ListOrder, ListQuery, Page, ParseCursorError, StateCounts};
pub use record::{Labels, NewTask, StartAt, TaskRecord};
pub use retention::Retention;
pub use state::{ParseStateError, TaskState};
pub use time::Timestamp;
