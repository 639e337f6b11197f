//! Who holds which roles, and when they are active: what another role shows under the new rules.

use std::collections::{BTreeMap, BTreeSet};

use tollgate_catalog::TableName;

use super::aggregates::bound_by;
use super::implies::implies;
use super::limits;
use super::masks::reads_only;
use super::rows::{demanded, permitted};
use super::side::{Count, Side, column_names, meets};
use super::{Class, Event, Layer, Place, What, Who};
use crate::model::{RowKind, Subject};
use crate::principal::roles_asked;
use crate::standing::AccessRule;

pub(super) fn compare(old: &Side<'_>, new: &Side<'_>, events: &mut Vec<Event>) {
    for who in old.subjects().union(&new.subjects()) {
        memberships(old, new, who, events);
    }
    let named = |side: &Side<'_>| -> BTreeSet<Subject> {
        side.access_rules().iter().flat_map(|rule| rule.to.iter().cloned()).collect()
    };
    for who in named(old).union(&named(new)) {
        access(old, new, who, events);
    }
}

/// What somebody gains or loses, and where that is written.
struct Step<'a> {
    old: &'a Side<'a>,
    new: &'a Side<'a>,
    who: &'a Subject,
    what: What,
    why: String,
    places: (Vec<Place>, Vec<Place>),
    found: Vec<Event>,
}

