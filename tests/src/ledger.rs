//! The ledger of a gateway that serves, the commands over it, and a PostgreSQL that replicas share.

use std::path::Path;
use std::process::ExitCode;

use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use rust_decimal::Decimal;
use serde_json::Value;
use tollgate_ledger::purse::{Budget, HoldError, Purses};
use tollgate_ledger::verify::verify;
use tollgate_ledger::{
    Decision, Entry, Ledger, LedgerError, Options, Place, PublicKey, Receipt, Retention, Schedule,
    SigningKey, Turn, retain_in_turn,
};
use tollgate_proxy::serve::Server;

use crate::harness::postgres::Postgres;
use crate::harness::served::{Site, rows, write};
use crate::harness::{run, runtime};
use crate::routing::{admin, answer, metric, until};

/// What a command prints, and how it ends. On a thread of its own: it has a runtime of its own.
async fn tollgate(arguments: Vec<String>) -> (ExitCode, Vec<u8>) {
    let command = move || {
        let mut out = Vec::new();
        let arguments = ["tollgate".to_owned()].into_iter().chain(arguments);
        let code = tollgate_proxy::cli::run_to(arguments, &mut out);
        (code, out)
    };
    tokio::task::spawn_blocking(command).await.unwrap()
}

pub(crate) async fn bytes_of(site: &Site, words: &[&str]) -> (ExitCode, Vec<u8>) {
    let config = ["--config".to_owned(), site.config().display().to_string()];
    tollgate(words.iter().map(|word| (*word).to_owned()).chain(config).collect()).await
}

pub(crate) async fn of(site: &Site, words: &[&str]) -> (ExitCode, String) {
    let (code, out) = bytes_of(site, words).await;
    (code, String::from_utf8_lossy(&out).into_owned())
}

/// What a command prints that must work.
pub(crate) async fn works(site: &Site, words: &[&str]) -> String {
    let (code, text) = of(site, words).await;
    assert_eq!(code, ExitCode::SUCCESS, "{words:?}: {text}");
    text
}

async fn site(name: &str, keys: &[&str]) -> Site {
    let folder = Postgres::shared().await.scratch(name);
    let site = Site::new(folder, keys);
    write(&site.data().join("items.parquet"), &rows(0..30), 30);
    site
}

