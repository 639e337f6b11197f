//! The bound on nested calls and subqueries.
//!
//! The parser tries what stands between the parentheses of a call as a named argument, and what stands
//! between those of a subquery as an expression, before it reads it as what it is. So each level
//! doubles the time that its inside takes, and forty levels would take years.

use datafusion_sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use tollgate_catalog::{Error, ErrorKind};

/// The most readings beyond the first, of all tokens together: some tenths of a second.
const MAX_READINGS: u64 = 1 << 18;

/// Words that make no call of a parenthesis if an operand stands before them. Where none does, the
/// parser tries them as the name of a function.
const NO_CALL: &[&str] = &[
    "all",
    "and",
    "as",
    "by",
    "else",
    "except",
    "from",
    "having",
    "in",
    "intersect",
    "join",
    "lateral",
    "materialized",
    "on",
    "or",
    "then",
    "union",
    "using",
    "values",
    "when",
    "where",
];

/// Words that begin an expression: what follows isn't an operator.
const PREFIX: &[&str] =
    &["not", "interval", "prior", "distinct", "any", "some", "struct", "map", "exists"];

/// Words before a parenthesis with a query in it that is read once.
const DERIVED: &[&str] =
    &["all", "as", "except", "from", "intersect", "join", "lateral", "materialized", "union"];

/// Refuses a text that would be read too often.
pub(super) fn bounded(tokens: &[TokenWithSpan]) -> Result<(), Error> {
    let solid = tokens.iter().map(|token| &token.token);
    let mut solid = solid.filter(|token| !matches!(token, Token::Whitespace(_))).peekable();
    let mut open = Vec::new();
    let (mut depth, mut readings) = (0_u32, 0_u64);
    let (mut before, mut earlier): (Option<&Token>, Option<&Token>) = (None, None);
    while let Some(token) = solid.next() {
        match token {
            Token::LParen => {
                let query = solid
                    .peek()
                    .is_some_and(|next| is(next, &["select", "with", "values", "table"]));
                let operand = earlier.is_some_and(ends_operand);
                let operator = before
                    .is_some_and(|word| is(word, &["select"]) || operand && is(word, NO_CALL));
                let call = matches!(before, Some(Token::Word(_))) && !operator;
                let derived = before.is_some_and(|word| is(word, DERIVED));
                let doubles = call || query && !derived;
                open.push(doubles);
                depth += u32::from(doubles);
            }
            Token::RParen => depth -= u32::from(open.pop().unwrap_or(false)),
            Token::SemiColon => {
                open.clear();
                depth = 0;
            }
            _ => {}
        }
        readings = readings.saturating_add((1 << depth.min(40)) - 1);
        (earlier, before) = (before, Some(token));
    }
    if readings <= MAX_READINGS {
        return Ok(());
    }
    Err(Error::new(ErrorKind::ProgramLimit, "calls and subqueries are nested too deeply")
        .with_hint("split the statement into common table expressions"))
}

/// Whether a token may end an operand, so that an operator may follow.
fn ends_operand(token: &Token) -> bool {
    match token {
        Token::Word(_) => !is(token, NO_CALL) && !is(token, PREFIX),
        Token::RParen
        | Token::RBracket
        | Token::Number(..)
        | Token::Placeholder(_)
        | Token::SingleQuotedString(_) => true,
        _ => false,
    }
}

