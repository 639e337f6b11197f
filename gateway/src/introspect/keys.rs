//! Primary and foreign keys that are visible to the end, and their names.

use std::collections::HashSet;

use tollgate_catalog::TableName;

use super::oid::{constraint_oid, index_oid, table_oid};
use super::view::{View, Visible};

/// A key, all of whose columns (and, of a foreign key, all referenced ones) are visible, unmasked.
#[derive(Debug)]
pub(super) struct Key<'a> {
    pub(super) oid: u32,
    pub(super) name: String,
    pub(super) table: Visible<'a>,
    /// The columns, by number.
    pub(super) columns: Vec<i16>,
    /// The table and columns that a foreign key references.
    pub(super) references: Option<(Visible<'a>, Vec<i16>)>,
    /// The index behind the key: its own, or that of the referenced primary key, or 0.
    pub(super) index: u32,
}

impl Key<'_> {
    /// The names of columns of a table.
    pub(super) fn names(table: Visible<'_>, columns: &[i16]) -> Vec<String> {
        columns.iter().filter_map(|attnum| table.column_name(*attnum).map(str::to_owned)).collect()
    }
}

/// The index behind a table's primary key: name and oid.
pub(super) fn index(table: &TableName) -> (String, u32) {
    let name = format!("{}_pkey", table.table);
    let oid = index_oid(&table.schema, &name);
    (name, oid)
}

/// The visible primary key of a table.
pub(super) fn primary(table: Visible<'_>) -> Option<Key<'_>> {
    let indexes = &table.table.primary_key;
    if indexes.is_empty() {
        return None;
    }
    let columns = table.key(indexes)?;
    let (name, index) = index(&table.table.name);
    let oid = constraint_oid(&table.table.name, &name);
    Some(Key { oid, name, table, columns, references: None, index })
}

/// The visible foreign keys of a table.
pub(super) fn foreign<'a>(view: &'a View, table: Visible<'a>) -> Vec<Key<'a>> {
    let mut keys: Vec<Key<'a>> = Vec::new();
    for key in &table.table.foreign_keys {
        let Some(other) = view.by_name(&key.references) else { continue };
        let names = key.referenced_columns.iter();
        let referenced =
            names.map(|name| other.table.column_index(name)).collect::<Option<Vec<_>>>();
        let (Some(columns), Some(referenced)) =
            (table.key(&key.columns), referenced.and_then(|indexes| other.key(&indexes)))
        else {
            continue;
        };
        let base =
            format!("{}_{}_fkey", table.table.name.table, Key::names(table, &columns).join("_"));
        let twins = keys.iter().filter(|key| key.name.starts_with(&base)).count();
        let name = if twins == 0 { base } else { format!("{base}{twins}") };
        let index =
            primary(other).filter(|key| key.columns == referenced).map_or(0, |key| key.index);
        let oid = constraint_oid(&table.table.name, &name);
        keys.push(Key { oid, name, table, columns, references: Some((other, referenced)), index });
    }
    keys
}

/// All visible primary keys.
pub(super) fn primary_keys(view: &View) -> impl Iterator<Item = Key<'_>> {
    view.visible().filter_map(primary)
}

/// All visible keys.
pub(super) fn all(view: &View) -> impl Iterator<Item = Key<'_>> {
    view.visible().flat_map(|table| primary(table).into_iter().chain(foreign(view, table)))
}

/// The oids of the tables that have a foreign key or are referenced by one. In PostgreSQL they have
/// triggers, and clients look for foreign keys only where those are.
pub(super) fn related(view: &View) -> HashSet<u32> {
    let keys = view.visible().flat_map(|table| foreign(view, table));
    keys.flat_map(|key| {
        let other = key.references.map(|(other, _)| other.oid());
        std::iter::once(key.table.oid()).chain(other)
    })
    .collect()
}

/// The oid of a table or of a primary key's index by its name.
pub(super) fn relation_oid(view: &View, name: &TableName) -> Option<u32> {
    if view.by_name(name).is_some() {
        return Some(table_oid(name));
    }
    let table = TableName::new(&name.schema, name.table.strip_suffix("_pkey")?);
    primary(view.by_name(&table)?).map(|key| key.index)
}

/// The primary key behind an index.
pub(super) fn by_index(view: &View, oid: u32) -> Option<Key<'_>> {
    primary(view.by_index(oid)?)
}
