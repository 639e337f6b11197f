//! The Flight SQL front end: real clients, handles that don't travel, streams that end.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Schema};
use arrow_flight::sql::{
    ActionCancelQueryRequest, Any, CommandGetCrossReference, CommandGetDbSchemas,
    CommandGetExportedKeys, CommandGetImportedKeys, CommandGetPrimaryKeys, CommandGetSqlInfo,
    CommandGetTables, CommandGetXdbcTypeInfo, CommandPreparedStatementQuery,
    CommandPreparedStatementUpdate, CommandStatementIngest, CommandStatementQuery,
    CommandStatementUpdate, ProstMessageExt, TicketStatementQuery,
};
use arrow_flight::{CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, Ticket};
use bytes::Bytes;
use prost::Message;
use tollgate_gateway::State;
use tollgate_policy::{Bundle, MaskSecret};
use tollgate_rewriter::Registry;
use tollgate_warehouse::embedded::Embedded;
use tonic::{Code, Status};

use crate::harness::flight::{Flight, Rows, command, schema};
use crate::harness::gateway::{self, PASSWORD, Running};
use crate::harness::value::Value;
use crate::harness::{self, node, python};

async fn connect(user: &str) -> Flight {
    let world = harness::world().await;
    Flight::connect(world.gateway.flight, user, PASSWORD).await.unwrap()
}

/// A gateway of the test's own, over the world's data, and its audit trail.
pub(crate) async fn own(name: &str) -> (Running, std::path::PathBuf) {
    let world = harness::world().await;
    let audit = world.postgres.scratch(name).join("audit.jsonl");
    (gateway::start(&world.folder, &audit).await, audit)
}

fn row(columns: &[(&str, ArrayRef)]) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(
        columns.iter().map(|(name, array)| (*name, Arc::clone(array), true)),
    )
    .unwrap()
}

fn plain(schema: &Schema) -> Vec<(String, DataType, bool)> {
    let fields = schema.fields().iter();
    fields.map(|f| (f.name().clone(), f.data_type().clone(), f.is_nullable())).collect()
}

async fn script(name: &str) {
    script_by(python::interpreter(), name).await;
}

async fn script_by(interpreter: std::path::PathBuf, name: &str) {
    let world = harness::world().await;
    let certificate = world.postgres.scratch("flight").join(format!("{name}.pem"));
    std::fs::write(&certificate, &world.gateway.certificate).unwrap();
    let uri = format!("grpc+tls://127.0.0.1:{}", world.gateway.flight_tls.port());
    let arguments = [&uri, certificate.to_str().unwrap(), PASSWORD];
    worked(name, &python::run_by(interpreter, name, &arguments, "").await);
}

pub(crate) fn worked(name: &str, output: &std::process::Output) {
    assert!(
        output.status.success() && output.stdout.ends_with(b"ok\n"),
        "{name}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn adbc_works() {
    harness::run(script("check_adbc.py"));
}

#[test]
fn pyarrow_works() {
    harness::run(script("check_pyarrow_flight.py"));
}

#[test]
fn flightsql_dbapi_works() {
    harness::run(script_by(python::flightsql(), "check_flightsql_dbapi.py"));
}

#[test]
fn the_client_of_node_works() {
    harness::run(async {
        let world = harness::world().await;
        let (name, port) = ("check_flight.js", world.gateway.flight.port().to_string());
        worked(name, &node::run(name, &["127.0.0.1", &port, PASSWORD], None).await);
        let certificate = world.postgres.scratch("flight-node").join("ca.pem");
        std::fs::write(&certificate, &world.gateway.certificate).unwrap();
        let port = world.gateway.flight_tls.port().to_string();
        let arguments = ["127.0.0.1", &port, PASSWORD, "tls"];
        worked(name, &node::run(name, &arguments, Some(&certificate)).await);
    });
}

#[test]
fn what_is_announced_is_what_comes() {
    harness::run(async {
        let mut ana = connect("ana").await;
        for sql in [
            "SELECT * FROM crm.customers",
            "SELECT upper(full_name), 1, 1.5, 'a', NULL, now(), current_date FROM crm.customers",
            "SELECT 1 AS a, 2 AS a",
            "SELECT array_agg(city) FROM crm.customers",
            "SELECT city, count(*), avg(id) FROM crm.customers GROUP BY city",
            "SELECT * FROM information_schema.tables",
            "SELECT * FROM crm.customers WHERE false",
            "SHOW timezone",
            "EXPLAIN SELECT id FROM crm.customers",
        ] {
            for rows in [ana.statement(sql).await, ana.prepared(sql, None).await] {
                let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error}"));
                assert_eq!(rows.announced, *rows.schema, "{sql}");
                for field in rows.schema.fields() {
                    let flat = !matches!(
                        field.data_type(),
                        DataType::Utf8View | DataType::BinaryView | DataType::Dictionary(..)
                    );
                    assert!(flat, "{sql}: {field}");
                }
            }
            let prepared = ana.prepare(sql).await.unwrap();
            assert_eq!(prepared.rows, ana.statement(sql).await.unwrap().announced, "{sql}");
        }
    });
}

