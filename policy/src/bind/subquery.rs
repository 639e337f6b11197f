//! `column IN (SELECT column FROM schema.table WHERE …)`: the only subquery a policy may contain.
//!
//! It reads the raw rows of a mapping table with the author's rights, and can't refer outside.

use std::sync::Arc;

use datafusion_common::{DFSchema, Spans, TableReference};
use datafusion_expr::expr::InSubquery;
use datafusion_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Subquery};
use datafusion_sql::sqlparser::ast::{
    Expr as SqlExpr, GroupByExpr, Ident, ObjectName, ObjectNamePart, Query, Select, SelectFlavor,
    SelectItem, SetExpr, TableAlias, TableFactor, TableWithJoins,
};
use tollgate_catalog::id::fold;
use tollgate_catalog::{RawSource, TableName};

use super::{Binder, Bound, Place, Scope};
use crate::model::Strength;

const FORM: &str = "the form is column IN (SELECT column FROM schema.table [WHERE condition])";

struct Lookup<'q> {
    column: &'q SqlExpr,
    table: TableName,
    alias: Option<String>,
    selection: Option<&'q SqlExpr>,
}

fn folded(name: &Ident) -> String {
    fold(&name.value, name.quote_style.is_some())
}

/// Takes a query apart by naming everything that could be in it.
fn lookup(query: &Query) -> Option<Lookup<'_>> {
    let Query {
        with: None,
        body,
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks,
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators,
    } = query
    else {
        return None;
    };
    let SetExpr::Select(select) = body.as_ref() else { return None };
    let Select {
        select_token: _,
        optimizer_hints,
        distinct: None,
        select_modifiers: None,
        top: None,
        top_before_distinct: _,
        projection,
        exclude: None,
        into: None,
        from,
        lateral_views,
        prewhere: None,
        selection,
        connect_by,
        group_by: GroupByExpr::Expressions(groups, modifiers),
        cluster_by,
        distribute_by,
        sort_by,
        having: None,
        named_window,
        qualify: None,
        window_before_qualify: _,
        value_table_mode: None,
        flavor: SelectFlavor::Standard,
    } = select.as_ref()
    else {
        return None;
    };
    let empty = locks.is_empty()
        && pipe_operators.is_empty()
        && optimizer_hints.is_empty()
        && lateral_views.is_empty()
        && connect_by.is_empty()
        && groups.is_empty()
        && modifiers.is_empty()
        && cluster_by.is_empty()
        && distribute_by.is_empty()
        && sort_by.is_empty()
        && named_window.is_empty();
    let ([SelectItem::UnnamedExpr(column)], [TableWithJoins { relation, joins }], true) =
        (projection.as_slice(), from.as_slice(), empty)
    else {
        return None;
    };
    let TableFactor::Table {
        name: ObjectName(parts),
        alias,
        args: None,
        with_hints,
        version: None,
        with_ordinality: false,
        partitions,
        json_path: None,
        sample: None,
        index_hints,
    } = relation
    else {
        return None;
    };
    let alias = match alias {
        None => None,
        Some(TableAlias { explicit: _, name, columns, at: None }) if columns.is_empty() => {
            Some(folded(name))
        }
        Some(_) => return None,
    };
    let [ObjectNamePart::Identifier(schema), ObjectNamePart::Identifier(table)] = parts.as_slice()
    else {
        return None;
    };
    let is_column = matches!(column, SqlExpr::Identifier(_) | SqlExpr::CompoundIdentifier(_));
    let bare = joins.is_empty()
        && with_hints.is_empty()
        && partitions.is_empty()
        && index_hints.is_empty();
    (is_column && bare).then(|| Lookup {
        column,
        table: TableName::new(folded(schema), folded(table)),
        alias,
        selection: selection.as_ref(),
    })
}

impl Binder<'_> {
    pub(super) fn in_subquery(
        &mut self,
        value: &SqlExpr,
        query: &Query,
        negated: bool,
        scope: &Scope<'_>,
        place: &Place,
    ) -> Option<Bound> {
        let at = place.at.clone();
        if negated || !place.subquery_allowed {
            return self.fail(
                &at,
                "a subquery may stand only under AND and OR of a row policy",
                "state which rows are visible: column IN (SELECT …), without NOT, CASE or a function around it",
            );
        }
        let Some(lookup) = lookup(query) else {
            return self.fail(&at, "this form of subquery is not supported in policies", FORM);
        };
        let Some(table) = self.snapshot.table(&lookup.table) else {
            return self.fail(
                &at,
                format!("table {} does not exist", lookup.table),
                "name a table of the catalog with its schema",
            );
        };
        if scope.table.view().is_some() || table.view().is_some() {
            return self.fail(
                &at,
                "a subquery in a policy can't stand on a view, or read one",
                "write the policy for the tables that the view reads",
            );
        }
        if scope.table.is_record() || table.is_record() {
            return self.fail(
                &at,
                "a subquery in a policy can't stand on the gateway's own records, or read them",
                "write the condition over columns and attributes of the principal",
            );
        }
        if scope.table.warehouse != table.warehouse {
            let place = |of: &tollgate_catalog::Table| {
                let warehouse = of.warehouse.as_ref().map_or("", |name| name.as_str());
                format!("{} is in warehouse \"{warehouse}\"", of.name)
            };
            return self.fail(
                &at,
                format!(
                    "a policy on {} can't read {}: they are in different warehouses",
                    scope.table.name, table.name
                ),
                format!(
                    "{}, and {}: keep the mapping table beside the tables that it is about",
                    place(scope.table),
                    place(table)
                ),
            );
        }
        let qualifier =
            TableReference::partial(lookup.table.schema.clone(), lookup.table.table.clone());
        let Ok(schema) =
            DFSchema::try_from_qualified_schema(qualifier.clone(), &table.arrow_schema())
        else {
            return self.fail(
                &at,
                format!("the columns of {} are not unique", lookup.table),
                "give each column its own name in the warehouse",
            );
        };
        let inner = Scope {
            table,
            alias: lookup.alias,
            qualifier: Some(qualifier.clone()),
            schema,
            mask: None,
        };
        let below = Place { subquery_allowed: true, ..place.below(true) };
        let value = self.bind(value, scope, &place.below(false));
        let column = self.bind(lookup.column, &inner, &below);
        let filter = match lookup.selection {
            None => None,
            Some(selection) => Some(*self.operand(selection, &inner, &below)?),
        };
        let (value, column) = self.meet(value?, column?)?;
        let plan = || -> datafusion_common::Result<LogicalPlan> {
            let source = Arc::new(RawSource::new(Arc::clone(table)));
            let mut plan = LogicalPlanBuilder::scan(qualifier, source, None)?;
            if let Some(filter) = filter {
                plan = plan.filter(filter)?;
            }
            plan.project([column])?.build()
        };
        let Ok(plan) = plan() else {
            return self.fail(&at, "this subquery can't be planned", FORM);
        };
        let subquery = Subquery {
            subquery: Arc::new(plan),
            outer_ref_columns: Vec::new(),
            spans: Spans::new(),
        };
        Some(Bound {
            expr: Expr::InSubquery(InSubquery::new(Box::new(value), subquery, false)),
            data_type: arrow::datatypes::DataType::Boolean,
            strength: Strength::Generalise,
            at,
        })
    }
}
