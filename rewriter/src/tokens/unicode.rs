//! `U&"…"`: identifiers with Unicode escapes, by PostgreSQL's rules (`str_udeescape` in `parser.c`).

use datafusion_sql::sqlparser::keywords::Keyword;
use datafusion_sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan, Word};
use tollgate_catalog::{Error, ErrorKind};

/// The identifier that the tokens begin with, as one quoted word, and how many tokens it takes;
/// nothing if they begin otherwise.
///
/// # Errors
/// 42601: an escape that isn't one, or `UESCAPE` with a character that can't be.
pub(super) fn identifier(
    tokens: &[TokenWithSpan],
) -> Result<Option<(TokenWithSpan, usize)>, Error> {
    // White space is a token too, so what stands side by side here does in the text.
    let [prefix, ampersand, quoted, rest @ ..] = tokens else { return Ok(None) };
    let (Token::Ampersand, Token::Word(name)) = (&ampersand.token, &quoted.token) else {
        return Ok(None);
    };
    if !super::is_word(&prefix.token, &["u"]) || name.quote_style != Some('"') {
        return Ok(None);
    }
    let (escape, more) = match uescape(rest)? {
        Some((escape, more)) => (escape, more),
        None => ('\\', 0),
    };
    let word = Word {
        value: unescape(&name.value, escape)?,
        quote_style: Some('"'),
        keyword: Keyword::NoKeyword,
    };
    let span = Span::new(prefix.span.start, quoted.span.end);
    Ok(Some((TokenWithSpan { token: Token::Word(word), span }, 3 + more)))
}

/// The character of a `UESCAPE 'c'` that comes next, and how many tokens that takes.
fn uescape(tokens: &[TokenWithSpan]) -> Result<Option<(char, usize)>, Error> {
    let mut solid =
        tokens.iter().enumerate().filter(|(_, token)| !matches!(token.token, Token::Whitespace(_)));
    match solid.next() {
        Some((_, word)) if super::is_word(&word.token, &["uescape"]) => {}
        _ => return Ok(None),
    }
    let Some((last, TokenWithSpan { token: Token::SingleQuotedString(text), .. })) = solid.next()
    else {
        return Err(syntax("UESCAPE must be followed by a simple string literal"));
    };
    let mut chars = text.chars();
    let (Some(escape), None) = (chars.next(), chars.next()) else {
        return Err(syntax("invalid Unicode escape character"));
    };
    let wrong = escape.is_ascii_hexdigit()
        || matches!(escape, '+' | '\'' | '"' | ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}');
    if wrong {
        return Err(syntax("invalid Unicode escape character"));
    }
    Ok(Some((escape, last + 1)))
}

/// Puts characters in place of their escapes: `\0041`, `\+000041`, and `\\` for the escape itself.
fn unescape(text: &str, escape: char) -> Result<String, Error> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    // The first half of a pair of surrogates, whose second half has to come next.
    let mut half: Option<u32> = None;
    while let Some(next) = rest.chars().next() {
        let after = rest.get(next.len_utf8()..).unwrap_or_default();
        if next != escape || after.starts_with(escape) {
            if half.is_some() {
                return Err(unpaired());
            }
            out.push(next);
            rest = if next == escape {
                after.get(escape.len_utf8()..).unwrap_or_default()
            } else {
                after
            };
            continue;
        }
        let (digits, after) = match after.strip_prefix('+') {
            Some(after) => after.split_at_checked(6),
            None => after.split_at_checked(4),
        }
        .filter(|(digits, _)| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .ok_or_else(|| {
            syntax("invalid Unicode escape")
                .with_hint("Unicode escapes must be \\XXXX or \\+XXXXXX")
        })?;
        rest = after;
        let code = u32::from_str_radix(digits, 16).unwrap_or(0);
        match (half.take(), code) {
            (None, 0xd800..=0xdbff) => half = Some(code),
            (Some(high), 0xdc00..=0xdfff) => {
                let code = 0x10000 + ((high & 0x3ff) << 10) + (code & 0x3ff);
                out.push(char::from_u32(code).ok_or_else(unpaired)?);
            }
            (Some(_), _) | (None, 0xdc00..=0xdfff) => return Err(unpaired()),
            (None, 0) => return Err(syntax("invalid Unicode escape value")),
            (None, code) => {
                let valid = char::from_u32(code);
                out.push(valid.ok_or_else(|| syntax("invalid Unicode escape value"))?);
            }
        }
    }
    if half.is_some() { Err(unpaired()) } else { Ok(out) }
}

fn syntax(message: &str) -> Error {
    Error::new(ErrorKind::Syntax, message)
}

fn unpaired() -> Error {
    syntax("invalid Unicode surrogate pair")
}
