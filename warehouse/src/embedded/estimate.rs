//! How much a query would scan, before it runs, and a watch over how much it does.
//!
//! The estimate is the size of the column chunks that the optimised plan needs. It is made of the
//! secured plan: what a relation reads inside (columns of masks and row policies, tables that policies
//! look into) counts whole. The user's own conditions leave out row groups only of tables of which
//! all rows are visible: statistics speak of hidden rows too, and a refusal must not.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Column, DFSchema, Result};
use datafusion::datasource::physical_plan::parquet::{ParquetAccessPlan, RowGroupAccessPlanFilter};
use datafusion::datasource::physical_plan::{FileScanConfig, ParquetFileMetrics};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::SessionState;
use datafusion::logical_expr::expr_rewriter::unnormalize_cols;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableScan};
use datafusion::physical_optimizer::pruning::{PruningPredicate, PruningPredicateBuilder};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::{StreamExt, stream};
use parking_lot::Mutex;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use tollgate_catalog::{Error, RawSource, Storage, Table};
use tollgate_policy::SecuredTable;
use tollgate_policy::limits::Tightest;
use tollgate_rewriter::SecuredSource;

use super::leaves::always_true;
use crate::error::{data_file, public_planning};
use crate::estimate::{Estimate, Usage};
use crate::{BatchStream, limits};

/// Memory for what is kept of files, in bytes; beyond that it starts anew.
const KEPT: usize = 64 << 20;

/// How often a query that gives no rows is looked at.
const EVERY: Duration = Duration::from_millis(50);

/// What there is to read of a table.
#[derive(Debug)]
enum Size {
    /// Chunks of columns, of each file.
    Chunks(Vec<ParquetMetaData>),
    /// Bytes, whichever columns are wanted.
    Whole(u64),
}

/// The sizes of tables, read from their files once.
#[derive(Debug, Default)]
pub(super) struct Sizes {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    // The key is the table's address; the value holds the table, so that it isn't reused.
    tables: HashMap<usize, (Arc<Table>, Arc<Size>)>,
    bytes: usize,
}

impl Sizes {
    fn of(&self, table: &Arc<Table>) -> Result<Arc<Size>, Error> {
        let key = Arc::as_ptr(table) as usize;
        if let Some((_, size)) = self.known.lock().tables.get(&key) {
            return Ok(Arc::clone(size));
        }
        let size = Arc::new(read(table)?);
        let bytes = match size.as_ref() {
            Size::Chunks(files) => files.iter().map(ParquetMetaData::memory_size).sum(),
            Size::Whole(_) => 0,
        } + 1024;
        let mut known = self.known.lock();
        if known.bytes.saturating_add(bytes) > KEPT {
            *known = Known::default();
        }
        if bytes <= KEPT {
            known.bytes += bytes;
            known.tables.insert(key, (Arc::clone(table), Arc::clone(&size)));
        }
        Ok(size)
    }

    /// Bytes of some columns, in the row groups that a condition doesn't rule out.
    fn columns(
        &self,
        table: &Arc<Table>,
        columns: &BTreeSet<usize>,
        condition: Option<&PruningPredicate>,
    ) -> Result<u64, Error> {
        let size = self.of(table)?;
        let files = match size.as_ref() {
            Size::Whole(bytes) => return Ok(*bytes),
            Size::Chunks(files) => files,
        };
        let schema = table.arrow_schema();
        let mut sum = 0_u64;
        for file in files {
            let groups = file.row_groups();
            let mut wanted =
                RowGroupAccessPlanFilter::new(ParquetAccessPlan::new_all(groups.len()));
            if let Some(condition) = condition {
                let metrics = ParquetFileMetrics::new(0, "", &ExecutionPlanMetricsSet::new());
                let descriptor = file.file_metadata().schema_descr();
                wanted.prune_by_statistics(&schema, descriptor, groups, condition, &metrics);
            }
            let groups = wanted.row_group_indexes().filter_map(|index| groups.get(index));
            for chunk in groups.flat_map(|group| group.columns()) {
                // A column of structs has a chunk for each of its leaves.
                let root = chunk.column_path().parts().first();
                if root
                    .and_then(|root| table.column_index(root))
                    .is_some_and(|c| columns.contains(&c))
                {
                    sum = sum.saturating_add(u64::try_from(chunk.compressed_size()).unwrap_or(0));
                }
            }
        }
        Ok(sum)
    }
}

