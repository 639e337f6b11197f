//! `ARRAY(SELECT …)` as an aggregate, which the engine has.

use datafusion_sql::sqlparser::ast::{
    Array, Expr, Function, FunctionArgumentClause, FunctionArguments, GroupByExpr, OrderByExpr,
    OrderByKind, Query, Select, SelectItem, SetExpr, Value,
};

use super::function::call;

/// `ARRAY(SELECT x … ORDER BY k)` as `coalesce((SELECT array_agg(x ORDER BY k) …), ARRAY[])`; nothing
/// for a query of another form.
pub(super) fn query(query: &Query) -> Option<Expr> {
    let mut query = query.clone();
    if query.with.is_some() || query.limit_clause.is_some() || query.fetch.is_some() {
        return None;
    }
    let order = query.order_by.take();
    let SetExpr::Select(select) = query.body.as_mut() else { return None };
    let value = item(select)?;
    let mut keys: Vec<OrderByExpr> = match order.map(|order| order.kind) {
        Some(OrderByKind::Expressions(keys)) => keys,
        Some(OrderByKind::All(_)) => return None,
        None => Vec::new(),
    };
    for key in &mut keys {
        let first = matches!(&key.expr, Expr::Value(place)
            if matches!(&place.value, Value::Number(digits, _) if digits == "1"));
        if first {
            key.expr = value.clone();
        }
    }
    let mut aggregate = call("array_agg", vec![value]);
    if let (false, Expr::Function(Function { args: FunctionArguments::List(list), .. })) =
        (keys.is_empty(), &mut aggregate)
    {
        list.clauses.push(FunctionArgumentClause::OrderBy(keys));
    }
    select.projection = vec![SelectItem::UnnamedExpr(aggregate)];
    let none = Expr::Array(Array { elem: Vec::new(), named: true });
    Some(call("coalesce", vec![Expr::Subquery(Box::new(query)), none]))
}

/// The one item of a SELECT that neither groups nor drops rows.
fn item(select: &Select) -> Option<Expr> {
    let plain = matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty())
        && select.distinct.is_none()
        && select.qualify.is_none()
        && select.having.is_none();
    match (plain, select.projection.as_slice()) {
        (true, [SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }]) => {
            Some(expr.clone())
        }
        _ => None,
    }
}
