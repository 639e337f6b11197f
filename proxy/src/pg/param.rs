//! Parameters of Bind: bytes of the client, in text or binary, to values of the engine.
//!
//! Every byte here is the client's own, so errors may quote it. A value is never rounded to fit: a
//! numeric or timestamp finer than the parameter's type becomes a value of a wider type.

mod array;
mod datetime;
mod interval;
mod number;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};
use datafusion::common::ScalarValue;
use tollgate_catalog::pg_type::{self, PgType};
use tollgate_catalog::{Error, ErrorKind};

use super::encode::Format;

/// The type of a parameter that Parse declares with this OID; `None` where it is left unspecified
/// (0, `unknown`) or unknown to the gateway.
pub fn data_type_of_oid(oid: u32) -> Option<DataType> {
    let element = match oid {
        1000 => DataType::Boolean,
        1001 => DataType::Binary,
        1005 => DataType::Int16,
        1007 => DataType::Int32,
        1016 => DataType::Int64,
        1028 => DataType::UInt32,
        1021 => DataType::Float32,
        1022 => DataType::Float64,
        1231 => NUMERIC,
        // "char"[], name[], text[], bpchar[], varchar[], uuid[], json[], jsonb[]
        1002 | 1003 | 1009 | 1014 | 1015 | 2951 | 199 | 3807 => DataType::Utf8,
        1182 => DataType::Date32,
        1183 => DataType::Time64(TimeUnit::Microsecond),
        1115 => DataType::Timestamp(TimeUnit::Microsecond, None),
        1185 => DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
        1187 => DataType::Interval(IntervalUnit::MonthDayNano),
        _ => return scalar_of_oid(oid),
    };
    Some(DataType::List(Arc::new(Field::new_list_field(element, true))))
}

/// A numeric without precision and scale.
const NUMERIC: DataType = DataType::Decimal128(38, 10);

fn scalar_of_oid(oid: u32) -> Option<DataType> {
    Some(match oid {
        16 => DataType::Boolean,
        17 => DataType::Binary,
        20 => DataType::Int64,
        21 => DataType::Int16,
        23 => DataType::Int32,
        26 => DataType::UInt32,
        700 => DataType::Float32,
        701 => DataType::Float64,
        1700 => NUMERIC,
        // "char", name, text, json, bpchar, varchar, uuid, jsonb
        18 | 19 | 25 | 114 | 1042 | 1043 | UUID | JSONB => DataType::Utf8,
        1082 => DataType::Date32,
        1083 => DataType::Time64(TimeUnit::Microsecond),
        1114 => DataType::Timestamp(TimeUnit::Microsecond, None),
        1184 => DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
        1186 => DataType::Interval(IntervalUnit::MonthDayNano),
        _ => return None,
    })
}

const JSON: u32 = 114;
const UUID: u32 = 2950;
const JSONB: u32 = 3802;

/// The value of a parameter that is announced as the PostgreSQL type of `data_type`.
pub fn decode_param(
    data: Option<&[u8]>,
    format: Format,
    data_type: &DataType,
    time_zone: &str,
) -> Result<ScalarValue, Error> {
    decode_param_as(pg_type::of(data_type).oid, data, format, data_type, time_zone)
}

/// The value of a parameter that the client declared with an OID of its own: `uuid` and `jsonb`
/// are text to the engine, but have binary formats of their own.
pub fn decode_param_as(
    oid: u32,
    data: Option<&[u8]>,
    format: Format,
    data_type: &DataType,
    time_zone: &str,
) -> Result<ScalarValue, Error> {
    Decoder { time_zone }.value(data, format, oid, data_type)
}

/// What all decoders share.
#[derive(Clone, Copy)]
struct Decoder<'a> {
    time_zone: &'a str,
}

/// A value as the client sent it.
#[derive(Clone, Copy)]
enum Input<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
}

