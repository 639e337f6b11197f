//! Prepared statements, portals, and the flow of rows from a stream to the socket.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use bytes::BytesMut;
use datafusion::common::ScalarValue;
use pgwire::messages::data::{FieldDescription, RowDescription};
use tollgate_catalog::{Error, ErrorKind, pg_type};
use tollgate_gateway::{
    CancelToken, Description, Notice, OutputColumn, RowStream, Session, Statement,
};

use super::copy::CopyEncoder;
use super::cursor::Cursor;
use super::encode::{Format, RowEncoder};
use super::error::{Stop, clean, violation};
use super::wire::{FULL, Flushed, Wire};

/// The most columns of a result (PostgreSQL's bound).
const COLUMNS: usize = 1664;

/// The most rows encoded between two looks at the length of the output.
const SLICE: usize = 256;

/// How long rows may wait for the client before its query lets others run.
const PAUSE: Duration = Duration::from_secs(1);

/// A prepared statement.
pub(crate) struct Prepared {
    /// `None` for an empty query.
    pub(crate) statement: Option<Statement>,
    pub(crate) hints: Vec<Option<DataType>>,
    /// The types of the parameters as the client declared them; 0 where it left them open.
    pub(crate) declared: Vec<u32>,
    pub(crate) description: Arc<Description>,
    /// The cycle (from Sync to Sync) in which the description was made.
    pub(crate) described: u64,
}

/// A portal: a prepared statement with values.
pub(crate) struct Portal {
    pub(crate) statement: Option<Statement>,
    pub(crate) values: Vec<ScalarValue>,
    pub(crate) formats: Vec<Format>,
    pub(crate) description: Arc<Description>,
    pub(crate) described: u64,
    pub(crate) state: State,
    /// What it is as a cursor, if SQL declared it.
    pub(crate) cursor: Option<Cursor>,
    /// How many rows it has given or passed by.
    pub(crate) passed: u64,
    /// How many savepoints there were when it was made: it goes with those after which it was.
    pub(crate) savepoints: usize,
    /// When its rows were left waiting.
    pub(crate) left: Option<Instant>,
}

impl Portal {
    /// Leaves rows waiting until the client asks for more.
    pub(crate) fn leave(&mut self, mut rows: Box<Rows>) {
        rows.pause();
        self.state = State::Rows(rows);
        self.left = Some(Instant::now());
    }
}

/// How far a portal is.
pub(crate) enum State {
    /// It hasn't run yet.
    Bound,
    /// It was suspended, or is about to give its first row.
    Rows(Box<Rows>),
    /// All rows were sent; the tag says so again.
    Exhausted(String),
    /// A command ran.
    Done,
}

/// Named things of a session, bounded in number and in bytes that they hold.
pub(crate) struct Named<T> {
    entries: HashMap<String, (T, usize)>,
    bytes: usize,
    most: usize,
    most_bytes: usize,
}

impl<T> Named<T> {
    pub(crate) fn new(most: usize, most_bytes: usize) -> Self {
        Self { entries: HashMap::new(), bytes: 0, most, most_bytes }
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut T> {
        self.entries.get_mut(name).map(|(entry, _)| entry)
    }

    /// Sets an entry that holds `bytes` bytes.
    pub(crate) fn set(&mut self, name: String, entry: T, bytes: usize) -> Result<(), Error> {
        self.remove(&name);
        if self.entries.len() >= self.most || self.bytes.saturating_add(bytes) > self.most_bytes {
            return Err(Error::new(
                ErrorKind::ProgramLimit,
                "too many prepared statements or portals in this session",
            )
            .with_hint("close the ones that are no longer used, or run DEALLOCATE ALL"));
        }
        self.bytes += bytes;
        self.entries.insert(name, (entry, bytes));
        Ok(())
    }

    pub(crate) fn remove(&mut self, name: &str) -> Option<(T, usize)> {
        let removed = self.entries.remove(name);
        if let Some((_, bytes)) = &removed {
            self.bytes -= bytes;
        }
        removed
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.entries.values().map(|(entry, _)| entry)
    }

    /// Keeps those entries that are to be kept.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&mut T) -> bool) {
        self.entries.retain(|_, (entry, _)| keep(entry));
        self.bytes = self.entries.values().map(|(_, bytes)| bytes).sum();
    }
}

/// A result on its way: what the stream still has, and what of its last batch is unsent.
pub(crate) struct Rows {
    stream: RowStream,
    encoder: Encoder,
    formats: Vec<Format>,
    time_zone: String,
    batch: Option<RecordBatch>,
    offset: usize,
    row_bytes: usize,
}

/// What writes rows.
enum Encoder {
    Rows(RowEncoder),
    Copy(CopyEncoder),
}

