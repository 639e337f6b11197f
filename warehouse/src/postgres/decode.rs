//! Values of PostgreSQL's binary format into Arrow.
//!
//! The query casts each column to the type that is expected here, and the statement's own description
//! is compared with it before anything is read. A value that Arrow can't hold, as an infinite date,
//! is an error.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder,
    Float32Builder, Float64Builder, Int16Builder, Int32Builder, Int64Builder,
    IntervalMonthDayNanoBuilder, ListArray, NullBufferBuilder, StringBuilder,
    Time64MicrosecondBuilder, TimestampMicrosecondBuilder,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, IntervalMonthDayNano, Schema};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};
use tollgate_catalog::{Error, ErrorKind};
use tollgate_rewriter::OutputColumn;

/// Rows of a batch.
const ROWS: usize = 8_192;
/// Bytes of values after which a batch is full.
const BYTES: usize = 4 << 20;
/// Days and microseconds from 1970-01-01 to PostgreSQL's beginning, 2000-01-01.
const DAYS: i32 = 10_957;
const MICROS: i64 = 946_684_800_000_000;

/// The bytes of a value.
struct Raw<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A column in the making.
pub(super) enum Column {
    Bool(BooleanBuilder),
    Int2(Int16Builder),
    Int4(Int32Builder),
    Int8(Int64Builder),
    Float4(Float32Builder),
    Float8(Float64Builder),
    Numeric(Decimal128Builder, u8, i8),
    Text(StringBuilder),
    Bytes(BinaryBuilder),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Timestamp(TimestampMicrosecondBuilder, bool),
    Interval(IntervalMonthDayNanoBuilder),
    List { items: Box<Column>, lengths: Vec<usize>, nulls: NullBufferBuilder },
}

/// The columns of a result.
pub(super) fn columns(output: &[OutputColumn]) -> Result<Vec<Column>, Error> {
    output.iter().map(|column| Column::new(&column.data_type)).collect()
}

fn malformed() -> Error {
    Error::new(ErrorKind::WarehouseFailed, "the warehouse sent a value that can't be read")
}

fn out_of_range(what: &str) -> Error {
    Error::new(ErrorKind::NumericOutOfRange, format!("{what} of the warehouse is out of range"))
}

