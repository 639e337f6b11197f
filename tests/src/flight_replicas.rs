//! Two gateways that share their keys, behind balancers that know nothing of sessions: one that deals out
//! connections, one that deals out calls. What one gateway gives away, the other one takes.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow_flight::sql::CommandStatementQuery;
use arrow_flight::{CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus};
use hyper::body::Incoming;
use hyper::client::conn::http2 as client;
use hyper::server::conn::http2 as server;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::net::{TcpListener, TcpStream};
use tollgate_identity::{SealKeys, UserStore};
use tonic::Code;

use crate::flight::{bundle, own, receipts, replace, ticket, until};
use crate::harness::flight::{Flight, command};
use crate::harness::gateway::{self, PASSWORD, Running};
use crate::harness::{self, python};

const OLD: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const NEW: &str = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";

fn keys(lines: &[&str]) -> Arc<SealKeys> {
    Arc::new(SealKeys::parse(&lines.join("\n")).unwrap())
}

/// Two gateways, and where each keeps its audit trail.
struct Pair {
    replicas: [Running; 2],
    audits: [std::path::PathBuf; 2],
}

impl Pair {
    async fn start(name: &str) -> Pair {
        let (a, first) = own(&format!("{name}-a")).await;
        let (b, second) = own(&format!("{name}-b")).await;
        let pair = Pair { replicas: [a, b], audits: [first, second] };
        pair.share([&[OLD], &[OLD]]);
        pair
    }

    fn share(&self, lines: [&[&str]; 2]) {
        for (replica, lines) in self.replicas.iter().zip(lines) {
            replica.flight_front.replace_keys(keys(lines));
        }
    }

    fn addresses(&self) -> [SocketAddr; 2] {
        [self.replicas[0].flight, self.replicas[1].flight]
    }

    /// The same user's connections to both, with one token.
    async fn both(&self, user: &str) -> [Flight; 2] {
        let [a, b] = self.addresses();
        let first = Flight::connect(a, user, PASSWORD).await.unwrap();
        let mut second = Flight::stranger(b).await;
        second.token.clone_from(&first.token);
        [first, second]
    }

    /// Statements that each of them ran.
    fn ran(&self) -> [usize; 2] {
        [receipts(&self.audits[0]).len(), receipts(&self.audits[1]).len()]
    }
}

