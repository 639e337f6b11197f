//! What the crate under test says of a world: its decision, evaluated by the engine's own physical
//! expressions over the world's rows.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, StringArray};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Int64Type};
use datafusion_common::tree_node::{Transformed, TreeNode};
use datafusion_common::{DFSchema, ScalarValue};
use datafusion_expr::execution_props::ExecutionProps;
use datafusion_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion_expr::simplify::SimplifyContext;
use datafusion_expr::{Expr, LogicalPlan, ScalarUDF, col, lit};
use datafusion_optimizer::simplify_expressions::ExprSimplifier;
use datafusion_physical_expr::create_physical_expr;
use tollgate_catalog::{Column, Error, RawSource, Snapshot, Storage, Table, TableName, View};
use tollgate_identity::{Principal, UserStore, Verifier};
use tollgate_policy::diff::Change;
use tollgate_policy::{
    Bundle, Circumstances, Diagnostics, FunctionSource, MaskSecret, NamesTables, SecuredTable,
    SourceFile, decide, diff,
};

use super::world::{TABLES, User, VIEWS, Value, World, users};

/// What a user sees.
#[derive(Debug)]
pub struct Found {
    pub columns: Vec<&'static str>,
    pub rows: Vec<Vec<Value>>,
}

pub struct Room {
    bundle: Arc<Bundle>,
}

/// Knows no functions, and the views of the worlds.
struct NoFunctions;

impl FunctionSource for NoFunctions {
    fn scalar(&self, _: &str) -> Option<Arc<ScalarUDF>> {
        None
    }

    fn view(&self, sql: &str, catalog: &Snapshot) -> Result<(Vec<Column>, View), Error> {
        let mut words = sql.split_whitespace().skip_while(|word| *word != "FROM").skip(1);
        let (schema, name) = words.next().unwrap().split_once('.').unwrap();
        let table = catalog.table(&TableName::new(schema, name)).unwrap();
        let read: Vec<_> =
            ["k", "n"].iter().map(|name| table.column_index(name).unwrap()).collect();
        let columns = read.iter().map(|index| table.columns[*index].clone()).collect();
        let decides = words.next().map(|_| "n".to_owned());
        let view = View {
            sql: sql.to_owned(),
            reads: vec![(Arc::clone(table), read)],
            is_monotone: true,
            decides: decides.into_iter().collect(),
        };
        Ok((columns, view))
    }
}

struct One([Arc<Table>; 1]);

impl NamesTables for One {
    fn tables(&self) -> &[Arc<Table>] {
        &self.0
    }
}

fn table(schema: &str, name: &str, columns: &[&str]) -> Table {
    Table {
        name: TableName::new(schema, name),
        columns: columns
            .iter()
            .map(|name| Column {
                name: (*name).to_owned(),
                data_type: match *name {
                    "id" | "n" => DataType::Int64,
                    _ => DataType::Utf8,
                },
                nullable: true,
                comment: None,
            })
            .collect(),
        primary_key: Vec::new(),
        foreign_keys: Vec::new(),
        cache_for: None,
        comment: None,
        row_count: None,
        bytes: None,
        warehouse: Some(tollgate_catalog::WarehouseName::default()),
        storage: Storage::Csv(Vec::new()),
    }
}

fn snapshot() -> &'static Arc<Snapshot> {
    static SNAPSHOT: OnceLock<Arc<Snapshot>> = OnceLock::new();
    SNAPSHOT.get_or_init(|| {
        let tables =
            TABLES[..VIEWS].iter().map(|shape| table(shape.schema, shape.name, shape.columns));
        Arc::new(Snapshot::new(1, tables.chain([table("m", "map", &["key", "who"])])))
    })
}

