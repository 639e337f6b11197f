//! Conditions that rows of a protected table may be chosen by: on a dimension, against constants.

use arrow::datatypes::{DataType, TimeUnit};
use arrow::temporal_conversions::date32_to_datetime;
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::expr::InList;
use datafusion_expr::utils::split_conjunction;
use datafusion_expr::{Between, BinaryExpr, Expr, Operator};

use super::block::{Block, Value, is_constant};
use super::unaliased;

/// The longest list of values: each is a check of its own.
const LONGEST: usize = 100;

/// A condition.
#[derive(Debug, Clone)]
pub(super) struct Atom {
    /// The condition, over the block's rows.
    pub(super) holds: Expr,
    /// If it lists values: that a row has each of them.
    pub(super) elements: Vec<Expr>,
}

impl Atom {
    fn plain(holds: Expr) -> Self {
        Self { holds, elements: Vec::new() }
    }

    /// What a condition over a block's columns says of its rows.
    ///
    /// # Errors
    /// It tests anything else than a dimension, or tests it otherwise than its policy allows.
    pub(super) fn new(block: &Block, condition: &Expr) -> Result<Self> {
        match unaliased(condition) {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => comparison(block, left, *op, right),
            Expr::InList(InList { expr, list, negated: false }) => listed(block, expr, list),
            Expr::IsNull(expr) => Ok(Self::plain(dimension(block, expr)?.is_null())),
            Expr::IsNotNull(expr) => Ok(Self::plain(dimension(block, expr)?.is_not_null())),
            Expr::Literal(value, metadata) => {
                Ok(Self::plain(Expr::Literal(value.clone(), metadata.clone())))
            }
            // A dimension that is a boolean.
            column @ Expr::Column(_) => Ok(Self::plain(dimension(block, column)?)),
            // Anything else may tell rows apart in ways that were not declared.
            _ => Err(refused(block)),
        }
    }
}

/// The conditions that all hold where this one holds.
pub(super) fn conditions(condition: &Expr) -> Vec<Expr> {
    let parts = split_conjunction(condition).into_iter().map(unaliased);
    let parts = parts.flat_map(|part| match part {
        Expr::Between(Between { expr, negated: false, low, high }) => {
            vec![
                expr.as_ref().clone().gt_eq(low.as_ref().clone()),
                expr.as_ref().clone().lt_eq(high.as_ref().clone()),
            ]
        }
        part => vec![part.clone()],
    });
    parts.collect()
}

fn refused(block: &Block) -> DataFusionError {
    block.refused(
        "answers in aggregates only, and can't be filtered so",
        "compare its dimensions with constants by = or IN, join conditions by AND; a dimension that is a \
         date_trunc has ranges, too",
    )
}

/// A dimension, over the block's rows.
fn dimension(block: &Block, expr: &Expr) -> Result<Expr> {
    match block.value(expr)? {
        Some(value) if block.is_dimension(&value)? => block.expr(&value),
        Some(_) | None => Err(refused(block)),
    }
}

fn comparison(block: &Block, left: &Expr, op: Operator, right: &Expr) -> Result<Atom> {
    let is_order = match op {
        Operator::Eq => false,
        Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq => true,
        // Everything else leaves few rows out, or computes.
        _ => return Err(refused(block)),
    };
    let (value, constant, op) = match (block.value(left)?, block.value(right)?) {
        (Some(Value::Constant(left)), Some(Value::Constant(right))) => {
            return Ok(Atom::plain(datafusion_expr::binary_expr(left, op, right)));
        }
        (Some(value), Some(Value::Constant(constant))) => (value, constant, op),
        (Some(Value::Constant(constant)), Some(value)) => {
            let turned = op.swap().ok_or_else(|| refused(block))?;
            (value, constant, turned)
        }
        _ => return Err(refused(block)),
    };
    let allowed = match (&value, is_order) {
        (_, false) | (Value::Bucket { .. }, true) => block.is_dimension(&value)?,
        (Value::Own(_) | Value::Joined(..), true) => {
            let units = block.units(&value)?;
            let aligned = units.iter().any(|unit| is_edge(&constant, op, unit))
                && has_edges(&block.type_of(&value)?, op);
            if !aligned && !units.is_empty() {
                return Err(block.refused(
                    "answers in aggregates only, and can't be filtered by parts of a period",
                    "end the range where a period of the dimension ends, by a literal, or compare its date_trunc",
                ));
            }
            aligned
        }
        (Value::Constant(_), true) => false,
    };
    let constant = midnight(constant);
    if !allowed || !meets(block, &value, &constant)? {
        return Err(refused(block));
    }
    Ok(Atom::plain(datafusion_expr::binary_expr(block.expr(&value)?, op, constant)))
}

fn listed(block: &Block, expr: &Expr, list: &[Expr]) -> Result<Atom> {
    let value = dimension(block, expr)?;
    if list.len() > LONGEST {
        return Err(block.refused(
            "answers in aggregates only, and can't be filtered by so long a list",
            "list at most 100 values",
        ));
    }
    let kind = block.value(expr)?.ok_or_else(|| refused(block))?;
    // Of one type: a list is compared in the type that all of it has.
    let types = list.iter().filter_map(type_of).filter(|one| !one.is_null());
    let types: Vec<_> = types.collect();
    let same = types.windows(2).all(|pair| matches!(pair, [one, other] if one == other));
    for item in list {
        if !same || !is_constant(item) || !meets(block, &kind, item)? {
            return Err(refused(block));
        }
    }
    let elements = list.iter().map(|item| value.clone().eq(item.clone())).collect();
    Ok(Atom { holds: value.in_list(list.to_vec(), false), elements })
}

