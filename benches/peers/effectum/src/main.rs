//! effectum: SQLite in one process, its writes grouped by one thread.
//!
//! It asks SQLite for a `journal` where SQLite knows a `journal_mode`, so its files are in rollback
//! mode, and each commit syncs. Of its two stores here, `sqlite` is that; `sqlite-wal` is a file
//! that was put into WAL mode before effectum opened it, as it seems to have been meant.

use std::{path::PathBuf, sync::Arc};

use effectum::{Job, JobRunner, Queue, RunningJob, Worker};
use peer::{About, Noop, Peer, Result, Work};
use rusqlite::{Connection, OpenFlags};

struct Effectum {
    queue: Queue,
    path: PathBuf,
    slots: u16,
    wal: bool,
    worker: Option<Worker>,
}

async fn noop(job: RunningJob, _context: Arc<()>) -> std::result::Result<(), effectum::Error> {
    peer::run(&job.json_payload::<Noop>()?);
    Ok(())
}

fn job(task: &Noop) -> Result<Job> {
    Ok(Job::builder("noop").json_payload(task)?.build())
}

impl Peer for Effectum {
    async fn open(work: &Work) -> Result<Self> {
        let path = PathBuf::from(&work.place).join("effectum.db");
        let wal = work.store == "sqlite-wal";
        if wal {
            let mode = "PRAGMA journal_mode = wal";
            Connection::open(&path)?.query_row(mode, [], |row| row.get::<_, String>(0))?;
        }
        let queue = Queue::new(&path).await?;
        Ok(Self { queue, path, slots: work.slots.try_into()?, wal, worker: None })
    }

    fn about(&self) -> About {
        About {
            name: "effectum",
            version: peer::version(include_str!("../Cargo.lock"), "effectum"),
            durability: if self.wal {
                "WAL, synchronous=normal: outlives the process, not a power cut"
            } else {
                "rollback journal, synchronous=normal: each commit synced"
            },
            settings: format!("max_concurrency {}", self.slots),
        }
    }

    async fn submit_all(&mut self, tasks: Vec<Noop>) -> Result<()> {
        for tasks in tasks.chunks(1_000) {
            self.queue.add_jobs(tasks.iter().map(job).collect::<Result<_>>()?).await?;
        }
        Ok(())
    }

    async fn submit(&mut self, task: Noop) -> Result<()> {
        self.queue.add_job(job(&task)?).await?;
        Ok(())
    }

    async fn start(&mut self) -> Result<()> {
        let worker = Worker::builder(&self.queue, Arc::new(()))
            .jobs([JobRunner::builder("noop", noop).build()])
            .max_concurrency(self.slots)
            .build()
            .await?;
        self.worker = Some(worker);
        Ok(())
    }

    async fn ended(&mut self) -> Result<u64> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        let count = "SELECT count(*) FROM jobs WHERE status = 'succeeded'";
        Ok(connection.query_row(count, [], |row| row.get::<_, i64>(0))?.try_into()?)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    peer::main::<Effectum>().await
}
