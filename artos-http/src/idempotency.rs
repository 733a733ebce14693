//! The `Idempotency-Key` header.
//!
//! The store keeps the key with the task, in the same atomic step that inserts it, so there is no
//! moment in which a request with the same key is under way and could run twice.

use artos_core::{Name, model::Labels};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::error::{FieldError, Problem, ProblemKind};

pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
pub(crate) const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The label of a task with the key of the request that made it, by which it can be found.
pub(crate) const REQUEST: &str = "artos.request";

/// How the keys of labels begin that are not for others.
const OWN_LABELS: &str = "artos.";

/// Longest key, in bytes.
const KEY_BYTES_MAX: usize = 255;

/// Returns the key to store a task under; `None` if the request has none.
///
/// `route` is the method and path. A client's key means something only there, so both are hashed
/// together; the store adds tenant and kind. The hash also keeps the longest key within the store's
/// limit.
pub(crate) fn key(headers: &HeaderMap, route: &str) -> Result<Option<Name>, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let key = parse(value).filter(|_| values.next().is_none()).ok_or_else(|| {
        let detail = "expected one Idempotency-Key of 1 to 255 visible ASCII characters";
        Problem::new(ProblemKind::InvalidIdempotencyKey, detail)
    })?;
    let mut hash = Sha256::new();
    hash.update(route.as_bytes());
    hash.update([0]);
    hash.update(key.as_bytes());
    Ok(Some(Name::from(format!("http:{}", URL_SAFE_NO_PAD.encode(hash.finalize())))))
}

/// Refuses labels that would be taken for ours: they would say that a request was there before.
pub(crate) fn check_labels(labels: &Labels) -> Result<(), Problem> {
    match labels.keys().find(|key| key.starts_with(OWN_LABELS)) {
        Some(_) => {
            let detail = "bad label: keys that begin with `artos.` are for the service itself";
            Err(Problem::invalid(vec![FieldError::general(detail)]))
        }
        None => Ok(()),
    }
}

/// Reads a key, bare (`8e03`) or as a structured-field string (`"8e03"`); both are the same key.
fn parse(value: &HeaderValue) -> Option<String> {
    let text = value.to_str().ok()?.trim();
    let key = match text.strip_prefix('"') {
        Some(quoted) => unescape(quoted.strip_suffix('"')?)?,
        None => text.to_owned(),
    };
    let is_good =
        (1..=KEY_BYTES_MAX).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    is_good.then_some(key)
}

fn unescape(quoted: &str) -> Option<String> {
    let mut text = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => text.push(characters.next().filter(|next| matches!(next, '"' | '\\'))?),
            '"' => return None,
            other => text.push(other),
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(value: &str) -> Option<String> {
        parse(&HeaderValue::from_bytes(value.as_bytes()).expect("a header value"))
    }

    #[test]
    fn quoted_and_bare_keys_are_the_same() {
        assert_eq!(parsed("8e03-97"), Some("8e03-97".into()));
        assert_eq!(parsed("\"8e03-97\""), Some("8e03-97".into()));
        assert_eq!(parsed(r#""a\"b\\c""#), Some(r#"a"b\c"#.into()));
        let longest = "k".repeat(255);
        assert_eq!(parsed(&longest), Some(longest.clone()));
        assert_eq!(parsed(&format!("\"{longest}\"")), Some(longest));
    }

    #[test]
    fn bad_keys_are_refused() {
        let too_long = "k".repeat(256);
        for bad in
            ["", "\"", "\"\"", "a b", "\"a b\"", "\"a", r#""a"b""#, r#""a\""#, "ä", &too_long]
        {
            assert_eq!(parsed(bad), None, "{bad}");
        }
    }
}
