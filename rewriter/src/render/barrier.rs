//! Whether a user's conditions may meet the row policy of a relation.
//!
//! PostgreSQL merges the conditions of a query with those of a derived table, tries them in the order
//! that looks cheapest, and so may evaluate a user's one on a row that the policy hides. A comparison
//! does nothing there; what can fail, or takes longer for one value than for another, tells. So if
//! such an expression stands in a condition, or in a column that a condition names, every restricted
//! relation of the statement gets a barrier. A policy that is a subquery becomes a join: then even
//! an item of a select list may be computed below it, and what can fail anywhere raises the barrier.
//!
//! Of Snowflake less is known, so there anything that isn't total, wherever it stands, raises the barrier,
//! which is another one (`snowflake::guard`).
//!
//! Conditions are `WHERE`, `HAVING` and `ON`. Aggregates, window functions and sort keys are
//! evaluated on rows that passed.

use arrow::datatypes::DataType;
use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion_common::{Column, DFSchema};
use datafusion_expr::expr::GroupingSet;
use datafusion_expr::logical_plan::Distinct;
use datafusion_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator};
use tollgate_catalog::Error;

use super::{Dialect, types};
use crate::plan::subquery;
use crate::relation::SecuredSource;

/// Functions that can't fail in PostgreSQL, whatever their arguments, and take no longer for one value
/// than for another of its length: by the engine's names.
const TOTAL: &[&str] = &[
    "ascii",
    "bit_length",
    "btrim",
    "character_length",
    "coalesce",
    "current_date",
    "current_time",
    "greatest",
    "least",
    "lower",
    "ltrim",
    "md5",
    "now",
    "nullif",
    "octet_length",
    "pi",
    "rtrim",
    "starts_with",
    "strpos",
    "tg_try",
    "upper",
];

/// Which relations need a barrier.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Needed {
    /// Something in a condition isn't total.
    condition: bool,
    /// Something anywhere isn't total.
    anywhere: bool,
}

impl Needed {
    /// Something that the printer adds isn't total.
    pub(super) fn raise(&mut self) {
        self.anywhere = true;
    }

    /// Whether Snowflake's guards are needed: it may compute anything before it filters.
    pub(super) fn guards(self) -> bool {
        self.anywhere || self.condition
    }

    /// Whether a table's relation gets one.
    pub(super) fn closes(self, source: &SecuredSource, dialect: Dialect) -> bool {
        let secured = source.secured();
        if !source.barrier() {
            return false;
        }
        match dialect {
            Dialect::Postgres => {
                let joins = secured.row_predicate().is_some_and(has_subquery);
                self.condition || (joins && self.anywhere)
            }
            Dialect::Snowflake => self.guards(),
        }
    }

    /// Whether views get one.
    pub(super) fn closes_views(self, dialect: Dialect) -> bool {
        match dialect {
            Dialect::Postgres | Dialect::Snowflake => self.guards(),
        }
    }
}

/// Whether an expression asks another query.
pub(super) fn has_subquery(expr: &Expr) -> bool {
    expr.exists(|expr| Ok(subquery(expr).is_some())).unwrap_or(true)
}

/// What a user's plan needs.
pub(super) fn needed(plan: &LogicalPlan) -> Result<Needed, Error> {
    let mut needed = Needed::default();
    walk(plan, &mut needed)?;
    Ok(needed)
}

/// Whether an expression fails on no value of its columns; a pattern, which is a constant, fails on none either.
pub(super) fn never_fails(expr: &Expr, schema: &DFSchema) -> Result<bool, Error> {
    let row = Row { schema, risky: &[] };
    let matches = |expr: &Expr| match expr {
        Expr::Like(_) => true,
        Expr::ScalarFunction(call) => call.func.name() == "tg_like",
        _ => false,
    };
    let fails = |expr: &Expr| Ok(!matches(expr) && !row.is_total(expr));
    expr.exists(fails).map(|fails| !fails).map_err(Error::internal)
}

/// The columns of a node that are computed by what isn't total.
fn walk(plan: &LogicalPlan, needed: &mut Needed) -> Result<Vec<bool>, Error> {
    stacker::maybe_grow(256 << 10, 2 << 20, || walk_here(plan, needed))
}

