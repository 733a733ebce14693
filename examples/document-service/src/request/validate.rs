//! Validation of a request: every problem, each with the place in the body it belongs to.

use std::collections::HashSet;

use super::{GenerateDocument, paths};
use crate::rules::RuleBook;

/// Most source files one request may name.
pub const FILE_PATHS_MAX: usize = 256;
/// Longest name of a generated file. File systems allow 255 bytes, `.docx` and a prefix included.
const OUTPUT_NAME_BYTES_MAX: usize = 200;
/// Longest id, key or name.
const NAME_BYTES_MAX: usize = 256;
/// Longest document instructions; they are printed in the document.
const INSTRUCTIONS_BYTES_MAX: usize = 16 * 1024;
/// Longest webhook URL; longer ones fail in common proxies.
const WEBHOOK_BYTES_MAX: usize = 2_048;

/// One problem of a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pointer}: {message}")]
pub struct FieldError {
    /// JSON pointer (RFC 6901) to the field.
    pub pointer: String,
    /// What was found and what was expected.
    pub message: String,
}

/// Returns every problem of `request`. An empty list means that it can be submitted.
#[must_use]
pub fn validate(request: &GenerateDocument, book: &RuleBook) -> Vec<FieldError> {
    let mut errors = Errors(Vec::new());
    for conflict in &request.conflicts {
        let (field, alias) = (conflict.field, conflict.alias);
        let message = format!("`{field}` and its alias `{alias}` have different values");
        errors.add(format!("/{field}"), message);
    }
    check_rules(request, book, &mut errors);
    check_paths(&request.file_paths, &mut errors);
    if let Some(name) = &request.output_name
        && let Some(problem) = output_name_problem(name)
    {
        errors.add("/output_name", problem);
    }
    check_lengths(request, &mut errors);
    if let Some(webhook) = &request.webhook
        && let Some(problem) = webhook_problem(webhook)
    {
        errors.add("/webhook", problem);
    }
    errors.0
}

struct Errors(Vec<FieldError>);

impl Errors {
    fn add(&mut self, pointer: impl Into<String>, message: impl Into<String>) {
        self.0.push(FieldError { pointer: pointer.into(), message: message.into() });
    }
}

fn check_rules(request: &GenerateDocument, book: &RuleBook, errors: &mut Errors) {
    let rules = match book.rules(&request.document_type) {
        Ok(rules) => rules,
        Err(error) => return errors.add("/document_type", error.to_string()),
    };
    for (index, id) in request.selected_section_ids.iter().flatten().enumerate() {
        if rules.section(id).is_none() {
            let known = rules.section_ids();
            let message = format!("unknown section `{id}`; known sections are {known}");
            errors.add(format!("/selected_section_ids/{index}"), message);
        }
    }
}

fn check_paths(paths: &[String], errors: &mut Errors) {
    if paths.is_empty() {
        errors.add("/file_paths", "at least one source file is needed");
    }
    if paths.len() > FILE_PATHS_MAX {
        let message = format!("{} files are given; the limit is {FILE_PATHS_MAX}", paths.len());
        // One error for the list is enough; it would take thousands to report each path.
        return errors.add("/file_paths", message);
    }
    let mut seen = HashSet::new();
    for (index, path) in paths.iter().enumerate() {
        if let Some(problem) = paths::problem(path) {
            errors.add(format!("/file_paths/{index}"), format!("the path {problem}"));
        } else if !seen.insert(path) {
            errors.add(format!("/file_paths/{index}"), "the path is given twice");
        }
    }
}

fn check_lengths(request: &GenerateDocument, errors: &mut Errors) {
    let fields = [
        ("/document_set_key", &request.document_set_key, NAME_BYTES_MAX),
        ("/document_set_name", &request.document_set_name, NAME_BYTES_MAX),
        ("/generic_mrt_id", &request.generic_mrt_id, NAME_BYTES_MAX),
        ("/style_guide_id", &request.style_guide_id, NAME_BYTES_MAX),
        ("/document_instructions", &request.document_instructions, INSTRUCTIONS_BYTES_MAX),
    ];
    for (pointer, value, limit) in fields {
        if value.as_ref().is_some_and(|value| value.len() > limit) {
            errors.add(pointer, format!("the value is longer than {limit} bytes"));
        }
    }
}

/// Says why a file cannot have this name on every common system, if so.
fn output_name_problem(name: &str) -> Option<String> {
    if name.trim().is_empty() {
        return Some("the name is empty".to_owned());
    }
    if name.len() > OUTPUT_NAME_BYTES_MAX {
        return Some(format!("the name is longer than {OUTPUT_NAME_BYTES_MAX} bytes"));
    }
    if name.starts_with('.') {
        return Some("the name starts with a dot".to_owned());
    }
    if name.starts_with(' ') || name.ends_with([' ', '.']) {
        return Some("the name starts with a space, or ends with a space or a dot".to_owned());
    }
    let forbidden = |c: char| c.is_control() || r#"/\:*?"<>|%"#.contains(c);
    let found = name.chars().find(|&c| forbidden(c))?;
    Some(format!("the name contains {}", found.escape_default()))
}

fn webhook_problem(url: &str) -> Option<&'static str> {
    if url.len() > WEBHOOK_BYTES_MAX {
        return Some("the URL is longer than 2048 bytes");
    }
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    if host.is_empty() {
        return Some("the URL must start with http:// or https:// and name a host");
    }
    let blank = |c: char| c.is_whitespace() || c.is_control();
    url.chars().any(blank).then_some("the URL contains a space or a control character")
}