#[test]
fn parameters_have_types_and_values() {
    harness::run(async {
        let mut ana = connect("ana").await;
        let sql = "SELECT id FROM crm.customers WHERE id > $1 AND city = $2 ORDER BY id";
        let prepared = ana.prepare(sql).await.unwrap();
        let types: Vec<_> = plain(&prepared.parameters);
        let expected = [("$1", DataType::Int64), ("$2", DataType::Utf8)];
        assert_eq!(types, expected.map(|(name, of)| (name.to_owned(), of, true)));

        let values = row(&[
            ("1", Arc::new(Int64Array::from(vec![30]))),
            ("2", Arc::new(StringArray::from(vec!["Paris"]))),
        ]);
        let rows = ana.prepared(sql, Some(values.clone())).await.unwrap();
        assert_eq!(rows.values(), [[Value::Number(34.0)], [Value::Number(38.0)]]);

        // The first handle still has no values: what is bound is in the second one only.
        let bound = ana.bind(&prepared.handle, values).await.unwrap();
        assert_ne!(bound, prepared.handle);
        let unbound =
            CommandPreparedStatementQuery { prepared_statement_handle: prepared.handle.clone() };
        let refused = ana.info(command(&unbound)).await.unwrap_err();
        assert!(refused.message().contains("needs 2 parameters"), "{refused}");

        let wrong = [
            row(&[("1", Arc::new(Int64Array::from(vec![1])))]),
            row(&[
                ("1", Arc::new(StringArray::from(vec!["x"]))),
                ("2", Arc::new(StringArray::from(vec!["x"]))),
            ]),
        ];
        for values in wrong {
            let refused = ana.bind(&prepared.handle, values).await.unwrap_err();
            assert!(matches!(refused.code(), Code::InvalidArgument | Code::Unimplemented));
        }
    });
}

/// Each row is an execution of its own: decided, recorded, counted, and given in the rows' order.
#[test]
fn several_rows_of_parameters_are_several_executions() {
    harness::run(async {
        let (running, audit) = own("flight-batches").await;
        let mut ana = Flight::connect(running.flight, "ana", PASSWORD).await.unwrap();
        let sql = "SELECT $1 AS n, count(*) FROM crm.customers WHERE id <= $1";
        let numbers = |values: Vec<Option<i64>>| row(&[("1", Arc::new(Int64Array::from(values)))]);
        let rows =
            ana.prepared(sql, Some(numbers(vec![Some(39), Some(2), None, Some(1)]))).await.unwrap();
        let mut expected = Vec::new();
        for value in [Some(39), Some(2), None, Some(1)] {
            expected.extend(ana.prepared(sql, Some(numbers(vec![value]))).await.unwrap().values());
        }
        assert_eq!(rows.values(), expected);
        assert_eq!(rows.announced, *rows.schema);
        until(|| receipts(&audit).len() == 8).await;
        assert!(receipts(&audit).iter().all(|receipt| receipt["outcome"] == "complete"));

        // Some that give no rows, and the most.
        let ids = "SELECT id FROM crm.customers WHERE id = $1";
        let few =
            ana.prepared(ids, Some(numbers(vec![Some(-1), Some(1), Some(-2)]))).await.unwrap();
        assert!(few.count() <= 1);
        let prepared = ana.prepare("SELECT $1::bigint").await.unwrap();
        let most = ana.bind(&prepared.handle, numbers((0..10_000).map(Some).collect())).await;
        assert!(most.is_ok());
        let more = ana.bind(&prepared.handle, numbers((0..10_001).map(Some).collect())).await;
        assert_eq!(more.unwrap_err().code(), Code::ResourceExhausted);

        // An error ends the flight where it happens; what came before has come.
        let fails = "SELECT 10 / $1::bigint";
        let handle = ana.prepare(fails).await.unwrap().handle;
        let bound = ana.bind(&handle, numbers(vec![Some(5), Some(0), Some(2)])).await.unwrap();
        let refused = ana.redeem(&bound).await.unwrap_err();
        assert!(refused.message().contains("division by zero"), "{refused}");

        // A decision that changes on the way ends it as well.
        let handle = ana.prepare(sql).await.unwrap().handle;
        let bound = ana.bind(&handle, numbers((0..40).map(Some).collect())).await.unwrap();
        let changed = bundle(&running, |text| {
            text.replace("USING (tenant_id =", "USING (tenant_id <> 'no' AND tenant_id =")
        });
        replace(&running, changed);
        let refused = ana.redeem(&bound).await.unwrap_err();
        assert!(refused.message().contains("the handle is not valid"), "{refused}");
    });
}

