//! How many bytes may be under way for one principal, over all its calls and connections: those that
//! it sends, and those that it leaves unread. One client can't take the memory of the others; and all
//! together have what they share, beside a little of their own that nobody can take from them.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use tollgate_catalog::{Error, ErrorKind};
use tonic::Status;
use tonic::body::Body;

use crate::gathered::Gathered;
use crate::paced::Paced;
use crate::status::status;

/// The bytes of requests that aren't answered to their end, and those that are a principal's own.
const RECEIVED: usize = 64 << 20;
const OWN_RECEIVED: usize = 1 << 20;

/// The bytes of rows that wait in send buffers, in units: a principal's own, and of what all share.
const OWN: usize = (4 << 20) / UNIT;
const SHARED: usize = (60 << 20) / UNIT;
const UNIT: usize = 1024;

/// Principals noted before those without calls are forgotten.
const NOTED: usize = 1024;

/// The room of every principal.
pub(crate) struct Rooms {
    by_name: Mutex<HashMap<String, Weak<Room>>>,
    all: Arc<All>,
}

/// What all principals share.
struct All {
    received: AtomicUsize,
    /// The most bytes of that.
    most: usize,
    sending: Arc<Semaphore>,
    /// The most units of that.
    units: usize,
}

/// The room of one principal.
pub(crate) struct Room {
    received: AtomicUsize,
    own: Arc<Semaphore>,
    shared: Arc<Semaphore>,
    all: Arc<All>,
}

impl Rooms {
    /// Room for so many bytes in each direction, beside what is each principal's own.
    pub(crate) fn new(memory: usize) -> Self {
        let units = (memory / UNIT).clamp(1, Semaphore::MAX_PERMITS);
        let sending = Arc::new(Semaphore::new(units));
        let all = All { received: AtomicUsize::new(0), most: memory, sending, units };
        Self { by_name: Mutex::default(), all: Arc::new(all) }
    }

    /// The room of whoever has this name.
    pub(crate) fn of(&self, name: &str) -> Arc<Room> {
        let mut rooms = self.by_name.lock();
        if let Some(known) = rooms.get(name).and_then(Weak::upgrade) {
            return known;
        }
        if rooms.len() >= NOTED {
            rooms.retain(|_, room| room.strong_count() > 0);
        }
        let room = Arc::new(Room {
            received: AtomicUsize::new(0),
            own: Arc::new(Semaphore::new(OWN)),
            shared: Arc::new(Semaphore::new(SHARED)),
            all: Arc::clone(&self.all),
        });
        rooms.insert(name.to_owned(), Arc::downgrade(&room));
        room
    }
}

impl Room {
    /// The frame, once there is room for it; the room is free again when the frame has been sent.
    /// `wait` is called if there is none now.
    pub(crate) async fn send(&self, mut frame: Gathered, wait: impl FnOnce()) -> Gathered {
        let units = frame.remaining().div_ceil(UNIT).max(1);
        frame.room = match self.now(units) {
            Some(permits) => permits,
            None => {
                wait();
                tokio::select! {
                    own = self.own(units), if units <= OWN => own,
                    shared = self.shared(units) => shared,
                }
            }
        };
        frame
    }

    /// What is free at once.
    fn now(&self, units: usize) -> Option<Permits> {
        if units <= OWN
            && let Ok(own) = Arc::clone(&self.own).try_acquire_many_owned(count(units))
        {
            return Some([Some(own), None]);
        }
        let [one, all] = self.sizes(units);
        let one = Arc::clone(&self.shared).try_acquire_many_owned(one).ok()?;
        let all = Arc::clone(&self.all.sending).try_acquire_many_owned(all).ok()?;
        Some([Some(one), Some(all)])
    }

    // No semaphore is ever closed.

    async fn own(&self, units: usize) -> Permits {
        [Arc::clone(&self.own).acquire_many_owned(count(units)).await.ok(), None]
    }

    async fn shared(&self, units: usize) -> Permits {
        let [one, all] = self.sizes(units);
        let one = Arc::clone(&self.shared).acquire_many_owned(one).await.ok();
        [one, Arc::clone(&self.all.sending).acquire_many_owned(all).await.ok()]
    }

    /// What a frame takes of the principal's part and of what all share: a longer one goes alone.
    fn sizes(&self, units: usize) -> [u32; 2] {
        [count(units.min(SHARED)), count(units.min(self.all.units))]
    }

