//! Record batches of a client, from bytes that may be anything.
//!
//! The IPC reader believes what it reads: it allocates as many bytes as a compressed buffer says that it
//! will have, and a schema or a buffer that contradicts itself ends it. So each message is checked before
//! the reader sees it: only types that a parameter can have, in forms in which every value takes bytes
//! of the message; nothing compressed; nothing beyond the message.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::buffer::Buffer;
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::convert::fb_to_schema;
use arrow::ipc::reader::{read_dictionary, read_record_batch};
use arrow::ipc::{self, Endianness, MessageHeader, Type};
use arrow_flight::FlightData;
use tollgate_catalog::{Error, ErrorKind};
use tonic::{Status, Streaming};

use crate::status::{Answer, internal, status, violation};

/// The most messages of one stream.
const MESSAGES: usize = 4096;

/// The most rows, and the most values in all of them, items of lists and dictionaries included.
const ROWS: usize = 10_000;
const VALUES: usize = 1 << 20;

/// The most columns; a statement doesn't have more parameters.
const COLUMNS: usize = 1 << 16;

/// The bytes of all names and notes in a schema.
const WORDS: usize = 1 << 20;

/// The longest list of a fixed size.
const LONGEST_LIST: i32 = 1 << 16;

/// What columns with a dictionary may come to when each row has its own copy.
const UNPACKED: usize = 64 << 20;

/// The rows that a client sends in one stream of `longest` bytes at most, without dictionaries; `None`
/// if there is no schema.
pub(crate) async fn rows(
    first: FlightData,
    mut rest: Streaming<FlightData>,
    longest: usize,
) -> Answer<Option<RecordBatch>> {
    let mut bytes = first.data_header.len() + first.data_body.len();
    let mut messages = vec![first];
    while let Some(message) = rest.message().await? {
        bytes += message.data_header.len() + message.data_body.len();
        if bytes > longest || messages.len() >= MESSAGES {
            return Err(too_long("bytes or messages"));
        }
        messages.push(message);
    }
    // Not on a thread that serves connections; and a defect of the reader ends with it.
    match tokio::task::spawn_blocking(move || decode(&messages)).await {
        Ok(decoded) => decoded,
        Err(error) => {
            tracing::error!(%error, "parameters could not be decoded");
            Err(unreadable("the reader failed"))
        }
    }
}

fn decode(messages: &[FlightData]) -> Answer<Option<RecordBatch>> {
    let mut reader: Option<Reader> = None;
    for message in messages.iter().filter(|message| !message.data_header.is_empty()) {
        let header = ipc::root_as_message(&message.data_header)
            .map_err(|_| unreadable("a header isn't one"))?;
        let kind = header.header_type();
        if kind == MessageHeader::NONE {
            continue;
        }
        if kind == MessageHeader::Schema {
            let schema = header.header_as_schema().filter(is_readable);
            let schema = schema.ok_or_else(|| unreadable("the schema"))?;
            if reader.replace(Reader::new(fb_to_schema(schema))).is_some() {
                return Err(unreadable("a second schema"));
            }
            continue;
        }
        let reader = reader.as_mut().ok_or_else(|| unreadable("no schema"))?;
        if let Some(batch) = header.header_as_dictionary_batch() {
            reader.dictionary(&message.data_body, batch, header.version())?;
        } else if let Some(batch) = header.header_as_record_batch() {
            reader.batch(&message.data_body, batch, header.version())?;
        } else {
            return Err(unreadable("a message of another kind"));
        }
    }
    reader.map(Reader::end).transpose()
}

/// What was read so far.
struct Reader {
    schema: SchemaRef,
    dictionaries: HashMap<i64, ArrayRef>,
    batches: Vec<RecordBatch>,
    rows: usize,
    values: usize,
    unpacked: usize,
}

impl Reader {
    fn new(schema: Schema) -> Self {
        Self {
            schema: Arc::new(schema),
            dictionaries: HashMap::new(),
            batches: Vec::new(),
            rows: 0,
            values: 0,
            unpacked: 0,
        }
    }

