//! DoGet: a ticket in, rows out, as the client pulls them.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use arrow_flight::Ticket;
use bytes::{Buf, Bytes};
use http::{HeaderValue, Request, Response, header};
use http_body::Body as HttpBody;
use http_body_util::{BodyExt, Limited};
use parking_lot::Mutex;
use prost::Message;
use tollgate_catalog::Error;
use tollgate_gateway::audit::{Ending, Meter};
use tollgate_gateway::{CancelToken, Notice, Outcome, RowStream};
use tonic::Status;

use crate::auth::{Caller, Shared};
use crate::cancel::{Course, Registration};
use crate::frames::{self, Encoder};
use crate::gathered::Gathered;
use crate::handle::{Handle, Kind, invalid};
use crate::info::{Flight, flight};
use crate::paced::{PAUSE, Paced, Way};
use crate::parameters::Parameters;
use crate::room::{Reply, Room};
use crate::statement::Described;
use crate::status::{Answer, internal, status, violation};
use crate::{metadata, schema, statement};

/// The trailer of a notice, as `NoticeResponse` is for PostgreSQL.
pub(crate) const NOTICE: &str = "tollgate-notice";

/// What the client is told in the trailers, if anything.
pub(crate) type Told = Arc<Mutex<Option<HeaderValue>>>;

/// Answers a DoGet request.
pub(crate) async fn respond<B>(
    shared: &Shared,
    caller: &Caller,
    request: Request<B>,
    way: Way,
) -> Response<Reply>
where
    B: HttpBody<Data = Bytes> + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let flow = async {
        let ticket = ticket(request, shared.settings.max_message).await?;
        start(shared, caller, &ticket).await
    };
    match flow.await {
        Ok((source, told)) => {
            let body = Paced::new(source, told, way, shared.settings.stall);
            let mut response = Response::new(Reply::Rows(body));
            let grpc = HeaderValue::from_static("application/grpc");
            response.headers_mut().insert(header::CONTENT_TYPE, grpc);
            response
        }
        Err(status) => status.into_http().map(Reply::Other),
    }
}

/// Reads the one message of the request.
async fn ticket<B>(request: Request<B>, longest: usize) -> Answer<Bytes>
where
    B: HttpBody<Data = Bytes> + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let body = Limited::new(request.into_body(), longest).collect().await;
    let body = body.map_err(|error| match error.downcast::<Status>() {
        Ok(status) => *status,
        Err(_) => violation("the ticket is too long or cut off"),
    });
    let mut message = body?.to_bytes();
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
async fn start(shared: &Shared, caller: &Caller, ticket: &[u8]) -> Answer<(Source, Told)> {
    match flight(ticket)? {
        Flight::Ticket(handle) => query(shared, caller, &handle).await,
        Flight::Metadata(command) => {
            let (batch, meter) = metadata::batch(shared, caller, &command).await?;
            let (encoder, schema) = Encoder::new(&batch.schema()).map_err(|e| status(&e))?;
            let mut pieces = VecDeque::new();
            frames::cut(batch, &mut pieces);
            let fixed = Fixed { encoder, pieces, frames: VecDeque::from([schema]), meter };
            Ok((Source::Fixed(Box::new(fixed)), Told::default()))
        }
        Flight::Statement(_) | Flight::Prepared(_) => {
            Err(violation("this is a command, not a ticket: ask for its flight first"))
        }
    }
}

/// Where frames come from.
pub(crate) enum Source {
    /// What is known already.
    Fixed(Box<Fixed>),
    /// A query.
    Rows(Box<Rows>),
}

impl Source {
    /// The next frame, once the principal has room for it.
    pub(crate) async fn next(&mut self, room: &Room) -> Answer<Option<Gathered>> {
        let next = match self {
            Source::Fixed(fixed) => fixed.next().map_err(|error| status(&error)),
            Source::Rows(rows) => rows.next().await,
        };
        let Some(frame) = next? else { return Ok(None) };
        let course = self.course();
        let mut sent = pin!(room.send(frame, || self.pause()));
        tokio::select! {
            biased;
            frame = &mut sent => return Ok(Some(frame)),
            // What has the room may be what the same client reads when this is complete.
            () = tokio::time::sleep(PAUSE) => {}
        }
        if let Some(course) = course {
            course.rests(true);
        }
        Ok(Some(sent.await))
    }

    /// Lets other queries run while nobody asks for rows.
    pub(crate) fn pause(&mut self) {
        match self {
            Source::Fixed(_) => {}
            Source::Rows(rows) => rows.rows.pause(),
        }
    }

    /// Notes that its rows wait for the client, so that it doesn't go on by itself.
    pub(crate) fn rests(&self) {
        if let Some(course) = self.course() {
            course.rests(true);
        }
    }

    fn course(&self) -> Option<Arc<Course>> {
        match self {
            Source::Fixed(_) => None,
            Source::Rows(rows) => Some(Arc::clone(&rows.executions.course)),
        }
    }
}

