//! The protocol of leases as a model that is explored exhaustively.
//!
//! Workers claim, beat, settle, crash and come back; what they send is lost, arrives twice or long
//! after its lease ended; replies are lost; tasks are cancelled; leases lapse and are rescued.
//! Every order of every such event is tried, within the bounds of [`Bounds`]. What an event does
//! to a task is decided by [`artos_core::machine`], the code that the stores run, and nothing
//! else.
//!
//! A [`Flaw`] breaks some of the [rules](Rule), to see that the model notices.

mod action;
mod flaw;
mod protocol;
mod row;
mod rules;
mod world;

pub use action::{Action, Held, Message, Write};
pub use flaw::Flaw;
pub use protocol::{Bounds, Protocol, representative};
pub use rules::Rule;
pub use world::World;
