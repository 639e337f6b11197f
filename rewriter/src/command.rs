//! Session commands: SET, SHOW, transactions and their kin, read from tokens.
//!
//! They never reach a planner. What isn't understood here is refused.

use datafusion_sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use tollgate_catalog::{Error, ErrorKind};

use crate::delivery::{self, Fetch};
use crate::words::{Words, end_of_input, syntax};

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
    /// `FETCH` and `MOVE`.
    Fetch(Fetch),
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

/// Reads a session command, or gives `None` if the statement isn't one.
///
/// `tokens` holds one statement without its semicolon.
///
/// # Errors
/// A command that is malformed, or known and refused.
pub(crate) fn read(tokens: &[TokenWithSpan]) -> Result<Option<Command>, Error> {
    let mut words = Words::new(tokens);
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
    } else if words.eat("fetch") {
        Command::Fetch(delivery::fetch(&mut words, false)?)
    } else if words.eat("move") {
        Command::Fetch(delivery::fetch(&mut words, true)?)
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
        let value = if words.eat("local") {
            None
        } else if words.eat("interval") {
            Some(offset(words)?)
        } else {
            words.values()?
        };
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

/// The zone of `INTERVAL '+02:00' HOUR TO MINUTE`, which is ahead of UTC by whole hours.
fn offset(words: &mut Words<'_>) -> Result<String, Error> {
    let text = words.word()?;
    if words.eat("hour") {
        words.expect("to")?;
        words.expect("minute")?;
    }
    let refused = || {
        Error::not_supported(&format!("the time zone \"{text}\""))
            .with_hint("name a zone, as 'Europe/Berlin', or whole hours, as '+02:00'")
    };
    let (behind, hours) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(&text)),
    };
    let hours = hours.strip_suffix(":00").unwrap_or(hours);
    let digits = (1..=2).contains(&hours.len()) && hours.bytes().all(|byte| byte.is_ascii_digit());
    match hours.parse::<u8>() {
        Ok(0) if digits => Ok("UTC".to_owned()),
        // The zones of that name count the other way.
        Ok(hours @ 1..=12) if digits => {
            Ok(format!("Etc/GMT{}{hours}", if behind { '+' } else { '-' }))
        }
        Ok(hours @ 13..=14) if digits && !behind => Ok(format!("Etc/GMT-{hours}")),
        _ => Err(refused()),
    }
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
