//! Snowflake's constructs as PostgreSQL's, on the way of the gate's walk.
//!
//! Each node is translated when the walk comes to it, before the gate reads it: into constructs that the
//! gate knows, whose parts it walks next. So nothing gets past the gate, and what isn't translated is
//! refused by it. What depends on types becomes an operator that the planner resolves (`operands`).

mod asof;
mod casts;
mod dates;
mod documents;
pub(super) mod flatten;
mod functions;
mod make;
mod paths;
mod pivot;
mod star;
mod strings;
mod weight;

use std::ops::ControlFlow;

use datafusion_sql::sqlparser::ast::{
    BinaryOperator, CastKind, Expr, GroupByExpr, LimitClause, Query, SelectItem, SetExpr,
    SetOperator, TopQuantity, Visit, Visitor,
};
use tollgate_catalog::{Error, ErrorKind, id};

use self::weight::{Weight, bound_copies};
use super::budget::bound_list;
use super::expr::{null, number};
use super::scope::{Column, Output, Scope, ambiguous};
use super::{Gate, parts, refuse_if};
use crate::dialect::SqlDialect;
use crate::names::output_name;
use crate::operands::Typed;

/// The longest name that an expression gives a column.
const LONGEST_NAME: usize = 255;
/// Names that PostgreSQL answers by itself; in Snowflake they are columns, or functions.
const COLUMNS: &[&str] = &[
    "current_catalog",
    "current_database",
    "current_role",
    "current_schema",
    "session_user",
    "user",
    "version",
];

/// The names of a result's columns: those without small letters of their own are shown in capitals.
pub(super) fn shown(columns: &[Output]) -> Vec<String> {
    let name = |column: &Output| match column.exact {
        true => column.name.clone(),
        false => capitals(&column.name),
    };
    columns.iter().map(name).collect()
}

/// A name without small letters of its own, as Snowflake shows it.
fn capitals(name: &str) -> String {
    if name.chars().any(char::is_uppercase) { name.to_owned() } else { name.to_uppercase() }
}

fn taken(expr: &mut Expr) -> Expr {
    std::mem::replace(expr, null())
}

fn unknown(what: &str) -> Error {
    Error::not_supported(&format!("this form of {what}"))
}

