//! Snowflake's functions of dates and times.

use datafusion_sql::sqlparser::ast::{BinaryOperator, DataType, ExactNumberInfo, Expr, Interval};

use super::functions::{negated, one, two};
use super::make::{
    TIMESTAMP, binary, call, cast, integer, literal, matched, nested, typed, whole, word,
};
use crate::gate::expr::string;
use crate::operands::{Typed, Unit};

/// The most parts of an interval: there are eight units.
const MAX_PARTS: usize = 16;

/// Snowflake's words for units.
const UNITS: &[(Unit, &[&str])] = &[
    (Unit::Year, &["year", "y", "yy", "yyy", "yyyy", "yr", "years", "yrs"]),
    (Unit::Quarter, &["quarter", "q", "qtr", "qtrs", "quarters"]),
    (Unit::Month, &["month", "mm", "mon", "mons", "months"]),
    (Unit::Week, &["week", "w", "wk", "weeks"]),
    (Unit::Day, &["day", "d", "dd", "days"]),
    (Unit::Hour, &["hour", "h", "hh", "hr", "hours", "hrs"]),
    (Unit::Minute, &["minute", "m", "mi", "min", "minutes", "mins"]),
    (Unit::Second, &["second", "s", "sec", "seconds", "secs"]),
    (Unit::Millisecond, &["millisecond", "ms", "msec", "milliseconds"]),
    (Unit::Microsecond, &["microsecond", "us", "usec", "microseconds"]),
];

/// The unit that a word means.
fn unit(of: &Expr) -> Option<Unit> {
    let word = word(of)?;
    UNITS.iter().find(|(_, words)| words.contains(&word.as_str())).map(|(unit, _)| *unit)
}

/// `dateadd(unit, count, moment)`.
pub(super) fn add(arguments: Vec<Expr>) -> Option<Expr> {
    let [of, count, moment] = super::functions::three(arguments)?;
    Some(nested(typed(moment, Typed::Add(unit(&of)?), count)))
}

/// `date_trunc(unit, moment)`, of the moment's own type.
pub(super) fn date_trunc(arguments: Vec<Expr>) -> Option<Expr> {
    let [of, moment] = two(arguments)?;
    Some(nested(truncated(moment, unit(&of)?)))
}

fn truncated(moment: Expr, unit: Unit) -> Expr {
    typed(moment, Typed::Truncate(unit), integer(0))
}

/// `trunc(number [, digits])`, and `trunc(moment, 'unit')`.
pub(super) fn trunc(arguments: Vec<Expr>) -> Option<Expr> {
    match <[Expr; 2]>::try_from(arguments) {
        Ok([value, of]) if literal(&of).is_some() => Some(nested(truncated(value, unit(&of)?))),
        Ok([value, digits]) => Some(call("trunc", vec![value, digits])),
        Err(arguments) => one(arguments).map(|value| call("trunc", vec![value])),
    }
}

/// How many borders of a unit lie between two moments.
pub(super) fn difference(arguments: Vec<Expr>) -> Option<Expr> {
    let [of, from, to] = super::functions::three(arguments)?;
    let unit = unit(&of)?;
    let [from, to] = [from, to].map(|moment| cast(moment, TIMESTAMP));
    let minus = |to: Expr, from: Expr| binary(to, BinaryOperator::Minus, from);
    let times = |number: Expr, by| binary(number, BinaryOperator::Multiply, integer(by));
    // Years and parts of them.
    let counted = |name: &str, in_year: i64| {
        let number = |moment: &Expr| {
            let years = times(numbered("year", moment.clone()), in_year);
            binary(years, BinaryOperator::Plus, numbered(name, moment.clone()))
        };
        minus(number(&to), number(&from))
    };
    // Lengths of time, between the starts of units: whole numbers of them.
    let measured = |op: BinaryOperator, by: i64| {
        let start = |moment: &Expr| {
            let cut = call("date_trunc", vec![string(unit.name()), moment.clone()]);
            numbered("epoch", cut)
        };
        binary(minus(start(&to), start(&from)), op, integer(by))
    };
    let borders = match unit {
        Unit::Year => minus(numbered("year", to.clone()), numbered("year", from.clone())),
        Unit::Quarter => counted("quarter", 4),
        Unit::Month => counted("month", 12),
        Unit::Week => measured(BinaryOperator::Divide, 604_800),
        Unit::Day => measured(BinaryOperator::Divide, 86_400),
        Unit::Hour => measured(BinaryOperator::Divide, 3_600),
        Unit::Minute => measured(BinaryOperator::Divide, 60),
        Unit::Second => measured(BinaryOperator::Divide, 1),
        Unit::Millisecond => measured(BinaryOperator::Multiply, 1_000),
        Unit::Microsecond => measured(BinaryOperator::Multiply, 1_000_000),
    };
    Some(cast(borders, DataType::Int8(None)))
}

/// A field of a moment, by PostgreSQL's word for it, as an exact number.
fn numbered(name: &str, moment: Expr) -> Expr {
    let digits = match name {
        "epoch" => ExactNumberInfo::PrecisionAndScale(18, 6),
        "second" => ExactNumberInfo::PrecisionAndScale(8, 6),
        _ => ExactNumberInfo::PrecisionAndScale(8, 0),
    };
    cast(call("date_part", vec![string(name), moment]), DataType::Numeric(digits))
}

