//! Frames: bounds before memory, order, and output that survives a dropped write.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};
use tokio::io::{DuplexStream, duplex};

use super::*;

const MAX: usize = 1 << 20;

fn wire(capacity: usize) -> (Wire, DuplexStream) {
    let (ours, theirs) = duplex(capacity);
    (Wire::new(Box::new(ours), MAX, Duration::from_secs(5)), theirs)
}

async fn frame_of(bytes: &[u8]) -> (Result<Frame, Stop>, usize) {
    let (mut wire, mut client) = wire(MAX);
    client.write_all(bytes).await.unwrap();
    client.shutdown().await.unwrap();
    let frame = wire.frame().await;
    (frame, wire.input.capacity())
}

fn sqlstate(frame: Result<Frame, Stop>) -> &'static str {
    match frame {
        Ok(_) => "00000",
        Err(Stop::Error(_)) => panic!("not fatal"),
        Err(Stop::Fatal(error)) => error.kind().sqlstate(),
        Err(Stop::Gone) => "gone",
    }
}

#[tokio::test]
async fn lengths_are_judged_before_memory_is_taken() {
    for (bytes, expected) in [
        (&b"Q\x7f\xff\xff\xff"[..], "54000"),
        (b"Q\xff\xff\xff\xff", "08P01"),
        (b"Q\0\0\0\x03", "08P01"),
        (b"S\0\0\x40\0", "54000"),
        (b"?", "08P01"),
        (b"p\0\0\0\x08abcd", "08P01"),
        (b"GET / HTTP/1.1\r\n\r\n", "08P01"),
        (b"Q\0\x10\0\0abc", "gone"),
        (b"", "gone"),
        (b"S\0\0\0\x04", "00000"),
    ] {
        let (frame, capacity) = frame_of(bytes).await;
        assert_eq!(sqlstate(frame), expected, "{bytes:?}");
        assert!(capacity <= 4 * AHEAD, "{bytes:?} took {capacity} bytes");
    }
}

#[tokio::test]
async fn random_bytes_end_in_frames_or_errors() {
    let mut random = StdRng::seed_from_u64(11);
    for _ in 0..2_000 {
        let mut bytes = vec![0; random.random_range(0..64)];
        random.fill_bytes(&mut bytes);
        let (mut wire, mut client) = wire(1024);
        client.write_all(&bytes).await.unwrap();
        drop(client);
        while let Ok(frame) = wire.frame().await {
            let _ = message::parse(frame.kind, frame.body);
        }
    }
}

#[tokio::test]
async fn frames_come_in_order_however_they_are_cut() {
    let (mut wire, mut client) = wire(MAX);
    let sender = tokio::spawn(async move {
        for byte in b"Q\0\0\0\x06a\0S\0\0\0\x04X\0\0\0\x04" {
            client.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        client
    });
    for (kind, body) in [(b'Q', &b"a\0"[..]), (b'S', b""), (b'X', b"")] {
        let frame = wire.frame().await.unwrap_or_else(|_| panic!("no frame"));
        assert_eq!((frame.kind, &frame.body[..]), (kind, body));
    }
    drop(sender.await.unwrap());
    wire.gone().await;
}

#[tokio::test]
async fn reading_ahead_is_bounded() {
    let (mut wire, mut client) = wire(8 * AHEAD);
    client.write_all(&vec![b'x'; 4 * AHEAD]).await.unwrap();
    drop(client);
    let gone = tokio::time::timeout(Duration::from_millis(50), wire.gone()).await;
    assert!(gone.is_err());
    assert!(wire.input.len() <= AHEAD + 2 * ROOM, "{}", wire.input.len());
}

#[tokio::test]
async fn a_write_that_a_cancel_interrupts_loses_nothing() {
    let (mut wire, mut client) = wire(1000);
    let sent: Vec<u8> = (0..100_000_u32).map(|number| number as u8).collect();
    wire.output.extend_from_slice(&sent);
    let cancel = CancelToken::new();
    let other = cancel.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(20)).await;
        other.cancel();
    });
    assert!(matches!(wire.flush_unless(&cancel).await, Ok(Flushed::Canceled)));
    let reader = tokio::spawn(async move {
        let mut got = Vec::new();
        client.read_to_end(&mut got).await.unwrap();
        got
    });
    wire.flush().await.unwrap();
    wire.close().await;
    assert_eq!(reader.await.unwrap(), sent);
}
