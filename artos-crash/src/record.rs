//! Writes what runs found into the table of the document.

use std::{fs, path::Path};

use anyhow::Context as _;
use serde::Deserialize;

/// Between these lines is the table.
const BEGIN: &str = "<!-- generated: figures -->";
const END: &str = "<!-- end of figures -->";

/// What the table needs of a report.
#[derive(Debug, Deserialize)]
struct Figures {
    rig: String,
    passed: bool,
    seed: u64,
    rounds: u64,
    faults: u64,
    noticed: u64,
    without_effect: u64,
    acknowledged: u64,
    tasks: u64,
    lost: u64,
    doubled: u64,
    rolled_back: u64,
    altered: u64,
    unopenable: u64,
    other: u64,
    seconds: f64,
}

/// Puts the figures of reports into a document; a rig's row replaces the one it had.
///
/// # Errors
///
/// If a report cannot be read, or the document has no place for figures.
pub fn record(into: &Path, reports: &[std::path::PathBuf], day: &str) -> anyhow::Result<()> {
    let mut document =
        fs::read_to_string(into).with_context(|| format!("reading {}", into.display()))?;
    for path in reports {
        let text =
            fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        document = with_row(&document, &serde_json::from_str(&text)?, day)
            .with_context(|| format!("{} has no lines `{BEGIN}` and `{END}`", into.display()))?;
    }
    fs::write(into, document)?;
    Ok(())
}

fn with_row(document: &str, figures: &Figures, day: &str) -> Option<String> {
    let (before, rest) = document.split_once(BEGIN)?;
    let (table, after) = rest.split_once(END)?;
    let first = format!("| {} |", figures.rig);
    let mut lines: Vec<&str> = table.trim().lines().collect();
    let row = row(figures, day);
    match lines.iter_mut().find(|line| line.starts_with(&first)) {
        Some(line) => *line = &row,
        None => lines.push(&row),
    }
    Some(format!("{before}{BEGIN}\n{}\n{END}{after}", lines.join("\n")))
}

fn row(figures: &Figures, day: &str) -> String {
    let Figures { rig, seed, rounds, faults, noticed, without_effect, .. } = figures;
    let Figures { acknowledged, tasks, lost, doubled, rolled_back, altered, .. } = figures;
    let Figures { unopenable, other, seconds, .. } = figures;
    let verdict = if figures.passed { "passed" } else { "failed" };
    format!(
        "| {rig} | {day} | {verdict} | {rounds} | {faults} | {noticed} | {without_effect} | \
         {acknowledged} | {tasks} | {lost} | {doubled} | {rolled_back} | {altered} | {unopenable} \
         | {other} | {seconds:.0} s | {seed} |"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rig_has_one_row_and_the_rest_of_the_page_stays() {
        let figures = |rounds| Figures {
            rig: String::from("kill"),
            passed: true,
            seed: 1,
            rounds,
            faults: 2,
            noticed: 0,
            without_effect: 0,
            acknowledged: 3,
            tasks: 4,
            lost: 0,
            doubled: 0,
            rolled_back: 0,
            altered: 0,
            unopenable: 0,
            other: 0,
            seconds: 1.2,
        };
        let page = format!("before\n{BEGIN}\n| rig |\n|---|\n{END}\nafter\n");
        let once = with_row(&page, &figures(7), "2026-01-01").unwrap();
        let twice = with_row(&once, &figures(8), "2026-01-02").unwrap();
        assert!(twice.starts_with("before\n") && twice.ends_with("\nafter\n"));
        assert!(twice.contains("| kill | 2026-01-02 | passed | 8 |"));
        assert_eq!(twice.matches("| kill |").count(), 1);
        assert!(with_row("no table", &figures(1), "").is_none());
    }
}
