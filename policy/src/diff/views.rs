//! Views: what they show changes with their query, and with all that changes below them.

use std::collections::{BTreeMap, BTreeSet};

use datafusion_common::tree_node::TreeNode;
use datafusion_expr::Expr;
use tollgate_catalog::{Table, TableName, View};

use super::masks::reads_only;
use super::side::Side;
use super::{Class, Event, Layer, Place, What, Who};
use crate::model::{MaskRule, Statement, Subject};

pub(super) fn compare(old: &Side<'_>, new: &Side<'_>, events: &mut Vec<Event>) {
    let before: BTreeMap<&TableName, &Table> =
        old.views().iter().map(|view| (&view.name, view.as_ref())).collect();
    // A view reads those that stand before it, so what reaches one has reached those below.
    for view in new.views() {
        if let Some(was) = before.get(&view.name)
            && (was.columns != view.columns || was.view() != view.view())
        {
            events.push(Event {
                class: Class::Widens,
                who: Who::from(&Subject::Public),
                table: Some(view.name.clone()),
                what: What::View,
                layer: Layer::Rows,
                why: "another query, which may show anything that its author may read".to_owned(),
                old: place(old, &view.name),
                new: place(new, &view.name),
                columns: None,
            });
        }
        let above = above(new, view, events);
        events.extend(above);
    }
}

/// The changes of what a view reads, as changes of the view.
fn above(new: &Side<'_>, view: &Table, events: &[Event]) -> Vec<Event> {
    let mut found = BTreeSet::new();
    let Some(View { sql: _, reads, is_monotone, decides }) = view.view() else { return Vec::new() };
    let (depends, hashes) = (depends_on_values(new, view), hashes(new, view));
    for (read, columns) in reads {
        let is_read = |name: &String| {
            let index = read.column_index(name);
            // A name that it doesn't know is taken for one that is read.
            index.is_none_or(|index| columns.contains(&index))
        };
        let below = events.iter().filter(|event| event.table.as_ref() == Some(&read.name));
        for event in below {
            let reaches = match event.layer {
                Layer::Grant | Layer::Apart => false,
                Layer::Rows => true,
                Layer::Denial | Layer::Values => {
                    event.columns.as_ref().is_none_or(|names| names.iter().any(is_read))
                }
            };
            if !reaches || event.class == Class::Neutral {
                continue;
            }
            let may_turn = match (event.what, event.layer) {
                // These say what a query may do with a column, and nothing of what it yields.
                (What::Predicates, _) | (_, Layer::Denial) => false,
                (_, Layer::Rows) => !is_monotone,
                (_, Layer::Values) => {
                    depends
                        || match &event.columns {
                            None => !decides.is_empty(),
                            Some(columns) => columns.iter().any(|name| decides.contains(name)),
                        }
                }
                (_, Layer::Grant | Layer::Apart) => false,
            };
            let (class, so) = match event.class {
                Class::Narrows if may_turn => (Class::Widens, ", so it may have other rows"),
                Class::Narrows if hashes && event.layer == Layer::Values => {
                    (Class::Widens, ", of which other hashes are equal")
                }
                class => (class, ""),
            };
            let of = match &event.columns {
                None => read.name.to_string(),
                Some(columns) => format!("{} ({})", read.name, columns.join(", ")),
            };
            found.insert(Event {
                class,
                table: Some(view.name.clone()),
                layer: if event.layer == Layer::Values { Layer::Values } else { Layer::Rows },
                why: format!("through {of}: {}{so}", event.why),
                columns: None,
                ..event.clone()
            });
        }
    }
    found.into_iter().collect()
}

/// Whether rules of the view's own ask for values, which are those that are left by the rules below.
fn depends_on_values(side: &Side<'_>, view: &Table) -> bool {
    let Some(rules) = side.rules(&view.name) else { return false };
    let of_rows = rules.rows.iter().any(|rule| !reads_only(&rule.predicate, None));
    let mut columns = view.columns.iter().zip(&rules.masks);
    of_rows
        || columns.any(|(column, masks)| {
            let asks = |mask: &MaskRule| {
                mask.when.as_ref().is_some_and(|when| !reads_only(when, None))
                    || !reads_only(&mask.expr, Some(&column.name))
            };
            masks.iter().any(asks)
        })
}

/// Whether rules of the view's own hash values: hashes of what is coarser below are equal for values that
/// were told apart, which hashes of those don't tell.
fn hashes(side: &Side<'_>, view: &Table) -> bool {
    let Some(rules) = side.rules(&view.name) else { return false };
    let hash =
        |expr: &Expr| Ok(matches!(expr, Expr::ScalarFunction(call) if call.name() == "mask_hash"));
    rules.masks.iter().flatten().any(|mask| mask.expr.exists(hash).unwrap_or(true))
}

fn place(side: &Side<'_>, view: &TableName) -> Vec<Place> {
    let statements = side.bundle().statements().iter();
    let found = statements.filter(|located| match &located.statement {
        Statement::View { name, .. } => name == view,
        Statement::CreateRole { .. }
        | Statement::GrantRole { .. }
        | Statement::Access { .. }
        | Statement::Tag { .. }
        | Statement::RowPolicy { .. }
        | Statement::Mask { .. }
        | Statement::Aggregation { .. }
        | Statement::AccessRule { .. }
        | Statement::Limit { .. }
        | Statement::Price { .. }
        | Statement::Test(_) => false,
    });
    found.map(|located| Place::at(&located.at, format!("CREATE VIEW {view}"))).collect()
}
