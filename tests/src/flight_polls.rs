//! PollFlightInfo: a flight at once, and how far it is while it is fetched.

use std::time::Duration;

use arrow_flight::sql::{CommandPreparedStatementQuery, CommandStatementQuery};
use arrow_flight::{FlightDescriptor, PollInfo, Ticket};
use tonic::{Code, Status};

use crate::flight::{bundle, own, replace};
use crate::harness::flight::{Flight, command};
use crate::harness::gateway::PASSWORD;
use crate::harness::postgres::Postgres;
use crate::harness::run;
use crate::harness::served::{Site, rows, write};

async fn poll(flight: &mut Flight, descriptor: FlightDescriptor) -> Result<PollInfo, Status> {
    let request = flight.request(descriptor);
    Ok(flight.inner.poll_flight_info(request).await?.into_inner())
}

fn statement(sql: &str) -> FlightDescriptor {
    command(&CommandStatementQuery { query: sql.to_owned(), transaction_id: None })
}

fn ticket(poll: &PollInfo) -> Ticket {
    let [endpoint] = poll.info.as_ref().unwrap().endpoint.as_slice() else { panic!("{poll:?}") };
    assert!(endpoint.location.is_empty());
    endpoint.ticket.clone().unwrap()
}

/// Who polls before it fetches has all there is at the second answer, and never waits for itself.
#[test]
fn a_flight_that_nobody_fetches_is_complete() {
    run(async {
        let (running, _) = own("flight-polls").await;
        let mut ana = Flight::connect(running.flight, "ana", PASSWORD).await.unwrap();
        let mut bob = Flight::connect(running.flight, "bob", PASSWORD).await.unwrap();
        let sql = "SELECT id, email FROM crm.customers";
        let handle = ana.prepare(sql).await.unwrap().handle;
        let prepared = CommandPreparedStatementQuery { prepared_statement_handle: handle };
        for asked in [statement(sql), command(&prepared)] {
            let announced = ana.info(asked.clone()).await.unwrap().schema;
            let first = poll(&mut ana, asked).await.unwrap();
            assert_eq!(first.progress, Some(0.0));
            assert_eq!(first.info.as_ref().unwrap().schema, announced);
            let expires = first.expiration_time.unwrap().seconds;
            let next = first.flight_descriptor.clone().unwrap();
            let again = poll(&mut ana, next.clone()).await.unwrap();
            assert_eq!((&again.flight_descriptor, again.progress), (&None, None));
            assert_eq!(again.info.as_ref().unwrap().schema, announced);
            // It is the ticket, which needn't be repeated.
            assert_eq!(again.info.as_ref().unwrap().flight_descriptor, None);
            assert_eq!(ticket(&again), ticket(&first));
            let ends = again.expiration_time.unwrap().seconds;
            assert!((expires..expires + 60).contains(&ends), "{expires} {ends}");
            let (schema, batches) = ana.get(ticket(&again)).await.unwrap();
            assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 40);
            assert_eq!(crate::harness::flight::schema(&announced), *schema);

            // It is the principal's, and good for the decision that it was made under.
            let mut refused = vec![poll(&mut bob, next.clone()).await.unwrap_err()];
            let mut changed = next.cmd.to_vec();
            let end = changed.len() - 1;
            changed[end] ^= 1;
            refused.push(poll(&mut ana, FlightDescriptor::new_cmd(changed)).await.unwrap_err());
            let hides = |text: &str| text.replace("SELECT (id, tenant_id,", "SELECT (tenant_id,");
            replace(&running, bundle(&running, hides));
            refused.push(poll(&mut ana, next.clone()).await.unwrap_err());
            replace(&running, bundle(&running, str::to_owned));
            for status in &refused {
                assert_eq!(status.code(), Code::InvalidArgument);
                assert!(status.message().contains("the handle is not valid"), "{status}");
                assert_eq!(status.message(), refused[0].message());
            }
            assert!(poll(&mut ana, next.clone()).await.is_ok());
            // It asks how far a flight is, and for no other one.
            let refused = ana.info(next).await.unwrap_err();
            assert!(refused.message().contains("this is a ticket"), "{refused}");
        }
        // Metadata has nothing to wait for.
        let tables = arrow_flight::sql::CommandGetTables::default();
        let whole = poll(&mut ana, command(&tables)).await.unwrap();
        assert_eq!((whole.progress, whole.flight_descriptor), (Some(1.0), None));
        for sql in ["SELECT * FROM hr.salaries", "SELECT $1::int"] {
            assert!(poll(&mut ana, statement(sql)).await.is_err(), "{sql}");
        }
    });
}

const ALL: &str = "SELECT * FROM shop.events";

