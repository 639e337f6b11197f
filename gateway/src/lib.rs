//! The road of one query: who, what, may it, make it safe, admit, run, count.
//!
//! [`pipeline`] holds that order, once. Front ends turn wire facts into its arguments and its stream
//! into wire bytes; they decide nothing.

mod access;
pub mod audit;
pub mod cancel;
pub mod config;
mod figures;
pub mod introspect;
mod keys;
pub mod limits;
pub mod peers;
pub mod pipeline;
mod plans;
pub mod progress;
mod record;
pub mod records;
mod results;
pub mod revocation;
pub mod session;
pub mod settings;
mod sight;
mod stages;
mod start;
mod state;
mod statement;
pub mod stream;
mod system;

pub use audit::{Audit, AuditTarget, StatementCounts};
pub use cancel::CancelToken;
pub use figures::LedgerCounts;
pub use keys::{KeySource, RemoteKeys};
pub use limits::EstimateCounts;
pub use peers::{Cancel, Peers};
pub use pipeline::{Description, Gateway, GatewayParts, GatewaySettings, Statement};
pub use plans::CacheCounts;
pub use progress::Progress;
pub use session::{Notice, Outcome, Session, StartupSettings, TransactionState};
pub use stages::{Latency, Stage, TRACES};
pub use state::State;
pub use stream::RowStream;
pub use system::Functions;
pub use tollgate_rewriter::{OutputColumn, SqlDialect};
