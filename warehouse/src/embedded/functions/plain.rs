//! Plain values as they stand in the text of a row, and as `json_each_text` gives them.

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, Time64MicrosecondType, TimeUnit};
use chrono::{Datelike, NaiveDate};
use datafusion::common::{Result, internal_err};

use super::output::{fraction, texts};

/// Where a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Style {
    /// In a row: as its type's output function prints it.
    Row,
    /// In JSON, without the quotes of a string.
    Json,
    /// In `jsonb`, whose numbers are all exact.
    Jsonb,
}

/// Days from the first of the calendar to 1970-01-01.
const EPOCH: i32 = 719_163;

/// Whether values of a type have a text of their own: arrays and objects don't.
pub(super) fn is_plain(of: &DataType) -> bool {
    match of {
        DataType::Null
        | DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64
        | DataType::Float32
        | DataType::Float64
        | DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..)
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_)
        | DataType::Date32
        | DataType::Date64
        | DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Timestamp(..)
        | DataType::Interval(_) => true,
        DataType::Dictionary(_, values) => is_plain(values),
        DataType::RunEndEncoded(_, values) => is_plain(values.data_type()),
        DataType::Float16
        | DataType::Duration(_)
        | DataType::List(_)
        | DataType::ListView(_)
        | DataType::FixedSizeList(..)
        | DataType::LargeList(_)
        | DataType::LargeListView(_)
        | DataType::Struct(_)
        | DataType::Union(..)
        | DataType::Map(..) => false,
    }
}

/// The texts of plain values.
pub(super) fn written(values: &ArrayRef, style: Style) -> Result<StringArray> {
    Ok(match values.data_type() {
        DataType::Boolean => {
            let (yes, no) = match style {
                Style::Row => ("t", "f"),
                Style::Json | Style::Jsonb => ("true", "false"),
            };
            let values = values.as_boolean();
            values.iter().map(|value| value.map(|value| if value { yes } else { no })).collect()
        }
        DataType::Float32 | DataType::Float64 if style == Style::Jsonb => {
            texts(values)?.iter().map(|value| value.map(exact)).collect()
        }
        DataType::Float32 | DataType::Float64 | DataType::Interval(_) => texts(values)?,
        DataType::Timestamp(_, zone) => {
            let written = texts(values)?;
            match style {
                Style::Row => written,
                Style::Json | Style::Jsonb => {
                    let zoned = zone.is_some();
                    written.iter().map(|value| value.map(|value| iso(value, zoned))).collect()
                }
            }
        }
        DataType::Date32 | DataType::Date64 => {
            let days = cast(values, &DataType::Date32)?;
            days.as_primitive::<Date32Type>().iter().map(|value| value.map(date)).collect()
        }
        DataType::Time32(_) | DataType::Time64(_) => {
            let micros = cast(values, &DataType::Time64(TimeUnit::Microsecond))?;
            let micros = micros.as_primitive::<Time64MicrosecondType>();
            micros.iter().map(|value| value.map(|value| time(value.unsigned_abs()))).collect()
        }
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => {
            let bytes = cast(values, &DataType::Binary)?;
            bytes.as_binary::<i32>().iter().map(|value| value.map(hex)).collect()
        }
        DataType::Dictionary(_, inner) => written(&cast(values, inner)?, style)?,
        DataType::RunEndEncoded(_, inner) => written(&cast(values, inner.data_type())?, style)?,
        plain if is_plain(plain) => {
            let values = cast(values, &DataType::Utf8)?;
            values.as_string::<i32>().clone()
        }
        other => return internal_err!("a text of {other}"),
    })
}

/// `2024-02-03T04:05:06+00:00`, from PostgreSQL's usual form in UTC.
fn iso(text: &str, zoned: bool) -> String {
    let text = text.replacen(' ', "T", 1);
    if zoned { text.replacen("+00", "+00:00", 1) } else { text }
}

/// The text of a float as an exact number: without an exponent, and without a negative zero.
fn exact(text: &str) -> String {
    let (digits, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", digits),
    };
    let (whole, rest) = digits.split_once('.').unwrap_or((digits, ""));
    let Ok(exponent) = exponent.parse::<i32>() else { return text.to_owned() };
    let places = usize::try_from(exponent.unsigned_abs()).unwrap_or_default();
    match exponent {
        0 if digits == "0" => digits.to_owned(),
        0 => text.to_owned(),
        1.. => match rest.split_at_checked(places) {
            Some((rest, "")) => format!("{sign}{whole}{rest}"),
            Some((rest, fraction)) => format!("{sign}{whole}{rest}.{fraction}"),
            None => {
                let zeros = "0".repeat(places.saturating_sub(rest.len()));
                format!("{sign}{whole}{rest}{zeros}")
            }
        },
        _ => format!("{sign}0.{}{whole}{rest}", "0".repeat(places.saturating_sub(1))),
    }
}

/// A date; the first and the last day of the type stand for infinity.
fn date(days: i32) -> String {
    let date = days.checked_add(EPOCH).and_then(NaiveDate::from_num_days_from_ce_opt);
    let Some(date) = date else {
        return if days < 0 { "-infinity" } else { "infinity" }.to_owned();
    };
    let (month, day) = (date.month(), date.day());
    match date.year() {
        year @ 1.. => format!("{year:04}-{month:02}-{day:02}"),
        year => format!("{:04}-{month:02}-{day:02} BC", 1 - year),
    }
}

/// A time of day, from microseconds.
fn time(micros: u64) -> String {
    let seconds = micros / 1_000_000;
    let mut out = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    fraction(&mut out, micros % 1_000_000);
    out
}

fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(2 + 2 * bytes.len());
    out.push_str("\\x");
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            out.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
    out
}
