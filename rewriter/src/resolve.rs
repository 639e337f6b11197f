//! What a statement names: the gate's walk, and the value that `policy::decide` consumes.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion_sql::sqlparser::ast::Query;
use tollgate_catalog::{Error, Table, TableName};
use tollgate_policy::NamesTables;

use crate::facts::{Facts, SessionFacts};
use crate::functions::Registry;
use crate::gate::Gate;
use crate::route::{self, Engine};
use crate::sample::Sampled;
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

/// A query that passed the gate: normalised, every relation known.
#[derive(Debug)]
pub struct Resolved {
    pub(crate) sql: Arc<str>,
    pub(crate) operators: usize,
    pub(crate) query: Query,
    pub(crate) tables: Vec<Arc<Table>>,
    /// Where all of them are.
    pub(crate) engine: Engine,
    pub(crate) system: BTreeMap<TableName, SchemaRef>,
    /// The samples of some of the tables, by the names that stand for them.
    pub(crate) samples: BTreeMap<TableName, Sampled>,
    /// The names of the result's columns, if they aren't those of the plan.
    pub(crate) shown: Option<Vec<String>>,
    /// The queries of the views that it names, and of those that they read.
    pub(crate) views: BTreeMap<TableName, Query>,
    /// The tables that were looked for; nothing if it means what it means in one session only.
    pub(crate) seen: Option<Seen>,
}

/// What a walk learned of the catalog: for whom these look-ups have the same answers, a statement
/// has the same meaning.
#[derive(Debug)]
pub(crate) struct Seen(BTreeMap<TableName, Option<VisibleTable>>);

impl Seen {
    /// Whether all look-ups have the same answers here.
    pub(crate) fn holds(&self, visible: &dyn VisibleTables) -> bool {
        self.0.iter().all(|(name, seen)| match (seen, visible.table(name)) {
            (None, None) => true,
            (Some(seen), Some(now)) => {
                Arc::ptr_eq(&seen.table, &now.table) && seen.columns == now.columns
            }
            (None, Some(_)) | (Some(_), None) => false,
        })
    }
}

/// Writes down what the gate looks up.
struct Recorder<'a> {
    visible: &'a dyn VisibleTables,
    seen: RefCell<BTreeMap<TableName, Option<VisibleTable>>>,
}

impl VisibleTables for Recorder<'_> {
    fn table(&self, name: &TableName) -> Option<VisibleTable> {
        let table = self.visible.table(name);
        self.seen.borrow_mut().insert(name.clone(), table.clone());
        table
    }
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
    let asked = Cell::new(false);
    let facts = Facts::new(facts, &asked);
    let recorder = Recorder { visible, seen: RefCell::default() };
    let gate = Gate::new(parsed.dialect(), registry, facts, &recorder, system);
    let (query, found) = deep(parsed.operators, || {
        let mut query = Query::clone(query);
        gate.walk(&mut query).map(|found| (query, found))
    })?;
    if !found.tables.is_empty() && !found.system.is_empty() {
        return Err(Error::not_supported("a query over both tables and the system catalogs")
            .with_hint("ask the catalogs in a query of their own"));
    }
    let engine = route::choose(&found.tables, &found.written)?;
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
        engine,
        tables: found.tables.into_values().collect(),
        system: found.system,
        samples: found.samples,
        shown: found.shown,
        views: queries,
        seen: (!asked.get()).then(|| Seen(recorder.seen.into_inner())),
    })
}
