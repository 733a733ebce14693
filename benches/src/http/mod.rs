//! The status endpoint beside a bare axum route, and the endpoint that accepts tasks beside direct
//! calls, all in this process, asked by clients of its own.
//!
//! artos is served by its own server, as its documentation says, and the bare route by axum's; and
//! by artos's as well, so that one sees which part is the server's.

mod asking;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use artos_core::{Client, Submission, TaskRecord};
use artos_http::{Auth, Drain, Resource};
use axum::{Json, Router, routing::get};
use serde::Serialize;
use tokio::{net::TcpListener, task::JoinSet};

use self::asking::{Asking, Wanted};
use crate::{
    load::{self, Noop},
    report::{FIGURES, median},
    stores::{AnyStore, Opened, StoreChoice},
};

/// How much is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// The tasks that are asked for, one after the other.
    pub(crate) tasks: u64,
    pub(crate) seconds: u64,
    pub(crate) turns: u32,
    pub(crate) connections: u32,
}

/// Answers per second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rates {
    /// Of the bare route.
    pub(crate) bare: f64,
    /// Of the bare route, served by artos's server.
    pub(crate) bare_served: f64,
    /// Of the status endpoint.
    pub(crate) status: f64,
}

/// Asks the routes in turns, and prints each turn, the medians and their proportion.
pub(crate) async fn compare(choice: StoreChoice, load: Load) -> anyhow::Result<Rates> {
    let Load { tasks, seconds, turns, connections } = load;
    let Opened { store, place: _place } = choice.open().await?;
    let (client, records) = finished_tasks(store, tasks).await?;
    let bare = Bare::like(records.first().context("no tasks to ask for")?);
    // Both routes write equally much, and are asked the same.
    let body_bytes = Some(serde_json::to_string(&bare)?.len());
    let paths = records.iter().map(|record| format!("{BASE}/status/{}", record.id));
    let requests = paths.map(|path| request("GET", &path, "")).collect();
    let wanted = Wanted { status: "200", body_bytes };
    let asking = Asking { requests, wanted, seconds, connections };
    let bare = bare_app(bare);
    let routes = [
        ("a bare axum route", serve_by_axum(bare.clone()).await?),
        ("a bare axum route, served by artos", serve(bare, Drain::new()).await?),
        ("the status of tasks", serve_tasks(client).await?),
    ];
    let mut rates = routes.map(|_| Vec::new());
    for turn in 1..=turns {
        for ((route, address), rates) in routes.iter().zip(&mut rates) {
            let rate = asking.clone().run(*address).await;
            let rate = rate.with_context(|| format!("asking {route}"))?;
            println!("turn {turn}: {route}, {rate:.0}/s");
            rates.push(rate);
        }
    }
    let [bare, bare_served, status] = rates.map(|rates| median(&rates));
    let what = format!("http, {connections} connections, {choice}, clients on the same machine");
    for ((route, _), rate) in routes.iter().zip([bare, bare_served, status]) {
        FIGURES.note(&format!("{what}: {route}"), rate, "answers/s");
    }
    FIGURES.note(&format!("{what}: proportion of status and bare route"), status / bare, "");
    Ok(Rates { bare, bare_served, status })
}

