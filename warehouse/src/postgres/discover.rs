//! Which tables a server has, from its catalogs.

use std::collections::BTreeMap;

use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use tollgate_catalog::{
    Column, Error, ErrorKind, ForeignKey, Storage, Table, TableName, WarehouseName,
};

use super::Postgres;
use super::error::public;

/// Digits of a numeric column that says none.
const UNBOUND: DataType = DataType::Decimal128(38, 10);

/// What was found.
#[derive(Debug)]
pub struct Discovery {
    /// The tables, by name.
    pub tables: Vec<Table>,
    /// The columns and tables that were left out, with the reason: for the operator.
    pub left_out: Vec<String>,
}

/// The collation 100 is the database's own at every server.
const COLUMNS: &str = "
SELECT n.nspname::text, c.relname::text, a.attname::text, t.typname::text, t.typtype::text,
       tn.nspname::text, et.typname::text, a.atttypmod, a.attnotnull,
       col_description(c.oid, a.attnum), obj_description(c.oid, 'pg_class'),
       c.reltuples::float8,
       CASE WHEN c.relkind IN ('r', 'm') THEN pg_relation_size(c.oid)
            WHEN c.relkind = 'p' THEN (SELECT coalesce(sum(pg_relation_size(relid)), 0)::int8
                                       FROM pg_partition_tree(c.oid) WHERE isleaf) END,
       a.attcollation NOT IN (0, 100)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
JOIN pg_namespace tn ON tn.oid = t.typnamespace
LEFT JOIN pg_type et ON et.oid = t.typelem AND t.typcategory = 'A'
WHERE n.nspname::text = ANY($1) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
  AND NOT EXISTS (SELECT 1 FROM pg_collation co
                  WHERE co.oid = a.attcollation AND NOT co.collisdeterministic)
ORDER BY 1, 2, a.attnum";

const KEYS: &str = "
SELECT n.nspname::text, c.relname::text, k.contype::text,
       (SELECT array_agg(a.attname::text ORDER BY u.place)
        FROM unnest(k.conkey) WITH ORDINALITY AS u(attnum, place)
        JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum),
       fn.nspname::text, f.relname::text,
       (SELECT array_agg(a.attname::text ORDER BY u.place)
        FROM unnest(k.confkey) WITH ORDINALITY AS u(attnum, place)
        JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.attnum)
FROM pg_constraint k
JOIN pg_class c ON c.oid = k.conrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_class f ON f.oid = k.confrelid
LEFT JOIN pg_namespace fn ON fn.oid = f.relnamespace
WHERE n.nspname::text = ANY($1) AND k.contype IN ('p', 'f')
ORDER BY 1, 2, k.conname";

const SERVER: &str = "
SELECT current_setting('server_encoding'), current_setting('server_version_num')::int4,
       coalesce((SELECT array_agg(s ORDER BY s) FROM unnest($1::text[]) AS s
                 WHERE NOT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname::text = s)), '{}')";

/// The tables in `schemas` that the gateway's user may read.
///
/// # Errors
/// The server can't be reached, is too old, or has no such schema.
pub async fn discover(warehouse: &Postgres, schemas: &[String]) -> Result<Discovery, Error> {
    let mut lease = warehouse.pool.lease(warehouse.timeout).await?;
    let link = lease.link()?;
    let about: [(&(dyn ToSql + Sync), Type); 1] = [(&schemas, Type::TEXT_ARRAY)];
    let server = link.ask(|client| client.query_typed_one(SERVER, &about)).await.map_err(public)?;
    let (encoding, version): (String, i32) = (get(&server, 0)?, get(&server, 1)?);
    let missing: Vec<String> = get(&server, 2)?;
    if encoding != "UTF8" {
        return Err(invalid(format!("the database has the encoding {encoding}"))
            .with_hint("only databases with the encoding UTF8 are supported"));
    }
    if version < 150_000 {
        return Err(invalid(format!("the server has the version {}", version / 10_000))
            .with_hint("use PostgreSQL 15 or a later one"));
    }
    if let Some(schema) = missing.first() {
        return Err(invalid(format!("the database has no schema \"{schema}\"")));
    }
    let columns = link.ask(|client| client.query_typed(COLUMNS, &about)).await.map_err(public)?;
    let keys = link.ask(|client| client.query_typed(KEYS, &about)).await.map_err(public)?;
    lease.finish().await?;
    let mut found = Found::default();
    columns.iter().try_for_each(|row| found.column(row))?;
    keys.iter().try_for_each(|row| found.key(row))?;
    Ok(found.done())
}

fn invalid(what: String) -> Error {
    Error::new(ErrorKind::InvalidParameterValue, what)
}

fn get<'a, T: tokio_postgres::types::FromSql<'a>>(row: &'a Row, at: usize) -> Result<T, Error> {
    row.try_get(at).map_err(Error::internal)
}

#[derive(Default)]
struct Found {
    tables: BTreeMap<TableName, Table>,
    left_out: Vec<String>,
}

