//! `LIMIT (SELECT …)` and `OFFSET (SELECT …)`, which the engine doesn't know: the rows are numbered in
//! their order, and their numbers compared with what the clauses stand for.

use datafusion_sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Distinct, Expr, Function, Ident, LimitClause, OrderBy,
    OrderByExpr, OrderByKind, OrderByOptions, Query, SelectItem, SetExpr, TableFactor,
    TableWithJoins, Value, WindowSpec, WindowType,
};
use tollgate_catalog::{Error, ErrorKind};

use super::Gate;
use super::budget::NODE;
use super::function::call;
use super::scope::Output;

/// `relation.column`
fn column(relation: &str, column: &str) -> Expr {
    let parts = [relation, column].map(|part| Ident::with_quote('"', part));
    Expr::CompoundIdentifier(parts.to_vec())
}

/// What a clause does with the number of a row, and what its value becomes.
type Clause = (BinaryOperator, &'static str);

impl Gate<'_> {
    /// Rewrites the end of a query that has passed the gate, if one of these clauses holds a query.
    pub(super) fn limit_by_query(
        &mut self,
        body: &mut SetExpr,
        order_by: &mut Option<OrderBy>,
        clause: &mut Option<LimitClause>,
        columns: &[Output],
    ) -> Result<(), Error> {
        let Some(LimitClause::LimitOffset { limit, offset, limit_by: _ }) = clause else {
            return Ok(());
        };
        let limited = limit.as_ref().is_some_and(super::build::has_query);
        let skipped = offset.as_ref().is_some_and(|of| super::build::has_query(&of.value));
        if !limited && !skipped {
            return Ok(());
        }
        // One after the other, so that no clause is written twice.
        if let Some(offset) = offset.take() {
            let after = (BinaryOperator::Gt, "tg_offset");
            self.numbered(body, order_by, columns, after, offset.value)?;
        }
        if let Some(value) = limit.take_if(|_| limited) {
            self.numbered(body, order_by, columns, (BinaryOperator::LtEq, "tg_limit"), value)?;
        }
        if limit.is_none() {
            *clause = None;
        }
        Ok(())
    }

    /// Makes `SELECT … FROM (SELECT …, row_number() OVER (ORDER BY keys) AS n FROM (body)) WHERE n
    /// <op> (SELECT function(value)) ORDER BY n` of a body in an order.
    fn numbered(
        &mut self,
        body: &mut SetExpr,
        order_by: &mut Option<OrderBy>,
        columns: &[Output],
        (op, function): Clause,
        value: Expr,
    ) -> Result<(), Error> {
        let width = u64::try_from(columns.len()).unwrap_or(u64::MAX);
        self.step()?;
        self.step()?;
        self.node(NODE.saturating_mul(8).saturating_add(width.saturating_mul(2)))?;
        let [inner, outer, number] = ["all", "some", "row"].map(|name| self.make_up(name));
        let keys = self.keys(body, order_by, columns, &inner)?;
        let ordered = !keys.is_empty();
        let mut row_number = call("row_number", Vec::new());
        if let Expr::Function(Function { over, .. }) = &mut row_number {
            *over = Some(WindowType::WindowSpec(WindowSpec {
                window_name: None,
                partition_by: Vec::new(),
                order_by: keys,
                window_frame: None,
            }));
        }
        let items = |relation: &str| {
            let items =
                columns.iter().map(|of| SelectItem::UnnamedExpr(column(relation, &of.real)));
            items.collect::<Vec<_>>()
        };
        let mut taken =
            super::build::query_of(std::mem::replace(body, *super::build::empty().body));
        // It says which row of several stays.
        taken.order_by = order_by.take().filter(|_| is_distinct_on(&taken.body));
        let mut projection = items(&inner);
        projection.push(SelectItem::ExprWithAlias {
            expr: row_number,
            alias: Ident::with_quote('"', &number),
        });
        let source = super::build::derived(
            TableWithJoins { relation: derived(taken, &inner), joins: Vec::new() },
            projection,
            Some(super::table::plain_alias(&outer)),
        );
        let mut select = super::build::bare(source);
        select.projection = items(&outer);
        let place = column(&outer, &number);
        select.selection = Some(Expr::BinaryOp {
            left: Box::new(place.clone()),
            op,
            right: Box::new(rows(function, value)),
        });
        *body = SetExpr::Select(Box::new(select));
        *order_by = ordered.then(|| OrderBy {
            kind: OrderByKind::Expressions(vec![OrderByExpr {
                expr: place,
                options: OrderByOptions { asc: None, nulls_first: None },
                with_fill: None,
            }]),
            interpolate: None,
        });
        Ok(())
    }

    /// The keys of ORDER BY as columns of the derived table that the body becomes. What isn't in the
    /// body's list is added to it.
    fn keys(
        &mut self,
        body: &mut SetExpr,
        order_by: &Option<OrderBy>,
        columns: &[Output],
        relation: &str,
    ) -> Result<Vec<OrderByExpr>, Error> {
        let keys = match order_by.as_ref().map(|order_by| &order_by.kind) {
            Some(OrderByKind::Expressions(keys)) => keys.as_slice(),
            Some(OrderByKind::All(_)) | None => &[],
        };
        let mut named = Vec::with_capacity(keys.len());
        for key in keys {
            let real = match self.known(body, &key.expr, columns)? {
                Some(real) => real,
                None => self.added(body, &key.expr)?,
            };
            named.push(OrderByExpr { expr: column(relation, &real), ..key.clone() });
        }
        Ok(named)
    }

    /// The column of the body's list that a key means, by its name, its number, or its expression.
    fn known(
        &self,
        body: &SetExpr,
        key: &Expr,
        columns: &[Output],
    ) -> Result<Option<String>, Error> {
        let place = match key {
            Expr::Identifier(ident) => columns.iter().position(|of| of.real == ident.value),
            Expr::Value(value) if matches!(value.value, Value::Number(..)) => {
                let place = super::group::number(key).filter(|place| *place < columns.len());
                Some(place.ok_or_else(|| {
                    let message = format!("ORDER BY position {key} is not in select list");
                    Error::new(ErrorKind::InvalidColumnReference, message)
                })?)
            }
            other => match body {
                SetExpr::Select(select) => select.projection.iter().position(|item| match item {
                    SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                        expr == other
                    }
                    SelectItem::ExprWithAliases { .. }
                    | SelectItem::QualifiedWildcard(..)
                    | SelectItem::Wildcard(_) => false,
                }),
                _ => None,
            },
        };
        Ok(place.and_then(|place| columns.get(place)).map(|of| of.real.clone()))
    }

    /// Adds a key to the list of a plain SELECT.
    fn added(&mut self, body: &mut SetExpr, key: &Expr) -> Result<String, Error> {
        match body {
            SetExpr::Select(select) if select.distinct.is_none() => {
                let name = self.make_up("key");
                select.projection.push(SelectItem::ExprWithAlias {
                    expr: key.clone(),
                    alias: Ident::with_quote('"', &name),
                });
                Ok(name)
            }
            _ => Err(Error::new(
                ErrorKind::InvalidColumnReference,
                "here the expressions of ORDER BY must appear in the select list",
            )
            .with_hint("add them to it, or order in a query around this one")),
        }
    }
}

