//! `ASOF JOIN` as a left join with intervals.
//!
//! Each row of the right side stands for the values from its own up to the next one's among the rows of
//! its keys (for `<` and `<=`: from the one's before it), so that a row of the left side falls into one
//! interval at most. Of rows with the same value all intervals but one are empty. What is matched are
//! the right side's visible rows with their masks, as in any derived table.

use std::ops::ControlFlow;

use datafusion_expr::{Operator, Volatility};
use datafusion_sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, Ident, Join, JoinConstraint, JoinOperator, OrderByExpr,
    OrderByOptions, SelectItem, SetExpr, TableFactor, WindowSpec, WindowType, visit_expressions,
};
use tollgate_catalog::Error;

use super::make::{binary, is_not_null, is_null, nested, or};
use super::star::ident;
use super::{Computes, taken};
use crate::gate::budget::{NODE, bound_list};
use crate::gate::build::{bare, has_query, query_of};
use crate::gate::items::no_relation;
use crate::gate::list::balanced;
use crate::gate::scope::{Scope, Side};
use crate::gate::table::plain_alias;
use crate::gate::{Gate, function, parts};
use crate::operands::Typed;

/// How often a condition's operands are written at most.
const COPIES: u64 = 4;

/// How the values of two rows may lie.
struct Order {
    /// What the match condition says.
    op: Operator,
    /// What gives the value where another row is nearer.
    next: &'static str,
    /// How a value lies to that one.
    before: BinaryOperator,
}

