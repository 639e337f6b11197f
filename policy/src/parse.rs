//! The text of a policy file → statements with their places.
//!
//! The tokenizer and the expression parser are `sqlparser`'s; the statements are read by a small
//! parser on its primitives, strictly: what it doesn't know is an error. After an error it goes on
//! behind the next semicolon, so that one load reports all of them.

mod access;
mod aggregates;
mod cases;
mod limits;
mod policies;
mod query;

use std::sync::Arc;

use datafusion_sql::sqlparser::ast::Expr as SqlExpr;
use datafusion_sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion_sql::sqlparser::parser::{Parser, ParserError};
use datafusion_sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};
use tollgate_catalog::TableName;
use tollgate_catalog::id::fold;

use crate::SourceFile;
use crate::diagnostics::{Diagnostic, Location};
use crate::model::{Grantee, Located, Name, Statement, Target, Using};

type Parsed<T> = Result<T, Diagnostic>;

/// Statements of the language that this version doesn't enforce: the words they begin with.
const UNSUPPORTED: &[&[&str]] = &[&["REVOKE"]];

/// Reads one file.
pub(crate) fn parse_file(
    file: &SourceFile,
    statements: &mut Vec<Located>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let path: Arc<str> = file.path.as_str().into();
    let dialect = PostgreSqlDialect {};
    let tokens = match Tokenizer::new(&dialect, &file.text).tokenize_with_location() {
        Ok(tokens) => tokens,
        Err(error) => {
            let at = Location {
                file: path,
                line: error.location.line.max(1),
                column: error.location.column.max(1),
            };
            diagnostics.push(at.error(
                lower_first(&error.message),
                "close the quotes or the comment; nothing in this file was read",
            ));
            return;
        }
    };
    let end = tokens.last().map_or((1, 1), |token| (token.span.end.line, token.span.end.column));
    let parser = Parser::new(&dialect).with_tokens_with_locations(tokens);
    let end = Location { file: path, line: end.0, column: end.1 };
    let mut reader = Reader { parser, text: &file.text, end };
    loop {
        while reader.parser.consume_token(&Token::SemiColon) {}
        if reader.parser.peek_token_ref().token == Token::EOF {
            return;
        }
        let at = reader.here();
        match reader.statement().and_then(|statement| reader.finish(statement)) {
            Ok(statement) => statements.push(Located { statement, at }),
            Err(diagnostic) => {
                diagnostics.push(diagnostic);
                reader.skip_statement();
            }
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a>,
    text: &'a str,
    end: Location,
}

impl Reader<'_> {
    fn place(&self, line: u64, column: u64) -> Location {
        // The token at the end of the file has no place of its own.
        if line == 0 {
            return self.end.clone();
        }
        Location { file: Arc::clone(&self.end.file), line, column }
    }

    fn here(&self) -> Location {
        let start = self.parser.peek_token_ref().span.start;
        self.place(start.line, start.column)
    }

    fn found(&self) -> String {
        match &self.parser.peek_token_ref().token {
            Token::EOF => "the end of the file".to_owned(),
            token => format!("\"{token}\""),
        }
    }

    fn unexpected<T>(&self, expected: &str, hint: &str) -> Parsed<T> {
        Err(self.here().error(format!("expected {expected}, found {}", self.found()), hint))
    }

    fn skip_statement(&mut self) {
        loop {
            match self.parser.next_token().token {
                Token::SemiColon | Token::EOF => return,
                _ => {}
            }
        }
    }

    fn finish(&mut self, statement: Statement) -> Parsed<Statement> {
        match self.parser.peek_token_ref().token {
            Token::SemiColon | Token::EOF => Ok(statement),
            _ => self.unexpected("the end of the statement", "end the statement with \";\""),
        }
    }

    fn is_word(token: &TokenWithSpan, word: &str) -> bool {
        matches!(&token.token, Token::Word(found)
            if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
    }

    fn peek(&self, words: &[&str]) -> bool {
        words
            .iter()
            .enumerate()
            .all(|(n, word)| Self::is_word(self.parser.peek_nth_token_ref(n), word))
    }

    /// Consumes all of the words, or nothing.
    fn take(&mut self, words: &[&str]) -> bool {
        let there = self.peek(words);
        if there {
            words.iter().for_each(|_| self.parser.advance_token());
        }
        there
    }

    fn expect(&mut self, words: &[&str], hint: &str) -> Parsed<()> {
        if self.take(words) { Ok(()) } else { self.unexpected(&words.join(" "), hint) }
    }

    fn token(&mut self, token: &Token, hint: &str) -> Parsed<()> {
        if self.parser.consume_token(token) {
            return Ok(());
        }
        self.unexpected(&format!("\"{token}\""), hint)
    }

    fn name(&mut self, what: &str) -> Parsed<Name> {
        let at = self.here();
        let name = match &self.parser.peek_token_ref().token {
            Token::Word(word) => fold(&word.value, word.quote_style.is_some()),
            _ => {
                return self.unexpected(what, "names are identifiers, in double quotes if need be");
            }
        };
        self.parser.advance_token();
        Ok(Name { text: name, at })
    }

    fn names(&mut self, what: &str) -> Parsed<Vec<Name>> {
        let mut names = vec![self.name(what)?];
        while self.parser.consume_token(&Token::Comma) {
            names.push(self.name(what)?);
        }
        Ok(names)
    }

    fn columns(&mut self) -> Parsed<Vec<Name>> {
        self.token(&Token::LParen, "name columns in parentheses")?;
        let columns = self.names("a column")?;
        self.token(&Token::RParen, "close the list of columns")?;
        Ok(columns)
    }

    fn table(&mut self) -> Parsed<(TableName, Location)> {
        let schema = self.name("a table")?;
        self.token(&Token::Period, "name tables with their schema: schema.table")?;
        let table = self.name("a table")?;
        Ok((TableName::new(schema.text, table.text), schema.at))
    }

    fn statement(&mut self) -> Parsed<Statement> {
        for words in UNSUPPORTED {
            if self.peek(words) {
                return Err(self.here().error(
                    format!("{} is not supported by this version", words.join(" ")),
                    "remove the statement: a rule that isn't enforced must not look as if it were",
                ));
            }
        }
        if self.take(&["CREATE", "ROLE"]) {
            return Ok(Statement::CreateRole { name: self.name("a role")? });
        }
        if self.take(&["GRANT", "ROLE"]) {
            let role = self.name("a role")?;
            return Ok(Statement::GrantRole { role, to: self.grantees()? });
        }
        if self.take(&["GRANT"]) {
            return self.access(false);
        }
        if self.take(&["DENY"]) {
            return self.access(true);
        }
        if self.take(&["TAG", "COLUMN"]) {
            return self.tag_column();
        }
        if self.take(&["CREATE", "ROW", "POLICY"]) {
            return self.row_policy();
        }
        if self.take(&["CREATE", "MASKING", "POLICY"]) {
            return self.masking_policy();
        }
        if self.take(&["CREATE", "AGGREGATION", "POLICY"]) {
            return self.aggregation_policy();
        }
        if self.take(&["CREATE", "ACCESS", "RULE"]) {
            return self.access_rule();
        }
        if self.take(&["CREATE", "VIEW"]) {
            return self.view();
        }
        if self.take(&["CREATE", "LIMIT"]) {
            return self.limit();
        }
        if self.take(&["CREATE", "PRICE"]) {
            return self.price();
        }
        if self.take(&["TEST", "POLICY"]) {
            return self.test();
        }
        self.unexpected(
            "a statement of the policy language",
            "statements are CREATE ROLE, GRANT, DENY, TAG COLUMN, CREATE ROW POLICY, CREATE MASKING POLICY, CREATE AGGREGATION POLICY, CREATE ACCESS RULE, CREATE VIEW, CREATE LIMIT, CREATE PRICE and TEST POLICY",
        )
    }

    fn target(&mut self) -> Parsed<Target> {
        if self.take(&["ALL", "TABLES", "IN", "SCHEMA"]) {
            return Ok(Target::Schema(self.name("a schema")?));
        }
        if self.take(&["ALL", "TABLES", "WITH", "COLUMN"]) {
            self.token(&Token::LParen, "name the column in parentheses")?;
            let column = self.name("a column")?;
            self.token(&Token::RParen, "one column decides which tables are meant")?;
            return Ok(Target::WithColumn(column));
        }
        let (name, at) = self.table()?;
        Ok(Target::Table { name, at })
    }

    /// `TO ROLE a, b, USER 'c', PUBLIC`: a kind holds until the next one.
    fn grantees(&mut self) -> Parsed<Vec<Grantee>> {
        self.expect(&["TO"], "say for whom: TO ROLE role, TO USER 'name' or TO PUBLIC")?;
        let mut grantees = Vec::new();
        let mut user = None;
        loop {
            if self.take(&["PUBLIC"]) {
                grantees.push(Grantee::Public);
            } else {
                if self.take(&["ROLE"]) {
                    user = Some(false);
                } else if self.take(&["USER"]) {
                    user = Some(true);
                }
                grantees.push(match user {
                    None => {
                        return self.unexpected(
                            "ROLE, USER or PUBLIC",
                            "TO ROLE role, TO USER 'name' or TO PUBLIC",
                        );
                    }
                    Some(false) => Grantee::Role(self.name("a role")?),
                    Some(true) => Grantee::User(self.user()?),
                });
            }
            if !self.parser.consume_token(&Token::Comma) {
                return Ok(grantees);
            }
        }
    }

    /// Who pays: as [`Self::grantees`], and `TENANT 'a', 'b'`.
    fn payers(&mut self) -> Parsed<(Vec<Grantee>, Vec<Name>)> {
        let whom = "TO ROLE role, TO USER 'name', TO TENANT 'name' or TO PUBLIC";
        self.expect(&["TO"], &format!("say for whom: {whom}"))?;
        let (mut grantees, mut tenants) = (Vec::new(), Vec::new());
        let mut kind = None;
        loop {
            if self.take(&["PUBLIC"]) {
                grantees.push(Grantee::Public);
            } else {
                let named = ["ROLE", "USER", "TENANT"].into_iter().find(|word| self.take(&[word]));
                kind = named.or(kind);
                match kind {
                    Some("ROLE") => grantees.push(Grantee::Role(self.name("a role")?)),
                    Some("USER") => grantees.push(Grantee::User(self.user()?)),
                    Some("TENANT") => {
                        let at = self.here();
                        let hint = "write a tenant's name as text: TENANT 'acme'";
                        tenants.push(Name { text: self.literal("a tenant", hint)?, at });
                    }
                    Some(_) | None => {
                        return self.unexpected("ROLE, USER, TENANT or PUBLIC", whom);
                    }
                }
            }
            if !self.parser.consume_token(&Token::Comma) {
                return Ok((grantees, tenants));
            }
        }
    }

    fn user(&mut self) -> Parsed<String> {
        self.literal("a user", "write a user's name as text: USER 'ana'")
    }

    fn literal(&mut self, what: &str, hint: &str) -> Parsed<String> {
        let Token::SingleQuotedString(text) = &self.parser.peek_token_ref().token else {
            return self.unexpected(what, hint);
        };
        let text = text.clone();
        self.parser.advance_token();
        Ok(text)
    }

    /// `('a', 'b')`, each with its place.
    fn literals(&mut self, what: &str, hint: &str) -> Parsed<Vec<Name>> {
        self.token(&Token::LParen, hint)?;
        let mut literals = Vec::new();
        loop {
            let at = self.here();
            literals.push(Name { text: self.literal(what, hint)?, at });
            if !self.parser.consume_token(&Token::Comma) {
                break;
            }
        }
        self.token(&Token::RParen, hint)?;
        Ok(literals)
    }

    fn tag(&mut self) -> Parsed<Name> {
        let mut tag = self.name("a tag")?;
        while self.parser.consume_token(&Token::Period) {
            tag.text = format!("{}.{}", tag.text, self.name("a tag")?.text);
        }
        Ok(tag)
    }

    fn using(&mut self, missing: &str, hint: &str) -> Parsed<Using> {
        if !self.take(&["USING"]) {
            return Err(self.here().error(missing, hint));
        }
        self.parenthesised()
    }

    fn parenthesised(&mut self) -> Parsed<Using> {
        self.token(&Token::LParen, "write the expression in parentheses")?;
        let at = self.here();
        let expr = self.expression()?;
        self.token(&Token::RParen, "the expression ends before this")?;
        Ok(Using { expr: Box::new(expr), at })
    }

    fn expression(&mut self) -> Parsed<SqlExpr> {
        // The parser limits its depth, but what it may take until then is more than a thread has.
        let parsed = stacker::maybe_grow(8 << 20, 16 << 20, || self.parser.parse_expr());
        parsed.map_err(|error| {
            let hint = "write a SQL expression as PostgreSQL knows it";
            let text = match error {
                ParserError::ParserError(text) | ParserError::TokenizerError(text) => text,
                ParserError::RecursionLimitExceeded => {
                    return self.here().error("the expression is nested too deeply", "simplify it");
                }
            };
            // The parser says where in words only.
            let Some((message, place)) = text.rsplit_once(" at Line: ") else {
                return self.here().error(lower_first(&text), hint);
            };
            let mut numbers = place.split(", Column: ").map(|number| number.trim().parse::<u64>());
            let at = match (numbers.next(), numbers.next()) {
                (Some(Ok(line)), Some(Ok(column))) => self.place(line, column),
                _ => self.here(),
            };
            at.error(lower_first(&message.replace("Expected: ", "expected ")), hint)
        })
    }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

#[cfg(test)]
mod tests;
