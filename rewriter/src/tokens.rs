//! What is known of a text from its tokens alone: bounds, places, and words that the parser lacks.

mod unicode;

use std::str::Chars;

use datafusion_sql::sqlparser::keywords::Keyword;
use datafusion_sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Word};
use tollgate_catalog::{Error, ErrorKind};

/// The most operators in one text. A chain of them is as deep as it is long, also when it is freed.
const MAX_OPERATORS: usize = 1_000;
/// The most set operations in one text: each is a level of the plan, with deeper frames.
const MAX_SET_OPERATIONS: usize = 64;

/// The most tokens that the parser may read, the same one several times.
const MAX_READS: u64 = 1 << 21;
/// Words before a parenthesis that opens no call.
const NO_CALLS: &[&str] = &[
    "in",
    "and",
    "or",
    "not",
    "select",
    "from",
    "join",
    "on",
    "where",
    "when",
    "then",
    "else",
    "as",
    "values",
    "exists",
    "union",
    "all",
    "any",
    "some",
    "by",
    "having",
    "over",
    "filter",
    "using",
    "except",
    "intersect",
    "between",
    "like",
    "is",
    "lateral",
    "distinct",
];

/// Counts the operators; refuses a text whose tree could be too deep for whoever frees it.
pub(crate) fn operators(tokens: &[TokenWithSpan]) -> Result<usize, Error> {
    let operators = tokens.iter().filter(|token| is_operator(&token.token)).count();
    if operators > MAX_OPERATORS {
        return Err(Error::new(ErrorKind::ProgramLimit, "the statement has too many operators")
            .with_hint("use IN lists, or split it"));
    }
    let sets = tokens.iter().filter(|token| is_set_operation(&token.token)).count();
    if sets > MAX_SET_OPERATIONS {
        return Err(Error::new(
            ErrorKind::ProgramLimit,
            "the statement has too many set operations",
        )
        .with_hint("split it into several statements"));
    }
    if rereads(tokens) > MAX_READS {
        return Err(Error::new(ErrorKind::ProgramLimit, "function calls are nested too deeply")
            .with_hint("compute the inner ones in a common table expression"));
    }
    Ok(operators)
}

/// How many tokens the parser reads: for the sake of `name => value` it reads each argument of a
/// call twice, and so what is in n calls 2^n times.
fn rereads(tokens: &[TokenWithSpan]) -> u64 {
    let mut open: Vec<u64> = Vec::new();
    let (mut factor, mut reads) = (1_u64, 0_u64);
    let mut before: Option<&Token> = None;
    for token in tokens {
        match &token.token {
            Token::Whitespace(_) => continue,
            Token::LParen => {
                open.push(factor);
                let call = matches!(before, Some(Token::Word(_)))
                    && !before.is_some_and(|before| is_word(before, NO_CALLS));
                factor = if call { factor.saturating_mul(2) } else { factor };
            }
            Token::RParen => factor = open.pop().unwrap_or(1),
            _ => {}
        }
        reads = reads.saturating_add(factor);
        before = Some(&token.token);
    }
    reads
}

/// Whether a token is one of these words, unquoted.
fn is_word(token: &Token, words: &[&str]) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_none()
        && words.iter().any(|keyword| word.value.eq_ignore_ascii_case(keyword)))
}

const SET_OPERATIONS: &[&str] = &["union", "except", "intersect", "minus"];

fn is_set_operation(token: &Token) -> bool {
    is_word(token, SET_OPERATIONS)
}

/// Whether a token can chain expressions or queries without nesting.
fn is_operator(token: &Token) -> bool {
    match token {
        Token::Word(_) => {
            let words = [
                "and", "or", "is", "like", "ilike", "between", "collate", "not", "at", "isnull",
                "notnull", "similar", "in", "overlaps", "operator", "xor", "rlike", "regexp",
                "match", "member",
            ];
            is_set_operation(token) || is_word(token, &words)
        }
        Token::Number(..)
        | Token::Whitespace(_)
        | Token::Comma
        | Token::SingleQuotedString(_)
        | Token::Period
        | Token::LParen
        | Token::RParen
        | Token::SemiColon
        | Token::EOF
        | Token::Placeholder(_) => false,
        _ => true,
    }
}

