//! The engine of queries over the system catalogs, and over nothing.
//!
//! Each query gets tables made from its principal's own view; they never reach a warehouse.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::logical_expr::planner::ExprPlanner;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF, TableSource, WindowUDF};
use futures::FutureExt;
use futures::future::BoxFuture;
use tollgate_catalog::Error;
use tollgate_rewriter::{SystemSource, UdfSource};
use tollgate_warehouse::admission::Admitted;
use tollgate_warehouse::embedded::{Context, Leaves, run_plan};
use tollgate_warehouse::{BatchStream, Warehouse};

use crate::introspect::{self, View};
use crate::records::Own;

/// The system catalogs as one principal sees them, as a warehouse.
#[derive(Clone)]
pub(crate) struct SystemCatalogs {
    pub(crate) context: Context,
    pub(crate) view: Arc<View>,
    /// The principal's own records, if any are kept.
    pub(crate) own: Option<Arc<Own>>,
}

impl Leaves for SystemCatalogs {
    fn provider(&self, source: &Arc<dyn TableSource>) -> Result<Arc<dyn TableProvider>, Error> {
        let Some(system) = source.downcast_ref::<SystemSource>() else {
            return Err(Error::internal("a query over the system catalogs reads another table"));
        };
        if let Some(own) = self.own.as_ref().and_then(|own| own.provider(system.name())) {
            return Ok(own);
        }
        let Some(batch) = introspect::batch(&self.view, system.name()) else {
            return Err(Error::internal("a system relation has no rows"));
        };
        let table =
            MemTable::try_new(batch.schema(), vec![vec![batch]]).map_err(Error::internal)?;
        Ok(Arc::new(table))
    }

    fn own_records(&self) -> bool {
        true
    }
}

impl Warehouse for SystemCatalogs {
    fn run<'a>(&'a self, query: &'a Admitted) -> BoxFuture<'a, Result<BatchStream, Error>> {
        async move {
            let plan = introspect::bind(query.secured().plan().clone(), &self.view)
                .map_err(Error::internal)?;
            run_plan(&self.context, plan, self.clone()).await
        }
        .boxed()
    }
}

/// The functions of an engine, and those over the system catalogs.
pub struct Functions<E> {
    engine: E,
    system: Vec<Arc<ScalarUDF>>,
}

impl<E: UdfSource> Functions<E> {
    /// Adds the catalogs' functions to those of an engine.
    pub fn new(engine: E) -> Self {
        Self { engine, system: introspect::signatures() }
    }
}

impl<E: UdfSource> UdfSource for Functions<E> {
    fn scalar(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        let system = self.system.iter().find(|function| function.name() == name);
        system.map(Arc::clone).or_else(|| self.engine.scalar(name))
    }

    fn bounded(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        let ours = self.system.iter().any(|function| function.name() == name);
        if ours { None } else { self.engine.bounded(name) }
    }

    fn aggregate(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.engine.aggregate(name)
    }

    fn windowed(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.engine.windowed(name)
    }

    fn window(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.engine.window(name)
    }

    fn expr_planners(&self) -> Vec<Arc<dyn ExprPlanner>> {
        self.engine.expr_planners()
    }
}
