//! Tables that answer in aggregates only.

use datafusion_sql::sqlparser::tokenizer::Token;

use super::{Parsed, Reader};
use crate::model::{Aggregates, JoinSpec, Part, Statement};

const FORM: &str = "the form is CREATE AGGREGATION POLICY name ON schema.table TO whom \
    ENTITY (column) MIN GROUP SIZE n [MAX SHARE n PERCENT] DIMENSIONS (column, …) \
    [MEASURES (column, …)] [JOIN schema.table ON (its column = column) DIMENSIONS (column, …)] …";

const DIMENSION: &str = "a dimension is a column, or date_trunc('month', column)";

impl Reader<'_> {
    pub(super) fn aggregation_policy(&mut self) -> Parsed<Statement> {
        let name = self.name("the policy's name")?;
        self.expect(&["ON"], "say on which table: ON schema.table")?;
        if self.peek(&["ALL", "TABLES"]) {
            return Err(self.here().error(
                "an aggregation policy is for one table",
                "name it, ON schema.table: entity, dimensions and measures are its columns",
            ));
        }
        let (table, at) = self.table()?;
        let to = self.grantees()?;
        self.expect(&["ENTITY"], FORM)?;
        let entity = self.columns()?;
        self.expect(&["MIN", "GROUP", "SIZE"], FORM)?;
        let least = self.number("a number of entities")?;
        let mut share = None;
        if self.take(&["MAX", "SHARE"]) {
            share = Some(self.number("a number of percent")?);
            self.expect(&["PERCENT"], "write MAX SHARE 50 PERCENT")?;
        }
        let dimensions = self.dimensions()?;
        let measures = match self.take(&["MEASURES"]) {
            true => self.columns()?,
            false => Vec::new(),
        };
        let mut joins = Vec::new();
        while self.take(&["JOIN"]) {
            joins.push(self.declared_join()?);
        }
        match self.parser.peek_token_ref().token {
            Token::SemiColon | Token::EOF => {}
            _ => return self.unexpected("another clause, or the end of the statement", FORM),
        }
        let rule = Aggregates { entity, least, share, dimensions, measures, joins };
        Ok(Statement::Aggregation { name, table, at, to, rule: Box::new(rule) })
    }

    fn declared_join(&mut self) -> Parsed<JoinSpec> {
        let (table, at) = self.table()?;
        self.expect(&["ON"], FORM)?;
        self.token(&Token::LParen, "write the two columns in parentheses: ON (id = customer_id)")?;
        let left = self.name("a column of the joined table")?;
        self.token(&Token::Eq, "a join is by equality of two columns: ON (id = customer_id)")?;
        let right = self.name("a column of the table")?;
        self.token(&Token::RParen, "a join is by equality of two columns: ON (id = customer_id)")?;
        Ok(JoinSpec { table, at, on: (left, right), dimensions: self.dimensions()? })
    }

    fn dimensions(&mut self) -> Parsed<Vec<Part>> {
        self.expect(&["DIMENSIONS"], FORM)?;
        self.token(&Token::LParen, "name the dimensions in parentheses")?;
        let mut dimensions = Vec::new();
        loop {
            dimensions.push(self.dimension()?);
            if !self.parser.consume_token(&Token::Comma) {
                break;
            }
        }
        self.token(&Token::RParen, DIMENSION)?;
        Ok(dimensions)
    }

    fn dimension(&mut self) -> Parsed<Part> {
        let is_call = self.parser.peek_nth_token_ref(1).token == Token::LParen;
        if !(is_call && self.take(&["date_trunc"])) {
            let at = self.here();
            let Ok(column) = self.name("a column") else {
                return self.unexpected("a dimension", DIMENSION);
            };
            return match is_call {
                true => Err(at.error("this is not a dimension", DIMENSION)),
                false => Ok(Part { column, unit: None }),
            };
        }
        self.parser.advance_token();
        let unit = self.quantity("a unit", "write date_trunc('month', column)")?;
        self.token(&Token::Comma, "write date_trunc('month', column)")?;
        let column = self.name("a column")?;
        self.token(&Token::RParen, "write date_trunc('month', column)")?;
        Ok(Part { column, unit: Some(unit) })
    }
}
