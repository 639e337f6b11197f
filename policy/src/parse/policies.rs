//! Tags, row policies and masking policies.

use datafusion_sql::sqlparser::tokenizer::Token;
use tollgate_catalog::id::fold;

use super::{Parsed, Reader};
use crate::model::{Except, Glob, MaskTarget, Predicates, RowKind, Statement};

impl Reader<'_> {
    pub(super) fn tag_column(&mut self) -> Parsed<Statement> {
        let hint = "name schema.table.column; \"*\" stands for any characters of a part";
        let at = self.here();
        let schema = self.glob()?;
        self.token(&Token::Period, hint)?;
        let table = self.glob()?;
        self.token(&Token::Period, hint)?;
        let column = self.glob()?;
        self.expect(&["AS"], "name the tag: AS tag")?;
        Ok(Statement::Tag { pattern: [schema, table, column], at, tag: self.tag()? })
    }

    fn glob(&mut self) -> Parsed<Glob> {
        let mut pieces: Vec<Option<String>> = Vec::new();
        loop {
            let piece = match &self.parser.peek_token_ref().token {
                Token::Mul => None,
                Token::Word(word) if !matches!(pieces.last(), Some(Some(_))) => {
                    if !pieces.is_empty() && self.peek(&["AS"]) {
                        return Ok(Glob(pieces));
                    }
                    Some(fold(&word.value, word.quote_style.is_some()))
                }
                _ if pieces.is_empty() => {
                    return self.unexpected("a name or \"*\"", "name schema.table.column");
                }
                _ => return Ok(Glob(pieces)),
            };
            self.parser.advance_token();
            // Two stars are one; this also keeps matching cheap.
            if piece.is_some() || pieces.last() != Some(&None) {
                pieces.push(piece);
            }
        }
    }

    pub(super) fn row_policy(&mut self) -> Parsed<Statement> {
        let name = self.name("the policy's name")?;
        self.expect(&["ON"], "say on which tables: ON schema.table, or ON ALL TABLES …")?;
        let target = self.target()?;
        let kind = if self.take(&["AS", "PERMISSIVE"]) {
            RowKind::Permissive
        } else if self.take(&["AS", "RESTRICTIVE"]) {
            RowKind::Restrictive
        } else {
            return self.unexpected(
                "AS PERMISSIVE or AS RESTRICTIVE",
                "permissive policies each show rows, restrictive ones must all hold",
            );
        };
        let to = self.grantees()?;
        let hint = "add USING (condition): the rows that it shows";
        let using = self.using(&format!("row policy \"{}\" has no USING", name.text), hint)?;
        Ok(Statement::RowPolicy { name, kind, target, to, using })
    }

    pub(super) fn masking_policy(&mut self) -> Parsed<Statement> {
        let name = self.name("the policy's name")?;
        self.expect(&["ON"], "say on which columns: ON TAG tag, or ON schema.table (column)")?;
        let target =
            if self.peek(&["TAG"]) && self.parser.peek_nth_token_ref(1).token != Token::Period {
                self.parser.advance_token();
                MaskTarget::Tag(self.tag()?)
            } else {
                let (table, at) = self.table()?;
                self.token(&Token::LParen, "name the column in parentheses")?;
                let column = self.name("a column")?;
                self.token(&Token::RParen, "a masking policy is for one column, or for a tag")?;
                MaskTarget::Column { name: table, at, column }
            };
        let hint = "add USING (expression): what stands for the value";
        let using = self.using(&format!("masking policy \"{}\" has no USING", name.text), hint)?;
        let mut except = None;
        if self.take(&["EXCEPT", "ROLE"]) {
            let roles = self.names("a role")?;
            let when = if self.take(&["WHEN"]) { Some(self.parenthesised()?) } else { None };
            except = Some(Except { roles, when });
        }
        let mut predicates = Predicates::Masked;
        if self.take(&["PREDICATES"]) {
            predicates = if self.take(&["DENY"]) {
                Predicates::Deny
            } else if self.take(&["EQUALITY"]) {
                Predicates::Equality
            } else {
                self.expect(&["MASKED"], "write PREDICATES MASKED, DENY or EQUALITY")?;
                Predicates::Masked
            };
        }
        Ok(Statement::Mask { name, target, using, except, predicates })
    }
}
