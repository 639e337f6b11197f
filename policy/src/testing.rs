//! A small catalog and its callers, for the tests of this crate.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use arrow::datatypes::{DataType, TimeUnit};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use tollgate_catalog::{Column, Error, Snapshot, Storage, Table, TableName, View};
use tollgate_identity::{Principal, UserStore, Verifier};

use crate::{
    Bundle, Circumstances, Denied, Diagnostics, FunctionSource, MaskSecret, NamesTables, Permit,
    SecuredTable, SourceFile, decide,
};

fn table(schema: &str, name: &str, columns: &[(&str, DataType)]) -> Table {
    Table {
        name: TableName::new(schema, name),
        columns: columns
            .iter()
            .map(|(name, data_type)| Column {
                name: (*name).to_owned(),
                data_type: data_type.clone(),
                nullable: true,
                comment: None,
            })
            .collect(),
        primary_key: vec![],
        foreign_keys: vec![],
        cache_for: None,
        comment: None,
        row_count: None,
        bytes: None,
        warehouse: Some(tollgate_catalog::WarehouseName::default()),
        storage: Storage::Csv(vec![]),
    }
}

pub(crate) fn snapshot() -> Snapshot {
    let (int, text) = (DataType::Int64, DataType::Utf8View);
    Snapshot::new(
        1,
        [
            table(
                "crm",
                "customers",
                &[
                    ("id", int.clone()),
                    ("tenant_id", text.clone()),
                    ("email", text.clone()),
                    ("national_id", text.clone()),
                    ("income", DataType::Decimal128(12, 2)),
                    ("country", DataType::Utf8),
                    ("birth_date", DataType::Date32),
                ],
            ),
            table(
                "crm",
                "orders",
                &[
                    ("id", int.clone()),
                    ("tenant_id", text.clone()),
                    ("region", text.clone()),
                    ("amount", DataType::Int32),
                    ("placed_at", DataType::Timestamp(TimeUnit::Microsecond, None)),
                ],
            ),
            table("admin", "tenants", &[("tenant_id", text.clone()), ("partner_id", text.clone())]),
            table("hr", "salaries", &[("id", int.clone()), ("amount", int)]),
        ],
    )
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Upper(Signature);

impl ScalarUDFImpl for Upper {
    fn name(&self) -> &str {
        "upper"
    }
    fn signature(&self) -> &Signature {
        &self.0
    }
    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }
    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(ScalarValue::Utf8(None)))
    }
}

pub(crate) struct Functions;

impl FunctionSource for Functions {
    fn scalar(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        (name == "upper").then(|| {
            let signature = Signature::exact(vec![DataType::Utf8], Volatility::Immutable);
            Arc::new(ScalarUDF::new_from_impl(Upper(signature)))
        })
    }

    /// `SELECT column FROM schema.table`, and nothing else.
    fn view(
        &self,
        sql: &str,
        catalog: &Snapshot,
    ) -> std::result::Result<(Vec<Column>, View), Error> {
        let mut words = sql.split_whitespace();
        let (column, name) = (words.nth(1).unwrap(), words.nth(1).unwrap());
        let (schema, name) = name.split_once('.').unwrap();
        let table = catalog.table(&TableName::new(schema, name)).unwrap();
        let index = table.column_index(column).unwrap();
        let reads = vec![(Arc::clone(table), vec![index])];
        let view = View { sql: sql.to_owned(), reads, is_monotone: true, decides: BTreeSet::new() };
        Ok((vec![table.columns[index].clone()], view))
    }
}

pub(crate) fn load(sql: &str) -> std::result::Result<Arc<Bundle>, Diagnostics> {
    let file = SourceFile { path: "p.sql".to_owned(), text: sql.to_owned() };
    Bundle::load(&[file], &snapshot(), &Functions, &MaskSecret::new([7; 32])).map(Arc::new)
}

