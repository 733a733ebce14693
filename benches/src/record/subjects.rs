//! What is measured: who, which work, how much of it, and in which table it is found.

/// Who does the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// This program.
    Ours,
    /// A program of `benches/peers`.
    Peer(&'static str),
    /// The statements that pgbench runs.
    BareSql,
    Celery,
}

/// Where its figures are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Memory,
    File,
    Server,
    FiveStages,
    Latency,
    /// In none: a bar needs it.
    Bars,
}

#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub(super) id: &'static str,
    pub(super) table: Table,
    pub(super) who: Who,
    pub(super) what: &'static str,
    pub(super) store: &'static str,
    pub(super) tasks: u64,
    pub(super) slots: usize,
}

impl Subject {
    /// Says whether it is the same work written by hand, with as little as it takes.
    pub(super) fn is_by_hand(&self) -> bool {
        self.who == Who::BareSql || self.what.starts_with("by-hand") || self.what.starts_with("raw")
    }

    /// Does with a part of the tasks.
    pub(super) fn scaled(mut self, part: f64) -> Self {
        if self.what != "idle" {
            self.tasks = ((self.tasks as f64 * part) as u64).max(20);
            // Batches and callers share them out.
            if self.tasks > 1_000 {
                self.tasks -= self.tasks % 400;
            }
        }
        self
    }
}

/// Everybody does as many tasks as take them some seconds.
pub(super) fn all() -> Vec<Subject> {
    let subject = |(id, table, who, what, store, tasks, slots)| Subject {
        id,
        table,
        who,
        what,
        store,
        tasks,
        slots,
    };
    [MEMORY, FILE, SERVER, FIVE_STAGES, LATENCY, BARS].concat().into_iter().map(subject).collect()
}

