//! The statement gate: one exhaustive walk over a query's AST.
//!
//! It names every construct that the parser knows. A construct passes, is normalised to one that the
//! planner gets right, or is refused; what the planner would silently drop is refused. On the way
//! identifiers are folded as PostgreSQL does, common table expressions get unique names, and every
//! other relation becomes a base table or a system relation, or doesn't exist.

mod array;
mod budget;
mod build;
mod catalog;
mod expr;
mod function;
mod group;
mod items;
mod json;
mod limit;
mod list;
mod operator;
mod pattern;
mod query;
mod row;
mod sampled;
mod scope;
mod sets;
mod snowflake;
mod table;
mod types;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion_sql::sqlparser::ast::{Expr, Ident, ObjectName, ObjectNamePart, Query};
use tollgate_catalog::{Error, ErrorKind, Table, TableName, id};

use self::budget::Cost;
use self::scope::{Output, Scope, Whole};
use crate::dialect::SqlDialect;
use crate::facts::Facts;
use crate::functions::Registry;
use crate::made_up::{MARK, is_users};
use crate::resolve::{VisibleTable, VisibleTables};
use crate::sample::Sampled;
use crate::system::SystemSchemas;

/// The most relations that one statement may name.
const MAX_RELATIONS: usize = 128;
/// The deepest nesting of the walk.
const MAX_DEPTH: usize = 256;

pub(crate) use items::DUPLICATE;

/// What the walk found.
pub(crate) struct Found {
    /// The base tables, each once.
    pub(crate) tables: BTreeMap<TableName, Arc<Table>>,
    /// What the statement calls them, where it does first.
    pub(crate) written: BTreeMap<TableName, String>,
    /// The system relations, each once.
    pub(crate) system: BTreeMap<TableName, arrow::datatypes::SchemaRef>,
    /// A function over the catalogs, if one is called.
    pub(crate) system_function: Option<String>,
    /// The samples of tables, by the names that stand for them.
    pub(crate) samples: BTreeMap<TableName, Sampled>,
    /// The names of the result's columns, if they aren't those of the plan.
    pub(crate) shown: Option<Vec<String>>,
}

/// A common table expression in scope.
struct Cte {
    /// The user's name.
    user: String,
    /// The one in the plan, which no other has.
    unique: String,
    columns: Vec<Output>,
    /// What each place costs that names it.
    cost: Cost,
    /// Whether something names it.
    is_named: bool,
    /// Whether its rows are numbered, which may differ from one reading to the next.
    is_numbered: bool,
}

/// The state of the walk.
pub(crate) struct Gate<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) facts: Facts<'a>,
    pub(crate) visible: &'a dyn VisibleTables,
    pub(crate) system: &'a dyn SystemSchemas,
    /// What the statement is written in.
    dialect: SqlDialect,
    found: Found,
    /// Common table expressions in scope, innermost last.
    ctes: Vec<Cte>,
    /// How many names the walk made up.
    made_up: usize,
    /// What the names of columns mean, innermost last.
    scopes: Vec<Scope>,
    /// What stands to the left in the FROM that is being walked: what LATERAL sees.
    beside: Vec<Scope>,
    /// The recursive common table expression whose first leg comes next, by index.
    recursive: Option<usize>,
    /// Whether the walk is in a select list, where the engine can't evaluate EXISTS.
    in_select_list: bool,
    /// Whether the planner won't see the select list that is walked, nor its order.
    unplanned: bool,
    relations: usize,
    /// How many calls of FLATTEN there are.
    flattened: usize,
    /// What columns are called that the statement names, in Snowflake's dialect.
    mentioned: BTreeSet<String>,
    /// Whether texts that were named may be ordered in several ways.
    is_collated: bool,
    /// How many ASOF JOINs there are.
    asofs: usize,
    /// How often rows are numbered for FLATTEN.
    numbered: usize,
    depth: usize,
    /// How many arithmetic operators stand around.
    arithmetic: usize,
    /// What the statement costs so far, common table expressions where they are named.
    cost: Cost,
    /// The weight of what the walk has seen and written.
    written: u64,
    /// Whether every relation is of the system.
    catalog: bool,
}

