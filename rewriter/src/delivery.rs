//! How the rows of a query go to a client that doesn't take them as they come: by a cursor, or as the lines of
//! a `COPY`. Read from tokens; the query in it is a statement as any other.

use std::ops::Range;

use datafusion_sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use tollgate_catalog::{Error, ErrorKind};

use crate::words::{Words, end_of_input, syntax};

/// What stands around a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// `DECLARE name … CURSOR … FOR query`.
    Cursor(Declared),
    /// `COPY (query) TO STDOUT …`.
    Copy(CopyFormat),
}

/// A cursor as declared. Its rows are read forwards, whether it says `SCROLL` or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// Its name, folded.
    pub name: String,
    /// Whether it gives values in binary to `FETCH` of the simple protocol.
    pub binary: bool,
    /// Whether it goes on after its transaction.
    pub hold: bool,
}

/// What `FETCH` and `MOVE` say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// The cursor's name, folded.
    pub cursor: String,
    /// Which rows.
    pub reach: Reach,
    /// Whether it is `MOVE`: the rows are passed by.
    pub moves: bool,
}

/// Which rows `FETCH` and `MOVE` reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// So many of the next ones.
    Next(u64),
    /// All that are left.
    All,
    /// The row of that number, from 1.
    Absolute(u64),
    /// The row so many rows on.
    Relative(u64),
    /// What has passed, or is counted from the end.
    Back,
}

/// How `COPY` writes rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyFormat {
    /// PostgreSQL's binary format.
    Binary,
    /// Lines of texts.
    Lines(Lines),
}

/// The lines of `COPY`: text, or CSV.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines {
    /// Between values.
    pub delimiter: u8,
    /// What NULL is.
    pub null: String,
    /// Whether the first line has the names of the columns.
    pub header: bool,
    /// How CSV quotes; `None` is the text format, which escapes.
    pub quotes: Option<Quotes>,
}

/// How CSV quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quotes {
    /// Around values.
    pub quote: u8,
    /// Before a quote in a value.
    pub escape: u8,
    /// Columns, folded, whose values are quoted always.
    pub always: Always,
}

/// Columns of CSV whose values are quoted always.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Always {
    /// All of them.
    All,
    /// Those.
    Columns(Vec<String>),
}

/// Reads `DECLARE CURSOR` and `COPY TO STDOUT`, and which of the tokens are the query; `None` if the statement is
/// neither.
///
/// # Errors
/// One that is malformed, or known and refused.
pub(crate) fn read(tokens: &[TokenWithSpan]) -> Result<Option<(Delivery, Range<usize>)>, Error> {
    let mut words = Words::new(tokens);
    if words.eat("declare") {
        return declare(words, tokens.len());
    }
    if words.eat("copy") {
        return copy(words, tokens);
    }
    Ok(None)
}

fn declare(mut words: Words<'_>, count: usize) -> Result<Option<(Delivery, Range<usize>)>, Error> {
    let name = words.identifier()?;
    let (mut binary, mut hold) = (false, false);
    loop {
        if words.eat("binary") {
            binary = true;
        } else if words.eat("no") {
            words.expect("scroll")?;
        } else if !words.eat_any(&["insensitive", "asensitive", "scroll"]) {
            break;
        }
    }
    if !words.eat("cursor") {
        // Snowflake declares variables.
        return Ok(None);
    }
    if words.eat("with") {
        words.expect("hold")?;
        hold = true;
    } else if words.eat("without") {
        words.expect("hold")?;
    }
    words.expect("for")?;
    let query = count - words.left()..count;
    Ok(Some((Delivery::Cursor(Declared { name, binary, hold }), query)))
}

fn copy(
    mut words: Words<'_>,
    tokens: &[TokenWithSpan],
) -> Result<Option<(Delivery, Range<usize>)>, Error> {
    if words.eat("into") {
        return Ok(None);
    }
    let mut options = Options { binary: words.eat("binary"), ..Options::default() };
    let query = match words.peek() {
        Some(Token::LParen) => Some(parentheses(&mut words, tokens)?),
        _ => {
            words.dotted()?;
            if words.peek() == Some(&Token::LParen) {
                words.next();
                words.identifiers()?;
            }
            None
        }
    };
    if words.eat("from") {
        let error =
            Error::new(ErrorKind::ReadOnly, "COPY FROM is not permitted, the gateway only reads");
        return Err(error.with_hint("load data at its warehouse"));
    }
    words.expect("to")?;
    if !words.eat("stdout") {
        let error = Error::new(
            ErrorKind::InsufficientPrivilege,
            "COPY to a file or a program is not permitted",
        );
        return Err(error.with_hint("use COPY … TO STDOUT"));
    }
    let Some(query) = query else {
        return Err(Error::not_supported("COPY of a table")
            .with_hint("name its rows and columns: COPY (SELECT … FROM …) TO STDOUT"));
    };
    words.eat("with");
    if words.peek() == Some(&Token::LParen) {
        words.next();
        options.listed(&mut words)?;
    } else {
        options.worded(&mut words)?;
    }
    words.end()?;
    Ok(Some((Delivery::Copy(options.format()?), query)))
}

