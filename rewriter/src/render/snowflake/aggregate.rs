//! Aggregates and window functions.

use arrow::datatypes::DataType;
use datafusion_common::ScalarValue;
use datafusion_expr::expr::WindowFunctionParams;
use datafusion_expr::{
    Expr, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowFunctionDefinition,
};
use tollgate_catalog::Error;

use super::{bounded, constant, whole};
use crate::render::aggregate::{Aggregated, is_same};
use crate::render::barrier::has_subquery;
use crate::render::expr::type_of;
use crate::render::types::Kind;
use crate::render::{Printer, Row};

/// The engine's name, Snowflake's, the arguments' types as in `function`, and whether a cast that only
/// widens its argument may be left out.
const AGGREGATES: &[(&str, &str, &str, bool)] = &[
    ("bit_and", "BITAND_AGG", ".", false),
    ("bit_or", "BITOR_AGG", ".", false),
    ("bit_xor", "BITXOR_AGG", ".", false),
    ("bool_and", "BOOLAND_AGG", ".", false),
    ("bool_or", "BOOLOR_AGG", ".", false),
    ("corr", "CORR", "f", false),
    ("count", "COUNT", ".", false),
    ("covar_pop", "COVAR_POP", "f", false),
    ("covar_samp", "COVAR_SAMP", "f", false),
    ("max", "MAX", ".", false),
    ("min", "MIN", ".", false),
    ("regr_avgx", "REGR_AVGX", "f", false),
    ("regr_avgy", "REGR_AVGY", "f", false),
    ("regr_count", "REGR_COUNT", "f", false),
    ("regr_intercept", "REGR_INTERCEPT", "f", false),
    ("regr_r2", "REGR_R2", "f", false),
    ("regr_slope", "REGR_SLOPE", "f", false),
    ("regr_sxx", "REGR_SXX", "f", false),
    ("regr_sxy", "REGR_SXY", "f", false),
    ("regr_syy", "REGR_SYY", "f", false),
    ("stddev", "STDDEV_SAMP", "f", false),
    ("stddev_pop", "STDDEV_POP", "f", false),
    ("sum", "SUM", ".", true),
    ("var", "VAR_SAMP", "f", false),
    ("var_pop", "VAR_POP", "f", false),
];

/// Window functions: the engine's name, Snowflake's, how many leading arguments are values (the rest
/// are counts, which must be constants), and whether it has a frame.
const WINDOWS: &[(&str, &str, usize, bool)] = &[
    ("cume_dist", "CUME_DIST", 0, false),
    ("dense_rank", "DENSE_RANK", 0, false),
    ("first_value", "FIRST_VALUE", 1, true),
    ("lag", "LAG", 1, false),
    ("last_value", "LAST_VALUE", 1, true),
    ("lead", "LEAD", 1, false),
    ("nth_value", "NTH_VALUE", 1, true),
    ("ntile", "NTILE", 0, false),
    ("percent_rank", "PERCENT_RANK", 0, false),
    ("rank", "RANK", 0, false),
    ("row_number", "ROW_NUMBER", 0, false),
];

/// The digits after the point of a mean at least, as of a quotient.
const MEAN_SCALE: i8 = 12;