/// Waits until so many queries have ended in the ledger.
pub(crate) async fn ended(site: &Site, count: usize) -> Vec<Value> {
    loop {
        let text = works(site, &["audit", "export", "--format", "records"]).await;
        let records: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        if records.iter().filter(|record| record["record"] == "receipt").count() >= count {
            return records;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[test]
fn a_served_query_is_in_the_ledger_and_on_the_invoice() {
    run(async {
        let site = site("ledger-served", &[]).await;
        let prices = "CREATE PRICE standard TO PUBLIC PER QUERY 0.004
                PER MILLION ROWS RETURNED 1000 CURRENCY 'EUR';
            CREATE PRICE owners TO ROLE owner PER QUERY 2 CURRENCY 'EUR';";
        std::fs::write(site.folder.join("policies/prices.sql"), prices).unwrap();
        let server = site.serve().await;

        let (ana, root) = (site.connect("ana").await, site.connect("root").await);
        let query = "SELECT id, name FROM shop.items WHERE amount >= 0";
        assert_eq!(ana.simple(query).await.rows().len(), 20);
        assert_eq!(root.simple(query).await.rows().len(), 30);
        assert!(ana.simple("SELECT * FROM shop.secret").await.error().is_some());
        let records = ended(&site, 3).await;
        let receipt = records.iter().find(|r| r["record"] == "receipt" && r["rows"] == 20).unwrap();
        assert_eq!(receipt["tenant"], "acme");
        assert_eq!(receipt["roles"], serde_json::json!(["analyst"]));
        assert_eq!(receipt["tables"], serde_json::json!(["shop.items"]));
        // The price is in the record, and so in the chain.
        let price = serde_json::json!({
            "name": "standard", "currency": "EUR", "per_query": "0.004", "per_million_rows": "1000"
        });
        assert_eq!(receipt["price"], price);
        let denied = records.iter().find(|r| r["outcome"] == "denied" && r["record"] == "receipt");
        assert_eq!(denied.unwrap()["price"], Value::Null, "what never ran costs nothing");

        // While the gateway runs:
        let text = works(&site, &["audit", "verify"]).await;
        assert!(text.contains("chain \"main\": 6 records, signed up to 6"), "{text}");
        let kept = works(&site, &["audit", "checkpoint"]).await;
        std::fs::write(site.folder.join("kept"), &kept).unwrap();
        let kept = site.folder.join("kept").display().to_string();
        let text = works(&site, &["audit", "verify", "--checkpoint", &kept]).await;
        assert!(!text.contains("note:"), "{text}");

        let events = works(&site, &["audit", "export"]).await;
        let events: Vec<Value> =
            events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(events.len(), 3);
        for event in &events {
            assert_eq!((&event["class_uid"], &event["type_uid"]), (&6005.into(), &600_504.into()));
            assert!(event["src_endpoint"]["ip"] == "127.0.0.1", "{event}");
        }
        assert_eq!(events[0]["actor"]["user"]["name"], "ana");
        assert_eq!(events[0]["table"]["name"], "shop.items");
        assert_eq!(events[0]["query_info"]["query_string"], query);
        assert_eq!(events[0]["status_id"], 1);
        assert_eq!(events[2]["status_id"], 2);
        assert_eq!(events[2]["status_code"], "undefined_table");

        assert_eq!(works(&site, &["usage", "rate"]).await, "3 receipts rated\n");
        let text = works(&site, &["usage", "prices"]).await;
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.lines().nth(2).unwrap().starts_with("standard  EUR "), "{text}");
        let by = ["usage", "report", "--by", "tenant,user,table,price", "--format", "csv"];
        let text = works(&site, &by).await;
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].starts_with(",root,shop.items,owners,EUR,1,30,"), "{text}");
        assert!(lines[1].ends_with(",2"), "{text}");
        let own =
            lines.iter().find(|line| line.starts_with("acme,ana,shop.items,standard,EUR,1,20,"));
        assert!(own.is_some_and(|line| line.ends_with(",0.024")), "{text}");
        let month = chrono_month(&records[0]);
        let text = works(&site, &["usage", "invoice", "--month", &month, "--tenant", "acme"]).await;
        assert!(text.lines().last().unwrap().contains("0.02"), "{text}");
        let text = works(&site, &["usage", "rate", "--replay"]).await;
        assert!(text.starts_with("3 receipts are rated as before, 0 otherwise"), "{text}");
        let text = works(&site, &["usage", "report", "--format", "focus"]).await;
        check_focus(&text, &month);
        let by = ["usage", "report", "--by", "user,table", "--format", "parquet"];
        let (code, file) = bytes_of(&site, &by).await;
        assert_eq!(code, ExitCode::SUCCESS);
        check_parquet(file);
        let json = works(&site, &["usage", "report", "--by", "user", "--format", "json"]).await;
        let json: Value = serde_json::from_str(&json).unwrap();
        assert!(json.as_array().unwrap().iter().any(|row| row["amount"] == "0.024"), "{json}");
        server.stop().await;
        // The lines beside the ledger are the same records.
        assert_eq!(site.records()[..records.len()], records);

        // And offline, after somebody has changed it.
        let ledger = site.folder.join("ledger.db");
        edit(&ledger).await;
        let (code, text) = of(&site, &["audit", "verify"]).await;
        assert_eq!(code, ExitCode::FAILURE);
        assert!(text.contains("chain \"main\", record 1: it does not fit its hash"), "{text}");
        let (code, _) = of(&site, &["audit", "prune", "--before", "2100-01-01"]).await;
        assert_eq!(code, ExitCode::FAILURE, "what was changed is not deleted");
    });
}

