//! What a client could send that no library sends: each call gets a clear answer, and others go on.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow_flight::FlightData;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::sql::CommandPreparedStatementQuery;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tollgate_flight::Settings;
use tollgate_identity::SealKeys;
use tollgate_proxy::flight::{self, Front};
use tonic::Code;

use crate::flight::{handle_of, own, receipts, ticket, until};
use crate::harness::flight::{Flight, command};
use crate::harness::gateway::{self, PASSWORD, Running};
use crate::harness::value::Value;
use crate::harness::{self};

type Body = BoxBody<Bytes, Infallible>;

/// A connection that sends what it is told to.
#[derive(Clone)]
struct Raw(SendRequest<Body>);

impl Raw {
    async fn connect(address: SocketAddr) -> Raw {
        let socket = TcpStream::connect(address).await.unwrap();
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await.unwrap();
        tokio::spawn(connection);
        Raw(sender)
    }

    /// What a call is answered: the status's code and text.
    async fn call(&mut self, method: &str, token: &str, body: Body) -> (Code, String) {
        let request = http::Request::post(format!(
            "http://localhost/arrow.flight.protocol.FlightService/{method}"
        ));
        let request = request
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("authorization", token)
            .body(body)
            .unwrap();
        self.0.ready().await.unwrap();
        let response = self.0.send_request(request).await.unwrap();
        let head = response.headers().clone();
        let mut body = response.into_body();
        let mut trailers = head;
        while let Some(frame) = body.frame().await {
            if let Ok(more) = frame.unwrap().into_trailers() {
                trailers = more;
            }
        }
        let code = trailers.get("grpc-status").expect("there is no status");
        let text = trailers.get("grpc-message").map_or("", |text| text.to_str().unwrap());
        (Code::from_bytes(code.as_bytes()), decoded(text))
    }
}

/// A status's text without its percent-encoding.
fn decoded(text: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
            out.push(u8::from_str_radix(str::from_utf8(&digits).unwrap(), 16).unwrap());
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).unwrap()
}

fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed()
}

/// What was sent already, and no end.
fn endless(start: Vec<u8>) -> Body {
    let start = stream::iter([Ok(Frame::data(Bytes::from(start)))]);
    BodyExt::boxed(StreamBody::new(start.chain(stream::pending())))
}

fn varint(mut number: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while number > 127 {
        out.push(number as u8 & 127 | 128);
        number >>= 7;
    }
    out.push(number as u8);
    out
}

fn field(number: usize, value: &[u8]) -> Vec<u8> {
    [varint(number << 3 | 2), varint(value.len()), value.to_vec()].concat()
}

fn message(value: &[u8]) -> Vec<u8> {
    [vec![0], (value.len() as u32).to_be_bytes().to_vec(), value.to_vec()].concat()
}

/// The bytes that words of `hostile.txt` stand for, up to the closing one.
fn bytes<'a>(words: &mut impl Iterator<Item = &'a str>, known: &dyn Fn(&str) -> Bytes) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(word) = words.next() {
        let (first, rest) = word.split_at(1);
        out.extend(match first {
            "]" | "}" | ">" => return out,
            "[" => message(&bytes(words, known)),
            "{" => field(rest.parse().unwrap(), &bytes(words, known)),
            "<" => {
                let url = format!("type.googleapis.com/arrow.flight.protocol.sql.{rest}");
                [field(1, url.as_bytes()), field(2, &bytes(words, known))].concat()
            }
            "\"" => rest.trim_end_matches('"').replace('_', " ").into_bytes(),
            "*" => {
                let (count, byte) = rest.split_once(':').unwrap();
                vec![u8::from_str_radix(byte, 16).unwrap(); count.parse().unwrap()]
            }
            "@" => known(rest).to_vec(),
            _ => (0..word.len() / 2)
                .map(|at| u8::from_str_radix(&word[2 * at..2 * at + 2], 16).unwrap())
                .collect(),
        });
    }
    out
}

/// Another front end of a gateway, with bounds of the test's own.
async fn front(
    running: &Running,
    keys: &Arc<SealKeys>,
    settings: Settings,
) -> (SocketAddr, watch::Sender<bool>) {
    let users = Arc::new(gateway::users());
    let gateway = Arc::clone(&running.gateway);
    let front = Front {
        flight: tollgate_flight::Flight::new(gateway, users, Arc::clone(keys), settings),
        tls: None,
        max_connections: 200,
        connections: std::sync::atomic::AtomicUsize::new(0),
        startup_timeout: Duration::from_secs(30),
        drain: Duration::from_secs(1),
    };
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let (shutdown, stopping) = watch::channel(false);
    tokio::spawn(flight::serve(socket, Arc::new(front), stopping));
    (address, shutdown)
}

