//! Casts with PostgreSQL's results, in place of the engine's.
//!
//! A rule of [`crate::finish`], which runs after type coercion, so that it sees the implicit casts too: a fraction becomes a whole
//! number by rounding, times, floats, intervals and bytes become text in PostgreSQL's spelling, and texts become bytes by
//! it. No type
//! changes.

use arrow::datatypes::DataType;
use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_common::{DFSchema, DataFusionError, Result, ScalarValue};
use datafusion_expr::expr::{Cast, ScalarFunction};
use datafusion_expr::utils::merge_schema;
use datafusion_expr::{BinaryExpr, Case, Expr, ExprSchemable, LogicalPlan, Operator, lit};
use tollgate_catalog::Error;

use crate::functions::Registry;

/// Refuses what the engine would do with bytes as with texts.
///
/// # Errors
/// A pattern or `||` meets bytes.
pub(crate) fn check(plan: &LogicalPlan) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        let mut schema = None;
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                let (left, right) = match expr {
                    Expr::Like(like) | Expr::SimilarTo(like) => (&like.expr, &like.pattern),
                    Expr::BinaryExpr(BinaryExpr {
                        left,
                        op:
                            Operator::StringConcat
                            | Operator::LikeMatch
                            | Operator::ILikeMatch
                            | Operator::NotLikeMatch
                            | Operator::NotILikeMatch
                            | Operator::RegexMatch
                            | Operator::RegexIMatch
                            | Operator::RegexNotMatch
                            | Operator::RegexNotIMatch,
                        right,
                    }) => (left, right),
                    _ => return Ok(TreeNodeRecursion::Continue),
                };
                let schema = schema.get_or_insert_with(|| merge_schema(&node.inputs()));
                for operand in [left, right] {
                    if operand.get_type(schema)?.is_binary() {
                        let error = Error::not_supported("a pattern or || of bytes")
                            .with_hint("make a text of the bytes, as with encode(…, 'hex')");
                        return Err(DataFusionError::External(Box::new(error)));
                    }
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })
    .map(drop)
}

/// Puts such a cast in place of the engine's.
pub(crate) fn cast(
    expr: Expr,
    schema: &DFSchema,
    registry: &Registry,
) -> Result<Transformed<Expr>> {
    match expr {
        Expr::Cast(cast) => {
            let from = cast.expr.get_type(schema)?;
            let name = match (&from, cast.field.data_type()) {
                (DataType::Decimal128(..) | DataType::Float32 | DataType::Float64, to) => {
                    match to {
                        DataType::Int16 => "tg_int2",
                        DataType::Int32 => "tg_int4",
                        DataType::Int64 => "tg_int8",
                        DataType::Utf8 if from.is_floating() => "tg_text",
                        _ => return Ok(Transformed::no(Expr::Cast(cast))),
                    }
                }
                (DataType::Int32 | DataType::Int64, DataType::Int16) => "tg_int2",
                (DataType::Int64, DataType::Int32) => "tg_int4",
                (
                    DataType::Timestamp(..)
                    | DataType::Interval(_)
                    | DataType::Binary
                    | DataType::LargeBinary
                    | DataType::BinaryView,
                    DataType::Utf8,
                ) => "tg_text",
                (
                    DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View,
                    DataType::Binary | DataType::LargeBinary | DataType::BinaryView,
                ) => return Ok(bytes(cast, registry)),
                _ => return Ok(Transformed::no(Expr::Cast(cast))),
            };
            Ok(match registry.internal_udf(name) {
                Some(function) => {
                    let call = ScalarFunction::new_udf(function, vec![*cast.expr]);
                    Transformed::yes(Expr::ScalarFunction(call))
                }
                None => Transformed::no(Expr::Cast(cast)),
            })
        }
        Expr::ScalarFunction(mut call)
            if matches!(call.func.name(), "concat" | "concat_ws" | "format") =>
        {
            let mut changed = false;
            for argument in &mut call.args {
                changed |= letter(argument, schema)?;
            }
            let call = Expr::ScalarFunction(call);
            Ok(if changed { Transformed::yes(call) } else { Transformed::no(call) })
        }
        other => Ok(Transformed::no(other)),
    }
}

/// A text that becomes bytes is read as PostgreSQL reads them.
fn bytes(mut cast: Cast, registry: &Registry) -> Transformed<Expr> {
    let Some(function) = registry.internal_udf("tg_bytes") else {
        return Transformed::no(Expr::Cast(cast));
    };
    let text = std::mem::replace(cast.expr.as_mut(), Expr::Literal(ScalarValue::Null, None));
    if let Expr::Literal(value, _) = &text
        && let Some(Some(text)) = value.try_as_str()
        && let Ok(read) = tollgate_catalog::bytes::read(text)
        && let Ok(value) = ScalarValue::Binary(Some(read)).cast_to(cast.field.data_type())
    {
        return Transformed::yes(Expr::Literal(value, None));
    }
    let call = Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![text]));
    if *cast.field.data_type() == DataType::Binary {
        return Transformed::yes(call);
    }
    *cast.expr = call;
    Transformed::yes(Expr::Cast(cast))
}

/// These functions write booleans as `t` and `f`, unlike a cast.
fn letter(argument: &mut Expr, schema: &DFSchema) -> Result<bool> {
    let Expr::Cast(cast) = argument else { return Ok(false) };
    if cast.expr.get_type(schema)? != DataType::Boolean {
        return Ok(false);
    }
    let value = std::mem::replace(cast.expr.as_mut(), Expr::Literal(ScalarValue::Null, None));
    *argument = Expr::Case(Case {
        expr: None,
        when_then_expr: vec![
            (Box::new(value.clone()), Box::new(lit("t"))),
            (Box::new(Expr::Not(Box::new(value))), Box::new(lit("f"))),
        ],
        else_expr: None,
    });
    Ok(true)
}
