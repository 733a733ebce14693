//! What artos is held to, and where it stands.

use std::fmt;

use super::lines::Lines;
use crate::report::short;

#[derive(Debug, Clone, Copy)]
enum Limit {
    Least(f64),
    Most(f64),
}

/// What one figure has to be, and what it is.
#[derive(Debug, Clone)]
pub(super) struct Bar {
    what: String,
    limit: Limit,
    unit: &'static str,
    seen: Option<f64>,
}

impl Bar {
    pub(super) fn what(&self) -> &str {
        &self.what
    }

    pub(super) fn limit(&self) -> String {
        match self.limit {
            Limit::Least(least) => format!("at least {} {}", short(least), self.unit),
            Limit::Most(most) => format!("at most {} {}", short(most), self.unit),
        }
    }

    pub(super) fn seen(&self) -> String {
        self.seen.map_or_else(
            || String::from("not measured"),
            |seen| format!("{} {}", short(seen), self.unit),
        )
    }

    pub(super) fn verdict(&self) -> &'static str {
        match (self.limit, self.seen) {
            (_, None) => "",
            (Limit::Least(least), Some(seen)) if seen >= least => "met",
            (Limit::Most(most), Some(seen)) if seen <= most => "met",
            _ => "missed",
        }
    }
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, .. } = self;
        let (limit, seen, verdict) = (self.limit(), self.seen(), self.verdict());
        write!(f, "{verdict:>6}  {what}: {}, seen {}", limit.trim(), seen.trim())
    }
}

/// All bars, with what the lines say about each.
pub(super) fn bars(lines: &Lines) -> Vec<Bar> {
    let least = |what: &str, least, seen| Bar {
        what: String::from(what),
        limit: Limit::Least(least),
        unit: "",
        seen,
    };
    let most = |what: &str, most, unit, seen| Bar {
        what: String::from(what),
        limit: Limit::Most(most),
        unit,
        seen,
    };
    let of = |above, below| lines.ratio((above, "rate"), (below, "rate"));
    let micros = |id, name| lines.median(id, name);
    let mut bars = vec![
        least("memory, burn-down, of apalis's memory storage", 1.0, of("memory", "apalis memory")),
        least("memory, burn-down, of the queue by hand", 0.6, of("memory", "memory by hand")),
        least(
            "memory, five stages, of the queue by hand",
            0.5,
            of("memory, five stages", "memory by hand, five stages"),
        ),
        most("memory, submit to start, p50", 30.0, "us", micros("memory, latency", START_P50)),
        most("memory, submit to start, p99", 200.0, "us", micros("memory, latency", START_P99)),
        least("sled, burn-down, of raw sled", 0.7, of("sled", "sled raw")),
        least(
            "sled, 64 submitters, of raw sled",
            0.7,
            of("sled, submitted meanwhile", "sled raw, submitted meanwhile"),
        ),
        least("sled, burn-down, of effectum as it is", 2.0, of("sled", "effectum")),
        least("sled, burn-down, of effectum in WAL", 2.0, of("sled", "effectum in WAL")),
        least(
            "sled, five stages, of duroxide",
            100.0,
            of("sled, five stages", "duroxide, five stages"),
        ),
        least(
            "sled, five stages, of raw sled",
            0.5,
            of("sled, five stages", "sled raw, five stages"),
        ),
        most(
            "sled, one submit on an idle store, of a raw insert that is synced",
            1.5,
            "",
            lines.ratio(
                ("sled, latency", "acknowledged_p50_us"),
                ("sled raw, one by one", "acknowledged_p50_us"),
            ),
        ),
        best_peer(lines),
        least("Postgres, burn-down, of bare SQL", 0.5, of("postgres", "postgres bare")),
        most(
            "Postgres, submit to start, p50",
            3_000.0,
            "us",
            micros("postgres, latency", START_P50),
        ),
    ];
    bars.extend(http(lines));
    bars.extend(backlog(lines));
    bars.extend(idle_and_stages(lines));
    bars
}

const START_P50: &str = "start_p50_us";
const START_P99: &str = "start_p99_us";

