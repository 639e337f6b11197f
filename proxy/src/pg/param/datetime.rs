//! Dates, times and timestamps: ISO 8601 as clients print it, and `month/day/year`.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use tollgate_catalog::pg_type::{self, PgType};
use tollgate_catalog::{Error, ErrorKind};

use super::{Input, fixed, trim};
use crate::pg::encode::calendar::{self, DAY, EPOCH_DAYS, EPOCH_MICROS};
use crate::pg::encode::zone::{self, Zone};

const SECOND: i64 = 1_000_000;

/// Where a text's clock stands.
enum Place {
    /// So many seconds east of Greenwich.
    Offset(i32),
    Named(Zone),
}

/// What a text says.
struct Moment {
    /// Days since 1970.
    days: i64,
    micros: i64,
    place: Option<Place>,
}

pub(super) fn date(input: Input<'_>, of: &DataType) -> Result<ScalarValue, Error> {
    let days = match input {
        Input::Binary(bytes) => match i32::from_be_bytes(fixed(bytes)?) {
            i32::MAX | i32::MIN => return Err(infinite(pg_type::DATE)),
            days => i64::from(days) + EPOCH_DAYS,
        },
        Input::Text(text) => moment(text, pg_type::DATE)?.days,
    };
    let wrong = || out_of_range("date");
    calendar::pg_date(days).ok_or_else(wrong)?;
    match of {
        DataType::Date64 => Ok(ScalarValue::Date64(Some(days * 86_400_000))),
        _ => Ok(ScalarValue::Date32(Some(i32::try_from(days).map_err(|_| wrong())?))),
    }
}

pub(super) fn time(input: Input<'_>, of: &DataType) -> Result<ScalarValue, Error> {
    let micros = match input {
        Input::Binary(bytes) => i64::from_be_bytes(fixed(bytes)?),
        Input::Text(text) => {
            let words = trim(text).to_ascii_lowercase();
            let (micros, rest) = clock(&words).map_err(|wrong| wrong.of(pg_type::TIME, text))?;
            // A zone means nothing to a time, but it has to be one.
            place(rest).map_err(|wrong| wrong.of(pg_type::TIME, text))?;
            micros
        }
    };
    if !(0..=DAY).contains(&micros) {
        return Err(out_of_range("time"));
    }
    let narrow = |unit| i32::try_from(micros / unit).ok().filter(|_| micros % unit == 0);
    let exact = match of {
        DataType::Time32(TimeUnit::Second) => {
            narrow(SECOND).map(|value| ScalarValue::Time32Second(Some(value)))
        }
        DataType::Time32(TimeUnit::Millisecond) => {
            narrow(1000).map(|value| ScalarValue::Time32Millisecond(Some(value)))
        }
        DataType::Time64(TimeUnit::Nanosecond) => {
            Some(ScalarValue::Time64Nanosecond(Some(micros * 1000)))
        }
        _ => None,
    };
    Ok(exact.unwrap_or(ScalarValue::Time64Microsecond(Some(micros))))
}

pub(super) fn timestamp(
    input: Input<'_>,
    unit: TimeUnit,
    zone: Option<&Arc<str>>,
    session_zone: &str,
) -> Result<ScalarValue, Error> {
    let pg_type = if zone.is_some() { pg_type::TIMESTAMPTZ } else { pg_type::TIMESTAMP };
    let wrong = || out_of_range("timestamp");
    let micros = match input {
        Input::Binary(bytes) => match i64::from_be_bytes(fixed(bytes)?) {
            i64::MAX | i64::MIN => return Err(infinite(pg_type)),
            micros => micros.checked_add(EPOCH_MICROS).ok_or_else(wrong)?,
        },
        Input::Text(text) => {
            let moment = moment(text, pg_type)?;
            let local = moment.days * 86_400 + moment.micros / SECOND;
            let offset = match (zone, moment.place) {
                (None, _) => 0,
                (Some(_), Some(Place::Offset(offset))) => offset,
                (Some(_), Some(Place::Named(mut zone))) => zone.offset_of_local(local),
                (Some(_), None) => Zone::new(session_zone)?.offset_of_local(local),
            };
            let seconds = local - i64::from(offset);
            seconds
                .checked_mul(SECOND)
                .and_then(|micros| micros.checked_add(moment.micros % SECOND))
                .ok_or_else(wrong)?
        }
    };
    calendar::pg_timestamp(micros).ok_or_else(wrong)?;
    let zone = zone.cloned();
    let coarse = |unit: i64| (micros % unit == 0).then_some(micros / unit);
    let value = match unit {
        TimeUnit::Second => coarse(SECOND),
        TimeUnit::Millisecond => coarse(1000),
        TimeUnit::Microsecond => Some(micros),
        TimeUnit::Nanosecond => micros.checked_mul(1000),
    };
    Ok(match (unit, value) {
        (TimeUnit::Second, Some(_)) => ScalarValue::TimestampSecond(value, zone),
        (TimeUnit::Millisecond, Some(_)) => ScalarValue::TimestampMillisecond(value, zone),
        (TimeUnit::Nanosecond, Some(_)) => ScalarValue::TimestampNanosecond(value, zone),
        (_, _) => ScalarValue::TimestampMicrosecond(Some(micros), zone),
    })
}

