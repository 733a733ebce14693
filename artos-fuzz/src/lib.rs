//! What is fuzzed, as plain functions of bytes.
//!
//! A function panics when something is not as it must be, and returns otherwise. The fuzzer, in
//! `fuzz/`, calls them with whatever it thinks of; the tests of this crate call them with what it
//! found worth keeping, in `fuzz/corpus/`, and with what broke something, in `fuzz/regressions/`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "this crate is made of tests, and a test speaks by panicking"
)]

mod http;
mod text;

pub use http::http;
pub use text::{durations, names, rules};

/// A target: its name, and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 6] = [
    ("sled_task", sled_task),
    ("sled_value", sled_value),
    ("names", names),
    ("http", http),
    ("rules", rules),
    ("durations", durations),
];

/// A task as the embedded store writes it, with its checkpoint.
pub fn sled_task(bytes: &[u8]) {
    artos_store_sled::fuzzing::task(bytes);
}

/// A value of the embedded store's tree: envelope, head and rows.
pub fn sled_value(bytes: &[u8]) {
    artos_store_sled::fuzzing::value(bytes);
}
