//! The mark of an expression over a row, and the refusal of what it tests.

use datafusion_common::Column;
use datafusion_expr::expr::{
    AggregateFunction, AggregateFunctionParams, GroupingSet, WindowFunction, WindowFunctionParams,
};
use datafusion_expr::{BinaryExpr, Expr, Operator, Subquery, WindowFunctionDefinition};
use tollgate_catalog::{Error, ErrorKind};

use super::{Around, Mark, Outer, Row, defect, marks, sorted};

/// Aggregates that only collect or add up what may be shown.
const ADDING: [&str; 3] = ["count", "sum", "avg"];
const COLLECTING: [&str; 2] = ["array_agg", "string_agg"];

/// The marks of what `GROUP BY` lists.
pub(super) fn group(expr: &Expr, row: Row<'_>, around: Around<'_>) -> Result<Vec<Mark>, Error> {
    let keys: Vec<&Expr> = match expr {
        Expr::GroupingSet(set) => match set {
            GroupingSet::Rollup(keys) | GroupingSet::Cube(keys) => keys.iter().collect(),
            GroupingSet::GroupingSets(_) => set.distinct_expr(),
        },
        key => vec![key],
    };
    let keys = keys.into_iter().map(|key| {
        let key = mark(key, row, around)?;
        key.equated()?;
        Ok(key)
    });
    keys.collect()
}

/// The mark of a value; refuses what computing it tests.
pub(super) fn mark(expr: &Expr, row: Row<'_>, around: Around<'_>) -> Result<Mark, Error> {
    stacker::maybe_grow(256 << 10, 2 << 20, || mark_here(expr, row, around))
}

fn mark_here(expr: &Expr, row: Row<'_>, around: Around<'_>) -> Result<Mark, Error> {
    let of = |expr: &Expr| mark(expr, row, around);
    let test = |expr: &Expr| of(expr)?.tested().map(|()| Mark::Free);
    let computed = |mut exprs: &mut dyn Iterator<Item = &Expr>| {
        Iterator::try_fold(&mut exprs, Mark::Free, |all, expr| {
            Ok::<_, Error>(all.or(&of(expr)?.computed()))
        })
    };
    match expr {
        Expr::Column(column) => of_column(column, row),
        Expr::OuterReferenceColumn(_, column) => of_outer(column, around),
        Expr::Alias(alias) => of(&alias.expr),
        Expr::Literal(..) | Expr::Placeholder(_) => Ok(Mark::Free),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match meaning(*op) {
            Meaning::Equality => {
                of(left)?.equated()?;
                of(right)?.equated()?;
                Ok(Mark::Free)
            }
            Meaning::Test => test(left).and_then(|_| test(right)),
            Meaning::Value => computed(&mut [left.as_ref(), right.as_ref()].into_iter()),
        },
        Expr::Like(like) | Expr::SimilarTo(like) => {
            test(&like.expr).and_then(|_| test(&like.pattern))
        }
        Expr::Not(inner)
        | Expr::IsNotNull(inner)
        | Expr::IsNull(inner)
        | Expr::IsTrue(inner)
        | Expr::IsFalse(inner)
        | Expr::IsUnknown(inner)
        | Expr::IsNotTrue(inner)
        | Expr::IsNotFalse(inner)
        | Expr::IsNotUnknown(inner) => test(inner),
        Expr::Between(between) => {
            test(&between.expr)?;
            test(&between.low)?;
            test(&between.high)
        }
        Expr::InList(list) => {
            for item in std::iter::once(list.expr.as_ref()).chain(&list.list) {
                of(item)?.equated()?;
            }
            Ok(Mark::Free)
        }
        Expr::Negative(inner) => Ok(of(inner)?.computed()),
        Expr::Cast(cast) => Ok(of(&cast.expr)?.computed()),
        Expr::TryCast(cast) => Ok(of(&cast.expr)?.computed()),
        Expr::Unnest(unnest) => Ok(of(&unnest.expr)?.computed()),
        Expr::Case(case) => {
            let mut results = Mark::Free;
            for (when, then) in &case.when_then_expr {
                match &case.expr {
                    // `CASE a WHEN b` asks whether the two are equal.
                    Some(_) => of(when)?.equated()?,
                    None => of(when)?.tested()?,
                }
                results = results.or(&of(then)?.computed());
            }
            if let Some(operand) = &case.expr {
                of(operand)?.equated()?;
            }
            if let Some(otherwise) = &case.else_expr {
                results = results.or(&of(otherwise)?.computed());
            }
            Ok(results)
        }
        Expr::ScalarFunction(call) => computed(&mut call.args.iter()),
        Expr::AggregateFunction(AggregateFunction { func, params }) => {
            let AggregateFunctionParams { args, distinct, filter, order_by, null_treatment: _ } =
                params;
            aggregate(func.name(), args, *distinct, filter.as_deref(), row, around).and_then(
                |mark| {
                    sorted(order_by, row, around)?;
                    Ok(mark)
                },
            )
        }
        Expr::WindowFunction(window) => {
            let WindowFunction { fun, params } = window.as_ref();
            let WindowFunctionParams {
                args,
                partition_by,
                order_by,
                window_frame: _,
                filter,
                null_treatment: _,
                distinct,
            } = params;
            for key in partition_by {
                of(key)?.equated()?;
            }
            sorted(order_by, row, around)?;
            match fun {
                WindowFunctionDefinition::AggregateUDF(function) => {
                    aggregate(function.name(), args, *distinct, filter.as_deref(), row, around)
                }
                // Values of other rows, chosen by an order that was checked.
                WindowFunctionDefinition::WindowUDF(_) => {
                    if let Some(filter) = filter {
                        of(filter)?.tested()?;
                    }
                    computed(&mut args.iter())
                }
            }
        }
        Expr::Exists(exists) => {
            subquery(&exists.subquery, row, around)?;
            Ok(Mark::Free)
        }
        Expr::InSubquery(lookup) => {
            of(&lookup.expr)?.equated()?;
            for found in subquery(&lookup.subquery, row, around)? {
                found.equated()?;
            }
            Ok(Mark::Free)
        }
        Expr::SetComparison(comparison) => {
            let equality = matches!(meaning(comparison.op), Meaning::Equality);
            let value = of(&comparison.expr)?;
            for mark in subquery(&comparison.subquery, row, around)?.iter().chain([&value]) {
                if equality { mark.equated()? } else { mark.tested()? }
            }
            Ok(Mark::Free)
        }
        Expr::ScalarSubquery(inner) => {
            let found = subquery(inner, row, around)?;
            match found.as_slice() {
                [only] => Ok(only.clone()),
                _ => Err(defect("a scalar subquery has more than one column")),
            }
        }
        // `count(*)`: it counts rows.
        #[expect(deprecated, reason = "the variant exists until upstream removes it")]
        Expr::Wildcard { .. } => Ok(Mark::Free),
        Expr::GroupingSet(_) => Err(defect("a grouping set outside of GROUP BY")),
        Expr::ScalarVariable(..)
        | Expr::HigherOrderFunction(_)
        | Expr::Lambda(_)
        | Expr::LambdaVariable(_) => Err(defect("an expression that is never allowed")),
    }
}

