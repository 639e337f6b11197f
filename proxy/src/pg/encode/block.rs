//! A few rows of one column, ready to be put between those of the others.
//!
//! Formatting runs column by column, where the type is looked at once for many rows; only copying
//! runs row by row. Short values lie in cells of one size, which copy without a call; texts and byte
//! strings stay where they are; all else is written one after the other.

use std::ops::Range;

use arrow::array::{GenericBinaryArray, GenericStringArray, OffsetSizeTrait, StringViewArray};
use bytes::{BufMut, BytesMut};
use tollgate_catalog::Error;

use super::column::{Column, Values};
use super::quick::{self, ROOM, Room};
use super::{Context, Format, at, begin, finish};

/// The most rows of a block: the cells of a dozen columns fit the first cache.
pub(super) const BLOCK: usize = 64;
/// The bytes of a value's length.
const LENGTH: usize = 4;
/// A length and a value.
pub(super) const CELL: usize = LENGTH + ROOM;
/// The length of a value that is null.
pub(super) const NULL: [u8; LENGTH] = (-1_i32).to_be_bytes();
/// A buffer that had to hold more than this is given back.
const KEEP: usize = 1 << 16;

/// The values of a block of one column, each with its length before it.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub(super) place: Place,
    cells: Vec<[u8; CELL]>,
    lengths: Vec<u8>,
    long: BytesMut,
    ends: Vec<usize>,
}

/// Where the values of a block are.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In the cells.
    #[default]
    Cells,
    /// One after the other.
    Long,
    /// In the column itself, as they travel.
    Raw,
}

impl Block {
    /// Makes the values of `rows` ready and says how many bytes they take.
    ///
    /// # Errors
    /// The first value that can't travel: its row, counted from the beginning, and why.
    pub(super) fn fill(
        &mut self,
        column: &Column<'_>,
        format: Format,
        rows: Range<usize>,
        context: &mut Context,
    ) -> Result<usize, (usize, Error)> {
        if let Some(bytes) = raw(column, format, rows.clone()) {
            self.place = Place::Raw;
            return Ok(bytes);
        }
        self.place = Place::Cells;
        if let Some(bytes) = self.fill_cells(column, format, rows.clone(), context) {
            return Ok(bytes);
        }
        self.place = Place::Long;
        self.fill_long(column, format, rows, context)
    }

    /// The cell of a row and how many of its bytes count.
    pub(super) fn cell(&self, row: usize) -> Option<(&[u8; CELL], usize)> {
        Some((self.cells.get(row)?, usize::from(*self.lengths.get(row)?)))
    }

    /// A row of the values that lie one after the other.
    pub(super) fn long(&self, row: usize) -> Option<&[u8]> {
        let start = row.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.long.get(start..*self.ends.get(row)?)
    }

    /// The bytes of the values that lie one after the other.
    pub(super) fn written(&self) -> usize {
        self.long.len()
    }

    /// Gives back what one large value took.
    pub(super) fn shrink(&mut self) {
        if self.long.capacity() > KEEP {
            self.long = BytesMut::new();
        }
    }

    fn fill_long(
        &mut self,
        column: &Column<'_>,
        format: Format,
        rows: Range<usize>,
        context: &mut Context,
    ) -> Result<usize, (usize, Error)> {
        self.long.clear();
        self.ends.clear();
        for (index, row) in rows.enumerate() {
            match column.locate(row) {
                None => self.long.put_slice(&NULL),
                Some((values, row)) => {
                    let start = begin(&mut self.long);
                    values
                        .write(row, format, context, &mut self.long)
                        .and_then(|()| finish(&mut self.long, start, 0))
                        .map_err(|error| (index, error))?;
                }
            }
            self.ends.push(self.long.len());
        }
        Ok(self.long.len())
    }

