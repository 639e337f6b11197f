//! What the barrier is for: each kind of statement here tells about hidden rows once the barrier is
//! taken out, and with it gives what a copy of the permitted rows and masked values gives.
//!
//! The barrier has three parts, and each is taken out in turn. None can be taken out of the product:
//! the plans here are put together by hand.

use datafusion::catalog::view::ViewTable;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_plan::collect;
use datafusion::physical_planner::DefaultPhysicalPlanner;
use datafusion::prelude::left;
use tollgate_catalog::RawSource;

use super::super::barrier::BarrierExec;
use super::super::check::check;
use super::*;

/// One kind of statement over `t`, whose hidden rows make it fail wherever they are looked at.
struct Kind {
    name: &'static str,
    /// Whether `code` is masked: its first letter.
    masked: bool,
    sql: &'static str,
}

const fn kind(name: &'static str, sql: &'static str) -> Kind {
    Kind { name, masked: false, sql }
}

const fn masked(name: &'static str, sql: &'static str) -> Kind {
    Kind { name, masked: true, sql }
}

const KINDS: &[Kind] = &[
    kind("WHERE, division", "SELECT id FROM t WHERE 100 / amount > 0"),
    kind("WHERE, remainder", "SELECT id FROM t WHERE 100 % amount < 100"),
    kind("WHERE, cast", "SELECT id FROM t WHERE CAST(code AS BIGINT) < 30"),
    kind(
        "WHERE, cast to date",
        "SELECT id FROM t WHERE CAST('2024-01-' || code AS DATE) > DATE '2023-01-01'",
    ),
    kind("WHERE, regular expression", "SELECT id FROM t WHERE regexp_like('123', code)"),
    kind(
        "WHERE, generate_series",
        "SELECT id FROM t WHERE array_length(generate_series(1, 9, amount)) > 0",
    ),
    kind("JOIN ON", "SELECT a.id FROM t a JOIN (VALUES (1), (2)) v(n) ON 100 / a.amount > v.n * 0"),
    kind(
        "LEFT JOIN ON",
        "SELECT b.id FROM t a LEFT JOIN t b ON a.id = b.id AND 100 / b.amount > 0",
    ),
    kind("HAVING", "SELECT amount, count(*) FROM t GROUP BY amount HAVING 100 / amount > 0"),
    kind(
        "EXISTS",
        "SELECT id FROM t o WHERE EXISTS (SELECT 1 FROM t i WHERE i.id = o.id AND 100 / i.amount > 0)",
    ),
    kind(
        "IN subquery",
        "SELECT id FROM t WHERE id IN (SELECT id FROM t WHERE CAST(code AS BIGINT) < 30)",
    ),
    kind("CASE", "SELECT id FROM t WHERE CASE WHEN tenant = 'b' THEN 1 / amount ELSE 1 END = 1"),
    kind("derived table", "SELECT id FROM (SELECT id, 100 / amount AS x FROM t) s WHERE x > 0"),
    masked("masked, cast", "SELECT id FROM t WHERE CAST(code AS BIGINT) < 30"),
    masked("masked, division", "SELECT id FROM t WHERE 10 / CAST(code AS BIGINT) > 0"),
    masked("masked, regular expression", "SELECT id FROM t WHERE regexp_like('123', code)"),
];

/// Which part of the barrier is taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// None.
    Whole,
    /// The relation isn't a leaf: it is planned as one with the user's query.
    Inlined,
    /// Every predicate is taken for safe and let inside.
    Trusting,
    /// The node isn't in the physical plan when that is optimised.
    Bare,
}

/// Rows of tenant `a`, and hidden ones of `b` that poison whatever touches them, or don't.
fn table(world: &World, poison: bool) -> Arc<Table> {
    let (amount, code) = if poison { (0, "(x") } else { (20, "22") };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3, 4, 5, 6]))),
        ("tenant", Arc::new(StringArray::from(vec!["a", "a", "a", "b", "b", "b"]))),
        ("amount", Arc::new(Int64Array::from(vec![10, 20, 30, amount, amount, amount]))),
        ("code", Arc::new(StringArray::from(vec!["12", "23", "31", code, code, code]))),
    ];
    let name = if poison { "shop/poisoned.parquet" } else { "shop/harmless.parquet" };
    write(world.folder.path(), name, RecordBatch::try_from_iter(columns).unwrap())
}

