//! Tables: consecutive lines with several cells, aligned to common columns.

use super::Line;
use crate::source::Table;

/// Fewest rows, header included, that make a table; one row may be a line with a wide gap.
const ROWS_MIN: usize = 2;
/// More columns than this are no table, but text in odd places.
const COLUMNS_MAX: usize = 64;
/// Widths are estimates, so only this part of a cell counts when columns are found.
const CELL_CORE: f32 = 0.8;

/// Reads a table at the start of `lines` and returns it with the number of lines it takes.
pub(super) fn take(lines: &[Line]) -> Option<(Table, usize)> {
    let page = lines.first()?.page;
    let count = lines.iter().take_while(|line| line.is_row() && line.page == page).count();
    if count < ROWS_MIN {
        return None;
    }
    let rows = lines.get(..count)?;
    let columns = columns(rows);
    if columns.len() > COLUMNS_MAX {
        let rows = rows.iter().map(|line| vec![line.text()]);
        return Some((Table::from_rows(rows.collect())?, count));
    }
    let rows = rows.iter().map(|line| {
        let mut row = vec![String::new(); columns.len()];
        for cell in &line.cells {
            let column = columns.iter().rposition(|start| cell.x >= *start).unwrap_or(0);
            if let Some(text) = row.get_mut(column) {
                if !text.is_empty() {
                    text.push(' ');
                }
                text.push_str(cell.text.trim());
            }
        }
        row
    });
    Some((Table::from_rows(rows.collect())?, count))
}

/// Returns the left end of each column: of each set of cells that overlap sideways.
fn columns(rows: &[Line]) -> Vec<f32> {
    let cells = rows.iter().flat_map(|line| &line.cells);
    let mut spans: Vec<(f32, f32)> =
        cells.map(|cell| (cell.x, cell.x + (cell.end - cell.x) * CELL_CORE)).collect();
    spans.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut columns: Vec<(f32, f32)> = Vec::new();
    for (x, end) in spans {
        match columns.last_mut() {
            Some(column) if x < column.1 => column.1 = column.1.max(end),
            _ => columns.push((x, end)),
        }
    }
    columns.into_iter().map(|(x, _)| x).collect()
}
