//! A server that is busy for long: dead rows and the size of the tables stay within bounds.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use artos_core::Retention;
use artos_test_postgres::Server;

use super::{connect, psql, server};
use crate::load::{self, Noop};

/// Seconds between two lines.
const LINE: u64 = 30;

/// Submits and runs tasks, keeps them for a short time, and watches the room they take.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(super) async fn run(seconds: u64, keep: u64, rate: u64) -> anyhow::Result<()> {
    let server = server()?;
    let runtime = load::runtime(connect(&server.url()).await?, 1_024, 1)
        .retention(Retention::all(Duration::from_secs(keep)))
        .prune_interval(Duration::from_secs(keep.div_ceil(20)))
        .start()
        .await?;
    let client = runtime.client();
    let started = Instant::now();
    let (mut submitted, mut next_line) = (0, LINE);
    println!("seconds,submitted,rows,dead,table_mib,indexes_mib,vacuums");
    while started.elapsed() < Duration::from_secs(seconds) {
        let wanted = u64::try_from(started.elapsed().as_millis())? * rate / 1_000;
        let end = wanted.min(submitted + 1_000);
        if submitted < end {
            drop(client.submit_many((submitted..end).map(Noop::new)).await?);
            submitted = end;
        }
        if end == wanted {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if started.elapsed() > Duration::from_secs(next_line) {
            println!("{next_line},{submitted},{}", room(&server)?);
            next_line += LINE;
        }
    }
    runtime.shutdown(Duration::from_secs(5)).await?;
    println!("in the end: {}", room(&server)?);
    Ok(())
}

fn room(server: &Server) -> anyhow::Result<String> {
    let sql = "
        SELECT concat_ws(',', n_live_tup, n_dead_tup, pg_relation_size(relid) >> 20,
            pg_indexes_size(relid) >> 20, autovacuum_count)
        FROM pg_stat_user_tables WHERE schemaname = 'artos' AND relname = 'tasks'";
    psql(server, &server.url(), sql).context("the tables' sizes cannot be read")
}
