//! Times that operators write.

use chrono::{DateTime, NaiveDate, NaiveTime};

/// Reads a day (its beginning in UTC) or an RFC 3339 time, as microseconds since 1970.
pub(super) fn parse(text: &str) -> Result<i64, String> {
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(day.and_time(NaiveTime::MIN).and_utc().timestamp_micros());
    }
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.timestamp_micros())
        .map_err(|_| "write a day, as 2026-01-31, or a time, as 2026-01-31T12:00:00Z".to_owned())
}
