//! Tests of the module beside.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Int64Array, LargeStringArray, StringArray};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use arrow::util::pretty::pretty_format_batches;
use datafusion::catalog::TableProvider;
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::{
    Expr, LogicalPlanBuilder, Operator, TableProviderFilterPushDown, TableSource, col, in_subquery,
    lit,
};
use datafusion::physical_plan::{ExecutionPlan, displayable};
use datafusion::prelude::SessionContext;
use futures::TryStreamExt;
use parquet::arrow::ArrowWriter;
use tollgate_catalog::{Error, ErrorKind, RawSource, Table};

use super::files::RawTables;
use super::interrupt::Waited;
use super::leaves::{Access, Leaves, Relation, Tables, bind};
use super::{Context, Options, discover, run_here};

mod interrupt;
mod leak;

/// Rows of tenant `b` hold what no user expression may touch: a zero and text that is no number.
pub(super) fn orders(folder: &Path) -> Arc<Table> {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3, 4, 5, 6]))),
        ("tenant", Arc::new(StringArray::from(vec!["a", "a", "a", "b", "b", "b"]))),
        ("amount", Arc::new(Int64Array::from(vec![10, 20, 30, 0, 0, 900]))),
        ("code", Arc::new(StringArray::from(vec!["1", "2", "3", "x", "y", "secret"]))),
    ];
    write(folder, "shop/orders.parquet", RecordBatch::try_from_iter(columns).unwrap())
}

fn tenants(folder: &Path) -> Arc<Table> {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("who", Arc::new(StringArray::from(vec!["ana", "ben"]))),
        ("tenant", Arc::new(StringArray::from(vec!["a", "b"]))),
    ];
    write(folder, "policy/tenants.parquet", RecordBatch::try_from_iter(columns).unwrap())
}

pub(super) fn write(folder: &Path, name: &str, batch: RecordBatch) -> Arc<Table> {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
    let tables = discover(folder).unwrap();
    Arc::new(tables.into_iter().find(|table| table.name.table == stem).unwrap())
}

/// Lets comparisons of plain columns with literals inside, as the rewriter's source does.
#[derive(Debug)]
struct Source {
    schema: SchemaRef,
    masked: Vec<String>,
}

impl TableSource for Source {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> datafusion::common::Result<Vec<TableProviderFilterPushDown>> {
        let safe = |filter: &Expr| match filter {
            Expr::BinaryExpr(binary) => match (binary.left.as_ref(), binary.right.as_ref()) {
                (Expr::Column(column), Expr::Literal(..)) => {
                    binary.op != Operator::Divide && !self.masked.contains(&column.name)
                }
                _ => false,
            },
            _ => false,
        };
        Ok(filters
            .iter()
            .map(|filter| match safe(filter) {
                true => TableProviderFilterPushDown::Exact,
                false => TableProviderFilterPushDown::Unsupported,
            })
            .collect())
    }
}

struct World {
    context: Context,
    raw: Arc<RawTables>,
    folder: tempfile::TempDir,
}

/// Takes providers that are bound already.
struct Bound<'a>(&'a Tables);

impl Leaves for Bound<'_> {
    fn provider(&self, source: &Arc<dyn TableSource>) -> Result<Arc<dyn TableProvider>, Error> {
        Ok(source_as_provider(source).unwrap())
    }

    fn check(&self, plan: &Arc<dyn ExecutionPlan>) -> Result<(), Error> {
        self.0.check(plan)
    }
}

fn scan(table: &Arc<Table>) -> LogicalPlanBuilder {
    let source = Arc::new(RawSource::new(Arc::clone(table)));
    LogicalPlanBuilder::scan(table.name.table.as_str(), source, None).unwrap()
}

