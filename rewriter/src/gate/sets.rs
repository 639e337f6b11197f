//! `EXCEPT ALL` and `INTERSECT ALL`, by numbering the copies of each row: then no row occurs twice.

use datafusion_sql::sqlparser::ast::{
    Expr, Ident, SelectItem, SetExpr, SetOperator, SetQuantifier, TableAlias, TableFactor,
    WindowSpec, WindowType,
};

use super::build::{bare, query_of};
use super::table::alias_column;
use crate::made_up::mark;

/// The column of the numbers.
const COPY: &str = concat!("copy", mark!());

/// `one op ALL other`; `legs` have passed the gate and yield `columns`. The three names are the plan's.
pub(super) fn all(
    op: SetOperator,
    legs: [Box<SetExpr>; 2],
    columns: &[String],
    [one, other, both]: &[String; 3],
) -> SetExpr {
    let [left, right] = legs;
    let pair = SetExpr::SetOperation {
        op,
        set_quantifier: SetQuantifier::None,
        left: numbered(*left, columns, one),
        right: numbered(*right, columns, other),
    };
    let mut names: Vec<&str> = columns.iter().map(String::as_str).collect();
    names.push(COPY);
    let mut select = bare(relation(pair, both, &names));
    select.projection = items(columns, both);
    SetExpr::Select(Box::new(select))
}

fn column(relation: &str, name: &str) -> Expr {
    Expr::CompoundIdentifier([relation, name].map(|part| Ident::with_quote('"', part)).into())
}

fn items(columns: &[String], relation: &str) -> Vec<SelectItem> {
    columns.iter().map(|name| SelectItem::UnnamedExpr(column(relation, name))).collect()
}

fn relation(body: SetExpr, alias: &str, columns: &[&str]) -> TableFactor {
    TableFactor::Derived {
        lateral: false,
        subquery: Box::new(query_of(body)),
        alias: Some(TableAlias {
            explicit: true,
            name: Ident::with_quote('"', alias),
            columns: columns.iter().map(|name| alias_column(name)).collect(),
            at: None,
        }),
        sample: None,
    }
}

fn numbered(body: SetExpr, columns: &[String], alias: &str) -> Box<SetExpr> {
    let names: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut select = bare(relation(body, alias, &names));
    let mut number = super::function::call("row_number", Vec::new());
    if let Expr::Function(call) = &mut number {
        call.over = Some(WindowType::WindowSpec(WindowSpec {
            window_name: None,
            partition_by: columns.iter().map(|name| column(alias, name)).collect(),
            order_by: Vec::new(),
            window_frame: None,
        }));
    }
    select.projection = items(columns, alias);
    select
        .projection
        .push(SelectItem::ExprWithAlias { expr: number, alias: Ident::with_quote('"', COPY) });
    Box::new(SetExpr::Select(Box::new(select)))
}
