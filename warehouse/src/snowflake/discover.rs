//! Which tables a database has, from its information schema, and what their types are here.
//!
//! | Snowflake | here |
//! |---|---|
//! | `NUMBER(p,0)`, p to 4, 9, 18 | smallint, integer, bigint |
//! | other `NUMBER(p,s)` | numeric(p,s) |
//! | `FLOAT` | double precision |
//! | `TEXT` | text |
//! | `BOOLEAN`, `DATE`, `BINARY` | boolean, date, bytea |
//! | `TIME` | time, to the microsecond |
//! | `TIMESTAMP_NTZ` | timestamp, to the microsecond |
//! | `TIMESTAMP_LTZ`, `TIMESTAMP_TZ` | timestamp with time zone: the instant, without the offset |
//! | `VARIANT`, `OBJECT`, `ARRAY` | json, of which paths are taken in Snowflake's dialect |
//!
//! Columns of other types (`GEOGRAPHY`, `VECTOR`, …) and those with a collation are left out.
//! A name in capitals is known in small letters, as PostgreSQL folds what isn't quoted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use arrow::datatypes::{DataType, TimeUnit};
use serde_json::json;
use tollgate_catalog::{
    Column, Error, ErrorKind, RealNames, Storage, Table, TableName, WarehouseName, pg_type,
};

use super::session::{Counter, Statement};
use super::{Row, Snowflake, bindings};
use tollgate_rewriter::Parameter;

/// What was found.
#[derive(Debug)]
pub struct Discovery {
    /// The tables, by name.
    pub tables: Vec<Table>,
    /// The columns and tables that were left out, with the reason: for the operator.
    pub left_out: Vec<String>,
}

/// How long keys may take, which nothing rests on.
const KEYS: Duration = Duration::from_secs(30);

const TABLES: &[&str] = &["TABLE_SCHEMA", "TABLE_NAME", "ROW_COUNT", "BYTES", "COMMENT"];
const COLUMNS: &[&str] = &[
    "TABLE_SCHEMA",
    "TABLE_NAME",
    "COLUMN_NAME",
    "DATA_TYPE",
    "NUMERIC_PRECISION",
    "NUMERIC_SCALE",
    "IS_NULLABLE",
    "COLLATION_NAME",
    "COMMENT",
];

/// The tables in `schemas` that the gateway's role may read.
///
/// # Errors
/// The service can't be reached, or the database has no such schema.
pub async fn discover(warehouse: &Snowflake, schemas: &[String]) -> Result<Discovery, Error> {
    let real: Vec<String> = schemas.iter().map(|name| unfolded(name)).collect();
    let there: BTreeSet<String> =
        ask(warehouse, "SCHEMATA", &["SCHEMA_NAME"], "SCHEMA_NAME", &real, "")
            .await?
            .into_iter()
            .filter_map(|mut row| row.pop().flatten())
            .collect();
    if let Some(missing) = real.iter().find(|name| !there.contains(*name)) {
        return Err(Error::new(
            ErrorKind::InvalidParameterValue,
            format!("the database has no schema \"{missing}\""),
        ));
    }
    let tables = ask(warehouse, "TABLES", TABLES, "TABLE_SCHEMA", &real, "").await?;
    let order = " ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION";
    let columns = ask(warehouse, "COLUMNS", COLUMNS, "TABLE_SCHEMA", &real, order).await?;
    let mut found = Found { database: &warehouse.computes.options().database, ..Found::default() };
    tables.into_iter().for_each(|row| found.table(row));
    columns.into_iter().for_each(|row| found.column(row));
    let keys = async {
        for schema in &real {
            found.keys(warehouse, schema).await;
        }
    };
    if tokio::time::timeout(KEYS, keys).await.is_err() {
        found.left_out.push("keys: the account takes too long to tell them".to_owned());
    }
    Ok(found.done())
}

/// Rows of a view of the information schema, as texts.
async fn ask(
    warehouse: &Snowflake,
    view: &str,
    columns: &[&str],
    by: &str,
    schemas: &[String],
    order: &str,
) -> Result<Vec<Row>, Error> {
    let database = warehouse.computes.options().database.replace('"', "\"\"");
    let items: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(index, name)| format!("CAST({name} AS VARCHAR) AS \"c{index}\""))
        .collect();
    let places: Vec<String> = (1..=schemas.len()).map(|number| format!(":{number}")).collect();
    let text = format!(
        "SELECT {} FROM \"{database}\".\"INFORMATION_SCHEMA\".\"{view}\" WHERE {by} IN ({}){order}",
        items.join(", "),
        places.join(", ")
    );
    let names: Vec<Parameter> = schemas.iter().cloned().map(Parameter::Text).collect();
    let statement = Statement {
        text,
        bindings: bindings(&names)?,
        id: None,
        tag: json!({ "user": null, "tenant": null }),
        timeout: None,
        describe_only: false,
        counter: Counter::default(),
    };
    warehouse.ask(warehouse.computes.default(), statement, columns.len()).await
}

