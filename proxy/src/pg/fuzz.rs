//! What must hold for whatever bytes a stranger sends: for the ordinary tests, which try seeds and
//! some mutations, and for coverage-guided fuzzing. No part of the product.
//!
//! The first byte of an input says which part of the codec the rest is for.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use bytes::{Bytes, BytesMut};
use datafusion::common::ScalarValue;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tollgate_catalog::{Error, ErrorKind, pg_type};

use super::encode::{Format, RowEncoder};
use super::error::Stop;
use super::handshake::{Door, Opening, open};
use super::param::{data_type_of_oid, decode_param_as};
use super::wire::Wire;
use super::{message, startup};
use crate::listener::{Limits, TlsMode};

/// Every type that a parameter may be declared as.
const OIDS: [u32; 46] = [
    16, 17, 18, 19, 20, 21, 23, 25, 26, 114, 199, 700, 701, 1000, 1001, 1002, 1003, 1005, 1007,
    1009, 1014, 1015, 1016, 1021, 1022, 1028, 1042, 1043, 1082, 1083, 1114, 1115, 1182, 1183, 1184,
    1185, 1186, 1187, 1231, 1700, 2950, 2951, 3802, 3807, 0, 600,
];

const ZONES: [&str; 3] = ["UTC", "Europe/Berlin", "America/St_Johns"];

/// Bounds small enough that fuzzing meets them.
fn limits() -> Limits {
    Limits { max_message: 2048, ..Limits::default() }
}

/// Runs an input through, and panics if what must hold doesn't.
pub fn check(input: &[u8]) {
    let Some((part, rest)) = input.split_first() else { return };
    match part % 4 {
        0 => same_in_pieces(rest, |socket| run(opening(socket))),
        1 => same_in_pieces(rest, |socket| run(messages(socket))),
        2 => same_in_pieces(rest, |socket| run(passwords(socket))),
        _ => parameter(rest),
    }
}

/// Whether bytes come one by one or all at once makes no difference.
fn same_in_pieces(bytes: &[u8], conversation: impl Fn(Pieces) -> String) {
    let whole = conversation(Pieces::new(bytes, usize::MAX));
    for piece in [1, 3, 7] {
        let pieces = conversation(Pieces::new(bytes, piece));
        assert!(whole == pieces, "in pieces of {piece}:\n{whole}\n{pieces}");
    }
}

#[expect(clippy::expect_used, reason = "no part of the product")]
fn run<T>(conversation: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime without IO");
    }
    RUNTIME.with(|runtime| runtime.block_on(conversation))
}

/// A client that says its bytes in pieces and then hangs up; what it is told, it takes in pieces too.
struct Pieces {
    bytes: Bytes,
    piece: usize,
    /// Every other poll finds nothing, as on a network.
    idle: bool,
    told: Arc<Mutex<Vec<u8>>>,
}

impl Pieces {
    fn new(bytes: &[u8], piece: usize) -> Self {
        Self { bytes: Bytes::copy_from_slice(bytes), piece, idle: false, told: Arc::default() }
    }

