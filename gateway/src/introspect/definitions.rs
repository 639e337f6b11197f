//! Constraints and indexes as the SQL that would make them.

use tollgate_catalog::id::quote_if_needed;

use super::keys::{self, Key};
use super::names::regclass_name;
use super::view::{View, Visible};

fn list(table: Visible<'_>, columns: &[i16]) -> String {
    let names: Vec<_> =
        Key::names(table, columns).iter().map(|name| quote_if_needed(name)).collect();
    names.join(", ")
}

/// What `pg_get_constraintdef` says of a constraint.
pub(super) fn constraint(view: &View, oid: u32) -> Option<String> {
    let key = keys::all(view).find(|key| key.oid == oid)?;
    let columns = list(key.table, &key.columns);
    Some(match &key.references {
        None => format!("PRIMARY KEY ({columns})"),
        Some((other, referenced)) => format!(
            "FOREIGN KEY ({columns}) REFERENCES {}({})",
            regclass_name(view, other.oid()),
            list(*other, referenced)
        ),
    })
}

/// What `pg_get_indexdef` says of an index; with a column number above 0 only of that column.
pub(super) fn index(view: &View, oid: u32, column: i64, pretty: bool) -> Option<String> {
    let key = keys::by_index(view, oid)?;
    if column > 0 {
        let position = usize::try_from(column - 1).ok()?;
        let attnum = *key.columns.get(position)?;
        return key.table.column_name(attnum).map(quote_if_needed);
    }
    let table = if pretty {
        regclass_name(view, key.table.oid())
    } else {
        key.table.table.name.to_string()
    };
    Some(definition(&key, &table))
}

/// The statement that would make a primary key's index on `table`.
pub(super) fn definition(key: &Key<'_>, table: &str) -> String {
    let name = quote_if_needed(&key.name);
    format!("CREATE UNIQUE INDEX {name} ON {table} USING btree ({})", list(key.table, &key.columns))
}
