//! Session commands are read word by word.

use datafusion_sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use tollgate_catalog::{Error, ErrorKind};

/// The words, read one by one, without what stands between them.
pub(crate) struct Words<'a> {
    tokens: &'a [TokenWithSpan],
}

impl<'a> Words<'a> {
    pub(crate) fn new(tokens: &'a [TokenWithSpan]) -> Self {
        Self { tokens }
    }

    /// How many tokens are left, with what stands between them.
    pub(crate) fn left(&self) -> usize {
        self.tokens.len()
    }

    pub(crate) fn peek(&self) -> Option<&'a Token> {
        Words { tokens: self.tokens }.next()
    }

    pub(crate) fn next(&mut self) -> Option<&'a Token> {
        while let Some((first, rest)) = self.tokens.split_first() {
            self.tokens = rest;
            if !matches!(first.token, Token::Whitespace(_) | Token::EOF) {
                return Some(&first.token);
            }
        }
        None
    }

    /// Takes the keyword if it is next.
    pub(crate) fn eat(&mut self, keyword: &str) -> bool {
        let hit = matches!(self.peek(), Some(Token::Word(word))
            if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(keyword));
        if hit {
            self.next();
        }
        hit
    }

    pub(crate) fn eat_any(&mut self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.eat(keyword))
    }

    pub(crate) fn end(&self) -> Result<(), Error> {
        match self.peek() {
            None => Ok(()),
            Some(token) => Err(syntax(token)),
        }
    }

    pub(crate) fn identifier(&mut self) -> Result<String, Error> {
        match self.next() {
            Some(Token::Word(word)) => {
                Ok(tollgate_catalog::id::fold(&word.value, word.quote_style.is_some()))
            }
            Some(token) => Err(syntax(token)),
            None => Err(end_of_input()),
        }
    }

    /// A name of one or more parts, as settings have them.
    pub(crate) fn dotted(&mut self) -> Result<String, Error> {
        let mut name = self.identifier()?;
        while self.peek() == Some(&Token::Period) {
            self.next();
            name.push('.');
            name.push_str(&self.identifier()?);
        }
        Ok(name.to_ascii_lowercase())
    }

    /// Takes the keyword, which must be next.
    pub(crate) fn expect(&mut self, keyword: &str) -> Result<(), Error> {
        match self.eat(keyword) {
            true => Ok(()),
            false => Err(self.peek().map_or_else(end_of_input, syntax)),
        }
    }

    /// A word or a text.
    pub(crate) fn word(&mut self) -> Result<String, Error> {
        match self.next() {
            Some(Token::Word(word)) => Ok(word.value.clone()),
            Some(Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text)) => {
                Ok(text.clone())
            }
            Some(token) => Err(syntax(token)),
            None => Err(end_of_input()),
        }
    }

    /// A truth value; none is true.
    pub(crate) fn truth(&mut self) -> Result<bool, Error> {
        if matches!(self.peek(), Some(Token::Comma | Token::RParen) | None) {
            return Ok(true);
        }
        let word = match self.next() {
            Some(Token::Number(number, _)) => number.clone(),
            Some(Token::Word(word)) => word.value.to_ascii_lowercase(),
            Some(Token::SingleQuotedString(text)) => text.to_ascii_lowercase(),
            Some(token) => return Err(syntax(token)),
            None => return Err(end_of_input()),
        };
        match word.as_str() {
            "true" | "on" | "1" => Ok(true),
            "false" | "off" | "0" => Ok(false),
            other => {
                Err(Error::new(ErrorKind::Syntax, format!("\"{other}\" is not a Boolean value")))
            }
        }
    }

    /// An opening parenthesis.
    pub(crate) fn open(&mut self) -> Result<(), Error> {
        match self.next() {
            Some(Token::LParen) => Ok(()),
            Some(token) => Err(syntax(token)),
            None => Err(end_of_input()),
        }
    }

    /// Names between commas, and the closing parenthesis behind them.
    pub(crate) fn identifiers(&mut self) -> Result<Vec<String>, Error> {
        let mut names = Vec::new();
        loop {
            names.push(self.identifier()?);
            match self.next() {
                Some(Token::Comma) => {}
                Some(Token::RParen) => return Ok(names),
                Some(token) => return Err(syntax(token)),
                None => return Err(end_of_input()),
            }
        }
    }

    /// A whole number; `None` is a negative one.
    pub(crate) fn whole(&mut self) -> Result<Option<u64>, Error> {
        let mut negative = false;
        loop {
            match self.next() {
                Some(Token::Minus) => negative = !negative,
                Some(Token::Plus) => {}
                Some(token @ Token::Number(number, _)) => {
                    let number = number.parse::<u64>().map_err(|_| syntax(token))?;
                    return Ok((!negative || number == 0).then_some(number));
                }
                Some(token) => return Err(syntax(token)),
                None => return Err(end_of_input()),
            }
        }
    }

    /// The values after TO: words, strings and numbers between commas.
    pub(crate) fn values(&mut self) -> Result<Option<String>, Error> {
        if self.eat("default") {
            self.end()?;
            return Ok(None);
        }
        let mut out = String::new();
        loop {
            if self.peek() == Some(&Token::Minus) {
                self.next();
                out.push('-');
            }
            match self.next() {
                Some(Token::Word(word)) => {
                    out.push_str(&tollgate_catalog::id::fold(
                        &word.value,
                        word.quote_style.is_some(),
                    ));
                }
                Some(Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text)) => {
                    out.push_str(text);
                }
                Some(Token::Number(number, _)) => out.push_str(number),
                Some(token) => return Err(syntax(token)),
                None => return Err(end_of_input()),
            }
            match self.next() {
                None => return Ok(Some(out)),
                Some(Token::Comma) => out.push_str(", "),
                Some(token) => return Err(syntax(token)),
            }
        }
    }
}

pub(crate) fn syntax(token: &Token) -> Error {
    Error::new(ErrorKind::Syntax, format!("syntax error at or near \"{token}\""))
}

pub(crate) fn end_of_input() -> Error {
    Error::new(ErrorKind::Syntax, "syntax error at end of input")
}
