//! Operators, patterns and constants.

use arrow::datatypes::{DataType, IntervalMonthDayNano};
use datafusion_common::ScalarValue;
use datafusion_expr::Expr;
use datafusion_expr::expr::{Cast, ScalarFunction};
use tollgate_catalog::{Error, ErrorKind};

use super::constant;
use super::moment::{is_whole, moved};
use crate::render::expr::{check_like, computes, type_of, with_days};
use crate::render::types::Kind;
use crate::render::{Dialect, Printer, Row};

/// The digits after the point that a quotient has at least; so says its documentation.
const QUOTIENT_SCALE: i8 = 12;
/// With as many digits before the point as a 64-bit number has, and as many after it as keep the
/// quotient of two of them from being rounded up to a whole one.
const WHOLE_DIVIDEND: &str = "NUMBER(38,19)";

impl Printer {
    /// `IS TRUE` and the like.
    pub(in crate::render) fn snowflake_test(
        &mut self,
        text: &str,
        test: &str,
    ) -> Result<String, Error> {
        let (absent, not) = match test {
            "IS TRUE" => (false, ""),
            "IS NOT TRUE" => (false, "NOT "),
            "IS FALSE" => (true, "NOT "),
            "IS NOT FALSE" => (true, ""),
            "IS UNKNOWN" => return Ok(format!("({text} IS NULL)")),
            "IS NOT UNKNOWN" => return Ok(format!("({text} IS NOT NULL)")),
            _ => return Err(Error::internal("a test that nobody wrote")),
        };
        let absent = self.boolean(absent)?;
        let text = self.invoke("COALESCE", &format!("{text}, {absent}"));
        Ok(format!("({not}{text})"))
    }

    /// `+`, `-`, `*`, `/` and `%`.
    pub(in crate::render) fn snowflake_arithmetic(
        &mut self,
        left: &Expr,
        symbol: &str,
        right: &Expr,
        result: &DataType,
        row: Row<'_>,
    ) -> Result<String, Error> {
        if let Some(value) = moved(left, symbol, right) {
            let text = self.literal(&value)?;
            return self.typed(text, result);
        }
        if let Some(interval) = interval(right)
            && matches!(symbol, "+" | "-")
        {
            return self.shifted(left, interval, symbol == "-", result, row);
        }
        if let Some(interval) = interval(left)
            && symbol == "+"
        {
            return self.shifted(right, interval, false, result, row);
        }
        if let Some((interval, count)) = times(right)
            && matches!(symbol, "+" | "-")
        {
            return self.shifted_by(left, (interval, count), symbol == "-", result, row);
        }
        let (left, right) = with_days(left, symbol, right);
        let (left_type, right_type) = (type_of(left, row)?, type_of(right, row)?);
        let kinds = (self.dialect.kind(&left_type)?, self.dialect.kind(&right_type)?);
        if !computes(symbol, kinds) {
            return Err(self.dialect.unsupported(&format!(
                "the operator {symbol} on {} and {}",
                self.dialect.name(&left_type, false)?,
                self.dialect.name(&right_type, false)?
            )));
        }
        let (left, right) = (self.expr(left, row)?, self.expr(right, row)?);
        let text = match (kinds, symbol) {
            ((Kind::Date, Kind::Date), _) => {
                let day = self.unit("day")?;
                self.invoke("DATEDIFF", &format!("{day}, {right}, {left}"))
            }
            ((Kind::Date, Kind::Whole), symbol) => {
                let day = self.unit("day")?;
                let days = if symbol == "-" { format!("(- {right})") } else { right };
                self.invoke("DATEADD", &format!("{day}, {days}, {left}"))
            }
            ((Kind::Timestamp, Kind::Timestamp) | (Kind::Zoned, Kind::Zoned), _) => {
                return Err(self.dialect.unsupported("an interval"));
            }
            ((Kind::Whole, Kind::Whole), "/") => {
                let quotient = format!("(CAST({left} AS {WHOLE_DIVIDEND}) / {right})");
                self.invoke("TRUNC", &quotient)
            }
            ((Kind::Whole | Kind::Decimal, Kind::Whole | Kind::Decimal), "/") => {
                let scale = match result {
                    DataType::Decimal128(_, scale) => (*scale).max(QUOTIENT_SCALE),
                    _ => return Err(Error::internal("a quotient of decimals is none")),
                };
                format!("(CAST({left} AS NUMBER(38,{scale})) / {right})")
            }
            _ => format!("({left} {symbol} {right})"),
        };
        self.typed(text, result)
    }

