//! Tasks in a Postgres database, for any number of processes and machines at once.
//!
//! [`PostgresStore::connect`] is all it takes; [`PostgresStore::builder`] has the options. Postgres
//! 13 and later will do.
//!
//! # What it promises
//!
//! What is acknowledged is committed, and `synchronous_commit` is on for that commit whatever the
//! server's default is. The server's clock alone decides leases and due times, so the clocks of the
//! machines need not agree. No connection is held while a stage runs, and no call takes longer than
//! its deadline.
//!
//! # What is in the database
//!
//! Everything is in one schema, `artos` if nothing else is said: the table `tasks` has one row for
//! each task with its payloads, `labels` one row for each label of each task, and `migrations` one
//! for each step the schema has taken. [`migrations`] has the statements that make them, for those
//! who migrate with a tool of their own.

mod build;
mod call;
mod connections;
mod digest;
mod fault;
mod hints;
pub mod migrations;
mod numbers;
mod operations;
mod pace;
#[cfg(test)]
mod plans;
mod record;
mod rounds;
mod schema;
mod spawn;
mod statements;
mod store;
mod transaction;

pub use build::{Migrate, PostgresStoreBuilder};
pub use store::PostgresStore;
pub use transaction::Joined;
