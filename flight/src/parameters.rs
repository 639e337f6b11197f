//! The values of a statement's parameters: rows of a record batch, bound with DoPut. The statement runs
//! once for each.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Schema};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use arrow::util::display::FormatOptions;
use arrow_flight::FlightData;
use bytes::Bytes;
use datafusion::common::ScalarValue;
use tollgate_catalog::{Error, ErrorKind};
use tonic::Streaming;

use crate::handle::{Handle, invalid};
use crate::received;
use crate::schema;
use crate::status::{Answer, internal, status, violation};

/// A value that doesn't fit is an error, never NULL.
const EXACT: CastOptions<'static> =
    CastOptions { safe: false, format_options: FormatOptions::new() };

/// The values of one or several executions, a row each.
pub(crate) struct Parameters {
    rows: RecordBatch,
}

impl Parameters {
    /// Reads the rows that a client binds, in a stream of `longest` bytes at most; `None` if it binds
    /// nothing.
    pub(crate) async fn receive(
        first: FlightData,
        rest: Streaming<FlightData>,
        longest: usize,
    ) -> Answer<Option<RecordBatch>> {
        let rows = received::rows(first, rest, longest).await?;
        Ok(rows.filter(|rows| rows.num_rows() > 0))
    }

    /// The types in which a statement should take these values: a number and a timestamp keep the
    /// type that the client gave them, so that they are compared and never rounded; the rest follows
    /// the statement.
    pub(crate) fn hints_for(rows: &RecordBatch, types: &[DataType]) -> Vec<Option<DataType>> {
        let given = rows.schema();
        let hints = types.iter().zip(given.fields()).map(|(wanted, field)| {
            match (field.data_type(), wanted) {
                (DataType::Timestamp(_, None), DataType::Timestamp(_, None)) => {
                    Some(field.data_type().clone())
                }
                (given, wanted) => match (number(given), number(wanted)) {
                    (Some(given), Some(_)) => Some(given),
                    (Some(_) | None, None) | (None, Some(_)) => Some(wanted.clone()),
                },
            }
        });
        hints.collect()
    }

    /// The rows, in the types of the statement's parameters.
    pub(crate) fn cast(rows: &RecordBatch, types: &[DataType]) -> Answer<Self> {
        if rows.num_columns() != types.len() {
            let text = format!(
                "the statement needs {} parameters, but {} were given",
                types.len(),
                rows.num_columns()
            );
            return Err(violation(text));
        }
        let wanted = schema::of_parameters(types);
        let columns =
            rows.columns().iter().zip(wanted.fields()).zip(1..).map(|((array, field), number)| {
                if array.data_type() == field.data_type() {
                    return Ok(Arc::clone(array));
                }
                cast_with_options(array, field.data_type(), &EXACT).map_err(|_| {
                    status(&Error::new(
                        ErrorKind::DatatypeMismatch,
                        format!(
                            "parameter ${number} doesn't have the type that the statement needs"
                        ),
                    ))
                })
            });
        let columns = columns.collect::<Answer<Vec<_>>>()?;
        let rows = RecordBatch::try_new(wanted, columns).map_err(internal)?;
        Ok(Self { rows })
    }

    /// As they stand in a handle.
    pub(crate) fn to_handle(&self) -> Answer<Bytes> {
        let mut bytes = Vec::new();
        let mut writer =
            StreamWriter::try_new(&mut bytes, &self.rows.schema()).map_err(internal)?;
        writer.write(&self.rows).and_then(|()| writer.finish()).map_err(internal)?;
        drop(writer);
        Ok(bytes.into())
    }

    /// From a handle; `None` if nothing is bound.
    pub(crate) fn from_handle(handle: &Handle) -> Answer<Option<Self>> {
        if handle.parameters.is_empty() {
            return Ok(None);
        }
        let batch = StreamReader::try_new(handle.parameters.as_ref(), None)
            .and_then(|mut reader| reader.next().transpose());
        match batch {
            Ok(Some(rows)) if rows.num_rows() > 0 => Ok(Some(Self { rows })),
            Ok(_) | Err(_) => Err(invalid("its parameters can't be read")),
        }
    }

    /// The types of the values.
    pub(crate) fn hints(&self) -> Vec<Option<DataType>> {
        types(&self.rows.schema()).into_iter().map(Some).collect()
    }

    /// How many executions there are.
    pub(crate) fn count(&self) -> usize {
        self.rows.num_rows()
    }

    /// The values of one execution; `None` beyond the last.
    pub(crate) fn values(&self, row: usize) -> Option<Answer<Vec<ScalarValue>>> {
        let columns = self.rows.columns().iter();
        let value = |array: &ArrayRef| ScalarValue::try_from_array(array, row).map_err(internal);
        (row < self.rows.num_rows()).then(|| columns.map(value).collect())
    }
}

fn types(schema: &Schema) -> Vec<DataType> {
    schema.fields().iter().map(|field| field.data_type().clone()).collect()
}

/// The type in which the engine takes a number of this type without loss.
fn number(data_type: &DataType) -> Option<DataType> {
    match data_type {
        DataType::Int8 | DataType::UInt8 | DataType::Int16 => Some(DataType::Int16),
        DataType::UInt16 | DataType::Int32 => Some(DataType::Int32),
        DataType::UInt32 | DataType::Int64 => Some(DataType::Int64),
        DataType::UInt64 => Some(DataType::Decimal128(20, 0)),
        DataType::Float16 | DataType::Float32 => Some(DataType::Float32),
        DataType::Float64 => Some(DataType::Float64),
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) | DataType::Decimal128(p, s) => {
            Some(DataType::Decimal128(*p, *s))
        }
        DataType::Decimal256(p, s) => Some(DataType::Decimal256(*p, *s)),
        _ => None,
    }
}
