//! Engines that run secured queries.
//!
//! A warehouse takes nothing but an [`admission::Admitted`] query, which can only be made from a
//! secured one: there is no way to hand it a client's text or a plan of one's own.
//!
//! # What doesn't compile
//!
//! This is the road:
//!
//! ```
//! # use tollgate_warehouse::{BatchStream, Warehouse, admission::Admission};
//! async fn run(
//!     warehouse: &dyn Warehouse,
//!     admission: &Admission,
//!     secured: tollgate_rewriter::Secured,
//! ) -> Result<BatchStream, tollgate_catalog::Error> {
//!     let admitted = admission.admit(secured).await?;
//!     warehouse.run(&admitted).await
//! }
//! ```
//!
//! A warehouse takes no text,
//!
//! ```compile_fail,E0308
//! # use tollgate_warehouse::Warehouse;
//! async fn text(warehouse: &dyn Warehouse) {
//!     let _ = warehouse.run("SELECT 1").await;
//! }
//! ```
//!
//! no plan,
//!
//! ```compile_fail,E0308
//! # use tollgate_warehouse::Warehouse;
//! async fn plan(warehouse: &dyn Warehouse, plan: &datafusion::logical_expr::LogicalPlan) {
//!     let _ = warehouse.run(plan).await;
//! }
//! ```
//!
//! no statement without values, and none that isn't admitted:
//!
//! ```compile_fail,E0308
//! # use tollgate_warehouse::Warehouse;
//! async fn unbound(warehouse: &dyn Warehouse, prepared: &tollgate_rewriter::Prepared) {
//!     let _ = warehouse.run(prepared).await;
//! }
//! ```
//!
//! ```compile_fail,E0308
//! # use tollgate_warehouse::Warehouse;
//! async fn at_once(warehouse: &dyn Warehouse, secured: &tollgate_rewriter::Secured) {
//!     let _ = warehouse.run(secured).await;
//! }
//! ```
//!
//! What is admitted can't be made by hand, copied, or given another query:
//!
//! ```compile_fail,E0451
//! # use tollgate_warehouse::admission::Admitted;
//! fn swap(admitted: Admitted, secured: tollgate_rewriter::Secured) -> Admitted {
//!     Admitted { secured, ..admitted }
//! }
//! ```
//!
//! ```compile_fail,E0277
//! # use tollgate_warehouse::admission::Admitted;
//! fn copy(admitted: &Admitted) -> Admitted {
//!     Clone::clone(admitted)
//! }
//! ```
//!
//! ```compile_fail,E0594
//! # use tollgate_warehouse::admission::Admitted;
//! fn swap(admitted: &mut Admitted, secured: tollgate_rewriter::Secured) {
//!     *admitted.secured() = secured;
//! }
//! ```
//!
//! And the leaves that read files are nobody's to use:
//!
//! ```compile_fail,E0603
//! use tollgate_warehouse::embedded::leaves::Tables;
//! ```
//!
//! ```
//! use tollgate_warehouse::embedded::Leaves;
//! ```

pub mod admission;
mod connections;
pub mod credits;
pub mod embedded;
pub mod error;
pub mod estimate;
pub mod http;
pub mod limits;
pub mod postgres;
pub mod snowflake;
pub mod warehouses;

use std::pin::Pin;

use arrow::record_batch::RecordBatch;
use futures::future::BoxFuture;
use futures::{FutureExt, Stream};
use tollgate_catalog::Error;
use tollgate_rewriter::Secured;

use crate::admission::Admitted;
pub use crate::connections::Connections;
use crate::estimate::Estimate;

/// The rows of a result. Dropping it cancels the query.
pub type BatchStream = Pin<Box<dyn Stream<Item = Result<RecordBatch, Error>> + Send>>;

/// An engine that runs secured queries.
pub trait Warehouse: Send + Sync {
    /// What a query would use. Where rows are hidden from the caller it is made of figures of whole
    /// tables, so that it tells nothing about them. Unless overridden, nothing is known.
    fn estimate<'a>(&'a self, query: &'a Secured) -> BoxFuture<'a, Result<Estimate, Error>> {
        let _ = query;
        futures::future::ready(Ok(Estimate::default())).boxed()
    }

    /// Whether it would run a query, and with the columns that clients are told, as far as it says so without running
    /// it; false if it is no warehouse to be asked. Unless overridden, it isn't.
    fn compiles<'a>(&'a self, query: &'a Secured) -> BoxFuture<'a, Result<bool, Error>> {
        let _ = query;
        futures::future::ready(Ok(false)).boxed()
    }

    /// Whether it always tells what a query has scanned, so that nobody needs an estimate to be billed.
    fn tells_scanned(&self) -> bool {
        false
    }

    /// Whether it tells what a query has scanned while it scans.
    fn tells_scanning(&self) -> bool {
        false
    }

    /// Whether it charges queries in credits.
    fn charges_credits(&self) -> bool {
        false
    }

    /// How many connections to it there are; nothing if it needs none.
    fn connections(&self) -> Option<Connections> {
        None
    }

    /// Whether it answers. Unless overridden, it is in this process, and so it does.
    fn reach(&self) -> BoxFuture<'_, Result<(), Error>> {
        futures::future::ready(Ok(())).boxed()
    }

    /// Starts a query. Batches have the columns of the query's output, by position; their errors
    /// carry public texts without data values.
    fn run<'a>(&'a self, query: &'a Admitted) -> BoxFuture<'a, Result<BatchStream, Error>>;
}