/// The rows that may be seen, with the values that may be seen, in a file of their own.
fn copy(world: &World, masked: bool) -> Relation {
    let code = if masked { vec!["1", "2", "3"] } else { vec!["12", "23", "31"] };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3]))),
        ("tenant", Arc::new(StringArray::from(vec!["a", "a", "a"]))),
        ("amount", Arc::new(Int64Array::from(vec![10, 20, 30]))),
        ("code", Arc::new(StringArray::from(code))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let table = write(world.folder.path(), "shop/copy.parquet", batch);
    Relation {
        plan: scan(&table).build().unwrap(),
        source: Arc::new(Source { schema: table.arrow_schema(), masked: vec![] }),
        table,
        access: Access::Unrestricted { columns: vec![0, 1, 2, 3] },
    }
}

fn relation(table: Arc<Table>, masked: bool, source: Arc<dyn TableSource>) -> Relation {
    let code = if masked { left(col("code"), lit(1_i64)).alias("code") } else { col("code") };
    let plan = scan(&table).filter(tenant_a().unwrap()).unwrap();
    let keyed = table.columns.iter().any(|column| column.name == "key").then(|| col("key"));
    let columns = [col("id"), col("tenant"), col("amount"), code].into_iter().chain(keyed);
    let plan = plan.project(columns.collect::<Vec<_>>()).unwrap();
    let access = Access::Restricted { predicate: tenant_a() };
    Relation { table, plan: plan.build().unwrap(), source, access }
}

/// Takes every predicate for safe.
#[derive(Debug)]
struct Trusting(SchemaRef);

impl TableSource for Trusting {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.0)
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> datafusion::common::Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Exact; filters.len()])
    }
}

/// Raw tables, as only the inside of a relation may read them.
struct Raw<'a>(&'a World);

impl Leaves for Raw<'_> {
    fn provider(&self, source: &Arc<dyn TableSource>) -> Result<Arc<dyn TableProvider>, Error> {
        let table = source.downcast_ref::<RawSource>().unwrap().table();
        Ok(self.0.raw.get(&self.0.context.inner, table).unwrap().provider)
    }
}

/// The rows, sorted, or what kind of error came; and whether the check lets the plan run.
async fn run(world: &World, kind: &Kind, poison: bool, way: Way) -> (Result<String, Error>, bool) {
    let table = table(world, poison);
    let source: Arc<dyn TableSource> = match way {
        Way::Whole | Way::Inlined | Way::Bare => {
            let masked = if kind.masked { vec!["code".to_owned()] } else { vec![] };
            Arc::new(Source { schema: table.arrow_schema(), masked })
        }
        Way::Trusting => Arc::new(Trusting(table.arrow_schema())),
    };
    let relation = relation(table, kind.masked, source);
    let tables = Tables::new(Arc::clone(&world.raw), Arc::clone(&world.context.inner));
    let provider: Arc<dyn TableProvider> = match way {
        Way::Whole | Way::Trusting | Way::Bare => tables.secured(relation).unwrap(),
        Way::Inlined => Arc::new(ViewTable::new(bind(&relation.plan, &Raw(world)).unwrap(), None)),
    };
    let planner = SessionContext::new();
    planner.register_table("t", provider).unwrap();
    let plan = planner.state().create_logical_plan(kind.sql).await.expect(kind.sql);
    let bound = bind(&plan, &Bound(&tables)).unwrap();
    let state = world.context.start();
    let physical = match way {
        Way::Whole | Way::Inlined | Way::Trusting => state.create_physical_plan(&bound).await,
        Way::Bare => {
            let raw = world.context.inner.create_physical_plan(&bound).await.unwrap();
            let bare = raw.transform_up(|node| {
                Ok(if node.is::<BarrierExec>() {
                    Transformed::yes(Arc::clone(node.children()[0]))
                } else {
                    Transformed::no(node)
                })
            });
            let planner = DefaultPhysicalPlanner::default();
            planner.optimize_physical_plan(bare.unwrap().data, &state, |_, _| {})
        }
    };
    // Constants are folded while a plan is made, so an error may come as early as here.
    let physical = match physical {
        Ok(physical) => physical,
        Err(error) => {
            let refused = !matches!(way, Way::Inlined | Way::Bare);
            return (Err(crate::error::public(error)), refused);
        }
    };
    let allowed = check(&physical, &[], false).is_ok();
    let batches = collect(physical, state.task_ctx()).await.map_err(crate::error::public);
    let rows = batches.map(|batches| sorted(&pretty_format_batches(&batches).unwrap().to_string()));
    (rows, allowed)
}

