//! The whole runtime beside pgbench, and beside itself with a network in between.

use std::{net::SocketAddr, time::Duration};

use artos_core::{Client, TaskHandle};
use artos_test_postgres::{Durability, Proxy, Server};

use super::{bare, connect, database, psql, server};
use crate::{
    load::{self, submit_batches},
    report::{Stopwatch, median},
};

/// Runs both in turns, and prints medians and ratios.
pub(super) async fn run(
    durability: Durability,
    tasks: u64,
    turns: usize,
    slots: usize,
) -> anyhow::Result<()> {
    let server = Server::start(durability)?;
    let (mut works, mut runs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let (mut bares, mut inserts, mut insert_ratios) = (Vec::new(), Vec::new(), Vec::new());
    let (mut wholes, mut fives) = (Vec::new(), Vec::new());
    for turn in 0..turns {
        let bare = database(&server, &format!("bare{turn}"))?;
        let work = bare::work(&server, &bare, tasks)?;
        println!("bare SQL, claim and end: {work:.0}/s");
        let url = database(&server, &format!("artos{turn}"))?;
        let run = burn_down(&server, &url, tasks, slots, 1).await?;
        ratios.push(run / work);
        works.push(work);
        runs.push(run);

        let bare = bare::insert(&server, &bare, tasks)?;
        println!("bare SQL, insert: {bare:.0}/s");
        let url = database(&server, &format!("whole{turn}"))?;
        let (acknowledged, completed) = whole(&url, tasks, slots).await?;
        wholes.push(completed);
        let url = database(&server, &format!("insert{turn}"))?;
        let insert = insert(&url, tasks).await?;
        insert_ratios.push(insert / bare);
        bares.push(bare);
        inserts.push(insert);
        let url = database(&server, &format!("five{turn}"))?;
        fives.push(burn_down(&server, &url, tasks / 5, slots, 5).await?);
        println!("while working: {acknowledged:.0} acknowledged/s");
    }
    let disk = match durability {
        Durability::Power => "every commit synced to the disk",
        Durability::None => "no commit synced to the disk",
    };
    println!("medians of {turns}, {slots} slots, {disk}:");
    println!("  bare SQL, claim 200 and end 200:  {:.0}/s", median(&works));
    println!("  whole runtime, one stage:         {:.0}/s", median(&runs));
    println!("  ratio of the two:                 {:.2}", median(&ratios));
    println!("  whole runtime, five stages:       {:.0}/s", median(&fives));
    println!("  submitted and run at a time:      {:.0}/s", median(&wholes));
    println!("  bare SQL, insert 200:             {:.0}/s", median(&bares));
    println!("  submitted, 64 callers of 100:     {:.0}/s", median(&inserts));
    println!("  ratio of the two:                 {:.2}", median(&insert_ratios));
    Ok(())
}

/// Runs tasks beside the server, and then through a network that takes its time.
pub(super) async fn delay(micros: u64, tasks: u64, slots: usize) -> anyhow::Result<()> {
    let server = server()?;
    let near = database(&server, "near")?;
    let near = burn_down(&server, &near, tasks, slots, 1).await?;
    let proxy = Proxy::start(SocketAddr::from(([127, 0, 0, 1], server.port()))).await?;
    proxy.set(|weather| weather.delay = Duration::from_micros(micros));
    let far = proxy.url(&database(&server, "far")?);
    let far = burn_down(&server, &far, tasks, slots, 1).await?;
    println!(
        "with {micros} us in each direction: {far:.0}/s, {:.2} of {near:.0}/s beside the server",
        far / near
    );
    Ok(())
}

/// Runs tasks that wait already; how many each second.
async fn burn_down(
    server: &Server,
    url: &str,
    tasks: u64,
    slots: usize,
    stages: usize,
) -> anyhow::Result<f64> {
    let store = connect(url).await?;
    let client = Client::new(store.clone());
    let handles = submit_batches(&client, 0..tasks, 1_000).await?;
    psql(server, &server.url(), "CHECKPOINT")?;
    let watch = Stopwatch::start()?;
    let runtime = load::runtime(store, slots, stages).start().await?;
    if let Some(last) = handles.last() {
        last.wait().await?;
    }
    load::all_completed(&client, tasks).await?;
    let rate = watch.rate(&format!("Postgres, {stages} stages, {slots} slots"), tasks)?;
    runtime.shutdown(Duration::from_secs(5)).await?;
    Ok(rate)
}

/// Submits and runs tasks at the same time; how many were acknowledged, and completed, each second.
async fn whole(url: &str, tasks: u64, slots: usize) -> anyhow::Result<(f64, f64)> {
    let runtime = load::runtime(connect(url).await?, slots, 1).start().await?;
    let client = runtime.client();
    let watch = Stopwatch::start()?;
    let (submitted, last) = submit_side_by_side(&client, tasks).await?;
    let acknowledged = watch.rate("Postgres, submitted while others run", submitted)?;
    // Counting them over and over would keep the server from what is measured.
    for last in last {
        last.wait().await?;
    }
    load::all_completed(&client, submitted).await?;
    let completed = watch.rate("Postgres, submitted and run", submitted)?;
    runtime.shutdown(Duration::from_secs(5)).await?;
    Ok((acknowledged, completed))
}

/// Submits tasks, and runs none; how many each second.
async fn insert(url: &str, tasks: u64) -> anyhow::Result<f64> {
    let client = Client::new(connect(url).await?);
    let watch = Stopwatch::start()?;
    let (submitted, _) = submit_side_by_side(&client, tasks).await?;
    watch.rate("Postgres, submitted", submitted)
}

/// Submits tasks; how many, and the last of each caller.
async fn submit_side_by_side(
    client: &Client,
    tasks: u64,
) -> anyhow::Result<(u64, Vec<TaskHandle<load::Noop>>)> {
    let share = tasks / 64;
    let callers = (0..64).map(|caller| {
        let numbers = caller * share..(caller + 1) * share;
        submit_batches(client, numbers, 100)
    });
    let handles = futures::future::try_join_all(callers).await?;
    let last = handles.into_iter().filter_map(|handles| handles.into_iter().last());
    Ok((share * 64, last.collect()))
}
