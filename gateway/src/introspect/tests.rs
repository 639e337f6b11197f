//! Tests of the module beside.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::DataType;
use arrow::util::pretty::pretty_format_batches;
use datafusion::datasource::MemTable;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::scalar::ScalarValue;
use tollgate_catalog::{Column, ForeignKey, Snapshot, Storage, Table, TableName, pg_type};

use super::functions::Arg;
use super::layout::relations;
use super::*;

fn table(name: &str, columns: &[(&str, DataType)], foreign_keys: Vec<ForeignKey>) -> Arc<Table> {
    Arc::new(Table {
        name: TableName::new("crm", name),
        columns: columns
            .iter()
            .enumerate()
            .map(|(index, (name, data_type))| Column {
                name: (*name).to_owned(),
                data_type: data_type.clone(),
                nullable: index > 0,
                comment: (*name == "income").then(|| "yearly".to_owned()),
            })
            .collect(),
        primary_key: vec![0],
        foreign_keys,
        cache_for: None,
        comment: (name == "customers").then(|| "people".to_owned()),
        row_count: Some(4242),
        bytes: Some(31337),
        warehouse: Some(tollgate_catalog::WarehouseName::default()),
        storage: Storage::Parquet(vec![PathBuf::from("x")]),
    })
}

fn tables() -> (Arc<Table>, Arc<Table>) {
    let customers = table(
        "customers",
        &[
            ("id", DataType::Int64),
            ("national_id", DataType::Utf8),
            ("income", DataType::Decimal128(12, 2)),
        ],
        Vec::new(),
    );
    let key = ForeignKey {
        columns: vec![1],
        references: TableName::new("crm", "customers"),
        referenced_columns: vec!["id".to_owned()],
    };
    let orders =
        table("orders", &[("id", DataType::Int64), ("customer_id", DataType::Int64)], vec![key]);
    (customers, orders)
}

/// A view in which `national_id` is hidden.
fn view() -> Arc<View> {
    let (customers, orders) = tables();
    with(vec![(customers, vec![0, 2]), (orders, vec![0, 1])])
}

fn with(tables: Vec<(Arc<Table>, Vec<usize>)>) -> Arc<View> {
    masked(tables, &[])
}

/// A view in which the columns of these names are masked.
fn masked(tables: Vec<(Arc<Table>, Vec<usize>)>, masked: &[&str]) -> Arc<View> {
    let tables = tables.into_iter().map(|(table, columns)| {
        let column = |index: usize| VisibleColumn {
            index,
            masked: masked.contains(&table.columns[index].name.as_str()),
        };
        VisibleTable { columns: columns.into_iter().map(column).collect(), table }
    });
    let tables = tables.collect();
    let settings = vec![("search_path".to_owned(), "public, crm".to_owned(), String::new())];
    let roles = vec!["analyst".to_owned()];
    Arc::new(View::new(tables, "ana".to_owned(), roles, "lake".to_owned(), settings, 7))
}

/// Runs a statement over the view, as the pipeline does: plan with signatures, then bind.
async fn run(view: &Arc<View>, sql: &str) -> Result<String, String> {
    let config = SessionConfig::new()
        .with_target_partitions(1)
        .with_default_catalog_and_schema("datafusion", "pg_catalog");
    let context = SessionContext::new_with_config(config);
    let catalog = context.catalog("datafusion").unwrap();
    for schema in ["pg_catalog", "information_schema"] {
        let provider = Arc::new(datafusion::catalog::MemorySchemaProvider::new());
        catalog.register_schema(schema, provider).unwrap();
    }
    for layout in relations() {
        let batch = batch(view, &TableName::new(layout.schema, layout.name)).unwrap();
        let table = MemTable::try_new(batch.schema(), vec![vec![batch]]).unwrap();
        let name = format!("{}.{}", layout.schema, layout.name);
        context.register_table(name.as_str(), Arc::new(table)).unwrap();
    }
    for udf in signatures() {
        context.register_udf(udf.as_ref().clone());
    }
    let plan = context.sql(sql).await.map_err(|e| e.to_string())?.into_unoptimized_plan();
    let plan = bind(plan, view).map_err(|e| e.to_string())?;
    let frame = context.execute_logical_plan(plan).await.map_err(|e| e.to_string())?;
    let batches = frame.collect().await.map_err(|e| e.to_string())?;
    let table = pretty_format_batches(&batches).unwrap().to_string();
    let lines = table.lines().filter(|line| line.starts_with('|')).skip(1).map(|line| {
        line.split('|').map(str::trim).filter(|cell| !cell.is_empty()).collect::<Vec<_>>().join(" ")
    });
    Ok(lines.collect::<Vec<_>>().join("; "))
}

