//! Reading a JSON body: within a size, within a time, and with errors that say where.

use std::time::Duration;

use axum::{
    body::{Body, HttpBody},
    http::{HeaderMap, header},
};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use serde::{Deserialize, Deserializer, de, de::DeserializeOwned};
use serde_json::error::Category;

use crate::error::{FieldError, Problem, ProblemKind};

/// Longest time a client may take to send a body. Bodies are small, so whoever takes longer holds
/// the connection on purpose.
const BODY_DEADLINE: Duration = Duration::from_secs(20);

/// Checks that the body is labelled as JSON.
pub(crate) fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    if essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
    {
        return Ok(());
    }
    let detail = "expected Content-Type: application/json";
    Err(Problem::new(ProblemKind::UnsupportedMediaType, detail))
}

/// Reads a body of at most `limit` bytes.
pub(crate) async fn read_body(body: Body, limit: usize) -> Result<Bytes, Problem> {
    let too_large = || {
        let detail = format!("the request body is larger than {limit} bytes");
        Problem::new(ProblemKind::PayloadTooLarge, detail)
    };
    let announced = body.size_hint().lower();
    if usize::try_from(announced).map_or(true, |announced| announced > limit) {
        return Err(too_large());
    }
    let read = async {
        let mut chunks = body.into_data_stream();
        let mut read = BytesMut::new();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| Problem::bad_request("the request body ended early"))?;
            if read.len() + chunk.len() > limit {
                return Err(too_large());
            }
            read.extend_from_slice(&chunk);
        }
        Ok(read.freeze())
    };
    let late = |_| Problem::new(ProblemKind::RequestTimeout, "the request body took too long");
    tokio::time::timeout(BODY_DEADLINE, read).await.map_err(late)?
}

/// Reads a value from JSON: 400 if it is no JSON, 422 with a pointer if it is other JSON.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    // Read without a type first: otherwise a body that is both broken and of the wrong type would
    // be refused for whichever comes first, and unknown fields could nest without a limit.
    serde_json::from_slice::<serde_json::Value>(body).map_err(|error| malformed(&error))?;
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let at = pointer(error.path());
        let error = error.into_inner();
        match error.classify() {
            Category::Data => Problem::invalid(vec![data_error(at, &error)]),
            Category::Io | Category::Syntax | Category::Eof => malformed(&error),
        }
    })
}

/// Reads an object: serde would take an array for one as well, field by field.
pub(crate) fn parse_object<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let is_array = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    if is_array {
        serde_json::from_slice::<de::IgnoredAny>(body).map_err(|error| malformed(&error))?;
        let error = FieldError::new("", "invalid type: sequence, expected an object");
        return Err(Problem::invalid(vec![error]));
    }
    parse(body)
}

/// Reads a number that has to be whole, also when it is written as `3.0` or `3e2`: to JSON these
/// are the same numbers. For fields with `#[serde(default)]`.
pub(crate) fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    // Up to here every whole number has a float of its own.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    let Some(number) = Option::<serde_json::Number>::deserialize(deserializer)? else {
        return Ok(None);
    };
    let from_float = |float: f64| {
        let is_whole = float.fract() == 0.0 && (0.0..=EXACT_MAX).contains(&float);
        is_whole.then(|| Duration::from_secs_f64(float).as_secs())
    };
    let whole = number.as_u64().or_else(|| number.as_f64().and_then(from_float));
    let expected = || de::Error::custom(format!("found {number}, expected a whole number from 0"));
    whole.map(Some).ok_or_else(expected)
}

fn malformed(error: &serde_json::Error) -> Problem {
    Problem::new(ProblemKind::MalformedJson, format!("the request body is not JSON: {error}"))
}

fn data_error(mut pointer: String, error: &serde_json::Error) -> FieldError {
    let message = error.to_string();
    // Line and column mean little to whoever built the body with a library.
    let detail = message.rsplit_once(" at line ").map_or(message.as_str(), |(detail, _)| detail);
    // Serde reports a missing field at the object that lacks it; the pointer should name the field.
    let missing = detail.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
    if let Some(field) = missing {
        push(&mut pointer, field);
    }
    FieldError::new(pointer, detail.to_owned())
}

