//! Row policies: which rows exist for whom.

use std::collections::{BTreeMap, BTreeSet};

use datafusion_expr::utils::{conjunction, disjunction};
use datafusion_expr::{Expr, lit};
use tollgate_catalog::TableName;

use super::implies::{implies, is_always_true};
use super::side::{Count, Side, meets};
use super::{Class, Event, Layer, Place, What, Who};
use crate::model::{RowKind, RowRule, Subject};

pub(super) fn compare(old: &Side<'_>, new: &Side<'_>, table: &TableName, events: &mut Vec<Event>) {
    let mut changes = Changes { table, events };
    let before: Vec<_> = old.rows(table, RowKind::Permissive).collect();
    let after: Vec<_> = new.rows(table, RowKind::Permissive).collect();
    match (before.as_slice(), after.as_slice()) {
        ([], []) => {}
        ([], first) => changes.add(
            (Class::Narrows, Who::Everyone),
            "the table's first permissive policies: who has none sees no row",
            (&[], first),
        ),
        (last, []) => {
            let all = last
                .iter()
                .any(|rule| rule.to.contains(&Subject::Public) && is_always_true(&rule.predicate));
            let (class, why) = match all {
                true => {
                    (Class::Neutral, "no permissive policy is left, and the last one held for all")
                }
                false => (Class::Widens, "no permissive policy is left: all rows"),
            };
            changes.add((class, Who::Everyone), why, (last, &[]));
        }
        (before, after) => permissive(old, before, after, &mut changes),
    }
    let before: Vec<_> = old.rows(table, RowKind::Restrictive).collect();
    let after: Vec<_> = new.rows(table, RowKind::Restrictive).collect();
    restrictive(old, &before, &after, &mut changes);
}

struct Changes<'a> {
    table: &'a TableName,
    events: &'a mut Vec<Event>,
}

impl Changes<'_> {
    fn add(
        &mut self,
        (class, who): (Class, Who),
        why: impl Into<String>,
        (old, new): (&[&RowRule], &[&RowRule]),
    ) {
        let places = |rules: &[&RowRule]| {
            let places = rules.iter().map(|rule| Place::from(rule.policy.as_ref()));
            places.collect::<BTreeSet<_>>().into_iter().collect()
        };
        self.events.push(Event {
            class,
            who,
            table: Some(self.table.clone()),
            what: What::Rows,
            layer: Layer::Rows,
            why: why.into(),
            old: places(old),
            new: places(new),
            columns: None,
        });
    }
}

/// A policy before and after.
type Pair<'a> = (Option<&'a RowRule>, Option<&'a RowRule>);

/// Policies by name and whom they are for: those of one name are the same policy, changed.
fn paired<'a>(
    before: &[&'a RowRule],
    after: &[&'a RowRule],
) -> BTreeMap<(&'a str, &'a Subject), Pair<'a>> {
    let mut pairs = BTreeMap::<_, Pair<'a>>::new();
    for rule in before {
        for who in rule.to.iter() {
            pairs.entry((rule.policy.name.as_str(), who)).or_default().0 = Some(rule);
        }
    }
    for rule in after {
        for who in rule.to.iter() {
            pairs.entry((rule.policy.name.as_str(), who)).or_default().1 = Some(rule);
        }
    }
    pairs
}

/// What is true if one of the permissive policies that are surely for `who` holds.
pub(super) fn permitted<'a>(
    rules: impl IntoIterator<Item = &'a RowRule>,
    sure: &BTreeSet<Subject>,
) -> Expr {
    let own = rules.into_iter().filter(|rule| meets(&rule.to, sure));
    disjunction(own.map(|rule| rule.predicate.clone())).unwrap_or_else(|| lit(false))
}

/// What is true if all the restrictive policies hold that bind `who`.
pub(super) fn demanded<'a>(
    rules: impl IntoIterator<Item = &'a RowRule>,
    bound: &BTreeSet<Subject>,
) -> Expr {
    let own = rules.into_iter().filter(|rule| meets(&rule.to, bound));
    conjunction(own.map(|rule| rule.predicate.clone())).unwrap_or_else(|| lit(true))
}

fn permissive(old: &Side<'_>, before: &[&RowRule], after: &[&RowRule], changes: &mut Changes<'_>) {
    for ((name, who), (was, is)) in paired(before, after) {
        if was.map(|rule| &rule.predicate) == is.map(|rule| &rule.predicate) {
            continue;
        }
        // Both sides with the old one's roles: what changes with the roles is a step of its own.
        let sure = old.with_everyone(who, Count::SurelyActive);
        let among = |rule: &RowRule, others: &[&RowRule]| {
            implies(&rule.predicate, &permitted(others.iter().copied(), &sure))
        };
        let wider = is.is_some_and(|rule| !among(rule, before));
        let narrower = was.is_some_and(|rule| !among(rule, after));
        let (class, why) = match (was.is_some(), wider, narrower) {
            (false, true, _) => (Class::Widens, "permits more rows"),
            (false, false, _) => (Class::Neutral, "permits what is permitted already"),
            (true, true, _) if is.is_some() => {
                (Class::Widens, "another condition, not proven to be narrower")
            }
            (true, _, true) if is.is_some() => (Class::Narrows, "a narrower condition"),
            (true, _, true) => (Class::Narrows, "no longer permits its rows"),
            (true, _, false) => (Class::Neutral, "others permit the same rows"),
        };
        let what = format!("permissive policy {name}: {why}");
        changes.add((class, Who::from(who)), what, (as_slice(&was), as_slice(&is)));
    }
}

fn restrictive(old: &Side<'_>, before: &[&RowRule], after: &[&RowRule], changes: &mut Changes<'_>) {
    for ((name, who), (was, is)) in paired(before, after) {
        if was.map(|rule| &rule.predicate) == is.map(|rule| &rule.predicate) {
            continue;
        }
        let bound = old.with_everyone(who, Count::Held);
        let among = |rule: &RowRule, others: &[&RowRule]| {
            implies(&demanded(others.iter().copied(), &bound), &rule.predicate)
        };
        let wider = was.is_some_and(|rule| !among(rule, after));
        let narrower = is.is_some_and(|rule| !among(rule, before));
        let (class, why) = match (is.is_some(), wider, narrower) {
            (false, true, _) => (Class::Widens, "no longer restricts the rows"),
            (false, false, _) => (Class::Neutral, "others demand the same"),
            (true, true, _) => (Class::Widens, "another condition, not proven to be narrower"),
            (true, false, true) if was.is_some() => (Class::Narrows, "a narrower condition"),
            (true, false, true) => (Class::Narrows, "restricts the rows"),
            (true, false, false) => (Class::Neutral, "demands what is demanded already"),
        };
        let what = format!("restrictive policy {name}: {why}");
        changes.add((class, Who::from(who)), what, (as_slice(&was), as_slice(&is)));
    }
}

fn as_slice<'a, 'b>(rule: &'b Option<&'a RowRule>) -> &'b [&'a RowRule] {
    rule.as_slice()
}