fn read(table: &Table) -> Result<Size, Error> {
    match &table.storage {
        Storage::Csv(files) => {
            let mut sum = 0_u64;
            for file in files {
                sum = sum.saturating_add(std::fs::metadata(file).map_err(data_file)?.len());
            }
            Ok(Size::Whole(sum))
        }
        Storage::Parquet(files) => {
            let facts = files.iter().map(|path| {
                let file = File::open(path).map_err(data_file)?;
                ParquetMetaDataReader::new().parse_and_finish(&file).map_err(data_file)
            });
            Ok(Size::Chunks(facts.collect::<Result<_, Error>>()?))
        }
        Storage::Postgres { .. } | Storage::Snowflake(_) | Storage::Ledger => {
            Err(Error::internal("a table of another warehouse"))
        }
        Storage::View(_) => Err(Error::internal("a view has no files")),
    }
}

/// What a secured plan would use.
pub(super) fn estimate(
    state: &SessionState,
    sizes: &Sizes,
    plan: &LogicalPlan,
) -> Result<Estimate, Error> {
    let mut sum = Sum { state, sizes, bytes: 0, rows: Some(0), restricted: false };
    sum.query(plan)?;
    Ok(Estimate {
        bytes: Some(sum.bytes),
        rows: sum.rows,
        credits: None,
        restricted: sum.restricted,
    })
}

struct Sum<'a> {
    state: &'a SessionState,
    sizes: &'a Sizes,
    bytes: u64,
    /// Of the largest table.
    rows: Option<u64>,
    restricted: bool,
}

impl Sum<'_> {
    fn query(&mut self, plan: &LogicalPlan) -> Result<(), Error> {
        let plan = self.state.optimize(plan).map_err(public_planning)?;
        for scan in scans(&plan).map_err(Error::internal)? {
            // What isn't secured is the table of a recursive query's own rows.
            if let Some(source) = scan.source.downcast_ref::<SecuredSource>() {
                self.secured(source, scan.projection.as_deref(), &scan.filters)?;
            }
        }
        Ok(())
    }

    fn secured(
        &mut self,
        source: &SecuredSource,
        wanted: Option<&[usize]>,
        filters: &[Expr],
    ) -> Result<(), Error> {
        let permit = source.secured();
        let hides = source.is_guarded() || hides_rows(self.state, permit);
        self.restricted |= hides;
        if permit.table().view().is_some() {
            let query = narrowed(source.relation(), wanted).map_err(public_planning)?;
            return self.query(&query);
        }
        let table = permit.table();
        self.rows = self.rows.zip(table.row_count).map(|(most, rows)| most.max(rows));
        let mut columns = raw_columns(permit, wanted)?;
        // Conditions read their columns too, also where they are evaluated above.
        let tested = filters.iter().flat_map(|filter| filter.column_refs());
        columns.extend(tested.filter_map(|column| table.column_index(&column.name)));
        let condition = if hides { None } else { self.condition(table, filters) };
        self.add(table, &columns, condition.as_deref())?;
        // The first scan is the table's own; others are what its policies look into.
        for scan in scans(source.relation()).map_err(Error::internal)?.into_iter().skip(1) {
            let looked = scan.source.downcast_ref::<RawSource>();
            let looked = looked.ok_or_else(|| Error::internal("a policy reads no raw table"))?;
            let all = (0..looked.table().columns.len()).collect();
            self.add(looked.table(), &all, None)?;
        }
        Ok(())
    }

    /// What the user's conditions say about row groups; nothing if they can't say anything.
    fn condition(&self, table: &Table, filters: &[Expr]) -> Option<Arc<PruningPredicate>> {
        let filter = conjunction(unnormalize_cols(filters.iter().cloned()))?;
        let schema = table.arrow_schema();
        let known = DFSchema::try_from(Arc::clone(&schema)).ok()?;
        let filter = self.state.create_physical_expr(filter, &known).ok()?;
        PruningPredicateBuilder::new().with_file_schema(schema).build(filter)
    }

    fn add(
        &mut self,
        table: &Arc<Table>,
        columns: &BTreeSet<usize>,
        condition: Option<&PruningPredicate>,
    ) -> Result<(), Error> {
        let bytes = self.sizes.columns(table, columns, condition)?;
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(())
    }
}

/// The scans of a plan and of its subqueries, from the top down the main input first.
fn scans(plan: &LogicalPlan) -> Result<Vec<TableScan>> {
    let (mut main, mut others) = (Vec::new(), Vec::new());
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            others.push(scan.clone());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    // A relation's own scan stands at the end of its inputs.
    let mut node = plan;
    while let Some(input) = node.inputs().first() {
        node = input;
    }
    if let LogicalPlan::TableScan(own) = node {
        let place = others.iter().position(|scan| Arc::ptr_eq(&scan.source, &own.source));
        main.extend(place.map(|place| others.remove(place)));
    }
    main.append(&mut others);
    Ok(main)
}

