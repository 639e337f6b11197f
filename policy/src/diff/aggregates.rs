//! Aggregation policies: who sees no rows of a table, and what of its groups.

use std::collections::BTreeSet;

use tollgate_catalog::TableName;

use super::side::{Count, Side, meets};
use super::{Class, Event, Layer, Place, What, Who};
use crate::aggregation::Aggregation;
use crate::model::{AggregationRule, Subject};

pub(super) fn compare(old: &Side<'_>, new: &Side<'_>, table: &TableName, events: &mut Vec<Event>) {
    let (before, after) = (old.aggregations(table), new.aggregations(table));
    let subjects: BTreeSet<&Subject> =
        before.iter().chain(after).flat_map(|rule| rule.to.iter()).collect();
    for who in subjects {
        let (was, is) = (own(before, who), own(after, who));
        if says(&was) == says(&is) {
            // Whatever else changed is told of those whom it is for.
            continue;
        }
        // Both sides with the old one's roles: what changes with the roles is a step of its own.
        let bound = old.with_everyone(who, Count::Held);
        let (strict_before, strict_after) = (bound_by(before, &bound), bound_by(after, &bound));
        let wider = !strict_after.is_within(&strict_before);
        let narrower = !strict_before.is_within(&strict_after);
        let (class, why) = match (wider, narrower, is.is_empty()) {
            (true, _, true) => (Class::Widens, "no longer in aggregates only"),
            (true, _, false) => (Class::Widens, "other aggregates, not proven to tell less"),
            (false, true, _) if was.is_empty() => (Class::Narrows, "in aggregates only"),
            (false, true, _) => (Class::Narrows, "fewer aggregates"),
            (false, false, _) => (Class::Neutral, "the same aggregates by another statement"),
        };
        let places = |rules: &[&AggregationRule]| {
            rules.iter().map(|rule| Place::from(rule.policy.as_ref())).collect()
        };
        events.push(Event {
            class,
            who: Who::from(who),
            table: Some(table.clone()),
            what: What::Aggregates,
            layer: Layer::Rows,
            why: why.to_owned(),
            old: places(&was),
            new: places(&is),
            columns: None,
        });
    }
}

/// The policies that are for this subject itself.
fn own<'a>(rules: &'a [AggregationRule], who: &Subject) -> Vec<&'a AggregationRule> {
    rules.iter().filter(|rule| rule.to.contains(who)).collect()
}

/// By their names, so that nothing of a bundle changes without a line.
fn says<'a>(rules: &[&'a AggregationRule]) -> BTreeSet<(&'a str, &'a str)> {
    rules.iter().map(|rule| (rule.policy.name.as_str(), rule.says.as_str())).collect()
}

/// What is left to see of a table.
pub(super) enum Left {
    /// Its rows.
    Rows,
    /// Aggregates only.
    Aggregates(Aggregation),
    /// It can't be told.
    Unknown,
}

impl Left {
    /// Whether it is proven that the other one shows all that this one shows.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Aggregates(these), Self::Aggregates(those)) => these.is_within(those),
            (Self::Aggregates(_) | Self::Rows, Self::Rows) => true,
            (Self::Rows, Self::Aggregates(_)) => false,
            (Self::Unknown, _) | (_, Self::Unknown) => false,
        }
    }
}

/// What the policies leave whoever is all of these.
pub(super) fn bound_by(rules: &[AggregationRule], bound: &BTreeSet<Subject>) -> Left {
    let mut left = Left::Rows;
    for rule in rules.iter().filter(|rule| meets(&rule.to, bound)) {
        left = match left {
            Left::Rows => Left::Aggregates(rule.rule.clone()),
            Left::Aggregates(other) => match other.and(&rule.rule) {
                Some(both) => Left::Aggregates(both),
                None => Left::Unknown,
            },
            Left::Unknown => Left::Unknown,
        };
    }
    left
}

#[cfg(test)]
mod tests;
