//! Excel workbooks: each sheet is a heading and a table.
//!
//! Cells are read one by one. The dense range that calamine can build is as large as the
//! rectangle around the used cells, and two cells in opposite corners would exhaust memory.

use std::io::Cursor;

use calamine::{DataRef, Reader as _, Xlsx, XlsxError};

use super::Problem;
use super::budget::{Budget, Package};
use crate::source::{Block, Table};

/// Most columns of a sheet that are read; a table this wide cannot be printed anyway.
const COLUMNS_MAX: usize = 256;

pub(super) fn read(bytes: &[u8]) -> Result<Vec<Block>, Problem> {
    Package::open("XLSX", bytes)?;
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(problem)?;
    let mut budget = Budget::new();
    let mut blocks = Vec::new();
    for name in workbook.sheet_names() {
        let rows = sheet(&mut workbook, &name, &mut budget)?;
        if let Some(table) = Table::from_rows(rows) {
            blocks.push(Block::heading(1, name));
            blocks.push(Block::table(table));
        }
    }
    Ok(blocks)
}

/// Returns the rows of a sheet that have text.
fn sheet(
    workbook: &mut Xlsx<Cursor<&[u8]>>,
    name: &str,
    budget: &mut Budget,
) -> Result<Vec<Vec<String>>, Problem> {
    let mut cells = match workbook.worksheet_cells_reader(name) {
        Ok(cells) => cells,
        // A chart sheet has no cells.
        Err(XlsxError::NotAWorksheet(_) | XlsxError::WorksheetNotFound(_)) => return Ok(Vec::new()),
        Err(error) => return Err(problem(error)),
    };
    let mut rows: Vec<(u32, Vec<String>)> = Vec::new();
    while let Some(cell) = cells.next_cell().map_err(problem)? {
        let (row, column) = cell.get_position();
        let text = display(cell.get_value());
        let column = usize::try_from(column).unwrap_or(usize::MAX);
        if text.is_empty() || column >= COLUMNS_MAX {
            continue;
        }
        budget.spend(&text)?;
        if rows.last().is_none_or(|(last, _)| *last != row) {
            rows.push((row, Vec::new()));
        }
        if let Some((_, cells)) = rows.last_mut() {
            while cells.len() < column {
                budget.spend("")?;
                cells.push(String::new());
            }
            cells.push(text);
        }
    }
    Ok(rows.into_iter().map(|(_, cells)| cells).collect())
}

fn display(value: &DataRef<'_>) -> String {
    match value {
        DataRef::Int(value) => value.to_string(),
        DataRef::Float(value) => value.to_string(),
        DataRef::Bool(value) => if *value { "yes" } else { "no" }.to_owned(),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => {
            text.trim().to_owned()
        }
        DataRef::SharedString(text) => text.trim().to_owned(),
        DataRef::DateTime(value) if value.is_datetime() => {
            let (year, month, day, hour, minute, ..) = value.to_ymd_hms_milli();
            match (hour, minute) {
                (0, 0) => format!("{year:04}-{month:02}-{day:02}"),
                _ => format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}"),
            }
        }
        DataRef::DateTime(value) => value.as_f64().to_string(),
        DataRef::Error(_) | DataRef::Empty => String::new(),
    }
}

fn problem(error: XlsxError) -> Problem {
    match error {
        XlsxError::Password => Problem::Encrypted,
        error => Problem::corrupt("XLSX", error),
    }
}