/// The ticket of a statement, as ana gets it.
pub(crate) async fn ticket(flight: &mut Flight, sql: &str) -> Ticket {
    let query = CommandStatementQuery { query: sql.to_owned(), transaction_id: None };
    let info = flight.info(command(&query)).await.unwrap();
    info.endpoint[0].ticket.clone().unwrap()
}

fn packed(handle: Bytes) -> Ticket {
    Ticket::new(TicketStatementQuery { statement_handle: handle }.as_any().encode_to_vec())
}

pub(crate) fn handle_of(ticket: &Ticket) -> Bytes {
    let any = Any::decode(ticket.ticket.as_ref()).unwrap();
    any.unpack::<TicketStatementQuery>().unwrap().unwrap().statement_handle
}

/// Loads the corpus's policies with a change.
pub(crate) fn bundle(running: &Running, change: impl Fn(&str) -> String) -> Arc<Bundle> {
    let registry = Registry::new(&tollgate_gateway::Functions::new(Embedded::udf_source()));
    let mut sources = gateway::policies();
    for source in &mut sources {
        source.text = change(&source.text);
    }
    let snapshot = running.gateway.state().snapshot.clone();
    Arc::new(Bundle::load(&sources, &snapshot, &registry, &MaskSecret::new([7; 32])).unwrap())
}

pub(crate) fn replace(running: &Running, bundle: Arc<Bundle>) {
    let state = running.gateway.state();
    running.gateway.replace(State { bundle, ..State::clone(&state) });
}

/// `pro-008` of the corpus and its relatives: one error for whatever is wrong with a handle.
#[test]
fn a_handle_is_good_for_its_principal_and_decision_only() {
    harness::run(async {
        let (running, _) = own("flight-handles").await;
        let sql = "SELECT id FROM crm.customers ORDER BY id";
        let mut ana = Flight::connect(running.flight, "ana", PASSWORD).await.unwrap();
        let mut bob = Flight::connect(running.flight, "bob", PASSWORD).await.unwrap();
        let good = ticket(&mut ana, sql).await;
        for _ in 0..2 {
            let (_, batches) = ana.get(good.clone()).await.unwrap();
            assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 40);
        }
        let handle = handle_of(&good);
        assert!(!handle.windows(9).any(|part| part == b"customers"), "the handle is readable");

        let mut refusals: Vec<(String, Status)> = Vec::new();
        let refused = bob.get(good.clone()).await.unwrap_err();
        refusals.push(("another principal".to_owned(), refused));
        for at in (0..handle.len()).step_by(7) {
            let mut changed = handle.to_vec();
            changed[at] ^= 0x40;
            let refused = ana.get(packed(changed.into())).await.unwrap_err();
            refusals.push((format!("byte {at} changed"), refused));
        }
        for (name, handle) in [
            ("empty", Bytes::new()),
            ("cut off", handle.slice(..handle.len() - 1)),
            ("the text itself", Bytes::from("SELECT id FROM hr.salaries")),
            ("a prepared statement", ana.prepare(sql).await.unwrap().handle),
        ] {
            refusals.push((name.to_owned(), ana.get(packed(handle)).await.unwrap_err()));
        }
        let statement = CommandPreparedStatementQuery { prepared_statement_handle: handle.clone() };
        let refused = ana.info(command(&statement)).await.unwrap_err();
        refusals.push(("a ticket as a statement".to_owned(), refused));

        // Another bundle that decides the same: the handle is still good.
        replace(&running, bundle(&running, |text| text.replace("m_phone", "m_telephone")));
        assert!(ana.get(good.clone()).await.is_ok());
        // One that hides a row more, and one that hides the column.
        for (from, to) in [
            ("USING (tenant_id =", "USING (tenant_id <> 'no' AND tenant_id ="),
            ("SELECT (id, tenant_id,", "SELECT (tenant_id,"),
        ] {
            replace(&running, bundle(&running, |text| text.replace(from, to)));
            let refused = ana.get(good.clone()).await.unwrap_err();
            refusals.push((format!("policy {to}"), refused));
        }
        replace(&running, bundle(&running, str::to_owned));
        assert!(ana.get(good.clone()).await.is_ok());

        // Other attributes: another decision. No user: no call at all.
        let users = gateway::users();
        let moved = users.with_user("ana", gateway::verifier(), gateway::tenant("globex"));
        running.flight_front.replace_users(Arc::new(moved));
        let refused = ana.get(good.clone()).await.unwrap_err();
        refusals.push(("other attributes".to_owned(), refused));
        assert_eq!(ana.statement(sql).await.unwrap().count(), 30);
        for (name, status) in &refusals {
            assert_eq!(status.code(), Code::InvalidArgument, "{name}: {status}");
            assert_eq!(status.message(), refusals[0].1.message(), "{name}");
        }
        running
            .flight_front
            .replace_users(Arc::new(tollgate_identity::UserStore::parse("").unwrap()));
        let refused = ana.get(good).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
    });
}