impl Column {
    fn new(data_type: &DataType) -> Result<Self, Error> {
        Ok(match data_type {
            DataType::Boolean => Self::Bool(BooleanBuilder::new()),
            DataType::Int16 => Self::Int2(Int16Builder::new()),
            DataType::Int32 => Self::Int4(Int32Builder::new()),
            DataType::Int64
            | DataType::UInt8
            | DataType::UInt16
            | DataType::UInt32
            | DataType::UInt64 => Self::Int8(Int64Builder::new()),
            DataType::Float32 => Self::Float4(Float32Builder::new()),
            DataType::Float64 => Self::Float8(Float64Builder::new()),
            DataType::Decimal128(precision, scale) => {
                let builder = Decimal128Builder::new().with_data_type(data_type.clone());
                Self::Numeric(builder, *precision, *scale)
            }
            DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                Self::Text(StringBuilder::new())
            }
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
                Self::Bytes(BinaryBuilder::new())
            }
            DataType::Date32 => Self::Date(Date32Builder::new()),
            DataType::Time64(_) => Self::Time(Time64MicrosecondBuilder::new()),
            DataType::Timestamp(_, zone) => {
                let builder = TimestampMicrosecondBuilder::new();
                Self::Timestamp(builder.with_timezone_opt(zone.clone()), zone.is_some())
            }
            DataType::Interval(_) => Self::Interval(IntervalMonthDayNanoBuilder::new()),
            DataType::List(item) => Self::List {
                items: Box::new(Self::new(item.data_type())?),
                lengths: Vec::new(),
                nulls: NullBufferBuilder::new(ROWS),
            },
            other => return Err(Error::internal(format!("{other} can't be read"))),
        })
    }

    /// The type that the server must say it sends.
    pub(super) fn oid(&self) -> u32 {
        let of = match self {
            Self::Bool(_) => Type::BOOL,
            Self::Int2(_) => Type::INT2,
            Self::Int4(_) => Type::INT4,
            Self::Int8(_) => Type::INT8,
            Self::Float4(_) => Type::FLOAT4,
            Self::Float8(_) => Type::FLOAT8,
            Self::Numeric(..) => Type::NUMERIC,
            Self::Text(_) => Type::TEXT,
            Self::Bytes(_) => Type::BYTEA,
            Self::Date(_) => Type::DATE,
            Self::Time(_) => Type::TIME,
            Self::Timestamp(_, false) => Type::TIMESTAMP,
            Self::Timestamp(_, true) => Type::TIMESTAMPTZ,
            Self::Interval(_) => Type::INTERVAL,
            Self::List { items, .. } => match items.as_ref() {
                Self::Bool(_) => Type::BOOL_ARRAY,
                Self::Int2(_) => Type::INT2_ARRAY,
                Self::Int4(_) => Type::INT4_ARRAY,
                Self::Int8(_) => Type::INT8_ARRAY,
                Self::Float4(_) => Type::FLOAT4_ARRAY,
                Self::Float8(_) => Type::FLOAT8_ARRAY,
                Self::Numeric(..) => Type::NUMERIC_ARRAY,
                Self::Text(_) => Type::TEXT_ARRAY,
                Self::Bytes(_) => Type::BYTEA_ARRAY,
                Self::Date(_) => Type::DATE_ARRAY,
                Self::Time(_) => Type::TIME_ARRAY,
                Self::Timestamp(_, false) => Type::TIMESTAMP_ARRAY,
                Self::Timestamp(_, true) => Type::TIMESTAMPTZ_ARRAY,
                Self::Interval(_) => Type::INTERVAL_ARRAY,
                Self::List { .. } => return 0,
            },
        };
        of.oid()
    }

    fn push(&mut self, raw: Option<&[u8]>) -> Result<(), Error> {
        match self {
            Self::Bool(to) => to.append_option(raw.map(byte).transpose()?.map(|byte| byte != 0)),
            Self::Int2(to) => to.append_option(raw.map(fixed).transpose()?.map(i16::from_be_bytes)),
            Self::Int4(to) => to.append_option(raw.map(fixed).transpose()?.map(i32::from_be_bytes)),
            Self::Int8(to) => to.append_option(raw.map(fixed).transpose()?.map(i64::from_be_bytes)),
            Self::Float4(to) => {
                to.append_option(raw.map(fixed).transpose()?.map(f32::from_be_bytes));
            }
            Self::Float8(to) => {
                to.append_option(raw.map(fixed).transpose()?.map(f64::from_be_bytes));
            }
            Self::Numeric(to, precision, scale) => {
                to.append_option(raw.map(|raw| numeric(raw, *precision, *scale)).transpose()?);
            }
            Self::Text(to) => {
                let text = raw.map(|raw| std::str::from_utf8(raw).map_err(|_| malformed()));
                to.append_option(text.transpose()?);
            }
            Self::Bytes(to) => to.append_option(raw),
            Self::Date(to) => {
                let day = |raw| match i32::from_be_bytes(fixed(raw)?) {
                    i32::MIN | i32::MAX => Err(out_of_range("a date")),
                    day => day.checked_add(DAYS).ok_or_else(|| out_of_range("a date")),
                };
                to.append_option(raw.map(day).transpose()?);
            }
            Self::Time(to) => to.append_option(raw.map(fixed).transpose()?.map(i64::from_be_bytes)),
            Self::Timestamp(to, _) => {
                let at = |raw| match i64::from_be_bytes(fixed(raw)?) {
                    i64::MIN | i64::MAX => Err(out_of_range("a timestamp")),
                    at => at.checked_add(MICROS).ok_or_else(|| out_of_range("a timestamp")),
                };
                to.append_option(raw.map(at).transpose()?);
            }
            Self::Interval(to) => to.append_option(raw.map(interval).transpose()?),
            Self::List { items, lengths, nulls } => match raw {
                None => {
                    lengths.push(0);
                    nulls.append_null();
                }
                Some(raw) => {
                    lengths.push(list(items, raw)?);
                    nulls.append_non_null();
                }
            },
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<ArrayRef, Error> {
        Ok(match self {
            Self::Bool(of) => Arc::new(of.finish()),
            Self::Int2(of) => Arc::new(of.finish()),
            Self::Int4(of) => Arc::new(of.finish()),
            Self::Int8(of) => Arc::new(of.finish()),
            Self::Float4(of) => Arc::new(of.finish()),
            Self::Float8(of) => Arc::new(of.finish()),
            Self::Numeric(of, ..) => Arc::new(of.finish()),
            Self::Text(of) => Arc::new(of.finish()),
            Self::Bytes(of) => Arc::new(of.finish()),
            Self::Date(of) => Arc::new(of.finish()),
            Self::Time(of) => Arc::new(of.finish()),
            Self::Timestamp(of, _) => Arc::new(of.finish()),
            Self::Interval(of) => Arc::new(of.finish()),
            Self::List { items, lengths, nulls } => {
                let values = items.finish()?;
                let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
                let offsets = OffsetBuffer::from_lengths(std::mem::take(lengths));
                let made = ListArray::try_new(field, offsets, values, nulls.finish());
                Arc::new(made.map_err(Error::internal)?)
            }
        })
    }
}

fn byte(raw: &[u8]) -> Result<u8, Error> {
    fixed::<1>(raw).map(|[byte]| byte)
}

fn fixed<const N: usize>(raw: &[u8]) -> Result<[u8; N], Error> {
    raw.try_into().map_err(|_| malformed())
}

/// The first `N` bytes, and those after them.
fn split<const N: usize>(raw: &[u8]) -> Result<([u8; N], &[u8]), Error> {
    let (first, rest) = raw.split_at_checked(N).ok_or_else(malformed)?;
    Ok((fixed(first)?, rest))
}

/// Digits of base 10000, the first of them `weight` places before the point.
fn numeric(raw: &[u8], precision: u8, scale: i8) -> Result<i128, Error> {
    let (count, rest) = split(raw)?;
    let (weight, rest) = split(rest)?;
    let (sign, rest) = split(rest)?;
    let (_, mut digits) = split::<2>(rest)?;
    let (count, weight) = (u16::from_be_bytes(count), i16::from_be_bytes(weight));
    let range = || out_of_range("a number");
    let negative = match u16::from_be_bytes(sign) {
        0 => false,
        0x4000 => true,
        // NaN and the infinities.
        _ => return Err(range()),
    };
    let mut sum = 0_i128;
    for index in 0..count {
        let (digit, rest) = split(digits)?;
        digits = rest;
        let digit = i128::from(u16::from_be_bytes(digit));
        let places = 4 * (i32::from(weight) - i32::from(index)) + i32::from(scale);
        let value = match u32::try_from(places) {
            Ok(places) if digit == 0 => {
                let _ = places;
                0
            }
            Ok(places) => 10_i128
                .checked_pow(places)
                .and_then(|power| digit.checked_mul(power))
                .ok_or_else(range)?,
            Err(_) => {
                let divisor = 10_i128.checked_pow(places.unsigned_abs()).ok_or_else(range)?;
                if digit % divisor != 0 {
                    return Err(range());
                }
                digit / divisor
            }
        };
        sum = sum.checked_add(value).ok_or_else(range)?;
    }
    let limit = 10_i128.checked_pow(u32::from(precision)).ok_or_else(range)?;
    if sum >= limit {
        return Err(range());
    }
    Ok(if negative { -sum } else { sum })
}

fn interval(raw: &[u8]) -> Result<IntervalMonthDayNano, Error> {
    let (micros, rest) = split(raw)?;
    let (days, rest) = split(rest)?;
    let months = fixed(rest)?;
    let nanos = i64::from_be_bytes(micros).checked_mul(1_000);
    let nanos = nanos.ok_or_else(|| out_of_range("an interval"))?;
    Ok(IntervalMonthDayNano::new(i32::from_be_bytes(months), i32::from_be_bytes(days), nanos))
}

/// Reads an array of at most one dimension, and gives its length.
fn list(items: &mut Column, raw: &[u8]) -> Result<usize, Error> {
    let (dimensions, rest) = split(raw)?;
    let (_, rest) = split::<8>(rest)?;
    match i32::from_be_bytes(dimensions) {
        0 => return Ok(0),
        1 => {}
        _ => return Err(Error::not_supported("an array of several dimensions")),
    }
    let (count, rest) = split(rest)?;
    let (_, mut rest) = split::<4>(rest)?;
    let count = usize::try_from(i32::from_be_bytes(count)).map_err(|_| malformed())?;
    for _ in 0..count {
        let (length, after) = split(rest)?;
        match usize::try_from(i32::from_be_bytes(length)) {
            Err(_) => {
                items.push(None)?;
                rest = after;
            }
            Ok(length) => {
                let (item, after) = after.split_at_checked(length).ok_or_else(malformed)?;
                items.push(Some(item))?;
                rest = after;
            }
        }
    }
    Ok(count)
}

/// Rows that become a batch.
pub(super) struct Rows {
    columns: Vec<Column>,
    /// Whether the rows have these columns.
    checked: bool,
    rows: usize,
    bytes: usize,
}

impl Rows {
    pub(super) fn new(columns: Vec<Column>) -> Self {
        Self { columns, checked: false, rows: 0, bytes: 0 }
    }

    pub(super) fn push(&mut self, row: &Row) -> Result<(), Error> {
        if !self.checked {
            self.check(row)?;
        }
        if row.len() != self.columns.len() {
            return Err(malformed());
        }
        for (index, column) in self.columns.iter_mut().enumerate() {
            let raw: Option<Raw<'_>> =
                row.try_get(index).map_err(|error| malformed().with_cause(error))?;
            column.push(raw.map(|raw| raw.0))?;
        }
        self.rows += 1;
        self.bytes += row.raw_size_bytes();
        Ok(())
    }

    /// All rows of a result have the columns of the first one.
    fn check(&mut self, row: &Row) -> Result<(), Error> {
        let columns = row.columns();
        let pairs = || columns.iter().zip(&self.columns);
        self.checked = columns.len() == self.columns.len()
            && pairs().all(|(column, expected)| column.type_().oid() == expected.oid());
        match self.checked {
            true => Ok(()),
            false => Err(Error::internal("the server's columns aren't those of the query")),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows >= ROWS || self.bytes >= BYTES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    pub(super) fn take(&mut self) -> Result<RecordBatch, Error> {
        let arrays = self.columns.iter_mut().map(Column::finish);
        let arrays = arrays.collect::<Result<Vec<_>, _>>()?;
        let fields = arrays.iter().map(|array| Field::new("", array.data_type().clone(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let rows = RecordBatchOptions::new().with_row_count(Some(self.rows));
        (self.rows, self.bytes) = (0, 0);
        RecordBatch::try_new_with_options(schema, arrays, &rows).map_err(Error::internal)
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        reason = "tests"
    )]

    use super::numeric;

    fn raw(weight: i16, sign: u16, digits: &[u16]) -> Vec<u8> {
        let mut raw = Vec::new();
        raw.extend(u16::try_from(digits.len()).unwrap().to_be_bytes());
        raw.extend(weight.to_be_bytes());
        raw.extend(sign.to_be_bytes());
        raw.extend(0_u16.to_be_bytes());
        digits.iter().for_each(|digit| raw.extend(digit.to_be_bytes()));
        raw
    }

    #[test]
    fn numbers_get_their_scale() {
        assert_eq!(numeric(&raw(0, 0, &[12, 3400]), 18, 2).unwrap(), 1234);
        assert_eq!(numeric(&raw(-1, 0x4000, &[500]), 18, 2).unwrap(), -5);
        assert_eq!(numeric(&raw(1, 0, &[1]), 18, 2).unwrap(), 1_000_000);
        assert_eq!(numeric(&raw(0, 0, &[]), 18, 2).unwrap(), 0);
        // More digits than the type has, and what is no number.
        assert!(numeric(&raw(0, 0, &[12, 3450]), 18, 2).is_err());
        assert!(numeric(&raw(8, 0, &[1]), 18, 2).is_err());
        assert!(numeric(&raw(0, 0xc000, &[]), 18, 2).is_err());
        assert!(numeric(&[0, 1], 18, 2).is_err());
    }
}
