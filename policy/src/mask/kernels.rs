//! What the mask functions do to values.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, LargeStringBuilder, PrimitiveArray, StringBuilder,
    StringLikeArrayBuilder, StringViewBuilder,
};
use arrow::compute::cast;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Date64Type, Decimal128Type, DecimalType, Float32Type,
    Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use datafusion_common::{Result, ScalarValue, internal_err};
use ring::hmac;

use super::Unit;

/// A fixed number of stars, so that the length isn't shown.
const STARS: &str = "***";

/// Maps every text; NULL stays NULL, and the type stays what it was. The mask appends to an empty
/// text, which is one and the same for all.
pub(super) fn map_text(values: &ArrayRef, mask: impl Fn(&str, &mut String)) -> Result<ArrayRef> {
    Ok(match values.data_type() {
        DataType::Utf8 => each::<StringBuilder>(values.as_string::<i32>(), mask),
        DataType::LargeUtf8 => each::<LargeStringBuilder>(values.as_string::<i64>(), mask),
        DataType::Utf8View => each::<StringViewBuilder>(values.as_string_view(), mask),
        other => {
            let texts = cast(values, &DataType::Utf8View)?;
            cast(&each::<StringViewBuilder>(texts.as_string_view(), mask), other)?
        }
    })
}

fn each<'a, B: StringLikeArrayBuilder>(
    texts: impl IntoIterator<Item = Option<&'a str>, IntoIter: ExactSizeIterator>,
    mask: impl Fn(&str, &mut String),
) -> ArrayRef {
    let texts = texts.into_iter();
    let mut masked = B::with_capacity(texts.len());
    let mut scratch = String::new();
    for text in texts {
        match text {
            None => masked.append_null(),
            Some(text) => {
                scratch.clear();
                mask(text, &mut scratch);
                masked.append_value(&scratch);
            }
        }
    }
    masked.finish()
}

/// The first and last characters; nothing of a text that has no more than these.
pub(super) fn partial(text: &str, prefix: usize, suffix: usize, out: &mut String) {
    let is_ascii = text.is_ascii();
    let count = if is_ascii { text.len() } else { text.chars().count() };
    // Where the character of that number begins.
    let start = |number| match is_ascii {
        true => number,
        false => text.char_indices().nth(number).map_or(text.len(), |(at, _)| at),
    };
    let kept = match count.checked_sub(suffix) {
        Some(after) if prefix < after => text.get(..start(prefix)).zip(text.get(start(after)..)),
        _ => None,
    };
    let (first, last) = kept.unwrap_or_default();
    out.push_str(first);
    out.push_str(STARS);
    out.push_str(last);
}

/// The first character and the domain; nothing of a text without `@`.
pub(super) fn email(text: &str, out: &mut String) {
    let Some((local, domain)) = text.rsplit_once('@') else { return out.push_str(STARS) };
    out.extend(local.chars().take(1));
    out.push_str(STARS);
    out.push('@');
    out.push_str(domain);
}

