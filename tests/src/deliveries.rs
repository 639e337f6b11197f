//! Cursors and COPY give what PostgreSQL gives, message by message; and what they reach is governed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tollgate_proxy::listener::{self, Limits, Shared, TlsMode};

use crate::harness::postgres::Postgres;
use crate::harness::raw::{Raw, Reply, bind, execute, kinds, message, parse, startup, sync, zero};
use crate::harness::served::{Site, rows, write};
use crate::harness::{self, case, gateway};

/// What an answer says: of errors the state, of columns the names.
fn said(replies: &[Reply]) -> Vec<String> {
    let said = |reply: &Reply| {
        let kind = reply.kind as char;
        match reply.kind {
            b'E' => format!("E {}", reply.field(b'C').unwrap()),
            b'T' => format!("T {}", names(&reply.body)),
            _ => format!("{kind} {}", reply.body.escape_ascii()),
        }
    };
    // Settings and notices are compared elsewhere. What is wrong is said at Parse, not at Execute.
    let wrong = replies.iter().any(|reply| reply.kind == b'E');
    let told = |reply: &&Reply| match reply.kind {
        b'S' | b'N' => false,
        // PostgreSQL has all rows of a FETCH before it describes them.
        b'1' | b'2' | b'T' => !wrong,
        _ => true,
    };
    replies.iter().filter(told).map(said).collect()
}

/// The names and formats of the columns of a RowDescription.
fn names(body: &[u8]) -> String {
    let mut rest = &body[2..];
    let mut names = Vec::new();
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == 0).unwrap();
        let format = rest[end + 18];
        names.push(format!("{}:{format}", String::from_utf8_lossy(&rest[..end])));
        rest = &rest[end + 19..];
    }
    names.join(" ")
}

/// A session of a PostgreSQL that trusts its clients.
async fn trusted(address: SocketAddr, database: &str) -> Raw {
    let mut raw = Raw::open(address).await;
    raw.send(&startup(0x0003_0000, &[("user", "postgres"), ("database", database)])).await;
    raw.until_ready().await;
    raw
}

struct Both {
    ours: Raw,
    theirs: Raw,
}

impl Both {
    async fn new() -> Both {
        let world = harness::world().await;
        let server = SocketAddr::from(([127, 0, 0, 1], world.postgres.port));
        let ours = Raw::session(world.address(), "ana").await;
        Both { ours, theirs: trusted(server, "projected").await }
    }

    /// Sends the same to both; what differs.
    async fn same(&mut self, text: &str, bytes: &[u8]) -> Option<String> {
        self.ours.send(bytes).await;
        self.theirs.send(bytes).await;
        let (ours, theirs) = (self.ours.until_ready().await, self.theirs.until_ready().await);
        let (ours, theirs) = (said(&ours), said(&theirs));
        (ours != theirs).then(|| {
            format!("{text}\n  {}\n  PostgreSQL:\n  {}", ours.join("\n  "), theirs.join("\n  "))
        })
    }
}

#[test]
fn cursors_give_what_postgresql_gives() {
    harness::run(async {
        let text = case("clients/cursors.sql");
        let (mut wrong, mut asked) = (Vec::new(), 0);
        for paragraph in text.split("\n\n") {
            let mut both = Both::new().await;
            for sql in paragraph.lines().filter(|line| !line.starts_with("--")) {
                wrong.extend(both.same(sql, &message(b'Q', &zero(sql))).await);
                asked += 1;
            }
        }
        assert!(asked > 90, "{asked}");
        assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    });
}

#[test]
fn copies_give_what_postgresql_gives() {
    harness::run(async {
        let text = case("clients/copies.sql");
        let mut both = Both::new().await;
        let (mut wrong, mut asked) = (Vec::new(), 0);
        for statement in text.split("\nCOPY ").skip(1) {
            let sql = format!("COPY {}", statement.trim_end());
            wrong.extend(both.same(&sql, &message(b'Q', &zero(&sql))).await);
            // And by the extended protocol.
            if !sql.contains(';') || sql.contains("';'") {
                let bytes = [parse("", &sql), bind("", "", &[]), execute("", 0), sync()].concat();
                wrong.extend(both.same(&format!("extended: {sql}"), &bytes).await);
            }
            asked += 1;
        }
        assert!(asked > 25, "{asked}");
        assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    });
}

