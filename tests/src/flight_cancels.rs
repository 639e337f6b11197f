//! Who cancels a flight, or goes away, ends the warehouse's own query, and the receipt tells how it ended and
//! what was delivered.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_flight::sql::CommandStatementQuery;
use arrow_flight::{
    CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightData, FlightInfo,
};
use prost::Message;
use serde_json::{Value, json};
use tollgate_warehouse::postgres::discover;
use tonic::{Code, Status, Streaming};

use crate::flight::receipts;
use crate::harness::client::Client;
use crate::harness::flight::{Flight, command};
use crate::harness::gateway::{Caches, PASSWORD, Running, start_over};
use crate::harness::{self, case};
use crate::postgres_warehouse::warehouse;
use crate::snowflake_warehouse::{count, faulty};

/// Takes longer than anyone waits, and gives no row before.
const SILENT: &str = "SELECT count(*) FROM crm.orders a, crm.orders b, crm.orders c, crm.orders d, \
    crm.orders e WHERE a.amount + b.amount + c.amount + d.amount + e.amount < 0";

/// Gives rows for longer than anyone reads.
const ENDLESS: &str =
    "SELECT a.id, b.id, c.status FROM crm.orders a, crm.orders b, crm.orders c, crm.orders d";

/// How long a query may run on that nobody waits for. (It takes a fraction of a second; the machine may be busy.)
const SOON: Duration = Duration::from_secs(20);