    /// Fills the cells; `None` if this type's values don't go there, or one of them is too long.
    fn fill_cells(
        &mut self,
        column: &Column<'_>,
        format: Format,
        rows: Range<usize>,
        context: &mut Context,
    ) -> Option<usize> {
        use quick as q;
        if self.cells.is_empty() {
            self.cells.resize(BLOCK, [0; CELL]);
            self.lengths.resize(BLOCK, 0);
        }
        let mut zone = context.zone.clone();
        let (text, binary) = (format == Format::Text, format == Format::Binary);
        let mut each = Cells { block: self, column, format, rows, context };
        // Values that the writer here leaves out go the way of all.
        match &column.values {
            Values::Bool(values) => each.by_row(|row, room| {
                let value = values.value(row);
                let byte = match (value, text) {
                    (true, true) => b't',
                    (false, true) => b'f',
                    (value, false) => value.into(),
                };
                put(room, [byte])
            }),
            Values::Int16(values) if text => each.by(values, |v, room| q::integer(v.into(), room)),
            Values::Int32(values) if text => each.by(values, |v, room| q::integer(v.into(), room)),
            Values::Int64(values) if text => each.by(values, q::integer),
            Values::UInt32(values) if text => each.by(values, |v, room| q::integer(v.into(), room)),
            Values::Int16(values) => each.by(values, |v, room| put(room, v.to_be_bytes())),
            Values::Int32(values) => each.by(values, |v, room| put(room, v.to_be_bytes())),
            Values::Int64(values) => each.by(values, |v, room| put(room, v.to_be_bytes())),
            Values::UInt32(values) => each.by(values, |v, room| put(room, v.to_be_bytes())),
            Values::Single(values) if text => each.by(values, q::single),
            Values::Double(values) if text => each.by(values, q::double),
            Values::Single(values) => each
                .by(values, |v, room| (!v.is_nan()).then(|| put(room, v.to_be_bytes())).flatten()),
            Values::Double(values) => each
                .by(values, |v, room| (!v.is_nan()).then(|| put(room, v.to_be_bytes())).flatten()),
            Values::Decimal32(values, scale) if text => {
                each.by(values, |v, room| q::decimal(v.into(), *scale, room))
            }
            Values::Decimal64(values, scale) if text => {
                each.by(values, |v, room| q::decimal(v.into(), *scale, room))
            }
            Values::Decimal128(values, scale) if column.trimmed => each.by(values, |v, room| {
                let (v, scale) = trim(v, *scale);
                if text { q::decimal(v, scale, room) } else { q::numeric(v, scale, room) }
            }),
            Values::Decimal128(values, scale) if text => {
                each.by(values, |v, room| q::decimal(v, *scale, room))
            }
            Values::Decimal32(values, scale) => {
                each.by(values, |v, room| q::numeric(v.into(), *scale, room))
            }
            Values::Decimal64(values, scale) => {
                each.by(values, |v, room| q::numeric(v.into(), *scale, room))
            }
            Values::Decimal128(values, scale) => {
                each.by(values, |v, room| q::numeric(v, *scale, room))
            }
            Values::Date32(values) if text => each.by(values, |v, room| q::date(v.into(), room)),
            Values::Date32(values) => each
                .by(values, |v, room| put(room, super::calendar::pg_date(v.into())?.to_be_bytes())),
            Values::Time64(values, unit) if text => {
                each.by(values, |v, room| q::time(super::datetime::micros(v, *unit)?, room))
            }
            Values::Timestamp(values, unit) if text => each
                .by(values, |v, room| q::timestamp(super::datetime::micros(v, *unit)?, None, room)),
            Values::Timestamptz(values, unit) if text => each.by(values, |v, room| {
                let micros = super::datetime::micros(v, *unit)?;
                let offset = zone.offset(micros.div_euclid(1_000_000));
                q::timestamp(micros, Some(offset), room)
            }),
            Values::Timestamp(values, unit) | Values::Timestamptz(values, unit) if binary => each
                .by(values, |v, room| {
                    let micros = super::datetime::micros(v, *unit)?;
                    put(room, super::calendar::pg_timestamp(micros)?.to_be_bytes())
                }),
            _ => None,
        }
    }
}

/// The same number without zeros behind its last digit.
fn trim(mut value: i128, mut scale: i8) -> (i128, i8) {
    while scale > 0 && value % 10 == 0 {
        value /= 10;
        scale -= 1;
    }
    (value, scale)
}

fn put<const N: usize>(room: &mut Room, bytes: [u8; N]) -> Option<usize> {
    *room.first_chunk_mut()? = bytes;
    Some(N)
}

/// What it takes to fill cells.
struct Cells<'a, 'b> {
    block: &'b mut Block,
    column: &'b Column<'a>,
    format: Format,
    rows: Range<usize>,
    context: &'b mut Context,
}