    /// A date or a time, moved by months, days and microseconds in turn, as PostgreSQL does.
    fn shifted(
        &mut self,
        value: &Expr,
        interval: ScalarValue,
        back: bool,
        result: &DataType,
        row: Row<'_>,
    ) -> Result<String, Error> {
        let is = self.dialect.kind(&type_of(value, row)?)?;
        if !matches!(is, Kind::Date | Kind::Timestamp | Kind::Zoned) {
            return Err(self.dialect.unsupported("an interval"));
        }
        let ScalarValue::IntervalMonthDayNano(Some(by)) = interval else {
            return Err(self.dialect.unsupported("an interval"));
        };
        if by.nanoseconds % 1_000 != 0 {
            return Err(self.dialect.unsupported("an interval finer than a microsecond"));
        }
        let mut text = self.expr(value, row)?;
        if is == Kind::Date {
            let timestamp = DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None);
            text = format!("CAST({text} AS {})", self.dialect.name(&timestamp, false)?);
        }
        for (unit, count) in parts(by) {
            if count == 0 {
                continue;
            }
            let Some(count) = (if back { count.checked_neg() } else { Some(count) }) else {
                return Err(self.dialect.unsupported("an interval this long"));
            };
            let count = self.written(&count.to_string(), "NUMBER(19,0)")?;
            let unit = self.quoted(unit)?;
            text = self.invoke("DATEADD", &format!("{unit}, {count}, {text}"));
        }
        self.typed(text, result)
    }

    /// The same by as many times an interval of one unit as a whole number says.
    fn shifted_by(
        &mut self,
        value: &Expr,
        (interval, count): (IntervalMonthDayNano, &Expr),
        back: bool,
        result: &DataType,
        row: Row<'_>,
    ) -> Result<String, Error> {
        let is = self.dialect.kind(&type_of(value, row)?)?;
        let count_type = type_of(count, row)?;
        let counts = is_whole(count, &count_type);
        let mut units = parts(interval).into_iter().filter(|(_, each)| *each != 0);
        let ((Some((unit, each)), None), true) = (
            (units.next(), units.next()),
            matches!(is, Kind::Date | Kind::Timestamp | Kind::Zoned)
                && counts
                && interval.nanoseconds % 1_000 == 0,
        ) else {
            return Err(self.dialect.unsupported("an interval"));
        };
        let Some(each) = (if back { each.checked_neg() } else { Some(each) }) else {
            return Err(self.dialect.unsupported("an interval this long"));
        };
        let mut text = self.expr(value, row)?;
        if is == Kind::Date {
            let timestamp = DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None);
            text = format!("CAST({text} AS {})", self.dialect.name(&timestamp, false)?);
        }
        let each = self.written(&each.to_string(), "NUMBER(19,0)")?;
        let count = self.expr(count, row)?;
        let unit = self.quoted(unit)?;
        text = self.invoke("DATEADD", &format!("{unit}, ({count} * {each}), {text}"));
        self.typed(text, result)
    }

    /// `LIKE` and `ILIKE`. A backslash means nothing in a pattern there, and an escape has to be named:
    /// the pattern is written anew with another one.
    pub(in crate::render) fn snowflake_like(
        &mut self,
        value: &Expr,
        op: &str,
        pattern: &Expr,
        row: Row<'_>,
    ) -> Result<String, Error> {
        if !op.ends_with("LIKE") {
            return Err(self.dialect.unsupported("a regular expression"));
        }
        let text = match pattern_of(pattern) {
            Some(text) => text,
            None if unwrapped(pattern).and_then(constant).is_some_and(|value| value.is_null()) => {
                return Ok(format!(
                    "CAST(NULL AS {})",
                    self.dialect.name(&DataType::Boolean, false)?
                ));
            }
            None => {
                return Err(self.dialect.unsupported("a pattern that isn't a constant"));
            }
        };
        check_like(&text)?;
        let pattern = self.text(&escaped(&text))?;
        let value = self.expr(value, row)?;
        let escape = self.quoted("+")?;
        Ok(format!("({value} {op} {pattern} ESCAPE {escape})"))
    }

    /// Whether a float is a field of a date, whose digits a decimal holds: `extract` is one.
    pub(in crate::render) fn is_field(&self, value: &Expr, to: &DataType) -> bool {
        let field = |call: &ScalarFunction| call.name() == "date_part";
        matches!((self.dialect, to), (Dialect::Snowflake, DataType::Decimal128(_, 0..=6)))
            && matches!(value, Expr::ScalarFunction(call) if field(call))
    }

    /// A text literal that is cast, as the value that it is: what Snowflake would read in it, depends on
    /// formats. Nothing for a type that it hasn't.
    pub(in crate::render) fn snowflake_text_literal(
        &mut self,
        cast: &Cast,
    ) -> Result<Option<String>, Error> {
        let Expr::Literal(text, _) = cast.expr.as_ref() else { return Ok(None) };
        // Refuses it by its name.
        self.dialect.kind(cast.field.data_type())?;
        match text.cast_to(cast.field.data_type()) {
            Ok(value) => self.literal(&value).map(Some),
            Err(error) => Err(Error::new(
                ErrorKind::InvalidText,
                "a value could not be converted to the requested type",
            )
            .with_cause(error)),
        }
    }
}

