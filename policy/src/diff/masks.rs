//! Masks: what stands for a value, for whom and on which rows.
//!
//! Who is exempt and where is a handful of questions: has the caller this role, is that condition
//! true. Every combination of answers is gone through, and what is shown is compared.

use std::collections::BTreeSet;

use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion_expr::Expr;
use tollgate_catalog::TableName;

use super::implies::{implies, is_always_true, is_never_true};
use super::side::{Count, Side, column_names};
use super::{Class, Event, Layer, Place, What, Who};
use crate::display::sql_text;
use crate::model::{MaskRule, Predicates, Subject};

/// The most roles and conditions of which all combinations are gone through.
const MAX_QUESTIONS: usize = 12;

pub(super) fn compare(old: &Side<'_>, new: &Side<'_>, table: &TableName, events: &mut Vec<Event>) {
    for column in column_names(old, new, table) {
        let (before, after) = (old.masks(table, &column), new.masks(table, &column));
        if before.len() == after.len()
            && before.iter().zip(after).all(|(before, after)| is_same(before, after))
        {
            continue;
        }
        let found = match Questions::of(old, before, after) {
            Some(questions) => questions.compare(&column, before, after),
            None => {
                let why = "its masks changed, and are too many to be compared";
                vec![(Class::Widens, What::Mask, Vec::new(), why.to_owned())]
            }
        };
        let (before, after) = (places(before), places(after));
        let mut event = |class, what, who, why: String| {
            events.push(Event {
                class,
                who,
                table: Some(table.clone()),
                what,
                layer: Layer::Values,
                why,
                old: before.clone(),
                new: after.clone(),
                columns: Some(vec![column.clone()]),
            });
        };
        if found.is_empty() {
            let why = "masked by other statements, the same is shown";
            event(Class::Neutral, What::Mask, Who::Everyone, why.to_owned());
        }
        for (class, what, roles, why) in found {
            match roles.as_slice() {
                [] => event(class, what, Who::Everyone, why),
                [role] => event(class, what, Who::Role((*role).to_owned()), why),
                several => {
                    let why = format!("{why}, for who has {} at once", several.join(" and "));
                    for role in several {
                        event(class, what, Who::Role((*role).to_owned()), why.clone());
                    }
                }
            }
        }
    }
}

fn places(masks: &[MaskRule]) -> Vec<Place> {
    masks.iter().map(|rule| Place::from(rule.policy.as_ref())).collect()
}

/// The same mask by another name masks the same, unless the name is in the key of a hash.
fn is_same(one: &MaskRule, other: &MaskRule) -> bool {
    let MaskRule { strength: _, expr, except, when, predicates, policy } = one;
    expr == &other.expr
        && except == &other.except
        && when == &other.when
        && predicates == &other.predicates
        && policy.name == other.policy.name
}

/// What is shown: the value, or what this mask makes of it.
#[derive(Clone, Copy)]
enum Shown<'a> {
    Value,
    Masked(&'a Expr),
}

/// A line about a column: what it does, to what, for who has all these roles, and why.
type Found<'a> = (Class, What, Vec<&'a str>, String);

/// What the masks of one column ask.
struct Questions<'a> {
    roles: Vec<&'a str>,
    /// For each role those among `roles` that come with it whatever the circumstances.
    implied: Vec<u32>,
    conditions: Vec<&'a Expr>,
}

impl<'a> Questions<'a> {
    fn of(old: &Side<'_>, before: &'a [MaskRule], after: &'a [MaskRule]) -> Option<Self> {
        let rules = || before.iter().chain(after);
        let roles: BTreeSet<&str> =
            rules().flat_map(|rule| rule.except.iter()).map(String::as_str).collect();
        let roles: Vec<_> = roles.into_iter().collect();
        let mut conditions: Vec<&Expr> = Vec::new();
        for when in rules().filter_map(|rule| rule.when.as_ref()) {
            if !conditions.contains(&when) {
                conditions.push(when);
            }
        }
        if roles.len() + conditions.len() > MAX_QUESTIONS {
            return None;
        }
        let implied = roles.iter().map(|role| {
            let with = old.with_everyone(&Subject::Role((*role).to_owned()), Count::SurelyActive);
            mask_of(&roles, |other| with.contains(&Subject::Role((*other).to_owned())))
        });
        Some(Self { implied: implied.collect(), roles, conditions })
    }

    /// Whether a caller can have just these of the roles.
    fn is_possible(&self, having: u32) -> bool {
        let mut implied = self.implied.iter().enumerate().filter(|(at, _)| having >> at & 1 == 1);
        implied.all(|(_, implied)| implied & !having == 0)
    }

    /// Whether a row can answer the conditions like this.
    fn can_hold(&self, holding: u32) -> bool {
        let holds = |at: usize| holding >> at & 1 == 1;
        self.conditions.iter().enumerate().all(|(at, one)| {
            if holds(at) {
                let others = self.conditions.iter().enumerate();
                !is_never_true(one)
                    && others.filter(|(at, _)| !holds(*at)).all(|(_, other)| !implies(one, other))
            } else {
                !is_always_true(one)
            }
        })
    }

