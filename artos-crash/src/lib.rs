//! Rigs that break processes, disks and machines under a store, and check what is left.
//!
//! A rig runs a child, which is this program again: it opens the store, tells everything that is in
//! it, and puts a whole runtime under load. Whatever the store acknowledges goes up a pipe before
//! anybody in the child knows it. The rig breaks something, starts another child on the same store,
//! and an [`artos_oracle::Checker`] compares.

mod child;
mod disk;
mod hang;
mod healthy;
mod options;
mod progress;
mod record;
mod report;
mod rig;
mod rigs;
mod session;
mod stall;
mod subject;
mod tools;
mod volatile;
mod watch;
mod workload;

pub use child::{ChildOptions, run as run_child};
pub use options::{Control, Fault, FileSystem, RigOptions};
pub use record::record;
pub use report::Report;
pub use rigs::run;
