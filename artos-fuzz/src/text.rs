//! Texts that people and other programs write: ids, cursors, rules, durations.

use std::{fmt::Display, str::FromStr, time::Duration};

use artos_core::model::{Cursor, TaskId, TaskState};
use clap::Parser as _;
use document_service::{
    cli::{Arguments, Command},
    rules::RuleSet,
};

/// Reads a text, and if it can be read, writes and reads it again.
fn comes_back<T>(text: &str)
where
    T: FromStr + Display + PartialEq + std::fmt::Debug,
{
    if let Ok(read) = text.parse::<T>() {
        let written = read.to_string();
        assert_eq!(written.parse::<T>().ok().as_ref(), Some(&read), "{text:?} as {written:?}");
    }
}

/// A cursor of a listing, an id, the name of a state.
pub fn names(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    comes_back::<Cursor>(text);
    comes_back::<TaskId>(text);
    comes_back::<TaskState>(text);
}

/// A file of rules of the document service.
pub fn rules(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Err(error) = RuleSet::parse("rules.toml", text) {
        assert!(!error.to_string().is_empty());
    }
}

/// What is written after `serve` on the command line of the document service, its durations first
/// of all: each line is an argument.
pub fn durations(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let arguments = ["document-service", "serve"].into_iter().chain(text.lines());
    match Arguments::try_parse_from(arguments) {
        Ok(Arguments { command: Command::Serve(serve) }) => {
            assert!(
                serve.work.lease_seconds >= Duration::from_secs(1),
                "a lease that ends at once"
            );
        }
        Ok(_) => panic!("this is not what was asked for"),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
