//! The proleptic Gregorian calendar over all years that PostgreSQL knows, and its ranges.

/// Days from 1970-01-01 to 2000-01-01, where PostgreSQL counts from.
pub(crate) const EPOCH_DAYS: i64 = 10_957;
/// Microseconds of a day.
pub(crate) const DAY: i64 = 86_400_000_000;
/// Microseconds from 1970-01-01 to 2000-01-01.
pub(crate) const EPOCH_MICROS: i64 = EPOCH_DAYS * DAY;

/// The first day of dates and timestamps, 4714-11-24 BC, in days since 1970.
const FIRST_DAY: i64 = EPOCH_DAYS - 2_451_545;
/// The day after the last date, 5874898-06-04, in days since 1970.
const DATE_END: i64 = EPOCH_DAYS + 2_147_483_494 - 2_451_545;

/// Days since 2000, if PostgreSQL's `date` can hold the day.
pub(crate) fn pg_date(days: i64) -> Option<i32> {
    if !(FIRST_DAY..DATE_END).contains(&days) {
        return None;
    }
    i32::try_from(days - EPOCH_DAYS).ok()
}

/// Microseconds since 2000, if PostgreSQL's `timestamp` can hold the instant. Its end, 294277 AD,
/// lies beyond the microseconds since 1970 that fit 64 bits.
pub(crate) fn pg_timestamp(micros: i64) -> Option<i64> {
    if micros < FIRST_DAY * DAY {
        return None;
    }
    micros.checked_sub(EPOCH_MICROS)
}

/// Year (0 is 1 BC), month and day of a number of days since 1970.
pub(crate) fn civil(days: i64) -> (i64, u32, u32) {
    // Years begin in March here, so that the leap day is the last of its year.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, u32::try_from(month).unwrap_or(1), u32::try_from(day).unwrap_or(1))
}

/// Days since 1970 of a date; the month and day must be in range.
pub(crate) fn days(year: i64, month: u32, day: u32) -> i64 {
    let (month, day) = (i64::from(month), i64::from(day));
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_index = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month_index + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Whether the year (0 is 1 BC) has a 29th of February.
pub(crate) fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// The days of a month.
pub(crate) fn month_length(year: i64, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}