fn is_distinct_on(body: &SetExpr) -> bool {
    matches!(body, SetExpr::Select(select) if matches!(select.distinct, Some(Distinct::On(_))))
}

fn derived(query: Query, alias: &str) -> TableFactor {
    TableFactor::Derived {
        lateral: false,
        subquery: Box::new(query),
        alias: Some(super::table::plain_alias(alias)),
        sample: None,
    }
}

/// A parameter that is a count of rows is a bigint.
pub(super) fn bigint(count: &mut Expr) {
    if !matches!(count, Expr::Value(value) if matches!(value.value, Value::Placeholder(_))) {
        return;
    }
    let parameter = std::mem::replace(count, super::build::truth());
    *count = Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(parameter),
        data_type: DataType::BigInt(None),
        array: false,
        format: None,
    };
}

/// `(SELECT function(expr))`: once for the statement, and also if there are no rows to number.
fn rows(function: &str, expr: Expr) -> Expr {
    let mut expr = expr;
    bigint(&mut expr);
    let mut select = super::build::nowhere();
    select.projection = vec![SelectItem::ExprWithAlias {
        expr: call(function, vec![expr]),
        alias: Ident::with_quote('"', "rows"),
    }];
    Expr::Subquery(Box::new(super::build::query_of(SetExpr::Select(Box::new(select)))))
}
