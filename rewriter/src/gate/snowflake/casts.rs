//! Snowflake's types, and the functions and casts that convert to them.

use datafusion_sql::sqlparser::ast::{
    BinaryOperator, DataType, ExactNumberInfo, Expr, TimezoneInfo, UnaryOperator, Value,
};
use tollgate_catalog::{Error, ErrorKind};

use super::functions::one;
use super::make::{TIMESTAMP, and, binary, call, case, cast, literal, nested, not, typed, whole};
use crate::gate::expr::{number, string};
use crate::gate::parts;
use crate::operands::Typed;

/// A whole number without a bound but the digits that there are.
const WHOLE: ExactNumberInfo = ExactNumberInfo::PrecisionAndScale(38, 0);
/// Where a text's length is as good as none.
const LONGEST_TEXT: u64 = 16_777_216;

/// PostgreSQL's type for one of Snowflake's.
///
/// # Errors
/// The types that have none.
pub(super) fn type_of(data_type: &DataType) -> Result<DataType, Error> {
    Ok(match data_type {
        DataType::Int(_)
        | DataType::Integer(_)
        | DataType::BigInt(_)
        | DataType::SmallInt(_)
        | DataType::TinyInt(_) => DataType::Numeric(WHOLE),
        DataType::Numeric(info) | DataType::Decimal(info) | DataType::Dec(info) => {
            DataType::Numeric(match *info {
                ExactNumberInfo::None => WHOLE,
                ExactNumberInfo::Precision(precision) => {
                    ExactNumberInfo::PrecisionAndScale(precision, 0)
                }
                both @ ExactNumberInfo::PrecisionAndScale(..) => both,
            })
        }
        DataType::Float(ExactNumberInfo::None)
        | DataType::Double(ExactNumberInfo::None)
        | DataType::Float4
        | DataType::Float8
        | DataType::Real
        | DataType::DoublePrecision => DataType::DoublePrecision,
        DataType::Text
        | DataType::String(None)
        | DataType::Varchar(None)
        | DataType::CharacterVarying(None)
        | DataType::CharVarying(None)
        | DataType::Nvarchar(None) => DataType::Text,
        DataType::String(Some(length)) if *length >= LONGEST_TEXT => DataType::Text,
        DataType::Varchar(Some(length))
        | DataType::CharacterVarying(Some(length))
        | DataType::CharVarying(Some(length))
        | DataType::Nvarchar(Some(length)) => {
            match length {
                datafusion_sql::sqlparser::ast::CharacterLength::IntegerLength {
                    length,
                    unit: None,
                } if *length >= LONGEST_TEXT => {}
                _ => return Err(bounded()),
            }
            DataType::Text
        }
        DataType::String(Some(_)) => return Err(bounded()),
        DataType::Bool | DataType::Boolean => DataType::Boolean,
        DataType::Date => DataType::Date,
        DataType::Time(None, TimezoneInfo::None) => DataType::Time(None, TimezoneInfo::None),
        DataType::Datetime(None)
        | DataType::TimestampNtz(None)
        | DataType::Timestamp(None, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            TIMESTAMP
        }
        // These are only written by what translates.
        own @ (DataType::Int4(None) | DataType::Int8(None)) => own.clone(),
        DataType::Custom(name, modifiers) => return custom(&parts(name)?, modifiers, data_type),
        other => return Err(missing(other)),
    })
}

fn custom(name: &[String], modifiers: &[String], data_type: &DataType) -> Result<DataType, Error> {
    let [name] = name else { return Err(missing(data_type)) };
    let numbers: Option<Vec<u64>> = modifiers.iter().map(|text| text.parse().ok()).collect();
    let numbers = numbers.ok_or_else(|| missing(data_type))?;
    match (name.as_str(), numbers.as_slice()) {
        ("number" | "byteint", []) => Ok(DataType::Numeric(WHOLE)),
        ("number", [precision]) => {
            Ok(DataType::Numeric(ExactNumberInfo::PrecisionAndScale(*precision, 0)))
        }
        ("number", [precision, scale]) => {
            let scale = i64::try_from(*scale).unwrap_or(i64::MAX);
            Ok(DataType::Numeric(ExactNumberInfo::PrecisionAndScale(*precision, scale)))
        }
        ("timestampntz" | "timestamp_ntz", []) => Ok(TIMESTAMP),
        ("timestampltz" | "timestamp_ltz", []) => {
            Ok(DataType::Timestamp(None, TimezoneInfo::WithTimeZone))
        }
        _ => Err(missing(data_type)),
    }
}

fn bounded() -> Error {
    Error::not_supported("a text type with a length").with_hint("leave the length out")
}

fn missing(data_type: &DataType) -> Error {
    let name = data_type.to_string().to_ascii_lowercase();
    Error::new(ErrorKind::UndefinedObject, format!("type \"{name}\" does not exist"))
        .with_hint("the documentation says which of Snowflake's types are known")
}

/// What a value is cast to: a condition is a whole number, but no numeric, in PostgreSQL.
pub(super) fn target(value: &Expr, data_type: DataType) -> DataType {
    match data_type {
        DataType::Numeric(WHOLE) if is_condition(value) => DataType::Int4(None),
        other => other,
    }
}