    fn dictionary(
        &mut self,
        body: &bytes::Bytes,
        batch: ipc::DictionaryBatch<'_>,
        version: ipc::MetadataVersion,
    ) -> Answer<()> {
        #[expect(deprecated, reason = "the reader finds dictionaries by it")]
        let of = self.schema.fields_with_dict_id(batch.id());
        let Some(DataType::Dictionary(_, values)) = of.first().map(|field| field.data_type())
        else {
            return Err(unreadable("a dictionary of no column"));
        };
        let data = batch.data().ok_or_else(|| unreadable("a dictionary without values"))?;
        if batch.isDelta() {
            return Err(unreadable("a dictionary that grows"));
        }
        let of = std::iter::once(values.as_ref());
        check(&data, body, of, VALUES, &mut self.values, &mut self.unpacked)?;
        let buffer = Buffer::from(body.clone());
        read_dictionary(&buffer, batch, &self.schema, &mut self.dictionaries, &version)
            .map_err(|error| refused(&error))
    }

    fn batch(
        &mut self,
        body: &bytes::Bytes,
        batch: ipc::RecordBatch<'_>,
        version: ipc::MetadataVersion,
    ) -> Answer<()> {
        let columns = self.schema.fields().iter().map(|field| field.data_type());
        let most = ROWS - self.rows;
        check(&batch, body, columns, most, &mut self.values, &mut self.unpacked)?;
        let buffer = Buffer::from(body.clone());
        let schema = Arc::clone(&self.schema);
        let batch = read_record_batch(&buffer, batch, schema, &self.dictionaries, None, &version)
            .map_err(|error| refused(&error))?;
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.rows += batch.num_rows();
        let columns = batch.columns().iter().map(|array| self.unpack(array));
        let columns = columns.collect::<Answer<Vec<_>>>()?;
        // Parameters go by their position; names would be copied for each batch.
        let fields = columns.iter().map(|array| Field::new("", array.data_type().clone(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let batch = RecordBatch::try_new_with_options(schema, columns, &options);
        self.batches.push(batch.map_err(internal)?);
        Ok(())
    }

    /// The column without its dictionary: one long value that all rows name becomes as many copies.
    fn unpack(&mut self, array: &ArrayRef) -> Answer<ArrayRef> {
        let DataType::Dictionary(_, of) = array.data_type() else { return Ok(Arc::clone(array)) };
        let values = array.as_any_dictionary().values().to_data();
        let size = values.get_slice_memory_size().map_err(|error| refused(&error))?;
        self.unpacked = self.unpacked.saturating_add(size.saturating_mul(array.len()));
        if self.unpacked > UNPACKED {
            return Err(too_long("values"));
        }
        cast(array, of).map_err(|error| refused(&error))
    }

    /// All rows.
    fn end(self) -> Answer<RecordBatch> {
        match self.batches.first() {
            Some(first) => {
                concat_batches(&first.schema(), &self.batches).map_err(|error| refused(&error))
            }
            None => Ok(RecordBatch::new_empty(self.schema)),
        }
    }
}

/// Whether the reader may see a batch of these columns, of `most` rows at most. Its values are added to
/// `values`, and the bytes that views name to `unpacked`: several may name the same.
fn check<'a>(
    batch: &ipc::RecordBatch<'_>,
    body: &[u8],
    columns: impl Iterator<Item = &'a DataType>,
    most: usize,
    values: &mut usize,
    unpacked: &mut usize,
) -> Answer<()> {
    if batch.compression().is_some() {
        return Err(status(
            &Error::not_supported("compression of parameters").with_hint("send them uncompressed"),
        ));
    }
    let (Some(nodes), Some(buffers)) = (batch.nodes(), batch.buffers()) else {
        return Err(unreadable("a batch without nodes or buffers"));
    };
    if usize::try_from(batch.length()).map_or(true, |rows| rows > most) {
        return Err(too_long("rows"));
    }
    for node in nodes {
        *values = values.saturating_add(usize::try_from(node.length()).unwrap_or(usize::MAX));
        if *values > VALUES {
            return Err(too_long("values"));
        }
    }
    let mut parts = Vec::with_capacity(buffers.len());
    for buffer in buffers {
        let (start, length) = (usize::try_from(buffer.offset()), usize::try_from(buffer.length()));
        let Some((start, length)) = start.ok().zip(length.ok()) else {
            return Err(unreadable("a buffer before the message"));
        };
        let part = start.checked_add(length).and_then(|end| body.get(start..end));
        parts.push(part.ok_or_else(|| unreadable("a buffer beyond the message"))?);
    }
    let mut layout = Layout {
        nodes: nodes.iter(),
        buffers: parts.into_iter(),
        views: batch.variadicBufferCounts().map(|counts| counts.iter().collect::<Vec<_>>()),
        rows: batch.length(),
        named: 0,
    };
    if let Some(views) = &mut layout.views {
        views.reverse();
    }
    let mut whole = true;
    for column in columns {
        whole = whole && layout.column(column, true).is_some();
    }
    *unpacked = unpacked.saturating_add(layout.named);
    if *unpacked > UNPACKED {
        return Err(too_long("values"));
    }
    if whole && layout.views.is_none_or(|views| views.is_empty()) {
        Ok(())
    } else {
        Err(unreadable("nodes and buffers that aren't those of the columns"))
    }
}

/// The nodes and buffers of a batch, in the order of its columns.
struct Layout<N, B> {
    nodes: N,
    buffers: B,
    /// How many buffers views have, the last column first.
    views: Option<Vec<i64>>,
    rows: i64,
    /// The bytes that views name.
    named: usize,
}

impl<'a, 'b, N, B> Layout<N, B>
where
    N: Iterator<Item = &'a ipc::FieldNode>,
    B: Iterator<Item = &'b [u8]>,
{
    /// Takes those of a column off; nothing if they aren't as they must be.
    fn column(&mut self, of: &DataType, outer: bool) -> Option<()> {
        let node = self.nodes.next()?;
        let (length, nulls) = (node.length(), node.null_count());
        if !(0..=length).contains(&nulls) || (outer && length != self.rows) {
            return None;
        }
        if *of == DataType::Null {
            return (nulls == length).then_some(());
        }
        let bytes = usize::try_from(length).ok()?.div_ceil(8);
        let validity = self.buffers.next()?;
        if nulls > 0 && validity.len() < bytes {
            return None;
        }
        match of {
            DataType::FixedSizeList(item, _) => self.column(item.data_type(), false),
            DataType::List(item) => {
                self.whole(4)?;
                self.column(item.data_type(), false)
            }
            DataType::LargeList(item) => {
                self.whole(8)?;
                self.column(item.data_type(), false)
            }
            DataType::Utf8View | DataType::BinaryView => {
                for view in self.whole(16)?.chunks_exact(16) {
                    let length = view.first_chunk().map(|length| u32::from_le_bytes(*length));
                    let length = usize::try_from(length?).ok()?;
                    self.named = self.named.saturating_add(length);
                }
                let more = usize::try_from(self.views.as_mut()?.pop()?).ok()?;
                (0..more).try_for_each(|_| self.buffers.next().map(|_| ()))
            }
            DataType::Utf8 | DataType::Binary => {
                self.whole(4)?;
                self.buffers.next().map(|_| ())
            }
            DataType::LargeUtf8 | DataType::LargeBinary => {
                self.whole(8)?;
                self.buffers.next().map(|_| ())
            }
            DataType::Dictionary(key, _) => {
                self.whole(key.primitive_width()?).filter(|keys| keys.len() >= bytes).map(|_| ())
            }
            // One buffer of values; bits and fixed bytes have no width of their own.
            of => {
                let values = self.whole(of.primitive_width().unwrap_or(1))?;
                (values.len() >= bytes).then_some(())
            }
        }
    }

    /// The next buffer, if it is whole values of that width: the reader fails hard on half a value.
    fn whole(&mut self, width: usize) -> Option<&'b [u8]> {
        self.buffers.next().filter(|buffer| buffer.len().is_multiple_of(width))
    }
}

/// Whether the reader takes a schema, and all of its types are ones that a parameter can have.
fn is_readable(schema: &ipc::Schema<'_>) -> bool {
    let Some(fields) = schema.fields() else { return false };
    let mut room = WORDS;
    schema.endianness() == Endianness::Little
        && fields.len() <= COLUMNS
        && takes(&mut room, schema.custom_metadata().into_iter().flatten())
        && fields.iter().all(|field| is_column(&field) && is_short(&mut room, &field))
}

/// Whether there is room for the names and notes of a field and its items: many may share one text
/// of the message, and the reader copies it for each.
fn is_short(room: &mut usize, field: &ipc::Field<'_>) -> bool {
    let items = field.children().into_iter().flatten();
    let all = std::iter::once(*field).chain(items);
    all.fold(true, |short, field| {
        let name = field.name().map_or(0, str::len);
        let left = room.checked_sub(name);
        *room = left.unwrap_or(0);
        short && left.is_some() && takes(room, field.custom_metadata().into_iter().flatten())
    })
}

fn takes<'a>(room: &mut usize, mut notes: impl Iterator<Item = ipc::KeyValue<'a>>) -> bool {
    notes.all(|note| {
        // A note without text takes room too.
        let text = note.key().map_or(0, str::len) + note.value().map_or(0, str::len) + 16;
        let left = room.checked_sub(text);
        *room = left.unwrap_or(0);
        left.is_some()
    })
}

