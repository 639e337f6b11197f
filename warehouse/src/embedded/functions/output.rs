//! Values as PostgreSQL writes them in a text: times with a blank, floats and intervals in its form.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Float32Type, Float64Type, IntervalMonthDayNano, IntervalMonthDayNanoType,
    IntervalUnit, TimeUnit, TimestampMicrosecondType,
};
use chrono::{DateTime, Datelike, Timelike};
use datafusion::common::{DataFusionError, Result, internal_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;
use tollgate_catalog::{Error, ErrorKind};

/// `value::text` for timestamps, floats, intervals and bytes. Timestamps with a zone are shown in UTC.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Text {
    signature: Signature,
}

impl Text {
    /// The function.
    pub(crate) fn new() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Text {
    fn name(&self) -> &str {
        "tg_text"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [
                DataType::Timestamp(..)
                | DataType::Float32
                | DataType::Float64
                | DataType::Interval(_)
                | DataType::Binary
                | DataType::LargeBinary
                | DataType::BinaryView,
            ] => Ok(types.to_vec()),
            _ => plan_err!("a text is made of another value"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value] = args.args.as_slice() else {
            return internal_err!("a text was made of several values");
        };
        let constant = matches!(value, ColumnarValue::Scalar(_));
        let values = value.to_array(if constant { 1 } else { args.number_rows })?;
        let result: ArrayRef = Arc::new(texts(&values)?);
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

/// The texts of timestamps, floats, intervals and bytes.
pub(super) fn texts(values: &ArrayRef) -> Result<StringArray> {
    Ok(match values.data_type() {
        DataType::Timestamp(_, zone) => {
            let zoned = zone.is_some();
            let unit = DataType::Timestamp(TimeUnit::Microsecond, zone.clone());
            let values = cast(values, &unit)?;
            let values = values.as_primitive::<TimestampMicrosecondType>();
            values.iter().map(|value| value.map(|value| timestamp(value, zoned))).collect()
        }
        DataType::Float64 => {
            let values = values.as_primitive::<Float64Type>();
            values
                .iter()
                .map(|value| value.map(|value| float(value, format!("{value:e}"), 15)))
                .collect()
        }
        DataType::Float32 => {
            let values = values.as_primitive::<Float32Type>();
            let text = |value: f32| float(f64::from(value), format!("{value:e}"), 6);
            values.iter().map(|value| value.map(text)).collect()
        }
        DataType::Interval(_) => {
            let values = cast(values, &DataType::Interval(IntervalUnit::MonthDayNano))?;
            let values = values.as_primitive::<IntervalMonthDayNanoType>();
            values.iter().map(|value| value.map(interval)).collect()
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            let values = cast(values, &DataType::Binary)?;
            let bytes: usize = values.as_binary::<i32>().iter().flatten().map(<[u8]>::len).sum();
            if i32::try_from(2 * (bytes + values.len())).is_err() {
                let error = Error::new(ErrorKind::ProgramLimit, "bytes are too long for a text")
                    .with_hint("select fewer of them, or parts of them");
                return Err(DataFusionError::External(Box::new(error)));
            }
            let written = |bytes: &[u8]| {
                let mut text = String::with_capacity(2 + 2 * bytes.len());
                tollgate_catalog::bytes::write(bytes, &mut text);
                text
            };
            values.as_binary::<i32>().iter().map(|bytes| bytes.map(written)).collect()
        }
        other => return internal_err!("a text of {other}"),
    })
}

/// Writing to a String can't fail: results of `write!` are dropped here and below.
fn timestamp(micros: i64, zoned: bool) -> String {
    let Some(at) = DateTime::from_timestamp_micros(micros) else {
        return if micros < 0 { "-infinity" } else { "infinity" }.to_owned();
    };
    let (year, before) = if at.year() > 0 { (at.year(), false) } else { (1 - at.year(), true) };
    let mut out = format!(
        "{year:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        at.month(),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    );
    fraction(&mut out, u64::from(at.timestamp_subsec_micros()));
    if zoned {
        out.push_str("+00");
    }
    if before {
        out.push_str(" BC");
    }
    out
}

/// `.5` for 500000 microseconds, nothing for none.
pub(super) fn fraction(out: &mut String, micros: u64) {
    if micros > 0 {
        let digits = format!("{micros:06}");
        let _ = write!(out, ".{}", digits.trim_end_matches('0'));
    }
}

/// The shortest digits that read back as the value; an exponent below 1e-4 and from `large` on, which
/// is a power of ten.
fn float(value: f64, scientific: String, large: i32) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value < 0.0 { "-Infinity" } else { "Infinity" }.to_owned();
    }
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..large).contains(&exponent) {
        let (sign, digits) = match digits.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None => ("", digits),
        };
        let all: String = digits.chars().filter(char::is_ascii_digit).collect();
        let places = usize::try_from(exponent.unsigned_abs()).unwrap_or_default();
        return if exponent < 0 {
            format!("{sign}0.{}{all}", "0".repeat(places.saturating_sub(1)))
        } else if all.len() <= places + 1 {
            format!("{sign}{all}{}", "0".repeat(places + 1 - all.len()))
        } else {
            let (whole, rest) = all.split_at(places + 1);
            format!("{sign}{whole}.{rest}")
        };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

/// `1 year 2 mons -3 days 04:05:06.7`.
fn interval(value: IntervalMonthDayNano) -> String {
    let (years, months, days) = (value.months / 12, value.months % 12, value.days);
    let micros = value.nanoseconds / 1000;
    let mut out = String::new();
    let mut after_negative = false;
    for (count, unit) in [(years, "year"), (months, "mon"), (days, "day")] {
        if count != 0 {
            let blank = if out.is_empty() { "" } else { " " };
            let plus = if after_negative && count > 0 { "+" } else { "" };
            let plural = if count == 1 { "" } else { "s" };
            let _ = write!(out, "{blank}{plus}{count} {unit}{plural}");
            after_negative = count < 0;
        }
    }
    if micros != 0 || out.is_empty() {
        if !out.is_empty() {
            out.push(' ');
        }
        if micros < 0 {
            out.push('-');
        } else if after_negative {
            out.push('+');
        }
        let seconds = micros.unsigned_abs() / 1_000_000;
        let _ = write!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
        fraction(&mut out, micros.unsigned_abs() % 1_000_000);
    }
    out
}
