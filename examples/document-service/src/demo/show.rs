//! What the demo shows: bars on a terminal, plain lines elsewhere.

use std::{io::IsTerminal as _, path::Path};

use artos_http::client::{Status, TaskStatus};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::Value;

use super::samples::Paths;
use crate::stages::STAGES;

pub(super) struct Show {
    bars: Option<Vec<ProgressBar>>,
    /// The last plain line about progress, so that none is printed twice.
    last: &'static str,
}

impl Show {
    pub(super) fn new() -> Self {
        Self { bars: std::io::stdout().is_terminal().then(Vec::new), last: "" }
    }

    #[expect(clippy::print_stdout, reason = "the demo talks to a person")]
    pub(super) fn line(&self, text: &str) {
        println!("{text}");
    }

    /// Shows where a task is.
    pub(super) fn progress(&mut self, status: &TaskStatus) {
        let progress = status.progress.as_ref();
        let stage = match status.status {
            Status::Complete => STAGES.len() as u64 + 1,
            _ => progress.map_or(1, |progress| progress.stage_number.into()),
        };
        let percent = progress.map_or(0, |progress| progress.percent.into());
        match &mut self.bars {
            Some(bars) => {
                if bars.is_empty() {
                    *bars = new_bars();
                }
                for (bar, at) in bars.iter().zip(1..) {
                    match stage.cmp(&at) {
                        std::cmp::Ordering::Greater => bar.set_position(100),
                        std::cmp::Ordering::Equal => bar.set_position(percent.min(99)),
                        std::cmp::Ordering::Less => {}
                    }
                }
            }
            None => self.plain(stage, percent),
        }
    }

    /// Prints each stage once it is reached, and those that went by unseen.
    fn plain(&mut self, stage: u64, percent: u64) {
        let stage = usize::try_from(stage).unwrap_or(usize::MAX);
        let reached = STAGES.iter().take(stage);
        let from = STAGES.iter().position(|(name, _)| *name == self.last).map_or(0, |at| at + 1);
        for (at, (name, title)) in reached.enumerate().skip(from) {
            let percent = if at + 1 == stage { percent } else { 100 };
            self.line(&format!("  stage {}/{}: {title} ({percent} %)", at + 1, STAGES.len()));
            self.last = name;
        }
    }

    pub(super) fn finish(&self) {
        for bar in self.bars.iter().flatten() {
            bar.finish();
        }
    }

    /// Describes a finished document.
    pub(super) fn document(&self, document: &Value, path: &Path) {
        let list = |key| document.get(key).and_then(Value::as_array).map_or(0, Vec::len);
        let metadata = |key| {
            let value = document.get("metadata").and_then(|metadata| metadata.get(key));
            value.map(ToString::to_string).unwrap_or_default()
        };
        self.line(&format!(
            "Complete: {} sections, {} facts, {} words on about {} pages, from {} sources",
            list("sections"),
            list("facts"),
            metadata("word_count"),
            metadata("page_count"),
            list("sources"),
        ));
        self.line(&format!("\n  {}\n", path.display()));
    }

    /// Shows an event that arrived.
    pub(super) fn webhook(&self, url: &str, id: &str, event: &Value) {
        self.line(&format!("And a webhook arrived at {url}, signed by the service:"));
        self.line(&format!("  {id}: {event}\n"));
    }

    pub(super) fn failure(&self, status: &TaskStatus) {
        let error = status.error.as_deref().unwrap_or_default();
        self.line(&format!("Failed: {error}"));
    }

    /// Prints what to try next.
    pub(super) fn what_next(&self, output: &Path, paths: &Paths) {
        let files = output.join("files");
        let first = paths.complete.first().map(String::as_str).unwrap_or_default();
        self.line(&format!(
            "\nTry it yourself:\n\
             \n  cargo run --release --bin document-service -- serve --no-auth --files {}\n\
             \n  curl -i http://127.0.0.1:8080/api/v1/documents/generate \\\
             \n    -H 'Content-Type: application/json' \\\
             \n    -d '{{\"document_type\": \"CSR\", \"file_paths\": [\"{first}\"]}}'\
             \n  curl http://127.0.0.1:8080/api/v1/documents/status/TASK_ID\
             \n  curl http://127.0.0.1:8080/api/v1/documents/TASK_ID\
             \n  curl -OJ http://127.0.0.1:8080/api/v1/documents/TASK_ID/file",
            files.display()
        ));
    }
}

fn new_bars() -> Vec<ProgressBar> {
    let all = MultiProgress::new();
    // The template is a constant of this program; were it wrong, the plain bar would do.
    let style = ProgressStyle::with_template("  {prefix:<20} {bar:40.green} {pos:>3} %")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = |(_, title): &(&'static str, &'static str)| {
        all.add(ProgressBar::new(100).with_style(style.clone()).with_prefix(*title))
    };
    STAGES.iter().map(bar).collect()
}
