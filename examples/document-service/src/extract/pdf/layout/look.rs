//! What the lines of a document usually look like, and so which of them stand out.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Line;
use crate::extract::text;

/// Fewest pages that let a repeated line be told from a coincidence.
const FURNITURE_PAGES_MIN: usize = 3;
/// A heading is at least this much larger than the body text, unless it is bold.
const HEADING_SIZE: f32 = 1.12;
/// Longer lines are not headings.
const HEADING_CHARS_MAX: usize = 120;
/// A paragraph ends where the distance of baselines exceeds the usual one by this factor.
const PARAGRAPH_GAP: f32 = 1.25;

/// Leaves out running heads and feet: lines that appear, but for numbers, on most pages.
pub(super) fn without_furniture(lines: Vec<Line>) -> Vec<Line> {
    let outline = |line: &Line| {
        line.text().chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).collect::<String>()
    };
    let pages: HashSet<u32> = lines.iter().map(|line| line.page).collect();
    let mut seen_on: HashMap<String, HashSet<u32>> = HashMap::new();
    for line in &lines {
        seen_on.entry(outline(line)).or_default().insert(line.page);
    }
    let is_furniture = |line: &Line| {
        let on = seen_on.get(&outline(line)).map_or(0, HashSet::len);
        on >= FURNITURE_PAGES_MIN && on * 2 > pages.len()
    };
    lines.into_iter().filter(|line| !is_furniture(line)).collect()
}

/// A line that is shorter than usual by this factor ends its paragraph.
const SHORT_LINE: f32 = 0.7;

/// The usual look of a document.
#[derive(Debug)]
pub(super) struct Look {
    /// Size of the font of most of the text.
    body_size: f32,
    /// Usual distance of two baselines, as a multiple of the font size.
    leading: f32,
    /// Usual width of a line, in points.
    width: f32,
    /// Levels of headings by the size of their font, in tenths of a point.
    levels: BTreeMap<u32, u8>,
}

impl Look {
    pub(super) fn of(lines: &[Line]) -> Self {
        let mut look = Self {
            body_size: body_size(lines),
            leading: leading(lines),
            width: width(lines),
            levels: BTreeMap::new(),
        };
        let headings: Vec<&Line> = lines.iter().filter(|line| look.stands_out(line)).collect();
        let sizes: HashSet<u32> = headings.iter().map(|line| tenths(line.size)).collect();
        for size in &sizes {
            let larger = sizes.iter().filter(|other| *other > size).count();
            look.levels.insert(*size, u8::try_from(larger + 1).unwrap_or(9).min(9));
        }
        // Where some headings of a size are numbered, their numbers say what the size means.
        for line in headings {
            if let Some(level) = text::heading_level(&line.text()) {
                look.levels.insert(tenths(line.size), level);
            }
        }
        look
    }

    /// Returns the level of a heading. `None` if the line is not one.
    pub(super) fn heading_level(&self, line: &Line) -> Option<u8> {
        if line.is_row() {
            return None;
        }
        if self.levels.is_empty() {
            // Everything looks the same, so only the wording is left.
            return text::heading_level(&line.text());
        }
        if !self.stands_out(line) {
            return None;
        }
        let numbered = text::heading_level(&line.text());
        numbered.or_else(|| self.levels.get(&tenths(line.size)).copied())
    }

    fn stands_out(&self, line: &Line) -> bool {
        let text = line.text();
        let larger = line.size > self.body_size * HEADING_SIZE;
        (larger || line.bold)
            && !line.is_row()
            && text.chars().count() <= HEADING_CHARS_MAX
            && !text.ends_with('.')
            && text.chars().any(char::is_alphabetic)
    }

    /// Counts the lines that continue the first of `lines`, as long as they are `alike`.
    pub(super) fn continuations(&self, lines: &[Line], alike: impl Fn(&Line) -> bool) -> usize {
        let pairs = lines.iter().zip(lines.iter().skip(1));
        pairs.take_while(|(line, next)| alike(next) && self.continues(line, next)).count()
    }

    fn continues(&self, line: &Line, next: &Line) -> bool {
        if (line.size - next.size).abs() > line.size * 0.1 {
            return false;
        }
        if line.page != next.page {
            // A sentence may run over the end of a page.
            let unfinished = !line.text().ends_with(['.', ':', '?', '!']);
            return unfinished && next.text().starts_with(char::is_lowercase);
        }
        let gap = (line.y - next.y) / line.size;
        // A negative gap goes back up, to the next column.
        let is_last = line.width() < self.width * SHORT_LINE;
        let is_next = next.text().starts_with(char::is_uppercase);
        gap > 0.0 && gap <= self.leading * PARAGRAPH_GAP && !(is_last && is_next)
    }
}

fn body_size(lines: &[Line]) -> f32 {
    let mut characters: BTreeMap<u32, usize> = BTreeMap::new();
    for line in lines {
        *characters.entry(tenths(line.size)).or_default() += line.text().len();
    }
    let most = characters.into_iter().max_by_key(|(_, count)| *count);
    most.map_or(10.0, |(size, _)| f32::from(u16::try_from(size).unwrap_or(u16::MAX)) / 10.0)
}

/// Returns the median distance of baselines that are close enough to belong together.
fn leading(lines: &[Line]) -> f32 {
    let pairs = lines.iter().zip(lines.iter().skip(1));
    let same_page = pairs.filter(|(line, next)| line.page == next.page && !next.is_row());
    let gaps = same_page.map(|(line, next)| (line.y - next.y) / line.size);
    median(gaps.filter(|gap| (0.8..3.0).contains(gap))).unwrap_or(1.2)
}

/// Returns the median width of lines that are no rows of a table.
fn width(lines: &[Line]) -> f32 {
    median(lines.iter().filter(|line| !line.is_row()).map(Line::width)).unwrap_or(0.0)
}

fn median(values: impl Iterator<Item = f32>) -> Option<f32> {
    let mut values: Vec<f32> = values.collect();
    values.sort_by(f32::total_cmp);
    values.get(values.len() / 2).copied()
}

fn tenths(size: f32) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to the range of the target"
    )]
    let tenths = (size * 10.0).round().clamp(0.0, 60_000.0) as u32;
    tenths
}
