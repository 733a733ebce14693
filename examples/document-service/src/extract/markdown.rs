//! Markdown: headings, paragraphs, list items and tables. Raw HTML is left out.

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::budget::Budget;
use super::{Problem, text};
use crate::source::{Block, Table};

pub(super) fn read(bytes: &[u8]) -> Result<Vec<Block>, Problem> {
    let mut reader = Reader {
        blocks: Vec::new(),
        text: String::new(),
        rows: Vec::new(),
        row: Vec::new(),
        budget: Budget::new(),
    };
    for event in Parser::new_ext(text::decode(bytes)?, Options::ENABLE_TABLES) {
        reader.event(event)?;
    }
    reader.flush()?;
    Ok(reader.blocks)
}

struct Reader {
    blocks: Vec<Block>,
    /// Text of the innermost open element.
    text: String,
    rows: Vec<Vec<String>>,
    row: Vec<String>,
    budget: Budget,
}

impl Reader {
    fn event(&mut self, event: Event<'_>) -> Result<(), Problem> {
        match event {
            Event::Text(text) | Event::Code(text) => self.text.push_str(&text),
            Event::SoftBreak | Event::HardBreak => self.text.push(' '),
            // A list item without a paragraph of its own ends where the next element starts.
            Event::Start(Tag::List(_) | Tag::Item | Tag::Paragraph | Tag::Heading { .. })
            | Event::End(TagEnd::Paragraph | TagEnd::Item | TagEnd::CodeBlock) => self.flush()?,
            Event::End(TagEnd::Heading(level)) => {
                let text = self.take()?;
                self.blocks.push(Block::heading(number(level), text));
            }
            Event::End(TagEnd::TableCell) => {
                let cell = self.take()?;
                self.row.push(cell);
            }
            Event::End(TagEnd::TableHead | TagEnd::TableRow) => {
                self.rows.push(std::mem::take(&mut self.row));
            }
            Event::End(TagEnd::Table) => {
                let rows = std::mem::take(&mut self.rows);
                self.blocks.extend(Table::from_rows(rows).map(Block::table));
            }
            _ => {}
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Problem> {
        let text = self.take()?;
        if !text.is_empty() {
            self.blocks.push(Block::paragraph(text));
        }
        Ok(())
    }

    fn take(&mut self) -> Result<String, Problem> {
        let text = std::mem::take(&mut self.text);
        self.budget.spend(&text)?;
        Ok(text.trim().to_owned())
    }
}

fn number(level: HeadingLevel) -> u8 {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}