impl Found {
    fn column(&mut self, row: &Row) -> Result<(), Error> {
        let name = TableName::new(get::<String>(row, 0)?, get::<String>(row, 1)?);
        let column: String = get(row, 2)?;
        let rows: f64 = get(row, 11)?;
        let bytes: Option<i64> = get(row, 12)?;
        let comment: Option<String> = get(row, 10)?;
        let table = self.tables.entry(name.clone()).or_insert_with(|| Table {
            name: name.clone(),
            columns: Vec::new(),
            primary_key: Vec::new(),
            foreign_keys: Vec::new(),
            comment,
            // Below zero where nobody counted; the planner's own guess is good enough.
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a number of rows, checked to be one"
            )]
            row_count: (0.0..1e15).contains(&rows).then_some(rows as u64),
            bytes: bytes.and_then(|bytes| u64::try_from(bytes).ok()),
            cache_for: None,
            warehouse: Some(WarehouseName::default()),
            storage: Storage::Postgres { collated: Vec::new() },
        });
        let kind: String = get(row, 4)?;
        let of = Declared {
            name: get(row, 3)?,
            is_enum: kind == "e",
            builtin: get::<String>(row, 5)? == "pg_catalog",
            element: get(row, 6)?,
            modifier: get(row, 7)?,
        };
        match of.data_type() {
            Ok(data_type) => {
                table.columns.push(Column {
                    name: column,
                    data_type,
                    nullable: !get::<bool>(row, 8)?,
                    comment: get(row, 9)?,
                });
                if let Storage::Postgres { collated } = &mut table.storage
                    && get::<bool>(row, 13)?
                {
                    collated.push(table.columns.len().saturating_sub(1));
                }
            }
            Err(reason) => self.left_out.push(format!("column \"{column}\" of {name}: {reason}")),
        }
        Ok(())
    }

    fn key(&mut self, row: &Row) -> Result<(), Error> {
        let name = TableName::new(get::<String>(row, 0)?, get::<String>(row, 1)?);
        let Some(table) = self.tables.get_mut(&name) else { return Ok(()) };
        let kind: String = get(row, 2)?;
        let names: Vec<String> = get::<Option<_>>(row, 3)?.unwrap_or_default();
        let columns = names.iter().map(|name| table.column_index(name)).collect::<Option<Vec<_>>>();
        // One with a column that was left out isn't told.
        let Some(columns) = columns else { return Ok(()) };
        if kind == "p" {
            table.primary_key = columns;
            return Ok(());
        }
        let (schema, other): (Option<String>, Option<String>) = (get(row, 4)?, get(row, 5)?);
        if let (Some(schema), Some(other)) = (schema, other) {
            table.foreign_keys.push(ForeignKey {
                columns,
                references: TableName::new(schema, other),
                referenced_columns: get::<Option<_>>(row, 6)?.unwrap_or_default(),
            });
        }
        Ok(())
    }

    fn done(mut self) -> Discovery {
        let known: BTreeMap<TableName, Vec<String>> = self
            .tables
            .iter()
            .map(|(name, table)| {
                (name.clone(), table.columns.iter().map(|column| column.name.clone()).collect())
            })
            .collect();
        self.tables.retain(|name, table| {
            if table.columns.is_empty() {
                self.left_out.push(format!("{name}: it has no column that can be read"));
            }
            !table.columns.is_empty()
        });
        for table in self.tables.values_mut() {
            table.foreign_keys.retain(|key| {
                known.get(&key.references).is_some_and(|columns| {
                    key.referenced_columns.iter().all(|name| columns.contains(name))
                })
            });
        }
        Discovery { tables: self.tables.into_values().collect(), left_out: self.left_out }
    }
}

/// A type as the server declares it.
struct Declared {
    name: String,
    is_enum: bool,
    builtin: bool,
    element: Option<String>,
    modifier: i32,
}

impl Declared {
    /// The Arrow type in which its values leave the warehouse, or why there is none.
    fn data_type(&self) -> Result<DataType, String> {
        if self.is_enum {
            return Ok(DataType::Utf8);
        }
        if !self.builtin {
            return Err(format!("values of the type \"{}\" can't be read", self.name));
        }
        if let Some(element) = &self.element {
            let item = Field::new_list_field(scalar(element, self.modifier)?, true);
            return Ok(DataType::List(item.into()));
        }
        scalar(&self.name, self.modifier)
    }
}

fn scalar(name: &str, modifier: i32) -> Result<DataType, String> {
    Ok(match name {
        "bool" => DataType::Boolean,
        "int2" => DataType::Int16,
        "int4" => DataType::Int32,
        "int8" => DataType::Int64,
        "float4" => DataType::Float32,
        "float8" => DataType::Float64,
        "numeric" => numeric(modifier)?,
        "text" | "varchar" | "bpchar" | "name" | "uuid" | "json" | "jsonb" => DataType::Utf8,
        "date" => DataType::Date32,
        "time" => DataType::Time64(TimeUnit::Microsecond),
        "timestamp" => DataType::Timestamp(TimeUnit::Microsecond, None),
        "timestamptz" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        "interval" => DataType::Interval(IntervalUnit::MonthDayNano),
        "bytea" => DataType::Binary,
        other => return Err(format!("values of the type {other} can't be read")),
    })
}

/// The digits that a modifier says: 16 bits of precision, 11 of scale with its sign, 4 more.
fn numeric(modifier: i32) -> Result<DataType, String> {
    if modifier < 4 {
        return Ok(UNBOUND);
    }
    let (precision, scale) = ((modifier - 4) >> 16, (((modifier - 4) & 0x7ff) ^ 1_024) - 1_024);
    let fits = precision <= 38 && (0..=precision).contains(&scale);
    match (u8::try_from(precision), i8::try_from(scale)) {
        (Ok(precision), Ok(scale)) if fits => Ok(DataType::Decimal128(precision, scale)),
        _ => Err(format!("numeric({precision},{scale}) has other digits than 38 can hold")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_modifier_says_precision_and_scale() {
        assert_eq!(numeric(((18 << 16) | 2) + 4), Ok(DataType::Decimal128(18, 2)));
        assert_eq!(numeric(-1), Ok(UNBOUND));
        assert!(numeric(((40 << 16) | 2) + 4).is_err());
        assert!(numeric(((10 << 16) | (-2 & 0x7ff)) + 4).is_err());
    }
}
