//! The client against the real router, and against services that are out of order.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod events;
mod requests;
mod support;
