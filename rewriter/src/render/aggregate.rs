//! Aggregate and window functions.

use arrow::datatypes::DataType;
use datafusion_common::ScalarValue;
use datafusion_expr::expr::{
    AggregateFunction, AggregateFunctionParams, NullTreatment, WindowFunction, WindowFunctionParams,
};
use datafusion_expr::{
    Expr, SortExpr, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowFunctionDefinition, lit,
};
use tollgate_catalog::Error;

use super::expr::type_of;
use super::{Dialect, Printer, Row};
use crate::functions;

/// Aggregates whose call is spelled as a call: the engine's name, PostgreSQL's, the arguments' types
/// as in `function`, and whether a cast that only widens its argument may be left out.
const AGGREGATES: &[(&str, &str, &str, bool)] = &[
    ("array_agg", "array_agg", ".", false),
    ("avg", "avg", ".", true),
    ("bit_and", "bit_and", ".", false),
    ("bit_or", "bit_or", ".", false),
    ("bit_xor", "bit_xor", ".", false),
    ("bool_and", "bool_and", ".", false),
    ("bool_or", "bool_or", ".", false),
    ("corr", "corr", "f", false),
    ("count", "count", ".", false),
    ("covar_pop", "covar_pop", "f", false),
    ("covar_samp", "covar_samp", "f", false),
    ("max", "max", ".", false),
    ("min", "min", ".", false),
    ("regr_avgx", "regr_avgx", "f", false),
    ("regr_avgy", "regr_avgy", "f", false),
    ("regr_count", "regr_count", "f", false),
    ("regr_intercept", "regr_intercept", "f", false),
    ("regr_r2", "regr_r2", "f", false),
    ("regr_slope", "regr_slope", "f", false),
    ("regr_sxx", "regr_sxx", "f", false),
    ("regr_sxy", "regr_sxy", "f", false),
    ("regr_syy", "regr_syy", "f", false),
    ("stddev", "stddev_samp", ".", false),
    ("stddev_pop", "stddev_pop", ".", false),
    ("string_agg", "string_agg", ".t", false),
    ("sum", "sum", ".", true),
    ("var", "var_samp", ".", false),
    ("var_pop", "var_pop", ".", false),
];

/// Window functions, and the types of their arguments.
const WINDOWS: &[(&str, &str)] = &[
    ("cume_dist", "."),
    ("dense_rank", "."),
    ("first_value", "."),
    ("lag", ".i."),
    ("last_value", "."),
    ("lead", ".i."),
    ("nth_value", ".i"),
    ("ntile", "i"),
    ("percent_rank", "."),
    ("rank", "."),
    ("row_number", "."),
];

impl Printer {
    /// An item of an aggregation.
    pub(super) fn aggregate(&mut self, expr: &Expr, row: Row<'_>) -> Result<String, Error> {
        match expr {
            Expr::Alias(alias) => self.aggregate(&alias.expr, row),
            Expr::AggregateFunction(AggregateFunction { func, params }) => {
                let AggregateFunctionParams { args, distinct, filter, order_by, null_treatment } =
                    params;
                self.respects_nulls(*null_treatment)?;
                let result = type_of(expr, row)?;
                let filter = filter.as_deref();
                let text = match self.dialect {
                    Dialect::Postgres => {
                        let text = self.aggregated(func.name(), args, *distinct, order_by, row)?;
                        text + &self.filtered(filter, row)?
                    }
                    Dialect::Snowflake => {
                        let of = Aggregated { args, distinct: *distinct, order_by, filter };
                        self.snowflake_aggregated(func.name(), &of, &result, row)?
                    }
                };
                self.typed(text, &result)
            }
            _ => Err(Error::internal("an aggregation computes something else")),
        }
    }

    fn aggregated(
        &mut self,
        name: &str,
        args: &[Expr],
        distinct: bool,
        order_by: &[SortExpr],
        row: Row<'_>,
    ) -> Result<String, Error> {
        let ordered = |printer: &mut Self| printer.order(order_by, row);
        match (name, args) {
            #[expect(deprecated, reason = "the variant exists until upstream removes it")]
            ("count", [] | [Expr::Wildcard { .. }]) if !distinct => Ok(self.invoke("count", "*")),
            ("median", [value]) if !distinct => {
                let half = self.literal(&ScalarValue::Float64(Some(0.5)))?;
                let value = self.arguments(std::slice::from_ref(value), "f", row)?;
                let call = self.invoke("percentile_cont", &half);
                Ok(format!("{call} WITHIN GROUP (ORDER BY {value})"))
            }
            ("percentile_cont", [value, share]) if !distinct => {
                let descending = match order_by {
                    [] => false,
                    [key] if is_same(&key.expr, value) => !key.asc,
                    _ => {
                        return Err(self
                            .dialect
                            .unsupported("this use of the function \"percentile_cont\""));
                    }
                };
                let value = self.arguments(std::slice::from_ref(value), "f", row)?;
                let share = self.arguments(std::slice::from_ref(share), "f", row)?;
                let call = self.invoke("percentile_cont", &share);
                let direction = if descending { " DESC" } else { "" };
                Ok(format!("{call} WITHIN GROUP (ORDER BY {value}{direction})"))
            }
            ("grouping", args) if !distinct => {
                let args = self.exprs(args, row)?;
                self.printed.words.insert("GROUPING");
                Ok(format!("GROUPING({args})"))
            }
            (name, args) => {
                let known = AGGREGATES.iter().find(|(engine, ..)| *engine == name);
                let Some((_, function, types, narrow)) = known else {
                    return Err(self.unknown_aggregate(name));
                };
                let args = match args {
                    [value] if *narrow => self.operand(value, row)?,
                    args => self.arguments(args, types, row)?,
                };
                let distinct = if distinct { "DISTINCT " } else { "" };
                let order = ordered(self)?;
                Ok(self.invoke(function, &format!("{distinct}{args}{order}")))
            }
        }
    }

