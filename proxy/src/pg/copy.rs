//! `COPY … TO STDOUT`: rows as PostgreSQL's binary format, as text lines or as CSV (PostgreSQL 15, COPY, "File
//! Formats").
//!
//! A row of the binary format is laid out as a `DataRow` is. Lines are made of rows of texts.

use std::ops::Range;

use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use bytes::{Buf, BufMut, BytesMut};
use pgwire::messages::copy::{CopyDone, CopyOutResponse};
use tollgate_catalog::{Error, ErrorKind};
use tollgate_gateway::{Outcome, OutputColumn, Statement};
use tollgate_rewriter::delivery::{Always, CopyFormat, Lines, Quotes};

use super::encode::{Format, RowEncoder, begin, finish};
use super::error::{Stop, clean};
use super::portal::Rows;
use super::session::Connection;

/// The signature, no flags, and no more in the header.
const SIGNATURE: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// Writes the rows of a result's batches as `CopyData` messages, one for each row.
#[derive(Debug)]
pub(crate) struct CopyEncoder {
    rows: RowEncoder,
    how: How,
}

#[derive(Debug)]
enum How {
    Binary {
        /// Whether the signature is written: it comes with the first row, where drivers look for it.
        begun: bool,
    },
    Lines {
        lines: Lines,
        /// Which columns are quoted always.
        always: Vec<bool>,
        /// Rows of texts, on their way into lines.
        scratch: BytesMut,
    },
}

impl CopyEncoder {
    /// An encoder of these columns; lines begin with their names if the format says so.
    pub(crate) fn new(
        columns: &[OutputColumn],
        format: &CopyFormat,
        time_zone: &str,
        out: &mut BytesMut,
    ) -> Result<Self, Error> {
        let types: Vec<DataType> = columns.iter().map(|column| column.data_type.clone()).collect();
        let own = columns.iter().map(|column| column.own).collect();
        let (form, how) = match format {
            CopyFormat::Binary => (Format::Binary, How::Binary { begun: false }),
            CopyFormat::Lines(lines) => {
                let (lines, scratch) = (lines.clone(), BytesMut::new());
                let always = quoted_always(&lines, columns)?;
                (Format::Text, How::Lines { lines, always, scratch })
            }
        };
        let rows = RowEncoder::new(&types, &[form], time_zone)?.trimmed(own);
        if let How::Lines { lines, .. } = &how
            && lines.header
        {
            let names: Vec<String> = columns.iter().map(|column| clean(&column.name)).collect();
            let names = names.iter().map(|name| Ok(Some(name.as_bytes())));
            line(lines, &[], names, out)?;
        }
        Ok(Self { rows, how })
    }

    /// Appends a message for each of the batch's `rows`. After an error `out` ends with the last row that
    /// could be written.
    pub(crate) fn encode(
        &mut self,
        batch: &RecordBatch,
        rows: Range<usize>,
        out: &mut BytesMut,
    ) -> Result<(), Error> {
        match &mut self.how {
            How::Binary { begun } => {
                let start = out.len();
                let mut rest = rows;
                let first = rest.start;
                if !*begun && !rest.is_empty() {
                    rest.start += 1;
                    self.rows.encode(batch, first..rest.start, out)?;
                    sign(out, start)?;
                    *begun = true;
                }
                let encoded = self.rows.encode(batch, rest, out);
                relabel(out.get_mut(start..).unwrap_or_default())?;
                encoded
            }
            How::Lines { lines, always, scratch } => {
                scratch.clear();
                let encoded = self.rows.encode(batch, rows, scratch);
                let mut rows = &scratch[..];
                while rows.has_remaining() {
                    line(lines, always, Fields::next_row(&mut rows)?, out)?;
                }
                encoded
            }
        }
    }

    /// Appends what stands after the last row.
    pub(crate) fn end(&mut self, out: &mut BytesMut) -> Result<(), Error> {
        let How::Binary { begun } = &self.how else { return Ok(()) };
        out.put_u8(b'd');
        let at = begin(out);
        if !begun {
            out.put_slice(SIGNATURE);
        }
        out.put_i16(-1);
        finish(out, at, 4)
    }
}

/// Puts the signature into the message that begins at `start`, which is the last one.
fn sign(out: &mut BytesMut, start: usize) -> Result<(), Error> {
    let row = out.split_off(start);
    out.put_u8(b'd');
    let at = begin(out);
    out.put_slice(SIGNATURE);
    out.put_slice(row.get(5..).unwrap_or_default());
    finish(out, at, 4)
}

/// Makes `CopyData` of `DataRow` messages.
fn relabel(mut messages: &mut [u8]) -> Result<(), Error> {
    while let Some((kind, rest)) = messages.split_first_mut() {
        *kind = b'd';
        let length = rest.first_chunk().map(|length| i32::from_be_bytes(*length));
        let length = length.and_then(|length| usize::try_from(length).ok());
        let next = length.and_then(|length| rest.get_mut(length..));
        messages = next.ok_or_else(torn)?;
    }
    Ok(())
}