/// What is told of a flight while a client reads it slowly, until there is no more to tell.
async fn watched(client: &mut Flight, first: PollInfo) -> Vec<Option<f64>> {
    let request = client.request(ticket(&first));
    let mut rows = client.inner.do_get(request).await.unwrap().into_inner();
    let reader = tokio::spawn(async move {
        while rows.message().await.unwrap().is_some() {
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
    });
    let (mut seen, mut next) = (Vec::new(), first.flight_descriptor.clone());
    while let Some(descriptor) = next {
        let again = poll(client, descriptor).await.unwrap();
        assert_eq!(ticket(&again), ticket(&first));
        next = again.flight_descriptor;
        match next {
            Some(_) => seen.push(again.progress),
            None => assert_eq!(again.progress, None),
        }
    }
    reader.await.unwrap();
    seen
}

/// Progress comes from what was scanned. So who doesn't see all rows is told none of a query, but of several
/// executions how many have begun.
#[test]
fn progress_is_told_to_who_sees_everything() {
    run(async {
        let folder = Postgres::shared().await.scratch("flight_polls");
        let kept = "tables = [{ name = \"shop.kept\", cache_for = \"1h\" }]";
        let site = Site::new(folder, &["flight.listen = \"127.0.0.1:0\"", kept]);
        for table in ["events", "kept"] {
            write(&site.data().join(format!("{table}.parquet")), &rows(0..500_000), 10_000);
        }
        let server = site.serve().await;
        let connect = |user| Flight::connect(server.flight().unwrap(), user, PASSWORD);

        let mut root = connect("root").await.unwrap();
        let first = poll(&mut root, statement(ALL)).await.unwrap();
        let seen = watched(&mut root, first).await;
        let told: Vec<f64> = seen.iter().flatten().copied().collect();
        assert!(told.len() >= 3, "{seen:?}");
        assert!(told.iter().all(|part| (0.0..=1.0).contains(part)), "{seen:?}");
        let whole = |part: &f64| (part * 100.0 - (part * 100.0).round()).abs() < 1e-9;
        assert!(told.iter().all(whole), "{seen:?}");
        assert!(told.is_sorted() && told[0] < 0.6 && told[told.len() - 1] > told[0], "{seen:?}");

        // Nor of what may be kept, whether it was there or not.
        for _ in 0..2 {
            let first = poll(&mut root, statement("SELECT * FROM shop.kept")).await.unwrap();
            let seen = watched(&mut root, first).await;
            assert!(seen.iter().all(Option::is_none), "{seen:?}");
        }

        let mut ana = connect("ana").await.unwrap();
        let first = poll(&mut ana, statement(ALL)).await.unwrap();
        let seen = watched(&mut ana, first).await;
        assert!(!seen.is_empty() && seen.iter().all(Option::is_none), "{seen:?}");

        let sql = "SELECT * FROM shop.events WHERE id % 4 = $1";
        let handle = ana.prepare(sql).await.unwrap().handle;
        let remainders = arrow::array::Int64Array::from(vec![0, 1, 2, 3]);
        let values: arrow::array::ArrayRef = std::sync::Arc::new(remainders);
        let values = arrow::array::RecordBatch::try_from_iter([("1", values)]).unwrap();
        let handle = ana.bind(&handle, values).await.unwrap();
        let bound = CommandPreparedStatementQuery { prepared_statement_handle: handle };
        let first = poll(&mut ana, command(&bound)).await.unwrap();
        let seen = watched(&mut ana, first).await;
        let quarters = [0.0, 0.25, 0.5, 0.75];
        assert!(seen.iter().all(|part| quarters.contains(&part.unwrap())), "{seen:?}");
        assert!(seen.is_sorted() && seen.len() > 1, "{seen:?}");
    });
}

/// A client that reads nothing isn't kept waiting for itself.
#[test]
fn a_flight_whose_rows_wait_is_complete() {
    run(unread("flight_polls_rest", 1));
}

/// Nor is one whose other flights have taken all the room there is for its rows, with some 50 KiB each.
#[test]
fn a_flight_that_waits_for_room_is_complete() {
    run(unread("flight_polls_room", 110));
}

/// Polls the last of some flights that nobody reads, each on a connection of its own.
async fn unread(name: &str, flights: usize) {
    let folder = Postgres::shared().await.scratch(name);
    let site = Site::new(folder, &["flight.listen = \"127.0.0.1:0\"", "flight.memory = \"1 MiB\""]);
    write(&site.data().join("events.parquet"), &rows(0..500_000), 10_000);
    let server = site.serve().await;
    let connect = || Flight::connect(server.flight().unwrap(), "root", PASSWORD);
    let mut root = connect().await.unwrap();
    let (mut open, mut next) = (Vec::new(), None);
    for _ in 0..flights {
        let mut reader = connect().await.unwrap();
        let first = poll(&mut root, statement(ALL)).await.unwrap();
        let request = reader.request(ticket(&first));
        open.push((reader.inner.do_get(request).await.unwrap(), reader));
        next = first.flight_descriptor;
    }
    let limit = std::time::Instant::now() + Duration::from_secs(30);
    while let Some(descriptor) = next {
        assert!(std::time::Instant::now() < limit, "it is never complete");
        next = poll(&mut root, descriptor).await.unwrap().flight_descriptor;
    }
    drop(open);
}
