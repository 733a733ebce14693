//! Makes golden stores: folders as this version leaves them, with what every later version has to
//! read out of them.
//!
//! ```sh
//! cargo run -p artos-store-sled --example golden -- artos-store-sled/tests/golden/v2
//! ```
//!
//! A folder that exists is never touched. To add one, give it a name and a case below; to renew one
//! that no release has, delete its folder first. One that a release has stays as it is.

#![allow(clippy::unwrap_used, reason = "it is run by hand")]

#[path = "../tests/tasks/mod.rs"]
mod tasks;

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

use artos_store_conformance::ManualClock;
use artos_store_sled::{SledStore, offline};

/// The names of the stores.
const NAMES: [&str; 4] = ["empty", "every-state", "compacted", "checkpoints"];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let output = std::env::args_os().nth(1).ok_or("usage: golden OUTPUT")?;
    for name in NAMES {
        let folder = Path::new(&output).join(name);
        if folder.exists() {
            writeln!(io::stdout(), "{} exists and stays as it is", folder.display())?;
            continue;
        }
        make(name, &folder).await?;
        writeln!(io::stdout(), "{} is made", folder.display())?;
    }
    Ok(())
}

async fn make(name: &str, folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let path = folder.join("store");
    let clock = ManualClock::default();
    let store = SledStore::builder(&path).clock(clock.clone()).open()?;
    if name != "empty" {
        tasks::every_state::fill(&store, &clock).await;
    }
    drop(store);
    if name == "compacted" {
        offline::compact(&path, &mut |_| {})?;
    }
    offline::export(&path, &mut File::create(folder.join("export.jsonl"))?)?;
    // It names a process of this machine, and is made anew whenever a store is opened.
    fs::remove_file(path.join("artos-store.lock"))?;
    Ok(())
}
