//! What a guarded column keeps from failing.
//!
//! Snowflake may compute an expression before it filters, so on rows that a policy hides. There every
//! column of a restricted relation is NULL, by its guard. An operation that is NULL when an argument is,
//! doesn't fail then; so an operation that can fail at all must have nothing but such arguments: none may
//! turn a NULL into a value, as `coalesce`, `CASE` or a subquery can. The one exception is zero, in which
//! sums and products don't fail either. Whatever else could fail there is refused, wherever in the
//! statement it stands. Where no guard can be, nothing but what `hidden` lists is computed.

use datafusion_common::{Column, DFSchema};
use datafusion_expr::expr::{GroupingSet, Like};
use datafusion_expr::logical_plan::Distinct;
use datafusion_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator};
use tollgate_catalog::Error;

use super::class::{
    Class, Known, Place, fails, joined, no_zero, one_row, quotient, refused, turned,
};
use super::{constant, hidden, is_apart, is_zero, lists};
use crate::plan::subquery;
use crate::relation::SecuredSource;
use crate::render::Dialect;
use crate::render::barrier::is_total_cast;
use crate::render::function::unknown;

/// Refuses a statement in which something could fail on a hidden row.
pub(in crate::render) fn guard(plan: &LogicalPlan) -> Result<(), Error> {
    let around = if hidden::occurs(plan)? { Class::Hidden } else { Class::Any };
    walk(plan, Place { around, exposed: false }).map(drop)
}

fn walk(plan: &LogicalPlan, place: Place) -> Result<Known, Error> {
    stacker::maybe_grow(256 << 10, 2 << 20, || walk_here(plan, place))
}

