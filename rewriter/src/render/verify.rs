//! The last look at a finished text: it is parsed, and everything in it must be what was printed.
//!
//! Every relation is one of ours or a base table; every base table stands inside a generated derived
//! table, which in the whole text is the same as by itself; every function is one that was printed,
//! every literal one of ours, and no construct is there that the printer has no word for.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use datafusion_sql::sqlparser::ast::{
    CastKind, Expr, Function, FunctionArg, ObjectName, ObjectNamePart, Query, SetExpr, Statement,
    TableAlias, TableFactor, TableSampleKind, Value, Visit, Visitor,
};
use datafusion_sql::sqlparser::dialect::{self, PostgreSqlDialect, SnowflakeDialect};
use datafusion_sql::sqlparser::parser::Parser;
use tollgate_catalog::Error;

use super::snowflake::flatten::{FLATTEN, OUTER, RECURSIVE, is_printed};
use super::{Dialect, Printed};
use crate::operands::is_path;

/// How deep the parser may go: the printer bounds the text, and the gate the statement.
const DEPTH: usize = 4_096;

/// Proves that a text is what was printed.
pub(super) fn verify(
    dialect: Dialect,
    text: &str,
    printed: &Printed,
    parameters: usize,
) -> Result<(), Error> {
    let query = parse(dialect, text)?;
    let mut walk = Walk {
        dialect,
        printed,
        parameters,
        derived: Vec::new(),
        seen: BTreeMap::new(),
        aliases: BTreeSet::new(),
    };
    if let ControlFlow::Break(what) = query.visit(&mut walk) {
        return Err(denied(&what));
    }
    // Each generated relation once, with all its tables.
    for (alias, secured) in &printed.secured {
        let mut expected = secured.tables.clone();
        expected.sort();
        let mut seen = walk.seen.remove(alias).unwrap_or_default();
        seen.sort();
        if seen != expected {
            return Err(denied("a secured relation reads other tables"));
        }
    }
    if walk.seen.is_empty() { Ok(()) } else { Err(denied("a table in a strange place")) }
}

fn parse(dialect: Dialect, text: &str) -> Result<Box<Query>, Error> {
    let dialect: &dyn dialect::Dialect = match dialect {
        Dialect::Postgres => &PostgreSqlDialect {},
        Dialect::Snowflake => &SnowflakeDialect {},
    };
    let statements = Parser::new(dialect)
        .with_recursion_limit(DEPTH)
        .try_with_sql(text)
        .and_then(|mut parser| parser.parse_statements())
        .map_err(|error| denied(&format!("it can't be parsed: {error}")))?;
    match <[Statement; 1]>::try_from(statements) {
        Ok([Statement::Query(query)]) => Ok(query),
        Ok(_) | Err(_) => Err(denied("it isn't one query")),
    }
}

fn denied(what: &str) -> Error {
    Error::internal(format!("the text for the warehouse isn't what was printed: {what}"))
}

struct Walk<'a> {
    dialect: Dialect,
    printed: &'a Printed,
    parameters: usize,
    /// The aliases of the derived tables around, innermost last.
    derived: Vec<String>,
    /// The base tables seen in each generated relation.
    seen: BTreeMap<String, Vec<Vec<String>>>,
    aliases: BTreeSet<String>,
}

type Flow = ControlFlow<String>;

fn stop(what: impl Into<String>) -> Flow {
    ControlFlow::Break(what.into())
}

/// The parts of a name, if all are quoted.
fn parts(name: &ObjectName) -> Option<Vec<&str>> {
    name.0
        .iter()
        .map(|part| match part {
            ObjectNamePart::Identifier(ident) if ident.quote_style == Some('"') => {
                Some(ident.value.as_str())
            }
            ObjectNamePart::Identifier(_) | ObjectNamePart::Function(_) => None,
        })
        .collect()
}

