//! Values as PostgreSQL's output functions print them.

use arrow::datatypes::TimeUnit;
use bytes::{BufMut, BytesMut};
use tollgate_catalog::{Error, ErrorKind};

use super::column::Values;
use super::datetime::{self, Interval, Style};
use super::numeric::Digits;
use super::{Context, at, float, json};

const HEX: &[u8; 16] = b"0123456789abcdef";

impl Values<'_> {
    /// Writes the value of a row that isn't null.
    pub(super) fn text(
        &self,
        row: usize,
        context: &mut Context,
        out: &mut BytesMut,
    ) -> Result<(), Error> {
        match self {
            Values::Null => {}
            Values::Bool(array) => out.put_u8(if array.value(row) { b't' } else { b'f' }),
            Values::Int8(values) => integer(at(values, row), out),
            Values::Int16(values) => integer(at(values, row), out),
            Values::Int32(values) => integer(at(values, row), out),
            Values::Int64(values) => integer(at(values, row), out),
            Values::UInt8(values) => integer(at(values, row), out),
            Values::UInt16(values) => integer(at(values, row), out),
            Values::UInt32(values) => integer(at(values, row), out),
            Values::UInt64(values) => integer(at(values, row), out),
            Values::Half(values) => float::single(at(values, row).to_f32(), out),
            Values::Single(values) => float::single(at(values, row), out),
            Values::Double(values) => float::double(at(values, row), out),
            Values::Decimal32(..)
            | Values::Decimal64(..)
            | Values::Decimal128(..)
            | Values::Decimal256(..) => {
                if let Some((digits, scale)) = self.decimal(row) {
                    digits.text(scale, out);
                }
            }
            Values::Utf8(_) | Values::LargeUtf8(_) | Values::Utf8View(_) => {
                out.put_slice(self.string(row)?.as_bytes());
            }
            Values::Binary(_)
            | Values::LargeBinary(_)
            | Values::BinaryView(_)
            | Values::FixedBinary(_) => hex(self.bytes(row), out),
            Values::Date32(_) | Values::Date64(_) => datetime::date(self.days(row), out)?,
            Values::Time32(..) | Values::Time64(..) => datetime::time(self.micros(row)?, out)?,
            Values::Timestamp(..) => {
                datetime::timestamp(self.micros(row)?, None, Style::Iso, out)?;
            }
            Values::Timestamptz(..) => {
                let zone = Some(&mut context.zone);
                datetime::timestamp(self.micros(row)?, zone, Style::Iso, out)?;
            }
            Values::YearMonth(_)
            | Values::DayTime(_)
            | Values::MonthDayNano(_)
            | Values::Duration(..) => datetime::interval(self.interval(row)?, out),
            Values::List(list) => list.text(row, context, out)?,
            Values::Record(record) => record.text(row, context, out)?,
            Values::Json(json) => json.text(row, context, out)?,
            Values::Struct(_) | Values::Map(_) | Values::Union { .. } => {
                json::value(self, row, context, out)?;
            }
            Values::Indirect { .. } => return Err(indirect()),
        }
        Ok(())
    }

    /// The digits and scale of a decimal.
    pub(super) fn decimal(&self, row: usize) -> Option<(Digits, i8)> {
        match self {
            Values::Decimal32(values, scale) => Some((Digits::new(at(values, row).into()), *scale)),
            Values::Decimal64(values, scale) => Some((Digits::new(at(values, row).into()), *scale)),
            Values::Decimal128(values, scale) => Some((Digits::new(at(values, row)), *scale)),
            Values::Decimal256(values, scale) => Some((Digits::wide(at(values, row)), *scale)),
            _ => None,
        }
    }

    /// A text, which PostgreSQL can hold only without zero bytes.
    pub(super) fn string(&self, row: usize) -> Result<&str, Error> {
        let text = match self {
            Values::Utf8(array) => array.value(row),
            Values::LargeUtf8(array) => array.value(row),
            Values::Utf8View(array) => array.value(row),
            _ => return Err(indirect()),
        };
        if text.as_bytes().contains(&0) {
            let message = "invalid byte sequence for encoding \"UTF8\": 0x00";
            return Err(Error::new(ErrorKind::InvalidEncoding, message)
                .with_hint("cast the column to \"bytea\" to read zero bytes"));
        }
        Ok(text)
    }

    /// A byte string.
    pub(super) fn bytes(&self, row: usize) -> &[u8] {
        match self {
            Values::Binary(array) => array.value(row),
            Values::LargeBinary(array) => array.value(row),
            Values::BinaryView(array) => array.value(row),
            Values::FixedBinary(array) => array.value(row),
            _ => &[],
        }
    }

    /// A date in days since 1970.
    pub(super) fn days(&self, row: usize) -> i64 {
        match self {
            Values::Date32(values) => at(values, row).into(),
            Values::Date64(values) => at(values, row).div_euclid(86_400_000),
            _ => 0,
        }
    }

    /// A time of day, or a timestamp since 1970, in microseconds.
    pub(super) fn micros(&self, row: usize) -> Result<i64, Error> {
        let (value, unit): (i64, TimeUnit) = match self {
            Values::Time32(values, unit) => (at(values, row).into(), *unit),
            Values::Time64(values, unit)
            | Values::Timestamp(values, unit)
            | Values::Timestamptz(values, unit) => (at(values, row), *unit),
            _ => return Err(indirect()),
        };
        datetime::micros(value, unit).ok_or_else(|| datetime::out_of_range("timestamp"))
    }

    /// An interval; what is finer than a microsecond is cut off.
    pub(super) fn interval(&self, row: usize) -> Result<Interval, Error> {
        match self {
            Values::YearMonth(values) => {
                Ok(Interval { months: at(values, row), ..Interval::default() })
            }
            Values::DayTime(values) => {
                let value = at(values, row);
                let micros = i64::from(value.milliseconds) * 1000;
                Ok(Interval { days: value.days, micros, months: 0 })
            }
            Values::MonthDayNano(values) => {
                let value = at(values, row);
                let micros = value.nanoseconds / 1000;
                Ok(Interval { months: value.months, days: value.days, micros })
            }
            Values::Duration(values, TimeUnit::Nanosecond) => {
                Ok(Interval { micros: at(values, row) / 1000, ..Interval::default() })
            }
            Values::Duration(values, unit) => datetime::micros(at(values, row), *unit)
                .map(|micros| Interval { micros, ..Interval::default() })
                .ok_or_else(|| datetime::out_of_range("interval")),
            _ => Err(indirect()),
        }
    }
}

/// Rows are located before they are written, so nothing indirect is left.
pub(super) fn indirect() -> Error {
    Error::internal("a value was written before it was located")
}

fn integer(value: impl itoa::Integer, out: &mut BytesMut) {
    out.put_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Writes a `bytea` in hex.
pub(super) fn hex(bytes: &[u8], out: &mut BytesMut) {
    let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
    out.reserve(2 + 2 * bytes.len());
    out.put_slice(b"\\x");
    for byte in bytes {
        out.put_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
}
