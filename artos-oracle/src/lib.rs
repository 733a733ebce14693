//! The one checker of what a store promised: it compares what was acknowledged with what is there.
//!
//! A [`RecordingStore`] stands between a runtime and its store and writes an [`Event`] for each
//! question before it is asked, and for each answer before the caller sees it. The events are kept
//! outside the system under test. A [`Checker`] reads them, one by one, knows from them what the
//! store has acknowledged, and finds what cannot be: at once, from the order of events alone, and
//! after a fault, from a dump of the store that was opened again.
//!
//! What was asked and not acknowledged may have happened or not; the checker accepts both, and
//! nothing in between. It knows no store and no fault, so one checker serves all of them.

mod checker;
mod dice;
mod digest;
mod dump;
mod event;
mod finding;
mod history;
mod lease;
mod log;
mod recording;
mod row;
mod rules;
mod text;
mod times;

pub use checker::{Checker, Tally};
pub use dice::{Dice, mix};
pub use digest::Digest;
pub use dump::dump;
pub use event::{Answer, Asked, Asks, Event, ParseEventError, Refusal, Submitted, What};
pub use finding::{Finding, Invariant};
pub use log::{LINE_BYTES_MAX, Log};
pub use recording::RecordingStore;
pub use row::Row;
pub use rules::{Rules, StageRule};