impl Printer {
    /// The call of an aggregate. A filter becomes a CASE around its first argument.
    pub(in crate::render) fn snowflake_aggregated(
        &mut self,
        name: &str,
        of: &Aggregated<'_>,
        result: &DataType,
        row: Row<'_>,
    ) -> Result<String, Error> {
        let Aggregated { args, distinct, order_by, filter } = *of;
        let filter = filter.map(|filter| self.expr(filter, row)).transpose()?;
        let only = |text: String| match &filter {
            Some(filter) => format!("(CASE WHEN {filter} THEN {text} END)"),
            None => text,
        };
        let quantifier = if distinct { "DISTINCT " } else { "" };
        match (name, args) {
            #[expect(deprecated, reason = "the variant exists until upstream removes it")]
            ("count", [] | [Expr::Wildcard { .. }]) if !distinct => {
                let rows = if filter.is_some() { only(self.integer(1)?) } else { "*".to_owned() };
                Ok(self.invoke("COUNT", &rows))
            }
            ("median", [value]) if !distinct => {
                let value = only(self.arguments(std::slice::from_ref(value), "f", row)?);
                Ok(self.invoke("MEDIAN", &value))
            }
            ("percentile_cont", [value, share]) if !distinct => {
                let descending = match order_by {
                    [] => "",
                    [key] if is_same(&key.expr, value) && key.asc => "",
                    [key] if is_same(&key.expr, value) => " DESC",
                    _ => return Err(self.unknown_aggregate(name)),
                };
                let share = match constant(share) {
                    Some(ScalarValue::Float64(Some(share))) if (0.0..=1.0).contains(&share) => {
                        self.plain_number(format!("{share}"))
                    }
                    _ => return Err(self.unknown_aggregate(name)),
                };
                let value = only(self.arguments(std::slice::from_ref(value), "f", row)?);
                let call = self.invoke("PERCENTILE_CONT", &share);
                Ok(format!("{call} WITHIN GROUP (ORDER BY {value}{descending})"))
            }
            ("avg", [value]) => {
                let text = match (result, type_of(value, row)?) {
                    (DataType::Decimal128(_, scale), from) => {
                        // A cast that can't fail, as no guard looks at it: all digits before the point fit.
                        let room = match from {
                            DataType::Decimal128(digits, behind) => {
                                let before = i16::from(digits) - i16::from(behind);
                                i8::try_from(38 - before).unwrap_or(0).max(behind)
                            }
                            _ => MEAN_SCALE,
                        };
                        let scale = (*scale).max(MEAN_SCALE).min(room);
                        let value = self.operand(value, row)?;
                        format!("CAST({value} AS NUMBER(38,{scale}))")
                    }
                    _ => self.expr(value, row)?,
                };
                Ok(self.invoke("AVG", &format!("{quantifier}{}", only(text))))
            }
            ("string_agg", [value, separator]) if order_by.is_empty() || !distinct => {
                if has_subquery(value) || of.filter.is_some_and(has_subquery) {
                    return Err(self.unknown_aggregate(name));
                }
                let Some(
                    ScalarValue::Utf8(Some(separator))
                    | ScalarValue::LargeUtf8(Some(separator))
                    | ScalarValue::Utf8View(Some(separator)),
                ) = constant(separator)
                else {
                    return Err(self.unknown_aggregate(name));
                };
                let value = only(self.expr(value, row)?);
                bounded(value.len() * 2)?;
                let separator = self.text(&separator)?;
                let list = format!("{quantifier}{value}, {separator}");
                let mut list = self.invoke("LISTAGG", &list);
                let order = self.order(order_by, row)?;
                if !order.is_empty() {
                    list = format!("{list} WITHIN GROUP ({})", order.trim_start());
                }
                // Of nothing it would be an empty text.
                let (count, zero) = (self.invoke("COUNT", &value), self.integer(0)?);
                Ok(format!("(CASE WHEN ({count} > {zero}) THEN {list} END)"))
            }
            ("grouping", args) if !distinct => {
                let args = self.exprs(args, row)?;
                Ok(self.invoke("GROUPING", &args))
            }
            (name, args) => {
                let known = AGGREGATES.iter().find(|(engine, ..)| *engine == name);
                let Some((_, function, types, narrow)) = known else {
                    return Err(self.unknown_aggregate(name));
                };
                if *types == "f" && self.dialect.kind(result)? == Kind::Decimal {
                    return Err(self.unknown_aggregate(name));
                }
                let (first, rest) = match args {
                    [first, rest @ ..] if !distinct || rest.is_empty() => (first, rest),
                    _ => return Err(self.unknown_aggregate(name)),
                };
                let mut text = only(if *narrow {
                    self.operand(first, row)?
                } else {
                    self.arguments(std::slice::from_ref(first), types, row)?
                });
                if !rest.is_empty() {
                    text = format!("{text}, {}", self.arguments(rest, types, row)?);
                }
                Ok(self.invoke(function, &format!("{quantifier}{text}")))
            }
        }
    }

