//! Tests of the five stages as plain functions, without a runtime.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what went wrong by panicking"
)]

mod classify;
mod csv_and_text;
mod docx;
mod files;
mod generate;
mod hostile_input;
mod pdf;
mod pipeline;
mod request;
mod rules;
mod xlsx;

use document_service::classify::{Classified, classify};
use document_service::extract::{self, Extracted};
use document_service::request::GenerateDocument;
use document_service::rules::{Draft, RuleBook, RuleError, RuleSet, apply};
use document_service::source::{Block, Content, Source, Table};

/// The bytes of a committed sample.
fn sample(name: &str) -> Vec<u8> {
    let path = format!("{}/samples/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The samples that together make a full report.
const FULL: [&str; 5] = [
    "protocol.pdf",
    "trial-data.xlsx",
    "amendment.docx",
    "laboratory.csv",
    "investigator-summary.md",
];

fn rules(document_type: &str) -> RuleSet {
    RuleBook::embedded().unwrap().rules(document_type).unwrap().clone()
}

fn extracted(document_type: &str, samples: &[&str]) -> Extracted {
    let paths: Vec<String> = samples.iter().map(|name| format!("org-id/{name}")).collect();
    let sources = samples.iter().zip(&paths);
    let sources = sources.map(|(name, path)| extract::extract(path, &sample(name)).unwrap());
    let sources = sources.collect();
    Extracted { request: GenerateDocument::new(document_type, paths), sources }
}

fn classified(document_type: &str, samples: &[&str]) -> Classified {
    classify(extracted(document_type, samples), &rules(document_type))
}

fn draft(document_type: &str, samples: &[&str]) -> Result<Draft, RuleError> {
    apply(classified(document_type, samples), &rules(document_type))
}

fn extract_bytes(path: &str, bytes: &[u8]) -> Source {
    extract::extract(path, bytes).unwrap()
}

fn problem(path: &str, bytes: &[u8]) -> String {
    extract::extract(path, bytes).unwrap_err().to_string()
}

fn headings(source: &Source) -> Vec<(u8, &str)> {
    let heading = |block| match block {
        &Block { content: Content::Heading { level, ref text }, .. } => {
            Some((level, text.as_str()))
        }
        _ => None,
    };
    source.blocks.iter().filter_map(heading).collect()
}

fn tables(source: &Source) -> Vec<&Table> {
    let table = |block| match block {
        &Block { content: Content::Table(ref table), .. } => Some(table),
        _ => None,
    };
    source.blocks.iter().filter_map(table).collect()
}