/// What a cursor or a COPY reaches is what a query does; each has one decision and one receipt, of the rows
/// that went.
#[test]
fn cursors_and_copies_are_governed_and_recorded() {
    harness::run(async {
        let site = Site::new(Postgres::shared().await.scratch("deliveries"), &[]);
        write(&site.data().join("events.parquet"), &rows(0..3_000), 1_000);
        let server = site.serve().await;
        let mut ana = site.raw("ana").await;
        let texts = [
            "BEGIN",
            "DECLARE c CURSOR FOR SELECT id FROM shop.events ORDER BY id",
            "FETCH 3 FROM c",
            "MOVE 10 IN c",
            "FETCH 2 FROM c",
            "CLOSE c",
            "DECLARE h CURSOR WITH HOLD FOR SELECT count(*) FROM shop.events",
            "COMMIT",
            "FETCH 5 FROM h",
            "COPY shop.events (id, name) TO STDOUT (FORMAT csv)",
        ];
        let mut given = String::new();
        for sql in texts {
            let replies = ana.query(sql).await;
            assert!(!kinds(&replies).contains('E'), "{sql}: {replies:?}");
            let shown = replies.iter().filter(|reply| matches!(reply.kind, b'D' | b'd'));
            shown.for_each(|reply| given.push_str(&String::from_utf8_lossy(&reply.body)));
        }
        assert!(given.contains("2000") && !given.contains("CANARY"), "{given}");
        // Hidden is missing.
        for form in ["BEGIN; DECLARE c CURSOR FOR SELECT * FROM {}; FETCH c", "COPY {} TO STDOUT"] {
            let mut said = Vec::new();
            for table in ["shop.nothing", "tollgate.ledger"] {
                let replies = ana.query(&form.replace("{}", table)).await;
                let error = replies.iter().find(|reply| reply.kind == b'E').unwrap();
                said.push(error.field(b'M').unwrap().replace(table, "it"));
                ana.query("ROLLBACK").await;
            }
            assert_eq!(said[0], said[1]);
        }
        drop(ana);
        drop(server);
        let records = site.records();
        let of = |sql: &str| {
            let all = records.iter().filter(|record| record["record"] == "decision");
            let ids: Vec<_> = all.filter(|r| r["sql"] == sql).map(|r| r["id"].clone()).collect();
            assert_eq!(ids.len(), 1, "{sql}: {records:#?}");
            let mut receipts =
                records.iter().filter(|r| r["record"] == "receipt" && r["id"] == ids[0]);
            let receipt = receipts.next().unwrap();
            assert_eq!(receipts.count(), 0, "{sql}");
            (receipt["outcome"].as_str().unwrap(), receipt["rows"].as_u64().unwrap())
        };
        assert_eq!(of("SELECT id FROM shop.events ORDER BY id"), ("abandoned", 5));
        assert_eq!(of("SELECT count(*) FROM shop.events"), ("complete", 1));
        assert_eq!(of("SELECT id, name FROM shop.events"), ("complete", 2000));
    });
}

/// A cursor that nobody reads goes, though its session stays.
#[test]
fn held_cursors_do_not_stay_unread() {
    harness::run(async {
        let world = harness::world().await;
        let limits = Limits { stall: Duration::from_millis(300), ..Limits::default() };
        let (gateway, users) = (Arc::clone(&world.gateway.gateway), Arc::new(gateway::users()));
        let shared = Shared::new(gateway, users, None, TlsMode::Optional, limits);
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let (_shutdown, stopping) = tokio::sync::watch::channel(false);
        tokio::spawn(listener::serve(socket, Arc::new(shared), stopping));
        let mut ana = Raw::session(address, "ana").await;
        for sql in [
            "DECLARE c CURSOR WITH HOLD FOR SELECT id FROM crm.orders",
            "BEGIN; DECLARE d CURSOR FOR SELECT id FROM crm.orders; FETCH d",
        ] {
            assert!(!kinds(&ana.query(sql).await).contains('E'), "{sql}");
        }
        // In a transaction they stay, whatever it takes.
        tokio::time::sleep(Duration::from_millis(900)).await;
        assert!(!kinds(&ana.query("FETCH c; FETCH d; COMMIT").await).contains('E'));
        loop {
            tokio::time::sleep(Duration::from_millis(900)).await;
            let replies = ana.query("FETCH c").await;
            if let Some(error) = replies.iter().find(|reply| reply.kind == b'E') {
                assert_eq!(error.field(b'C').as_deref(), Some("34000"));
                break;
            }
        }
        ana.works().await;
    });
}
