//! What Snowflake spells in its own way, and its barrier.
//!
//! | module | |
//! |---|---|
//! | `guard` | which expressions a guarded column keeps from failing |
//! | `lists` | what functions do with NULL |
//! | `lookup` | the lookups of a row policy, which a guard can't hold, as joins |
//! | `expr` | operators, patterns, constants |
//! | `function` | the functions whose values are the same |
//! | `views` | which views can have guards, and those |
//! | `flatten` | elements of semi-structured values as rows |
//! | `format` | `to_char` |
//! | `moment` | differences of times, zones, `to_timestamp` |
//! | `aggregate` | aggregates and windows |
//!
//! Where a meaning isn't known to be the same, or Snowflake wants a constant that isn't one, the
//! statement is refused.

mod aggregate;
mod class;
mod expr;
pub(super) mod flatten;
mod format;
mod function;
mod guard;
mod lists;
mod lookup;
mod moment;
pub(super) mod views;

use arrow::datatypes::DataType;
use datafusion_common::ScalarValue;
use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion_expr::expr::Cast;
use datafusion_expr::logical_plan::{DistinctOn, Limit};
use datafusion_expr::{Expr, LogicalPlan, Operator};
use tollgate_catalog::{Error, ErrorKind};

use super::barrier::has_subquery;
use super::block::Block;
use super::node::Outer;
use super::{MAX_TEXT, Printer, Row};
use crate::system::WorkTableSource;

pub(super) use guard::guard;

impl Printer {
    /// The barrier: no column has a value on a row that the policy hides, wherever it is computed.
    pub(super) fn guarded(&mut self, mut block: Block) -> Result<Block, Error> {
        if block.filter.is_empty() {
            return Ok(block);
        }
        let policy = block.filter.join(" AND ");
        let size = block.columns.iter().map(|column| column.len() + policy.len() + 32).sum();
        bounded(size)?;
        for column in &mut block.columns {
            *column = format!("(CASE WHEN {policy} THEN {column} END)");
        }
        block.computed = true;
        Ok(block)
    }

    /// ` LIMIT … OFFSET …`, which must be constants.
    pub(super) fn constant_limit(&mut self, node: &Limit) -> Result<String, Error> {
        let mut text = String::new();
        for (word, expr) in [("LIMIT", &node.fetch), ("OFFSET", &node.skip)] {
            let count = match expr.as_deref() {
                // An OFFSET alone there isn't.
                None if word == "LIMIT" => Some(None),
                None => continue,
                Some(expr) => constant(expr).map(|value| (!value.is_null()).then_some(value)),
            };
            match count {
                Some(None) if word == "LIMIT" => text.push_str(" LIMIT NULL"),
                Some(None) => {}
                Some(Some(value)) => match whole(&value).filter(|count| *count >= 0) {
                    Some(count) => text.push_str(&format!(" {word} {}", self.number(count))),
                    None => return Err(self.dialect.unsupported("this LIMIT or OFFSET")),
                },
                None => return Err(self.dialect.unsupported("this LIMIT or OFFSET")),
            }
        }
        Ok(text)
    }

    /// `DISTINCT ON`: the first row of each, by number.
    pub(super) fn first_of_each(
        &mut self,
        node: &DistinctOn,
        outer: Outer<'_>,
    ) -> Result<Block, Error> {
        let block = self.block(&node.input, outer)?;
        let block = self.open(block)?;
        let row = Row { schema: node.input.schema(), columns: &block.columns, outer };
        let by = node.sort_expr.as_deref().unwrap_or_default();
        if node.on_expr.iter().chain(by.iter().map(|key| &key.expr)).any(has_subquery) {
            return Err(self.dialect.unsupported("a subquery in DISTINCT ON"));
        }
        let keys = self.exprs(&node.on_expr, row)?;
        let order = match self.order(by, row)? {
            order if order.is_empty() => format!(" ORDER BY {}", self.integer(1)?),
            order => order,
        };
        let mut columns = Vec::new();
        for expr in &node.select_expr {
            columns.push(self.expr(expr, row)?);
        }
        let width = columns.len();
        for key in by {
            columns.push(self.expr(&key.expr, row)?);
        }
        let number = self.invoke("ROW_NUMBER", "");
        columns.push(format!("{number} OVER (PARTITION BY {keys}{order})"));
        let block = Block { columns, computed: true, ..block };
        let mut block = self.wrap(&block)?;
        let one = self.integer(1)?;
        if let Some(number) = block.columns.pop() {
            block.filter.push(format!("({number} = {one})"));
        }
        let sorted = block.columns.split_off(width).into_iter().zip(by).map(|(column, key)| {
            let direction = if key.asc { "ASC" } else { "DESC" };
            let nulls = if key.nulls_first { "FIRST" } else { "LAST" };
            format!("{column} {direction} NULLS {nulls}")
        });
        let sorted = sorted.collect::<Vec<_>>().join(", ");
        if !sorted.is_empty() {
            block.order = format!(" ORDER BY {sorted}");
        }
        Ok(block)
    }

