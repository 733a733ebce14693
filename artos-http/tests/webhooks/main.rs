//! Webhooks, each scenario with receivers that are real servers.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod support;

mod cancel;
mod deaf;
mod deliveries;
mod endpoints;
mod fairness;
mod guard;
mod restart;
mod schedule;
mod sealed;
