//! Several warehouses side by side, each under its name: a query goes to the one that has its tables.
//!
//! Which one that is, stands in the secured query and was decided there. Here it is only obeyed: a
//! warehouse refuses a query that isn't its own, and there is none for a query without a warehouse. Nobody
//! gets at the engine beneath:
//!
//! ```compile_fail,E0616
//! # use tollgate_warehouse::warehouses::NamedWarehouse;
//! fn beneath(warehouse: &NamedWarehouse) {
//!     let _ = &warehouse.engine;
//! }
//! ```
//!
//! nor does who runs a query say where:
//!
//! ```compile_fail,E0594
//! # use tollgate_rewriter::{Engine, Secured};
//! fn elsewhere(secured: &mut Secured, engine: Engine) {
//!     *secured.engine() = engine;
//! }
//! ```
//!
//! ```
//! # use tollgate_warehouse::warehouses::Warehouses;
//! # use tollgate_rewriter::Secured;
//! fn road(warehouses: &Warehouses, secured: &Secured) -> bool {
//!     warehouses.of(secured).is_ok_and(|warehouse| Some(warehouse.name()) == secured.engine().warehouse())
//! }
//! ```

mod health;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::record_batch::RecordBatch;
use futures::{Stream, StreamExt};
use rust_decimal::Decimal;
use tokio::sync::Semaphore;
use tollgate_catalog::{Error, WarehouseName};
use tollgate_rewriter::Secured;

use crate::admission::Admitted;
use crate::estimate::Estimate;
use crate::{BatchStream, Connections, Warehouse};

pub use health::{Failing, Health, Queries, Refreshes};

/// A warehouse under its name.
pub struct NamedWarehouse {
    name: WarehouseName,
    engine: Arc<dyn Warehouse>,
    max_concurrent: usize,
    /// Places of estimates that ask the engine: they come before admission.
    estimates: Semaphore,
    queries: Queries,
    health: Health,
    refreshes: Refreshes,
}

impl NamedWarehouse {
    /// An engine that runs at most `max_concurrent` queries at once, and estimates as many.
    pub fn new(name: WarehouseName, engine: Arc<dyn Warehouse>, max_concurrent: usize) -> Self {
        let (queries, health, refreshes) = Default::default();
        let estimates = Semaphore::new(max_concurrent.clamp(1, Semaphore::MAX_PERMITS));
        Self { name, engine, max_concurrent, estimates, queries, health, refreshes }
    }

    /// Its name.
    pub fn name(&self) -> &WarehouseName {
        &self.name
    }

    /// The queries that it has run and runs.
    pub fn queries(&self) -> &Queries {
        &self.queries
    }

    /// How many connections to it there are; nothing if it needs none.
    pub fn connections(&self) -> Option<Connections> {
        self.engine.connections()
    }

    /// How often it was asked again which tables it has.
    pub fn refreshes(&self) -> &Refreshes {
        &self.refreshes
    }

    /// Whether it answers, as of a moment ago, or as far as is known: the public text if it doesn't.
    pub async fn health(&self) -> Result<(), String> {
        self.health.ask(&self.name, &self.engine).await
    }

    /// Whether it always tells what a query has scanned.
    pub fn tells_scanned(&self) -> bool {
        self.engine.tells_scanned()
    }

    /// Whether it tells what a query has scanned while it scans.
    pub fn tells_scanning(&self) -> bool {
        self.engine.tells_scanning()
    }

    /// What a query of its own would use.
    ///
    /// # Errors
    /// Those of the engine, and that the query is another warehouse's.
    pub async fn estimate(&self, query: &Secured) -> Result<Estimate, Error> {
        self.owns(query)?;
        let _place = self.estimates.acquire().await.map_err(Error::internal)?;
        let estimate = self.engine.estimate(query).await?;
        if self.engine.charges_credits() {
            return Ok(estimate);
        }
        Ok(Estimate { credits: Some(Decimal::ZERO), ..estimate })
    }

