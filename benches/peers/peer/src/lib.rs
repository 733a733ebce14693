//! What every peer does: the same tasks, run the same ways, and reported as the same line of JSON.
//!
//! A peer is a [`Peer`]; [`main`] runs what the command line asks for:
//!
//! ```text
//! peer-NAME burn-down|pipeline|latency STORE TASKS SLOTS PLACE
//! ```
//!
//! `STORE` is one of those the peer has, `PLACE` an empty folder or the address of an empty
//! database. A burn-down runs one stage, a pipeline five. What counts is what the peer's own store
//! says about each task's end, unless its durability says otherwise.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::{Notify, mpsc};

pub type Error = Box<dyn std::error::Error + Send + Sync>;
pub type Result<T> = std::result::Result<T, Error>;

/// A task as large as those of `artos-bench`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Noop {
    pub number: u64,
    pub customer: String,
    pub document: String,
}

impl Noop {
    #[must_use]
    pub fn new(number: u64) -> Self {
        Self {
            number,
            customer: String::from("org-7f3a"),
            document: String::from("org-7f3a/documents/protocol.pdf"),
        }
    }
}

/// What the command line asks for.
#[derive(Debug, Clone)]
pub struct Work {
    pub what: String,
    pub store: String,
    pub tasks: u64,
    pub slots: usize,
    pub place: String,
}

impl Work {
    fn from_arguments() -> Result<Self> {
        let arguments: Vec<_> = std::env::args().skip(1).collect();
        let [what, store, tasks, slots, place] = <[String; 5]>::try_from(arguments)
            .map_err(|_| "expected WHAT STORE TASKS SLOTS PLACE")?;
        Ok(Self { what, store, tasks: tasks.parse()?, slots: slots.parse()?, place })
    }

    /// How many stages each task has.
    #[must_use]
    pub fn stages(&self) -> usize {
        if self.what == "pipeline" { 5 } else { 1 }
    }
}

/// What a peer says about itself.
#[derive(Debug, Clone)]
pub struct About {
    pub name: &'static str,
    /// As its lock file says.
    pub version: String,
    /// What outlives what, with the settings that this run had.
    pub durability: &'static str,
    /// How it was set up beyond its defaults.
    pub settings: String,
}

/// Finds the version of a crate in the text of a lock file.
#[must_use]
pub fn version(lock: &str, name: &str) -> String {
    let (_, rest) =
        lock.split_once(&format!("name = \"{name}\"\nversion = \"")).unwrap_or_default();
    rest.split('"').next().unwrap_or_default().into()
}

/// A job runtime that is measured.
pub trait Peer: Sized + Send + 'static {
    /// Whether a task may have five stages here.
    const PIPELINES: bool = false;

    /// Opens an empty store.
    #[allow(async_fn_in_trait, reason = "one program uses it, from one place")]
    async fn open(work: &Work) -> Result<Self>;
    fn about(&self) -> About;
    /// Queues tasks in the largest steps that the peer has.
    fn submit_all(&mut self, tasks: Vec<Noop>) -> impl Future<Output = Result<()>> + Send;
    /// Queues one task and returns when it was acknowledged.
    fn submit(&mut self, task: Noop) -> impl Future<Output = Result<()>> + Send;
    /// Starts to work.
    fn start(&mut self) -> impl Future<Output = Result<()>> + Send;
    /// How many tasks ended well, by the store's own account.
    fn ended(&mut self) -> impl Future<Output = Result<u64>> + Send;
}

/// Counts the tasks whose last stage ran.
static RAN: AtomicU64 = AtomicU64::new(0);
static RAN_ALL: Notify = Notify::const_new();
static EXPECTED: AtomicU64 = AtomicU64::new(u64::MAX);
static STARTS: Mutex<Option<mpsc::UnboundedSender<Instant>>> = Mutex::new(None);

/// To be called by the handler of a task's only stage, when it starts.
pub fn run(task: &Noop) {
    std::hint::black_box(task);
    if RAN.fetch_add(1, Ordering::AcqRel) + 1 == EXPECTED.load(Ordering::Acquire) {
        RAN_ALL.notify_one();
    }
    // A burn-down asks for no times, and pays nothing for them.
    if EXPECTED.load(Ordering::Relaxed) == u64::MAX {
        let starts = STARTS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(starts) = starts.as_ref() {
            let _ = starts.send(Instant::now());
        }
    }
}