/// The frames of batches that are there.
pub(crate) struct Fixed {
    encoder: Encoder,
    pieces: VecDeque<RecordBatch>,
    frames: VecDeque<Gathered>,
    /// Counts what is sent, and writes the receipt.
    meter: Meter,
}

impl Fixed {
    fn next(&mut self) -> Result<Option<Gathered>, Error> {
        while self.frames.is_empty() {
            let Some(piece) = self.pieces.pop_front() else {
                self.meter.end(Ending::Complete);
                return Ok(None);
            };
            let frames = self.encoder.batch(&piece);
            self.frames
                .extend(frames.inspect_err(|error| self.meter.end(Ending::Failed(error.kind())))?);
            self.meter.add(piece.num_rows() as u64, 0);
        }
        let frame = self.frames.pop_front();
        self.meter.add(0, frame.as_ref().map_or(0, Gathered::remaining) as u64);
        Ok(frame)
    }
}

async fn query(shared: &Shared, caller: &Caller, sealed: &[u8]) -> Answer<(Source, Told)> {
    let (handle, mut described, parameters) =
        statement::redeem(shared, caller, sealed, Kind::Ticket).await?;
    described.all_bound(Some(&handle))?;
    let cancel = CancelToken::new();
    let course = Arc::new(Course::of(parameters.as_ref().map_or(1, Parameters::count)));
    let registration = shared.running.register(handle.id.clone(), &cancel, &course);
    if handle.polled {
        described.session.follow(&course.progress);
    }
    let mut executions = Executions {
        described,
        handle,
        hints: parameters.as_ref().map(Parameters::hints).unwrap_or_default(),
        parameters,
        next: 0,
        cancel,
        course,
        _registration: registration,
    };
    // What is wrong with the first is told before any row.
    let rows = executions.next().await?.ok_or_else(|| internal("nothing to execute"))?;
    let schema = Arc::clone(&executions.described.schema);
    let (encoder, first) = Encoder::new(&schema).map_err(|error| status(&error))?;
    let told = Told::default();
    let rows = Rows {
        rows,
        executions,
        told: Arc::clone(&told),
        schema,
        encoder,
        pieces: VecDeque::new(),
        frames: VecDeque::from([first]),
    };
    Ok((Source::Rows(Box::new(rows)), told))
}

/// The executions of one flight: one, or one for each row of parameters. Each is decided and recorded
/// by itself.
struct Executions {
    described: Described,
    handle: Handle,
    parameters: Option<Parameters>,
    hints: Vec<Option<DataType>>,
    next: usize,
    cancel: CancelToken,
    course: Arc<Course>,
    _registration: Registration,
}

impl Executions {
    /// The rows of the next execution; `None` after the last.
    async fn next(&mut self) -> Answer<Option<RowStream>> {
        let values = match &self.parameters {
            Some(parameters) => parameters.values(self.next),
            None => (self.next == 0).then(|| Ok(Vec::new())),
        };
        let Some(values) = values.transpose()? else { return Ok(None) };
        self.next += 1;
        self.course.begins();
        let Described { session, statement, .. } = &mut self.described;
        let outcome = session.execute(statement, &self.hints, values, &self.cancel).await;
        let rows = match outcome.map_err(|error| status(&error))? {
            Outcome::Rows(rows) => rows,
            Outcome::Empty | Outcome::Command { .. } => return Err(internal("no rows")),
        };
        // The policies may have changed between two decisions.
        if self.described.is_as_decided(&self.handle) {
            Ok(Some(rows))
        } else {
            Err(invalid("another decision came into force"))
        }
    }
}

/// The rows of a flight on their way into frames.
pub(crate) struct Rows {
    /// Those of the execution that runs.
    rows: RowStream,
    executions: Executions,
    told: Told,
    schema: SchemaRef,
    encoder: Encoder,
    pieces: VecDeque<RecordBatch>,
    frames: VecDeque<Gathered>,
}

impl Rows {
    async fn next(&mut self) -> Answer<Option<Gathered>> {
        self.executions.course.rests(false);
        loop {
            if let Some(frame) = self.frames.pop_front() {
                self.rows.sent(0, frame.remaining() as u64);
                return Ok(Some(frame));
            }
            if let Some(piece) = self.pieces.pop_front() {
                let piece = schema::conform(&piece, &self.schema).map_err(|e| status(&e))?;
                self.frames.extend(self.encoder.batch(&piece).map_err(|e| status(&e))?);
                self.rows.sent(piece.num_rows() as u64, 0);
                continue;
            }
            match self.rows.next().await {
                Some(batch) => {
                    frames::cut(batch.map_err(|e| status(&e))?, &mut self.pieces);
                }
                None => {
                    if let Some(notice) = self.rows.take_notice() {
                        *self.told.lock() = trailer(notice);
                    }
                    match self.executions.next().await? {
                        Some(rows) => self.rows = rows,
                        None => return Ok(None),
                    }
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