impl Step<'_> {
    fn event(
        &mut self,
        class: Class,
        table: &TableName,
        (layer, column): (Layer, Option<&str>),
        why: &str,
    ) {
        self.found.push(Event {
            class,
            who: Who::from(self.who),
            table: Some(table.clone()),
            what: self.what,
            layer,
            why: format!("{}: {why}", self.why),
            old: self.places.0.clone(),
            new: self.places.1.clone(),
            columns: column.map(|column| vec![column.to_owned()]),
        });
    }

    /// The line about the step itself, and those about tables.
    fn end(self, events: &mut Vec<Event>, class: Option<Class>) {
        let worst = self.found.iter().map(|event| event.class).min();
        events.push(Event {
            class: class.or(worst).unwrap_or(Class::Neutral),
            who: Who::from(self.who),
            table: None,
            what: self.what,
            layer: Layer::Apart,
            why: self.why,
            old: self.places.0,
            new: self.places.1,
            columns: None,
        });
        events.extend(self.found);
    }

    /// A price that is for these decides what a budget buys.
    fn priced(&mut self, these: &BTreeSet<Subject>) {
        let spent = self.new.limits().iter().any(|limit| limit.budget.is_some());
        if spent && self.new.prices().iter().any(|price| meets(&price.to, these)) {
            self.limit(Class::Widens, "another price may be for it");
        }
    }

    /// What these may do that `already` may not, which `who` has for sure.
    fn gains(&mut self, gained: &BTreeSet<Subject>, already: &BTreeSet<Subject>) {
        let new = self.new;
        self.priced(gained);
        let bound = gained.iter().map(|one| {
            let mut bound = new.with_everyone(one, Count::Held);
            bound.extend(new.reach(self.who, Count::Held));
            (one, bound)
        });
        let bound: BTreeMap<_, _> = bound.collect();
        for table in new.tables() {
            for column in column_names(new, new, table) {
                let (grants, denials) =
                    (new.grants(table, Some(&column)), new.denials(table, &column));
                // A denial binds whoever has the one that is granted it, and `who` itself.
                let sees = |one| {
                    let denied = |bound| denials.iter().any(|access| meets(&access.to, bound));
                    bound.get(one).is_some_and(|bound| !denied(bound))
                };
                let sure = grants.iter().any(|access| meets(&access.to, already));
                if !sure && grants.iter().any(|access| access.to.iter().any(sees)) {
                    self.event(Class::Widens, table, (Layer::Grant, Some(&column)), "may read it");
                }
                let lifted = new.masks(table, &column).iter().any(|mask| {
                    let sure = |role: &String| already.contains(&Subject::Role(role.clone()));
                    mask.except.iter().any(|role| gained.contains(&Subject::Role(role.clone())))
                        && !(mask.when.is_none() && mask.except.iter().any(sure))
                });
                if lifted {
                    let why = "is exempt from a mask";
                    self.event(Class::Widens, table, (Layer::Values, Some(&column)), why);
                }
            }
            let more = new.rows(table, RowKind::Permissive).any(|rule| {
                let mut rules = new.rows(table, RowKind::Permissive);
                meets(&rule.to, gained)
                    && !implies(&rule.predicate, &permitted(&mut rules, already))
            });
            if more {
                let why = "a permissive policy is for it";
                self.event(Class::Widens, table, (Layer::Rows, None), why);
            }
            self.asked(table, gained, false);
        }
    }

    /// A limit that is for it, or no longer.
    fn limit(&mut self, class: Class, why: &str) {
        self.found.push(Event {
            class,
            who: Who::from(self.who),
            table: None,
            what: self.what,
            layer: Layer::Apart,
            why: format!("{}: {why}", self.why),
            old: self.places.0.clone(),
            new: self.places.1.clone(),
            columns: None,
        });
    }

    /// What restricts who holds the gained roles, and nothing else that `who` holds.
    fn is_restricted(&mut self, gained: &BTreeSet<Subject>) {
        if self.new.limits().iter().any(|limit| meets(&limit.to, gained)) {
            self.limit(Class::Narrows, "a limit is for it");
        }
        for table in self.new.tables() {
            for column in column_names(self.new, self.new, table) {
                let denials = self.new.denials(table, &column);
                if denials.iter().any(|access| meets(&access.to, gained)) {
                    let layer = (Layer::Denial, Some(column.as_str()));
                    self.event(Class::Narrows, table, layer, "a denial is for it");
                }
            }
            if self.new.rows(table, RowKind::Restrictive).any(|rule| meets(&rule.to, gained)) {
                let why = "a restrictive policy is for it";
                self.event(Class::Narrows, table, (Layer::Rows, None), why);
            }
            if self.new.aggregations(table).iter().any(|rule| meets(&rule.to, gained)) {
                let why = "an aggregation policy is for it";
                self.event(Class::Narrows, table, (Layer::Rows, None), why);
            }
        }
    }

    /// What these may do that `left`, which `who` keeps, may not.
    fn loses(&mut self, lost: &BTreeSet<Subject>, left: &BTreeSet<Subject>) {
        let new = self.new;
        self.priced(lost);
        for table in new.tables() {
            for column in column_names(new, new, table) {
                let grants = new.grants(table, Some(&column));
                let given = |set| grants.iter().any(|access| meets(&access.to, set));
                if given(lost) && !given(left) {
                    let layer = (Layer::Grant, Some(column.as_str()));
                    self.event(Class::Narrows, table, layer, "may no longer read it");
                }
                let masks = new.masks(table, &column);
                for mask in masks {
                    if !mask.except.iter().any(|role| lost.contains(&Subject::Role(role.clone()))) {
                        continue;
                    }
                    let less = reads_only(&mask.expr, None)
                        || (masks.len() == 1 && reads_only(&mask.expr, Some(&column)));
                    let class = if less { Class::Narrows } else { Class::Widens };
                    let why = "is no longer exempt from a mask";
                    self.event(class, table, (Layer::Values, Some(&column)), why);
                }
            }
            if new.rows(table, RowKind::Permissive).any(|rule| meets(&rule.to, lost)) {
                let why = "a permissive policy is no longer for it";
                self.event(Class::Narrows, table, (Layer::Rows, None), why);
            }
            self.asked(table, lost, true);
        }
    }

    /// What restricted whoever held these, and doesn't restrict who holds `left`.
    fn is_freed(&mut self, lost: &BTreeSet<Subject>, left: &BTreeSet<Subject>) {
        let new = self.new;
        let mut limits = new.limits().iter().filter(|limit| meets(&limit.to, lost));
        if limits.any(|limit| !limits::holds_among(new, left, limit)) {
            self.limit(Class::Widens, "a limit is no longer for it");
        }
        for table in new.tables() {
            for column in column_names(new, new, table) {
                let denials = new.denials(table, &column);
                let denied = |set| denials.iter().any(|access| meets(&access.to, set));
                if denied(lost) && !denied(left) {
                    let layer = (Layer::Denial, Some(column.as_str()));
                    self.event(Class::Widens, table, layer, "a denial is no longer for it");
                }
            }
            let demands = demanded(new.rows(table, RowKind::Restrictive), left);
            let free = new
                .rows(table, RowKind::Restrictive)
                .any(|rule| meets(&rule.to, lost) && !implies(&demands, &rule.predicate));
            if free {
                let why = "a restrictive policy is no longer for it";
                self.event(Class::Widens, table, (Layer::Rows, None), why);
            }
            let rules = new.aggregations(table);
            let all = lost.union(left).cloned().collect();
            if !bound_by(rules, left).is_within(&bound_by(rules, &all)) {
                let why = "an aggregation policy is no longer for it";
                self.event(Class::Widens, table, (Layer::Rows, None), why);
            }
        }
    }

    /// Conditions that ask whether the caller has one of the roles.
    fn asked(&mut self, table: &TableName, roles: &BTreeSet<Subject>, lost: bool) {
        let new = self.new;
        let Some(rules) = new.rules(table) else { return };
        // Whether a condition may come to show more.
        let widens = |expr: &_, is_row: bool| match roles_asked(expr) {
            None => true,
            Some(asked) => asked.iter().any(|(role, positive)| {
                roles.contains(&Subject::Role(role.clone())) && !(lost && is_row && *positive)
            }),
        };
        if rules.rows.iter().any(|rule| widens(&rule.predicate, true)) {
            let why = "a row policy asks has_role";
            self.event(Class::Widens, table, (Layer::Rows, None), why);
        }
        for (column, masks) in rules.table.columns.iter().zip(&rules.masks) {
            let asks = masks.iter().any(|mask| {
                widens(&mask.expr, false)
                    || mask.when.as_ref().is_some_and(|when| widens(when, false))
            });
            if asks {
                let why = "a mask asks has_role";
                self.event(Class::Widens, table, (Layer::Values, Some(&column.name)), why);
            }
        }
    }
}

