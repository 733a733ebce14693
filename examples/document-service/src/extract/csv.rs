//! CSV: one table whose first row is the header. The delimiter is told by that row.

use ::csv::{ReaderBuilder, StringRecord};

use super::budget::Budget;
use super::{Problem, text};
use crate::source::{Block, Table};

pub(super) fn read(bytes: &[u8]) -> Result<Vec<Block>, Problem> {
    let text = text::decode(bytes)?;
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter(text))
        .from_reader(text.as_bytes());
    let mut budget = Budget::new();
    let mut rows = Vec::new();
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(|error| Problem::corrupt("CSV", error))? {
        for cell in &record {
            budget.spend(cell)?;
        }
        if record.iter().any(|cell| !cell.trim().is_empty()) {
            rows.push(record.iter().map(|cell| cell.trim().to_owned()).collect());
        }
    }
    Ok(Table::from_rows(rows).map(Block::table).into_iter().collect())
}

/// Returns the delimiter that the first line uses most.
fn delimiter(text: &str) -> u8 {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let uses = |delimiter: u8| first.bytes().filter(|byte| *byte == delimiter).count();
    // The last of several maxima wins, so the comma stands at the end.
    [b'\t', b';', b','].into_iter().max_by_key(|delimiter| uses(*delimiter)).unwrap_or(b',')
}
