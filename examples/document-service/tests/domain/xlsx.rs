//! Excel workbooks.

use std::io::{Cursor, Read as _, Write as _};

use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use super::{extract_bytes, headings, problem, sample, tables};

/// The sample workbook with another content of its first sheet.
pub(super) fn with_sheet(data: &str) -> Vec<u8> {
    let mut old = ZipArchive::new(Cursor::new(sample("trial-data.xlsx"))).unwrap();
    let mut new = ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..old.len() {
        let mut entry = old.by_index(index).unwrap();
        let name = entry.name().unwrap().to_string();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        if name == "xl/worksheets/sheet1.xml" {
            let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
            content =
                format!("<worksheet xmlns='{main}'><sheetData>{data}</sheetData></worksheet>")
                    .into_bytes();
        }
        new.start_file(name, SimpleFileOptions::default()).unwrap();
        new.write_all(&content).unwrap();
    }
    new.finish().unwrap().into_inner()
}

#[test]
fn each_sheet_is_a_heading_and_a_table() {
    let source = extract_bytes("trial-data.xlsx", &sample("trial-data.xlsx"));
    let names: Vec<&str> = headings(&source).into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["Study Status", "Subjects", "Adverse Events", "Symptom Score by Visit"]);
    let tables = tables(&source);
    assert_eq!(tables[0].rows[0], ["Subjects randomized", "48"]);
    assert_eq!(tables[0].rows[2], ["Database lock", "2025-03-21"]);
    assert_eq!(tables[1].rows.len(), 48);
    assert_eq!(tables[3].rows[1], ["Week 4", "26", "29.1"]);
}

#[test]
fn two_cells_in_opposite_corners_cost_two_rows() {
    let cell = |at: &str| format!("<c r='{at}' t='str'><v>{at}</v></c>");
    let (first, last) = (cell("A1"), cell("IV1048576"));
    let bytes = with_sheet(&format!("<row r='1'>{first}</row><row r='1048576'>{last}</row>"));
    let source = extract_bytes("corners.xlsx", &bytes);
    let table = tables(&source)[0];
    assert_eq!(table.header, ["A1"]);
    assert_eq!(table.rows.len(), 1);
    assert_eq!(table.rows[0].last().unwrap(), "IV1048576");
}

#[test]
fn what_is_no_workbook_is_named() {
    assert!(problem("a.xlsx", b"no").starts_with("a.xlsx is damaged or not a XLSX file"));
    let docx = sample("amendment.docx");
    assert!(problem("a.xlsx", &docx).starts_with("a.xlsx is damaged or not a XLSX file"));
}
