//! Dates, times and intervals as PostgreSQL prints them with `DateStyle` ISO and `IntervalStyle`
//! postgres.

use arrow::datatypes::TimeUnit;
use bytes::{BufMut, BytesMut};
use tollgate_catalog::{Error, ErrorKind};

use super::calendar::{self, DAY};
use super::zone::Zone;

/// The separators of the two spellings of a timestamp.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// `2020-01-01 00:00:00+00`
    Iso,
    /// `2020-01-01T00:00:00+00:00`, in `jsonb`
    Xsd,
}

/// An interval's parts, which PostgreSQL keeps apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Interval {
    pub(super) months: i32,
    pub(super) days: i32,
    pub(super) micros: i64,
}

/// Microseconds of a number of `unit`s; nanoseconds lose what PostgreSQL can't hold.
pub(super) fn micros(value: i64, unit: TimeUnit) -> Option<i64> {
    match unit {
        TimeUnit::Second => value.checked_mul(1_000_000),
        TimeUnit::Millisecond => value.checked_mul(1000),
        TimeUnit::Microsecond => Some(value),
        TimeUnit::Nanosecond => Some(value.div_euclid(1000)),
    }
}

/// The error for values that Arrow can hold and PostgreSQL can't.
pub(super) fn out_of_range(what: &str) -> Error {
    Error::new(ErrorKind::InvalidDatetime, format!("{what} out of range"))
}

/// Writes a date given in days since 1970.
pub(super) fn date(days: i64, out: &mut BytesMut) -> Result<(), Error> {
    calendar::pg_date(days).ok_or_else(|| out_of_range("date"))?;
    let year = year_month_day(days, out);
    era(year, out);
    Ok(())
}

/// Writes a time of day given in microseconds.
pub(super) fn time(micros: i64, out: &mut BytesMut) -> Result<(), Error> {
    if !(0..=DAY).contains(&micros) {
        return Err(out_of_range("time"));
    }
    clock(micros, out);
    Ok(())
}

/// Writes a timestamp given in microseconds since 1970: in a zone, or as it is.
pub(super) fn timestamp(
    micros: i64,
    zone: Option<&mut Zone>,
    style: Style,
    out: &mut BytesMut,
) -> Result<(), Error> {
    calendar::pg_timestamp(micros).ok_or_else(|| out_of_range("timestamp"))?;
    let offset = zone.map(|zone| zone.offset(micros.div_euclid(1_000_000)));
    // A 128-bit sum isn't needed: days and time of day are shifted apart.
    let mut days = micros.div_euclid(DAY);
    let mut time = micros.rem_euclid(DAY) + i64::from(offset.unwrap_or(0)) * 1_000_000;
    days += time.div_euclid(DAY);
    time = time.rem_euclid(DAY);
    let year = year_month_day(days, out);
    out.put_u8(if style == Style::Iso { b' ' } else { b'T' });
    clock(time, out);
    if let Some(offset) = offset {
        zone_offset(offset, style, out);
    }
    era(year, out);
    Ok(())
}

/// Writes an interval.
pub(super) fn interval(value: Interval, out: &mut BytesMut) {
    let mut parts = Parts { is_empty: true, after_negative: false };
    parts.put(value.months / 12, " year", out);
    parts.put(value.months % 12, " mon", out);
    parts.put(value.days, " day", out);
    if parts.is_empty || value.micros != 0 {
        if !parts.is_empty {
            out.put_u8(b' ');
        }
        if value.micros < 0 {
            out.put_u8(b'-');
        } else if parts.after_negative {
            out.put_u8(b'+');
        }
        clock_of(value.micros.unsigned_abs(), out);
    }
}

/// What was written of an interval so far.
struct Parts {
    is_empty: bool,
    after_negative: bool,
}

impl Parts {
    fn put(&mut self, value: i32, unit: &str, out: &mut BytesMut) {
        if value == 0 {
            return;
        }
        if !self.is_empty {
            out.put_u8(b' ');
        }
        if self.after_negative && value > 0 {
            out.put_u8(b'+');
        }
        out.put_slice(itoa::Buffer::new().format(value).as_bytes());
        out.put_slice(unit.as_bytes());
        if value != 1 {
            out.put_u8(b's');
        }
        self.after_negative = value < 0;
        self.is_empty = false;
    }
}

fn year_month_day(days: i64, out: &mut BytesMut) -> i64 {
    let (year, month, day) = calendar::civil(days);
    let shown = if year > 0 { year } else { 1 - year };
    padded(shown.unsigned_abs(), 4, out);
    out.put_u8(b'-');
    two(month.into(), out);
    out.put_u8(b'-');
    two(day.into(), out);
    year
}

fn era(year: i64, out: &mut BytesMut) {
    if year <= 0 {
        out.put_slice(b" BC");
    }
}

fn clock(micros: i64, out: &mut BytesMut) {
    clock_of(micros.unsigned_abs(), out);
}

fn clock_of(micros: u64, out: &mut BytesMut) {
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    padded(seconds / 3600, 2, out);
    out.put_u8(b':');
    two(seconds / 60 % 60, out);
    out.put_u8(b':');
    two(seconds % 60, out);
    if fraction != 0 {
        out.put_u8(b'.');
        padded(fraction, 6, out);
        while out.last() == Some(&b'0') {
            out.truncate(out.len() - 1);
        }
    }
}

fn zone_offset(offset: i32, style: Style, out: &mut BytesMut) {
    out.put_u8(if offset < 0 { b'-' } else { b'+' });
    let seconds = u64::from(offset.unsigned_abs());
    padded(seconds / 3600, 2, out);
    let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
    if minutes != 0 || seconds != 0 || style == Style::Xsd {
        out.put_u8(b':');
        two(minutes, out);
    }
    if seconds != 0 {
        out.put_u8(b':');
        two(seconds, out);
    }
}

/// Two digits of a number below 100.
fn two(number: u64, out: &mut BytesMut) {
    let digit = |value: u64| b'0' + u8::try_from(value % 10).unwrap_or(0);
    out.put_slice(&[digit(number / 10), digit(number)]);
}

fn padded(number: u64, width: usize, out: &mut BytesMut) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(number).as_bytes();
    out.put_bytes(b'0', width.saturating_sub(digits.len()));
    out.put_slice(digits);
}
