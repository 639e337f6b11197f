//! What may be computed of values on hidden rows that no guard keeps.
//!
//! A row policy that looks into another table, and a view's query, are conditions that no guard of a column
//! can say: Snowflake has `IN` and `EXISTS` in conditions only. The columns of such relations stay as they
//! are, and what is listed here is all that may be made of them: it doesn't fail, whatever the value, and
//! takes no longer for one value than for another of its length. Nor is anything else computed of rows that
//! such rows decide on, as by a join, be it a constant: that it fails, or doesn't, would tell that they are
//! there. Groups and aggregates are made of rows that passed.

use arrow::datatypes::DataType;
use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion_common::{DFSchema, DataFusionError};
use datafusion_expr::expr::WindowFunction;
use datafusion_expr::{Expr, ExprSchemable, LogicalPlan, Operator, WindowFunctionDefinition};
use tollgate_catalog::Error;

use super::aggregate::MEAN_SCALE;
use super::class::{Class, refused};
use super::expr::pattern_of;
use crate::plan::subquery;
use crate::relation::SecuredSource;
use crate::render::barrier::{has_subquery, is_total_cast};
use crate::render::types::widens;

/// The digits that a number has there at most.
const DIGITS: i16 = 38;
/// The digits after the point that a product keeps at least; so says the documentation.
const PRODUCT_SCALE: i16 = 12;

/// Functions without a value that they fail on; texts don't get longer.
const TOTAL: &[&str] = &[
    "abs",
    "array_has",
    "ascii",
    "bit_length",
    "btrim",
    "character_length",
    "coalesce",
    "date_part",
    "date_trunc",
    "greatest",
    "least",
    "left",
    "lower",
    "ltrim",
    "md5",
    "nullif",
    "octet_length",
    "reverse",
    "right",
    "rtrim",
    "signum",
    "starts_with",
    "strpos",
    "substr",
    "tg_like",
    "tg_text",
    "to_char",
    "upper",
];

pub(super) fn is_total(function: &str) -> bool {
    TOTAL.contains(&function)
}

/// Whether a table's row policy looks into another one.
pub(super) fn looks_up(source: &SecuredSource) -> bool {
    source.secured().row_predicate().is_some_and(has_subquery)
}

/// Whether a statement reads relations whose hidden rows no guard keeps.
pub(super) fn occurs(plan: &LogicalPlan) -> Result<bool, Error> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Some(source) = scan.source.downcast_ref::<SecuredSource>()
        {
            found |= source.secured().table().view().is_some() || looks_up(source);
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .map_err(Error::internal)?;
    Ok(found)
}

/// Whether a query names nothing around it.
pub(super) fn stands_alone(plan: &LogicalPlan) -> Result<bool, Error> {
    let mut alone = true;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            alone &= !expr.exists(|expr| Ok(matches!(expr, Expr::OuterReferenceColumn(..))))?;
            Ok(TreeNodeRecursion::Continue)
        })
    })
    .map_err(Error::internal)?;
    Ok(alone)
}

/// Whether rows of another query decide which rows pass a condition: all but the value of one that stands
/// alone.
pub(super) fn filters(predicate: &Expr) -> Result<bool, Error> {
    let mut filters = false;
    predicate
        .apply(|expr| {
            let alone = match expr {
                Expr::ScalarSubquery(query) => stands_alone(&query.subquery)
                    .map_err(|error| DataFusionError::External(Box::new(error)))?,
                other => subquery(other).is_none(),
            };
            filters |= !alone;
            Ok(TreeNodeRecursion::Continue)
        })
        .map_err(Error::internal)?;
    Ok(filters)
}

/// Whether a cast has a value for each value.
pub(super) fn casts(from: &DataType, to: &DataType) -> bool {
    is_total_cast(from, to)
        // Unlike PostgreSQL's, a column there holds no more than its type says.
        || widens(from, to)
        || (matches!(from, DataType::Decimal128(..)) && *to == DataType::Float64)
        || (from.is_temporal() && to.is_temporal())
}