#[test]
fn calls_are_authenticated_first() {
    harness::run(async {
        let world = harness::world().await;
        let mut stranger = Flight::stranger(world.gateway.flight).await;
        let mut texts = Vec::new();
        for token in ["", "Bearer x", "Bearer AAAA", "Basic YW5hOng=", "nonsense"] {
            stranger.token = token.to_owned();
            let query =
                CommandStatementQuery { query: "SELECT 1".to_owned(), transaction_id: None };
            for status in [
                stranger.info(command(&query)).await.unwrap_err(),
                stranger.get(Ticket::new("x")).await.unwrap_err(),
                stranger.action("CloseSession", Bytes::new()).await.unwrap_err(),
            ] {
                assert_eq!(status.code(), Code::Unauthenticated, "{token}");
                texts.push(status.message().to_owned());
            }
        }
        texts.dedup();
        assert_eq!(texts.len(), 1, "{texts:?}");
        for (user, password) in [("ana", "wrong"), ("nobody", PASSWORD), ("", "")] {
            let refused = Flight::connect(world.gateway.flight, user, password).await;
            let refused = refused.err().unwrap();
            assert_eq!(refused.code(), Code::Unauthenticated, "{user}");
            let text = format!("password authentication failed for user \"{user}\"");
            assert!(refused.message().contains(&text), "{refused}");
        }
    });
}

#[test]
fn metadata_shows_what_is_granted() {
    harness::run(async {
        let mut ana = connect("ana").await;
        let tables = |include_schema| CommandGetTables { include_schema, ..Default::default() };
        let rows = ana.run(command(&tables(true))).await.unwrap();
        assert_eq!(rows.announced, *rows.schema);
        let names: Vec<_> = rows.values().iter().map(|row| row[2].clone()).collect();
        assert_eq!(names, ["customers", "orders", "tenants"].map(|n| Value::Text(n.to_owned())));
        let batch = &rows.batches[0];
        let schemas = batch.column(4).as_any().downcast_ref::<arrow::array::BinaryArray>().unwrap();
        let customers = schema(&Bytes::copy_from_slice(schemas.value(0)));
        assert!(customers.field_with_name("income").is_err());
        let selected = ana.statement("SELECT * FROM crm.customers").await.unwrap();
        let types = |schema: &Schema| {
            plain(schema).into_iter().map(|(name, of, _)| (name, of)).collect::<Vec<_>>()
        };
        assert_eq!(types(&customers), types(&selected.schema));

        let spec = |name: &str, nullable| (name.to_owned(), DataType::Utf8, nullable);
        let rows = ana.run(command(&tables(false))).await.unwrap();
        let expected = [
            spec("catalog_name", true),
            spec("db_schema_name", true),
            spec("table_name", false),
            spec("table_type", false),
        ];
        assert_eq!(plain(&rows.schema), expected);
        let hidden = CommandGetTables {
            db_schema_filter_pattern: Some("hr".to_owned()),
            ..Default::default()
        };
        assert_eq!(ana.run(command(&hidden)).await.unwrap().count(), 0);
        let schemas = CommandGetDbSchemas::default();
        let rows = ana.run(command(&schemas)).await.unwrap().values();
        assert_eq!(rows, [["tollgate", "crm"].map(|name| Value::Text(name.to_owned()))]);

        let mut root = connect("root").await;
        assert_eq!(root.run(command(&tables(false))).await.unwrap().count(), 5);
    });
}