/// The name by which a real one is known.
pub(super) fn folded(real: &str) -> String {
    if real.chars().any(char::is_lowercase) { real.to_owned() } else { real.to_lowercase() }
}

/// The real name that is known by a folded one.
fn unfolded(name: &str) -> String {
    if name.chars().any(char::is_uppercase) { name.to_owned() } else { name.to_uppercase() }
}

#[derive(Default)]
pub(super) struct Found<'a> {
    pub(super) database: &'a str,
    pub(super) tables: BTreeMap<TableName, (RealNames, Table)>,
    pub(super) left_out: Vec<String>,
}

impl Found<'_> {
    fn table(&mut self, row: Row) {
        let mut row = row.into_iter();
        let mut next = || row.next().flatten();
        let (Some(schema), Some(name)) = (next(), next()) else { return };
        let number = |text: Option<String>| text.and_then(|text| text.parse::<u64>().ok());
        let (rows, bytes, comment) = (number(next()), number(next()), next());
        let known = TableName::new(folded(&schema), folded(&name));
        let real = RealNames {
            database: self.database.to_owned(),
            schema,
            table: name,
            columns: Vec::new(),
            key_is_claimed: false,
        };
        let table = Table {
            name: known.clone(),
            columns: Vec::new(),
            primary_key: Vec::new(),
            foreign_keys: Vec::new(),
            comment: comment.filter(|comment| !comment.is_empty()),
            row_count: rows,
            bytes: bytes.filter(|bytes| *bytes > 0),
            cache_for: None,
            warehouse: Some(WarehouseName::default()),
            storage: Storage::Snowflake(real.clone()),
        };
        if let Some((other, _)) = self.tables.get(&known) {
            // Only one of them can have the name; the other one might be governed by its policies.
            let kept = other.table.chars().any(char::is_lowercase) && real.table != other.table;
            let gone = if kept { other.table.clone() } else { real.table.clone() };
            self.left_out.push(format!("table \"{gone}\": another one is known as {known}"));
            if !kept {
                return;
            }
        }
        self.tables.insert(known, (real, table));
    }

    fn column(&mut self, row: Row) {
        let mut row = row.into_iter();
        let mut next = || row.next().flatten();
        let (Some(schema), Some(name), Some(column)) = (next(), next(), next()) else { return };
        let known = TableName::new(folded(&schema), folded(&name));
        let Some((real, table)) = self.tables.get_mut(&known) else { return };
        if real.schema != schema || real.table != name {
            return;
        }
        let kind = next().unwrap_or_default();
        let (precision, scale) = (next(), next());
        let nullable = next().is_none_or(|text| text != "NO");
        let (collation, comment) = (next(), next());
        let known_as = folded(&column);
        let data_type = match collation.as_deref() {
            None | Some("" | "utf8" | "bin") => {
                data_type(&kind, precision.as_deref(), scale.as_deref())
            }
            Some(_) => Err("texts with a collation compare in another way".to_owned()),
        };
        let data_type = match data_type {
            Ok(_) if table.column_index(&known_as).is_some() => {
                Err(format!("another column is known as \"{known_as}\""))
            }
            other => other,
        };
        match data_type {
            Ok(data_type) => {
                real.columns.push(column);
                table.columns.push(Column {
                    name: known_as,
                    data_type,
                    nullable,
                    comment: comment.filter(|comment| !comment.is_empty()),
                });
            }
            Err(reason) => self.left_out.push(format!("column \"{column}\" of {known}: {reason}")),
        }
    }

    fn done(mut self) -> Discovery {
        let mut tables = Vec::new();
        for (name, (real, mut table)) in self.tables {
            if table.columns.is_empty() {
                self.left_out.push(format!("{name}: it has no column that can be read"));
                continue;
            }
            table.storage = Storage::Snowflake(real);
            tables.push(table);
        }
        Discovery { tables, left_out: self.left_out }
    }
}

