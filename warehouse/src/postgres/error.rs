//! The server's errors as public ones: the SQLSTATE decides the kind, the text is one of ours, and the
//! server's own, which holds values, names and plans, is the private cause.

use std::error::Error as StdError;

use tokio_postgres::error::SqlState;
use tollgate_catalog::{Error, ErrorKind};

/// A server that can't be reached, or lets nobody in.
pub(super) fn unreachable(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
    Error::new(ErrorKind::WarehouseFailed, "the warehouse can't be reached")
        .with_hint("try again later, or ask the operator to look at the gateway's log")
        .with_cause(cause)
}

/// A server that lets nobody in, or nobody more: that passes as soon as others end.
pub(super) fn refused(cause: tokio_postgres::Error) -> Error {
    if cause.code() != Some(&SqlState::TOO_MANY_CONNECTIONS) {
        return unreachable(cause);
    }
    Error::new(ErrorKind::TooManyConnections, "the warehouse takes no more connections now")
        .with_hint("try again in a few seconds, when other queries have ended")
        .with_cause(cause)
}

/// Whether the server lets nobody in under this name, with this secret or from here.
pub(crate) fn refuses_login(error: &Error) -> bool {
    let cause = error.cause().and_then(|cause| cause.downcast_ref::<tokio_postgres::Error>());
    let code = cause.and_then(tokio_postgres::Error::code);
    code.is_some_and(|code| code.code().starts_with("28"))
}

/// Whether the server has ended the connection.
pub(super) fn lost(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| code.code().starts_with("57P"))
}

/// An error before anything runs: what the server then can't do is the statement's form.
pub(super) fn planning(error: tokio_postgres::Error) -> Error {
    let form = error.code().is_some_and(|code| {
        let class = code.code().get(..2).unwrap_or_default();
        matches!(class, "42" | "0A") && *code != SqlState::INSUFFICIENT_PRIVILEGE
    });
    if !form {
        return public(error);
    }
    Error::new(
        ErrorKind::NotSupported,
        "the statement uses something that the warehouse does not support",
    )
    .with_hint("write the statement in another way")
    .with_cause(error)
}

/// The public error for an error of the server, or of the connection to it.
pub(super) fn public(error: tokio_postgres::Error) -> Error {
    let Some(code) = error.code().filter(|_| !lost(&error)) else {
        return Error::new(ErrorKind::WarehouseFailed, "the connection to the warehouse was lost")
            .with_hint("run the statement again")
            .with_cause(error);
    };
    let (kind, message) = match code.code() {
        "22012" => (ErrorKind::DivisionByZero, "division by zero"),
        "22003" => (ErrorKind::NumericOutOfRange, "a value is out of range for its type"),
        "22P02" | "22P03" | "22018" => {
            (ErrorKind::InvalidText, "a value could not be converted to the requested type")
        }
        "22007" | "22008" | "22009" => {
            (ErrorKind::InvalidDatetime, "a date or time can't be read or is out of range")
        }
        "2201B" | "22025" | "2200C" | "22019" => {
            (ErrorKind::InvalidParameterValue, "a pattern is not valid")
        }
        "21000" => (
            ErrorKind::CardinalityViolation,
            "more than one row returned by a subquery used as an expression",
        ),
        "57014" => (ErrorKind::QueryCanceled, "canceling statement due to statement timeout"),
        "53100" | "53200" | "54000" | "54001" => {
            (ErrorKind::OutOfMemory, "the query needs more memory than the warehouse has for it")
        }
        code if code.starts_with("22") => {
            (ErrorKind::DataException, "an argument is not valid for its function")
        }
        _ => (ErrorKind::WarehouseFailed, "the warehouse could not run the query"),
    };
    Error::new(kind, message).with_cause(error)
}
