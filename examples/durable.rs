//! A process dies in the middle of a task; the next one goes on from the last checkpoint.
//!
//! `durable FOLDER` is such a process, `durable FOLDER burn` one that dies. Without arguments the
//! program starts one that dies, and then one that does not, on a temporary folder.

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Context as _, ensure};
use artos_core::{Pipeline, Runtime, StageContext, StageResult, Task, stage_fn};
use artos_store_sled::SledStore;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Bake {
    loaves: u32,
}

impl Task for Bake {
    const KIND: &'static str = "bake";
    type Output = String;
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => two_processes(),
        [folder] => bakery(folder.as_ref(), false).await,
        [folder, "burn"] => bakery(folder.as_ref(), true).await,
        _ => anyhow::bail!("expected no arguments, or FOLDER, or FOLDER burn"),
    }
}

/// Opens the store, makes sure that the bread of the day is ordered, and waits for it.
async fn bakery(folder: &Path, burns: bool) -> anyhow::Result<()> {
    let knead = |_: StageContext, task: Bake| async move {
        println!("  kneading");
        StageResult::Ok(task.loaves)
    };
    let bake = move |_: StageContext, loaves: u32| async move {
        println!("  baking");
        if burns {
            println!("  the bakery burns down");
            // Nothing is closed and nobody is told, as after kill -9.
            std::process::abort();
        }
        StageResult::Ok(format!("{loaves} loaves, baked"))
    };
    // This line alone decides that tasks outlive the process.
    let store = SledStore::open(folder)?;
    let runtime = Runtime::builder(store)
        .register(Pipeline::new("knead", stage_fn(knead)).then("bake", stage_fn(bake)))
        .start()
        .await?;
    // The key makes the order safe to repeat: whoever comes second gets the task of the first.
    let client = runtime.client();
    let order = client.submit(Bake { loaves: 3 }).idempotency_key("bread-of-today").await?;
    let bread = order.wait().await?;
    println!("  {bread}");
    runtime.shutdown(Duration::from_secs(5)).await?;
    Ok(())
}

fn two_processes() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let run = |fate: &[&str]| -> anyhow::Result<(bool, String)> {
        let mut process = Command::new(std::env::current_exe()?);
        let ended = process.arg(folder.path()).args(fate).output().context("cannot start")?;
        let said = String::from_utf8_lossy(&ended.stdout).into_owned();
        eprint!("{}", String::from_utf8_lossy(&ended.stderr));
        print!("{said}");
        Ok((ended.status.success(), said))
    };
    println!("a process that dies:");
    let (first_lived, _) = run(&["burn"])?;
    println!("another one on the same folder:");
    let (second_lived, said) = run(&[])?;
    ensure!(!first_lived && second_lived, "the first was to die, the second to go on");
    ensure!(said.contains("3 loaves, baked"), "the bread was lost");
    ensure!(!said.contains("kneading"), "the dough was kneaded twice");
    Ok(())
}
