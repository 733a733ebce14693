//! A Postgres that several processes share, and all that can go wrong between and below them.
//!
//! The processes write their events into one pipe, so what they tell has one order: a question is
//! told before the database hears it, and an answer before anybody acts on it.

mod chaos;
mod crowd;
mod cuts;
mod trouble;
mod watch;

pub(crate) use chaos::Chaos;
pub(crate) use cuts::{Cuts, require};
