//! Scenarios of the whole router, over a memory store and a real runtime.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod store;
mod support;

mod auth;
mod bad_input;
mod build;
mod cancel;
mod document;
mod events;
mod fuzz;
mod health;
mod idempotency;
mod keys;
mod limits;
mod list;
mod long_poll;
mod openapi;
mod presentation;
mod retry;
mod serve;
mod status;
mod submit;
