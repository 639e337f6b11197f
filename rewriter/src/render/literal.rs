//! Values: texts and bytes are always bound as parameters, everything else is written out.
//!
//! What is written out stands between single quotes and consists of letters, digits and a few signs
//! that mean nothing to a lexer, with its type: `CAST('5' AS integer)`. So no value that a client, a
//! policy or an attribute brings can end a literal, whatever the server's settings.

use arrow::array::{Array, ListArray};
use arrow::datatypes::DataType;
use arrow::temporal_conversions::{date32_to_datetime, timestamp_us_to_datetime};
use datafusion_common::ScalarValue;
use tollgate_catalog::{Error, ErrorKind};

use super::{Dialect, Parameter, Printer};

/// Whether a text may stand between the quotes of a literal.
pub(super) fn is_safe(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.' | b':' | b' ')
        })
}

/// Whether a word of ours may: some names of units have two parts.
pub(super) fn is_word(text: &str) -> bool {
    is_safe(&text.replace('_', ""))
}

impl Printer {
    /// A literal of our own making with its type.
    pub(super) fn written(&mut self, value: &str, data_type: &str) -> Result<String, Error> {
        if !is_safe(value) {
            return Err(Error::internal("a literal holds a character that it can't"));
        }
        self.printed.literals.insert(value.to_owned());
        Ok(format!("CAST('{value}' AS {data_type})"))
    }

    /// A text as a parameter.
    pub(super) fn text(&mut self, value: &str) -> Result<String, Error> {
        if value.contains('\0') {
            return Err(Error::new(ErrorKind::InvalidEncoding, "a text holds a zero byte"));
        }
        self.parameter(Parameter::Text(value.to_owned())).and_then(|name| {
            Ok(format!("CAST({name} AS {})", self.dialect.name(&DataType::Utf8, false)?))
        })
    }

    /// Bytes as a parameter.
    pub(super) fn bytes(&mut self, value: &[u8]) -> Result<String, Error> {
        match self.dialect {
            Dialect::Postgres => self
                .parameter(Parameter::Bytes(value.to_owned()))
                .map(|name| format!("CAST({name} AS bytea)")),
            Dialect::Snowflake => {
                let digits: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
                let digits = self.parameter(Parameter::Text(digits))?;
                let format = self.quoted("HEX")?;
                let digits = format!("CAST({digits} AS VARCHAR)");
                Ok(self.invoke("TO_BINARY", &format!("{digits}, {format}")))
            }
        }
    }

    /// A number of ours.
    pub(super) fn integer(&mut self, value: i64) -> Result<String, Error> {
        let name = self.dialect.name(&DataType::Int32, false)?;
        self.written(&value.to_string(), &name)
    }

    /// A word of ours between quotes, as the names of units.
    pub(super) fn quoted(&mut self, word: &str) -> Result<String, Error> {
        if !is_word(word) {
            return Err(Error::internal("a literal holds a character that it can't"));
        }
        self.printed.literals.insert(word.to_owned());
        Ok(format!("'{word}'"))
    }

    /// A value of the plan.
    pub(super) fn literal(&mut self, value: &ScalarValue) -> Result<String, Error> {
        let data_type = value.data_type();
        if matches!(value, ScalarValue::Null) {
            return Ok("NULL".to_owned());
        }
        let name = self.dialect.name(&data_type, false)?;
        if value.is_null() {
            return Ok(format!("CAST(NULL AS {name})"));
        }
        match value {
            ScalarValue::Utf8(Some(value))
            | ScalarValue::LargeUtf8(Some(value))
            | ScalarValue::Utf8View(Some(value)) => self.text(value),
            ScalarValue::Binary(Some(value))
            | ScalarValue::LargeBinary(Some(value))
            | ScalarValue::BinaryView(Some(value)) => self.bytes(value),
            ScalarValue::List(list) => self.list(list, &name),
            value => {
                let words = self.dialect.words(value)?;
                self.written(&words, &name)
            }
        }
    }

    fn list(&mut self, list: &ListArray, name: &str) -> Result<String, Error> {
        if list.len() != 1 {
            return Err(Error::internal("a literal array isn't one value"));
        }
        let items = list.value(0);
        let mut texts = Vec::with_capacity(items.len());
        for index in 0..items.len() {
            let item = ScalarValue::try_from_array(&items, index).map_err(Error::internal)?;
            texts.push(self.literal(&item)?);
        }
        Ok(format!("CAST(ARRAY[{}] AS {name})", texts.join(", ")))
    }
}

