//! How an error looks in gRPC.

use bytes::Bytes;
use tollgate_catalog::{Error, ErrorKind};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// The result of a call.
pub(crate) type Answer<T> = Result<T, Status>;

/// The longest text of a status: it travels in a header.
const LONGEST: usize = 4096;

/// How much of it is repeated in the details, which are a header, too.
const SHORT: usize = 512;

/// Whose reasons those of errors are.
const DOMAIN: &str = "tollgate";

/// The status for an error; its private cause goes to the log and nowhere else.
pub(crate) fn status(error: &Error) -> Status {
    let sqlstate = error.kind().sqlstate();
    match error.cause() {
        Some(cause) => {
            tracing::warn!(sqlstate, message = error.message(), cause = %cause, "call failed");
        }
        None => tracing::debug!(sqlstate, message = error.message(), "call refused"),
    }
    let mut text = format!("{} (SQLSTATE {sqlstate})", error.message());
    for (name, more) in [("detail", error.detail()), ("hint", error.hint())] {
        if let Some(more) = more {
            text.push_str(&format!("\n{name}: {more}"));
        }
    }
    if let Some(position) = error.position() {
        text.push_str(&format!("\nposition: {position}"));
    }
    let end = text.floor_char_boundary(LONGEST);
    text.truncate(end);
    let code = code(error.kind());
    let details = details(error, code, &text);
    Status::with_details(code, text, details)
}

/// The same for programs: the kind, its SQLSTATE, and when to try again.
fn details(error: &Error, code: Code, text: &str) -> Bytes {
    let kind = error.kind();
    let mut details = ErrorDetails::new();
    let sqlstate = ("sqlstate".to_owned(), kind.sqlstate().to_owned());
    details.set_error_info(kind.label().to_uppercase(), DOMAIN, [sqlstate]);
    if let Some(wait) = error.retry_after() {
        details.set_retry_info(Some(wait));
    }
    // The text is in a header of its own; both together must not be too long for clients.
    let start = text.get(..text.floor_char_boundary(SHORT)).unwrap_or_default();
    let status = Status::with_error_details(code, start, details);
    Bytes::copy_from_slice(status.details())
}

/// The client sent what the protocol doesn't allow.
pub(crate) fn violation(message: impl Into<String>) -> Status {
    status(&Error::new(ErrorKind::ProtocolViolation, message))
}

/// What this server doesn't do.
pub(crate) fn unsupported(what: &str) -> Status {
    status(&Error::not_supported(what))
}

/// A defect.
pub(crate) fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Status {
    status(&Error::internal(cause))
}

fn code(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::UndefinedTable | ErrorKind::InvalidCatalogName => Code::NotFound,
        ErrorKind::Syntax
        | ErrorKind::UndefinedColumn
        | ErrorKind::UndefinedFunction
        | ErrorKind::UndefinedObject
        | ErrorKind::AmbiguousColumn
        | ErrorKind::DuplicateAlias
        | ErrorKind::InvalidColumnReference
        | ErrorKind::Grouping
        | ErrorKind::DatatypeMismatch
        | ErrorKind::IndeterminateDatatype
        | ErrorKind::InvalidText
        | ErrorKind::InvalidBinary
        | ErrorKind::InvalidEncoding
        | ErrorKind::InvalidDatetime
        | ErrorKind::NumericOutOfRange
        | ErrorKind::DivisionByZero
        | ErrorKind::InvalidParameterValue
        | ErrorKind::ArraySubscript
        | ErrorKind::InvalidLimit
        | ErrorKind::InvalidOffset
        | ErrorKind::CardinalityViolation
        | ErrorKind::DataException
        | ErrorKind::InvalidStatementName
        | ErrorKind::DuplicateStatement
        | ErrorKind::InvalidCursorName
        | ErrorKind::NotInPrerequisiteState
        | ErrorKind::DuplicateCursor
        | ErrorKind::ProtocolViolation => Code::InvalidArgument,
        ErrorKind::NotSupported => Code::Unimplemented,
        ErrorKind::InsufficientPrivilege | ErrorKind::ReadOnly => Code::PermissionDenied,
        ErrorKind::InFailedTransaction
        | ErrorKind::IdleInTransaction
        | ErrorKind::NoActiveTransaction
        | ErrorKind::InvalidSavepoint
        | ErrorKind::CantChangeRuntimeParam => Code::FailedPrecondition,
        ErrorKind::QueryCanceled => Code::Cancelled,
        ErrorKind::AdminShutdown | ErrorKind::CannotConnectNow | ErrorKind::IoError => {
            Code::Unavailable
        }
        ErrorKind::TooManyConnections
        | ErrorKind::OutOfMemory
        | ErrorKind::DiskFull
        | ErrorKind::ProgramLimit
        | ErrorKind::RowsExceeded
        | ErrorKind::BytesExceeded
        | ErrorKind::RateExceeded
        | ErrorKind::BudgetExceeded
        | ErrorKind::TooBusy => Code::ResourceExhausted,
        ErrorKind::RuntimeExceeded => Code::DeadlineExceeded,
        ErrorKind::InvalidPassword | ErrorKind::InvalidAuthorization => Code::Unauthenticated,
        ErrorKind::WarehouseFailed | ErrorKind::Internal => Code::Internal,
    }
}
