//! Arrow batches to PostgreSQL's `DataRow` messages, column by column.
//!
//! Each column of a batch is downcast once; the rows are then written straight into one buffer.
//! Text and binary values are byte-identical to those of PostgreSQL 15.

pub(crate) mod calendar;
pub(crate) mod zone;

mod array;
mod binary;
mod column;
mod datetime;
mod float;
mod json;
mod numeric;
mod text;

use std::ops::Range;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::DataType;
use bytes::{BufMut, BytesMut};
use tollgate_catalog::{Error, ErrorKind, pg_type};

use column::Column;
use zone::Zone;

/// How values travel: as PostgreSQL prints them, or as its send functions lay them out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// As text.
    Text,
    /// As binary.
    Binary,
}

/// Writes the rows of a result's batches as `DataRow` messages.
#[derive(Debug)]
pub struct RowEncoder {
    columns: Vec<(DataType, Format)>,
    count: i16,
    context: Context,
}

/// What the writers of all columns share.
#[derive(Debug)]
struct Context {
    zone: Zone,
    /// Holds one array element while it is quoted.
    scratch: Vec<u8>,
}

impl RowEncoder {
    /// An encoder for columns of these types. As in Bind, no formats mean text for all columns,
    /// and one format is that of all columns.
    pub fn new(
        types: &[DataType],
        formats: &[Format],
        time_zone: &str,
    ) -> Result<RowEncoder, Error> {
        let format = |column| match formats {
            [] => Format::Text,
            [all] => *all,
            each => each.get(column).copied().unwrap_or(Format::Text),
        };
        if formats.len() > 1 && formats.len() != types.len() {
            let message = format!(
                "bind message has {} result formats but query has {} columns",
                formats.len(),
                types.len()
            );
            return Err(Error::new(ErrorKind::ProtocolViolation, message));
        }
        let count = i16::try_from(types.len()).map_err(|_| {
            Error::new(ErrorKind::ProgramLimit, "a result has too many columns")
                .with_hint("select fewer columns")
        })?;
        let columns = types.iter().cloned().enumerate().map(|(i, t)| (t, format(i))).collect();
        let context = Context { zone: Zone::new(time_zone)?, scratch: Vec::new() };
        Ok(RowEncoder { columns, count, context })
    }

    /// Appends one message for each of the batch's `rows`. After an error `out` ends with the last
    /// row that could be written.
    pub fn encode(
        &mut self,
        batch: &RecordBatch,
        rows: Range<usize>,
        out: &mut BytesMut,
    ) -> Result<(), Error> {
        if batch.num_columns() != self.columns.len() || rows.end > batch.num_rows() {
            return Err(Error::internal("a batch doesn't fit its result description"));
        }
        let arrays: Vec<ArrayRef> = batch
            .columns()
            .iter()
            .zip(&self.columns)
            .map(|(array, (data_type, _))| conform(array, data_type))
            .collect::<Result<_, _>>()?;
        let columns: Vec<(Column<'_>, Format)> = arrays
            .iter()
            .zip(&self.columns)
            .map(|(array, (_, format))| Ok((Column::bind(array.as_ref())?, *format)))
            .collect::<Result<_, Error>>()?;
        for row in rows {
            let start = out.len();
            if let Err(error) = data_row(&columns, self.count, row, &mut self.context, out) {
                out.truncate(start);
                return Err(error);
            }
        }
        Ok(())
    }
}

/// The array itself where it is announced as the same type, or else cast to what was announced.
fn conform(array: &ArrayRef, announced: &DataType) -> Result<ArrayRef, Error> {
    if array.data_type() == announced
        || pg_type::of(array.data_type()).oid == pg_type::of(announced).oid
    {
        return Ok(array.clone());
    }
    arrow::compute::cast(array, announced).map_err(Error::internal)
}

fn data_row(
    columns: &[(Column<'_>, Format)],
    count: i16,
    row: usize,
    context: &mut Context,
    out: &mut BytesMut,
) -> Result<(), Error> {
    out.put_u8(b'D');
    let message = begin(out);
    out.put_i16(count);
    for (column, format) in columns {
        let Some((values, row)) = column.locate(row) else {
            out.put_i32(-1);
            continue;
        };
        let value = begin(out);
        match format {
            Format::Text => values.text(row, context, out)?,
            Format::Binary => values.binary(row, context, out)?,
        }
        finish(out, value, 0)?;
    }
    finish(out, message, 4)
}

/// Leaves room for a length and says where.
fn begin(out: &mut BytesMut) -> usize {
    let at = out.len();
    out.put_i32(0);
    at
}

/// Fills in the length of what follows `at`; a message's length counts itself (`own`).
fn finish(out: &mut BytesMut, at: usize, own: usize) -> Result<(), Error> {
    let length = i32::try_from(out.len() - at - 4 + own).map_err(|_| {
        Error::new(ErrorKind::ProgramLimit, "a row is too large for the protocol")
            .with_hint("select fewer columns or shorter values")
    })?;
    if let Some(bytes) = out.get_mut(at..at + 4) {
        bytes.copy_from_slice(&length.to_be_bytes());
    }
    Ok(())
}

/// The value at `row`, which is in range by the encoder's check.
fn at<T: Copy + Default>(values: &[T], row: usize) -> T {
    values.get(row).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
