//! The calls of `FlightService`, each dispatched by name.

use std::sync::Arc;

use arrow_flight::flight_service_server::FlightService;
use arrow_flight::sql::{
    ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest, Any, Command,
    DoPutPreparedStatementResult, ProstMessageExt,
};
use arrow_flight::{
    Action, ActionType, CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, Criteria,
    Empty, FlightData, FlightDescriptor, FlightInfo, HandshakeRequest, HandshakeResponse, PollInfo,
    PutResult, SchemaResult, Ticket,
};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use http::HeaderMap;
use prost::Message;
use tollgate_gateway::Cancel;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Streaming};

use crate::auth::{Caller, Shared, now};
use crate::handle::{Handle, Kind};
use crate::info::{self, Flight};
use crate::messages::{
    CloseSessionResult, PreparedStatement, SessionOptions, SetSessionOptionsResult,
};
use crate::options::Options;
use crate::parameters::Parameters;
use crate::server::Line;
use crate::statement::{self, describe, redeem};
use crate::status::{Answer, internal, status, unsupported, violation};
use crate::{carried, metadata, poll, schema};

/// What the server answers to, and says of itself.
const ACTIONS: [(&str, &str); 7] = [
    ("CreatePreparedStatement", "prepares a statement"),
    (
        "ClosePreparedStatement",
        "closes a prepared statement; handles hold nothing, so it does nothing",
    ),
    ("CancelFlightInfo", "cancels the streams of a flight"),
    ("CancelQuery", "cancels the streams of a flight"),
    (
        "SetSessionOptions",
        "sets \"catalog\", \"schema\" and \"dialect\"; the answer carries a new bearer token and a cookie",
    ),
    ("GetSessionOptions", "gives the options of the session"),
    ("CloseSession", "forgets the options of the session"),
];

/// The service of one server.
pub(crate) struct Service {
    shared: Arc<Shared>,
}

type Answers<T> = BoxStream<'static, Answer<T>>;

fn once<T: Send + 'static>(answer: T) -> Answers<T> {
    stream::iter([Ok(answer)]).boxed()
}

/// Who calls: put there when the call was authenticated.
fn caller<T>(request: &Request<T>) -> Answer<Caller> {
    request.extensions().get::<Caller>().cloned().ok_or_else(|| internal("no caller"))
}

fn header<T>(response: &mut Response<T>, name: &'static str, value: &str) -> Answer<()> {
    let value = MetadataValue::try_from(value).map_err(internal)?;
    response.metadata_mut().insert(name, value);
    Ok(())
}

impl Service {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The flight of a command, with a ticket of this kind if it is a query.
    async fn info(
        &self,
        caller: &Caller,
        descriptor: FlightDescriptor,
        kind: Kind,
    ) -> Answer<FlightInfo> {
        let shared = &self.shared;
        match info::of_descriptor(&descriptor)? {
            Flight::Statement(query) => {
                let options = &caller.options;
                let described = describe(shared, caller, &query.query, options, &[]).await?;
                described.all_bound(None)?;
                let ticket = described.seal(shared, caller, options, Bytes::new(), kind)?;
                Ok(info::describe(&described.schema, Some(descriptor), info::ticket(ticket)))
            }
            Flight::Prepared(query) => {
                let sealed = &query.prepared_statement_handle;
                let (handle, described, _) = redeem(shared, caller, sealed, Kind::Prepared).await?;
                described.all_bound(Some(&handle))?;
                let options = handle.options()?;
                let parameters = handle.parameters;
                let ticket = described.seal(shared, caller, &options, parameters, kind)?;
                Ok(info::describe(&described.schema, Some(descriptor), info::ticket(ticket)))
            }
            Flight::Metadata(command) => {
                let schema = metadata::schema(&command)?;
                let ticket = descriptor.cmd.clone();
                Ok(info::describe(&schema, Some(descriptor), ticket))
            }
            Flight::Ticket(_) => Err(violation("this is a ticket, not a command")),
        }
    }

