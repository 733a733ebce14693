//! The keys that secrets of webhook endpoints are sealed with: from a file or the environment,
//! never from the command line, which everybody on the machine can read.

use std::path::Path;

use anyhow::{Context as _, bail};

/// The variable with the keys themselves.
pub const VARIABLE: &str = "DOCUMENT_SERVICE_WEBHOOK_KEYS";

/// A key for AES-256.
pub type Key = [u8; 32];

/// Reads the keys from a file, or else from the environment; none if there is neither.
///
/// # Errors
///
/// If the file cannot be read, there are keys in both places, or one is no key. No message repeats
/// one.
pub fn read(file: Option<&Path>) -> anyhow::Result<Vec<Key>> {
    let variable = std::env::var(VARIABLE).ok().filter(|text| !text.trim().is_empty());
    match (file, variable) {
        (None, None) => Ok(Vec::new()),
        (Some(_), Some(_)) => {
            bail!("expected --webhook-keys or {VARIABLE}, found both")
        }
        (Some(file), None) => {
            let shown = file.display();
            let text =
                std::fs::read_to_string(file).with_context(|| format!("cannot read {shown}"))?;
            parse(&text).with_context(|| format!("no keys for webhooks in {shown}"))
        }
        (None, Some(text)) => {
            parse(&text.replace(',', "\n")).with_context(|| format!("no keys in {VARIABLE}"))
        }
    }
}

/// Reads one key from each line that is not empty or a comment.
fn parse(text: &str) -> anyhow::Result<Vec<Key>> {
    let lines = text.lines().map(str::trim).zip(1..);
    let lines = lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
    let mut keys = Vec::new();
    for (line, number) in lines {
        let Some(key) = key(line) else {
            bail!(
                "line {number} is no key: expected 64 hexadecimal digits, such as \
                 `openssl rand -hex 32` prints"
            );
        };
        keys.push(key);
    }
    if keys.is_empty() {
        bail!("it is empty: expected a line of 64 hexadecimal digits");
    }
    Ok(keys)
}

fn key(line: &str) -> Option<Key> {
    let mut key = [0; 32];
    if line.len() != 2 * key.len() || !line.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, at) in key.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(line.get(at..at + 2)?, 16).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_line_by_line_and_never_repeated() {
        let (one, other) = ("0f".repeat(32), "A0".repeat(32));
        let keys = parse(&format!("# the new one\n{one}\n\n  {other}  \n")).ok();
        assert_eq!(keys, Some(vec![[0x0f; 32], [0xa0; 32]]));
        for bad in ["", "# nothing", "secret-key", &one[1..], &format!("{one}0"), &"é".repeat(32)]
        {
            let told = parse(bad).map(|_| ()).map_err(|error| error.to_string());
            let told = told.expect_err(bad);
            assert!(told.contains("64 hexadecimal digits"), "{told}");
            assert!(bad.len() < 10 || !told.contains(bad), "{told}");
        }
    }
}