fn is_column(field: &ipc::Field<'_>) -> bool {
    if let Some(dictionary) = field.dictionary() {
        let index = dictionary.indexType();
        return index.is_some_and(|index| is_width(index.bitWidth())) && is_flat(field);
    }
    let items = match field.type_type() {
        Type::Null => return true,
        Type::List | Type::LargeList => field.children(),
        Type::FixedSizeList => {
            let size = field.type_as_fixed_size_list().map_or(0, |list| list.listSize());
            field.children().filter(|_| (1..=LONGEST_LIST).contains(&size))
        }
        _ => return is_flat(field),
    };
    items.is_some_and(|items| {
        items.len() == 1 && items.iter().all(|item| item.dictionary().is_none() && is_flat(&item))
    })
}

/// Whether it is a type of which each value takes bytes, well described.
fn is_flat(field: &ipc::Field<'_>) -> bool {
    use ipc::{DateUnit, Precision, TimeUnit};
    let unit = |unit: TimeUnit| TimeUnit::ENUM_VALUES.contains(&unit);
    match field.type_type() {
        Type::Bool
        | Type::Binary
        | Type::LargeBinary
        | Type::BinaryView
        | Type::Utf8
        | Type::LargeUtf8
        | Type::Utf8View => true,
        Type::Int => field.type_as_int().is_some_and(|int| is_width(int.bitWidth())),
        Type::FloatingPoint => field
            .type_as_floating_point()
            .is_some_and(|float| Precision::ENUM_VALUES.contains(&float.precision())),
        Type::Date => {
            field.type_as_date().is_some_and(|date| DateUnit::ENUM_VALUES.contains(&date.unit()))
        }
        Type::Time => field.type_as_time().is_some_and(|time| {
            let wide = matches!(time.unit(), TimeUnit::MICROSECOND | TimeUnit::NANOSECOND);
            unit(time.unit()) && time.bitWidth() == if wide { 64 } else { 32 }
        }),
        Type::Timestamp => field.type_as_timestamp().is_some_and(|time| unit(time.unit())),
        Type::Duration => field.type_as_duration().is_some_and(|time| unit(time.unit())),
        Type::Interval => field
            .type_as_interval()
            .is_some_and(|interval| ipc::IntervalUnit::ENUM_VALUES.contains(&interval.unit())),
        Type::FixedSizeBinary => {
            field.type_as_fixed_size_binary().is_some_and(|binary| binary.byteWidth() > 0)
        }
        Type::Decimal => field.type_as_decimal().is_some_and(|decimal| {
            let digits = match decimal.bitWidth() {
                32 => 9,
                64 => 18,
                128 => 38,
                256 => 76,
                _ => 0,
            };
            (1..=digits).contains(&decimal.precision()) && decimal.scale().abs() <= digits
        }),
        _ => false,
    }
}

fn is_width(bits: i32) -> bool {
    matches!(bits, 8 | 16 | 32 | 64)
}

fn refused(error: &ArrowError) -> Status {
    tracing::debug!(%error, "parameters were refused");
    unreadable("the reader refused them")
}

fn unreadable(reason: &'static str) -> Status {
    tracing::debug!(reason, "parameters can't be read");
    violation("the parameters are not a record batch that can be read")
}

fn too_long(what: &'static str) -> Status {
    tracing::debug!(what, "parameters are too long");
    status(
        &Error::new(ErrorKind::ProgramLimit, "the parameters are too long")
            .with_hint(format!("send {ROWS} rows and {VALUES} values at most, and shorter ones")),
    )
}

#[cfg(test)]
mod tests;
