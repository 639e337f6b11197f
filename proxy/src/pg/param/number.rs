//! Integers, floats and numerics.

use arrow::datatypes::{DataType, i256};
use datafusion::common::ScalarValue;
use tollgate_catalog::pg_type::{self, PgType};
use tollgate_catalog::{Error, ErrorKind};

use super::{Input, binary, fixed, syntax, trim};

/// The most digits of any decimal in Arrow.
const MAX_DIGITS: usize = 76;

/// An integer sent as the PostgreSQL type of `of`, if the engine's type `T` holds it.
pub(super) fn integer<T: TryFrom<i64>>(input: Input<'_>, of: &DataType) -> Result<T, Error> {
    let pg_type = pg_type::of(of);
    let value = match input {
        Input::Text(text) => {
            let digits = trim(text);
            let unsigned = digits.strip_prefix(['+', '-']).unwrap_or(digits);
            if unsigned.is_empty() || !unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(syntax(pg_type, text));
            }
            digits.parse().map_err(|_| out_of_range(text, pg_type))?
        }
        Input::Binary(bytes) => match pg_type.length {
            2 => i16::from_be_bytes(fixed(bytes)?).into(),
            4 if pg_type.oid == pg_type::OID.oid => u32::from_be_bytes(fixed(bytes)?).into(),
            4 => i32::from_be_bytes(fixed(bytes)?).into(),
            _ => i64::from_be_bytes(fixed(bytes)?),
        },
    };
    T::try_from(value).map_err(|_| out_of_range(&value.to_string(), pg_type))
}

fn out_of_range(text: &str, pg_type: PgType) -> Error {
    let message = format!("value \"{text}\" is out of range for type {}", pg_type.display);
    Error::new(ErrorKind::NumericOutOfRange, message)
}

pub(super) fn double(input: Input<'_>) -> Result<f64, Error> {
    match input {
        Input::Binary(bytes) => Ok(f64::from_be_bytes(fixed(bytes)?)),
        Input::Text(text) => float(text, pg_type::FLOAT8, |text| text.parse().ok(), |v| *v),
    }
}

pub(super) fn single(input: Input<'_>) -> Result<f32, Error> {
    match input {
        Input::Binary(bytes) => Ok(f32::from_be_bytes(fixed(bytes)?)),
        Input::Text(text) => {
            float(text, pg_type::FLOAT4, |text| text.parse().ok(), |v| f64::from(*v))
        }
    }
}

fn float<T>(
    text: &str,
    pg_type: PgType,
    parse: impl Fn(&str) -> Option<T>,
    wide: impl Fn(&T) -> f64,
) -> Result<T, Error> {
    let trimmed = trim(text);
    let named = is_named(trimmed);
    let value = parse(trimmed).ok_or_else(|| syntax(pg_type, text))?;
    let mantissa = trimmed.split(['e', 'E']).next().unwrap_or_default();
    let vanished = wide(&value) == 0.0 && mantissa.bytes().any(|byte| matches!(byte, b'1'..=b'9'));
    if !named && (vanished || !wide(&value).is_finite()) {
        let message = format!("\"{text}\" is out of range for type {}", pg_type.display);
        return Err(Error::new(ErrorKind::NumericOutOfRange, message));
    }
    Ok(value)
}

/// Whether the text is a value without digits. Rust reads the same names as PostgreSQL.
fn is_named(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    ["nan", "inf", "infinity"].iter().any(|name| unsigned.eq_ignore_ascii_case(name))
}

/// Decimal digits without leading zeros, divided by ten to the `scale`, which isn't negative.
#[derive(Debug)]
struct Number {
    negative: bool,
    digits: String,
    scale: usize,
}

/// A numeric as a value of the type `of`, or of a decimal that holds it exactly.
pub(super) fn numeric(input: Input<'_>, of: &DataType) -> Result<ScalarValue, Error> {
    let number = match input {
        Input::Text(text) => parse(text)?,
        Input::Binary(bytes) => receive(bytes)?,
    };
    if let Some(value) = number.as_type(of) {
        return Ok(value);
    }
    let precision = number.digits.len().max(number.scale).max(1);
    let precision = u8::try_from(precision).map_err(|_| overflow())?;
    let scale = i8::try_from(number.scale).map_err(|_| overflow())?;
    let needed = if precision > 38 {
        DataType::Decimal256(precision, scale)
    } else {
        DataType::Decimal128(precision, scale)
    };
    number.as_type(&needed).ok_or_else(overflow)
}

