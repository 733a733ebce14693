//! Where and how text prints: transformations and the graphics state.

use lopdf::Object;
use lopdf::content::Operation;

/// A transformation of the plane, as PDF writes it: `[a b c d e f]`.
#[derive(Clone, Copy)]
pub(super) struct Matrix(pub(super) [f32; 6]);

impl Matrix {
    pub(super) const IDENTITY: Self = Self([1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);

    pub(super) fn from_operands(operands: &[Object]) -> Option<Self> {
        let mut numbers = operands.iter().map(|operand| operand.as_float().ok());
        let mut next = || numbers.next().flatten();
        Some(Self([next()?, next()?, next()?, next()?, next()?, next()?]))
    }

    pub(super) fn translation(x: f32, y: f32) -> Self {
        Self([1.0, 0.0, 0.0, 1.0, x, y])
    }

    /// Applies `self` first and `outer` second.
    pub(super) fn then(self, outer: Self) -> Self {
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
pub(super) struct State {
    pub(super) page: Matrix,
    pub(super) text: Matrix,
    pub(super) line: Matrix,
    pub(super) font: Vec<u8>,
    pub(super) size: f32,
    pub(super) leading: f32,
    pub(super) character_gap: f32,
    pub(super) word_gap: f32,
}

impl State {
    pub(super) fn new(page: Matrix) -> Self {
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

    pub(super) fn next_line(&mut self, x: f32, y: f32) {
        self.line = Matrix::translation(x, y).then(self.line);
        self.text = self.line;
    }
}

/// Carries out the operations that say where and how the next text prints.
pub(super) fn position(operation: &Operation, state: &mut State) {
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
