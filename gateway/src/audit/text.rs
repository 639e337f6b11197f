//! How much of a statement's text is recorded.

use std::ops::Deref;
use std::sync::Arc;

use datafusion::sql::sqlparser::dialect::{Dialect, PostgreSqlDialect, SnowflakeDialect};
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer, Whitespace};
use moka::sync::Cache;
use ring::digest;
use tollgate_ledger::Decision;

use crate::record::CALLS;

/// How much of a statement's text is recorded, from the most to the least.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Statements {
    /// All of it.
    Whole,
    /// All of it; without literals and comments where a masking policy shaped the decision, or where the
    /// statement was refused: a literal may be the hidden value that somebody looked for.
    Redacted,
    /// Without literals and comments.
    Normalised,
    /// The SHA-256 of what is left without literals and comments: a literal can't be guessed by it.
    Hashed,
}

impl Statements {
    /// Its word in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Statements::Whole => "whole",
            Statements::Redacted => "redacted",
            Statements::Normalised => "normalised",
            Statements::Hashed => "hashed",
        }
    }

    /// What is recorded of a text of a decision, in PostgreSQL's dialect unless another one is named.
    pub(super) fn record<'a>(
        self,
        known: &Normalised,
        decision: &Decision<'_>,
        dialect: Option<&str>,
        text: &'a str,
    ) -> Shown<'a> {
        match self {
            Statements::Whole => Shown::Whole(text),
            Statements::Redacted => {
                let masked = decision.policies.iter().any(|policy| policy.starts_with(MASK));
                let refused = decision.outcome != "permitted";
                if masked || refused {
                    Shown::Part(known.of(dialect, text))
                } else {
                    Shown::Whole(text)
                }
            }
            Statements::Normalised => Shown::Part(known.of(dialect, text)),
            Statements::Hashed => Shown::Part(hashed(&known.of(dialect, text)).into()),
        }
    }
}

/// What is recorded of a text.
pub(super) enum Shown<'a> {
    Whole(&'a str),
    Part(Arc<str>),
}

impl Deref for Shown<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Shown::Whole(text) => text,
            Shown::Part(text) => text,
        }
    }
}

/// Texts without literals that were made lately: a prepared statement is recorded at each execution.
pub(super) struct Normalised {
    postgres: Cache<String, Arc<str>>,
    snowflake: Cache<String, Arc<str>>,
}

/// What texts of a dialect may take, in bytes, and what one takes besides itself.
const ROOM: u64 = 4 << 20;
const ENTRY: usize = 128;

impl Default for Normalised {
    fn default() -> Self {
        let cache = || {
            let weight = |text: &String, shown: &Arc<str>| {
                u32::try_from(text.len() + shown.len() + ENTRY).unwrap_or(u32::MAX)
            };
            Cache::builder().weigher(weight).max_capacity(ROOM).build()
        };
        Self { postgres: cache(), snowflake: cache() }
    }
}

impl Normalised {
    fn of(&self, dialect: Option<&str>, text: &str) -> Arc<str> {
        let (known, dialect): (_, &dyn Dialect) = match dialect {
            // Calls are written down as PostgreSQL would quote them.
            None | Some(CALLS) => (&self.postgres, &PostgreSqlDialect {}),
            Some("snowflake") => (&self.snowflake, &SnowflakeDialect {}),
            // Nobody knows where a literal ends.
            Some(_) => return NOTHING.into(),
        };
        if let Some(shown) = known.get(text) {
            return shown;
        }
        let shown: Arc<str> = normalised(dialect, text).into();
        known.insert(text.to_owned(), Arc::clone(&shown));
        shown
    }
}

/// What is left of a text that can't be told apart from its literals.
const NOTHING: &str = "?";

/// How a decision names masking policies.
const MASK: &str = "masking policy";