fn principal(name: &str) -> &'static Arc<Principal> {
    static PRINCIPALS: OnceLock<HashMap<&'static str, Arc<Principal>>> = OnceLock::new();
    let principals = PRINCIPALS.get_or_init(|| {
        let principals = users().into_iter().map(|user| {
            let verifier = Verifier::from_password("secret", 4096, b"0123456789abcdef").unwrap();
            let attributes = user.attribute.map(|values| ("k".to_owned(), values));
            let attributes = attributes.into_iter().collect::<BTreeMap<_, _>>();
            let store = UserStore::parse("").unwrap().with_user(user.name, verifier, attributes);
            let address = "10.1.2.3".parse().unwrap();
            (user.name, Arc::new(store.verify_password(user.name, "secret", address).unwrap()))
        });
        principals.collect()
    });
    &principals[name]
}

impl Room {
    /// What `other` changes.
    pub fn changes(&self, other: &Self) -> Vec<Change> {
        diff(&self.bundle, &other.bundle)
    }

    /// The roles that a user holds.
    pub fn roles(&self, user: &str) -> BTreeSet<String> {
        self.bundle.roles_of(principal(user))
    }

    pub fn load(world: &World) -> Result<Self, Diagnostics> {
        let file = SourceFile { path: "world.sql".to_owned(), text: world.sql() };
        let secret = MaskSecret::new([7; 32]);
        let bundle = Bundle::load(&[file], snapshot(), &NoFunctions, &secret)?;
        Ok(Self { bundle: Arc::new(bundle) })
    }

    pub fn sight(&self, world: &World, user: &User, table: usize) -> Option<Found> {
        let shape = &TABLES[table];
        let catalog = self.bundle.catalog(snapshot());
        let table_of = catalog.table(&TableName::new(shape.schema, shape.name)).unwrap();
        let statement = One([Arc::clone(table_of)]);
        let permit =
            decide(&self.bundle, principal(user.name), &circumstances(), statement).ok()?;
        let parts = permit.into_parts();
        let secured = &parts.tables[0];
        let columns = secured.columns().iter().map(|column| shape.columns[column.index]).collect();
        let cells = seen(secured, table, world);
        let count = cells.first().map_or(0, Array::len);
        let rows =
            (0..count).map(|row| cells.iter().map(|cells| value(cells, row)).collect()).collect();
        Some(Found { columns, rows })
    }
}

/// The visible columns of the visible rows, after their masks.
fn seen(secured: &SecuredTable, index: usize, world: &World) -> Vec<ArrayRef> {
    let batch = match world.view(index) {
        None => batch(secured.table(), &world.rows[index]),
        Some(view) => {
            // The author's rights: every column.
            let read = &secured.reads()[0];
            let cells = seen(read, view.reads, world);
            let read = RecordBatch::try_new(read.table().arrow_schema(), cells).unwrap();
            let read = match view.below {
                None => read,
                Some(below) => keep(&col("n").lt(lit(below)), &read, world),
            };
            let cells = ["k", "n"].map(|name| Arc::clone(read.column_by_name(name).unwrap()));
            RecordBatch::try_new(secured.table().arrow_schema(), cells.to_vec()).unwrap()
        }
    };
    let batch = match secured.row_predicate() {
        None => batch,
        Some(predicate) => keep(predicate, &batch, world),
    };
    let cells = secured.columns().iter().map(|column| match &column.mask {
        None => Arc::clone(batch.column(column.index)),
        Some(mask) => {
            let masked = evaluate(&mask.expr, &batch, world);
            let declared = batch.column(column.index).data_type();
            assert_eq!(masked.data_type(), declared, "a mask has the column's type");
            masked
        }
    });
    cells.collect()
}

/// 2026-06-15, noon.
fn circumstances() -> Circumstances {
    let purpose = Some("research".to_owned());
    Circumstances { now: 1_781_524_800_000_000, mfa: false, purpose }
}