    async fn create_prepared(
        &self,
        caller: &Caller,
        request: ActionCreatePreparedStatementRequest,
    ) -> Answer<Bytes> {
        info::no_transaction(request.transaction_id.as_ref())?;
        let options = &caller.options;
        let described = describe(&self.shared, caller, &request.query, options, &[]).await?;
        let handle = described.seal(&self.shared, caller, options, Bytes::new(), Kind::Prepared)?;
        let parameters = schema::of_parameters(&described.parameters);
        Ok(packed(
            "ActionCreatePreparedStatementResult",
            &PreparedStatement {
                handle,
                dataset_schema: schema::encapsulated(&described.schema),
                parameter_schema: schema::encapsulated(&parameters),
                is_update: Some(false),
            },
        ))
    }

    /// Binds rows of parameters: the answer is another handle, which holds them.
    async fn bind(
        &self,
        caller: &Caller,
        sealed: &[u8],
        first: FlightData,
        rest: Streaming<FlightData>,
    ) -> Answer<Bytes> {
        let (handle, described, _) = redeem(&self.shared, caller, sealed, Kind::Prepared).await?;
        let Some(rows) = Parameters::receive(first, rest, self.shared.settings.max_message).await?
        else {
            return Ok(Bytes::copy_from_slice(sealed));
        };
        if rows.num_columns() == 0 && described.parameters.is_empty() {
            return Ok(Bytes::copy_from_slice(sealed));
        }
        let options = handle.options()?;
        let hints = Parameters::hints_for(&rows, &described.parameters);
        let described = describe(&self.shared, caller, &handle.sql, &options, &hints).await?;
        let parameters = Parameters::cast(&rows, &described.parameters)?.to_handle()?;
        described.seal(&self.shared, caller, &options, parameters, Kind::Prepared)
    }

    /// Cancels the streams of the caller's own flight.
    fn cancel(&self, caller: &Caller, info: Option<FlightInfo>) -> Answer<CancelStatus> {
        let info = info.ok_or_else(|| violation("there is no flight to cancel"))?;
        let mut status = CancelStatus::NotCancellable;
        for ticket in info.endpoint.iter().filter_map(|endpoint| endpoint.ticket.as_ref()) {
            match info::flight(&ticket.ticket)? {
                Flight::Ticket(sealed) => {
                    let keys = self.shared.keys();
                    let handle =
                        Handle::open(&keys, Kind::Ticket, &sealed, &caller.principal, now())?;
                    if self.shared.running.cancel(&handle.id) {
                        status = CancelStatus::Cancelled;
                    } else if status == CancelStatus::NotCancellable
                        && self.shared.gateway.peers().pass_on(&Cancel::flight(&handle.id))
                    {
                        // If it runs at all, it is in another gateway.
                        status = CancelStatus::Cancelling;
                    }
                }
                Flight::Metadata(_) => {}
                Flight::Statement(_) | Flight::Prepared(_) => {
                    return Err(violation("this is a command, not a ticket"));
                }
            }
        }
        Ok(status)
    }

    /// The answer with a new token and a cookie that carry these options.
    fn with_options(
        &self,
        caller: &Caller,
        options: &Options,
        answer: Bytes,
    ) -> Answer<Response<Answers<arrow_flight::Result>>> {
        let mut response = Response::new(once(arrow_flight::Result { body: answer }));
        if *options != caller.options {
            let (token, cookie) = self.shared.carry(caller, options)?;
            if let Some(token) = token {
                header(&mut response, "authorization", &token)?;
            }
            header(&mut response, "set-cookie", &cookie)?;
        }
        Ok(response)
    }
}

/// A message packed as Flight SQL packs its own.
fn packed(name: &str, message: &impl Message) -> Bytes {
    let type_url = format!("type.googleapis.com/arrow.flight.protocol.sql.{name}");
    Any { type_url, value: message.encode_to_vec().into() }.encode_to_vec().into()
}

/// Reads a packed request of an action.
fn unpack<M: ProstMessageExt>(body: &[u8]) -> Answer<M> {
    let malformed = || violation("the action's request can't be read");
    let any = Any::decode(body).map_err(|_| malformed())?;
    any.unpack().ok().flatten().ok_or_else(malformed)
}

