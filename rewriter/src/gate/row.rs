//! Whole rows: the name of a relation where a value stands.
//!
//! `c` in `SELECT c FROM customers c` is the row of those columns of `c` that can be named, no others,
//! each as it can be seen. A column of that name comes first. A row may be selected, collected,
//! counted, written as text or as JSON, asked whether all of it is NULL, and grouped by; where else a
//! row stands, it is refused.

use datafusion_sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Expr, FunctionArg, FunctionArgExpr, SelectItem,
};
use tollgate_catalog::{Error, id};

use super::budget::{NODE, bound_list};
use super::expr::string;
use super::function::call;
use super::list::balanced;
use super::scope::{Column, Whole};
use super::{Gate, parts};

/// The error of a row where none may stand.
pub(super) fn refused() -> Error {
    Error::not_supported("a whole row in this place")
        .with_hint("name its columns, or cast it to text")
}

/// How a function takes a row.
enum Takes {
    /// As it is.
    Row,
    /// As text.
    Text,
    /// Not at all: it counts rows.
    Count,
}

/// How a function takes a row in a place, from 0; nothing if it doesn't.
fn takes(function: &str, place: usize, distinct: bool) -> Option<Takes> {
    match (function, place) {
        ("array_agg", 0) => Some(Takes::Row),
        ("count", 0) if distinct => Some(Takes::Row),
        ("count", 0) => Some(Takes::Count),
        ("concat", _) | ("concat_ws" | "format", 1..) => Some(Takes::Text),
        _ => None,
    }
}

