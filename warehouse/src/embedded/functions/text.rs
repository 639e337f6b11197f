//! `to_char`, `to_date` and `to_timestamp` as PostgreSQL has them.

use std::sync::Arc;

use arrow::array::timezone::Tz;
use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Float64Array, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float64Type, Int64Type, TimeUnit,
    TimestampMicrosecondType,
};
use chrono::{DateTime, Offset, TimeZone};
use datafusion::common::{DataFusionError, Result, internal_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use tollgate_catalog::{Error, ErrorKind};

use super::moment::{Moment, MomentPattern};
use super::number::{NumberPattern, decimal};

/// The zone of timestamps that are made from text or seconds.
pub(super) const UTC: &str = "+00:00";

/// Which of the functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// `to_char(value, pattern)`
    Char,
    /// `to_date(text, pattern)`
    Date,
    /// `to_timestamp(text, pattern)` and `to_timestamp(seconds)`
    Timestamp,
}

/// A function between values and texts by a pattern.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Patterned {
    kind: Kind,
    signature: Signature,
}

impl Patterned {
    /// The function.
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind, signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Patterned {
    fn name(&self) -> &str {
        match self.kind {
            Kind::Char => "to_char",
            Kind::Date => "to_date",
            Kind::Timestamp => "to_timestamp",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.kind {
            Kind::Char => DataType::Utf8,
            Kind::Date => DataType::Date32,
            Kind::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
        })
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match (self.kind, types) {
            (Kind::Char, [value, _]) => {
                let value = match value {
                    DataType::Timestamp(_, zone) => {
                        DataType::Timestamp(TimeUnit::Microsecond, zone.clone())
                    }
                    DataType::Date32 | DataType::Date64 => {
                        DataType::Timestamp(TimeUnit::Microsecond, None)
                    }
                    DataType::Decimal128(..) => value.clone(),
                    DataType::UInt64 => DataType::Decimal128(20, 0),
                    integer if integer.is_integer() => DataType::Int64,
                    number if number.is_numeric() => DataType::Float64,
                    DataType::Null => DataType::Int64,
                    _ => return plan_err!("to_char takes a number, a date or a timestamp"),
                };
                Ok(vec![value, DataType::Utf8])
            }
            (Kind::Date | Kind::Timestamp, [_, _]) => Ok(vec![DataType::Utf8, DataType::Utf8]),
            (Kind::Timestamp, [seconds]) if seconds.is_numeric() || seconds.is_null() => {
                Ok(vec![DataType::Float64])
            }
            _ => plan_err!("{} takes a value and a pattern", self.name()),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let result = match (self.kind, arrays.as_slice()) {
            (Kind::Char, [values, patterns]) => to_char(values, patterns.as_string::<i32>())?,
            (Kind::Date, [texts, patterns]) => {
                let days = read(texts.as_string(), patterns.as_string(), |at| {
                    Date32Type::from_naive_date(at.date())
                })?;
                Arc::new(Date32Array::from(days))
            }
            (Kind::Timestamp, [texts, patterns]) => {
                let micros = read(texts.as_string(), patterns.as_string(), |at| {
                    at.and_utc().timestamp_micros()
                })?;
                Arc::new(TimestampMicrosecondArray::from(micros).with_timezone(UTC))
            }
            (Kind::Timestamp, [seconds]) => {
                let seconds: &Float64Array = seconds.as_primitive::<Float64Type>();
                let micros = seconds.try_unary::<_, TimestampMicrosecondType, _>(micros)?;
                Arc::new(micros.with_timezone(UTC)) as ArrayRef
            }
            _ => return internal_err!("{} was called with other arguments", self.name()),
        };
        if constant {
            let value = datafusion::common::ScalarValue::try_from_array(&result, 0)?;
            return Ok(ColumnarValue::Scalar(value));
        }
        Ok(ColumnarValue::Array(result))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the value is within the bounds")]
fn micros(seconds: f64) -> Result<i64, arrow::error::ArrowError> {
    let micros = (seconds * 1e6).round();
    // Years 4713 BC to 294276, as PostgreSQL.
    if (-2.2e17..9.2e18).contains(&micros) {
        Ok(micros as i64)
    } else {
        Err(arrow::error::ArrowError::ArithmeticOverflow("timestamp".to_owned()))
    }
}

/// Reads each text by its pattern; one pattern is prepared once as long as it stays the same.
fn read<T>(
    texts: &StringArray,
    patterns: &StringArray,
    make: impl Fn(chrono::NaiveDateTime) -> T,
) -> Result<Vec<Option<T>>> {
    let mut prepared = Prepared::new(MomentPattern::new);
    let read = |(text, pattern): (Option<&str>, Option<&str>)| {
        let (Some(text), Some(pattern)) = (text, pattern) else { return Ok(None) };
        let at = prepared.get(pattern).read(text).ok_or_else(|| {
            let error = Error::new(
                ErrorKind::InvalidDatetime,
                "a text is not a date or time of the given pattern",
            );
            DataFusionError::External(Box::new(error))
        })?;
        Ok(Some(make(at)))
    };
    texts.iter().zip(patterns).map(read).collect()
}

fn to_char(values: &ArrayRef, patterns: &StringArray) -> Result<ArrayRef> {
    match values.data_type() {
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let zone = match zone {
                Some(zone) => Some(zone.parse::<Tz>()?),
                None => None,
            };
            let values = values.as_primitive::<TimestampMicrosecondType>();
            let mut prepared = Prepared::new(MomentPattern::new);
            write(values.iter(), patterns, |value, pattern| {
                let moment = moment(value, zone.as_ref()).ok_or_else(out_of_range)?;
                Ok(prepared.get(pattern).write(&moment))
            })
        }
        DataType::Int64 => {
            let values = values.as_primitive::<Int64Type>();
            exact(values.iter().map(|value| value.map(i128::from)), 0, patterns)
        }
        DataType::Decimal128(_, scale) => {
            exact(values.as_primitive::<Decimal128Type>().iter(), *scale, patterns)
        }
        DataType::Float64 => {
            let values = values.as_primitive::<Float64Type>();
            let mut prepared = Prepared::new(NumberPattern::new);
            write(values.iter(), patterns, |value, pattern| {
                let pattern = prepared.get(pattern).as_ref().map_err(unsupported)?;
                let text = format!("{:.*}", pattern.scale(), value.abs());
                let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
                let negative = value.is_sign_negative();
                Ok(pattern.write(negative, whole.trim_start_matches('0'), fraction))
            })
        }
        other => internal_err!("to_char of {other}"),
    }
}

fn exact(
    values: impl Iterator<Item = Option<i128>>,
    scale: i8,
    patterns: &StringArray,
) -> Result<ArrayRef> {
    let mut prepared = Prepared::new(NumberPattern::new);
    write(values, patterns, |value, pattern| {
        let pattern = prepared.get(pattern).as_ref().map_err(unsupported)?;
        let (negative, whole, fraction) =
            decimal(value, scale, pattern.scale()).ok_or_else(out_of_range)?;
        Ok(pattern.write(negative, &whole, &fraction))
    })
}

fn write<T>(
    values: impl Iterator<Item = Option<T>>,
    patterns: &StringArray,
    mut one: impl FnMut(T, &str) -> Result<String>,
) -> Result<ArrayRef> {
    let texts: Result<StringArray> = values
        .zip(patterns)
        .map(|(value, pattern)| match (value, pattern) {
            (Some(value), Some(pattern)) => one(value, pattern).map(Some),
            (None, _) | (_, None) => Ok(None),
        })
        .collect();
    Ok(Arc::new(texts?))
}

fn moment(micros: i64, zone: Option<&Tz>) -> Option<Moment> {
    let utc = DateTime::from_timestamp_micros(micros)?;
    let Some(zone) = zone else { return Some(Moment { local: utc.naive_utc(), zone: None }) };
    let local = zone.from_utc_datetime(&utc.naive_utc());
    let seconds = local.offset().fix().local_minus_utc();
    let name = match local.format("%Z").to_string() {
        name if name == UTC => "UTC".to_owned(),
        name => name,
    };
    Some(Moment { local: local.naive_local(), zone: Some((name, seconds)) })
}

fn out_of_range() -> DataFusionError {
    arrow::error::ArrowError::ArithmeticOverflow("to_char".to_owned()).into()
}

fn unsupported(_: &DataFusionError) -> DataFusionError {
    let error = Error::not_supported("a part of the pattern for numbers");
    DataFusionError::External(Box::new(error))
}

/// The last pattern, ready for use: most often all rows have the same one.
struct Prepared<P, F: Fn(&str) -> P> {
    make: F,
    last: Option<(String, P)>,
}

impl<P, F: Fn(&str) -> P> Prepared<P, F> {
    fn new(make: F) -> Self {
        Self { make, last: None }
    }

    fn get(&mut self, pattern: &str) -> &P {
        let kept = self.last.take().filter(|(text, _)| text == pattern);
        let (_, ready) =
            self.last.insert(kept.unwrap_or_else(|| (pattern.to_owned(), (self.make)(pattern))));
        ready
    }
}
