//! Which types may meet in a policy, and which conversions can't fail on any value.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion_common::ScalarValue;
use datafusion_sql::sqlparser::ast::{DataType as SqlType, TimezoneInfo};

/// Types that compare with each other without a conversion that could fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Null,
    Text,
    Number,
    /// Comparable with exactly the same type only.
    Exact,
    /// Lists, structs and the like: not comparable in a policy.
    Other,
}

fn family(data_type: &DataType) -> Family {
    match data_type {
        DataType::Null => Family::Null,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Family::Text,
        DataType::Dictionary(_, values) if is_text(values) => Family::Text,
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64
        | DataType::Float16
        | DataType::Float32
        | DataType::Float64 => Family::Number,
        // Decimals of two scales meet in a third one, in which a value may not fit.
        DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..)
        | DataType::Boolean
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_)
        | DataType::Date32
        | DataType::Date64
        | DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Timestamp(..) => Family::Exact,
        DataType::Dictionary(..)
        | DataType::RunEndEncoded(..)
        | DataType::Duration(_)
        | DataType::Interval(_)
        | DataType::List(_)
        | DataType::LargeList(_)
        | DataType::FixedSizeList(..)
        | DataType::ListView(_)
        | DataType::LargeListView(_)
        | DataType::Struct(_)
        | DataType::Map(..)
        | DataType::Union(..) => Family::Other,
    }
}

/// Whether values of the type are text.
pub(crate) fn is_text(data_type: &DataType) -> bool {
    family(data_type) == Family::Text
}

/// Whether values of the two types can be compared, whatever they are.
pub(crate) fn comparable(left: &DataType, right: &DataType) -> bool {
    match (family(left), family(right)) {
        (Family::Null, _) | (_, Family::Null) => true,
        (Family::Text, Family::Text) | (Family::Number, Family::Number) => true,
        (Family::Exact, Family::Exact) => left == right,
        (Family::Text | Family::Number | Family::Exact | Family::Other, _) => false,
    }
}

/// The bits of an integer type that are not its sign, and whether it has one.
fn integer(data_type: &DataType) -> Option<(u8, bool)> {
    Some(match data_type {
        DataType::Int8 => (7, true),
        DataType::Int16 => (15, true),
        DataType::Int32 => (31, true),
        DataType::Int64 => (63, true),
        DataType::UInt8 => (8, false),
        DataType::UInt16 => (16, false),
        DataType::UInt32 => (32, false),
        DataType::UInt64 => (64, false),
        _ => return None,
    })
}

/// Whether every value of one type converts into the other.
pub(crate) fn is_total_cast(from: &DataType, to: &DataType) -> bool {
    if from == to || family(from) == Family::Null || (is_text(from) && is_text(to)) {
        return true;
    }
    match (integer(from), integer(to)) {
        (Some((bits, signed)), Some((wide, wide_signed))) => {
            bits <= wide && (!signed || wide_signed)
        }
        (Some(_), None) => is_text(to) || matches!(to, DataType::Float32 | DataType::Float64),
        (None, _) => {
            let printable = matches!(from, DataType::Boolean | DataType::Date32);
            (printable && is_text(to))
                || matches!((from, to), (DataType::Float32, DataType::Float64))
        }
    }
}

/// A literal as a value of another type: what is written stays what is meant, or it doesn't fit.
pub(crate) fn fit(value: &ScalarValue, to: &DataType) -> Option<ScalarValue> {
    if value.is_null() {
        return ScalarValue::try_from(to).ok();
    }
    let from = value.data_type();
    if &from == to {
        return Some(value.clone());
    }
    let number = |t: &DataType| family(t) == Family::Number;
    match (is_text(&from), is_text(to)) {
        (true, _) if is_bytes(to) => bytes(value),
        (true, _) => value.cast_to(to).ok().filter(|cast| !cast.is_null()),
        (false, true) => None,
        (false, false) if number(&from) => {
            // Through text, so that 1.1 becomes the decimal 1.1; and back, so that nothing is lost.
            let cast = value.cast_to(&DataType::Utf8).ok()?.cast_to(to).ok()?;
            let back = cast.cast_to(&DataType::Utf8).ok()?.cast_to(&DataType::Float64).ok()?;
            (back == value.cast_to(&DataType::Float64).ok()?).then_some(cast)
        }
        // A date is the timestamp of its midnight.
        (false, false)
            if from == DataType::Date32 && matches!(to, DataType::Timestamp(_, None)) =>
        {
            value.cast_to(to).ok().filter(|cast| cast.cast_to(&from).ok().as_ref() == Some(value))
        }
        (false, false) => None,
    }
}

fn is_bytes(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView)
}

/// A text as bytes, as PostgreSQL reads it: `\x` and two digits for each. (Its other form, of characters and
/// escapes, isn't taken.)
fn bytes(value: &ScalarValue) -> Option<ScalarValue> {
    let digits = value.try_as_str()??.strip_prefix("\\x")?.as_bytes();
    let digit =
        |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    digits
        .chunks(2)
        .map(pair)
        .collect::<Option<Vec<u8>>>()
        .map(|all| ScalarValue::Binary(Some(all)))
}

/// The type that a cast in a policy names; `None` if casts to it are not supported.
pub(crate) fn cast_target(sql: &SqlType) -> Option<DataType> {
    // Fail closed: a type that isn't listed can't be cast to.
    Some(match sql {
        SqlType::Text | SqlType::Varchar(None) | SqlType::CharacterVarying(None) => DataType::Utf8,
        SqlType::Bool | SqlType::Boolean => DataType::Boolean,
        SqlType::SmallInt(None) | SqlType::Int2(None) => DataType::Int16,
        SqlType::Int(None) | SqlType::Integer(None) | SqlType::Int4(None) => DataType::Int32,
        SqlType::BigInt(None) | SqlType::Int8(None) => DataType::Int64,
        SqlType::Real | SqlType::Float4 => DataType::Float32,
        SqlType::DoublePrecision | SqlType::Float8 => DataType::Float64,
        SqlType::Date => DataType::Date32,
        SqlType::Timestamp(None, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            DataType::Timestamp(TimeUnit::Microsecond, None)
        }
        _ => return None,
    })
}

/// The name that PostgreSQL gives the type, for messages.
pub(crate) fn display(data_type: &DataType) -> String {
    use tollgate_catalog::pg_type;
    match data_type {
        DataType::Null => "unknown".to_owned(),
        other => pg_type::format_type(pg_type::of(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_are_bytes() {
        let fitted = |text: &str| fit(&ScalarValue::Utf8(Some(text.to_owned())), &DataType::Binary);
        let bytes = |bytes: &[u8]| Some(ScalarValue::Binary(Some(bytes.to_vec())));
        assert_eq!(fitted("\\xcaFE00"), bytes(&[0xca, 0xfe, 0]));
        assert_eq!(fitted("\\x"), bytes(&[]));
        for other in ["", "cafe", "\\xcaf", "\\xcagg", "\\x+1", "\\\\x00", "\\xcä"] {
            assert_eq!(fitted(other), None, "{other}");
        }
    }
}
