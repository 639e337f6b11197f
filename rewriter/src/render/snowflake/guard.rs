//! What a guarded column keeps from failing.
//!
//! Snowflake may compute an expression before it filters, so on rows that a policy hides. There every
//! column of a restricted relation is NULL, by its guard. An operation that is NULL when an argument is,
//! doesn't fail then; so an operation that can fail at all must have nothing but such arguments: none may
//! turn a NULL into a value, as `coalesce`, `CASE` or a subquery can. The one exception is zero, in which
//! sums and products don't fail either. Whatever else could fail there is refused, wherever in the
//! statement it stands.

use std::collections::BTreeSet;

use arrow::datatypes::DataType;
use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion_common::{Column, DFSchema, JoinType};
use datafusion_expr::expr::GroupingSet;
use datafusion_expr::logical_plan::Distinct;
use datafusion_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator};
use tollgate_catalog::Error;

use super::class::{Class, fails, no_zero, quotient, refused, turned};
use super::{constant, is_apart, is_zero, lists, views};
use crate::plan::subquery;
use crate::relation::SecuredSource;
use crate::render::Dialect;
use crate::render::barrier::is_total_cast;
use crate::render::function::unknown;

/// Refuses a statement in which something could fail on a hidden row.
pub(in crate::render) fn guard(plan: &LogicalPlan) -> Result<(), Error> {
    walk(plan).map(drop)
}

pub(super) fn walk(plan: &LogicalPlan) -> Result<Vec<Class>, Error> {
    stacker::maybe_grow(256 << 10, 2 << 20, || walk_here(plan))
}

