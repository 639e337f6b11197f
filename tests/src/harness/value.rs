//! Values as tests compare them: what two servers mean, not how they spell it.

use postgres_protocol::types;

/// A value of any type.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    /// Any number, exact or not.
    Number(f64),
    /// Anything else, in a canonical spelling.
    Text(String),
}

/// How much two numbers may differ, relatively: servers divide to different scales.
const TOLERANCE: f64 = 1e-6;

impl Value {
    /// From the text format.
    pub fn from_text(text: Option<&str>) -> Value {
        match text {
            None => Value::Null,
            Some(text) => match text.parse::<f64>() {
                // Names of numbers, as `inf`, are words to PostgreSQL.
                Ok(number) if text.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
                    Value::Number(number)
                }
                Ok(_) | Err(_) => Value::Text(text.to_owned()),
            },
        }
    }

    /// From the binary format of a type.
    pub fn from_binary(oid: u32, raw: &[u8]) -> Value {
        let value = match oid {
            16 => types::bool_from_sql(raw)
                .ok()
                .map(|value| Value::Text(if value { "t" } else { "f" }.to_owned())),
            20 => types::int8_from_sql(raw).ok().map(|value| Value::Number(value as f64)),
            21 => types::int2_from_sql(raw).ok().map(|value| Value::Number(value.into())),
            23 => types::int4_from_sql(raw).ok().map(|value| Value::Number(value.into())),
            26 => types::oid_from_sql(raw).ok().map(|value| Value::Number(value.into())),
            700 => types::float4_from_sql(raw).ok().map(|value| Value::Number(value.into())),
            701 => types::float8_from_sql(raw).ok().map(Value::Number),
            1082 => types::date_from_sql(raw).ok().map(|days| Value::Text(format!("day {days}"))),
            1114 | 1184 => types::timestamp_from_sql(raw)
                .ok()
                .map(|micros| Value::Text(format!("micros {micros}"))),
            1700 => numeric(raw),
            18 | 19 | 25 | 114 | 705 | 1042 | 1043 => {
                std::str::from_utf8(raw).ok().map(|text| Value::from_text(Some(text)))
            }
            3802 => raw
                .strip_prefix(&[1])
                .and_then(|raw| std::str::from_utf8(raw).ok())
                .map(|text| Value::Text(text.to_owned())),
            _ => array(raw),
        };
        value.unwrap_or_else(|| Value::Text(raw.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// The text in which canaries are searched.
    pub fn text(&self) -> String {
        match self {
            Value::Null => String::new(),
            Value::Number(number) => number.to_string(),
            Value::Text(text) => text.clone(),
        }
    }

    fn same(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Number(left), Value::Number(right)) => {
                left == right || (left - right).abs() <= TOLERANCE * left.abs().max(right.abs())
            }
            (left, right) => left == right,
        }
    }

    /// A text by which values that are the same sort together.
    fn key(&self) -> String {
        match self {
            Value::Null => "\u{10ffff}".to_owned(),
            Value::Number(number) => format!("{number:.3e}"),
            Value::Text(text) => text.clone(),
        }
    }
}

/// The numbers of `numeric`, good to the precision of a float.
fn numeric(raw: &[u8]) -> Option<Value> {
    let word = |index: usize| -> Option<i16> {
        Some(i16::from_be_bytes(raw.get(index * 2..index * 2 + 2)?.try_into().ok()?))
    };
    let (count, weight, sign) = (word(0)?, word(1)?, word(2)?);
    if sign as u16 == 0xc000 {
        return Some(Value::Text("NaN".to_owned()));
    }
    let mut sum = 0.0;
    for index in 0..count {
        let digit = word(4 + usize::try_from(index).ok()?)?;
        sum += f64::from(digit) * 10_000_f64.powi(i32::from(weight) - i32::from(index));
    }
    Some(Value::Number(if sign == 0 { sum } else { -sum }))
}

/// An array, if these bytes are one.
fn array(raw: &[u8]) -> Option<Value> {
    let word = |index: usize| -> Option<i32> {
        Some(i32::from_be_bytes(raw.get(index..index + 4)?.try_into().ok()?))
    };
    let (dimensions, element) = (word(0)?, u32::try_from(word(8)?).ok()?);
    if dimensions == 0 && raw.len() == 12 {
        return Some(Value::Text("{}".to_owned()));
    }
    if dimensions != 1 {
        return None;
    }
    let count = usize::try_from(word(12)?).ok()?;
    let mut at = 20;
    let mut items = Vec::new();
    for _ in 0..count {
        let length = word(at)?;
        at += 4;
        match usize::try_from(length) {
            Ok(length) => {
                items.push(Value::from_binary(element, raw.get(at..at + length)?).text());
                at += length;
            }
            Err(_) => items.push("NULL".to_owned()),
        }
    }
    (at == raw.len()).then(|| Value::Text(format!("{{{}}}", items.join(","))))
}

/// Whether two results are the same, in order if `ordered`; otherwise what differs first.
pub fn compare(left: &[Vec<Value>], right: &[Vec<Value>], ordered: bool) -> Result<(), String> {
    if left.len() != right.len() {
        return Err(format!("{} rows against {} rows", left.len(), right.len()));
    }
    let arranged = |rows: &[Vec<Value>]| {
        let mut rows = rows.to_vec();
        if !ordered {
            rows.sort_by_cached_key(|row| row.iter().map(Value::key).collect::<Vec<_>>());
        }
        rows
    };
    for (number, (left, right)) in arranged(left).iter().zip(&arranged(right)).enumerate() {
        let same = left.len() == right.len() && left.iter().zip(right).all(|(l, r)| l.same(r));
        if !same {
            return Err(format!("row {number}: {left:?} against {right:?}"));
        }
    }
    Ok(())
}
