//! The meaning of PostgreSQL's errors.

use std::error::Error as _;

use tokio_postgres::Error;

use crate::archive::batch::StoreError;

/// Classes of SQLSTATE that a value causes: "data exception" and "program limit exceeded".
const OF_VALUES: [&str; 2] = ["22", "54"];

/// The error of a statement or a connection.
pub(super) fn store_error(error: Error) -> StoreError {
    let text = describe(&error);
    match error.code() {
        Some(code) if OF_VALUES.iter().any(|class| code.code().starts_with(class)) => {
            StoreError::Value(text)
        }
        _ => StoreError::Unavailable(text),
    }
}

/// The server's words with its code, or the client's words with their cause.
pub(super) fn describe(error: &Error) -> String {
    if let Some(error) = error.as_db_error() {
        let detail = error.detail().map(|detail| format!(" ({detail})"));
        let detail = detail.unwrap_or_default();
        return format!(
            "{}{detail}, SQLSTATE {}",
            error.message(),
            error.code().code()
        );
    }
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