fn is(token: &Token, words: &[&str]) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_none()
        && words.iter().any(|keyword| word.value.eq_ignore_ascii_case(keyword)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use crate::dialect::SqlDialect;
    use crate::statement::{parse, parse_in};

    /// Each would take hours or years if it were parsed.
    #[test]
    fn what_would_be_read_too_often_is_refused() {
        for (open, close) in [
            ("coalesce(", ")"),
            ("coalesce(1, ", ")"),
            ("\"f\"(", ")"),
            ("NOT coalesce(", ")"),
            ("NOT (", ")"),
            ("and(", ")"),
            ("interval and(", ")"),
            ("coalesce(CASE WHEN true THEN ", " END)"),
            ("(SELECT ", ")"),
            ("EXISTS (SELECT ", ")"),
            ("1 IN (SELECT ", ")"),
            ("coalesce((SELECT ", "))"),
            ("array[coalesce(", ")]"),
            ("row(", ")"),
            ("sum(", ") FILTER (WHERE true)"),
            ("sum(", ") OVER ()"),
            ("date (", ")"),
            ("(VALUES (", "))"),
        ] {
            let sql = format!("SELECT {}1{}", open.repeat(30), close.repeat(30));
            let error = parse(&sql).unwrap_err();
            assert_eq!(error.kind().sqlstate(), "54000", "{sql}");
            let sql = format!("SELECT {}1 1{}", open.repeat(30), close.repeat(30));
            assert_eq!(parse(&sql).unwrap_err().kind().sqlstate(), "54000", "{sql}");
            let sql = format!("SELECT {}1{}", open.repeat(6), close.repeat(6));
            let refused = parse(&sql).err().map(|error| error.kind().sqlstate());
            assert_ne!(refused, Some("54000"), "{sql}");
        }
        // Side by side is no better.
        let nested = format!("{}1{}", "coalesce(".repeat(13), ")".repeat(13));
        let wide = format!("SELECT {nested}{}", format!(", {nested}").repeat(100));
        assert_eq!(parse(&wide).unwrap_err().kind().sqlstate(), "54000");
    }

    /// The other dialect's parser tries other things; whatever it says, it says soon.
    #[test]
    fn nothing_takes_long_in_snowflakes_dialect() {
        let parse = |sql: &str| parse_in(SqlDialect::Snowflake, sql);
        for (open, close) in [
            ("coalesce(", ")"),
            ("iff(1 = 1, ", ", 0)"),
            ("(SELECT ", ")"),
            ("EXISTS (SELECT ", ")"),
            ("1 IN (SELECT ", ")"),
            ("coalesce((SELECT ", "))"),
            ("f(SELECT ", ")"),
            ("CASE WHEN true THEN coalesce(", ") END"),
            ("NOT (", ")"),
            ("(", ")"),
            ("((a), ", ")"),
            ("a:b[", "]"),
            ("a[", "]"),
            ("[", "]"),
            ("trim(", ")"),
            ("try_cast(", " AS int)"),
            ("extract(day FROM ", ")"),
            ("1 LIKE ANY (", ")"),
            ("sum(", ") OVER ()"),
            ("listagg(", ") WITHIN GROUP (ORDER BY 1)"),
            ("a AND (", ")"),
            ("in (", ")"),
            ("interval (", ")"),
            ("PRIOR (", ")"),
            ("CONNECT_BY_ROOT (", ")"),
        ] {
            for inside in ["1", "1 1"] {
                let sql = format!("SELECT {}{inside}{}", open.repeat(30), close.repeat(30));
                let _ = parse(&sql);
            }
        }
        for (open, close) in [
            ("(", ")"),
            ("(SELECT 1 FROM ", ") t"),
            ("(SELECT 1 FROM ", ")"),
            ("((SELECT 1 FROM ", ") t)"),
            ("(a JOIN ", ")"),
            ("(a, ", ")"),
            ("LATERAL (SELECT 1 FROM ", ")"),
            ("TABLE(f(SELECT 1 FROM ", "))"),
            ("(", ") PIVOT (sum(a) FOR b IN (1))"),
            ("(", " UNPIVOT (a FOR b IN (c)))"),
        ] {
            for inside in ["t", "t t t"] {
                let sql = format!("SELECT 1 FROM {}{inside}{}", open.repeat(30), close.repeat(30));
                let _ = parse(&sql);
            }
        }
    }

    #[test]
    fn what_is_read_once_may_be_long() {
        for sql in [
            format!("SELECT 1 WHERE 1 IN ({}1)", "1, ".repeat(100_000)),
            format!("SELECT 1 WHERE 1 = ANY(ARRAY[{}1])", "1, ".repeat(100_000)),
            format!("SELECT 1 WHERE {}true{}", "a = 1 AND (".repeat(30), ")".repeat(30)),
            format!("VALUES {}(1, 'a')", "(1, 'a'), ".repeat(10_000)),
            format!("SELECT 1{}{}", " FROM (SELECT 1".repeat(30), ") t".repeat(30)),
            format!("SELECT {}", vec!["coalesce(nullif(trim(lower(a)), ''), 'b')"; 300].join(", ")),
        ] {
            assert!(parse(&sql).is_ok(), "{}", sql.get(..80).unwrap());
        }
    }
}
