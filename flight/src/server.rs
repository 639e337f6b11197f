//! One socket: HTTP/2 with its bounds, and a call on its way to who answers it.

use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arrow_flight::flight_service_server::FlightServiceServer;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tollgate_gateway::Gateway;
use tollgate_identity::{ClientCertificates, SealKeys, UserStore};
use tonic::body::Body;
use tonic::{Code, Status};
use tower_service::Service as _;

use crate::auth::{Settings, Shared};
use crate::get;
use crate::paced::Way;
use crate::room::{Held, Holding, Received, Reply};
use crate::service::Service;
use crate::status::violation;

const HANDSHAKE: &str = "/arrow.flight.protocol.FlightService/Handshake";
const DO_GET: &str = "/arrow.flight.protocol.FlightService/DoGet";

/// Calls of one connection at the same time.
const STREAMS: u32 = 64;

/// The bytes of headers: room for a token of another issuer.
const HEADERS: u32 = 128 * 1024;

/// How often a silent peer is asked whether it is there, and how long it may take.
const PING: Duration = Duration::from_secs(60);
const PONG: Duration = Duration::from_secs(20);

/// The front end of one server. Cheap to clone.
#[derive(Clone)]
pub struct Flight {
    shared: Arc<Shared>,
    service: FlightServiceServer<Service>,
}

impl Flight {
    /// A front end of `gateway` for these users; `keys` seal its tokens and handles.
    pub fn new(
        gateway: Arc<Gateway>,
        users: Arc<UserStore>,
        keys: Arc<SealKeys>,
        settings: Settings,
    ) -> Self {
        let longest = settings.max_message;
        let shared = Arc::new(Shared::new(gateway, users, keys, settings));
        let service = FlightServiceServer::new(Service::new(Arc::clone(&shared)))
            .max_decoding_message_size(longest);
        Self { shared, service }
    }

    /// Puts other users in force, for every call from now on.
    pub fn replace_users(&self, users: Arc<UserStore>) {
        *self.shared.users.write() = users;
    }

    /// Puts other keys in force.
    pub fn replace_keys(&self, keys: Arc<SealKeys>) {
        *self.shared.keys.write() = keys;
    }

    /// Answers a call. It is authenticated before its message is read.
    async fn answer(&self, line: Line, mut request: Request<Incoming>) -> Response<Holding> {
        let bare = |body| Holding { body: Reply::Other(body), _held: None };
        if request.uri().path() == HANDSHAKE {
            request.extensions_mut().insert(line);
            let Ok(response) = self.service.clone().call(request).await;
            return response.map(bare);
        }
        let caller = match self.shared.authenticate(request.headers(), &line.peer).await {
            Ok(caller) => caller,
            Err(status) => return status.into_http().map(bare),
        };
        (line.peer.on_authenticated)();
        let held = Arc::new(Held::new(self.shared.rooms.of(caller.principal.name())));
        let limit = self.shared.settings.receive;
        let mut request = request.map(|body| Received::new(body, Arc::clone(&held), limit));
        let response = if request.uri().path() == DO_GET {
            let way = Way { room: Arc::clone(&held.room), closing: line.closing };
            get::respond(&self.shared, &caller, request, way).await
        } else {
            request.extensions_mut().insert(caller);
            let Ok(response) = self.service.clone().call(request).await;
            in_our_words(response).map(Reply::Other)
        };
        response.map(|body| Holding { body, _held: Some(held) })
    }
}

/// What the library refuses it calls a defect of the server, and speaks of its own types.
fn in_our_words(response: Response<Body>) -> Response<Body> {
    let refused = Status::from_header_map(response.headers()).filter(|status| {
        matches!(status.code(), Code::Internal | Code::OutOfRange)
            && !status.message().contains("(SQLSTATE ")
    });
    match refused {
        Some(_) => violation("the request is not a message that can be read").into_http(),
        None => response,
    }
}

/// Who is at the other end of a connection.
#[derive(Clone)]
pub struct Peer {
    /// The address, for access rules and the audit trail.
    pub address: IpAddr,
    /// Called after each call that authenticated.
    pub on_authenticated: Arc<dyn Fn() + Send + Sync>,
    /// Whether the connection is encrypted.
    pub over_tls: bool,
    /// The certificates that it has shown in TLS.
    pub certificates: Option<ClientCertificates>,
}

/// What the calls of one connection share.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) peer: Peer,
    /// One login at a time: whoever opens many streams doesn't get ahead of others.
    pub(crate) logging_in: Arc<Semaphore>,
    /// Ends the connection.
    closing: Arc<Notify>,
}

/// Serves one connection until it ends; after `shutdown`, until its calls have ended.
pub async fn connection<S>(
    socket: S,
    peer: Peer,
    flight: Flight,
    shutdown: impl Future<Output = ()>,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let address = peer.address;
    let queue = flight.shared.settings.queue;
    let closing = Arc::new(Notify::new());
    let line =
        Line { peer, logging_in: Arc::new(Semaphore::new(1)), closing: Arc::clone(&closing) };
    let service = service_fn(move |request| {
        let (flight, line) = (flight.clone(), line.clone());
        async move { Ok::<_, Infallible>(flight.answer(line, request).await) }
    });
    let tasks = Tasks::default();
    let mut builder = http2::Builder::new(tasks);
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PONG)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADERS)
        .max_send_buf_size(queue);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(socket), service));
    let mut shutdown = pin!(shutdown);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = closing.notified() => {
            tracing::info!(%address, "a connection was closed: its rows were not read");
            return;
        }
        () = shutdown.as_mut() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %address, "a connection ended");
    }
}

/// The tasks of a connection's calls, which end with it.
#[derive(Clone, Default)]
struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        let mut tasks = self.0.lock();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }
}
