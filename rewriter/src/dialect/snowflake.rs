//! Snowflake's tokens as the parser reads them.
//!
//! What the two dialects read differently is decided here, before anything is parsed: escapes in
//! literals, `$$…$$`, comments, and which quoted identifiers are the ones without quotes. Where Snowflake
//! leaves open what a text means, or the parser reads it in another way, it is refused.

use datafusion_sql::sqlparser::keywords::Keyword;
use datafusion_sql::sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace, Word};
use tollgate_catalog::{Error, ErrorKind};

/// Words that mean something without quotes where a column's name would stand, whatever token they are.
const WORDS: &[&str] = &["current_user", "from"];

/// The longest text, in bytes and in tokens: translations write some of it several times.
const MAX_BYTES: usize = 64 << 10;
const MAX_TOKENS: usize = 16_384;
/// The deepest parentheses, of whatever kind.
const MAX_PARENTHESES: usize = 128;
/// The most joins: the parser recurses at each.
const MAX_JOINS: usize = 128;

/// Refuses what the parser recurses over without a limit of its own.
///
/// # Errors
/// 54000: it is too much. 0A000: `MATCH_RECOGNIZE`, whose patterns it reads without counting.
pub(super) fn bounded(sql: &str, tokens: &[TokenWithSpan]) -> Result<(), Error> {
    let limit = |what: &str, most: usize| {
        Error::new(ErrorKind::ProgramLimit, format!("the statement has more than {most} {what}"))
            .with_hint("split it, or use PostgreSQL's dialect")
    };
    if sql.len() > MAX_BYTES {
        return Err(limit("bytes", MAX_BYTES));
    }
    let (mut count, mut depth, mut joins) = (0_usize, 0_usize, 0_usize);
    for token in tokens {
        match &token.token {
            Token::Whitespace(_) => continue,
            Token::LParen | Token::LBracket => depth += 1,
            Token::RParen | Token::RBracket => depth = depth.saturating_sub(1),
            Token::Word(word) if word.quote_style.is_none() => match word.keyword {
                Keyword::MATCH_RECOGNIZE => return Err(Error::not_supported("MATCH_RECOGNIZE")),
                Keyword::JOIN => joins += 1,
                _ => {}
            },
            _ => {}
        }
        count += 1;
        if count > MAX_TOKENS {
            return Err(limit("words and signs", MAX_TOKENS));
        }
        if depth > MAX_PARENTHESES {
            return Err(limit("parentheses in each other", MAX_PARENTHESES));
        }
        if joins > MAX_JOINS {
            return Err(limit("joins", MAX_JOINS));
        }
    }
    Ok(())
}

