//! How connections and statements end: by a signal, by a client that goes, at the bounds.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::process::{Child, Command, Stdio};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::net::TcpStream;
use tollgate_gateway::introspect::SystemRelations;
use tollgate_warehouse::admission::Admission;
use tollgate_warehouse::embedded::Embedded;

use crate::fuzz::world;
use crate::harness::flight::Flight;
use crate::harness::postgres::Postgres;
use crate::harness::raw::{Raw, kinds, message, startup, zero};
use crate::harness::served::{Site, rows, write};
use crate::harness::{self, gateway};
use crate::routing::shows;

const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for something that has to come.
async fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let limit = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(Instant::now() < limit, "{what} doesn't come");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Not a test: the process that the tests of signals send signals to.
#[test]
fn serve_as_a_process_of_its_own() {
    let Some(config) = std::env::var_os("TOLLGATE_SERVE") else { return };
    let arguments = ["tollgate".into(), "serve".into(), "--config".into(), config];
    let code = tollgate_proxy::cli::run(arguments);
    std::process::exit(i32::from(code != std::process::ExitCode::SUCCESS));
}

/// A gateway as a process.
struct Process(Child);

impl Process {
    async fn start(site: &Site) -> Process {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "lifetimes::serve_as_a_process_of_its_own", "--nocapture"])
            .env("TOLLGATE_SERVE", site.config())
            .env("TOLLGATE_LOG", "warn")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let address = site.address;
        eventually("the gateway's listener", || std::net::TcpStream::connect(address).ok()).await;
        Process(child)
    }

    fn terminate(&self) {
        self.signal("-TERM");
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    async fn end(mut self) {
        let status = eventually("the end of the process", || self.0.try_wait().unwrap()).await;
        assert!(status.success(), "{status}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn site(name: &str, keys: &[&str]) -> Site {
    let site = Site::new(Postgres::shared().await.scratch(name), keys);
    write(&site.data().join("events.parquet"), &rows(0..60_000), 10_000);
    site
}

/// Each decision with the outcomes of its receipts.
fn receipts(site: &Site) -> BTreeMap<String, (String, Vec<String>)> {
    let mut all = BTreeMap::new();
    for record in site.records() {
        let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
        let entry: &mut (String, Vec<String>) = all.entry(text("id")).or_default();
        match record["record"].as_str() {
            Some("decision") => entry.0 = text("sql"),
            _ => entry.1.push(text("outcome")),
        }
    }
    all
}

/// More than sockets buffer.
const LONG: &str = "SELECT a.name, b.name AS other FROM shop.events a CROSS JOIN (SELECT name FROM shop.events LIMIT 5) b";
const ENDLESS: &str =
    "SELECT a.name FROM shop.events a CROSS JOIN shop.events b CROSS JOIN shop.events c";

#[test]
fn sigterm_ends_idle_sessions_and_lets_statements_finish() {
    harness::run(async {
        let site = site("drain", &["drain = \"300s\""]).await;
        let process = Process::start(&site).await;
        let (mut idle, mut busy) = (site.raw("ana").await, site.raw("ana").await);
        busy.send(&message(b'Q', &zero(LONG))).await;
        busy.wait(b'D').await;
        process.terminate();
        // The idle session is told and closed while the statement runs.
        let last = idle.until_closed().await;
        assert_eq!(kinds(&last), "E", "{last:?}");
        assert_eq!(last[0].field(b'C').as_deref(), Some("57P01"));
        // No new session; whom the listener leaves behind as it closes is reset, not refused.
        eventually("the end of the listener", || {
            let error = std::net::TcpStream::connect(site.address).err()?;
            (error.kind() == std::io::ErrorKind::ConnectionRefused).then_some(())
        })
        .await;
        let rest = busy.until_closed().await;
        let found = kinds(&rest);
        assert_eq!(found.matches('D').count(), 40_000 * 5 - 1, "{:?}", rest.last());
        let end = found.trim_start_matches('D');
        assert!(end == "CZE" || end == "CZ", "{end}");
        process.end().await;
        let receipts = receipts(&site);
        let (_, outcomes) = receipts.values().find(|(sql, _)| sql == LONG).unwrap();
        assert_eq!(outcomes, &["complete"]);
    });
}

#[test]
fn what_outlasts_the_drain_is_cut_with_a_receipt() {
    harness::run(async {
        let site = site("cut", &["drain = \"1s\""]).await;
        let process = Process::start(&site).await;
        let mut streaming = site.raw("ana").await;
        streaming.send(&message(b'Q', &zero(ENDLESS))).await;
        streaming.wait(b'D').await;
        // This one has no row to give yet.
        let counting = format!("SELECT count(*) FROM ({ENDLESS}) t");
        let mut silent = site.raw("ana").await;
        silent.send(&message(b'Q', &zero(&counting))).await;
        eventually("the decision", || {
            site.records().iter().find(|record| record["sql"] == counting.as_str()).map(drop)
        })
        .await;
        process.terminate();
        for raw in [&mut streaming, &mut silent] {
            let rest = raw.until_closed().await;
            let error = rest.iter().find(|reply| reply.kind == b'E').expect("no error is told");
            assert_eq!(error.field(b'C').as_deref(), Some("57014"), "{error:?}");
        }
        process.end().await;
        let receipts = receipts(&site);
        assert_eq!(receipts.len(), 2);
        for (sql, outcomes) in receipts.values() {
            // A stream that is cut while the socket is full is left, not ended.
            let cut = outcomes == &["canceled"] || outcomes == &["abandoned"];
            assert!(cut, "{sql}: {outcomes:?}");
        }
    });
}

/// A reload asks all warehouses at once, and whether they answer or not, signals and clients go on.
#[test]
fn a_reload_that_waits_for_warehouses_holds_nothing_up() {
    harness::run(async {
        let site = site("slow_reload", &["drain = \"1s\""]).await;
        let process = Process::start(&site).await;
        // Takes connections and says nothing.
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = silent.local_addr().unwrap().port();
        let config = std::fs::read_to_string(site.config()).unwrap();
        let mut config =
            config.replace("warehouse.kind = \"embedded\"\nwarehouse.data = \"data\"\n", "");
        config += "[[warehouses]]\nname = \"files\"\ndata = \"data\"\nschemas = [\"shop\"]\n";
        for name in ["one", "two"] {
            config += &format!(
                "[[warehouses]]\nname = \"{name}\"\nkind = \"postgres\"\nhost = \"127.0.0.1\"\n\
                 port = {port}\ndatabase = \"d\"\nuser = \"u\"\nschemas = [\"{name}\"]\n"
            );
        }
        std::fs::write(site.config(), config).unwrap();
        process.signal("-HUP");
        let mut asked = Vec::new();
        for _ in ["one", "two"] {
            let connection = tokio::time::timeout(PATIENCE, silent.accept()).await;
            asked.push(connection.expect("both are asked at once").unwrap());
        }
        site.raw("ana").await.works().await;
        process.terminate();
        process.end().await;
    });
}

/// Strangers who connect and say nothing, many more than there is room for.
async fn crowd(address: SocketAddr) -> Vec<TcpStream> {
    let mut crowd = Vec::new();
    for _ in 0..400 {
        crowd.push(TcpStream::connect(address).await.unwrap());
    }
    crowd
}

#[test]
fn the_silent_keep_nobody_out() {
    harness::run(async {
        let keys = [
            "pg.max_connections = 2",
            "flight.listen = \"127.0.0.1:0\"",
            "flight.max_connections = 2",
        ];
        let site = site("silent", &keys).await;
        let server = site.serve().await;
        let silent = crowd(site.address).await;
        let mut ana = site.raw("ana").await;
        ana.works().await;
        // Who is in, isn't shown out by those who come later.
        let more = crowd(site.address).await;
        site.raw("ana").await.works().await;
        ana.works().await;
        drop((silent, more));

        let address = server.flight().unwrap();
        let silent = crowd(address).await;
        let mut ana = Flight::connect(address, "ana", gateway::PASSWORD).await.unwrap();
        let sql = "SELECT count(*) FROM shop.events";
        assert_eq!(ana.statement(sql).await.unwrap().count(), 1);
        let more = crowd(address).await;
        assert_eq!(ana.statement(sql).await.unwrap().count(), 1);
        drop((silent, more));
        server.stop().await;
    });
}

#[test]
fn clients_that_vanish_leave_one_receipt_each() {
    harness::run(async {
        let site = site("vanish", &[]).await;
        let server = site.serve().await;
        let mut expected = 0;
        for point in 0..24_u32 {
            let mut raw = site.raw("ana").await;
            let sql = format!("{LONG} WHERE {point} < 100");
            raw.send(&message(b'Q', &zero(&sql))).await;
            expected += 1;
            match point % 4 {
                // Before the answer, after the first row, in mid-stream, and with a statement waiting.
                0 => {}
                1 => drop(raw.wait(b'D').await),
                2 => {
                    for _ in 0..point * 200 {
                        raw.reply().await.unwrap();
                    }
                }
                _ => {
                    raw.wait(b'D').await;
                    raw.send(&message(b'Q', &zero("SELECT 1"))).await;
                }
            }
        }
        // What a client sent before it went may or may not have been read.
        let all = eventually("a receipt for each", || {
            let all = receipts(&site);
            let ended =
                all.values().filter(|(sql, ends)| sql.starts_with(LONG) && !ends.is_empty());
            let begun = all.values().filter(|(sql, _)| sql.starts_with(LONG)).count();
            (ended.count() == begun && begun >= expected * 3 / 4).then_some(all)
        })
        .await;
        for (sql, outcomes) in all.values() {
            assert_eq!(outcomes.len(), 1, "{sql}: {outcomes:?}");
            let known = ["abandoned", "failed", "canceled"].contains(&outcomes[0].as_str());
            assert!(known, "{sql}: {outcomes:?}");
        }
        server.stop().await;
        // Nothing is added when the server ends.
        for (sql, outcomes) in receipts(&site).values() {
            assert_eq!(outcomes.len(), 1, "{sql}: {outcomes:?}");
        }
    });
}

#[test]
fn two_hundred_idle_sessions_are_kept_and_the_next_is_refused() {
    const SESSIONS: usize = 200;
    harness::run(async {
        let key = format!("pg.max_connections = {SESSIONS}");
        let site = site("idle", &[key.as_str()]).await;
        let server = site.serve().await;
        let mut sessions = Vec::new();
        for _ in 0..SESSIONS / 10 {
            let ten = (0..10).map(|_| site.raw("ana"));
            sessions.extend(futures::future::join_all(ten).await);
        }
        let mut refused = Raw::open(site.address).await;
        let parameters = [("user", "ana"), ("database", gateway::DATABASE)];
        refused.send(&startup(0x0003_0000, &parameters)).await;
        refused.authenticate(gateway::PASSWORD).await;
        let last = refused.until_closed().await;
        let error = last.iter().find(|reply| reply.kind == b'E').expect("no error is told");
        assert_eq!(error.field(b'C').as_deref(), Some("53300"), "{error:?}");
        for session in &mut sessions {
            session.works().await;
        }
        // One goes, another one may come.
        drop(sessions.pop());
        let mut leaving = sessions.pop().unwrap();
        leaving.send(&message(b'X', &[])).await;
        assert_eq!(leaving.until_closed().await, []);
        let limit = Instant::now() + PATIENCE;
        let mut welcome = loop {
            let mut raw = Raw::open(site.address).await;
            raw.send(&startup(0x0003_0000, &parameters)).await;
            raw.authenticate(gateway::PASSWORD).await;
            if kinds(&raw.until_ready().await).ends_with('Z') {
                break raw;
            }
            assert!(Instant::now() < limit, "no slot is given back");
        };
        welcome.works().await;
        server.stop().await;
    });
}

fn poll<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Option<T> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// Slots are bounded and given in order of arrival; one that stops waiting leaves no gap.
#[test]
fn slots_are_given_in_order_and_given_back() {
    let functions = tollgate_gateway::Functions::new(Embedded::udf_source());
    let world = world::World::new(&functions, Box::new(SystemRelations));
    let secured = || {
        let parsed = tollgate_rewriter::parse("SELECT id FROM crm.orders").unwrap();
        world.road(&parsed[0]).unwrap().unwrap()
    };
    let admission = Admission::new(2);
    let mut first = pin!(admission.admit(secured()));
    let mut second = pin!(admission.admit(secured()));
    let mut third = pin!(admission.admit(secured()));
    let mut fourth = Box::pin(admission.admit(secured()));
    let mut fifth = pin!(admission.admit(secured()));
    let first = poll(first.as_mut()).unwrap().unwrap();
    let second = poll(second.as_mut()).unwrap().unwrap();
    assert_eq!(admission.free(), 0);
    assert!(poll(third.as_mut()).is_none(), "a third of two");
    // What the gateway runs itself has slots of its own.
    let parsed = tollgate_rewriter::parse("SELECT 1").unwrap();
    let own = world.road(&parsed[0]).unwrap().unwrap();
    let mut own = Box::pin(admission.admit(own));
    assert!(poll(own.as_mut()).is_some_and(|admitted| admitted.is_ok()));
    drop(own);
    assert!(poll(fourth.as_mut()).is_none());
    assert!(poll(fifth.as_mut()).is_none());
    drop(first);
    assert!(poll(fifth.as_mut()).is_none(), "the last came first");
    assert!(poll(fourth.as_mut()).is_none(), "the second came first");
    let third = poll(third.as_mut()).unwrap().unwrap();
    assert_eq!(third.secured().sql(), "SELECT id FROM crm.orders");
    // A caller that gives up, as at its timeout.
    drop(fourth);
    drop(second);
    let fifth = poll(fifth.as_mut()).unwrap().unwrap();
    assert_eq!(admission.free(), 0);
    drop((third, fifth));
    assert_eq!(admission.free(), 2);
    // Closed: who comes is refused.
    admission.close();
    let mut late = pin!(admission.admit(secured()));
    assert!(poll(late.as_mut()).unwrap().is_err());
    assert_eq!(Admission::new(0).free(), 1, "at least one");
}

/// Over the wire: with two slots taken the third statement waits, within its timeout, and a slot that
/// is free again serves it.
#[test]
fn statements_wait_for_a_slot() {
    harness::run(async {
        let keys = ["warehouse.max_concurrent = 2", "admin.listen = \"127.0.0.1:0\""];
        let site = site("slots", &keys).await;
        let server = site.serve().await;
        // They have no rows to give; who doesn't read rows gives the slot back.
        let counting = format!("SELECT count(*) FROM ({ENDLESS}) t");
        let (mut one, mut two) = (site.raw("ana").await, site.raw("ana").await);
        for raw in [&mut one, &mut two] {
            raw.send(&message(b'Q', &zero(&counting))).await;
        }
        shows(&server, "tollgate_warehouse_running", 2).await;
        let third = site.connect("ana").await;
        assert_eq!(third.simple("SET statement_timeout = '300ms'").await.error(), None);
        let answer = third.simple("SELECT count(*) FROM shop.events").await;
        assert_eq!(answer.error().map(|error| error.0), Some("57014"), "{answer:?}");
        assert_eq!(third.simple("SET statement_timeout = 0").await.error(), None);
        let waiting = third.simple("SELECT count(*) FROM shop.events");
        drop(one);
        let answer = waiting.await;
        assert_eq!(answer.error(), None, "{answer:?}");
        assert_eq!(answer.rows().len(), 1);
        drop(two);
        server.stop().await;
        let denied = |record: &&Value| record["outcome"] == "denied";
        assert_eq!(site.records().iter().filter(denied).count(), 0);
    });
}