/// Whether an expression is a truth value by its look.
fn is_condition(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => is_condition(inner),
        Expr::Value(value) => matches!(value.value, Value::Boolean(_)),
        Expr::UnaryOp { op: UnaryOperator::Not, .. }
        | Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::IsTrue(_)
        | Expr::IsNotTrue(_)
        | Expr::IsFalse(_)
        | Expr::IsNotFalse(_)
        | Expr::IsDistinctFrom(..)
        | Expr::IsNotDistinctFrom(..)
        | Expr::InList { .. }
        | Expr::InSubquery { .. }
        | Expr::Between { .. }
        | Expr::Like { .. }
        | Expr::ILike { .. }
        | Expr::Exists { .. } => true,
        Expr::BinaryOp { op, .. } => matches!(
            op,
            BinaryOperator::Eq
                | BinaryOperator::NotEq
                | BinaryOperator::Lt
                | BinaryOperator::LtEq
                | BinaryOperator::Gt
                | BinaryOperator::GtEq
                | BinaryOperator::And
                | BinaryOperator::Or
        ),
        _ => false,
    }
}

pub(super) fn to_date(arguments: Vec<Expr>) -> Option<Expr> {
    dated(arguments).map(|value| cast(value, DataType::Date))
}

/// The argument of a conversion to a date; the only format is the one that a cast reads.
fn dated(arguments: Vec<Expr>) -> Option<Expr> {
    match <[Expr; 2]>::try_from(arguments) {
        Ok([value, format]) => {
            literal(&format)?.eq_ignore_ascii_case("yyyy-mm-dd").then_some(value)
        }
        Err(arguments) => one(arguments),
    }
}

pub(super) fn to_timestamp(arguments: Vec<Expr>) -> Option<Expr> {
    let value = one(arguments)?;
    // A number is seconds there.
    whole(&value).is_none().then(|| cast(value, TIMESTAMP))
}

pub(super) fn to_time(arguments: Vec<Expr>) -> Option<Expr> {
    one(arguments).map(|value| cast(value, DataType::Time(None, TimezoneInfo::None)))
}

pub(super) fn to_boolean(arguments: Vec<Expr>) -> Option<Expr> {
    one(arguments).map(|value| cast(value, DataType::Boolean))
}

pub(super) fn to_double(arguments: Vec<Expr>) -> Option<Expr> {
    one(arguments).map(|value| cast(value, DataType::DoublePrecision))
}

pub(super) fn to_number(arguments: Vec<Expr>) -> Option<Expr> {
    let (value, digits) = numeric(arguments)?;
    Some(cast(value, DataType::Numeric(digits)))
}

/// `to_number(value [, precision [, scale]])`.
fn numeric(arguments: Vec<Expr>) -> Option<(Expr, ExactNumberInfo)> {
    let mut rest = arguments.into_iter();
    let value = rest.next()?;
    let mut digits = |otherwise: i64| match rest.next() {
        None => Some(otherwise),
        Some(expr) => whole(&expr),
    };
    let (precision, scale) = (u64::try_from(digits(38)?).ok()?, digits(0)?);
    rest.next().is_none().then_some((value, ExactNumberInfo::PrecisionAndScale(precision, scale)))
}

/// `to_char(value)` as a cast, `to_char(moment, format)` for formats of dates that mean the same.
pub(super) fn to_char(arguments: Vec<Expr>) -> Option<Expr> {
    match <[Expr; 2]>::try_from(arguments) {
        Ok([value, format]) => {
            let format = format_of(literal(&format)?)?;
            Some(call("to_char", vec![cast(value, TIMESTAMP), string(&format)]))
        }
        Err(arguments) => one(arguments).map(|value| cast(value, DataType::Text)),
    }
}

/// The elements of a format of Snowflake's, longest first, and PostgreSQL's for each.
const ELEMENTS: &[(&str, &str)] = &[
    ("YYYY", "YYYY"),
    ("MMMM", "FMMonth"),
    ("HH24", "HH24"),
    ("HH12", "HH12"),
    ("MON", "Mon"),
    ("FF3", "MS"),
    ("FF6", "US"),
    ("YY", "YY"),
    ("MM", "MM"),
    ("DD", "DD"),
    ("DY", "Dy"),
    ("MI", "MI"),
    ("SS", "SS"),
    ("AM", "AM"),
    ("PM", "AM"),
];

/// A format of dates in PostgreSQL's words.
fn format_of(format: &str) -> Option<String> {
    let upper = format.to_ascii_uppercase();
    let (mut rest, mut out) = (upper.as_str(), String::new());
    while let Some(next) = rest.chars().next() {
        let element = ELEMENTS.iter().find_map(|(of, to)| Some((rest.strip_prefix(of)?, to)));
        match element {
            Some((after, to)) => {
                out.push_str(to);
                rest = after;
            }
            None if matches!(next, '-' | '/' | '.' | ':' | ' ' | ',') => {
                out.push(next);
                rest = rest.get(next.len_utf8()..)?;
            }
            None => return None,
        }
    }
    (!out.is_empty()).then_some(out)
}