async fn check(sql: &str, expect: &str) {
    assert_eq!(run(&view(), sql).await.unwrap(), expect, "{sql}");
}

#[test]
fn every_relation_builds_and_known_ones_have_rows() {
    for layout in relations() {
        let name = TableName::new(layout.schema, layout.name);
        let schema = SystemRelations.schema(&name).unwrap();
        let batch = batch(&view(), &name).unwrap();
        assert_eq!(batch.schema(), schema);
        assert_eq!(batch.num_rows() == 0, always_empty(&name), "{name}");
    }
    assert!(batch(&view(), &TableName::new("pg_catalog", "pg_authid")).is_none());
}

#[test]
fn types_agree_with_the_catalog() {
    for known in pg_type::ALL {
        let found = types::by_oid(known.oid).unwrap_or_else(|| panic!("{}", known.name));
        assert_eq!((found.name, found.length), (known.name, known.length));
        assert_eq!(types::format_type(known.oid, -1), known.display);
        assert_eq!(types::by_name(known.display).map(|found| found.oid), Some(known.oid));
    }
    for found in types::TYPES {
        if let Some(array) = types::by_oid(found.array) {
            assert_eq!(array.element, found.oid);
        } else {
            assert_eq!(found.array, 0, "{}", found.name);
        }
    }
    assert_eq!(types::format_type(1700, ((12 << 16) | 2) + 4), "numeric(12,2)");
    assert_eq!(types::format_type(1015, 14), "character varying(10)[]");
    assert_eq!(types::format_type(1184, 3), "timestamp(3) with time zone");
    assert_eq!(types::by_name("numeric(10, 2)").map(|found| found.oid), Some(1700));
}

#[test]
fn oids_are_stable() {
    let oid = table_oid(&TableName::new("crm", "customers"));
    assert!((16384..1 << 31).contains(&oid));
    assert_eq!(oid, STABLE_OID);
    assert_ne!(table_oid(&TableName::new("a", "bc")), table_oid(&TableName::new("ab", "c")));
    let (customers, orders) = tables();
    let snapshot = Snapshot::new(1, [customers.as_ref().clone(), orders.as_ref().clone()]);
    assert!(collisions(&snapshot).is_empty());
}

/// Clients keep oids across sessions: changing the derivation is a breaking change.
const STABLE_OID: u32 = 2_043_133_684;

#[test]
fn hidden_columns_leave_no_trace() {
    let (customers, orders) = tables();
    let without: Table = Table {
        columns: vec![customers.columns[0].clone(), customers.columns[2].clone()],
        ..customers.as_ref().clone()
    };
    let missing = with(vec![(Arc::new(without), vec![0, 1]), (orders, vec![0, 1])]);
    for layout in relations() {
        let name = TableName::new(layout.schema, layout.name);
        assert_eq!(batch(&view(), &name), batch(&missing, &name), "{name}");
    }
}

#[test]
fn keys_with_a_hidden_column_are_hidden() {
    let (customers, orders) = tables();
    let view = with(vec![(customers, vec![1, 2]), (orders, vec![0, 1])]);
    let constraints = batch(&view, &TableName::new("pg_catalog", "pg_constraint")).unwrap();
    assert_eq!(constraints.num_rows(), 1, "only the primary key of orders");
}

#[tokio::test]
async fn masked_columns_may_be_null_and_are_no_keys() {
    let (customers, orders) = tables();
    let both = vec![(customers, vec![0, 2]), (orders, vec![0, 1])];
    let masked = masked(both, &["id"]);
    for (sql, expected) in [
        (
            "SELECT attnotnull FROM pg_attribute WHERE attrelid = tg_regclass('customers') AND attname = 'id'",
            "false",
        ),
        (
            "SELECT is_nullable FROM information_schema.columns WHERE table_name = 'orders' AND column_name = 'id'",
            "YES",
        ),
        ("SELECT count(*) FROM pg_constraint", "0"),
        ("SELECT count(*) FROM pg_index", "0"),
        ("SELECT count(*) FROM pg_class WHERE relkind = 'i'", "0"),
    ] {
        assert_eq!(run(&masked, sql).await.unwrap(), expected, "{sql}");
    }
    check("SELECT attnotnull FROM pg_attribute WHERE attrelid = tg_regclass('customers') AND attname = 'id'", "true").await;
}

