//! The one error type: what kind it is, what the user may read, and what only the log may.
//!
//! A kind maps once to SQLSTATE, severity and metric label. The public text and the private cause
//! are two fields, and nothing converts one into the other.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

/// Declares the kinds with their SQLSTATE and metric label, so that each is said once.
macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $state:literal, $label:literal;)*) => {
        /// Whose fault it is and how a client should treat it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ErrorKind { $($(#[$doc])* $name,)* }

        impl ErrorKind {
            /// Every kind, in order of declaration.
            pub const ALL: &'static [ErrorKind] = &[$(ErrorKind::$name,)*];

            /// The five-character SQLSTATE (PostgreSQL, Appendix A).
            pub fn sqlstate(self) -> &'static str {
                match self { $(ErrorKind::$name => $state,)* }
            }

            /// The label in metrics and audit records.
            pub fn label(self) -> &'static str {
                match self { $(ErrorKind::$name => $label,)* }
            }
        }
    };
}

kinds! {
    /// The text is not SQL that the parser knows.
    Syntax = "42601", "syntax";
    /// The table doesn't exist for this principal.
    UndefinedTable = "42P01", "undefined_table";
    /// The column doesn't exist for this principal.
    UndefinedColumn = "42703", "undefined_column";
    /// The function doesn't exist in the registry.
    UndefinedFunction = "42883", "undefined_function";
    /// A type, role, setting or other object doesn't exist.
    UndefinedObject = "42704", "undefined_object";
    /// A name could mean two columns.
    AmbiguousColumn = "42702", "ambiguous_column";
    /// A table name or alias is used twice in one FROM.
    DuplicateAlias = "42712", "duplicate_alias";
    /// Column counts or names don't fit.
    InvalidColumnReference = "42P10", "invalid_column_reference";
    /// A column is neither grouped nor aggregated.
    Grouping = "42803", "grouping";
    /// Types don't fit together.
    DatatypeMismatch = "42804", "datatype_mismatch";
    /// A parameter's type can't be told.
    IndeterminateDatatype = "42P18", "indeterminate_datatype";
    /// Text is not a value of the type.
    InvalidText = "22P02", "invalid_text";
    /// Binary data is not a value of the type.
    InvalidBinary = "22P03", "invalid_binary";
    /// Text is not valid UTF-8, or holds a zero byte.
    InvalidEncoding = "22021", "invalid_encoding";
    /// A number doesn't fit its type.
    NumericOutOfRange = "22003", "numeric_out_of_range";
    /// A date or time can't be read or doesn't fit.
    InvalidDatetime = "22007", "invalid_datetime";
    /// Division by zero.
    DivisionByZero = "22012", "division_by_zero";
    /// An argument or a setting's value is out of its domain.
    InvalidParameterValue = "22023", "invalid_parameter_value";
    /// An index lies outside of a value.
    ArraySubscript = "2202E", "array_subscript";
    /// The number of rows to give is negative.
    InvalidLimit = "2201W", "invalid_limit";
    /// The number of rows to leave out is negative.
    InvalidOffset = "2201X", "invalid_offset";
    /// A scalar subquery returned more than one row.
    CardinalityViolation = "21000", "cardinality_violation";
    /// Some other failure on the user's own values.
    DataException = "22000", "data_exception";
    /// SQL that the gateway doesn't support.
    NotSupported = "0A000", "not_supported";
    /// The principal may not do this.
    InsufficientPrivilege = "42501", "insufficient_privilege";
    /// A write where only reading is possible.
    ReadOnly = "25006", "read_only";
    /// The transaction failed before and must be rolled back.
    InFailedTransaction = "25P02", "in_failed_transaction";
    /// A transaction was left open without a statement for too long.
    IdleInTransaction = "25P03", "idle_in_transaction";
    /// A transaction command outside a transaction.
    NoActiveTransaction = "25P01", "no_active_transaction";
    /// The savepoint doesn't exist.
    InvalidSavepoint = "3B001", "invalid_savepoint";
    /// The setting can't be changed.
    CantChangeRuntimeParam = "55P02", "cant_change_runtime_param";
    /// The client or its timeout canceled the query.
    QueryCanceled = "57014", "query_canceled";
    /// The gateway is shutting down.
    AdminShutdown = "57P01", "admin_shutdown";
    /// The gateway can't take connections now.
    CannotConnectNow = "57P03", "cannot_connect_now";
    /// A limit on connections is reached.
    TooManyConnections = "53300", "too_many_connections";
    // Those of limits have subclasses of our own, in the range that the standard leaves to us.
    /// More rows than a limit of the policies allows.
    RowsExceeded = "53T01", "rows_exceeded";
    /// More bytes to scan than a limit of the policies allows.
    BytesExceeded = "53T02", "bytes_exceeded";
    /// More statements run and wait than a limit of the policies allows.
    TooBusy = "53T03", "too_busy";
    /// Statements come faster than a limit of the policies allows.
    RateExceeded = "53T04", "rate_exceeded";
    /// The money that the policies allow is spent.
    BudgetExceeded = "53T05", "budget_exceeded";
    /// A statement took longer than a limit of the policies allows.
    RuntimeExceeded = "57T01", "runtime_exceeded";
    /// A memory bound is reached.
    OutOfMemory = "53200", "out_of_memory";
    /// A statement is too large or too deep.
    ProgramLimit = "54000", "program_limit";
    /// Name, password or token is wrong.
    InvalidPassword = "28P01", "invalid_password";
    /// The connection may not authenticate this way.
    InvalidAuthorization = "28000", "invalid_authorization";
    /// The database doesn't exist.
    InvalidCatalogName = "3D000", "invalid_catalog_name";
    /// The prepared statement doesn't exist.
    InvalidStatementName = "26000", "invalid_statement_name";
    /// The prepared statement exists already.
    DuplicateStatement = "42P05", "duplicate_statement";
    /// The portal or cursor doesn't exist.
    InvalidCursorName = "34000", "invalid_cursor_name";
    /// The portal or cursor exists already.
    DuplicateCursor = "42P03", "duplicate_cursor";
    /// An object's state doesn't allow it: a cursor would go back.
    NotInPrerequisiteState = "55000", "not_in_prerequisite_state";
    /// The client broke the protocol.
    ProtocolViolation = "08P01", "protocol_violation";
    /// The warehouse failed.
    WarehouseFailed = "58000", "warehouse_failed";
    /// What must be recorded doesn't fit on the disk.
    DiskFull = "53100", "disk_full";
    /// What must be recorded can't be written.
    IoError = "58030", "io_error";
    /// A defect or an unexpected state in the gateway; the query is denied.
    Internal = "XX000", "internal";
}

