//! Engines that run secured queries.
//!
//! A warehouse takes nothing but an [`admission::Admitted`] query, which can only be made from a
//! secured one: there is no way to hand it a client's text or a plan of one's own.

pub mod admission;
pub mod embedded;
pub mod error;

use std::pin::Pin;

use arrow::record_batch::RecordBatch;
use futures::Stream;
use futures::future::BoxFuture;
use tollgate_catalog::Error;

use crate::admission::Admitted;

/// The rows of a result. Dropping it cancels the query.
pub type BatchStream = Pin<Box<dyn Stream<Item = Result<RecordBatch, Error>> + Send>>;

/// An engine that runs secured queries.
pub trait Warehouse: Send + Sync {
    /// Starts a query. Batches have the columns of the query's output, by position; their errors
    /// carry public texts without data values.
    fn run<'a>(&'a self, query: &'a Admitted) -> BoxFuture<'a, Result<BatchStream, Error>>;
}