impl World {
    fn new() -> Self {
        let options = Options { partitions: Some(3), ..Options::default() };
        Self {
            context: Context::new(&options).unwrap(),
            raw: Arc::default(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// `orders` with a predicate; `code` is masked if `masked`.
    fn restricted(&self, predicate: Option<Expr>, masked: bool) -> Relation {
        let table = orders(self.folder.path());
        let mut plan = scan(&table);
        if let Some(predicate) = &predicate {
            plan = plan.filter(predicate.clone()).unwrap();
        }
        let code = if masked { lit("***").alias("code") } else { col("code") };
        let plan = plan.project(vec![col("id"), col("tenant"), col("amount"), code]).unwrap();
        let masked = if masked { vec!["code".to_owned()] } else { vec![] };
        let source = Arc::new(Source { schema: table.arrow_schema(), masked });
        let plan = plan.build().unwrap();
        Relation { table, plan, source, access: Access::Restricted { predicate } }
    }

    fn unrestricted(&self) -> Relation {
        let mut relation = self.restricted(None, false);
        relation.access = Access::Unrestricted { columns: vec![0, 1, 2, 3] };
        relation
    }

    /// Runs SQL where `t` is the relation, and gives the plan and the outcome.
    async fn run(&self, relation: Relation, sql: &str) -> (String, Result<String, Error>) {
        let tables = Tables::new(Arc::clone(&self.raw), Arc::clone(&self.context.inner));
        let planner = SessionContext::new();
        planner.register_table("t", tables.secured(relation).unwrap()).unwrap();
        let plan = planner.state().create_logical_plan(sql).await.expect(sql);
        let state = self.context.start();
        let bound = bind(&plan, &Bound(&tables)).unwrap();
        let shown = match state.create_physical_plan(&bound).await {
            Ok(physical) => displayable(physical.as_ref()).indent(false).to_string(),
            Err(error) => error.to_string(),
        };
        let rows = async {
            let stream =
                run_here(&self.context, &plan, &Bound(&tables), None, &Waited::default()).await?;
            let batches: Vec<_> = stream.try_collect().await?;
            Ok(pretty_format_batches(&batches).unwrap().to_string())
        };
        (shown, rows.await)
    }

    async fn rows(&self, relation: Relation, sql: &str) -> Vec<String> {
        let (plan, outcome) = self.run(relation, sql).await;
        let table = outcome.unwrap_or_else(|error| panic!("{sql}: {error:?}\n{plan}"));
        table
            .lines()
            .filter(|line| line.starts_with('|'))
            .skip(1)
            .map(|line| {
                let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
                cells.join(",")
            })
            .collect()
    }
}

fn tenant_a() -> Option<Expr> {
    Some(col("tenant").eq(lit("a")))
}

#[tokio::test]
async fn only_permitted_rows_and_masked_values_come_out() {
    let world = World::new();
    let sql = "SELECT * FROM t ORDER BY id";
    let rows = world.rows(world.restricted(tenant_a(), true), sql).await;
    assert_eq!(rows, ["1,a,10,***", "2,a,20,***", "3,a,30,***"]);
}

#[tokio::test]
async fn user_expressions_never_meet_hidden_rows() {
    let world = World::new();
    for sql in [
        "SELECT id FROM t WHERE 100 / amount > 0",
        "SELECT id FROM t WHERE CAST(code AS BIGINT) > 0",
        "SELECT id FROM t WHERE id > 0 AND 100 / amount > 0",
        "SELECT id FROM t WHERE amount > 0 OR 100 / amount > 0",
        "SELECT id FROM t WHERE tenant = 'b' AND 100 / amount > 0 UNION ALL SELECT id FROM t",
        "SELECT a.id FROM t a JOIN t b ON 100 / a.amount = 100 / b.amount AND a.id = b.id",
        "SELECT id FROM t ORDER BY 100 / amount DESC LIMIT 3",
        "SELECT id FROM t GROUP BY id HAVING max(100 / amount) > 0",
        "SELECT id FROM (SELECT id, 100 / amount AS x FROM t) WHERE x > 0",
        "SELECT id FROM t o WHERE EXISTS (SELECT 1 FROM t i WHERE i.id = o.id AND 100 / i.amount > 0)",
        "SELECT id FROM t WHERE id IN (SELECT id FROM t WHERE CAST(code AS BIGINT) < 9)",
        "SELECT id, row_number() OVER (PARTITION BY 100 / amount) FROM t",
        "SELECT id FROM t WHERE CASE WHEN tenant = 'b' THEN 1 / 0 ELSE 1 END = 1",
        "SELECT DISTINCT id FROM t WHERE (SELECT max(100 / amount) FROM t) > 0",
    ] {
        let rows = world.rows(world.restricted(tenant_a(), false), sql).await;
        assert_eq!(rows.len(), 3, "{sql}: {rows:?}");
    }
}

#[tokio::test]
async fn answers_never_come_from_statistics_of_files() {
    let world = World::new();
    let sql = "SELECT count(*), max(amount), min(id) FROM t";
    assert_eq!(world.rows(world.restricted(tenant_a(), false), sql).await, ["3,30,1"]);
    let masked =
        world.rows(world.restricted(None, true), "SELECT max(code), count(*) FROM t").await;
    assert_eq!(masked, ["***,6"]);
}

#[tokio::test]
async fn count_needs_no_column() {
    let world = World::new();
    let rows = world.rows(world.restricted(tenant_a(), true), "SELECT count(*) FROM t").await;
    assert_eq!(rows, ["3"]);
    let rows = world.rows(world.restricted(tenant_a(), true), "SELECT 1 FROM t").await;
    assert_eq!(rows.len(), 3);
}

#[tokio::test]
async fn safe_predicates_get_inside_and_others_stay_out() {
    let world = World::new();
    let sql = "SELECT id FROM t WHERE id > 2 AND 100 / amount > 0";
    let (plan, rows) = world.run(world.restricted(tenant_a(), false), sql).await;
    rows.unwrap();
    let (above, below) = plan.split_once("BarrierExec").expect(&plan);
    assert!(above.contains("100 / amount") && !below.contains("100 /"), "{plan}");
    assert!(below.contains("id@0 > 2") && !above.contains("id@0 > 2"), "{plan}");
    assert!(below.contains("pruning_predicate"), "{plan}");
}

#[tokio::test]
async fn an_unsafe_predicate_that_is_pushed_all_the_same_stays_outside() {
    let world = World::new();
    let tables = Tables::new(Arc::clone(&world.raw), Arc::clone(&world.context.inner));
    let provider = tables.secured(world.restricted(tenant_a(), false)).unwrap();
    let state = world.context.start();
    let filters = [col("id").gt(lit(1_i64)), (lit(100_i64) / col("amount")).gt(lit(4_i64))];
    let plan = provider.scan(&state, Some(&vec![3, 0]), &filters, Some(1)).await.unwrap();
    let shown = displayable(plan.as_ref()).indent(false).to_string();
    let (above, below) = shown.split_once("BarrierExec").expect(&shown);
    assert!(above.contains("100 / amount") && !below.contains("100 /"), "{shown}");
    let batches = datafusion::physical_plan::collect(plan, state.task_ctx()).await.unwrap();
    let shown = pretty_format_batches(&batches).unwrap().to_string();
    assert!(shown.contains("| 2    | 2  |") && shown.matches("| ").count() == 4, "{shown}");
}

#[tokio::test]
async fn a_predicate_over_a_mask_sees_the_mask() {
    let world = World::new();
    let sql = "SELECT id FROM t WHERE code = 'secret'";
    assert!(world.rows(world.restricted(None, true), sql).await.is_empty());
    let sql = "SELECT id FROM t WHERE code = '***'";
    assert_eq!(world.rows(world.restricted(None, true), sql).await.len(), 6);
}

#[tokio::test]
async fn limits_come_after_the_row_predicate() {
    let world = World::new();
    let predicate = Some(col("tenant").eq(lit("b")));
    let sql = "SELECT id FROM t WHERE id > 3 LIMIT 2";
    assert_eq!(world.rows(world.restricted(predicate.clone(), false), sql).await.len(), 2);
    let (plan, rows) =
        world.run(world.restricted(predicate, false), "SELECT id FROM t LIMIT 1").await;
    assert_eq!(rows.unwrap().matches("| ").count(), 2, "{plan}");
}

#[tokio::test]
async fn row_predicates_may_look_up_other_tables() {
    let world = World::new();
    let tenants = tenants(world.folder.path());
    let of = |who: &str| {
        let plan = scan(&tenants).filter(col("who").eq(lit(who))).unwrap();
        let plan = plan.project(vec![col("tenant")]).unwrap().build().unwrap();
        in_subquery(col("tenant"), Arc::new(plan))
    };
    let sql = "SELECT id FROM t WHERE 100 / amount > 0 ORDER BY id";
    let rows = world.rows(world.restricted(Some(of("ana")), false), sql).await;
    assert_eq!(rows, ["1", "2", "3"]);
    let either = of("ana").or(col("id").eq(lit(6_i64)));
    let rows = world.rows(world.restricted(Some(either), false), sql).await;
    assert_eq!(rows, ["1", "2", "3"], "row 6 is visible, and 100 / 900 is 0");
    let rows = world.rows(world.restricted(Some(of("nobody")), false), sql).await;
    assert!(rows.is_empty());
}

#[tokio::test]
async fn predicates_that_are_always_or_never_true_run() {
    let world = World::new();
    let always = lit(true).or(col("id").eq(lit(1_i64)));
    let rows = world.rows(world.restricted(Some(always), false), "SELECT id FROM t").await;
    assert_eq!(rows.len(), 6);
    let rows = world.rows(world.restricted(Some(lit(true)), false), "SELECT id FROM t").await;
    assert_eq!(rows.len(), 6);
    let rows = world.rows(world.restricted(Some(lit(false)), false), "SELECT id FROM t").await;
    assert!(rows.is_empty());
}

#[tokio::test]
async fn unrestricted_tables_are_read_without_a_barrier() {
    let world = World::new();
    let sql = "SELECT id FROM t WHERE id > 2 AND id < 5";
    let (plan, rows) = world.run(world.unrestricted(), sql).await;
    assert_eq!(rows.unwrap().matches("| ").count(), 3, "{plan}");
    assert!(!plan.contains("BarrierExec") && plan.contains("pruning_predicate"), "{plan}");
    let (_, failed) = world.run(world.unrestricted(), "SELECT 100 / amount FROM t").await;
    let error = failed.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::DivisionByZero, "division by zero"));
    let (_, failed) = world.run(world.unrestricted(), "SELECT CAST(code AS INT) FROM t").await;
    let error = failed.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidText);
    let (_, failed) =
        world.run(world.unrestricted(), "SELECT (SELECT id FROM t WHERE amount = 0)").await;
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::CardinalityViolation);
}