impl Gate<'_> {
    /// Makes a left join of an ASOF JOIN, and gives what can be named after it.
    pub(in crate::gate) fn asof(&mut self, left: Scope, join: &mut Join) -> Result<Scope, Error> {
        let JoinOperator::AsOf { match_condition, constraint } = &mut join.join_operator else {
            return Err(super::unknown("ASOF JOIN"));
        };
        if !self.is_snowflake() {
            return Err(Error::not_supported("ASOF JOIN")
                .with_hint("join all rows that fit, and keep the nearest by row_number()"));
        }
        let on = match std::mem::replace(constraint, JoinConstraint::None) {
            JoinConstraint::On(on) => Some(on),
            JoinConstraint::None => None,
            using @ JoinConstraint::Using(_) => {
                *constraint = using;
                None
            }
            JoinConstraint::Natural => return Err(Error::not_supported("NATURAL ASOF JOIN")),
        };
        stands_alone(&join.relation)?;
        self.asofs += 1;
        let beside = std::mem::take(&mut self.beside);
        let right = self.table_factor(&mut join.relation)?;
        self.beside = beside;
        let Some(name) = right.alone() else {
            return Err(Error::not_supported("ASOF JOIN with several relations on its right")
                .with_hint("make a subquery of them"));
        };
        left.lacks(name)?;
        let mut conditions = vec![taken(match_condition)];
        conditions.extend(on);
        let mut both = left.clone();
        both.add(right.clone());
        self.within(both, |gate| {
            let walk = |gate: &mut Self| conditions.iter_mut().try_for_each(|of| gate.expr(of));
            gate.copied(COPIES, |gate| gate.condition(walk))
        })?;
        let mut conditions = conditions.into_iter();
        let (earlier, order, later) = match conditions.next().map(unnested) {
            Some(Expr::BinaryOp { left, op, right }) => (*left, order(op)?, *right),
            Some(_) | None => return Err(unordered()),
        };
        let sides = (self.side(&left, &right, &earlier)?, self.side(&left, &right, &later)?);
        if sides != (Some(Of::Left), Some(Of::Right)) {
            return Err(Error::not_supported("a MATCH_CONDITION between other values").with_hint(
                "compare a value of the left relation with one of the right, in this order",
            ));
        }
        let mut keys = Vec::new();
        for condition in conditions {
            self.equal(&left, &right, condition, &mut keys)?;
        }
        let mut partition: Vec<Expr> = keys.iter().map(|(_, key)| key.clone()).collect();
        if let JoinConstraint::Using(names) = &*constraint {
            for name in names {
                let [name] = parts(name)?.try_into().map_err(|_| super::unknown("USING"))?;
                // Those that aren't there are missed when the scopes are joined.
                if let Some(column) = right.column(&name)? {
                    self.reference(column.size, column.reach)?;
                    partition.push(column.expr.clone());
                }
            }
        }

        // The right side with its intervals.
        self.step()?;
        self.step()?;
        self.node(8 * NODE)?;
        let alias = self.make_up(name.last().map_or("asof", String::as_str));
        let next = self.make_up("next");
        bound_list(right.reaches().count(), "a select list")?;
        let mut items = Vec::new();
        for (expr, real, reach) in right.all() {
            self.reference(1, reach)?;
            items.push(item(expr, real));
        }
        let of_alias =
            |name: &str| Expr::CompoundIdentifier([alias.as_str(), name].map(ident).to_vec());
        // A value of the right side where the join sees it.
        let mut outside = |gate: &mut Self, expr: &Expr| {
            if let Expr::CompoundIdentifier(idents) = expr
                && let Some(Some(real)) = right.held(idents)
            {
                return of_alias(real);
            }
            let name = gate.make_up("value");
            items.push(item(expr.clone(), &name));
            of_alias(&name)
        };
        let value = outside(self, &later);
        let mut joined = Vec::with_capacity(keys.len() + 3);
        for (of_left, of_right) in &keys {
            let key = outside(self, of_right);
            joined.push(binary(of_left.clone(), Typed::Match(Operator::Eq).operator(), key));
        }
        // The neighbour is found by the order of the right side's texts.
        let matches =
            if self.is_collated { Typed::Plain(order.op) } else { Typed::Match(order.op) };
        joined.push(binary(earlier.clone(), matches.operator(), value));
        let bound = binary(earlier, order.before, of_alias(&next));
        joined.push(Expr::Nested(Box::new(or(is_null(of_alias(&next)), bound))));
        items.push(item(neighbour(order.next, &later, partition), &next));
        bound_list(items.len(), "a select list")?;

        let mut right = right.clone().called(&alias);
        right.make_optional();
        let (scope, weight) = left.join(right, constraint, Side::Left)?;
        self.reference(weight, weight)?;
        if let JoinConstraint::On(equal) = std::mem::replace(constraint, JoinConstraint::None) {
            joined.insert(0, nested(keyed(equal)));
        }
        let condition = balanced(joined, &BinaryOperator::And).ok_or_else(unordered)?;
        let nothing = super::pivot::nothing();
        let mut select = bare(std::mem::replace(&mut join.relation, nothing));
        select.projection = items;
        select.selection = Some(is_not_null(later));
        join.relation = TableFactor::Derived {
            lateral: false,
            subquery: Box::new(query_of(SetExpr::Select(Box::new(select)))),
            alias: Some(plain_alias(&alias)),
            sample: None,
        };
        join.join_operator = JoinOperator::LeftOuter(JoinConstraint::On(condition));
        Ok(scope)
    }

    /// Takes a conjunction of equalities apart, each into its left and its right side.
    fn equal(
        &self,
        left: &Scope,
        right: &Scope,
        condition: Expr,
        keys: &mut Vec<(Expr, Expr)>,
    ) -> Result<(), Error> {
        let refused = || {
            Error::not_supported("this condition of ASOF JOIN")
                .with_hint("join by equalities of a value of each side, with AND between them")
        };
        let mut open = vec![condition];
        while let Some(part) = open.pop() {
            let Expr::BinaryOp { left: one, op, right: other } = unnested(part) else {
                return Err(refused());
            };
            match op {
                BinaryOperator::And => {
                    open.push(*other);
                    open.push(*one);
                }
                BinaryOperator::Eq => {
                    match (self.side(left, right, &one)?, self.side(left, right, &other)?) {
                        (Some(Of::Left), Some(Of::Right)) => keys.push((*one, *other)),
                        (Some(Of::Right), Some(Of::Left)) => keys.push((*other, *one)),
                        (Some(Of::Left | Of::Right | Of::Both) | None, _) => return Err(refused()),
                    }
                }
                _ => return Err(refused()),
            }
        }
        Ok(())
    }

    /// Of which side the columns of an expression are; nothing if it has none.
    fn side(&self, left: &Scope, right: &Scope, expr: &Expr) -> Result<Option<Of>, Error> {
        let computes = Computes::of(expr, self);
        for (present, what) in [
            (computes.windows, "a window function"),
            (computes.aggregates, "an aggregate function"),
            (has_query(expr), "a subquery"),
        ] {
            if present {
                return Err(Error::not_supported(&format!("{what} in a condition of ASOF JOIN"))
                    .with_hint("compute it in a subquery, and join with that"));
            }
        }
        let mut of = None;
        let found = visit_expressions(expr, |part: &Expr| {
            let side = match part {
                Expr::CompoundIdentifier(idents) => self.side_of(left, right, idents),
                Expr::Identifier(ident) => Err(Error::undefined_column(&ident.value)),
                Expr::Function(function) if self.is_volatile(function) => {
                    Err(Error::not_supported(
                        "a condition of ASOF JOIN that gives other values each time",
                    ))
                }
                _ => return ControlFlow::Continue(()),
            };
            match (side, of) {
                (Err(error), _) => return ControlFlow::Break(error),
                (Ok(side), None) => of = Some(side),
                (Ok(side), Some(known)) if side == known => {}
                (Ok(_), Some(_)) => of = Some(Of::Both),
            }
            ControlFlow::Continue(())
        });
        match found {
            ControlFlow::Break(error) => Err(error),
            ControlFlow::Continue(()) => Ok(of),
        }
    }

    fn side_of(&self, left: &Scope, right: &Scope, idents: &[Ident]) -> Result<Of, Error> {
        let name = || idents.iter().map(|part| part.value.as_str()).collect::<Vec<_>>().join(".");
        match (left.held(idents), right.held(idents)) {
            (Some(Some(_)), _) => Ok(Of::Left),
            (_, Some(Some(_))) => Ok(Of::Right),
            (Some(None), _) | (_, Some(None)) => Err(Error::undefined_column(&name())),
            (None, None) if self.scopes.iter().any(|scope| scope.held(idents).is_some()) => {
                Err(Error::not_supported("a condition of ASOF JOIN over a query around it")
                    .with_hint("put that condition into WHERE"))
            }
            (None, None) => {
                let qualifier = idents.iter().rev().skip(1).map(|part| part.value.clone());
                Err(no_relation(&qualifier.take(1).collect::<Vec<_>>()))
            }
        }
    }

    fn is_volatile(&self, function: &Function) -> bool {
        let name = function.name.0.last().and_then(|part| part.as_ident());
        let known = name.and_then(|name| {
            let scalar = self.registry.scalar_udf(&name.value);
            scalar.or_else(|| self.registry.internal_udf(&name.value))
        });
        known.is_none_or(|function| function.signature().volatility == Volatility::Volatile)
    }
}

