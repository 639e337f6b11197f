//! The expressions of a policy → engine expressions over one table's raw columns.
//!
//! One exhaustive match says what a policy may contain: a new kind of expression in the parser
//! breaks the build here. Everything that gets through is total: it can't fail on any value, so
//! nothing about a hidden row can show in an error. Hence types meet only if comparing them never
//! needs a conversion that can fail; literals are converted once, at load.

mod call;
mod leaf;
mod shape;
mod subquery;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion_common::{DFSchema, ScalarValue, TableReference};
use datafusion_expr::expr::{InList, Like};
use datafusion_expr::{Between, Expr, Operator, binary_expr};
use datafusion_sql::sqlparser::ast::{
    BinaryOperator, CastKind, Expr as SqlExpr, TypedString, UnaryOperator, Value,
};
use tollgate_catalog::{Snapshot, Table};

use self::leaf::convert_to;
use self::shape::{Meaning, meaning, start_of};
use crate::bundle::FunctionSource;
use crate::convert::{cast_target, display};
use crate::diagnostics::{Diagnostic, Location};
use crate::mask::HashKey;
use crate::model::{Strength, Using};
use crate::principal::Question;

/// How deep an expression may be nested; what runs it is recursive.
const MAX_DEPTH: u8 = 100;

const SUPPORTED: &str = "policies may use columns, literals, comparisons, AND, OR, NOT, IS NULL, \
    IN, BETWEEN, LIKE, CASE and functions that can't fail";

/// Binds expressions and collects what is wrong with them.
pub(crate) struct Binder<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) functions: &'a dyn FunctionSource,
    pub(crate) roles: &'a BTreeMap<String, BTreeSet<String>>,
    pub(crate) errors: &'a mut Vec<Diagnostic>,
}

/// The names an expression may use.
struct Scope<'a> {
    table: &'a Arc<Table>,
    /// What may stand before a column's dot.
    alias: Option<String>,
    /// How the engine knows the table; raw columns of the protected table are unqualified.
    qualifier: Option<TableReference>,
    schema: DFSchema,
    /// The masked column and its key, where `value` and the mask library may be used.
    mask: Option<(usize, &'a HashKey)>,
}

/// Where in an expression we are.
#[derive(Clone)]
struct Place {
    at: Location,
    depth: u8,
    /// Whether only AND and OR are above: elsewhere the engine takes "unknown" for "not in".
    subquery_allowed: bool,
}

impl Place {
    fn new(using: &Using, subquery_allowed: bool) -> Self {
        Self { at: using.at.clone(), depth: 0, subquery_allowed }
    }

    /// One level down.
    fn below(&self, subquery_allowed: bool) -> Self {
        let subquery_allowed = self.subquery_allowed && subquery_allowed;
        Self { at: self.at.clone(), depth: self.depth.saturating_add(1), subquery_allowed }
    }
}

/// A bound expression.
#[derive(Clone)]
struct Bound {
    expr: Expr,
    data_type: DataType,
    strength: Strength,
    at: Location,
}

impl Bound {
    fn literal(&self) -> Option<&ScalarValue> {
        match &self.expr {
            Expr::Literal(value, _) => Some(value),
            _ => None,
        }
    }
}