/// Half of HMAC-SHA256, in hex.
pub(super) fn hash(text: &str, key: &hmac::Key, out: &mut String) {
    let tag = hmac::sign(key, text.as_bytes());
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or('0');
    out.extend(tag.as_ref().iter().take(16).flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
}

/// Whether the type has steps to round to.
pub(super) fn is_steppable(data_type: &DataType) -> bool {
    data_type.is_integer()
        || matches!(data_type, DataType::Float32 | DataType::Float64 | DataType::Decimal128(..))
}

/// The multiple of `step` at or below the value, or if `nearest` the nearest one.
///
/// At the ends of the type's range, where that multiple doesn't fit, NULL.
pub(super) fn step(values: &ArrayRef, step: &ScalarValue, nearest: bool) -> Result<ArrayRef> {
    macro_rules! integer {
        ($type:ty, $step:expr) => {
            map(values.as_primitive::<$type>(), |value| {
                let step = i128::from($step);
                whole(i128::from(value), step, nearest).and_then(|stepped| stepped.try_into().ok())
            })
        };
    }
    macro_rules! float {
        ($type:ty, $step:expr) => {
            map(values.as_primitive::<$type>(), |value| {
                let steps = value / $step;
                // Without the sign of a zero, which would tell the sign of a small value.
                Some((if nearest { steps.round() } else { steps.floor() }) * $step + 0.0)
            })
        };
    }
    Ok(match (values.data_type(), step) {
        (DataType::Int8, ScalarValue::Int8(Some(step))) => integer!(Int8Type, *step),
        (DataType::Int16, ScalarValue::Int16(Some(step))) => integer!(Int16Type, *step),
        (DataType::Int32, ScalarValue::Int32(Some(step))) => integer!(Int32Type, *step),
        (DataType::Int64, ScalarValue::Int64(Some(step))) => integer!(Int64Type, *step),
        (DataType::UInt8, ScalarValue::UInt8(Some(step))) => integer!(UInt8Type, *step),
        (DataType::UInt16, ScalarValue::UInt16(Some(step))) => integer!(UInt16Type, *step),
        (DataType::UInt32, ScalarValue::UInt32(Some(step))) => integer!(UInt32Type, *step),
        (DataType::UInt64, ScalarValue::UInt64(Some(step))) => integer!(UInt64Type, *step),
        (DataType::Decimal128(precision, _), ScalarValue::Decimal128(Some(step), ..)) => {
            map(values.as_primitive::<Decimal128Type>(), |value| {
                whole(value, *step, nearest).filter(|stepped| {
                    Decimal128Type::is_valid_decimal_precision(*stepped, *precision)
                })
            })
        }
        (DataType::Float32, ScalarValue::Float32(Some(step))) => float!(Float32Type, step),
        (DataType::Float64, ScalarValue::Float64(Some(step))) => float!(Float64Type, step),
        (other, _) => return internal_err!("{other} has no such steps"),
    })
}

fn whole(value: i128, step: i128, nearest: bool) -> Option<i128> {
    let floor = value.checked_sub(value.checked_rem_euclid(step)?)?;
    let up = nearest && value.checked_sub(floor)? >= step.checked_sub(value.checked_sub(floor)?)?;
    if up { floor.checked_add(step) } else { Some(floor) }
}

/// The beginning of the unit; NULL where that is before the first value of the type.
pub(super) fn date(values: &ArrayRef, unit: Unit) -> Result<ArrayRef> {
    const DAY: i64 = 86_400;
    macro_rules! instant {
        ($type:ty, $per_day:expr) => {
            map(values.as_primitive::<$type>(), |value| {
                truncate(value.div_euclid($per_day), unit).checked_mul($per_day)
            })
        };
    }
    Ok(match values.data_type() {
        DataType::Date32 => map(values.as_primitive::<Date32Type>(), |day| {
            truncate(i64::from(day), unit).try_into().ok()
        }),
        DataType::Date64 => instant!(Date64Type, DAY * 1_000),
        DataType::Timestamp(TimeUnit::Second, _) => instant!(TimestampSecondType, DAY),
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            instant!(TimestampMillisecondType, DAY * 1_000)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            instant!(TimestampMicrosecondType, DAY * 1_000_000)
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            instant!(TimestampNanosecondType, DAY * 1_000_000_000)
        }
        other => return internal_err!("{other} is not a date"),
    })
}

fn map<T: ArrowPrimitiveType>(
    values: &PrimitiveArray<T>,
    mask: impl Fn(T::Native) -> Option<T::Native>,
) -> ArrayRef {
    // The mask runs on set slots only: what is stored under a NULL is not a value.
    let masked: PrimitiveArray<T> = values.iter().map(|value| value.and_then(&mask)).collect();
    Arc::new(masked.with_data_type(values.data_type().clone()))
}

/// The first day of the unit that the day is in; days count from 1970-01-01, weeks from Monday.
fn truncate(day: i64, unit: Unit) -> i64 {
    let months_in = match unit {
        Unit::Day => return day,
        // 1970-01-01 was a Thursday.
        Unit::Week => return day - (day + 3).rem_euclid(7),
        Unit::Month => 1,
        Unit::Quarter => 3,
        Unit::Year => 12,
    };
    let (year, month) = year_and_month(day);
    first_of(year, (month - 1) / months_in * months_in + 1)
}

/// The proleptic Gregorian year and month (1 to 12) of a day.
fn year_and_month(day: i64) -> (i64, i64) {
    // Years that begin in March have their leap day at the end; 400 of them are one era.
    let days = day + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month)
}

/// The first day of a month.
fn first_of(year: i64, month: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let year_of_era = year.rem_euclid(400);
    let march_month = (month + 9) % 12;
    let day_of_year = (153 * march_month + 2) / 5;
    let day_of_era = 365 * year_of_era + year_of_era / 4 - year_of_era / 100 + day_of_year;
    year.div_euclid(400) * 146_097 + day_of_era - 719_468
}