/// The least of the proportions to all peers on the same server; nothing while one is missing.
fn best_peer(lines: &Lines) -> Bar {
    let peers = ["awa", "graphile_worker", "riverqueue postgres", "apalis postgres", "underway"];
    let ratio = |peer| Some((lines.ratio(("postgres", "rate"), (peer, "rate"))?, peer));
    let ratios: Option<Vec<_>> = peers.into_iter().map(ratio).collect();
    let best =
        ratios.and_then(|all| all.into_iter().min_by(|one, other| one.0.total_cmp(&other.0)));
    let name = best.map_or_else(String::new, |(_, peer)| format!(", {peer}"));
    Bar {
        what: format!("Postgres, burn-down, of the best peer{name}"),
        limit: Limit::Least(3.0),
        unit: "",
        seen: best.map(|(ratio, _)| ratio),
    }
}

fn http(lines: &Lines) -> [Bar; 3] {
    let bar = |what: &str, least, id, below| Bar {
        what: String::from(what),
        limit: Limit::Least(least),
        unit: "",
        seen: lines.ratio((id, "rate"), (id, below)),
    };
    [
        bar("HTTP status on memory, of a bare route", 0.75, "memory, http status", "bare"),
        bar("HTTP status on sled, of a bare route", 0.75, "sled, http status", "bare"),
        bar("HTTP generate on sled, of direct submits", 0.6, "sled, http post", "direct"),
    ]
}

fn backlog(lines: &Lines) -> Vec<Bar> {
    let mut bars = Vec::new();
    for store in ["memory", "sled", "postgres"] {
        let few = format!("{store}, backlog of 10 thousand");
        let many = format!("{store}, backlog of a million");
        let name = named(store);
        bars.push(Bar {
            what: format!("{name}, backlog of a million, of ten thousand"),
            limit: Limit::Least(0.9),
            unit: "",
            seen: lines.ratio((&many, "rate"), (&few, "rate")),
        });
        bars.push(Bar {
            what: format!("{name}, p99 of a status read with a million, of with ten thousand"),
            limit: Limit::Most(1.2),
            unit: "",
            seen: lines.ratio((&many, "read_p99_us"), (&few, "read_p99_us")),
        });
    }
    let each = |id| lines.median(id, "bytes_each");
    let id = "sled, backlog of a million";
    let tasks = lines.of(id).map_or(1, |line| line.tasks);
    let beyond = |bytes: f64| (bytes - SLED_CACHE / tasks as f64).max(0.0);
    let unit = "bytes";
    bars.push(Bar {
        what: String::from("memory, memory of a queued task"),
        limit: Limit::Most(450.0),
        unit,
        seen: each("memory, backlog of a million"),
    });
    bars.push(Bar {
        what: String::from("sled, memory of a queued task beyond its cache"),
        limit: Limit::Most(150.0),
        unit,
        seen: each(id).map(beyond),
    });
    bars
}

/// What it may hold of what is on the disk anyway, by default.
const SLED_CACHE: f64 = 64.0 * 1024.0 * 1024.0;

fn idle_and_stages(lines: &Lines) -> Vec<Bar> {
    let mut bars = Vec::new();
    // None, though each loop looks at long intervals in case a hint was lost: that shows.
    for (store, calls) in [("memory", 0.0), ("sled", 0.0), ("postgres", 1.0)] {
        let (id, name) = (format!("{store}, idle"), named(store));
        bars.push(Bar {
            what: format!("{name}, idle"),
            limit: Limit::Most(0.1),
            unit: "% of a core",
            seen: lines.median(&id, "percent"),
        });
        bars.push(Bar {
            what: format!("{name}, idle, calls of the store"),
            limit: Limit::Most(calls),
            unit: "a second",
            seen: lines.median(&id, "calls"),
        });
    }
    for store in ["memory", "sled", "postgres"] {
        let one = format!("{store}, one stage");
        let hundred = format!("{store}, a hundred stages");
        let cost = lines.ratio((&one, "rate"), (&hundred, "rate"));
        bars.push(Bar {
            what: format!("{}, cost of one of 100 stages, of the only one", named(store)),
            limit: Limit::Most(1.1),
            unit: "",
            seen: cost.map(|cost| cost / 100.0),
        });
    }
    bars
}

fn named(store: &str) -> &str {
    if store == "postgres" { "Postgres" } else { store }
}
