//! That money is held once, settled once, and never lost.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use std::sync::Arc;

use futures::FutureExt;
use rust_decimal::Decimal;
use tollgate_policy::limits::{Budget, Period};

use super::{Hold, Holding, MemoryPurse, NotHeld, Purse, Span};

/// 2026-02-15 12:00:00 in UTC.
const NOW: i64 = 1_771_156_800_000_000;
const DAY: i64 = 86_400_000_000;

fn span(amount: u32, per: Period, now: i64) -> Span {
    Span::of(Budget { amount: Decimal::from(amount), per }, now).unwrap()
}

fn hold(purse: &MemoryPurse, span: Span, amount: u32) -> Result<Hold, NotHeld> {
    purse.hold("a", span, Decimal::from(amount)).now_or_never().unwrap()
}

fn taken(purse: &MemoryPurse, span: Span) -> u32 {
    let taken = purse.taken("a", span).now_or_never().unwrap().unwrap();
    taken.try_into().unwrap()
}

#[test]
fn spans_are_days_and_months_of_utc() {
    let day = span(1, Period::Day, NOW);
    assert_eq!((day.start, day.end), (NOW - DAY / 2, NOW + DAY / 2));
    let month = span(1, Period::Month, NOW);
    assert_eq!((month.start, month.end), (NOW - 14 * DAY - DAY / 2, NOW + 13 * DAY + DAY / 2));
    let last = span(1, Period::Day, day.end - 1);
    assert_eq!(last.start, day.start);
    assert_eq!(span(1, Period::Day, day.end).start, day.end);
    assert!(Span::of(Budget { amount: Decimal::ONE, per: Period::Month }, i64::MAX).is_err());
}

#[test]
fn what_is_held_or_spent_cant_be_held_again() {
    let purse = MemoryPurse::default();
    let today = span(10, Period::Day, NOW);
    let one = hold(&purse, today, 6).unwrap();
    assert!(matches!(hold(&purse, today, 5), Err(NotHeld::Spent)));
    let two = hold(&purse, today, 4).unwrap();
    assert_eq!(taken(&purse, today), 10);
    // One cost less than was held, the other more.
    purse.settle(one, Decimal::from(1)).now_or_never().unwrap();
    purse.settle(two, Decimal::from(5)).now_or_never().unwrap();
    assert_eq!(taken(&purse, today), 6);
    assert!(matches!(hold(&purse, today, 5), Err(NotHeld::Spent)));
    let late = hold(&purse, today, 4).unwrap();
    // A new day begins with nothing spent, and what ends late is of the old one.
    let tomorrow = span(10, Period::Day, NOW + DAY);
    let new = hold(&purse, tomorrow, 10).unwrap();
    purse.settle(late, Decimal::from(4)).now_or_never().unwrap();
    assert_eq!(taken(&purse, tomorrow), 10);
    purse.settle(new, Decimal::ZERO).now_or_never().unwrap();
    assert_eq!(taken(&purse, tomorrow), 0);
}

#[tokio::test]
async fn whoever_stops_waiting_leaves_nothing_held() {
    let purse = MemoryPurse::default();
    let shared: Arc<dyn Purse> = Arc::new(purse.clone());
    let today = span(10, Period::Day, NOW);
    // Dropped before it ran, and dropped when it was held.
    drop(Holding::new(&shared, "a", today, Decimal::from(3)));
    let mut waiting = Box::pin(Holding::new(&shared, "a", today, Decimal::from(3)));
    assert!(futures::poll!(waiting.as_mut()).is_pending());
    drop(waiting);
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(taken(&purse, today), 0);
    let mut held = Holding::new(&shared, "a", today, Decimal::from(3)).await.ok().unwrap();
    assert_eq!(taken(&purse, today), 3);
    held.used = Decimal::from(2);
    drop(held);
    assert_eq!(taken(&purse, today), 2);
}
