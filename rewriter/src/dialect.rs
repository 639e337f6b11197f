//! The dialects that statements may be written in.
//!
//! A statement is tokenised, parsed and read by the gate in the dialect that was in force when it was
//! sent; it keeps that dialect. Whatever it was written in, the gate makes PostgreSQL's constructs of
//! it, so that what stands behind the gate knows one dialect.

pub(crate) mod snowflake;

use datafusion_sql::sqlparser::dialect::{Dialect, PostgreSqlDialect, SnowflakeDialect};
use datafusion_sql::sqlparser::tokenizer::{TokenWithSpan, Tokenizer};
use tollgate_catalog::Error;

use crate::made_up;
use crate::tokens;

/// What a statement is written in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum SqlDialect {
    /// PostgreSQL's.
    #[default]
    PostgreSql,
    /// Snowflake's, of which the gate translates what has the same meaning here.
    Snowflake,
}

impl SqlDialect {
    /// Every dialect, by the name that the setting `tollgate.dialect` has for it.
    pub const NAMES: &'static [&'static str] = &["postgresql", "snowflake"];

    /// The dialect of a name, in lower case.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "postgresql" => Some(Self::PostgreSql),
            "snowflake" => Some(Self::Snowflake),
            _ => None,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::PostgreSql => "postgresql",
            Self::Snowflake => "snowflake",
        }
    }

    /// How the parser is told.
    pub(crate) fn parser(self) -> &'static dyn Dialect {
        match self {
            Self::PostgreSql => &PostgreSqlDialect {},
            Self::Snowflake => &SnowflakeDialect,
        }
    }

    /// The tokens of a text; the parser's text of what is wrong with it otherwise.
    pub(crate) fn tokens(self, sql: &str) -> Result<Vec<TokenWithSpan>, String> {
        // In Snowflake's dialect literals stay as they are written: which escapes they may hold, is
        // decided by `snowflake`, not by what the tokenizer makes of them.
        Tokenizer::new(self.parser(), sql)
            .with_unescape(self == Self::PostgreSql)
            .tokenize_with_location()
            .map_err(|error| error.to_string())
    }

    /// Refuses a text that the parser, or what walks its tree, would need too much stack or memory for.
    /// PostgreSQL's is bounded by what all dialects are.
    ///
    /// # Errors
    /// 54000, and 0A000 for what isn't even parsed.
    pub(crate) fn bounded(self, sql: &str, tokens: &[TokenWithSpan]) -> Result<(), Error> {
        match self {
            Self::PostgreSql => Ok(()),
            Self::Snowflake => snowflake::bounded(sql, tokens),
        }
    }

    /// The tokens of one statement as the parser reads them.
    ///
    /// # Errors
    /// 42601, 0A000: what doesn't read in one way only.
    pub(crate) fn spelled(self, part: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>, Error> {
        let spelled = match self {
            Self::PostgreSql => tokens::spelled(part),
            Self::Snowflake => snowflake::spelled(part),
        }?;
        spelled.iter().try_for_each(|token| made_up::may_be_typed(&token.token))?;
        Ok(spelled)
    }
}
