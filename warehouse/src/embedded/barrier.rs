//! The plan node that no user expression passes.
//!
//! What a user's expression does on a row that the user may not see must not be observable, neither
//! by an error nor by a plan. Below this node stand the row filter and the masks of a relation,
//! above it everything that came from the user. It copies nothing and computes nothing: its stream
//! is its child's stream.

use std::fmt;
use std::sync::Arc;

use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, Statistics, internal_datafusion_err};
use datafusion::config::ConfigOptions;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::PhysicalSortExpr;
use datafusion::physical_plan::execution_plan::{CardinalityEffect, ReplaceChildrenOptions};
use datafusion::physical_plan::filter_pushdown::{
    ChildPushdownResult, FilterDescription, FilterPushdownPhase, FilterPushdownPropagation,
};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sort_pushdown::SortOrderPushdownResult;
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PhysicalExpr, PlanProperties,
    SendableRecordBatchStream,
};
use futures::TryStreamExt;

use super::files::Files;

/// Passes its child's rows on, and nothing down.
#[derive(Debug, Clone)]
pub(crate) struct BarrierExec {
    input: Arc<dyn ExecutionPlan>,
    files: Arc<Files>,
    filtered: bool,
    view: bool,
    /// Whether a condition of the user's, proven safe, is among those below.
    narrowed: bool,
}

impl BarrierExec {
    /// A barrier over `input`, the secured rows of the table in `files`. With `filtered`, a row predicate must
    /// stand between the barrier and every scan of that table.
    pub(crate) fn new(input: Arc<dyn ExecutionPlan>, files: Arc<Files>, filtered: bool) -> Self {
        Self { input, files, filtered, view: false, narrowed: false }
    }

    /// A barrier over `input`, the rows of a view: what the view reads has barriers of its own.
    pub(crate) fn of_view(input: Arc<dyn ExecutionPlan>, files: Arc<Files>) -> Self {
        Self { input, files, filtered: false, view: true, narrowed: false }
    }

    /// The same over rows that meet a condition of the user's.
    pub(crate) fn narrowed(self, narrowed: bool) -> Self {
        Self { narrowed, ..self }
    }

    /// Whether it stands over a view.
    pub(crate) fn is_view(&self) -> bool {
        self.view
    }

    /// The files of the governed table.
    pub(crate) fn files(&self) -> &Files {
        &self.files
    }

    /// Whether a row predicate must stand below.
    pub(crate) fn filtered(&self) -> bool {
        self.filtered
    }

    fn over(&self, mut children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.pop()) {
            (Some(input), None) => Ok(Arc::new(Self { input, ..self.clone() })),
            _ => Err(internal_datafusion_err!("a barrier has exactly one child")),
        }
    }
}

impl DisplayAs for BarrierExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BarrierExec: {}, filtered={}", self.files.table(), self.filtered)
    }
}

/// Of how many rows one meets a condition, where nothing is known: the engine's own guess.
const NARROWED: usize = 5;

/// How many values a column of so many rows has, where nothing may be known: fewer than rows, as in what
/// refers to other tables, and many, as in what others refer to; the rows to the power of 7/8. With one
/// value a row, joins looked small that are not, and were kept in memory.
fn values(rows: usize) -> usize {
    let eighth = rows.isqrt().isqrt().isqrt().max(1);
    rows / eighth
}

/// Nothing below is the user's, and policies can't fail: what does is the files' doing.
fn of_files(error: DataFusionError) -> DataFusionError {
    match error.find_root() {
        DataFusionError::ResourcesExhausted(_) => error,
        _ => DataFusionError::External(Box::new(crate::error::data_file(error))),
    }
}

// Refusals are spelled out even where they are the trait's defaults: a default may change.
impl ExecutionPlan for BarrierExec {
    fn name(&self) -> &str {
        "BarrierExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.over(children)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.over(children)
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    /// It does; but if it said so, the engine would sort by a user's expression below.
    fn maintains_input_order(&self) -> Vec<bool> {
        vec![false]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let rows = self.input.execute(partition, context)?;
        if self.view {
            // Its query is its author's, and may fail on values as a user's may.
            return Ok(rows);
        }
        if self.files.are_records() {
            // Nothing fails there but the ledger, in words of the gateway's own.
            return Ok(rows);
        }
        Ok(Box::pin(RecordBatchStreamAdapter::new(rows.schema(), rows.map_err(of_files))))
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(partition)]
    }

    /// The table's order of magnitude and no more. What the files say speaks of hidden rows too, and
    /// an optimiser that knew it would show it: by the sides of a join in the order of rows, say.
    fn statistics_from_inputs(
        &self,
        _: &[Arc<Statistics>],
        _: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema());
        if let Some(rows) = self.files.magnitude() {
            let rows = if self.narrowed { rows.div_ceil(NARROWED) } else { rows };
            statistics.num_rows = Precision::Inexact(rows);
            for column in &mut statistics.column_statistics {
                column.distinct_count = Precision::Inexact(values(rows));
            }
        }
        Ok(Arc::new(statistics))
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }

    fn supports_limit_pushdown(&self) -> bool {
        false
    }

    fn with_fetch(&self, _: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        None
    }

    fn try_swapping_with_projection(
        &self,
        _: &ProjectionExec,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        Ok(None)
    }

    /// Not even the bounds that a running join finds for the scans below: row groups that they rule out
    /// have hidden rows, and batches, a `LIMIT` and errors above would tell of them.
    fn gather_filters_for_pushdown(
        &self,
        _: FilterPushdownPhase,
        parent_filters: Vec<Arc<dyn PhysicalExpr>>,
        _: &ConfigOptions,
    ) -> Result<FilterDescription> {
        Ok(FilterDescription::all_unsupported(&parent_filters, &self.children()))
    }

    fn handle_child_pushdown_result(
        &self,
        _: FilterPushdownPhase,
        result: ChildPushdownResult,
        _: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        Ok(FilterPushdownPropagation::all_unsupported(result))
    }

    fn try_pushdown_sort(
        &self,
        _: &[PhysicalSortExpr],
    ) -> Result<SortOrderPushdownResult<Arc<dyn ExecutionPlan>>> {
        Ok(SortOrderPushdownResult::Unsupported)
    }
}