/// Reads an unpacked request of an action.
fn decode<M: Message + Default>(body: &[u8]) -> Answer<M> {
    M::decode(body).map_err(|_| violation("the action's request can't be read"))
}

#[tonic::async_trait]
impl FlightService for Service {
    type HandshakeStream = Answers<HandshakeResponse>;
    type ListFlightsStream = Answers<FlightInfo>;
    type DoGetStream = Answers<FlightData>;
    type DoPutStream = Answers<PutResult>;
    type DoExchangeStream = Answers<FlightData>;
    type DoActionStream = Answers<arrow_flight::Result>;
    type ListActionsStream = Answers<ActionType>;

    async fn handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Answer<Response<Self::HandshakeStream>> {
        let line = request.extensions().get::<Line>();
        let Line { peer, logging_in, .. } = line.cloned().ok_or_else(|| internal("no peer"))?;
        let _one = logging_in.acquire().await.map_err(internal)?;
        let headers: HeaderMap = request.metadata().clone().into_headers();
        let token = self.shared.log_in(&headers, &peer).await?;
        (peer.on_authenticated)();
        // Some clients don't read messages here: the token is in the headers only.
        let mut response = Response::new(stream::empty().boxed());
        header(&mut response, "authorization", &token)?;
        if carried::has_cookie(&headers) {
            // A login begins a session of its own.
            header(&mut response, "set-cookie", &carried::clear_cookie(peer.over_tls))?;
        }
        Ok(response)
    }

    async fn list_flights(
        &self,
        request: Request<Criteria>,
    ) -> Answer<Response<Self::ListFlightsStream>> {
        caller(&request)?;
        // There are no flights but those that commands name.
        Ok(Response::new(stream::empty().boxed()))
    }