#[test]
fn keys_and_facts_are_answered() {
    harness::run(async {
        let mut ana = connect("ana").await;
        let key = |table: &str| CommandGetPrimaryKeys {
            catalog: None,
            db_schema: Some("crm".to_owned()),
            table: table.to_owned(),
        };
        let rows = ana.run(command(&key("customers"))).await.unwrap();
        let expected = ["tollgate", "crm", "customers", "id", "customers_pkey"];
        assert_eq!(rows.values()[0][..5], expected.map(|text| Value::Text(text.to_owned())));
        assert_eq!(rows.values()[0][5], Value::Number(1.0));
        assert!(!rows.schema.field(5).is_nullable() && rows.schema.field(4).is_nullable());
        let hidden = CommandGetPrimaryKeys { db_schema: Some("hr".to_owned()), ..key("salaries") };
        assert_eq!(ana.run(command(&hidden)).await.unwrap().count(), 0);

        let table = "customers".to_owned();
        let exported = CommandGetExportedKeys { table: table.clone(), ..Default::default() };
        let imported = CommandGetImportedKeys { table, ..Default::default() };
        let cross = CommandGetCrossReference::default();
        for rows in [
            ana.run(command(&exported)).await.unwrap(),
            ana.run(command(&imported)).await.unwrap(),
            ana.run(command(&cross)).await.unwrap(),
        ] {
            assert_eq!(rows.announced.fields().len(), 13);
            assert_eq!(rows.announced, *rows.schema);
        }
        let rows = ana.run(command(&CommandGetSqlInfo { info: vec![] })).await.unwrap();
        assert!(rows.count() > 85, "{}", rows.count());
        let rows = ana.run(command(&CommandGetSqlInfo { info: vec![8, 4, 9999] })).await.unwrap();
        assert_eq!(rows.count(), 2);
        // A list of nothing that is known isn't one of everything, and a long one takes no room.
        let rows = ana.run(command(&CommandGetSqlInfo { info: vec![9999, 9998] })).await.unwrap();
        assert_eq!(rows.count(), 0);
        let info = (0..20).cycle().take(1_000_000).collect();
        let rows = ana.run(command(&CommandGetSqlInfo { info })).await.unwrap();
        assert!((5..20).contains(&rows.count()), "{}", rows.count());
        let mut tables = async |table_types: Vec<String>| {
            let tables = CommandGetTables { table_types, ..CommandGetTables::default() };
            ana.run(command(&tables)).await.unwrap().count()
        };
        let some = tables(Vec::new()).await;
        assert!(some > 2, "{some}");
        assert_eq!(
            tables(["TABLE", "SYSTEM"].repeat(50_000).into_iter().map(str::to_owned).collect())
                .await,
            some
        );
        assert_eq!(tables(vec!["SYSTEM".to_owned()]).await, 0);
        let all = ana.run(command(&CommandGetXdbcTypeInfo { data_type: None })).await.unwrap();
        assert!(all.count() > 10);
        let one = ana.run(command(&CommandGetXdbcTypeInfo { data_type: Some(12) })).await.unwrap();
        assert_eq!(one.count(), 1);
    });
}