/// What a pattern is made of.
fn unwrapped(pattern: &Expr) -> Option<&Expr> {
    match pattern {
        Expr::ScalarFunction(call) if call.name() == "tg_like" => call.args.first(),
        other => Some(other),
    }
}

/// The text of a pattern of `LIKE` that is a constant.
pub(super) fn pattern_of(pattern: &Expr) -> Option<String> {
    match unwrapped(pattern).and_then(constant) {
        Some(
            ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text),
        ) => text,
        Some(_) | None => None,
    }
}

/// An interval in Snowflake's units, times in the longest one of which they are a whole number.
fn parts(by: IntervalMonthDayNano) -> [(&'static str, i64); 3] {
    let micros = by.nanoseconds / 1_000;
    let units = [("hour", 3_600_000_000), ("minute", 60_000_000), ("second", 1_000_000)];
    let unit = units.into_iter().find(|(_, length)| micros % length == 0);
    let (unit, length) = unit.unwrap_or(("microsecond", 1));
    [("month", i64::from(by.months)), ("day", i64::from(by.days)), (unit, micros / length)]
}

/// A constant interval and the number that it is multiplied with.
fn times(expr: &Expr) -> Option<(IntervalMonthDayNano, &Expr)> {
    let Expr::ScalarFunction(call) = expr else { return None };
    match (call.name(), call.args.as_slice()) {
        ("tg_interval_times", [interval, count]) => match constant(interval) {
            Some(ScalarValue::IntervalMonthDayNano(Some(interval))) => {
                // The function takes a float.
                let count = match count {
                    Expr::Cast(cast) if *cast.field.data_type() == DataType::Float64 => &cast.expr,
                    other => other,
                };
                Some((interval, count))
            }
            Some(_) | None => None,
        },
        _ => None,
    }
}

/// The interval that an expression is, if it is a constant one.
fn interval(expr: &Expr) -> Option<ScalarValue> {
    constant(expr).filter(|value| matches!(value, ScalarValue::IntervalMonthDayNano(Some(_))))
}

/// A pattern whose escape is `\`, with `+` in its place.
fn escaped(pattern: &str) -> String {
    let mut text = String::with_capacity(pattern.len());
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        let (literal, character) = match character {
            '\\' => (true, characters.next().unwrap_or('\\')),
            other => (other == '+', other),
        };
        if literal && matches!(character, '%' | '_' | '+') {
            text.push('+');
        }
        text.push(character);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn a_pattern_keeps_its_meaning_under_another_escape() {
        for (pattern, expected) in [
            ("a%_b", "a%_b"),
            (r"a\%b\_c", "a+%b+_c"),
            (r"\\%", r"\%"),
            (r"\\\%", r"\+%"),
            ("1+1", "1++1"),
            (r"\+\a", "++a"),
            ("", ""),
        ] {
            assert_eq!(escaped(pattern), expected, "{pattern}");
        }
    }
}
