//! Functions of PostgreSQL that the engine has in another form.

use datafusion_sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion_sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident,
    ObjectName, ObjectNamePart, Parens, Query, Select, SelectItem, SetExpr, TableAlias,
    TableAliasColumnDef, TableFactor, Value, Values,
};
use datafusion_sql::sqlparser::tokenizer::Span;

use super::{casts, empty, look};
use crate::gate::expr::{null, string};
use crate::gate::function::call;

/// Reserved words of PostgreSQL 15.
const RESERVED: &[&str] = &[
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "both",
    "case",
    "cast",
    "check",
    "collate",
    "column",
    "constraint",
    "create",
    "current_catalog",
    "current_date",
    "current_role",
    "current_time",
    "current_timestamp",
    "current_user",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "false",
    "fetch",
    "for",
    "foreign",
    "from",
    "grant",
    "group",
    "having",
    "in",
    "initially",
    "intersect",
    "into",
    "lateral",
    "leading",
    "limit",
    "localtime",
    "localtimestamp",
    "not",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "placing",
    "primary",
    "references",
    "returning",
    "select",
    "session_user",
    "some",
    "symmetric",
    "table",
    "then",
    "to",
    "trailing",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "variadic",
    "when",
    "where",
    "window",
    "with",
];

/// The function's name, folded, if it is unqualified or of the system's schemas.
fn name(name: &ObjectName) -> Option<String> {
    let parts: Option<Vec<String>> =
        name.0.iter().map(|part| part.as_ident().map(look::folded)).collect();
    match parts?.as_slice() {
        [name] => Some(name.clone()),
        [schema, name] if schema == "pg_catalog" || schema == "information_schema" => {
            Some(name.clone())
        }
        _ => None,
    }
}

/// The expression of a positional argument.
pub(super) fn plain(argument: &FunctionArg) -> Option<&Expr> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    }
}

/// The expression of a positional argument, to be changed.
pub(super) fn plain_mut(argument: &mut FunctionArg) -> Option<&mut Expr> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    }
}

/// The arguments of a call of `coalesce`.
pub(super) fn split_mut(expr: &mut Expr) -> Option<(&'static str, &mut [FunctionArg])> {
    let Expr::Function(function) = expr else { return None };
    if name(&function.name)? != "coalesce" {
        return None;
    }
    match &mut function.args {
        FunctionArguments::List(list) => Some(("coalesce", &mut list.args)),
        FunctionArguments::None | FunctionArguments::Subquery(_) => None,
    }
}

/// The query of `ARRAY(SELECT …)`.
pub(super) fn array_query(function: &Function) -> Option<&Query> {
    let query = empty::subquery_of(function)?;
    (name(&function.name)? == "array").then_some(query)
}

fn arguments(function: &Function) -> Option<Vec<&Expr>> {
    match &function.args {
        FunctionArguments::List(list) if list.clauses.is_empty() => {
            list.args.iter().map(plain).collect()
        }
        FunctionArguments::None => Some(Vec::new()),
        FunctionArguments::List(_) | FunctionArguments::Subquery(_) => None,
    }
}

/// Calls in expressions.
pub(super) fn rewrite(expr: &mut Expr) {
    let Expr::Function(function) = &*expr else { return };
    if function.over.is_some() || function.filter.is_some() {
        return;
    }
    let Some(name) = name(&function.name) else { return };
    let Some(arguments) = arguments(function) else { return };
    let rewritten = match (name.as_str(), arguments.as_slice()) {
        // There is no just-in-time compilation to configure; drivers switch it off.
        ("set_config", [setting, value, _]) if look::text_literal(setting) == Some("jit") => {
            casts::cast(Expr::clone(value), datafusion_sql::sqlparser::ast::DataType::Text)
        }
        ("getdatabaseencoding", []) => string("UTF8"),
        ("generate_subscripts", [array, dimension]) => subscripts(array, dimension),
        ("generate_series", [first, last]) => match bounds(first, last) {
            Some((array, dimension)) => subscripts(array, dimension),
            None => return,
        },
        ("_pg_expandarray", [array]) => {
            call("unnest", vec![call("tg_expandarray", vec![Expr::clone(array)])])
        }
        ("json_build_object", pairs) if pairs.len() % 2 == 0 => json(pairs),
        _ => return,
    };
    *expr = rewritten;
}

