//! Lines: runs on the same baseline, split into cells where the gap is wide.

use super::super::runs::Run;

/// Gap between two cells, as a multiple of the font size.
const CELL_GAP: f32 = 1.0;
/// Gap between two words, as a multiple of the font size.
const WORD_GAP: f32 = 0.15;
/// How far a baseline may be off (superscripts are), as a multiple of the font size.
const BASELINE_SLACK: f32 = 0.4;

/// A line of text.
#[derive(Clone, Debug)]
pub(in super::super) struct Line {
    pub(super) page: u32,
    /// Baseline, in points from the bottom of the page.
    pub(super) y: f32,
    /// Size of the largest font in the line.
    pub(super) size: f32,
    /// Whether the whole line is bold.
    pub(super) bold: bool,
    pub(super) cells: Vec<Cell>,
}

/// A part of a line that stands apart from the others.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) x: f32,
    pub(super) end: f32,
}

impl Line {
    /// Returns the text of the line; cells are separated by spaces.
    pub(super) fn text(&self) -> String {
        let words = self.cells.iter().flat_map(|cell| cell.text.split_whitespace());
        words.collect::<Vec<_>>().join(" ")
    }

    /// Returns the distance from the first to the last character, in points.
    pub(super) fn width(&self) -> f32 {
        let start = self.cells.first().map_or(0.0, |cell| cell.x);
        self.cells.last().map_or(0.0, |cell| cell.end - start)
    }

    /// Tells whether the line looks like a row of a table.
    pub(super) fn is_row(&self) -> bool {
        self.cells.len() > 1
    }

    fn starting_with(page: u32, run: Run) -> Self {
        Self {
            page,
            y: run.y,
            size: run.size,
            bold: run.bold,
            cells: vec![Cell { text: run.text, x: run.x, end: run.end }],
        }
    }

    /// Adds `run` if it stands on this line, to the right of what is there.
    fn add(&mut self, run: Run) -> Result<(), Run> {
        let Some(last) = self.cells.last_mut() else {
            return Err(run);
        };
        let same_baseline = (self.y - run.y).abs() <= self.size.max(run.size) * BASELINE_SLACK;
        if !same_baseline || run.x < last.x {
            return Err(run);
        }
        // Bold is sometimes faked by printing a text twice, slightly shifted.
        if run.text == last.text && run.x - last.x < run.size * WORD_GAP {
            return Ok(());
        }
        let gap = run.x - last.end;
        self.size = self.size.max(run.size);
        self.bold &= run.bold;
        if gap > run.size * CELL_GAP {
            self.cells.push(Cell { text: run.text, x: run.x, end: run.end });
        } else {
            if gap.abs() > run.size * WORD_GAP {
                last.text.push(' ');
            }
            last.text.push_str(&run.text);
            last.end = run.end;
        }
        Ok(())
    }

    /// Joins the number of a heading, or the bullet of a list item, with the text behind it.
    fn join_label(&mut self) {
        let [label, text] = self.cells.as_slice() else {
            return;
        };
        let label = label.text.trim();
        let is_bullet = label.chars().count() == 1 && !label.contains(char::is_alphanumeric);
        let is_number = label.starts_with(|c: char| c.is_ascii_digit())
            && label.chars().all(|c| c.is_ascii_digit() || c == '.' || c == ')')
            && text.text.trim_start().starts_with(char::is_alphabetic);
        if !is_bullet && !is_number {
            return;
        }
        let text = if is_bullet { text.text.clone() } else { format!("{label} {}", text.text) };
        if let (Some(end), Some(first)) =
            (self.cells.pop().map(|cell| cell.end), self.cells.first_mut())
        {
            (first.text, first.end) = (text, end);
        }
    }
}

/// Makes lines of the runs of a page.
pub(in super::super) fn lines(page: u32, runs: Vec<Run>) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for run in runs {
        let rest = match lines.last_mut() {
            Some(line) => line.add(run),
            None => Err(run),
        };
        if let Err(run) = rest {
            lines.push(Line::starting_with(page, run));
        }
    }
    lines.iter_mut().for_each(Line::join_label);
    lines
}
