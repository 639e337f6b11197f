//! The rules of composition, written down a second time: straight from the truth table in
//! `policy/README.md`, over rows in memory, with nothing of the crate under test.
//!
//! It is slow and simple on purpose: sets, loops and three-valued logic, no indexes and no plans.

use std::collections::{BTreeMap, BTreeSet};

use super::world::{
    Action, Cond, Demand, Grantee, MaskExpr, MaskOn, RowKind, Rule, TABLES, Target, User, VIEWS,
    Value, World,
};

/// What one user sees of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// It doesn't exist.
    Nothing,
    /// Its columns by name, and its rows.
    Rows { columns: Vec<&'static str>, rows: Vec<Vec<Shown>> },
}

/// What stands in a cell.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shown {
    /// Exactly this.
    Value(Value),
    /// The hash of this text under the policy of that number.
    Hash(usize, String),
    /// What a mask on a view makes of a hash below it: some text.
    OfHash,
}

/// `None` is a load that must be refused: two masks that are equally strict and not the same, or
/// a look-up in a view's row policy.
pub fn sight(world: &World, user: &User, table: usize) -> Option<Sight> {
    for (table, column) in all_columns() {
        let masks = masks_of(world, table, column);
        for (one, (_, first)) in masks.iter().enumerate() {
            for (_, second) in &masks[one + 1..] {
                let same = first == second && !matches!(first, MaskExpr::Hash);
                if strictness(first) == strictness(second) && !same {
                    return None;
                }
            }
        }
    }
    for rule in &world.rules {
        let Rule::Rows { target, using, .. } = rule else { continue };
        if looks_up(using) && (VIEWS..TABLES.len()).any(|view| is_on(target, view)) {
            return None;
        }
    }
    Some(decided(world, user, table))
}

fn looks_up(cond: &Cond) -> bool {
    match cond {
        Cond::Lookup => true,
        Cond::Not(cond) => looks_up(cond),
        Cond::And(left, right) | Cond::Or(left, right) => looks_up(left) || looks_up(right),
        _ => false,
    }
}

fn is_on(target: &Target, table: usize) -> bool {
    match target {
        Target::Table(named) => *named == table,
        Target::Schema(schema) => TABLES[table].schema == *schema,
        Target::WithColumn(with) => TABLES[table].columns.contains(with),
    }
}

/// Whether a denial for the user covers a column that a view reads, or one below that.
fn is_denied_below(world: &World, user: &User, held: &BTreeSet<usize>, table: usize) -> bool {
    let Some(view) = world.view(table) else { return false };
    let denied = world.rules.iter().any(|rule| match rule {
        Rule::Access { action: Action::Deny, target, columns, to } => {
            is_on(target, view.reads)
                && is_for(to, user, held)
                && columns
                    .as_ref()
                    .is_none_or(|columns| columns.iter().any(|column| ["k", "n"].contains(column)))
        }
        _ => false,
    });
    denied || is_denied_below(world, user, held, view.reads)
}

/// The rows that a table has by itself, or that a view has after the rules of what it reads.
fn feed(world: &World, user: &User, sets: Sets<'_>, table: usize) -> Vec<Vec<Shown>> {
    let Some(view) = world.view(table) else {
        let rows = world.rows[table].iter();
        return rows.map(|row| row.iter().cloned().map(Shown::Value).collect()).collect();
    };
    let rows = seen(world, user, sets, view.reads, &["k", "n"]).into_iter();
    let passes = |row: &Vec<Shown>| match (view.below, &row[1]) {
        (None, _) => true,
        (Some(below), Shown::Value(Value::Number(number))) => *number < below,
        (Some(_), _) => false,
    };
    rows.filter(passes).collect()
}

/// The active and the held roles.
type Sets<'a> = (&'a BTreeSet<usize>, &'a BTreeSet<usize>);

/// What the rows and masks of a table or view leave of some of its columns.
fn seen(
    world: &World,
    user: &User,
    sets: Sets<'_>,
    table: usize,
    columns: &[&'static str],
) -> Vec<Vec<Shown>> {
    let rows = feed(world, user, sets, table);
    let rows = rows.iter().map(|row| named(table, row));
    let visible = rows.filter(|row| row_is_visible(world, user, sets, table, row));
    let shown = visible.map(|row| {
        columns.iter().map(|column| shown(world, user, sets.0, table, column, &row)).collect()
    });
    shown.collect()
}

fn decided(world: &World, user: &User, table: usize) -> Sight {
    let Some(active) = active_roles(world, user) else { return Sight::Nothing };
    // What restricts is for a role even if it is switched off.
    let held = roles(world, user, &BTreeSet::new());
    let mut columns = Vec::new();
    for column in TABLES[table].columns {
        let mut granted = false;
        let mut denied = false;
        for rule in &world.rules {
            let Rule::Access { action, target, columns, to } = rule else { continue };
            let covers = is_on(target, table)
                && columns.as_ref().is_none_or(|columns| columns.contains(column));
            if covers {
                match action {
                    Action::Grant => granted |= is_for(to, user, &active),
                    Action::Deny => denied |= is_for(to, user, &held),
                }
            }
        }
        if granted && !denied {
            columns.push(*column);
        }
    }
    if columns.is_empty() || is_denied_below(world, user, &held, table) {
        return Sight::Nothing;
    }
    let rows = seen(world, user, (&active, &held), table, &columns);
    Sight::Rows { columns, rows }
}

type Row<'a> = BTreeMap<&'static str, &'a Shown>;

fn named(table: usize, row: &[Shown]) -> Row<'_> {
    TABLES[table].columns.iter().copied().zip(row).collect()
}

