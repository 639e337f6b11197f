//! The statement gate: one exhaustive walk over a query's AST.
//!
//! It names every construct that the parser knows. A construct passes, is normalised to one that the
//! planner gets right, or is refused; what the planner would silently drop is refused. On the way
//! identifiers are folded as PostgreSQL does, common table expressions get unique names, and every
//! other relation becomes a base table or a system relation, or doesn't exist.

mod build;
mod catalog;
mod expr;
mod function;
mod operator;
mod pattern;
mod query;
mod table;
mod types;

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion_sql::sqlparser::ast::{Ident, ObjectName, ObjectNamePart, Query};
use tollgate_catalog::{Error, ErrorKind, Table, TableName, id};

use crate::functions::Registry;
use crate::resolve::{SessionFacts, VisibleTables};
use crate::system::SystemSchemas;

/// The most relations that one statement may name.
const MAX_RELATIONS: usize = 128;
/// The deepest nesting of the walk.
const MAX_DEPTH: usize = 256;

pub(crate) use query::DUPLICATE;

/// What the walk found.
pub(crate) struct Found {
    /// The base tables, each once.
    pub(crate) tables: BTreeMap<TableName, Arc<Table>>,
    /// The system relations, each once.
    pub(crate) system: BTreeMap<TableName, arrow::datatypes::SchemaRef>,
    /// A function over the catalogs, if one is called.
    pub(crate) system_function: Option<String>,
}

/// The state of the walk.
pub(crate) struct Gate<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) facts: &'a SessionFacts,
    pub(crate) visible: &'a dyn VisibleTables,
    pub(crate) system: &'a dyn SystemSchemas,
    found: Found,
    /// Common table expressions in scope, innermost last: the user's name and the unique one.
    ctes: Vec<(String, String)>,
    cte_count: usize,
    /// The renamed items of the select list just walked: the user's name and the new one.
    renamed: Vec<(String, String)>,
    /// Whether the walk is in a select list, where the engine can't evaluate EXISTS.
    in_select_list: bool,
    relations: usize,
    depth: usize,
    /// Whether every relation is of the system.
    catalog: bool,
}

impl<'a> Gate<'a> {
    pub(crate) fn new(
        registry: &'a Registry,
        facts: &'a SessionFacts,
        visible: &'a dyn VisibleTables,
        system: &'a dyn SystemSchemas,
    ) -> Self {
        Self {
            registry,
            facts,
            visible,
            system,
            found: Found {
                tables: BTreeMap::new(),
                system: BTreeMap::new(),
                system_function: None,
            },
            ctes: Vec::new(),
            cte_count: 0,
            renamed: Vec::new(),
            in_select_list: false,
            relations: 0,
            depth: 0,
            catalog: false,
        }
    }

    /// Walks a whole query and gives what it names.
    pub(crate) fn walk(mut self, query: &mut Query) -> Result<Found, Error> {
        self.catalog =
            catalog::normalise(query, self.registry, self.system, &self.facts.search_path);
        self.query(query)?;
        Ok(self.found)
    }

    /// Runs `f` one level deeper.
    fn deeper<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        if self.depth >= MAX_DEPTH {
            return Err(Error::new(ErrorKind::ProgramLimit, "the statement is nested too deeply")
                .with_hint("split it into common table expressions"));
        }
        self.depth += 1;
        let result = f(self);
        self.depth -= 1;
        result
    }

    /// Counts a relation that the statement names.
    fn count_relation(&mut self) -> Result<(), Error> {
        self.relations += 1;
        if self.relations > MAX_RELATIONS {
            return Err(Error::new(
                ErrorKind::ProgramLimit,
                format!("the statement names more than {MAX_RELATIONS} relations"),
            )
            .with_hint("split it into several statements"));
        }
        Ok(())
    }

    /// The base table or system relation that a name means, or the error of a missing one.
    fn relation(&mut self, parts: &[String]) -> Result<TableName, Error> {
        match parts {
            [database, schema, table] => {
                if *database != self.facts.database {
                    return Err(Error::new(
                        ErrorKind::NotSupported,
                        format!(
                            "cross-database references are not implemented: \"{database}.{schema}.{table}\""
                        ),
                    ));
                }
                self.qualified(schema, table)
            }
            [schema, table] => self.qualified(schema, table),
            [table] => self.unqualified(table),
            _ => Err(Error::new(ErrorKind::Syntax, "a relation name has too many parts")),
        }
    }

    fn qualified(&mut self, schema: &str, table: &str) -> Result<TableName, Error> {
        let name = TableName::new(schema, table);
        if self.note(&name) {
            Ok(name)
        } else {
            Err(Error::undefined_table(&format!("{schema}.{table}")))
        }
    }

    /// PostgreSQL's order: `pg_catalog` first unless the search path names it, then the path.
    fn unqualified(&mut self, table: &str) -> Result<TableName, Error> {
        let implicit = !self.facts.search_path.iter().any(|schema| schema == "pg_catalog");
        let path = implicit
            .then_some("pg_catalog")
            .into_iter()
            .chain(self.facts.search_path.iter().map(String::as_str))
            .map(|schema| if schema == "$user" { self.facts.user.as_str() } else { schema })
            .map(|schema| TableName::new(schema, table))
            .collect::<Vec<_>>();
        for name in path {
            if self.note(&name) {
                return Ok(name);
            }
        }
        Err(Error::undefined_table(table))
    }

    /// Notes the relation if it exists for this principal.
    fn note(&mut self, name: &TableName) -> bool {
        if let Some(schema) = self.system.schema(name) {
            self.found.system.insert(name.clone(), schema);
            return true;
        }
        if let Some(table) = self.visible.table(name) {
            self.found.tables.insert(name.clone(), table);
            return true;
        }
        false
    }
}

/// Folds an identifier in place; afterwards it is quoted, so that nothing folds it again.
fn fold(ident: &mut Ident) {
    if ident.quote_style.is_none() {
        ident.value = id::fold(&ident.value, false);
        ident.quote_style = Some('"');
    }
}

/// The folded parts of a name.
fn parts(name: &ObjectName) -> Result<Vec<String>, Error> {
    name.0
        .iter()
        .map(|part| match part {
            ObjectNamePart::Identifier(ident) => {
                Ok(id::fold(&ident.value, ident.quote_style.is_some()))
            }
            ObjectNamePart::Function(_) => Err(Error::not_supported("a computed name")),
        })
        .collect()
}

/// A name of quoted parts.
fn quoted_name<'s>(parts: impl IntoIterator<Item = &'s str>) -> ObjectName {
    ObjectName(
        parts
            .into_iter()
            .map(|part| ObjectNamePart::Identifier(Ident::with_quote('"', part)))
            .collect(),
    )
}

/// Refuses a construct if it is there.
fn refuse_if(present: bool, what: &str) -> Result<(), Error> {
    if present { Err(Error::not_supported(what)) } else { Ok(()) }
}

/// A write inside a query.
fn writes(what: &str) -> Error {
    Error::new(ErrorKind::ReadOnly, format!("{what} is not permitted, the gateway only reads"))
        .with_hint("use SELECT, or change the data at its warehouse")
}
