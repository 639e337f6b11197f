//! Queries inside of statements: views, and what tests ask.

use datafusion_sql::sqlparser::ast::Statement as SqlStatement;
use datafusion_sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion_sql::sqlparser::parser::Parser;
use datafusion_sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::{Parsed, Reader, lower_first};
use crate::model::Statement;

impl Reader<'_> {
    pub(super) fn view(&mut self) -> Parsed<Statement> {
        let form = "the form is CREATE VIEW schema.name AS SELECT …";
        let (name, at) = self.table()?;
        self.expect(&["AS"], form)?;
        let mut ahead = 0;
        let mut before = None;
        loop {
            let token = self.parser.peek_nth_token_ref(ahead);
            match &token.token {
                Token::EOF | Token::SemiColon => break,
                Token::Mul if before.as_ref().is_some_and(starts_item) => {
                    let at = self.place(token.span.start.line, token.span.start.column);
                    return Err(at.error(
                        "a view can't select \"*\"",
                        "name its columns: one that is new in a table must not show by itself",
                    ));
                }
                _ => before = Some(token.clone()),
            }
            ahead += 1;
        }
        let sql = self.query(None, form)?;
        Ok(Statement::View { name, at, sql })
    }

    /// The text up to a word outside of parentheses, or to the end of the statement; which must be
    /// one query.
    pub(super) fn query(&mut self, until: Option<&str>, form: &str) -> Parsed<String> {
        let at = self.here();
        let start = self.parser.peek_token_ref().span.start;
        let mut depth = 0_u32;
        loop {
            match &self.parser.peek_token_ref().token {
                Token::EOF | Token::SemiColon => match until {
                    Some(word) => return self.unexpected(word, form),
                    None => break,
                },
                Token::LParen => depth += 1,
                Token::RParen => depth = depth.saturating_sub(1),
                _ if depth == 0 && until.is_some_and(|word| self.peek(&[word])) => break,
                _ => {}
            }
            self.parser.advance_token();
        }
        let end = self.here();
        let text = self.between((start.line, start.column), (end.line, end.column)).to_owned();
        let hint = "write one SELECT, as a user would";
        let parsed = stacker::maybe_grow(8 << 20, 16 << 20, || {
            Parser::parse_sql(&PostgreSqlDialect {}, &text)
        });
        match parsed.as_deref() {
            Ok([SqlStatement::Query(_)]) => Ok(text),
            Ok(_) => Err(at.error("expected a query", hint)),
            Err(error) => {
                let message = error.to_string().replace("sql parser error: ", "");
                let message = message.split(" at Line: ").next().unwrap_or_default().to_owned();
                Err(at.error(lower_first(&message.replace("Expected: ", "expected ")), hint))
            }
        }
    }

    /// The text between two places of lines and columns, without the spaces around it.
    fn between(&self, start: (u64, u64), end: (u64, u64)) -> &str {
        let offset = |(line, column): (u64, u64)| {
            let mut at = (1, 1);
            for (offset, char) in self.text.char_indices() {
                if at == (line, column) {
                    return offset;
                }
                at = if char == '\n' { (at.0 + 1, 1) } else { (at.0, at.1 + 1) };
            }
            self.text.len()
        };
        self.text.get(offset(start)..offset(end)).unwrap_or_default().trim()
    }
}

/// Whether what follows is an item of a select list or the last part of a name.
fn starts_item(token: &TokenWithSpan) -> bool {
    matches!(token.token, Token::Comma | Token::Period)
        || ["SELECT", "ALL", "DISTINCT"].iter().any(|word| Reader::is_word(token, word))
}