fn walk_here(plan: &LogicalPlan) -> Result<Vec<Class>, Error> {
    match plan {
        LogicalPlan::Projection(node) => {
            let input = walk(&node.input)?;
            let row = Row { schema: node.input.schema(), classes: &input };
            node.expr.iter().map(|expr| row.class(expr)).collect()
        }
        LogicalPlan::Filter(node) => {
            let input = walk(&node.input)?;
            Row { schema: node.input.schema(), classes: &input }.class(&node.predicate)?;
            Ok(input)
        }
        LogicalPlan::Window(node) => {
            let mut input = walk(&node.input)?;
            let row = Row { schema: node.input.schema(), classes: &input };
            for expr in &node.window_expr {
                row.parts(expr)?;
            }
            // They are computed over rows that passed.
            input.resize(node.schema.fields().len(), Class::Free);
            Ok(input)
        }
        LogicalPlan::Aggregate(node) => {
            let input = walk(&node.input)?;
            let row = Row { schema: node.input.schema(), classes: &input };
            let keys: Vec<&Expr> = match node.group_expr.as_slice() {
                [Expr::GroupingSet(set)] => match set {
                    GroupingSet::Rollup(keys) | GroupingSet::Cube(keys) => keys.iter().collect(),
                    GroupingSet::GroupingSets(_) => set.distinct_expr(),
                },
                keys => keys.iter().collect(),
            };
            let keys = keys.into_iter().map(|key| row.class(key));
            let mut output = keys.collect::<Result<Vec<_>, _>>()?;
            for expr in &node.aggr_expr {
                row.parts(expr)?;
            }
            output.resize(node.schema.fields().len(), Class::Free);
            Ok(output)
        }
        LogicalPlan::Sort(node) => {
            let input = walk(&node.input)?;
            let row = Row { schema: node.input.schema(), classes: &input };
            for key in &node.expr {
                row.class(&key.expr)?;
            }
            Ok(input)
        }
        LogicalPlan::Join(node) => {
            let (left, right) = (walk(&node.left)?, walk(&node.right)?);
            let joined = joined(node.join_type, &left, &right)?;
            let both: Vec<_> = left.into_iter().chain(right).collect();
            let schema = node.left.schema().join(node.right.schema()).map_err(Error::internal)?;
            let row = Row { schema: &schema, classes: &both };
            let sides = node.on.iter().flat_map(|(left, right)| [left, right]);
            for expr in sides.chain(&node.filter) {
                row.class(expr)?;
            }
            Ok(joined)
        }
        LogicalPlan::Union(node) => {
            let mut output = vec![Class::Free; node.schema.fields().len()];
            for input in &node.inputs {
                for (class, of) in output.iter_mut().zip(walk(input)?) {
                    *class = (*class).max(of);
                }
            }
            Ok(output)
        }
        LogicalPlan::EmptyRelation(node) => Ok(vec![Class::Free; node.schema.fields().len()]),
        LogicalPlan::Subquery(node) => walk(&node.subquery),
        LogicalPlan::SubqueryAlias(node) => walk(&node.input),
        LogicalPlan::Limit(node) => walk(&node.input),
        LogicalPlan::Values(node) => {
            let nothing = DFSchema::empty();
            let row = Row { schema: &nothing, classes: &[] };
            let mut worst = Class::Free;
            for value in node.values.iter().flatten() {
                worst = worst.max(row.class(value)?);
            }
            Ok(vec![worst; node.schema.fields().len()])
        }
        LogicalPlan::Distinct(Distinct::All(input)) => walk(input),
        LogicalPlan::Distinct(Distinct::On(node)) => {
            let input = walk(&node.input)?;
            let row = Row { schema: node.input.schema(), classes: &input };
            let keys = node.sort_expr.iter().flatten().map(|key| &key.expr);
            for expr in node.on_expr.iter().chain(keys) {
                row.class(expr)?;
            }
            node.select_expr.iter().map(|expr| row.class(expr)).collect()
        }
        // What FLATTEN makes of NULL is no row, or one of NULLs. Nothing else is unnested.
        LogicalPlan::Unnest(node) => {
            let input = walk(&node.input)?;
            let class = |index: &usize| input.get(*index).copied();
            let classes = node.dependency_indices.iter().map(class).collect::<Option<_>>();
            classes.ok_or_else(|| Error::internal("an unnested column is out of range"))
        }
        LogicalPlan::RecursiveQuery(node) if is_apart(plan, &node.name)? => {
            Ok(vec![Class::Free; node.schema.fields().len()])
        }
        LogicalPlan::RecursiveQuery(node) => {
            walk(&node.static_term)?;
            walk(&node.recursive_term)?;
            Ok(vec![Class::Any; node.schema.fields().len()])
        }
        LogicalPlan::TableScan(scan) => {
            let width = plan.schema().fields().len();
            match scan.source.downcast_ref::<SecuredSource>() {
                // Others are refused where they are printed.
                Some(source) if source.secured().table().view().is_some() => {
                    projected(views::classes(source)?, scan.projection.as_deref())
                }
                Some(source) if !source.barrier() => Ok(vec![Class::Free; width]),
                Some(source) => projected(columns(source)?, scan.projection.as_deref()),
                None => Ok(vec![Class::Any; width]),
            }
        }
        LogicalPlan::Repartition(_)
        | LogicalPlan::Statement(_)
        | LogicalPlan::Explain(_)
        | LogicalPlan::Analyze(_)
        | LogicalPlan::Extension(_)
        | LogicalPlan::Dml(_)
        | LogicalPlan::Ddl(_)
        | LogicalPlan::Copy(_)
        | LogicalPlan::DescribeTable(_) => {
            Err(Error::internal("a node that isn't part of a query"))
        }
    }
}

/// What the columns of a restricted table are. A value that a policy looks up is equal to a key of the other
/// table where the guard holds: what is computed from it alone may be computed for all keys there.
pub(super) fn columns(source: &SecuredSource) -> Result<Vec<Class>, Error> {
    let secured = source.secured();
    let mut keys = BTreeSet::new();
    if let Some(policy) = secured.row_predicate() {
        policy
            .apply(|expr| {
                if let Expr::InSubquery(lookup) = expr {
                    keys.extend(lookup.expr.column_refs().into_iter().map(|key| key.name.clone()));
                }
                Ok(TreeNodeRecursion::Continue)
            })
            .map_err(Error::internal)?;
    }
    let all = secured.columns().iter().map(|visible| {
        let column = secured.table().columns.get(visible.index);
        let is_key = match (&visible.mask, column) {
            (Some(mask), _) => mask.expr.column_refs().iter().any(|of| keys.contains(&of.name)),
            (None, Some(column)) => keys.contains(&column.name),
            (None, None) => true,
        };
        if is_key { Class::Any } else { Class::Null }
    });
    Ok(all.collect())
}