    /// ` FILTER (WHERE …)`, or nothing.
    fn filtered(&mut self, filter: Option<&Expr>, row: Row<'_>) -> Result<String, Error> {
        match filter {
            None => Ok(String::new()),
            Some(filter) => Ok(format!(" FILTER (WHERE {})", self.expr(filter, row)?)),
        }
    }

    /// ` ORDER BY …`, or nothing.
    pub(super) fn order(&mut self, by: &[SortExpr], row: Row<'_>) -> Result<String, Error> {
        if by.is_empty() {
            return Ok(String::new());
        }
        let keys = by.iter().map(|key| {
            let direction = if key.asc { "ASC" } else { "DESC" };
            let nulls = if key.nulls_first { "FIRST" } else { "LAST" };
            Ok(format!("{} {direction} NULLS {nulls}", self.expr(&key.expr, row)?))
        });
        let keys = keys.collect::<Result<Vec<String>, Error>>()?;
        Ok(format!(" ORDER BY {}", keys.join(", ")))
    }

    /// An item of a window node.
    pub(super) fn window(&mut self, expr: &Expr, row: Row<'_>) -> Result<String, Error> {
        let call = match expr {
            Expr::Alias(alias) => return self.window(&alias.expr, row),
            Expr::WindowFunction(call) => call,
            _ => return Err(Error::internal("a window computes something else")),
        };
        let WindowFunction { fun, params } = call.as_ref();
        let WindowFunctionParams {
            args,
            partition_by,
            order_by,
            window_frame,
            filter,
            null_treatment,
            distinct,
        } = params;
        self.respects_nulls(*null_treatment)?;
        if *distinct {
            return Err(self.dialect.unsupported("DISTINCT in a window function"));
        }
        if self.dialect == Dialect::Snowflake {
            return self.snowflake_window(params, fun, &type_of(expr, row)?, row);
        }
        let text = match fun {
            WindowFunctionDefinition::AggregateUDF(function) => {
                self.aggregated(function.name(), args, false, &[], row)?
            }
            WindowFunctionDefinition::WindowUDF(function) => {
                let known = WINDOWS.iter().find(|(name, _)| *name == function.name());
                let Some((name, types)) = known else {
                    return Err(self.unknown_aggregate(function.name()));
                };
                let args = self.arguments(args, types, row)?;
                self.invoke(name, &args)
            }
        };
        let filter = self.filtered(filter.as_deref(), row)?;
        let mut window = String::new();
        if !partition_by.is_empty() {
            window = format!("PARTITION BY {}", self.exprs(partition_by, row)?);
        }
        window.push_str(&self.order(order_by, row)?);
        window.push_str(&self.frame(window_frame, row)?);
        let text = format!("{text}{filter} OVER ({})", window.trim_start());
        self.typed(text, &type_of(expr, row)?)
    }

    fn frame(&mut self, frame: &WindowFrame, row: Row<'_>) -> Result<String, Error> {
        let units = match frame.units {
            WindowFrameUnits::Rows => "ROWS",
            WindowFrameUnits::Range => "RANGE",
            WindowFrameUnits::Groups => "GROUPS",
        };
        let start = self.bound(&frame.start_bound, frame.units, row)?;
        let end = self.bound(&frame.end_bound, frame.units, row)?;
        Ok(format!(" {units} BETWEEN {start} AND {end}"))
    }

    fn bound(
        &mut self,
        bound: &WindowFrameBound,
        units: WindowFrameUnits,
        row: Row<'_>,
    ) -> Result<String, Error> {
        let (distance, side) = match bound {
            WindowFrameBound::CurrentRow => return Ok("CURRENT ROW".to_owned()),
            WindowFrameBound::Preceding(distance) => (distance, "PRECEDING"),
            WindowFrameBound::Following(distance) => (distance, "FOLLOWING"),
        };
        if distance.is_null() {
            return Ok(format!("UNBOUNDED {side}"));
        }
        let text = match units {
            WindowFrameUnits::Range => self.literal(distance)?,
            WindowFrameUnits::Rows | WindowFrameUnits::Groups => {
                let text = self.expr(&lit(distance.clone()), row)?;
                format!("CAST({text} AS bigint)")
            }
        };
        Ok(format!("{text} {side}"))
    }

    fn respects_nulls(&self, treatment: Option<NullTreatment>) -> Result<(), Error> {
        match treatment {
            None | Some(NullTreatment::RespectNulls) => Ok(()),
            Some(NullTreatment::IgnoreNulls) => Err(self.dialect.unsupported("IGNORE NULLS")),
        }
    }

    /// The refusal of an aggregate or window function, by the name that users know.
    pub(super) fn unknown_aggregate(&self, engine: &str) -> Error {
        let name = functions::user_name(engine).unwrap_or("?");
        self.dialect.unsupported(&format!("the function \"{name}\""))
    }
}

/// Whether an ordered-set aggregate is over what it is ordered by: a cast to the type in which it computes
/// keeps the order.
pub(super) fn is_same(key: &Expr, value: &Expr) -> bool {
    fn inner(expr: &Expr) -> &Expr {
        match expr {
            Expr::Cast(cast) if *cast.field.data_type() == DataType::Float64 => inner(&cast.expr),
            other => other,
        }
    }
    inner(key) == inner(value)
}

/// What an aggregate is called with.
pub(super) struct Aggregated<'a> {
    pub(super) args: &'a [Expr],
    pub(super) distinct: bool,
    pub(super) order_by: &'a [SortExpr],
    pub(super) filter: Option<&'a Expr>,
}