/// The tokens between this parenthesis and its other one.
fn parentheses(words: &mut Words<'_>, tokens: &[TokenWithSpan]) -> Result<Range<usize>, Error> {
    words.next();
    let start = tokens.len() - words.left();
    let mut depth = 1;
    loop {
        match words.next() {
            Some(Token::LParen) => depth += 1,
            Some(Token::RParen) => {
                depth -= 1;
                if depth == 0 {
                    return Ok(start..tokens.len() - words.left() - 1);
                }
            }
            Some(_) => {}
            None => return Err(end_of_input()),
        }
    }
}

/// The options of a COPY, as written.
#[derive(Default)]
struct Options {
    binary: bool,
    csv: bool,
    header: bool,
    delimiter: Option<String>,
    null: Option<String>,
    quote: Option<String>,
    escape: Option<String>,
    always: Option<Always>,
}

impl Options {
    /// `(FORMAT csv, HEADER, …)`.
    fn listed(&mut self, words: &mut Words<'_>) -> Result<(), Error> {
        loop {
            match words.identifier()?.as_str() {
                "format" => match words.word()?.to_ascii_lowercase().as_str() {
                    "text" => {}
                    "csv" => self.csv = true,
                    "binary" => self.binary = true,
                    other => {
                        let message = format!("COPY format \"{other}\" not recognized");
                        return Err(Error::new(ErrorKind::InvalidParameterValue, message)
                            .with_hint("the formats are text, csv and binary"));
                    }
                },
                "header" => self.header = words.truth()?,
                "delimiter" => self.delimiter = Some(words.word()?),
                "null" => self.null = Some(words.word()?),
                "quote" => self.quote = Some(words.word()?),
                "escape" => self.escape = Some(words.word()?),
                "encoding" => encoding(&words.word()?)?,
                "force_quote" => {
                    self.always = Some(if words.peek() == Some(&Token::Mul) {
                        words.next();
                        Always::All
                    } else {
                        words.open()?;
                        Always::Columns(words.identifiers()?)
                    });
                }
                other => return Err(unknown(other)),
            }
            match words.next() {
                Some(Token::Comma) => {}
                Some(Token::RParen) => return Ok(()),
                Some(token) => return Err(syntax(token)),
                None => return Err(end_of_input()),
            }
        }
    }

    /// `CSV HEADER DELIMITER ','`, as before PostgreSQL 9.0.
    fn worded(&mut self, words: &mut Words<'_>) -> Result<(), Error> {
        while words.peek().is_some() {
            if words.eat("binary") {
                self.binary = true;
            } else if words.eat("csv") {
                self.csv = true;
            } else if words.eat("header") {
                self.header = true;
            } else if words.eat("force") {
                words.expect("quote")?;
                self.always = Some(if words.peek() == Some(&Token::Mul) {
                    words.next();
                    Always::All
                } else {
                    let mut columns = vec![words.identifier()?];
                    while words.peek() == Some(&Token::Comma) {
                        words.next();
                        columns.push(words.identifier()?);
                    }
                    Always::Columns(columns)
                });
            } else {
                let option = words.identifier()?;
                words.eat("as");
                let place = match option.as_str() {
                    "delimiter" | "delimiters" => &mut self.delimiter,
                    "null" => &mut self.null,
                    "quote" => &mut self.quote,
                    "escape" => &mut self.escape,
                    "encoding" => {
                        encoding(&words.word()?)?;
                        continue;
                    }
                    other => return Err(unknown(other)),
                };
                *place = Some(words.word()?);
            }
        }
        Ok(())
    }

