//! Rows of relations as `record_out` prints and `record_send` sends them, and what travels as `json`:
//! rows, with their keys in the columns' order, and aggregated values.

use arrow::array::{Array, AsArray, StructArray};
use arrow::datatypes::DataType;
use bytes::{BufMut, BytesMut};
use tollgate_catalog::{Error, pg_type};

use super::array::{Extents, List};
use super::column::{Column, Values};
use super::{Context, at, begin, finish, float, json, text, too_large};

/// The longest text of an aggregate, as PostgreSQL's longest value, in bytes.
const LONGEST: usize = 1 << 30;

/// A column of rows.
pub(super) struct Record<'a> {
    fields: Vec<Field<'a>>,
}

/// A column of a row.
struct Field<'a> {
    /// The name as a key of JSON, with the colon after it.
    key: BytesMut,
    /// The OID of the type.
    oid: u32,
    column: Column<'a>,
}

/// A column of `json`.
pub(super) enum Json<'a> {
    /// What `row_to_json` makes.
    Row(Record<'a>),
    /// What `json_agg` makes.
    List(List<'a>),
}

impl<'a> Record<'a> {
    pub(super) fn bind(array: &'a StructArray) -> Result<Record<'a>, Error> {
        let fields = array.fields().iter().zip(array.columns()).map(|(field, column)| {
            let mut key = BytesMut::new();
            json::string(field.name().as_bytes(), &mut key);
            key.put_u8(b':');
            let oid = pg_type::of(column.data_type()).oid;
            Ok(Field { key, oid, column: Column::bind(column.as_ref())? })
        });
        Ok(Record { fields: fields.collect::<Result<_, Error>>()? })
    }

    /// Writes what `record_out` prints.
    pub(super) fn text(
        &self,
        row: usize,
        context: &mut Context,
        out: &mut BytesMut,
    ) -> Result<(), Error> {
        out.put_u8(b'(');
        for (index, field) in self.fields.iter().enumerate() {
            if index > 0 {
                out.put_u8(b',');
            }
            if let Some((values, row)) = field.column.locate(row) {
                let start = out.len();
                values.text(row, context, out)?;
                quote(start, &mut context.scratch, out);
            }
        }
        out.put_u8(b')');
        Ok(())
    }

    /// Writes what `record_send` sends.
    pub(super) fn binary(
        &self,
        row: usize,
        context: &mut Context,
        out: &mut BytesMut,
    ) -> Result<(), Error> {
        out.put_i32(i32::try_from(self.fields.len()).map_err(Error::internal)?);
        for field in &self.fields {
            out.put_u32(field.oid);
            match field.column.locate(row) {
                None => out.put_i32(-1),
                Some((values, row)) => {
                    let value = begin(out);
                    values.binary(row, context, out)?;
                    finish(out, value, 0)?;
                }
            }
        }
        Ok(())
    }

    /// Writes what `row_to_json` makes.
    fn json(&self, row: usize, context: &mut Context, out: &mut BytesMut) -> Result<(), Error> {
        out.put_u8(b'{');
        for (index, field) in self.fields.iter().enumerate() {
            if index > 0 {
                out.put_u8(b',');
            }
            out.put_slice(&field.key);
            value(field.column.locate(row), context, out)?;
        }
        out.put_u8(b'}');
        Ok(())
    }
}

impl<'a> Json<'a> {
    /// Of an array whose type has the shape of `json`.
    pub(super) fn bind(array: &'a dyn Array) -> Result<Json<'a>, Error> {
        match array.data_type() {
            DataType::Struct(_) => Record::bind(array.as_struct()).map(Json::Row),
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                List::bind(Extents::Offsets(list.value_offsets()), list.values()).map(Json::List)
            }
            _ => Err(Error::internal("json is made of a row or of a list")),
        }
    }

    /// Writes the text, which the binary format is too.
    pub(super) fn text(
        &self,
        row: usize,
        context: &mut Context,
        out: &mut BytesMut,
    ) -> Result<(), Error> {
        match self {
            Json::Row(record) => record.json(row, context, out),
            Json::List(list) => {
                let (elements, range) = list.elements(row);
                let start = out.len();
                out.put_u8(b'[');
                for (index, element) in range.enumerate() {
                    if out.len() - start > LONGEST {
                        return Err(too_large());
                    }
                    let located = elements.locate(element);
                    if index > 0 {
                        out.put_slice(b", ");
                        // As `json_agg` does, between rows and between arrays.
                        if let Some((Values::Record(_) | Values::List(_), _)) = located {
                            out.put_slice(b"\n ");
                        }
                    }
                    value(located, context, out)?;
                }
                out.put_u8(b']');
                Ok(())
            }
        }
    }
}

/// Writes a value within `json`, which differs from `jsonb` in blanks and floats.
fn value(
    located: Option<(&Values<'_>, usize)>,
    context: &mut Context,
    out: &mut BytesMut,
) -> Result<(), Error> {
    let Some((values, row)) = located else {
        out.put_slice(b"null");
        return Ok(());
    };
    match values {
        Values::Half(halves) => {
            let value = at(halves, row).to_f32();
            number(value.is_finite(), |out| float::single(value, out), out);
        }
        Values::Single(singles) => {
            let value = at(singles, row);
            number(value.is_finite(), |out| float::single(value, out), out);
        }
        Values::Double(doubles) => {
            let value = at(doubles, row);
            number(value.is_finite(), |out| float::double(value, out), out);
        }
        Values::List(list) => {
            let (elements, range) = list.elements(row);
            out.put_u8(b'[');
            for (index, element) in range.enumerate() {
                if index > 0 {
                    out.put_u8(b',');
                }
                value(elements.locate(element), context, out)?;
            }
            out.put_u8(b']');
        }
        Values::Record(record) => record.json(row, context, out)?,
        Values::Json(json) => json.text(row, context, out)?,
        Values::Null
        | Values::Bool(_)
        | Values::Int8(_)
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
        | Values::Decimal256(..)
        | Values::Utf8(_)
        | Values::LargeUtf8(_)
        | Values::Utf8View(_)
        | Values::Binary(_)
        | Values::LargeBinary(_)
        | Values::BinaryView(_)
        | Values::FixedBinary(_)
        | Values::Date32(_)
        | Values::Date64(_)
        | Values::Time32(..)
        | Values::Time64(..)
        | Values::Timestamp(..)
        | Values::Timestamptz(..)
        | Values::YearMonth(_)
        | Values::DayTime(_)
        | Values::MonthDayNano(_)
        | Values::Duration(..)
        | Values::Struct(_)
        | Values::Map(_)
        | Values::Union { .. } => json::value(values, row, context, out)?,
        Values::Indirect { .. } => return Err(text::indirect()),
    }
    Ok(())
}

/// Writes a float: in quotes where JSON has no such number.
fn number(finite: bool, write: impl FnOnce(&mut BytesMut), out: &mut BytesMut) {
    if !finite {
        out.put_u8(b'"');
    }
    write(out);
    if !finite {
        out.put_u8(b'"');
    }
}

/// Puts the value written from `start` on in quotes, where `record_out` does.
fn quote(start: usize, scratch: &mut Vec<u8>, out: &mut BytesMut) {
    let Some(value) = out.get(start..) else { return };
    let special = |byte: &u8| {
        matches!(byte, b'"' | b'\\' | b'(' | b')' | b',' | b' ' | b'\t' | b'\n' | b'\r' | 11 | 12)
    };
    if !value.is_empty() && !value.iter().any(special) {
        return;
    }
    scratch.clear();
    scratch.extend_from_slice(value);
    out.truncate(start);
    out.reserve(scratch.len() + 2);
    out.put_u8(b'"');
    for byte in scratch.iter() {
        if matches!(byte, b'"' | b'\\') {
            out.put_u8(*byte);
        }
        out.put_u8(*byte);
    }
    out.put_u8(b'"');
}
