//! JSON of rows and of aggregates, and rows made of it.
//!
//! JSON is written where a result leaves the gateway; until then it is the row or the list that it is
//! made of. `json_each_text` and `jsonb_to_record` of a row need no JSON at all: they are its columns.

use datafusion_sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion_sql::sqlparser::ast::{
    CaseWhen, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentList, FunctionArguments, Ident, Parens, SelectItem, SetExpr, TableAlias,
    TableFactor, Values,
};
use tollgate_catalog::{Error, ErrorKind};

use super::budget::NODE;
use super::expr::{null, number, string};
use super::function::call;
use super::scope::{Column, Output, Scope};
use super::table::{alias_column, alias_columns, plain_alias};
use super::{Gate, fold, parts, quoted_name, refuse_if};
use crate::made_up::mark;

/// The column that tells the columns of a row apart, under a name that nobody can have typed.
const PLACE: &str = concat!("place", mark!());

fn refused(function: &str) -> Error {
    Error::not_supported(&format!("this form of the function \"{function}\""))
        .with_hint("it takes a whole row: the name of a relation in FROM")
}

impl Gate<'_> {
    /// Calls that make JSON: `row_to_json(row)`, `to_json(row)`, `json_agg(value)`.
    pub(super) fn json(
        &mut self,
        name: &str,
        function: &mut Function,
    ) -> Result<Option<Expr>, Error> {
        match name {
            "row_to_json" | "to_json" => {
                let argument = only_argument(function).ok_or_else(|| refused(name))?;
                self.node(NODE)?;
                let row = match (self.row_of(argument)?, argument) {
                    (Some(columns), _) => self.made(columns)?,
                    (None, FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))) => {
                        let mut expr = expr.clone();
                        self.expr(&mut expr)?;
                        expr
                    }
                    (None, _) => return Err(refused(name)),
                };
                Ok(Some(call("tg_row_json", vec![row])))
            }
            "json_agg" => {
                let argument = function_list(function).and_then(|list| list.args.first());
                if let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Cast {
                    data_type: DataType::JSON | DataType::JSONB,
                    ..
                }))) = argument
                {
                    // It is a text here, which would be quoted.
                    return Err(Error::not_supported("json_agg of a text that is JSON"));
                }
                self.node(NODE)?;
                function.name = quoted_name(["array_agg"]);
                let mut list = Expr::Function(function.clone());
                self.function(&mut list)?;
                Ok(Some(call("tg_list_json", vec![list])))
            }
            _ => Ok(None),
        }
    }

    /// What the JSON of a row unfolds to in FROM.
    pub(super) fn json_rows(
        &mut self,
        function: &str,
        arguments: &[Expr],
        alias: Option<TableAlias>,
    ) -> Result<(TableFactor, Scope), Error> {
        let [argument] = arguments else { return Err(refused(function)) };
        let columns = self.lateral(|gate| gate.row_in_json(function, argument))?;
        let mut alias = alias.unwrap_or_else(|| plain_alias(function));
        refuse_if(alias.at.is_some(), "an AT alias")?;
        fold(&mut alias.name);
        match function {
            "json_each_text" | "jsonb_each_text" => self.each_text(function, columns, alias),
            "json_to_record" | "jsonb_to_record" => self.record(function, columns, alias),
            _ => Err(refused(function)),
        }
    }

    /// The columns of the row that JSON is made of.
    fn row_in_json(&mut self, function: &str, json: &Expr) -> Result<Vec<Column>, Error> {
        let Expr::Function(made) = json else { return Err(refused(function)) };
        let name = parts(&made.name)?;
        let name = match name.as_slice() {
            [name] => name.as_str(),
            [schema, name] if schema == "pg_catalog" => name,
            _ => return Err(refused(function)),
        };
        let same = match function {
            "json_each_text" | "json_to_record" => matches!(name, "row_to_json" | "to_json"),
            "jsonb_each_text" | "jsonb_to_record" => name == "to_jsonb",
            _ => false,
        };
        let argument = only_argument(made).filter(|_| same).ok_or_else(|| refused(function))?;
        self.row_of(argument)?.ok_or_else(|| refused(function))
    }

    /// A row for each column, with its name and its value as text.
    fn each_text(
        &mut self,
        function: &str,
        columns: Vec<Column>,
        mut alias: TableAlias,
    ) -> Result<(TableFactor, Scope), Error> {
        let mut names = alias_columns(&mut alias)?.into_iter();
        let [key, value] = ["key", "value"].map(|name| names.next().unwrap_or(name.to_owned()));
        if names.next().is_some() {
            return Err(too_many(&alias, 2));
        }
        let column = |name: &str| {
            let parts = [alias.name.value.as_str(), name];
            Expr::CompoundIdentifier(parts.map(|part| Ident::with_quote('"', part)).to_vec())
        };
        let mut rows = Vec::with_capacity(columns.len());
        let mut conditions = Vec::with_capacity(columns.len());
        let mut reach = NODE;
        for (place, of) in columns.into_iter().enumerate() {
            self.node(2 * NODE)?;
            self.reference(of.size, of.reach)?;
            let place = number(&(place + 1).to_string());
            rows.push(Parens::with_empty_span(vec![place.clone(), string(&of.field)]));
            reach = reach.saturating_add(of.reach).saturating_add(2 * NODE);
            conditions.push(CaseWhen {
                condition: place,
                result: call(text_of(function), vec![of.expr]),
            });
        }
        let computed = Expr::Case {
            case_token: AttachedToken::empty(),
            end_token: AttachedToken::empty(),
            operand: Some(Box::new(column(PLACE))),
            conditions,
            else_result: None,
        };
        alias.columns = vec![alias_column(PLACE), alias_column(&key)];
        let outputs = vec![
            Output::plain(key),
            Output { reach, computed: Some(Box::new(computed)), ..Output::plain(value) },
        ];
        let scope = Scope::of(vec![alias.name.value.clone()], outputs, Vec::new());
        let values = Values { explicit_row: false, value_keyword: false, rows };
        Ok((made_table(SetExpr::Values(values), alias), scope))
    }

    /// One row of the columns that the alias declares.
    fn record(
        &mut self,
        function: &str,
        columns: Vec<Column>,
        mut alias: TableAlias,
    ) -> Result<(TableFactor, Scope), Error> {
        let mut outputs = Vec::with_capacity(alias.columns.len());
        for declared in &mut alias.columns {
            fold(&mut declared.name);
            let Some(mut data_type) = declared.data_type.take() else { return Err(untyped()) };
            if matches!(data_type, DataType::Array(_) | DataType::JSON | DataType::JSONB) {
                return Err(refused(function));
            }
            super::types::normalise(&mut data_type)?;
            // Of several columns of a name the last one stays in an object.
            let found = columns.iter().rfind(|column| column.field == declared.name.value);
            let (size, reach) = found.map_or((1, 1), |column| (column.size, column.reach));
            self.node(2 * NODE)?;
            self.reference(size, reach)?;
            let reach = reach.saturating_add(2 * NODE);
            let value = match found {
                Some(column) => call(text_of(function), vec![column.expr.clone()]),
                None => null(),
            };
            let computed = Expr::Cast {
                kind: CastKind::Cast,
                expr: Box::new(value),
                data_type,
                array: false,
                format: None,
            };
            outputs.push(Output {
                reach,
                computed: Some(Box::new(computed)),
                ..Output::plain(declared.name.value.clone())
            });
        }
        if outputs.is_empty() {
            return Err(untyped());
        }
        let scope = Scope::of(vec![alias.name.value.clone()], outputs, Vec::new());
        alias.columns = vec![alias_column(PLACE)];
        let mut one = super::build::nowhere();
        one.projection = vec![SelectItem::ExprWithAlias {
            expr: number("1"),
            alias: Ident::with_quote('"', PLACE),
        }];
        Ok((made_table(SetExpr::Select(Box::new(one)), alias), scope))
    }
}