fn walk_here(plan: &LogicalPlan, needed: &mut Needed) -> Result<Vec<bool>, Error> {
    match plan {
        LogicalPlan::Projection(node) => {
            let input = walk(&node.input, needed)?;
            let row = Row { schema: node.input.schema(), risky: &input };
            node.expr.iter().map(|expr| row.value(expr, needed)).collect()
        }
        LogicalPlan::Filter(node) => {
            let input = walk(&node.input, needed)?;
            Row { schema: node.input.schema(), risky: &input }
                .condition(&node.predicate, needed)?;
            Ok(input)
        }
        LogicalPlan::Window(node) => {
            let mut input = walk(&node.input, needed)?;
            let row = Row { schema: node.input.schema(), risky: &input };
            for expr in &node.window_expr {
                row.value(expr, needed)?;
            }
            input.resize(node.schema.fields().len(), false);
            Ok(input)
        }
        LogicalPlan::Aggregate(node) => {
            let input = walk(&node.input, needed)?;
            let row = Row { schema: node.input.schema(), risky: &input };
            let keys: Vec<&Expr> = match node.group_expr.as_slice() {
                [Expr::GroupingSet(set)] => match set {
                    GroupingSet::Rollup(keys) | GroupingSet::Cube(keys) => keys.iter().collect(),
                    GroupingSet::GroupingSets(_) => set.distinct_expr(),
                },
                keys => keys.iter().collect(),
            };
            let keys = keys.into_iter().map(|key| row.value(key, needed));
            let mut output = keys.collect::<Result<Vec<_>, _>>()?;
            for expr in &node.aggr_expr {
                row.value(expr, needed)?;
            }
            output.resize(node.schema.fields().len(), false);
            Ok(output)
        }
        LogicalPlan::Sort(node) => {
            let input = walk(&node.input, needed)?;
            let row = Row { schema: node.input.schema(), risky: &input };
            for key in &node.expr {
                row.value(&key.expr, needed)?;
            }
            Ok(input)
        }
        LogicalPlan::Join(node) => {
            let (left, right) = (walk(&node.left, needed)?, walk(&node.right, needed)?);
            let both = [left, right].concat();
            let schema = node.left.schema().join(node.right.schema()).map_err(Error::internal)?;
            let row = Row { schema: &schema, risky: &both };
            let sides = node.on.iter().flat_map(|(left, right)| [left, right]);
            for expr in sides.chain(&node.filter) {
                row.condition(expr, needed)?;
            }
            let mut output = both;
            output.truncate(node.schema.fields().len());
            Ok(output)
        }
        LogicalPlan::Union(node) => {
            let mut output = vec![false; node.schema.fields().len()];
            for input in &node.inputs {
                for (risky, of) in output.iter_mut().zip(walk(input, needed)?) {
                    *risky |= of;
                }
            }
            Ok(output)
        }
        LogicalPlan::EmptyRelation(node) => Ok(vec![false; node.schema.fields().len()]),
        LogicalPlan::Subquery(node) => walk(&node.subquery, needed),
        LogicalPlan::SubqueryAlias(node) => walk(&node.input, needed),
        LogicalPlan::Limit(node) => walk(&node.input, needed),
        LogicalPlan::Values(node) => {
            let nothing = DFSchema::empty();
            let row = Row { schema: &nothing, risky: &[] };
            let mut output = vec![false; node.schema.fields().len()];
            for values in &node.values {
                for (risky, value) in output.iter_mut().zip(values) {
                    *risky |= row.value(value, needed)?;
                }
            }
            Ok(output)
        }
        LogicalPlan::Distinct(Distinct::All(input)) => walk(input, needed),
        LogicalPlan::Distinct(Distinct::On(node)) => {
            let input = walk(&node.input, needed)?;
            let row = Row { schema: node.input.schema(), risky: &input };
            let keys = node.sort_expr.iter().flatten().map(|key| &key.expr);
            for expr in node.on_expr.iter().chain(keys) {
                row.value(expr, needed)?;
            }
            node.select_expr.iter().map(|expr| row.value(expr, needed)).collect()
        }
        LogicalPlan::Unnest(node) => {
            walk(&node.input, needed)?;
            Ok(vec![true; node.schema.fields().len()])
        }
        LogicalPlan::RecursiveQuery(node) => {
            walk(&node.static_term, needed)?;
            walk(&node.recursive_term, needed)?;
            Ok(vec![true; node.schema.fields().len()])
        }
        LogicalPlan::TableScan(scan) => {
            let view = scan
                .source
                .downcast_ref::<SecuredSource>()
                .filter(|source| source.secured().table().view().is_some());
            let all = match view {
                Some(view) => walk(view.relation(), needed)?,
                None => vec![false; scan.source.schema().fields().len()],
            };
            match &scan.projection {
                None => Ok(all),
                Some(projection) => {
                    let columns = projection.iter().map(|index| all.get(*index).copied());
                    let columns = columns.collect::<Option<_>>();
                    columns.ok_or_else(|| Error::internal("a projection is out of range"))
                }
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

struct Row<'a> {
    schema: &'a DFSchema,
    risky: &'a [bool],
}

impl Row<'_> {
    fn condition(&self, expr: &Expr, needed: &mut Needed) -> Result<(), Error> {
        needed.condition |= self.value(expr, needed)?;
        Ok(())
    }

    /// Whether an expression, or a column that it names, isn't total.
    fn value(&self, expr: &Expr, needed: &mut Needed) -> Result<bool, Error> {
        let mut risky = false;
        let mut inner = Ok(());
        expr.apply(|expr| {
            if let Expr::Column(column) = expr {
                risky |= self.is_risky(column);
            } else if !self.is_total(expr) {
                risky = true;
                needed.anywhere = true;
                if let Some(plan) = subquery(expr) {
                    inner = walk(plan, needed).map(drop);
                    if inner.is_err() {
                        return Ok(TreeNodeRecursion::Stop);
                    }
                }
            }
            Ok(TreeNodeRecursion::Continue)
        })
        .map_err(Error::internal)?;
        inner.map(|()| risky)
    }

    fn is_risky(&self, column: &Column) -> bool {
        let index = self.schema.maybe_index_of_column(column);
        index.and_then(|index| self.risky.get(index)).copied().unwrap_or(true)
    }

    /// Whether this very expression is, its parts aside.
    fn is_total(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Alias(_)
            | Expr::Column(_)
            | Expr::Literal(..)
            // It will be one.
            | Expr::Placeholder(_)
            | Expr::Not(_)
            | Expr::IsNotNull(_)
            | Expr::IsNull(_)
            | Expr::IsTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNotFalse(_)
            | Expr::IsNotUnknown(_)
            | Expr::Between(_)
            | Expr::Case(_)
            | Expr::InList(_) => true,
            // They are evaluated over rows that passed, and their arguments are looked at.
            Expr::AggregateFunction(_) | Expr::WindowFunction(_) | Expr::GroupingSet(_) => true,
            #[expect(deprecated, reason = "the variant exists until upstream removes it")]
            Expr::Wildcard { .. } => true,
            Expr::BinaryExpr(BinaryExpr { op, .. }) => matches!(
                op,
                Operator::Eq
                    | Operator::NotEq
                    | Operator::Lt
                    | Operator::LtEq
                    | Operator::Gt
                    | Operator::GtEq
                    | Operator::And
                    | Operator::Or
                    | Operator::IsDistinctFrom
                    | Operator::IsNotDistinctFrom
            ),
            Expr::Cast(cast) => {
                super::expr::plain_text(cast).is_some()
                    || cast
                        .expr
                        .get_type(self.schema)
                        .is_ok_and(|from| is_total_cast(&from, cast.field.data_type()))
            }
            Expr::ScalarFunction(call) => {
                TOTAL.contains(&call.func.name())
                    || tollgate_policy::Masking::of(&call.func).is_some()
            }
            Expr::Like(_)
            | Expr::SimilarTo(_)
            | Expr::Negative(_)
            | Expr::TryCast(_)
            | Expr::Exists(_)
            | Expr::InSubquery(_)
            | Expr::SetComparison(_)
            | Expr::ScalarSubquery(_)
            | Expr::OuterReferenceColumn(..)
            | Expr::Unnest(_)
            | Expr::ScalarVariable(..)
            | Expr::HigherOrderFunction(_)
            | Expr::Lambda(_)
            | Expr::LambdaVariable(_) => false,
        }
    }
}

pub(super) fn is_total_cast(from: &DataType, to: &DataType) -> bool {
    let text =
        |of: &DataType| matches!(of, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    if let (DataType::Decimal128(..), DataType::Decimal128(..)) = (from, to) {
        // A column may hold more than its type says; a cast to that very type isn't printed.
        return from == to;
    }
    from == to
        || *from == DataType::Null
        || types::widens(from, to)
        || (text(to) && (text(from) || from.is_integer() || *from == DataType::Boolean))
        || (from.is_integer() && *to == DataType::Float64)
        || (*from == DataType::Float32 && *to == DataType::Float64)
}
