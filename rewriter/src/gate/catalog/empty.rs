//! Queries that can't yield a row, because a relation that they need is always empty here.

use std::ops::ControlFlow;

use datafusion_sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArguments, JoinOperator, Query, Select, SelectItem,
    SetExpr, TableFactor, TableFunctionArgs, TableWithJoins, Value, Visit, Visitor,
};
use datafusion_sql::sqlparser::tokenizer::Span;

use super::calls;
use super::look::{column_name, folded, system_name, text_literal};
use crate::functions::Registry;
use crate::gate::expr::{null, string};
use crate::system::SystemSchemas;

/// Columns that are NULL in every row of every system relation.
const NULLS: &[&str] = &["reloptions"];

/// Looks for an aggregate outside subqueries.
struct Aggregates<'a> {
    registry: &'a Registry,
    depth: usize,
    found: bool,
}

impl Visitor for Aggregates<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let (0, Expr::Function(Function { name, over: None, .. })) = (self.depth, expr) {
            let name = name.0.last().and_then(|part| part.as_ident()).map(folded);
            self.found |= name.is_some_and(|name| self.registry.aggregate_udf(&name).is_some());
        }
        ControlFlow::Continue(())
    }
}

/// Whether a select list aggregates.
pub(super) fn aggregates(select: &Select, registry: &Registry) -> bool {
    let mut aggregates = Aggregates { registry, depth: 0, found: false };
    for item in &select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            let _done: ControlFlow<()> = expr.visit(&mut aggregates);
        }
    }
    aggregates.found || select.having.is_some()
}

/// Whether a SELECT can't yield a row.
pub(super) fn select(select: &Select, registry: &Registry, system: &dyn SystemSchemas) -> bool {
    !aggregates(select, registry) && select.from.iter().any(|source| joined(source, system))
}

fn joined(source: &TableWithJoins, system: &dyn SystemSchemas) -> bool {
    let mut empty = factor(&source.relation, system);
    for join in &source.joins {
        match &join.join_operator {
            JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_) => {
                empty |= factor(&join.relation, system);
            }
            JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => {}
            JoinOperator::Right(_) | JoinOperator::RightOuter(_) => {
                empty = factor(&join.relation, system);
            }
            _ => return false,
        }
    }
    empty
}

fn factor(factor: &TableFactor, system: &dyn SystemSchemas) -> bool {
    match factor {
        TableFactor::Table { name, args: None, .. } => {
            system_name(name).is_some_and(|name| system.always_empty(&name))
        }
        TableFactor::Table { name, args: Some(TableFunctionArgs { args, .. }), .. } => {
            let name = name.0.last().and_then(|part| part.as_ident()).map(folded);
            match name.as_deref() {
                Some("pg_partition_ancestors") => true,
                Some("unnest") => args.first().and_then(calls::plain).is_some_and(always_null),
                _ => false,
            }
        }
        TableFactor::UNNEST { array_exprs, .. } => array_exprs.first().is_some_and(always_null),
        _ => false,
    }
}

fn always_null(expr: &Expr) -> bool {
    column_name(expr).is_some_and(|name| NULLS.contains(&name.as_str()))
}

fn is_empty(query: &Query, registry: &Registry, system: &dyn SystemSchemas) -> bool {
    match query.body.as_ref() {
        SetExpr::Select(inner) => query.with.is_none() && select(inner, registry, system),
        _ => false,
    }
}

/// Folds a subquery that yields no row, and any subquery where no row will ask for it.
pub(super) fn fold(expr: &mut Expr, all: bool, registry: &Registry, system: &dyn SystemSchemas) {
    let folded = match &*expr {
        Expr::Subquery(query) if all || is_empty(query, registry, system) => null(),
        Expr::Exists { subquery, negated } if is_empty(subquery, registry, system) => {
            Expr::Value(Value::Boolean(*negated).with_span(Span::empty()))
        }
        Expr::Function(function) => match calls::array_query(function) {
            Some(query) if all || is_empty(query, registry, system) => no_texts(),
            _ => return,
        },
        Expr::Case { operand: None, conditions, else_result, .. } => match conditions.as_slice() {
            // There are no domains.
            [when] if is_domain(&when.condition) => {
                else_result.as_deref().cloned().unwrap_or_else(null)
            }
            _ => return,
        },
        _ => return,
    };
    *expr = folded;
}

fn is_domain(condition: &Expr) -> bool {
    match condition {
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
            column_name(left).as_deref() == Some("typtype") && text_literal(right) == Some("d")
        }
        Expr::Nested(inner) => is_domain(inner),
        _ => false,
    }
}

/// An empty array of text.
pub(super) fn no_texts() -> Expr {
    crate::gate::function::call("string_to_array", vec![string(""), string(",")])
}

/// The query of `ARRAY(SELECT …)`.
pub(super) fn subquery_of(function: &Function) -> Option<&Query> {
    match &function.args {
        FunctionArguments::Subquery(query) => Some(query),
        FunctionArguments::None | FunctionArguments::List(_) => None,
    }
}
