//! Messages of clients, changed in every way: they are read or refused, and nothing is allocated or
//! broken on their word.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, FixedSizeBinaryArray,
    FixedSizeListArray, Float64Array, Int64Array, LargeStringArray, ListArray, NullArray,
    RecordBatch, StringArray, StringViewArray, StringViewBuilder, StructArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Int8Type, Int32Type, Schema};
use arrow::ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions};
use arrow::ipc::{CompressionType, MetadataVersion};
use arrow_flight::FlightData;
use tonic::{Code, Status};

use super::{ROWS, decode};

/// The messages of one batch, with its dictionaries.
fn messages(batch: &RecordBatch, compression: Option<CompressionType>) -> Vec<FlightData> {
    let options = IpcWriteOptions::try_new(8, false, MetadataVersion::V5).unwrap();
    let options = options.try_with_compression(compression).unwrap();
    let generator = IpcDataGenerator::default();
    let mut tracker = DictionaryTracker::new(false);
    let schema =
        generator.schema_to_bytes_with_dictionary_tracker(&batch.schema(), &mut tracker, &options);
    let mut context = IpcWriteContext::default();
    let (dictionaries, rows) =
        generator.encode(batch, &mut tracker, &options, &mut context).unwrap();
    let all = std::iter::once(schema).chain(dictionaries).chain([rows]);
    all.map(|encoded| FlightData {
        data_header: encoded.ipc_message.into(),
        data_body: encoded.arrow_data.into(),
        ..FlightData::default()
    })
    .collect()
}

/// A batch of all kinds of columns.
fn batch() -> RecordBatch {
    let dictionary: DictionaryArray<Int8Type> = ["a", "b", "a"].into_iter().collect();
    let lists = [Some(vec![Some(1), None]), None, Some(vec![])];
    let fixed = FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>(
        [Some(vec![Some(1), Some(2)]), None, Some(vec![None, Some(4)])],
        2,
    );
    let binary = FixedSizeBinaryArray::try_from_iter([[1, 2], [3, 4], [5, 6]].into_iter()).unwrap();
    let long = "a text of more than twelve bytes";
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![Some(1), None, Some(3)])),
        Arc::new(Float64Array::from(vec![1.5, 2.5, f64::NAN])),
        Arc::new(StringArray::from(vec![Some("x"), None, Some("")])),
        Arc::new(LargeStringArray::from(vec!["x", "y", "z"])),
        Arc::new(StringViewArray::from(vec![Some(long), None, Some("short")])),
        Arc::new(BooleanArray::from(vec![true, false, true])),
        Arc::new(Date32Array::from(vec![1, 2, 3])),
        Arc::new(TimestampMicrosecondArray::from(vec![1, 2, 3]).with_timezone("UTC")),
        Arc::new(Decimal128Array::from(vec![1, 2, 3]).with_precision_and_scale(20, 2).unwrap()),
        Arc::new(binary),
        Arc::new(dictionary),
        Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists)),
        Arc::new(fixed),
        Arc::new(NullArray::new(3)),
    ];
    let columns = columns.into_iter().enumerate();
    RecordBatch::try_from_iter_with_nullable(columns.map(|(n, array)| (n.to_string(), array, true)))
        .unwrap()
}

fn one(array: impl arrow::array::Array + 'static) -> RecordBatch {
    RecordBatch::try_from_iter([("1", Arc::new(array) as ArrayRef)]).unwrap()
}

fn refusal(messages: &[FlightData]) -> Status {
    decode(messages).unwrap_err()
}

#[test]
fn what_clients_write_is_read() {
    let batch = batch();
    let read = decode(&messages(&batch, None)).unwrap().unwrap();
    assert_eq!(read.num_rows(), 3);
    for (read, written) in read.columns().iter().zip(batch.columns()) {
        let flat = match written.data_type() {
            DataType::Dictionary(_, of) => arrow::compute::cast(written, of).unwrap(),
            _ => Arc::clone(written),
        };
        assert_eq!(read, &flat);
    }
    // Several batches of one stream, and messages that hold nothing.
    let mut many = messages(&batch, None);
    let last = many.last().unwrap().clone();
    many.extend([FlightData::default(), last]);
    assert_eq!(decode(&many).unwrap().unwrap().num_rows(), 6);
    assert!(decode(&[FlightData::default()]).unwrap().is_none());
    let schema = messages(&batch, None).swap_remove(0);
    assert_eq!(decode(std::slice::from_ref(&schema)).unwrap().unwrap().num_rows(), 0);
    assert_eq!(refusal(&[schema.clone(), schema]).code(), Code::InvalidArgument);
}

