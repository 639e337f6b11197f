//! What one principal may see, with an index over it for lookups by oid and by name.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use tollgate_catalog::{Column, Table, TableName};

use super::keys::{self, Key};
use super::oid::table_oid;
use crate::revocation::Stops;

/// A table of which a principal may see something.
#[derive(Debug, Clone)]
pub struct VisibleTable {
    /// The table.
    pub table: Arc<Table>,
    /// Its visible columns, in order.
    pub columns: Vec<VisibleColumn>,
}

/// A visible column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VisibleColumn {
    /// Its index in the table.
    pub index: usize,
    /// Whether a mask stands for its values: it may give NULL, or one value for many.
    pub masked: bool,
}

/// What one principal may see of the catalog, and the facts of his session.
#[derive(Debug)]
pub struct View {
    /// The visible tables, by name.
    tables: Vec<VisibleTable>,
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
    /// What a statement over this view may stop.
    pub(super) stops: Option<Stops>,
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
    /// A view of `tables`, sorted by name.
    pub fn new(
        tables: Vec<VisibleTable>,
        user: String,
        roles: Vec<String>,
        database: String,
        settings: Vec<(String, String, String)>,
        backend_pid: i32,
    ) -> Self {
        let (stops, index) = (None, OnceLock::new());
        Self { tables, user, roles, database, settings, backend_pid, stops, index }
    }

    /// The same for a statement that may stop others of its principal.
    pub(crate) fn with_stops(self, stops: Stops) -> Self {
        Self { stops: Some(stops), ..self }
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
        self.tables.iter().map(|shown| shown.table.name.schema.as_str()).collect()
    }

    /// All visible tables.
    pub(super) fn visible(&self) -> impl Iterator<Item = Visible<'_>> {
        self.tables.iter().map(VisibleTable::visible)
    }

    fn at(&self, position: Option<&usize>) -> Option<Visible<'_>> {
        self.tables.get(*position?).map(VisibleTable::visible)
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

    /// The visible tables, in the order of their names.
    pub fn tables(&self) -> &[VisibleTable] {
        &self.tables
    }

    /// The keys all of whose columns are visible, those that they reference included.
    pub fn keys(&self) -> Vec<VisibleKey> {
        keys::all(self)
            .map(|key| VisibleKey {
                table: key.table.table.name.clone(),
                columns: Key::names(key.table, &key.columns),
                references: key.references.as_ref().map(|(other, columns)| {
                    let primary = keys::primary(*other).filter(|key| key.columns == *columns);
                    Reference {
                        table: other.table.name.clone(),
                        columns: Key::names(*other, columns),
                        key: primary.map(|key| key.name),
                    }
                }),
                name: key.name,
            })
            .collect()
    }

    /// The number (`attnum`) under which a column of a table, by its index there, is shown.
    pub fn attnum(&self, table: &TableName, column: usize) -> Option<i16> {
        self.by_name(table)?.attnum(column)
    }
}

impl VisibleTable {
    fn visible(&self) -> Visible<'_> {
        Visible { table: &self.table, columns: &self.columns }
    }
}

/// A visible key of a table: its primary key, or a foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisibleKey {
    /// The key's name.
    pub name: String,
    /// The table.
    pub table: TableName,
    /// The names of its columns, in the key's order.
    pub columns: Vec<String>,
    /// What a foreign key references; `None` for a primary key.
    pub references: Option<Reference>,
}

/// What a foreign key references.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The table.
    pub table: TableName,
    /// The names of its columns, in the key's order.
    pub columns: Vec<String>,
    /// The name of the primary key that they are, if they are one.
    pub key: Option<String>,
}

/// A visible table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Visible<'a> {
    pub(super) table: &'a Table,
    pub(super) columns: &'a [VisibleColumn],
}

impl<'a> Visible<'a> {
    /// Its oid.
    pub(super) fn oid(self) -> u32 {
        table_oid(&self.table.name)
    }

    /// The visible columns with their numbers.
    pub(super) fn columns(self) -> impl Iterator<Item = (i16, &'a Column)> {
        let table = self.table;
        (1i16..).zip(self.columns.iter().filter_map(|shown| table.columns.get(shown.index)))
    }

    /// The same, and whether a value that the principal sees may be NULL.
    pub(super) fn nullable_columns(self) -> impl Iterator<Item = (i16, &'a Column, bool)> {
        self.columns()
            .zip(self.columns)
            .map(|((attnum, column), shown)| (attnum, column, column.nullable || shown.masked))
    }

    /// The number of a column by its index in the table, if it is visible.
    pub(super) fn attnum(self, index: usize) -> Option<i16> {
        let position = self.columns.iter().position(|column| column.index == index)?;
        i16::try_from(position + 1).ok()
    }

    /// The number of a visible column by its name.
    pub(super) fn attnum_of(self, name: &str) -> Option<i16> {
        self.attnum(self.table.column_index(name)?)
    }

    /// The numbers of columns by their indexes in the table, if all are visible as they are: masked
    /// values are neither unique nor those that another table has.
    pub(super) fn key(self, indexes: &[usize]) -> Option<Vec<i16>> {
        let in_clear = |index: &usize| {
            let shown = self.columns.iter().find(|column| column.index == *index)?;
            self.attnum(*index).filter(|_| !shown.masked)
        };
        indexes.iter().map(in_clear).collect()
    }

    /// The visible column with a number.
    pub(super) fn column(self, attnum: i16) -> Option<&'a Column> {
        let position = usize::try_from(attnum).ok()?.checked_sub(1)?;
        self.table.columns.get(self.columns.get(position)?.index)
    }

    /// The name of the visible column with a number.
    pub(super) fn column_name(self, attnum: i16) -> Option<&'a str> {
        self.column(attnum).map(|column| column.name.as_str())
    }
}