/// Submits one task at a time from so many callers, directly and then through HTTP, each to an
/// empty store; accepted tasks per second, the direct ones first.
pub(crate) async fn accept(
    choice: StoreChoice,
    seconds: u64,
    connections: u32,
) -> anyhow::Result<(f64, f64)> {
    let direct = {
        let Opened { store, place: _place } = choice.open().await?;
        submit_directly(Client::new(store), seconds, connections).await?
    };
    let Opened { store, place: _place } = choice.open().await?;
    let address = serve_tasks(Client::new(store)).await?;
    let body = serde_json::to_string(&Noop::new(1))?;
    let requests = [request("POST", &format!("{BASE}/generate"), &body)].into();
    let wanted = Wanted { status: "202", body_bytes: None };
    let posted = Asking { requests, wanted, seconds, connections }.run(address).await?;
    let what = format!("{connections} callers, one task at a time, {choice}");
    FIGURES.note(&format!("{what}: submitted directly"), direct, "tasks/s");
    FIGURES.note(&format!("{what}: submitted through HTTP"), posted, "tasks/s");
    FIGURES.note(&format!("{what}: proportion"), posted / direct, "");
    Ok((direct, posted))
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
async fn submit_directly(client: Client, seconds: u64, callers: u32) -> anyhow::Result<f64> {
    let started = Instant::now();
    let until = started + Duration::from_secs(seconds);
    let mut calling = JoinSet::new();
    for _ in 0..callers {
        let client = client.clone();
        calling.spawn(async move {
            let mut accepted = 0;
            while Instant::now() < until {
                client.submit(Noop::new(accepted)).tenant(ORGANIZATION).await?;
                accepted += 1;
            }
            anyhow::Ok(accepted)
        });
    }
    let mut accepted = 0;
    while let Some(called) = calling.join_next().await {
        accepted += called??;
    }
    Ok(accepted as f64 / started.elapsed().as_secs_f64())
}

const BASE: &str = "/api/v1/documents";
const TOKEN: &str = "a-token-of-the-usual-length-0123456789";
const ORGANIZATION: &str = "org";

/// How long a time is that is told to the microsecond. One that ends with zeros is told without.
const TIME_LENGTH: usize = "2026-11-23T12:00:00.123456Z".len();

/// Runs tasks to their end, and returns so many of them of which the status is equally long.
async fn finished_tasks(store: AnyStore, count: u64) -> anyhow::Result<(Client, Vec<TaskRecord>)> {
    let runtime = load::runtime(store.clone(), load::SLOTS, 1).start().await?;
    let client = runtime.client();
    let mut records = Vec::new();
    while (records.len() as u64) < count {
        let numbers = records.len() as u64..count;
        let tasks = numbers.map(|number| Submission::new(Noop::new(number)).tenant(ORGANIZATION));
        for task in client.submit_many(tasks).await? {
            task.wait().await?;
            let record = task.record().await?;
            let times = [record.created_at, record.updated_at];
            if times.iter().all(|time| time.to_string().len() == TIME_LENGTH) {
                records.push(record);
            }
        }
    }
    runtime.shutdown(Duration::from_secs(5)).await?;
    Ok((Client::new(store), records))
}

/// What the status endpoint says of a finished task.
#[derive(Debug, Serialize)]
struct Bare {
    task_id: String,
    status: &'static str,
    progress: Option<()>,
    error: Option<()>,
    document_id: String,
    state: &'static str,
    retry_of: Option<()>,
    created_at: String,
    updated_at: String,
}

impl Bare {
    fn like(record: &TaskRecord) -> Self {
        Self {
            task_id: record.id.to_string(),
            status: "Complete",
            progress: None,
            error: None,
            document_id: record.id.to_string(),
            state: "completed",
            retry_of: None,
            created_at: record.created_at.to_string(),
            updated_at: record.updated_at.to_string(),
        }
    }
}

fn request(method: &str, path: &str, body: &str) -> Vec<u8> {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn bare_app(body: Bare) -> Router {
    // Nothing is copied for an answer but what is written.
    let body: &'static Bare = Box::leak(Box::new(body));
    let answer = get(move || async move { Json(body) });
    Router::new().route(&format!("{BASE}/status/{{task_id}}"), answer)
}

async fn serve_tasks(client: Client) -> anyhow::Result<SocketAddr> {
    let drain = Drain::new();
    let app = artos_http::router(client, Auth::tokens([(ORGANIZATION, TOKEN)]))
        .drain(drain.clone())
        .resource(Resource::<Noop>::new(BASE))
        .build()?;
    serve(app, drain).await
}

#[expect(clippy::disallowed_methods, reason = "a benchmark's server runs until the process ends")]
async fn serve(app: Router, drain: Drain) -> anyhow::Result<SocketAddr> {
    let (listener, address) = listener().await?;
    let never = std::future::pending();
    tokio::spawn(artos_http::serve(listener, app, drain, never, Duration::from_secs(1)));
    Ok(address)
}

#[expect(clippy::disallowed_methods, reason = "a benchmark's server runs until the process ends")]
async fn serve_by_axum(app: Router) -> anyhow::Result<SocketAddr> {
    let (listener, address) = listener().await?;
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(address)
}

async fn listener() -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}
