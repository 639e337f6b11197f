//! Whole numbers and decimals with PostgreSQL's types and limits.
//!
//! A pass over the planned statement, from its leaves up, before types are coerced:
//!
//! - a literal that fits is an `integer`, so `sum(1)` is a `bigint` and `7 / 2` an `integer`;
//! - `+`, `-` and `*` of whole numbers become calls that fail where the engine would wrap around;
//! - `sum` of `bigint` and `avg` of whole numbers are numeric;
//! - a quotient of decimals becomes a call that gives it enough digits and fails only if it doesn't
//!   fit.
//!
//! A type that changes changes in all that is computed from it, also across subqueries.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion_common::tree_node::{Transformed, TreeNode};
use datafusion_common::{DFSchema, DFSchemaRef, Result, ScalarValue};
use datafusion_expr::expr::ScalarFunction;
use datafusion_expr::expr_rewriter::NamePreserver;
use datafusion_expr::logical_plan::{Subquery, Union};
use datafusion_expr::type_coercion::other::get_coerce_type_for_case_expression;
use datafusion_expr::utils::merge_schema;
use datafusion_expr::{
    BinaryExpr, Case, Cast, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator,
    ScalarUDF, WindowFunctionDefinition,
};

use crate::finish::concerned;
use crate::functions::Registry;

/// The most digits of a column that `avg` sums without running out of 38 for 10^9 rows.
const SUMMED_DIGITS: u8 = 29;
/// The stack that one level of a plan may need, in bytes.
const LEVEL: usize = 1 << 18;

/// The pass.
pub(crate) struct Arithmetic {
    plus: Option<Arc<ScalarUDF>>,
    minus: Option<Arc<ScalarUDF>>,
    times: Option<Arc<ScalarUDF>>,
    divide: Option<Arc<ScalarUDF>>,
}

/// What an expression stands in.
struct Place<'a> {
    /// The columns that it may name.
    schema: &'a DFSchema,
    /// Those of the queries around it, innermost last.
    outer: &'a [DFSchemaRef],
    /// Whether types must stay, as below a recursive query, whose columns are fixed.
    fixed: bool,
}

impl Arithmetic {
    pub(crate) fn new(registry: &Registry) -> Self {
        let function = |name| registry.internal_udf(name);
        Self {
            plus: function("tg_plus"),
            minus: function("tg_minus"),
            times: function("tg_times"),
            divide: function("tg_divide"),
        }
    }

    /// Runs the pass.
    pub(crate) fn apply(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        self.plan(plan, &[], false)
    }

    fn plan(&self, plan: LogicalPlan, outer: &[DFSchemaRef], fixed: bool) -> Result<LogicalPlan> {
        stacker::maybe_grow(LEVEL, 4 * LEVEL, || self.level(plan, outer, fixed))
    }