#[tokio::test]
async fn hidden_columns_of_an_unrestricted_table_shift_nothing() {
    let world = World::new();
    let mut relation = world.unrestricted();
    relation.access = Access::Unrestricted { columns: vec![3, 0] };
    let schema = relation.table.arrow_schema().project(&[3, 0]).unwrap();
    relation.source = Arc::new(Source { schema: Arc::new(schema), masked: vec![] });
    let rows = world.rows(relation, "SELECT id, code FROM t WHERE code = 'x'").await;
    assert_eq!(rows, ["4,x"]);
}

#[tokio::test]
async fn other_leaves_can_not_read_files() {
    struct Raw(Arc<dyn TableProvider>);
    impl Leaves for Raw {
        fn provider(&self, _: &Arc<dyn TableSource>) -> Result<Arc<dyn TableProvider>, Error> {
            Ok(Arc::clone(&self.0))
        }
    }
    let world = World::new();
    let table = orders(world.folder.path());
    let raw = world.raw.get(&world.context.inner, &table).unwrap();
    let plan = scan(&table).build().unwrap();
    let error = run_here(&world.context, &plan, &Raw(raw.provider), None, &Waited::default())
        .await
        .err()
        .unwrap();
    assert_eq!(error.kind(), ErrorKind::Internal);
}