/// The type of a constant, if it has one already.
fn type_of(constant: &Expr) -> Option<DataType> {
    match unaliased(constant) {
        Expr::Literal(value, _) => Some(value.data_type()),
        Expr::Placeholder(parameter) => {
            parameter.field.as_ref().map(|field| field.data_type().clone())
        }
        Expr::Cast(cast) => Some(cast.field.data_type().clone()),
        Expr::Negative(inner) => type_of(inner),
        _ => None,
    }
}

/// A moment at midnight as the day that it begins: a column of days needs no cast then.
fn midnight(constant: Expr) -> Expr {
    let is_moment = matches!(type_of(&constant), Some(DataType::Timestamp(_, None)));
    match day(&constant).filter(|_| is_moment) {
        Some(day) => Expr::Literal(ScalarValue::Date32(Some(day)), None),
        None => constant,
    }
}

/// Whether a value is compared with a constant without a cast that could fail on it: the type in which both
/// meet has all values of the column.
fn meets(block: &Block, value: &Value, constant: &Expr) -> Result<bool> {
    let Some(constant) = type_of(constant) else { return Ok(true) };
    if let Value::Bucket { .. } = value {
        return Ok(constant.is_temporal() || is_text(&constant) || constant.is_null());
    }
    let column = block.type_of(value)?;
    Ok(match (&column, &constant) {
        (column, constant) if column == constant || constant.is_null() => true,
        // A text that isn't a value yet becomes what the column is.
        (_, constant) if is_text(constant) => true,
        (column, constant) if column.is_integer() && constant.is_integer() => true,
        (column, DataType::Float32 | DataType::Float64) => {
            column.is_integer() || column.is_floating()
        }
        (column, constant) if column.is_floating() => constant.is_integer(),
        // 19 digits before the point, of 38.
        (column, DataType::Decimal128(_, scale)) if column.is_integer() => (0..=19).contains(scale),
        (DataType::Decimal128(..), constant) if constant.is_integer() => true,
        (DataType::Decimal128(precision, own), DataType::Decimal128(_, scale)) => {
            i16::from(*precision) - i16::from(*own) + i16::from(*own.max(scale)) <= 38
        }
        (DataType::Timestamp(..), DataType::Date32) => true,
        // Everything else casts, or may.
        _ => false,
    })
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// Whether a range of a column's own values can end where a bucket ends: a day does, and a moment at
/// midnight, if it has no zone and isn't part of the range.
fn has_edges(data_type: &DataType, op: Operator) -> bool {
    match data_type {
        DataType::Date32 => true,
        DataType::Timestamp(_, None) => matches!(op, Operator::GtEq | Operator::Lt),
        _ => false,
    }
}

/// Whether a range that a constant ends takes whole buckets only.
fn is_edge(constant: &Expr, op: Operator, unit: &str) -> bool {
    let Some(day) = day(constant) else { return false };
    // The first day that is on the other side.
    let first = match op {
        Operator::GtEq | Operator::Lt => Some(day),
        Operator::Gt | Operator::LtEq => day.checked_add(1),
        _ => None,
    };
    let Some(first) = first.and_then(date32_to_datetime) else { return false };
    let text = first.format("%m-%d %u").to_string();
    match unit {
        "day" => true,
        "week" => text.ends_with(" 1"),
        "month" => text.get(3..5) == Some("01"),
        "quarter" => matches!(text.get(..5), Some("01-01" | "04-01" | "07-01" | "10-01")),
        "year" => text.get(..5) == Some("01-01"),
        // Of longer ones, and of parts of a day, write the bucket itself.
        _ => false,
    }
}

/// The days since 1970-01-01 of a constant that is a date, or a midnight.
fn day(constant: &Expr) -> Option<i32> {
    match unaliased(constant) {
        Expr::Literal(ScalarValue::Date32(day), _) => *day,
        Expr::Literal(ScalarValue::TimestampNanosecond(Some(moment), None), _) => {
            whole(*moment, 86_400_000_000_000)
        }
        Expr::Literal(ScalarValue::TimestampMicrosecond(Some(moment), None), _) => {
            whole(*moment, 86_400_000_000)
        }
        Expr::Literal(text @ (ScalarValue::Utf8(Some(_)) | ScalarValue::Utf8View(Some(_))), _) => {
            // Other spellings mean what the server says; this one is a day everywhere.
            let written = text.try_as_str()??;
            let plain = written.len() == 10 && written.as_bytes().get(4) == Some(&b'-');
            match plain.then(|| text.cast_to(&DataType::Date32))? {
                Ok(ScalarValue::Date32(day)) => day,
                Ok(_) | Err(_) => None,
            }
        }
        Expr::Cast(cast) => match cast.field.data_type() {
            DataType::Date32
            | DataType::Timestamp(TimeUnit::Microsecond | TimeUnit::Nanosecond, None) => {
                day(&cast.expr)
            }
            _ => None,
        },
        _ => None,
    }
}

fn whole(moment: i64, day: i64) -> Option<i32> {
    (moment.rem_euclid(day) == 0).then(|| i32::try_from(moment.div_euclid(day)).ok())?
}