/// What is wrong with a text.
pub(super) enum Wrong {
    Syntax,
    Range,
    Zone(String),
}

impl Wrong {
    pub(super) fn of(self, pg_type: PgType, text: &str) -> Error {
        let message = match self {
            Wrong::Syntax => {
                let zoned = pg_type == pg_type::TIMESTAMPTZ;
                let name = if zoned { pg_type.display } else { pg_type.name };
                format!("invalid input syntax for type {name}: \"{text}\"")
            }
            Wrong::Range if pg_type == pg_type::INTERVAL => {
                format!("interval field value out of range: \"{text}\"")
            }
            Wrong::Range => format!("date/time field value out of range: \"{text}\""),
            Wrong::Zone(name) => format!("time zone \"{name}\" not recognized"),
        };
        Error::new(ErrorKind::InvalidDatetime, message)
    }
}

pub(super) fn out_of_range(what: &str) -> Error {
    Error::new(ErrorKind::InvalidDatetime, format!("{what} out of range"))
}

fn infinite(pg_type: PgType) -> Error {
    Error::not_supported(&format!("an infinite value of type {}", pg_type.display))
        .with_hint("leave the bound out instead")
}

fn moment(text: &str, pg_type: PgType) -> Result<Moment, Error> {
    let lower = trim(text).to_ascii_lowercase();
    match lower.as_str() {
        "epoch" => {
            return Ok(Moment { days: 0, micros: 0, place: Some(Place::Offset(0)) });
        }
        "infinity" | "-infinity" | "+infinity" => return Err(infinite(pg_type)),
        _ => {}
    }
    words(&lower).map_err(|wrong| wrong.of(pg_type, text))
}

fn words(text: &str) -> Result<Moment, Wrong> {
    let (text, before_christ) = match text.strip_suffix("bc") {
        Some(text) => (text.trim_end(), true),
        None => (text.strip_suffix("ad").unwrap_or(text).trim_end(), false),
    };
    let end = text.find([' ', 't']).unwrap_or(text.len());
    let (date, rest) = text.split_at_checked(end).ok_or(Wrong::Syntax)?;
    let days = calendar_day(date, before_christ)?;
    let rest = rest.strip_prefix('t').unwrap_or(rest).trim_start();
    // JDBC sends dates with a time zone and without a time of day.
    let (micros, rest) = match rest.as_bytes().first() {
        Some(b'0'..=b'9') => clock(rest)?,
        Some(_) | None => (0, rest),
    };
    Ok(Moment { days, micros, place: place(rest)? })
}

