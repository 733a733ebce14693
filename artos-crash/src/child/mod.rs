//! The child: opens the store, tells what is in it, and works on it until something breaks.

mod death;
mod load;

use std::{
    fs::File,
    io::Read as _,
    os::fd::AsFd as _,
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use artos_core::{
    Client, ListQuery, Queue, Retention, Runtime, SystemClock,
    store::{StoreResult, TaskStore},
};
use artos_oracle::{Dice, Log, RecordingStore, Refusal, What, dump, mix};
use artos_store_postgres::PostgresStore;
use artos_store_sled::{Durability, SledStore, offline};
use clap::{Args, ValueEnum};

use crate::workload;

/// What a child is told.
#[derive(Debug, Clone, Args)]
pub struct ChildOptions {
    /// The folder of the store.
    #[arg(long)]
    pub path: PathBuf,
    /// The address of the database, if the store is in one; then `path` is of no account.
    #[arg(long)]
    pub url: Option<String>,
    /// The number of its first call, where several children tell theirs to the same rig.
    #[arg(long, default_value_t = 0)]
    pub first_call: u64,
    /// Decides what is submitted.
    #[arg(long = "store-seed")]
    pub seed: u64,
    /// What to do once the store is open.
    #[arg(long, value_enum)]
    pub duty: ChildDuty,
    /// Leaves out the store's own syncs.
    #[arg(long)]
    pub no_fsync: bool,
    /// Submits large tasks only.
    #[arg(long)]
    pub large: bool,
    /// Is killed at this named point of the store.
    #[arg(long)]
    pub die_at: Option<String>,
    /// Is killed there the Nth time only.
    #[arg(long, default_value_t = 1)]
    pub die_on: u64,
}

/// What a child is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ChildDuty {
    /// Tell what the store has, and end.
    Dump,
    /// Submit and run tasks until the end of the input.
    Load,
    /// Run tasks until all are terminal.
    Heal,
    /// Write the store anew, and end.
    Compact,
    /// Run tasks that others submit, until the end of the input.
    Work,
    /// Submit tasks that others run, until the end of the input.
    Submit,
}

impl ChildDuty {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Dump => "dump",
            Self::Load => "load",
            Self::Heal => "heal",
            Self::Compact => "compact",
            Self::Work => "work",
            Self::Submit => "submit",
        }
    }
}

/// Exit code of a child that could not open the store, and said so.
pub(crate) const REFUSED: u8 = 10;
/// Exit code of a child whose store stopped, and that said so.
pub(crate) const STOPPED: u8 = 11;

/// Runs a child to its end.
///
/// # Errors
///
/// When the event log cannot be written or a runtime cannot start; nothing of that is the store's
/// doing.
pub fn run(options: &ChildOptions) -> anyhow::Result<ExitCode> {
    if let Some(name) = &options.die_at {
        death::await_at(name, options.die_on)?;
    }
    // Not through a buffer: what has been told must be out of this process.
    let out = File::from(std::io::stdout().as_fd().try_clone_to_owned()?);
    let log = Arc::new(Log::new(SystemClock, out).numbered_from(options.first_call));
    if options.duty == ChildDuty::Compact {
        return compact(options, &log);
    }
    let executor =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    executor.block_on(work(options, &log))
}

/// Writes the store anew; what is in it is told by the next child.
fn compact(options: &ChildOptions, log: &Log) -> anyhow::Result<ExitCode> {
    if let Err(error) = offline::compact(&options.path, &mut |_| {}) {
        log.tell(What::Refused(Refusal::of(&error)))?;
        return Ok(ExitCode::from(REFUSED));
    }
    Ok(ExitCode::SUCCESS)
}

type Store = Arc<RecordingStore<Arc<dyn TaskStore>>>;