#[test]
fn bombs_are_refused_before_they_unfold() {
    let zeros = one(Int64Array::from(vec![0; 5_000]));
    for codec in [CompressionType::LZ4_FRAME, CompressionType::ZSTD] {
        let refused = refusal(&messages(&zeros, Some(codec)));
        assert_eq!(refused.code(), Code::Unimplemented, "{refused}");
        // What it says that it will have, the reader would allocate.
        let mut lying = messages(&zeros, Some(codec));
        let mut body = lying[1].data_body.to_vec();
        body[..8].copy_from_slice(&(i64::MAX / 2).to_le_bytes());
        lying[1].data_body = body.into();
        assert_eq!(refusal(&lying).code(), Code::Unimplemented);
    }
    // One long value, named by many rows.
    let long = "x".repeat(1 << 20);
    let dictionary: DictionaryArray<Int8Type> = vec![long.as_str(); 5_000].into_iter().collect();
    assert_eq!(refusal(&messages(&one(dictionary), None)).code(), Code::ResourceExhausted);
    // The same, by views.
    let mut views = StringViewBuilder::new();
    let block = views.append_block(long.as_bytes().into());
    for _ in 0..5_000 {
        views.try_append_view(block, 0, 1 << 20).unwrap();
    }
    assert_eq!(refusal(&messages(&one(views.finish()), None)).code(), Code::ResourceExhausted);
    // Names and notes that the reader would copy.
    let named = |name: &str, note: &str| {
        let note = [("note".to_owned(), note.to_owned())].into();
        let field = Field::new(name, DataType::Int64, true).with_metadata(note);
        let column = Arc::new(Int64Array::from(vec![1])) as ArrayRef;
        RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![column]).unwrap()
    };
    assert!(decode(&messages(&named("a", "b"), None)).is_ok());
    for batch in [named(&long, ""), named("a", &long)] {
        assert_eq!(refusal(&messages(&batch, None)).code(), Code::InvalidArgument);
    }
    // Values that take no bytes.
    let item = Arc::new(Field::new("item", DataType::Null, true));
    let nothing =
        FixedSizeListArray::new(item, 2_000_000_000, Arc::new(NullArray::new(2_000_000_000)), None);
    assert_eq!(refusal(&messages(&one(nothing), None)).code(), Code::InvalidArgument);
    let rows = one(NullArray::new(ROWS + 1));
    assert_eq!(refusal(&messages(&rows, None)).code(), Code::ResourceExhausted);
    let mut many = messages(&one(NullArray::new(ROWS)), None);
    assert_eq!(decode(&many).unwrap().unwrap().num_rows(), ROWS);
    many.push(many[1].clone());
    assert_eq!(refusal(&many).code(), Code::ResourceExhausted);
    // Types that no parameter has.
    let fields = vec![(
        Arc::new(Field::new("a", DataType::Boolean, true)),
        Arc::new(BooleanArray::from(vec![true])) as ArrayRef,
    )];
    assert_eq!(
        refusal(&messages(&one(StructArray::from(fields)), None)).code(),
        Code::InvalidArgument
    );
}

/// A small deterministic source of numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % most
    }
}

#[test]
fn changed_messages_break_nothing() {
    let good = messages(&batch(), None);
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut read, mut refused, mut broken) = (0, 0, 0);
    for round in 0..6_000 {
        let mut changed = good.clone();
        for _ in 0..1 + round % 3 {
            let which = random.below(changed.len());
            let message = &mut changed[which];
            let in_body = random.below(4) == 0 && !message.data_body.is_empty();
            let part = if in_body { &mut message.data_body } else { &mut message.data_header };
            let mut bytes = part.to_vec();
            if bytes.is_empty() {
                continue;
            }
            let at = random.below(bytes.len());
            match random.below(5) {
                0 => bytes[at] = u8::try_from(random.below(256)).unwrap(),
                1 => bytes[at] ^= 1 << random.below(8),
                2 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
                3 => bytes.truncate(at),
                _ => {
                    let end = (at + 8).min(bytes.len());
                    let value = [i64::MAX, i64::MIN, -1, 1 << 32][random.below(4)];
                    bytes[at..end].copy_from_slice(&value.to_le_bytes()[..end - at]);
                }
            }
            *part = bytes.into();
        }
        // Should the reader break all the same, `rows` lets it do so on a thread of its own.
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| decode(&changed))) {
            Err(_) => broken += 1,
            Ok(Ok(_)) => read += 1,
            Ok(Err(status)) => {
                let code = status.code();
                let clear = [Code::InvalidArgument, Code::ResourceExhausted, Code::Unimplemented];
                assert!(clear.contains(&code), "round {round}: {status}");
                refused += 1;
            }
        }
    }
    assert!(read > 200 && refused > 1_500, "{read} read, {refused} refused");
    assert_eq!(broken, 0, "ended in the reader");
}