fn calendar_day(text: &str, before_christ: bool) -> Result<i64, Wrong> {
    let compact;
    let parts: Vec<&str> = if text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        compact = (text.get(..4), text.get(4..6), text.get(6..));
        [compact.0, compact.1, compact.2].into_iter().flatten().collect()
    } else {
        text.split(['-', '/']).collect()
    };
    let [first, second, third] = parts.as_slice() else { return Err(Wrong::Syntax) };
    // A year of three digits and more comes first; or else this is month/day/year.
    let (year, month, day) =
        if first.len() > 2 { (*first, *second, *third) } else { (*third, *first, *second) };
    let short_year = year.len() <= 2;
    let mut year = number(year, 7)?;
    let (month, day) = (number(month, 2)?, number(day, 2)?);
    if short_year && !before_christ {
        year += if year < 70 { 2000 } else { 1900 };
    }
    if year == 0 {
        return Err(Wrong::Range);
    }
    let year = if before_christ { 1 - year } else { year };
    let month = u32::try_from(month).map_err(|_| Wrong::Range)?;
    let day = u32::try_from(day).map_err(|_| Wrong::Range)?;
    if !(1..=12).contains(&month) || day == 0 || day > calendar::month_length(year, month) {
        return Err(Wrong::Range);
    }
    Ok(calendar::days(year, month, day))
}

/// Digits only, and not too many.
fn number(text: &str, most: usize) -> Result<i64, Wrong> {
    if text.is_empty() || text.len() > most || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Wrong::Syntax);
    }
    text.parse().map_err(|_| Wrong::Syntax)
}

/// Microseconds of a time of day at the start of the text, and what follows it.
fn clock(text: &str) -> Result<(i64, &str), Wrong> {
    let end =
        text.find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.').unwrap_or(text.len());
    let (time, rest) = text.split_at_checked(end).ok_or(Wrong::Syntax)?;
    let (whole, fraction) = time.split_once('.').unwrap_or((time, ""));
    let parts: Vec<&str> = match whole.len() {
        6 if !whole.contains(':') => {
            [whole.get(..2), whole.get(2..4), whole.get(4..)].into_iter().flatten().collect()
        }
        _ => whole.split(':').collect(),
    };
    let (hour, minute, second) = match parts.as_slice() {
        [hour, minute] if fraction.is_empty() => (*hour, *minute, "0"),
        [hour, minute, second] => (*hour, *minute, *second),
        _ => return Err(Wrong::Syntax),
    };
    let (mut hour, minute, second) = (number(hour, 2)?, number(minute, 2)?, number(second, 2)?);
    let rest = rest.trim_start();
    // A zone's name may begin with the same letters.
    let word_end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let (half, rest) = match rest.split_at_checked(word_end) {
        Some(("am", rest)) => (Some(0), rest.trim_start()),
        Some(("pm", rest)) => (Some(12), rest.trim_start()),
        _ => (None, rest),
    };
    if let Some(half) = half {
        if !(1..=12).contains(&hour) {
            return Err(Wrong::Range);
        }
        hour = hour % 12 + half;
    }
    let micros = (hour * 3600 + minute * 60 + second) * SECOND + fraction_micros(fraction)?;
    if minute > 59 || second > 60 || micros > DAY {
        return Err(Wrong::Range);
    }
    Ok((micros, rest))
}

/// Microseconds of the digits behind a decimal point, rounded.
pub(super) fn fraction_micros(digits: &str) -> Result<i64, Wrong> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Wrong::Syntax);
    }
    if digits.is_empty() {
        return Ok(0);
    }
    let fraction: f64 = format!("0.{digits}").parse().map_err(|_| Wrong::Syntax)?;
    Ok((fraction * 1e6).round_ties_even() as i64)
}

fn place(text: &str) -> Result<Option<Place>, Wrong> {
    let compact = |text: &str| {
        let (hours, minutes) = text.split_at_checked(3)?;
        (text.len() == 5 && !text.contains(':'))
            .then(|| zone::offset(&format!("{hours}:{minutes}")))?
    };
    match text.as_bytes().first() {
        None => Ok(None),
        Some(b'+' | b'-') => {
            let offset = zone::offset(text).or_else(|| compact(text)).ok_or(Wrong::Syntax)?;
            Ok(Some(Place::Offset(offset)))
        }
        Some(_) if text == "z" || text == "utc" || text == "gmt" => Ok(Some(Place::Offset(0))),
        Some(b'a'..=b'z') => match Zone::named(text) {
            Some(zone) => Ok(Some(Place::Named(zone))),
            None if text.contains('/') => Err(Wrong::Zone(text.to_owned())),
            None => Err(Wrong::Syntax),
        },
        Some(_) => Err(Wrong::Syntax),
    }
}