    fn level(&self, plan: LogicalPlan, outer: &[DFSchemaRef], fixed: bool) -> Result<LogicalPlan> {
        let fixed = fixed || matches!(plan, LogicalPlan::RecursiveQuery(_));
        // Whether columns of an input have other types now.
        let mut changed = false;
        let mut input = |child: LogicalPlan, outer: &[DFSchemaRef]| {
            let before = Arc::clone(child.schema());
            let child = self.plan(child, outer, fixed)?;
            changed |= !Arc::ptr_eq(&before, child.schema()) && before != *child.schema();
            Ok(child)
        };
        let plan = match plan {
            LogicalPlan::TableScan(_) | LogicalPlan::EmptyRelation(_) | LogicalPlan::Values(_) => {
                plan
            }
            // LATERAL: the right side names columns of the left.
            LogicalPlan::Join(mut join) => {
                join.left = Arc::new(input(Arc::unwrap_or_clone(join.left), outer)?);
                let mut around = outer.to_vec();
                around.push(Arc::clone(join.left.schema()));
                join.right = Arc::new(input(Arc::unwrap_or_clone(join.right), &around)?);
                let join = LogicalPlan::Join(join);
                if changed { join.recompute_schema()? } else { join }
            }
            LogicalPlan::Subquery(subquery) => {
                return self.subquery(subquery, outer, fixed).map(LogicalPlan::Subquery);
            }
            other => other.map_children(|child| input(child, outer).map(Transformed::yes))?.data,
        };
        let plan = match plan {
            LogicalPlan::Limit(_) => return Ok(plan),
            LogicalPlan::Union(union) if !fixed => {
                return Union::try_new_with_loose_types(union.inputs).map(LogicalPlan::Union);
            }
            LogicalPlan::Values(values) if !fixed => {
                let place = Place { schema: &DFSchema::empty(), outer, fixed };
                let rows = values.values.into_iter().map(|row| {
                    row.into_iter()
                        .map(|value| self.item(value, &place))
                        .collect::<Result<Vec<_>>>()
                });
                return LogicalPlanBuilder::values(rows.collect::<Result<_>>()?)?.build();
            }
            other => other,
        };
        // Most nodes hold columns and comparisons only, and schemas and names cost more than the pass.
        if !concerned(&plan, untouched)? {
            return if changed { plan.recompute_schema() } else { Ok(plan) };
        }
        let schema = merge_schema(&plan.inputs());
        let place = Place { schema: &schema, outer, fixed };
        let items = matches!(plan, LogicalPlan::Projection(_));
        let names = NamePreserver::new(&plan);
        let plan = plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let expr = if items { self.item(expr, &place)? } else { self.expr(expr, &place)? };
            Ok(Transformed::yes(name.restore(expr)))
        })?;
        plan.data.recompute_schema()
    }

    /// An item of a select list, where a literal is a value.
    fn item(&self, expr: Expr, place: &Place<'_>) -> Result<Expr> {
        let expr = self.expr(expr, place)?;
        Ok(if place.fixed { expr } else { narrow(expr) })
    }

    fn expr(&self, expr: Expr, place: &Place<'_>) -> Result<Expr> {
        stacker::maybe_grow(LEVEL, 4 * LEVEL, || self.operation(expr, place))
    }

    fn operation(&self, expr: Expr, place: &Place<'_>) -> Result<Expr> {
        let expr = match expr {
            Expr::ScalarSubquery(subquery) => {
                return self.nested(subquery, place).map(Expr::ScalarSubquery);
            }
            Expr::InSubquery(mut query) => {
                query.expr = Box::new(self.expr(*query.expr, place)?);
                query.subquery = self.nested(query.subquery, place)?;
                return Ok(Expr::InSubquery(query));
            }
            Expr::Exists(mut query) => {
                query.subquery = self.nested(query.subquery, place)?;
                return Ok(Expr::Exists(query));
            }
            Expr::SetComparison(mut query) => {
                query.expr = Box::new(self.expr(*query.expr, place)?);
                query.subquery = self.nested(query.subquery, place)?;
                return Ok(Expr::SetComparison(query));
            }
            Expr::OuterReferenceColumn(field, column) => {
                let known = place.outer.iter().rev().find_map(|schema| {
                    let index = schema.maybe_index_of_column(&column)?;
                    schema.fields().get(index).map(Arc::clone)
                });
                return Ok(Expr::OuterReferenceColumn(known.unwrap_or(field), column));
            }
            other => other,
        };
        let narrowing = !place.fixed && holds_values(&expr);
        let expr = expr
            .map_children(|child| {
                let child = self.expr(child, place)?;
                Ok(Transformed::yes(if narrowing { narrow(child) } else { child }))
            })?
            .data;
        match expr {
            Expr::BinaryExpr(binary) => self.binary(binary, place),
            Expr::Case(case) => unify(case, place).map(Expr::Case),
            Expr::ScalarFunction(mut call) if !place.fixed && call.func.name() == "date_trunc" => {
                // PostgreSQL has it for timestamps only, and a date is rather one with a zone.
                if let [_, value] = call.args.as_mut_slice()
                    && value.get_type(place.schema)? == DataType::Date32
                {
                    let date = std::mem::replace(value, Expr::Literal(ScalarValue::Null, None));
                    let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()));
                    *value = Expr::Cast(Cast::new(Box::new(date), zoned));
                }
                Ok(Expr::ScalarFunction(call))
            }
            Expr::AggregateFunction(mut call) if !place.fixed => {
                summed(call.func.name(), &mut call.params.args, place)?;
                Ok(Expr::AggregateFunction(call))
            }
            Expr::WindowFunction(mut call) if !place.fixed => {
                if let WindowFunctionDefinition::AggregateUDF(function) = &call.fun {
                    let name = function.name().to_owned();
                    summed(&name, &mut call.params.args, place)?;
                }
                Ok(Expr::WindowFunction(call))
            }
            other => Ok(other),
        }
    }

    fn nested(&self, subquery: Subquery, place: &Place<'_>) -> Result<Subquery> {
        let mut outer = place.outer.to_vec();
        outer.push(Arc::new(place.schema.clone()));
        self.subquery(subquery, &outer, place.fixed)
    }

    fn subquery(&self, subquery: Subquery, outer: &[DFSchemaRef], fixed: bool) -> Result<Subquery> {
        let place = Place { schema: &DFSchema::empty(), outer, fixed };
        let columns = subquery.outer_ref_columns.into_iter();
        Ok(Subquery {
            subquery: Arc::new(self.plan(Arc::unwrap_or_clone(subquery.subquery), outer, fixed)?),
            outer_ref_columns: columns
                .map(|column| self.expr(column, &place))
                .collect::<Result<_>>()?,
            spans: subquery.spans,
        })
    }

    fn binary(&self, binary: BinaryExpr, place: &Place<'_>) -> Result<Expr> {
        let checked = match binary.op {
            Operator::Plus => &self.plus,
            Operator::Minus => &self.minus,
            Operator::Multiply => &self.times,
            Operator::Divide => {
                let types =
                    (binary.left.get_type(place.schema)?, binary.right.get_type(place.schema)?);
                let decimal = |of: &DataType| matches!(of, DataType::Decimal128(..));
                let exact = is_exact(&types.0) && is_exact(&types.1);
                let (Some(function), true) =
                    (&self.divide, exact && (decimal(&types.0) || decimal(&types.1)))
                else {
                    return Ok(Expr::BinaryExpr(binary));
                };
                let arguments = vec![*binary.left, *binary.right];
                let call = ScalarFunction::new_udf(Arc::clone(function), arguments);
                return Ok(Expr::ScalarFunction(call));
            }
            _ => return Ok(Expr::BinaryExpr(binary)),
        };
        let whole = |expr: &Expr| -> Result<bool> {
            // Of what this pass made, that is known: a look at each level of a long sum takes long.
            let ours = matches!(expr, Expr::ScalarFunction(call) if
                [&self.plus, &self.minus, &self.times].into_iter().flatten()
                    .any(|function| Arc::ptr_eq(function, &call.func)));
            Ok(ours || expr.get_type(place.schema)?.is_signed_integer())
        };
        match checked {
            Some(function) if whole(&binary.left)? && whole(&binary.right)? => {
                let arguments = vec![*binary.left, *binary.right];
                Ok(Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(function), arguments)))
            }
            Some(_) | None => Ok(Expr::BinaryExpr(binary)),
        }
    }
}