impl Walk<'_> {
    fn alias<'t>(&mut self, alias: &'t Option<TableAlias>) -> Result<&'t str, String> {
        let Some(alias) = alias else { return Err("a relation without an alias".to_owned()) };
        let name = alias.name.value.as_str();
        let known = self.printed.aliases.contains(name) || self.printed.secured.contains_key(name);
        if alias.name.quote_style != Some('"') || !known {
            return Err("an alias that nobody gave".to_owned());
        }
        if !self.aliases.insert(name.to_owned()) {
            return Err("an alias is used twice".to_owned());
        }
        Ok(name)
    }

    fn table(&mut self, name: &ObjectName, is_function: bool) -> Flow {
        let parts = parts(name);
        match parts.as_deref() {
            Some(["pg_catalog", function]) if is_function => {
                if self.printed.table_functions.contains(*function) {
                    ControlFlow::Continue(())
                } else {
                    stop("a table function that wasn't printed")
                }
            }
            Some([work]) if !is_function && self.printed.recursive.contains(*work) => {
                ControlFlow::Continue(())
            }
            Some(parts) if !is_function && parts.len() == self.depth() => {
                let is_secured = |alias: &&String| self.printed.secured.contains_key(*alias);
                let mut around = self.derived.iter().rev();
                let around = match self.dialect {
                    Dialect::Postgres => around.next().filter(is_secured),
                    // Lookups are derived tables inside of it; it is compared as a whole.
                    Dialect::Snowflake => around.find(is_secured),
                };
                let Some(alias) = around else {
                    return stop("a table outside of a secured relation");
                };
                let name = parts.iter().map(|part| (*part).to_owned()).collect();
                self.seen.entry(alias.clone()).or_default().push(name);
                ControlFlow::Continue(())
            }
            _ => stop("a relation that nobody named"),
        }
    }

    /// Whether it is a sample that was printed, of a base table. (That this one stands in a secured relation, and
    /// that all of that is as it was printed, is seen elsewhere.)
    fn sampled(&self, name: &ObjectName, sample: &TableSampleKind) -> bool {
        let of_base = parts(name).is_some_and(|parts| parts.len() == self.depth());
        match sample {
            TableSampleKind::AfterTableAlias(sample) => {
                of_base
                    && sample.offset.is_none()
                    && sample.bucket.is_none()
                    && self.printed.samples.contains(&sample.to_string())
            }
            TableSampleKind::BeforeTableAlias(_) => false,
        }
    }

    /// Whether a table function is a FLATTEN that was printed.
    fn flattens(&self, name: &ObjectName, args: &[FunctionArg]) -> bool {
        let is_named = matches!(name.0.as_slice(), [ObjectNamePart::Identifier(name)]
            if name.quote_style.is_none() && name.value == FLATTEN);
        is_named && self.printed.table_functions.contains(FLATTEN) && is_printed(args, self.printed)
    }

    /// The parts of a base table's name.
    fn depth(&self) -> usize {
        match self.dialect {
            Dialect::Postgres => 2,
            Dialect::Snowflake => 3,
        }
    }

    /// A function that the parser has a node of its own for.
    fn syntax(&self, name: &str) -> Flow {
        if self.dialect == Dialect::Snowflake && self.printed.functions.contains(name) {
            ControlFlow::Continue(())
        } else {
            stop("a function that wasn't printed")
        }
    }

    fn function(&self, function: &Function) -> Flow {
        if self.dialect == Dialect::Snowflake {
            return match function.name.0.as_slice() {
                [ObjectNamePart::Identifier(name)]
                    if name.quote_style.is_none()
                        && self.printed.functions.contains(&name.value) =>
                {
                    ControlFlow::Continue(())
                }
                _ => stop("a function that wasn't printed"),
            };
        }
        let known = match parts(&function.name).as_deref() {
            Some(["pg_catalog", name]) => self.printed.functions.contains(*name),
            Some(_) => false,
            // Words of the language: they stand without quotes.
            None => {
                let word = function.name.to_string();
                self.printed.words.contains(word.as_str())
                    || matches!(word.as_str(), "CURRENT_DATE" | "LOCALTIME" | "ARRAY")
            }
        };
        if known { ControlFlow::Continue(()) } else { stop("a function that wasn't printed") }
    }
}

