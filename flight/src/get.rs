//! DoGet: a ticket in, rows out, as the client pulls them.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow_flight::Ticket;
use bytes::{Buf, Bytes};
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body::{Body as HttpBody, Frame};
use http_body_util::{BodyExt, Limited};
use parking_lot::Mutex;
use prost::Message;
use tokio::task::JoinHandle;
use tollgate_catalog::{Error, ErrorKind};
use tollgate_gateway::{CancelToken, Notice, Outcome, RowStream};
use tonic::Status;
use tonic::body::Body;

use crate::auth::{Caller, Shared};
use crate::cancel::Registration;
use crate::frames::{self, Encoder};
use crate::handle::{Kind, invalid};
use crate::info::{Flight, flight};
use crate::parameters::Parameters;
use crate::status::{Answer, internal, status, violation};
use crate::{metadata, schema, statement};

/// Frames of one flight.
type Frames = BoxStream<'static, Answer<Bytes>>;

/// What the client is told in the trailers, if anything.
type Told = Arc<Mutex<Option<HeaderValue>>>;

/// The trailer of a notice, as `NoticeResponse` is for PostgreSQL.
const NOTICE: &str = "tollgate-notice";

/// Answers a DoGet request.
pub(crate) async fn respond<B>(
    shared: &Shared,
    caller: &Caller,
    request: Request<B>,
) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let frames = async {
        let ticket = ticket(request, shared.settings.max_message).await?;
        start(shared, caller, &ticket).await
    };
    match frames.await {
        Ok((frames, told)) => {
            let body = Body::new(Paced::new(frames, told, shared.settings.stall));
            let mut response = Response::new(body);
            let grpc = HeaderValue::from_static("application/grpc");
            response.headers_mut().insert(header::CONTENT_TYPE, grpc);
            response
        }
        Err(status) => status.into_http(),
    }
}

/// Reads the one message of the request.
async fn ticket<B>(request: Request<B>, longest: usize) -> Answer<Bytes>
where
    B: HttpBody<Data = Bytes> + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let body = Limited::new(request.into_body(), longest).collect().await;
    let mut message = body.map_err(|_| violation("the ticket is too long or cut off"))?.to_bytes();
    if message.remaining() < 5 || message.get_u8() != 0 {
        return Err(violation("the request is not one uncompressed message"));
    }
    if message.get_u32() as usize != message.remaining() {
        return Err(violation("the request is not one message"));
    }
    let ticket = Ticket::decode(message).map_err(|_| violation("the ticket can't be read"))?;
    Ok(ticket.ticket)
}

/// Starts the flight that a ticket names.
async fn start(shared: &Shared, caller: &Caller, ticket: &[u8]) -> Answer<(Frames, Told)> {
    match flight(ticket)? {
        Flight::Ticket(handle) => query(shared, caller, &handle).await,
        Flight::Metadata(command) => {
            let batch = metadata::batch(shared, caller, &command)?;
            let (mut encoder, schema) = Encoder::new(&batch.schema()).map_err(|e| status(&e))?;
            let mut frames = vec![schema];
            let mut pieces = VecDeque::new();
            frames::cut(batch, &mut pieces);
            for piece in pieces {
                frames.extend(encoder.batch(&piece).map_err(|error| status(&error))?);
            }
            Ok((stream::iter(frames.into_iter().map(Ok)).boxed(), Told::default()))
        }
        Flight::Statement(_) | Flight::Prepared(_) => {
            Err(violation("this is a command, not a ticket: ask for its flight first"))
        }
    }
}

