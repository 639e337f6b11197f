//! Limits and prices: whether statements may cost more than before.

use std::collections::BTreeSet;

use rust_decimal::Decimal;

use super::side::{Count, Side, meets};
use super::{Class, Event, Layer, Place, What, Who};
use crate::limits::{Budget, Exceed, Limit, Period, Price, Rate, Sharing};
use crate::model::Subject;

pub(super) fn compare(old: &Side<'_>, new: &Side<'_>, events: &mut Vec<Event>) {
    let named = |side: &Side<'_>| -> BTreeSet<Subject> {
        side.limits().iter().flat_map(|limit| limit.to.iter().cloned()).collect()
    };
    for who in named(old).union(&named(new)) {
        limits(old, new, who, events);
    }
    prices(old, new, events);
}

fn limits(old: &Side<'_>, new: &Side<'_>, who: &Subject, events: &mut Vec<Event>) {
    let own = |side: &Side<'_>| -> Vec<Limit> {
        let own = side.limits().iter().filter(|limit| limit.to.contains(who));
        own.map(|limit| limit.as_ref().clone()).collect()
    };
    let (before, after) = (own(old), own(new));
    let looser = before.iter().any(|limit| !holds(new, who, limit));
    let stricter = after.iter().any(|limit| !holds(old, who, limit));
    let (class, why) = match (looser, stricter) {
        (true, _) => (Class::Widens, "statements may cost more"),
        (false, true) => (Class::Narrows, "statements may cost less"),
        (false, false) => {
            let names = |limits: &[Limit]| -> BTreeSet<String> {
                limits.iter().map(|limit| limit.name().to_owned()).collect()
            };
            if names(&before) == names(&after) {
                return;
            }
            (Class::Neutral, "other limits allow the same")
        }
    };
    let places = |limits: &[Limit]| limits.iter().map(|limit| Place::from(&limit.policy)).collect();
    events.push(Event {
        class,
        who: Who::from(who),
        table: None,
        what: What::Limit,
        layer: Layer::Apart,
        why: why.to_owned(),
        old: places(&before),
        new: places(&after),
        columns: None,
    });
}

/// Whether whoever is `who` may do no more than the limit allows, each part by one limit of `side`.
pub(super) fn holds(side: &Side<'_>, who: &Subject, limit: &Limit) -> bool {
    holds_among(side, &side.with_everyone(who, Count::Held), limit)
}

/// The same for who is all of these.
pub(super) fn holds_among(side: &Side<'_>, who: &BTreeSet<Subject>, limit: &Limit) -> bool {
    let Limit { to, policy: _, rows, bytes, runtime, concurrent, rate, budget } = limit;
    let any = |demands: &dyn Fn(&Limit) -> bool| {
        side.limits().iter().any(|other| meets(&other.to, who) && demands(other))
    };
    // What is shared must be shared by all who shared it.
    let shared = |other: &Limit| {
        to.iter().all(|one| meets(&other.to, &side.with_everyone(one, Count::Held)))
    };
    rows.is_none_or(|(most, exceed)| {
        any(&|other| {
            other.rows.is_some_and(|(fewer, beyond)| {
                fewer <= most && (beyond == Exceed::Error || exceed == Exceed::Truncate)
            })
        })
    }) && bytes.is_none_or(|most| any(&|other| other.bytes.is_some_and(|fewer| fewer <= most)))
        && runtime.is_none_or(|most| any(&|other| other.runtime.is_some_and(|less| less <= most)))
        && concurrent.is_none_or(|most| {
            any(&|other| other.concurrent.is_some_and(|fewer| fewer <= most) && shared(other))
        })
        && rate.is_none_or(|most| {
            any(&|other| {
                other.rate.is_some_and(|less| is_slower(less, most))
                    && (most.per != Sharing::Role || shared(other))
            })
        })
        && budget.is_none_or(|most| {
            any(&|other| other.budget.is_some_and(|less| is_poorer(less, most)) && shared(other))
        })
}

/// Whether one rate never lets pass what the other stops.
fn is_slower(one: Rate, other: Rate) -> bool {
    let weigh = |count: u32, every: std::time::Duration| u64::from(count) * every.as_secs();
    one.per == other.per
        && one.count <= other.count
        // n/t ≤ m/u is n·u ≤ m·t.
        && weigh(one.count.get(), other.every.length()) <= weigh(other.count.get(), one.every.length())
}

/// Whether one budget never lets spend what the other holds back.
fn is_poorer(one: Budget, other: Budget) -> bool {
    let days = match (one.per, other.per) {
        (Period::Day, Period::Day) | (Period::Month, Period::Month) => Decimal::ONE,
        (Period::Month, Period::Day) => Decimal::ONE,
        (Period::Day, Period::Month) => Decimal::from(31),
    };
    one.amount.saturating_mul(days) <= other.amount
}

fn prices(old: &Side<'_>, new: &Side<'_>, events: &mut Vec<Event>) {
    let gone = beyond(old, new);
    let come = beyond(new, old);
    if gone.is_empty() && come.is_empty() {
        return;
    }
    let spent = |side: &Side<'_>| side.limits().iter().any(|limit| limit.budget.is_some());
    let dearer = gone.len() == come.len()
        && gone.iter().all(|before| come.iter().any(|after| is_dearer(after, before)))
        && come.iter().all(|after| gone.iter().any(|before| is_dearer(after, before)));
    let (class, why) = match (spent(new), dearer) {
        (false, _) => (Class::Neutral, "prices change, and no budget is spent by them"),
        (true, true) => (Class::Narrows, "statements are dearer"),
        (true, false) => (Class::Widens, "statements may be cheaper"),
    };
    let places =
        |prices: &[&Price]| prices.iter().map(|price| Place::from(&price.policy)).collect();
    events.push(Event {
        class,
        who: Who::Everyone,
        table: None,
        what: What::Price,
        layer: Layer::Apart,
        why: why.to_owned(),
        old: places(&gone),
        new: places(&come),
        columns: None,
    });
}

/// The prices of one side that the other doesn't have.
fn beyond<'a>(these: &Side<'a>, those: &Side<'_>) -> Vec<&'a Price> {
    let there = |price: &Price| {
        those.prices().iter().any(|other| {
            is_for_the_same(price, other)
                && amounts(price) == amounts(other)
                && price.currency == other.currency
                && (price.from, price.until) == (other.from, other.until)
        })
    };
    these.prices().iter().map(std::convert::AsRef::as_ref).filter(|price| !there(price)).collect()
}

fn is_for_the_same(one: &Price, other: &Price) -> bool {
    let all = |price: &Price| price.to.iter().cloned().collect::<BTreeSet<_>>();
    all(one) == all(other) && one.tenants == other.tenants
}

fn amounts(price: &Price) -> [Decimal; 4] {
    [price.query, price.gigabyte, price.million_rows, price.credit]
}

fn is_dearer(one: &Price, other: &Price) -> bool {
    is_for_the_same(one, other)
        && one.currency == other.currency
        && (one.from, one.until) == (other.from, other.until)
        && amounts(one).iter().zip(amounts(other)).all(|(one, other)| *one >= other)
}
