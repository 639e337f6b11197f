//! The embedded engine: DataFusion over Parquet and CSV files.
//!
//! | module | |
//! |---|---|
//! | `discover` | which tables a folder holds |
//! | `files` | raw tables as table providers |
//! | `leaves` | from secured sources to providers |
//! | `records` | the gateway's own records as a warehouse |
//! | `barrier` | the node that no user expression passes |
//! | `check` | the proof on the final plan |
//! | `guard` | seals for conditions that go down a plan |
//! | `estimate` | how much a query would scan, and how much it does |
//! | `functions` | the functions that the engine has to offer |
//! | `interrupt` | how a running plan is stopped |
//! | `once` | what can't be read a second time |
//! | `threads` | where all of it runs |

mod barrier;
mod check;
mod discover;
mod estimate;
mod files;
mod functions;
mod guard;
mod interrupt;
mod leaves;
mod once;
mod records;
#[cfg(test)]
mod tests;
mod threads;

use std::path::PathBuf;
use std::sync::Arc;

use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use arrow::util::display::FormatOptions;
use datafusion::execution::SessionState;
use datafusion::execution::SessionStateDefaults;
use datafusion::execution::context::SessionConfig;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt};
use tollgate_catalog::Error;
use tollgate_rewriter::{Secured, UdfSource};

pub use discover::{DiscoverError, Discovery, discover, discover_all, discover_in};
pub use leaves::Leaves;
pub use records::Records;

use crate::admission::Admitted;
use crate::error::{public, public_arrow, public_planning};
use crate::estimate::Estimate;
use crate::{BatchStream, Warehouse};

use estimate::{Sizes, Watch};
use interrupt::{Waited, interruptible};
use threads::Threads;

/// What the engine may use.
#[derive(Debug, Clone)]
pub struct Options {
    /// Bytes of memory for all queries together; beyond that they spill or fail.
    pub memory: usize,
    /// Bytes of disk for what spills; 0 turns spilling off.
    pub spill: u64,
    /// Where to spill; the system's folder for temporary files if there is none.
    pub spill_folder: Option<PathBuf>,
    /// Partitions that one query runs in; the number of cores if there is none.
    pub partitions: Option<usize>,
}

impl Default for Options {
    fn default() -> Self {
        Self { memory: 1 << 30, spill: 16 << 30, spill_folder: None, partitions: None }
    }
}

/// An engine without tables: configuration, memory, caches. Clones are cheap.
#[derive(Clone)]
pub struct Context {
    outer: Arc<SessionState>,
    /// For secured relations: they become part of a plan that is then optimised as a whole.
    inner: Arc<SessionState>,
    threads: Arc<Threads>,
}

impl Context {
    /// An engine within `options`.
    pub fn new(options: &Options) -> Result<Self, Error> {
        let mode = match (options.spill, &options.spill_folder) {
            (0, _) => DiskManagerMode::Disabled,
            (_, None) => DiskManagerMode::OsTmpDirectory,
            (_, Some(folder)) => DiskManagerMode::Directories(vec![folder.clone()]),
        };
        let disk = DiskManagerBuilder::default()
            .with_mode(mode)
            .with_max_temp_directory_size(options.spill);
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(options.memory)))
            .with_disk_manager_builder(disk)
            .build_arc()
            .map_err(public)?;
        // Functions stay out of the state, which is cloned for each query: plans carry their own.
        // Optimiser rules look up aggregates.
        let outer = SessionStateBuilder::new()
            .with_config(config(options))
            .with_runtime_env(runtime)
            .with_aggregate_functions(SessionStateDefaults::default_aggregate_functions())
            .with_physical_optimizer_rules(guard::rules())
            .build();
        let inner = SessionStateBuilder::new_from_existing(outer.clone())
            .with_physical_optimizer_rules(Vec::new())
            .build();
        let threads = Arc::new(Threads::new(options.partitions)?);
        Ok(Self { outer: Arc::new(outer), inner: Arc::new(inner), threads })
    }

    /// A state for one query, whose time starts now.
    fn start(&self) -> SessionState {
        let mut state = SessionState::clone(&self.outer);
        state.mark_start_execution();
        state
    }
}

fn config(options: &Options) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_batch_size(8192)
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(false)
        .with_collect_statistics(true);
    if let Some(partitions) = options.partitions {
        config = config.with_target_partitions(partitions.max(1));
    }
    let settings = config.options_mut();
    settings.execution.time_zone = Some("+00:00".to_owned());
    // A row predicate must stay a filter of its own in the plan, where the check finds it.
    settings.execution.parquet.pushdown_filters = false;
    settings.execution.parquet.pruning = true;
    settings.execution.parquet.enable_page_index = true;
    // A filter that says whether a value is anywhere in a file, hidden rows included, and fast.
    settings.execution.parquet.bloom_filter_on_read = false;
    // Types are what the catalog says.
    settings.execution.parquet.schema_force_view_types = false;
    settings.optimizer.expand_views_at_output = false;
    config
}

