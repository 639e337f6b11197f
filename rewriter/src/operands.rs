//! Operators whose operands decide what they mean, where the engine would refuse them.

mod documents;
mod flatten;
mod typed;

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion_common::{DFSchema, Result};
use datafusion_expr::expr::{ScalarFunction, WindowFunction, WindowFunctionParams};
use datafusion_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr, RawWindowExpr};
use datafusion_expr::{
    BinaryExpr, Cast, Expr, ExprSchemable, Operator, ScalarUDF, WindowFunctionDefinition, lit,
};
use datafusion_sql::sqlparser::ast::BinaryOperator;

pub(crate) use documents::Document;
pub(crate) use flatten::{Asked, Element, MAX_PATH, Mode, is_path};
use typed::Parts;
pub(crate) use typed::{Typed, Unit};

/// Makes a date plus an interval the timestamp that it is, multiplies intervals, and gives ranks
/// PostgreSQL's types.
#[derive(Debug)]
pub(crate) struct Operands {
    parts: Parts,
}

impl Operands {
    /// The planner over an engine's functions.
    pub(crate) fn planner(
        function: impl Fn(&str) -> Option<Arc<ScalarUDF>>,
    ) -> Arc<dyn ExprPlanner> {
        Arc::new(Self {
            parts: Parts {
                interval_times: function("tg_interval_times"),
                date_trunc: function("date_trunc"),
                round: function("round"),
                get: function("tg_get"),
                attempt: function("tg_try"),
                documents: Document::ALL.map(|of| function(of.function())),
                flatten: Element::ALL.map(|element| function(element.function())),
            },
        })
    }
}

impl ExprPlanner for Operands {
    fn plan_binary_op(
        &self,
        mut expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        if let Some(typed) = Typed::of(&expr.op) {
            let RawBinaryExpr { op: _, left, right } = expr;
            return self.parts.plan(typed, left, right, schema).map(PlannerResult::Planned);
        }
        let known = matches!(
            expr.op,
            BinaryOperator::Plus
                | BinaryOperator::Minus
                | BinaryOperator::Multiply
                | BinaryOperator::Divide
        );
        if !known {
            return Ok(PlannerResult::Original(expr));
        }
        let (left, right) = (expr.left.get_type(schema)?, expr.right.get_type(schema)?);
        let interval = |of: &DataType| matches!(of, DataType::Interval(_));
        match (&expr.op, &self.parts.interval_times) {
            (BinaryOperator::Plus | BinaryOperator::Minus, _)
                if left == DataType::Date32 && interval(&right) =>
            {
                let timestamp = DataType::Timestamp(TimeUnit::Microsecond, None);
                expr.left = Expr::Cast(Cast::new(Box::new(expr.left), timestamp));
                Ok(PlannerResult::Original(expr))
            }
            (BinaryOperator::Multiply, Some(times)) if interval(&left) && right.is_numeric() => {
                Ok(product(times, expr.left, expr.right))
            }
            (BinaryOperator::Multiply, Some(times)) if left.is_numeric() && interval(&right) => {
                Ok(product(times, expr.right, expr.left))
            }
            (BinaryOperator::Divide, Some(times)) if interval(&left) && right.is_numeric() => {
                let divisor = Expr::Cast(Cast::new(Box::new(expr.right), DataType::Float64));
                let share =
                    BinaryExpr::new(Box::new(lit(1.0)), Operator::Divide, Box::new(divisor));
                Ok(product(times, expr.left, Expr::BinaryExpr(share)))
            }
            _ => Ok(PlannerResult::Original(expr)),
        }
    }

    fn plan_window(&self, expr: RawWindowExpr) -> Result<PlannerResult<RawWindowExpr>> {
        let WindowFunctionDefinition::WindowUDF(function) = &expr.func_def else {
            return Ok(PlannerResult::Original(expr));
        };
        let signed = match function.name() {
            "row_number" | "rank" | "dense_rank" => DataType::Int64,
            "ntile" => DataType::Int32,
            _ => return Ok(PlannerResult::Original(expr)),
        };
        let call = Expr::WindowFunction(Box::new(WindowFunction {
            fun: expr.func_def,
            params: WindowFunctionParams {
                args: expr.args,
                partition_by: expr.partition_by,
                order_by: expr.order_by,
                window_frame: expr.window_frame,
                filter: expr.filter,
                null_treatment: expr.null_treatment,
                distinct: expr.distinct,
            },
        }));
        Ok(PlannerResult::Planned(Expr::Cast(Cast::new(Box::new(call), signed))))
    }
}

fn product(times: &Arc<ScalarUDF>, interval: Expr, number: Expr) -> PlannerResult<RawBinaryExpr> {
    let call = ScalarFunction::new_udf(Arc::clone(times), vec![interval, number]);
    PlannerResult::Planned(Expr::ScalarFunction(call))
}