/// The dates that there are, from the year 1 on: `2024-02-29` but not `2023-02-29`.
const DATE: &str = "([0-9]{4}-(((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01]))\
    |((0[469]|11)-(0[1-9]|[12][0-9]|30))|(02-(0[1-9]|1[0-9]|2[0-8])))\
    |(([0-9][0-9](0[48]|[2468][048]|[13579][26]))|((0[48]|[2468][048]|[13579][26])00))-02-29)";
/// The time of a day, with seconds.
const TIME: &str = "(([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,6})?)";

/// `TRY_CAST(value AS type)`: only what a cast reads for sure is cast, all else is NULL. A Snowflake is asked
/// for its own, of the value itself.
pub(super) fn try_cast(value: Expr, data_type: &DataType) -> Option<Expr> {
    if *data_type == DataType::Text {
        return Some(cast(value, DataType::Text));
    }
    let text = typed(value.clone(), Typed::Text, number("0"));
    let attempt = attempt(call("btrim", vec![text]), data_type)?;
    Some(typed(value, Typed::Try, attempt))
}

fn attempt(value: Expr, data_type: &DataType) -> Option<Expr> {
    let matches = |pattern: String| {
        binary(value.clone(), BinaryOperator::PGRegexMatch, string(&format!("^{pattern}$")))
    };
    let condition = match data_type {
        DataType::Boolean => return Some(truth(&value)),
        DataType::Numeric(ExactNumberInfo::PrecisionAndScale(precision, scale)) => {
            let scale = u64::try_from(*scale).ok()?;
            let before = precision.checked_sub(scale).filter(|_| *precision <= 38)?;
            if before == 0 {
                return None;
            }
            let number = matches(format!("[+-]?[0-9]{{1,{before}}}([.][0-9]{{0,18}})?"));
            // Nines that round up to a digit too many.
            let nines = matches(format!("[+-]?9{{{before}}}[.]9{{{scale}}}[5-9][0-9]*"));
            and(number, not(nines))
        }
        DataType::DoublePrecision => matches(
            "[+-]?([0-9]{1,30}([.][0-9]{0,30})?|[.][0-9]{1,30})([eE][+-]?[0-9]{1,2})?".to_owned(),
        ),
        DataType::Date => and(matches(DATE.to_owned()), not(matches("0000.*".to_owned()))),
        DataType::Timestamp(None, TimezoneInfo::None) => {
            and(matches(format!("{DATE}([ T]{TIME})?")), not(matches("0000.*".to_owned())))
        }
        _ => return None,
    };
    // The value is NULL before it is cast: whoever casts too early has nothing to fail on.
    Some(cast(case(vec![(condition, value)], None), data_type.clone()))
}

/// The truth value that a text says.
fn truth(value: &Expr) -> Expr {
    let says = |words: &[&str]| Expr::InList {
        expr: Box::new(call("lower", vec![value.clone()])),
        list: words.iter().map(|word| string(word)).collect(),
        negated: false,
    };
    let boolean = |value: bool| {
        let span = datafusion_sql::sqlparser::tokenizer::Span::empty();
        Expr::Value(Value::Boolean(value).with_span(span))
    };
    let (yes, no) =
        (says(&["true", "t", "yes", "y", "on", "1"]), says(&["false", "f", "no", "n", "off", "0"]));
    nested(case(vec![(yes, boolean(true)), (no, boolean(false))], None))
}

pub(super) fn try_to_boolean(arguments: Vec<Expr>) -> Option<Expr> {
    try_cast(one(arguments)?, &DataType::Boolean)
}

pub(super) fn try_to_date(arguments: Vec<Expr>) -> Option<Expr> {
    try_cast(dated(arguments)?, &DataType::Date)
}

pub(super) fn try_to_double(arguments: Vec<Expr>) -> Option<Expr> {
    try_cast(one(arguments)?, &DataType::DoublePrecision)
}

pub(super) fn try_to_number(arguments: Vec<Expr>) -> Option<Expr> {
    let (value, digits) = numeric(arguments)?;
    try_cast(value, &DataType::Numeric(digits))
}

pub(super) fn try_to_timestamp(arguments: Vec<Expr>) -> Option<Expr> {
    try_cast(one(arguments)?, &TIMESTAMP)
}

#[cfg(test)]
mod tests {
    use super::format_of;

    #[test]
    fn formats_keep_their_meaning_or_are_none() {
        for (format, expected) in [
            ("YYYY-MM-DD", Some("YYYY-MM-DD")),
            ("yyyymmdd hh24:mi:ss.ff3", Some("YYYYMMDD HH24:MI:SS.MS")),
            ("DY, DD MON YYYY", Some("Dy, DD Mon YYYY")),
            ("MMMM", Some("FMMonth")),
            ("YYYY-Q", None),
            ("999.99", None),
            ("\"year\" YYYY", None),
            ("é", None),
            ("", None),
        ] {
            assert_eq!(format_of(format).as_deref(), expected, "{format}");
        }
    }
}
