//! What another bundle changes: who may see more, who sees less, and by which statement.
//!
//! Rules are compared by what they do, for each role, user and everyone, table and column; texts
//! are never compared. It answers in two steps, as a change of a bundle does: first what the other
//! rules show to whom holds the same roles as before, then what the other roles show under the
//! other rules. Whatever can't be proven to show nothing more counts as widening.

mod aggregates;
mod columns;
mod implies;
mod limits;
mod masks;
mod rows;
mod side;
mod standing;
mod statements;
mod views;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;
use tollgate_catalog::TableName;

use self::side::Side;
use crate::bundle::Bundle;
use crate::diagnostics::Location;
use crate::model::{PolicyKind, PolicyRef, Subject};

/// What a change does to what is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Somebody sees more, or it can't be proven that nobody does.
    Widens,
    /// Somebody sees less, and nobody more.
    Narrows,
    /// Everybody sees the same.
    Neutral,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Widens => "widens",
            Self::Narrows => "narrows",
            Self::Neutral => "neutral",
        })
    }
}

/// What kind of rule changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Who is a member of which role.
    Membership,
    /// Who may use a role, from where, when and how.
    AccessRule,
    /// A view.
    View,
    /// A grant.
    Grant,
    /// A denial.
    Denial,
    /// A row policy.
    Rows,
    /// A masking policy, or which columns carry its tag.
    Mask,
    /// What statements may do with a masked column.
    Predicates,
    /// An aggregation policy.
    Aggregates,
    /// What statements may cost.
    Limit,
    /// What they cost.
    Price,
    /// A statement that changes nothing that is seen.
    Statement,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Membership => "membership",
            Self::AccessRule => "access rule",
            Self::View => "view",
            Self::Grant => "grant",
            Self::Denial => "denial",
            Self::Rows => "rows",
            Self::Mask => "mask",
            Self::Predicates => "predicates",
            Self::Aggregates => "aggregates",
            Self::Limit => "limit",
            Self::Price => "price",
            Self::Statement => "statement",
        })
    }
}

/// Whom a change is about: all who hold the role, this user, or everyone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// Everyone; where a mask changed, whoever has no role that is exempt from it.
    Everyone,
    /// Whoever holds this role.
    Role(String),
    /// This user.
    User(String),
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everyone => f.write_str("everyone"),
            Self::Role(role) => write!(f, "role {role}"),
            Self::User(user) => write!(f, "user '{user}'"),
        }
    }
}

impl From<&Subject> for Who {
    fn from(subject: &Subject) -> Self {
        match subject {
            Subject::Role(role) => Self::Role(role.clone()),
            Subject::User(user) => Self::User(user.clone()),
            Subject::Public => Self::Everyone,
        }
    }
}

/// A statement that has to do with a change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The file, as its path was given.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// The column in characters, from 1.
    pub column: u64,
    /// What stands there, in a few words.
    pub says: String,
}

impl Place {
    fn at(at: &Location, says: impl Into<String>) -> Self {
        Self { file: at.file.to_string(), line: at.line, column: at.column, says: says.into() }
    }
}

impl From<&PolicyRef> for Place {
    fn from(policy: &PolicyRef) -> Self {
        let says = match policy.kind {
            PolicyKind::Grant | PolicyKind::Deny => policy.name.clone(),
            PolicyKind::PermissiveRowPolicy
            | PolicyKind::RestrictiveRowPolicy
            | PolicyKind::MaskingPolicy
            | PolicyKind::AggregationPolicy
            | PolicyKind::AccessRule
            | PolicyKind::Limit
            | PolicyKind::Price => format!("{} {}", policy.kind, policy.name),
        };
        Self { file: policy.file.clone(), line: policy.line, column: policy.column, says }
    }
}

/// One line of a difference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    /// What it does.
    pub class: Class,
    /// For whom.
    pub who: Who,
    /// Of which table or view; `None` where it is about no particular one.
    pub table: Option<String>,
    /// Of which columns; `None`: of the rows, so of every column that is seen.
    pub columns: Option<Vec<String>>,
    /// What kind of rule changed.
    pub what: What,
    /// What happened, in words.
    pub why: String,
    /// The statements of the old bundle.
    pub old: Vec<Place>,
    /// The statements of the new one.
    pub new: Vec<Place>,
}

/// What a change touches, which says how it reaches the views above a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Layer {
    /// Who may read a column: nothing to the views that read it.
    Grant,
    /// Who may not: that hides the views too.
    Denial,
    Rows,
    Values,
    /// No table.
    Apart,
}

/// A change before it is written down.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    class: Class,
    who: Who,
    table: Option<TableName>,
    what: What,
    layer: Layer,
    why: String,
    old: Vec<Place>,
    new: Vec<Place>,
    columns: Option<Vec<String>>,
}

/// The changes from one bundle to another, those that widen first. Both must have been loaded over the
/// same catalog and with the same secret, or everything differs.
///
/// For every caller, table, row and column: if the new bundle shows what the old one doesn't, there
/// is a [`Class::Widens`] for the table, for that column or the rows, and for the user, for everyone
/// or for a role that the user holds under one of the two.
pub fn diff(old: &Bundle, new: &Bundle) -> Vec<Change> {
    let (old, new) = (&Side::new(old), &Side::new(new));
    let mut events = Vec::new();
    let names = old.tables().chain(new.tables()).collect::<BTreeSet<_>>();
    for table in &names {
        columns::compare(old, new, table, &mut events);
        rows::compare(old, new, table, &mut events);
        masks::compare(old, new, table, &mut events);
        aggregates::compare(old, new, table, &mut events);
    }
    standing::compare(old, new, &mut events);
    views::compare(old, new, &mut events);
    limits::compare(old, new, &mut events);
    for event in &mut events {
        settle(new, event);
    }
    statements::compare(old, new, &mut events);
    written(old, new, events)
}

/// What nobody may read, nobody sees more of.
fn settle(new: &Side<'_>, event: &mut Event) {
    let Some(table) = &event.table else { return };
    if event.class != Class::Widens {
        return;
    }
    let readable = match &event.columns {
        None => new.is_granted(table, None),
        Some(columns) => columns.iter().any(|column| new.is_granted(table, Some(column))),
    };
    if !readable {
        event.class = Class::Neutral;
        event.why.push_str("; nobody is granted it");
    }
}

/// Changes that differ in columns only are one.
fn written(old: &Side<'_>, new: &Side<'_>, events: Vec<Event>) -> Vec<Change> {
    let mut merged: BTreeMap<Event, Option<BTreeSet<String>>> = BTreeMap::new();
    for mut event in events {
        match event.columns.take() {
            None => {
                // The rows are a line of their own.
                merged.entry(event).or_insert(None);
            }
            Some(columns) => {
                // An empty list keeps it apart from the rows.
                event.columns = Some(Vec::new());
                let all = merged.entry(event).or_insert_with(|| Some(BTreeSet::new()));
                all.get_or_insert_default().extend(columns);
            }
        }
    }
    let changes = merged.into_iter().map(|(event, columns)| {
        let columns = columns.map(|columns| {
            let order = event.table.as_ref().map(|table| side::column_names(old, new, table));
            let order = order.unwrap_or_default();
            order.into_iter().filter(|name| columns.contains(name)).collect()
        });
        Change {
            class: event.class,
            who: event.who,
            table: event.table.map(|table| table.to_string()),
            columns,
            what: event.what,
            why: event.why,
            old: event.old,
            new: event.new,
        }
    });
    let mut changes: Vec<_> = changes.collect();
    changes.sort();
    changes.dedup();
    changes
}

#[cfg(test)]
mod tests;
