//! The policy language, and the decision it yields for one caller and one statement.
//!
//! Files of SQL become a [`Bundle`]: parsed (`parse`), bound to a catalog snapshot (`validate`,
//! `bind`) with every error collected, and indexed by table. [`decide`] then consumes a statement
//! and returns a [`Permit`] for it, or [`Denied`]. Deciding is total and pure: no IO, no clock,
//! and whatever goes wrong inside denies.

mod aggregation;
mod bind;
mod bundle;
mod cases;
mod convert;
mod decide;
mod diagnostics;
pub mod diff;
mod display;
pub mod explain;
pub mod limits;
mod mask;
mod model;
mod parse;
mod principal;
mod standing;
#[cfg(test)]
mod testing;
mod validate;

pub use aggregation::{Aggregation, DeclaredJoin, Dimension};
pub use bundle::{Bundle, FunctionSource, SourceFile};
pub use cases::{Expectation, PolicyTest};
pub use decide::{
    Denied, Mask, NamesTables, Permit, PermitParts, SecuredColumn, SecuredTable, decide,
};
pub use diagnostics::{Diagnostic, Diagnostics};
pub use diff::diff;
pub use explain::explain;
pub use limits::Limits;
pub use mask::{MaskSecret, Masking};
pub use model::{PolicyKind, PolicyRef, Predicates, Strength};
pub use standing::{Circumstances, Demand, NoActiveRole, Standing};