impl<'a> Gate<'a> {
    pub(crate) fn new(
        dialect: SqlDialect,
        registry: &'a Registry,
        facts: Facts<'a>,
        visible: &'a dyn VisibleTables,
        system: &'a dyn SystemSchemas,
    ) -> Self {
        Self {
            dialect,
            registry,
            facts,
            visible,
            system,
            found: Found {
                tables: BTreeMap::new(),
                written: BTreeMap::new(),
                system: BTreeMap::new(),
                system_function: None,
                samples: BTreeMap::new(),
                shown: None,
            },
            ctes: Vec::new(),
            made_up: 0,
            scopes: Vec::new(),
            beside: Vec::new(),
            recursive: None,
            in_select_list: false,
            unplanned: false,
            relations: 0,
            flattened: 0,
            mentioned: BTreeSet::new(),
            is_collated: false,
            asofs: 0,
            numbered: 0,
            depth: 0,
            arithmetic: 0,
            cost: Cost::default(),
            written: 0,
            catalog: false,
        }
    }

    /// Walks a whole query and gives what it names.
    pub(crate) fn walk(mut self, query: &mut Query) -> Result<Found, Error> {
        match self.dialect {
            SqlDialect::PostgreSql => {
                let path = self.facts.search_path();
                self.catalog = catalog::normalise(query, self.registry, self.system, path);
                self.query(query)?;
            }
            SqlDialect::Snowflake => {
                self.mentioned = snowflake::flatten::mentioned(query);
                let columns = self.query(query)?;
                self.found.shown = Some(snowflake::shown(&columns));
            }
        }
        Ok(self.found)
    }

    /// A name that nobody can have typed.
    fn make_up(&mut self, name: &str) -> String {
        self.made_up += 1;
        format!("{name}{MARK}{}", self.made_up)
    }