/// Writes a path as a JSON pointer (RFC 6901).
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => push(&mut pointer, &index.to_string()),
            Segment::Map { key } => push(&mut pointer, key),
            // A variant is no place in the JSON, and what is unknown cannot be pointed at.
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

fn push(pointer: &mut String, segment: &str) {
    pointer.push('/');
    pointer.push_str(&segment.replace('~', "~0").replace('/', "~1"));
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Order {
        #[serde(rename = "a/b~c")]
        #[expect(dead_code, reason = "only decoded")]
        lines: Vec<Line>,
    }

    #[derive(Debug, Deserialize)]
    struct Line {
        #[expect(dead_code, reason = "only decoded")]
        count: u32,
    }

    fn problem(body: &str) -> (u16, Option<String>, String) {
        let problem = parse::<Order>(body.as_bytes()).expect_err(body);
        let first = problem.errors().first();
        let pointer = first.and_then(|error| error.pointer.as_ref()).map(ToString::to_string);
        (problem.status().as_u16(), pointer, problem.detail().to_owned())
    }

    #[test]
    fn an_error_points_at_the_value() {
        let (status, pointer, detail) = problem(r#"{"a/b~c": [{"count": 1}, {"count": "x"}]}"#);
        assert_eq!((status, pointer.as_deref()), (422, Some("/a~1b~0c/1/count")));
        assert_eq!(detail, r#"invalid type: string "x", expected u32"#);
    }

    #[test]
    fn a_whole_number_may_be_written_as_a_float() {
        #[derive(Deserialize)]
        struct Wait {
            #[serde(default, deserialize_with = "whole")]
            seconds: Option<u64>,
        }
        let read = |body: &str| parse::<Wait>(body.as_bytes()).map(|wait| wait.seconds).ok();
        assert_eq!(read(r#"{"seconds": 300}"#), Some(Some(300)));
        assert_eq!(read(r#"{"seconds": 300.0}"#), Some(Some(300)));
        assert_eq!(read(r#"{"seconds": 3e2}"#), Some(Some(300)));
        assert_eq!(read(r#"{"seconds": null}"#), Some(None));
        assert_eq!(read("{}"), Some(None));
        for bad in ["-1", "0.5", "1e300", "true", "\"3\"", "-1e300"] {
            assert_eq!(read(&format!("{{\"seconds\": {bad}}}")), None, "{bad}");
        }
    }

    #[test]
    fn an_array_is_no_object() {
        #[derive(Debug, Deserialize)]
        struct Wait {
            #[expect(dead_code, reason = "only decoded")]
            seconds: Option<u64>,
        }
        assert_eq!(parse::<Wait>(b"[1]").map(|_| ()).ok(), Some(()));
        for (body, status) in [("[1]", 422), (" []", 422), ("[", 400)] {
            let problem = parse_object::<Wait>(body.as_bytes()).expect_err(body);
            assert_eq!(problem.status().as_u16(), status, "{body}");
        }
        assert!(parse_object::<Wait>(b"{}").is_ok());
    }

    #[test]
    fn a_missing_field_is_named() {
        let (status, pointer, _) = problem(r#"{"a/b~c": [{}]}"#);
        assert_eq!((status, pointer.as_deref()), (422, Some("/a~1b~0c/0/count")));
    }

    #[test]
    fn broken_json_is_broken_even_if_its_start_has_the_wrong_type() {
        assert_eq!(problem(r#"{"a/b~c": 7, "#).0, 400);
        assert_eq!(problem("").0, 400);
        assert_eq!(problem(r#"{"a/b~c": []} x"#).0, 400);
    }

    #[test]
    fn deep_nesting_is_refused_even_where_nothing_is_expected() {
        let deep = "[".repeat(5_000) + &"]".repeat(5_000);
        assert_eq!(problem(&format!(r#"{{"a/b~c": [], "other": {deep}}}"#)).0, 400);
    }
}