    async fn get_flight_info(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Answer<Response<FlightInfo>> {
        let caller = caller(&request)?;
        self.info(&caller, request.into_inner(), Kind::Ticket).await.map(Response::new)
    }

    async fn poll_flight_info(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Answer<Response<PollInfo>> {
        let caller = caller(&request)?;
        let descriptor = request.into_inner();
        let poll = match info::of_descriptor(&descriptor)? {
            Flight::Ticket(sealed) => {
                poll::again(&self.shared, &caller, descriptor, &sealed).await?
            }
            Flight::Metadata(_) => {
                let info = self.info(&caller, descriptor, Kind::Ticket).await?;
                PollInfo { info: Some(info), progress: Some(1.0), ..PollInfo::default() }
            }
            Flight::Statement(_) | Flight::Prepared(_) => {
                let expires = now().saturating_add(self.shared.settings.ticket_lifetime.as_secs());
                poll::first(self.info(&caller, descriptor, Kind::Polled).await?, expires)
            }
        };
        Ok(Response::new(poll))
    }

    async fn get_schema(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Answer<Response<SchemaResult>> {
        let caller = caller(&request)?;
        let schema = match info::of_descriptor(request.get_ref())? {
            Flight::Statement(query) => {
                let options = &caller.options;
                describe(&self.shared, &caller, &query.query, options, &[]).await?.schema
            }
            Flight::Prepared(query) => {
                let sealed = &query.prepared_statement_handle;
                statement::prepared_schema(&self.shared, &caller, sealed).await?
            }
            Flight::Metadata(command) => metadata::schema(&command)?,
            Flight::Ticket(_) => return Err(violation("this is a ticket, not a command")),
        };
        Ok(Response::new(SchemaResult { schema: schema::encapsulated(&schema) }))
    }

    async fn do_get(&self, _: Request<Ticket>) -> Answer<Response<Self::DoGetStream>> {
        // Answered by `get` before a request comes here.
        Err(internal("a DoGet that is not at its place"))
    }

    async fn do_put(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Answer<Response<Self::DoPutStream>> {
        let caller = caller(&request)?;
        let mut messages = request.into_inner();
        let first = messages.message().await?.ok_or_else(|| violation("the stream is empty"))?;
        let descriptor = first.flight_descriptor.clone().unwrap_or_default();
        let result = match info::command(&descriptor.cmd)? {
            Command::CommandPreparedStatementQuery(query) => {
                let sealed = query.prepared_statement_handle;
                let handle = self.bind(&caller, &sealed, first, messages).await?;
                DoPutPreparedStatementResult { prepared_statement_handle: Some(handle) }
            }
            Command::CommandStatementUpdate(update) => {
                info::no_transaction(update.transaction_id.as_ref())?;
                let error = statement::update(&self.shared, &caller, &update.query).await;
                return Err(status(&error));
            }
            Command::CommandPreparedStatementUpdate(update) => {
                let sealed = &update.prepared_statement_handle;
                let (handle, _, _) = redeem(&self.shared, &caller, sealed, Kind::Prepared).await?;
                return Err(status(&statement::update(&self.shared, &caller, &handle.sql).await));
            }
            Command::CommandStatementIngest(_) => return Err(unsupported("bulk ingestion")),
            _ => return Err(violation("this command takes no data")),
        };
        let app_metadata = result.encode_to_vec().into();
        Ok(Response::new(once(PutResult { app_metadata })))
    }

    async fn do_exchange(
        &self,
        _: Request<Streaming<FlightData>>,
    ) -> Answer<Response<Self::DoExchangeStream>> {
        Err(unsupported("DoExchange"))
    }

    async fn do_action(&self, request: Request<Action>) -> Answer<Response<Self::DoActionStream>> {
        let caller = caller(&request)?;
        let Action { r#type: name, body } = request.into_inner();
        let answer: Bytes = match name.as_str() {
            "CreatePreparedStatement" => self.create_prepared(&caller, unpack(&body)?).await?,
            "ClosePreparedStatement" => {
                unpack::<ActionClosePreparedStatementRequest>(&body)?;
                return Ok(Response::new(stream::empty().boxed()));
            }
            "CancelFlightInfo" => {
                let request: CancelFlightInfoRequest = decode(&body)?;
                let status = self.cancel(&caller, request.info)? as i32;
                CancelFlightInfoResult { status }.encode_to_vec().into()
            }
            "CancelQuery" => {
                let request: arrow_flight::sql::ActionCancelQueryRequest = unpack(&body)?;
                let status = self.cancel(&caller, Some(decode(&request.info)?))?;
                // The two enumerations have the same numbers.
                let result = arrow_flight::sql::ActionCancelQueryResult { result: status as i32 };
                packed("ActionCancelQueryResult", &result)
            }
            "SetSessionOptions" => {
                let request: SessionOptions = decode(&body)?;
                let mut options = caller.options.clone();
                let errors = options.set(request.options, self.shared.gateway.database());
                let answer = SetSessionOptionsResult { errors }.encode_to_vec();
                return self.with_options(&caller, &options, answer.into());
            }
            "GetSessionOptions" => {
                caller.options.get(self.shared.gateway.database()).encode_to_vec().into()
            }
            "CloseSession" => {
                let answer = CloseSessionResult::CLOSED.encode_to_vec();
                return self.with_options(&caller, &Options::default(), answer.into());
            }
            "BeginTransaction" | "EndTransaction" | "BeginSavepoint" | "EndSavepoint" => {
                return Err(unsupported("a transaction over Flight SQL"));
            }
            "CreatePreparedSubstraitPlan" => return Err(unsupported("a Substrait plan")),
            _ => return Err(unsupported("this action")),
        };
        Ok(Response::new(once(arrow_flight::Result { body: answer })))
    }

    async fn list_actions(
        &self,
        request: Request<Empty>,
    ) -> Answer<Response<Self::ListActionsStream>> {
        caller(&request)?;
        let actions = ACTIONS.map(|(name, description)| {
            Ok(ActionType { r#type: name.to_owned(), description: description.to_owned() })
        });
        Ok(Response::new(stream::iter(actions).boxed()))
    }
}