/// Those columns that a scan has.
pub(super) fn projected<T: Clone>(
    all: Vec<T>,
    projection: Option<&[usize]>,
) -> Result<Vec<T>, Error> {
    let Some(projection) = projection else { return Ok(all) };
    let some = projection.iter().map(|index| all.get(*index).cloned()).collect::<Option<_>>();
    some.ok_or_else(|| Error::internal("a projection is out of range"))
}

/// What the columns of a join are. Where a side may be filled with NULL, whether it is depends on the
/// other's rows: with hidden ones there its columns may be anything, as what they are by themselves
/// and NULL are told apart.
fn joined(join: JoinType, left: &[Class], right: &[Class]) -> Result<Vec<Class>, Error> {
    let (fills_left, fills_right) = match join {
        JoinType::Inner => (false, false),
        JoinType::Left => (false, true),
        JoinType::Right => (true, false),
        JoinType::Full => (true, true),
        JoinType::LeftSemi | JoinType::LeftAnti => return Ok(left.to_vec()),
        JoinType::RightSemi | JoinType::RightAnti | JoinType::LeftMark | JoinType::RightMark => {
            return Err(Error::internal("a join that isn't part of a query"));
        }
    };
    let hides = |side: &[Class]| side.iter().any(|class| *class != Class::Free);
    let side = |of: &[Class], filled: bool| {
        let raised = move |class: &Class| match (filled, class) {
            (true, Class::Free) => Class::Any,
            (_, class) => *class,
        };
        of.iter().map(raised).collect::<Vec<_>>()
    };
    let mut both = side(left, fills_left && hides(right));
    both.extend(side(right, fills_right && hides(left)));
    Ok(both)
}

/// What an expression is by what columns are; an error where it could fail.
pub(super) fn class_of(expr: &Expr, schema: &DFSchema, classes: &[Class]) -> Result<Class, Error> {
    Row { schema, classes }.class(expr)
}

struct Row<'a> {
    schema: &'a DFSchema,
    classes: &'a [Class],
}