/// Whether an expression stays as it is if its parts do. What isn't named is looked at.
fn untouched(expr: &Expr) -> bool {
    match expr {
        Expr::BinaryExpr(binary) => !matches!(
            binary.op,
            Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide
        ),
        // It may be narrowed.
        Expr::Literal(value, _) => !matches!(value, ScalarValue::Int64(Some(_))),
        Expr::AggregateFunction(call) => !sums(call.func.name()),
        Expr::ScalarFunction(call) => call.func.name() != "date_trunc",
        Expr::Alias(_)
        | Expr::Column(_)
        | Expr::Like(_)
        | Expr::Not(_)
        | Expr::IsNotNull(_)
        | Expr::IsNull(_)
        | Expr::IsTrue(_)
        | Expr::IsFalse(_)
        | Expr::IsNotTrue(_)
        | Expr::IsNotFalse(_)
        | Expr::Between(_)
        | Expr::Cast(_)
        | Expr::InList(_)
        | Expr::Placeholder(_) => true,
        _ => false,
    }
}

/// Whether the operands of an expression give it their type.
fn holds_values(expr: &Expr) -> bool {
    match expr {
        Expr::BinaryExpr(binary) => matches!(
            binary.op,
            Operator::Plus
                | Operator::Minus
                | Operator::Multiply
                | Operator::Divide
                | Operator::Modulo
        ),
        Expr::Alias(_) | Expr::Case(_) | Expr::Negative(_) => true,
        Expr::AggregateFunction(call) => sums(call.func.name()),
        Expr::WindowFunction(call) => match &call.fun {
            WindowFunctionDefinition::AggregateUDF(function) => sums(function.name()),
            WindowFunctionDefinition::WindowUDF(_) => false,
        },
        Expr::ScalarFunction(call) => matches!(
            call.func.name(),
            "coalesce" | "nullif" | "greatest" | "least" | "make_array" | "abs"
        ),
        _ => false,
    }
}

