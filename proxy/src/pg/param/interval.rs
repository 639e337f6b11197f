//! Intervals: PostgreSQL's own spelling (also the verbose one), SQL's, and ISO 8601 with units.

use arrow::datatypes::{IntervalDayTime, IntervalMonthDayNano, IntervalUnit, TimeUnit};
use datafusion::common::ScalarValue;
use tollgate_catalog::{Error, pg_type};

use super::datetime::{Wrong, fraction_micros, out_of_range};
use super::{Input, binary, fixed, trim};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// The parts that PostgreSQL keeps apart.
#[derive(Default)]
struct Span {
    months: i64,
    days: i64,
    micros: i64,
}

/// A unit, by the part that it counts in.
#[derive(Clone, Copy)]
enum Unit {
    Months(i64),
    Days(i64),
    Micros(i64),
}

/// A number before a unit.
#[derive(Clone, Copy)]
struct Amount<'a> {
    negative: bool,
    whole: i64,
    fraction: &'a str,
}

pub(super) fn interval(input: Input<'_>, unit: IntervalUnit) -> Result<ScalarValue, Error> {
    let (months, days, micros) = read(input)?;
    if unit == IntervalUnit::YearMonth && days == 0 && micros == 0 {
        return Ok(ScalarValue::IntervalYearMonth(Some(months)));
    }
    if let (IntervalUnit::DayTime, 0, 0, Ok(milliseconds)) =
        (unit, months, micros % 1000, i32::try_from(micros / 1000))
    {
        return Ok(ScalarValue::IntervalDayTime(Some(IntervalDayTime { days, milliseconds })));
    }
    let nanoseconds = micros.checked_mul(1000).ok_or_else(|| out_of_range("interval"))?;
    let value = IntervalMonthDayNano::new(months, days, nanoseconds);
    Ok(ScalarValue::IntervalMonthDayNano(Some(value)))
}

/// A duration has neither months nor days: a day is 24 hours.
pub(super) fn duration(input: Input<'_>, unit: TimeUnit) -> Result<ScalarValue, Error> {
    let (months, days, micros) = read(input)?;
    let wrong = || out_of_range("interval");
    if months != 0 {
        return Err(wrong().with_hint("use days and hours, as months differ in length"));
    }
    let whole = i64::from(days).checked_mul(DAY);
    let micros = whole.and_then(|whole| whole.checked_add(micros)).ok_or_else(wrong)?;
    let coarse = |unit: i64| (micros % unit == 0).then_some(micros / unit);
    let value = match unit {
        TimeUnit::Second => coarse(SECOND),
        TimeUnit::Millisecond => coarse(1000),
        TimeUnit::Microsecond => Some(micros),
        TimeUnit::Nanosecond => micros.checked_mul(1000),
    };
    Ok(match (unit, value) {
        (TimeUnit::Second, Some(_)) => ScalarValue::DurationSecond(value),
        (TimeUnit::Millisecond, Some(_)) => ScalarValue::DurationMillisecond(value),
        (TimeUnit::Nanosecond, Some(_)) => ScalarValue::DurationNanosecond(value),
        (_, _) => ScalarValue::DurationMicrosecond(Some(micros)),
    })
}

/// Months, days and microseconds.
fn read(input: Input<'_>) -> Result<(i32, i32, i64), Error> {
    let text = match input {
        Input::Text(text) => text,
        Input::Binary(bytes) => {
            let (micros, rest) = bytes.split_at_checked(8).ok_or_else(binary)?;
            let (days, months) = rest.split_at_checked(4).ok_or_else(binary)?;
            let (days, months) = (fixed(days)?, fixed(months)?);
            let micros = i64::from_be_bytes(fixed(micros)?);
            return Ok((i32::from_be_bytes(months), i32::from_be_bytes(days), micros));
        }
    };
    let lower = trim(text).to_ascii_lowercase();
    let span = match lower.strip_prefix('p') {
        Some(iso) => iso_8601(iso),
        None => words(&lower),
    };
    let parts = span.and_then(|span| {
        let months = i32::try_from(span.months).map_err(|_| Wrong::Range)?;
        let days = i32::try_from(span.days).map_err(|_| Wrong::Range)?;
        Ok((months, days, span.micros))
    });
    parts.map_err(|wrong| wrong.of(pg_type::INTERVAL, text))
}