/// The month of a record.
/// Each line is a charge with the columns that FOCUS 1.2 demands, in a period of its month.
fn check_focus(text: &str, month: &str) {
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let names = lines.next().unwrap();
    let lines: Vec<_> = lines.collect();
    let all = |name: &str| -> Vec<&str> {
        let column =
            names.iter().position(|found| *found == name).unwrap_or_else(|| panic!("{name}"));
        lines.iter().map(|line| line[column]).collect()
    };
    assert!(lines.iter().all(|line| line.len() == names.len()), "{text}");
    for cost in ["BilledCost", "EffectiveCost", "ContractedCost", "ListCost"] {
        assert_eq!(all(cost), ["2", "0.024"], "{text}");
    }
    assert_eq!(all("BillingAccountId"), ["nobody", "acme"]);
    assert_eq!(all("SubAccountId"), ["root", "ana"]);
    assert_eq!(all("BillingCurrency"), ["EUR"; 2]);
    assert_eq!(all("ChargeCategory"), ["Usage"; 2]);
    assert_eq!(all("ConsumedQuantity"), ["1"; 2]);
    assert_eq!(all("x_RowsReturned"), ["30", "20"]);
    let start = format!("{month}-01T00:00:00Z");
    assert_eq!(all("BillingPeriodStart"), [&start, &start]);
    let (start, end) = (all("ChargePeriodStart"), all("ChargePeriodEnd"));
    let billed = (all("BillingPeriodStart"), all("BillingPeriodEnd"));
    for line in 0..2 {
        assert!(billed.0[line] <= start[line] && start[line] < end[line], "{text}");
        assert!(end[line] <= billed.1[line], "{text}");
    }
}

/// What a reader of Parquet finds in a report by user and table.
fn check_parquet(file: Vec<u8>) {
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(file)).unwrap();
    let batches: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
    let text = arrow::util::pretty::pretty_format_batches(&batches).unwrap().to_string();
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with('|')).map(cells).collect();
    assert_eq!(lines[0][1..6], ["user", "table", "currency", "queries", "rows"], "{text}");
    let own = lines.iter().find(|line| line[1] == "ana" && line[2] == "shop.items").unwrap();
    assert_eq!(own[3..6], ["EUR", "1", "20"], "{text}");
    assert_eq!(own[own.len() - 2], "0.024", "{text}");
}

/// Microseconds since 1970.
fn micros() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_micros()).unwrap()
}

fn chrono_month(record: &Value) -> String {
    record["time"].as_str().unwrap()[..7].to_owned()
}

/// Changes a record in the file: the first letter of a name, wherever it stands.
async fn edit(ledger: &Path) {
    let mut bytes = std::fs::read(ledger).unwrap();
    let needle = b"\"principal\":\"ana\",\"tenant\"";
    let mut changed = false;
    for start in 0..bytes.len() - needle.len() {
        if bytes[start..].starts_with(b"{\"seq\":1,")
            && let Some(at) = (start..start + 300).find(|at| bytes[*at..].starts_with(needle))
        {
            bytes[at + 13] = b'A';
            changed = true;
        }
    }
    assert!(changed, "the record is not in the file");
    std::fs::write(ledger, bytes).unwrap();
}

#[test]
fn a_full_ledger_refuses_queries_until_there_is_room() {
    run(async {
        let site = site("ledger-full", &["ledger.max_size = \"300 KB\""]).await;
        let server = site.serve().await;
        let ana = site.connect("ana").await;
        let long = format!("SELECT id FROM shop.items -- {}", "x".repeat(7000));
        let mut ran = 0;
        let refused = loop {
            let answer = ana.simple(&long).await;
            match answer.error() {
                None => ran += 1,
                Some((code, message)) => break (code.to_owned(), message.to_owned()),
            }
            assert!(ran < 200, "it never fills");
        };
        assert_eq!(refused.0, "53100", "{refused:?}");
        assert_eq!(refused.1, "the query can't be recorded, the ledger is full");
        works(&site, &["audit", "prune", "--before", "2100-01-01"]).await;
        // Receipts that were owed come first; then it goes on by itself.
        let answered = || async { ana.simple("SELECT id FROM shop.items").await.error().is_none() };
        until("it doesn't recover", answered).await;
        works(&site, &["audit", "verify"]).await;
        server.stop().await;
        works(&site, &["audit", "verify"]).await;
    });
}