type Row = (&'static str, Table, Who, &'static str, &'static str, u64, usize);

use Table::{Bars, File, FiveStages, Latency, Memory, Server};
use Who::{BareSql, Celery, Ours, Peer};

const MEMORY: &[Row] = &[
    ("memory", Memory, Ours, "burn-down", "memory", 300_000, 256),
    ("memory by hand", Memory, Ours, "by-hand", "memory", 300_000, 256),
    ("memory by hand, JSON", Memory, Ours, "by-hand-json", "memory", 300_000, 256),
    ("apalis memory", Memory, Peer("apalis"), "burn-down", "memory", 300_000, 256),
    (
        "apalis memory, one task",
        Memory,
        Peer("apalis"),
        "burn-down",
        "memory-one-task",
        300_000,
        256,
    ),
];

const FILE: &[Row] = &[
    ("sled", File, Ours, "burn-down", "sled", 200_000, 256),
    ("sled, submitted meanwhile", File, Ours, "submit", "sled", 200_000, 1_024),
    ("sled raw", File, Ours, "raw", "sled", 200_000, 256),
    ("sled raw, submitted meanwhile", File, Ours, "raw-submit", "sled", 200_000, 1_024),
    ("effectum", File, Peer("effectum"), "burn-down", "sqlite", 10_000, 256),
    ("effectum in WAL", File, Peer("effectum"), "burn-down", "sqlite-wal", 50_000, 256),
    ("riverqueue sqlite", File, Peer("riverqueue"), "burn-down", "sqlite", 20_000, 1_000),
    ("apalis sqlite", File, Peer("apalis"), "burn-down", "sqlite", 4_000, 256),
    ("duroxide", File, Peer("duroxide"), "burn-down", "sqlite", 400, 2),
];

const SERVER: &[Row] = &[
    ("postgres", Server, Ours, "burn-down", "postgres", 100_000, 1_024),
    ("postgres bare", Server, BareSql, "burn-down", "postgres", 100_000, 2),
    ("awa", Server, Peer("awa"), "burn-down", "postgres", 40_000, 512),
    ("graphile_worker", Server, Peer("graphile_worker"), "burn-down", "postgres", 40_000, 100),
    ("riverqueue postgres", Server, Peer("riverqueue"), "burn-down", "postgres", 40_000, 1_000),
    ("apalis postgres", Server, Peer("apalis"), "burn-down", "postgres", 10_000, 256),
    ("underway", Server, Peer("underway"), "burn-down", "postgres", 2_000, 4),
    ("celery everysec", Server, Celery, "burn-down", "redis-everysec", 8_000, 2),
    ("celery always", Server, Celery, "burn-down", "redis-always", 6_000, 2),
];

const FIVE_STAGES: &[Row] = &[
    ("memory, five stages", FiveStages, Ours, "pipeline", "memory", 60_000, 256),
    ("memory by hand, five stages", FiveStages, Ours, "by-hand-pipeline", "memory", 60_000, 256),
    (
        "memory by hand, JSON, five stages",
        FiveStages,
        Ours,
        "by-hand-json-pipeline",
        "memory",
        60_000,
        256,
    ),
    ("apalis memory, five stages", FiveStages, Peer("apalis"), "pipeline", "memory", 60_000, 256),
    ("sled, five stages", FiveStages, Ours, "pipeline", "sled", 40_000, 1_024),
    ("sled raw, five stages", FiveStages, Ours, "raw-pipeline", "sled", 40_000, 1_024),
    (
        "riverqueue sqlite, five stages",
        FiveStages,
        Peer("riverqueue"),
        "pipeline",
        "sqlite",
        5_000,
        1_000,
    ),
    ("apalis sqlite, five stages", FiveStages, Peer("apalis"), "pipeline", "sqlite", 400, 256),
    ("duroxide, five stages", FiveStages, Peer("duroxide"), "pipeline", "sqlite", 200, 2),
    ("postgres, five stages", FiveStages, Ours, "pipeline", "postgres", 20_000, 1_024),
    (
        "riverqueue postgres, five stages",
        FiveStages,
        Peer("riverqueue"),
        "pipeline",
        "postgres",
        10_000,
        1_000,
    ),
    (
        "apalis postgres, five stages",
        FiveStages,
        Peer("apalis"),
        "pipeline",
        "postgres",
        2_000,
        256,
    ),
    ("underway, five stages", FiveStages, Peer("underway"), "pipeline", "postgres", 400, 4),
    ("celery, five stages", FiveStages, Celery, "pipeline", "redis-everysec", 1_500, 2),
];

/// Everybody gives as many samples.
const LATENCY: &[Row] = &[
    ("memory, latency", Latency, Ours, "latency", "memory", 500, 256),
    ("sled, latency", Latency, Ours, "latency", "sled", 500, 256),
    ("effectum, latency", Latency, Peer("effectum"), "latency", "sqlite", 500, 256),
    ("effectum in WAL, latency", Latency, Peer("effectum"), "latency", "sqlite-wal", 500, 256),
    ("riverqueue sqlite, latency", Latency, Peer("riverqueue"), "latency", "sqlite", 500, 256),
    ("apalis sqlite, latency", Latency, Peer("apalis"), "latency", "sqlite", 500, 256),
    ("duroxide, latency", Latency, Peer("duroxide"), "latency", "sqlite", 500, 2),
    ("postgres, latency", Latency, Ours, "latency", "postgres", 500, 256),
    ("awa, latency", Latency, Peer("awa"), "latency", "postgres", 500, 256),
    ("graphile_worker, latency", Latency, Peer("graphile_worker"), "latency", "postgres", 500, 256),
    ("riverqueue postgres, latency", Latency, Peer("riverqueue"), "latency", "postgres", 500, 256),
    ("apalis postgres, latency", Latency, Peer("apalis"), "latency", "postgres", 500, 256),
    ("underway, latency", Latency, Peer("underway"), "latency", "postgres", 500, 4),
    ("celery, latency", Latency, Celery, "latency", "redis-everysec", 500, 2),
];

const BARS: &[Row] = &[
    ("sled raw, one by one", Bars, Ours, "raw-single", "sled", 500, 1),
    ("memory, http status", Bars, Ours, "http-status", "memory", 1_000, 64),
    ("sled, http status", Bars, Ours, "http-status", "sled", 1_000, 64),
    ("sled, http post", Bars, Ours, "http-post", "sled", 1_000, 64),
    ("memory, backlog of 10 thousand", Bars, Ours, "backlog", "memory", 10_000, 256),
    ("memory, backlog of a million", Bars, Ours, "backlog", "memory", 1_000_000, 256),
    ("sled, backlog of 10 thousand", Bars, Ours, "backlog", "sled", 10_000, 256),
    ("sled, backlog of a million", Bars, Ours, "backlog", "sled", 1_000_000, 256),
    ("postgres, backlog of 10 thousand", Bars, Ours, "backlog", "postgres", 10_000, 256),
    ("postgres, backlog of a million", Bars, Ours, "backlog", "postgres", 1_000_000, 256),
    ("memory, idle", Bars, Ours, "idle", "memory", 1, 256),
    ("sled, idle", Bars, Ours, "idle", "sled", 1, 256),
    ("postgres, idle", Bars, Ours, "idle", "postgres", 1, 256),
    ("memory, one stage", Bars, Ours, "one-stage", "memory", 100_000, 256),
    ("memory, a hundred stages", Bars, Ours, "hundred-stages", "memory", 4_000, 256),
    ("sled, one stage", Bars, Ours, "one-stage", "sled", 50_000, 256),
    ("sled, a hundred stages", Bars, Ours, "hundred-stages", "sled", 2_000, 256),
    ("postgres, one stage", Bars, Ours, "one-stage", "postgres", 20_000, 256),
    ("postgres, a hundred stages", Bars, Ours, "hundred-stages", "postgres", 400, 256),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_by_hand_is_no_peer() {
        let by_hand = all().into_iter().filter(Subject::is_by_hand);
        let ids: Vec<_> = by_hand.map(|subject| subject.id).collect();
        assert_eq!(
            ids,
            [
                "memory by hand",
                "memory by hand, JSON",
                "sled raw",
                "sled raw, submitted meanwhile",
                "postgres bare",
                "memory by hand, five stages",
                "memory by hand, JSON, five stages",
                "sled raw, five stages",
                "sled raw, one by one",
            ]
        );
    }
}
