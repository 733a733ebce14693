//! Interprets the program of a page as far as it prints text.

use lopdf::content::{Content, Operation};
use lopdf::{Dictionary, Document, Object, ObjectId};

use super::STREAM_BYTES_MAX;
use super::font::{self, Fonts};
use crate::extract::Problem;
use crate::extract::budget::Budget;

/// How deep forms (page programs called by others) are followed; they may call themselves.
const FORM_DEPTH_MAX: u8 = 4;
/// Most forms that one page may call; each may call others.
const FORMS_MAX: u32 = 2_000;
/// A gap inside a text, in thousandths of the font size, that stands for a space.
const SPACE_GAP: f32 = 180.0;

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

/// Returns the runs of a page in the order its program prints them.
pub(super) fn of_page(
    document: &Document,
    page: ObjectId,
    budget: &mut Budget,
) -> Result<Vec<Run>, Problem> {
    let Ok(program) = document.get_page_content_with_limit(page, STREAM_BYTES_MAX) else {
        return Err(Problem::corrupt("PDF", "the content of a page cannot be unpacked"));
    };
    let mut printer = Printer { document, runs: Vec::new(), forms_left: FORMS_MAX, budget };
    let (own, inherited) = document.get_page_resources(page).unwrap_or((None, Vec::new()));
    // The nearest resources are first, and only they count unless the page has none.
    let inherited = inherited.first().and_then(|id| document.get_dictionary(*id).ok());
    if let Some(resources) = own.or(inherited) {
        printer.print(&program, resources, Matrix::IDENTITY, 0)?;
    }
    Ok(printer.runs)
}

/// A transformation of the plane, as PDF writes it: `[a b c d e f]`.
#[derive(Clone, Copy)]
struct Matrix([f32; 6]);

impl Matrix {
    const IDENTITY: Self = Self([1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);

    fn from_operands(operands: &[Object]) -> Option<Self> {
        let mut numbers = operands.iter().map(|operand| operand.as_float().ok());
        let mut next = || numbers.next().flatten();
        Some(Self([next()?, next()?, next()?, next()?, next()?, next()?]))
    }

    fn translation(x: f32, y: f32) -> Self {
        Self([1.0, 0.0, 0.0, 1.0, x, y])
    }

    /// Applies `self` first and `outer` second.
    fn then(self, outer: Self) -> Self {
        let [a, b, c, d, e, f] = self.0;
        let [oa, ob, oc, od, oe, of] = outer.0;
        Self([
            a * oa + b * oc,
            a * ob + b * od,
            c * oa + d * oc,
            c * ob + d * od,
            e * oa + f * oc + oe,
            e * ob + f * od + of,
        ])
    }
}

/// The part of the graphics state that decides how text prints.
#[derive(Clone)]
struct State {
    page: Matrix,
    text: Matrix,
    line: Matrix,
    font: Vec<u8>,
    size: f32,
    leading: f32,
    character_gap: f32,
    word_gap: f32,
}

impl State {
    fn new(page: Matrix) -> Self {
        Self {
            page,
            text: Matrix::IDENTITY,
            line: Matrix::IDENTITY,
            font: Vec::new(),
            size: 0.0,
            leading: 0.0,
            character_gap: 0.0,
            word_gap: 0.0,
        }
    }

    fn next_line(&mut self, x: f32, y: f32) {
        self.line = Matrix::translation(x, y).then(self.line);
        self.text = self.line;
    }
}

struct Printer<'a, 'b> {
    document: &'a Document,
    runs: Vec<Run>,
    forms_left: u32,
    budget: &'b mut Budget,
}

impl<'a> Printer<'a, '_> {
    fn print(
        &mut self,
        program: &[u8],
        resources: &'a Dictionary,
        page: Matrix,
        depth: u8,
    ) -> Result<(), Problem> {
        /// Deepest stack of saved states; more is an attack.
        const SAVED_MAX: usize = 512;
        let Ok(content) = Content::decode(program) else {
            return Err(Problem::corrupt("PDF", "the content of a page cannot be read"));
        };
        let fonts = font::from_resources(self.document, resources);
        let mut state = State::new(page);
        let mut saved = Vec::new();
        for operation in &content.operations {
            match operation.operator.as_str() {
                "q" if saved.len() < SAVED_MAX => saved.push(state.clone()),
                "Q" => state = saved.pop().unwrap_or(state),
                "cm" => {
                    if let Some(matrix) = Matrix::from_operands(&operation.operands) {
                        state.page = matrix.then(state.page);
                    }
                }
                "Do" if depth < FORM_DEPTH_MAX => {
                    self.form(operation, resources, state.page, depth)?;
                }
                "Tj" | "TJ" | "'" | "\"" => self.show(operation, &fonts, &mut state)?,
                _ => position(operation, &mut state),
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
        let Some(font) = fonts.get(&state.font) else { return Ok(()) };
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

/// Carries out the operations that say where and how the next text prints.
fn position(operation: &Operation, state: &mut State) {
    let number = |index: usize| {
        operation.operands.get(index).and_then(|operand| operand.as_float().ok()).unwrap_or(0.0)
    };
    match operation.operator.as_str() {
        "BT" => (state.text, state.line) = (Matrix::IDENTITY, Matrix::IDENTITY),
        "Td" => state.next_line(number(0), number(1)),
        "TD" => {
            state.leading = -number(1);
            state.next_line(number(0), number(1));
        }
        "T*" => state.next_line(0.0, -state.leading),
        "Tm" => {
            if let Some(matrix) = Matrix::from_operands(&operation.operands) {
                (state.text, state.line) = (matrix, matrix);
            }
        }
        "Tf" => {
            let name = operation.operands.first().and_then(|name| name.as_name().ok());
            state.font = name.unwrap_or_default().to_vec();
            state.size = number(1);
        }
        "TL" => state.leading = number(0),
        "Tc" => state.character_gap = number(0),
        "Tw" => state.word_gap = number(0),
        _ => {}
    }
}
