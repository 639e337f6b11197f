//! Record batches as gRPC frames, with few copies.
//!
//! A message is `FlightData { data_header = 2, data_body = 1000 }` behind gRPC's five bytes. What is
//! small is copied together; large buffers of the batch go out as they are, counted by reference.

use std::collections::VecDeque;

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamEncoder;
use bytes::{BufMut, Bytes, BytesMut};
use prost::encoding::{encode_varint, encoded_len_varint};
use tollgate_catalog::Error;

use crate::gathered::Gathered;
use crate::schema;

/// Protobuf tags of length-delimited fields.
const DATA_HEADER: u64 = 2 << 3 | 2;
const DATA_BODY: u64 = 1000 << 3 | 2;

/// From this length on a buffer is a piece of its own.
const LARGE: usize = 8 * 1024;

/// The most rows and bytes of one message; a single row may be longer.
const MESSAGE_ROWS: usize = 64 * 1024;
const MESSAGE_BYTES: usize = 2 << 20;

/// Encodes batches of one schema.
pub(crate) struct Encoder {
    stream: StreamEncoder,
    /// The IPC encoder begins with a schema message of its own.
    started: bool,
}

impl Encoder {
    /// An encoder, and the frame of the schema.
    pub(crate) fn new(schema: &SchemaRef) -> Result<(Self, Gathered), Error> {
        let stream = StreamEncoder::try_new(schema).map_err(Error::internal)?;
        let message = schema::message(schema);
        let mut frame = head(message.len(), 0)?;
        frame.put_slice(&message);
        Ok((Self { stream, started: false }, frame.freeze().into()))
    }

    /// One batch, in the parts that are sent.
    pub(crate) fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<Gathered>, Error> {
        let mut message = Pieces(self.stream.encode(batch).map_err(Error::internal)?.into());
        if !self.started {
            self.started = true;
            message.header().map_err(Error::internal)?;
        }
        let header = message.header().map_err(Error::internal)?;
        let body: usize = message.0.iter().map(Buffer::len).sum();
        let mut small = head(header.len(), body)?;
        small.put_slice(&header);
        if body > 0 {
            encode_varint(DATA_BODY, &mut small);
            encode_varint(body as u64, &mut small);
        }
        let mut whole = Gathered::default();
        for buffer in message.0 {
            if buffer.len() < LARGE {
                small.put_slice(buffer.as_slice());
            } else {
                whole.push(small.split().freeze());
                whole.push(Bytes::from_owner(Owned(buffer)));
            }
        }
        whole.push(small.freeze());
        Ok(whole.parts())
    }
}

/// What comes before the header's bytes: gRPC's prefix, and the field's tag and length.
fn head(header: usize, body: usize) -> Result<BytesMut, Error> {
    let field = |tag: u64, length: usize| {
        encoded_len_varint(tag) + encoded_len_varint(length as u64) + length
    };
    let mut length = field(DATA_HEADER, header);
    if body > 0 {
        length += field(DATA_BODY, body);
    }
    let length = u32::try_from(length).map_err(Error::internal)?;
    let mut bytes = BytesMut::with_capacity(header + 64);
    bytes.put_u8(0);
    bytes.put_u32(length);
    encode_varint(DATA_HEADER, &mut bytes);
    encode_varint(header as u64, &mut bytes);
    Ok(bytes)
}

/// The rest of an IPC stream.
struct Pieces(VecDeque<Buffer>);

impl Pieces {
    /// Takes a message's header off: marker, length, and as many bytes.
    fn header(&mut self) -> Result<Vec<u8>, ArrowError> {
        let prefix = self.take(8)?;
        let (_, length) = prefix.split_at(4);
        let length = <[u8; 4]>::try_from(length)
            .map(u32::from_le_bytes)
            .map_err(|_| ArrowError::IpcError("no length".to_owned()))?;
        self.take(length as usize)
    }

    fn take(&mut self, length: usize) -> Result<Vec<u8>, ArrowError> {
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            let piece = self
                .0
                .pop_front()
                .ok_or_else(|| ArrowError::IpcError("the message ends early".to_owned()))?;
            let wanted = (length - bytes.len()).min(piece.len());
            bytes.extend_from_slice(piece.as_slice().get(..wanted).unwrap_or_default());
            if wanted < piece.len() {
                self.0.push_front(piece.slice(wanted));
            }
        }
        Ok(bytes)
    }
}

