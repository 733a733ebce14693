//! The service as a process: what it says, how it refuses to start, and that a kill loses nothing.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on failed"
)]

mod api;
mod bucket;
mod crash;
mod drain;
mod failing_disk;
mod journal;
mod moments;
mod nodes;
mod service;
mod startup;
mod tls;
mod webhooks;
mod wire;