fn batch(table: &Table, rows: &[Vec<Value>]) -> RecordBatch {
    let columns = table.columns.iter().enumerate().map(|(index, column)| -> ArrayRef {
        let cells = rows.iter().map(|row| &row[index]);
        match column.data_type {
            DataType::Int64 => Arc::new(Int64Array::from_iter(cells.map(|cell| match cell {
                Value::Number(number) => Some(*number),
                Value::Null | Value::Text(_) => None,
            }))),
            _ => Arc::new(StringArray::from_iter(cells.map(|cell| match cell {
                Value::Text(text) => Some(text.clone()),
                Value::Null | Value::Number(_) => None,
            }))),
        }
    });
    RecordBatch::try_new(table.arrow_schema(), columns.collect()).unwrap()
}

fn value(cells: &ArrayRef, row: usize) -> Value {
    if cells.is_null(row) {
        return Value::Null;
    }
    match cells.data_type() {
        DataType::Int64 => Value::Number(cells.as_primitive::<Int64Type>().value(row)),
        _ => Value::Text(cells.as_string::<i32>().value(row).to_owned()),
    }
}

/// The rows for which a condition is true.
fn keep(predicate: &Expr, batch: &RecordBatch, world: &World) -> RecordBatch {
    let holds = evaluate(predicate, batch, world);
    let holds = cast(&holds, &DataType::Boolean).unwrap();
    let holds: BooleanArray =
        holds.as_boolean().iter().map(|holds| Some(holds == Some(true))).collect();
    filter_record_batch(batch, &holds).unwrap()
}

fn evaluate(expr: &Expr, batch: &RecordBatch, world: &World) -> ArrayRef {
    let expr = expr.clone().transform_up(|expr| match expr {
        Expr::InSubquery(lookup) => {
            let values = looked_up(&lookup.subquery.subquery, world);
            Ok(Transformed::yes(if values.is_empty() {
                lit(lookup.negated)
            } else {
                lookup.expr.in_list(values, lookup.negated)
            }))
        }
        other => Ok(Transformed::no(other)),
    });
    let schema = Arc::new(DFSchema::try_from(batch.schema()).unwrap());
    let context = SimplifyContext::builder().with_schema(Arc::clone(&schema)).build();
    let expr = ExprSimplifier::new(context).coerce(expr.unwrap().data, &schema).unwrap();
    let physical = create_physical_expr(
        &expr,
        &schema,
        &ExecutionProps::new(),
        &PhysicalPlanningContext::default(),
    )
    .unwrap();
    physical.evaluate(batch).unwrap().into_array(batch.num_rows()).unwrap()
}

/// The values of `SELECT column FROM m.map [WHERE …]`.
fn looked_up(plan: &LogicalPlan, world: &World) -> Vec<Expr> {
    let LogicalPlan::Projection(projection) = plan else { panic!("a projection: {plan}") };
    let (predicate, scan) = match projection.input.as_ref() {
        LogicalPlan::Filter(filter) => (Some(&filter.predicate), filter.input.as_ref()),
        scan => (None, scan),
    };
    let LogicalPlan::TableScan(scan) = scan else { panic!("a scan: {scan}") };
    let table = scan.source.downcast_ref::<RawSource>().expect("a raw source").table();
    let rows: Vec<_> = world
        .mapping
        .iter()
        .map(|(key, who)| vec![key.clone(), Value::Text((*who).to_owned())])
        .collect();
    let bare = |expr: &Expr| {
        let expr = expr.clone().transform_up(|expr| match expr {
            Expr::Column(column) => Ok(Transformed::yes(Expr::Column(
                datafusion_common::Column::new_unqualified(column.name),
            ))),
            other => Ok(Transformed::no(other)),
        });
        expr.unwrap().data
    };
    let mut batch = batch(table, &rows);
    if let Some(predicate) = predicate {
        batch = keep(&bare(predicate), &batch, world);
    }
    let cells = evaluate(&bare(&projection.expr[0]), &batch, world);
    let values = (0..cells.len()).map(|row| ScalarValue::try_from_array(&cells, row).unwrap());
    values.map(|value| Expr::Literal(value, None)).collect()
}