/// The values of a `DataRow`.
struct Fields<'a> {
    left: usize,
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Those of the next message.
    fn next_row(messages: &mut &'a [u8]) -> Result<Self, Error> {
        let row = messages.get(1..).and_then(|rest| {
            let length = i32::from_be_bytes(*rest.first_chunk()?);
            let (row, after) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            *messages = after;
            let (count, rest) = row.get(4..)?.split_first_chunk()?;
            let left = usize::try_from(i16::from_be_bytes(*count)).ok()?;
            Some(Self { left, rest })
        });
        row.ok_or_else(torn)
    }

    fn value(&mut self) -> Option<Option<&'a [u8]>> {
        let (length, after) = self.rest.split_first_chunk()?;
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
            self.rest = after;
            return Some(None);
        };
        let (value, after) = after.split_at_checked(length)?;
        self.rest = after;
        Some(Some(value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Option<&'a [u8]>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        Some(self.value().ok_or_else(torn))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Fields<'_> {}

fn torn() -> Error {
    Error::internal("a row has another length")
}

fn quoted_always(lines: &Lines, columns: &[OutputColumn]) -> Result<Vec<bool>, Error> {
    let Some(Quotes { always, .. }) = &lines.quotes else { return Ok(Vec::new()) };
    match always {
        Always::All => Ok(vec![true; columns.len()]),
        Always::Columns(names) => {
            let missing =
                names.iter().find(|name| columns.iter().all(|column| column.name != **name));
            match missing {
                Some(name) => Err(Error::undefined_column(name)),
                None => Ok(columns.iter().map(|column| names.contains(&column.name)).collect()),
            }
        }
    }
}

/// Appends a message with a line of values.
fn line<'a>(
    lines: &Lines,
    always: &[bool],
    values: impl ExactSizeIterator<Item = Result<Option<&'a [u8]>, Error>>,
    out: &mut BytesMut,
) -> Result<(), Error> {
    out.put_u8(b'd');
    let at = begin(out);
    let alone = values.len() == 1;
    for (index, value) in values.enumerate() {
        if index > 0 {
            out.put_u8(lines.delimiter);
        }
        match (value?, &lines.quotes) {
            (None, _) => out.put_slice(lines.null.as_bytes()),
            (Some(value), None) => escaped(value, lines.delimiter, out),
            (Some(value), Some(quotes)) => {
                let special =
                    |byte: &u8| [lines.delimiter, quotes.quote, b'\n', b'\r'].contains(byte);
                let quoted = always.get(index).copied().unwrap_or(false)
                    || value == lines.null.as_bytes()
                    || (alone && value == b"\\.")
                    || value.iter().any(special);
                if quoted { quote(value, quotes, out) } else { out.put_slice(value) }
            }
        }
    }
    out.put_u8(b'\n');
    finish(out, at, 4)
}

/// A value of the text format.
fn escaped(value: &[u8], delimiter: u8, out: &mut BytesMut) {
    for byte in value {
        let escape = match byte {
            0x08 => b'b',
            0x0c => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x0b => b'v',
            b'\\' => b'\\',
            byte if *byte == delimiter => *byte,
            byte => {
                out.put_u8(*byte);
                continue;
            }
        };
        out.put_slice(&[b'\\', escape]);
    }
}

/// A value between quotes.
fn quote(value: &[u8], quotes: &Quotes, out: &mut BytesMut) {
    out.put_u8(quotes.quote);
    for byte in value {
        if [quotes.quote, quotes.escape].contains(byte) {
            out.put_u8(quotes.escape);
        }
        out.put_u8(*byte);
    }
    out.put_u8(quotes.quote);
}

impl Connection {
    /// Runs a query and sends its rows as a COPY.
    pub(super) async fn copy_out(
        &mut self,
        query: &Statement,
        format: &CopyFormat,
    ) -> Result<(), Stop> {
        let Outcome::Rows(stream) = self.execute(query, &[], Vec::new()).await? else {
            return Err(Error::internal("a COPY of what gives no rows").into());
        };
        let code = match format {
            CopyFormat::Binary => 1,
            CopyFormat::Lines(_) => 0,
        };
        let count = i16::try_from(stream.columns().len()).map_err(|_| {
            Error::new(ErrorKind::ProgramLimit, "a result has too many columns")
                .with_hint("select fewer columns")
        })?;
        let formats = vec![i16::from(code); stream.columns().len()];
        // What is wrong with the format is said before the rows are announced.
        let mut head = BytesMut::new();
        let encoder =
            CopyEncoder::new(stream.columns(), format, self.session.time_zone(), &mut head)?;
        self.wire.put(&CopyOutResponse::new(code, count, formats))?;
        self.wire.output.extend_from_slice(&head);
        let mut rows = Rows::copied(stream, encoder);
        let pumped = rows.pump(&mut self.wire, None, &self.cancel).await?;
        rows.end(&mut self.wire.output)?;
        self.wire.put(&CopyDone::new())?;
        self.complete_rows(&mut rows, format!("COPY {}", pumped.rows))
    }
}