    fn pauses(&mut self, context: &Context<'_>) -> bool {
        self.idle = !self.idle && self.piece != usize::MAX;
        if self.idle {
            context.waker().wake_by_ref();
        }
        self.idle
    }
}

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.pauses(context) {
            return Poll::Pending;
        }
        let length = self.bytes.len().min(self.piece).min(buffer.remaining());
        buffer.put_slice(&self.bytes.split_to(length));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pieces {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.pauses(context) {
            return Poll::Pending;
        }
        let taken = bytes.get(..self.piece).unwrap_or(bytes);
        self.told.lock().extend_from_slice(taken);
        Poll::Ready(Ok(taken.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The first packets, up to the parameters of the start-up packet.
async fn opening(socket: Pieces) -> String {
    let told = Arc::clone(&socket.told);
    let limits = limits();
    let door = Door { tls: None, tls_mode: TlsMode::Optional, limits: &limits };
    let end = match open(Box::new(socket), &door).await {
        Opening::Startup { encrypted, version, body, .. } => {
            assert!(!encrypted, "nothing was encrypted");
            format!(
                "start-up {version} {}",
                startup::fuzz(body).unwrap_or_else(|error| refused(&error))
            )
        }
        Opening::Cancel { pid, secret, .. } => format!("cancel {pid} {secret:?}"),
        Opening::Nothing => "nothing".to_owned(),
    };
    format!("{end}, told {:?}", told.lock())
}

/// Messages after authentication.
async fn messages(socket: Pieces) -> String {
    let length = socket.bytes.len();
    let limits = limits();
    let mut wire = Wire::new(Box::new(socket), limits.max_message, limits.stall);
    let mut seen = String::new();
    let mut taken = 0;
    loop {
        let frame = match wire.frame().await {
            Ok(frame) => frame,
            Err(stop) => return seen + &stopped(&stop),
        };
        taken += frame.body.len() + 5;
        assert!(taken <= length, "{taken} bytes came of {length}");
        match message::parse(frame.kind, frame.body.clone()) {
            Ok(message) => seen += &format!("{message:?}\n"),
            Err(error) => seen += &refused(&error),
        }
    }
}

/// Messages during authentication.
async fn passwords(socket: Pieces) -> String {
    let limits = limits();
    let mut wire = Wire::new(Box::new(socket), limits.max_message, limits.stall);
    let mut seen = String::new();
    loop {
        let body = match wire.password().await {
            Ok(body) => body,
            Err(stop) => return seen + &stopped(&stop),
        };
        match message::sasl_initial(body) {
            Ok(initial) => seen += &format!("{initial:?}\n"),
            Err(error) => seen += &refused(&error),
        }
    }
}

fn stopped(stop: &Stop) -> String {
    match stop {
        Stop::Error(error) | Stop::Fatal(error) => refused(error),
        Stop::Gone => "gone".to_owned(),
    }
}

fn refused(error: &Error) -> String {
    assert!(error.kind() != ErrorKind::Internal, "a defect: {error:?}");
    assert!(!error.message().is_empty(), "an error says nothing: {error:?}");
    format!("{} {} {:?}\n", error.kind().sqlstate(), error.message(), error.hint())
}

/// A parameter: its type, its format and the time zone, then its bytes.
fn parameter(input: &[u8]) {
    let [oid, format, zone, bytes @ ..] = input else { return };
    let pick = |of: &u8, count: usize| usize::from(*of) % count;
    let oid = OIDS.get(pick(oid, OIDS.len())).copied().unwrap_or_default();
    let zone = ZONES.get(pick(zone, ZONES.len())).copied().unwrap_or("UTC");
    let format = if format % 2 == 0 { Format::Text } else { Format::Binary };
    // What isn't declared is text.
    let data_type = data_type_of_oid(oid).unwrap_or(DataType::Utf8);
    let oid = if data_type_of_oid(oid).is_some() { oid } else { pg_type::of(&data_type).oid };
    let value = match decode_param_as(oid, Some(bytes), format, &data_type, zone) {
        Ok(value) => value,
        Err(error) => {
            let told = refused(&error).len();
            assert!(told < 400 + 8 * bytes.len(), "{told} bytes about {}: {error}", bytes.len());
            return;
        }
    };
    assert!(!value.is_null(), "a value became NULL");
    there_and_back(&value, &data_type, zone);
}

/// What is decoded can be sent as a result, and comes back as the same value.
fn there_and_back(value: &ScalarValue, data_type: &DataType, zone: &str) {
    let oid = pg_type::of(&value.data_type()).oid;
    for format in [Format::Text, Format::Binary] {
        let Some(sent) = encoded(value, format, zone) else { continue };
        let again = decode_param_as(oid, Some(&sent), format, data_type, zone);
        let same = again.as_ref().is_ok_and(|again| format!("{again:?}") == format!("{value:?}"));
        assert!(same, "{value:?} as {format:?} is {sent:?}, and that is {again:?}");
    }
}

#[expect(clippy::expect_used, clippy::indexing_slicing, reason = "no part of the product")]
fn encoded(value: &ScalarValue, format: Format, zone: &str) -> Option<Vec<u8>> {
    let array = value.to_array().expect("a value is an array of one");
    let batch = RecordBatch::try_from_iter([("value", array)]).expect("one column");
    let mut encoder =
        RowEncoder::new(&[value.data_type()], &[format], zone).expect("a type without encoding");
    let mut out = BytesMut::new();
    if let Err(error) = encoder.encode(&batch, 0..1, &mut out) {
        refused(&error);
        return None;
    }
    // Kind, length, count of columns, length of the value.
    assert_eq!(out[0], b'D');
    Some(out[11..].to_vec())
}

/// Good conversations and values, from which mutations start.
pub fn seeds() -> Vec<Vec<u8>> {
    let packet = |code: u32, body: &[u8]| {
        let length = u32::try_from(body.len() + 8).unwrap_or(8).to_be_bytes();
        [&length[..], &code.to_be_bytes(), body].concat()
    };
    let framed = |kind: u8, body: &[u8]| {
        let length = u32::try_from(body.len() + 4).unwrap_or(4).to_be_bytes();
        [&[kind][..], &length, body].concat()
    };
    let start = packet(3 << 16, b"user\0ana\0database\0tollgate\0application_name\0psql\0\0");
    let java = b"user\0ana\0database\0tollgate\0client_encoding\0UTF8\0DateStyle\0ISO\0TimeZone\0\
                 Europe/Berlin\0extra_float_digits\x002\0options\0-c search_path=crm --geqo=off\0\0";
    let new = packet(3 << 16 | 2, b"user\0ana\0_pq_.option\x001\0\0");
    let (ssl, gss) = (packet(80_877_103, b""), packet(80_877_104, b""));
    let cancel = packet(80_877_102, b"\0\0\0\x07secret");
    let openings = [
        start.clone(),
        [&ssl[..], &gss, &start].concat(),
        [&gss[..], &packet(3 << 16, java)].concat(),
        new,
        cancel,
        packet(2 << 16, b"user\0"),
    ];
    let bind = b"portal\0stmt\0\0\x02\0\0\0\x01\0\x03\0\0\0\x02ok\xff\xff\xff\xff\0\0\0\x04\0\0\0\x07\0\x01\0\x01";
    let talk = [
        framed(b'Q', b"SELECT 'x', 1; SHOW ALL\0"),
        framed(b'P', b"stmt\0SELECT $1, $2, $3\0\0\x03\0\0\0\x19\0\0\0\0\0\0\0\x17"),
        framed(b'B', bind),
        framed(b'D', b"Sstmt\0"),
        framed(b'D', b"Pportal\0"),
        framed(b'E', b"portal\0\0\0\0\x05"),
        framed(b'C', b"Sstmt\0"),
        framed(b'H', b""),
        framed(b'S', b""),
        framed(b'd', b"1\t2\n"),
        framed(b'c', b""),
        framed(b'f', b"no\0"),
        framed(b'F', b"\0\0\0\x01\0\0\0\0\0\0"),
        framed(b'X', b""),
    ];
    let sasl = [
        framed(b'p', b"SCRAM-SHA-256\0\0\0\0\x18n,,n=,r=clientnonce12345"),
        framed(b'p', b"SCRAM-SHA-256-PLUS\0\xff\xff\xff\xff"),
        framed(b'p', b"c=biws,r=clientnonce,p=AAAA"),
    ];
    let part = |part: u8, bytes: Vec<u8>| [vec![part], bytes].concat();
    let mut seeds: Vec<Vec<u8>> = openings.into_iter().map(|bytes| part(0, bytes)).collect();
    seeds.push(part(1, talk.concat()));
    seeds.extend(talk.into_iter().map(|bytes| part(1, bytes)));
    seeds.push(part(2, sasl.concat()));
    seeds.extend(sasl.into_iter().map(|bytes| part(2, bytes)));
    seeds.extend(values().into_iter().map(|bytes| part(3, bytes)));
    seeds.extend(FOUND.iter().map(|bytes| bytes.to_vec()));
    seeds
}

/// What fuzzing has found.
const FOUND: [&[u8]; 0] = [];

/// Values of every type: texts as people write them, and the binary form of each that has one.
fn values() -> Vec<Vec<u8>> {
    const TEXTS: [&str; 46] = [
        "t",
        "off",
        "0",
        "-1",
        "32767",
        "9223372036854775807",
        "1.5",
        "-0.000000000001",
        "1e-7",
        "1e400",
        "NaN",
        "Infinity",
        "-Infinity",
        "99999999999999999999999999999999999999",
        "\\xdeadBEEF",
        "\\001\\\\a",
        "2024-02-29",
        "0001-01-01",
        "44-03-15 BC",
        "infinity",
        "2024-02-29 23:59:59.999999",
        "2024-03-31 02:30:00+02",
        "2024-10-27 02:30 Europe/Berlin",
        "Jan 8 1999",
        "24:00:00",
        "12:34:56.789",
        "1 year 2 mons -3 days 04:05:06.7",
        "P1Y2M3DT4H5M6S",
        "-00:00:01",
        "@ 1 hour ago",
        "1 week",
        "{}",
        "{1,2,NULL}",
        "{\"a b\",\"c\\\"d\",NULL}",
        "{{1,2},{3,4}}",
        "[0:1]={1,2}",
        "{t,f}",
        "{1.50,2}",
        "{2024-01-01}",
        "{\"1 day\"}",
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        "{A0EEBC999C0B4EF8BB6D6BB9BD380A11}",
        "{\"a\": [1, 2.5e3, null], \"b\": \"\u{e9}\"}",
        "[]",
        "",
        " x ",
    ];
    let mut all = Vec::new();
    for (index, oid) in (0_u8..).zip(OIDS) {
        let data_type = data_type_of_oid(oid).unwrap_or(DataType::Utf8);
        for text in TEXTS {
            let Ok(value) =
                decode_param_as(oid, Some(text.as_bytes()), Format::Text, &data_type, "UTC")
            else {
                continue;
            };
            all.push([&[index, 0, 1][..], text.as_bytes()].concat());
            if let Some(binary) = encoded(&value, Format::Binary, "UTC") {
                all.push([&[index, 1, 1][..], &binary].concat());
            }
        }
    }
    all
}

#[cfg(test)]
mod tests;