/// The side of a join that columns are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Left,
    Right,
    Both,
}

/// Refuses what sees the relation before it.
fn stands_alone(factor: &TableFactor) -> Result<(), Error> {
    match factor {
        TableFactor::Table { args: None, .. }
        | TableFactor::Derived { lateral: false, .. }
        | TableFactor::NestedJoin { .. }
        | TableFactor::Pivot { .. }
        | TableFactor::Unpivot { .. } => Ok(()),
        TableFactor::Table { args: Some(_), .. }
        | TableFactor::Derived { lateral: true, .. }
        | TableFactor::TableFunction { .. }
        | TableFactor::Function { .. }
        | TableFactor::UNNEST { .. }
        | TableFactor::JsonTable { .. }
        | TableFactor::OpenJsonTable { .. }
        | TableFactor::MatchRecognize { .. }
        | TableFactor::XmlTable { .. }
        | TableFactor::SemanticView { .. } => {
            Err(Error::not_supported("ASOF JOIN with this relation on its right")
                .with_hint("join with a table, a view or a subquery"))
        }
    }
}

fn unordered() -> Error {
    Error::not_supported("this MATCH_CONDITION")
        .with_hint("compare a value of each side by >=, >, <= or <")
}

fn order(op: BinaryOperator) -> Result<Order, Error> {
    let (op, next, before) = match op {
        BinaryOperator::GtEq => (Operator::GtEq, "lead", BinaryOperator::Lt),
        BinaryOperator::Gt => (Operator::Gt, "lead", BinaryOperator::LtEq),
        BinaryOperator::LtEq => (Operator::LtEq, "lag", BinaryOperator::Gt),
        BinaryOperator::Lt => (Operator::Lt, "lag", BinaryOperator::GtEq),
        _ => return Err(unordered()),
    };
    Ok(Order { op, next, before })
}

/// The equalities of `USING`, which must not make one row's keys equal to several.
fn keyed(condition: Expr) -> Expr {
    match condition {
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
            Expr::BinaryOp { left, op: Typed::Match(Operator::Eq).operator(), right }
        }
        Expr::BinaryOp { left, op, right } => {
            Expr::BinaryOp { left: Box::new(keyed(*left)), op, right: Box::new(keyed(*right)) }
        }
        Expr::Nested(inner) => Expr::Nested(Box::new(keyed(*inner))),
        other => other,
    }
}

fn unnested(expr: Expr) -> Expr {
    match expr {
        Expr::Nested(inner) => unnested(*inner),
        other => other,
    }
}

fn item(expr: Expr, name: &str) -> SelectItem {
    SelectItem::ExprWithAlias { expr, alias: ident(name) }
}

/// The value of the row after or before, of those of the same keys.
fn neighbour(which: &str, value: &Expr, partition_by: Vec<Expr>) -> Expr {
    let mut call = function::call(which, vec![value.clone()]);
    if let Expr::Function(call) = &mut call {
        call.over = Some(WindowType::WindowSpec(WindowSpec {
            window_name: None,
            partition_by,
            order_by: vec![OrderByExpr {
                expr: value.clone(),
                options: OrderByOptions { asc: None, nulls_first: None },
                with_fill: None,
            }],
            window_frame: None,
        }));
    }
    call
}
