//! Scenarios of the whole core on the memory store, through its public interface only.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod hooked_store;
mod support;

mod backoff;
mod cancel;
mod deadline;
mod deploy;
mod ends;
mod fencing;
mod follow_ups;
mod group_commit;
mod heartbeat;
mod idle;
mod letting_go;
mod limits;
mod outage;
mod outcomes;
mod queues;
mod regressions;
mod resume;
mod retry;
mod shutdown;
mod start;
mod stuck;
mod submit;
mod wait;