impl Binder<'_> {
    /// A condition over the rows of a table.
    pub(crate) fn predicate(&mut self, using: &Using, table: &Arc<Table>) -> Option<Expr> {
        let scope = self.scope(table, None, using)?;
        let bound = self.bind(&using.expr, &scope, &Place::new(using, true))?;
        self.boolean(bound)
    }

    /// The condition under which a mask is lifted.
    pub(crate) fn condition(
        &mut self,
        using: &Using,
        table: &Arc<Table>,
        mask: (usize, &HashKey),
    ) -> Option<Expr> {
        let scope = self.scope(table, Some(mask), using)?;
        let bound = self.bind(&using.expr, &scope, &Place::new(using, false))?;
        self.boolean(bound)
    }

    /// What stands for the values of a column, in the column's type.
    pub(crate) fn mask(
        &mut self,
        using: &Using,
        table: &Arc<Table>,
        mask: (usize, &HashKey),
    ) -> Option<(Strength, Expr)> {
        let scope = self.scope(table, Some(mask), using)?;
        let bound = self.bind(&using.expr, &scope, &Place::new(using, false))?;
        let column = table.columns.get(mask.0)?;
        let (strength, from) = (bound.strength, bound.data_type.clone());
        match convert_to(bound, &column.data_type) {
            Some(expr) => Some((strength, expr)),
            None => self.fail(
                &using.at,
                format!(
                    "the mask is {}, but column \"{}\" of {} is {}",
                    display(&from),
                    column.name,
                    table.name,
                    display(&column.data_type)
                ),
                "a mask has the type of the column that it masks; NULL fits every type",
            ),
        }
    }

    fn scope<'t>(
        &mut self,
        table: &'t Arc<Table>,
        mask: Option<(usize, &'t HashKey)>,
        using: &Using,
    ) -> Option<Scope<'t>> {
        match DFSchema::try_from(table.arrow_schema()) {
            Ok(schema) => Some(Scope { table, alias: None, qualifier: None, schema, mask }),
            Err(_) => self.fail(
                &using.at,
                format!("the columns of {} are not unique", table.name),
                "give each column its own name in the warehouse",
            ),
        }
    }

    fn fail<T>(
        &mut self,
        at: &Location,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Option<T> {
        self.errors.push(at.error(message, hint));
        None
    }

    fn unsupported<T>(&mut self, at: &Location, what: &str) -> Option<T> {
        self.fail(at, format!("{what} is not supported in policies"), SUPPORTED)
    }

    fn bind(&mut self, sql: &SqlExpr, scope: &Scope<'_>, place: &Place) -> Option<Bound> {
        stacker::maybe_grow(256 << 10, 2 << 20, || self.bind_here(sql, scope, place))
    }

    fn bind_here(&mut self, sql: &SqlExpr, scope: &Scope<'_>, place: &Place) -> Option<Bound> {
        let mut place = place.clone();
        if let Some(start) = start_of(sql) {
            (place.at.line, place.at.column) = (start.line, start.column);
        }
        let at = place.at.clone();
        if place.depth >= MAX_DEPTH {
            let message = "the expression is nested too deeply";
            // Once is enough: both sides and all their neighbours are as deep.
            if self.errors.last().is_some_and(|last| last.message == message) {
                return None;
            }
            return self.fail(&at, message, "simplify it, or use IN");
        }
        // Below everything but AND, OR and parentheses.
        let inner = place.below(false);
        let done = |expr, data_type| {
            Some(Bound { expr, data_type, strength: Strength::Generalise, at: at.clone() })
        };
        let truth = |expr| done(expr, DataType::Boolean);
        match sql {
            SqlExpr::Identifier(name) => self.column(name, scope, at),
            SqlExpr::CompoundIdentifier(parts) => self.qualified_column(parts, scope, at),
            SqlExpr::Nested(expr) => self.bind(expr, scope, &place.below(true)),
            SqlExpr::Value(value) => self.literal(&value.value, at),
            SqlExpr::TypedString(TypedString { data_type, value, uses_odbc_syntax: false }) => {
                let bound = self.literal(&value.value, at)?;
                self.cast(bound, cast_target(data_type), &data_type.to_string())
            }
            SqlExpr::Cast {
                kind: CastKind::Cast | CastKind::DoubleColon,
                expr,
                data_type,
                array: false,
                format: None,
            } => {
                let bound = self.bind(expr, scope, &inner)?;
                self.cast(bound, cast_target(data_type), &data_type.to_string())
            }
            SqlExpr::IsNull(expr) => {
                let operand = self.bind(expr, scope, &inner)?;
                truth(Expr::IsNull(Box::new(operand.expr)))
            }
            SqlExpr::IsNotNull(expr) => {
                let operand = self.bind(expr, scope, &inner)?;
                truth(Expr::IsNotNull(Box::new(operand.expr)))
            }
            SqlExpr::IsTrue(expr) => truth(Expr::IsTrue(self.operand(expr, scope, &inner)?)),
            SqlExpr::IsNotTrue(expr) => truth(Expr::IsNotTrue(self.operand(expr, scope, &inner)?)),
            SqlExpr::IsFalse(expr) => truth(Expr::IsFalse(self.operand(expr, scope, &inner)?)),
            SqlExpr::IsNotFalse(expr) => {
                truth(Expr::IsNotFalse(self.operand(expr, scope, &inner)?))
            }
            SqlExpr::IsUnknown(expr) => truth(Expr::IsUnknown(self.operand(expr, scope, &inner)?)),
            SqlExpr::IsNotUnknown(expr) => {
                truth(Expr::IsNotUnknown(self.operand(expr, scope, &inner)?))
            }
            SqlExpr::UnaryOp { op: UnaryOperator::Not, expr } => {
                truth(Expr::Not(self.operand(expr, scope, &inner)?))
            }
            SqlExpr::UnaryOp { op: UnaryOperator::Minus, expr } => match expr.as_ref() {
                SqlExpr::Value(value) => match &value.value {
                    Value::Number(digits, false) => self.number(&format!("-{digits}"), at),
                    _ => self.unsupported(&at, "arithmetic"),
                },
                _ => self.unsupported(&at, "arithmetic"),
            },
            SqlExpr::UnaryOp { op, expr: _ } => {
                self.unsupported(&at, &format!("operator \"{op}\""))
            }
            SqlExpr::BinaryOp { left, op, right } => match meaning(op) {
                Meaning::Logic(op) => {
                    let below = place.below(true);
                    let left = self.operand(left, scope, &below);
                    let right = self.operand(right, scope, &below);
                    truth(binary_expr(*left?, op, *right?))
                }
                Meaning::Comparison(op) => {
                    let left = self.bind(left, scope, &inner);
                    let right = self.bind(right, scope, &inner);
                    let (left, right) = self.meet(left?, right?)?;
                    truth(binary_expr(left, op, right))
                }
                Meaning::Concat => {
                    let left = self.bind(left, scope, &inner);
                    let right = self.bind(right, scope, &inner);
                    let (left, right) = (self.text(left?)?, self.text(right?)?);
                    done(binary_expr(left, Operator::StringConcat, right), DataType::Utf8)
                }
                Meaning::Arithmetic => self.unsupported(&at, "arithmetic"),
                Meaning::Refused => self.unsupported(&at, &format!("operator \"{op}\"")),
            },
            SqlExpr::Between { expr, negated, low, high } => {
                let value = self.bind(expr, scope, &inner);
                let low = self.bind(low, scope, &inner);
                let high = self.bind(high, scope, &inner);
                let value = value?;
                let low = self.meet_right(&value, low?);
                let high = self.meet_right(&value, high?);
                truth(Expr::Between(Between::new(
                    Box::new(value.expr),
                    *negated,
                    Box::new(low?),
                    Box::new(high?),
                )))
            }
            SqlExpr::InList { expr, list, negated } => {
                let value = self.bind(expr, scope, &inner);
                let list: Vec<_> = list.iter().map(|item| self.bind(item, scope, &inner)).collect();
                let value = value?;
                let list: Vec<_> =
                    list.into_iter().map(|item| self.meet_right(&value, item?)).collect();
                let list = list.into_iter().collect::<Option<Vec<_>>>()?;
                truth(in_list(value.expr, list, *negated))
            }
            SqlExpr::InSubquery { expr, subquery, negated } => {
                self.in_subquery(expr, subquery, *negated, scope, &place)
            }
            SqlExpr::AnyOp { left, compare_op: BinaryOperator::Eq, right, is_some: false } => {
                let left = self.bind(left, scope, &inner);
                let name = self.attributes(right, &at)?;
                let left = self.text(left?)?;
                truth(Question::AmongAttributes(name).ask(vec![left]))
            }
            SqlExpr::Like { negated, any: false, expr, pattern, escape_char: None } => {
                self.like((expr, pattern), *negated, false, scope, &inner)
            }
            SqlExpr::ILike { negated, any: false, expr, pattern, escape_char: None } => {
                self.like((expr, pattern), *negated, true, scope, &inner)
            }
            SqlExpr::Function(function) => self.call(function, scope, &inner),
            SqlExpr::Case { operand, conditions, else_result, case_token: _, end_token: _ } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref(), scope, &inner)
            }
            SqlExpr::IsDistinctFrom(..) | SqlExpr::IsNotDistinctFrom(..) => {
                // The parser takes a following AND for part of the right side.
                self.fail(
                    &at,
                    "IS DISTINCT FROM is not supported in policies",
                    "use \"=\" and IS NULL",
                )
            }
            SqlExpr::Exists { .. } => self.fail(
                &at,
                "EXISTS is not supported in policies",
                "use column IN (SELECT column FROM schema.table WHERE condition)",
            ),
            SqlExpr::AnyOp { .. } | SqlExpr::AllOp { .. } => self.fail(
                &at,
                "this use of ANY or ALL is not supported in policies",
                "only \"= ANY(principal_attrs('name'))\" is",
            ),
            SqlExpr::Substring { .. }
            | SqlExpr::Trim { .. }
            | SqlExpr::Position { .. }
            | SqlExpr::Overlay { .. } => self.fail(
                &at,
                "this SQL form of a text function is not supported in policies",
                "call it with commas: substr(a, 1, 2), btrim(a), strpos(a, b)",
            ),
            SqlExpr::TypedString(_) | SqlExpr::Cast { .. } | SqlExpr::Convert { .. } => {
                self.unsupported(&at, "this kind of cast")
            }
            SqlExpr::Like { .. } | SqlExpr::ILike { .. } => {
                self.unsupported(&at, "LIKE with ANY or ESCAPE")
            }
            SqlExpr::CompoundFieldAccess { .. }
            | SqlExpr::JsonAccess { .. }
            | SqlExpr::IsNormalized { .. }
            | SqlExpr::InUnnest { .. }
            | SqlExpr::SimilarTo { .. }
            | SqlExpr::RLike { .. }
            | SqlExpr::AtTimeZone { .. }
            | SqlExpr::Extract { .. }
            | SqlExpr::Ceil { .. }
            | SqlExpr::Floor { .. }
            | SqlExpr::Collate { .. }
            | SqlExpr::Prefixed { .. }
            | SqlExpr::Subquery(_)
            | SqlExpr::GroupingSets(_)
            | SqlExpr::Cube(_)
            | SqlExpr::Rollup(_)
            | SqlExpr::Tuple(_)
            | SqlExpr::Struct { .. }
            | SqlExpr::Named { .. }
            | SqlExpr::Dictionary(_)
            | SqlExpr::Map(_)
            | SqlExpr::Array(_)
            | SqlExpr::Interval(_)
            | SqlExpr::MatchAgainst { .. }
            | SqlExpr::Wildcard(_)
            | SqlExpr::QualifiedWildcard(..)
            | SqlExpr::OuterJoin(_)
            | SqlExpr::Prior(_)
            | SqlExpr::Lambda(_)
            | SqlExpr::MemberOf(_) => self.unsupported(&at, &format!("\"{sql}\"")),
        }
    }

    fn like(
        &mut self,
        (value, pattern): (&SqlExpr, &SqlExpr),
        negated: bool,
        case_insensitive: bool,
        scope: &Scope<'_>,
        place: &Place,
    ) -> Option<Bound> {
        let value = self.bind(value, scope, place);
        let pattern = self.bind(pattern, scope, place)?;
        let at = pattern.at.clone();
        if pattern.literal().is_none() {
            return self.fail(
                &at,
                "the pattern of LIKE must be a literal",
                "write the pattern as '…'",
            );
        }
        let (value, pattern) = (self.text(value?)?, self.text(pattern)?);
        Some(Bound {
            expr: Expr::Like(Like {
                negated,
                expr: Box::new(value),
                pattern: Box::new(pattern),
                escape_char: None,
                case_insensitive,
            }),
            data_type: DataType::Boolean,
            strength: Strength::Generalise,
            at,
        })
    }
}

/// `value IN (items)`. The engine takes a list of expressions for a constant one if they are constant
/// on no rows, as some CASE are; so only literals stay a list, which has the same NULLs.
fn in_list(value: Expr, list: Vec<Expr>, negated: bool) -> Expr {
    if list.iter().all(|item| matches!(item, Expr::Literal(..))) {
        return Expr::InList(InList { expr: Box::new(value), list, negated });
    }
    let equal = list.into_iter().map(|item| binary_expr(value.clone(), Operator::Eq, item));
    let any =
        datafusion_expr::utils::disjunction(equal).unwrap_or_else(|| datafusion_expr::lit(false));
    if negated { Expr::Not(Box::new(any)) } else { any }
}

#[cfg(test)]
mod tests;
