//! Views: queries of the bundle, gated like any other but with their author's rights.
//!
//! A view is declared once per bundle, over the shapes of what it reads; and planned for each
//! statement that names it, over what the caller sees of what it reads.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion_common::JoinType;
use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion_expr::{Expr, LogicalPlan, TableSource};
use datafusion_sql::sqlparser::ast::Query;
use tollgate_catalog::{Column, Error, Snapshot, Table, TableName, View, pg_type};

use crate::dialect::SqlDialect;
use crate::facts::{Facts, SessionFacts};
use crate::functions::Registry;
use crate::gate::{DUPLICATE, Gate};
use crate::plan::{self, Sources};
use crate::resolve::{VisibleTable, VisibleTables};
use crate::statement::{Body, deep, parse};
use crate::system::{SystemSchemas, SystemSource};

/// What the author of a view may name: what the view reads, or at its declaration everything.
enum Author<'a> {
    Catalog(&'a Snapshot),
    View(&'a View),
}

impl VisibleTables for Author<'_> {
    fn table(&self, name: &TableName) -> Option<VisibleTable> {
        let table = match self {
            Self::Catalog(catalog) => catalog.table(name)?,
            Self::View(view) => &view.reads.iter().find(|(read, _)| read.name == *name)?.0,
        };
        Some(VisibleTable { table: Arc::clone(table), columns: (0..table.columns.len()).collect() })
    }
}

/// The system catalogs don't exist in a view: each caller has its own.
struct NoSystem;

impl SystemSchemas for NoSystem {
    fn schema(&self, _: &TableName) -> Option<SchemaRef> {
        None
    }
}

/// The gated query of a view's text, and what it names.
fn gated(
    sql: &str,
    author: &Author<'_>,
    registry: &Registry,
    facts: Facts<'_>,
) -> Result<(Query, Vec<Arc<Table>>), Error> {
    let parsed = parse(sql)?;
    let [only] = parsed.as_slice() else {
        return Err(Error::not_supported("more than one statement in a view"));
    };
    let Body::Query(query) = only.body() else {
        return Err(Error::not_supported("a view of anything but a query"));
    };
    let mut query = Query::clone(query);
    // No search path: a view means the same for everyone.
    let gate = Gate::new(only.dialect(), registry, facts.without_path(), author, &NoSystem);
    let found = deep(only.operators, || gate.walk(&mut query))?;
    if let Some(function) = &found.system_function {
        return Err(Error::not_supported(&format!(
            "the catalog function \"{function}\" in a view"
        )));
    }
    if !found.samples.is_empty() {
        return Err(Error::not_supported("TABLESAMPLE in a view"));
    }
    if found.tables.is_empty() {
        return Err(Error::not_supported("a view over no table"));
    }
    Ok((query, found.tables.into_values().collect()))
}

/// The gated queries of all views among `tables`, and of the views that these read.
pub(crate) fn queries(
    tables: &mut dyn Iterator<Item = &Arc<Table>>,
    registry: &Registry,
    facts: Facts<'_>,
    found: &mut BTreeMap<TableName, Query>,
) -> Result<(), Error> {
    for table in tables {
        let Some(view) = table.view() else { continue };
        if found.contains_key(&table.name) {
            continue;
        }
        // It passed when it was declared.
        let (query, _) = gated(&view.sql, &Author::View(view), registry, facts)
            .map_err(|error| Error::internal(format!("{}: {error}", table.name)))?;
        found.insert(table.name.clone(), query);
        queries(&mut view.reads.iter().map(|(read, _)| read), registry, facts, found)?;
    }
    Ok(())
}

