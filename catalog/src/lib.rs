//! Tables, columns, types, and immutable versioned snapshots of them.
//!
//! The right-most thinking crate: synchronous, without IO, clocks or an engine. It also holds the
//! one [`error::Error`] type, because every room reports through it.

pub mod bytes;
pub mod error;
pub mod id;
pub mod pg_type;
pub mod schema;
pub mod snapshot;

pub use error::{Error, ErrorKind};
pub use id::{TableName, WarehouseName};
pub use schema::{Column, ForeignKey, OWN_SCHEMA, RawSource, RealNames, Storage, Table, View};
pub use snapshot::Snapshot;
