//! From SQL text to a secured plan.
//!
//! `parse` → `resolve` (statement gate, normalisation, names) → `policy::decide` → `secure` → `bind`.
//! Each step takes what the step before yields and nothing else can yield; see the doctests of
//! [`Prepared`] and [`Secured`].

mod aggregation;
mod arithmetic;
mod bounds;
pub mod command;
pub mod delivery;
mod dialect;
mod facts;
mod finish;
pub mod functions;
mod gate;
mod lineage;
mod made_up;
pub mod names;
mod operands;
mod output;
mod plan;
mod planner_error;
pub mod relation;
mod render;
mod resolve;
mod route;
mod sample;
mod secured;
mod shapes;
pub mod statement;
mod system;
mod tokens;
mod views;
mod words;
mod zoneless;

pub use dialect::SqlDialect;
pub use facts::{SessionFacts, USER};
pub use functions::{Registry, UdfSource};
pub use relation::SecuredSource;
pub use render::{Parameter, Rendering};
pub use resolve::{Resolved, VisibleTable, VisibleTables, resolve};
pub use route::Engine;
pub use sample::Sample;
pub use secured::{Again, OutputColumn, Prepared, ResultKey, Secured, secure, secure_again};
pub use statement::{Parsed, parse, parse_in};
pub use system::{SystemSchemas, SystemSource, WorkTableSource};

#[cfg(test)]
mod tests;
