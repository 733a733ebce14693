//! Plain text: paragraphs are separated by blank lines.

use super::Problem;
use super::budget::Budget;
use crate::source::Block;

/// Decodes UTF-8, with or without a byte order mark.
pub(super) fn decode(bytes: &[u8]) -> Result<&str, Problem> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| Problem::NotUtf8 { offset: error.valid_up_to() })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

pub(super) fn read(bytes: &[u8]) -> Result<Vec<Block>, Problem> {
    let mut budget = Budget::new();
    let mut blocks = Vec::new();
    let mut paragraph: Vec<&str> = Vec::new();
    for line in decode(bytes)?.lines().chain([""]) {
        if !line.trim().is_empty() {
            paragraph.push(line.trim());
            continue;
        }
        if paragraph.is_empty() {
            continue;
        }
        let lone = paragraph.len() == 1;
        let text = std::mem::take(&mut paragraph).join(" ");
        budget.spend(&text)?;
        blocks.push(match heading_level(&text) {
            Some(level) if lone => Block::heading(level, text),
            _ => Block::paragraph(text),
        });
    }
    Ok(blocks)
}

/// Guesses whether a line that stands alone is a heading, and of which level.
///
/// Headings are numbered (`8.1 Laboratory Findings` has level 2) or written in capitals.
pub(super) fn heading_level(line: &str) -> Option<u8> {
    /// Longer lines are sentences that begin with a number.
    const HEADING_CHARS_MAX: usize = 90;
    let ends_sentence = line.ends_with(['.', ';', ',', ':', '?', '!']);
    if ends_sentence || line.chars().count() > HEADING_CHARS_MAX {
        return None;
    }
    let (first, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let number = first.strip_suffix('.').unwrap_or(first);
    let numbered = !number.is_empty()
        && number.split('.').all(|part| matches!(part.len(), 1 | 2) && is_number(part));
    if numbered && rest.trim_start().starts_with(char::is_uppercase) {
        return u8::try_from(number.split('.').count()).ok().filter(|level| *level <= 6);
    }
    let mut letters = line.chars().filter(|c| c.is_alphabetic()).peekable();
    let has_words = letters.clone().count() >= 4;
    (has_words && letters.all(char::is_uppercase)).then_some(1)
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}
