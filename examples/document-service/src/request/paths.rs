//! Paths of source files: which are well formed, and whose they are.

/// Longest path, in bytes. Object stores allow 1,024.
const PATH_BYTES_MAX: usize = 1_024;

/// A path that names a file outside the folders that the caller may read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` is not in the folder of the caller's organization")]
pub struct ForeignPath {
    /// The path that was refused.
    pub path: String,
}

/// Checks that no path names a file of another organization.
///
/// The first segment of a path has to be the id of the caller's organization, or one of the
/// folders that are `shared`. Which organizations there are makes no difference: they come and go,
/// and their files stay. Without organizations (`None`) nothing is refused. An organization whose
/// id cannot be the name of one folder, or is that of a shared one, has no folder of its own, so
/// all its paths are refused.
///
/// # Errors
///
/// The first path that is refused.
pub fn authorize_paths(
    paths: &[String],
    caller: Option<&str>,
    shared: &[String],
) -> Result<(), ForeignPath> {
    let Some(caller) = caller else { return Ok(()) };
    let is_shared = |owner: &str| shared.iter().any(|folder| folder == owner);
    let has_folder = is_folder(caller) && !is_shared(caller);
    let is_foreign = |path: &&String| {
        let owner = path.split('/').next().unwrap_or_default();
        !has_folder || (owner != caller && !is_shared(owner))
    };
    match paths.iter().find(is_foreign) {
        Some(path) => Err(ForeignPath { path: path.clone() }),
        None => Ok(()),
    }
}

/// Tells whether a name is that of one folder, wherever files are stored.
#[must_use]
pub fn is_folder(name: &str) -> bool {
    let is_good = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    !name.is_empty() && !name.starts_with('.') && name.len() <= 128 && name.chars().all(is_good)
}

/// Says what is wrong with `path`, if anything.
///
/// What passes names a file below the root of the store under any reading of the path: as a URL,
/// on Unix and on Windows.
pub(super) fn problem(path: &str) -> Option<&'static str> {
    if path.is_empty() {
        return Some("is empty");
    }
    if path.len() > PATH_BYTES_MAX {
        return Some("is longer than 1024 bytes");
    }
    if path.chars().any(char::is_control) {
        return Some("contains a control character");
    }
    if path.contains('\\') {
        return Some("contains a backslash; separate folders with `/`");
    }
    if path.contains("://") {
        return Some("is a URL; give the key of a stored file, such as `folder/file.pdf`");
    }
    if path.starts_with('/') {
        return Some("is absolute; it must be relative to the root of the store");
    }
    if has_drive_letter(path) {
        return Some("starts with a drive letter");
    }
    if hides_a_separator(path) {
        return Some(
            "contains a percent-encoded dot, separator, percent sign or control character",
        );
    }
    path.split('/').find_map(|segment| match segment {
        "" => Some("contains an empty segment"),
        "." | ".." => Some("contains a `.` or `..` segment"),
        _ => None,
    })
}

fn has_drive_letter(path: &str) -> bool {
    matches!(path.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic())
}

/// Tells whether a reader that decodes `%XX` would see a different structure.
fn hides_a_separator(path: &str) -> bool {
    path.as_bytes().windows(3).any(|window| {
        let &[b'%', high, low] = window else {
            return false;
        };
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let (Some(high), Some(low)) = (digit(high), digit(low)) else {
            return false;
        };
        let decoded = char::from_u32(high * 16 + low).unwrap_or_default();
        decoded.is_control() || matches!(decoded, '.' | '/' | '\\' | '%')
    })
}
