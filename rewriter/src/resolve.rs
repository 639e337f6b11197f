//! What a statement names: the gate's walk, and the value that `policy::decide` consumes.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion_sql::sqlparser::ast::Query;
use tollgate_catalog::{Error, Table, TableName};
use tollgate_policy::NamesTables;

use crate::functions::Registry;
use crate::gate::Gate;
use crate::statement::{Body, Parsed, deep};
use crate::system::SystemSchemas;
use crate::views;

/// The base tables that exist for a principal. Hidden equals missing, from the first look-up on.
pub trait VisibleTables {
    /// The table of that name if the principal may see any of it.
    fn table(&self, name: &TableName) -> Option<VisibleTable>;
}

/// What a principal may see of a table.
#[derive(Debug, Clone)]
pub struct VisibleTable {
    /// The table.
    pub table: Arc<Table>,
    /// The visible columns, by index, in the table's order.
    pub columns: Vec<usize>,
}

/// What the session contributes to a statement's meaning.
#[derive(Debug, Clone)]
pub struct SessionFacts {
    /// The authenticated user.
    pub user: String,
    /// The one database there is.
    pub database: String,
    /// The schemas in which unqualified names are looked up; `$user` stands for the user.
    pub search_path: Vec<String>,
    /// What `version()` says.
    pub version: String,
    /// The connection's number in `pg_stat_activity`.
    pub backend_pid: i32,
    /// What `current_setting` says, by lower-case name.
    pub settings: Arc<BTreeMap<String, String>>,
}

/// A query that passed the gate: normalised, every relation known.
#[derive(Debug)]
pub struct Resolved {
    pub(crate) sql: Arc<str>,
    pub(crate) operators: usize,
    pub(crate) query: Query,
    pub(crate) tables: Vec<Arc<Table>>,
    pub(crate) system: BTreeMap<TableName, SchemaRef>,
    /// The queries of the views that it names, and of those that they read.
    pub(crate) views: BTreeMap<TableName, Query>,
}

impl NamesTables for Resolved {
    fn tables(&self) -> &[Arc<Table>] {
        &self.tables
    }
}

/// Sends a query (also that of an EXPLAIN or EXPLAIN ACCESS) through the gate.
///
/// # Errors
/// Whatever the gate refuses, and relations and functions that don't exist for the principal.
pub fn resolve(
    parsed: &Parsed,
    registry: &Registry,
    facts: &SessionFacts,
    visible: &dyn VisibleTables,
    system: &dyn SystemSchemas,
) -> Result<Resolved, Error> {
    let (Body::Query(query) | Body::Explain(query) | Body::ExplainAccess(query)) = parsed.body()
    else {
        return Err(Error::not_supported("this statement as a query"));
    };
    let gate = Gate::new(registry, facts, visible, system);
    let (query, found) = deep(parsed.operators, || {
        let mut query = Query::clone(query);
        gate.walk(&mut query).map(|found| (query, found))
    })?;
    if !found.tables.is_empty() && !found.system.is_empty() {
        return Err(Error::not_supported("a query over both tables and the system catalogs")
            .with_hint("ask the catalogs in a query of their own"));
    }
    if let (Some(function), false) = (&found.system_function, found.tables.is_empty()) {
        return Err(Error::not_supported(&format!(
            "the catalog function \"{function}\" in a query over tables"
        )));
    }
    let mut queries = BTreeMap::new();
    views::queries(&mut found.tables.values(), registry, facts, &mut queries)?;
    Ok(Resolved {
        sql: Arc::clone(parsed.sql()),
        operators: parsed.operators,
        query,
        tables: found.tables.into_values().collect(),
        system: found.system,
        views: queries,
    })
}
