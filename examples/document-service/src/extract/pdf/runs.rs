//! Interprets the program of a page as far as it prints text.

use lopdf::content::{Content, Operation};
use lopdf::{Dictionary, Document, Object, ObjectId};

use super::STREAM_BYTES_MAX;
use super::font::{FontCache, Fonts};
use super::state::{Matrix, State, position};
use crate::extract::Problem;
use crate::extract::budget::Budget;

/// How deep forms (page programs called by others) are followed; they may call themselves.
const FORM_DEPTH_MAX: u8 = 4;
/// Most forms that a document may call; each may call others.
const FORMS_MAX: u32 = 20_000;
/// Most bytes of programs that are run. Pages may share a program, so this is more than the file.
const PROGRAM_BYTES_MAX: usize = 128 * 1024 * 1024;
/// A gap inside a text, in thousandths of the font size, that stands for a space.
const SPACE_GAP: f32 = 130.0;

/// A piece of text that is printed in one go.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) text: String,
    /// Left end, in points from the left edge of the page.
    pub(super) x: f32,
    /// Right end; an estimate where the font gives no widths.
    pub(super) end: f32,
    /// Baseline, in points from the bottom of the page.
    pub(super) y: f32,
    /// Size of the font in points.
    pub(super) size: f32,
    pub(super) bold: bool,
}

/// Runs the programs of the pages of one document.
pub(super) struct Printer<'a> {
    document: &'a Document,
    fonts: FontCache<'a>,
    runs: Vec<Run>,
    forms_left: u32,
    program_bytes_left: usize,
    budget: Budget,
}

impl<'a> Printer<'a> {
    pub(super) fn new(document: &'a Document) -> Self {
        Self {
            document,
            fonts: FontCache::new(document),
            runs: Vec::new(),
            forms_left: FORMS_MAX,
            program_bytes_left: PROGRAM_BYTES_MAX,
            budget: Budget::new(),
        }
    }

    /// Returns the runs of a page in the order its program prints them.
    pub(super) fn page(&mut self, page: ObjectId) -> Result<Vec<Run>, Problem> {
        let document = self.document;
        let Ok(program) = document.get_page_content_with_limit(page, STREAM_BYTES_MAX) else {
            return Err(Problem::corrupt("PDF", "the content of a page cannot be unpacked"));
        };
        let (own, inherited) = document.get_page_resources(page).unwrap_or((None, Vec::new()));
        // The nearest resources are first, and only they count unless the page has none.
        let inherited = inherited.first().and_then(|id| document.get_dictionary(*id).ok());
        if let Some(resources) = own.or(inherited) {
            self.print(&program, resources, Matrix::IDENTITY, 0)?;
        }
        Ok(std::mem::take(&mut self.runs))
    }

    fn print(
        &mut self,
        program: &[u8],
        resources: &'a Dictionary,
        page: Matrix,
        depth: u8,
    ) -> Result<(), Problem> {
        /// Deepest stack of saved states; more is an attack.
        const SAVED_MAX: usize = 512;
        let left = self.program_bytes_left.checked_sub(program.len());
        self.program_bytes_left = left.ok_or(Problem::TooMuch { limit: "128 MiB of pages" })?;
        let fonts = self.fonts.of_resources(resources);
        let mut state = State::new(page);
        let mut saved = Vec::new();
        for operation in Content::decode_iter(program) {
            let Ok(operation) = operation else {
                return Err(Problem::corrupt("PDF", "the content of a page cannot be read"));
            };
            match operation.operator.as_str() {
                "q" if saved.len() < SAVED_MAX => saved.push(state.clone()),
                "Q" => state = saved.pop().unwrap_or(state),
                "cm" => {
                    if let Some(matrix) = Matrix::from_operands(&operation.operands) {
                        state.page = matrix.then(state.page);
                    }
                }
                "Do" if depth < FORM_DEPTH_MAX => {
                    self.form(&operation, resources, state.page, depth)?;
                }
                "Tj" | "TJ" | "'" | "\"" => self.show(&operation, &fonts, &mut state)?,
                _ => position(&operation, &mut state),
            }
        }
        Ok(())
    }

    /// Prints a form that the page calls by name. Anything else, such as a picture, has no text.
    fn form(
        &mut self,
        operation: &Operation,
        resources: &'a Dictionary,
        page: Matrix,
        depth: u8,
    ) -> Result<(), Problem> {
        let document = self.document;
        let stream = operation
            .operands
            .first()
            .and_then(|name| name.as_name().ok())
            .and_then(|name| document.get_dict_in_dict(resources, b"XObject").ok()?.get(name).ok())
            .and_then(|object| document.dereference(object).ok()?.1.as_stream().ok());
        let Some(stream) = stream else { return Ok(()) };
        let is_form =
            stream.dict.get(b"Subtype").and_then(Object::as_name).is_ok_and(|s| s == b"Form");
        let Some(forms_left) = self.forms_left.checked_sub(1).filter(|_| is_form) else {
            return Ok(());
        };
        self.forms_left = forms_left;
        let Ok(program) = stream.decompressed_content_with_limit(STREAM_BYTES_MAX) else {
            return Ok(());
        };
        let matrix = stream.dict.get(b"Matrix").and_then(Object::as_array).ok();
        let matrix = matrix.and_then(|matrix| Matrix::from_operands(matrix));
        let own = document.get_dict_in_dict(&stream.dict, b"Resources").unwrap_or(resources);
        self.print(&program, own, matrix.unwrap_or(Matrix::IDENTITY).then(page), depth + 1)
    }

    /// Prints the text of one operation as one run.
    fn show(
        &mut self,
        operation: &Operation,
        fonts: &Fonts<'_>,
        state: &mut State,
    ) -> Result<(), Problem> {
        if matches!(operation.operator.as_str(), "'" | "\"") {
            state.next_line(0.0, -state.leading);
        }
        let Some(font) = fonts.get(state.font.as_slice()) else {
            return Ok(());
        };
        let mut text = String::new();
        let mut width = 0.0;
        let parts = match operation.operands.last() {
            Some(Object::Array(parts)) => parts.as_slice(),
            Some(part) => std::slice::from_ref(part),
            None => &[],
        };
        for part in parts {
            if let Ok(bytes) = part.as_str() {
                let decoded = font.decode(bytes);
                let (characters, ems) = font.measure(bytes);
                let spaces =
                    f32::from(u8::try_from(decoded.matches(' ').count()).unwrap_or(u8::MAX));
                width +=
                    ems * state.size + characters * state.character_gap + spaces * state.word_gap;
                text.push_str(&decoded);
            } else if let Ok(gap) = part.as_float() {
                width -= gap / 1_000.0 * state.size;
                if -gap > SPACE_GAP && !text.ends_with(' ') {
                    text.push(' ');
                }
            }
        }
        self.budget.spend(&text)?;
        let [a, b, .., x, y] = state.text.then(state.page).0;
        let scale = a.hypot(b);
        // Text that does not run from left to right, such as a watermark, has no place in lines.
        let upright = b.abs() <= a.abs() * 0.2 && a > 0.0;
        if upright && !text.trim().is_empty() {
            let (end, size) = (x + width * scale, state.size.abs() * scale);
            self.runs.push(Run { text, x, end, y, size, bold: font.bold });
        }
        state.text = Matrix::translation(width, 0.0).then(state.text);
        Ok(())
    }
}
