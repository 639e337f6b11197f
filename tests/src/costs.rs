//! Limits over a whole gateway, by both protocols: refused before, stopped while it runs, and given
//! back whatever the ending.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_flight::sql::CommandStatementQuery;
use arrow_flight::{CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus};
use prost::Message;
use tollgate_warehouse::postgres::discover;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::harness::client::Answer;
use crate::harness::flight::{Flight, command};
use crate::harness::gateway::{Caches, PASSWORD, start_over};
use crate::harness::postgres::Postgres;
use crate::harness::raw::{Raw, cancel, kinds, message, zero};
use crate::harness::served::{Site, rows, write};
use crate::harness::{run, world};
use crate::postgres_warehouse::warehouse;
use crate::routing::shows;

const PRICE: &str = "CREATE PRICE p TO PUBLIC PER QUERY 1 CURRENCY 'USD';";

/// More rows than anybody reads.
const ENDLESS: &str =
    "SELECT a.name FROM shop.events a CROSS JOIN shop.events b CROSS JOIN shop.events c";
/// The same for one row.
const COUNTED: &str =
    "SELECT count(*) FROM shop.events a CROSS JOIN shop.events b CROSS JOIN shop.events c";

async fn site(name: &str, limits: &str) -> Site {
    let keys = [
        "flight.listen = \"127.0.0.1:0\"",
        "admin.listen = \"127.0.0.1:0\"",
        "cache.results = \"16 MiB\"",
        "ledger.statements = \"whole\"",
        "[[tables]]",
        "name = \"shop.kept\"",
        "cache_for = \"1h\"",
    ];
    let site = Site::new(Postgres::shared().await.scratch(name), &keys);
    write(&site.data().join("events.parquet"), &rows(0..6_000), 500);
    write(&site.data().join("kept.parquet"), &rows(0..600), 100);
    std::fs::write(site.folder.join("policies/limits.sql"), limits).unwrap();
    site
}

/// The code, message and hint of an error.
fn told(answer: &Answer) -> String {
    let Answer::Error { fields, .. } = answer else { panic!("no error: {answer:?}") };
    let field = |name| fields.get(name).cloned().unwrap_or_default();
    format!("{} {} ({})", field("code"), field("message"), field("hint"))
}

fn count(answer: &Answer) -> usize {
    assert!(answer.error().is_none(), "{answer:?}");
    answer.rows().len()
}

async fn flight(server: &tollgate_proxy::serve::Server, user: &str) -> Flight {
    Flight::connect(server.flight().unwrap(), user, PASSWORD).await.unwrap()
}

/// What a status tells programs: the reason, and the SQLSTATE.
fn reason(status: &Status) -> (String, String) {
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("{status:?}"));
    assert_eq!(info.domain, "tollgate");
    (info.reason.clone(), info.metadata["sqlstate"].clone())
}