fn of_column(column: &Column, row: Row<'_>) -> Result<Mark, Error> {
    row.find(column)?.ok_or_else(|| {
        // The planner lets some names through that stand nowhere, as in ORDER BY.
        Error::new(ErrorKind::UndefinedColumn, "the statement names a column that does not exist")
    })
}

/// Of all rows around that have such a column: which one is meant doesn't matter then.
fn of_outer(column: &Column, around: Around<'_>) -> Result<Mark, Error> {
    let mut found: Option<Mark> = None;
    let mut next = around.outer;
    while let Some(Outer { row, next: further }) = next {
        if let Some(mark) = row.find(column)? {
            found = Some(found.map_or_else(|| mark.clone(), |other| other.or(&mark)));
        }
        next = *further;
    }
    found.ok_or_else(|| defect("an outer column is nowhere around"))
}

fn subquery(inner: &Subquery, row: Row<'_>, around: Around<'_>) -> Result<Vec<Mark>, Error> {
    let outer = Outer { row, next: around.outer };
    marks(&inner.subquery, Around { outer: Some(&outer), work: around.work })
}

fn aggregate(
    name: &str,
    args: &[Expr],
    distinct: bool,
    filter: Option<&Expr>,
    row: Row<'_>,
    around: Around<'_>,
) -> Result<Mark, Error> {
    if let Some(filter) = filter {
        mark(filter, row, around)?.tested()?;
    }
    let mut result = Mark::Free;
    for arg in args {
        let arg = mark(arg, row, around)?;
        if distinct {
            arg.equated()?;
        }
        // Adding up what was computed counts the rows for which a function said so.
        if !(COLLECTING.contains(&name) || (arg.is_itself() && ADDING.contains(&name))) {
            arg.tested()?;
        }
        result = result.or(&arg.computed());
    }
    Ok(result)
}

/// What an operator asks of its operands.
enum Meaning {
    Equality,
    Test,
    Value,
}

fn meaning(op: Operator) -> Meaning {
    match op {
        Operator::Eq => Meaning::Equality,
        Operator::NotEq
        | Operator::Lt
        | Operator::LtEq
        | Operator::Gt
        | Operator::GtEq
        | Operator::And
        | Operator::Or
        | Operator::IsDistinctFrom
        | Operator::IsNotDistinctFrom
        | Operator::RegexMatch
        | Operator::RegexIMatch
        | Operator::RegexNotMatch
        | Operator::RegexNotIMatch
        | Operator::LikeMatch
        | Operator::ILikeMatch
        | Operator::NotLikeMatch
        | Operator::NotILikeMatch
        | Operator::AtArrow
        | Operator::ArrowAt
        | Operator::AtAt
        | Operator::AtQuestion
        | Operator::Question
        | Operator::QuestionAnd
        | Operator::QuestionPipe => Meaning::Test,
        Operator::Plus
        | Operator::Minus
        | Operator::Multiply
        | Operator::Divide
        | Operator::Modulo
        | Operator::BitwiseAnd
        | Operator::BitwiseOr
        | Operator::BitwiseXor
        | Operator::BitwiseShiftRight
        | Operator::BitwiseShiftLeft
        | Operator::StringConcat
        | Operator::Arrow
        | Operator::LongArrow
        | Operator::HashArrow
        | Operator::HashLongArrow
        | Operator::HashMinus
        | Operator::IntegerDivide
        | Operator::Colon => Meaning::Value,
    }
}
