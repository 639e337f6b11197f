//! Binds the leaves of a plan: sources that only describe relations become providers of rows.
//!
//! A secured source becomes a provider that plans the secured relation on its own and puts a barrier
//! on top. The outer optimiser sees a leaf; of the user's predicates only those get inside that the
//! source has proven safe.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::cte_worktable::CteWorkTable;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{
    Column, DFSchema, DataFusionError, Result, ScalarValue, internal_datafusion_err,
};
use datafusion::datasource::provider_as_source;
use datafusion::execution::SessionState;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{
    Expr, LogicalPlan, LogicalPlanBuilder, TableProviderFilterPushDown, TableSource, TableType,
};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExecBuilder;
use parking_lot::Mutex;
use tollgate_catalog::{Error, RawSource, Table};
use tollgate_rewriter::{SecuredSource, WorkTableSource};

use super::barrier::BarrierExec;
use super::check;
use super::files::{Files, RawTable, RawTables};

/// Says which rows stand behind the leaves of a plan.
pub trait Leaves: Send + Sync {
    /// The provider of a source's rows. A source that isn't known is an error.
    fn provider(&self, source: &Arc<dyn TableSource>) -> Result<Arc<dyn TableProvider>, Error>;

    /// Whether all records that it provides are the caller's own, so that they need no barrier.
    fn own_records(&self) -> bool {
        false
    }

    /// Checks the physical plan before it runs. Unless overridden, no plan may read a file.
    fn check(&self, plan: &Arc<dyn ExecutionPlan>) -> Result<(), Error> {
        check::check(plan, &[], self.own_records())
    }
}

/// Replaces the sources of all scans, those in subqueries too, and refuses what isn't a query.
pub(crate) fn bind(plan: &LogicalPlan, leaves: &dyn Leaves) -> Result<LogicalPlan> {
    let bound = plan.clone().transform_down_with_subqueries(|node| {
        queries_only(&node)?;
        let LogicalPlan::TableScan(mut scan) = node else { return Ok(Transformed::no(node)) };
        let provider = match scan.source.downcast_ref::<WorkTableSource>() {
            Some(work) => Arc::new(CteWorkTable::new(work.name(), work.schema())),
            None => leaves.provider(&scan.source).map_err(carry)?,
        };
        scan.source = provider_as_source(provider);
        Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
    })?;
    Ok(bound.data)
}