    /// Whether what isn't read takes most of the room.
    pub(crate) fn is_short(&self) -> bool {
        self.shared.available_permits() < SHARED / 2
            || self.all.sending.available_permits() < self.all.units / 2
    }
}

fn count(units: usize) -> u32 {
    u32::try_from(units).unwrap_or(u32::MAX)
}

/// What a frame holds.
pub(crate) type Permits = [Option<OwnedSemaphorePermit>; 2];

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
        let own = self.room.received.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        let all = self.room.all.received.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        own <= OWN_RECEIVED || (own <= RECEIVED && all <= self.room.all.most)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let bytes = self.bytes.load(Ordering::Relaxed);
        self.room.received.fetch_sub(bytes, Ordering::Relaxed);
        self.room.all.received.fetch_sub(bytes, Ordering::Relaxed);
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

/// The body of a response.
pub(crate) enum Reply {
    Rows(Paced),
    Other(Body),
}

/// A response's body, with what its call holds.
pub(crate) struct Holding {
    pub(crate) body: Reply,
    pub(crate) _held: Option<Arc<Held>>,
}

impl HttpBody for Holding {
    type Data = Gathered;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Gathered>, Status>>> {
        match &mut self.body {
            Reply::Rows(rows) => Pin::new(rows).poll_frame(context),
            Reply::Other(body) => {
                let frame = ready!(Pin::new(body).poll_frame(context));
                Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(Gathered::from))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            Reply::Rows(rows) => rows.is_end_stream(),
            Reply::Other(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Reply::Rows(rows) => rows.size_hint(),
            Reply::Other(body) => body.size_hint(),
        }
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
        &Error::new(ErrorKind::OutOfMemory, "the requests under way are too long together")
            .with_hint("wait for answers before sending more"),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use futures::FutureExt;

    use super::*;

    const MEMORY: usize = 512 << 20;

    #[test]
    fn a_principal_has_one_room_and_gets_it_back() {
        let rooms = Rooms::new(MEMORY);
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
    fn all_have_a_little_whatever_others_send() {
        let rooms = Rooms::new(RECEIVED);
        let one = Held::new(rooms.of("ana"));
        assert!(one.take(RECEIVED));
        let other = Held::new(rooms.of("bob"));
        assert!(other.take(OWN_RECEIVED));
        assert!(!other.take(1));
        drop((one, other));
        assert!(Held::new(rooms.of("bob")).take(RECEIVED));
    }

    /// Sends what there must be room for.
    fn sent(room: &Room, frame: Bytes) -> Gathered {
        room.send(frame.into(), || panic!("there is room")).now_or_never().unwrap()
    }

    fn waits(room: &Room) -> bool {
        let mut waited = false;
        let sent = room.send(Bytes::from("x").into(), || waited = true).now_or_never();
        assert_eq!(waited, sent.is_none());
        waited
    }

    #[test]
    fn frames_wait_until_others_are_gone() {
        let room = Rooms::new(MEMORY).of("ana");
        let half = || Bytes::from(vec![7; SHARED * UNIT / 2]);
        let own = sent(&room, Bytes::from(vec![7; OWN * UNIT]));
        let first = sent(&room, half());
        assert!(!room.is_short());
        let second = sent(&room, half());
        assert!(room.is_short());
        assert_eq!(first.chunk(), half());
        assert!(waits(&room));
        drop(own);
        assert!(!waits(&room));
        drop((first, second));
        // A frame longer than the whole room goes alone.
        let long = sent(&room, Bytes::from(vec![7; 2 * SHARED * UNIT]));
        assert!(!waits(&room));
        drop(long);
    }

    #[test]
    fn who_leaves_rows_unread_takes_no_more_than_all_share() {
        let rooms = Rooms::new(SHARED * UNIT);
        let full = || Bytes::from(vec![7; SHARED * UNIT]);
        let unread = sent(&rooms.of("ana"), full());
        let bob = rooms.of("bob");
        assert!(bob.is_short());
        // What is his own is there; more isn't before she has read.
        let own = sent(&bob, Bytes::from(vec![7; OWN * UNIT]));
        assert!(waits(&bob));
        drop(unread);
        assert!(!waits(&bob));
        let more = sent(&bob, full());
        drop((own, more));
    }
}