impl Row<'_> {
    fn class(&self, expr: &Expr) -> Result<Class, Error> {
        stacker::maybe_grow(256 << 10, 2 << 20, || self.class_here(expr))
    }

    fn class_here(&self, expr: &Expr) -> Result<Class, Error> {
        match expr {
            Expr::Alias(alias) => self.class(&alias.expr),
            Expr::Column(column) => Ok(self.of_column(column)),
            Expr::Literal(..) => Ok(Class::Free),
            Expr::BinaryExpr(binary) => self.binary(binary),
            Expr::Not(inner) => self.class(inner),
            Expr::Like(like) => Ok(self.class(&like.expr)?.max(self.class(&like.pattern)?)),
            Expr::Negative(inner) => self.near_zero(self.class(inner)?),
            Expr::Cast(cast) => {
                let class = self.class(&cast.expr)?;
                let from = cast.expr.get_type(self.schema).map_err(Error::internal)?;
                let to = cast.field.data_type();
                // A text is cast as a constant only, and a date that is in a column is one. The largest field, seconds
                // since 1970, has 13 digits before the point.
                let wide = matches!(to, DataType::Decimal128(digits, scale)
                    if i16::from(*digits) - i16::from(*scale) > 13);
                let field = wide
                    && matches!(&*cast.expr, Expr::ScalarFunction(c) if c.name() == "date_part");
                let safe = is_total_cast(&from, to)
                    || field
                    || constant(&cast.expr).is_some()
                    || (from.is_temporal() && to.is_temporal());
                let class = if safe { class } else { self.near_zero(class)? };
                // As a text it is none.
                Ok(if to.is_numeric() { class } else { no_zero(class) })
            }
            Expr::ScalarFunction(call) => {
                let name = call.func.name();
                // Of NULL it is NULL, and nothing fails; what else it is made of isn't printed.
                if let ("tg_try", [value, _]) = (name, call.args.as_slice()) {
                    return self.class(value).map(no_zero);
                }
                let mut all = Class::Free;
                let mut classes = Vec::with_capacity(call.args.len());
                for arg in &call.args {
                    classes.push(self.class(arg)?);
                }
                classes.iter().for_each(|class| all = all.max(*class));
                match name {
                    "nullif" => Ok(match classes.as_slice() {
                        [value, Class::Free] => *value,
                        _ => turned(all),
                    }),
                    "coalesce" => Ok(first(&call.args, &classes)),
                    "tg_plus" | "tg_minus" => match classes.as_slice() {
                        [left, right] => self.sum(*left, *right),
                        _ => Err(refused()),
                    },
                    "tg_divide" => match (classes.as_slice(), call.args.as_slice()) {
                        ([left, right], [_, divisor]) => quotient(*left, *right, divisor),
                        _ => Err(refused()),
                    },
                    "abs" | "signum" => Ok(all),
                    name if lists::SAFE.contains(&name) => Ok(no_zero(all)),
                    name if lists::NEAR_ZERO.contains(&name) => self.near_zero(all),
                    name if lists::TURNING.contains(&name) => Ok(turned(all)),
                    name if lists::FAILING.contains(&name) => fails(all),
                    _ if tollgate_policy::Masking::of(&call.func).is_some() => Ok(all),
                    name => Err(unknown(Dialect::Snowflake, name)),
                }
            }
            Expr::Case(case) => {
                let tested = case.expr.iter().chain(case.when_then_expr.iter().map(|pair| &pair.0));
                let mut free = true;
                for expr in tested {
                    free &= self.class(expr)? == Class::Free;
                }
                let values = case.when_then_expr.iter().map(|pair| &pair.1);
                let mut worst = Class::Free;
                for value in values.chain(&case.else_expr) {
                    let class = self.class(value)?;
                    let class = if free { class } else { chosen(class, value) };
                    worst = worst.max(class);
                }
                Ok(worst)
            }
            Expr::IsNotNull(_)
            | Expr::IsNull(_)
            | Expr::IsTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNotFalse(_)
            | Expr::IsNotUnknown(_)
            | Expr::Between(_)
            | Expr::InList(_) => self.parts(expr).map(turned),
            Expr::ScalarSubquery(inner) => {
                let output = walk(&inner.subquery)?;
                // One value of all rows that passed. Of several rows it fails: if a row around has a
                // say in that, that one may be hidden.
                let one = one_row(&inner.subquery) && inner.outer_ref_columns.is_empty();
                match output.as_slice() {
                    [Class::Free] if one => Ok(Class::Free),
                    _ if inner.outer_ref_columns.is_empty() => Ok(Class::Any),
                    _ if one_row(&inner.subquery) => Ok(Class::Any),
                    _ => Err(refused()),
                }
            }
            Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_) => {
                if let Some(plan) = subquery(expr) {
                    walk(plan)?;
                }
                self.parts(expr)?;
                Ok(Class::Any)
            }
            Expr::OuterReferenceColumn(..) => Ok(Class::Any),
            Expr::AggregateFunction(_) | Expr::WindowFunction(_) | Expr::GroupingSet(_) => {
                self.parts(expr)?;
                Ok(Class::Free)
            }
            #[expect(deprecated, reason = "the variant exists until upstream removes it")]
            Expr::Wildcard { .. } => Ok(Class::Free),
            // None of them is printed.
            Expr::SimilarTo(_)
            | Expr::TryCast(_)
            | Expr::Placeholder(_)
            | Expr::Unnest(_)
            | Expr::ScalarVariable(..)
            | Expr::HigherOrderFunction(_)
            | Expr::Lambda(_)
            | Expr::LambdaVariable(_) => Err(refused()),
        }
    }

    fn binary(&self, binary: &BinaryExpr) -> Result<Class, Error> {
        let BinaryExpr { left, op, right } = binary;
        let (left_class, right_class) = (self.class(left)?, self.class(right)?);
        let all = left_class.max(right_class);
        match op {
            Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::LikeMatch
            | Operator::ILikeMatch
            | Operator::NotLikeMatch
            | Operator::NotILikeMatch
            | Operator::BitwiseAnd
            | Operator::BitwiseOr
            | Operator::StringConcat => Ok(no_zero(all)),
            Operator::And
            | Operator::Or
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom => Ok(turned(all)),
            // Nothing times zero is too large.
            Operator::Multiply => self.near_zero(all),
            Operator::Plus | Operator::Minus => self.sum(left_class, right_class),
            Operator::Divide | Operator::Modulo => quotient(left_class, right_class, right),
            // None of them is printed.
            Operator::BitwiseXor
            | Operator::BitwiseShiftLeft
            | Operator::BitwiseShiftRight
            | Operator::RegexMatch
            | Operator::RegexIMatch
            | Operator::RegexNotMatch
            | Operator::RegexNotIMatch
            | Operator::IntegerDivide
            | Operator::AtArrow
            | Operator::ArrowAt
            | Operator::Arrow
            | Operator::LongArrow
            | Operator::HashArrow
            | Operator::HashLongArrow
            | Operator::HashMinus
            | Operator::AtAt
            | Operator::AtQuestion
            | Operator::Question
            | Operator::QuestionAnd
            | Operator::QuestionPipe
            | Operator::Colon => Err(Dialect::Snowflake.unsupported(&format!("the operator {op}"))),
        }
    }

    /// A sum or a difference. Zero plus a constant is the constant.
    fn sum(&self, left: Class, right: Class) -> Result<Class, Error> {
        match (left, right) {
            (Class::Zero, Class::Free) | (Class::Free, Class::Zero) => Ok(Class::Any),
            _ => self.near_zero(left.max(right)),
        }
    }

    /// What doesn't fail in NULL or zero, and then is NULL or zero.
    fn near_zero(&self, class: Class) -> Result<Class, Error> {
        match class {
            Class::Free | Class::Null | Class::Zero => Ok(class),
            Class::Any => Err(refused()),
        }
    }

    /// The worst class of an expression's direct parts.
    fn parts(&self, expr: &Expr) -> Result<Class, Error> {
        let mut worst = Ok(Class::Free);
        expr.apply_children(|child| {
            worst = match (&worst, self.class(child)) {
                (Ok(worst), Ok(class)) => Ok((*worst).max(class)),
                (_, Err(error)) => Err(error),
                (Err(_), Ok(_)) => return Ok(TreeNodeRecursion::Stop),
            };
            let go_on = worst.is_ok();
            Ok(if go_on { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
        })
        .map_err(Error::internal)?;
        worst
    }

    fn of_column(&self, column: &Column) -> Class {
        let index = self.schema.maybe_index_of_column(column);
        index.and_then(|index| self.classes.get(index)).copied().unwrap_or(Class::Any)
    }
}

/// Whether a query has one row at most, whatever its rows.
fn one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Aggregate(node) => node.group_expr.is_empty(),
        LogicalPlan::Projection(node) => one_row(&node.input),
        LogicalPlan::SubqueryAlias(node) => one_row(&node.input),
        LogicalPlan::Subquery(node) => one_row(&node.subquery),
        LogicalPlan::Sort(node) => one_row(&node.input),
        _ => false,
    }
}

/// The class of `coalesce`, by those of its arguments.
fn first(args: &[Expr], classes: &[Class]) -> Class {
    let free = classes.iter().all(|class| *class == Class::Free);
    let of = |(class, arg): (&Class, &Expr)| if free { *class } else { chosen(*class, arg) };
    classes.iter().zip(args).map(of).max().unwrap_or(Class::Free)
}

/// What a value of this class is where something that depends on a row chooses it.
fn chosen(class: Class, value: &Expr) -> Class {
    match (class, constant(value)) {
        (Class::Free, Some(value)) if value.is_null() => Class::Null,
        (Class::Free, Some(value)) if is_zero(&value) => Class::Zero,
        (Class::Free, Some(_) | None) => Class::Any,
        (Class::Null | Class::Zero | Class::Any, _) => class,
    }
}
