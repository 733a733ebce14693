//! The status endpoint beside a bare axum route, both in this process, both asked by wrk.

use std::net::SocketAddr;

use anyhow::{Context as _, bail, ensure};
use artos_http::{Auth, Drain, Resource};
use axum::{Json, Router, routing::get};
use serde_json::json;
use tokio::{net::TcpListener, process::Command};

use crate::load::{Noop, finished_task};

/// Runs wrk against both routes in turns and prints each turn and the medians' ratio.
pub(crate) async fn compare(seconds: u64, turns: u32, connections: u32) -> anyhow::Result<()> {
    let (client, id) = finished_task().await?;
    let status = artos_http::router(client, Auth::tokens([("org", TOKEN)]))
        .drain(Drain::new())
        .resource(Resource::<Noop>::new("/api/v1/documents"))
        .build()?;
    // As many bytes as the status has, so that both routes write equally much.
    let body = json!({
        "task_id": id.to_string(), "status": "Complete", "progress": null, "error": null,
        "document_id": id.to_string(), "state": "completed",
        "created_at": "2026-11-23T12:00:00.000000Z", "updated_at": "2026-11-23T12:00:00.000000Z",
    });
    let bare = Router::new().route("/bare", get(move || async move { Json(body) }));
    let status = serve(status).await?;
    let bare = serve(bare).await?;
    let status_url = format!("http://{status}/api/v1/documents/status/{id}");
    let bare_url = format!("http://{bare}/bare");

    let (mut of_status, mut of_bare) = (Vec::new(), Vec::new());
    for turn in 1..=turns {
        let bare = wrk(&bare_url, seconds, connections).await?;
        let status = wrk(&status_url, seconds, connections).await?;
        println!("turn {turn}: bare axum route {bare:.0}/s, status of a task {status:.0}/s");
        of_bare.push(bare);
        of_status.push(status);
    }
    let (bare, status) = (median(of_bare)?, median(of_status)?);
    println!(
        "http, {connections} connections, memory store, server and wrk on the same machine: \
         status {status:.0}/s is {:.2} of a bare axum JSON route with {bare:.0}/s",
        status / bare
    );
    Ok(())
}

const TOKEN: &str = "a-token-of-the-usual-length-0123456789";

#[expect(clippy::disallowed_methods, reason = "a benchmark's server runs until the process ends")]
async fn serve(app: Router) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(address)
}

/// Runs wrk once; requests per second. A run with a failed or refused request counts for nothing.
async fn wrk(url: &str, seconds: u64, connections: u32) -> anyhow::Result<f64> {
    let output = Command::new("wrk")
        .args(["-t", "1", "-c", &connections.to_string(), "-d", &format!("{seconds}s")])
        .args(["-H", &format!("Authorization: Bearer {TOKEN}"), url])
        .output()
        .await
        .context("cannot run wrk; on Debian: apt-get install wrk")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "wrk failed: {text}");
    if text.contains("Non-2xx") || text.contains("Socket errors") {
        bail!("some requests failed:\n{text}");
    }
    let line = text.lines().find(|line| line.starts_with("Requests/sec:"));
    let rate = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    rate.with_context(|| format!("wrk printed no rate:\n{text}"))
}

fn median(mut rates: Vec<f64>) -> anyhow::Result<f64> {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().context("no turns were asked for")
}