/// How many handlers ran; for a peer that keeps no end states.
#[must_use]
pub fn ran() -> u64 {
    RAN.load(Ordering::Acquire)
}

/// Does what the command line asks for, and prints a line of JSON.
pub async fn main<P: Peer>() -> Result<()> {
    let work = Work::from_arguments()?;
    if work.stages() > 1 && !P::PIPELINES {
        return Err("this peer has no pipelines here".into());
    }
    let peer = P::open(&work).await?;
    let line = match work.what.as_str() {
        "burn-down" | "pipeline" => burn_down(peer, &work).await?,
        // Whoever submits is a task of tokio, as handlers of a service are, and as in artos-bench.
        "latency" => tokio::spawn(async move { latency(peer, &work).await }).await??,
        other => return Err(format!("{other} is neither burn-down, pipeline nor latency").into()),
    };
    println!("{line}");
    // Peers end in many ways; what was asked for is done.
    std::process::exit(0);
}

async fn burn_down<P: Peer>(mut peer: P, work: &Work) -> Result<serde_json::Value> {
    EXPECTED.store(work.tasks, Ordering::Release);
    peer.submit_all((0..work.tasks).map(Noop::new).collect()).await?;
    let started = Instant::now();
    peer.start().await?;
    // The store is asked only when its answer can be the last: asking is work, too.
    while tokio::time::timeout(Duration::from_secs(60), RAN_ALL.notified()).await.is_err() {
        if started.elapsed() > Duration::from_secs(240) || ran() == 0 {
            return Err(format!("{} of {} tasks ran", ran(), work.tasks).into());
        }
    }
    let verified = all_ended(&mut peer, work.tasks).await?;
    let seconds = started.elapsed().as_secs_f64();
    let mut line = line(&peer, work, verified);
    line["seconds"] = json!(seconds);
    line["rate"] = json!(work.tasks as f64 / seconds);
    Ok(line)
}

/// Asks the store until every task has ended.
async fn all_ended<P: Peer>(peer: &mut P, tasks: u64) -> Result<u64> {
    let begun = Instant::now();
    loop {
        let ended = peer.ended().await?;
        if ended >= tasks {
            return Ok(ended);
        }
        if begun.elapsed() > Duration::from_secs(60) {
            return Err(format!("{ended} of {tasks} tasks ended, by the store's account").into());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Submits one task after another to a runtime with nothing else to do.
async fn latency<P: Peer>(mut peer: P, work: &Work) -> Result<serde_json::Value> {
    let (tell, mut told) = mpsc::unbounded_channel();
    *STARTS.lock().unwrap_or_else(PoisonError::into_inner) = Some(tell);
    peer.start().await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut waits = Vec::new();
    for number in 0..work.tasks {
        // A moment of rest since the last start, not in step with anything; artos-bench's is as
        // long.
        tokio::time::sleep(Duration::from_millis(5 + number * 7 % 11)).await;
        let asked = Instant::now();
        peer.submit(Noop::new(number)).await?;
        let at = tokio::time::timeout(Duration::from_secs(30), told.recv());
        let at = at.await?.ok_or("the peer is gone")?;
        waits.push(at.saturating_duration_since(asked).as_secs_f64() * 1e6);
    }
    let verified = all_ended(&mut peer, work.tasks).await?;
    let mut line = line(&peer, work, verified);
    line["p50_us"] = json!(percentile(&mut waits, 500));
    if waits.len() >= SAMPLES_FOR_P99 {
        line["p99_us"] = json!(percentile(&mut waits, 990));
    }
    line["max_us"] = json!(percentile(&mut waits, 1_000));
    Ok(line)
}

/// The fewest samples of which a 99th percentile is told: two of them took longer.
const SAMPLES_FOR_P99: usize = 200;

/// The least of the values that so many of a thousand are no larger than, as in `artos-bench`.
fn percentile(values: &mut [f64], permille: usize) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let rank = (values.len() * permille).div_ceil(1_000).max(1);
    values.get(rank - 1).copied()
}

fn line<P: Peer>(peer: &P, work: &Work, verified: u64) -> serde_json::Value {
    let about = peer.about();
    json!({
        "peer": about.name,
        "version": about.version,
        "durability": about.durability,
        "settings": about.settings,
        "what": work.what,
        "store": work.store,
        "stages": work.stages(),
        "tasks": work.tasks,
        "slots": work.slots,
        "verified": verified,
    })
}