/// How a pump ended.
pub(crate) struct Pumped {
    /// The rows that were sent.
    pub(crate) rows: u64,
    /// Whether there are no more, or the limit came first.
    pub(crate) ended: bool,
}

impl Rows {
    /// Prepares to encode a stream; `formats` are those of Bind: none, one for all, or one each.
    pub(crate) fn new(
        stream: RowStream,
        formats: &[Format],
        time_zone: &str,
    ) -> Result<Self, Error> {
        let formats = each(formats, stream.columns().len())?;
        let encoder = Encoder::Rows(encoder(stream.columns(), &formats, time_zone)?);
        let time_zone = time_zone.to_owned();
        Ok(Self { stream, encoder, formats, time_zone, batch: None, offset: 0, row_bytes: 0 })
    }

    /// The rows of a COPY.
    pub(crate) fn copied(stream: RowStream, encoder: CopyEncoder) -> Self {
        let (encoder, formats, time_zone) = (Encoder::Copy(encoder), Vec::new(), String::new());
        Self { stream, encoder, formats, time_zone, batch: None, offset: 0, row_bytes: 0 }
    }

    /// Ends the rows of a COPY.
    pub(crate) fn end(&mut self, out: &mut BytesMut) -> Result<(), Error> {
        match &mut self.encoder {
            Encoder::Rows(_) => Ok(()),
            Encoder::Copy(encoder) => encoder.end(out),
        }
    }

    /// Goes on with rows that were left waiting, with values in these formats.
    pub(crate) fn resume(&mut self, formats: &[Format], session: &Session) -> Result<(), Error> {
        session.may_resume(&self.stream)?;
        let time_zone = session.time_zone();
        let formats = each(formats, self.stream.columns().len())?;
        if formats != self.formats || time_zone != self.time_zone {
            self.encoder = Encoder::Rows(encoder(self.stream.columns(), &formats, time_zone)?);
            self.formats = formats;
            time_zone.clone_into(&mut self.time_zone);
        }
        Ok(())
    }

    /// What to say when `rows` rows were sent and no more are there.
    pub(crate) fn tag(&self, rows: u64) -> String {
        self.stream.complete_tag(rows)
    }

    /// What the client is to be told when there are no more rows.
    pub(crate) fn take_notice(&mut self) -> Option<Notice> {
        self.stream.take_notice()
    }

    /// Lets other queries run while the client asks for no rows.
    pub(crate) fn pause(&mut self) {
        self.stream.pause();
    }

    /// Sends rows until there are no more, or `limit` are sent, or the client cancels or goes.
    ///
    /// The output holds about [`FULL`] bytes at most: then the socket decides when it goes on.
    pub(crate) async fn pump(
        &mut self,
        wire: &mut Wire,
        limit: Option<u64>,
        cancel: &CancelToken,
    ) -> Result<Pumped, Stop> {
        let mut sent = 0;
        loop {
            let left = limit.map_or(u64::MAX, |limit| limit.saturating_sub(sent));
            if left == 0 {
                return Ok(Pumped { rows: sent, ended: false });
            }
            let Some(batch) = &self.batch else {
                if !self.pull(wire).await? {
                    return Ok(Pumped { rows: sent, ended: true });
                }
                continue;
            };
            self.stream.may_go_on()?;
            let from = self.offset;
            let count = self.slice().min(usize::try_from(left).unwrap_or(usize::MAX));
            let to = from.saturating_add(count).min(batch.num_rows());
            let before = wire.output.len();
            match &mut self.encoder {
                Encoder::Rows(encoder) => encoder.encode(batch, from..to, &mut wire.output)?,
                Encoder::Copy(encoder) => encoder.encode(batch, from..to, &mut wire.output)?,
            }
            let (rows, bytes) = (to - from, wire.output.len().saturating_sub(before));
            self.row_bytes = bytes.div_ceil(rows.max(1));
            self.offset = to;
            if to == batch.num_rows() {
                self.batch = None;
            }
            sent += rows as u64;
            self.stream.sent(rows as u64, bytes as u64);
            if wire.output.len() >= FULL {
                self.flush(wire, cancel).await?;
            }
        }
    }

    /// Passes rows by until there are no more, or so many are passed.
    pub(crate) async fn pass(
        &mut self,
        wire: &mut Wire,
        limit: Option<u64>,
    ) -> Result<Pumped, Stop> {
        let mut passed = 0;
        loop {
            let left = limit.map_or(u64::MAX, |limit| limit.saturating_sub(passed));
            if left == 0 {
                return Ok(Pumped { rows: passed, ended: false });
            }
            let Some(batch) = &self.batch else {
                if !self.pull(wire).await? {
                    return Ok(Pumped { rows: passed, ended: true });
                }
                continue;
            };
            self.stream.may_go_on()?;
            let rows = batch.num_rows() - self.offset;
            let count = rows.min(usize::try_from(left).unwrap_or(usize::MAX));
            self.offset += count;
            if count == rows {
                self.batch = None;
            }
            passed += count as u64;
        }
    }

