//! Few rows and many: what ended and what waits must not slow down what runs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::ensure;
use artos_core::{
    Client, ListQuery, Pipeline, Queue, Runtime, StageContext, StageResult, stage_fn,
};
use artos_test_postgres::Server;

use super::{connect, database, psql, server};
use crate::{load::Noop, report::Stopwatch};

/// Rows of the small table.
const FEW: u64 = 10_000;

/// Tasks that ended and tasks that wait, as the store writes them.
const FILL: &str = r#"
    INSERT INTO artos.tasks (
        created_at, stage_entered_at, run_at, updated_at, epoch, attempt, id, state, priority,
        kind, queue, started_at, finished_at, settled_by, input, output
    )
    SELECT n, n, n, n, s.state / 2, s.state / 2, lpad(to_hex(n * 2 + s.state / 2), 32, '0')::uuid,
        s.state, 0, 'bench.noop', 'default',
        CASE WHEN s.state > 0 THEN now END, CASE WHEN s.state > 0 THEN now END,
        CASE WHEN s.state > 0 THEN 1 END, payload, CASE WHEN s.state > 0 THEN payload END
    FROM generate_series(1, {rows}) AS n
    CROSS JOIN (VALUES (0), (2)) AS s (state)
    CROSS JOIN artos.now_micros() AS now
    CROSS JOIN LATERAL (SELECT convert_to(
        '{"number":' || n || ',"customer":"org-7f3a","document":"org-7f3a/documents/protocol.pdf"}',
        'UTF8') AS payload) AS p
"#;

/// Runs tasks with few rows and with many, and prints the ratio.
pub(super) async fn run(rows: u64, tasks: u64, slots: usize) -> anyhow::Result<()> {
    let server = server()?;
    let few = measure(&server, FEW, tasks, slots).await?;
    let many = measure(&server, rows, tasks, slots).await?;
    println!(
        "with {rows} rows that ended and {rows} that wait: {many:.0}/s, {:.2} of {few:.0}/s with \
         {FEW} and {FEW}",
        many / few
    );
    Ok(())
}

async fn measure(server: &Server, rows: u64, tasks: u64, slots: usize) -> anyhow::Result<f64> {
    let url = database(server, &format!("rows{rows}"))?;
    let store = connect(&url).await?;
    // More than enough wait, so that as many run at the end as in the beginning.
    let waiting = rows.max(tasks + 4 * slots as u64);
    psql(server, &url, &FILL.replace("{rows}", &rows.to_string()))?;
    if waiting > rows {
        let more = FILL.replace("(VALUES (0), (2))", "(VALUES (0))");
        let more = more.replace("series(1, {rows})", &format!("series({}, {waiting})", rows + 1));
        psql(server, &url, &more)?;
    }
    psql(server, &url, "VACUUM ANALYZE artos.tasks; CHECKPOINT")?;
    let started = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&started);
    let pass = stage_fn(move |_: StageContext, task: Noop| {
        count.fetch_add(1, Ordering::Relaxed);
        async move { StageResult::Ok(task) }
    });
    let runtime = Runtime::builder(store.clone())
        .queue(Queue::new("default").concurrency(slots))
        .register(Pipeline::new("zero", pass))
        .start()
        .await?;
    let watch = Stopwatch::start()?;
    // A slot is taken until its task is settled: of those that started, all but `slots` have ended.
    while started.load(Ordering::Relaxed) < tasks + slots as u64 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let what = format!("Postgres, {rows} rows that ended, {waiting} that wait, {slots} slots");
    let rate = watch.rate(&what, tasks)?;
    runtime.shutdown(Duration::from_secs(5)).await?;
    let query = ListQuery { limit: 1, counts: true, ..ListQuery::default() };
    let counts = Client::new(store).list(&query).await?.counts.unwrap_or_default();
    ensure!(counts.completed >= rows + tasks, "found {counts:?} after {tasks} tasks");
    Ok(rate)
}
