//! What went wrong between here and the database, and what that means for the caller.

use artos_core::store::StoreError;
use sqlx::error::DatabaseError;

/// A row that makes no sense: somebody else wrote it, or a newer version.
pub(crate) fn nonsense(found: String) -> sqlx::Error {
    sqlx::Error::Decode(format!("found {found}, expected what this version writes").into())
}

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// The connection is broken, or leads to a server that must not be used: take another.
    Reconnect,
    /// Two transactions stood in each other's way: try again.
    Repeat,
    /// Nothing that another try would cure at once.
    Report,
}

/// Returns what to do about an error.
pub(crate) fn remedy(error: &sqlx::Error) -> Remedy {
    match error {
        sqlx::Error::Database(error) => match error.code().as_deref() {
            Some("40001" | "40P01") => Remedy::Repeat,
            // The server stops, crashed, ended this session, or became a standby.
            Some(code) if code.starts_with("57P") || code.starts_with("08") || code == "25006" => {
                Remedy::Reconnect
            }
            // What a prepared statement was planned for has changed; a fresh session plans anew.
            Some("0A000" | "26000") => Remedy::Reconnect,
            _ => Remedy::Report,
        },
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => Remedy::Reconnect,
        _ => Remedy::Report,
    }
}

/// Says in the store's words what went wrong.
pub(crate) fn store_error(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Database(error) => database_error(error),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
            StoreError::Corrupt { message: format!("a row cannot be read: {error}") }
        }
        sqlx::Error::Configuration(_) | sqlx::Error::Encode(_) => {
            StoreError::Invalid { message: error.to_string() }
        }
        error => StoreError::Unavailable {
            message: String::from("the database cannot be reached"),
            source: Some(Box::new(error)),
        },
    }
}

fn database_error(error: Box<dyn DatabaseError>) -> StoreError {
    let code = error.code().unwrap_or_default().into_owned();
    let message = format!("{} (SQLSTATE {code})", error.message());
    match code.as_str() {
        // Disk full, out of memory, too many connections.
        "53100" => StoreError::Full { message },
        // A zero byte in a text, a text too long for an index, a value out of range.
        "22021" | "22P05" | "54000" | "22003" => StoreError::Invalid { message },
        // The schema, a table or a function is missing, or this role may not use it.
        "3F000" | "42P01" | "42883" | "42703" | "42501" | "3D000" | "28000" | "28P01" => {
            StoreError::Invalid { message }
        }
        code if code.starts_with("XX") => StoreError::Corrupt { message },
        _ => StoreError::Unavailable { message, source: Some(error.into_error()) },
    }
}