#[test]
fn nothing_is_written_and_nothing_is_begun() {
    harness::run(async {
        let mut ana = connect("ana").await;
        let put = |flight: &Flight, message: Bytes| {
            let data = arrow_flight::FlightData::new()
                .with_descriptor(arrow_flight::FlightDescriptor::new_cmd(message));
            flight.request(futures::stream::iter([data]))
        };
        let handle = ana.prepare("SELECT 1").await.unwrap().handle;
        let update = |query: &str| {
            let update = CommandStatementUpdate { query: query.to_owned(), transaction_id: None };
            Bytes::from(update.as_any().encode_to_vec())
        };
        let prepared = CommandPreparedStatementUpdate { prepared_statement_handle: handle };
        for message in [
            update("DELETE FROM crm.orders"),
            update("SELECT 1"),
            update("SET timezone = 'UTC'"),
            prepared.as_any().encode_to_vec().into(),
            CommandStatementIngest::default().as_any().encode_to_vec().into(),
            Bytes::from("nonsense"),
        ] {
            let request = put(&ana, message);
            let refused = ana.inner.do_put(request).await.unwrap_err();
            let code = refused.code();
            assert!(!matches!(code, Code::Internal | Code::Unknown | Code::Ok), "{refused}");
        }
        for action in ["BeginTransaction", "EndTransaction", "BeginSavepoint", "Nonsense"] {
            let refused = ana.action(action, Bytes::new()).await.unwrap_err();
            assert_eq!(refused.code(), Code::Unimplemented, "{action}");
        }
    });
}

/// Rows by the million, made from a few hundred.
const LONG: &str = "SELECT a.id, b.id, c.status FROM crm.orders a, crm.orders b, crm.orders c";

pub(crate) fn receipts(audit: &std::path::Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(audit).unwrap();
    // The last line may be half written.
    let records =
        text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    records.filter(|record| record["record"] == "receipt").collect()
}

/// Waits for what an independent task will do.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    let limit = std::time::Instant::now() + std::time::Duration::from_secs(120);
    while std::time::Instant::now() < limit {
        if condition() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("it didn't happen");
}

#[test]
fn a_stream_that_is_dropped_ends_its_query() {
    harness::run(async {
        let (running, audit) = own("flight-drop").await;
        let mut root = Flight::connect(running.flight, "root", PASSWORD).await.unwrap();
        let rows = root.statement("SELECT * FROM crm.orders").await.unwrap().count();
        until(|| receipts(&audit).len() == 1).await;
        assert_eq!(receipts(&audit)[0]["outcome"], "complete");
        assert_eq!(receipts(&audit)[0]["rows"], rows);
        assert!(receipts(&audit)[0]["bytes"].as_u64().unwrap() > 1000);

        // The client resets the stream; the connection stays.
        let ticket = ticket(&mut root, LONG).await;
        let request = root.request(ticket.clone());
        let mut stream = root.inner.do_get(request).await.unwrap().into_inner();
        for _ in 0..3 {
            stream.message().await.unwrap().unwrap();
        }
        drop(stream);
        until(|| receipts(&audit).len() == 2).await;
        let receipt = receipts(&audit)[1].clone();
        assert_eq!(receipt["outcome"], "abandoned");
        assert!(receipt["rows"].as_u64().unwrap() > 0, "{receipt}");
        assert!(receipt["rows"].as_u64().unwrap() < 220 * 220 * 220, "{receipt}");

        // The whole connection goes.
        let mut other = Flight::connect(running.flight, "root", PASSWORD).await.unwrap();
        let request = other.request(ticket);
        let stream = other.inner.do_get(request).await.unwrap();
        drop((stream, other));
        until(|| receipts(&audit).len() == 3).await;
        assert_eq!(receipts(&audit)[2]["outcome"], "abandoned");
    });
}

