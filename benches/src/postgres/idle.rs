//! What a node costs the server that has nothing to do.

use std::time::Duration;

use anyhow::Context as _;
use artos_test_postgres::{Durability, Server};

use super::connect;
use crate::{load, report::FIGURES};

/// Counts the statements of an idle node by the server's log.
pub(super) async fn run(seconds: u64) -> anyhow::Result<()> {
    let server = Server::start_with(Durability::Power, &["log_statement=all"])?;
    let store = connect(&server.url()).await?;
    let runtime = load::runtime(store, load::SLOTS, 1).start().await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = statements(&server)?;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let count = statements(&server)? - before;
    let each = count as f64 / seconds as f64;
    FIGURES.note(&format!("idle node, Postgres, {seconds} s: statements"), each, "a second");
    runtime.shutdown(Duration::from_secs(5)).await?;
    Ok(())
}

fn statements(server: &Server) -> anyhow::Result<usize> {
    let log = std::fs::read_to_string(server.log()).context("the server's log cannot be read")?;
    let is_statement =
        |line: &&str| line.contains("LOG:  execute ") || line.contains("LOG:  statement: ");
    Ok(log.lines().filter(is_statement).count())
}
