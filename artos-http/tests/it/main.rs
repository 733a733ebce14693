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
mod backlog;
mod bad_input;
mod build;
mod cancel;
#[cfg(feature = "compression")]
mod compression;
mod cors;
mod document;
mod events;
mod feed;
mod fuzz;
mod health;
mod http2;
mod idempotency;
#[cfg(feature = "jwt")]
mod jwt;
mod keys;
mod limits;
mod list;
mod long_poll;
mod nested;
#[cfg(feature = "webhooks")]
mod openapi;
#[cfg(feature = "webhooks")]
mod page;
mod presentation;
mod retry;
mod serve;
mod slow;
mod status;
mod submit;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "docs-ui")]
mod ui;
