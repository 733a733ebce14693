//! Writes the measured part of docs/PERFORMANCE.md, and its plot; what was written by hand stays.

use std::{fmt::Write as _, path::Path};

use anyhow::Context as _;

use super::{
    bars, chart,
    lines::{Line, Lines},
    subjects::{self, Subject, Table, Who},
};
use crate::report::{machine, short};

const BEGIN: &str = "<!-- measured: written by ./scripts/bench -->";
const END: &str = "<!-- end of what was measured -->";
const PLOT: &str = "burn-down.svg";

/// The tables: their titles, what their figures are called, and the subject that others are
/// compared with.
const TABLES: [(Table, &str, &str); 5] = [
    (Table::Memory, "No-ops in memory", "memory"),
    (Table::File, "No-ops in a file", "sled"),
    (Table::Server, "No-ops on a server", "postgres"),
    (Table::FiveStages, "Five stages", ""),
    (Table::Latency, "Submit to start on an idle runtime", ""),
];

pub(super) fn write(docs: &Path, lines: &Lines) -> anyhow::Result<()> {
    let path = docs.join("PERFORMANCE.md");
    let page = std::fs::read_to_string(&path)?;
    std::fs::write(&path, replaced(&page, &measured(lines)?)?)?;
    std::fs::write(docs.join(PLOT), chart::draw(&rates(lines))?)?;
    Ok(())
}

/// Puts what was measured between the markers, and leaves the rest as it is.
fn replaced(page: &str, measured: &str) -> anyhow::Result<String> {
    let (above, rest) = page.split_once(BEGIN).context("no marker begins what was measured")?;
    let (_, below) = rest.split_once(END).context("no marker ends what was measured")?;
    Ok(format!("{above}{BEGIN}\n\n{measured}\n{END}{below}"))
}

fn measured(lines: &Lines) -> anyhow::Result<String> {
    let mut text = String::new();
    let (turns, load) = (lines.turns(), lines.load());
    writeln!(text, "Medians of {turns} turns on {}{}.", machine()?, compiler())?;
    writeln!(text, "Before the run, {load} processes on average wanted a processor.")?;
    writeln!(text, "Who did not finish is not in the tables.\n")?;
    writeln!(text, "| bar | held to | seen | |\n|---|---|---|---|")?;
    for bar in bars::bars(lines) {
        let (limit, seen) = (bar.limit(), bar.seen());
        let (limit, seen) = (limit.trim(), seen.trim());
        writeln!(text, "| {} | {limit} | {seen} | {} |", bar.what(), bar.verdict())?;
    }
    writeln!(text, "\n![No-ops finished per second]({PLOT})")?;
    let subjects = subjects::all();
    for (table, title, beside) in TABLES {
        writeln!(text, "\n### {title}\n")?;
        let (head, tasks) = match (table, beside) {
            (Table::Latency, _) => ("p50, least to most | p99, least to most", "samples"),
            (_, "") => ("tasks/s | least to most", "tasks"),
            _ => ("tasks/s | least to most | artos in proportion", "tasks"),
        };
        let columns = head.matches('|').count() + 1;
        writeln!(text, "| what | {head} | at a time | {tasks} | durability | settings |")?;
        writeln!(text, "|---|{}---|---|---|---|", "---|".repeat(columns))?;
        for subject in subjects.iter().filter(|subject| subject.table == table) {
            if let Some(line) = lines.of(subject.id) {
                let figures = figures(lines, subject, beside);
                writeln!(text, "| {} | {figures} | {}", name(subject, line), row(line))?;
            }
        }
    }
    Ok(text)
}

/// The compiler that is on the path, which built all of them.
fn compiler() -> String {
    let version = std::process::Command::new("rustc").arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let version = version.unwrap_or_default();
    let number = version.split_whitespace().nth(1);
    number.map_or_else(String::new, |number| format!(", rustc {number}"))
}

fn name(subject: &Subject, line: &Line) -> String {
    let Line { peer, version, .. } = line;
    match subject.what {
        "burn-down" | "pipeline" | "latency" => format!("{peer} {version}, {}", subject.store),
        "submit" => format!("{peer} {version}, {}, submitted meanwhile", subject.store),
        _ => peer.clone(),
    }
}

fn row(line: &Line) -> String {
    let Line { slots, verified, durability, settings, .. } = line;
    format!("{slots} | {verified} | {durability} | {settings} |")
}

fn figures(lines: &Lines, subject: &Subject, beside: &str) -> String {
    let spread = |name| match lines.spread(subject.id, name) {
        Some((least, median, most)) => {
            (short(median), format!("{} to {}", short(least), short(most)))
        }
        None => (String::from("-"), String::from("-")),
    };
    if subject.table == Table::Latency {
        // Ours has more moments than the start.
        let ours = lines.spread(subject.id, "start_p50_us").is_some();
        let [p50, p99, max] = if ours {
            ["start_p50_us", "start_p99_us", "start_max_us"]
        } else {
            ["p50_us", "p99_us", "max_us"]
        };
        // Few samples have no 99th percentile.
        let (name, note) = match lines.spread(subject.id, p99) {
            Some(_) => (p99, ""),
            None => (max, "slowest: "),
        };
        let ((p50, around50), (most, around)) = (spread(p50), spread(name));
        return format!("{p50} us, {around50} | {note}{most} us, {around}");
    }
    let (median, around) = spread("rate");
    if beside.is_empty() {
        return format!("{median} | {around}");
    }
    let beside = match subject.what {
        "submit" | "raw-submit" => "sled, submitted meanwhile",
        _ => beside,
    };
    let ratio = lines.ratio((beside, "rate"), (subject.id, "rate"));
    format!("{median} | {around} | {}", ratio.map_or_else(|| String::from("-"), short))
}

/// The rates of all burn-downs, for the plot.
fn rates(lines: &Lines) -> Vec<chart::Bar> {
    let drawn = |table| matches!(table, Table::Memory | Table::File | Table::Server);
    let subjects = subjects::all().into_iter().filter(|subject| drawn(subject.table));
    subjects
        .filter_map(|subject| {
            let line = lines.of(subject.id)?;
            let rate = lines.median(subject.id, "rate")?;
            let kind = match subject.who {
                _ if subject.is_by_hand() => chart::Kind::Ceiling,
                Who::Ours => chart::Kind::Ours,
                Who::Peer(_) | Who::BareSql | Who::Celery => chart::Kind::Peer,
            };
            Some(chart::Bar { name: name(&subject, line), rate, kind })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_by_hand_stays() -> anyhow::Result<()> {
        let page = format!("# Performance\n\n{BEGIN}\n\nold\n\n{END}\n\nA note.\n");
        let found = replaced(&page, "new\n")?;
        assert_eq!(found, format!("# Performance\n\n{BEGIN}\n\nnew\n\n{END}\n\nA note.\n"));
        assert_eq!(replaced(&found, "new\n")?, found);
        assert!(replaced("# Performance\n", "new\n").is_err());
        Ok(())
    }
}
