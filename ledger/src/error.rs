//! What can go wrong: for the operator in words, for a query as one of few reasons.

use std::path::PathBuf;

/// A ledger can't be opened, read or written. The text is for its operator.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// A file can't be read or written.
    #[error("could not use \"{}\": {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The database failed.
    #[error("the ledger's database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// Somebody else writes to it.
    #[error("the ledger \"{0}\" is in use by another gateway")]
    InUse(String),
    /// A file of a key is not one.
    #[error("\"{}\" does not hold {what}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// The chain was signed with another key.
    #[error("chain \"{0}\" of the ledger was signed with another key")]
    OtherKey(String),
    /// A newer program has written the store.
    #[error("the ledger has version {0}, which this program does not know")]
    Newer(i64),
    /// Something in the store isn't what a gateway writes.
    #[error("the ledger is damaged: {0}")]
    Damaged(String),
    /// The system gave no random bytes, no thread or no runtime.
    #[error("{0}")]
    System(String),
}

/// Why a decision isn't recorded, so that its query must not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is no space left.
    Full,
    /// The store can't be written for another reason.
    Failing,
    /// So many records wait that this one didn't get its turn in time.
    Busy,
    /// Another writer has taken the chain, or the ledger is closed.
    Closed,
}

impl Refusal {
    /// What a failed commit means for the queries that wait for it.
    pub(crate) fn of(error: &LedgerError) -> Refusal {
        match error {
            LedgerError::Database(sqlx::Error::Database(database)) => {
                // SQLite's SQLITE_FULL, PostgreSQL's disk_full.
                match database.code().as_deref() {
                    Some("13" | "53100") => Refusal::Full,
                    Some(_) | None => Refusal::Failing,
                }
            }
            LedgerError::InUse(_) | LedgerError::OtherKey(_) => Refusal::Closed,
            LedgerError::File { .. }
            | LedgerError::Database(_)
            | LedgerError::Key { .. }
            | LedgerError::Newer(_)
            | LedgerError::Damaged(_)
            | LedgerError::System(_) => Refusal::Failing,
        }
    }
}
