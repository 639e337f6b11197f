//! Structs, maps and unions as PostgreSQL prints `jsonb`: keys ordered by length, then by bytes,
//! and of equal keys the last.

use arrow::array::{MapArray, StructArray};
use bytes::{BufMut, BytesMut};
use tollgate_catalog::Error;

use super::array::{Extents, List};
use super::column::{Column, Values};
use super::datetime::{self, Style};
use super::{Context, at, float, text};

/// A column of structs: the fields in `jsonb`'s order with their keys as JSON.
pub(super) struct Struct<'a> {
    fields: Vec<(BytesMut, Column<'a>)>,
}

/// A column of maps.
pub(super) struct Map<'a> {
    keys: List<'a>,
    values: Box<Column<'a>>,
}

impl<'a> Struct<'a> {
    pub(super) fn bind(array: &'a StructArray) -> Result<Struct<'a>, Error> {
        let mut fields: Vec<_> = array.fields().iter().zip(array.columns()).collect();
        fields.sort_by_key(|(field, _)| (field.name().len(), field.name()));
        fields.reverse();
        // The sort is stable, so the last of equal keys comes first now.
        fields.dedup_by_key(|(field, _)| field.name());
        fields.reverse();
        let bind = |(field, column): (&arrow::datatypes::FieldRef, &'a arrow::array::ArrayRef)| {
            let mut key = BytesMut::new();
            string(field.name().as_bytes(), &mut key);
            key.put_slice(b": ");
            Ok((key, Column::bind(column.as_ref())?))
        };
        Ok(Struct { fields: fields.into_iter().map(bind).collect::<Result<_, Error>>()? })
    }
}

impl<'a> Map<'a> {
    pub(super) fn bind(array: &'a MapArray) -> Result<Map<'a>, Error> {
        let keys = List::bind(Extents::Offsets(array.value_offsets()), array.keys())?;
        Ok(Map { keys, values: Box::new(Column::bind(array.values().as_ref())?) })
    }

    fn write(&self, row: usize, context: &mut Context, out: &mut BytesMut) -> Result<(), Error> {
        let (keys, range) = self.keys.elements(row);
        let mut entries = Vec::with_capacity(range.len());
        for entry in range {
            let mut key = BytesMut::new();
            if let Some((values, row)) = keys.locate(entry) {
                values.text(row, context, &mut key)?;
            }
            entries.push((key, entry));
        }
        entries.sort_by(|(a, _), (b, _)| (a.len(), a).cmp(&(b.len(), b)));
        entries.reverse();
        entries.dedup_by(|(a, _), (b, _)| a == b);
        out.put_u8(b'{');
        for (index, (key, entry)) in entries.iter().rev().enumerate() {
            separate(index, out);
            string(key, out);
            out.put_slice(b": ");
            located(self.values.locate(*entry), context, out)?;
        }
        out.put_u8(b'}');
        Ok(())
    }
}

/// Writes the value of a row that isn't null.
pub(super) fn value(
    values: &Values<'_>,
    row: usize,
    context: &mut Context,
    out: &mut BytesMut,
) -> Result<(), Error> {
    match values {
        Values::Null => out.put_slice(b"null"),
        Values::Bool(array) => {
            out.put_slice(if array.value(row) { b"true" } else { b"false" });
        }
        Values::Int8(_)
        | Values::Int16(_)
        | Values::Int32(_)
        | Values::Int64(_)
        | Values::UInt8(_)
        | Values::UInt16(_)
        | Values::UInt32(_)
        | Values::UInt64(_)
        | Values::Decimal32(..)
        | Values::Decimal64(..)
        | Values::Decimal128(..)
        | Values::Decimal256(..) => values.text(row, context, out)?,
        Values::Half(halves) => float::json(at(halves, row).to_f64(), true, out),
        Values::Single(singles) => float::json(at(singles, row).into(), true, out),
        Values::Double(doubles) => float::json(at(doubles, row), false, out),
        Values::Utf8(_) | Values::LargeUtf8(_) | Values::Utf8View(_) => {
            string(values.string(row)?.as_bytes(), out);
        }
        Values::Binary(_)
        | Values::LargeBinary(_)
        | Values::BinaryView(_)
        | Values::FixedBinary(_) => {
            // The backslash of the hex format is escaped.
            out.put_slice(b"\"\\");
            text::hex(values.bytes(row), out);
            out.put_u8(b'"');
        }
        Values::Date32(_)
        | Values::Date64(_)
        | Values::Time32(..)
        | Values::Time64(..)
        | Values::YearMonth(_)
        | Values::DayTime(_)
        | Values::MonthDayNano(_)
        | Values::Duration(..) => {
            out.put_u8(b'"');
            values.text(row, context, out)?;
            out.put_u8(b'"');
        }
        Values::Timestamp(..) => {
            out.put_u8(b'"');
            datetime::timestamp(values.micros(row)?, None, Style::Xsd, out)?;
            out.put_u8(b'"');
        }
        Values::Timestamptz(..) => {
            out.put_u8(b'"');
            let zone = Some(&mut context.zone);
            datetime::timestamp(values.micros(row)?, zone, Style::Xsd, out)?;
            out.put_u8(b'"');
        }
        Values::List(list) => {
            let (elements, range) = list.elements(row);
            out.put_u8(b'[');
            for (index, element) in range.enumerate() {
                separate(index, out);
                located(elements.locate(element), context, out)?;
            }
            out.put_u8(b']');
        }
        Values::Struct(fields) => {
            out.put_u8(b'{');
            for (index, (key, column)) in fields.fields.iter().enumerate() {
                separate(index, out);
                out.put_slice(key);
                located(column.locate(row), context, out)?;
            }
            out.put_u8(b'}');
        }
        Values::Record(_) | Values::Json(_) => {
            return Err(Error::internal("a row or json within jsonb"));
        }
        Values::Map(map) => map.write(row, context, out)?,
        Values::Union { .. } => {
            let child = values.child(row).and_then(|(column, row)| column.locate(row));
            located(child, context, out)?;
        }
        Values::Indirect { .. } => return Err(text::indirect()),
    }
    Ok(())
}

fn located(
    value: Option<(&Values<'_>, usize)>,
    context: &mut Context,
    out: &mut BytesMut,
) -> Result<(), Error> {
    match value {
        Some((values, row)) => self::value(values, row, context, out),
        None => {
            out.put_slice(b"null");
            Ok(())
        }
    }
}

fn separate(index: usize, out: &mut BytesMut) {
    if index > 0 {
        out.put_slice(b", ");
    }
}

/// Writes a JSON string, with the escapes that `escape_json` writes.
pub(super) fn string(bytes: &[u8], out: &mut BytesMut) {
    out.put_u8(b'"');
    let mut rest = bytes;
    while let Some(special) = rest.iter().position(|byte| matches!(byte, 0..=31 | b'"' | b'\\')) {
        let (plain, tail) = rest.split_at(special);
        out.put_slice(plain);
        let Some((byte, tail)) = tail.split_first() else { break };
        let short = match byte {
            8 => b'b',
            9 => b't',
            10 => b'n',
            12 => b'f',
            13 => b'r',
            b'"' => b'"',
            b'\\' => b'\\',
            _ => 0,
        };
        if short == 0 {
            let high = if *byte < 16 { b'0' } else { b'1' };
            let low = b"0123456789abcdef".get(usize::from(byte & 15)).copied().unwrap_or(b'0');
            out.put_slice(&[b'\\', b'u', b'0', b'0', high, low]);
        } else {
            out.put_slice(&[b'\\', short]);
        }
        rest = tail;
    }
    out.put_slice(rest);
    out.put_u8(b'"');
}