/// A sum, difference or product of numbers, if its result fits for all values of their types.
pub(super) fn computed(
    op: Operator,
    sides: [&Expr; 2],
    whole: &Expr,
    schema: &DFSchema,
) -> Result<(), Error> {
    let digits_of = |expr: &Expr| expr.get_type(schema).map_err(Error::internal).map(digits);
    let [left, right] = [digits_of(sides[0])?, digits_of(sides[1])?];
    let (Some(left), Some(right), Some(result)) = (left, right, digits_of(whole)?) else {
        return Err(refused());
    };
    let longest = left.1.max(right.1);
    let (before, after) = match op {
        Operator::Plus | Operator::Minus => (left.0.max(right.0) + 1, longest),
        Operator::Multiply => match left.1 + right.1 {
            all if all <= longest.max(PRODUCT_SCALE) => (left.0 + right.0, all),
            // It is rounded, perhaps up.
            _ => (left.0 + right.0 + 1, longest.max(PRODUCT_SCALE)),
        },
        _ => return Err(refused()),
    };
    if before + after <= DIGITS && before <= result.0 && after <= result.1 {
        return Ok(());
    }
    Err(refused())
}

/// A comparison with a pattern. With one piece of text between its `%` at most it is a search like
/// `strpos`; with more of them it could be tried in many ways.
pub(super) fn matched(class: Class, pattern: &Expr) -> Result<Class, Error> {
    if class != Class::Hidden {
        return Ok(class);
    }
    let Some(pattern) = pattern_of(pattern) else { return Err(refused()) };
    let mut rest = pattern.trim_start_matches('%').chars();
    while let Some(character) = rest.next() {
        match character {
            '\\' => drop(rest.next()),
            '%' if !rest.as_str().bytes().all(|byte| byte == b'%') => return Err(refused()),
            _ => {}
        }
    }
    Ok(class)
}

/// Whether an aggregate or window function computes its arguments without a cast that could fail.
pub(super) fn aggregates(expr: &Expr, schema: &DFSchema) -> Result<bool, Error> {
    let (name, args) = match expr {
        Expr::AggregateFunction(call) => (call.func.name(), &call.params.args),
        Expr::WindowFunction(call) => match call.as_ref() {
            WindowFunction { fun: WindowFunctionDefinition::AggregateUDF(fun), params } => {
                (fun.name(), &params.args)
            }
            WindowFunction { fun: WindowFunctionDefinition::WindowUDF(_), .. } => return Ok(true),
        },
        _ => return Ok(true),
    };
    if name != "avg" {
        return Ok(true);
    }
    let [value] = args.as_slice() else { return Ok(false) };
    let kind = value.get_type(schema).map_err(Error::internal)?;
    match expr.get_type(schema).map_err(Error::internal)? {
        DataType::Decimal128(_, scale) => {
            let scale = i16::from(scale.max(MEAN_SCALE));
            Ok(digits(kind)
                .is_some_and(|(before, after)| before + scale <= DIGITS && after <= scale))
        }
        _ => Ok(true),
    }
}

/// How many digits a number has before and after the point, as it is printed.
fn digits(kind: DataType) -> Option<(i16, i16)> {
    match kind {
        DataType::Int16 => Some((5, 0)),
        DataType::Int32 => Some((10, 0)),
        DataType::Int64 => Some((19, 0)),
        DataType::Decimal128(precision, scale) if scale >= 0 => {
            Some((i16::from(precision) - i16::from(scale), i16::from(scale)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use datafusion_expr::lit;

    use super::{Class, matched};

    #[test]
    fn a_pattern_that_can_be_tried_in_many_ways_meets_no_hidden_value() {
        for (pattern, passes) in [
            ("", true),
            ("a_b", true),
            ("%ab%", true),
            ("%%ab%%", true),
            ("%", true),
            (r"a\%b%", true),
            (r"%a\\%", true),
            ("a%b", false),
            ("%a%b%", false),
            (r"a\\%b", false),
        ] {
            assert_eq!(matched(Class::Hidden, &lit(pattern)).is_ok(), passes, "{pattern}");
            assert!(matched(Class::Null, &lit(pattern)).is_ok());
        }
    }
}
