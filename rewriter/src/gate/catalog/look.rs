//! What a statement names, seen without resolving anything.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use arrow::datatypes::DataType;
use datafusion_sql::sqlparser::ast::{
    Cte, Expr, Ident, ObjectName, Query, Select, SelectItem, TableFactor, Value, Visit, Visitor,
};
use tollgate_catalog::{TableName, id};

use crate::system::SystemSchemas;

/// What the columns of a statement's relations are, by name.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// Columns that are oids or integers wherever they occur.
    pub(super) numbers: BTreeSet<String>,
    /// Columns that are boolean wherever they occur.
    pub(super) booleans: BTreeSet<String>,
    /// Columns that are lists, with the type of their elements.
    pub(super) lists: BTreeMap<String, DataType>,
}

pub(super) fn folded(ident: &Ident) -> String {
    id::fold(&ident.value, ident.quote_style.is_some())
}

/// The name of a column reference without its qualifier.
pub(super) fn column_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(ident) => Some(folded(ident)),
        Expr::CompoundIdentifier(idents) => idents.last().map(folded),
        Expr::Nested(inner) => column_name(inner),
        _ => None,
    }
}

/// The text of a string literal.
pub(super) fn text_literal(expr: &Expr) -> Option<&str> {
    let Expr::Value(value) = expr else { return None };
    match &value.value {
        Value::SingleQuotedString(text) => Some(text),
        _ => None,
    }
}

/// The system relation of a name: qualified, or unqualified and beginning with `pg_`.
pub(super) fn system_name(name: &ObjectName) -> Option<TableName> {
    let parts: Option<Vec<String>> =
        name.0.iter().map(|part| part.as_ident().map(folded)).collect();
    match parts?.as_slice() {
        [.., schema, table] if schema == "pg_catalog" || schema == "information_schema" => {
            Some(TableName::new(schema.as_str(), table.as_str()))
        }
        [table] if table.starts_with("pg_") => Some(TableName::new("pg_catalog", table.as_str())),
        _ => None,
    }
}

/// The system relations of a FROM by their aliases.
pub(super) fn aliases(select: &Select) -> Vec<(String, TableName)> {
    let sources = select.from.iter().flat_map(|source| {
        std::iter::once(&source.relation).chain(source.joins.iter().map(|join| &join.relation))
    });
    sources
        .filter_map(|factor| match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                let table = system_name(name)?;
                let alias = alias
                    .as_ref()
                    .map_or_else(|| table.table.to_string(), |alias| folded(&alias.name));
                Some((alias, table))
            }
            _ => None,
        })
        .collect()
}

struct Look<'a> {
    system: &'a dyn SystemSchemas,
    path: &'a [String],
    ctes: BTreeSet<String>,
    foreign: Vec<ObjectName>,
    looked: Looked,
    booleans: BTreeSet<String>,
    others: BTreeSet<String>,
}

impl Visitor for Look<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let ctes = query.with.iter().flat_map(|with| &with.cte_tables);
        self.ctes.extend(ctes.map(|Cte { alias, .. }| folded(&alias.name)));
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        for item in &select.projection {
            let SelectItem::ExprWithAlias { expr: Expr::Function(function), alias } = item else {
                continue;
            };
            let name = function.name.0.last().and_then(|part| part.as_ident()).map(folded);
            if name.as_deref() == Some("array_agg") {
                self.looked.lists.insert(folded(alias), DataType::Null);
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        let TableFactor::Table { name, args: None, .. } = factor else {
            return ControlFlow::Continue(());
        };
        // `pg_x` in a schema of the path that goes before the catalog is another relation.
        let shadowed = name.0.len() == 1 && self.path.iter().any(|schema| schema == "pg_catalog");
        let schema =
            system_name(name).filter(|_| !shadowed).and_then(|name| self.system.schema(&name));
        let Some(schema) = schema else {
            self.foreign.push(name.clone());
            return ControlFlow::Continue(());
        };
        for field in schema.fields() {
            let name = field.name().clone();
            match field.data_type() {
                DataType::UInt32 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
                    self.looked.numbers.insert(name);
                }
                DataType::Boolean => {
                    self.booleans.insert(name);
                }
                DataType::List(element) => {
                    self.looked.lists.insert(name, element.data_type().clone());
                }
                _ => {
                    self.others.insert(name);
                }
            }
        }
        ControlFlow::Continue(())
    }
}

/// Looks at a statement; `None` if it names anything but system relations.
pub(super) fn look(query: &Query, system: &dyn SystemSchemas, path: &[String]) -> Option<Looked> {
    let mut look = Look {
        system,
        path,
        ctes: BTreeSet::new(),
        foreign: Vec::new(),
        looked: Looked::default(),
        booleans: BTreeSet::new(),
        others: BTreeSet::new(),
    };
    let _done: ControlFlow<()> = query.visit(&mut look);
    let only = look.foreign.iter().all(|name| match name.0.as_slice() {
        [part] => part.as_ident().is_some_and(|ident| look.ctes.contains(&folded(ident))),
        _ => false,
    });
    if !only {
        return None;
    }
    let Look { mut looked, booleans, mut others, .. } = look;
    looked.booleans = booleans.difference(&others).cloned().collect();
    looked.booleans.retain(|name| !looked.numbers.contains(name));
    others.extend(booleans);
    looked.numbers.retain(|name| !others.contains(name) && !looked.lists.contains_key(name));
    looked.lists.retain(|name, _| !others.contains(name));
    Some(looked)
}