fn walk_here(plan: &LogicalPlan, place: Place) -> Result<Known, Error> {
    match plan {
        LogicalPlan::Projection(node) => {
            let input = walk(&node.input, place)?;
            let row = Row::of(node.input.schema(), &input, place);
            let classes = node.expr.iter().map(|expr| row.class(expr));
            Ok(Known { classes: classes.collect::<Result<_, _>>()?, exposed: input.exposed })
        }
        LogicalPlan::Filter(node) => {
            let mut input = walk(&node.input, place)?;
            // Rows of other queries decide which rows these are.
            input.exposed |= place.around == Class::Hidden && hidden::filters(&node.predicate)?;
            Row::of(node.input.schema(), &input, place).class(&node.predicate)?;
            Ok(input)
        }
        LogicalPlan::Window(node) => {
            let mut input = walk(&node.input, place)?;
            let row = Row::of(node.input.schema(), &input, place);
            for expr in &node.window_expr {
                row.parts(expr)?;
            }
            // They are computed over rows that passed.
            input.classes.resize(node.schema.fields().len(), Class::Free);
            Ok(input)
        }
        LogicalPlan::Aggregate(node) => {
            let input = walk(&node.input, place)?;
            let row = Row::of(node.input.schema(), &input, place);
            let keys: Vec<&Expr> = match node.group_expr.as_slice() {
                [Expr::GroupingSet(set)] => match set {
                    GroupingSet::Rollup(keys) | GroupingSet::Cube(keys) => keys.iter().collect(),
                    GroupingSet::GroupingSets(_) => set.distinct_expr(),
                },
                keys => keys.iter().collect(),
            };
            let keys = keys.into_iter().map(|key| row.class(key));
            let mut classes = keys.collect::<Result<Vec<_>, _>>()?;
            for expr in &node.aggr_expr {
                row.parts(expr)?;
            }
            // A group is there for rows that passed.
            classes.resize(node.schema.fields().len(), Class::Free);
            Ok(Known { classes, exposed: place.exposed })
        }
        LogicalPlan::Sort(node) => {
            let input = walk(&node.input, place)?;
            let row = Row::of(node.input.schema(), &input, place);
            for key in &node.expr {
                row.class(&key.expr)?;
            }
            Ok(input)
        }
        LogicalPlan::Join(node) => {
            let (left, right) = (walk(&node.left, place)?, walk(&node.right, place)?);
            // A hidden row of one side may decide what is computed of the other's.
            let exposed = left.exposed || right.exposed;
            let classes = joined(node.join_type, &left.classes, &right.classes)?;
            let both = Known { classes: [left.classes, right.classes].concat(), exposed };
            let schema = node.left.schema().join(node.right.schema()).map_err(Error::internal)?;
            let row = Row::of(&schema, &both, place);
            let sides = node.on.iter().flat_map(|(left, right)| [left, right]);
            for expr in sides.chain(&node.filter) {
                row.class(expr)?;
            }
            Ok(Known { classes, exposed })
        }
        LogicalPlan::Union(node) => {
            let mut output = Known::all(Class::Free, plan, false);
            for input in &node.inputs {
                let input = walk(input, place)?;
                for (class, of) in output.classes.iter_mut().zip(input.classes) {
                    *class = (*class).max(of);
                }
                output.exposed |= input.exposed;
            }
            Ok(output)
        }
        LogicalPlan::EmptyRelation(_) => Ok(Known::all(Class::Free, plan, place.exposed)),
        LogicalPlan::Subquery(node) => walk(&node.subquery, place),
        LogicalPlan::SubqueryAlias(node) => walk(&node.input, place),
        LogicalPlan::Limit(node) => walk(&node.input, place),
        LogicalPlan::Values(node) => {
            let (nothing, exposed) = (DFSchema::empty(), place.exposed);
            let none = Known { classes: Vec::new(), exposed };
            let row = Row::of(&nothing, &none, place);
            for value in node.values.iter().flatten() {
                row.class(value)?;
            }
            Ok(Known::all(Class::Free, plan, place.exposed))
        }
        LogicalPlan::Distinct(Distinct::All(input)) => walk(input, place),
        LogicalPlan::Distinct(Distinct::On(node)) => {
            let input = walk(&node.input, place)?;
            let row = Row::of(node.input.schema(), &input, place);
            let keys = node.sort_expr.iter().flatten().map(|key| &key.expr);
            for expr in node.on_expr.iter().chain(keys) {
                row.class(expr)?;
            }
            let classes = node.select_expr.iter().map(|expr| row.class(expr));
            Ok(Known { classes: classes.collect::<Result<_, _>>()?, exposed: input.exposed })
        }
        LogicalPlan::Unnest(node) => {
            walk(&node.input, place)?;
            Ok(Known::all(place.around, plan, place.around == Class::Hidden))
        }
        LogicalPlan::RecursiveQuery(node) if is_apart(plan, &node.name)? => {
            Ok(Known::all(Class::Free, plan, place.exposed))
        }
        LogicalPlan::RecursiveQuery(node) => {
            walk(&node.static_term, place)?;
            walk(&node.recursive_term, place)?;
            Ok(Known::all(place.around, plan, place.around == Class::Hidden))
        }
        LogicalPlan::TableScan(scan) => {
            let (class, bare) = match scan.source.downcast_ref::<SecuredSource>() {
                // Its query hides rows in ways that no guard of a column can say.
                Some(source) if source.secured().table().view().is_some() => {
                    walk(source.relation(), place)?;
                    (Class::Hidden, true)
                }
                Some(source) if source.secured().is_unrestricted() => (Class::Free, false),
                Some(source) if hidden::looks_up(source) => (Class::Hidden, true),
                Some(_) => (Class::Null, false),
                None => (place.around, place.around == Class::Hidden),
            };
            Ok(Known::all(class, plan, bare || place.exposed))
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

struct Row<'a> {
    schema: &'a DFSchema,
    known: &'a Known,
    place: Place,
}

impl<'a> Row<'a> {
    fn of(schema: &'a DFSchema, known: &'a Known, place: Place) -> Self {
        Self { schema, known, place }
    }

    fn class(&self, expr: &Expr) -> Result<Class, Error> {
        stacker::maybe_grow(256 << 10, 2 << 20, || {
            if !self.known.exposed {
                return self.class_here(expr);
            }
            // What the gateway knows to have a value has one.
            if constant(expr).is_none() {
                self.class_here(expr)?;
            }
            Ok(Class::Hidden)
        })
    }

    /// What is known of a subquery's rows. In one that depends on a row that may be hidden, everything
    /// does.
    fn inner(&self, plan: &LogicalPlan, apart: bool) -> Result<Known, Error> {
        let exposed = self.place.around == Class::Hidden && !apart;
        walk(plan, Place { exposed: exposed || self.place.exposed, ..self.place })
    }

    fn class_here(&self, expr: &Expr) -> Result<Class, Error> {
        match expr {
            Expr::Alias(alias) => self.class(&alias.expr),
            Expr::Column(column) => Ok(self.of_column(column)),
            Expr::Literal(..) => Ok(Class::Free),
            Expr::BinaryExpr(binary) => self.binary(binary),
            Expr::Not(inner) => self.class(inner),
            Expr::Like(Like { expr, pattern, .. }) => {
                hidden::matched(self.class(expr)?.max(self.class(pattern)?), pattern)
            }
            Expr::Negative(inner) => match self.class(inner)? {
                // As many digits.
                Class::Hidden => Ok(Class::Hidden),
                class => self.near_zero(class),
            },
            Expr::Cast(cast) => {
                let class = self.class(&cast.expr)?;
                let from = cast.expr.get_type(self.schema).map_err(Error::internal)?;
                let to = cast.field.data_type();
                // A text is cast as a constant only, and a date that is in a column is one.
                let field =
                    matches!(&*cast.expr, Expr::ScalarFunction(c) if c.name() == "date_part");
                let safe = is_total_cast(&from, to)
                    || (from.is_temporal() && to.is_temporal())
                    || (field || constant(&cast.expr).is_some());
                let class = match class {
                    Class::Hidden if hidden::casts(&from, to) || field => class,
                    Class::Free | Class::Null | Class::Zero | Class::Any if safe => class,
                    class => self.near_zero(class)?,
                };
                // As a text it is none.
                Ok(if to.is_numeric() { class } else { no_zero(class) })
            }
            Expr::ScalarFunction(call) => {
                let name = call.func.name();
                let mut all = Class::Free;
                let mut classes = Vec::with_capacity(call.args.len());
                for arg in &call.args {
                    classes.push(self.class(arg)?);
                }
                classes.iter().for_each(|class| all = all.max(*class));
                if let ("tg_plus" | "tg_minus" | "tg_times", [left, right]) =
                    (name, call.args.as_slice())
                {
                    let op = match name {
                        "tg_plus" => Operator::Plus,
                        "tg_minus" => Operator::Minus,
                        _ => Operator::Multiply,
                    };
                    let of = [self.class(left)?, self.class(right)?];
                    return self.computed(op, [left, right], expr, of);
                }
                if all == Class::Hidden {
                    let total = hidden::is_total(name);
                    return if total { Ok(Class::Hidden) } else { Err(refused()) };
                }
                match name {
                    "nullif" => Ok(match classes.as_slice() {
                        [value, Class::Free] => *value,
                        _ => turned(all),
                    }),
                    "coalesce" => self.first(&call.args),
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
                let mut test = Class::Free;
                for expr in tested {
                    test = test.max(self.class(expr)?);
                }
                let values = case.when_then_expr.iter().map(|pair| &pair.1);
                let (mut worst, free) = (Class::Free, test == Class::Free);
                for value in values.chain(&case.else_expr) {
                    let class = if free { self.class(value)? } else { self.chosen(value)? };
                    worst = worst.max(class);
                }
                // Which one it is, tells about a hidden value.
                Ok(worst.max(if test == Class::Hidden { test } else { Class::Free }))
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
                let apart = inner.outer_ref_columns.is_empty();
                let alone = hidden::stands_alone(&inner.subquery)?;
                let output = self.inner(&inner.subquery, apart && alone)?.classes;
                // One value of all rows that passed. Of several rows it fails: if a row around has a
                // say in that, that one may be hidden.
                match output.as_slice() {
                    [Class::Free] if apart && one_row(&inner.subquery) => Ok(Class::Free),
                    _ if apart => Ok(Class::Any),
                    _ if one_row(&inner.subquery) => Ok(self.place.around),
                    _ => Err(refused()),
                }
            }
            Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_) => {
                if let Some(plan) = subquery(expr) {
                    self.inner(plan, false)?;
                }
                self.parts(expr)?;
                Ok(self.place.around)
            }
            Expr::OuterReferenceColumn(..) => Ok(self.place.around),
            Expr::AggregateFunction(_) | Expr::WindowFunction(_) | Expr::GroupingSet(_) => {
                if self.parts(expr)? == Class::Hidden && !hidden::aggregates(expr, self.schema)? {
                    return Err(refused());
                }
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
            | Operator::GtEq => Ok(no_zero(all)),
            Operator::LikeMatch
            | Operator::ILikeMatch
            | Operator::NotLikeMatch
            | Operator::NotILikeMatch => hidden::matched(no_zero(all), right),
            Operator::BitwiseAnd | Operator::BitwiseOr | Operator::StringConcat => match all {
                Class::Hidden => Err(refused()),
                all => Ok(no_zero(all)),
            },
            Operator::And
            | Operator::Or
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom => Ok(turned(all)),
            Operator::Plus | Operator::Minus | Operator::Multiply => {
                let whole = Expr::BinaryExpr(binary.clone());
                self.computed(*op, [left, right], &whole, [left_class, right_class])
            }
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
            Class::Any | Class::Hidden => Err(refused()),
        }
    }

    /// A sum, a difference or a product: what doesn't fail in zero, or fits whatever the values.
    fn computed(
        &self,
        op: Operator,
        sides: [&Expr; 2],
        whole: &Expr,
        [left, right]: [Class; 2],
    ) -> Result<Class, Error> {
        let all = left.max(right);
        let near = match op {
            // Nothing times zero is too large.
            Operator::Multiply => self.near_zero(all),
            _ => self.sum(left, right),
        };
        near.or_else(|_| hidden::computed(op, sides, whole, self.schema).map(|()| no_zero(all)))
    }

    /// The class of `coalesce`.
    fn first(&self, args: &[Expr]) -> Result<Class, Error> {
        let mut worst = Class::Free;
        let mut free = true;
        for arg in args {
            free &= self.class(arg)? == Class::Free;
        }
        for arg in args {
            worst = worst.max(if free { self.class(arg)? } else { self.chosen(arg)? });
        }
        Ok(worst)
    }

    /// What a value is that is chosen by something that depends on a row.
    fn chosen(&self, value: &Expr) -> Result<Class, Error> {
        let class = self.class(value)?;
        Ok(match (class, constant(value)) {
            (Class::Free, Some(value)) if value.is_null() => Class::Null,
            (Class::Free, Some(value)) if is_zero(&value) => Class::Zero,
            (Class::Free, Some(_) | None) => Class::Any,
            (Class::Null | Class::Zero | Class::Any | Class::Hidden, _) => class,
        })
    }

    /// The worst class of an expression's direct parts.
    fn parts(&self, expr: &Expr) -> Result<Class, Error> {
        use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
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
        index.and_then(|index| self.known.classes.get(index)).copied().unwrap_or(self.place.around)
    }
}