impl Gate<'_> {
    /// What the name of a relation means as a value. The catalogs' relations mean none, nor does any in
    /// Snowflake's dialect.
    pub(super) fn whole(&self, name: &str) -> Result<Option<Whole>, Error> {
        if !self.found.system.is_empty() || self.is_snowflake() {
            return Ok(None);
        }
        let qualifier = [name.to_owned()];
        for scope in self.scopes.iter().rev() {
            if let Some(whole) = scope.whole(&qualifier)? {
                return Ok(Some(whole));
            }
        }
        Ok(None)
    }

    /// The columns of the row that an expression is, if it is one.
    pub(super) fn row(&self, expr: &Expr) -> Result<Option<Vec<Column>>, Error> {
        let ident = match expr {
            Expr::Nested(inner) => return self.row(inner),
            Expr::Identifier(ident) => ident,
            _ => return Ok(None),
        };
        let plain = ident.quote_style.is_none();
        if plain && self.session_constant(&ident.value.to_ascii_lowercase()).is_some() {
            return Ok(None);
        }
        let name = id::fold(&ident.value, !plain);
        for scope in self.scopes.iter().rev() {
            if scope.column(&name)?.is_some() {
                return Ok(None);
            }
        }
        match self.whole(&name)? {
            Some(Whole::Row(columns)) => Ok(Some(columns)),
            Some(Whole::Value(_)) | None => Ok(None),
        }
    }

    /// Walks an expression that may be a row.
    pub(super) fn value(&mut self, expr: &mut Expr) -> Result<(), Error> {
        match self.row(expr)? {
            Some(columns) => {
                *expr = self.made(columns)?;
                Ok(())
            }
            None => self.expr(expr),
        }
    }

    /// A row of columns.
    pub(super) fn made(&mut self, columns: Vec<Column>) -> Result<Expr, Error> {
        self.node(NODE)?;
        let mut arguments = Vec::with_capacity(2 * columns.len());
        for column in columns {
            self.node(1)?;
            self.reference(column.size, column.reach)?;
            arguments.push(string(&column.field));
            arguments.push(column.expr);
        }
        Ok(call("tg_row", arguments))
    }

    /// The text of a row.
    fn text(&mut self, columns: Vec<Column>) -> Result<Expr, Error> {
        self.node(NODE)?;
        let row = self.made(columns)?;
        Ok(call("tg_row_text", vec![row]))
    }

    /// Replaces an expression that takes a row if it has one: `row::text`, `row IS NULL`. Gives whether
    /// it did.
    pub(super) fn row_within(&mut self, expr: &mut Expr) -> Result<bool, Error> {
        match expr {
            Expr::Cast {
                expr: inner,
                data_type,
                kind: CastKind::Cast | CastKind::DoubleColon,
                array: false,
                format: None,
            } => {
                let Some(columns) = self.row(inner)? else { return Ok(false) };
                match data_type {
                    DataType::Text | DataType::Varchar(None) | DataType::CharacterVarying(None) => {
                        *expr = self.text(columns)?;
                        Ok(true)
                    }
                    _ => Err(refused()),
                }
            }
            Expr::IsNull(inner) => {
                let Some(columns) = self.row(inner)? else { return Ok(false) };
                *expr = self.each(columns, Expr::IsNull)?;
                Ok(true)
            }
            Expr::IsNotNull(inner) => {
                let Some(columns) = self.row(inner)? else { return Ok(false) };
                *expr = self.each(columns, Expr::IsNotNull)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Whether all columns of a row are so.
    fn each(
        &mut self,
        columns: Vec<Column>,
        test: impl Fn(Box<Expr>) -> Expr,
    ) -> Result<Expr, Error> {
        let mut tests = Vec::with_capacity(columns.len());
        for column in columns {
            self.node(2 * NODE)?;
            self.reference(column.size, column.reach)?;
            tests.push(test(Box::new(column.expr)));
        }
        let all = balanced(tests, &BinaryOperator::And).ok_or_else(refused)?;
        Ok(Expr::Nested(Box::new(all)))
    }

    /// Replaces an argument that is a row, where the function takes one. Gives whether it did.
    pub(super) fn row_argument(
        &mut self,
        function: &str,
        place: usize,
        distinct: bool,
        argument: &mut FunctionArg,
    ) -> Result<bool, Error> {
        let Some(columns) = self.row_of(argument)? else { return Ok(false) };
        let made = match takes(function, place, distinct).ok_or_else(refused)? {
            Takes::Row => FunctionArgExpr::Expr(self.made(columns)?),
            Takes::Text => FunctionArgExpr::Expr(self.text(columns)?),
            Takes::Count => FunctionArgExpr::Wildcard,
        };
        *argument = FunctionArg::Unnamed(made);
        Ok(true)
    }

    /// The columns of the row that an argument is: `f(c)` or `f(c.*)`.
    pub(super) fn row_of(&self, argument: &FunctionArg) -> Result<Option<Vec<Column>>, Error> {
        match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => self.row(expr),
            FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(name))
                if self.found.system.is_empty() =>
            {
                let qualifier = parts(name)?;
                for scope in self.scopes.iter().rev() {
                    match scope.whole(&qualifier)? {
                        Some(Whole::Row(columns)) => return Ok(Some(columns)),
                        Some(Whole::Value(_)) => return Err(refused()),
                        None => {}
                    }
                }
                Err(super::items::no_relation(&qualifier))
            }
            FunctionArg::Unnamed(
                FunctionArgExpr::QualifiedWildcard(_)
                | FunctionArgExpr::Wildcard
                | FunctionArgExpr::WildcardWithOptions(_),
            )
            | FunctionArg::Named { .. }
            | FunctionArg::ExprNamed { .. } => Ok(None),
        }
    }

    /// Writes the columns of a row in place of the row in GROUP BY: the groups are the same.
    pub(super) fn row_keys(
        &self,
        keys: &mut Vec<Expr>,
        projection: &[SelectItem],
    ) -> Result<(), Error> {
        // A column of the result of that name comes first, unless it is a row itself.
        let selected = |name: &str| {
            projection.iter().any(|item| match item {
                SelectItem::ExprWithAlias { expr, alias } => alias.value == name && !is_row(expr),
                _ => false,
            })
        };
        let mut written = Vec::with_capacity(keys.len());
        for key in std::mem::take(keys) {
            let columns = match &key {
                Expr::Identifier(ident)
                    if selected(&id::fold(&ident.value, ident.quote_style.is_some())) =>
                {
                    None
                }
                other => self.row(other)?,
            };
            match columns {
                // They are walked like any other key.
                Some(columns) => {
                    let held = |of: &Column| matches!(of.expr, Expr::CompoundIdentifier(_));
                    if !columns.iter().all(held) {
                        return Err(refused());
                    }
                    written.extend(columns.into_iter().map(|column| column.expr));
                }
                None => written.push(key),
            }
            bound_list(written.len(), "GROUP BY")?;
        }
        *keys = written;
        Ok(())
    }
}

/// Whether an expression that has been walked is a row.
fn is_row(expr: &Expr) -> bool {
    match expr {
        Expr::Function(function) => {
            matches!(function.name.0.as_slice(), [part] if part.as_ident()
                .is_some_and(|name| name.value == "tg_row"))
        }
        _ => false,
    }
}