    /// Waits for the next batch; false if there is none.
    async fn pull(&mut self, wire: &mut Wire) -> Result<bool, Stop> {
        let next = tokio::select! {
            biased;
            next = self.stream.next() => next,
            () = wire.gone() => return Err(Stop::Gone),
        };
        match next {
            None => Ok(false),
            Some(batch) => {
                self.begin(batch?);
                Ok(true)
            }
        }
    }

    /// Waits for the client to take the output. Who reads nothing holds up no other query.
    async fn flush(&mut self, wire: &mut Wire, cancel: &CancelToken) -> Result<(), Stop> {
        let mut cut = pin!(self.stream.cut());
        let mut late = pin!(tokio::time::sleep(PAUSE));
        let mut paused = false;
        loop {
            tokio::select! {
                biased;
                // Says why when it goes on.
                () = &mut cut => return Ok(()),
                flushed = wire.flush_unless(cancel) => return match flushed? {
                    Flushed::All => Ok(()),
                    Flushed::Canceled => Err(Stop::Error(canceled())),
                },
                () = &mut late, if !paused => {
                    self.stream.pause();
                    paused = true;
                }
            }
        }
    }

    fn begin(&mut self, batch: RecordBatch) {
        // Until the first slice tells better: what a row of the batch holds in memory.
        if let Some(bytes) = batch.get_array_memory_size().checked_div(batch.num_rows()) {
            self.row_bytes = self.row_bytes.max(bytes);
            self.offset = 0;
            self.batch = Some(batch);
        }
    }

    /// How many rows to encode at once, so that wide rows don't pile up.
    fn slice(&self) -> usize {
        (FULL / self.row_bytes.max(1)).clamp(1, SLICE)
    }
}

fn encoder(
    columns: &[OutputColumn],
    formats: &[Format],
    time_zone: &str,
) -> Result<RowEncoder, Error> {
    let types: Vec<DataType> = columns.iter().map(|column| column.data_type.clone()).collect();
    let own = columns.iter().map(|column| column.own).collect();
    Ok(RowEncoder::new(&types, formats, time_zone)?.trimmed(own))
}

fn canceled() -> Error {
    Error::new(ErrorKind::QueryCanceled, "canceling statement due to user request")
}

/// The formats that codes stand for.
pub(crate) fn formats(codes: &[i16]) -> Result<Vec<Format>, Error> {
    codes
        .iter()
        .map(|code| match code {
            0 => Ok(Format::Text),
            1 => Ok(Format::Binary),
            other => Err(Error::new(
                ErrorKind::InvalidParameterValue,
                format!("unsupported format code: {other}"),
            )),
        })
        .collect()
}

/// Formats for `count` columns from none (all text), one (for all) or one each.
pub(crate) fn each(formats: &[Format], count: usize) -> Result<Vec<Format>, Error> {
    match formats {
        [] => Ok(vec![Format::Text; count]),
        [one] => Ok(vec![*one; count]),
        many if many.len() == count => Ok(many.to_vec()),
        many => Err(violation(format!(
            "bind message has {} result formats but query has {count} columns",
            many.len()
        ))),
    }
}

/// Describes the columns of a result.
pub(crate) fn describe(
    columns: &[OutputColumn],
    formats: &[Format],
) -> Result<RowDescription, Error> {
    if columns.len() > COLUMNS {
        return Err(Error::new(
            ErrorKind::ProgramLimit,
            format!("target lists can have at most {COLUMNS} entries"),
        ));
    }
    let fields = columns.iter().zip(each(formats, columns.len())?).map(|(column, format)| {
        let pg_type = pg_type::of(&column.data_type);
        let (table, attribute) = match &column.table_column {
            Some((name, index)) => (
                tollgate_gateway::introspect::table_oid(name),
                i16::try_from(index.saturating_add(1)).unwrap_or(0),
            ),
            None => (0, 0),
        };
        FieldDescription::new(
            clean(&column.name),
            table.cast_signed(),
            attribute,
            pg_type.oid,
            pg_type.length,
            pg_type.modifier,
            match format {
                Format::Text => 0,
                Format::Binary => 1,
            },
        )
    });
    Ok(RowDescription::new(fields.collect()))
}

/// Refuses a result that is of other types than the client was told.
pub(crate) fn same_types(told: &[OutputColumn], now: &[OutputColumn]) -> Result<(), Error> {
    let oid = |column: &OutputColumn| pg_type::of(&column.data_type).oid;
    if told.iter().map(oid).eq(now.iter().map(oid)) {
        return Ok(());
    }
    Err(Error::not_supported("a change of the result type of a prepared statement")
        .with_hint("prepare the statement again"))
}

#[cfg(test)]
mod tests;