fn subscripts(array: &Expr, dimension: &Expr) -> Expr {
    let subscripts = call("generate_subscripts", vec![array.clone(), dimension.clone()]);
    call("unnest", vec![subscripts])
}

/// The text of a JSON object; every value that isn't NULL is a string.
fn json(pairs: &[&Expr]) -> Expr {
    let quoted = |expr: &Expr| {
        let text = casts::cast(expr.clone(), datafusion_sql::sqlparser::ast::DataType::Text);
        let escaped = call("replace", vec![text, string("\""), string("\\\"")]);
        binary(binary(string("\""), escaped), string("\""))
    };
    let mut parts = vec![string("{")];
    for (index, pair) in pairs.chunks(2).enumerate() {
        let [key, value] = pair else { continue };
        if index > 0 {
            parts.push(string(", "));
        }
        parts.push(quoted(key));
        parts.push(string(" : "));
        parts.push(call("coalesce", vec![quoted(value), string("null")]));
    }
    parts.push(string("}"));
    call("concat", parts)
}

fn binary(left: Expr, right: Expr) -> Expr {
    Expr::BinaryOp {
        left: Box::new(left),
        op: BinaryOperator::StringConcat,
        right: Box::new(right),
    }
}

/// `x LIKE p ESCAPE 'e'` with a computed pattern: `e` becomes the backslash.
pub(super) fn escape(expr: &mut Expr) {
    let (Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. }) = expr
    else {
        return;
    };
    if look::text_literal(pattern).is_some() {
        return;
    }
    let Some(Value::SingleQuotedString(escape)) = escape_char.as_ref().map(|value| &value.value)
    else {
        return;
    };
    if escape.chars().count() != 1 || escape == "%" || escape == "_" {
        return;
    }
    let escape = escape.clone();
    *escape_char = None;
    if escape == "\\" {
        return;
    }
    // An escaped escape is kept out of the way of the others.
    let steps = [
        ("\\".to_owned(), "\\\\".to_owned()),
        (escape.repeat(2), "\u{1}".to_owned()),
        (format!("{escape}%"), "\\%".to_owned()),
        (format!("{escape}_"), "\\_".to_owned()),
        ("\u{1}".to_owned(), escape),
    ];
    for (from, to) in steps {
        let before = std::mem::replace(pattern.as_mut(), null());
        **pattern = call("replace", vec![before, string(&from), string(&to)]);
    }
}

/// Whether a query is `SELECT pg_partition_ancestors(x)`.
pub(super) fn is_partition_ancestors(select: &Select) -> bool {
    let [SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }] =
        select.projection.as_slice()
    else {
        return false;
    };
    let Expr::Function(function) = expr else { return false };
    name(&function.name).as_deref() == Some("pg_partition_ancestors")
}

/// `SELECT pg_partition_ancestors(x)`: nothing is partitioned, so there are no rows.
pub(super) fn partition_ancestors(select: &mut Select) {
    if !is_partition_ancestors(select) {
        return;
    }
    let [SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }] =
        select.projection.as_mut_slice()
    else {
        return;
    };
    *expr = casts::cast(null(), casts::named("oid"));
    select.selection = Some(Expr::Value(Value::Boolean(false).with_span(Span::empty())));
}

