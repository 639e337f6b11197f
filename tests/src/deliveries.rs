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

/// What is written of a portal is what Describe says, whoever fetched from it before; and what FETCH gives is what
/// was told of it.
#[test]
fn rows_are_as_they_were_described() {
    harness::run(async {
        let mut both = Both::new().await;
        let mut wrong = Vec::new();
        let two = "DECLARE c CURSOR FOR SELECT 1 AS a, 'y' AS b UNION ALL SELECT 3, 'z' ORDER BY 1";
        let one = "DECLARE c CURSOR FOR SELECT 'x' AS a";
        let describe = |portal: &str| message(b'D', &[b"P", &zero(portal)[..]].concat());
        let run = |portal: &str, sql: &str, formats: &[i16]| {
            [parse("", sql), bind(portal, "", formats), execute(portal, 0)].concat()
        };
        let (begin, rollback) = (message(b'Q', &zero("BEGIN")), message(b'Q', &zero("ROLLBACK")));
        for (text, bytes) in [
            (
                "formats",
                [
                    run("", two, &[]),
                    run("", "FETCH 1 FROM c", &[1]),
                    describe("c"),
                    execute("c", 1),
                    sync(),
                ]
                .concat(),
            ),
            (
                "binary",
                [
                    run("", &two.replace("CURSOR", "BINARY CURSOR"), &[]),
                    describe("c"),
                    execute("c", 1),
                    run("", "FETCH 1 FROM c", &[]),
                    sync(),
                ]
                .concat(),
            ),
            (
                "late",
                [
                    parse("f", "FETCH 1 FROM c"),
                    run("", two, &[]),
                    bind("", "f", &[]),
                    describe(""),
                    execute("", 0),
                    sync(),
                ]
                .concat(),
            ),
            (
                "moved",
                [run("", two, &[]), run("", "MOVE 1 IN c", &[0, 1]), execute("c", 0), sync()]
                    .concat(),
            ),
            (
                "held",
                [
                    run("", &one.replace("FOR", "WITH HOLD FOR"), &[]),
                    run("", "FETCH 0 FROM c", &[]),
                    run("", "CLOSE c", &[]),
                    sync(),
                ]
                .concat(),
            ),
        ] {
            for part in [&begin, &bytes, &rollback] {
                wrong.extend(both.same(text, part).await);
            }
            both.same("", &message(b'Q', &zero("DEALLOCATE ALL"))).await;
        }
        assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
        // Another cursor of that name than the one that was described.
        let mut ana = both.ours;
        ana.query(&format!("BEGIN; {two}")).await;
        let bytes = [
            parse("", "FETCH 1 FROM c"),
            bind("p", "", &[]),
            describe("p"),
            run("", "CLOSE c", &[]),
            run("", one, &[]),
            execute("p", 0),
            sync(),
        ];
        ana.send(&bytes.concat()).await;
        let replies = ana.until_ready().await;
        let error = replies.iter().find(|reply| reply.kind == b'E').expect("other columns came");
        assert_eq!(error.field(b'C').as_deref(), Some("0A000"), "{replies:?}");
        ana.query("ROLLBACK").await;
        ana.works().await;
    });
}

/// Small messages have no large answers that nobody takes, long texts no long parsing, and nobody keeps more
/// results waiting than he may.
#[test]
fn fetches_have_bounds() {
    harness::run(async {
        let world = harness::world().await;
        let mut ana = Raw::session(world.address(), "ana").await;
        // 70 bytes a statement, and each would be looked for from the start of the text.
        let copies =
            format!("COPY /*{}*/ (SELECT 1) TO STDOUT;", "x".repeat(900)).repeat(998) + "SELEC 1";
        let replies = ana.query(&copies).await;
        assert_eq!(replies[0].field(b'C').as_deref(), Some("42601"), "{replies:?}");
        ana.query("BEGIN").await;
        for number in 0..64 {
            let sql =
                format!("DECLARE c{number} CURSOR FOR SELECT id FROM crm.orders; FETCH c{number}");
            assert!(!kinds(&ana.query(&sql).await).contains('E'), "{sql}");
        }
        let replies =
            ana.query("DECLARE more CURSOR FOR SELECT id FROM crm.orders; FETCH more").await;
        let error = replies.iter().find(|reply| reply.kind == b'E').unwrap();
        assert_eq!(error.field(b'C').as_deref(), Some("54000"));
        ana.query("ROLLBACK").await;
        ana.works().await;
    });
}

/// Rows that wait for the client are not given under policies that were replaced.
#[test]
fn other_policies_end_what_waits() {
    harness::run(async {
        let site = Site::new(Postgres::shared().await.scratch("waiting"), &[]);
        write(&site.data().join("events.parquet"), &rows(0..3_000), 1_000);
        let server = site.serve().await;
        let mut ana = site.raw("ana").await;
        let declare =
            "DECLARE c CURSOR WITH HOLD FOR SELECT id, tenant_id FROM shop.events ORDER BY id";
        for sql in [declare, "FETCH 2 FROM c"] {
            assert!(!kinds(&ana.query(sql).await).contains('E'), "{sql}");
        }
        let policies = site.folder.join("policies/all.sql");
        let text = std::fs::read_to_string(&policies).unwrap();
        let changed =
            text.replace("tenant_id = principal_attr('tenant_id')", "tenant_id = 'globex'");
        assert_ne!(text, changed);
        std::fs::write(&policies, changed).unwrap();
        server.reload();
        let replies = loop {
            // Until the reload is done: it is a task of its own.
            let replies = ana.query("SELECT DISTINCT tenant_id FROM shop.events").await;
            if replies.iter().any(|reply| reply.kind == b'D' && reply.body.ends_with(b"globex")) {
                break ana.query("FETCH 2 FROM c").await;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let error = replies.iter().find(|reply| reply.kind == b'E').expect("rows of before came");
        assert_eq!(error.field(b'C').as_deref(), Some("42501"));
        let replies = ana.query("DECLARE d CURSOR WITH HOLD FOR SELECT DISTINCT tenant_id FROM shop.events; FETCH ALL FROM d").await;
        let rows: Vec<_> = replies.iter().filter(|reply| reply.kind == b'D').collect();
        assert!(rows.len() == 1 && rows[0].body.ends_with(b"globex"), "{replies:?}");
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
            "COPY (SELECT id, name FROM shop.events) TO STDOUT (FORMAT csv)",
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
        for form in [
            "BEGIN; DECLARE c CURSOR FOR SELECT * FROM {}; FETCH c",
            "COPY (SELECT * FROM {}) TO STDOUT",
        ] {
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
        for sql in ["DECLARE c CURSOR WITH HOLD FOR SELECT id FROM crm.orders; FETCH c"] {
            assert!(!kinds(&ana.query(sql).await).contains('E'), "{sql}");
        }
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
