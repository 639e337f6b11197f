//! `pg_catalog` and `information_schema`, made from what one principal may see.
//!
//! Clients browse these relations with joins, casts and functions of every shape, so they are real
//! relations: each is built as one record batch, only when a query names it, from a [`View`] that
//! holds nothing but permitted tables and columns. What isn't in the view can't be in a row, and
//! numbering (`attnum`, `conkey`, …) counts visible columns only, so a hidden column leaves no gap.

mod definitions;
mod evaluate;
mod expand;
mod functions;
mod information_schema;
mod keys;
mod layout;
mod names;
mod oid;
mod pg_catalog;
mod pg_other;
mod privileges;
mod rows;
mod types;
mod view;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use tollgate_catalog::TableName;
use tollgate_rewriter::SystemSchemas;

pub use functions::{bind, functions, signatures};
pub use names::{regclass, regclass_name};
pub use oid::{collisions, table_oid};
pub use view::{Reference, View, VisibleColumn, VisibleKey, VisibleTable};

use layout::{Layout, relations};
use rows::Rows;

fn layout(name: &TableName) -> Option<&'static Layout> {
    relations().find(|layout| layout.schema == name.schema && layout.name == name.table)
}

/// Which system relations exist: the same for every principal.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRelations;

impl SystemSchemas for SystemRelations {
    fn schema(&self, name: &TableName) -> Option<SchemaRef> {
        layout(name).map(|layout| rows::schema(layout.columns))
    }

    fn always_empty(&self, name: &TableName) -> bool {
        always_empty(name)
    }
}

/// The rows of a system relation for one principal, or `None` if there is no such relation.
pub fn batch(view: &View, name: &TableName) -> Option<RecordBatch> {
    let layout = layout(name)?;
    let mut rows = Rows::new(rows::schema(layout.columns));
    match layout.schema {
        "pg_catalog" => {
            pg_catalog::fill(view, layout.name, &mut rows);
            pg_other::fill(view, layout.name, &mut rows);
        }
        _ => information_schema::fill(view, layout.name, &mut rows),
    }
    rows.finish().ok()
}

/// Whether a system relation has no rows for any principal, so that a subquery over it is NULL.
pub fn always_empty(name: &TableName) -> bool {
    let filled = match name.schema.as_str() {
        "information_schema" => information_schema::KNOWN.contains(&name.table.as_str()),
        _ => [pg_catalog::KNOWN, pg_other::KNOWN].concat().contains(&name.table.as_str()),
    };
    layout(name).is_some() && !filled
}

#[cfg(test)]
mod tests;
