//! Load programs: what a user gets with the defaults, measured, with end states read back.

mod arguments;
mod ceiling;
mod counting;
mod flood;
mod http;
mod idle;
mod latency;
mod load;
mod one;
mod plot;
mod postgres;
mod queued;
mod record;
mod report;
mod scale;
mod stores;
mod sweep;
mod versus;
mod waiters;

use std::path::Path;

use clap::Parser as _;

use crate::{
    arguments::{Arguments, Command},
    ceiling::sled::{Inserts, Raw},
    report::FIGURES,
    stores::StoreChoice,
};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let store = arguments.store().unwrap_or_else(|error| error.exit());
    let Arguments { json, svg, command, .. } = arguments;
    run(store, command, svg.as_deref()).await?;
    if let Some(path) = json {
        FIGURES.write(&path)?;
    }
    Ok(())
}

async fn run(store: StoreChoice, command: Command, svg: Option<&Path>) -> anyhow::Result<()> {
    match command {
        Command::BurnDown { tasks, slots, stages, ceiling: true } => {
            versus::ceiling(store, tasks, slots, stages).await.map(|_| ())
        }
        Command::BurnDown { tasks, slots, stages, ceiling: false } => {
            load::burn_down(store, tasks, slots, stages).await.map(|_| ())
        }
        Command::VersusMemory { tasks, turns, slots, stages } => {
            versus::memory(tasks, turns, slots, stages).await
        }
        Command::Latency { tasks, load, slots } => {
            latency::measure(store, tasks, load, slots).await.map(|_| ())
        }
        Command::Pipeline(asked) => sweep::pipelines(store, asked, svg).await,
        Command::Queued { sizes } => queued::backlog(store, &sizes, svg).await,
        Command::Scale { runtimes, tasks } => sweep::scale(store, runtimes, tasks, svg).await,
        Command::Submit { tasks, callers, batch, slots } => {
            let load = load::Submitting { tasks, callers, batch, slots };
            load::submit(store, load).await.map(|_| ())
        }
        Command::VersusSled { tasks, turns, slots } => versus::sled(tasks, turns, slots).await,
        Command::Record(options) => record::run(options).await,
        Command::One { what, tasks, slots, place } => {
            one::run(what, store, tasks, slots, place).await
        }
        Command::Idle { seconds } => idle::measure(store, seconds, load::SLOTS).await.map(|_| ()),
        Command::Backlog { tasks } => scale::fill_and_open(tasks, false),
        Command::Finished { tasks } => scale::fill_and_open(tasks, true),
        Command::Steady { seconds, keep, rate } => {
            scale::steady(store, load::Steady { seconds, rate, look_every: 10 }, keep).await
        }
        Command::Fill { path, tasks, ended } => scale::fill(&path, tasks, ended).await,
        Command::Reopen { path, run } => scale::open(&path, run).await,
        Command::Ceiling { tasks, group, bytes, stages, submit } => {
            let inserts = if submit { Inserts::Meanwhile } else { Inserts::Before };
            Raw { tasks, group, bytes, stages, inserts }.run().map(|_| ())
        }
        Command::Http { tasks, seconds, turns, connections } => {
            let load = http::Load { tasks, seconds, turns, connections };
            http::compare(store, load).await.map(|_| ())
        }
        Command::Postgres(command) => postgres::run(command, svg).await,
        Command::Waiters { polls, streams, http2 } => waiters::measure(polls, streams, http2).await,
        Command::Flood { rate, seconds, turns } => flood::measure(rate, seconds, turns).await,
        Command::FloodRead { address, id, seconds } => {
            flood::read_steadily(address, &id, seconds).await
        }
        Command::FloodSend { address, rate } => flood::send_endlessly(address, rate).await,
        Command::Ask { address, http2 } => waiters::ask(address, http2).await,
    }
}