impl Span {
    fn add(&mut self, amount: Amount<'_>, unit: Unit) -> Result<(), Wrong> {
        let sign = if amount.negative { -1 } else { 1 };
        let fraction = match amount.fraction {
            "" => 0.0,
            digits => {
                fraction_micros(digits)?;
                format!("0.{digits}").parse::<f64>().map_err(|_| Wrong::Syntax)?
            }
        };
        let plus = |part: &mut i64, size: i64| {
            let product = amount.whole.checked_mul(size * sign);
            *part = product.and_then(|p| part.checked_add(p)).ok_or(Wrong::Range)?;
            Ok(())
        };
        match unit {
            Unit::Micros(size) => {
                plus(&mut self.micros, size)?;
                self.add_micros(sign * rounded(fraction * size as f64))
            }
            Unit::Days(size) => {
                plus(&mut self.days, size)?;
                self.add_days(sign, fraction * size as f64)
            }
            Unit::Months(1) => {
                plus(&mut self.months, 1)?;
                self.add_days(sign, fraction * 30.0)
            }
            Unit::Months(size) => {
                plus(&mut self.months, size)?;
                self.months = self
                    .months
                    .checked_add(sign * rounded(fraction * size as f64))
                    .ok_or(Wrong::Range)?;
                Ok(())
            }
        }
    }

    fn add_days(&mut self, sign: i64, days: f64) -> Result<(), Wrong> {
        self.days = self.days.checked_add(sign * rounded(days.trunc())).ok_or(Wrong::Range)?;
        self.add_micros(sign * rounded(days.fract() * DAY as f64))
    }

    fn add_micros(&mut self, micros: i64) -> Result<(), Wrong> {
        self.micros = self.micros.checked_add(micros).ok_or(Wrong::Range)?;
        Ok(())
    }

    fn negate(self) -> Option<Span> {
        Some(Span {
            months: self.months.checked_neg()?,
            days: self.days.checked_neg()?,
            micros: self.micros.checked_neg()?,
        })
    }
}

/// To the nearest whole number; a float out of range saturates.
fn rounded(value: f64) -> i64 {
    value.round_ties_even() as i64
}

fn words(text: &str) -> Result<Span, Wrong> {
    let text = text.strip_prefix('@').unwrap_or(text);
    let (text, ago) = match text.strip_suffix("ago") {
        Some(text) => (text, true),
        None => (text, false),
    };
    let mut span = Span::default();
    let mut tokens = text.split_ascii_whitespace().peekable();
    if tokens.peek().is_none() {
        return Err(Wrong::Syntax);
    }
    while let Some(token) = tokens.next() {
        let (negative, unsigned) = sign(token);
        if unsigned.contains(':') {
            let seconds = amount_of_clock(unsigned)?;
            span.add(Amount { negative, ..seconds }, Unit::Micros(SECOND))?;
            continue;
        }
        if let Some((years, months)) = unsigned.split_once('-') {
            let months = number(months)?;
            if months > 11 {
                return Err(Wrong::Range);
            }
            let years = Amount { negative, whole: number(years)?, fraction: "" };
            span.add(years, Unit::Months(12))?;
            span.add(Amount { negative, whole: months, fraction: "" }, Unit::Months(1))?;
            continue;
        }
        let mut rest = unsigned;
        let mut negative = negative;
        // Units may stand at their numbers: `2h30m`.
        loop {
            let (digits, tail) = split(rest, |c| c.is_ascii_digit() || c == '.');
            let (name, tail) = split(tail, |c| c.is_ascii_alphabetic());
            let name = if !name.is_empty() {
                name
            } else if let Some(name) = tokens.next_if(|next| next.starts_with(char::is_alphabetic))
            {
                name
            } else if tokens.peek().is_some_and(|next| next.contains(':')) {
                // SQL's `3 4:05:06` counts days before the time.
                "day"
            } else if tokens.peek().is_none() {
                "second"
            } else {
                return Err(Wrong::Syntax);
            };
            span.add(amount(negative, digits)?, unit(name).ok_or(Wrong::Syntax)?)?;
            if tail.is_empty() {
                break;
            }
            (negative, rest) = sign(tail);
        }
    }
    if ago { span.negate().ok_or(Wrong::Range) } else { Ok(span) }
}

