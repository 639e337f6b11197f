//! The body of a stream of rows: its frames are made as HTTP/2 asks for them. While a client leaves
//! them unread its query has no slot; a client that leaves them unread for too long loses its query, and
//! its connection where what it hasn't read keeps others of its principal waiting.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tollgate_catalog::{Error, ErrorKind};
use tonic::Status;

use crate::gathered::Gathered;
use crate::get::{NOTICE, Source, Told};
use crate::room::Room;
use crate::status::{Answer, status};

/// How long a frame may wait for the client before its query lets others run.
pub(crate) const PAUSE: Duration = Duration::from_secs(1);

/// What a stream's frames go by.
pub(crate) struct Way {
    /// The room of its principal.
    pub(crate) room: Arc<Room>,
    /// Ends its connection.
    pub(crate) closing: Arc<Notify>,
}

/// A response's body.
pub(crate) struct Paced {
    state: Arc<Mutex<State>>,
    told: Told,
    room: Arc<Room>,
    watch: JoinHandle<()>,
    ended: bool,
}

struct State {
    flow: Flow,
    /// Since when a frame waits for the client.
    offered: Option<Instant>,
}

/// Who has the source of the frames.
enum Flow {
    /// Nobody asks.
    Rests(Source),
    /// It makes the next frame.
    Works(BoxFuture<'static, (Source, Answer<Option<Gathered>>)>),
    /// It was ended.
    Over,
}

impl Paced {
    pub(crate) fn new(source: Source, told: Told, way: Way, stall: Duration) -> Self {
        let Way { room, closing } = way;
        // Who opens streams and reads none of them may never ask.
        let state = State { flow: Flow::Rests(source), offered: Some(Instant::now()) };
        let state = Arc::new(Mutex::new(state));
        let (watched, watched_room) = (Arc::clone(&state), Arc::clone(&room));
        // Ends with the body, which aborts it.
        let watch = tokio::spawn(async move {
            loop {
                tokio::time::sleep(PAUSE.min(stall / 4)).await;
                let mut state = watched.lock();
                let Some(waits) = state.offered.map(|offered| offered.elapsed()) else { continue };
                if waits >= stall {
                    state.flow = Flow::Over;
                    if watched_room.is_short() {
                        closing.notify_one();
                    }
                } else if let Flow::Rests(source) = &mut state.flow {
                    source.pause();
                    if waits >= PAUSE {
                        source.rests();
                    }
                }
            }
        });
        Self { state, told, room, watch, ended: false }
    }
}

impl Drop for Paced {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

impl Flow {
    fn poll(
        &mut self,
        room: &Arc<Room>,
        context: &mut Context<'_>,
    ) -> Poll<Answer<Option<Gathered>>> {
        let mut work = match std::mem::replace(self, Flow::Over) {
            Flow::Over => return Poll::Ready(Err(stalled())),
            Flow::Works(work) => work,
            Flow::Rests(mut source) => {
                let room = Arc::clone(room);
                async move {
                    let frame = source.next(&room).await;
                    (source, frame)
                }
                .boxed()
            }
        };
        match work.poll_unpin(context) {
            Poll::Pending => {
                *self = Flow::Works(work);
                Poll::Pending
            }
            Poll::Ready((source, frame)) => {
                *self = Flow::Rests(source);
                Poll::Ready(frame)
            }
        }
    }
}

impl HttpBody for Paced {
    type Data = Gathered;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Gathered>, Status>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let state = Arc::clone(&self.state);
        let mut state = state.lock();
        state.offered = None;
        let end = match state.flow.poll(&self.room, context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(Some(frame))) => {
                state.offered = Some(Instant::now());
                return Poll::Ready(Some(Ok(Frame::data(frame))));
            }
            Poll::Ready(Ok(None)) => Status::ok(""),
            Poll::Ready(Err(status)) => status,
        };
        state.flow = Flow::Over;
        drop(state);
        self.ended = true;
        let mut trailers = HeaderMap::new();
        end.add_header(&mut trailers)?;
        if let Some(notice) = self.told.lock().take() {
            trailers.insert(NOTICE, notice);
        }
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }
}

fn stalled() -> Status {
    status(&Error::new(
        ErrorKind::QueryCanceled,
        "canceling statement because its rows were not read",
    ))
}