async fn works(address: SocketAddr) {
    let mut bob = Flight::connect(address, "bob", PASSWORD).await.unwrap();
    let rows = bob.statement("SELECT count(*) FROM crm.customers").await.unwrap();
    assert_eq!(rows.values(), [[Value::Number(30.0)]]);
}

const SQL: &str = "SELECT id FROM crm.customers";

#[test]
fn each_call_gets_a_clear_answer() {
    harness::run(async {
        let (running, _) = own("flight-hostile").await;
        let keys = Arc::new(SealKeys::random().unwrap());
        running.flight_front.replace_keys(Arc::clone(&keys));
        // With the same keys, but its tickets end at once.
        let brief = Settings { ticket_lifetime: Duration::ZERO, ..Settings::default() };
        let (brief, _shutdown) = front(&running, &keys, brief).await;
        let mut ana = Flight::connect(running.flight, "ana", PASSWORD).await.unwrap();
        let mut bob = Flight::connect(running.flight, "bob", PASSWORD).await.unwrap();
        let mut late = Flight::connect(brief, "ana", PASSWORD).await.unwrap();
        let handle = ana.prepare("SELECT $1::int").await.unwrap().handle;
        let tickets = [
            ("ticket", handle_of(&ticket(&mut ana, SQL).await)),
            ("bobs", handle_of(&ticket(&mut bob, SQL).await)),
            ("old", handle_of(&ticket(&mut late, SQL).await)),
            ("handle", handle),
        ];
        let known =
            |name: &str| tickets.iter().find(|(known, _)| *known == name).expect(name).1.clone();
        let mut raw = Raw::connect(running.flight).await;
        let mut answers = String::new();
        for line in harness::case("flight/hostile.txt").lines() {
            let Some((name, call)) = line.split_once(": ").filter(|_| !line.starts_with('#'))
            else {
                continue;
            };
            let (method, body) = call.split_once(' ').unwrap_or((call, ""));
            let body = bytes(&mut body.split_whitespace(), &known);
            let (code, text) = raw.call(method, &ana.token, whole(body)).await;
            answers += &format!("{name}: {code:?}: {}\n", text.replace('\n', " / "));
        }
        harness::golden("flight/hostile_answers.txt", &answers);
        works(running.flight).await;
    });
}

/// The refusals of handles in the golden file are one and the same.
#[test]
fn handles_are_refused_in_one_way() {
    let answers = harness::case("flight/hostile_answers.txt");
    let mut refusals: Vec<_> = answers
        .lines()
        .filter(|line| {
            let name = line.split(':').next().unwrap();
            let about = ["ticket-as-handle", "bobs", "old", "-ticket", "handle-as"];
            about.iter().any(|about| name.contains(about))
                && name != "close-bobs"
                && line.contains("handle")
        })
        .map(|line| line.split_once(": ").unwrap().1)
        .collect();
    assert!(refusals.len() >= 15, "{refusals:?}");
    refusals.dedup();
    assert_eq!(refusals.len(), 1, "{refusals:?}");
}

/// 1 000 streams that were begun and not ended: they end, and nobody waits for them.
#[test]
fn half_open_streams_end() {
    harness::run(async {
        let (running, _) = own("flight-half-open").await;
        let keys = Arc::new(SealKeys::random().unwrap());
        let settings = Settings { receive: Duration::from_secs(10), ..Settings::default() };
        let (address, _shutdown) = front(&running, &keys, settings).await;
        let ana = Flight::connect(address, "ana", PASSWORD).await.unwrap();
        let mut calls = Vec::new();
        for connection in 0..16 {
            let raw = Raw::connect(address).await;
            for number in 0..63 {
                let (mut raw, token) = (raw.clone(), ana.token.clone());
                let methods = ["DoPut", "DoGet", "GetFlightInfo", "DoAction", "GetSchema"];
                let method = methods[number % methods.len()];
                let start = match (connection + number) % 3 {
                    0 => Vec::new(),
                    1 => vec![0, 0, 0],
                    _ => vec![0, 0, 0, 1, 0, 8, 2],
                };
                calls.push(tokio::spawn(
                    async move { raw.call(method, &token, endless(start)).await },
                ));
            }
        }
        works(address).await;
        for call in calls {
            let (code, text) = call.await.unwrap();
            assert_eq!(code, Code::DeadlineExceeded, "{text}");
            assert!(text.contains("not sent to its end in time"), "{text}");
        }
        works(address).await;
    });
}

