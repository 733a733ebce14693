//! Telling code, comments and string literals of a Rust file apart.

/// A Rust file as two texts of the same lines: its code, and its comments. What is in string
/// literals is in neither.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RustText {
    /// The code, with blanks where comments and the insides of literals were.
    pub code: String,
    /// The comments, with blanks where everything else was.
    pub comments: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Span {
    Code,
    Comment,
    Literal,
}

impl RustText {
    /// Takes a text apart.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut parts = Self { code: String::new(), comments: String::new() };
        let mut rest = text;
        let mut before = ' ';
        while !rest.is_empty() {
            let (span, length) = next(rest, before);
            let (part, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
            parts.push(span, part);
            before = part.chars().next_back().unwrap_or(' ');
            rest = after;
        }
        parts
    }

    fn push(&mut self, span: Span, part: &str) {
        for char in part.chars() {
            let blank = if char == '\n' { '\n' } else { ' ' };
            self.code.push(if span == Span::Code { char } else { blank });
            self.comments.push(if span == Span::Comment { char } else { blank });
        }
    }

    /// Returns the lines of the code, then those of the comments, with their numbers.
    pub fn words_of_people(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.code.lines()).chain((1..).zip(self.comments.lines()))
    }
}

/// Says what the text starts with, and how many bytes of it.
fn next(text: &str, before: char) -> (Span, usize) {
    if text.starts_with("//") {
        return (Span::Comment, text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        return (Span::Comment, block_comment(text));
    }
    let in_word = before.is_alphanumeric() || before == '_';
    if !in_word && let Some(length) = raw_string(text) {
        return (Span::Literal, length);
    }
    if text.starts_with('"') {
        return (Span::Literal, quoted(text, '"'));
    }
    if text.starts_with('\'') {
        return match char_literal(text) {
            Some(length) => (Span::Literal, length),
            None => (Span::Code, 1),
        };
    }
    (Span::Code, text.chars().next().map_or(1, char::len_utf8))
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else if let Some(char) = rest.chars().next() {
            at += char.len_utf8();
        } else {
            break;
        }
    }
    text.len()
}

fn raw_string(text: &str) -> Option<usize> {
    let word = text.strip_prefix(['b', 'c']).unwrap_or(text).strip_prefix('r')?;
    let hashes = word.len() - word.trim_start_matches('#').len();
    let body = word.trim_start_matches('#').strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let start = text.len() - body.len();
    Some(body.find(&end).map_or(text.len(), |at| start + at + end.len()))
}

fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, char) in text.char_indices().skip(1) {
        match char {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if char == quote => return at + char.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// Returns the length of a character literal, or `None` at a lifetime.
fn char_literal(text: &str) -> Option<usize> {
    let mut chars = text.chars().skip(1);
    let (first, second) = (chars.next()?, chars.next()?);
    (first == '\\' || second == '\'').then(|| quoted(text, '\''))
}
