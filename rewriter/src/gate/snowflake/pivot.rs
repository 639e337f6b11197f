//! `PIVOT` as aggregates of a `CASE` each, and `UNPIVOT` as a `CASE` over a row for each column.
//!
//! Both name columns of what they stand behind as any query does: of visible columns, with their masks.

use datafusion_sql::sqlparser::ast::{
    Expr, ExprWithAlias, GroupByExpr, Ident, Join, JoinConstraint, JoinOperator, NullInclusion,
    Parens, PivotValueSource, SetExpr, TableAlias, TableFactor, Value, Values,
};
use tollgate_catalog::Error;

use super::make::{binary, is_not_null, matched};
use super::{taken, unknown};
use crate::gate::budget::{NODE, bound_list};
use crate::gate::build::{bare, query_of};
use crate::gate::expr::{number, string};
use crate::gate::items::List;
use crate::gate::scope::{Column, Scope};
use crate::gate::table::{alias_column, plain_alias};
use crate::gate::{Gate, function, id_of, quoted_name};
use crate::made_up::mark;

/// The aggregate functions that PIVOT knows.
const AGGREGATES: &[&str] = &["avg", "count", "max", "min", "sum"];

impl Gate<'_> {
    /// `PIVOT` and `UNPIVOT` of a relation.
    pub(in crate::gate) fn pivoted(&mut self, factor: &mut TableFactor) -> Result<Scope, Error> {
        let snowflake = self.is_snowflake();
        let (made, mut alias, columns) = match factor {
            TableFactor::Pivot {
                table,
                aggregate_functions,
                value_column,
                value_source,
                default_on_null: None,
                alias,
            } if snowflake => {
                let (select, columns) = self.deeper(|gate| {
                    gate.pivot(table, aggregate_functions, value_column, value_source)
                })?;
                (select, alias.take(), columns)
            }
            TableFactor::Unpivot { table, value, name, columns, null_inclusion, alias }
                if snowflake =>
            {
                let nulls = matches!(null_inclusion, Some(NullInclusion::IncludeNulls));
                let (select, columns) =
                    self.deeper(|gate| gate.unpivot(table, value, name, columns, nulls))?;
                (select, alias.take(), columns)
            }
            TableFactor::Pivot { .. } => return Err(Error::not_supported("PIVOT")),
            _ => return Err(Error::not_supported("UNPIVOT")),
        };
        bound_list(columns.len(), "a select list")?;
        let scope = self.aliased(&mut alias, columns)?;
        *factor = TableFactor::Derived {
            lateral: false,
            subquery: Box::new(query_of(made)),
            alias,
            sample: None,
        };
        Ok(scope)
    }

    fn pivot(
        &mut self,
        table: &mut TableFactor,
        aggregates: &mut [ExprWithAlias],
        values_of: &[Expr],
        source: &mut PivotValueSource,
    ) -> Result<(SetExpr, Vec<super::Output>), Error> {
        self.step()?;
        let scope = self.table_factor(table)?;
        let ([ExprWithAlias { expr: Expr::Function(aggregate), alias: None }], [of]) =
            (aggregates, values_of)
        else {
            return Err(unknown("PIVOT"));
        };
        let PivotValueSource::List(values) = source else {
            return Err(unknown("PIVOT").with_hint("write the values as a list of literals"));
        };
        let name = crate::gate::parts(&aggregate.name)?;
        let name = match name.as_slice() {
            [name] if AGGREGATES.contains(&name.as_str()) => name.clone(),
            _ => return Err(unknown("PIVOT")),
        };
        let argument = match super::make::arguments(aggregate).as_deref() {
            Some([argument]) => named(&scope, argument)?,
            _ => return Err(unknown("PIVOT")),
        };
        let of = named(&scope, of)?;
        let mut list = List::default();
        let mut keys = Vec::new();
        for column in scope.columns() {
            if column.name != argument.name && column.name != of.name {
                self.reference(column.size, column.reach)?;
                keys.push(column.expr.clone());
                list.push(column.expr.clone(), column.name.clone(), column.reach, column.exact);
            }
        }
        bound_list(keys.len() + values.len(), "a select list")?;
        for ExprWithAlias { expr: value, alias } in values {
            // A literal, whatever it is called: anything else would mean the query around.
            let says = value_name(value)?;
            let (name_of_value, exact) = match alias {
                Some(alias) => (id_of(alias), alias.quote_style.is_some()),
                None => (says, true),
            };
            self.expr(value)?;
            let call = self.opaque(|gate| {
                gate.node(4 * NODE)?;
                gate.reference(of.size, of.reach)?;
                gate.reference(argument.size, argument.reach)?;
                let equal = datafusion_sql::sqlparser::ast::BinaryOperator::Eq;
                let condition = binary(of.expr.clone(), equal, taken(value));
                let case = matched(None, vec![(condition, argument.expr.clone())], None);
                Ok(function::call(&name, vec![case]))
            })?;
            list.push(call, name_of_value, 1, exact);
        }
        let mut select = bare(std::mem::replace(table, nothing()));
        select.projection = list.items;
        select.group_by = GroupByExpr::Expressions(keys, Vec::new());
        Ok((SetExpr::Select(Box::new(select)), list.columns))
    }

    fn unpivot(
        &mut self,
        table: &mut TableFactor,
        value: &Expr,
        name: &Ident,
        columns: &[ExprWithAlias],
        nulls: bool,
    ) -> Result<(SetExpr, Vec<super::Output>), Error> {
        self.step()?;
        let scope = self.table_factor(table)?;
        let Expr::Identifier(value) = value else { return Err(unknown("UNPIVOT")) };
        let rows = self.make_up("unpivot");
        let mut places = Vec::with_capacity(columns.len());
        let mut whens = Vec::with_capacity(columns.len());
        let mut turned: Vec<String> = Vec::with_capacity(columns.len());
        let mut reach = NODE;
        for (place, ExprWithAlias { expr, alias }) in (1_usize..).zip(columns) {
            let column = named(&scope, expr)?;
            // The rows are told apart by their places, the value is written twice.
            self.node(4 * NODE)?;
            self.reference(column.size.saturating_mul(2), column.reach.saturating_mul(2))?;
            reach = reach.saturating_add(column.reach).saturating_add(2 * NODE);
            let says = match alias {
                Some(alias) => (id_of(alias), alias.quote_style.is_some()),
                None => (column.name.clone(), column.exact),
            };
            let says = match says {
                (name, true) => name,
                (name, false) => super::capitals(&name),
            };
            let place = number(&place.to_string());
            places.push(Parens::with_empty_span(vec![place.clone(), string(&says)]));
            whens.push((place, column.expr.clone()));
            turned.push(column.name);
        }
        if whens.is_empty() {
            return Err(unknown("UNPIVOT"));
        }
        let of_rows = |name: &str| {
            Expr::CompoundIdentifier([rows.as_str(), name].map(super::star::ident).to_vec())
        };
        let computed = matched(Some(of_rows(PLACE)), whens, None);
        let mut list = List::default();
        for column in scope.columns() {
            if !turned.contains(&column.name) {
                self.reference(column.size, column.reach)?;
                list.push(column.expr.clone(), column.name.clone(), column.reach, column.exact);
            }
        }
        bound_list(list.items.len() + 2, "a select list")?;
        list.push(of_rows(NAME), id_of(name), 1, name.quote_style.is_some());
        list.push(computed.clone(), id_of(value), reach, value.quote_style.is_some());
        let values = Values { explicit_row: false, value_keyword: false, rows: places };
        let mut alias: TableAlias = plain_alias(&rows);
        alias.columns = vec![alias_column(PLACE), alias_column(NAME)];
        let mut select = bare(std::mem::replace(table, nothing()));
        if let Some(from) = select.from.first_mut() {
            from.joins.push(Join {
                relation: TableFactor::Derived {
                    lateral: false,
                    subquery: Box::new(query_of(SetExpr::Values(values))),
                    alias: Some(alias),
                    sample: None,
                },
                global: false,
                join_operator: JoinOperator::CrossJoin(JoinConstraint::None),
            });
        }
        select.projection = list.items;
        select.selection = (!nulls).then(|| is_not_null(computed));
        Ok((SetExpr::Select(Box::new(select)), list.columns))
    }
}

/// The columns of the rows that UNPIVOT adds, under names that nobody can have typed.
const PLACE: &str = concat!("place", mark!());
const NAME: &str = concat!("name", mark!());

/// In place of a relation that was taken out.
pub(super) fn nothing() -> TableFactor {
    TableFactor::Table {
        name: quoted_name([]),
        alias: None,
        args: None,
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    }
}

/// The column of a relation that a name means; hidden is missing.
fn named(scope: &Scope, name: &Expr) -> Result<Column, Error> {
    let Expr::Identifier(ident) = name else { return Err(unknown("PIVOT or UNPIVOT")) };
    let name = id_of(ident);
    scope.column(&name)?.cloned().ok_or_else(|| Error::undefined_column(&name))
}

/// The name of a column that a value makes: the literal.
fn value_name(value: &Expr) -> Result<String, Error> {
    let Expr::Value(literal) = value else { return Err(unknown("PIVOT")) };
    match &literal.value {
        Value::SingleQuotedString(text) => Ok(format!("'{text}'")),
        Value::Number(digits, _) => Ok(digits.clone()),
        Value::Boolean(value) => Ok(value.to_string().to_uppercase()),
        _ => Err(unknown("PIVOT").with_hint("write the values as a list of literals")),
    }
}