fn unit(name: &str) -> Option<Unit> {
    Some(match name {
        "microsecond" | "microseconds" | "us" | "usec" | "usecs" | "usecond" | "useconds" => {
            Unit::Micros(1)
        }
        "millisecond" | "milliseconds" | "ms" | "msec" | "msecs" | "msecond" | "mseconds" => {
            Unit::Micros(1000)
        }
        "second" | "seconds" | "sec" | "secs" | "s" => Unit::Micros(SECOND),
        "minute" | "minutes" | "min" | "mins" | "m" => Unit::Micros(60 * SECOND),
        "hour" | "hours" | "hr" | "hrs" | "h" => Unit::Micros(3600 * SECOND),
        "day" | "days" | "d" => Unit::Days(1),
        "week" | "weeks" | "w" => Unit::Days(7),
        "month" | "months" | "mon" | "mons" => Unit::Months(1),
        "year" | "years" | "yr" | "yrs" | "y" => Unit::Months(12),
        "decade" | "decades" | "dec" | "decs" => Unit::Months(120),
        "century" | "centuries" | "cent" | "c" => Unit::Months(1200),
        "millennium" | "millennia" | "mil" | "mils" => Unit::Months(12_000),
        _ => return None,
    })
}

/// `1Y2M3DT4H5M6.7S`, each with a sign of its own.
fn iso_8601(text: &str) -> Result<Span, Wrong> {
    let mut span = Span::default();
    let mut in_time = false;
    let mut rest = text;
    if rest.is_empty() {
        return Err(Wrong::Syntax);
    }
    while !rest.is_empty() {
        if let Some(time) = rest.strip_prefix('t').filter(|_| !in_time) {
            (in_time, rest) = (true, time);
            continue;
        }
        let (negative, unsigned) = sign(rest);
        let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or(Wrong::Syntax)?;
        let (digits, tail) = unsigned.split_at_checked(end).ok_or(Wrong::Syntax)?;
        let mut letters = tail.chars();
        let unit = match (letters.next(), in_time) {
            (Some('y'), false) => Unit::Months(12),
            (Some('m'), false) => Unit::Months(1),
            (Some('w'), false) => Unit::Days(7),
            (Some('d'), false) => Unit::Days(1),
            (Some('h'), true) => Unit::Micros(3600 * SECOND),
            (Some('m'), true) => Unit::Micros(60 * SECOND),
            (Some('s'), true) => Unit::Micros(SECOND),
            _ => return Err(Wrong::Syntax),
        };
        span.add(amount(negative, digits)?, unit)?;
        rest = letters.as_str();
    }
    Ok(span)
}

/// The characters at the start that fit, and what follows them.
fn split(text: &str, fits: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !fits(c)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn amount(negative: bool, digits: &str) -> Result<Amount<'_>, Wrong> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return Err(Wrong::Syntax);
    }
    let whole = if whole.is_empty() { 0 } else { number(whole)? };
    Ok(Amount { negative, whole, fraction })
}

fn number(text: &str) -> Result<i64, Wrong> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Wrong::Syntax);
    }
    text.parse().map_err(|_| Wrong::Range)
}

/// Seconds of `hh:mm` or `hh:mm:ss.ffffff`.
fn amount_of_clock(text: &str) -> Result<Amount<'_>, Wrong> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let parts = whole.split(':').map(number).collect::<Result<Vec<_>, _>>()?;
    let (hours, minutes, seconds) = match parts.as_slice() {
        [hours, minutes] if fraction.is_empty() => (*hours, *minutes, 0),
        // With a fraction, two parts are minutes and seconds.
        [minutes, seconds] => (0, *minutes, *seconds),
        [hours, minutes, seconds] => (*hours, *minutes, *seconds),
        _ => return Err(Wrong::Syntax),
    };
    if minutes > 59 || seconds > 60 {
        return Err(Wrong::Range);
    }
    let whole = hours.checked_mul(3600).and_then(|h| h.checked_add(minutes * 60 + seconds));
    Ok(Amount { negative: false, whole: whole.ok_or(Wrong::Range)?, fraction })
}