    fn format(self) -> Result<CopyFormat, Error> {
        // As PostgreSQL says it.
        let invalid = |message: &str| Error::new(ErrorKind::InvalidParameterValue, message);
        let unfit = |message: &str| Error::new(ErrorKind::NotSupported, message);
        if self.binary {
            if self.csv || self.header || self.delimiter.is_some() || self.null.is_some() {
                return Err(Error::new(
                    ErrorKind::Syntax,
                    "cannot specify DELIMITER, NULL, HEADER or CSV in BINARY mode",
                ));
            }
            return Ok(CopyFormat::Binary);
        }
        if !self.csv && (self.quote.is_some() || self.escape.is_some() || self.always.is_some()) {
            return Err(Error::not_supported("COPY with QUOTE, ESCAPE or FORCE_QUOTE in text")
                .with_hint("use them with FORMAT csv"));
        }
        let byte = |text: Option<String>, otherwise: u8, what: &str| match text
            .as_deref()
            .map(str::as_bytes)
        {
            None => Ok(otherwise),
            Some([byte]) if byte.is_ascii() && !matches!(byte, b'\n' | b'\r' | 0) => Ok(*byte),
            Some(_) => Err(unfit(&format!("COPY {what} must be a single one-byte character"))),
        };
        let delimiter = byte(self.delimiter, if self.csv { b',' } else { b'\t' }, "delimiter")?;
        if !self.csv && (delimiter.is_ascii_alphanumeric() || matches!(delimiter, b'\\' | b'.')) {
            let shown = char::from(delimiter);
            return Err(invalid(&format!("COPY delimiter cannot be \"{shown}\"")));
        }
        let null = self.null.unwrap_or_else(|| if self.csv { "" } else { "\\N" }.to_owned());
        if null.contains(['\n', '\r']) {
            return Err(invalid("COPY null representation cannot use newline or carriage return"));
        }
        if null.as_bytes().contains(&delimiter) {
            return Err(unfit("COPY delimiter must not appear in the NULL specification"));
        }
        let quotes = if self.csv {
            let quote = byte(self.quote, b'"', "quote")?;
            let escape = byte(self.escape, quote, "escape")?;
            if delimiter == quote {
                return Err(invalid("COPY delimiter and quote must be different"));
            }
            if null.as_bytes().contains(&quote) {
                return Err(unfit("CSV quote character must not appear in the NULL specification"));
            }
            let always = self.always.unwrap_or(Always::Columns(Vec::new()));
            Some(Quotes { quote, escape, always })
        } else {
            None
        };
        Ok(CopyFormat::Lines(Lines { delimiter, null, header: self.header, quotes }))
    }
}

fn encoding(name: &str) -> Result<(), Error> {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    match plain.eq_ignore_ascii_case("utf8") {
        true => Ok(()),
        false => Err(Error::not_supported(&format!("COPY in the encoding \"{name}\""))
            .with_hint("leave ENCODING out: texts are UTF-8")),
    }
}

fn unknown(option: &str) -> Error {
    Error::new(ErrorKind::Syntax, format!("option \"{option}\" not recognized"))
        .with_hint("the options of COPY TO are FORMAT, DELIMITER, NULL, HEADER, QUOTE, ESCAPE, FORCE_QUOTE and ENCODING")
}

/// Reads what stands behind `FETCH` or `MOVE`.
///
/// # Errors
/// It is malformed.
pub(crate) fn fetch(words: &mut Words<'_>, moves: bool) -> Result<Fetch, Error> {
    let reach = if words.eat("next") {
        Reach::Next(1)
    } else if words.eat("first") {
        Reach::Absolute(1)
    } else if words.eat("all") {
        Reach::All
    } else if words.eat_any(&["prior", "last"]) {
        Reach::Back
    } else if words.eat("absolute") {
        words.whole()?.map_or(Reach::Back, Reach::Absolute)
    } else if words.eat("relative") {
        words.whole()?.map_or(Reach::Back, Reach::Relative)
    } else if words.eat("forward") {
        counted(words)?
    } else if words.eat("backward") {
        counted(words)?;
        Reach::Back
    } else {
        counted(words)?
    };
    if !words.eat("from") {
        words.eat("in");
    }
    Ok(Fetch { cursor: words.identifier()?, reach, moves })
}

/// A count, `ALL`, or nothing, which is one.
fn counted(words: &mut Words<'_>) -> Result<Reach, Error> {
    if words.eat("all") {
        return Ok(Reach::All);
    }
    match words.peek() {
        Some(Token::Number(..) | Token::Minus | Token::Plus) => {
            Ok(words.whole()?.map_or(Reach::Back, Reach::Next))
        }
        _ => Ok(Reach::Next(1)),
    }
}
