//! The rigs, one file each.

mod corrupt;
mod eio;
pub(crate) mod failpoints;
mod folder;
mod full;
mod kill;
mod postgres;
mod power;
mod reorder;
mod syscalls;
mod traced;

use crate::{
    options::{Fault, RigOptions},
    report::Report,
    rig,
};

/// Runs a rig.
///
/// # Errors
///
/// When the rig itself cannot work: a tool is missing, or a file system cannot be mounted. What it
/// finds about the store is in the report.
pub fn run(fault: Fault, options: &RigOptions) -> anyhow::Result<Report> {
    let (name, everyday) = (fault.name(), fault.everyday());
    match fault {
        Fault::Kill => rig::run(name, everyday, options, kill::Kill::new),
        Fault::Power { fs } => {
            power::require()?;
            rig::run(name, everyday, options, |worker| power::Power::new(fs, worker))
        }
        Fault::Failpoints => failpoints::run(name, everyday, options),
        Fault::Syscalls => {
            traced::require()?;
            let make = |worker| syscalls::Syscalls::new(worker, options.workers.max(1));
            rig::run(name, everyday, options, make)
        }
        Fault::Eio => {
            traced::require()?;
            let make = |worker| eio::Eio::new(worker, options.workers.max(1));
            rig::run(name, everyday, options, make)
        }
        Fault::Full => {
            power::require()?;
            rig::run(name, everyday, options, full::Full::new)
        }
        Fault::Corrupt => rig::run(name, everyday, options, |_| corrupt::Corrupt::new()),
        Fault::Postgres => {
            // Outages of an everyday run are short.
            let has_time = options.rounds.is_some() || options.time().is_some();
            rig::run(name, everyday, options, |worker| postgres::Chaos::new(worker, has_time))
        }
        Fault::PostgresPower => {
            postgres::require()?;
            let control = options.control.is_some();
            rig::run(name, everyday, options, |worker| postgres::Cuts::new(worker, control))
        }
        Fault::Reorder => {
            reorder::require()?;
            rig::run(name, everyday, options, |_| reorder::Reorder::new())
        }
    }
}