impl Gate<'_> {
    pub(super) fn is_snowflake(&self) -> bool {
        self.dialect == SqlDialect::Snowflake
    }

    /// The name of an item of a select list without an alias, and whether it was written so: a column's,
    /// or in Snowflake what the expression says.
    pub(super) fn item_name(&self, expr: &Expr) -> (String, bool) {
        if !self.is_snowflake() {
            return (output_name(expr), false);
        }
        let ident = match expr {
            Expr::Identifier(ident) => Some(ident),
            Expr::CompoundIdentifier(idents) => idents.last(),
            _ => None,
        };
        match ident {
            Some(ident) => {
                let exact = ident.quote_style.is_some();
                (id::fold(&ident.value, exact), exact)
            }
            None => (expr.to_string().to_lowercase().chars().take(LONGEST_NAME).collect(), false),
        }
    }

    /// Notes an item of the select list that can be named beside it.
    pub(super) fn note_alias(&mut self, name: &str, expr: &Expr, reach: u64) {
        if !self.is_snowflake() {
            return;
        }
        if let Some(scope) = self.scopes.last_mut() {
            // It is copied to where it is named: what it weighs is what is written there, whatever an
            // aggregate means for the engine. What is too deep can't be named.
            let weight = Weight::of(expr);
            let size = if weight.is_deep() { u64::MAX } else { weight.size().max(reach) };
            let expr = super::list::nested(expr.clone());
            let name = name.to_owned();
            let field = name.clone();
            scope.add_alias(Column { name, field, expr, size, reach, exact: false });
        }
    }

    /// Refuses a name that means an item of the select list if it also means a column of a query around.
    pub(super) fn beside_columns(&self, name: &str) -> Result<(), Error> {
        let mut around = self.scopes.iter().rev().skip(1);
        let found = |scope: &Scope| scope.columns().iter().any(|column| column.name == name);
        match around.any(found) {
            true => Err(ambiguous(name).with_hint("give the item another alias")),
            false => Ok(()),
        }
    }

    /// `SELECT TOP 5 …` as `SELECT … LIMIT 5`.
    pub(super) fn translate_query(&self, query: &mut Query) -> Result<(), Error> {
        let SetExpr::Select(select) = query.body.as_mut() else { return Ok(()) };
        let Some(top) = select.top.take_if(|_| self.is_snowflake()) else { return Ok(()) };
        refuse_if(top.with_ties, "TOP … WITH TIES")?;
        refuse_if(top.percent, "TOP … PERCENT")?;
        let quantity = match top.quantity {
            Some(TopQuantity::Constant(count)) => number(&count.to_string()),
            Some(TopQuantity::Expr(_)) | None => return Err(unknown("TOP")),
        };
        if query.limit_clause.is_some() || query.fetch.is_some() {
            return Err(Error::new(ErrorKind::Syntax, "TOP and LIMIT are not allowed together"));
        }
        query.limit_clause = Some(LimitClause::LimitOffset {
            limit: Some(quantity),
            offset: None,
            limit_by: Vec::new(),
        });
        Ok(())
    }

    /// `MINUS` as `EXCEPT`.
    pub(super) fn translate_operation(&self, op: &mut SetOperator) {
        if self.is_snowflake() && *op == SetOperator::Minus {
            *op = SetOperator::Except;
        }
    }

    /// `GROUP BY ALL`: by all items of the select list that aren't aggregates.
    pub(super) fn group_all(
        &mut self,
        group_by: &mut GroupByExpr,
        projection: &[SelectItem],
        columns: &[Output],
    ) -> Result<(), Error> {
        let GroupByExpr::All(modifiers) = group_by else { return Ok(()) };
        refuse_if(!self.is_snowflake() || !modifiers.is_empty(), "GROUP BY ALL")?;
        let mut keys = Vec::new();
        for (place, (item, column)) in projection.iter().zip(columns).enumerate() {
            let computes = Computes::of(item, self);
            refuse_if(computes.windows, "GROUP BY ALL with a window function")?;
            if !computes.aggregates {
                self.reference(column.reach, column.reach)?;
                keys.push(number(&(place + 1).to_string()));
            }
        }
        bound_list(keys.len(), "GROUP BY")?;
        *group_by = GroupByExpr::Expressions(keys, Vec::new());
        Ok(())
    }

    /// `QUALIFY`: a condition over window functions, in it or in the select list.
    pub(super) fn qualify(
        &mut self,
        condition: &mut Expr,
        projection: &[SelectItem],
    ) -> Result<(), Error> {
        self.condition(|gate| gate.expr(condition))?;
        let windows = Computes::of(condition, self).windows
            || projection.iter().any(|item| Computes::of(item, self).windows);
        if windows {
            return Ok(());
        }
        let message = "QUALIFY needs a window function, in its condition or in the select list";
        Err(Error::new(ErrorKind::Syntax, message).with_hint("use WHERE or HAVING"))
    }

    /// Translates a node, not what is in it.
    pub(super) fn translate(&mut self, expr: &mut Expr) -> Result<(), Error> {
        if !self.is_snowflake() {
            return Ok(());
        }
        // Translations write operands several times, and lists as chains.
        let copies = bound_copies(expr)?;
        self.node(copies)?;
        let made = match expr {
            Expr::Identifier(ident) => {
                if ident.quote_style.is_none()
                    && COLUMNS.contains(&ident.value.to_ascii_lowercase().as_str())
                {
                    super::fold(ident);
                }
                None
            }
            Expr::BinaryOp { op: op @ BinaryOperator::Divide, .. } => {
                *op = Typed::Divide.operator();
                None
            }
            Expr::BinaryOp {
                left,
                op: op @ (BinaryOperator::Plus | BinaryOperator::Minus),
                right,
            } => match right.as_ref() {
                Expr::Interval(interval) => {
                    let back = *op == BinaryOperator::Minus;
                    let moved = dates::moved(taken(left), interval, back);
                    Some(moved.ok_or_else(|| unknown("an interval"))?)
                }
                _ => None,
            },
            Expr::Interval(_) => {
                return Err(Error::not_supported("an interval as a value")
                    .with_hint("add it to a date or a timestamp, or use DATEADD"));
            }
            Expr::Function(function) => {
                let folded = parts(&function.name)?;
                match folded.as_slice() {
                    [name] => functions::translate(name, function)?,
                    _ => None,
                }
            }
            Expr::Cast { kind, expr: value, data_type, array: _, format } => {
                refuse_if(format.is_some(), "CAST … FORMAT")?;
                let of = casts::type_of(data_type)?;
                match kind {
                    CastKind::Cast | CastKind::DoubleColon => {
                        *data_type = casts::target(value, of);
                        None
                    }
                    CastKind::TryCast => {
                        let made = casts::try_cast(taken(value), &of);
                        Some(made.ok_or_else(|| unknown("TRY_CAST"))?)
                    }
                    CastKind::SafeCast => return Err(Error::not_supported("SAFE_CAST")),
                }
            }
            Expr::TypedString(typed) => {
                typed.data_type = casts::type_of(&typed.data_type)?;
                None
            }
            Expr::Extract { field, syntax: _, expr: moment } => {
                let field = field.to_string().to_ascii_lowercase();
                let made = dates::part(field.trim_matches('\''), taken(moment));
                Some(made.ok_or_else(|| unknown("EXTRACT"))?)
            }
            Expr::Substring { expr: text, substring_from, substring_for, .. } => {
                let Some(start) = substring_from else { return Err(unknown("SUBSTRING")) };
                let length = substring_for.as_deref_mut().map(taken);
                Some(strings::substring(taken(text), taken(start), length))
            }
            Expr::Trim { trim_where, trim_what, expr: text, trim_characters } => {
                let what = trim_what.as_deref_mut().map(taken);
                let characters = trim_characters.take().unwrap_or_default();
                let made = strings::trim(*trim_where, what, taken(text), characters);
                Some(made.ok_or_else(|| unknown("TRIM"))?)
            }
            Expr::Like { .. } | Expr::ILike { .. } => like(expr)?,
            Expr::JsonAccess { value, path } => Some(paths::access(taken(value), &path.path)?),
            Expr::CompoundFieldAccess { .. } => {
                return Err(Error::not_supported("an element of a semi-structured value"));
            }
            Expr::Array(_) => return Err(Error::not_supported("an array")),
            // The gate reads them as they are, or refuses them.
            _ => None,
        };
        if let Some(made) = made {
            *expr = made;
        }
        Ok(())
    }
}