impl Decoder<'_> {
    fn value(
        self,
        data: Option<&[u8]>,
        format: Format,
        oid: u32,
        data_type: &DataType,
    ) -> Result<ScalarValue, Error> {
        let Some(data) = data else {
            return ScalarValue::try_from(data_type).map_err(Error::internal);
        };
        let input = match format {
            Format::Text => Input::Text(utf8(data)?),
            Format::Binary => Input::Binary(data),
        };
        self.present(input, oid, data_type)
    }

    fn present(self, input: Input<'_>, oid: u32, of: &DataType) -> Result<ScalarValue, Error> {
        Ok(match of {
            DataType::Boolean => ScalarValue::Boolean(Some(boolean(input)?)),
            DataType::Int8 => ScalarValue::Int8(Some(number::integer(input, of)?)),
            DataType::Int16 => ScalarValue::Int16(Some(number::integer(input, of)?)),
            DataType::Int32 => ScalarValue::Int32(Some(number::integer(input, of)?)),
            DataType::Int64 => ScalarValue::Int64(Some(number::integer(input, of)?)),
            DataType::UInt8 => ScalarValue::UInt8(Some(number::integer(input, of)?)),
            DataType::UInt16 => ScalarValue::UInt16(Some(number::integer(input, of)?)),
            DataType::UInt32 => ScalarValue::UInt32(Some(number::integer(input, of)?)),
            DataType::Float16 => ScalarValue::Float32(Some(number::single(input)?))
                .cast_to(of)
                .map_err(Error::internal)?,
            DataType::Float32 => ScalarValue::Float32(Some(number::single(input)?)),
            DataType::Float64 => ScalarValue::Float64(Some(number::double(input)?)),
            DataType::UInt64
            | DataType::Decimal32(_, _)
            | DataType::Decimal64(_, _)
            | DataType::Decimal128(_, _)
            | DataType::Decimal256(_, _) => number::numeric(input, of)?,
            DataType::Null | DataType::Utf8 => ScalarValue::Utf8(Some(text(input, oid)?)),
            DataType::LargeUtf8 => ScalarValue::LargeUtf8(Some(text(input, oid)?)),
            DataType::Utf8View => ScalarValue::Utf8View(Some(text(input, oid)?)),
            DataType::Binary => ScalarValue::Binary(Some(bytea(input)?)),
            DataType::LargeBinary => ScalarValue::LargeBinary(Some(bytea(input)?)),
            DataType::BinaryView => ScalarValue::BinaryView(Some(bytea(input)?)),
            DataType::FixedSizeBinary(size) => {
                let bytes = bytea(input)?;
                if i32::try_from(bytes.len()) != Ok(*size) {
                    let message = format!("value of type bytea must be {size} bytes long");
                    return Err(Error::new(ErrorKind::InvalidParameterValue, message));
                }
                ScalarValue::FixedSizeBinary(*size, Some(bytes))
            }
            DataType::Date32 | DataType::Date64 => datetime::date(input, of)?,
            DataType::Time32(_) | DataType::Time64(_) => datetime::time(input, of)?,
            DataType::Timestamp(unit, zone) => {
                datetime::timestamp(input, *unit, zone.as_ref(), self.time_zone)?
            }
            DataType::Interval(unit) => interval::interval(input, *unit)?,
            DataType::Duration(unit) => interval::duration(input, *unit)?,
            DataType::List(field)
            | DataType::ListView(field)
            | DataType::LargeList(field)
            | DataType::LargeListView(field)
            | DataType::FixedSizeList(field, _) => {
                array::array(self, input, of, field.data_type())?
            }
            DataType::Dictionary(key, values) => {
                let value = self.present(input, oid, values)?;
                ScalarValue::Dictionary(key.clone(), Box::new(value))
            }
            DataType::RunEndEncoded(_, values) => self.present(input, oid, values.data_type())?,
            DataType::Struct(_) | DataType::Map(_, _) | DataType::Union(_, _) => {
                return Err(Error::not_supported("a parameter of type jsonb as an object")
                    .with_hint("pass its parts as parameters of their own"));
            }
        })
    }
}

