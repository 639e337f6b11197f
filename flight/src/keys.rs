//! Primary and foreign keys: those that the caller sees to their end, in the specification's form.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray, UInt8Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use tollgate_catalog::TableName;
use tollgate_gateway::introspect::{Reference, VisibleKey};

/// What the standard calls NO ACTION, for updates and deletes of a referenced row.
const NO_ACTION: u8 = 3;

/// A table that a client names; parts that it leaves out fit anything.
pub(crate) struct Named<'a> {
    pub(crate) catalog: Option<&'a str>,
    pub(crate) schema: Option<&'a str>,
    pub(crate) table: &'a str,
}

impl Named<'_> {
    fn is(&self, table: &TableName, database: &str) -> bool {
        self.table == table.table
            && self.schema.is_none_or(|schema| schema == table.schema)
            && self.catalog.is_none_or(|catalog| catalog == database)
    }
}

/// The schema of primary keys.
pub(crate) fn primary_schema() -> SchemaRef {
    schema(&[
        ("catalog_name", DataType::Utf8, true),
        ("db_schema_name", DataType::Utf8, true),
        ("table_name", DataType::Utf8, false),
        ("column_name", DataType::Utf8, false),
        ("key_name", DataType::Utf8, true),
        ("key_sequence", DataType::Int32, false),
    ])
}

/// The schema of foreign keys, seen from either side.
pub(crate) fn foreign_schema() -> SchemaRef {
    schema(&[
        ("pk_catalog_name", DataType::Utf8, true),
        ("pk_db_schema_name", DataType::Utf8, true),
        ("pk_table_name", DataType::Utf8, false),
        ("pk_column_name", DataType::Utf8, false),
        ("fk_catalog_name", DataType::Utf8, true),
        ("fk_db_schema_name", DataType::Utf8, true),
        ("fk_table_name", DataType::Utf8, false),
        ("fk_column_name", DataType::Utf8, false),
        ("key_sequence", DataType::Int32, false),
        ("fk_key_name", DataType::Utf8, true),
        ("pk_key_name", DataType::Utf8, true),
        ("update_rule", DataType::UInt8, false),
        ("delete_rule", DataType::UInt8, false),
    ])
}

fn schema(fields: &[(&str, DataType, bool)]) -> SchemaRef {
    let fields = fields.iter().map(|(name, of, nullable)| Field::new(*name, of.clone(), *nullable));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The primary key of a table, a row a column.
pub(crate) fn primary(
    keys: &[VisibleKey],
    named: &Named<'_>,
    database: &str,
) -> Result<RecordBatch, ArrowError> {
    let rows: Vec<_> = keys
        .iter()
        .filter(|key| key.references.is_none() && named.is(&key.table, database))
        .flat_map(|key| {
            key.columns.iter().zip(1..).map(move |(column, number)| (key, column, number))
        })
        .collect();
    let text = |of: &dyn Fn(&VisibleKey) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(|(key, _, _)| of(key))))
    };
    RecordBatch::try_new(
        primary_schema(),
        vec![
            text(&|_| database.to_owned()),
            text(&|key| key.table.schema.clone()),
            text(&|key| key.table.table.clone()),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|(_, column, _)| *column))),
            text(&|key| key.name.clone()),
            Arc::new(Int32Array::from_iter_values(rows.iter().map(|(_, _, number)| *number))),
        ],
    )
}

/// Foreign keys by the table that they reference, the table that has them, or both.
pub(crate) fn foreign(
    keys: &[VisibleKey],
    referenced: Option<&Named<'_>>,
    referencing: Option<&Named<'_>>,
    database: &str,
) -> Result<RecordBatch, ArrowError> {
    struct Row<'a> {
        key: &'a VisibleKey,
        other: &'a Reference,
        column: &'a str,
        other_column: &'a str,
        number: i32,
    }
    let mut rows = Vec::new();
    for key in keys {
        let Some(other) = &key.references else { continue };
        let meant = referenced.is_none_or(|named| named.is(&other.table, database))
            && referencing.is_none_or(|named| named.is(&key.table, database));
        if meant {
            let columns = key.columns.iter().zip(&other.columns).zip(1..);
            rows.extend(columns.map(|((column, other_column), number)| Row {
                key,
                other,
                column,
                other_column,
                number,
            }));
        }
    }
    let text = |of: &dyn Fn(&Row<'_>) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(of)))
    };
    let rule = || -> ArrayRef { Arc::new(UInt8Array::from(vec![NO_ACTION; rows.len()])) };
    RecordBatch::try_new(
        foreign_schema(),
        vec![
            text(&|_| database.to_owned()),
            text(&|row| row.other.table.schema.clone()),
            text(&|row| row.other.table.table.clone()),
            text(&|row| row.other_column.to_owned()),
            text(&|_| database.to_owned()),
            text(&|row| row.key.table.schema.clone()),
            text(&|row| row.key.table.table.clone()),
            text(&|row| row.column.to_owned()),
            Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.number))),
            text(&|row| row.key.name.clone()),
            Arc::new(StringArray::from_iter(rows.iter().map(|row| row.other.key.as_deref()))),
            rule(),
            rule(),
        ],
    )
}