/// Whether rows of a table, or of what a view reads, are hidden from the caller.
pub(super) fn hides_rows(state: &SessionState, permit: &SecuredTable) -> bool {
    let hides = permit.row_predicate().is_some_and(|predicate| {
        permit.table().view().is_some() || !always_true(state, predicate, permit.table())
    });
    hides || permit.reads().iter().any(|read| hides_rows(state, read))
}

/// The columns of the table itself that visible ones, by position, and the row policies are made of.
fn raw_columns(permit: &SecuredTable, wanted: Option<&[usize]>) -> Result<BTreeSet<usize>, Error> {
    let table = permit.table();
    let mut columns = BTreeSet::new();
    let mut note = |expr: &Expr| {
        columns.extend(expr.column_refs().into_iter().filter_map(|c| table.column_index(&c.name)));
    };
    permit.row_predicate().into_iter().for_each(&mut note);
    let mut plain = Vec::new();
    let all: Vec<usize> = (0..permit.columns().len()).collect();
    for index in wanted.unwrap_or(&all) {
        let column = permit.columns().get(*index);
        let column = column.ok_or_else(|| Error::internal("a projection is out of range"))?;
        match &column.mask {
            Some(mask) => note(&mask.expr),
            None => plain.push(column.index),
        }
    }
    columns.extend(plain);
    Ok(columns)
}

/// A view's query with the columns that are wanted of it.
fn narrowed(query: &LogicalPlan, wanted: Option<&[usize]>) -> Result<LogicalPlan> {
    let Some(wanted) = wanted else { return Ok(query.clone()) };
    let fields: Vec<_> = query.schema().iter().collect();
    let columns = wanted.iter().filter_map(|index| {
        let (qualifier, field) = fields.get(*index)?;
        Some(Expr::Column(Column::new(qualifier.cloned(), field.name())))
    });
    LogicalPlanBuilder::from(query.clone()).project(columns.collect::<Vec<_>>())?.build()
}

/// Notes what a query scans, and ends it where its limit is.
pub(super) struct Watch {
    /// Where to note it.
    pub(super) usage: Arc<Usage>,
    /// The most that it may scan.
    pub(super) most: Option<Tightest<u64>>,
}

impl Watch {
    /// The rows of `plan`, which has started, under this watch. On the engine's own threads.
    pub(super) fn over(self, rows: BatchStream, plan: &Arc<dyn ExecutionPlan>) -> BatchStream {
        let mut files = Vec::new();
        let mut open = vec![Arc::clone(plan)];
        while let Some(node) = open.pop() {
            if let Some(source) = node.downcast_ref::<DataSourceExec>()
                && let Some(config) = source.data_source().downcast_ref::<FileScanConfig>()
            {
                let sizes = config.file_groups.iter().flat_map(|group| group.iter());
                let whole = sizes.fold(0_u64, |sum, file| {
                    let range = file.range.as_ref().map(|range| range.end.abs_diff(range.start));
                    sum.saturating_add(range.unwrap_or(file.object_meta.size))
                });
                // What counts no bytes of its own is taken to read its files whole.
                let counts = config.file_source().file_type() == "parquet";
                files.push((Arc::clone(&node), if counts { 0 } else { whole }));
            }
            open.extend(node.children().into_iter().map(Arc::clone));
        }
        let state = Watched { rows, files, watch: self };
        let rows = stream::unfold(Some(state), |state| async {
            let mut watched = state?;
            loop {
                let item = tokio::select! {
                    biased;
                    item = watched.rows.next() => Some(item),
                    () = tokio::time::sleep(EVERY) => None,
                };
                if let Err(error) = watched.count() {
                    return Some((Err(error), None));
                }
                match item {
                    None => {}
                    Some(None) => return None,
                    Some(Some(item)) => return Some((item, Some(watched))),
                }
            }
        });
        rows.boxed()
    }
}

struct Watched {
    rows: BatchStream,
    /// The scans of files, each with what it reads beside what it counts.
    files: Vec<(Arc<dyn ExecutionPlan>, u64)>,
    watch: Watch,
}

impl Watched {
    fn count(&self) -> Result<(), Error> {
        let counted = self.files.iter().map(|(scan, whole)| {
            let metrics = scan.metrics();
            let bytes = metrics.and_then(|metrics| metrics.sum_by_name("bytes_scanned"));
            let bytes = bytes.map_or(0, |bytes| bytes.as_usize());
            u64::try_from(bytes).unwrap_or(u64::MAX).saturating_add(*whole)
        });
        let bytes = counted.fold(0, u64::saturating_add);
        self.watch.usage.has_scanned(bytes);
        match &self.watch.most {
            Some(Tightest { most, limit }) if bytes > *most => {
                Err(limits::bytes_scanned(limit, *most))
            }
            Some(_) | None => Ok(()),
        }
    }
}
