//! Tables of a report.

use std::io;

use super::word::Word;
use crate::source::Table;

/// Most rows that are printed; the source holds the rest.
const ROWS_MAX: usize = 200;
/// Most columns that fit on a page.
const COLUMNS_MAX: usize = 12;
/// Width of the text on a page, in twentieths of a point.
const TEXT_WIDTH: usize = 9_070;
/// A column is as wide as its longest cell, within these limits, in characters.
const CHARS_MIN: usize = 6;
const CHARS_MAX: usize = 40;
/// Space beside the text of a cell, in characters.
const CHARS_MARGIN: usize = 3;
/// A table of at most this many rows is kept on one page, with what introduces it.
const ROWS_KEPT_TOGETHER: usize = 12;

/// Writes a table, and a note if it had to be cut.
pub(super) fn write(word: &mut Word, table: &Table) -> io::Result<()> {
    let look = [("w:val", "0420"), ("w:firstRow", "1"), ("w:noVBand", "1")];
    write_as(word, table, &look)
}

/// Writes a list of names and values, of which none is a header.
pub(super) fn write_list(word: &mut Word, rows: &[[String; 2]]) -> io::Result<()> {
    let rows = rows.iter().map(|row| row.to_vec()).collect();
    let look = [("w:val", "0680"), ("w:firstColumn", "1"), ("w:noHBand", "1"), ("w:noVBand", "1")];
    Table::from_rows(rows).map_or(Ok(()), |table| write_as(word, &table, &look))
}

fn write_as(word: &mut Word, table: &Table, look: &[(&str, &str)]) -> io::Result<()> {
    let has_header = look.contains(&("w:firstRow", "1"));
    let all = table.rows.iter().chain([&table.header]).map(Vec::len).max().unwrap_or(0);
    let columns = all.clamp(1, COLUMNS_MAX);
    let widths = widths(table, columns);
    word.element("w:tbl", &[], |word| {
        word.element("w:tblPr", &[], |word| {
            word.empty("w:tblStyle", &[("w:val", "ReportTable")])?;
            word.empty("w:tblW", &[("w:w", &TEXT_WIDTH.to_string()), ("w:type", "dxa")])?;
            word.empty("w:tblLayout", &[("w:type", "fixed")])?;
            word.empty("w:tblLook", look)
        })?;
        word.element("w:tblGrid", &[], |word| {
            widths.iter().try_for_each(|width| word.empty("w:gridCol", &[("w:w", width)]))
        })?;
        let count = table.rows.len();
        let style = |row: usize| {
            let kept = count <= ROWS_KEPT_TOGETHER && row < count;
            if kept { "TableTextKept" } else { "TableText" }
        };
        row(word, &table.header, &widths, style(0), has_header)?;
        let mut rows = (1..).zip(table.rows.iter().take(ROWS_MAX));
        rows.try_for_each(|(number, cells)| row(word, cells, &widths, style(number), false))
    })?;
    note(word, table.rows.len().saturating_sub(ROWS_MAX), all.saturating_sub(COLUMNS_MAX))
}

fn row(
    word: &mut Word,
    cells: &[String],
    widths: &[String],
    style: &str,
    repeated: bool,
) -> io::Result<()> {
    word.element("w:tr", &[], |word| {
        word.element("w:trPr", &[], |word| {
            word.empty("w:cantSplit", &[])?;
            if repeated { word.empty("w:tblHeader", &[]) } else { Ok(()) }
        })?;
        for (column, width) in widths.iter().enumerate() {
            let text = cells.get(column).map_or("", String::as_str);
            word.element("w:tc", &[], |word| {
                word.element("w:tcPr", &[], |word| {
                    word.empty("w:tcW", &[("w:w", width), ("w:type", "dxa")])
                })?;
                word.plain(style, text)
            })?;
        }
        Ok(())
    })
}

/// Shares the width of the page among the columns, by the length of their longest cells.
fn widths(table: &Table, columns: usize) -> Vec<String> {
    let longest = |column: usize| {
        let cells = table.rows.iter().take(ROWS_MAX).chain([&table.header]);
        let lengths = cells.filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        lengths.max().unwrap_or(0).clamp(CHARS_MIN, CHARS_MAX) + CHARS_MARGIN
    };
    let longest: Vec<usize> = (0..columns).map(longest).collect();
    let total: usize = longest.iter().sum();
    longest.iter().map(|chars| (chars * TEXT_WIDTH / total.max(1)).to_string()).collect()
}

/// Says what was cut. Without a note the paragraph only keeps two tables apart.
fn note(word: &mut Word, rows: usize, columns: usize) -> io::Result<()> {
    let note = match (rows, columns) {
        (0, 0) => String::new(),
        (rows, 0) => format!("{rows} more rows are in the source."),
        (0, columns) => format!("{columns} more columns are in the source."),
        (rows, columns) => {
            format!("{rows} more rows and {columns} more columns are in the source.")
        }
    };
    word.plain(if note.is_empty() { "TableGap" } else { "SourceNote" }, &note)
}
