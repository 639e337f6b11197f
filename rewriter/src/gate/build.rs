//! Queries that the gate writes in place of the user's.

use std::ops::ControlFlow;

use datafusion_sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion_sql::sqlparser::ast::{
    BinaryOperator, Expr, GroupByExpr, Ident, Parens, Query, Select, SelectFlavor, SelectItem,
    SetExpr, SetOperator, SetQuantifier, TableAlias, TableFactor, TableWithJoins, Value, Values,
    Visit, WildcardAdditionalOptions, visit_expressions,
};
use datafusion_sql::sqlparser::tokenizer::Span;

use super::quoted_name;

/// A query in place of one that was taken out.
pub(super) fn empty() -> Query {
    query_of(SetExpr::Values(Values {
        explicit_row: false,
        value_keyword: false,
        rows: Vec::new(),
    }))
}

pub(super) fn query_of(body: SetExpr) -> Query {
    Query {
        with: None,
        body: Box::new(body),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}

/// `EXISTS (query)` as `(SELECT count(*) FROM (query)) > 0`, or `= 0` if negated. The query has
/// passed the gate.
pub(super) fn counted(mut query: Query, negated: bool) -> Expr {
    let count = SelectItem::ExprWithAlias {
        expr: super::function::call("count", vec![super::expr::number("1")]),
        alias: Ident::with_quote('"', "count"),
    };
    let op = if negated { BinaryOperator::Eq } else { BinaryOperator::Gt };
    let compared = |query: Query, op| Expr::BinaryOp {
        left: Box::new(Expr::Subquery(Box::new(query))),
        op,
        right: Box::new(super::expr::number("0")),
    };
    // The planner takes a correlated subquery apart only if the rows are counted where they are.
    if query.with.is_none()
        && query.limit_clause.is_none()
        && let SetExpr::Select(select) = query.body.as_mut()
        && counts_its_rows(select)
    {
        select.projection = vec![count];
        query.order_by = None;
        return compared(query, op);
    }
    let mut select = bare(TableFactor::Derived {
        lateral: false,
        subquery: Box::new(query),
        alias: Some(TableAlias {
            explicit: true,
            name: Ident::with_quote('"', "exists"),
            columns: Vec::new(),
            at: None,
        }),
        sample: None,
    });
    select.projection = vec![count];
    compared(query_of(SetExpr::Select(Box::new(select))), op)
}

/// Whether a SELECT has one row for each row of its FROM and WHERE: its list only names things.
fn counts_its_rows(select: &Select) -> bool {
    let ungrouped =
        matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty());
    ungrouped
        && select.having.is_none()
        && select.qualify.is_none()
        && select.distinct.is_none()
        && select.projection.iter().all(|item| match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Value(_))
            }
            SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => true,
            SelectItem::ExprWithAliases { .. } => false,
        })
}

/// Whether an expression, or one in VALUES, holds a subquery.
pub(super) fn has_query(node: &impl Visit) -> bool {
    let found = |expr: &Expr| match expr {
        Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    visit_expressions(node, found).is_break()
}

/// `left AND right`, of conditions that have passed the gate.
pub(super) fn and(left: Option<Expr>, right: Expr) -> Expr {
    let nested = |expr| Box::new(Expr::Nested(Box::new(expr)));
    match left {
        Some(left) => {
            Expr::BinaryOp { left: nested(left), op: BinaryOperator::And, right: nested(right) }
        }
        None => right,
    }
}

/// Takes those parts of a condition's conjunction that hold a subquery.
pub(super) fn take_queries(condition: &mut Expr) -> Vec<Expr> {
    let mut open = vec![std::mem::replace(condition, truth())];
    let mut taken = Vec::new();
    let mut kept = None;
    while let Some(part) = open.pop() {
        match part {
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                open.push(*right);
                open.push(*left);
            }
            part if has_query(&part) => taken.push(part),
            part => kept = Some(and(kept, part)),
        }
    }
    if let Some(kept) = kept {
        *condition = kept;
    }
    taken
}

/// `VALUES (a, b), …` as `SELECT a AS column1, b AS column2 UNION ALL …`.
pub(super) fn selects(rows: Vec<Parens<Vec<Expr>>>) -> SetExpr {
    let select = |row: Parens<Vec<Expr>>| {
        let mut select = nowhere();
        select.projection = (1..)
            .zip(row.content)
            .map(|(number, expr)| SelectItem::ExprWithAlias {
                expr,
                alias: Ident::with_quote('"', format!("column{number}")),
            })
            .collect();
        SetExpr::Select(Box::new(select))
    };
    let legs = rows.into_iter().map(select).reduce(|left, right| SetExpr::SetOperation {
        op: SetOperator::Union,
        set_quantifier: SetQuantifier::All,
        left: Box::new(left),
        right: Box::new(right),
    });
    legs.unwrap_or_else(|| *empty().body)
}

/// A SELECT without FROM, whose list is to be filled in.
pub(super) fn nowhere() -> Select {
    let mut select = bare(TableFactor::Derived {
        lateral: false,
        subquery: Box::new(empty()),
        alias: None,
        sample: None,
    });
    select.from.clear();
    select
}

/// `TABLE t` as `SELECT * FROM t`.
pub(super) fn table_command(names: &[String]) -> Select {
    bare(TableFactor::Table {
        name: quoted_name(names.iter().map(String::as_str)),
        alias: None,
        args: None,
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    })
}

/// A condition that holds.
pub(super) fn truth() -> Expr {
    Expr::Value(Value::Boolean(true).with_span(Span::empty()))
}

/// `(SELECT items FROM tables) AS alias`, of parts that have passed the gate.
pub(super) fn derived(
    tables: TableWithJoins,
    projection: Vec<SelectItem>,
    alias: Option<TableAlias>,
) -> TableFactor {
    let mut select = bare(tables.relation);
    if let Some(source) = select.from.first_mut() {
        source.joins = tables.joins;
    }
    select.projection = projection;
    TableFactor::Derived {
        lateral: false,
        subquery: Box::new(query_of(SetExpr::Select(Box::new(select)))),
        alias,
        sample: None,
    }
}

/// `SELECT * FROM relation`.
pub(super) fn bare(relation: TableFactor) -> Select {
    Select {
        select_token: AttachedToken::empty(),
        optimizer_hints: Vec::new(),
        distinct: None,
        select_modifiers: None,
        top: None,
        top_before_distinct: false,
        projection: vec![SelectItem::Wildcard(WildcardAdditionalOptions::default())],
        exclude: None,
        into: None,
        from: vec![TableWithJoins { relation, joins: Vec::new() }],
        lateral_views: Vec::new(),
        prewhere: None,
        selection: None,
        connect_by: Vec::new(),
        group_by: GroupByExpr::Expressions(Vec::new(), Vec::new()),
        cluster_by: Vec::new(),
        distribute_by: Vec::new(),
        sort_by: Vec::new(),
        having: None,
        named_window: Vec::new(),
        qualify: None,
        window_before_qualify: false,
        value_table_mode: None,
        flavor: SelectFlavor::Standard,
    }
}
