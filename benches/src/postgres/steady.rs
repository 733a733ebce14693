//! A server that is busy for long: dead rows and the size of the tables stay within bounds.

use std::{path::Path, time::Duration};

use anyhow::Context as _;
use artos_core::Retention;
use artos_test_postgres::Server;

use super::{connect, psql, server};
use crate::{load, plot::Plot};

/// Seconds between two lines.
const LINE: u64 = 30;

/// What is looked at, and by how much it is divided for the picture.
const LINES: [(&str, f64); 4] = [
    ("rows, thousands", 1e3),
    ("dead rows, thousands", 1e3),
    ("table, MiB", 1.0),
    ("indexes, MiB", 1.0),
];

/// Submits and runs tasks, keeps them for a short time, and watches the room they take.
pub(super) async fn run(
    seconds: u64,
    keep: u64,
    rate: u64,
    svg: Option<&Path>,
) -> anyhow::Result<()> {
    let server = server()?;
    let runtime = load::runtime(connect(&server.url()).await?, 1_024, 1)
        .retention(Retention::all(Duration::from_secs(keep)))
        .prune_interval(Duration::from_secs(keep.div_ceil(20)))
        .start()
        .await?;
    let client = runtime.client();
    println!("seconds,submitted,rows,dead,table_mib,indexes_mib,vacuums");
    let mut plot = Plot::new("room in Postgres under a steady load", "seconds", "room");
    let look = async |elapsed: Duration, submitted: u64| {
        let room = room(&server)?;
        println!("{},{submitted},{room}", elapsed.as_secs());
        for ((line, unit), value) in LINES.iter().zip(room.split(',')) {
            plot.point(line, elapsed.as_secs_f64(), value.parse::<f64>()? / unit);
        }
        Ok(())
    };
    load::Steady { seconds, rate, look_every: LINE }.run(&client, look).await?;
    plot.write(svg)?;
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