impl Visitor for Walk<'_> {
    type Break = String;

    fn pre_visit_query(&mut self, query: &Query) -> Flow {
        let plain = query.locks.is_empty()
            && query.fetch.is_none()
            && query.for_clause.is_none()
            && query.settings.is_none()
            && query.format_clause.is_none()
            && query.pipe_operators.is_empty();
        if !plain {
            return stop("a clause of a query");
        }
        if let Some(with) = &query.with {
            for cte in &with.cte_tables {
                let name = &cte.alias.name;
                let known = self.printed.recursive.contains(&name.value);
                if !known || !with.recursive || name.quote_style != Some('"') {
                    return stop("a common table expression that wasn't printed");
                }
            }
        }
        let mut bodies = vec![query.body.as_ref()];
        while let Some(body) = bodies.pop() {
            match body {
                SetExpr::Select(select) => {
                    if select.into.is_some() || select.top.is_some() {
                        return stop("a clause of a SELECT");
                    }
                }
                SetExpr::SetOperation { left, right, .. } => {
                    bodies.extend([left.as_ref(), right.as_ref()]);
                }
                SetExpr::Query(_) | SetExpr::Values(_) => {}
                SetExpr::Insert(_)
                | SetExpr::Update(_)
                | SetExpr::Delete(_)
                | SetExpr::Merge(_)
                | SetExpr::Table(_) => return stop("a body that isn't a SELECT"),
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> Flow {
        match factor {
            TableFactor::Table { name, alias, args, sample, .. } => {
                if let Err(what) = self.alias(alias) {
                    return stop(what);
                }
                if let Some(sample) = sample
                    && !self.sampled(name, sample)
                {
                    return stop("a sample that wasn't printed");
                }
                self.table(name, args.is_some())
            }
            TableFactor::Function { name, alias, lateral, args, with_ordinality } => {
                if let Err(what) = self.alias(alias) {
                    return stop(what);
                }
                if self.dialect == Dialect::Snowflake {
                    return match *lateral && !with_ordinality && self.flattens(name, args) {
                        true => ControlFlow::Continue(()),
                        false => stop("a table function that wasn't printed"),
                    };
                }
                self.table(name, true)
            }
            TableFactor::Derived { sample: Some(_), .. } => stop("a sample of a query"),
            TableFactor::Derived { subquery, alias, .. } => {
                let name = match self.alias(alias) {
                    Ok(name) => name.to_owned(),
                    Err(what) => return stop(what),
                };
                if let Some(secured) = self.printed.secured.get(&name) {
                    match parse(self.dialect, &secured.text) {
                        Ok(alone) if alone == *subquery => {}
                        Ok(_) | Err(_) => return stop("a secured relation is another one here"),
                    }
                }
                self.derived.push(name);
                ControlFlow::Continue(())
            }
            TableFactor::NestedJoin { alias: None, .. } => ControlFlow::Continue(()),
            _ => stop("a relation of another kind"),
        }
    }

    fn post_visit_table_factor(&mut self, factor: &TableFactor) -> Flow {
        if matches!(factor, TableFactor::Derived { .. }) {
            self.derived.pop();
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> Flow {
        match expr {
            Expr::Function(function) => self.function(function),
            Expr::Identifier(ident) => {
                let word = matches!(ident.value.as_str(), "CURRENT_DATE" | "LOCALTIME");
                if self.dialect == Dialect::Postgres && word && ident.quote_style.is_none() {
                    ControlFlow::Continue(())
                } else {
                    stop("a bare name")
                }
            }
            Expr::CompoundIdentifier(idents) => {
                if idents.iter().all(|ident| ident.quote_style == Some('"')) {
                    ControlFlow::Continue(())
                } else {
                    stop("a name without quotes")
                }
            }
            Expr::Ceil { .. } => self.syntax("CEIL"),
            Expr::Floor { .. } => self.syntax("FLOOR"),
            Expr::Substring { .. } => self.syntax("SUBSTR"),
            Expr::Cast { kind: CastKind::TryCast, .. } => self.syntax("TRY_CAST"),
            Expr::Cast { kind: CastKind::SafeCast, .. } => stop("a cast that wasn't printed"),
            Expr::BinaryOp { .. }
            | Expr::UnaryOp { .. }
            | Expr::Nested(_)
            | Expr::Value(_)
            | Expr::Cast { .. }
            | Expr::Case { .. }
            | Expr::Between { .. }
            | Expr::InList { .. }
            | Expr::InSubquery { .. }
            | Expr::Exists { .. }
            | Expr::Subquery(_)
            | Expr::AnyOp { .. }
            | Expr::AllOp { .. }
            | Expr::Like { .. }
            | Expr::ILike { .. }
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsTrue(_)
            | Expr::IsNotTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsNotFalse(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotUnknown(_)
            | Expr::IsDistinctFrom(..)
            | Expr::IsNotDistinctFrom(..)
            | Expr::Array(_)
            | Expr::Overlay { .. }
            | Expr::CompoundFieldAccess { .. }
            | Expr::Rollup(_)
            | Expr::Cube(_)
            | Expr::GroupingSets(_)
            | Expr::Tuple(_) => ControlFlow::Continue(()),
            _ => stop("an expression that the printer has no word for"),
        }
    }

    fn pre_visit_value(&mut self, value: &datafusion_sql::sqlparser::ast::ValueWithSpan) -> Flow {
        match &value.value {
            Value::Null => ControlFlow::Continue(()),
            // An argument of FLATTEN; it says nothing.
            Value::Boolean(true)
                if self.dialect == Dialect::Snowflake
                    && [OUTER, RECURSIVE].iter().any(|word| self.printed.words.contains(word)) =>
            {
                ControlFlow::Continue(())
            }
            // Another one, which nothing else is called with.
            Value::SingleQuotedString(path)
                if self.dialect == Dialect::Snowflake
                    && self.printed.paths.contains(path)
                    && is_path(path) =>
            {
                ControlFlow::Continue(())
            }
            Value::SingleQuotedString(text)
                if self.printed.literals.contains(text) && super::literal::is_word(text) =>
            {
                ControlFlow::Continue(())
            }
            Value::Placeholder(name) => {
                let sign = match self.dialect {
                    Dialect::Postgres => '$',
                    Dialect::Snowflake => ':',
                };
                let number = name.strip_prefix(sign).and_then(|name| name.parse::<usize>().ok());
                if number.is_some_and(|number| (1..=self.parameters).contains(&number)) {
                    ControlFlow::Continue(())
                } else {
                    stop("a parameter without a value")
                }
            }
            Value::Number(number, false) if self.printed.numbers.contains(number) => {
                ControlFlow::Continue(())
            }
            _ => stop("a literal that wasn't printed"),
        }
    }
}