/// Expects a load to fail with exactly these errors: each as `line:column: message`.
pub(crate) fn check_errors(sql: &str, expected: &[&str]) {
    let errors = load(sql).expect_err("the load succeeded");
    let found: Vec<String> = errors
        .iter()
        .map(|error| format!("{}:{}: {}", error.line, error.column, error.message))
        .collect();
    assert_eq!(found, expected, "\n{sql}\n{errors}");
    for error in &errors {
        assert!(!error.hint.is_empty(), "{error}");
        assert!(!error.message.ends_with('.') && !error.hint.ends_with('.'), "{error}");
    }
}

/// `ana` has a tenant and two regions, `bob` an empty list of regions, `eve` nothing.
pub(crate) fn principal(name: &str) -> Arc<Principal> {
    // To authenticate takes long, so it is done once.
    static KNOWN: OnceLock<BTreeMap<&str, Arc<Principal>>> = OnceLock::new();
    let known = KNOWN.get_or_init(|| {
        let attributes = |pairs: &[(&str, &[&str])]| -> BTreeMap<String, Vec<String>> {
            let owned = |values: &[&str]| values.iter().map(|v| (*v).to_owned()).collect();
            pairs.iter().map(|(name, values)| ((*name).to_owned(), owned(values))).collect()
        };
        let verifier = || Verifier::from_password("secret", 4096, b"0123456789abcdef").unwrap();
        let store = UserStore::parse("")
            .unwrap()
            .with_user(
                "ana",
                verifier(),
                attributes(&[
                    ("tenant_id", &["acme"]),
                    ("regions", &["eu", "us"]),
                    ("number", &["42"]),
                ]),
            )
            .with_user(
                "bob",
                verifier(),
                attributes(&[("tenant_id", &["a", "b"]), ("regions", &[]), ("number", &["many"])]),
            )
            .with_user("eve", verifier(), BTreeMap::new());
        let address = "10.1.2.3".parse().unwrap();
        let known = ["ana", "bob", "eve"]
            .map(|name| (name, Arc::new(store.verify_password(name, "secret", address).unwrap())));
        BTreeMap::from(known)
    });
    Arc::clone(&known[name])
}

/// 2026-06-15 12:00:00 in UTC, without a second factor or a purpose.
pub(crate) fn circumstances() -> Circumstances {
    Circumstances { now: 1_781_524_800_000_000, mfa: false, purpose: None }
}

#[derive(Debug)]
pub(crate) struct Names(Vec<Arc<Table>>);

impl NamesTables for Names {
    fn tables(&self) -> &[Arc<Table>] {
        &self.0
    }
}

pub(crate) fn decide_on(
    bundle: &Arc<Bundle>,
    user: &str,
    tables: &[&str],
) -> std::result::Result<Permit<Names>, Denied> {
    let snapshot = snapshot();
    let names = tables.iter().map(|name| {
        let (schema, table) = name.split_once('.').unwrap();
        Arc::clone(snapshot.table(&TableName::new(schema, table)).unwrap())
    });
    decide(bundle, &principal(user), &circumstances(), Names(names.collect()))
}

/// What a user sees of a table: visible columns with masks, and the row predicate.
pub(crate) fn describe(sql: &str, user: &str, table: &str) -> String {
    let bundle = load(sql).unwrap_or_else(|errors| panic!("{errors}"));
    match decide_on(&bundle, user, &[table]) {
        Err(Denied::Table(table)) => format!("denied {table}"),
        Err(Denied::NoActiveRole) => "no active role".to_owned(),
        Ok(permit) => show(&permit.into_parts().tables[0]),
    }
}

pub(crate) fn show(table: &SecuredTable) -> String {
    let columns: Vec<String> = table
        .columns()
        .iter()
        .map(|column| {
            let name = &table.table().columns[column.index].name;
            match &column.mask {
                None => name.clone(),
                Some(mask) => format!("{name}={}", mask.expr),
            }
        })
        .collect();
    let rows = table.row_predicate().map_or_else(|| "all".to_owned(), ToString::to_string);
    format!("{} | {rows}", columns.join(", "))
}