/// A pattern without an escape, and `LIKE ANY` as several `LIKE`.
fn like(expr: &mut Expr) -> Result<Option<Expr>, Error> {
    let insensitive = matches!(expr, Expr::ILike { .. });
    let (Expr::Like { negated, any, expr: text, pattern, escape_char }
    | Expr::ILike { negated, any, expr: text, pattern, escape_char }) = expr
    else {
        return Ok(None);
    };
    if !*any {
        if escape_char.is_none() {
            **pattern = strings::pattern(taken(pattern));
        }
        return Ok(None);
    }
    refuse_if(*negated, "NOT LIKE ANY")?;
    let patterns = match taken(pattern) {
        Expr::Tuple(patterns) => patterns,
        Expr::Nested(single) => vec![*single],
        _ => return Err(unknown("LIKE ANY")),
    };
    let like = |text: Expr, pattern: Expr| {
        let (negated, any) = (false, false);
        let (expr, pattern) = (Box::new(text), Box::new(pattern));
        let escape_char = escape_char.clone();
        match insensitive {
            true => Expr::ILike { negated, any, expr, pattern, escape_char },
            false => Expr::Like { negated, any, expr, pattern, escape_char },
        }
    };
    let made = strings::like_any(&taken(text), patterns, like);
    made.map(Some).ok_or_else(|| unknown("LIKE ANY"))
}

/// What an expression computes of several rows, by itself and not by a query in it.
struct Computes<'a, 'g> {
    gate: &'a Gate<'g>,
    aggregates: bool,
    windows: bool,
    depth: usize,
}

impl<'a, 'g> Computes<'a, 'g> {
    fn of(item: &impl Visit, gate: &'a Gate<'g>) -> Self {
        let mut found = Self { gate, aggregates: false, windows: false, depth: 0 };
        // It never breaks off.
        let _ = item.visit(&mut found);
        found
    }
}

impl Visitor for Computes<'_, '_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth = self.depth.saturating_sub(1);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let (0, Expr::Function(function)) = (self.depth, expr) {
            let name = function.name.0.last().and_then(|part| part.as_ident());
            if function.over.is_some() {
                self.windows = true;
            } else if name
                .is_some_and(|name| self.gate.registry.aggregate_udf(&name.value).is_some())
            {
                self.aggregates = true;
            }
        }
        ControlFlow::Continue(())
    }
}