fn sums(name: &str) -> bool {
    matches!(name, "sum" | "avg" | "min" | "max")
}

/// A whole number that fits is an `integer`.
fn narrow(expr: Expr) -> Expr {
    match &expr {
        Expr::Literal(ScalarValue::Int64(Some(value)), metadata) => match i32::try_from(*value) {
            Ok(value) => Expr::Literal(ScalarValue::Int32(Some(value)), metadata.clone()),
            Err(_) => expr,
        },
        _ => expr,
    }
}

/// Gives all results of a CASE their common type: before coercion it passes for that of the first.
fn unify(mut case: Case, place: &Place<'_>) -> Result<Case> {
    let type_of = |expr: &Expr| expr.get_type(place.schema);
    let results = case.when_then_expr.iter().map(|(_, then)| type_of(then));
    let results = results.collect::<Result<Vec<_>>>()?;
    let otherwise = case.else_expr.as_deref().map(type_of).transpose()?;
    let Some(common) = get_coerce_type_for_case_expression(&results, otherwise.as_ref()) else {
        // The coercion that follows says what is wrong.
        return Ok(case);
    };
    let thens = case.when_then_expr.iter_mut().map(|(_, then)| then.as_mut()).zip(results);
    let all = thens.chain(case.else_expr.as_deref_mut().zip(otherwise));
    for (result, data_type) in all {
        if data_type != common {
            let inner = std::mem::replace(result, Expr::Literal(ScalarValue::Null, None));
            *result = Expr::Cast(Cast::new(Box::new(inner), common.clone()));
        }
    }
    Ok(case)
}

/// Gives the argument of `sum` and `avg` a type whose sum is PostgreSQL's.
fn summed(function: &str, arguments: &mut [Expr], place: &Place<'_>) -> Result<()> {
    let [argument] = arguments else { return Ok(()) };
    let wide = match (function, argument.get_type(place.schema)?) {
        ("sum", DataType::Int64) => DataType::Decimal128(20, 0),
        ("avg", DataType::Int16 | DataType::Int32) => DataType::Decimal128(22, 12),
        ("avg", DataType::Int64) => DataType::Decimal128(SUMMED_DIGITS, 10),
        ("avg", DataType::Decimal128(precision, scale)) => {
            let added = 12_i8.saturating_sub(scale).max(0).unsigned_abs();
            let added = added.min(SUMMED_DIGITS.saturating_sub(precision));
            if added == 0 {
                return Ok(());
            }
            DataType::Decimal128(precision + added, scale.saturating_add_unsigned(added))
        }
        _ => return Ok(()),
    };
    let inner = std::mem::replace(argument, Expr::Literal(ScalarValue::Null, None));
    *argument = Expr::Cast(Cast::new(Box::new(inner), wide));
    Ok(())
}

fn is_exact(data_type: &DataType) -> bool {
    data_type.is_integer() || matches!(data_type, DataType::Decimal128(..))
}