#[tokio::test]
async fn a_source_that_is_not_secured_is_refused() {
    let world = World::new();
    let plan = scan(&orders(world.folder.path())).build().unwrap();
    let tables = Tables::new(Arc::clone(&world.raw), Arc::clone(&world.context.inner));
    let error =
        run_here(&world.context, &plan, &tables, None, &Waited::default()).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Internal);
    let explain = LogicalPlanBuilder::from(plan).explain(false, false).unwrap().build().unwrap();
    let error = run_here(&world.context, &explain, &Bound(&tables), None, &Waited::default())
        .await
        .err()
        .unwrap();
    assert_eq!(error.message(), "the warehouse could not run the query");
}

#[tokio::test]
async fn damaged_data_is_reported_without_its_path() {
    let world = World::new();
    let relation = world.unrestricted();
    let path = world.folder.path().join("shop/orders.parquet");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4..200].fill(0xff);
    std::fs::write(&path, bytes).unwrap();
    let (_, failed) = world.run(relation, "SELECT * FROM t").await;
    let error = failed.unwrap_err();
    assert_eq!(error.message(), "a data file of the warehouse could not be read");
}

#[tokio::test]
async fn types_are_what_the_catalog_says() {
    let world = World::new();
    let kinds: DictionaryArray<Int32Type> = vec!["p", "q", "p"].into_iter().collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("large", Arc::new(LargeStringArray::from(vec!["x", "y", "z"]))),
        ("kind", Arc::new(kinds)),
    ];
    let table = write(
        world.folder.path(),
        "shop/kinds.parquet",
        RecordBatch::try_from_iter(columns).unwrap(),
    );
    assert!(table.columns.iter().all(|column| column.data_type == DataType::Utf8));
    let schema = table.arrow_schema();
    for sql in ["SELECT large, kind FROM t WHERE kind = 'p'", "SELECT * FROM t WHERE large <> 'y'"]
    {
        let relation = Relation {
            table: Arc::clone(&table),
            plan: scan(&table).build().unwrap(),
            source: Arc::new(Source { schema: Arc::clone(&schema), masked: vec![] }),
            access: Access::Unrestricted { columns: vec![0, 1] },
        };
        assert_eq!(world.rows(relation, sql).await, ["x,p", "z,p"], "{sql}");
    }
}

#[tokio::test]
async fn csv_files_are_tables_too() {
    let world = World::new();
    let path = world.folder.path().join("shop");
    std::fs::create_dir_all(&path).unwrap();
    let text = "id,note,on\n1,\"two\nlines\",2024-01-31\n2,,2024-02-29\n";
    std::fs::write(path.join("notes*.csv"), text).unwrap();
    let table = Arc::new(discover(world.folder.path()).unwrap().remove(0));
    let schema: Schema = table.arrow_schema().as_ref().clone();
    assert_eq!(schema.field(2), &Field::new("on", DataType::Date32, true));
    let plan = scan(&table).filter(col("id").gt(lit(0_i64))).unwrap();
    let plan = plan.project(vec![col("id"), col("note"), col("on")]).unwrap().build().unwrap();
    let relation = Relation {
        table,
        plan,
        source: Arc::new(Source { schema: Arc::new(schema), masked: vec![] }),
        access: Access::Restricted { predicate: Some(col("id").gt(lit(0_i64))) },
    };
    let rows = world.rows(relation, "SELECT id, note IS NULL, \"on\" FROM t ORDER BY id").await;
    assert_eq!(rows, ["1,false,2024-01-31", "2,true,2024-02-29"]);
}
