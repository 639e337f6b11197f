//! `TEST POLICY`: what somebody must see, beside the policies that say so.

use std::collections::BTreeMap;
use std::net::IpAddr;

use datafusion_sql::sqlparser::tokenizer::Token;

use super::{Parsed, Reader};
use crate::cases::Expectation;
use crate::model::{Case, Statement};

const FORM: &str = "the form is TEST POLICY AS USER 'name' [ROLES (role, …)] \
    [WITH (attribute = 'value', …)] [FROM 'address'] [MFA] [PURPOSE 'purpose'] SELECT … \
    EXPECT DENIED, EXPECT NO ACCESS or EXPECT ROWS (value, …), …";

impl Reader<'_> {
    pub(super) fn test(&mut self) -> Parsed<Statement> {
        self.expect(&["AS", "USER"], FORM)?;
        let user = self.user()?;
        let mut roles = None;
        let mut attributes = None;
        let mut address = None;
        let mut mfa = false;
        let mut purpose = None;
        loop {
            let at = self.here();
            let again = if self.take(&["ROLES"]) {
                self.token(&Token::LParen, FORM)?;
                let named = self.names("a role")?;
                self.token(&Token::RParen, FORM)?;
                roles.replace(named).is_some()
            } else if self.peek(&["WITH"])
                && self.parser.peek_nth_token_ref(1).token == Token::LParen
            {
                // A query may begin with WITH too, but never with a parenthesis behind it.
                self.parser.advance_token();
                attributes.replace(self.attributes()?).is_some()
            } else if self.take(&["FROM"]) {
                address.replace(self.address()?).is_some()
            } else if self.take(&["MFA"]) {
                std::mem::replace(&mut mfa, true)
            } else if self.take(&["PURPOSE"]) {
                let hint = "write the purpose as text: PURPOSE 'research'";
                purpose.replace(self.literal("a purpose", hint)?).is_some()
            } else {
                break;
            };
            if again {
                return Err(at.error("the test says this twice", FORM));
            }
        }
        let attributes = attributes.unwrap_or_default();
        let sql = self.query(Some("EXPECT"), FORM)?;
        self.expect(&["EXPECT"], FORM)?;
        let expect = if self.take(&["DENIED"]) {
            Expectation::Denied
        } else if self.take(&["NO", "ACCESS"]) {
            Expectation::NoAccess
        } else {
            let hint = "write EXPECT DENIED, EXPECT NO ACCESS or EXPECT ROWS (value, …), …";
            self.expect(&["ROWS"], hint)?;
            Expectation::Rows(self.rows()?)
        };
        Ok(Statement::Test(Case { user, roles, attributes, address, mfa, purpose, sql, expect }))
    }

    /// `(tenant_id = 'acme', regions = ('eu', 'us'))`
    fn attributes(&mut self) -> Parsed<BTreeMap<String, Vec<String>>> {
        let mut attributes: BTreeMap<String, Vec<String>> = BTreeMap::new();
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
        Ok(attributes)
    }

    /// One address: a client has no range of them.
    fn address(&mut self) -> Parsed<IpAddr> {
        let at = self.here();
        let hint = "write the one address that the client would have: FROM '10.1.2.3'";
        let text = self.literal("an address", hint)?;
        text.parse().map_err(|_| at.error(format!("\"{text}\" is not an address"), hint))
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
