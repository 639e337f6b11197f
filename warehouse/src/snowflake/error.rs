//! The service's errors as public ones: the SQLSTATE decides the kind, the text is one of ours, and the
//! service's own, which holds values, names and texts of statements, is the private cause.

use std::error::Error as StdError;

use tollgate_catalog::{Error, ErrorKind};

/// What the service said: its code and SQLSTATE, and its text.
#[derive(Debug, thiserror::Error)]
#[error("{code} ({state}): {message}")]
pub(super) struct Said {
    pub(super) code: String,
    pub(super) state: String,
    pub(super) message: String,
}

impl Said {
    /// Whether the statement ran before it failed. What is refused while it is compiled has a code below
    /// 100000, and what is said of sessions one above 200000.
    pub(super) fn has_run(&self) -> bool {
        matches!(self.code.as_str(), "000604" | "000605" | "000630" | "090150")
            || self.code.parse::<u32>().is_ok_and(|code| (100_000..200_000).contains(&code))
    }
}

/// A service that can't be reached, or lets nobody in.
pub(super) fn unreachable(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
    Error::new(ErrorKind::WarehouseFailed, "the warehouse can't be reached")
        .with_hint("try again later, or ask the operator to look at the gateway's log")
        .with_cause(cause)
}

/// Whether the service answered, and lets nobody in: of a session, it says nothing else.
pub(crate) fn refuses_login(error: &Error) -> bool {
    error.kind() == ErrorKind::WarehouseFailed
        && error.cause().is_some_and(|cause| cause.is::<Said>())
}

/// A connection that broke in the midst of something.
pub(super) fn lost(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
    Error::new(ErrorKind::WarehouseFailed, "the connection to the warehouse was lost")
        .with_hint("run the statement again")
        .with_cause(cause)
}

/// An answer that can't be read.
pub(super) fn malformed(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
    Error::new(ErrorKind::WarehouseFailed, "the warehouse sent an answer that can't be read")
        .with_cause(cause)
}

/// The public error for what the service said about a statement.
pub(super) fn public(said: Said) -> Error {
    let supported = "the statement uses something that the warehouse does not support";
    let (kind, message) = match (said.code.as_str(), said.state.as_str()) {
        ("000604" | "000630" | "000605", _) | (_, "57014") => {
            (ErrorKind::QueryCanceled, "canceling statement due to statement timeout")
        }
        ("100051", _) | (_, "22012") => (ErrorKind::DivisionByZero, "division by zero"),
        (_, "22003") => (ErrorKind::NumericOutOfRange, "a value is out of range for its type"),
        (_, "22018" | "22P02") => {
            (ErrorKind::InvalidText, "a value could not be converted to the requested type")
        }
        (_, "22007" | "22008") => {
            (ErrorKind::InvalidDatetime, "a date or time can't be read or is out of range")
        }
        ("090150", _) | (_, "21000") => (
            ErrorKind::CardinalityViolation,
            "more than one row returned by a subquery used as an expression",
        ),
        // It compiled the statement, and found something that it hasn't: a kind of subquery, mostly.
        ("002031" | "001003" | "000002" | "002140" | "001044", _) | (_, "0A000") => {
            (ErrorKind::NotSupported, supported)
        }
        (_, state) if state.starts_with("22") => {
            (ErrorKind::DataException, "an argument is not valid for its function")
        }
        _ => (ErrorKind::WarehouseFailed, "the warehouse could not run the query"),
    };
    let error = Error::new(kind, message);
    let error = match kind {
        ErrorKind::NotSupported => error.with_hint("write the statement in another way"),
        _ => error,
    };
    error.with_cause(said)
}