/// The last day of a month, or of another unit of days.
pub(super) fn last_day(arguments: Vec<Expr>) -> Option<Expr> {
    let mut rest = arguments.into_iter();
    let moment = rest.next()?;
    let unit = match rest.next() {
        None => Unit::Month,
        Some(of) => unit(&of)?,
    };
    if rest.next().is_some()
        || !matches!(unit, Unit::Year | Unit::Quarter | Unit::Month | Unit::Week)
    {
        return None;
    }
    let first = truncated(cast(moment, DataType::Date), unit);
    let next = typed(first, Typed::Add(unit), integer(1));
    Some(nested(typed(next, Typed::Add(Unit::Day), integer(-1))))
}

/// Snowflake's words for fields, and PostgreSQL's word for each.
const FIELDS: &[(&str, &[&str])] = &[
    ("year", &["year", "y", "yy", "yyy", "yyyy", "yr", "years", "yrs"]),
    ("quarter", &["quarter", "q", "qtr", "qtrs", "quarters"]),
    ("month", &["month", "mm", "mon", "mons", "months"]),
    // As long as no parameter of the session says otherwise.
    (
        "week",
        &["week", "w", "wk", "weekofyear", "woy", "wy", "weekiso", "week_iso", "weekofyeariso"],
    ),
    ("day", &["day", "d", "dd", "days", "dayofmonth"]),
    ("dow", &["dayofweek", "weekday", "dow", "dw"]),
    ("isodow", &["dayofweekiso", "weekday_iso", "dow_iso", "dw_iso", "dayofweek_iso"]),
    ("doy", &["dayofyear", "yearday", "doy", "dy"]),
    ("isoyear", &["yearofweekiso"]),
    ("hour", &["hour", "h", "hh", "hr", "hours", "hrs"]),
    ("minute", &["minute", "m", "mi", "min", "minutes", "mins"]),
    ("second", &["second", "s", "sec", "seconds", "secs"]),
    ("epoch", &["epoch_second", "epoch", "epoch_seconds"]),
];

/// `date_part(field, moment)`, a whole number.
pub(super) fn date_part(arguments: Vec<Expr>) -> Option<Expr> {
    let [of, moment] = two(arguments)?;
    part(&word(&of)?, moment)
}

/// A field of a moment by its own function.
pub(super) fn field(of: &str, arguments: Vec<Expr>) -> Option<Expr> {
    part(of, one(arguments)?)
}

/// A field of a moment by Snowflake's word for it, in lower case.
pub(super) fn part(of: &str, moment: Expr) -> Option<Expr> {
    let (name, _) = FIELDS.iter().find(|(_, words)| words.contains(&of))?;
    let moment = match literal(&moment) {
        Some(_) => cast(moment, TIMESTAMP),
        None => moment,
    };
    let field = numbered(name, moment);
    Some(match *name {
        "epoch" => cast(call("floor", vec![field]), DataType::Int8(None)),
        "second" => cast(call("floor", vec![field]), DataType::Int4(None)),
        _ => cast(field, DataType::Int4(None)),
    })
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

fn named(of: &str, names: &[&str], moment: Expr) -> Option<Expr> {
    let whens = (1..).zip(names).map(|(number, name)| (integer(number), string(name))).collect();
    Some(matched(Some(part(of, moment)?), whens, None))
}

pub(super) fn month_name(arguments: Vec<Expr>) -> Option<Expr> {
    named("month", &MONTHS, one(arguments)?)
}

pub(super) fn day_name(arguments: Vec<Expr>) -> Option<Expr> {
    named("dayofweekiso", &DAYS, one(arguments)?)
}

/// `moment + INTERVAL '1 year, 2 days'`, part by part.
pub(super) fn moved(moment: Expr, interval: &Interval, back: bool) -> Option<Expr> {
    let Interval {
        value,
        leading_field,
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
    } = interval
    else {
        return None;
    };
    let parts = match leading_field {
        Some(field) => {
            let count = literal(value).and_then(|text| text.trim().parse().ok());
            let of = string(&field.to_string());
            vec![(count.or_else(|| whole(value))?, unit(&of)?)]
        }
        // Each is an operator around the others.
        None => literal(value)?
            .splitn(MAX_PARTS + 1, ',')
            .map(counted)
            .collect::<Option<Vec<_>>>()
            .filter(|parts| parts.len() <= MAX_PARTS)?,
    };
    parts.into_iter().try_fold(moment, |moment, (count, unit)| {
        let count = integer(count);
        let count = if back { negated(count) } else { count };
        Some(nested(typed(moment, Typed::Add(unit), count)))
    })
}

/// `2 days`; without a unit, seconds.
fn counted(part: &str) -> Option<(i64, Unit)> {
    let mut words = part.split_whitespace();
    let count = words.next()?.parse().ok()?;
    let unit = match words.next() {
        Some(word) => unit(&string(word))?,
        None => Unit::Second,
    };
    words.next().is_none().then_some((count, unit))
}