/// All roles that a user has: its own, those of everyone, and whatever these inherit; without those
/// that are `off`.
fn roles(world: &World, user: &User, off: &BTreeSet<usize>) -> BTreeSet<usize> {
    let mut roles = BTreeSet::new();
    loop {
        let before = roles.len();
        for rule in &world.rules {
            let Rule::Member { role, of } = rule else { continue };
            let member = match of {
                Grantee::Public => true,
                Grantee::User(name) => *name == user.name,
                Grantee::Role(member) => roles.contains(member),
            };
            if member && !off.contains(role) {
                roles.insert(*role);
            }
        }
        if roles.len() == before {
            return roles;
        }
    }
}

/// The active roles, unless none is left of some or a rule for everyone or this user isn't met.
fn active_roles(world: &World, user: &User) -> Option<BTreeSet<usize>> {
    let mut off = BTreeSet::new();
    for rule in &world.rules {
        let Rule::Switch { to, demand } = rule else { continue };
        let met = match demand {
            Demand::From(here) => *here,
            Demand::Mfa => false,
            Demand::Purpose(this) => *this,
            Demand::Until(past) => !past,
        };
        for grantee in to.iter().filter(|_| !met) {
            match grantee {
                Grantee::Public => return None,
                Grantee::User(name) if *name == user.name => return None,
                Grantee::User(_) => {}
                Grantee::Role(role) => {
                    off.insert(*role);
                }
            }
        }
    }
    let active = roles(world, user, &off);
    (!active.is_empty() || roles(world, user, &BTreeSet::new()).is_empty()).then_some(active)
}

fn is_for(to: &[Grantee], user: &User, active: &BTreeSet<usize>) -> bool {
    to.iter().any(|grantee| match grantee {
        Grantee::Public => true,
        Grantee::User(name) => *name == user.name,
        Grantee::Role(role) => active.contains(role),
    })
}

fn row_is_visible(
    world: &World,
    user: &User,
    (active, held): Sets<'_>,
    table: usize,
    row: &Row<'_>,
) -> bool {
    let mut any_permissive = false;
    let mut one_permissive_holds = false;
    for rule in &world.rules {
        let Rule::Rows { kind, target, to, using } = rule else { continue };
        if !is_on(target, table) {
            continue;
        }
        // NULL counts as false.
        let roles = match kind {
            RowKind::Permissive => active,
            RowKind::Restrictive => held,
        };
        let holds = is_for(to, user, roles)
            .then(|| truth(using, world, user, active, row, &NULL) == Some(true));
        match (kind, holds) {
            (RowKind::Permissive, holds) => {
                any_permissive = true;
                one_permissive_holds |= holds == Some(true);
            }
            (RowKind::Restrictive, Some(false)) => return false,
            (RowKind::Restrictive, Some(true) | None) => {}
        }
    }
    !any_permissive || one_permissive_holds
}

const NULL: Shown = Shown::Value(Value::Null);

/// NULL > redact > hash > partial > generalise > none.
fn strictness(mask: &MaskExpr) -> u8 {
    match mask {
        MaskExpr::Null => 5,
        MaskExpr::Redact | MaskExpr::Zero => 4,
        MaskExpr::Hash => 3,
        MaskExpr::Partial => 2,
        MaskExpr::Exclaim | MaskExpr::Bucket => 1,
        MaskExpr::Value => 0,
    }
}

fn masks_of<'w>(world: &'w World, table: usize, column: &str) -> Vec<(usize, &'w MaskExpr)> {
    let covered = |on: &MaskOn| match on {
        MaskOn::Column(named, name) => *named == table && *name == column,
        MaskOn::Tag(tag) => world.rules.iter().any(|rule| match rule {
            Rule::Tag { tag: given, schema, table: name, column: of } => {
                given == tag
                    && schema.is_none_or(|schema| schema == TABLES[table].schema)
                    && name.is_none_or(|name| name == TABLES[table].name)
                    && *of == column
            }
            _ => false,
        }),
    };
    let masks = world.rules.iter().enumerate().filter_map(|(number, rule)| match rule {
        Rule::Mask { on, using, .. } if covered(on) => Some((number, using)),
        _ => None,
    });
    masks.collect()
}