impl Cells<'_, '_> {
    fn by<T: Copy + Default>(
        &mut self,
        values: &[T],
        mut write: impl FnMut(T, &mut Room) -> Option<usize>,
    ) -> Option<usize> {
        self.by_row(|row, room| write(at(values, row), room))
    }

    /// Gives the bytes of all cells.
    fn by_row(
        &mut self,
        mut write: impl FnMut(usize, &mut Room) -> Option<usize>,
    ) -> Option<usize> {
        let Block { cells, lengths, long, .. } = &mut *self.block;
        let mut bytes = 0;
        let slots = cells.iter_mut().zip(lengths.iter_mut());
        for (row, (cell, length)) in self.rows.clone().zip(slots) {
            let (prefix, room) = cell.split_first_chunk_mut::<LENGTH>()?;
            let room = room.first_chunk_mut::<ROOM>()?;
            let written = if self.column.nulls.is_some_and(|nulls| nulls.is_null(row)) {
                *prefix = NULL;
                0
            } else {
                let written = match write(row, room) {
                    Some(written) => written,
                    None => {
                        long.clear();
                        self.column.values.write(row, self.format, self.context, long).ok()?;
                        room.get_mut(..long.len())?.copy_from_slice(long);
                        long.len()
                    }
                };
                *prefix = u32::try_from(written).ok()?.to_be_bytes();
                written
            };
            *length = u8::try_from(LENGTH + written).ok()?;
            bytes += LENGTH + written;
        }
        Some(bytes)
    }
}

/// The bytes that a column's values take as they are, if they travel like that.
fn raw(column: &Column<'_>, format: Format, rows: Range<usize>) -> Option<usize> {
    let count = rows.len() * LENGTH;
    let bytes = match &column.values {
        Values::Utf8(array) => texts(array, rows)?,
        Values::LargeUtf8(array) => texts(array, rows)?,
        Values::Utf8View(array) => views(array, column, rows)?,
        Values::Binary(array) if format == Format::Binary => binaries(array, rows)?,
        Values::LargeBinary(array) if format == Format::Binary => binaries(array, rows)?,
        _ => return None,
    };
    // What may not fit a length is measured value by value.
    i32::try_from(bytes).ok()?;
    Some(count + bytes)
}

/// The bytes of texts; `None` if there may be a zero byte, which PostgreSQL can't hold.
fn texts<O: OffsetSizeTrait>(array: &GenericStringArray<O>, rows: Range<usize>) -> Option<usize> {
    let offsets = array.value_offsets();
    let start = offsets.get(rows.start)?.as_usize();
    let bytes = array.value_data().get(start..offsets.get(rows.end)?.as_usize())?;
    (!bytes.contains(&0)).then_some(bytes.len())
}

fn binaries<O: OffsetSizeTrait>(
    array: &GenericBinaryArray<O>,
    rows: Range<usize>,
) -> Option<usize> {
    let offsets = array.value_offsets();
    let start = offsets.get(rows.start)?.as_usize();
    offsets.get(rows.end)?.as_usize().checked_sub(start)
}

fn views(array: &StringViewArray, column: &Column<'_>, rows: Range<usize>) -> Option<usize> {
    let mut bytes = 0;
    for row in rows {
        if column.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            continue;
        }
        let text = array.value(row).as_bytes();
        if text.contains(&0) {
            return None;
        }
        bytes += text.len();
    }
    Some(bytes)
}

impl Values<'_> {
    /// Appends a value that isn't null.
    fn write(
        &self,
        row: usize,
        format: Format,
        context: &mut Context,
        out: &mut BytesMut,
    ) -> Result<(), Error> {
        match format {
            Format::Text => self.text(row, context, out),
            Format::Binary => self.binary(row, context, out),
        }
    }
}

impl Column<'_> {
    /// A value that travels as it is; `None` is null.
    pub(super) fn raw(&self, row: usize) -> Option<&[u8]> {
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            return None;
        }
        match &self.values {
            Values::Utf8(array) => Some(array.value(row).as_bytes()),
            Values::LargeUtf8(array) => Some(array.value(row).as_bytes()),
            Values::Utf8View(array) => Some(array.value(row).as_bytes()),
            values => Some(values.bytes(row)),
        }
    }
}
