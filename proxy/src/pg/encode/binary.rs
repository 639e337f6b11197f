//! Values as PostgreSQL's send functions lay them out.

use bytes::{BufMut, BytesMut};
use tollgate_catalog::Error;

use super::column::Values;
use super::numeric::Digits;
use super::{Context, at, calendar, datetime, json, text};

/// The version that `jsonb_send` puts before its text.
const JSONB: u8 = 1;

impl Values<'_> {
    /// Writes the value of a row that isn't null.
    pub(super) fn binary(
        &self,
        row: usize,
        context: &mut Context,
        out: &mut BytesMut,
    ) -> Result<(), Error> {
        match self {
            Values::Null => {}
            Values::Bool(array) => out.put_u8(array.value(row).into()),
            Values::Int8(values) => out.put_i16(at(values, row).into()),
            Values::Int16(values) => out.put_i16(at(values, row)),
            Values::Int32(values) => out.put_i32(at(values, row)),
            Values::Int64(values) => out.put_i64(at(values, row)),
            Values::UInt8(values) => out.put_i16(at(values, row).into()),
            Values::UInt16(values) => out.put_i32(at(values, row).into()),
            Values::UInt32(values) => out.put_u32(at(values, row)),
            Values::UInt64(values) => Digits::new(at(values, row).into()).binary(0, out),
            Values::Half(values) => single(at(values, row).to_f32(), out),
            Values::Single(values) => single(at(values, row), out),
            Values::Double(values) => double(at(values, row), out),
            Values::Decimal32(..)
            | Values::Decimal64(..)
            | Values::Decimal128(..)
            | Values::Decimal256(..) => {
                if let Some((digits, scale)) = self.decimal(row) {
                    digits.binary(scale, out);
                }
            }
            Values::Utf8(_) | Values::LargeUtf8(_) | Values::Utf8View(_) => {
                out.put_slice(self.string(row)?.as_bytes());
            }
            Values::Binary(_)
            | Values::LargeBinary(_)
            | Values::BinaryView(_)
            | Values::FixedBinary(_) => out.put_slice(self.bytes(row)),
            Values::Date32(_) | Values::Date64(_) => {
                let date = calendar::pg_date(self.days(row));
                out.put_i32(date.ok_or_else(|| datetime::out_of_range("date"))?);
            }
            Values::Time32(..) | Values::Time64(..) => {
                let micros = self.micros(row)?;
                if !(0..=calendar::DAY).contains(&micros) {
                    return Err(datetime::out_of_range("time"));
                }
                out.put_i64(micros);
            }
            Values::Timestamp(..) | Values::Timestamptz(..) => {
                let micros = calendar::pg_timestamp(self.micros(row)?);
                out.put_i64(micros.ok_or_else(|| datetime::out_of_range("timestamp"))?);
            }
            Values::YearMonth(_)
            | Values::DayTime(_)
            | Values::MonthDayNano(_)
            | Values::Duration(..) => {
                let interval = self.interval(row)?;
                out.put_i64(interval.micros);
                out.put_i32(interval.days);
                out.put_i32(interval.months);
            }
            Values::List(list) => list.binary(row, context, out)?,
            Values::Record(record) => record.binary(row, context, out)?,
            Values::Json(json) => json.text(row, context, out)?,
            Values::Struct(_) | Values::Map(_) | Values::Union { .. } => {
                out.put_u8(JSONB);
                json::value(self, row, context, out)?;
            }
            Values::Indirect { .. } => return Err(text::indirect()),
        }
        Ok(())
    }
}

// All NaNs travel as the one that PostgreSQL stores.
fn double(value: f64, out: &mut BytesMut) {
    out.put_f64(if value.is_nan() { f64::NAN } else { value });
}

fn single(value: f32, out: &mut BytesMut) {
    out.put_f32(if value.is_nan() { f32::NAN } else { value });
}
