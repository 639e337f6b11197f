//! Which times are asked for, and when: nothing is left out between them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use super::{DAY, MEMORY, MINUTE, days, halves, rest, since};

const NOW: i64 = 20_000 * DAY + 7;
const HOUR: Duration = Duration::from_secs(60 * 60);

#[test]
fn times_are_asked_for_day_by_day_without_a_gap() {
    for (from, until, count) in [
        (NOW - 3 * DAY, i64::MAX, 3),
        (NOW - 3 * DAY + 1, i64::MAX, 3),
        (NOW - 3 * DAY - 1, i64::MAX, 4),
        (NOW - 31 * DAY, i64::MAX, 31),
        (NOW - 5 * DAY, NOW - 5 * DAY / 2, 3),
        (NOW - MINUTE, NOW, 1),
        (NOW, i64::MAX, 1),
        (NOW + DAY, i64::MAX, 0),
        (NOW, NOW, 0),
        // Beyond what it remembers: at once.
        (i64::MIN, NOW - MEMORY + DAY, 2),
        (0, DAY, 1),
    ] {
        let mut all = days((from, until), NOW);
        all.reverse();
        assert_eq!(all.len(), count, "{from} {until}");
        let Some((first, last)) = all.first().zip(all.last()) else { continue };
        assert_eq!((first.0, last.1), (from, until.min(NOW + DAY)));
        assert!(all.windows(2).all(|two| two[0].1 == two[1].0));
        let long = all.iter().filter(|(from, until)| *from >= NOW - MEMORY && until - from > DAY);
        assert!(long.count() <= 1, "the last one may last until tomorrow");
    }
}

#[test]
fn what_is_too_long_is_halved_down_to_minutes() {
    let mut spans = vec![(NOW - DAY, NOW)];
    let mut covered = Vec::new();
    while let Some(span) = spans.pop() {
        match halves(span) {
            Some(parts) => spans.extend(parts),
            None => covered.push(span),
        }
    }
    assert_eq!((covered[0].0, covered.last().unwrap().1), (NOW - DAY, NOW));
    assert!(covered.windows(2).all(|two| two[0].1 == two[1].0));
    assert!(covered.iter().all(|(from, until)| until - from < 20 * MINUTE));
}

/// Whatever the interval is, and however long nobody asked.
#[test]
fn no_time_is_left_out_between_two_turns() {
    let far = Duration::from_secs(u64::MAX);
    for (last, every, back) in [
        (None, HOUR, 3 * DAY),
        (None, 96 * HOUR, 5 * DAY),
        (None, far, MEMORY),
        (Some(NOW - DAY), HOUR, 3 * DAY),
        (Some(NOW - 4 * DAY), 96 * HOUR, 5 * DAY),
        (Some(NOW - 10 * DAY), HOUR, 11 * DAY),
        (Some(NOW - 10 * DAY), 96 * HOUR, 11 * DAY),
        (Some(0), HOUR, MEMORY),
        (Some(NOW + DAY), HOUR, 3 * DAY),
        (Some(i64::MIN), HOUR, MEMORY),
    ] {
        assert_eq!(NOW - since(last, every, NOW), back, "{last:?} {every:?}");
    }
}

#[test]
fn an_interval_goes_on_after_a_start() {
    let minutes = |count: u64| Some(Duration::from_secs(count * 60));
    for (last, every, left) in [
        (None, HOUR, None),
        (Some(NOW), HOUR, minutes(60)),
        (Some(NOW - 20 * MINUTE), HOUR, minutes(40)),
        (Some(NOW - 60 * MINUTE), HOUR, None),
        (Some(NOW - 2 * DAY), 24 * HOUR, None),
        (Some(i64::MIN), HOUR, None),
        // By another replica's clock, and by one that was wrong.
        (Some(NOW + MINUTE), HOUR, minutes(59)),
        (Some(NOW + 300 * DAY), HOUR, None),
    ] {
        assert_eq!(rest(last, every, NOW), left, "{last:?} {every:?}");
    }
}
