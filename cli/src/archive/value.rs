//! The values of questions to either database, and of its answers.

use super::batch::StoreError;

/// A value that a question is asked with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Param<'a> {
    Int(i64),
    Text(&'a str),
}

/// A value of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    Int(i64),
    Text(String),
    Null,
}

impl Cell {
    pub(super) fn int(&self) -> Result<i64, StoreError> {
        match self {
            Self::Int(value) => Ok(*value),
            other => Err(unexpected(other)),
        }
    }

    pub(super) fn text(&self) -> Result<&str, StoreError> {
        match self {
            Self::Text(text) => Ok(text),
            other => Err(unexpected(other)),
        }
    }
}

fn unexpected(cell: &Cell) -> StoreError {
    StoreError::Unavailable(format!("the database answers with an unexpected {cell:?}"))
}
