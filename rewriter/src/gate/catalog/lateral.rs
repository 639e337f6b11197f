//! The elements of a column's array beside its row, which the planner takes in a select list only.

use datafusion_sql::sqlparser::ast::{
    Expr, Ident, JoinConstraint, JoinOperator, Select, SelectItem, SetExpr, TableAlias,
    TableFactor, TableWithJoins, WildcardAdditionalOptions,
};

use super::look::folded;
use crate::gate::build::{bare, query_of};
use crate::gate::function::call;

/// Makes of `FROM t CROSS JOIN UNNEST(t.list) AS element …` the rows of
/// `(SELECT *, unnest(list) AS element FROM t) AS t …`.
pub(super) fn elements(select: &mut Select) {
    // A star would show the element twice.
    let star = |item: &SelectItem| {
        matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..))
    };
    if select.projection.iter().any(star) {
        return;
    }
    for from in &mut select.from {
        if let Some(joined) = beside(from) {
            *from = joined;
        }
    }
}

fn beside(from: &TableWithJoins) -> Option<TableWithJoins> {
    let TableFactor::Table { name, alias, args: None, .. } = &from.relation else { return None };
    let base = match alias {
        Some(alias) if alias.columns.is_empty() => alias.name.clone(),
        Some(_) => return None,
        None => name.0.last()?.as_ident()?.clone(),
    };
    let join = from.joins.first()?;
    let JoinOperator::CrossJoin(JoinConstraint::None) = join.join_operator else { return None };
    let TableFactor::UNNEST {
        alias: Some(element),
        array_exprs,
        with_offset: false,
        with_offset_alias: None,
        with_ordinality: false,
    } = &join.relation
    else {
        return None;
    };
    let list = match array_exprs.as_slice() {
        [Expr::Identifier(list)] => list.clone(),
        [Expr::CompoundIdentifier(parts)] => match parts.as_slice() {
            [table, list] if folded(table) == folded(&base) => list.clone(),
            _ => return None,
        },
        _ => return None,
    };
    let element = match element.columns.as_slice() {
        [] => element.name.clone(),
        [column] => column.name.clone(),
        _ => return None,
    };
    let mut inner = bare(from.relation.clone());
    inner.projection = vec![
        SelectItem::Wildcard(WildcardAdditionalOptions::default()),
        SelectItem::ExprWithAlias {
            expr: call("unnest", vec![Expr::Identifier(list)]),
            alias: element,
        },
    ];
    let relation = TableFactor::Derived {
        lateral: false,
        subquery: Box::new(query_of(SetExpr::Select(Box::new(inner)))),
        alias: Some(named(base)),
        sample: None,
    };
    Some(TableWithJoins { relation, joins: from.joins.get(1..)?.to_vec() })
}

fn named(name: Ident) -> TableAlias {
    TableAlias { explicit: true, name, columns: Vec::new(), at: None }
}
