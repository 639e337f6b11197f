//! Decisions on their way to the disk.

use tokio::sync::oneshot;
use tollgate_catalog::{Error, ErrorKind};
use tollgate_ledger::Refusal;

/// Proof that a decision is durable: no stream of rows is made without one.
///
/// ```compile_fail,E0423
/// let forged = tollgate_gateway::audit::Recorded(());
/// ```
/// ```compile_fail,E0277
/// fn again(recorded: &tollgate_gateway::audit::Recorded) -> tollgate_gateway::audit::Recorded {
///     Clone::clone(recorded)
/// }
/// ```
/// ```
/// async fn wait(pending: tollgate_gateway::audit::Pending) -> Option<tollgate_gateway::audit::Recorded> {
///     pending.durable().await.ok()
/// }
/// ```
#[derive(Debug)]
pub struct Recorded(());

/// A decision that is on its way to the disk.
#[must_use = "no row may leave before the decision is durable"]
pub struct Pending(pub(super) Waiting);

pub(super) enum Waiting {
    Line(oneshot::Receiver<Result<(), Refusal>>),
    Ledger(tollgate_ledger::Pending),
    /// It is not on its way.
    Refused(Refusal),
}

impl Pending {
    /// Whether it may become durable.
    pub(super) fn is_queued(&self) -> bool {
        match self.0 {
            Waiting::Line(_) | Waiting::Ledger(_) => true,
            Waiting::Refused(_) => false,
        }
    }

    /// Waits until the decision is durable.
    ///
    /// # Errors
    /// It could not be written: the statement must not run on.
    pub async fn durable(self) -> Result<Recorded, Error> {
        let durable = match self.0 {
            Waiting::Line(answer) => answer.await.unwrap_or(Err(Refusal::Closed)),
            Waiting::Ledger(pending) => pending.durable().await,
            Waiting::Refused(refusal) => Err(refusal),
        };
        durable.map(|()| Recorded(())).map_err(refused)
    }
}

/// What a client reads whose query can't be recorded.
fn refused(refusal: Refusal) -> Error {
    let (kind, message) = match refusal {
        Refusal::Full => (ErrorKind::DiskFull, "the query can't be recorded, the ledger is full"),
        Refusal::Failing => {
            (ErrorKind::IoError, "the query can't be recorded, the ledger can't be written")
        }
        Refusal::Busy => {
            (ErrorKind::IoError, "the query can't be recorded in time, too many wait for that")
        }
        Refusal::Closed => {
            (ErrorKind::IoError, "the query can't be recorded, the ledger is closed")
        }
    };
    Error::new(kind, message)
        .with_hint("it gave no rows, try again later; the operator finds the cause in the log")
}