impl Dialect {
    /// What stands between the quotes of the literal of a value that is neither text nor bytes.
    pub(super) fn words(self, value: &ScalarValue) -> Result<String, Error> {
        match value {
            ScalarValue::Boolean(Some(value)) => Ok(value.to_string()),
            ScalarValue::Int16(Some(value)) => Ok(value.to_string()),
            ScalarValue::Int32(Some(value)) => Ok(value.to_string()),
            ScalarValue::Int64(Some(value)) => Ok(value.to_string()),
            ScalarValue::UInt8(Some(value)) => Ok(value.to_string()),
            ScalarValue::UInt16(Some(value)) => Ok(value.to_string()),
            ScalarValue::UInt32(Some(value)) => Ok(value.to_string()),
            ScalarValue::UInt64(Some(value)) => Ok(value.to_string()),
            ScalarValue::Float32(Some(value)) => {
                Ok(self.float(f64::from(*value), || format!("{value:e}")))
            }
            ScalarValue::Float64(Some(value)) => Ok(self.float(*value, || format!("{value:e}"))),
            ScalarValue::Decimal128(Some(value), _, scale) => Ok(decimal(*value, *scale)),
            ScalarValue::Date32(Some(days)) => {
                let text = date32_to_datetime(*days).map(|at| at.format("%Y-%m-%d").to_string());
                self.moment(text)
            }
            ScalarValue::TimestampSecond(Some(at), zone) => {
                self.instant(at.checked_mul(1_000_000), zone.is_some())
            }
            ScalarValue::TimestampMillisecond(Some(at), zone) => {
                self.instant(at.checked_mul(1_000), zone.is_some())
            }
            ScalarValue::TimestampMicrosecond(Some(at), zone) => {
                self.instant(Some(*at), zone.is_some())
            }
            // PostgreSQL has microseconds, and rounds to them what is finer.
            ScalarValue::TimestampNanosecond(Some(at), zone) => {
                let micros = at.div_euclid(1_000) + i64::from(at.rem_euclid(1_000) >= 500);
                self.instant(Some(micros), zone.is_some())
            }
            ScalarValue::Time64Microsecond(Some(at)) => Ok(clock(*at)),
            ScalarValue::Time64Nanosecond(Some(at)) => Ok(clock(at.div_euclid(1_000))),
            ScalarValue::IntervalMonthDayNano(Some(value)) => {
                if value.nanoseconds % 1_000 != 0 {
                    return Err(self.unsupported("an interval finer than a microsecond"));
                }
                let micros = value.nanoseconds / 1_000;
                let sign = if micros < 0 { "-" } else { "" };
                let micros = micros.unsigned_abs();
                let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
                let text = format!(
                    "{} mons {} days {sign}{seconds}.{rest:06} secs",
                    value.months, value.days
                );
                Ok(text)
            }
            ScalarValue::Null
            | ScalarValue::Boolean(None)
            | ScalarValue::Float16(_)
            | ScalarValue::Float32(None)
            | ScalarValue::Float64(None)
            | ScalarValue::Decimal32(..)
            | ScalarValue::Decimal64(..)
            | ScalarValue::Decimal128(None, ..)
            | ScalarValue::Decimal256(..)
            | ScalarValue::Int8(_)
            | ScalarValue::Int16(None)
            | ScalarValue::Int32(None)
            | ScalarValue::Int64(None)
            | ScalarValue::UInt8(None)
            | ScalarValue::UInt16(None)
            | ScalarValue::UInt32(None)
            | ScalarValue::UInt64(None)
            | ScalarValue::Utf8(_)
            | ScalarValue::Utf8View(_)
            | ScalarValue::LargeUtf8(_)
            | ScalarValue::Binary(_)
            | ScalarValue::BinaryView(_)
            | ScalarValue::FixedSizeBinary(..)
            | ScalarValue::LargeBinary(_)
            | ScalarValue::List(_)
            | ScalarValue::FixedSizeList(_)
            | ScalarValue::LargeList(_)
            | ScalarValue::ListView(_)
            | ScalarValue::LargeListView(_)
            | ScalarValue::Struct(_)
            | ScalarValue::Map(_)
            | ScalarValue::Date32(None)
            | ScalarValue::Date64(_)
            | ScalarValue::Time32Second(_)
            | ScalarValue::Time32Millisecond(_)
            | ScalarValue::Time64Microsecond(None)
            | ScalarValue::Time64Nanosecond(None)
            | ScalarValue::TimestampSecond(None, _)
            | ScalarValue::TimestampMillisecond(None, _)
            | ScalarValue::TimestampMicrosecond(None, _)
            | ScalarValue::TimestampNanosecond(None, _)
            | ScalarValue::IntervalYearMonth(_)
            | ScalarValue::IntervalDayTime(_)
            | ScalarValue::IntervalMonthDayNano(None)
            | ScalarValue::DurationSecond(_)
            | ScalarValue::DurationMillisecond(_)
            | ScalarValue::DurationMicrosecond(_)
            | ScalarValue::DurationNanosecond(_)
            | ScalarValue::Union(..)
            | ScalarValue::Dictionary(..)
            | ScalarValue::RunEndEncoded(..) => {
                let what = format!("a literal of the engine's type {}", value.data_type());
                Err(self.unsupported(&what))
            }
        }
    }