#[test]
fn names_resolve() {
    let view = view();
    let customers = table_oid(&TableName::new("crm", "customers"));
    for name in ["customers", "crm.customers", "\"crm\".\"customers\"", "CRM.Customers"] {
        assert_eq!(regclass(&view, name), Some(customers), "{name}");
    }
    for name in ["crm.\"Customers\"", "crm.", "x", "", "\"", "a.b.c.d", "national_id"] {
        assert_eq!(regclass(&view, name), None, "{name}");
    }
    assert_eq!(regclass(&view, "pg_class"), Some(1259));
    assert_eq!(regclass(&view, &customers.to_string()), Some(customers));
    assert_eq!(regclass_name(&view, customers), "customers");
    assert_eq!(regclass_name(&view, 1259), "pg_class");
    assert_eq!(regclass_name(&view, 13425), "information_schema.tables");
}

#[tokio::test]
async fn clients_questions() {
    check(
        "SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, col_description(a.attrelid, a.attnum)
         FROM pg_attribute a WHERE a.attrelid = tg_regclass('customers') AND a.attnum > 0 ORDER BY a.attnum",
        "id bigint true; income numeric(12,2) false yearly",
    )
    .await;
    check(
        "SELECT conname, pg_get_constraintdef(oid, true), tg_regclass_name(conrelid) FROM pg_constraint ORDER BY 1",
        "customers_pkey PRIMARY KEY (id) customers; \
         orders_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES customers(id) orders; \
         orders_pkey PRIMARY KEY (id) orders",
    )
    .await;
    check(
        "SELECT pg_get_indexdef(indexrelid, 0, false), pg_get_indexdef(indexrelid, 1, false) FROM pg_index ORDER BY 1 LIMIT 1",
        "CREATE UNIQUE INDEX customers_pkey ON crm.customers USING btree (id) id",
    )
    .await;
    check(
        "SELECT relname, reltuples FROM pg_class WHERE relkind = 'r' AND pg_table_is_visible(oid)
         AND relnamespace <> 11 ORDER BY 1",
        "customers -1.0; orders -1.0",
    )
    .await;
    check(
        "SELECT has_any_column_privilege('customers', 'SELECT'), has_table_privilege('crm.customers', 'insert'),
         has_table_privilege(oid, 'select'), has_schema_privilege('crm', 'usage') FROM pg_class WHERE relname = 'orders'",
        "true false true true",
    )
    .await;
    check(
        "SELECT rolname, pg_get_userbyid(oid) FROM pg_roles ORDER BY 1",
        "ana ana; analyst analyst",
    )
    .await;
    check(
        "SELECT current_schemas(true)[1], array_upper(current_schemas(false), 1)",
        "pg_catalog 2",
    )
    .await;
    check("SELECT tg_regtype('text[]'), tg_regtype_name(23), to_regtype('nope')", "1009 integer")
        .await;
    check("SELECT keys['x'], keys['n'] FROM (SELECT unnest(tg_expandarray(indkey)) AS keys FROM pg_index)", "1 1; 1 1").await;
    check(
        "SELECT column_name, data_type, numeric_precision FROM information_schema.columns
         WHERE table_name = 'customers' ORDER BY ordinal_position",
        "id bigint 64; income numeric 12",
    )
    .await;
    check(
        "SELECT unique_constraint_name FROM information_schema.referential_constraints",
        "customers_pkey",
    )
    .await;
    check("SELECT count(*) FROM pg_type t JOIN pg_proc p ON t.typreceive = p.oid WHERE p.proname = 'array_recv' AND t.typname = '_text'", "1").await;
}

