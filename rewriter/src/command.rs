//! Session commands: SET, SHOW, transactions and their kin, read from tokens.
//!
//! They never reach a planner. What isn't understood here is refused.

use datafusion_sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use tollgate_catalog::{Error, ErrorKind};

/// A session command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `SET [SESSION | LOCAL] name { TO | = } value`; `None` is DEFAULT.
    Set {
        /// The setting, lower case.
        name: String,
        /// The new value; several values are joined by `, `.
        value: Option<String>,
        /// Whether it ends with the transaction.
        local: bool,
    },
    /// `SHOW name`; `all` shows all.
    Show(String),
    /// `RESET name`; `None` is ALL.
    Reset(Option<String>),
    /// `DISCARD ALL` and its parts.
    Discard(Discard),
    /// `BEGIN` or `START TRANSACTION`. The tag tells which.
    Begin {
        /// Whether it was written `START TRANSACTION`.
        start: bool,
        /// The isolation level, if it names one.
        isolation: Option<&'static str>,
    },
    /// `COMMIT` or `END`.
    Commit,
    /// `ROLLBACK` or `ABORT`.
    Rollback,
    /// `SAVEPOINT name`.
    Savepoint(String),
    /// `RELEASE [SAVEPOINT] name`.
    Release(String),
    /// `ROLLBACK TO [SAVEPOINT] name`.
    RollbackTo(String),
    /// `SET TRANSACTION …` or `SET SESSION CHARACTERISTICS …`.
    Characteristics {
        /// Whether it is for the transactions to come, not for the open one.
        session: bool,
        /// The isolation level, if it names one.
        isolation: Option<&'static str>,
    },
    /// `DEALLOCATE name`; `None` is ALL.
    Deallocate(Option<String>),
    /// `CLOSE name`; `None` is ALL.
    Close(Option<String>),
    /// `UNLISTEN`: nothing is ever listened to.
    Unlisten,
}

/// What DISCARD throws away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discard {
    /// Everything of the session.
    All,
    /// Cached plans.
    Plans,
    /// Sequence state, of which there is none.
    Sequences,
    /// Temporary tables, of which there are none.
    Temp,
}

/// The words of a command, read one by one, without what stands between them.
struct Words<'a> {
    tokens: &'a [TokenWithSpan],
}

