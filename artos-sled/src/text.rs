//! What people read, at any time of the day.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal as _},
};

use artos_core::{
    model::{StateCounts, TaskState},
    store::StoreError,
};
use artos_store_sled::offline::{Accepted, Compacted, Finding, Overview, Report};

/// Findings that are listed one by one; `--json` has them all.
const FINDINGS_SHOWN: usize = 50;

/// Colours, if the standard output or error is a terminal and nobody minds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint {
    colours: bool,
}

impl Paint {
    pub(crate) fn of_stdout() -> Self {
        Self::new(io::stdout().is_terminal())
    }

    pub(crate) fn of_stderr() -> Self {
        Self::new(io::stderr().is_terminal())
    }

    fn new(is_terminal: bool) -> Self {
        let minds = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colours: is_terminal && !minds }
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.coloured("32", text)
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.coloured("31", text)
    }

    fn coloured(self, colour: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{colour}m{text}\x1b[0m") } else { String::from(text) }
    }
}

/// Returns a number of bytes in a unit that fits.
pub(crate) fn size(bytes: u64) -> String {
    let (mut whole, mut tenths) = (bytes, 0);
    for unit in ["bytes", "KiB", "MiB", "GiB"] {
        if whole < 1_024 {
            return if unit == "bytes" {
                format!("{whole} {unit}")
            } else {
                format!("{whole}.{tenths} {unit}")
            };
        }
        tenths = whole % 1_024 * 10 / 1_024;
        whole /= 1_024;
    }
    format!("{whole}.{tenths} TiB")
}

pub(crate) fn overview(overview: &Overview) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &dyn std::fmt::Display| {
        let _ = writeln!(text, "{name:<14}{value}");
    };
    line("store", &overview.store);
    line("format", &overview.format);
    line("changes", &format_args!("{} groups", overview.sequence));
    let acknowledged = overview.acknowledged.map_or_else(
        || String::from("unknown: the mark is missing or makes no sense"),
        |acknowledged| format!("{acknowledged} groups"),
    );
    line("acknowledged", &acknowledged);
    let StateCounts { pending, running, completed, failed, cancelled } = overview.counts;
    line("tasks", &overview.counts.total());
    let states = [pending, running, completed, failed, cancelled];
    for (state, count) in TaskState::ALL.into_iter().zip(states) {
        line(&format!("  {state}"), &count);
    }
    line("holds", &size(overview.live_bytes));
    line("takes", &size(overview.file_bytes));
    let _ = writeln!(text, "\n{:<20}{:>12}{:>12}{:>14}", "table", "rows", "values", "size");
    for table in &overview.tables {
        let (rows, blocks, bytes) = (table.rows, table.blocks, size(table.bytes));
        let _ = writeln!(text, "{:<20}{rows:>12}{blocks:>12}{bytes:>14}", table.name);
    }
    let _ = writeln!(text, "\n{:<44}{:>14}", "file", "size");
    for file in &overview.files {
        let _ = writeln!(text, "{:<44}{:>14}", file.name, size(file.bytes));
    }
    text
}

pub(crate) fn report(report: &Report, paint: Paint) -> String {
    let mut text = String::new();
    findings(&mut text, &report.findings, report.further);
    let _ = writeln!(
        text,
        "checked {} tasks, {} rows in {} blocks and {} chunks, {} in all",
        report.tasks,
        report.rows,
        report.blocks,
        report.chunks,
        size(report.bytes)
    );
    if !report.is_complete {
        let _ = writeln!(text, "not all of the store could be checked");
    }
    if report.is_sound() {
        let _ = writeln!(text, "{}", paint.good("everything is as it should be"));
    } else {
        let count = report.findings.len() as u64 + report.further;
        let _ = writeln!(text, "{}", paint.bad(&format!("findings: {count}")));
    }
    text
}

/// Lists findings, and the advice for each sort once.
pub(crate) fn findings(text: &mut String, findings: &[Finding], further: u64) {
    let mut advised = Vec::new();
    for finding in findings.iter().take(FINDINGS_SHOWN) {
        let _ = writeln!(text, "{} at {}", finding.fault, finding.at);
        let _ = writeln!(text, "  expected {}", finding.expected);
        let _ = writeln!(text, "  found    {}", finding.found);
        if !advised.contains(&finding.fault) {
            advised.push(finding.fault);
            let _ = writeln!(text, "  to do    {}", finding.fault.advice());
        }
    }
    let more = findings.len().saturating_sub(FINDINGS_SHOWN) as u64 + further;
    if more > 0 {
        let _ = writeln!(text, "and {more} more");
    }
}

pub(crate) fn compacted(compacted: &Compacted) -> String {
    format!(
        "before  {}\nafter   {}\nholds   {}\n",
        size(compacted.bytes_before),
        size(compacted.bytes_after),
        size(compacted.live_bytes)
    )
}

pub(crate) fn accepted(accepted: &Accepted) -> String {
    let Accepted { sequence, tasks, .. } = accepted;
    let holds = format!("the store holds {tasks} tasks after {sequence} groups of changes");
    if !accepted.is_whole {
        return format!(
            "given up: whatever was damaged; nobody knows how much, because values are missing, \
             older, or cannot be read\n{holds}\n`artos-sled verify` says what makes no sense\n"
        );
    }
    match accepted.given_up() {
        Some(0) => format!("nothing is given up: {holds}, and no more were acknowledged\n"),
        Some(groups) => format!(
            "given up: the last {groups} acknowledged groups of changes\n{holds}\ntasks that were \
             submitted last may be gone, and tasks that were done last may run again\n"
        ),
        None => format!(
            "given up: whatever was acknowledged after what is here; nobody knows how much, \
             because there was no mark that makes sense\n{holds}\n"
        ),
    }
}

/// Returns what an error means, and what to do about it.
pub(crate) fn refusal(error: &StoreError) -> String {
    let advice = match error {
        StoreError::Locked { .. } => "stop the program that has it open, and try again",
        StoreError::NewerFormat { .. } => "nothing was changed",
        StoreError::Invalid { .. } => "check the path; nothing was changed",
        StoreError::Full { .. } => "free some space, and try again; the store is as it was",
        StoreError::Corrupt { .. } => {
            "keep a copy of the folder before anything else; `artos-sled verify` lists what is \
             wrong, as far as it can be read"
        }
        StoreError::Unavailable { .. } => "the store is as it was",
        _ => "see the documentation of artos-store-sled",
    };
    format!("{error}\n{advice}\n")
}