fn memberships(old: &Side<'_>, new: &Side<'_>, who: &Subject, events: &mut Vec<Event>) {
    let (before, after) = (old.direct(who), new.direct(who));
    let is_root = match who {
        Subject::Role(_) => false,
        Subject::User(_) | Subject::Public => true,
    };
    for role in after.difference(&before) {
        let gained = new.reach(&Subject::Role((*role).to_owned()), Count::Held);
        let sure = old.with_everyone(who, Count::SurelyActive);
        let fresh: BTreeSet<Subject> = gained.difference(&sure).cloned().collect();
        let why = match fresh.len() {
            0 => format!("is granted role {role}, which it has already"),
            _ => format!("is granted role {role}"),
        };
        let places = (Vec::new(), new.place_of_membership(who, role));
        let what = What::Membership;
        let mut step = Step { old, new, who, what, why, places, found: Vec::new() };
        step.gains(&fresh, &sure);
        step.is_restricted(&fresh);
        if is_root && may_have_been_shut(old, who) {
            step.is_let_in();
        }
        step.end(events, None);
    }
    for role in before.difference(&after) {
        let lost = old.reach(&Subject::Role((*role).to_owned()), Count::Held);
        let left = new.with_everyone(who, Count::Held);
        let gone: BTreeSet<Subject> = lost.difference(&left).cloned().collect();
        let sure = new.with_everyone(who, Count::SurelyActive);
        let why = format!("is no longer granted role {role}");
        let places = (old.place_of_membership(who, role), Vec::new());
        let what = What::Membership;
        let mut step = Step { old, new, who, what, why, places, found: Vec::new() };
        step.loses(&lost.difference(&sure).cloned().collect(), &sure);
        step.is_freed(&gone, &left);
        // Who holds no role can't lack an active one.
        if is_root && after.is_empty() && may_have_been_shut(old, who) {
            step.is_let_in();
        }
        step.end(events, None);
    }
}

/// Whether access rules may have left somebody no active role, and so nothing at all.
fn may_have_been_shut(old: &Side<'_>, who: &Subject) -> bool {
    match who {
        // Whoever it is may have other roles, all switched off.
        Subject::Public => old.switches_any(),
        Subject::User(_) | Subject::Role(_) => {
            let roles = |count| {
                let all = old.with_everyone(who, count).into_iter();
                all.filter(|subject| matches!(subject, Subject::Role(_))).count()
            };
            roles(Count::Held) > 0 && roles(Count::SurelyActive) == 0
        }
    }
}