/// Takes an error of ours through the engine.
fn carry(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

fn queries_only(node: &LogicalPlan) -> Result<()> {
    match node {
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::Window(_)
        | LogicalPlan::Aggregate(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Join(_)
        | LogicalPlan::Repartition(_)
        | LogicalPlan::Union(_)
        | LogicalPlan::TableScan(_)
        | LogicalPlan::EmptyRelation(_)
        | LogicalPlan::Subquery(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Values(_)
        | LogicalPlan::Distinct(_)
        | LogicalPlan::Unnest(_)
        | LogicalPlan::RecursiveQuery(_) => Ok(()),
        LogicalPlan::Statement(_)
        | LogicalPlan::Explain(_)
        | LogicalPlan::Analyze(_)
        | LogicalPlan::Extension(_)
        | LogicalPlan::Dml(_)
        | LogicalPlan::Ddl(_)
        | LogicalPlan::Copy(_)
        | LogicalPlan::DescribeTable(_) => {
            Err(internal_datafusion_err!("the plan has a node that isn't part of a query"))
        }
    }
}

/// The leaves of a user's plan over a warehouse of files.
pub(crate) struct Tables {
    raw: Arc<RawTables>,
    inner: Arc<SessionState>,
    unrestricted: Mutex<Vec<Arc<Files>>>,
}

impl Tables {
    /// Leaves that are planned with the state `inner`.
    pub(crate) fn new(raw: Arc<RawTables>, inner: Arc<SessionState>) -> Self {
        Self { raw, inner, unrestricted: Mutex::new(Vec::new()) }
    }

    /// The provider of a secured relation.
    pub(crate) fn secured(&self, relation: Relation) -> Result<Arc<dyn TableProvider>> {
        let raw = self.raw.get(&self.inner, &relation.table)?;
        if let Access::Unrestricted { columns } = relation.access {
            self.unrestricted.lock().push(raw.files);
            return Ok(Arc::new(OpenProvider {
                raw: raw.provider,
                columns,
                schema: relation.source.schema(),
            }));
        }
        let policy = PolicyTables { raw: &self.raw, state: &self.inner };
        let filtered = match &relation.access {
            Access::Restricted { predicate: Some(predicate) } => {
                !always_true(&self.inner, predicate, &relation.table)
            }
            Access::Restricted { predicate: None } | Access::Unrestricted { .. } => false,
        };
        Ok(Arc::new(SecuredProvider {
            plan: bind(&relation.plan, &policy)?,
            source: relation.source,
            files: raw.files,
            inner: Arc::clone(&self.inner),
            kind: Kind::Table { filtered },
        }))
    }

    /// The provider of a view: its query over secured relations, planned on its own.
    fn view(
        &self,
        source: &Arc<dyn TableSource>,
        secured: &SecuredSource,
    ) -> Result<Arc<dyn TableProvider>> {
        Ok(Arc::new(SecuredProvider {
            plan: bind(secured.relation(), &Within(self))?,
            source: Arc::clone(source),
            files: Arc::new(Files::of(secured.secured().table())?),
            inner: Arc::clone(&self.inner),
            kind: Kind::View,
        }))
    }
}

impl Leaves for Tables {
    fn provider(&self, source: &Arc<dyn TableSource>) -> Result<Arc<dyn TableProvider>, Error> {
        let secured = source
            .downcast_ref::<SecuredSource>()
            .ok_or_else(|| Error::internal("a scan of the user's plan isn't secured"))?;
        none_sampled(secured)?;
        let permit = secured.secured();
        if permit.table().view().is_some() {
            return self.view(source, secured).map_err(crate::error::public);
        }
        // The files' statistics leave NaN out, so that pruning by an open scan would lose such rows.
        let table = permit.table();
        let mut columns = permit.columns().iter().filter_map(|c| table.columns.get(c.index));
        let floats = columns.any(|column| column.data_type.is_floating());
        let access = if secured.barrier() || floats || table.is_record() {
            Access::Restricted { predicate: permit.row_predicate().cloned() }
        } else {
            let columns = permit.columns().iter().map(|column| column.index).collect();
            Access::Unrestricted { columns }
        };
        self.secured(Relation {
            table: Arc::clone(permit.table()),
            plan: secured.relation().clone(),
            source: Arc::clone(source),
            access,
        })
        .map_err(crate::error::public)
    }

    fn check(&self, plan: &Arc<dyn ExecutionPlan>) -> Result<(), Error> {
        check::check(plan, &self.unrestricted.lock(), false)
    }
}

/// Samples are refused before, by their name: here all rows would be read.
fn none_sampled(source: &SecuredSource) -> Result<(), Error> {
    match source.sample() {
        None => Ok(()),
        Some(_) => Err(Error::internal("a sample came to the embedded engine")),
    }
}

/// The leaves of a view's query. All rows of a table are there with a barrier of its own, too: the
/// principal may see them only as the view shows them.
struct Within<'a>(&'a Tables);

impl Leaves for Within<'_> {
    fn provider(&self, source: &Arc<dyn TableSource>) -> Result<Arc<dyn TableProvider>, Error> {
        let secured = source
            .downcast_ref::<SecuredSource>()
            .ok_or_else(|| Error::internal("a scan of a view's query isn't secured"))?;
        none_sampled(secured)?;
        let permit = secured.secured();
        let provider = if permit.table().view().is_some() {
            self.0.view(source, secured)
        } else {
            self.0.secured(Relation {
                table: Arc::clone(permit.table()),
                plan: secured.relation().clone(),
                source: Arc::clone(source),
                access: Access::Restricted { predicate: permit.row_predicate().cloned() },
            })
        };
        provider.map_err(crate::error::public)
    }
}

/// What a principal may see of a table.
pub(crate) struct Relation {
    /// The base table.
    pub(crate) table: Arc<Table>,
    /// The masks over the row predicate over the raw scan.
    pub(crate) plan: LogicalPlan,
    /// The leaf of the user's plan: its schema, and which predicates may get inside.
    pub(crate) source: Arc<dyn TableSource>,
    /// Whether rows or values are hidden.
    pub(crate) access: Access,
}

/// Whether rows or values of a table are hidden.
pub(crate) enum Access {
    /// All rows with true values: a barrier would hide nothing.
    Unrestricted {
        /// The visible columns, by index.
        columns: Vec<usize>,
    },
    /// Some rows or some values are hidden.
    Restricted {
        /// Which rows are visible.
        predicate: Option<Expr>,
    },
}

/// The leaves inside a secured relation: raw tables, also those that policies look things up in.
struct PolicyTables<'a> {
    raw: &'a RawTables,
    state: &'a SessionState,
}

impl Leaves for PolicyTables<'_> {
    fn provider(&self, source: &Arc<dyn TableSource>) -> Result<Arc<dyn TableProvider>, Error> {
        let raw = source
            .downcast_ref::<RawSource>()
            .ok_or_else(|| Error::internal("a scan inside a secured relation isn't raw"))?;
        let RawTable { provider, .. } =
            self.raw.get(self.state, raw.table()).map_err(crate::error::public)?;
        Ok(provider)
    }
}

