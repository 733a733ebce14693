//! The machine against hand-written expectations, against promises that hold for any history, and
//! against the document that shows it.

mod document;
mod histories;
mod samples;
mod times;
mod transitions;