    /// Whether it would run a query of its own, as far as it says so without running it; false if it isn't asked.
    ///
    /// # Errors
    /// Those that the query would have, and that it is another warehouse's.
    pub async fn compiles(&self, query: &Secured) -> Result<bool, Error> {
        self.owns(query)?;
        let _place = self.estimates.acquire().await.map_err(Error::internal)?;
        self.engine.compiles(query).await
    }

    /// Starts a query of its own.
    ///
    /// # Errors
    /// Those of the engine, and that the query is another warehouse's.
    pub async fn run(self: &Arc<Self>, query: &Admitted) -> Result<BatchStream, Error> {
        self.owns(query.secured())?;
        let running = Running::begin(self);
        match self.engine.run(query).await {
            Ok(batches) => Ok(Counted { batches, running: Some(running) }.boxed()),
            Err(error) => {
                running.failed();
                Err(error)
            }
        }
    }

    fn owns(&self, query: &Secured) -> Result<(), Error> {
        if query.engine().warehouse() == Some(&self.name) {
            return Ok(());
        }
        Err(Error::internal(format!("a query of another warehouse came to \"{}\"", self.name)))
    }
}

/// A query that is counted as running until it is dropped.
struct Running {
    warehouse: Arc<NamedWarehouse>,
    counted: bool,
}

impl Running {
    fn begin(warehouse: &Arc<NamedWarehouse>) -> Self {
        warehouse.queries.begin();
        Self { warehouse: Arc::clone(warehouse), counted: false }
    }

    fn complete(mut self) {
        self.counted = true;
        self.warehouse.queries.complete();
    }

    fn failed(mut self) {
        self.counted = true;
        self.warehouse.queries.failed();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.counted {
            self.warehouse.queries.stopped();
        }
    }
}

/// Rows, and their query's count.
struct Counted {
    // Dropped first: the query stops, then it is counted.
    batches: BatchStream,
    running: Option<Running>,
}

impl Stream for Counted {
    type Item = Result<RecordBatch, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Poll::Ready(item) = self.batches.poll_next_unpin(context) else {
            return Poll::Pending;
        };
        match &item {
            Some(Ok(_)) => {}
            Some(Err(_)) => {
                if let Some(running) = self.running.take() {
                    running.failed();
                }
            }
            None => {
                if let Some(running) = self.running.take() {
                    running.complete();
                }
            }
        }
        Poll::Ready(item)
    }
}

/// All warehouses, by name. A reload makes another set; those that stay the same are in both.
#[derive(Default)]
pub struct Warehouses {
    by_name: BTreeMap<WarehouseName, Arc<NamedWarehouse>>,
}

impl Warehouses {
    /// These. Of two with one name the later wins.
    pub fn new(all: impl IntoIterator<Item = Arc<NamedWarehouse>>) -> Self {
        let by_name = all.into_iter().map(|warehouse| (warehouse.name.clone(), warehouse));
        Self { by_name: by_name.collect() }
    }

    /// One, under the name that a warehouse has without a name.
    pub fn only(engine: Arc<dyn Warehouse>, max_concurrent: usize) -> Self {
        let name = WarehouseName::default();
        Self::new([Arc::new(NamedWarehouse::new(name, engine, max_concurrent))])
    }

    /// Where a query runs.
    ///
    /// # Errors
    /// It is no query of a warehouse, or of none that there is.
    pub fn of(&self, query: &Secured) -> Result<&Arc<NamedWarehouse>, Error> {
        let name = query.engine().warehouse();
        let found = name.and_then(|name| self.by_name.get(name));
        found.ok_or_else(|| Error::internal("a query of a warehouse that isn't there"))
    }

    /// The one of that name.
    pub fn get(&self, name: &WarehouseName) -> Option<&Arc<NamedWarehouse>> {
        self.by_name.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<NamedWarehouse>> {
        self.by_name.values()
    }

    /// How many queries each runs at once.
    pub fn sizes(&self) -> impl Iterator<Item = (WarehouseName, usize)> {
        self.iter().map(|warehouse| (warehouse.name.clone(), warehouse.max_concurrent))
    }
}