/// Plans and runs a logical plan over the rows that `leaves` provides, on the engine's own threads.
pub async fn run_plan(
    context: &Context,
    plan: LogicalPlan,
    leaves: impl Leaves + 'static,
) -> Result<BatchStream, Error> {
    run_watched(context, plan, leaves, None).await
}

async fn run_watched(
    context: &Context,
    plan: LogicalPlan,
    leaves: impl Leaves + 'static,
    watch: Option<Watch>,
) -> Result<BatchStream, Error> {
    let here = context.clone();
    let run = |waited| async move { run_here(&here, &plan, &leaves, watch, &waited).await };
    context.threads.run(run).await
}

async fn run_here(
    context: &Context,
    plan: &LogicalPlan,
    leaves: &dyn Leaves,
    watch: Option<Watch>,
    waited: &Waited,
) -> Result<BatchStream, Error> {
    let state = context.start();
    let bound = leaves::bind(plan, leaves).map_err(public)?;
    let physical = state.create_physical_plan(&bound).await.map_err(public_planning)?;
    let physical = interruptible(physical, waited).map_err(public)?;
    leaves.check(&physical)?;
    let stream = execute_stream(Arc::clone(&physical), state.task_ctx()).map_err(public)?;
    let rows = stream.map_err(public).boxed();
    Ok(match watch {
        Some(watch) => watch.over(rows, &physical),
        None => rows,
    })
}

/// The warehouse of files.
pub struct Embedded {
    context: Context,
    raw: Arc<files::RawTables>,
    sizes: Arc<Sizes>,
}

impl Embedded {
    /// A warehouse within `options`. Which tables it has, the catalog's snapshots say.
    pub fn open(options: &Options) -> Result<Self, Error> {
        Ok(Self { context: Context::new(options)?, raw: Arc::default(), sizes: Arc::default() })
    }

    /// The engine, for plans over other leaves.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The functions that the engine has; which of them exist for users, the registry says.
    pub fn udf_source() -> impl UdfSource {
        functions::Functions::new()
    }
}

/// The rows of a query over raw tables.
async fn stream(
    context: &Context,
    raw: &Arc<files::RawTables>,
    query: &Admitted,
) -> Result<BatchStream, Error> {
    let secured = query.secured();
    let leaves = leaves::Tables::new(Arc::clone(raw), Arc::clone(&context.inner));
    let watch = Watch { usage: Arc::clone(query.usage()), most: secured.limits().bytes() };
    let plan = secured.bounded_plan();
    let rows = run_watched(context, plan, leaves, Some(watch)).await?;
    let schema = output_schema(secured);
    Ok(rows.map(move |batch| shape(batch?, &schema)).boxed())
}

impl Warehouse for Embedded {
    fn run<'a>(&'a self, query: &'a Admitted) -> BoxFuture<'a, Result<BatchStream, Error>> {
        stream(&self.context, &self.raw, query).boxed()
    }

    fn tells_scanned(&self) -> bool {
        true
    }

    fn tells_scanning(&self) -> bool {
        true
    }

    fn estimate<'a>(&'a self, query: &'a Secured) -> BoxFuture<'a, Result<Estimate, Error>> {
        let (here, sizes) = (self.context.clone(), Arc::clone(&self.sizes));
        let plan = query.plan().clone();
        let work = move || estimate::estimate(&here.start(), &sizes, &plan);
        async move { self.context.threads.call(work).await }.boxed()
    }
}

pub(crate) fn output_schema(secured: &Secured) -> SchemaRef {
    let fields = secured
        .output()
        .iter()
        .map(|column| Field::new(&column.name, column.data_type.clone(), true))
        .collect::<Vec<_>>();
    Arc::new(Schema::new(fields))
}

/// A value that doesn't fit is an error, never NULL.
const EXACT: CastOptions<'static> =
    CastOptions { safe: false, format_options: FormatOptions::new() };

/// Gives a batch the names and types of the query's output, by position.
pub(crate) fn shape(batch: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, Error> {
    if batch.num_columns() != schema.fields().len() {
        return Err(Error::internal("the engine's columns aren't those of the query"));
    }
    let columns = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| {
            if column.data_type() == field.data_type() {
                Ok(Arc::clone(column))
            } else {
                cast_with_options(column, field.data_type(), &EXACT)
            }
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(public_arrow)?;
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &rows).map_err(public_arrow)
}
