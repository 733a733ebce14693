//! An embeddable runtime for durable tasks made of typed, checkpointed stages.

mod clock;
pub mod machine;
pub mod model;
pub mod notify;
mod random;
pub mod store;

pub use clock::{Clock, SystemClock, TokioClock};
pub use model::{Name, Timestamp};
pub use random::Random;
