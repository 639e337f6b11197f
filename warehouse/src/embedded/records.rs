//! The gateway's own records as a warehouse: tables whose rows come as streams, secured as any others.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use futures::FutureExt;
use futures::future::BoxFuture;
use tollgate_catalog::{Error, TableName};

use super::files::RawTables;
use super::{Context, stream};
use crate::admission::Admitted;
use crate::{BatchStream, Warehouse};

/// Tables of [`tollgate_catalog::Storage::Ledger`], each with who provides its raw rows. All of them
/// stand below a barrier, whoever asks.
pub struct Records {
    context: Context,
    raw: Arc<RawTables>,
}

impl Records {
    /// A warehouse of these tables, on an engine.
    pub fn new(context: Context, tables: HashMap<TableName, Arc<dyn TableProvider>>) -> Self {
        Self { context, raw: Arc::new(RawTables::of_records(tables)) }
    }
}

impl Warehouse for Records {
    fn run<'a>(&'a self, query: &'a Admitted) -> BoxFuture<'a, Result<BatchStream, Error>> {
        stream(&self.context, &self.raw, query).boxed()
    }
}
