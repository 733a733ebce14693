//! One measurement, with one line of JSON as its end: what `record` runs in a process of its own,
//! and what the programs in `benches/peers` do with other runtimes.

use anyhow::ensure;
use serde_json::{Map, Value, json};

use crate::{
    ceiling::sled::{self as raw, Inserts, Raw},
    http, idle, latency,
    load::{self, Submitting},
    queued,
    report::{FIGURES, median},
    stores::{self, StoreChoice},
    sweep::{self, Carrying},
    versus::{self, By},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum What {
    /// No-ops that wait already.
    BurnDown,
    /// Five stages of no-ops that wait already.
    Pipeline,
    /// One task after another on an idle runtime.
    Latency,
    /// Submitted by 64 callers in batches, and run at the same time.
    Submit,
    /// A queue by hand in memory: one stage.
    ByHand,
    /// A queue by hand in memory: five stages.
    ByHandPipeline,
    /// A queue by hand in memory that reads and writes payloads as JSON: one stage.
    ByHandJson,
    /// A queue by hand in memory that reads and writes payloads as JSON: five stages.
    ByHandJsonPipeline,
    /// Raw sled: a claim and an end of each task.
    Raw,
    /// Raw sled: an insert, a claim and an end of each task.
    RawSubmit,
    /// Raw sled: a claim of each task, and the ends of five stages.
    RawPipeline,
    /// Raw sled: one insert after another.
    RawSingle,
    /// The status endpoint, and a bare route, asked for this many tasks.
    HttpStatus,
    /// The endpoint that accepts tasks, and direct calls.
    HttpPost,
    /// The first tasks of a backlog.
    Backlog,
    /// Nothing, for a minute.
    Idle,
    /// Tasks of one stage with payloads of 100 bytes.
    OneStage,
    /// Tasks of a hundred stages with payloads of 100 bytes.
    HundredStages,
}

/// Measures, and prints the line; `place` is the address of an empty database, for Postgres.
pub(crate) async fn run(
    what: What,
    store: StoreChoice,
    tasks: u64,
    slots: usize,
    place: Option<String>,
) -> anyhow::Result<()> {
    ensure!(tasks > 0, "found no tasks to measure");
    if let Some(place) = place {
        stores::use_database(place);
    }
    let (stages, figures) = measure(what, store, tasks, slots).await?;
    let mut line: Map<String, Value> =
        figures.into_iter().map(|(name, value)| (name, json!(value))).collect();
    line.insert("peer".into(), json!(name(what)));
    line.insert("version".into(), json!(env!("CARGO_PKG_VERSION")));
    line.insert("durability".into(), json!(durability(what, store)));
    line.insert("settings".into(), json!(settings(what, tasks, slots)));
    line.insert("stages".into(), json!(stages));
    line.insert("tasks".into(), json!(tasks));
    line.insert("slots".into(), json!(slots));
    // Each of the measurements fails where a state that it read back is not the one expected.
    line.insert("verified".into(), json!(tasks));
    line.insert("bench".into(), FIGURES.run()?);
    println!("{}", Value::Object(line));
    Ok(())
}

/// Measures; how many stages each task has, and the figures.
async fn measure(
    what: What,
    store: StoreChoice,
    tasks: u64,
    slots: usize,
) -> anyhow::Result<(usize, Vec<(String, f64)>)> {
    let by_hand = |stages, by| versus::hand_written(tasks, slots, stages, by);
    let carrying = |stages| Carrying { stages, bytes: 100, tasks, slots };
    Ok(match what {
        What::BurnDown => (1, rate(load::burn_down(store, tasks, slots, 1).await?)),
        What::Pipeline => (5, rate(load::burn_down(store, tasks, slots, 5).await?)),
        What::Latency => (1, latency::measure(store, tasks, 0, slots).await?),
        What::Submit => {
            let load = Submitting { tasks, callers: 64, batch: 100, slots };
            (1, rate(load::submit(store, load).await?.completed))
        }
        What::ByHand => (1, rate(by_hand(1, By::Pool).await?)),
        What::ByHandPipeline => (5, rate(by_hand(5, By::Pool).await?)),
        What::ByHandJson => (1, rate(by_hand(1, By::PoolWithJson).await?)),
        What::ByHandJsonPipeline => (5, rate(by_hand(5, By::PoolWithJson).await?)),
        What::Raw | What::RawSubmit | What::RawPipeline => {
            let raw = raw_work(what, tasks, slots);
            (raw.stages, rate(raw.run()?))
        }
        What::RawSingle => {
            let took = raw::one_by_one(tasks)?;
            (1, named([("acknowledged_p50_us", median(&took))]))
        }
        What::HttpStatus => {
            let connections = slots.try_into()?;
            let load = http::Load { tasks, seconds: SECONDS, turns: 1, connections };
            let http::Rates { bare, bare_served, status } = http::compare(store, load).await?;
            (1, named([("bare", bare), ("bare_served", bare_served), ("rate", status)]))
        }
        What::HttpPost => {
            let (direct, posted) = http::accept(store, SECONDS, slots.try_into()?).await?;
            (1, named([("direct", direct), ("rate", posted)]))
        }
        What::Backlog => {
            let behind = queued::behind(store, tasks, slots).await?;
            let figures =
                [("bytes_each", behind.each), ("rate", behind.rate), ("read_p99_us", behind.read)];
            (1, named(figures))
        }
        What::Idle => {
            let (percent, calls) = idle::measure(store, idle::SECONDS, slots).await?;
            (1, named([("percent", percent), ("calls", calls)]))
        }
        What::OneStage => (1, rate(sweep::pipeline(store, carrying(1)).await?)),
        What::HundredStages => (100, rate(sweep::pipeline(store, carrying(100)).await?)),
    })
}

/// How long each side of HTTP is asked.
const SECONDS: u64 = 3;

fn raw_work(what: What, tasks: u64, group: usize) -> Raw {
    let stages = if what == What::RawPipeline { 5 } else { 1 };
    let inserts = if what == What::RawSubmit { Inserts::Meanwhile } else { Inserts::Before };
    Raw { tasks, group, bytes: raw::TASK_BYTES, stages, inserts }
}

/// What was not left as it is by itself.
fn settings(what: What, tasks: u64, slots: usize) -> String {
    match what {
        What::ByHand | What::ByHandPipeline | What::ByHandJson | What::ByHandJsonPipeline => {
            format!("{slots} tokio tasks share the channel")
        }
        What::Raw | What::RawSubmit | What::RawPipeline => raw_work(what, tasks, slots).to_string(),
        What::RawSingle => raw::settings_of_one(),
        What::HttpStatus | What::HttpPost => format!("{slots} connections"),
        _ => format!("concurrency {slots}"),
    }
}

fn rate(rate: f64) -> Vec<(String, f64)> {
    named([("rate", rate)])
}

fn named<const N: usize>(figures: [(&str, f64); N]) -> Vec<(String, f64)> {
    figures.into_iter().map(|(name, value)| (String::from(name), value)).collect()
}

const fn name(what: What) -> &'static str {
    match what {
        What::ByHand | What::ByHandPipeline => "channel and map by hand",
        What::ByHandJson | What::ByHandJsonPipeline => "channel and map by hand, with JSON",
        What::Raw | What::RawPipeline | What::RawSingle => "raw sled",
        What::RawSubmit => "raw sled, submitted meanwhile",
        _ => "artos",
    }
}

const fn durability(what: What, store: StoreChoice) -> &'static str {
    match (what, store) {
        (What::ByHand | What::ByHandPipeline | What::ByHandJson | What::ByHandJsonPipeline, _)
        | (_, StoreChoice::Memory) => "none",
        (What::Raw | What::RawSubmit | What::RawPipeline | What::RawSingle, _)
        | (_, StoreChoice::Sled) => "each group of commits synced: outlives power cuts",
        (_, StoreChoice::SledProcess) => "outlives the process, not a power cut",
        (_, StoreChoice::Postgres) => "the server's: each commit synced",
    }
}