async fn work(options: &ChildOptions, log: &Arc<Log>) -> anyhow::Result<ExitCode> {
    let mut dice = Dice::new(mix(options.seed, 1));
    let store = match open(options, &mut dice).await {
        Ok(store) => store,
        Err(error) => {
            log.tell(What::Refused(Refusal::of(&error)))?;
            return Ok(ExitCode::from(REFUSED));
        }
    };
    log.tell(What::Opened)?;
    let is_alone = !matches!(options.duty, ChildDuty::Work | ChildDuty::Submit);
    let alive = if is_alone { dump(&store, log).await } else { Ok(0) };
    let alive = match alive {
        Ok(alive) => alive,
        Err(error) => {
            log.tell(What::Refused(Refusal::of(&error)))?;
            return Ok(ExitCode::from(REFUSED));
        }
    };
    if options.duty == ChildDuty::Dump {
        log.tell(What::Done)?;
        return Ok(ExitCode::SUCCESS);
    }
    let store: Store = Arc::new(RecordingStore::new(store, Arc::clone(log)));
    let stop = Arc::new(AtomicBool::new(false));
    if options.duty == ChildDuty::Submit {
        let client = Client::new(store);
        tokio::select! {
            _ = load::run(&client, options, 0, &stop) => {}
            () = end_of_input() => {}
        }
        log.tell(What::Done)?;
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = start(&store, options, log, &mut dice).await?;
    let client = runtime.client();
    let has_stopped = match options.duty {
        ChildDuty::Heal => heal(&client, options, alive).await,
        ChildDuty::Work => {
            end_of_input().await;
            false
        }
        _ => tokio::select! {
            has_stopped = load::run(&client, options, alive, &stop) => has_stopped,
            () = end_of_input() => false,
        },
    };
    // A store that stopped refuses whatever is handed back, too.
    let _ = runtime.shutdown(Duration::from_millis(dice.below(100))).await;
    if has_stopped {
        return Ok(ExitCode::from(STOPPED));
    }
    log.tell(What::Done)?;
    Ok(ExitCode::SUCCESS)
}

/// How long a call to a database may take.
pub(crate) const CALL_DEADLINE: Duration = Duration::from_secs(2);

async fn open(options: &ChildOptions, dice: &mut Dice) -> StoreResult<Arc<dyn TaskStore>> {
    let cache = 1 << dice.between(20, 26);
    if let Some(url) = &options.url {
        let builder = PostgresStore::builder(url).call_deadline(CALL_DEADLINE);
        return Ok(Arc::new(builder.max_connections(6).connect().await?));
    }
    let durability = if options.no_fsync { Durability::Process } else { Durability::Power };
    let mut builder = SledStore::builder(&options.path).durability(durability).cache_bytes(cache);
    if options.die_at.is_some() {
        // No round is long enough for a snapshot otherwise.
        builder = builder.snapshot_bytes(0);
    }
    Ok(Arc::new(builder.open()?))
}

/// How long terminal tasks are kept: short, so that prunes happen, and yet much longer than a
/// round, so that a lost end is noticed.
const KEPT: Duration = Duration::from_millis(1_000);
/// Failed tasks are kept for longer than any store of a rig lives.
const FAILED_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

async fn start(
    store: &Store,
    options: &ChildOptions,
    log: &Arc<Log>,
    dice: &mut Dice,
) -> anyhow::Result<Runtime> {
    // A lease on a server has to outlast a call that has to be repeated.
    let lease =
        if options.url.is_some() { dice.between(2_500, 4_000) } else { dice.between(300, 1_200) };
    let retention = Retention { failed: FAILED_KEPT, ..Retention::all(KEPT) };
    let mut runtime = Runtime::builder(Arc::clone(store))
        .lease_duration(Duration::from_millis(lease))
        .poll_interval(Duration::from_millis(200))
        .cancel_grace(Duration::from_millis(50))
        .retention(retention)
        .prune_interval(Duration::from_millis(dice.between(50, 400)));
    for (queue, slots) in workload::QUEUES {
        runtime = runtime.queue(Queue::new(queue).concurrency(slots));
    }
    Ok(workload::register(runtime, log).start().await?)
}

/// Waits until the rig closes the pipe, or is gone.
async fn end_of_input() {
    let (sender, ended) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut rest = Vec::new();
        let _ = std::io::stdin().read_to_end(&mut rest);
        let _ = sender.send(());
    });
    let _ = ended.await;
}

/// Waits until every task is terminal; returns whether the store stopped before.
async fn heal(client: &Client, options: &ChildOptions, mut alive: u64) -> bool {
    let query = ListQuery { limit: 1, counts: true, ..ListQuery::default() };
    while alive > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let Ok(page) = client.list(&query).await else {
            // A database comes back; an embedded store does not.
            if options.url.is_some() {
                continue;
            }
            return true;
        };
        alive = page.counts.map_or(0, |counts| counts.pending + counts.running);
    }
    false
}