/// The tokens of a statement as the parser reads them: `FROM ONLY t` is `FROM t`, as no table has
/// children, the query `TABLE t` is `SELECT * FROM t`, and `U&"\0061"` is `"a"`.
///
/// # Errors
/// 42601: a Unicode escape that isn't one.
pub(crate) fn spelled(part: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>, Error> {
    // Whatever is spelled otherwise has one of these words.
    if !part.iter().any(|token| is_word(&token.token, &["only", "table", "u"])) {
        return Ok(part);
    }
    let mut kept: Vec<TokenWithSpan> = Vec::with_capacity(part.len());
    let mut before: Option<&Token> = None;
    let mut rest = part.as_slice();
    while let Some((token, after)) = rest.split_first() {
        if let Some((identifier, taken)) = unicode::identifier(rest)? {
            kept.push(identifier);
            rest = rest.get(taken..).unwrap_or_default();
            // Whatever it spells, it is no keyword.
            before = Some(&token.token);
            continue;
        }
        rest = after;
        if matches!(token.token, Token::Whitespace(_)) {
            kept.push(token.clone());
            continue;
        }
        let after = |words: &[&str]| before.is_some_and(|before| is_word(before, words));
        let query = || {
            matches!(before, None | Some(Token::LParen | Token::RParen))
                || after(SET_OPERATIONS)
                || after(&["all", "distinct", "explain", "for"])
        };
        if is_word(&token.token, &["table"]) && query() {
            for spelled in
                [keyword("SELECT", Keyword::SELECT), Token::Mul, keyword("FROM", Keyword::FROM)]
            {
                kept.push(TokenWithSpan { token: spelled, span: token.span });
            }
        } else if !(is_word(&token.token, &["only"]) && after(&["from", "join", "table"])) {
            kept.push(token.clone());
        }
        before = Some(&token.token);
    }
    Ok(kept)
}

fn keyword(text: &str, keyword: Keyword) -> Token {
    Token::Word(Word { value: text.to_owned(), quote_style: None, keyword })
}

/// Finds the bytes at which tokens stand, in one pass over the text: places are asked for in order.
pub(crate) struct Cursor<'a> {
    sql: &'a str,
    rest: Chars<'a>,
    /// Where it stands: lines and columns count from 1, columns in characters.
    line: u64,
    column: u64,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(sql: &'a str) -> Self {
        Self { sql, rest: sql.chars(), line: 1, column: 1 }
    }

    /// In a part of a text that begins at a location of the whole.
    pub(crate) fn within(part: &'a str, start: Location) -> Self {
        Self { sql: part, rest: part.chars(), line: start.line, column: start.column }
    }

    /// The byte offset of a location that isn't before the last one; the text's end if it is behind
    /// that.
    pub(crate) fn to(&mut self, location: Location) -> usize {
        while (self.line, self.column) < (location.line, location.column) {
            match self.rest.next() {
                Some('\n') => (self.line, self.column) = (self.line + 1, 1),
                Some(_) => self.column += 1,
                None => break,
            }
        }
        self.sql.len() - self.rest.as_str().len()
    }

    /// The text between the first and the last token of a part.
    pub(crate) fn text(&mut self, part: &[TokenWithSpan]) -> &'a str {
        let solid =
            |token: &&TokenWithSpan| !matches!(token.token, Token::EOF | Token::Whitespace(_));
        let (Some(first), Some(last)) =
            (part.iter().find(solid), part.iter().rev().find(|token| solid(token)))
        else {
            return "";
        };
        let start = self.to(first.span.start);
        let end = self.to(last.span.end);
        self.sql.get(start..end).unwrap_or(self.sql).trim()
    }
}