/// The tokens of a statement with literals read and identifiers folded. `?` becomes `$1`, `$2` and so on.
///
/// # Errors
/// 42601, 0A000: what could be read in two ways.
pub(super) fn spelled(part: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>, Error> {
    let mut parameters = Parameters::default();
    let mut path = Path::default();
    part.into_iter()
        .map(|token| {
            let is_key = path.passes(&token.token);
            let spelled = match token.token {
                Token::Word(word) if is_key => Token::Word(key(word)?),
                Token::Word(word) => Token::Word(identifier(word)?),
                Token::SingleQuotedString(raw) => Token::SingleQuotedString(text(&raw)?),
                Token::DollarQuotedString(quoted) => match quoted.tag {
                    None => Token::SingleQuotedString(quoted.value),
                    Some(_) => return Err(refused("a tag between dollars")),
                },
                Token::Placeholder(name) => Token::Placeholder(parameters.name(&name)?),
                Token::Whitespace(space) => {
                    comment(&space)?;
                    Token::Whitespace(space)
                }
                Token::Arrow | Token::LongArrow => {
                    return Err(Error::not_supported("a lambda"));
                }
                Token::LBrace | Token::RBrace => {
                    return Err(Error::not_supported("an object constant"));
                }
                // The parser, or the gate, knows them or refuses them.
                other => other,
            };
            Ok(TokenWithSpan { token: spelled, span: token.span })
        })
        .collect()
}

fn refused(what: &str) -> Error {
    Error::new(ErrorKind::Syntax, format!("{what} is not read in the Snowflake dialect"))
}

/// An identifier without quotes is the same as one in capitals with them, and is folded like it.
fn identifier(word: Word) -> Result<Word, Error> {
    match word.quote_style {
        None => return Ok(word),
        Some('"') => {}
        Some(_) => {
            return Err(refused("this kind of quotes").with_hint("quote identifiers with \""));
        }
    }
    let value = word.value.replace("\"\"", "\"");
    if value.is_empty() {
        return Err(Error::new(ErrorKind::Syntax, "zero-length delimited identifier"));
    }
    let capitals = value.chars().any(|c| c.is_ascii_uppercase())
        && !value.chars().any(|c| c.is_lowercase() || (c.is_uppercase() && !c.is_ascii()));
    if !capitals {
        return Ok(Word { value, quote_style: Some('"'), keyword: Keyword::NoKeyword });
    }
    let value = value.to_ascii_lowercase();
    let quote_style = WORDS.contains(&value.as_str()).then_some('"');
    Ok(Word { value, quote_style, keyword: Keyword::NoKeyword })
}

/// Whether a word is a key of a path into a semi-structured value, as in `v:Name.first` or `v['a'].b`: keys are
/// what they say, never folded.
#[derive(Default)]
struct Path {
    /// The word that comes next is one.
    key: bool,
    /// A path may go on here.
    within: bool,
}

impl Path {
    /// Notes a token, and says whether it is a key.
    fn passes(&mut self, token: &Token) -> bool {
        let (key, within) = match token {
            Token::Whitespace(_) => return false,
            Token::Colon => (true, false),
            Token::Period => (self.within, false),
            Token::RBracket => (false, true),
            Token::Word(_) => {
                let is_key = self.key;
                (self.key, self.within) = (false, is_key);
                return is_key;
            }
            _ => (false, false),
        };
        (self.key, self.within) = (key, within);
        false
    }
}

/// A key of a path, letter by letter.
fn key(word: Word) -> Result<Word, Error> {
    match word.quote_style {
        None => Ok(word),
        Some('"') if !word.value.is_empty() => {
            let value = word.value.replace("\"\"", "\"");
            Ok(Word { value, quote_style: Some('"'), keyword: Keyword::NoKeyword })
        }
        Some('"') => Err(Error::new(ErrorKind::Syntax, "zero-length delimited identifier")),
        Some(_) => Err(refused("this kind of quotes").with_hint("quote keys with \"")),
    }
}

/// What a literal says. Escapes by numbers, and those that mean nothing, are refused.
fn text(raw: &str) -> Result<String, Error> {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw.chars();
    while let Some(character) = rest.next() {
        out.push(match character {
            // They stand in pairs.
            '\'' => match rest.next() {
                Some('\'') => '\'',
                Some(_) | None => return Err(escape()),
            },
            '\\' => match rest.next() {
                Some(same @ ('\\' | '\'' | '"')) => same,
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                Some('b') => '\u{8}',
                Some('f') => '\u{c}',
                Some(_) | None => return Err(escape()),
            },
            plain => plain,
        });
    }
    Ok(out)
}

fn escape() -> Error {
    refused("this escape in a text")
        .with_hint("write the character itself, a backslash as two, or the text between $$ and $$")
}

/// Comments that others would end elsewhere.
fn comment(space: &Whitespace) -> Result<(), Error> {
    let open = match space {
        Whitespace::Space | Whitespace::Newline | Whitespace::Tab => false,
        Whitespace::SingleLineComment { comment, prefix: _ } => {
            comment.trim_end_matches(['\r', '\n']).contains('\r')
        }
        Whitespace::MultiLineComment(comment) => comment.contains("/*"),
    };
    match open {
        true => Err(refused("a comment that may end in two places")),
        false => Ok(()),
    }
}

/// The parameters of a statement, which are counted or have numbers.
#[derive(Default)]
struct Parameters {
    counted: usize,
    numbered: bool,
}

impl Parameters {
    fn name(&mut self, name: &str) -> Result<String, Error> {
        let number = name.strip_prefix('$').unwrap_or_default();
        if name == "?" {
            self.counted += 1;
        } else if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) {
            self.numbered = true;
        } else {
            return Err(Error::not_supported("a session variable")
                .with_hint("use parameters, \"?\" or \"$1\""));
        }
        match (self.counted, self.numbered) {
            (0, _) => Ok(name.to_owned()),
            (counted, false) => Ok(format!("${counted}")),
            (_, true) => Err(refused("\"?\" together with \"$1\"")),
        }
    }
}

#[cfg(test)]
mod tests;
