//! What programs read. Names of fields are promised; new ones may be added.

use artos_core::model::StateCounts;
use artos_store_sled::offline::{Finding, Overview, Report};
use serde_json::{Value, json};

/// Returns what `info --json` prints.
pub(crate) fn overview(overview: &Overview) -> Value {
    let StateCounts { pending, running, completed, failed, cancelled } = overview.counts;
    let tables: Vec<_> = overview
        .tables
        .iter()
        .map(|table| {
            json!({
                "name": table.name,
                "rows": table.rows,
                "blocks": table.blocks,
                "bytes": table.bytes,
            })
        })
        .collect();
    let files: Vec<_> = overview
        .files
        .iter()
        .map(|file| json!({ "name": file.name, "bytes": file.bytes }))
        .collect();
    json!({
        "format": overview.format,
        "store": overview.store.to_string(),
        "sequence": overview.sequence,
        "acknowledged": overview.acknowledged,
        "counts": {
            "pending": pending,
            "running": running,
            "completed": completed,
            "failed": failed,
            "cancelled": cancelled,
        },
        "tables": tables,
        "files": files,
        "live_bytes": overview.live_bytes,
        "file_bytes": overview.file_bytes,
    })
}

/// Returns what `verify --json` prints.
pub(crate) fn report(report: &Report) -> Value {
    let line = |finding: &Finding| {
        json!({
            "fault": finding.fault.as_str(),
            "at": finding.at,
            "expected": finding.expected,
            "found": finding.found,
            "advice": finding.fault.advice(),
        })
    };
    json!({
        "sound": report.is_sound(),
        "findings": report.findings.iter().map(line).collect::<Vec<_>>(),
        "complete": report.is_complete,
        "further": report.further,
        "tasks": report.tasks,
        "rows": report.rows,
        "blocks": report.blocks,
        "chunks": report.chunks,
        "bytes": report.bytes,
    })
}