async fn soon(what: &str, mut ask: impl AsyncFnMut() -> bool) {
    let limit = Instant::now() + SOON;
    while !ask().await {
        assert!(Instant::now() < limit, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn info(flight: &mut Flight, sql: &str) -> FlightInfo {
    let query = CommandStatementQuery { query: sql.to_owned(), transaction_id: None };
    flight.info(command(&query)).await.unwrap()
}

async fn cancel(flight: &mut Flight, info: &FlightInfo) -> CancelStatus {
    let request = CancelFlightInfoRequest { info: Some(info.clone()) };
    let answer = flight.action("CancelFlightInfo", request.encode_to_vec().into()).await.unwrap();
    CancelFlightInfoResult::decode(answer[0].as_ref()).unwrap().status()
}

async fn open(flight: &mut Flight, info: &FlightInfo) -> Result<Streaming<FlightData>, Status> {
    let request = flight.request(info.endpoint[0].ticket.clone().unwrap());
    Ok(flight.inner.do_get(request).await?.into_inner())
}

/// Rows in a message.
fn rows(message: &FlightData) -> u64 {
    let header = arrow::ipc::root_as_message(&message.data_header).unwrap();
    header.header_as_record_batch().map_or(0, |batch| batch.length().unsigned_abs())
}

/// Reads some messages, the last of them with rows; how many rows there were.
async fn some(stream: &mut Streaming<FlightData>) -> u64 {
    let mut read = 0;
    while read == 0 {
        read += rows(&stream.message().await.unwrap().unwrap());
    }
    read
}

/// Reads on until the error.
async fn end(stream: &mut Streaming<FlightData>, read: &mut u64) -> Status {
    loop {
        match stream.message().await {
            Ok(Some(message)) => *read += rows(&message),
            Ok(None) => panic!("the stream came to its end"),
            Err(status) => return status,
        }
    }
}

/// A gateway over a warehouse, and a way to ask how many queries of it run there.
struct Place<'a, F> {
    gateway: &'a Running,
    audit: PathBuf,
    running: F,
}

impl<F: AsyncFn() -> i64> Place<'_, F> {
    async fn root(&self) -> Flight {
        Flight::connect(self.gateway.flight, "root", PASSWORD).await.unwrap()
    }

    async fn ended(&self) {
        soon("the query runs on at the warehouse", async || (self.running)().await == 0).await;
    }

    /// The last of so many receipts.
    async fn receipt(&self, number: usize) -> Value {
        soon("there is no receipt", async || receipts(&self.audit).len() >= number).await;
        let mut all = receipts(&self.audit);
        assert_eq!(all.len(), number, "{all:?}");
        all.pop().unwrap()
    }

    /// Before there is a row: canceled, and dropped; the two first receipts.
    async fn nobody_waits(&self) {
        let (mut reader, mut other) = (self.root().await, self.root().await);
        let flight = info(&mut reader, SILENT).await;
        let (refused, status) = futures::join!(open(&mut reader, &flight), async {
            soon("it doesn't run", async || (self.running)().await > 0).await;
            cancel(&mut other, &flight).await
        });
        assert_eq!(status, CancelStatus::Cancelled);
        assert_eq!(refused.unwrap_err().code(), Code::Cancelled);
        self.ended().await;
        let receipt = self.receipt(1).await;
        assert_eq!((&receipt["outcome"], &receipt["rows"]), (&json!("canceled"), &json!(0)));

        // The call goes, its connection stays.
        let ticket = flight.clone();
        let mut gone = reader.clone();
        let call = tokio::spawn(async move { open(&mut gone, &ticket).await.map(|_| ()) });
        soon("it doesn't run", async || (self.running)().await > 0).await;
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        self.ended().await;
        let receipt = self.receipt(2).await;
        assert_eq!((&receipt["outcome"], &receipt["rows"]), (&json!("abandoned"), &json!(0)));
        assert!(reader.statement("SELECT tenant_id FROM crm.tenants").await.unwrap().count() > 1);
        self.receipt(3).await;
    }
}

async fn postgres(name: &str) -> (Running, PathBuf, Client) {
    let world = harness::world().await;
    let own = world.postgres.create(name, &[&case("attacks/schema.sql")]).await;
    let server = warehouse(&world.postgres.dsn(name));
    let schemas = ["crm", "health", "hr"].map(str::to_owned);
    let tables = discover(&server, &schemas).await.unwrap().tables;
    let audit = world.postgres.scratch(name).join("audit.jsonl");
    let policies = ["policy/corpus/roles.sql", "policy/corpus/crm.sql"];
    let caches = Caches { plans: 0, results: 0, ..Caches::default() };
    (start_over(tables, Arc::new(server), &audit, &policies, caches).await, audit, own)
}

#[test]
fn a_postgres_stops_when_nobody_waits() {
    harness::run(async {
        let name = "flight_cancels";
        let (gateway, audit, own) = postgres(name).await;
        let running = async || {
            let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tollgate' \
                       AND state = 'active' AND datname = $1";
            own.inner.query_one(sql, &[&name]).await.unwrap().get::<_, i64>(0)
        };
        let place = Place { gateway: &gateway, audit, running };
        place.nobody_waits().await;

        // While rows come.
        let mut root = place.root().await;
        let flight = info(&mut root, ENDLESS).await;
        let mut stream = open(&mut root, &flight).await.unwrap();
        let mut read = some(&mut stream).await;
        assert!((place.running)().await > 0);
        assert_eq!(cancel(&mut root, &flight).await, CancelStatus::Cancelled);
        let status = end(&mut stream, &mut read).await;
        assert_eq!(status.code(), Code::Cancelled, "{status}");
        place.ended().await;
        delivered(&place.receipt(4).await, "canceled", read);

        let mut stream = open(&mut root, &flight).await.unwrap();
        let read = some(&mut stream).await;
        drop(stream);
        place.ended().await;
        delivered(&place.receipt(5).await, "abandoned", read);

        // The whole connection.
        let mut gone = place.root().await;
        let mut stream = open(&mut gone, &flight).await.unwrap();
        let read = some(&mut stream).await;
        drop((stream, gone));
        place.ended().await;
        delivered(&place.receipt(6).await, "abandoned", read);
        // What has ended can't be canceled.
        assert_eq!(cancel(&mut root, &flight).await, CancelStatus::NotCancellable);
    });
}

/// What was on its way counts as delivered, what wasn't read by the gateway doesn't.
fn delivered(receipt: &Value, outcome: &str, read: u64) {
    assert_eq!(receipt["outcome"], outcome);
    let (rows, bytes) = (receipt["rows"].as_u64().unwrap(), receipt["bytes"].as_u64().unwrap());
    assert!(rows >= read && bytes > rows, "{read} {receipt}");
}

#[test]
fn a_snowflake_stops_when_nobody_waits() {
    harness::run(async {
        let (world, emulator, gateway) = faulty("flight canceled").await;
        let audit: &Path = &world.postgres.scratch("flight canceled gateway").join("audit.jsonl");
        let running = async || emulator.look()["running"].as_i64().unwrap();
        let place = Place { gateway: &gateway, audit: audit.to_owned(), running };
        place.nobody_waits().await;
        assert!(count(&emulator, "abort") >= 2);

        // While pieces of the result are on their way: how far it is, is known by then.
        let sql = "SELECT id, status FROM crm.orders";
        let all = place.root().await.statement(sql).await.unwrap().count();
        place.receipt(4).await;
        let mut ana = Flight::connect(gateway.flight, "ana", PASSWORD).await.unwrap();
        let own = ana.statement(sql).await.unwrap().count();
        place.receipt(5).await;
        assert!(own < all, "{own} {all}");
        let hang = json!({ "faults": [{ "at": "chunk", "kind": "hang", "times": 99 }] });
        for (number, cancels) in [(6, true), (7, false)] {
            emulator.control(json!({ "clear": true }));
            emulator.control(hang.clone());
            let query = CommandStatementQuery { query: sql.to_owned(), transaction_id: None };
            let request = ana.request(command(&query));
            let poll = ana.inner.poll_flight_info(request).await.unwrap().into_inner();
            let flight = poll.info.unwrap();
            let mut stream = open(&mut ana, &flight).await.unwrap();
            let mut read = some(&mut stream).await;
            assert!(read > 0 && read < own as u64, "{read} {own}");
            let request = ana.request(poll.flight_descriptor.unwrap());
            let again = ana.inner.poll_flight_info(request).await.unwrap().into_inner();
            let told = (100.0 * read as f64 / own as f64).floor() / 100.0;
            assert_eq!(again.progress, Some(told));
            if cancels {
                assert_eq!(cancel(&mut ana, &flight).await, CancelStatus::Cancelled);
                let status = end(&mut stream, &mut read).await;
                assert_eq!(status.code(), Code::Cancelled, "{status}");
            } else {
                drop(stream);
            }
            let receipt = place.receipt(number).await;
            assert_eq!(receipt["outcome"], if cancels { "canceled" } else { "abandoned" });
            assert_eq!(receipt["rows"], read);
        }
        emulator.control(json!({ "clear": true }));
        assert_eq!(ana.statement(sql).await.unwrap().count(), own);
    });
}
