//! GROUP BY a primary key: the table's other columns have one value in each group.

use std::ops::ControlFlow;

use datafusion_sql::sqlparser::ast::{
    Expr, GroupByExpr, OrderBy, Select, SelectItem, Value, visit_expressions,
};

use super::scope::Scope;

/// Adds to GROUP BY the columns that it determines and the statement uses: they change no group.
pub(super) fn complete(select: &mut Select, order_by: Option<&OrderBy>, scope: &Scope) {
    let GroupByExpr::Expressions(keys, _) = &select.group_by else { return };
    let keys: Vec<Expr> =
        keys.iter().map(|key| place(key, &select.projection).unwrap_or(key).clone()).collect();
    let determined = scope.determined(&keys);
    if determined.is_empty() {
        return;
    }
    let mut used = Vec::new();
    let mut note = |expr: &Expr| {
        if determined.contains(expr) && !used.contains(expr) {
            used.push(expr.clone());
        }
        ControlFlow::<()>::Continue(())
    };
    // Nothing breaks these walks off.
    let _ = visit_expressions(&select.projection, &mut note);
    let _ = visit_expressions(&select.having, &mut note);
    let _ = visit_expressions(&select.qualify, &mut note);
    if let Some(order_by) = order_by {
        let _ = visit_expressions(order_by, &mut note);
    }
    if let GroupByExpr::Expressions(keys, _) = &mut select.group_by {
        keys.extend(used);
    }
}

/// How many sets a key of GROUP BY stands for.
pub(super) fn sets(key: &Expr) -> u64 {
    let count = |keys: usize| u64::try_from(keys).unwrap_or(u64::MAX);
    match key {
        Expr::Cube(keys) => u32::try_from(keys.len())
            .ok()
            .and_then(|keys| 1_u64.checked_shl(keys))
            .unwrap_or(u64::MAX),
        Expr::Rollup(keys) => count(keys.len()).saturating_add(1),
        Expr::GroupingSets(list) => list
            .iter()
            .map(|set| set.iter().map(sets).fold(1, u64::saturating_mul))
            .fold(0, u64::saturating_add),
        _ => 1,
    }
}

/// The place in the select list, from 0, that a number means, as in GROUP BY 1.
pub(super) fn number(key: &Expr) -> Option<usize> {
    let Expr::Value(value) = key else { return None };
    let Value::Number(digits, _) = &value.value else { return None };
    digits.parse::<usize>().ok()?.checked_sub(1)
}

/// The item of the select list that a number means.
pub(super) fn place<'a>(key: &Expr, projection: &'a [SelectItem]) -> Option<&'a Expr> {
    match projection.get(number(key)?)? {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr),
        SelectItem::ExprWithAliases { .. }
        | SelectItem::QualifiedWildcard(..)
        | SelectItem::Wildcard(_) => None,
    }
}
