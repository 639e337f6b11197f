//! Statements that are a query and how its rows go to the client.

use std::sync::Arc;

use datafusion_sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan};
use tollgate_catalog::Error;

use super::{Body, Parsed};
use crate::delivery;
use crate::dialect::SqlDialect;
use crate::tokens::Cursor;

/// Reads a statement that is one; `part` are its tokens as they are meant, `text` is what they were in.
///
/// # Errors
/// It is malformed, or what it delivers is no query.
pub(super) fn read(
    dialect: SqlDialect,
    part: &[TokenWithSpan],
    text: &str,
    operators: usize,
) -> Result<Option<Body>, Error> {
    let Some((delivery, query)) = delivery::read(part)? else { return Ok(None) };
    let solid = |token: &&TokenWithSpan| !matches!(token.token, Token::Whitespace(_));
    let start = part.iter().find(solid).map_or(Location::new(1, 1), |token| token.span.start);
    let tokens = part.get(query).unwrap_or_default();
    let written = Cursor::within(text, start).text(tokens).into();
    let body = super::spelled(dialect, tokens.to_vec(), text, operators, false)?;
    let Body::Query(_) = &body else {
        return Err(Error::not_supported("a cursor or a COPY of anything but a query"));
    };
    let query = Parsed { sql: written, dialect, body, operators, as_written: true };
    Ok(Some(Body::Delivered { delivery, query: Arc::new(query) }))
}