fn boolean(input: Input<'_>) -> Result<bool, Error> {
    let text = match input {
        Input::Binary(bytes) => return Ok(fixed::<1>(bytes)? != [0]),
        Input::Text(text) => text,
    };
    let word = trim(text).to_ascii_lowercase();
    // Prefixes that name one value only.
    let is = |name: &str, least: usize| word.len() >= least && name.starts_with(&word);
    if is("true", 1) || is("yes", 1) || is("on", 2) || word == "1" {
        Ok(true)
    } else if is("false", 1) || is("no", 1) || is("off", 2) || word == "0" {
        Ok(false)
    } else {
        Err(syntax(pg_type::BOOL, text))
    }
}

fn text(input: Input<'_>, oid: u32) -> Result<String, Error> {
    match (oid, input) {
        (UUID, Input::Binary(bytes)) => Ok(uuid_text(&hex_digits(&fixed::<16>(bytes)?))),
        (UUID, Input::Text(text)) => uuid(text),
        (JSONB, Input::Binary([1, rest @ ..])) => json(utf8(rest)?, pg_type::JSONB),
        (JSONB, Input::Binary(_)) => Err(binary()),
        (JSONB, Input::Text(text)) => json(text, pg_type::JSONB),
        (JSON, Input::Binary(bytes)) => json(utf8(bytes)?, pg_type::JSON),
        (JSON, Input::Text(text)) => json(text, pg_type::JSON),
        (_, Input::Text(text)) => Ok(text.to_owned()),
        (_, Input::Binary(bytes)) => utf8(bytes).map(str::to_owned),
    }
}

fn json(text: &str, pg_type: PgType) -> Result<String, Error> {
    match serde_json::from_str::<serde::de::IgnoredAny>(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => {
            let message = format!("invalid input syntax for type {}", pg_type.display);
            Err(Error::new(ErrorKind::InvalidText, message))
        }
    }
}

/// Hex digits with a hyphen after any group of four, and braces around them.
fn uuid(text: &str) -> Result<String, Error> {
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text);
    let mut digits = String::with_capacity(32);
    for character in inner.chars() {
        match character {
            '-' if !digits.is_empty() && digits.len().is_multiple_of(4) && digits.len() < 32 => {}
            digit if digit.is_ascii_hexdigit() => digits.push(digit.to_ascii_lowercase()),
            _ => return Err(syntax(pg_type::UUID, text)),
        }
    }
    if digits.len() != 32 || inner.contains("--") {
        return Err(syntax(pg_type::UUID, text));
    }
    Ok(uuid_text(&digits))
}

fn hex_digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn uuid_text(digits: &str) -> String {
    let mut text = String::with_capacity(36);
    for (index, digit) in digits.chars().enumerate() {
        if matches!(index, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit);
    }
    text
}

fn bytea(input: Input<'_>) -> Result<Vec<u8>, Error> {
    let text = match input {
        Input::Binary(bytes) => return Ok(bytes.to_vec()),
        Input::Text(text) => text,
    };
    tollgate_catalog::bytes::read(text)
}

fn utf8(bytes: &[u8]) -> Result<&str, Error> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !bytes.contains(&0) => Ok(text),
        _ => {
            let message = "invalid byte sequence for encoding \"UTF8\"";
            Err(Error::new(ErrorKind::InvalidEncoding, message))
        }
    }
}

/// Without the white space that PostgreSQL's input functions skip.
fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\u{b}')
}

/// All of a binary value, if it has the one length of its type.
fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Error> {
    bytes.try_into().map_err(|_| binary())
}

fn binary() -> Error {
    Error::new(ErrorKind::InvalidBinary, "incorrect binary data format in bind parameter")
        .with_hint("send the parameter in the format of its announced type, or as text")
}

fn syntax(pg_type: PgType, text: &str) -> Error {
    let message = format!("invalid input syntax for type {}: \"{text}\"", pg_type.display);
    Error::new(ErrorKind::InvalidText, message)
}

#[cfg(test)]
mod tests;