/// Whether a row predicate holds for every row, so that no filter remains of it.
pub(super) fn always_true(state: &SessionState, predicate: &Expr, table: &Table) -> bool {
    let simplified = || -> Result<Expr> {
        let schema = Arc::new(DFSchema::try_from(table.arrow_schema())?);
        let context = SimplifyContext::builder()
            .with_schema(Arc::clone(&schema))
            .with_config_options(Arc::clone(state.config_options()))
            .with_query_execution_start_time(state.execution_props().query_execution_start_time)
            .build();
        let simplifier = ExprSimplifier::new(context);
        simplifier.simplify(simplifier.coerce(predicate.clone(), &schema)?)
    };
    // What can't be simplified must be filtered.
    matches!(simplified(), Ok(Expr::Literal(ScalarValue::Boolean(Some(true)), _)))
}

/// A table of which nothing is hidden but whole columns: user expressions may go down to the files.
#[derive(Debug)]
struct OpenProvider {
    raw: Arc<dyn TableProvider>,
    columns: Vec<usize>,
    schema: SchemaRef,
}

#[async_trait]
impl TableProvider for OpenProvider {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    // Inexact: files and row groups are skipped, and a filter above still decides each row.
    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let raw = match projection {
            None => self.columns.clone(),
            Some(wanted) => wanted
                .iter()
                .map(|index| self.columns.get(*index).copied())
                .collect::<Option<Vec<_>>>()
                .ok_or_else(|| internal_datafusion_err!("a projection is out of range"))?,
        };
        self.raw.scan(state, Some(&raw), filters, limit).await
    }
}

/// A table of which rows or values are hidden, or a view.
struct SecuredProvider {
    plan: LogicalPlan,
    source: Arc<dyn TableSource>,
    files: Arc<Files>,
    inner: Arc<SessionState>,
    kind: Kind,
}

/// What stands below a barrier.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Raw rows, and whether a row predicate must stand between.
    Table { filtered: bool },
    /// Other barriers.
    View,
}

impl fmt::Debug for SecuredProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecuredProvider").field("table", self.files.table()).finish_non_exhaustive()
    }
}

impl SecuredProvider {
    /// The relation with what the user's plan asks of it.
    fn narrowed(
        &self,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<LogicalPlan> {
        let mut plan = LogicalPlanBuilder::from(self.plan.clone());
        if let Some(filter) = conjunction(filters.iter().cloned()) {
            plan = plan.filter(filter)?;
        }
        if let Some(projection) = projection {
            let columns = projection
                .iter()
                .map(|index| {
                    let field = self.plan.schema().iter().nth(*index);
                    field.map(|(qualifier, field)| {
                        Expr::Column(Column::new(qualifier.cloned(), field.name()))
                    })
                })
                .collect::<Option<Vec<_>>>()
                .ok_or_else(|| internal_datafusion_err!("a projection is out of range"))?;
            plan = plan.project(columns)?;
        }
        if limit.is_some() {
            plan = plan.limit(0, limit)?;
        }
        plan.build()
    }

    async fn barrier(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = self.narrowed(projection, filters, limit)?;
        let mut inner = SessionState::clone(&self.inner);
        *inner.execution_props_mut() = state.execution_props().clone();
        let physical = inner.create_physical_plan(&plan).await?;
        let files = Arc::clone(&self.files);
        Ok(Arc::new(match self.kind {
            Kind::Table { filtered } => {
                BarrierExec::new(physical, files, filtered).narrowed(!filters.is_empty())
            }
            Kind::View => BarrierExec::of_view(physical, files).narrowed(!filters.is_empty()),
        }))
    }
}

#[async_trait]
impl TableProvider for SecuredProvider {
    fn schema(&self) -> SchemaRef {
        self.source.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        self.source.supports_filters_pushdown(filters)
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        // The optimiser may have rewritten a predicate since it was accepted. What doesn't pass any
        // more isn't lost: it is applied outside.
        let answers = self.source.supports_filters_pushdown(&filters.iter().collect::<Vec<_>>())?;
        let mut inside = Vec::new();
        let mut outside = Vec::new();
        for (filter, answer) in filters.iter().zip(answers) {
            match answer {
                TableProviderFilterPushDown::Exact => inside.push(filter.clone()),
                TableProviderFilterPushDown::Inexact | TableProviderFilterPushDown::Unsupported => {
                    outside.push(filter.clone());
                }
            }
        }
        let Some(outside) = conjunction(outside) else {
            return self.barrier(state, projection, &inside, limit).await;
        };
        let all = self.barrier(state, None, &inside, None).await?;
        let schema = DFSchema::try_from(self.schema())?;
        let predicate = state.create_physical_expr(outside, &schema)?;
        let kept = FilterExecBuilder::new(predicate, all).apply_projection(projection.cloned())?;
        Ok(Arc::new(kept.build()?))
    }
}
