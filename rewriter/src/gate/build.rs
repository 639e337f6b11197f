//! Queries that the gate writes in place of the user's.

use datafusion_sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion_sql::sqlparser::ast::{
    BinaryOperator, Expr, GroupByExpr, Ident, Query, Select, SelectFlavor, SelectItem, SetExpr,
    TableAlias, TableFactor, TableWithJoins, Values, WildcardAdditionalOptions,
};

use super::quoted_name;

/// A query in place of one that was taken out.
pub(super) fn empty() -> Query {
    query_of(SetExpr::Values(Values {
        explicit_row: false,
        value_keyword: false,
        rows: Vec::new(),
    }))
}

fn query_of(body: SetExpr) -> Query {
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
        && select.distinct.is_none()
        && select.projection.iter().all(|item| match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Value(_))
            }
            SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => true,
            SelectItem::ExprWithAliases { .. } => false,
        })
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

/// `SELECT * FROM relation`.
fn bare(relation: TableFactor) -> Select {
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