/// A text's SHA-256, as records write it.
pub(super) fn hashed(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = "sha256:".to_owned();
    for byte in digest::digest(&digest::SHA256, text.as_bytes()).as_ref() {
        // Writing to a String can't fail.
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// A text with `?` for each literal and a space for each comment. Of what has no tokens nothing is left: by a
/// hash, whoever knows the rest could try values.
fn normalised(dialect: &dyn Dialect, text: &str) -> String {
    let Ok(tokens) = Tokenizer::new(dialect, text).tokenize() else {
        return NOTHING.to_owned();
    };
    let mut out = String::with_capacity(text.len());
    for token in tokens {
        match &token {
            Token::Word(word) if word.quote_style.is_none() => {
                let is = |value: &str| word.value.eq_ignore_ascii_case(value);
                out.push_str(if is("true") || is("false") { "?" } else { &word.value });
            }
            Token::Whitespace(
                Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_),
            ) => out.push(' '),
            Token::Word(_)
            | Token::Whitespace(_)
            | Token::Comma
            | Token::Period
            | Token::SemiColon
            | Token::LParen
            | Token::RParen
            | Token::LBracket
            | Token::RBracket
            | Token::Colon
            | Token::DoubleColon
            | Token::Eq
            | Token::Neq
            | Token::Lt
            | Token::Gt
            | Token::LtEq
            | Token::GtEq
            | Token::Plus
            | Token::Minus
            | Token::Mul
            | Token::Div
            | Token::Mod
            | Token::StringConcat
            | Token::Tilde
            | Token::TildeAsterisk
            | Token::ExclamationMarkTilde
            | Token::ExclamationMarkTildeAsterisk
            | Token::Placeholder(_) => out.push_str(&token.to_string()),
            // Literals, and whatever else: what isn't known to hold no value isn't kept.
            _ => out.push('?'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::{PostgreSqlDialect, SnowflakeDialect};

    use super::{Decision, Normalised, Statements, normalised};

    #[test]
    fn no_literal_and_no_comment_is_left() {
        for (text, expected) in [
            ("SELECT a FROM t WHERE b = 'secret'", "SELECT a FROM t WHERE b = ?"),
            ("SELECT 1.5, -3, X'0f', true", "SELECT ?, -?, ?, ?"),
            ("SELECT e'sec\\'ret', U&'s', $$secret$$, $x$s$x$", "SELECT ?, ?, ?, ?"),
            ("SELECT \"My Col\" /* secret */ FROM t -- secret\n", "SELECT \"My Col\"   FROM t  "),
            (
                "SELECT * FROM t WHERE a ~ 'x' AND b = $1::int",
                "SELECT * FROM t WHERE a ~ ? AND b = $1::int",
            ),
            ("SELECT date '2020-01-01' || N'x'", "SELECT date ? || ?"),
            (
                "GetTables(table_name_filter_pattern = 'it''s%', include_schema)",
                "GetTables(table_name_filter_pattern = ?, include_schema)",
            ),
        ] {
            assert_eq!(normalised(&PostgreSqlDialect {}, text), expected, "{text}");
        }
        for (text, expected) in [
            (
                r"SELECT * FROM t WHERE a IN ('O\'Brien', 'D\'Arcy')",
                "SELECT * FROM t WHERE a IN (?, ?)",
            ),
            ("SELECT 1 // secret\n FROM t -- secret", "SELECT ?   FROM t  "),
            ("SELECT $$secret$$, v:secret", "SELECT ?, v:secret"),
            (r"SELECT 'a\\', b", "SELECT ?, b"),
        ] {
            assert_eq!(normalised(&SnowflakeDialect {}, text), expected, "{text}");
        }
        assert_eq!(normalised(&PostgreSqlDialect {}, "SELECT 'never ends"), "?");
    }

    /// Whoever reads the ledger and knows the statement must not be able to try values.
    #[test]
    fn a_hash_tells_no_literal() {
        let decision = Decision {
            id: "1",
            principal: "ana",
            tenant: None,
            roles: Vec::new(),
            address: String::new(),
            application: "",
            dialect: None,
            sql: "",
            secured_sql: None,
            bundle: "b",
            snapshot: 1,
            tables: Vec::new(),
            policies: Vec::new(),
            outcome: "permitted",
            error: None,
        };
        for dialect in [None, Some("snowflake"), Some(super::CALLS), Some("another")] {
            let known = Normalised::default();
            let kept =
                |text| Statements::Hashed.record(&known, &decision, dialect, text).to_owned();
            let one = kept("SELECT a FROM t WHERE b = 1");
            assert!(one.starts_with("sha256:") && one.len() == 71, "{one}");
            assert_eq!(one, kept("SELECT a FROM t WHERE b = 2"));
            assert_eq!(kept("SELECT 'ends not 1"), kept("SELECT 'ends not 2"));
            let known = dialect != Some("another");
            assert_eq!(one != kept("SELECT c FROM t WHERE b = 1"), known);
        }
    }
}