    /// A window function.
    pub(in crate::render) fn snowflake_window(
        &mut self,
        params: &WindowFunctionParams,
        function: &WindowFunctionDefinition,
        result: &DataType,
        row: Row<'_>,
    ) -> Result<String, Error> {
        let WindowFunctionParams {
            args,
            partition_by,
            order_by,
            window_frame,
            filter,
            null_treatment: _,
            distinct: _,
        } = params;
        let (text, framed, ordered) = match function {
            WindowFunctionDefinition::AggregateUDF(function) => {
                if matches!(
                    function.name(),
                    "string_agg" | "median" | "percentile_cont" | "grouping"
                ) {
                    return Err(self.unknown_aggregate(function.name()));
                }
                let filter = filter.as_deref();
                let of = Aggregated { args, distinct: false, order_by: &[], filter };
                (self.snowflake_aggregated(function.name(), &of, result, row)?, true, false)
            }
            WindowFunctionDefinition::WindowUDF(function) => {
                let known = WINDOWS.iter().find(|(name, ..)| *name == function.name());
                let Some((name, own, values, framed)) = known.filter(|_| filter.is_none()) else {
                    return Err(self.unknown_aggregate(function.name()));
                };
                let mut texts = Vec::with_capacity(args.len());
                for (index, arg) in args.iter().enumerate() {
                    // The third of `lag` is a value again.
                    texts.push(if index < *values || index == 2 {
                        self.expr(arg, row)?
                    } else {
                        match constant(arg).as_ref().and_then(whole).filter(|count| *count >= 0) {
                            Some(count) => self.number(count),
                            None => return Err(self.unknown_aggregate(name)),
                        }
                    });
                }
                (self.invoke(own, &texts.join(", ")), *framed, true)
            }
        };
        let mut window = String::new();
        if !partition_by.is_empty() {
            window = format!("PARTITION BY {}", self.exprs(partition_by, row)?);
        }
        match self.order(order_by, row)? {
            // All rows are peers.
            order if order.is_empty() && ordered => {
                window.push_str(&format!(" ORDER BY {}", self.integer(1)?));
            }
            order => window.push_str(&order),
        }
        if framed {
            window.push_str(&self.snowflake_frame(window_frame, order_by.is_empty(), ordered)?);
        }
        self.typed(format!("{text} OVER ({})", window.trim_start()), result)
    }

    /// A frame, or nothing if it is all rows of a window without an order.
    fn snowflake_frame(
        &mut self,
        frame: &WindowFrame,
        unordered: bool,
        explicit: bool,
    ) -> Result<String, Error> {
        let start = self.snowflake_bound(&frame.start_bound, frame.units)?;
        let end = self.snowflake_bound(&frame.end_bound, frame.units)?;
        let peers = frame.units == WindowFrameUnits::Range && end == "CURRENT ROW";
        let all = start == "UNBOUNDED PRECEDING"
            && (end == "UNBOUNDED FOLLOWING" || (unordered && peers));
        if unordered && !all {
            return Err(self.dialect.unsupported("a frame of a window without ORDER BY"));
        }
        if unordered {
            let all = " ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING";
            return Ok(if explicit { all.to_owned() } else { String::new() });
        }
        let units = match frame.units {
            WindowFrameUnits::Rows => "ROWS",
            WindowFrameUnits::Range => "RANGE",
            WindowFrameUnits::Groups => return Err(self.dialect.unsupported("GROUPS")),
        };
        Ok(format!(" {units} BETWEEN {start} AND {end}"))
    }

    fn snowflake_bound(
        &mut self,
        bound: &WindowFrameBound,
        units: WindowFrameUnits,
    ) -> Result<String, Error> {
        let (distance, side) = match bound {
            WindowFrameBound::CurrentRow => return Ok("CURRENT ROW".to_owned()),
            WindowFrameBound::Preceding(distance) => (distance, "PRECEDING"),
            WindowFrameBound::Following(distance) => (distance, "FOLLOWING"),
        };
        if distance.is_null() {
            return Ok(format!("UNBOUNDED {side}"));
        }
        match (units, whole(distance)) {
            (WindowFrameUnits::Rows, Some(count)) if count >= 0 => {
                Ok(format!("{} {side}", self.number(count)))
            }
            _ => Err(self.dialect.unsupported("this frame of a window")),
        }
    }
}
