//! Word documents: headings told by their style, paragraphs and tables.
//!
//! Deleted text and the fall-back copy of drawings are left out, so text that a reader of the
//! document does not see is not read here either.

mod styles;

use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};

use self::styles::Styles;
use super::Problem;
use super::budget::{Budget, Package};
use crate::source::{Block, Table};

/// Deepest nesting of elements; real documents stay below 50.
const DEPTH_MAX: usize = 256;

/// Reads the main text of a Word document.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Block>, Problem> {
    let mut package = Package::open("DOCX", bytes)?;
    let styles = package.part("word/styles.xml")?.unwrap_or_default();
    let body = package
        .part("word/document.xml")?
        .ok_or_else(|| Problem::corrupt("DOCX", "it has no main text"))?;
    let mut text = MainText::new(Styles::parse(&styles)?);
    let mut reader = Reader::from_str(&body);
    loop {
        match reader.read_event().map_err(corrupt)? {
            Event::Eof => break,
            Event::Start(element) => text.open(&element)?,
            Event::Empty(element) => {
                text.open(&element)?;
                text.close(element.local_name().as_ref())?;
            }
            Event::End(element) => text.close(element.local_name().as_ref())?,
            Event::Text(chars) => text.push(&chars.xml10_content()),
            Event::CData(chars) => text.push(&chars.xml10_content()),
            Event::GeneralRef(reference) => text.push(&resolve(&reference)?),
            _ => {}
        }
    }
    Ok(text.blocks)
}

fn corrupt(error: impl std::fmt::Display) -> Problem {
    Problem::corrupt("DOCX", error)
}

/// Returns the value of the attribute `name`, whatever its prefix.
fn attribute(element: &BytesStart<'_>, name: &str) -> Result<Option<String>, Problem> {
    for attribute in element.attributes() {
        let attribute = attribute.map_err(corrupt)?;
        if attribute.key.local_name().as_ref() == name {
            return Ok(Some(attribute.value.into_owned()));
        }
    }
    Ok(None)
}

fn resolve(reference: &BytesRef<'_>) -> Result<String, Problem> {
    if let Some(character) = reference.resolve_char_ref().map_err(corrupt)? {
        return Ok(character.to_string());
    }
    let text = match reference.as_ref() {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        // Word documents declare no entities.
        _ => return Err(corrupt("an unknown entity")),
    };
    Ok(text.to_owned())
}

/// A paragraph whose end has not been read.
#[derive(Default)]
struct OpenParagraph {
    text: String,
    level: Option<u8>,
}

/// A table whose end has not been read.
#[derive(Default)]
struct OpenTable {
    rows: Vec<Vec<String>>,
    row: Vec<String>,
    cell: String,
    /// How many columns the open cell covers.
    span: usize,
}

/// The main text as far as it has been read.
///
/// Tables hold paragraphs, and paragraphs hold text boxes with paragraphs, so both are stacks.
struct MainText {
    styles: Styles,
    blocks: Vec<Block>,
    paragraphs: Vec<OpenParagraph>,
    tables: Vec<OpenTable>,
    depth: usize,
    /// Depth of the outermost element that is left out, if inside one.
    hidden_at: Option<usize>,
    /// Inside an element whose characters are text.
    in_text: bool,
    budget: Budget,
}

impl MainText {
    fn new(styles: Styles) -> Self {
        Self {
            styles,
            blocks: Vec::new(),
            paragraphs: Vec::new(),
            tables: Vec::new(),
            depth: 0,
            hidden_at: None,
            in_text: false,
            budget: Budget::new(),
        }
    }

    fn open(&mut self, element: &BytesStart<'_>) -> Result<(), Problem> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(corrupt("its elements are nested too deeply"));
        }
        if self.hidden_at.is_some() {
            return Ok(());
        }
        match element.local_name().as_ref() {
            "del" | "moveFrom" | "Fallback" => self.hidden_at = Some(self.depth),
            "p" => self.paragraphs.push(OpenParagraph::default()),
            "pStyle" => {
                let style = attribute(element, "val")?.unwrap_or_default();
                let level = self.styles.heading_level(&style);
                self.set_level(level);
            }
            "outlineLvl" => {
                let level = styles::outline_level(attribute(element, "val")?.as_deref());
                self.set_level(level);
            }
            "t" => self.in_text = true,
            "tab" | "br" | "cr" => self.push_raw(" "),
            "noBreakHyphen" => self.push_raw("-"),
            "tbl" => self.tables.push(OpenTable::default()),
            "tc" => {
                if let Some(table) = self.tables.last_mut() {
                    table.span = 1;
                }
            }
            "gridSpan" => {
                let span = attribute(element, "val")?.and_then(|span| span.parse().ok());
                if let (Some(table), Some(span)) = (self.tables.last_mut(), span) {
                    table.span = usize::clamp(span, 1, 64);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self, name: &str) -> Result<(), Problem> {
        let depth = self.depth;
        self.depth = depth.saturating_sub(1);
        if let Some(hidden_at) = self.hidden_at {
            if hidden_at == depth {
                self.hidden_at = None;
            }
            return Ok(());
        }
        match name {
            "t" => self.in_text = false,
            "p" => self.close_paragraph()?,
            "tc" => self.close_cell()?,
            "tr" => {
                if let Some(table) = self.tables.last_mut() {
                    table.rows.push(std::mem::take(&mut table.row));
                }
            }
            "tbl" => self.close_table(),
            _ => {}
        }
        Ok(())
    }

    fn set_level(&mut self, level: Option<u8>) {
        if let Some(paragraph) = self.paragraphs.last_mut() {
            paragraph.level = level.or(paragraph.level);
        }
    }

    fn push(&mut self, text: &str) {
        if self.in_text && self.hidden_at.is_none() {
            self.push_raw(text);
        }
    }

    fn push_raw(&mut self, text: &str) {
        if let Some(paragraph) = self.paragraphs.last_mut() {
            paragraph.text.push_str(text);
        }
    }

    fn close_paragraph(&mut self) -> Result<(), Problem> {
        let Some(paragraph) = self.paragraphs.pop() else {
            return Ok(());
        };
        let text = paragraph.text.split_whitespace().collect::<Vec<_>>().join(" ");
        if text.is_empty() {
            return Ok(());
        }
        self.budget.spend(&text)?;
        if let Some(table) = self.tables.last_mut() {
            join(&mut table.cell, &text);
        } else {
            self.blocks.push(match paragraph.level {
                Some(level) => Block::heading(level, text),
                None => Block::paragraph(text),
            });
        }
        Ok(())
    }

    fn close_cell(&mut self) -> Result<(), Problem> {
        let Some(table) = self.tables.last_mut() else {
            return Ok(());
        };
        table.row.push(std::mem::take(&mut table.cell));
        for _ in 1..table.span {
            self.budget.spend("")?;
            table.row.push(String::new());
        }
        Ok(())
    }

    /// Ends a table. The text of a table inside a cell becomes text of that cell.
    fn close_table(&mut self) {
        let Some(table) = self.tables.pop() else {
            return;
        };
        if let Some(outer) = self.tables.last_mut() {
            for cell in table.rows.iter().flatten().filter(|cell| !cell.is_empty()) {
                join(&mut outer.cell, cell);
            }
        } else {
            self.blocks.extend(Table::from_rows(table.rows).map(Block::table));
        }
    }
}

fn join(text: &mut String, more: &str) {
    if !text.is_empty() {
        text.push(' ');
    }
    text.push_str(more);
}
