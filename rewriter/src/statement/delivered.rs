//! Statements that are a query and how its rows go to the client.

use std::sync::Arc;

use datafusion_sql::sqlparser::tokenizer::TokenWithSpan;
use tollgate_catalog::Error;

use super::errors::syntax_error;
use super::{Body, Parsed};
use crate::delivery::{self, Place};
use crate::dialect::SqlDialect;
use crate::tokens::Cursor;

/// Reads a statement that is one; `part` are its tokens, `text` is its text within `sql`.
///
/// # Errors
/// It is malformed, or what it delivers is no query.
pub(super) fn read(
    dialect: SqlDialect,
    part: &[TokenWithSpan],
    sql: &str,
    text: &str,
    operators: usize,
) -> Result<Option<Body>, Error> {
    let Some((delivery, place)) = delivery::read(part)? else { return Ok(None) };
    let tokens = |range| part.get(range).unwrap_or_default();
    let written = |range| Cursor::new(sql).text(tokens(range));
    let (query, tokens) = match place {
        Place::Query(range) => (written(range.clone()).to_owned(), tokens(range).to_vec()),
        Place::Table { columns, name } => {
            let query = format!("SELECT {} FROM {}", columns.map_or("*", written), written(name));
            let tokens = dialect.tokens(&query).map_err(|error| syntax_error(&error, &query))?;
            (query, tokens)
        }
    };
    let body = super::body(dialect, tokens, text, operators)?;
    let Body::Query(_) = body else {
        return Err(Error::not_supported("a cursor or a COPY of anything but a query"));
    };
    let query = Parsed { sql: query.into(), dialect, body, operators, as_written: true };
    Ok(Some(Body::Delivered { delivery, query: Arc::new(query) }))
}
