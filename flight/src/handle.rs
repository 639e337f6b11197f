//! Sealed handles: what a client carries from one call to the next.
//!
//! A handle holds the statement, its parameters, for whom it is and a hash of the decision that it
//! was made under. Nobody but the gateway can read or change it, and it gives no right: whoever
//! redeems it is authenticated and decided anew.

use bytes::Bytes;
use prost::Message;
use tollgate_catalog::{Error, ErrorKind};
use tollgate_gateway::SqlDialect;
use tollgate_identity::{Principal, SealKeys};
use tonic::Status;

use crate::options::Options;
use crate::status::{Answer, internal, status};

/// The longest handle, in bytes: it has to fit into a message together with the rest.
const LONGEST: usize = 8 << 20;

/// What a handle may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// In commands, in place of the text.
    Prepared,
    /// In DoGet, once or more often.
    Ticket,
    /// As a ticket, by a client that asks how far it is.
    Polled,
}

impl Kind {
    fn purpose(self) -> &'static str {
        match self {
            Kind::Prepared => "prepared",
            Kind::Ticket | Kind::Polled => "ticket",
        }
    }
}

/// What is in a handle.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Handle {
    /// Random; names the flight for who wants to cancel it.
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) id: Bytes,
    /// For whom it was made.
    #[prost(string, tag = "2")]
    pub(crate) principal: String,
    /// The statement.
    #[prost(string, tag = "3")]
    pub(crate) sql: String,
    /// The schema option when it was made; empty for none.
    #[prost(string, tag = "4")]
    pub(crate) schema: String,
    /// Hash of what was decided.
    #[prost(bytes = "bytes", tag = "5")]
    pub(crate) decision: Bytes,
    /// When it ends, in seconds since 1970.
    #[prost(uint64, tag = "6")]
    pub(crate) expires: u64,
    /// The parameters as an IPC stream, a row for each execution; empty if none were bound.
    #[prost(bytes = "bytes", tag = "7")]
    pub(crate) parameters: Bytes,
    /// The dialect option when it was made; empty for PostgreSQL's.
    #[prost(string, tag = "8")]
    pub(crate) dialect: String,
    /// Whether its client polls, and wants to know how far it is.
    #[prost(bool, tag = "9")]
    pub(crate) polled: bool,
}

impl Handle {
    /// Seals it.
    pub(crate) fn seal(&self, keys: &SealKeys, kind: Kind) -> Answer<Bytes> {
        let message = self.encode_to_vec();
        if message.len() > LONGEST {
            let error = Error::new(
                ErrorKind::ProgramLimit,
                format!("statement and parameters are longer than {LONGEST} bytes"),
            );
            return Err(status(&error.with_hint("send shorter statements and parameters")));
        }
        keys.seal(kind.purpose(), &message).map(Bytes::from).map_err(internal)
    }

    /// Opens a handle for a principal. Whatever is wrong with it, the error is the same.
    pub(crate) fn open(
        keys: &SealKeys,
        kind: Kind,
        sealed: &[u8],
        principal: &Principal,
        now: u64,
    ) -> Answer<Handle> {
        let handle = keys
            .open(kind.purpose(), sealed)
            .and_then(|message| Handle::decode(message.as_slice()).ok())
            .ok_or_else(|| invalid("it can't be opened"))?;
        if handle.principal != principal.name() {
            return Err(invalid("it is for another principal"));
        }
        if now >= handle.expires {
            return Err(invalid("it has expired"));
        }
        Ok(handle)
    }

    /// The options that its statement was described under.
    pub(crate) fn options(&self) -> Answer<Options> {
        let dialect = match self.dialect.as_str() {
            "" => Some(SqlDialect::default()),
            name => SqlDialect::from_name(name),
        };
        let dialect = dialect.ok_or_else(|| invalid("it has an unknown dialect"))?;
        Ok(Options { schema: self.schema.clone(), dialect })
    }
}

/// The one answer to a handle that isn't good; the reason goes to the log.
pub(crate) fn invalid(reason: &'static str) -> Status {
    tracing::info!(reason, "a handle was refused");
    status(
        &Error::new(ErrorKind::InvalidStatementName, "the handle is not valid")
            .with_hint("prepare the statement or ask for the flight again"),
    )
}
