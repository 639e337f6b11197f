//! The last changes of a planned statement's expressions, once its types are coerced, in one walk.
//!
//! Each rule changes an expression alone and no type, so all rules are done with one expression
//! before the next: dates without zones, bounds on what functions make, PostgreSQL's casts.

use datafusion_common::Result;
use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_expr::expr_rewriter::NamePreserver;
use datafusion_expr::utils::merge_schema;
use datafusion_expr::{Expr, LogicalPlan, Operator};

use crate::functions::Registry;
use crate::{bounds, output, zoneless};

/// Runs the rules. Names of columns stay as they are.
pub(crate) fn apply(plan: LogicalPlan, registry: &Registry) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| {
        // Most nodes hold columns and comparisons only, and schemas and names cost more than the rules.
        if !concerned(&node, untouched)? {
            return Ok(Transformed::no(node));
        }
        let schema = merge_schema(&node.inputs());
        let names = NamePreserver::new(&node);
        node.map_expressions(|expr| {
            let name = names.save(&expr);
            let done = expr
                .transform_up(|expr| Ok(zoneless::literal(expr)))?
                .transform_data(|expr| {
                    expr.transform_up(|expr| bounds::bound(expr, &schema, registry))
                })?
                .transform_data(|expr| {
                    expr.transform_up(|expr| output::cast(expr, &schema, registry))
                })?;
            Ok(if done.transformed { done.update_data(|expr| name.restore(expr)) } else { done })
        })
    })
    .map(|done| done.data)
}

/// Whether any part of the node's own expressions isn't one that a pass leaves untouched.
pub(crate) fn concerned(node: &LogicalPlan, untouched: fn(&Expr) -> bool) -> Result<bool> {
    let mut found = false;
    node.apply_expressions(|expr| {
        found = expr.exists(|expr| Ok(!untouched(expr)))?;
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

/// Whether no rule changes an expression of this kind. What isn't named is looked at.
fn untouched(expr: &Expr) -> bool {
    match expr {
        Expr::BinaryExpr(binary) => matches!(
            binary.op,
            Operator::Eq
                | Operator::NotEq
                | Operator::Lt
                | Operator::LtEq
                | Operator::Gt
                | Operator::GtEq
                | Operator::And
                | Operator::Or
        ),
        Expr::Alias(_)
        | Expr::Column(_)
        | Expr::Literal(..)
        | Expr::Not(_)
        | Expr::IsNotNull(_)
        | Expr::IsNull(_)
        | Expr::Between(_)
        | Expr::Case(_)
        | Expr::InList(_)
        | Expr::AggregateFunction(_)
        | Expr::OuterReferenceColumn(..)
        | Expr::Placeholder(_) => true,
        _ => false,
    }
}
