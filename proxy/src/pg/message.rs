//! Messages of the client, parsed with every length checked.
//!
//! The codecs of `pgwire` serve our own messages only: its decoders panic on short bodies and read
//! invalid UTF-8 leniently, and what is parsed here comes from strangers.

use bytes::{Buf, Bytes};
use tollgate_catalog::{Error, ErrorKind};

use super::error::violation;

/// A message after authentication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message {
    Query(String),
    Parse {
        name: String,
        sql: String,
        types: Vec<u32>,
    },
    Bind(Bind),
    Describe(Target),
    Close(Target),
    Execute {
        portal: String,
        max_rows: i32,
    },
    Flush,
    Sync,
    Terminate,
    FunctionCall,
    /// CopyData, CopyDone or CopyFail: leftovers of a COPY that failed, to be ignored.
    Copy,
}

/// What Bind says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bind {
    pub(crate) portal: String,
    pub(crate) statement: String,
    pub(crate) formats: Vec<i16>,
    pub(crate) values: Vec<Option<Bytes>>,
    pub(crate) result_formats: Vec<i16>,
}

/// What Describe and Close are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Statement(String),
    Portal(String),
}

/// The longest message of the kinds that carry no statement and no values (PostgreSQL's bound).
const SMALL: usize = 10_000;

/// The longest body of a message before authentication: a token of 64 kB fits.
pub(crate) const PASSWORD: usize = 65 * 1024;

/// The longest body of a message of this kind; `None` for kinds that no client may send.
pub(crate) fn bound(kind: u8, max_message: usize) -> Option<usize> {
    match kind {
        b'Q' | b'P' | b'B' | b'F' | b'd' => Some(max_message),
        b'D' | b'C' | b'E' | b'H' | b'S' | b'X' | b'c' | b'f' => Some(SMALL.min(max_message)),
        _ => None,
    }
}

/// Whether an error in a message of this kind is followed by a skip to the next Sync.
pub(crate) fn is_extended(kind: u8) -> bool {
    matches!(kind, b'P' | b'B' | b'D' | b'C' | b'E' | b'H')
}

/// Parses a message after authentication.
pub(crate) fn parse(kind: u8, body: Bytes) -> Result<Message, Error> {
    let mut reader = Reader::new(body);
    let message = match kind {
        b'Q' => Message::Query(reader.text()?),
        b'P' => {
            let name = reader.text()?;
            let sql = reader.text()?;
            let types = reader.list(4, |reader| reader.u32())?;
            Message::Parse { name, sql, types }
        }
        b'B' => {
            let portal = reader.text()?;
            let statement = reader.text()?;
            let formats = reader.list(2, |reader| reader.i16())?;
            let values = reader.list(4, Reader::value)?;
            let result_formats = reader.list(2, |reader| reader.i16())?;
            Message::Bind(Bind { portal, statement, formats, values, result_formats })
        }
        b'D' => Message::Describe(reader.target("DESCRIBE")?),
        b'C' => Message::Close(reader.target("CLOSE")?),
        b'E' => Message::Execute { portal: reader.text()?, max_rows: reader.i32()? },
        b'H' => Message::Flush,
        b'S' => Message::Sync,
        // Nobody cares for what these carry.
        b'X' => return Ok(Message::Terminate),
        b'F' => return Ok(Message::FunctionCall),
        b'd' | b'c' | b'f' => return Ok(Message::Copy),
        _ => return Err(violation(format!("invalid frontend message type {kind}"))),
    };
    reader.end()?;
    Ok(message)
}

/// Parses the first message of a SASL exchange: the mechanism and the client's first message.
pub(crate) fn sasl_initial(body: Bytes) -> Result<(String, Bytes), Error> {
    let mut reader = Reader::new(body);
    let mechanism = reader.text()?;
    let data = reader
        .value()?
        .ok_or_else(|| violation("the SASL exchange has no initial client response"))?;
    reader.end()?;
    Ok((mechanism, data))
}

/// Reads a body from the front; each read checks what is left.
pub(crate) struct Reader {
    rest: Bytes,
}

impl Reader {
    pub(crate) fn new(body: Bytes) -> Self {
        Self { rest: body }
    }

    fn take(&mut self, length: usize) -> Result<Bytes, Error> {
        if length > self.rest.len() {
            return Err(violation("insufficient data left in message"));
        }
        Ok(self.rest.split_to(length))
    }

    fn u8(&mut self) -> Result<u8, Error> {
        Ok(self.take(1)?.get_u8())
    }

    fn u16(&mut self) -> Result<u16, Error> {
        Ok(self.take(2)?.get_u16())
    }

    fn i16(&mut self) -> Result<i16, Error> {
        Ok(self.take(2)?.get_i16())
    }

    fn u32(&mut self) -> Result<u32, Error> {
        Ok(self.take(4)?.get_u32())
    }

    pub(crate) fn i32(&mut self) -> Result<i32, Error> {
        Ok(self.take(4)?.get_i32())
    }

    /// Text up to a zero byte.
    pub(crate) fn text(&mut self) -> Result<String, Error> {
        let length = self
            .rest
            .iter()
            .position(|byte| *byte == 0)
            .ok_or_else(|| violation("invalid string in message"))?;
        let bytes = self.take(length)?;
        self.take(1)?;
        match std::str::from_utf8(&bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(error) => {
                let first = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
                Err(Error::new(
                    ErrorKind::InvalidEncoding,
                    format!("invalid byte sequence for encoding \"UTF8\": 0x{first:02x}"),
                ))
            }
        }
    }

    /// A value with its length, or NULL for the length -1.
    fn value(&mut self) -> Result<Option<Bytes>, Error> {
        match self.i32()? {
            -1 => Ok(None),
            length => match usize::try_from(length) {
                Ok(length) => Ok(Some(self.take(length)?)),
                Err(_) => Err(violation("invalid length of a value in message")),
            },
        }
    }

    /// A count and that many items, each of at least `size` bytes.
    fn list<T>(
        &mut self,
        size: usize,
        item: impl Fn(&mut Self) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let count = usize::from(self.u16()?);
        if count.saturating_mul(size) > self.rest.len() {
            return Err(violation("insufficient data left in message"));
        }
        (0..count).map(|_| item(self)).collect()
    }

    fn target(&mut self, what: &str) -> Result<Target, Error> {
        match self.u8()? {
            b'S' => Ok(Target::Statement(self.text()?)),
            b'P' => Ok(Target::Portal(self.text()?)),
            other => Err(violation(format!("invalid {what} message subtype {other}"))),
        }
    }

    pub(crate) fn rest(self) -> Bytes {
        self.rest
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    fn end(self) -> Result<(), Error> {
        if self.is_empty() { Ok(()) } else { Err(violation("invalid message format")) }
    }
}

#[cfg(test)]
mod tests;