/// A buffer that frames share.
struct Owned(Buffer);

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        self.0.as_slice()
    }
}

/// Cuts a batch so that each message is within its bounds.
pub(crate) fn cut(batch: RecordBatch, into: &mut VecDeque<RecordBatch>) {
    let rows = batch.num_rows();
    let pieces = rows.div_ceil(MESSAGE_ROWS).max(size(&batch).div_ceil(MESSAGE_BYTES));
    if pieces <= 1 || rows <= 1 {
        if rows > 0 {
            into.push_back(batch);
        }
        return;
    }
    let step = rows.div_ceil(pieces);
    for start in (0..rows).step_by(step) {
        let piece = batch.slice(start, step.min(rows - start));
        if step < rows {
            cut(piece, into);
        } else {
            into.push_back(piece);
        }
    }
}

/// The bytes of the rows that the batch shows, not of the buffers behind them.
fn size(batch: &RecordBatch) -> usize {
    let columns = batch.columns().iter();
    columns
        .map(|array| {
            let data = array.to_data();
            data.get_slice_memory_size().unwrap_or_else(|_| data.get_buffer_memory_size())
        })
        .sum()
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        reason = "tests"
    )]

    use std::collections::VecDeque;
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, ListArray, RecordBatch, StringArray};
    use arrow::datatypes::Int32Type;
    use arrow_flight::FlightData;
    use arrow_flight::utils::flight_data_to_batches;
    use bytes::{Buf, Bytes};
    use prost::Message;

    use super::{Encoder, Gathered, MESSAGE_BYTES, MESSAGE_ROWS, cut, size};

    /// Reads frames as a client does.
    fn decode(parts: Vec<Gathered>) -> Vec<FlightData> {
        let parts = parts.into_iter();
        let bytes: Vec<u8> =
            parts.flat_map(|mut part| part.copy_to_bytes(part.remaining())).collect();
        let mut bytes = Bytes::from(bytes);
        let mut messages = Vec::new();
        while bytes.has_remaining() {
            assert_eq!(bytes.get_u8(), 0);
            let length = bytes.get_u32() as usize;
            messages.push(FlightData::decode(bytes.split_to(length)).unwrap());
        }
        messages
    }

    fn batch(rows: i64) -> RecordBatch {
        let texts = (0..rows).map(|row| (row % 3 > 0).then(|| "x".repeat(row as usize % 40)));
        let lists = (0..rows).map(|row| Some(vec![Some(row as i32); row as usize % 3]));
        let columns: [(&str, ArrayRef); 3] = [
            ("number", Arc::new(Int64Array::from_iter_values(0..rows))),
            ("text", Arc::new(StringArray::from_iter(texts))),
            ("list", Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists))),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true)))
            .unwrap()
    }

    #[test]
    fn clients_read_what_was_written() {
        for rows in [1, 7, 5_000, 200_000] {
            let whole = batch(rows);
            for batch in [whole.clone(), whole.slice(rows as usize / 3, rows as usize / 2)] {
                let (mut encoder, schema) = Encoder::new(&batch.schema()).unwrap();
                let mut pieces = VecDeque::new();
                cut(batch.clone(), &mut pieces);
                let mut frames = vec![schema];
                for piece in &pieces {
                    assert!(piece.num_rows() <= MESSAGE_ROWS && size(piece) <= MESSAGE_BYTES);
                    frames.extend(encoder.batch(piece).unwrap());
                }
                let read = flight_data_to_batches(&decode(frames)).unwrap();
                let read = arrow::compute::concat_batches(&batch.schema(), &read).unwrap();
                assert_eq!(read, batch);
            }
        }
    }

    #[test]
    fn a_large_buffer_is_not_copied() {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..60_000));
        let data = column.to_data().buffers()[0].as_ptr();
        let batch = RecordBatch::try_from_iter([("number", column)]).unwrap();
        let (mut encoder, _) = Encoder::new(&batch.schema()).unwrap();
        let mut part = encoder.batch(&batch).unwrap().swap_remove(0);
        part.advance(part.chunk().len());
        assert_eq!(part.chunk().as_ptr(), data);
    }
}
