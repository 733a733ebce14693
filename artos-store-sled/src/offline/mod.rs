//! Work on a store that nobody has open: looking at it, checking it, and making it smaller.
//!
//! Every function here takes the store's lock for as long as it works; a store that is open is
//! [`Locked`](artos_core::store::StoreError::Locked). None of them makes a store where there is
//! none. sled itself may tidy its files when they are opened, as it does for everybody.
//!
//! The program `artos-sled` offers the same on the command line.
//!
//! # Examples
//!
//! ```
//! use artos_store_sled::{SledStore, offline};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("tasks");
//! drop(SledStore::open(&path)?);
//! let report = offline::verify(&path, &mut |_| {})?;
//! assert!(report.is_sound(), "{:?}", report.findings);
//! # Ok(())
//! # }
//! ```

mod accept;
mod compact;
mod cross;
mod export;
mod finding;
mod headway;
mod line;
mod overview;
mod tables;
#[cfg(test)]
mod tests;
mod verify;

pub use accept::{Accepted, accept};
pub use compact::{Compacted, compact};
pub use export::{Exported, export};
pub use finding::{Fault, Finding, Report};
pub use headway::Headway;
pub use overview::{FileSize, Overview, TableSize, info};
pub use verify::verify;