    /// A number without quotes, for places where nothing else may stand.
    pub(super) fn number(&mut self, value: i64) -> String {
        self.plain_number(value.to_string())
    }

    fn plain_number(&mut self, text: String) -> String {
        self.printed.numbers.insert(text.clone());
        text
    }

    /// The name of a unit of time between quotes.
    pub(super) fn unit(&mut self, unit: &str) -> Result<String, Error> {
        let unit = unit.to_ascii_lowercase();
        match unit.as_str() {
            "year" | "quarter" | "month" | "week" | "day" | "hour" | "minute" | "second" => {
                self.quoted(&unit)
            }
            _ => Err(self.dialect.unsupported("this unit of time")),
        }
    }
}

/// A text that repeats a part stays within bounds, before it is made.
fn bounded(size: usize) -> Result<(), Error> {
    if size <= MAX_TEXT {
        return Ok(());
    }
    Err(Error::new(ErrorKind::ProgramLimit, "the statement is too long for the warehouse")
        .with_hint("split it into several statements"))
}

/// The value of an expression that is one, whatever the row.
fn constant(expr: &Expr) -> Option<ScalarValue> {
    match expr {
        Expr::Literal(value, _) => Some(value.clone()),
        Expr::Alias(alias) => constant(&alias.expr),
        Expr::Cast(Cast { expr, field }) => constant(expr)?.cast_to(field.data_type()).ok(),
        Expr::Negative(inner) => constant(inner)?.arithmetic_negate().ok(),
        Expr::BinaryExpr(binary) => match binary.op {
            Operator::Plus => moment::moved(&binary.left, "+", &binary.right),
            Operator::Minus => moment::moved(&binary.left, "-", &binary.right),
            _ => None,
        },
        // A cast of ours, of a number that fits.
        Expr::ScalarFunction(call) => {
            match (call.name(), call.args.as_slice()) {
                ("tg_join", [left, right]) => return joined(&constant(left)?, &constant(right)?),
                ("upper", [text]) => return ascii(&constant(text)?, str::to_ascii_uppercase),
                ("lower", [text]) => return ascii(&constant(text)?, str::to_ascii_lowercase),
                _ => {}
            }
            let to = match call.name() {
                "tg_int2" => DataType::Int16,
                "tg_int4" => DataType::Int32,
                "tg_int8" => DataType::Int64,
                _ => return None,
            };
            let [value] = call.args.as_slice() else { return None };
            let value = constant(value)?;
            whole(&value)?;
            value.cast_to(&to).ok().filter(|value| !value.is_null())
        }
        _ => None,
    }
}

/// Two texts as one.
fn joined(left: &ScalarValue, right: &ScalarValue) -> Option<ScalarValue> {
    Some(ScalarValue::from(format!("{}{}", text(left)?, text(right)?)))
}

/// What becomes of a text in which every server sees the same letters.
fn ascii(value: &ScalarValue, change: fn(&str) -> String) -> Option<ScalarValue> {
    text(value).filter(|text| text.is_ascii()).map(|text| ScalarValue::from(change(text)))
}

fn text(value: &ScalarValue) -> Option<&str> {
    match value {
        ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text) => {
            text.as_deref()
        }
        _ => None,
    }
}

/// A whole number.
fn whole(value: &ScalarValue) -> Option<i64> {
    match value {
        ScalarValue::Int16(value) => value.map(i64::from),
        ScalarValue::Int32(value) => value.map(i64::from),
        ScalarValue::Int64(value) => *value,
        ScalarValue::UInt64(value) => value.and_then(|value| i64::try_from(value).ok()),
        _ => None,
    }
}

fn is_zero(value: &ScalarValue) -> bool {
    match value {
        ScalarValue::Int16(Some(value)) => *value == 0,
        ScalarValue::Int32(Some(value)) => *value == 0,
        ScalarValue::Int64(Some(value)) => *value == 0,
        ScalarValue::Decimal128(Some(value), ..) => *value == 0,
        ScalarValue::Float64(Some(value)) => *value == 0.0,
        _ => false,
    }
}

/// Whether a recursive query reads no table but its own, and names nothing around it.
fn is_apart(plan: &LogicalPlan, own: &str) -> Result<bool, Error> {
    let mut apart = true;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            let work = scan.source.downcast_ref::<WorkTableSource>();
            apart &= work.is_some_and(|work| work.name() == own);
        }
        node.apply_expressions(|expr| {
            apart &= !expr.exists(|expr| Ok(matches!(expr, Expr::OuterReferenceColumn(..))))?;
            Ok(TreeNodeRecursion::Continue)
        })
    })
    .map_err(Error::internal)?;
    Ok(apart)
}