impl<'a> Words<'a> {
    fn peek(&self) -> Option<&'a Token> {
        Words { tokens: self.tokens }.next()
    }

    fn next(&mut self) -> Option<&'a Token> {
        while let Some((first, rest)) = self.tokens.split_first() {
            self.tokens = rest;
            if !matches!(first.token, Token::Whitespace(_) | Token::EOF) {
                return Some(&first.token);
            }
        }
        None
    }

    /// Takes the keyword if it is next.
    fn eat(&mut self, keyword: &str) -> bool {
        let hit = matches!(self.peek(), Some(Token::Word(word))
            if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(keyword));
        if hit {
            self.next();
        }
        hit
    }

    fn eat_any(&mut self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.eat(keyword))
    }

    fn end(&self) -> Result<(), Error> {
        match self.peek() {
            None => Ok(()),
            Some(token) => Err(syntax(token)),
        }
    }

    fn identifier(&mut self) -> Result<String, Error> {
        match self.next() {
            Some(Token::Word(word)) => {
                Ok(tollgate_catalog::id::fold(&word.value, word.quote_style.is_some()))
            }
            Some(token) => Err(syntax(token)),
            None => Err(end_of_input()),
        }
    }

    /// A name of one or more parts, as settings have them.
    fn dotted(&mut self) -> Result<String, Error> {
        let mut name = self.identifier()?;
        while self.peek() == Some(&Token::Period) {
            self.next();
            name.push('.');
            name.push_str(&self.identifier()?);
        }
        Ok(name.to_ascii_lowercase())
    }

    /// The values after TO: words, strings and numbers between commas.
    fn values(&mut self) -> Result<Option<String>, Error> {
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

fn syntax(token: &Token) -> Error {
    Error::new(ErrorKind::Syntax, format!("syntax error at or near \"{token}\""))
}

fn end_of_input() -> Error {
    Error::new(ErrorKind::Syntax, "syntax error at end of input")
}

/// Reads a session command, or gives `None` if the statement isn't one.
///
/// `tokens` holds one statement without its semicolon.
///
/// # Errors
/// A command that is malformed, or known and refused.
pub(crate) fn read(tokens: &[TokenWithSpan]) -> Result<Option<Command>, Error> {
    let mut words = Words { tokens };
    let command = if words.eat("set") {
        set(&mut words)?
    } else if words.eat("show") {
        show(&mut words)?
    } else if words.eat("reset") {
        if words.eat("all") { Command::Reset(None) } else { reset(&mut words)? }
    } else if words.eat("discard") {
        discard(&mut words)?
    } else if words.eat("begin") {
        words.eat_any(&["work", "transaction"]);
        Command::Begin { start: false, isolation: modes(&mut words, false)? }
    } else if words.eat("start") {
        if !words.eat("transaction") {
            return Err(words.peek().map_or_else(end_of_input, syntax));
        }
        Command::Begin { start: true, isolation: modes(&mut words, false)? }
    } else if words.eat_any(&["commit", "end"]) {
        words.eat_any(&["work", "transaction"]);
        no_chain(&mut words)?;
        Command::Commit
    } else if words.eat("abort") {
        words.eat_any(&["work", "transaction"]);
        no_chain(&mut words)?;
        Command::Rollback
    } else if words.eat("rollback") {
        words.eat_any(&["work", "transaction"]);
        if words.eat("to") {
            words.eat("savepoint");
            Command::RollbackTo(words.identifier()?)
        } else {
            no_chain(&mut words)?;
            Command::Rollback
        }
    } else if words.eat("savepoint") {
        Command::Savepoint(words.identifier()?)
    } else if words.eat("release") {
        words.eat("savepoint");
        Command::Release(words.identifier()?)
    } else if words.eat("deallocate") {
        words.eat("prepare");
        if words.eat("all") {
            Command::Deallocate(None)
        } else {
            Command::Deallocate(Some(words.identifier()?))
        }
    } else if words.eat("close") {
        if words.eat("all") {
            Command::Close(None)
        } else {
            Command::Close(Some(words.identifier()?))
        }
    } else if words.eat("unlisten") {
        words.next();
        Command::Unlisten
    } else {
        return Ok(None);
    };
    words.end()?;
    Ok(Some(command))
}

fn no_chain(words: &mut Words<'_>) -> Result<(), Error> {
    if words.eat("and") {
        let without = words.eat("no");
        if !words.eat("chain") {
            return Err(words.peek().map_or_else(end_of_input, syntax));
        }
        if !without {
            return Err(Error::not_supported("AND CHAIN"));
        }
    }
    Ok(())
}

fn reset(words: &mut Words<'_>) -> Result<Command, Error> {
    if words.eat("session") {
        return Err(identity("RESET SESSION AUTHORIZATION"));
    }
    if words.eat("time") {
        words.eat("zone");
        return Ok(Command::Reset(Some("timezone".to_owned())));
    }
    let name = words.dotted()?;
    if name == "role" {
        return Err(identity("RESET ROLE"));
    }
    Ok(Command::Reset(Some(name)))
}

fn discard(words: &mut Words<'_>) -> Result<Command, Error> {
    let what = if words.eat("all") {
        Discard::All
    } else if words.eat("plans") {
        Discard::Plans
    } else if words.eat("sequences") {
        Discard::Sequences
    } else if words.eat_any(&["temp", "temporary"]) {
        Discard::Temp
    } else {
        return Err(words.peek().map_or_else(end_of_input, syntax));
    };
    Ok(Command::Discard(what))
}

fn show(words: &mut Words<'_>) -> Result<Command, Error> {
    if words.eat("time") {
        words.eat("zone");
        return Ok(Command::Show("timezone".to_owned()));
    }
    if words.eat("transaction") {
        if words.eat("isolation") && words.eat("level") {
            return Ok(Command::Show("transaction_isolation".to_owned()));
        }
        return Err(words.peek().map_or_else(end_of_input, syntax));
    }
    if words.eat("session") {
        return Ok(Command::Show("session_authorization".to_owned()));
    }
    Ok(Command::Show(words.dotted()?))
}

/// Who the caller is comes from authentication alone.
fn identity(what: &str) -> Error {
    Error::new(ErrorKind::InsufficientPrivilege, format!("{what} is not permitted"))
        .with_hint("the roles of a connection are those of its authenticated user")
}

fn set(words: &mut Words<'_>) -> Result<Command, Error> {
    let local = words.eat("local");
    let session = !local && words.eat("session");
    if session && words.eat("characteristics") {
        if !(words.eat("as") && words.eat("transaction")) {
            return Err(words.peek().map_or_else(end_of_input, syntax));
        }
        let isolation = modes(words, true)?;
        return Ok(Command::Characteristics { session: true, isolation });
    }
    if words.eat("authorization") {
        return Err(identity("SET SESSION AUTHORIZATION"));
    }
    if !session && !local && words.eat("transaction") {
        let isolation = modes(words, false)?;
        return Ok(Command::Characteristics { session: false, isolation });
    }
    if words.eat("time") {
        if !words.eat("zone") {
            return Err(words.peek().map_or_else(end_of_input, syntax));
        }
        let value = if words.eat("local") { None } else { words.values()? };
        return Ok(Command::Set { name: "timezone".to_owned(), value, local });
    }
    if words.eat("names") {
        let value = words.values()?;
        return Ok(Command::Set { name: "client_encoding".to_owned(), value, local });
    }
    let name = words.dotted()?;
    match name.as_str() {
        "role" => return Err(identity("SET ROLE")),
        "session_authorization" => return Err(identity("SET SESSION AUTHORIZATION")),
        _ => {}
    }
    if !(words.eat("to") || words.peek() == Some(&Token::Eq) && words.next().is_some()) {
        return Err(words.peek().map_or_else(end_of_input, syntax));
    }
    let value = words.values()?;
    Ok(Command::Set { name, value, local })
}

/// Transaction modes: every isolation level is fine for reading, writing is not. As at a standby, a
/// session may drop its own wish to read only; its transactions still do.
fn modes(words: &mut Words<'_>, session: bool) -> Result<Option<&'static str>, Error> {
    let mut isolation = None;
    loop {
        if words.eat("isolation") {
            if !words.eat("level") {
                return Err(words.peek().map_or_else(end_of_input, syntax));
            }
            isolation = Some(level(words)?);
        } else if words.eat("read") {
            if words.eat("write") {
                if !session {
                    let message = "cannot set transaction read-write mode";
                    return Err(Error::new(ErrorKind::ReadOnly, message)
                        .with_hint("the gateway only reads"));
                }
            } else if !words.eat("only") {
                return Err(words.peek().map_or_else(end_of_input, syntax));
            }
        } else if words.eat("deferrable") || (words.eat("not") && words.eat("deferrable")) {
        } else if words.peek() == Some(&Token::Comma) {
            words.next();
        } else {
            return Ok(isolation);
        }
    }
}

fn level(words: &mut Words<'_>) -> Result<&'static str, Error> {
    if words.eat("serializable") {
        return Ok("serializable");
    }
    if words.eat("repeatable") {
        if words.eat("read") {
            return Ok("repeatable read");
        }
    } else if words.eat("read") {
        if words.eat("committed") {
            return Ok("read committed");
        }
        if words.eat("uncommitted") {
            return Ok("read uncommitted");
        }
    }
    Err(words.peek().map_or_else(end_of_input, syntax))
}
