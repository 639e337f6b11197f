//! Bounds on what the functions and operators of a user's query may make.
//!
//! A rule of [`crate::finish`], after all that writes calls: whatever wrote a call, the user, the gate or the engine's
//! planner, here it becomes a call of the function's bounded version. `a || b` becomes a call too,
//! since a chain over subqueries doubles its length at each step. Patterns of `LIKE` and `~` go through
//! a function that refuses the ones that are slow to search by.
//!
//! What stands in policies is not concerned: it can't chain results, and must not fail.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion_common::tree_node::Transformed;
use datafusion_common::{DFSchema, Result};
use datafusion_expr::expr::ScalarFunction;
use datafusion_expr::{
    BinaryExpr, Expr, ExprSchemable, Operator, ScalarUDF, WindowFunctionDefinition,
};

use crate::functions::Registry;

/// Puts the bounded version of a call or an operator in its place.
pub(crate) fn bound(
    expr: Expr,
    schema: &DFSchema,
    registry: &Registry,
) -> Result<Transformed<Expr>> {
    match expr {
        Expr::ScalarFunction(mut call) => match registry.bounded(call.func.name()) {
            Some(bounded) => {
                call.func = bounded;
                Ok(Transformed::yes(Expr::ScalarFunction(call)))
            }
            None => Ok(Transformed::no(Expr::ScalarFunction(call))),
        },
        Expr::WindowFunction(mut call) => {
            let bounded = match &call.fun {
                WindowFunctionDefinition::AggregateUDF(udf) => registry.windowed(udf.name()),
                WindowFunctionDefinition::WindowUDF(_) => None,
            };
            Ok(match bounded {
                Some(bounded) => {
                    call.fun = WindowFunctionDefinition::AggregateUDF(bounded);
                    Transformed::yes(Expr::WindowFunction(call))
                }
                None => Transformed::no(Expr::WindowFunction(call)),
            })
        }
        Expr::BinaryExpr(binary) => operator(binary, schema, registry),
        Expr::Like(mut like) => match registry.internal_udf("tg_like") {
            Some(function) => {
                like.pattern = Box::new(call(function, vec![*like.pattern]));
                Ok(Transformed::yes(Expr::Like(like)))
            }
            None => Ok(Transformed::no(Expr::Like(like))),
        },
        other => Ok(Transformed::no(other)),
    }
}

fn operator(
    mut binary: BinaryExpr,
    schema: &DFSchema,
    registry: &Registry,
) -> Result<Transformed<Expr>> {
    let guard = match binary.op {
        Operator::StringConcat => {
            let texts = is_text(&binary.left, schema) && is_text(&binary.right, schema);
            return Ok(match registry.internal_udf("tg_join").filter(|_| texts) {
                Some(function) => {
                    Transformed::yes(call(function, vec![*binary.left, *binary.right]))
                }
                None => Transformed::no(Expr::BinaryExpr(binary)),
            });
        }
        Operator::RegexMatch
        | Operator::RegexIMatch
        | Operator::RegexNotMatch
        | Operator::RegexNotIMatch => "tg_regex",
        Operator::LikeMatch
        | Operator::ILikeMatch
        | Operator::NotLikeMatch
        | Operator::NotILikeMatch => "tg_like",
        _ => return Ok(Transformed::no(Expr::BinaryExpr(binary))),
    };
    Ok(match registry.internal_udf(guard) {
        Some(function) => {
            binary.right = Box::new(call(function, vec![*binary.right]));
            Transformed::yes(Expr::BinaryExpr(binary))
        }
        None => Transformed::no(Expr::BinaryExpr(binary)),
    })
}

/// Text or bytes; NULL of no type is neither.
fn is_text(expr: &Expr, schema: &DFSchema) -> bool {
    expr.get_type(schema).is_ok_and(|of| {
        matches!(
            of,
            DataType::Utf8
                | DataType::LargeUtf8
                | DataType::Utf8View
                | DataType::Binary
                | DataType::LargeBinary
                | DataType::BinaryView
        )
    })
}

fn call(function: Arc<ScalarUDF>, arguments: Vec<Expr>) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(function, arguments))
}