/// The Arrow type in which values of a type leave the warehouse, or why there is none.
fn data_type(kind: &str, precision: Option<&str>, scale: Option<&str>) -> Result<DataType, String> {
    let micros = TimeUnit::Microsecond;
    Ok(match kind {
        "NUMBER" | "FIXED" | "DECIMAL" => {
            let digits = |text: Option<&str>, otherwise| {
                text.map_or(Ok(otherwise), |text| text.parse::<u8>())
            };
            match (digits(precision, 38), digits(scale, 0)) {
                (Ok(1..=4), Ok(0)) => DataType::Int16,
                (Ok(5..=9), Ok(0)) => DataType::Int32,
                (Ok(10..=18), Ok(0)) => DataType::Int64,
                (Ok(precision @ 1..=38), Ok(scale @ 0..=37)) if scale <= precision => {
                    DataType::Decimal128(precision, scale.cast_signed())
                }
                _ => return Err("a number with such digits can't be read".to_owned()),
            }
        }
        "FLOAT" => DataType::Float64,
        "TEXT" => DataType::Utf8,
        "BOOLEAN" => DataType::Boolean,
        "DATE" => DataType::Date32,
        "TIME" => DataType::Time64(micros),
        "TIMESTAMP_NTZ" => DataType::Timestamp(micros, None),
        "TIMESTAMP_LTZ" | "TIMESTAMP_TZ" => DataType::Timestamp(micros, Some("UTC".into())),
        "BINARY" => DataType::Binary,
        "VARIANT" | "OBJECT" | "ARRAY" => pg_type::document(),
        other => return Err(format!("values of the type {other} can't be read")),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, clippy::indexing_slicing, reason = "tests")]

    use super::*;

    #[test]
    fn names_are_folded_as_postgresql_folds_them() {
        for (real, known) in [("ORDERS", "orders"), ("Mixed Case", "Mixed Case"), ("A$1", "a$1")] {
            assert_eq!(folded(real), known);
            assert_eq!(unfolded(known), real);
        }
    }

    #[test]
    fn two_tables_never_share_a_name() {
        let row = |name: &str| vec![Some("S".to_owned()), Some(name.to_owned()), None, None, None];
        let column = |table: &str, column: &str| {
            let text = |text: &str| Some(text.to_owned());
            vec![text("S"), text(table), text(column), text("TEXT"), None, None, None, None, None]
        };
        for order in [["T", "t"], ["t", "T"]] {
            let mut found = Found { database: "D", ..Found::default() };
            order.iter().for_each(|name| found.table(row(name)));
            for (table, name) in [("T", "SHOWN"), ("t", "HIDDEN"), ("T", "shown")] {
                found.column(column(table, name));
            }
            let found = found.done();
            assert_eq!(found.left_out.len(), 2, "{:?}", found.left_out);
            let [table] = &found.tables[..] else { panic!("one table") };
            let Storage::Snowflake(real) = &table.storage else { panic!("its real names") };
            assert_eq!((real.table.as_str(), &real.columns[..]), ("T", &["SHOWN".to_owned()][..]));
        }
    }

    #[test]
    fn types_keep_all_values() {
        let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        for (kind, precision, scale, expected) in [
            ("NUMBER", "4", "0", Some(DataType::Int16)),
            ("NUMBER", "9", "0", Some(DataType::Int32)),
            ("NUMBER", "18", "0", Some(DataType::Int64)),
            ("NUMBER", "38", "0", Some(DataType::Decimal128(38, 0))),
            ("NUMBER", "12", "2", Some(DataType::Decimal128(12, 2))),
            ("NUMBER", "39", "0", None),
            ("VARIANT", "", "", Some(pg_type::document())),
            ("OBJECT", "", "", Some(pg_type::document())),
            ("ARRAY", "", "", Some(pg_type::document())),
            ("FLOAT", "", "", Some(DataType::Float64)),
            ("TEXT", "", "", Some(DataType::Utf8)),
            ("BOOLEAN", "", "", Some(DataType::Boolean)),
            ("DATE", "", "", Some(DataType::Date32)),
            ("BINARY", "", "", Some(DataType::Binary)),
            ("TIME", "", "", Some(DataType::Time64(TimeUnit::Microsecond))),
            ("TIMESTAMP_NTZ", "", "", Some(DataType::Timestamp(TimeUnit::Microsecond, None))),
            ("TIMESTAMP_LTZ", "", "", Some(zoned.clone())),
            ("TIMESTAMP_TZ", "", "", Some(zoned.clone())),
            ("NUMBER", "38", "37", Some(DataType::Decimal128(38, 37))),
            ("GEOGRAPHY", "", "", None),
            ("MAP", "", "", None),
            ("VECTOR", "", "", None),
        ] {
            let found = data_type(kind, Some(precision), Some(scale));
            assert_eq!(found.ok(), expected, "{kind}({precision},{scale})");
        }
    }
}