/// A binding that goes on and on.
#[test]
fn a_put_that_never_ends_is_refused() {
    harness::run(async {
        let (running, _) = own("flight-endless").await;
        let mut ana = Flight::connect(running.flight, "ana", PASSWORD).await.unwrap();
        let handle = ana.prepare("SELECT $1::bigint").await.unwrap().handle;
        let query = CommandPreparedStatementQuery { prepared_statement_handle: handle.clone() };
        let column: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        let one = RecordBatch::try_from_iter([("1", column)]).unwrap();
        let none = one.slice(0, 0);
        let messages: Vec<FlightData> = FlightDataEncoderBuilder::new()
            .with_flight_descriptor(Some(command(&query)))
            .with_schema(one.schema())
            .build(stream::iter([Ok(none), Ok(one)]))
            .try_collect()
            .await
            .unwrap();
        for (which, code) in [(1, Code::ResourceExhausted), (2, Code::ResourceExhausted)] {
            let Some(again) = messages.get(which).cloned() else { continue };
            let start = stream::iter(messages[..1].to_vec());
            let request = ana.request(start.chain(stream::repeat(again)));
            let refused = ana.inner.do_put(request).await.unwrap_err();
            assert_eq!(refused.code(), code, "{refused}");
        }
        works(running.flight).await;
    });
}

/// Who leaves rows unread keeps nobody from running queries: not with a thousand streams either.
#[test]
fn idle_readers_hold_up_nobody() {
    harness::run(async {
        let (running, audit) = own("flight-idle").await;
        let sql = "SELECT a.id, b.id, c.status FROM crm.orders a, crm.orders b, crm.orders c";
        let (mut streams, started) = (Vec::new(), Arc::new(AtomicUsize::new(0)));
        for user in ["root", "ana"] {
            for _ in 0..10 {
                let mut flight = Flight::connect(running.flight, user, PASSWORD).await.unwrap();
                let ticket = ticket(&mut flight, sql).await;
                for _ in 0..50 {
                    let (mut flight, ticket) = (flight.clone(), ticket.clone());
                    let started = Arc::clone(&started);
                    streams.push(tokio::spawn(async move {
                        let request = flight.request(ticket);
                        let mut rows = flight.inner.do_get(request).await.unwrap().into_inner();
                        rows.message().await.unwrap().unwrap();
                        started.fetch_add(1, Relaxed);
                        // Held, and never read.
                        std::future::pending::<()>().await;
                    }));
                }
            }
        }
        // Many more than there are slots: some rest, and the others wait for their turn, and those of one
        // connection for each other's rows.
        let waiting = || running.gateway.waiting().iter().map(|(_, count)| count).sum::<usize>();
        let records = |kind: &str| {
            let kind = format!("\"record\":\"{kind}\"");
            std::fs::read_to_string(&audit).unwrap().matches(&kind).count()
        };
        until(|| records("decision") == 1000).await;
        for _ in 0..3 {
            works(running.flight).await;
        }
        until(|| started.load(Relaxed) > 8 && waiting() > 8).await;
        // All of them end with their clients.
        streams.iter().for_each(tokio::task::JoinHandle::abort);
        until(|| records("receipt") == 1000 + 3).await;
        until(|| waiting() == 0).await;
        works(running.flight).await;
    });
}

/// A stream that is never read loses its query, and says so to whoever reads it after all.
#[test]
fn a_stream_that_is_not_read_ends() {
    harness::run(async {
        let (running, audit) = own("flight-unread").await;
        let keys = Arc::new(SealKeys::random().unwrap());
        let settings = Settings { stall: Duration::from_secs(2), ..Settings::default() };
        let (address, _shutdown) = front(&running, &keys, settings).await;
        let mut root = Flight::connect(address, "root", PASSWORD).await.unwrap();
        let sql = "SELECT a.id, b.id, c.status FROM crm.orders a, crm.orders b, crm.orders c";
        let ticket = ticket(&mut root, sql).await;
        let request = root.request(ticket);
        let mut rows = root.inner.do_get(request).await.unwrap().into_inner();
        rows.message().await.unwrap().unwrap();
        until(|| receipts(&audit).len() == 1).await;
        assert_eq!(receipts(&audit)[0]["outcome"], "abandoned");
        let ended = loop {
            match rows.message().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the stream came to its end"),
                Err(status) => break status,
            }
        };
        assert_eq!(ended.code(), Code::Cancelled);
        assert!(ended.message().contains("were not read"), "{ended}");
    });
}