    /// Runs `f` where the columns of `scope` can be named; gives it back.
    fn within<T>(
        &mut self,
        scope: Scope,
        f: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<(T, Scope), Error> {
        self.scopes.push(scope);
        let result = f(self)?;
        Ok((result, self.scopes.pop().unwrap_or_default()))
    }

    /// The column that an unqualified name means, innermost first; nothing if no relation has it.
    fn column(&mut self, name: &str) -> Result<Option<Expr>, Error> {
        let mut innermost = true;
        for scope in self.scopes.iter().rev() {
            if let Some(column) = scope.column(name)? {
                let (expr, size, reach) = (column.expr.clone(), column.size, column.reach);
                self.reference(size, reach)?;
                return Ok(Some(expr));
            }
            if innermost && let Some(item) = scope.alias(name)? {
                let (size, reach) = (item.size, item.reach);
                self.beside_columns(name)?;
                self.reference(size, reach)?;
                let item = self.scopes.last().and_then(|scope| scope.alias(name).ok().flatten());
                return Ok(item.map(|item| item.expr.clone()));
            }
            innermost = false;
        }
        match self.whole(name)? {
            Some(Whole::Value(column)) => {
                self.reference(column.size, column.reach)?;
                Ok(Some(column.expr))
            }
            // Where rows may stand, they were found before.
            Some(Whole::Row(_)) => Err(row::refused()),
            None => self.unknown(name),
        }
    }

    /// What `relation.column` is computed from, if its relation doesn't hold it. Refuses it if the
    /// relation has several columns of that name.
    fn qualified_column(&mut self, idents: &[Ident]) -> Result<Option<Expr>, Error> {
        let Some((column, qualifier)) = idents.split_last() else { return Ok(None) };
        let qualifier: Vec<String> = qualifier.iter().map(|ident| ident.value.clone()).collect();
        for scope in self.scopes.iter().rev() {
            if let Some(found) = scope.find(&qualifier, &column.value)? {
                let Some(column) = found else {
                    // The planner wouldn't find the relation, but one of that name in a query around.
                    if scope.is_renamed(&qualifier) {
                        let table = qualifier.last().map_or("", String::as_str);
                        return Err(Error::undefined_column(&format!("{table}.{}", column.value)));
                    }
                    break;
                };
                self.reference(column.size, column.reach)?;
                // As it is written, or with a schema before it.
                let held = matches!(&column.expr, Expr::CompoundIdentifier(parts)
                    if parts.ends_with(idents));
                return Ok((!held).then_some(column.expr));
            }
        }
        let table = qualifier.last().map_or("", String::as_str);
        self.unknown(&format!("{table}.{}", column.value))
    }

    /// A name that no relation has: the planner says that it doesn't exist, unless it won't see it.
    fn unknown(&mut self, name: &str) -> Result<Option<Expr>, Error> {
        if self.unplanned {
            return Err(Error::undefined_column(name));
        }
        self.reference(1, 1).map(|()| None)
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
        self.step()
    }

    /// The base table or system relation that a name means, or the error of a missing one.
    fn relation(&mut self, parts: &[String]) -> Result<Relation, Error> {
        let relation = self.named(parts)?;
        let TableName { schema, table } = &relation.name;
        let columns = relation.columns.iter().map(|column| column.name.as_str());
        [schema, table].into_iter().map(String::as_str).chain(columns).try_for_each(is_users)?;
        self.found.written.entry(relation.name.clone()).or_insert_with(|| parts.join("."));
        Ok(relation)
    }

    fn named(&mut self, parts: &[String]) -> Result<Relation, Error> {
        match parts {
            [database, schema, table] => {
                if *database != self.facts.database() {
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

    fn qualified(&mut self, schema: &str, table: &str) -> Result<Relation, Error> {
        self.note(TableName::new(schema, table))
            .ok_or_else(|| Error::undefined_table(&format!("{schema}.{table}")))
    }

    /// PostgreSQL's order: `pg_catalog` first unless the search path names it, then the path.
    fn unqualified(&mut self, table: &str) -> Result<Relation, Error> {
        let implicit = !self.facts.search_path().iter().any(|schema| schema == "pg_catalog");
        let path = implicit
            .then_some("pg_catalog")
            .into_iter()
            .chain(self.facts.path())
            .map(|schema| TableName::new(schema, table))
            .collect::<Vec<_>>();
        path.into_iter()
            .find_map(|name| self.note(name))
            .ok_or_else(|| Error::undefined_table(table))
    }

    /// Notes the relation if it exists for this principal.
    fn note(&mut self, name: TableName) -> Option<Relation> {
        if let Some(schema) = self.system.schema(&name) {
            let columns = schema.fields().iter().map(|field| Output::plain(field.name())).collect();
            self.found.system.insert(name.clone(), schema);
            return Some(Relation { name, columns, key: Vec::new() });
        }
        let VisibleTable { table, columns } = self.visible.table(&name)?;
        self.is_collated |= table.is_collated(&columns);
        let column = |index: &usize| table.columns.get(*index).map(|column| column.name.clone());
        let key = table.held_key().iter().map(|index| {
            let visible = columns.contains(index);
            visible.then(|| column(index)).flatten()
        });
        let key = key.collect::<Option<Vec<_>>>().unwrap_or_default();
        let columns = columns.iter().filter_map(column).map(Output::plain).collect();
        self.found.tables.insert(name.clone(), table);
        Some(Relation { name, columns, key })
    }
}

/// A base table or a system relation, as the principal sees it.
struct Relation {
    name: TableName,
    columns: Vec<Output>,
    /// The columns of its primary key, if it has one and all are visible.
    key: Vec<String>,
}

/// Folds an identifier in place; afterwards it is quoted, so that nothing folds it again.
fn fold(ident: &mut Ident) {
    if ident.quote_style.is_none() {
        ident.value = id::fold(&ident.value, false);
        ident.quote_style = Some('"');
    }
}

/// What an identifier says, folded.
fn id_of(ident: &Ident) -> String {
    id::fold(&ident.value, ident.quote_style.is_some())
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