#[tokio::test]
async fn hidden_equals_missing_in_errors() {
    for sql in
        ["SELECT tg_regclass('hr.salaries')", "SELECT has_table_privilege('hr.salaries', 'SELECT')"]
    {
        let error = run(&view(), sql).await.unwrap_err();
        assert!(error.contains("relation \"hr.salaries\" does not exist"), "{error}");
    }
    let hidden = "SELECT has_column_privilege('customers', 'national_id', 'SELECT')";
    let error = run(&view(), hidden).await.unwrap_err();
    assert!(error.contains("column \"national_id\" does not exist"), "{error}");
    let role = "SELECT has_table_privilege('bob', 'customers', 'SELECT')";
    let error = run(&view(), role).await.unwrap_err();
    assert!(error.contains("role \"bob\" does not exist"), "{error}");
}

/// Whatever a function is asked for by name or by oid, what is hidden is as what isn't there.
#[test]
fn hidden_equals_missing_in_every_function() {
    let view = view();
    let oids = |schema: &str, table: &str, role: &str| {
        let name = TableName::new(schema, table);
        let key = format!("{table}_pkey");
        let oids = [
            table_oid(&name),
            oid::schema_oid(schema),
            oid::index_oid(schema, &key),
            oid::constraint_oid(&name, &key),
            oid::role_oid(role),
        ];
        oids.map(|oid| (oid.to_string(), Arg::from(ScalarValue::from(oid))))
    };
    let texts = |schema: &str, table: &str, column: &str, role: &str| {
        [
            format!("{schema}.{table}"),
            table.to_owned(),
            format!("\"{schema}\".\"{table}\""),
            format!("lake.{schema}.{table}"),
            format!("{schema}.{table}_pkey"),
            schema.to_owned(),
            column.to_owned(),
            role.to_owned(),
        ]
        .map(|text| (text.clone(), Arg::from(ScalarValue::from(text))))
    };
    let hidden = texts("hr", "salaries", "national_id", "bob")
        .into_iter()
        .chain(oids("hr", "salaries", "bob"));
    let missing = texts("hq", "salariez", "national_ie", "boc")
        .into_iter()
        .chain(oids("hq", "salariez", "boc"));
    let pairs: Vec<_> = hidden.zip(missing).collect();
    let fillers = || {
        ["select", "usage", "member", "crm.customers", "id", "ana", "pg_class"]
            .map(|text| ScalarValue::from(text.to_owned()))
            .into_iter()
            .chain([ScalarValue::from(1i64), ScalarValue::from(true)])
            .chain([ScalarValue::from(table_oid(&TableName::new("crm", "customers")))])
            .collect::<Vec<_>>()
            .into_iter()
    };
    // A number of bytes names nothing.
    for spec in evaluate::FUNCTIONS.iter().filter(|spec| spec.name != "pg_size_pretty") {
        for count in spec.arguments.0.max(1)..=spec.arguments.1.min(4) {
            for place in 0..count {
                for (one, two) in fillers().zip(fillers().cycle().skip(1)) {
                    let ask = |(name, arg): &(String, Arg)| {
                        let mut others = [&one, &two, &one].into_iter().cloned();
                        let args: Vec<Arg> = (0..count)
                            .map(|at| match at == place {
                                true => arg.clone(),
                                false => Arg::from(others.next().unwrap()),
                            })
                            .collect();
                        let told = match (spec.evaluate)(&view, &args) {
                            Ok(cell) => format!("{cell:?}"),
                            Err(error) => error.to_string(),
                        };
                        let plain = |text: &str| text.replace(['"', '\\', '\''], "");
                        plain(&told).replace(&plain(name), "it")
                    };
                    for (hidden, missing) in &pairs {
                        assert_eq!(
                            ask(hidden),
                            ask(missing),
                            "{}: {} and {}",
                            spec.name,
                            hidden.0,
                            missing.0
                        );
                    }
                }
            }
        }
    }
}

/// Two names that have one oid are found, whatever the order of tables.
#[test]
fn collisions_are_found() {
    let mut seen = std::collections::HashMap::new();
    let (one, other) = (0u32..)
        .find_map(|number| {
            let name = format!("t{number}");
            let oid = table_oid(&TableName::new("crm", &name));
            seen.insert(oid, name.clone()).map(|other| (name, other))
        })
        .unwrap();
    let named = |name: &str| table(name, &[("id", DataType::Int64)], Vec::new()).as_ref().clone();
    let snapshot = Snapshot::new(1, [named(&one), named(&other), named("x")]);
    let found = collisions(&snapshot);
    assert_eq!(found.len(), 1, "{found:?}");
}