    fn moment(self, text: Option<String>) -> Result<String, Error> {
        match text {
            // Four digits of a year: others are written in other ways.
            Some(text) if !text.starts_with(['+', '-']) => Ok(text),
            _ => Err(self.unsupported("a literal date outside of the years 0000 to 9999")),
        }
    }

    fn instant(self, micros: Option<i64>, zoned: bool) -> Result<String, Error> {
        let at = micros.and_then(timestamp_us_to_datetime);
        let zone = if zoned { self.utc() } else { "" };
        self.moment(at.map(|at| format!("{}{zone}", at.format("%Y-%m-%d %H:%M:%S%.6f"))))
    }

    /// The offset of UTC.
    pub(super) fn utc(self) -> &'static str {
        match self {
            Self::Postgres => "+00",
            Self::Snowflake => "+00:00",
        }
    }

    fn float(self, value: f64, finite: impl FnOnce() -> String) -> String {
        let infinite = match self {
            Self::Postgres => "Infinity",
            Self::Snowflake => "inf",
        };
        if value.is_nan() {
            "NaN".to_owned()
        } else if value.is_infinite() {
            format!("{}{infinite}", if value > 0.0 { "" } else { "-" })
        } else {
            finite()
        }
    }
}

fn clock(micros: i64) -> String {
    let (seconds, rest) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    let (minutes, second) = (seconds / 60, seconds % 60);
    format!("{:02}:{:02}:{second:02}.{rest:06}", minutes / 60, minutes % 60)
}

/// A decimal of that many digits after the point.
pub(super) fn decimal(value: i128, scale: i8) -> String {
    let digits = value.unsigned_abs().to_string();
    let sign = if value < 0 { "-" } else { "" };
    match usize::try_from(scale) {
        Ok(0) => format!("{sign}{digits}"),
        Ok(scale) => {
            let padded = format!("{digits:0>width$}", width = scale + 1);
            let (whole, fraction) = padded.split_at(padded.len() - scale);
            format!("{sign}{whole}.{fraction}")
        }
        Err(_) => format!("{sign}{digits}{}", "0".repeat(usize::from(scale.unsigned_abs()))),
    }
}

#[cfg(test)]
mod tests {
    use super::{decimal, is_safe};

    #[test]
    fn decimals_have_their_point() {
        for (value, scale, expected) in [
            (5, 0, "5"),
            (-5, 2, "-0.05"),
            (12_345, 2, "123.45"),
            (0, 3, "0.000"),
            (7, -2, "700"),
            (-12_345, 5, "-0.12345"),
        ] {
            assert_eq!(decimal(value, scale), expected);
        }
    }

    #[test]
    fn nothing_that_ends_a_literal_is_safe() {
        for text in ["", "a'b", "a\\", "$1", "a\"b", "a\nb", "a/*b", "ä", "a;b", "(a"] {
            assert!(!is_safe(text), "{text}");
        }
        assert!(is_safe("2024-01-31 10:00:00.000000+00") && is_safe("-1.5e300"));
    }
}