impl Number {
    /// As a value of the type, if that is exact.
    fn as_type(&self, of: &DataType) -> Option<ScalarValue> {
        let (precision, scale) = match of {
            DataType::UInt64 => (20, 0),
            DataType::Decimal32(p, s)
            | DataType::Decimal64(p, s)
            | DataType::Decimal128(p, s)
            | DataType::Decimal256(p, s) => (*p, *s),
            _ => return None,
        };
        let missing = isize::from(scale) - isize::try_from(self.scale).ok()?;
        let mut text = String::from(if self.negative { "-" } else { "" });
        match usize::try_from(missing) {
            _ if self.digits.is_empty() => text.push('0'),
            Ok(zeros) => {
                if self.digits.len() + zeros > precision.into() {
                    return None;
                }
                text.push_str(&self.digits);
                text.extend(std::iter::repeat_n('0', zeros));
            }
            Err(_) => {
                let kept = self.digits.len().checked_sub(missing.unsigned_abs())?;
                let (kept, cut) = self.digits.split_at_checked(kept)?;
                if kept.len() > precision.into() || cut.bytes().any(|digit| digit != b'0') {
                    return None;
                }
                text.push_str(kept);
            }
        }
        Some(match of {
            DataType::UInt64 => ScalarValue::UInt64(Some(text.parse().ok()?)),
            DataType::Decimal32(p, s) => ScalarValue::Decimal32(Some(text.parse().ok()?), *p, *s),
            DataType::Decimal64(p, s) => ScalarValue::Decimal64(Some(text.parse().ok()?), *p, *s),
            DataType::Decimal128(p, s) => ScalarValue::Decimal128(Some(text.parse().ok()?), *p, *s),
            _ => ScalarValue::Decimal256(Some(i256::from_string(&text)?), precision, scale),
        })
    }

    /// Of digits with the decimal point moved: without leading zeros, and without the trailing
    /// ones that have no room.
    fn new(negative: bool, digits: &str, scale: i64) -> Result<Number, Error> {
        let significant = digits.trim_start_matches('0');
        if significant.is_empty() {
            let scale = usize::try_from(scale).unwrap_or(0).min(MAX_DIGITS);
            return Ok(Number { negative: false, digits: String::new(), scale });
        }
        let mut digits = significant.to_owned();
        let scale = match usize::try_from(scale) {
            Ok(scale) => scale,
            Err(_) => {
                let zeros = usize::try_from(scale.unsigned_abs()).unwrap_or(usize::MAX);
                if zeros > MAX_DIGITS {
                    return Err(overflow());
                }
                digits.extend(std::iter::repeat_n('0', zeros));
                0
            }
        };
        let trailing = digits.len() - digits.trim_end_matches('0').len();
        let excess = digits.len().max(scale).saturating_sub(MAX_DIGITS);
        let cut = excess.min(trailing).min(scale);
        digits.truncate(digits.len() - cut);
        if excess > cut {
            return Err(overflow());
        }
        Ok(Number { negative, digits, scale: scale - cut })
    }
}

fn overflow() -> Error {
    Error::new(ErrorKind::NumericOutOfRange, "value overflows numeric format")
        .with_hint("a numeric has at most 76 digits here, and neither NaN nor Infinity")
}

fn parse(text: &str) -> Result<Number, Error> {
    let trimmed = trim(text);
    if is_named(trimmed) {
        return Err(overflow());
    }
    let wrong = || syntax(pg_type::NUMERIC, text);
    let unsigned = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        None => (unsigned, 0),
        Some((mantissa, exponent)) => {
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(wrong());
            }
            (mantissa, i64::from(exponent.parse::<i32>().map_err(|_| overflow())?))
        }
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let scale = i64::try_from(fraction.len()).map_err(|_| overflow())? - exponent;
    Number::new(trimmed.starts_with('-'), &digits, scale)
}

/// What `numeric_recv` reads.
fn receive(bytes: &[u8]) -> Result<Number, Error> {
    let mut words = bytes.chunks(2).map(|pair| pair.try_into().map(u16::from_be_bytes));
    let mut word = || words.next().and_then(Result::ok).ok_or_else(binary);
    let (count, weight, sign, shown) = (word()?, word()?, word()?, word()?);
    let negative = match sign {
        0 => false,
        0x4000 => true,
        0xc000 | 0xd000 | 0xf000 => return Err(overflow()),
        _ => return Err(binary()),
    };
    if bytes.len() != 8 + 2 * usize::from(count) || shown > 0x3fff {
        return Err(binary());
    }
    let mut digits = String::with_capacity(4 * usize::from(count));
    for _ in 0..count {
        let group = word()?;
        if group > 9999 {
            return Err(binary());
        }
        digits.push_str(&format!("{group:04}"));
    }
    // Digits beyond the shown scale are cut off; missing ones are zeros.
    let scale = 4 * (i64::from(count) - i64::from(weight.cast_signed()) - 1);
    let missing = i64::from(shown) - scale;
    match usize::try_from(missing) {
        Ok(zeros) if zeros <= MAX_DIGITS => digits.extend(std::iter::repeat_n('0', zeros)),
        Ok(_) => return Number::new(negative, &digits, scale),
        Err(_) => {
            let cut = usize::try_from(missing.unsigned_abs()).unwrap_or(usize::MAX);
            digits.truncate(digits.len().saturating_sub(cut));
        }
    }
    Number::new(negative, &digits, shown.into())
}
