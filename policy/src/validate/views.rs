//! Views: planned over the catalog and the views before them, each then a table like others.

use std::collections::BTreeSet;
use std::sync::Arc;

use tollgate_catalog::{OWN_SCHEMA, Snapshot, Storage, Table, View, WarehouseName};

use crate::bundle::FunctionSource;
use crate::diagnostics::Diagnostic;
use crate::model::{Located, Statement};

/// How deep views may read views; what plans them is recursive.
const MAX_DEPTH: usize = 16;

/// One more than the views that it reads.
fn depth(view: &View) -> usize {
    let below = view.reads.iter().filter_map(|(read, _)| read.view()).map(depth).max();
    below.unwrap_or(0).saturating_add(1)
}

/// Where the relations are that it reads.
fn places(view: &View) -> BTreeSet<Option<&WarehouseName>> {
    view.reads.iter().map(|(read, _)| read.warehouse.as_ref()).collect()
}

/// The views, in order.
pub(super) fn declare(
    statements: &[Located],
    snapshot: &Snapshot,
    functions: &dyn FunctionSource,
    errors: &mut Vec<Diagnostic>,
) -> Vec<Arc<Table>> {
    let mut views: Vec<Arc<Table>> = Vec::new();
    for located in statements {
        let Statement::View { name, at, sql } = &located.statement else { continue };
        let catalog = snapshot.with(views.iter().map(Arc::clone));
        if catalog.table(name).is_some() {
            errors.push(at.error(format!("relation {name} exists already"), "choose another name"));
            continue;
        }
        if name.schema == OWN_SCHEMA {
            errors.push(at.error(
                format!("view {name} can't be declared: the schema \"{OWN_SCHEMA}\" is the gateway's own"),
                "declare it in another schema",
            ));
            continue;
        }
        match functions.view(sql, &catalog) {
            Ok((_, view)) if view.reads.iter().any(|(read, _)| read.is_record()) => {
                errors.push(at.error(
                    format!("view {name} can't be declared: a view can't read the gateway's own records"),
                    "grant the records themselves, with row and masking policies of their own",
                ));
            }
            Ok((_, view)) if places(&view).len() != 1 => {
                let places: Vec<_> = places(&view).into_iter().flatten().collect();
                let names: Vec<_> = places.iter().map(|name| format!("\"{name}\"")).collect();
                errors.push(at.error(
                    format!("view {name} can't be declared: it reads relations of different warehouses"),
                    format!("declare one for each: it reads from {}", names.join(" and ")),
                ));
            }
            Ok((_, view)) if depth(&view) > MAX_DEPTH => errors.push(at.error(
                format!("view {name} reads views that are more than {MAX_DEPTH} deep"),
                "read the tables themselves",
            )),
            Ok((columns, view)) => views.push(Arc::new(Table {
                name: name.clone(),
                columns,
                primary_key: Vec::new(),
                foreign_keys: Vec::new(),
                cache_for: None,
                comment: None,
                row_count: None,
                bytes: None,
                warehouse: view.reads.first().and_then(|(read, _)| read.warehouse.clone()),
                storage: Storage::View(view),
            })),
            Err(error) => errors.push(at.error(
                format!("view {name} can't be declared: {error}"),
                error.hint().unwrap_or(
                    "write one SELECT over tables with their schema; a view may read those before it",
                ),
            )),
        }
    }
    views
}
