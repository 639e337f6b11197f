//! Grants and denials: which columns exist for whom.

use std::collections::BTreeSet;

use tollgate_catalog::TableName;

use super::side::{Count, Side, column_names, meets};
use super::{Class, Event, Layer, Place, What, Who};
use crate::model::{Access, Subject};

pub(super) fn compare(old: &Side<'_>, new: &Side<'_>, table: &TableName, events: &mut Vec<Event>) {
    for column in column_names(old, new, table) {
        let (grants, denials) = (old.grants(table, Some(&column)), old.denials(table, &column));
        let before = Column { grants, denials };
        let (grants, denials) = (new.grants(table, Some(&column)), new.denials(table, &column));
        let after = Column { grants, denials };
        let mut event = |who: &Subject, class, what, why: &str, old, new| {
            events.push(Event {
                class,
                who: Who::from(who),
                table: Some(table.clone()),
                what,
                layer: if what == What::Grant { Layer::Grant } else { Layer::Denial },
                why: why.to_owned(),
                old,
                new,
                columns: Some(vec![column.clone()]),
            });
        };
        for who in before.subjects(&after, |column| &column.grants) {
            let (was, is) = (places(&before.grants, who), places(&after.grants, who));
            let (class, why) = match (was.is_empty(), is.is_empty()) {
                (true, false) => granted(old, &before, &after, who),
                (false, true) => taken(old, &after, who),
                _ if says(&was) != says(&is) => (Class::Neutral, "granted by another statement"),
                _ => continue,
            };
            event(who, class, What::Grant, why, was, is);
        }
        for who in before.subjects(&after, |column| &column.denials) {
            let (was, is) = (places(&before.denials, who), places(&after.denials, who));
            let (class, why) = match (was.is_empty(), is.is_empty()) {
                (true, false) if before.is_denied(old, who) => {
                    (Class::Neutral, "was denied by another statement")
                }
                (true, false) => (Class::Narrows, "denied"),
                (false, true) if after.is_denied(old, who) => {
                    (Class::Neutral, "is denied by another statement")
                }
                (false, true) => (Class::Widens, "no longer denied"),
                _ if says(&was) != says(&is) => (Class::Neutral, "denied by another statement"),
                _ => continue,
            };
            event(who, class, What::Denial, why, was, is);
        }
    }
}

/// What is said about one column.
struct Column<'a> {
    grants: Vec<&'a Access>,
    denials: Vec<&'a Access>,
}

impl<'a> Column<'a> {
    fn subjects(&self, other: &Self, of: impl Fn(&Self) -> &[&'a Access]) -> BTreeSet<&'a Subject> {
        of(self).iter().chain(of(other)).flat_map(|access| access.to.iter()).collect()
    }

    /// Whether a denial binds whoever has this.
    fn is_denied(&self, side: &Side<'_>, who: &Subject) -> bool {
        let bound = side.with_everyone(who, Count::Held);
        self.denials.iter().any(|access| meets(&access.to, &bound))
    }

    /// Whether whoever has this is granted it for sure.
    fn is_granted(&self, side: &Side<'_>, who: &Subject) -> bool {
        let sure = side.with_everyone(who, Count::SurelyActive);
        self.grants.iter().any(|access| meets(&access.to, &sure))
    }
}

// Both sides are asked with the old one's roles: what changes with the roles is a step of its own.

fn granted(
    old: &Side<'_>,
    before: &Column<'_>,
    after: &Column<'_>,
    who: &Subject,
) -> (Class, &'static str) {
    if before.is_granted(old, who) {
        (Class::Neutral, "was granted by another statement")
    } else if after.is_denied(old, who) {
        (Class::Neutral, "granted, and denied all the same")
    } else {
        (Class::Widens, "granted")
    }
}

fn taken(old: &Side<'_>, after: &Column<'_>, who: &Subject) -> (Class, &'static str) {
    if after.is_granted(old, who) {
        (Class::Neutral, "is granted by another statement")
    } else {
        (Class::Narrows, "no longer granted")
    }
}

/// The statements that are for this subject itself.
fn places(accesses: &[&Access], who: &Subject) -> Vec<Place> {
    let own = accesses.iter().filter(|access| access.to.contains(who));
    own.map(|access| Place::from(access.policy.as_ref())).collect()
}

fn says(places: &[Place]) -> BTreeSet<&str> {
    places.iter().map(|place| place.says.as_str()).collect()
}
