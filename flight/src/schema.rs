//! The schema of a result as Flight clients get it, and batches brought to it.
//!
//! Views, dictionaries and run-end encoding are internal: several clients can't read them, and the
//! engine may choose them from one batch to the next. They are flattened here, in one place.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteOptions};
use arrow::util::display::FormatOptions;
use bytes::Bytes;
use tollgate_catalog::Error;
use tollgate_catalog::pg_type::{document_texts, is_document};
use tollgate_gateway::OutputColumn;

/// The metadata key of a column's type name (Flight SQL's column metadata).
const TYPE_NAME: &str = "ARROW:FLIGHT:SQL:TYPE_NAME";

/// A value that doesn't fit is an error, never NULL.
const EXACT: CastOptions<'static> =
    CastOptions { safe: false, format_options: FormatOptions::new() };

/// The schema for a result's columns. Nullable throughout: what a column may hold is the
/// warehouse's word, not a promise that a client should check.
pub(crate) fn of(columns: &[OutputColumn]) -> SchemaRef {
    let fields = columns.iter().map(|column| field(&column.name, &column.data_type, true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The schema of a statement's parameters.
pub(crate) fn of_parameters(types: &[DataType]) -> SchemaRef {
    let fields = (1..).zip(types).map(|(number, of)| field(&format!("${number}"), of, true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// A field with its PostgreSQL type in the metadata.
pub(crate) fn field(name: &str, data_type: &DataType, nullable: bool) -> Field {
    let type_name =
        tollgate_catalog::pg_type::format_type(tollgate_catalog::pg_type::of(data_type));
    Field::new(name, flat(data_type), nullable)
        .with_metadata([(TYPE_NAME.to_owned(), type_name)].into())
}

/// The type without views, dictionaries and run ends, to the last level; a semi-structured value is the
/// text of its JSON.
pub(crate) fn flat(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, values) => flat(values),
        DataType::RunEndEncoded(_, values) => flat(values.data_type()),
        DataType::List(item) | DataType::ListView(item) => DataType::List(flat_field(item)),
        DataType::LargeList(item) | DataType::LargeListView(item) => {
            DataType::LargeList(flat_field(item))
        }
        DataType::FixedSizeList(item, length) => DataType::FixedSizeList(flat_field(item), *length),
        document if is_document(document) => DataType::Utf8,
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(flat_field).collect()),
        DataType::Map(entries, sorted) => DataType::Map(flat_field(entries), *sorted),
        other => other.clone(),
    }
}

fn flat_field(field: &FieldRef) -> FieldRef {
    Arc::new(field.as_ref().clone().with_data_type(flat(field.data_type())))
}

/// The batch with exactly this schema's types.
pub(crate) fn conform(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, Error> {
    let columns = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(array, field)| {
            let array = document_texts(array.as_ref()).unwrap_or(array);
            if array.data_type() == field.data_type() {
                Ok(Arc::clone(array))
            } else {
                cast_with_options(array, field.data_type(), &EXACT).map_err(Error::internal)
            }
        })
        .collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(Error::internal)
}

/// The schema as an encapsulated IPC message, as the fields of Flight messages hold it.
pub(crate) fn encapsulated(schema: &Schema) -> Bytes {
    let message = message(schema);
    let padded = message.len().next_multiple_of(8);
    let mut bytes = Vec::with_capacity(8 + padded);
    bytes.extend_from_slice(&[0xff; 4]);
    bytes.extend_from_slice(&u32::try_from(padded).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend_from_slice(&message);
    bytes.resize(8 + padded, 0);
    bytes.into()
}

/// The schema as the header of a Flight message.
pub(crate) fn message(schema: &Schema) -> Vec<u8> {
    let mut tracker = DictionaryTracker::new(false);
    let options = IpcWriteOptions::default();
    IpcDataGenerator::default()
        .schema_to_bytes_with_dictionary_tracker(schema, &mut tracker, &options)
        .ipc_message
}
