//! Nobody spends the same money twice.

use std::path::Path;

use rust_decimal::Decimal;

use super::{Budget, HoldError, Purses};
use crate::testing::block_on;
use crate::{Ledger, Options, Place};

fn place(folder: &Path) -> Place {
    Place::Sqlite(folder.join("ledger.db"))
}

fn budget(period: &str, limit: i64) -> Budget {
    Budget { period: period.to_owned(), limit: Decimal::from(limit) }
}

fn cents(cents: i64) -> Decimal {
    Decimal::new(cents, 2)
}

/// Two purses over one store are two replicas: each has a connection of its own.
#[test]
fn two_replicas_can_not_spend_the_same_money() {
    let folder = tempfile::tempdir().unwrap();
    // The writer of records works at the same time.
    let ledger =
        Ledger::open(Options::at(place(folder.path()), folder.path().join("ledger.key"))).unwrap();
    let replicas = ["a", "b"].map(|name| Purses::open(place(folder.path()), name).unwrap());
    let budgets = [budget("2026-11", 25), budget("2026-11-21", 10)];
    let held: usize = std::thread::scope(|scope| {
        let holds = (0..8).map(|thread| {
            let (purses, budgets, ledger) = (&replicas[thread % 2], &budgets, &ledger);
            scope.spawn(move || {
                let mut held = 0;
                for number in 0..50 {
                    crate::testing::run(ledger, &format!("{thread}-{number}"), "SELECT 1");
                    match block_on(purses.hold("acme", budgets, cents(15))) {
                        Ok(hold) => {
                            // Every other one is settled as it was held.
                            if number % 2 == 0 {
                                block_on(purses.settle(hold, cents(15))).unwrap();
                            }
                            held += 1;
                        }
                        Err(error) => {
                            let period = "2026-11-21".to_owned();
                            assert_eq!(error, HoldError::Exhausted { period });
                        }
                    }
                }
                held
            })
        });
        let threads: Vec<_> = holds.collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    // 10.00 holds 0.15 sixty-six times, and not once more.
    assert_eq!(held, 66);
}

#[test]
fn what_is_settled_or_released_is_free_again() {
    let folder = tempfile::tempdir().unwrap();
    let purses = Purses::open(place(folder.path()), "a").unwrap();
    let day = [budget("d", 1)];
    let hold = block_on(purses.hold("acme", &day, cents(60))).unwrap();
    assert!(block_on(purses.hold("acme", &day, cents(60))).is_err());
    assert!(block_on(purses.hold("other", &day, cents(60))).is_ok());
    block_on(purses.settle(hold.clone(), cents(10))).unwrap();
    // A second end of a hold is none.
    block_on(purses.settle(hold, cents(10))).unwrap();
    let hold = block_on(purses.hold("acme", &day, cents(90))).unwrap();
    block_on(purses.release(hold)).unwrap();
    let hold = block_on(purses.hold("acme", &day, cents(90))).unwrap();
    // It cost more than was held: the budget is overdrawn by that, and no hold finds anything.
    block_on(purses.settle(hold, cents(200))).unwrap();
    let period = "d".to_owned();
    assert_eq!(block_on(purses.hold("acme", &day, cents(1))), Err(HoldError::Exhausted { period }));
    assert_eq!(block_on(purses.hold("acme", &day, cents(-1))), Err(HoldError::Amount));
    assert_eq!(block_on(purses.hold("acme", &day, Decimal::MAX)), Err(HoldError::Amount));
}

#[test]
fn what_a_dead_replica_held_is_spent() {
    let folder = tempfile::tempdir().unwrap();
    let day = [budget("d", 1)];
    let purses = Purses::open(place(folder.path()), "a").unwrap();
    let hold = block_on(purses.hold("acme", &day, cents(60))).unwrap();
    drop(purses);
    let other = Purses::open(place(folder.path()), "b").unwrap();
    assert!(block_on(other.hold("acme", &day, cents(60))).is_err());
    let again = Purses::open(place(folder.path()), "a").unwrap();
    // Ended by the start: nothing is given back.
    block_on(again.release(hold)).unwrap();
    assert!(block_on(again.hold("acme", &day, cents(41))).is_err());
    assert!(block_on(again.hold("acme", &day, cents(40))).is_ok());
}

#[test]
fn a_hold_fails_in_all_periods_or_in_none() {
    let folder = tempfile::tempdir().unwrap();
    let purses = Purses::open(place(folder.path()), "a").unwrap();
    let both = [budget("a", 10), budget("b", 1)];
    assert!(block_on(purses.hold("acme", &both, cents(200))).is_err());
    assert!(block_on(purses.hold("acme", &both[..1], cents(1000))).is_ok());
}

/// What could not be settled is settled with what comes next.
#[test]
fn what_is_owed_is_settled_first() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path());
    let mut writer =
        super::Writer { place, owner: "a".to_owned(), store: None, next: 0, owed: Vec::new() };
    let day = [budget("d", 1)];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let held = writer.hold("a-1", "acme", &day, cents(60)).await.unwrap();
        assert!(held.is_ok());
        assert_eq!(writer.taken("acme", "d").await.unwrap(), cents(60));
        writer.owed.extend([("a-1".to_owned(), 10_000_000), ("a-2".to_owned(), 0)]);
        assert_eq!(writer.taken("acme", "d").await.unwrap(), cents(1));
        assert!(writer.owed.is_empty());
    });
}
