//! `TEST POLICY`: what somebody must see, beside the policies that say so.

use std::collections::BTreeMap;

use datafusion_sql::sqlparser::tokenizer::Token;

use super::{Parsed, Reader};
use crate::cases::Expectation;
use crate::model::{Case, Statement};

const FORM: &str = "the form is TEST POLICY AS USER 'name' [ROLES (role, …)] \
    [WITH (attribute = 'value', …)] SELECT … EXPECT DENIED or EXPECT ROWS (value, …), …";

impl Reader<'_> {
    pub(super) fn test(&mut self) -> Parsed<Statement> {
        self.expect(&["AS", "USER"], FORM)?;
        let user = self.user()?;
        let roles = if self.take(&["ROLES"]) {
            self.token(&Token::LParen, FORM)?;
            let roles = self.names("a role")?;
            self.token(&Token::RParen, FORM)?;
            Some(roles)
        } else {
            None
        };
        let mut attributes: BTreeMap<String, Vec<String>> = BTreeMap::new();
        // A query may begin with WITH too, but never with a parenthesis behind it.
        if self.peek(&["WITH"]) && self.parser.peek_nth_token_ref(1).token == Token::LParen {
            self.parser.advance_token();
            self.token(&Token::LParen, FORM)?;
            loop {
                let name = self.name("an attribute")?;
                self.token(&Token::Eq, "give the attribute a value: tenant_id = 'acme'")?;
                let hint = "a value is text, a list of values is ('a', 'b')";
                let values = if self.parser.peek_token_ref().token == Token::LParen {
                    self.literals("a value", hint)?.into_iter().map(|value| value.text).collect()
                } else {
                    vec![self.literal("a value", hint)?]
                };
                if attributes.insert(name.text.clone(), values).is_some() {
                    return Err(name.at.error(
                        format!("attribute \"{}\" is given twice", name.text),
                        "a list of values is attribute = ('a', 'b')",
                    ));
                }
                if !self.parser.consume_token(&Token::Comma) {
                    break;
                }
            }
            self.token(&Token::RParen, FORM)?;
        }
        let sql = self.query(Some("EXPECT"), FORM)?;
        self.expect(&["EXPECT"], FORM)?;
        let expect = if self.take(&["DENIED"]) {
            Expectation::Denied
        } else {
            self.expect(&["ROWS"], "write EXPECT DENIED or EXPECT ROWS (value, …), …")?;
            Expectation::Rows(self.rows()?)
        };
        Ok(Statement::Test(Case { user, roles, attributes, sql, expect }))
    }

    /// `(1, 'a'), (2, NULL)`; `()` is no row at all.
    fn rows(&mut self) -> Parsed<Vec<Vec<Option<String>>>> {
        let hint = "a row is its values in parentheses: (1, 'a', NULL)";
        let mut rows: Vec<Vec<Option<String>>> = Vec::new();
        loop {
            let at = self.here();
            self.token(&Token::LParen, hint)?;
            if rows.is_empty() && self.parser.consume_token(&Token::RParen) {
                return Ok(rows);
            }
            let mut row = Vec::new();
            loop {
                row.push(self.expected_value(hint)?);
                if !self.parser.consume_token(&Token::Comma) {
                    break;
                }
            }
            self.token(&Token::RParen, hint)?;
            if rows.first().is_some_and(|first| first.len() != row.len()) {
                return Err(at.error("the rows differ in their number of values", hint));
            }
            rows.push(row);
            if !self.parser.consume_token(&Token::Comma) {
                return Ok(rows);
            }
        }
    }

    /// A value in the text form in which a client reads it; `None` is NULL.
    fn expected_value(&mut self, hint: &str) -> Parsed<Option<String>> {
        if self.take(&["NULL"]) {
            return Ok(None);
        }
        if self.take(&["TRUE"]) {
            return Ok(Some("t".to_owned()));
        }
        if self.take(&["FALSE"]) {
            return Ok(Some("f".to_owned()));
        }
        let sign = if self.parser.consume_token(&Token::Minus) { "-" } else { "" };
        if let Token::Number(digits, false) = &self.parser.peek_token_ref().token {
            let number = format!("{sign}{digits}");
            self.parser.advance_token();
            return Ok(Some(number));
        }
        self.literal("a value", hint).map(Some)
    }
}