/// An error: a kind, a public text, and a private cause that no client ever sees.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
    position: Option<usize>,
    /// In seconds.
    retry_after: Option<NonZeroU32>,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error whose `message` the user may read: lowercase, no full stop, quoted identifiers.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            detail: None,
            hint: None,
            position: None,
            retry_after: None,
            cause: None,
        }
    }

    /// A defect or unexpected state: the user reads only that it happened.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Internal, "internal error, the statement was refused")
            .with_hint("ask the operator to look at the gateway's log")
            .with_cause(cause)
    }

    /// A relation that doesn't exist, or that the principal can't see: the same bytes for both.
    pub fn undefined_table(name: &str) -> Self {
        Self::new(ErrorKind::UndefinedTable, format!("relation \"{name}\" does not exist"))
    }

    /// A column that doesn't exist, or that the principal can't see: the same bytes for both.
    pub fn undefined_column(name: &str) -> Self {
        Self::new(ErrorKind::UndefinedColumn, format!("column \"{name}\" does not exist"))
    }

    /// SQL that the gateway refuses because it doesn't support it.
    pub fn not_supported(what: &str) -> Self {
        Self::new(ErrorKind::NotSupported, format!("{what} is not supported"))
    }

    /// Adds what the user can do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds when the same may be tried again with success, in whole seconds, rounded up.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
        self.retry_after = NonZeroU32::new(u32::try_from(seconds).unwrap_or(u32::MAX));
        self
    }

    /// Adds more about what happened.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds where in the statement, in characters from 1.
    #[must_use]
    pub fn at(mut self, position: usize) -> Self {
        self.position = Some(position);
        self
    }

    /// Adds the private cause, for the log only.
    #[must_use]
    pub fn with_cause(
        mut self,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The kind.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The public text.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The public detail.
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// The public hint.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The position in the statement, in characters from 1.
    pub fn position(&self) -> Option<usize> {
        self.position
    }

    /// How long to wait until the same may be tried again, if that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after.map(|seconds| Duration::from_secs(u64::from(seconds.get())))
    }

    /// The private cause, for the log.
    pub fn cause(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        self.cause.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

// `source` stays empty on purpose: whoever prints an error chain must not print the cause.
impl std::error::Error for Error {}