/// What a view yields over a catalog, and what it reads.
pub(crate) fn declare(
    registry: &Registry,
    sql: &str,
    catalog: &Snapshot,
) -> Result<(Vec<Column>, View), Error> {
    let facts = SessionFacts {
        user: String::new(),
        database: String::new(),
        search_path: Vec::new(),
        version: String::new(),
        backend_pid: 0,
        settings: Arc::new(BTreeMap::new()),
    };
    let (query, tables) =
        gated(sql, &Author::Catalog(catalog), registry, Facts::new(&facts, &Cell::new(false)))?;
    let mut sources = Sources::new();
    for table in &tables {
        let shape = SystemSource::new(table.name.clone(), table.arrow_schema());
        let shape: Arc<dyn TableSource> = Arc::new(shape);
        sources.insert(table.name.clone(), shape);
    }
    let planned = plan::plan(query, SqlDialect::PostgreSql, true, &sources, registry, &[])?;
    if !planned.parameters.is_empty() {
        return Err(Error::not_supported("a parameter in a view"));
    }
    let mut columns: Vec<Column> = Vec::new();
    let mut shows_documents = false;
    for field in planned.plan.schema().fields() {
        let name =
            field.name().split_once(DUPLICATE).map_or(field.name().as_str(), |(name, _)| name);
        if columns.iter().any(|column| column.name == name) {
            return Err(Error::not_supported(&format!("a view with two columns \"{name}\""))
                .with_hint("name each column with AS"));
        }
        if pg_type::is_document(field.data_type()) {
            shows_documents = true;
        } else if pg_type::holds_shape(field.data_type()) {
            return Err(Error::not_supported("a whole row or JSON as a column of a view")
                .with_hint("name the columns that are needed"));
        }
        let (name, data_type) = (name.to_owned(), field.data_type().clone());
        columns.push(Column { name, data_type, nullable: true, comment: None });
    }
    // Showing one can fail, and of no other view nothing that can fail is asked.
    if shows_documents && !crate::render::is_guardable(&planned.plan) {
        return Err(Error::not_supported("a semi-structured column of this view").with_hint(
            "such a view selects from one table, or from one view like it, without DISTINCT, ORDER BY and LIMIT, \
             and nothing fails in its conditions, or where its columns are NULL",
        ));
    }
    let named = named_columns(&planned.plan).map_err(Error::internal)?;
    let mut decides = BTreeSet::new();
    let is_monotone =
        deciding_columns(&planned.plan, false, &mut decides).map_err(Error::internal)?;
    if !is_monotone {
        decides.clone_from(&named);
    }
    let reads = tables.into_iter().map(|table| {
        let read = table.columns.iter().enumerate();
        let read = read.filter(|(_, column)| named.contains(&column.name));
        let read = read.map(|(index, _)| index).collect();
        (table, read)
    });
    let view = View { sql: sql.to_owned(), reads: reads.collect(), is_monotone, decides };
    Ok((columns, view))
}

/// Collects the columns that decide which rows there are. False where that can't be told from names,
/// or where fewer rows below could be more or other ones here.
fn deciding_columns(
    plan: &LogicalPlan,
    decided_above: bool,
    names: &mut BTreeSet<String>,
) -> datafusion_common::Result<bool> {
    let (decides, is_known) = match plan {
        LogicalPlan::TableScan(_) => return Ok(true),
        LogicalPlan::SubqueryAlias(_) | LogicalPlan::Union(_) => (false, true),
        LogicalPlan::Projection(projection) => {
            let is_bare = projection.expr.iter().all(|expr| matches!(expr, Expr::Column(_)));
            (false, is_bare || !decided_above)
        }
        LogicalPlan::Filter(_) => (true, true),
        LogicalPlan::Join(join) => (true, join.join_type == JoinType::Inner),
        LogicalPlan::Sort(sort) => (false, sort.fetch.is_none()),
        // Named by what they do to rows: merge, drop, or take from elsewhere.
        LogicalPlan::Aggregate(_)
        | LogicalPlan::Window(_)
        | LogicalPlan::Distinct(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Subquery(_)
        | LogicalPlan::Values(_)
        | LogicalPlan::EmptyRelation(_)
        | LogicalPlan::RecursiveQuery(_)
        | LogicalPlan::Unnest(_)
        | LogicalPlan::Extension(_)
        | LogicalPlan::Repartition(_)
        | LogicalPlan::Statement(_)
        | LogicalPlan::Explain(_)
        | LogicalPlan::Analyze(_)
        | LogicalPlan::Dml(_)
        | LogicalPlan::Ddl(_)
        | LogicalPlan::Copy(_)
        | LogicalPlan::DescribeTable(_) => return Ok(false),
    };
    if !is_known {
        return Ok(false);
    }
    let mut has_subquery = false;
    plan.apply_expressions(|expr| {
        expr.apply(|expr| {
            match expr {
                Expr::Column(column) if decides => {
                    names.insert(column.name.clone());
                }
                Expr::Exists(_)
                | Expr::InSubquery(_)
                | Expr::ScalarSubquery(_)
                | Expr::SetComparison(_)
                | Expr::OuterReferenceColumn(..) => has_subquery = true,
                _ => {}
            }
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    if has_subquery {
        return Ok(false);
    }
    for input in plan.inputs() {
        if !deciding_columns(input, decided_above || decides, names)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The names of all columns that occur anywhere: rather too many than too few.
fn named_columns(plan: &LogicalPlan) -> datafusion_common::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    plan.apply_with_subqueries(|node| {
        // Joins by USING and set operations name columns by their place only at their inputs, which
        // are projections and scans again; a scan itself names none.
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::Column(column) | Expr::OuterReferenceColumn(_, column) = expr {
                    names.insert(column.name.clone());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(names)
}