/// While decisions can't be written, nothing is given to a warehouse, and the operator sees why.
#[test]
fn what_can_not_be_recorded_does_not_begin() {
    run(async {
        let (place, _) = shared("ledger-lost").await;
        let Place::Postgres(url) = &place else { unreachable!() };
        let keys = ["ledger.kind = \"postgres\"", "ledger.url_file = \"url\"", ADMIN];
        let site = site("ledger-lost-site", &keys).await;
        std::fs::write(site.folder.join("url"), url).unwrap();
        let server = site.serve().await;
        let ana = site.connect("ana").await;
        let sql = "SELECT id FROM shop.items";
        assert_eq!(ana.simple(sql).await.rows().len(), 20);
        assert_eq!(metric(&server, "tollgate_ledger_failing").await, 0);
        assert_eq!(metric(&server, "tollgate_rows_total").await, 20);
        let complete = "tollgate_statements_total{outcome=\"complete\",error=\"\"}";
        assert_eq!(metric(&server, complete).await, 1);

        let maintenance = Postgres::shared().await.connect("postgres").await;
        let cut = "ALTER DATABASE \"ledger-lost\" ALLOW_CONNECTIONS false;
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'ledger-lost'";
        maintenance.inner.batch_execute(cut).await.unwrap();
        // The first one may have begun: nobody knew yet.
        assert_eq!(ana.simple(sql).await.error().map(|(code, _)| code), Some("58030"));
        let before = begun(&server).await;
        for _ in 0..3 {
            assert_eq!(ana.simple(sql).await.error().map(|(code, _)| code), Some("58030"));
        }
        assert_eq!(begun(&server).await, before);
        let (status, text) = answer(&server, "/readyz").await;
        assert_eq!((&status[..], text.lines().next()), ("503", Some(REFUSED)));
        assert_eq!(metric(&server, "tollgate_ledger_failing").await, 1);
        let failed = "tollgate_statements_total{outcome=\"failed\",error=\"io_error\"}";
        assert_eq!(metric(&server, failed).await, 4);

        let back = "ALTER DATABASE \"ledger-lost\" ALLOW_CONNECTIONS true";
        maintenance.inner.batch_execute(back).await.unwrap();
        // Nobody has to come for it.
        until("it is written again", || async { answer(&server, "/readyz").await.0 == "200" })
            .await;
        assert!(ana.simple(sql).await.error().is_none());
        assert_eq!(metric(&server, "tollgate_ledger_failing").await, 0);
        server.stop().await;
        works(&site, &["audit", "verify"]).await;
    });
}

/// Old records are looked for at intervals; what goes wrong there stops no query.
#[test]
fn a_gateway_looks_for_old_records() {
    run(async {
        let site =
            site("ledger-kept", &["ledger.keep = \"1h\"", "ledger.prune_every = \"200ms\"", ADMIN])
                .await;
        let server = site.serve().await;
        let ana = site.connect("ana").await;
        let runs =
            |outcome: &str| format!("tollgate_retention_runs_total{{outcome=\"{outcome}\"}}");
        let (complete, failed) = (runs("complete"), runs("failed"));
        until("it doesn't look", || async { metric(&server, &complete).await > 1 }).await;
        assert_eq!(metric(&server, &failed).await, 0);
        let key = site.folder.join("ledger.key");
        let bytes = std::fs::read(&key).unwrap();
        std::fs::remove_file(&key).unwrap();
        until("it doesn't fail", || async { metric(&server, &failed).await > 1 }).await;
        assert_eq!(ana.simple("SELECT id FROM shop.items").await.rows().len(), 20);
        std::fs::write(&key, bytes).unwrap();
        let before = metric(&server, &complete).await;
        until("it doesn't go on", || async { metric(&server, &complete).await > before }).await;
        assert_eq!(metric(&server, "tollgate_retention_records_total").await, 0);
        server.stop().await;
        assert_eq!(ended(&site, 1).await.len(), 2);
        works(&site, &["audit", "verify"]).await;
    });
}