#[test]
fn a_flight_is_cancelled_by_its_principal() {
    harness::run(async {
        let (running, audit) = own("flight-cancel").await;
        let mut root = Flight::connect(running.flight, "root", PASSWORD).await.unwrap();
        let mut ana = Flight::connect(running.flight, "ana", PASSWORD).await.unwrap();
        let query = CommandStatementQuery { query: LONG.to_owned(), transaction_id: None };
        let info = root.info(command(&query)).await.unwrap();
        let cancel = CancelFlightInfoRequest { info: Some(info.clone()) };
        let cancel = Bytes::from(cancel.encode_to_vec());
        let status = |bodies: Vec<Bytes>| {
            CancelFlightInfoResult::decode(bodies[0].as_ref()).unwrap().status()
        };
        let early = root.action("CancelFlightInfo", cancel.clone()).await.unwrap();
        assert_eq!(status(early), CancelStatus::NotCancellable);

        let request = root.request(info.endpoint[0].ticket.clone().unwrap());
        let mut stream = root.inner.do_get(request).await.unwrap().into_inner();
        stream.message().await.unwrap().unwrap();
        let refused = ana.action("CancelFlightInfo", cancel.clone()).await.unwrap_err();
        assert!(refused.message().contains("the handle is not valid"), "{refused}");
        let answer = root.action("CancelFlightInfo", cancel).await.unwrap();
        assert_eq!(status(answer), CancelStatus::Cancelled);
        let ended = loop {
            match stream.message().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the stream came to its end"),
                Err(status) => break status,
            }
        };
        assert_eq!(ended.code(), Code::Cancelled, "{ended}");
        until(|| receipts(&audit).len() == 1).await;
        assert_eq!(receipts(&audit)[0]["outcome"], "canceled");

        // The older action packs the same.
        let older = ActionCancelQueryRequest { info: info.encode_to_vec().into() };
        let body = older.as_any().encode_to_vec().into();
        assert_eq!(root.action("CancelQuery", body).await.unwrap().len(), 1);
    });
}

/// A small deterministic source of bytes.
fn noise(seed: &mut u64, length: usize) -> Vec<u8> {
    (0..length)
        .map(|_| {
            *seed ^= *seed << 13;
            *seed ^= *seed >> 7;
            *seed ^= *seed << 17;
            (*seed >> 24) as u8
        })
        .collect()
}

#[test]
fn noise_is_refused_and_harms_nothing() {
    harness::run(async {
        let (running, _) = own("flight-noise").await;
        let mut ana = Flight::connect(running.flight, "ana", PASSWORD).await.unwrap();
        let mut seed = 0x9e37_79b9_7f4a_7c15;
        let good = ticket(&mut ana, "SELECT id FROM crm.customers").await;
        for round in 0..200 {
            let mut bytes = noise(&mut seed, round * 3);
            if round % 2 == 1 {
                // Almost a ticket.
                bytes = good.ticket.to_vec();
                let at = noise(&mut seed, 2);
                let at = usize::from(u16::from_be_bytes([at[0], at[1]])) % bytes.len();
                bytes[at] = bytes[at].wrapping_add(1 + (round as u8 >> 1));
            }
            let refused = ana.get(Ticket::new(bytes.clone())).await;
            let code = refused.map(|_| Code::Ok).unwrap_or_else(|status| status.code());
            assert_eq!(code, Code::InvalidArgument, "round {round}: {bytes:02x?}");
            let descriptor = arrow_flight::FlightDescriptor::new_cmd(bytes.clone());
            let code = ana.info(descriptor).await.unwrap_err().code();
            assert!(matches!(code, Code::InvalidArgument | Code::Unimplemented), "{code:?}");
            for action in ["CreatePreparedStatement", "CancelFlightInfo", "SetSessionOptions"] {
                if let Err(status) = ana.action(action, bytes.clone().into()).await {
                    assert_eq!(status.code(), Code::InvalidArgument, "{action}: {bytes:02x?}");
                }
            }
        }
        // Parameters that are no record batch.
        let handle = ana.prepare("SELECT $1::int").await.unwrap().handle;
        let query = CommandPreparedStatementQuery { prepared_statement_handle: handle };
        for round in 0..100 {
            let mut data = arrow_flight::FlightData::new().with_descriptor(command(&query));
            data.data_header = noise(&mut seed, round * 5).into();
            data.data_body = noise(&mut seed, round * 7).into();
            let request = ana.request(futures::stream::iter([data]));
            let refused = ana.inner.do_put(request).await;
            assert!(refused.is_err() || round == 0);
        }
        // Messages beyond the bound, before and after authentication.
        let huge = vec![0_u8; 17 << 20];
        assert!(ana.get(Ticket::new(huge.clone())).await.is_err());
        assert!(ana.action("CreatePreparedStatement", huge.clone().into()).await.is_err());
        let mut stranger = Flight::stranger(running.flight).await;
        assert_eq!(
            stranger.get(Ticket::new(huge)).await.unwrap_err().code(),
            Code::Unauthenticated
        );
        let rows: Rows = ana.statement("SELECT count(*) FROM crm.customers").await.unwrap();
        assert_eq!(rows.values(), [[Value::Number(40.0)]]);
    });
}
