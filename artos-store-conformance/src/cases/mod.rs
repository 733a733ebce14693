//! The named cases, by topic. A case's name is the promise it checks.

pub(crate) mod cancel;
pub(crate) mod changes;
pub(crate) mod claim;
pub(crate) mod concurrency;
pub(crate) mod contracts;
pub(crate) mod fences;
pub(crate) mod follow_ups;
pub(crate) mod get;
pub(crate) mod heartbeat;
pub(crate) mod idempotency;
pub(crate) mod insert;
pub(crate) mod list;
pub(crate) mod odd_names;
pub(crate) mod payloads;
pub(crate) mod prune;
pub(crate) mod records;
pub(crate) mod rescue;
pub(crate) mod runtimes;
pub(crate) mod settle;
pub(crate) mod waiting;