/// What gives a value's text: `jsonb` has no floats.
fn text_of(function: &str) -> &'static str {
    if function.starts_with("jsonb") { "tg_jsonb_text" } else { "tg_json_text" }
}

fn untyped() -> Error {
    let message = "a column definition list is required for functions returning \"record\"";
    Error::new(ErrorKind::Syntax, message)
}

fn too_many(alias: &TableAlias, columns: usize) -> Error {
    let message = format!(
        "table \"{}\" has {columns} columns available but {} columns specified",
        alias.name.value,
        alias.columns.len()
    );
    Error::new(ErrorKind::InvalidColumnReference, message)
}

/// A derived table that the gate writes.
fn made_table(body: SetExpr, alias: TableAlias) -> TableFactor {
    TableFactor::Derived {
        lateral: false,
        subquery: Box::new(super::build::query_of(body)),
        alias: Some(alias),
        sample: None,
    }
}

fn function_list(function: &Function) -> Option<&FunctionArgumentList> {
    match &function.args {
        FunctionArguments::List(list) => Some(list),
        FunctionArguments::None | FunctionArguments::Subquery(_) => None,
    }
}

/// The one argument of a plain call.
fn only_argument(function: &Function) -> Option<&FunctionArg> {
    let Function {
        name: _,
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(list),
        filter: None,
        null_treatment: None,
        over: None,
        within_group,
    } = function
    else {
        return None;
    };
    let plain = list.duplicate_treatment.is_none() && list.clauses.is_empty();
    match list.args.as_slice() {
        [only] if plain && within_group.is_empty() => Some(only),
        _ => None,
    }
}