    fn compare(&self, column: &str, before: &[MaskRule], after: &[MaskRule]) -> Vec<Found<'a>> {
        let rows: Vec<u32> =
            (0..1_u32 << self.conditions.len()).filter(|holding| self.can_hold(*holding)).collect();
        let (mut wider, mut narrower) = (Vec::new(), Vec::new());
        let (mut looser, mut tighter) = (Vec::new(), Vec::new());
        for having in (0..1_u32 << self.roles.len()).filter(|having| self.is_possible(*having)) {
            let pairs = rows.iter().map(|holding| {
                (self.shown(before, having, *holding), self.shown(after, having, *holding))
            });
            let pairs: Vec<_> = pairs.collect();
            if pairs.iter().any(|(was, is)| !shows_no_more(*is, *was, column)) {
                wider.push(having);
            } else if pairs.iter().any(|(was, is)| !is_equal(*is, *was)) {
                narrower.push(having);
            }
            let (was, is) = (self.predicates(before, having), self.predicates(after, having));
            let constant = pairs.iter().all(|(_, is)| is_constant(*is));
            if is < was && !constant {
                looser.push(having);
            } else if is > was {
                tighter.push(having);
            }
        }
        let why = |having: u32, wider: bool| {
            let pairs = rows.iter().map(|holding| {
                (self.shown(before, having, *holding), self.shown(after, having, *holding))
            });
            let mut pairs = pairs.filter(|(was, is)| match wider {
                true => !shows_no_more(*is, *was, column),
                false => !is_equal(*is, *was),
            });
            match pairs.next() {
                Some((was, is)) => format!("shows {} instead of {}", words(is), words(was)),
                None => "shows something else".to_owned(),
            }
        };
        let mut found: Vec<Found<'a>> = Vec::new();
        let lists = [
            (Class::Widens, What::Mask, &wider),
            (Class::Narrows, What::Mask, &narrower),
            (Class::Widens, What::Predicates, &looser),
            (Class::Narrows, What::Predicates, &tighter),
        ];
        for (class, what, all) in lists {
            for having in least(all) {
                let why = match (what, class) {
                    (What::Predicates, Class::Widens) => {
                        "statements may do more with it".to_owned()
                    }
                    (What::Predicates, _) => "statements may do less with it".to_owned(),
                    _ => why(having, class == Class::Widens),
                };
                found.push((class, what, self.names(having), why));
            }
        }
        found
    }

    fn names(&self, having: u32) -> Vec<&'a str> {
        let names = self.roles.iter().enumerate();
        names.filter(|(at, _)| having >> at & 1 == 1).map(|(_, name)| *name).collect()
    }

    fn is_exempt(&self, rule: &MaskRule, having: u32) -> bool {
        let own = |role: &str| self.roles.iter().position(|other| *other == role);
        rule.except.iter().filter_map(|role| own(role)).any(|at| having >> at & 1 == 1)
    }

    fn shown<'m>(&self, masks: &'m [MaskRule], having: u32, holding: u32) -> Shown<'m> {
        let mut shown = Shown::Value;
        for rule in masks {
            let lifted = match &rule.when {
                None => true,
                Some(when) => {
                    let at = self.conditions.iter().position(|condition| *condition == when);
                    at.is_some_and(|at| holding >> at & 1 == 1)
                }
            };
            if !(self.is_exempt(rule, having) && lifted) {
                shown = Shown::Masked(&rule.expr);
            }
        }
        shown
    }

    /// The least that any mask allows that applies on some row.
    fn predicates(&self, masks: &[MaskRule], having: u32) -> Predicates {
        let applying =
            masks.iter().filter(|rule| !(self.is_exempt(rule, having) && rule.when.is_none()));
        applying.map(|rule| rule.predicates).max().unwrap_or(Predicates::Masked)
    }
}

fn mask_of(roles: &[&str], holds: impl Fn(&&str) -> bool) -> u32 {
    let bits = roles.iter().enumerate().filter(|(_, role)| holds(role));
    bits.fold(0, |mask, (at, _)| mask | 1 << at)
}

/// Those of which no other one is a part.
fn least(all: &[u32]) -> Vec<u32> {
    let is_least = |one: &&u32| !all.iter().any(|other| other != *one && other & *one == *other);
    all.iter().filter(is_least).copied().collect()
}

fn is_equal(one: Shown<'_>, other: Shown<'_>) -> bool {
    match (one, other) {
        (Shown::Value, Shown::Value) => true,
        (Shown::Masked(one), Shown::Masked(other)) => one == other,
        (Shown::Value, Shown::Masked(_)) | (Shown::Masked(_), Shown::Value) => false,
    }
}

/// Whether `is` tells nothing that `was` didn't: the same, a constant, or what can be computed from
/// the value that was shown itself.
fn shows_no_more(is: Shown<'_>, was: Shown<'_>, column: &str) -> bool {
    is_equal(is, was)
        || is_constant(is)
        || matches!((is, was), (Shown::Masked(mask), Shown::Value) if reads_only(mask, Some(column)))
}

fn is_constant(shown: Shown<'_>) -> bool {
    matches!(shown, Shown::Masked(mask) if reads_only(mask, None))
}

/// Whether a mask depends on no column but this one. What can't be looked through does.
pub(super) fn reads_only(mask: &Expr, column: Option<&str>) -> bool {
    let mut only = true;
    let looked = mask.apply(|expr| {
        only &= match expr {
            Expr::Column(read) => column == Some(read.name.as_str()),
            // What computes: its arguments are looked at in turn.
            Expr::Literal(..)
            | Expr::ScalarFunction(_)
            | Expr::BinaryExpr(_)
            | Expr::Case(_)
            | Expr::Cast(_)
            | Expr::TryCast(_)
            | Expr::Not(_)
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsTrue(_)
            | Expr::IsNotTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsNotFalse(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotUnknown(_)
            | Expr::Between(_)
            | Expr::InList(_)
            | Expr::Like(_) => true,
            _ => false,
        };
        Ok(TreeNodeRecursion::Continue)
    });
    looked.is_ok() && only
}

fn words(shown: Shown<'_>) -> String {
    match shown {
        Shown::Value => "the value".to_owned(),
        Shown::Masked(mask) => sql_text(mask),
    }
}
