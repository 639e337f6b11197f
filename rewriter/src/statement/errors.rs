//! What is wrong with a text, in the house's words.

use datafusion_sql::sqlparser::parser::ParserError;
use datafusion_sql::sqlparser::tokenizer::Location;
use tollgate_catalog::{Error, ErrorKind};

use crate::tokens::Cursor;

pub(super) fn parser_error(error: &ParserError, sql: &str) -> Error {
    match error {
        ParserError::RecursionLimitExceeded => {
            Error::new(ErrorKind::ProgramLimit, "the statement is nested too deeply")
                .with_hint("split it into common table expressions")
        }
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => {
            syntax_error(text, sql)
        }
    }
}

/// The parser's text, in the house's grammar and with the position taken out of it.
pub(super) fn syntax_error(text: &str, sql: &str) -> Error {
    let (what, place) = match text.rfind(" at Line: ") {
        Some(at) => (text.get(..at).unwrap_or(text), text.get(at..)),
        None => (text, None),
    };
    let mut chars = what.chars();
    let lower: String =
        chars.next().into_iter().flat_map(char::to_lowercase).chain(chars).collect();
    // What the parser says of a token that it has no word for isn't for users.
    let error = match lower.contains('{') {
        true => Error::new(ErrorKind::Syntax, "syntax error"),
        false => Error::new(ErrorKind::Syntax, format!("syntax error: {lower}")),
    };
    let position = place.and_then(|place| {
        let mut numbers = place
            .split(|c: char| !c.is_ascii_digit())
            .filter(|digits| !digits.is_empty())
            .filter_map(|digits| digits.parse::<u64>().ok());
        let (line, column) = (numbers.next()?, numbers.next()?);
        let at = Cursor::new(sql).to(Location::new(line, column));
        Some(sql.get(..at)?.chars().count() + 1)
    });
    match position {
        Some(position) => error.at(position),
        None => error,
    }
}

pub(super) fn read_only(what: &str) -> Error {
    Error::new(ErrorKind::ReadOnly, format!("{what} is not permitted, the gateway only reads"))
        .with_hint("use SELECT, or change the data at its warehouse")
}