/// A statement waits for its place and for its record, and for both together no longer than it may take.
#[test]
fn a_slow_ledger_gives_a_statement_no_more_time() {
    run(async {
        let (place, _) = shared("ledger-slow").await;
        let Place::Postgres(url) = &place else { unreachable!() };
        let keys = [
            "ledger.kind = \"postgres\"",
            "ledger.url_file = \"url\"",
            "warehouse.max_concurrent = 1",
        ];
        let site = site("ledger-slow-site", &keys).await;
        std::fs::write(site.folder.join("url"), url).unwrap();
        let limits = "CREATE LIMIT quick TO ROLE analyst MAX RUNTIME '10 s';";
        std::fs::write(site.folder.join("policies/limits.sql"), limits).unwrap();
        write(&site.data().join("many.parquet"), &rows(0..6_000), 500);
        let server = site.serve().await;
        let (ana, root) = (site.connect("ana").await, site.connect("root").await);
        let token = root.inner.cancel_token();
        let busy = "SELECT count(a.name || b.name || c.name) FROM shop.many a \
                    CROSS JOIN shop.many b CROSS JOIN shop.many c";
        let busy = tokio::spawn(async move { root.simple(busy).await });
        let owner = Postgres::shared().await.connect("ledger-slow").await;
        let decided = "SELECT count(*) FROM records";
        until("it isn't recorded", || async {
            owner.inner.query_one(decided, &[]).await.unwrap().get::<_, i64>(0) >= 1
        })
        .await;
        let lock = "BEGIN; LOCK TABLE records IN ACCESS EXCLUSIVE MODE";
        owner.inner.batch_execute(lock).await.unwrap();
        let start = std::time::Instant::now();
        let (answer, ()) = futures::join!(ana.simple("SELECT id FROM shop.items"), async {
            tokio::time::sleep(std::time::Duration::from_secs(9)).await;
            token.cancel_query(tokio_postgres::NoTls).await.unwrap();
        });
        let took = start.elapsed();
        owner.inner.batch_execute("ROLLBACK").await.unwrap();
        let (code, message) = answer.error().unwrap();
        assert!(code == "57T01" && message.contains("\"quick\""), "{answer:?}");
        assert!(took.as_secs() < 17, "{took:?}");
        assert_eq!(busy.await.unwrap().error().map(|(code, _)| code), Some("57014"));
        assert_eq!(ana.simple("SELECT id FROM shop.items").await.rows().len(), 20);
        server.stop().await;
        works(&site, &["audit", "verify"]).await;
    });
}

/// How many queries the warehouse was given.
async fn begun(server: &Server) -> u64 {
    let text = admin(server, "/metrics").await;
    let of = |line: &&str| {
        line.starts_with("tollgate_warehouse_queries_total{")
            || line.starts_with("tollgate_warehouse_running{")
    };
    text.lines()
        .filter(of)
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum()
}

const ADMIN: &str = "admin.listen = \"127.0.0.1:0\"";
const REFUSED: &str = "queries are refused, the ledger can't be written";

/// As much of a statement is kept as the configuration says, in each dialect, with and without a ledger.
#[test]
fn no_more_of_a_text_is_kept_than_is_wanted() {
    run(async {
        for (name, keys) in [
            ("redacted", &["ledger.statements = \"redacted\""][..]),
            ("redacted-lines", &["ledger.statements = \"redacted\"", "ledger.kind = \"none\""]),
            ("hashed-lines", &["ledger.statements = \"hashed\"", "ledger.kind = \"none\""]),
        ] {
            let site = site(name, keys).await;
            let mask =
                "CREATE MASKING POLICY names ON shop.items (name) USING (mask_redact(value))";
            std::fs::write(site.folder.join("policies/masks.sql"), mask).unwrap();
            let server = site.serve().await;
            let ana = site.connect("ana").await;
            for (dialect, sql) in [
                ("postgresql", r"SELECT id FROM shop.items WHERE name IN ('hidden\', 'hidden')"),
                (
                    "snowflake",
                    r"SELECT id FROM shop.items WHERE name IN ('hi\'hidden', 'hidden') // hidden",
                ),
                ("snowflake", r"SELECT id FROM shop.items WHERE amount = 31337 AND name = 'a\\'"),
                ("snowflake", r"SELECT * FROM shop.nothing WHERE name = '\' || hidden || \''"),
            ] {
                ana.simple(&format!("SET tollgate.dialect = '{dialect}'")).await;
                let answer = ana.simple(sql).await;
                let refused = answer.error().map(|(code, _)| code);
                assert_eq!(refused, sql.contains("nothing").then_some("42P01"), "{sql}");
            }
            server.stop().await;
            let lines = std::fs::read_to_string(site.folder.join("audit.jsonl")).unwrap();
            assert!(!lines.contains("hidden") && !lines.contains("31337"), "{name}: {lines}");
            let decisions = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            let decisions: Vec<_> = decisions.filter(|line| line["record"] == "decision").collect();
            assert_eq!(decisions.len(), 4, "{name}");
            for decision in &decisions[1..] {
                assert_eq!(decision["dialect"], "snowflake");
            }
            assert_eq!(decisions[0]["dialect"], Value::Null);
            let sql = decisions[2]["sql"].as_str().unwrap();
            if name == "hashed-lines" {
                assert!(sql.starts_with("sha256:"), "{sql}");
            } else {
                assert_eq!(sql, "SELECT id FROM shop.items WHERE amount = ? AND name = ?");
            }
        }
    });
}

