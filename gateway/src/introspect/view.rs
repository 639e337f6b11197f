//! What one principal may see, with an index over it for lookups by oid and by name.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use tollgate_catalog::{Column, Table, TableName};

use super::keys;
use super::oid::table_oid;

/// What one principal may see of the catalog, and the facts of his session.
#[derive(Debug)]
pub struct View {
    /// The visible tables, by name, each with the indexes of its visible columns.
    pub tables: Vec<(Arc<Table>, Vec<usize>)>,
    /// The principal's name.
    pub user: String,
    /// His roles.
    pub roles: Vec<String>,
    /// The database that he is connected to.
    pub database: String,
    /// Name, value and description of each setting.
    pub settings: Vec<(String, String, String)>,
    /// The process id that the session reports.
    pub backend_pid: i32,
    index: OnceLock<Index>,
}

/// Positions in `View::tables`.
#[derive(Debug, Default)]
struct Index {
    names: HashMap<TableName, usize>,
    tables: HashMap<u32, usize>,
    /// Tables by the oid of their primary key's index.
    indexes: HashMap<u32, usize>,
}

impl View {
    /// A view of `tables`, sorted by name, each with the indexes of its visible columns.
    pub fn new(
        tables: Vec<(Arc<Table>, Vec<usize>)>,
        user: String,
        roles: Vec<String>,
        database: String,
        settings: Vec<(String, String, String)>,
        backend_pid: i32,
    ) -> Self {
        Self { tables, user, roles, database, settings, backend_pid, index: OnceLock::new() }
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| {
            let mut index = Index::default();
            for (position, table) in self.visible().enumerate() {
                index.names.insert(table.table.name.clone(), position);
                // Of two tables with one oid the first keeps it.
                index.tables.entry(table.oid()).or_insert(position);
                if let Some(key) = keys::primary(table) {
                    index.indexes.entry(key.index).or_insert(position);
                }
            }
            index
        })
    }

    /// The value of a setting.
    pub(super) fn setting(&self, name: &str) -> Option<&str> {
        self.settings
            .iter()
            .find(|(setting, _, _)| setting.eq_ignore_ascii_case(name))
            .map(|(_, value, _)| value.as_str())
    }

    /// The schemas of the visible tables, each once.
    pub(super) fn user_schemas(&self) -> BTreeSet<&str> {
        self.tables.iter().map(|(table, _)| table.name.schema.as_str()).collect()
    }

    /// All visible tables.
    pub(super) fn visible(&self) -> impl Iterator<Item = Visible<'_>> {
        self.tables.iter().map(|(table, columns)| Visible { table, columns })
    }

    fn at(&self, position: Option<&usize>) -> Option<Visible<'_>> {
        self.tables.get(*position?).map(|(table, columns)| Visible { table, columns })
    }

    /// A visible table by its oid.
    pub(super) fn by_oid(&self, oid: u32) -> Option<Visible<'_>> {
        self.at(self.index().tables.get(&oid))
    }

    /// A visible table by its name.
    pub(super) fn by_name(&self, name: &TableName) -> Option<Visible<'_>> {
        self.at(self.index().names.get(name))
    }

    /// A visible table by the oid of its primary key's index.
    pub(super) fn by_index(&self, oid: u32) -> Option<Visible<'_>> {
        self.at(self.index().indexes.get(&oid))
    }

    /// The number (`attnum`) under which a column of a table, by its index there, is shown.
    pub fn attnum(&self, table: &TableName, column: usize) -> Option<i16> {
        self.by_name(table)?.attnum(column)
    }
}

/// A visible table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Visible<'a> {
    pub(super) table: &'a Table,
    pub(super) columns: &'a [usize],
}

impl<'a> Visible<'a> {
    /// Its oid.
    pub(super) fn oid(self) -> u32 {
        table_oid(&self.table.name)
    }

    /// The visible columns with their numbers.
    pub(super) fn columns(self) -> impl Iterator<Item = (i16, &'a Column)> {
        let table = self.table;
        (1i16..).zip(self.columns.iter().filter_map(|index| table.columns.get(*index)))
    }

    /// The number of a column by its index in the table, if it is visible.
    pub(super) fn attnum(self, index: usize) -> Option<i16> {
        let position = self.columns.iter().position(|column| *column == index)?;
        i16::try_from(position + 1).ok()
    }

    /// The number of a visible column by its name.
    pub(super) fn attnum_of(self, name: &str) -> Option<i16> {
        self.attnum(self.table.column_index(name)?)
    }

    /// The visible column with a number.
    pub(super) fn column(self, attnum: i16) -> Option<&'a Column> {
        let position = usize::try_from(attnum).ok()?.checked_sub(1)?;
        self.table.columns.get(*self.columns.get(position)?)
    }

    /// The name of the visible column with a number.
    pub(super) fn column_name(self, attnum: i16) -> Option<&'a str> {
        self.column(attnum).map(|column| column.name.as_str())
    }
}
