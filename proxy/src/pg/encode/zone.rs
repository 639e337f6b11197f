//! The session's time zone: offsets from UTC, looked up once for neighbouring instants.

use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::Tz;
use tollgate_catalog::{Error, ErrorKind};

use super::calendar;

/// The last year of the rules that are compiled in; later years repeat the rules of one like it.
const LAST_YEAR: i64 = 2099;
/// PostgreSQL's limit for an offset, in seconds.
const MAX_OFFSET: f64 = 167.0 * 3600.0;
const HOUR: i64 = 3600;
const DAY: i64 = 86_400;

/// A time zone with the offset that was looked up last.
#[derive(Debug, Clone)]
pub(crate) struct Zone {
    rule: Rule,
    /// The hour (as its number since 1970) in which `offset` holds throughout.
    hour: Option<i64>,
    offset: i32,
}

#[derive(Debug, Clone, Copy)]
enum Rule {
    Fixed(i32),
    Named {
        zone: Tz,
        /* whether it still changes its offset in the last year */ changes: bool,
    },
}

impl Zone {
    /// The zone with this name, as PostgreSQL's setting `TimeZone` spells it: an IANA name, or a
    /// POSIX abbreviation with an offset west of Greenwich.
    pub(crate) fn new(name: &str) -> Result<Zone, Error> {
        if let Some(zone) = Zone::named(name) {
            return Ok(zone);
        }
        let offset = posix(name).ok_or_else(|| {
            let message = format!("invalid value for parameter \"TimeZone\": \"{name}\"");
            Error::new(ErrorKind::InvalidParameterValue, message)
                .with_hint("use an IANA name such as \"Europe/Berlin\"")
        })?;
        Ok(Zone { rule: Rule::Fixed(offset), hour: None, offset: 0 })
    }

    /// The zone with this IANA name, in any case.
    pub(crate) fn named(name: &str) -> Option<Zone> {
        let zone = named(name)?;
        Some(Zone { rule: Rule::Named { zone, changes: changes(zone) }, hour: None, offset: 0 })
    }

    /// Seconds east of Greenwich at an instant given in seconds since 1970.
    pub(crate) fn offset(&mut self, seconds: i64) -> i32 {
        let (zone, changes) = match self.rule {
            Rule::Fixed(offset) => return offset,
            Rule::Named { zone, changes } => (zone, changes),
        };
        let hour = seconds.div_euclid(HOUR);
        if self.hour == Some(hour) {
            return self.offset;
        }
        let first = lookup(zone, changes, hour * HOUR);
        let last = lookup(zone, changes, hour * HOUR + HOUR - 1);
        if first == last {
            (self.hour, self.offset) = (Some(hour), first);
            return first;
        }
        lookup(zone, changes, seconds)
    }

    /// The offset of a local time. As in PostgreSQL, a time that was skipped counts as before the
    /// change, and one that came twice as after it.
    pub(crate) fn offset_of_local(&mut self, local: i64) -> i32 {
        let before = self.offset(local.saturating_sub(DAY));
        let after = self.offset(local.saturating_add(DAY));
        let fits = |zone: &mut Zone, offset: i32| zone.offset(local - i64::from(offset)) == offset;
        if before != after && fits(self, after) {
            after
        } else if fits(self, before) {
            before
        } else {
            self.between(local, before, after)
        }
    }

    /// Two changes within two days, or a skipped time.
    fn between(&mut self, local: i64, before: i32, after: i32) -> i32 {
        let guess = self.offset(local - i64::from(before.max(after)));
        if self.offset(local - i64::from(guess)) == guess { guess } else { before }
    }
}

fn named(name: &str) -> Option<Tz> {
    name.parse().ok().or_else(|| {
        chrono_tz::TZ_VARIANTS.into_iter().find(|z| z.name().eq_ignore_ascii_case(name))
    })
}

fn changes(zone: Tz) -> bool {
    let offset = |month| raw(zone, calendar::days(LAST_YEAR, month, 1) * DAY);
    (2..=12).any(|month| offset(month) != offset(1))
}

fn lookup(zone: Tz, changes: bool, seconds: i64) -> i32 {
    let days = seconds.div_euclid(DAY);
    let end = calendar::days(LAST_YEAR + 1, 1, 1);
    if days < end {
        return raw(zone, seconds);
    }
    if !changes {
        return raw(zone, end * DAY - 1);
    }
    // The same calendar returns within the 28 years before the end, as none of them is a century.
    let (year, month, day) = calendar::civil(days);
    let first = calendar::days(year, 1, 1);
    let twin = (LAST_YEAR - 27..=LAST_YEAR).find(|twin| {
        calendar::is_leap(*twin) == calendar::is_leap(year)
            && (calendar::days(*twin, 1, 1) - first) % 7 == 0
    });
    let days = calendar::days(twin.unwrap_or(LAST_YEAR), month, day);
    raw(zone, days * DAY + seconds.rem_euclid(DAY))
}

fn raw(zone: Tz, seconds: i64) -> i32 {
    DateTime::from_timestamp(seconds, 0).map_or(0, |instant| {
        zone.offset_from_utc_datetime(&instant.naive_utc()).fix().local_minus_utc()
    })
}

/// A POSIX zone without summer time: `<+03>-03`, `EST5` or `-03:00`; positive is west of
/// Greenwich. A plain number is of hours, and positive is east.
fn posix(name: &str) -> Option<i32> {
    if !name.is_empty() && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'+' | b'-'))
    {
        let seconds = name.parse::<f64>().ok()? * 3600.0;
        return (seconds.abs() <= MAX_OFFSET).then_some(seconds as i32);
    }
    let rest = match name.strip_prefix('<') {
        Some(quoted) => quoted.split_once('>')?.1,
        None => name.trim_start_matches(|c: char| c.is_ascii_alphabetic()),
    };
    offset(rest).map(|west| -west)
}

/// Signed `hh[:mm[:ss]]` in seconds.
pub(crate) fn offset(text: &str) -> Option<i32> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1, text.get(1..)?),
        b'+' => (1, text.get(1..)?),
        _ => (1, text),
    };
    let mut seconds = 0;
    let mut parts = 0;
    for (part, unit) in digits.split(':').zip([3600, 60, 1]) {
        if part.is_empty() || part.len() > 2 || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let number: i32 = part.parse().ok()?;
        if number >= if unit == 3600 { 25 } else { 60 } {
            return None;
        }
        seconds += number * unit;
        parts += 1;
    }
    (parts == digits.split(':').count()).then_some(sign * seconds)
}