pub(crate) fn decision(id: &str) -> Entry {
    let decision = Decision {
        id,
        principal: "ana",
        tenant: Some("acme"),
        roles: vec!["analyst"],
        address: "127.0.0.1".to_owned(),
        application: "psql",
        dialect: None,
        sql: "SELECT 'ü'",
        secured_sql: None,
        bundle: "b",
        snapshot: 1,
        tables: Vec::new(),
        policies: Vec::new(),
        outcome: "permitted",
        error: None,
    };
    Entry::decision(&decision, false).unwrap()
}

fn receipt(id: &str) -> Entry {
    let receipt = Receipt { id, principal: "ana", outcome: "complete", ..Receipt::default() };
    Entry::receipt(&receipt, false).unwrap()
}

/// A database of a PostgreSQL, and a key that replicas share.
pub(crate) async fn shared(name: &str) -> (Place, std::path::PathBuf) {
    let postgres = Postgres::shared().await;
    postgres.create(name, &[]).await;
    let url = format!("postgres://postgres@127.0.0.1:{}/{name}?sslmode=disable", postgres.port);
    (Place::Postgres(url), postgres.scratch(name).join("ledger.key"))
}

/// A replica, opened where it may block.
pub(crate) async fn replica(place: &Place, key: &Path, name: &str) -> Result<Ledger, LedgerError> {
    let options = Options { chain: name.to_owned(), ..Options::at(place.clone(), key.to_owned()) };
    runtime().spawn_blocking(|| Ledger::open(options)).await.unwrap()
}

/// Of those that share a ledger one at a time deletes, and not again before it is time.
#[test]
fn replicas_delete_in_turn() {
    run(async {
        let (place, key) = shared("ledger-turns").await;
        let a = replica(&place, &key, "a").await.unwrap();
        for number in 0..50 {
            let id = format!("{number}");
            a.decide(decision(&id)).durable().await.unwrap();
            a.note(receipt(&id));
        }
        let signing = SigningKey::read(&key).unwrap();
        let hour = 3_600_000_000;
        let every = |every| Schedule { now: micros(), before: i64::MAX, every };
        // By a clock that is a month ahead of the database's nothing is old.
        let month = 30 * 24 * hour;
        let ahead = Schedule { now: micros() + month, before: micros() + month / 2, every: hour };
        let Turn::Taken(Retention::Cut(cuts)) =
            retain_in_turn(&place, &signing, ahead).await.unwrap()
        else {
            panic!("nobody else deletes")
        };
        assert_eq!(cuts.iter().map(|cut| cut.records).sum::<i64>(), 0);
        let turn = || retain_in_turn(&place, &signing, every(hour));
        let (one, two, three) = tokio::join!(turn(), turn(), turn());
        let turns = [one.unwrap(), two.unwrap(), three.unwrap()];
        let deleted = |turn: &Turn| match turn {
            Turn::Taken(Retention::Cut(cuts)) => {
                cuts.iter().map(|cut| cut.records).sum::<i64>() > 90
            }
            Turn::Taken(Retention::Changed(_)) | Turn::Elsewhere | Turn::NotYet(_) => false,
        };
        assert_eq!(turns.iter().filter(|turn| deleted(turn)).count(), 1, "{turns:?}");
        assert_eq!(turns.iter().filter(|turn| matches!(turn, Turn::Taken(_))).count(), 1);
        let last = turn().await.unwrap();
        assert!(matches!(last, Turn::NotYet(at) if at > micros() - hour), "{last:?}");
        a.decide(decision("next")).durable().await.unwrap();
        a.note(receipt("next"));
        let next = retain_in_turn(&place, &signing, every(0)).await.unwrap();
        assert!(matches!(next, Turn::Taken(Retention::Cut(_))), "{next:?}");
        let report = verify(&place, &[signing.public()], &[]).await.unwrap();
        assert_eq!(report.count, 0, "{report:?}");
        runtime().spawn_blocking(|| drop(a)).await.unwrap();
    });
}