impl Step<'_> {
    /// What somebody sees who was shut out: all that is for everyone, and for the user itself.
    fn is_let_in(&mut self) {
        let mut all = self.new.reach(&Subject::Public, Count::Held);
        match self.who {
            Subject::User(_) => {
                all.insert(self.who.clone());
            }
            Subject::Role(_) | Subject::Public => {
                all.extend(users(self.old));
                all.extend(users(self.new));
            }
        }
        self.gains(&all, &BTreeSet::new());
    }
}

fn users(side: &Side<'_>) -> impl Iterator<Item = Subject> {
    side.subjects().into_iter().filter(|subject| matches!(subject, Subject::User(_)))
}

fn access(old: &Side<'_>, new: &Side<'_>, who: &Subject, events: &mut Vec<Event>) {
    let (before, after) = (demands_on(old, &[who]), demands_on(new, &[who]));
    // What everyone must meet, this one must meet too.
    let of_all = [who, &Subject::Public];
    let looser = before.iter().any(|rule| !is_met_by_all(rule, &demands_on(new, &of_all)));
    let stricter = after.iter().any(|rule| !is_met_by_all(rule, &demands_on(old, &of_all)));
    let names = |rules: &[&AccessRule]| -> BTreeSet<String> {
        rules.iter().map(|rule| rule.policy.name.clone()).collect()
    };
    if !looser && !stricter && names(&before) == names(&after) {
        return;
    }
    let places = |rules: &[&AccessRule]| -> Vec<Place> {
        rules.iter().map(|rule| Place::from(&rule.policy)).collect()
    };
    let (class, why) = match (looser, stricter) {
        (true, _) => (Class::Widens, "may be active where an access rule kept it off"),
        (false, true) => (Class::Narrows, "must meet more to be active"),
        (false, false) => (Class::Neutral, "other access rules demand the same"),
    };
    let places = (places(&before), places(&after));
    let what = What::AccessRule;
    let why = why.to_owned();
    let mut step = Step { old, new, who, what, why, places, found: Vec::new() };
    if looser {
        let mut gained = new.with_everyone(who, Count::Held);
        match who {
            Subject::Role(_) => gained.extend(users(new)),
            Subject::User(_) => {}
            Subject::Public => gained.extend(new.subjects()),
        }
        step.gains(&gained, &BTreeSet::new());
    }
    if stricter && matches!(who, Subject::Role(_)) {
        step.loses(&new.reach(who, Count::Held), &new.reach(&Subject::Public, Count::SurelyActive));
        // It can't be told which of the two weighs more.
        step.found.retain(|event| !looser || event.class == Class::Widens);
    }
    step.end(events, Some(class));
}

/// The access rules that are for one of these.
fn demands_on<'a>(side: &Side<'a>, subjects: &[&Subject]) -> Vec<&'a AccessRule> {
    let rules = side.access_rules().iter();
    rules.filter(|rule| subjects.iter().any(|subject| rule.to.contains(subject))).collect()
}

/// Whether who meets all of `others` meets each demand of `rule`.
fn is_met_by_all(rule: &AccessRule, others: &[&AccessRule]) -> bool {
    let AccessRule { to: _, networks, mfa, from, until, purposes, policy: _ } = rule;
    let any = |demands: &dyn Fn(&AccessRule) -> bool| others.iter().any(|other| demands(other));
    networks.as_ref().is_none_or(|wide| {
        any(&|other| {
            other.networks.as_ref().is_some_and(|narrow| {
                narrow.iter().all(|narrow| wide.iter().any(|wide| wide.covers(narrow)))
            })
        })
    }) && (!mfa || any(&|other| other.mfa))
        && from.is_none_or(|from| any(&|other| other.from.is_some_and(|later| from <= later)))
        && until.is_none_or(|until| any(&|other| other.until.is_some_and(|sooner| sooner <= until)))
        && purposes.as_ref().is_none_or(|wide| {
            any(&|other| {
                let narrow = other.purposes.as_ref();
                narrow.is_some_and(|narrow| narrow.iter().all(|purpose| wide.contains(purpose)))
            })
        })
}
