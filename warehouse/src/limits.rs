//! The refusals of limits: each names its limit, says what would help, and when to try again.
//!
//! What a limit allows is the limit's own and shown exactly; what a statement would have cost is
//! shown to one digit: it may tell about rows that the caller doesn't see.

use std::time::Duration;

use tollgate_catalog::{Error, ErrorKind};
use tollgate_policy::limits::{Limit, Rate, size};

/// More rows than a limit allows.
pub fn rows(limit: &Limit, most: u64) -> Error {
    Error::new(
        ErrorKind::RowsExceeded,
        format!("the result has more than the {most} rows that limit \"{}\" allows", limit.name()),
    )
    .with_hint("add conditions, aggregate, or add LIMIT")
}

/// More bytes to scan than a limit allows, by an estimate.
pub fn bytes_before(limit: &Limit, most: u64, estimate: u64) -> Error {
    Error::new(
        ErrorKind::BytesExceeded,
        format!(
            "the statement would scan about {}, and limit \"{}\" allows {}",
            about(estimate),
            limit.name(),
            size(most)
        ),
    )
    .with_hint("name fewer columns or smaller tables")
}

/// More bytes scanned than a limit allows.
pub fn bytes_scanned(limit: &Limit, most: u64) -> Error {
    Error::new(
        ErrorKind::BytesExceeded,
        format!(
            "the statement has scanned the {} that limit \"{}\" allows",
            size(most),
            limit.name()
        ),
    )
    .with_hint("name fewer columns or smaller tables")
}

/// A limit on bytes, and a warehouse that can't tell how many there are.
pub fn bytes_unknown(limit: &Limit) -> Error {
    Error::new(
        ErrorKind::BytesExceeded,
        format!(
            "it can't be told how much the statement would scan, which limit \"{}\" bounds",
            limit.name()
        ),
    )
    .with_hint("ask the operator for statistics of the tables")
}

/// A statement that took longer than a limit allows.
pub fn runtime(limit: &Limit, most: Duration) -> Error {
    Error::new(
        ErrorKind::RuntimeExceeded,
        format!("canceling statement after the {most:?} that limit \"{}\" allows", limit.name()),
    )
    .with_hint("make the statement faster: add conditions, or name smaller tables")
}

/// As many statements run and wait as may.
pub fn busy(limit: &Limit, most: u32) -> Error {
    Error::new(
        ErrorKind::TooBusy,
        format!(
            "{most} statements run, as many as limit \"{}\" allows, and too many wait",
            limit.name()
        ),
    )
    .with_hint("try again when one of them has ended")
}

/// Statements come too fast.
pub fn rate(limit: &Limit, rate: Rate, wait: Duration) -> Error {
    let Rate { count, every, per } = rate;
    // Whole seconds, rounded up: a client that waits so long isn't refused again.
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    Error::new(
        ErrorKind::RateExceeded,
        format!("limit \"{}\" allows {count} statements per {every} for each {per}", limit.name()),
    )
    .with_hint(format!("try again in {} s", seconds.max(1)))
    .with_retry_after(wait)
}

/// A number of bytes to one digit, rounded up.
pub fn about(bytes: u64) -> String {
    let mut unit = 1_u64;
    while bytes / unit >= 10 {
        unit = unit.saturating_mul(10);
    }
    size(bytes.div_ceil(unit).saturating_mul(unit))
}

#[cfg(test)]
mod tests {
    use super::about;

    #[test]
    fn estimates_are_shown_to_one_digit() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (7, "7 bytes"),
            (10, "10 bytes"),
            (11, "20 bytes"),
            (999, "1 kB"),
            (73_400_001, "80 MB"),
            (9_000_000_001, "10 GB"),
        ] {
            assert_eq!(about(bytes), text);
        }
        assert!(!about(u64::MAX).is_empty());
    }
}