/// Deals out connections in turn.
async fn by_connection(replicas: [SocketAddr; 2]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for replica in replicas.into_iter().cycle() {
            let (mut near, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut far = TcpStream::connect(replica).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    address
}

/// Deals out calls in turn, those of one connection too.
async fn by_call(replicas: [SocketAddr; 2]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let turn = Arc::new(AtomicUsize::new(0));
    tokio::spawn(async move {
        loop {
            let (near, _) = listener.accept().await.unwrap();
            let turn = Arc::clone(&turn);
            tokio::spawn(async move {
                let mut senders = Vec::new();
                for replica in replicas {
                    let far = TokioIo::new(TcpStream::connect(replica).await.unwrap());
                    let (sender, connection) =
                        client::handshake(TokioExecutor::new(), far).await.unwrap();
                    tokio::spawn(connection);
                    senders.push(sender);
                }
                let service = service_fn(move |request: http::Request<Incoming>| {
                    let next = turn.fetch_add(1, Ordering::Relaxed) % senders.len();
                    let mut sender = senders[next].clone();
                    async move { sender.send_request(request).await }
                });
                let served = server::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(near), service);
                let _ = served.await;
                Ok::<_, Infallible>(())
            });
        }
    });
    address
}

#[test]
fn clients_work_over_two_replicas() {
    harness::run(async {
        let pair = Pair::start("flight-replicas").await;
        let connections = by_connection(pair.addresses()).await;
        let calls = by_call(pair.addresses()).await;
        let uris = [connections, calls].map(|address| format!("grpc://{address}"));
        let output = python::run("check_replicas.py", &[&uris[0], &uris[1], PASSWORD], "").await;
        assert!(
            output.status.success() && output.stdout.ends_with(b"ok\n"),
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        let ran = pair.ran();
        assert!(ran.iter().all(|count| *count >= 5), "{ran:?}");
        // What a client dropped is at an end on both.
        until(|| {
            let open = |audit| {
                let text = std::fs::read_to_string(audit).unwrap();
                let records = |kind: &str| {
                    text.lines()
                        .filter(|line| line.contains(&format!("\"record\":\"{kind}\"")))
                        .count()
                };
                records("decision") > records("receipt")
            };
            !pair.audits.iter().any(open)
        })
        .await;
    });
}

fn one(value: i64) -> RecordBatch {
    let column: ArrayRef = Arc::new(Int64Array::from(vec![value]));
    RecordBatch::try_from_iter([("1", column)]).unwrap()
}

#[test]
fn every_handle_is_good_at_the_other_replica() {
    harness::run(async {
        let pair = Pair::start("flight-handles-two").await;
        let [mut a, mut b] = pair.both("ana").await;
        let sql = "SELECT id FROM crm.customers WHERE id <= $1 ORDER BY id";
        let prepared = a.prepare(sql).await.unwrap();
        let bound = b.bind(&prepared.handle, one(7)).await.unwrap();
        assert_eq!(
            a.redeem(&bound).await.unwrap().count(),
            b.redeem(&bound).await.unwrap().count()
        );
        let from_a = ticket(&mut a, "SELECT count(*) FROM crm.customers").await;
        for flight in [&mut b, &mut a] {
            flight.get(from_a.clone()).await.unwrap();
        }
        // Not another principal's, there as here.
        let [mut bob, mut bob_there] = pair.both("bob").await;
        let mut refusals = vec![
            bob.get(from_a.clone()).await.unwrap_err(),
            bob_there.get(from_a.clone()).await.unwrap_err(),
            bob_there.bind(&prepared.handle, one(7)).await.unwrap_err(),
            bob_there.redeem(&bound).await.unwrap_err(),
        ];
        // Where another decision is in force, it isn't good; where it isn't, it is.
        let other = bundle(&pair.replicas[1], |text| {
            text.replace("USING (tenant_id =", "USING (tenant_id <> 'no' AND tenant_id =")
        });
        replace(&pair.replicas[1], other);
        refusals.push(b.get(from_a.clone()).await.unwrap_err());
        refusals.push(b.redeem(&bound).await.unwrap_err());
        assert!(a.get(from_a.clone()).await.is_ok());
        replace(&pair.replicas[1], bundle(&pair.replicas[1], str::to_owned));
        assert!(b.get(from_a.clone()).await.is_ok());
        for refused in &refusals {
            assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
            assert_eq!(refused.message(), refusals[0].message());
        }
        // Where the user is gone, or has another password, so is the token.
        for users in [
            UserStore::parse("").unwrap(),
            gateway::users().with_user("ana", gateway::other_verifier(), gateway::tenant("acme")),
        ] {
            pair.replicas[1].flight_front.replace_users(Arc::new(users));
            let refused = b.get(from_a.clone()).await.unwrap_err();
            assert_eq!(refused.code(), Code::Unauthenticated);
            assert!(a.get(from_a.clone()).await.is_ok());
        }
    });
}

/// Keys that are exchanged one replica after the other: a new one is added behind the old one, then
/// put before it, and the old one is taken away when nothing of it is good any more.
#[test]
fn keys_are_exchanged_while_clients_work() {
    harness::run(async {
        let pair = Pair::start("flight-rotation").await;
        let sql = "SELECT id FROM crm.customers";
        let first = pair.both("ana").await;
        let old = first[0].token.clone();
        let [mut flight, _] = first;
        let kept = ticket(&mut flight, sql).await;
        let steps: [[&[&str]; 2]; 5] = [
            [&[OLD, NEW], &[OLD]],
            [&[OLD, NEW], &[OLD, NEW]],
            [&[NEW, OLD], &[OLD, NEW]],
            [&[NEW, OLD], &[NEW, OLD]],
            [&[NEW, OLD], &[NEW]],
        ];
        for (number, lines) in steps.iter().enumerate() {
            pair.share(*lines);
            let [mut a, mut b] = pair.both("ana").await;
            let (from_a, from_b) = (ticket(&mut a, sql).await, ticket(&mut b, sql).await);
            for ticket in [from_a, from_b] {
                a.get(ticket.clone()).await.unwrap();
                b.get(ticket).await.unwrap();
            }
            let old_ones = number < 4;
            assert_eq!(b.get(kept.clone()).await.is_ok(), old_ones, "{number}");
            b.token.clone_from(&old);
            assert_eq!(b.statement(sql).await.is_ok(), old_ones, "{number}");
        }
    });
}

#[test]
fn a_flight_is_not_cancelled_where_it_does_not_run() {
    harness::run(async {
        let pair = Pair::start("flight-cancel-two").await;
        let [mut a, mut b] = pair.both("root").await;
        let sql = "SELECT a.id, b.id, c.status FROM crm.orders a, crm.orders b, crm.orders c";
        let query = CommandStatementQuery { query: sql.to_owned(), transaction_id: None };
        let info = a.info(command(&query)).await.unwrap();
        let request = a.request(info.endpoint[0].ticket.clone().unwrap());
        let mut rows = a.inner.do_get(request).await.unwrap().into_inner();
        rows.message().await.unwrap().unwrap();
        let cancel = CancelFlightInfoRequest { info: Some(info) }.encode_to_vec();
        for (flight, expected) in
            [(&mut b, CancelStatus::NotCancellable), (&mut a, CancelStatus::Cancelled)]
        {
            let answer = flight.action("CancelFlightInfo", cancel.clone().into()).await.unwrap();
            let answer = CancelFlightInfoResult::decode(answer[0].as_ref()).unwrap();
            assert_eq!(answer.status(), expected);
        }
        until(|| pair.ran() == [1, 0]).await;
        assert_eq!(receipts(&pair.audits[0])[0]["outcome"], "canceled");
    });
}