#[test]
fn replicas_share_a_postgres_and_end_what_dead_ones_left_open() {
    run(async {
        let (place, key) = shared("ledger-shared").await;
        let a = replica(&place, &key, "a").await.unwrap();
        let b = replica(&place, &key, "b").await.unwrap();
        for number in 0..50 {
            let id = format!("{number}");
            let (one, other) =
                tokio::join!(a.decide(decision(&id)).durable(), b.decide(decision(&id)).durable());
            one.unwrap();
            other.unwrap();
            a.note(receipt(&id));
            b.note(receipt(&id));
        }
        a.decide(decision("dying")).durable().await.unwrap();
        // Nobody but one writes to a chain.
        assert!(matches!(replica(&place, &key, "a").await, Err(LedgerError::InUse(_))));
        runtime().spawn_blocking(|| drop(a)).await.unwrap();
        let c = replica(&place, &key, "c").await.unwrap();
        assert_eq!(c.interrupted(), 1);
        let again = replica(&place, &key, "a").await.unwrap();
        assert_eq!(again.interrupted(), 0);
        runtime().spawn_blocking(|| drop((again, b, c))).await.unwrap();
        let public = PublicKey::open(&tollgate_ledger::public_path(&key)).unwrap();
        let report = verify(&place, &[public], &[]).await.unwrap();
        assert_eq!(report.problems, []);
        let chains: Vec<_> =
            report.chains.iter().map(|c| (c.name.as_str(), c.records, c.open)).collect();
        assert_eq!(chains, [("a", 102, 0), ("b", 100, 0), ("c", 0, 0)]);
    });
}

/// A change in PostgreSQL is found as in SQLite.
#[test]
fn a_change_in_a_postgres_is_found() {
    run(async {
        let (place, key) = shared("ledger-changed").await;
        let ledger = replica(&place, &key, "a").await.unwrap();
        for number in 0..5 {
            let id = format!("{number}");
            ledger.decide(decision(&id)).durable().await.unwrap();
            ledger.note(receipt(&id));
        }
        runtime().spawn_blocking(|| drop(ledger)).await.unwrap();
        let client = Postgres::shared().await.connect("ledger-changed").await;
        let public = PublicKey::open(&tollgate_ledger::public_path(&key)).unwrap();
        for change in [
            "UPDATE records SET body = replace(body, 'ana', 'eve') WHERE seq = 3",
            "DELETE FROM records WHERE seq = 4",
            "UPDATE chains SET open_from = 1, at = at + 1",
            "INSERT INTO records SELECT chain, 11, kind, at, principal, body, hash FROM records \
             WHERE seq = 1",
        ] {
            client.inner.batch_execute("CREATE TABLE kept AS SELECT * FROM records").await.unwrap();
            client.inner.batch_execute("CREATE TABLE heads AS SELECT * FROM chains").await.unwrap();
            client.inner.batch_execute(change).await.unwrap();
            let report = verify(&place, &[public], &[]).await.unwrap();
            assert!(report.count > 0, "{change}");
            let back =
                "DELETE FROM records; INSERT INTO records SELECT * FROM kept; DROP TABLE kept;
                 DELETE FROM chains; INSERT INTO chains SELECT * FROM heads; DROP TABLE heads";
            client.inner.batch_execute(back).await.unwrap();
            assert_eq!(verify(&place, &[public], &[]).await.unwrap().problems, []);
        }
    });
}

