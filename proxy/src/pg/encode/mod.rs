//! Arrow batches to PostgreSQL's `DataRow` messages, column by column.
//!
//! Each column of a batch is downcast once; the rows are then written into one buffer, a block of
//! rows at a time (`block`).
//! Text and binary values are byte-identical to those of PostgreSQL 15.

pub(crate) mod calendar;
pub(crate) mod zone;

mod array;
mod binary;
mod block;
mod column;
mod datetime;
mod float;
mod json;
mod numeric;
mod quick;
mod record;
mod text;

use std::ops::Range;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::DataType;
use bytes::{BufMut, BytesMut};
use tollgate_catalog::{Error, ErrorKind, pg_type};

use block::{BLOCK, Block, CELL, NULL, Place};
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
    /// Columns whose decimals end with their last digit.
    trimmed: Vec<bool>,
    count: i16,
    /// One for each column.
    blocks: Vec<Block>,
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
        let columns: Vec<_> =
            types.iter().cloned().enumerate().map(|(i, t)| (t, format(i))).collect();
        let blocks = columns.iter().map(|_| Block::default()).collect();
        let context = Context { zone: Zone::new(time_zone)?, scratch: Vec::new() };
        Ok(RowEncoder { columns, trimmed: Vec::new(), count, blocks, context })
    }

    /// With decimals of some columns written as those of a `numeric` without a scale: no zeros behind
    /// the last digit.
    #[must_use]
    pub fn trimmed(self, columns: Vec<bool>) -> Self {
        Self { trimmed: columns, ..self }
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
            .enumerate()
            .map(|(index, (array, (_, format)))| {
                let trimmed = self.trimmed.get(index).copied().unwrap_or(false);
                Ok((Column { trimmed, ..Column::bind(array.as_ref())? }, *format))
            })
            .collect::<Result<_, Error>>()?;
        let mut start = rows.start;
        while start < rows.end {
            let end = rows.end.min(start + BLOCK);
            self.block(&columns, start..end, out)?;
            start = end;
        }
        self.blocks.iter_mut().for_each(Block::shrink);
        Ok(())
    }

    /// Writes one block of rows.
    fn block(
        &mut self,
        columns: &[(Column<'_>, Format)],
        rows: Range<usize>,
        out: &mut BytesMut,
    ) -> Result<(), Error> {
        let mut count = rows.len();
        let mut failed = None;
        // The last cell is copied whole, beyond its value's end.
        let mut bytes = CELL + count * MESSAGE;
        for ((column, format), block) in columns.iter().zip(&mut self.blocks) {
            // After a value that can't travel only the rows before it do, so the next error is of
            // an earlier row.
            let rows = rows.start..rows.start + count;
            match block.fill(column, *format, rows, &mut self.context) {
                Ok(more) => bytes += more,
                Err((row, error)) => {
                    (count, failed) = (row, Some(error));
                    bytes += block.written();
                }
            }
        }
        let start = out.len();
        out.resize(start + bytes, 0);
        let mut room = Writer { room: out.get_mut(start..).unwrap_or_default(), at: 0 };
        let mut written = Ok(());
        for row in 0..count {
            let message = room.at;
            written = data_row(columns, &self.blocks, self.count, rows.start, row, &mut room);
            if written.is_err() {
                room.at = message;
                break;
            }
        }
        let end = start + room.at;
        out.truncate(end);
        written?;
        failed.map_or(Ok(()), Err)
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

/// The bytes of a row's message before its first value: the kind, the length, the column count.
const MESSAGE: usize = 7;

/// Writes into room that was measured before.
struct Writer<'a> {
    room: &'a mut [u8],
    at: usize,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.at + bytes.len();
        self.room.get_mut(self.at..end)?.copy_from_slice(bytes);
        self.at = end;
        Some(())
    }

    /// Copies a whole cell, of which `length` bytes count: what comes next overwrites the others.
    fn cell(&mut self, cell: &[u8; CELL], length: usize) -> Option<()> {
        *self.room.get_mut(self.at..)?.first_chunk_mut()? = *cell;
        self.at += length;
        Some(())
    }
}

/// Writes the message of a row: the `row`th of the blocks, which begin at `first`.
fn data_row(
    columns: &[(Column<'_>, Format)],
    blocks: &[Block],
    count: i16,
    first: usize,
    row: usize,
    out: &mut Writer<'_>,
) -> Result<(), Error> {
    let message = out.at;
    let mut write = || {
        let [high, low] = count.to_be_bytes();
        out.put(&[b'D', 0, 0, 0, 0, high, low])?;
        for ((column, _), block) in columns.iter().zip(blocks) {
            match block.place {
                Place::Cells => {
                    let (cell, length) = block.cell(row)?;
                    out.cell(cell, length)?;
                }
                Place::Long => out.put(block.long(row)?)?,
                Place::Raw => match column.raw(first + row) {
                    None => out.put(&NULL)?,
                    Some(bytes) => {
                        out.put(&i32::try_from(bytes.len()).ok()?.to_be_bytes())?;
                        out.put(bytes)?;
                    }
                },
            }
        }
        Some(())
    };
    write().ok_or_else(|| Error::internal("a row is longer than it was measured"))?;
    let length = i32::try_from(out.at - message - 1).map_err(|_| too_large())?;
    if let Some(bytes) = out.room.get_mut(message + 1..message + 5) {
        bytes.copy_from_slice(&length.to_be_bytes());
    }
    Ok(())
}

fn too_large() -> Error {
    Error::new(ErrorKind::ProgramLimit, "a row is too large for the protocol")
        .with_hint("select fewer columns or shorter values")
}

/// Leaves room for a length and says where.
pub(super) fn begin(out: &mut BytesMut) -> usize {
    let at = out.len();
    out.put_i32(0);
    at
}

/// Fills in the length of what follows `at`; a message's length counts itself (`own`).
pub(super) fn finish(out: &mut BytesMut, at: usize, own: usize) -> Result<(), Error> {
    let length = i32::try_from(out.len() - at - 4 + own).map_err(|_| too_large())?;
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