/// Functions in FROM.
pub(super) fn in_from(factor: &mut TableFactor) {
    let TableFactor::Table { name: function, args: Some(args), alias, .. } = factor else { return };
    let Some(called) = name(function) else { return };
    let arguments: Option<Vec<&Expr>> = args.args.iter().map(plain).collect();
    let Some(arguments) = arguments else { return };
    match (called.as_str(), arguments.as_slice()) {
        ("generate_subscripts", [array, dimension]) => {
            let list =
                call("generate_subscripts", vec![Expr::clone(array), Expr::clone(dimension)]);
            *function = unnest();
            args.args = vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(list))];
        }
        ("generate_series", [first, last]) => {
            let Some((array, dimension)) = bounds(first, last) else { return };
            let list = call("generate_subscripts", vec![array.clone(), dimension.clone()]);
            *function = unnest();
            args.args = vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(list))];
        }
        // One value, as a row of one column that is called as the relation is.
        ("string_to_array", [_, _]) => {
            let list = call("string_to_array", arguments.into_iter().cloned().collect());
            let Some(named) = alias.as_mut() else { return };
            if named.columns.is_empty() {
                named.columns = vec![column(named.name.clone())];
            }
            *factor = values(vec![vec![list]], alias.take());
        }
        ("current_schema" | "current_database" | "version", []) => {
            let function = Ident::with_quote('"', called.as_str());
            let mut alias = alias.take();
            let named = alias.get_or_insert_with(|| TableAlias {
                explicit: true,
                name: function.clone(),
                columns: Vec::new(),
                at: None,
            });
            if named.columns.is_empty() {
                named.columns = vec![column(named.name.clone())];
            }
            *factor = values(vec![vec![call(&called, Vec::new())]], alias);
        }
        ("pg_get_keywords", []) => {
            let mut alias = alias.take();
            let named = alias.get_or_insert_with(|| TableAlias {
                explicit: true,
                name: Ident::with_quote('"', "pg_get_keywords"),
                columns: Vec::new(),
                at: None,
            });
            if named.columns.is_empty() {
                let columns = ["word", "catcode", "barelabel", "catdesc", "baredesc"];
                named.columns = columns.map(|name| column(Ident::with_quote('"', name))).into();
            }
            *factor = keywords(alias);
        }
        _ => {}
    }
}

/// The array and dimension of `generate_series(array_lower(a, d), array_upper(a, d))`, or with 1 as
/// the lower bound: the subscripts of an array.
fn bounds<'a>(first: &Expr, last: &'a Expr) -> Option<(&'a Expr, &'a Expr)> {
    fn bound<'a>(expr: &'a Expr, of: &str) -> Option<[&'a Expr; 2]> {
        let Expr::Function(function) = expr else { return None };
        let arguments = arguments(function).filter(|_| name(&function.name).as_deref() == Some(of));
        arguments?.try_into().ok()
    }
    let [array, dimension] = bound(last, "array_upper")?;
    let same = is_one(first) || bound(first, "array_lower") == Some([array, dimension]);
    same.then_some((array, dimension))
}

fn unnest() -> ObjectName {
    ObjectName(vec![ObjectNamePart::Identifier(Ident::new("unnest"))])
}

fn is_one(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value)
        if matches!(&value.value, Value::Number(digits, _) if digits == "1"))
}

fn column(name: Ident) -> TableAliasColumnDef {
    TableAliasColumnDef { name, data_type: None }
}

fn keywords(alias: Option<TableAlias>) -> TableFactor {
    let row = |word: &&str| {
        vec![
            string(word),
            string("R"),
            Expr::Value(Value::Boolean(true).with_span(Span::empty())),
            string("reserved"),
            string("can be bare label"),
        ]
    };
    values(RESERVED.iter().map(row).collect(), alias)
}

/// `(VALUES …) AS alias`.
fn values(rows: Vec<Vec<Expr>>, alias: Option<TableAlias>) -> TableFactor {
    let row = |content| Parens {
        opening_token: AttachedToken::empty(),
        content,
        closing_token: AttachedToken::empty(),
    };
    let rows = rows.into_iter().map(row).collect();
    let values = Values { explicit_row: false, value_keyword: false, rows };
    let query = super::subquery::of_body(SetExpr::Values(values));
    TableFactor::Derived { lateral: false, subquery: Box::new(query), alias, sample: None }
}
