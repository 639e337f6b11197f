//! How many bytes may be under way for one principal, over all its calls and connections: those that
//! it sends, and those that it leaves unread. One client can't take the memory of the others.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use tollgate_catalog::{Error, ErrorKind};
use tonic::Status;
use tonic::body::Body;

use crate::status::status;

/// The bytes of requests that aren't answered to their end.
const RECEIVED: usize = 64 << 20;

/// The bytes of rows that wait in send buffers, in units.
const SENT: usize = (64 << 20) / UNIT;
const UNIT: usize = 1024;

/// Principals noted before those without calls are forgotten.
const NOTED: usize = 1024;

/// The room of every principal.
#[derive(Default)]
pub(crate) struct Rooms(Mutex<HashMap<String, Weak<Room>>>);

/// The room of one principal.
pub(crate) struct Room {
    received: AtomicUsize,
    sending: Arc<Semaphore>,
}

impl Rooms {
    /// The room of whoever has this name.
    pub(crate) fn of(&self, name: &str) -> Arc<Room> {
        let mut rooms = self.0.lock();
        if let Some(known) = rooms.get(name).and_then(Weak::upgrade) {
            return known;
        }
        if rooms.len() >= NOTED {
            rooms.retain(|_, room| room.strong_count() > 0);
        }
        let room = Arc::new(Room {
            received: AtomicUsize::new(0),
            sending: Arc::new(Semaphore::new(SENT)),
        });
        rooms.insert(name.to_owned(), Arc::downgrade(&room));
        room
    }
}

impl Room {
    /// The frame, once there is room for it; the room is free again when the frame has been sent.
    /// `wait` is called if there is none now.
    pub(crate) async fn send(&self, frame: Bytes, wait: impl FnOnce()) -> Bytes {
        let units = frame.len().div_ceil(UNIT).clamp(1, SENT);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let permit = match Arc::clone(&self.sending).try_acquire_many_owned(units) {
            Ok(permit) => Some(permit),
            Err(_) => {
                wait();
                // It is never closed.
                Arc::clone(&self.sending).acquire_many_owned(units).await.ok()
            }
        };
        Bytes::from_owner(Sent { frame, _permit: permit })
    }

    /// Whether what isn't read takes most of the room.
    pub(crate) fn is_short(&self) -> bool {
        self.sending.available_permits() < SENT / 2
    }
}

/// A frame on its way.
struct Sent {
    frame: Bytes,
    _permit: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Sent {
    fn as_ref(&self) -> &[u8] {
        &self.frame
    }
}

/// What one call holds of its principal's room, until its answer has been sent.
pub(crate) struct Held {
    pub(crate) room: Arc<Room>,
    bytes: AtomicUsize,
}

impl Held {
    pub(crate) fn new(room: Arc<Room>) -> Self {
        Self { room, bytes: AtomicUsize::new(0) }
    }

    /// Takes more of it; whether there is as much.
    fn take(&self, bytes: usize) -> bool {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let before = self.room.received.fetch_add(bytes, Ordering::Relaxed);
        before.saturating_add(bytes) <= RECEIVED
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let bytes = self.bytes.load(Ordering::Relaxed);
        self.room.received.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// A request's body, which must come in time and find room.
pub(crate) struct Received<B> {
    body: B,
    held: Arc<Held>,
    deadline: Pin<Box<Sleep>>,
}

impl<B> Received<B> {
    pub(crate) fn new(body: B, held: Arc<Held>, limit: Duration) -> Self {
        Self { body, held, deadline: Box::pin(tokio::time::sleep(limit)) }
    }
}

impl<B> HttpBody for Received<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.deadline.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err(late().into())));
        }
        let frame = match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(Some(frame)) => frame.map_err(Into::into),
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => return Poll::Pending,
        };
        let frame = frame.and_then(|frame| {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            if self.held.take(bytes) { Ok(frame) } else { Err(full().into()) }
        });
        Poll::Ready(Some(frame))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A response's body, with what its call holds.
pub(crate) struct Holding {
    pub(crate) body: Body,
    pub(crate) _held: Arc<Held>,
}

impl HttpBody for Holding {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn late() -> Status {
    status(
        // (A stream that was canceled would be taken for one that has ended.)
        &Error::new(ErrorKind::RuntimeExceeded, "the request was not sent to its end in time")
            .with_hint("end the stream of a request when all of it has been sent"),
    )
}

fn full() -> Status {
    status(
        &Error::new(ErrorKind::ProgramLimit, "the requests of this user are too long together")
            .with_hint("wait for answers before sending more"),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_principal_has_one_room_and_gets_it_back() {
        let rooms = Rooms::default();
        let (one, other) = (Held::new(rooms.of("ana")), Held::new(rooms.of("ana")));
        assert!(one.take(RECEIVED - 1));
        assert!(other.take(1));
        assert!(!other.take(1));
        assert!(Held::new(rooms.of("bob")).take(RECEIVED));
        drop(one);
        assert!(other.take(1));
        drop(other);
        assert!(Held::new(rooms.of("ana")).take(RECEIVED));
    }

    #[test]
    fn frames_wait_until_others_are_gone() {
        let room = Rooms::default().of("ana");
        let frame = || Bytes::from(vec![7; SENT * UNIT / 2]);
        let first = room.send(frame(), || panic!("there is room")).now_or_never().unwrap();
        assert!(!room.is_short());
        let second = room.send(frame(), || panic!("there is room")).now_or_never().unwrap();
        assert!(room.is_short());
        assert_eq!(first, frame());
        let mut waited = false;
        assert!(room.send(Bytes::from("x"), || waited = true).now_or_never().is_none());
        assert!(waited);
        drop(first);
        assert!(room.send(Bytes::from("x"), || {}).now_or_never().is_some());
        drop(second);
        // A frame longer than the whole room goes alone.
        let long = Bytes::from(vec![7; 2 * SENT * UNIT]);
        assert!(room.send(long, || {}).now_or_never().is_some());
    }
}
