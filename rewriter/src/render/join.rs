//! Joins, and the set operations that the planner writes as joins.

use datafusion_common::{JoinType, NullEquality};
use datafusion_expr::logical_plan::{Distinct, Join};
use datafusion_expr::{Expr, LogicalPlan};
use tollgate_catalog::Error;

use super::barrier::is_total_cast;
use super::block::Block;
use super::expr::type_of;
use super::node::Outer;
use super::{Dialect, Printer, Row};

impl Printer {
    /// A join as one item of a `FROM`.
    pub(super) fn join(&mut self, node: &Join, outer: Outer<'_>) -> Result<Block, Error> {
        let word = match node.join_type {
            JoinType::Inner => "JOIN",
            JoinType::Left => "LEFT JOIN",
            JoinType::Right => "RIGHT JOIN",
            JoinType::Full => "FULL JOIN",
            JoinType::LeftSemi => return self.set_operation(node, "INTERSECT", outer),
            JoinType::LeftAnti => return self.set_operation(node, "EXCEPT", outer),
            JoinType::RightSemi
            | JoinType::RightAnti
            | JoinType::LeftMark
            | JoinType::RightMark => return Err(Error::internal("a join that nobody wrote")),
        };
        if node.null_aware {
            return Err(Error::internal("a join that nobody wrote"));
        }
        let left = self.block(&node.left, outer)?;
        let left = self.item(left)?;
        let right = if is_lateral(&node.right) {
            if self.dialect == Dialect::Snowflake {
                return Err(self
                    .dialect
                    .unsupported("LATERAL")
                    .with_hint("join with the subquery, by conditions on its columns"));
            }
            let around = Row { schema: node.left.schema(), columns: &left.columns, outer };
            let right = self.block(&node.right, Some(&around))?;
            let mut right = self.wrap(&right)?;
            right.from.insert_str(0, "LATERAL ");
            right
        } else {
            let right = self.block(&node.right, outer)?;
            self.item(right)?
        };
        let columns = [left.columns, right.columns].concat();
        let schema = node.left.schema().join(node.right.schema()).map_err(Error::internal)?;
        let row = Row { schema: &schema, columns: &columns, outer };
        let op = match node.null_equality {
            NullEquality::NullEqualsNothing => "=",
            NullEquality::NullEqualsNull => "IS NOT DISTINCT FROM",
        };
        let mut conditions = Vec::new();
        for (left, right) in &node.on {
            let (left, right) = (self.operand(left, row)?, self.operand(right, row)?);
            conditions.push(format!("({left} {op} {right})"));
        }
        if let Some(filter) = &node.filter {
            conditions.push(self.expr(filter, row)?);
        }
        let from = if conditions.is_empty() && node.join_type == JoinType::Inner {
            format!("({} CROSS JOIN {})", left.from, right.from)
        } else {
            if conditions.is_empty() {
                conditions.push(self.boolean(true)?);
            }
            format!("({} {word} {} ON {})", left.from, right.from, conditions.join(" AND "))
        };
        Ok(Block { from, columns, ..Block::default() })
    }

    /// `INTERSECT` and `EXCEPT`, which the planner writes as joins of distinct rows on all columns.
    fn set_operation(&mut self, node: &Join, op: &str, outer: Outer<'_>) -> Result<Block, Error> {
        let width = node.left.schema().fields().len();
        let whole = node.null_equality == NullEquality::NullEqualsNull
            && node.filter.is_none()
            && !node.null_aware
            && node.on.len() == width
            && node.right.schema().fields().len() == width
            && matches!(node.left.as_ref(), LogicalPlan::Distinct(Distinct::All(_)));
        if !whole {
            return Err(Error::internal("a join that nobody wrote"));
        }
        let mut legs = Vec::new();
        for (side, input) in [(0, &node.left), (1, &node.right)] {
            let block = self.block(input, outer)?;
            let mut block = self.open(block)?;
            let mut columns = Vec::with_capacity(width);
            for (index, pair) in node.on.iter().enumerate() {
                let expr = if side == 0 { &pair.0 } else { &pair.1 };
                let found =
                    of_column(expr).and_then(|column| input.schema().maybe_index_of_column(column));
                // In order, and each once.
                if found != Some(index) {
                    return Err(Error::internal("a join that nobody wrote"));
                }
                let row = Row { schema: input.schema(), columns: &block.columns, outer };
                // Snowflake may cast back before it compares, and no guard looks at that.
                let meets = type_of(expr, row)?;
                let own = node.left.schema().field(index).data_type();
                if self.dialect == Dialect::Snowflake
                    && meets != *own
                    && !is_total_cast(&meets, own)
                {
                    return Err(self.dialect.unsupported("columns of types that differ so"));
                }
                columns.push(self.expr(expr, row)?);
            }
            block.columns = columns;
            block.computed = true;
            legs.push(block.text()?);
        }
        let block = self.combined(&legs.join(&format!(") {op} (")), width)?;
        // The types of the left side, if the two had to meet in other ones.
        let fields = node.left.schema().fields().iter();
        let columns = block.columns.iter().zip(fields).map(|(column, field)| {
            Ok(format!("CAST({column} AS {})", self.dialect.name(field.data_type(), false)?))
        });
        let columns = columns.collect::<Result<Vec<_>, Error>>()?;
        Ok(Block { columns, computed: true, ..block })
    }
}

fn of_column(expr: &Expr) -> Option<&datafusion_common::Column> {
    match expr {
        Expr::Column(column) => Some(column),
        Expr::Cast(cast) => of_column(&cast.expr),
        Expr::Alias(alias) => of_column(&alias.expr),
        _ => None,
    }
}

/// Whether a side of a join may name columns of the other one.
fn is_lateral(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Subquery(_) => true,
        LogicalPlan::SubqueryAlias(alias) => is_lateral(&alias.input),
        LogicalPlan::Projection(node) => is_lateral(&node.input),
        _ => false,
    }
}