#[tokio::test]
async fn every_kind_of_statement_leaks_without_the_barrier_and_none_with_it() {
    let world = World::new();
    let mut leaks = Vec::new();
    let mut problems = Vec::new();
    for kind in KINDS {
        let (_, wanted) = world.run(copy(&world, kind.masked), kind.sql).await;
        let wanted = match wanted {
            Ok(wanted) => sorted(&wanted),
            Err(error) => {
                problems.push(format!("{}: the copy fails: {error:?}", kind.name));
                continue;
            }
        };
        let mut ways = Vec::new();
        for way in [Way::Whole, Way::Inlined, Way::Trusting, Way::Bare] {
            let mut wrong = |what: String| problems.push(format!("{}, {way:?}: {what}", kind.name));
            match run(&world, kind, false, way).await.0 {
                Ok(rows) if rows == wanted => {}
                other => wrong(format!("harmless hidden rows give {other:?}")),
            }
            let (poisoned, allowed) = run(&world, kind, true, way).await;
            match poisoned {
                Ok(rows) if rows == wanted => {}
                Err(error) if way != Way::Whole && fails_on_values(&error) => ways.push(way),
                other => wrong(format!("poisoned hidden rows give {other:?}")),
            }
            // The last look finds a plan that has no barrier, whatever it would do.
            if allowed == matches!(way, Way::Inlined | Way::Bare) {
                wrong(format!("the check let it run: {allowed}"));
            }
        }
        println!("{}: {ways:?}", kind.name);
        if ways.is_empty() {
            problems.push(format!("{} doesn't need a barrier: it proves nothing", kind.name));
        }
        leaks.extend(ways);
    }
    for way in [Way::Inlined, Way::Trusting, Way::Bare] {
        if !leaks.contains(&way) {
            problems.push(format!("nothing leaks by {way:?}: this part isn't proven"));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

fn sorted(table: &str) -> String {
    let mut lines: Vec<_> = table.lines().filter(|line| line.starts_with('|')).collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// Whether an error comes of a value that was looked at.
fn fails_on_values(error: &Error) -> bool {
    [
        ErrorKind::DivisionByZero,
        ErrorKind::InvalidText,
        ErrorKind::InvalidDatetime,
        ErrorKind::InvalidParameterValue,
        ErrorKind::DataException,
        ErrorKind::WarehouseFailed,
    ]
    .contains(&error.kind())
}

/// What a plan read: bytes of files, and row groups that statistics ruled out.
fn read(plan: &Arc<dyn ExecutionPlan>) -> (usize, usize) {
    use datafusion::physical_plan::metrics::MetricValue;
    let metrics = plan.metrics().unwrap_or_default();
    let bytes = metrics.sum_by_name("bytes_scanned").map_or(0, |value| value.as_usize());
    let pruned = match metrics.sum_by_name("row_groups_pruned_statistics") {
        Some(MetricValue::PruningMetrics { pruning_metrics, .. }) => pruning_metrics.pruned(),
        Some(_) | None => 0,
    };
    plan.children().into_iter().fold((bytes, pruned), |sum, child| {
        let (bytes, pruned) = read(child);
        (sum.0 + bytes, sum.1 + pruned)
    })
}

/// A table of 10 000 rows in row groups of 100, every other one hidden.
fn many(world: &World, key: impl Fn(i64) -> i64, amount: impl Fn(i64) -> i64) -> Arc<Table> {
    const ROWS: i64 = 10_000;
    let path = world.folder.path().join("shop/many.parquet");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let tenant = |row: i64| Some(["a", "b"][(row % 2) as usize]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new((0..ROWS).collect::<Int64Array>())),
        ("tenant", Arc::new((0..ROWS).map(tenant).collect::<StringArray>())),
        ("amount", Arc::new((0..ROWS).map(&amount).collect::<Int64Array>())),
        (
            "code",
            Arc::new((0..ROWS).map(|row| Some(amount(row).to_string())).collect::<StringArray>()),
        ),
        ("key", Arc::new((0..ROWS).map(key).collect::<Int64Array>())),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let properties = parquet::file::properties::WriterProperties::builder()
        .set_max_row_group_row_count(Some(100))
        .build();
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    Arc::new(discover(world.folder.path()).unwrap().remove(0))
}

/// A predicate that is proven safe goes inside and spares reading; one that isn't reads everything.
#[tokio::test]
async fn safe_predicates_skip_row_groups_and_unsafe_ones_read_all() {
    let world = World::new();
    let number = |row: i64| (row * 7919) % 100_003 + 1;
    let table = many(&world, |row| row / 100, number);

    let mut outcomes = Vec::new();
    for predicate in ["id >= 9900", "id >= 9900 AND 1000000 / amount > 0", "id + 0 >= 9900", "true"]
    {
        let source = Arc::new(Source { schema: table.arrow_schema(), masked: vec![] });
        let tables = Tables::new(Arc::clone(&world.raw), Arc::clone(&world.context.inner));
        let planner = SessionContext::new();
        let provider = tables.secured(relation(Arc::clone(&table), false, source)).unwrap();
        planner.register_table("t", provider).unwrap();
        let sql = format!("SELECT id, code FROM t WHERE {predicate}");
        let plan = planner.state().create_logical_plan(&sql).await.unwrap();
        let state = world.context.start();
        let bound = bind(&plan, &Bound(&tables)).unwrap();
        let physical = state.create_physical_plan(&bound).await.unwrap();
        tables.check(&physical).unwrap();
        let batches = collect(Arc::clone(&physical), state.task_ctx()).await.unwrap();
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        let (bytes, pruned) = read(&physical);
        println!("{predicate}: {rows} rows, {bytes} bytes, {pruned} row groups skipped");
        outcomes.push((rows, bytes, pruned));
    }
    let [safe, both, unsafe_, all] = outcomes[..] else { panic!("four outcomes") };
    assert_eq!((safe.0, both.0, unsafe_.0, all.0), (50, 50, 50, 5000));
    assert_eq!((safe.2, both.2, unsafe_.2, all.2), (99, 99, 0, 0), "row groups skipped");
    assert!(safe.1 * 10 < all.1 && both.1 * 10 < all.1, "{outcomes:?}");
    assert!(unsafe_.1 >= all.1, "{outcomes:?}");
}

/// What a join finds out about keys spares reading a table without policies, and nothing of a restricted
/// one: which row groups are read depends on hidden rows.
#[tokio::test]
async fn bounds_of_a_join_skip_row_groups_outside_of_barriers_only() {
    let world = World::new();
    let table = many(&world, |row| row / 100, |row| (row + 5000) % 10_000);
    let plain = "SELECT t.id FROM t JOIN (VALUES (50)) v(n) ON t.key = v.n";
    // Two columns of one name: a bound for the one must not land on the other.
    let twice = "SELECT s.n, x.k FROM (VALUES (50)) s(n) JOIN \
                 (SELECT a.key, b.key AS k FROM t a LEFT JOIN t b ON a.amount = b.id \
                 WHERE a.key IS DISTINCT FROM b.key) x ON s.n = x.k";
    for (restricted, wanted, skipped) in [(false, [100, 100], 99), (true, [50, 50], 0)] {
        for (sql, wanted) in [plain, twice].into_iter().zip(wanted) {
            let relation = match restricted {
                true => {
                    let masked = vec![];
                    let source = Arc::new(Source { schema: table.arrow_schema(), masked });
                    relation(Arc::clone(&table), false, source)
                }
                false => Relation {
                    plan: scan(&table).build().unwrap(),
                    source: Arc::new(Source { schema: table.arrow_schema(), masked: vec![] }),
                    table: Arc::clone(&table),
                    access: Access::Unrestricted { columns: vec![0, 1, 2, 3, 4] },
                },
            };
            let tables = Tables::new(Arc::clone(&world.raw), Arc::clone(&world.context.inner));
            let planner = SessionContext::new();
            planner.register_table("t", tables.secured(relation).unwrap()).unwrap();
            let plan = planner.state().create_logical_plan(sql).await.unwrap();
            let state = world.context.start();
            let bound = bind(&plan, &Bound(&tables)).unwrap();
            let physical = state.create_physical_plan(&bound).await.unwrap();
            tables.check(&physical).unwrap();
            let batches = collect(Arc::clone(&physical), state.task_ctx()).await.unwrap();
            let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
            assert_eq!(rows, wanted, "{sql}");
            if sql == plain {
                assert_eq!(read(&physical).1, skipped, "{restricted}");
            }
        }
    }
}