/// What is true in the end, however long it takes.
async fn eventually(what: &str, mut ask: impl AsyncFnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !ask().await {
        assert!(Instant::now() < limit, "{what} doesn't come");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The receipts of statements with this text, once there are so many.
async fn receipts(site: &Site, sql: &str, wanted: usize) -> Vec<serde_json::Value> {
    let find = || {
        let records = site.records();
        let ids: Vec<_> =
            records.iter().filter(|r| r["sql"] == sql).map(|r| r["id"].clone()).collect();
        let own =
            records.into_iter().filter(|r| r["record"] == "receipt" && ids.contains(&r["id"]));
        own.collect::<Vec<_>>()
    };
    eventually("a receipt", async || find().len() >= wanted).await;
    find()
}

#[test]
fn rows_are_cut_and_the_client_is_told() {
    run(async {
        let limits = "CREATE LIMIT few TO ROLE analyst MAX ROWS 700 ON EXCEED TRUNCATE;
            CREATE LIMIT fewer TO USER 'root' MAX ROWS 1000 ON EXCEED ERROR;";
        let site = site("cut_rows", limits).await;
        let server = site.serve().await;
        let mut ana = site.connect("ana").await;
        let sql = "SELECT id, name FROM shop.events ORDER BY id DESC";
        let whole: Vec<i64> = (0..6_000).rev().filter(|id| id % 3 != 2).take(700).collect();
        let notice = "allows 700 rows";
        for road in ["simple", "extended", "portal"] {
            let answer = match road {
                "simple" => ana.simple(sql).await,
                "extended" => ana.extended(sql, &[]).await,
                _ => ana.portal(sql, &[], 64).await,
            };
            let found: Vec<_> = answer.rows().iter().map(|row| row[0].text()).collect();
            let wanted: Vec<_> = whole.iter().map(ToString::to_string).collect();
            assert!(answer.error().is_none() && found == wanted, "{road}: {answer:?}");
            let notices = ana.take_notices();
            assert!(notices.iter().any(|text| text.contains(notice)), "{road}: {notices:?}");
        }
        // Not one row more than there are, and nothing is said.
        assert_eq!(count(&ana.simple("SELECT id FROM shop.events LIMIT 700").await), 700);
        assert_eq!(count(&ana.simple("SELECT count(*) FROM shop.events").await), 1);
        let catalog = "SELECT attname FROM pg_attribute, generate_series(1, 99)";
        assert!(count(&ana.simple(catalog).await) > 700);
        assert_eq!(ana.take_notices(), Vec::<String>::new());
        let cut = receipts(&site, sql, 3).await;
        for receipt in &cut {
            assert_eq!((&receipt["truncated"], &receipt["rows"]), (&true.into(), &700.into()));
            assert_eq!(receipt["outcome"], "complete");
        }

        let mut client = flight(&server, "ana").await;
        let query = CommandStatementQuery { query: sql.to_owned(), transaction_id: None };
        let info = client.info(command(&query)).await.unwrap();
        let ticket = info.endpoint[0].ticket.clone().unwrap();
        let request = client.request(ticket);
        let mut messages = client.inner.do_get(request).await.unwrap().into_inner();
        while messages.message().await.unwrap().is_some() {}
        let trailers = messages.trailers().await.unwrap().unwrap();
        let trailer = trailers.get("tollgate-notice").unwrap().to_str().unwrap();
        assert!(trailer.contains(notice), "{trailer}");
        assert_eq!(client.statement(sql).await.unwrap().count(), 700);

        let root = site.connect("root").await;
        let answer = root.simple(sql).await;
        assert_eq!(
            told(&answer),
            "53T01 the result has more than the 1000 rows that limit \"fewer\" allows \
             (add conditions, aggregate, or add LIMIT)"
        );
        assert!(answer.rows().len() <= 1000);
        assert_eq!(count(&root.simple("SELECT id FROM shop.events LIMIT 1000").await), 1000);
        let status = flight(&server, "root").await.statement(sql).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
        assert!(status.message().contains("SQLSTATE 53T01"), "{status:?}");
        server.stop().await;
    });
}

/// For each limit and statement: the first rows of the whole result, and a notice if there are more.
#[test]
fn a_result_that_is_cut_is_the_beginning_of_the_whole() {
    run(async {
        let site = site("prefixes", "").await;
        let server = site.serve().await;
        let ana = site.connect("ana").await;
        let statements = [
            "SELECT id, amount FROM shop.events ORDER BY amount DESC, id",
            "SELECT amount % 700 AS k, count(*) FROM shop.events GROUP BY 1 ORDER BY 2, 1",
            "SELECT id FROM shop.events ORDER BY id LIMIT 1200 OFFSET 7",
            "SELECT DISTINCT tenant_id FROM shop.events",
            "SELECT id FROM shop.kept UNION ALL SELECT -id FROM shop.kept ORDER BY 1",
            "WITH RECURSIVE r(n) AS (SELECT min(id) FROM shop.kept UNION ALL SELECT n + 1 FROM r WHERE n < 600)
             SELECT n FROM r ORDER BY n",
        ];
        let mut whole = Vec::new();
        for sql in statements {
            whole.push(ana.simple(sql).await.rows().to_vec());
        }
        for most in [1, 2, 500, 699, 700, 800, 1199, 1200, 3999, 4000, 4001] {
            let limit = format!("CREATE LIMIT l TO PUBLIC MAX ROWS {most} ON EXCEED TRUNCATE;");
            std::fs::write(site.folder.join("policies/limits.sql"), limit).unwrap();
            server.reload();
            for (sql, whole) in statements.iter().zip(&whole) {
                let answer = ana.simple(sql).await;
                let wanted = &whole[..whole.len().min(most)];
                assert!(answer.error().is_none() && answer.rows() == wanted, "{most} of {sql}");
                assert_eq!(ana.take_notices().len(), usize::from(whole.len() > most), "{sql}");
            }
        }
        server.stop().await;
    });
}

/// Who sees the same rows shares a kept result; who may have fewer of them gets fewer.
#[test]
fn kept_results_are_cut_for_whom_they_are_given() {
    run(async {
        let limits = "CREATE ROLE other; GRANT ROLE other TO USER 'root';
            CREATE LIMIT few TO ROLE analyst MAX ROWS 5 ON EXCEED TRUNCATE;
            CREATE ROW POLICY mine ON shop.kept AS RESTRICTIVE TO ROLE owner USING (tenant_id = 'acme');";
        let site = site("cut_kept", limits).await;
        let server = site.serve().await;
        let (ana, root) = (site.connect("ana").await, site.connect("root").await);
        let sql = "SELECT id FROM shop.kept ORDER BY id";
        // A result that was cut is never kept as if it were whole.
        assert_eq!(count(&ana.simple(sql).await), 5);
        assert_eq!(count(&root.simple(sql).await), 400);
        assert_eq!(count(&root.simple(sql).await), 400);
        let answer = ana.simple(sql).await;
        assert_eq!(count(&answer), 5);
        let found: Vec<_> = answer.rows().iter().map(|row| row[0].text()).collect();
        assert_eq!(found, ["0", "1", "3", "4", "6"]);
        // One that happens to be short enough is whole.
        let short = "SELECT id FROM shop.kept ORDER BY id LIMIT 5";
        assert_eq!(count(&ana.simple(short).await), 5);
        assert_eq!(count(&root.simple(short).await), 5);
        let receipts = receipts(&site, sql, 4).await;
        let cached: Vec<_> = receipts.iter().map(|r| r["cached"] == true).collect();
        assert_eq!(cached.iter().filter(|cached| **cached).count(), 2, "{receipts:?}");
        server.stop().await;
    });
}

#[test]
fn time_is_up_and_the_limit_is_named() {
    run(async {
        let limits = "CREATE LIMIT quick TO PUBLIC MAX RUNTIME '300 ms';";
        let site = site("runtime", limits).await;
        let server = site.serve().await;
        let ana = site.connect("ana").await;
        let wanted = "57T01 canceling statement after the 300ms that limit \"quick\" allows \
            (make the statement faster: add conditions, or name smaller tables)";
        assert_eq!(told(&ana.simple(COUNTED).await), wanted);
        // A shorter timeout of the session's own is that.
        ana.simple("SET statement_timeout = 100").await;
        assert_eq!(
            ana.simple(COUNTED).await.error(),
            Some(("57014", "canceling statement due to statement timeout"))
        );
        ana.simple("SET statement_timeout = 0").await;
        assert_eq!(told(&ana.simple(COUNTED).await), wanted);
        let status = flight(&server, "ana").await.statement(COUNTED).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
        server.stop().await;
    });
}

#[test]
fn places_are_shared_waited_for_and_given_back() {
    run(async {
        let site = site("places", "CREATE LIMIT one TO ROLE analyst MAX CONCURRENT 1;").await;
        let server = site.serve().await;
        // It has no row to give; one whose rows nobody reads gives its place back.
        let mut holder = site.raw("ana").await;
        holder.send(&message(b'Q', &zero(COUNTED))).await;
        shows(&server, "tollgate_warehouse_running", 1).await;
        let short = "SELECT 1 FROM shop.events LIMIT 1";
        // Four may wait.
        let mut waiting = Vec::new();
        for _ in 0..4 {
            let ana = site.connect("ana").await;
            waiting.push(tokio::spawn(async move { ana.simple(short).await }));
        }
        shows(&server, "tollgate_waiting", 4).await;
        let ana = site.connect("ana").await;
        eventually("a refusal", async || {
            let ended = waiting.iter().any(tokio::task::JoinHandle::is_finished);
            assert!(!ended, "one of those who wait didn't");
            ana.simple("SET statement_timeout = 200").await;
            let answer = ana.simple(short).await;
            let refused = answer.error().is_some_and(|(code, _)| code == "53T03");
            if refused {
                let text = "53T03 1 statements run, as many as limit \"one\" allows, and too many \
                    wait (try again when one of them has ended)";
                assert_eq!(told(&answer), text);
            }
            refused
        })
        .await;
        let status = flight(&server, "ana").await.statement(short).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
        // Others, and the catalogs, are not concerned.
        assert_eq!(count(&site.connect("root").await.simple(short).await), 1);
        assert_eq!(count(&ana.simple("SELECT count(*) FROM pg_class").await), 1);
        drop(holder);
        for one in waiting {
            assert_eq!(count(&one.await.unwrap()), 1);
        }
        server.stop().await;
    });
}

#[test]
fn rates_are_each_users_own() {
    run(async {
        let limits = "CREATE LIMIT slow TO PUBLIC RATE 2 PER HOUR PER USER;
            CREATE LIMIT all_ TO PUBLIC RATE 5 PER HOUR PER TENANT;";
        let site = site("rates", limits).await;
        let server = site.serve().await;
        let (ana, root) = (site.connect("ana").await, site.connect("root").await);
        let sql = "SELECT count(*) FROM shop.events";
        for _ in 0..2 {
            assert_eq!(count(&ana.simple(sql).await), 1);
        }
        let refused = told(&ana.simple(sql).await);
        let start =
            "53T04 limit \"slow\" allows 2 statements per hour for each user (try again in ";
        assert!(refused.starts_with(start), "{refused}");
        let seconds = refused[start.len()..].trim_end_matches(" s)").parse::<u32>().unwrap();
        assert!((1790..=1800).contains(&seconds), "{refused}");
        let status = flight(&server, "ana").await.statement(sql).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert!(status.message().contains("try again in"), "{status:?}");
        let details = status.get_error_details();
        let wait = details.retry_info().and_then(|retry| retry.retry_delay).unwrap();
        assert!((1780..=1800).contains(&wait.as_secs()), "{details:?}");
        assert_eq!(reason(&status), ("RATE_EXCEEDED".to_owned(), "53T04".to_owned()));
        // Not for the catalogs, nor for others.
        assert_eq!(count(&ana.simple("SELECT 1").await), 1);
        assert_eq!(count(&ana.simple("SELECT count(*) FROM pg_class").await), 1);
        for _ in 0..2 {
            assert_eq!(count(&root.simple(sql).await), 1);
        }
        server.stop().await;
    });
}

#[test]
fn what_would_scan_too_much_is_refused_by_the_tables_size() {
    run(async {
        let limits = "CREATE LIMIT small TO PUBLIC MAX BYTES SCANNED '60 KiB';";
        let site = site("bytes", limits).await;
        let server = site.serve().await;
        let ana = site.connect("ana").await;
        assert_eq!(count(&ana.simple("SELECT count(*) FROM shop.kept").await), 1);
        assert_eq!(count(&ana.simple("SELECT id FROM shop.kept").await), 400);
        let refused = told(&ana.simple("SELECT name FROM shop.events").await);
        let (code, rest) = refused.split_at(37);
        assert_eq!(code, "53T02 the statement would scan about ");
        assert!(
            rest.ends_with(
                ", and limit \"small\" allows 60 KiB (name fewer columns or smaller tables)"
            ),
            "{refused}"
        );
        // What the rows hold that she doesn't see, changes nothing.
        for (column, values) in [
            ("name", ["= 'none'", "LIKE 'CANARY%'", "> 'name'"]),
            ("id", ["= -1", "= 2", "> 5990"]),
            ("tenant_id", ["= 'globex'", "= 'acme'", "= 'none'"]),
        ] {
            let mut all = Vec::new();
            for value in values {
                let sql = format!("SELECT name FROM shop.events WHERE {column} {value}");
                all.push(told(&ana.simple(&sql).await));
            }
            assert!(all[0].starts_with(code), "{all:?}");
            assert!(all.iter().all(|one| *one == all[0]), "{all:?}");
        }
        // Where all rows are visible, what the statistics rule out isn't counted.
        let root = site.connect("root").await;
        let narrow = "SELECT name FROM shop.events WHERE id < 100";
        assert_eq!(count(&root.simple(narrow).await), 100);
        assert!(told(&ana.simple(narrow).await).starts_with(code));
        assert_eq!(
            told(&root.simple("SELECT name FROM shop.events").await).get(..5),
            Some("53T02")
        );
        let status = flight(&server, "ana").await.statement("SELECT name FROM shop.events").await;
        let status = status.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(reason(&status), ("BYTES_EXCEEDED".to_owned(), "53T02".to_owned()));
        assert!(status.get_error_details().retry_info().is_none());
        let receipt = &receipts(&site, "SELECT id FROM shop.kept", 1).await[0];
        let (estimate, scanned) =
            (receipt["estimated"].as_u64().unwrap(), receipt["scanned"].as_u64().unwrap());
        assert!(scanned > 0 && scanned <= estimate, "{receipt}");
        server.stop().await;
    });
}

/// What is estimated is no less than what is scanned: with masks, look-ups, views, files of both kinds.
#[test]
fn estimates_hold_what_is_scanned() {
    run(async {
        let limits = "CREATE LIMIT all_ TO PUBLIC MAX BYTES SCANNED '1 GB';
            CREATE MASKING POLICY m ON shop.kept (name) USING (mask_partial(value, 3)) EXCEPT ROLE owner;
            CREATE ROW POLICY looked ON shop.kept AS RESTRICTIVE TO ROLE analyst
              USING (id IN (SELECT id FROM shop.events WHERE amount > 5));
            CREATE VIEW shop.sums AS SELECT tenant_id, sum(amount) AS total FROM shop.events GROUP BY tenant_id;";
        let site = site("estimates", limits).await;
        std::fs::write(site.data().join("plain.csv"), "id,word\n1,one\n2,two\n3,three\n").unwrap();
        let server = site.serve().await;
        let statements = [
            "SELECT * FROM shop.events",
            "SELECT name FROM shop.kept WHERE id BETWEEN 10 AND 20",
            "SELECT sum(amount) FROM shop.events WHERE id > 5500 OR name LIKE '%7'",
            "SELECT * FROM shop.sums",
            "SELECT total FROM shop.sums WHERE tenant_id = 'acme'",
            "SELECT e.id FROM shop.events e JOIN shop.kept k ON k.id = e.id WHERE k.amount > 100",
            "WITH c AS (SELECT id, amount FROM shop.events) SELECT count(*) FROM c a JOIN c b USING (id)",
            "SELECT (SELECT max(amount) FROM shop.kept), id FROM shop.events WHERE id IN (SELECT id FROM shop.kept)",
            "SELECT id FROM shop.events WHERE EXISTS (SELECT 1 FROM shop.kept k WHERE k.id = events.id)",
            "SELECT word FROM shop.plain WHERE id = 2",
            "SELECT p.word, e.name FROM shop.plain p LEFT JOIN shop.events e ON e.id = p.id",
            "SELECT id FROM shop.kept UNION SELECT amount FROM shop.events ORDER BY 1 LIMIT 3",
        ];
        for (number, user) in ["ana", "root"].into_iter().enumerate() {
            let client = site.connect(user).await;
            for sql in statements {
                let answer = client.simple(sql).await;
                assert!(answer.error().is_none(), "{sql}: {answer:?}");
                let receipt = &receipts(&site, sql, number + 1).await[number];
                let number = |name: &str| {
                    receipt[name].as_u64().unwrap_or_else(|| panic!("{sql}: {receipt}"))
                };
                let (estimate, scanned) = (number("estimated"), number("scanned"));
                assert!(0 < scanned && scanned <= estimate, "{sql}: {scanned} of {estimate}");
            }
        }
        server.stop().await;
    });
}

#[test]
fn money_is_held_settled_and_released() {
    run(async {
        let limits =
            format!("{PRICE} CREATE LIMIT poor TO ROLE analyst MAX CONCURRENT 2 BUDGET 7 PER DAY;");
        let site = site("money", &limits).await;
        let server = site.serve().await;
        let ana = site.connect("ana").await;
        let sql = "SELECT count(*) FROM shop.events";
        // Free: the catalogs, what is refused or wrong, and what never begins.
        for free in [
            "SELECT 1",
            "SELECT nothing FROM shop.events",
            "SELECT 1 FROM shop.nothing",
            "SELECT count(*) FROM pg_class",
            "EXPLAIN SELECT id FROM shop.events",
        ] {
            ana.simple(free).await;
        }
        // One to its end, one that fails, one cancelled, one whose client goes. Rows tell that it runs.
        assert_eq!(count(&ana.simple(sql).await), 1);
        assert!(ana.simple("SELECT 1 / (id - 1) FROM shop.events").await.error().is_some());
        for canceled in [true, false] {
            let mut running = site.raw("ana").await;
            running.send(&message(b'Q', &zero(ENDLESS))).await;
            running.wait(b'D').await;
            if canceled {
                cancel(site.address, &running.key).await;
                let replies = running.until_ready().await;
                assert!(kinds(&replies).ends_with("EZ"), "{:?}", replies.last());
            }
        }
        receipts(&site, ENDLESS, 2).await;
        // Four are spent, and two hold two. Who waits for a place in vain gives its money back.
        let mut holders = [site.raw("ana").await, site.raw("ana").await];
        for holder in &mut holders {
            holder.send(&message(b'Q', &zero(COUNTED))).await;
        }
        shows(&server, "tollgate_warehouse_running", 2).await;
        ana.simple("SET statement_timeout = 200").await;
        for _ in 0..2 {
            let answer = ana.simple(sql).await;
            assert_eq!(answer.error().map(|(code, _)| code), Some("57014"), "{answer:?}");
        }
        ana.simple("SET statement_timeout = 0").await;
        // Their places are free again, and their money is spent: there is enough for one.
        drop(holders);
        receipts(&site, COUNTED, 2).await;
        assert_eq!(count(&ana.simple(sql).await), 1);
        let refused = told(&ana.simple(sql).await);
        let start = "53T05 the statement would cost about 1 USD, and of the 7 USD per day that limit \
            \"poor\" allows less is left (try again from ";
        assert!(refused.starts_with(start) && refused.contains(" 00:00 UTC on"), "{refused}");
        let status = flight(&server, "ana").await.statement(sql).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
        let root = site.connect("root").await;
        assert_eq!(count(&root.simple(sql).await), 1);
        server.stop().await;
    });
}

/// Replicas that share a ledger share its money, and a restart doesn't give it back.
#[test]
fn money_is_counted_in_the_ledger() {
    run(async {
        let postgres = Postgres::shared().await;
        postgres.create("purses-of-replicas", &[]).await;
        let url = format!(
            "postgres://postgres@127.0.0.1:{}/purses-of-replicas?sslmode=disable",
            postgres.port
        );
        let limits = format!("{PRICE} CREATE LIMIT poor TO ROLE analyst BUDGET 4 PER DAY;");
        let replica = |name| {
            let name = format!("ledger.replica = \"{name}\"");
            let store = "ledger.kind = \"postgres\"\nledger.url_file = \"ledger.url\"";
            let site = Site::new(postgres.scratch(&name), &[store, &name]);
            write(&site.data().join("events.parquet"), &rows(0..60), 50);
            std::fs::write(site.folder.join("policies/limits.sql"), &limits).unwrap();
            std::fs::write(site.folder.join("ledger.url"), &url).unwrap();
            site
        };
        let (one, two) = (replica("one"), replica("two"));
        let there_is_for = async |site: &Site, queries: usize| {
            let server = site.serve().await;
            let ana = site.connect("ana").await;
            for _ in 0..queries {
                assert_eq!(count(&ana.simple("SELECT count(*) FROM shop.events").await), 1);
            }
            if queries == 0 {
                let refused = told(&ana.simple("SELECT count(*) FROM shop.events").await);
                assert!(refused.starts_with("53T05 "), "{refused}");
            }
            drop(ana);
            server.stop().await;
        };
        for (site, queries) in [(&one, 2), (&two, 1), (&one, 1), (&one, 0), (&two, 0)] {
            there_is_for(site, queries).await;
        }
    });
}

/// Behind a load balancer a client's wish to cancel may reach another gateway than the statement.
#[test]
fn what_another_replica_runs_is_cancelled_by_every_road() {
    run(async {
        let postgres = Postgres::shared().await;
        postgres.create("cancels-of-replicas", &[]).await;
        let url = format!(
            "postgres://postgres@127.0.0.1:{}/cancels-of-replicas?sslmode=disable",
            postgres.port
        );
        let replica = |name| {
            let own = format!("ledger.replica = \"{name}\"");
            let keys = [
                "flight.listen = \"127.0.0.1:0\"",
                "flight.key_file = \"flight.keys\"",
                "ledger.kind = \"postgres\"\nledger.url_file = \"ledger.url\"",
                "ledger.statements = \"whole\"",
                &own,
            ];
            let site = Site::new(postgres.scratch(&format!("cancels {name}")), &keys);
            write(&site.data().join("events.parquet"), &rows(0..6_000), 500);
            std::fs::write(site.folder.join("ledger.url"), &url).unwrap();
            std::fs::write(site.folder.join("flight.keys"), "ab".repeat(32)).unwrap();
            site
        };
        let (here, there) = (replica("here"), replica("there"));
        let (one, two) = (here.serve().await, there.serve().await);
        let begun = async || {
            let mut raw = here.raw("ana").await;
            raw.send(&message(b'Q', &zero(ENDLESS))).await;
            raw.wait(b'D').await;
            raw
        };
        let canceled = async |raw: &mut Raw| {
            let replies = raw.until_ready().await;
            let error = replies.iter().find(|reply| reply.kind == b'E').expect("it goes on");
            assert_eq!(error.field(b'C').as_deref(), Some("57014"));
        };

        // The key of a session. A listener that is still on its way hears nothing, so asked again.
        let mut running = begun().await;
        let mut wrong = running.key.clone();
        *wrong.last_mut().unwrap() ^= 1;
        let key = running.key.clone();
        cancel(there.address, &wrong).await;
        let ask = async {
            loop {
                cancel(there.address, &key).await;
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        tokio::select! { () = canceled(&mut running) => {}, () = ask => {} }
        // What is still on its way may meet one statement more.
        eventually("an answer", async || kinds(&running.query("SELECT 1").await) == "TDCZ").await;

        // Its id, which only its own user's statements can use.
        let mut running = begun().await;
        let (ana, root) = (there.connect("ana").await, there.connect("root").await);
        let find = "SELECT query_id FROM tollgate.my_queries WHERE status = 'running' \
                    AND statement LIKE 'SELECT a.name%'";
        let answer = ana.simple(find).await;
        let id = answer.rows()[0][0].text();
        let cancel = format!("SELECT tollgate.cancel_query('{id}') IS NULL");
        for (client, user) in [(&root, "root"), (&ana, "ana")] {
            running.wait(b'D').await;
            assert_eq!(client.simple(&cancel).await.rows()[0][0].text(), "t", "{user}");
        }
        let ask = async {
            loop {
                ana.simple(&cancel).await;
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        tokio::select! { () = canceled(&mut running) => {}, () = ask => {} }
        running.works().await;

        // The ticket of a flight.
        let mut first = flight(&one, "ana").await;
        let mut second = flight(&two, "ana").await;
        let query = CommandStatementQuery { query: ENDLESS.to_owned(), transaction_id: None };
        let info = first.info(command(&query)).await.unwrap();
        let request = first.request(info.endpoint[0].ticket.clone().unwrap());
        let mut stream = first.inner.do_get(request).await.unwrap().into_inner();
        stream.message().await.unwrap().unwrap();
        let cancel = CancelFlightInfoRequest { info: Some(info) }.encode_to_vec();
        let answer = second.action("CancelFlightInfo", cancel.clone().into()).await.unwrap();
        let answer = CancelFlightInfoResult::decode(answer[0].as_ref()).unwrap();
        assert_eq!(answer.status(), CancelStatus::Cancelling);
        let ended = async {
            loop {
                match stream.message().await {
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("the stream came to its end"),
                    Err(status) => break status,
                }
            }
        };
        let ask = async {
            loop {
                let _ = second.action("CancelFlightInfo", cancel.clone().into()).await;
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        let ended = tokio::select! { ended = ended => ended, () = ask => unreachable!() };
        assert_eq!(ended.code(), Code::Cancelled, "{ended}");
        drop((ana, root, first, second, running));
        one.stop().await;
        two.stop().await;
    });
}

/// Whoever executes is limited, not whoever planned.
#[test]
fn a_shared_plan_has_the_limits_of_its_caller() {
    run(async {
        let limits = "CREATE LIMIT hers TO USER 'ana' MAX ROWS 3 ON EXCEED TRUNCATE;
            GRANT ROLE analyst TO USER 'root'; GRANT ROLE owner TO USER 'ana';";
        let site = site("shared_plans", limits).await;
        let server = site.serve().await;
        let (ana, root) = (site.connect("ana").await, site.connect("root").await);
        for (sql, first) in
            [("SELECT id FROM shop.events", &ana), ("SELECT id, 1 FROM shop.events", &root)]
        {
            first.simple(sql).await;
            assert_eq!(count(&ana.extended(sql, &[]).await), 3);
            // She has no attribute, so she sees nothing: but then nothing is cut.
            assert_eq!(count(&root.extended(sql, &[]).await), 0);
        }
        let lines = ana.simple("EXPLAIN ACCESS SELECT id FROM shop.events").await;
        let lines: Vec<_> = lines.rows().iter().map(|row| row[2].text()).collect();
        let limit = "limit \"hers\" at limits.sql:1: at most 3 rows, the rest is cut off";
        assert!(lines.iter().any(|line| line == limit), "{lines:?}");
        server.stop().await;
    });
}

#[test]
fn a_postgresql_is_limited_too() {
    run(async {
        let world = world().await;
        let warehouse = warehouse(&world.postgres.dsn("full"));
        let schemas = ["crm", "health", "hr"].map(str::to_owned);
        let found = discover(&warehouse, &schemas).await.unwrap();
        let audit = world.postgres.scratch("limited_pg").join("audit.jsonl");
        let policies =
            ["policy/corpus/roles.sql", "policy/corpus/crm.sql", "policy/limits/postgres.sql"];
        let caches = Caches { plans: 64 << 20, ..Caches::default() };
        let whole: u64 = found
            .tables
            .iter()
            .filter(|t| t.name.to_string() == "crm.orders")
            .map(|table| table.bytes.unwrap())
            .sum();
        let gateway =
            start_over(found.tables, Arc::new(warehouse), &audit, &policies, caches).await;
        let (ana, bob, root) = (
            gateway.connect("ana").await,
            gateway.connect("bob").await,
            gateway.connect("root").await,
        );

        let order = "FROM crm.orders ORDER BY id DESC";
        let first = ana.simple(&format!("SELECT id {order} LIMIT 3")).await;
        assert_eq!(ana.take_notices(), Vec::<String>::new());
        let cut = ana.simple(&format!("SELECT id {order}")).await;
        assert_eq!((count(&cut), cut.rows()), (3, first.rows()));
        assert!(ana.take_notices()[0].contains("allows 3 rows"));
        // Rows are hidden from her: whole tables count, whatever she asks.
        for sql in
            ["SELECT id FROM crm.orders WHERE id = 1", "SELECT id FROM crm.orders WHERE id = -1"]
        {
            ana.simple(sql).await;
            eventually("a receipt", async || estimates(&audit, sql).contains(&whole)).await;
        }
        let endless = "SELECT count(*) FROM crm.orders a, crm.orders b, crm.orders c, crm.orders d";
        let error = told(&bob.simple(&format!("{endless} WHERE a.id + b.id + c.id <> d.id")).await);
        assert!(
            error.starts_with("57T01 canceling statement after the 300ms that limit \"quick\"")
        );
        let error = told(&root.simple("SELECT id FROM crm.orders").await);
        let start = "53T02 the statement would scan about ";
        assert!(error.starts_with(start) && error.contains("\"small\" allows 2 KiB"), "{error}");
        let full = world.postgres.connect("full").await;
        eventually("the end of the cancelled query", async || {
            let busy = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'tollgate' \
                AND state = 'active' AND query LIKE '%300%'";
            full.simple(busy).await.rows().is_empty()
        })
        .await;
    });
}

/// The estimates in the receipts of a statement.
fn estimates(audit: &Path, sql: &str) -> Vec<u64> {
    let text = std::fs::read_to_string(audit).unwrap();
    let records: Vec<serde_json::Value> =
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let ids: Vec<_> = records.iter().filter(|r| r["sql"] == sql).map(|r| &r["id"]).collect();
    let own = records.iter().filter(|r| r["record"] == "receipt" && ids.contains(&&r["id"]));
    own.filter_map(|receipt| receipt["estimated"].as_u64()).collect()
}
