//! The lookups of a row policy where columns are guarded.
//!
//! A guard says the row policy in every column, and Snowflake documents `IN (SELECT …)` for `WHERE` only. So
//! there a lookup is joined: each value that it has, once, with how often, to the value that is looked for.
//! No row is there more often for it, as keys are of types whose values are grouped and compared alike; and a
//! lookup stands under AND and OR only, where NULL hides a row as false does.
//!
//! What tells whether the value was found is a count. That a key isn't NULL would be known to an optimiser
//! from the join, and the guard be nothing. Of the value itself, which is equal to a key there, `guard` takes
//! anything to be possible.

use arrow::datatypes::DataType;
use datafusion_expr::expr::InSubquery;
use datafusion_expr::{BinaryExpr, Expr, Operator};
use tollgate_catalog::Error;

use crate::render::barrier::has_subquery;
use crate::render::block::Block;
use crate::render::expr::type_of;
use crate::render::types::Kind;
use crate::render::{Printer, Row};

impl Printer {
    /// A row policy without subqueries: its lookups are joined to `from`.
    pub(in crate::render) fn looked_up(
        &mut self,
        policy: &Expr,
        row: Row<'_>,
        from: &mut String,
    ) -> Result<String, Error> {
        stacker::maybe_grow(256 << 10, 2 << 20, || match policy {
            policy if !has_subquery(policy) => self.expr(policy, row),
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
                let left = self.looked_up(left, row, from)?;
                Ok(format!("({left} AND {})", self.looked_up(right, row, from)?))
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
                let left = self.looked_up(left, row, from)?;
                Ok(format!("({left} OR {})", self.looked_up(right, row, from)?))
            }
            Expr::InSubquery(lookup) if !lookup.negated && !has_subquery(&lookup.expr) => {
                self.lookup(lookup, row, from)
            }
            _ => Err(Error::internal("a lookup in a strange place of a policy")),
        })
    }

    fn lookup(
        &mut self,
        lookup: &InSubquery,
        row: Row<'_>,
        from: &mut String,
    ) -> Result<String, Error> {
        if !self.recursive.is_empty() {
            // Snowflake takes no aggregate there.
            return Err(self.dialect.unsupported(
                "an expression that can fail in a statement whose recursive query reads this table",
            ));
        }
        let query = &lookup.subquery.subquery;
        let [key] = query.schema().fields().iter().as_slice() else {
            return Err(Error::internal("a lookup of several columns"));
        };
        for of in [&type_of(&lookup.expr, row)?, key.data_type()] {
            self.is_key(of)?;
        }
        let value = self.operand(&lookup.expr, row)?;
        let found = self.block(query, None)?;
        let found = self.wrap(&found)?;
        let [key] = found.columns.as_slice() else {
            return Err(Error::internal("a lookup of several columns"));
        };
        let count = self.invoke("COUNT", key);
        let once = Block {
            columns: vec![key.clone(), count],
            computed: true,
            group: format!(" GROUP BY {key}"),
            from: found.from,
            ..Block::default()
        };
        let once = self.wrap(&once)?;
        let [key, count] = once.columns.as_slice() else {
            return Err(Error::internal("a lookup without a count"));
        };
        *from = format!("({from} LEFT JOIN {} ON ({value} = {key}))", once.from);
        Ok(format!("({count} > {})", self.integer(0)?))
    }

    /// Whether values of a type are one key where they are equal, and only there.
    fn is_key(&self, of: &DataType) -> Result<(), Error> {
        match self.dialect.kind(of)? {
            Kind::Null
            | Kind::Bool
            | Kind::Whole
            | Kind::Decimal
            | Kind::Text
            | Kind::Bytes
            | Kind::Date
            | Kind::Time
            | Kind::Timestamp => Ok(()),
            Kind::Float | Kind::Zoned | Kind::Interval | Kind::List | Kind::Document => {
                Err(self.dialect.unsupported("an expression that can fail over rows of this table"))
            }
        }
    }
}
