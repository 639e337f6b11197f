//! Statements that are a query and how its rows go to the client.

use std::sync::Arc;

use datafusion_sql::sqlparser::ast::{Expr, Query, SelectItem, SetExpr};
use datafusion_sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan};
use tollgate_catalog::{Error, ErrorKind};

use super::errors::syntax_error;
use super::{Body, Parsed};
use crate::delivery::{self, Place};
use crate::dialect::SqlDialect;
use crate::tokens::Cursor;

/// Reads a statement that is one; `part` are its tokens, `text` is what they were in.
///
/// # Errors
/// It is malformed, or what it delivers is no query.
pub(super) fn read(
    dialect: SqlDialect,
    part: &[TokenWithSpan],
    text: &str,
    operators: usize,
) -> Result<Option<Body>, Error> {
    let Some((delivery, place)) = delivery::read(part)? else { return Ok(None) };
    let solid = |token: &&TokenWithSpan| !matches!(token.token, Token::Whitespace(_));
    let start = part.iter().find(solid).map_or(Location::new(1, 1), |token| token.span.start);
    let tokens = |range| part.get(range).unwrap_or_default();
    let written = |range| Cursor::within(text, start).text(tokens(range));
    let mut named = None;
    let (query, tokens) = match place {
        Place::Query(range) => (written(range.clone()).to_owned(), tokens(range).to_vec()),
        Place::Table { columns, name } => {
            named = columns.as_ref().map(|columns| {
                let commas = tokens(columns.clone()).iter();
                commas.filter(|token| token.token == Token::Comma).count() + 1
            });
            let query = format!("SELECT {} FROM {}", columns.map_or("*", written), written(name));
            let tokens = dialect.tokens(&query).map_err(|error| syntax_error(&error, &query))?;
            (query, tokens)
        }
    };
    let body = super::body(dialect, tokens, text, operators)?;
    let Body::Query(found) = &body else {
        return Err(Error::not_supported("a cursor or a COPY of anything but a query"));
    };
    if named.is_some_and(|count| !names_only(found, count)) {
        return Err(Error::new(ErrorKind::Syntax, "syntax error in the columns of COPY")
            .with_hint("quote names that are key words"));
    }
    let query = Parsed { sql: query.into(), dialect, body, operators, as_written: true };
    Ok(Some(Body::Delivered { delivery, query: Arc::new(query) }))
}

/// Whether a query selects so many columns by their names, and nothing else was read from these.
fn names_only(query: &Query, count: usize) -> bool {
    let SetExpr::Select(select) = query.body.as_ref() else { return false };
    let name = |item: &SelectItem| matches!(item, SelectItem::UnnamedExpr(Expr::Identifier(_)));
    select.distinct.is_none()
        && select.projection.len() == count
        && select.projection.iter().all(name)
}
