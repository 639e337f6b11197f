//! An immutable, versioned picture of the catalog.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{Table, TableName};

/// The catalog at one moment. A query holds the snapshot it was resolved against to its end.
#[derive(Debug)]
pub struct Snapshot {
    version: u64,
    tables: BTreeMap<TableName, Arc<Table>>,
}

impl Snapshot {
    /// A snapshot of `tables`. Of two tables with one name the later wins.
    pub fn new(version: u64, tables: impl IntoIterator<Item = Table>) -> Self {
        let tables =
            tables.into_iter().map(|table| (table.name.clone(), Arc::new(table))).collect();
        Self { version, tables }
    }

    /// The same with more tables, of the same version. One of a name that exists takes its place.
    #[must_use]
    pub fn with(&self, more: impl IntoIterator<Item = Arc<Table>>) -> Self {
        let mut tables = self.tables.clone();
        tables.extend(more.into_iter().map(|table| (table.name.clone(), table)));
        Self { version: self.version, tables }
    }

    /// The version: larger is newer.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The table of that name.
    pub fn table(&self, name: &TableName) -> Option<&Arc<Table>> {
        self.tables.get(name)
    }

    /// All tables, by name.
    pub fn tables(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.tables.values()
    }

    /// Whether a schema of that name holds a table.
    pub fn has_schema(&self, name: &str) -> bool {
        let first = self.tables.range(TableName::new(name, "")..).next();
        first.is_some_and(|(table, _)| table.schema == name)
    }

    /// All schemas that hold a table, by name, each once.
    pub fn schemas(&self) -> impl Iterator<Item = &str> {
        let mut last = None;
        self.tables.keys().map(|name| name.schema.as_str()).filter(move |schema| {
            let new = last != Some(*schema);
            last = Some(*schema);
            new
        })
    }
}