#[test]
fn replicas_can_not_spend_the_same_money_of_a_postgres() {
    run(async {
        let (place, _) = shared("ledger-purses").await;
        let open = |name: &'static str| {
            let place = place.clone();
            async move {
                let open = move || Purses::open(place, name).unwrap();
                runtime().spawn_blocking(open).await.unwrap()
            }
        };
        let replicas = [open("a").await, open("b").await];
        let budgets = ["month", "day"].map(|period| Budget {
            period: period.to_owned(),
            limit: Decimal::from(if period == "day" { 5 } else { 7 }),
        });
        let amount = Decimal::new(7, 2);
        let spend = async |purses: &Purses| {
            let mut held = 0;
            for _ in 0..60 {
                match purses.hold("acme", &budgets, amount).await {
                    Ok(hold) => {
                        purses.settle(hold, amount).await.unwrap();
                        held += 1;
                    }
                    Err(HoldError::Exhausted { period }) => assert_eq!(period, "day"),
                    Err(error) => panic!("{error:?}"),
                }
            }
            held
        };
        let (a, b) = tokio::join!(spend(&replicas[0]), spend(&replicas[1]));
        // 5.00 holds 0.07 seventy-one times.
        assert_eq!(a + b, 71);
        runtime().spawn_blocking(|| drop(replicas)).await.unwrap();
    });
}

/// One price, wherever it counts.
#[test]
fn what_a_budget_is_charged_is_what_is_billed() {
    run(async {
        let site = site("ledger-charged", &[]).await;
        let costs = "CREATE PRICE p TO PUBLIC PER QUERY 0.5 PER GB SCANNED 1000
                PER MILLION ROWS RETURNED 300 CURRENCY 'EUR';
            CREATE LIMIT owners TO ROLE owner BUDGET 1000 PER MONTH;";
        std::fs::write(site.folder.join("policies/costs.sql"), costs).unwrap();
        let server = site.serve().await;
        let root = site.connect("root").await;
        for query in ["SELECT id, name FROM shop.items", "SELECT sum(amount) FROM shop.items"] {
            assert!(root.simple(query).await.error().is_none());
        }
        // It fails while it runs, is refused, and isn't the warehouse's: one of these is charged.
        assert!(root.simple("SELECT 1 / (id - id) FROM shop.items").await.error().is_some());
        assert!(root.simple("SELECT * FROM shop.secret").await.error().is_some());
        assert!(root.simple("SELECT relname FROM pg_class").await.error().is_none());
        let records = ended(&site, 5).await;
        server.stop().await;

        let by = ["usage", "report", "--by", "price", "--format", "csv"];
        let text = works(&site, &by).await;
        let line = text.lines().find(|line| line.starts_with("p,EUR,3,")).unwrap_or_else(|| {
            panic!("{text}");
        });
        let billed: Decimal = line.rsplit(',').next().unwrap().parse().unwrap();
        assert!(billed > Decimal::new(15, 1), "{text}");
        let at = tollgate_ledger::Body::default();
        let at = tollgate_ledger::Body { time: records[0]["time"].as_str().unwrap().into(), ..at };
        let budget = tollgate_policy::limits::Budget {
            amount: Decimal::from(1000),
            per: tollgate_policy::limits::Period::Month,
        };
        let span = tollgate_gateway::limits::budget::Span::of(budget, at.at().unwrap()).unwrap();
        let place = Place::Sqlite(site.folder.join("ledger.db"));
        let open = move || Purses::open(place, "main").unwrap();
        let purses = runtime().spawn_blocking(open).await.unwrap();
        let spent = purses.taken("owners", &format!("month {}", span.start)).await.unwrap();
        runtime().spawn_blocking(|| drop(purses)).await.unwrap();
        assert_eq!(spent.normalize(), billed.normalize());
    });
}