fn all_columns() -> impl Iterator<Item = (usize, &'static str)> {
    TABLES
        .iter()
        .enumerate()
        .flat_map(|(table, shape)| shape.columns.iter().map(move |column| (table, *column)))
}

fn shown(
    world: &World,
    user: &User,
    active: &BTreeSet<usize>,
    table: usize,
    column: &str,
    row: &Row<'_>,
) -> Shown {
    let value = row[column];
    let mut strictest: Option<(usize, &MaskExpr)> = None;
    for (number, mask) in masks_of(world, table, column) {
        let Rule::Mask { except, .. } = &world.rules[number] else { unreachable!() };
        // Being unmasked is explicit, and has its own condition on the row.
        let exempt = except.as_ref().is_some_and(|(roles, when)| {
            roles.iter().any(|role| active.contains(role))
                && when
                    .as_ref()
                    .is_none_or(|when| truth(when, world, user, active, row, value) == Some(true))
        });
        if !exempt && strictest.is_none_or(|(_, other)| strictness(mask) > strictness(other)) {
            strictest = Some((number, mask));
        }
    }
    let Some((number, mask)) = strictest else { return value.clone() };
    let value = match (mask, value) {
        (
            MaskExpr::Hash | MaskExpr::Partial | MaskExpr::Exclaim,
            Shown::Hash(..) | Shown::OfHash,
        ) => {
            return Shown::OfHash;
        }
        (MaskExpr::Value, Shown::Hash(..) | Shown::OfHash) => return value.clone(),
        (_, Shown::Hash(..) | Shown::OfHash) => &Value::Null,
        (_, Shown::Value(value)) => value,
    };
    Shown::Value(match (mask, value) {
        (MaskExpr::Null, _) => Value::Null,
        (MaskExpr::Redact, _) => Value::Text("REDACTED".to_owned()),
        (MaskExpr::Zero, _) => Value::Number(0),
        (MaskExpr::Value, value) => value.clone(),
        (_, Value::Null) => Value::Null,
        (MaskExpr::Hash, Value::Text(text)) => return Shown::Hash(number, text.clone()),
        (MaskExpr::Partial, Value::Text(text)) => {
            // One character of what is longer than that.
            let first = text.chars().next().filter(|_| text.chars().count() > 1);
            Value::Text(first.into_iter().chain("***".chars()).collect())
        }
        (MaskExpr::Exclaim, Value::Text(text)) => Value::Text(format!("{text}!")),
        (MaskExpr::Bucket, Value::Number(number)) => Value::Number(number - number.rem_euclid(2)),
        (mask, value) => unreachable!("{mask:?} of {value:?}"),
    })
}

/// Three-valued logic.
fn truth(
    cond: &Cond,
    world: &World,
    user: &User,
    active: &BTreeSet<usize>,
    row: &Row<'_>,
    value: &Shown,
) -> Option<bool> {
    let below = |cond: &Cond| truth(cond, world, user, active, row, value);
    let bare = |value: &Value| match value {
        Value::Text(text) => Some(text.clone()),
        Value::Null | Value::Number(_) => None,
    };
    let text = |value: &Shown| match value {
        Shown::Value(value) => bare(value),
        // Nothing that any condition asks for.
        Shown::Hash(..) | Shown::OfHash => Some("a hash".to_owned()),
    };
    let is_in = |found: Option<String>, list: Vec<Option<String>>| {
        let mut unknown = false;
        for item in list {
            match (&found, &item) {
                (Some(found), Some(item)) if found == item => return Some(true),
                (Some(_), Some(_)) => {}
                (None, _) | (_, None) => unknown = true,
            }
        }
        if unknown { None } else { Some(false) }
    };
    match cond {
        Cond::Constant(constant) => *constant,
        Cond::TextIs(literal) => Some(text(row["k"])? == *literal),
        Cond::NumberBelow(bound) => match row["n"] {
            Shown::Value(Value::Number(number)) => Some(number < bound),
            _ => None,
        },
        Cond::TextIsNull => Some(*row["k"] == NULL),
        Cond::ValueIsNull => Some(*value == NULL),
        Cond::TextIsAttribute => match user.attribute.as_deref() {
            Some([only]) => Some(text(row["k"])? == *only),
            Some(_) | None => None,
        },
        Cond::TextAmongAttributes => {
            let list = user.attribute.as_ref()?;
            is_in(text(row["k"]), list.iter().cloned().map(Some).collect())
        }
        Cond::HasRole(role) => Some(active.contains(role)),
        Cond::Lookup => {
            let mapped = world.mapping.iter().filter(|(_, who)| *who == user.name);
            is_in(text(row["k"]), mapped.map(|(key, _)| bare(key)).collect())
        }
        Cond::Not(cond) => Some(!below(cond)?),
        Cond::And(left, right) => match (below(left), below(right)) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            (None, _) | (_, None) => None,
        },
        Cond::Or(left, right) => match (below(left), below(right)) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            (None, _) | (_, None) => None,
        },
    }
}
