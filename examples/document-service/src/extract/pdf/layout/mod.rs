//! Puts the pieces of text of a page together: runs to lines, lines to blocks.
//!
//! Order is the order in which the page prints, which keeps columns apart; position only decides
//! what belongs together.

mod lines;
mod look;
mod table;

pub(super) use self::lines::{Line, lines};
use self::look::Look;
use crate::source::Block;

/// Makes blocks of all lines of a document.
pub(super) fn blocks(lines: Vec<Line>) -> Vec<Block> {
    let lines = look::without_furniture(lines);
    let look = Look::of(&lines);
    let mut blocks = Vec::new();
    let mut rest = lines.as_slice();
    while let [first, ..] = rest {
        let taken = if let Some((table, taken)) = table::take(rest) {
            blocks.push(Block::table(table).on_page(first.page));
            taken
        } else if let Some(level) = look.heading_level(first) {
            let taken =
                1 + look.continuations(rest, |line| look.heading_level(line) == Some(level));
            blocks.push(Block::heading(level, text(rest, taken)).on_page(first.page));
            taken
        } else {
            let plain = |line: &Line| !line.is_row() && look.heading_level(line).is_none();
            let taken = 1 + look.continuations(rest, plain);
            blocks.push(Block::paragraph(text(rest, taken)).on_page(first.page));
            taken
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    blocks
}

/// Joins the text of the first `count` lines. A word that was broken at a hyphen keeps it, since
/// the hyphens of `placebo-controlled` and of a broken word look the same.
fn text(lines: &[Line], count: usize) -> String {
    let mut text = String::new();
    for line in lines.iter().take(count) {
        let hyphenated = text.ends_with('-') && !text.ends_with(" -");
        if !text.is_empty() && !hyphenated {
            text.push(' ');
        }
        text.push_str(&line.text());
    }
    text
}