async fn query(shared: &Shared, caller: &Caller, sealed: &[u8]) -> Answer<(Frames, Told)> {
    let (handle, mut described, parameters) =
        statement::redeem(shared, caller, sealed, Kind::Ticket).await?;
    described.all_bound(Some(&handle))?;
    let hints = parameters.as_ref().map(Parameters::hints).unwrap_or_default();
    let values = match &parameters {
        Some(parameters) => parameters.values()?,
        None => Vec::new(),
    };
    let cancel = CancelToken::new();
    let registration = shared.running.register(handle.id.clone(), &cancel);
    let outcome = described.session.execute(&described.statement, &hints, values, &cancel).await;
    let rows = match outcome.map_err(|error| status(&error))? {
        Outcome::Rows(rows) => rows,
        Outcome::Empty | Outcome::Command { .. } => return Err(internal("no rows")),
    };
    // The policies may have changed between the two decisions.
    if !described.is_as_decided(&handle) {
        return Err(invalid("another decision came into force"));
    }
    let schema = described.schema;
    let (encoder, first) = Encoder::new(&schema).map_err(|error| status(&error))?;
    let told = Told::default();
    let rows = Rows {
        rows,
        told: Arc::clone(&told),
        schema,
        encoder,
        pieces: VecDeque::new(),
        frames: VecDeque::from([first]),
        _registration: registration,
    };
    let frames = stream::unfold(Some(rows), |rows| async move {
        let mut rows = rows?;
        match rows.next().await {
            Ok(Some(frame)) => Some((Ok(frame), Some(rows))),
            Ok(None) => None,
            Err(error) => Some((Err(status(&error)), None)),
        }
    });
    Ok((frames.boxed(), told))
}

/// The rows of a query on their way into frames.
struct Rows {
    rows: RowStream,
    told: Told,
    schema: SchemaRef,
    encoder: Encoder,
    pieces: VecDeque<RecordBatch>,
    frames: VecDeque<Bytes>,
    _registration: Registration,
}

impl Rows {
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                self.rows.sent(0, frame.len() as u64);
                return Ok(Some(frame));
            }
            if let Some(piece) = self.pieces.pop_front() {
                let piece = schema::conform(&piece, &self.schema)?;
                self.frames.extend(self.encoder.batch(&piece)?);
                self.rows.sent(piece.num_rows() as u64, 0);
                continue;
            }
            match self.rows.next().await {
                Some(batch) => frames::cut(batch?, &mut self.pieces),
                None => {
                    *self.told.lock() = self.rows.take_notice().and_then(trailer);
                    return Ok(None);
                }
            }
        }
    }
}

/// A notice as a trailer's value, which is ASCII.
fn trailer(notice: Notice) -> Option<HeaderValue> {
    let printable = |letter: char| if matches!(letter, ' '..='~') { letter } else { '?' };
    HeaderValue::try_from(notice.message.chars().map(printable).collect::<String>()).ok()
}

/// A response's body. Its frames are made as HTTP/2 asks for them; a client that leaves them unread
/// for too long loses its query.
struct Paced {
    state: Arc<Mutex<State>>,
    told: Told,
    watch: JoinHandle<()>,
    ended: bool,
}

struct State {
    /// `None` once it was ended.
    frames: Option<Frames>,
    /// Since when a frame waits for the client.
    offered: Option<Instant>,
}

impl Paced {
    fn new(frames: Frames, told: Told, stall: Duration) -> Self {
        let state = Arc::new(Mutex::new(State { frames: Some(frames), offered: None }));
        let watched = Arc::clone(&state);
        // Ends with the body, which aborts it.
        let watch = tokio::spawn(async move {
            loop {
                tokio::time::sleep(stall / 4).await;
                let mut state = watched.lock();
                if state.offered.is_some_and(|offered| offered.elapsed() >= stall) {
                    state.frames = None;
                    return;
                }
            }
        });
        Self { state, told, watch, ended: false }
    }
}

impl Drop for Paced {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let state = Arc::clone(&self.state);
        let mut state = state.lock();
        state.offered = None;
        let next = match &mut state.frames {
            Some(frames) => frames.poll_next_unpin(context),
            None => Poll::Ready(Some(Err(stalled()))),
        };
        let end = match next {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(Ok(frame))) => {
                state.offered = Some(Instant::now());
                return Poll::Ready(Some(Ok(Frame::data(frame))));
            }
            Poll::Ready(Some(Err(status))) => status,
            Poll::Ready(None) => Status::ok(""),
        };
        state.frames = None;
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
