//! The same governed statements over a Snowflake as the warehouse. It is an emulator, held to what the
//! official connector reads: what Snowflake itself does, is only tested by `snowflake_live`.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::sync::OnceCell;
use tollgate_catalog::{Snapshot, TableName};
use tollgate_proxy::load;
use tollgate_warehouse::snowflake::{CredentialKind, Snowflake, discover};

use crate::attacks::{Findings, judge_dialect, judge_text};
use crate::differential::{agree, probes};
use crate::harness::client::Client;
use crate::harness::data::export;
use crate::harness::gateway::{Caches, Running, policies, start_over, start_with};
use crate::harness::postgres::Postgres;
use crate::harness::served::Site;
use crate::harness::snowflake::{DATABASE, Emulator, PASSWORD, TOKEN, USER};
use crate::harness::value::{Value, compare};
use crate::harness::{self, World, case};
use crate::noninterference::{self, canonical};
use crate::postgres_warehouse::secured;

const POLICIES: [&str; 2] = ["policy/corpus/roles.sql", "policy/corpus/crm.sql"];

fn schemas() -> [String; 3] {
    ["crm", "health", "hr"].map(str::to_owned)
}

/// The emulator that most tests share, with the whole corpus.
async fn emulator() -> (&'static World, &'static Emulator) {
    static EMULATOR: OnceCell<Emulator> = OnceCell::const_new();
    let world = harness::world().await;
    let start = || async {
        let emulator = Emulator::start(&world.postgres.scratch("snowflake"));
        emulator.import(&world.postgres.connect("full").await).await;
        emulator
    };
    (world, EMULATOR.get_or_init(start).await)
}

/// A gateway over what an emulator has.
async fn over(warehouse: Snowflake, scratch: &str, policies: &[&str]) -> Running {
    let world = harness::world().await;
    let found = discover(&warehouse, &schemas()).await.unwrap();
    assert!(found.left_out.is_empty(), "{:?}", found.left_out);
    let audit = world.postgres.scratch(scratch).join("audit.jsonl");
    let caches = Caches { plans: 0, results: 0, ..Caches::default() };
    start_over(found.tables, Arc::new(warehouse), &audit, policies, caches).await
}

/// A gateway that forwards to the emulator.
pub(crate) async fn forwarding() -> (&'static World, &'static Running) {
    static GATEWAY: OnceCell<Running> = OnceCell::const_new();
    let (world, emulator) = emulator().await;
    let start = || async { over(emulator.warehouse(), "to snowflake", &POLICIES).await };
    (world, GATEWAY.get_or_init(start).await)
}

/// One whose policies look into another table, and permit the same.
async fn looking_up() -> (&'static World, &'static Running) {
    static GATEWAY: OnceCell<Running> = OnceCell::const_new();
    let (world, emulator) = emulator().await;
    let policies = [POLICIES[0], "snowflake/lookups.sql"];
    let start = || async { over(emulator.warehouse(), "lookups in snowflake", &policies).await };
    (world, GATEWAY.get_or_init(start).await)
}

#[test]
fn the_official_connector_agrees_with_the_emulator() {
    harness::run(async {
        let emulator = Emulator::start(&Postgres::shared().await.scratch("checked"));
        let output = emulator.check();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    });
}

#[test]
fn no_attack_gets_past_the_text_for_snowflake() {
    harness::run(async {
        for (world, gateway) in [forwarding().await, looking_up().await] {
            judge_text(gateway, world, Findings::lenient(), "attacks/refused_snowflake.txt").await;
        }
    });
}

#[test]
fn no_attack_in_its_own_dialect_gets_past_the_text_for_snowflake() {
    harness::run(async {
        let (world, gateway) = forwarding().await;
        judge_dialect(gateway, world, "attacks/refused_dialect_snowflake.txt").await;
    });
}

#[test]
fn random_statements_over_snowflake_give_what_the_projected_database_gives() {
    harness::run(async {
        for (world, gateway) in [forwarding().await, looking_up().await] {
            let ana = gateway.connect("ana").await;
            let projected = world.postgres.connect("projected").await;
            agree(&ana, &projected, true).await;
        }
    });
}

/// What fails on hidden rows only doesn't fail: it is refused whoever asks, or answered.
#[test]
fn hidden_rows_raise_no_errors_over_snowflake() {
    harness::run(async {
        for (_, gateway) in [forwarding().await, looking_up().await] {
            let ana = gateway.connect("ana").await;
            let projected = harness::world().await.postgres.connect("projected").await;
            for sql in [
                "SELECT id FROM crm.orders WHERE 1 / (amount - 31337.31) > -9",
                "SELECT id, 100 / (id - 150) FROM crm.orders ORDER BY id",
                "SELECT count(*) FROM crm.orders o JOIN crm.customers c ON 7 / (o.id - 150) = c.id",
                "SELECT sum(10 / nullif(id - 150, 0)) FROM crm.orders",
                "SELECT id, coalesce(amount, 0) * 2 FROM crm.orders ORDER BY id",
                "SELECT id, CASE WHEN id <> 150 THEN 10 / (id - 150) ELSE 0 END FROM crm.orders",
                "SELECT id, amount / (SELECT sum(amount) FROM crm.orders) FROM crm.orders",
            ] {
                same(&ana, &projected, sql).await;
            }
            probe(&ana, &projected).await;
        }
    });
}

/// Whatever is asked, and whatever fails, the answer is the same over other hidden rows.
#[test]
fn hidden_data_changes_no_answer_over_snowflake() {
    harness::run(async {
        let (world, one) = looking_up().await;
        let scripts = [&case("attacks/schema.sql")[..], &case("attacks/altered.sql")];
        let altered = world.postgres.create("snowaltered", &scripts).await;
        let emulator = Emulator::start(&world.postgres.scratch("altered in snowflake"));
        emulator.import(&altered).await;
        let policies = [POLICIES[0], "snowflake/lookups.sql"];
        let other = over(emulator.warehouse(), "over the altered", &policies).await;
        let (left, right) = (one.connect("ana").await, other.connect("ana").await);
        let probes = PROBES.iter().map(|sql| (*sql).to_owned());
        let mut wrong = Vec::new();
        let mut answered = 0;
        for sql in probes.chain(noninterference::statements(200)) {
            let (left, right) = futures::join!(left.simple(&sql), right.simple(&sql));
            answered += usize::from(left.error().is_none());
            let (left, right) = (canonical(left), canonical(right));
            if left != right {
                wrong.push(format!("{sql}\n--- {left}\n+++ {right}"));
            }
        }
        assert!(wrong.is_empty(), "{} findings:\n{}", wrong.len(), wrong.join("\n"));
        assert!(answered > 200, "{answered}");
        let sql = "SELECT sum(amount) FROM crm.orders";
        let (one, other) = (one.connect("root").await, other.connect("root").await);
        assert_ne!(canonical(one.simple(sql).await), canonical(other.simple(sql).await));
    });
}

/// Statements in which something fails on a row of another tenant, or where there is one.
const PROBES: &[&str] = &[
    "SELECT id, amount * 1.19 FROM crm.orders",
    "SELECT CASE WHEN amount = 31337.31 THEN (SELECT 1 / 0) END FROM crm.orders",
    "SELECT w.q FROM crm.orders o JOIN (SELECT 10 / z AS q, k FROM (VALUES (31337.31, 0)) v(k, z)) w \
     ON o.amount = w.k",
    "SELECT CASE WHEN amount > 31337 THEN CAST(date_part('year', ordered_at) AS numeric(1, 0)) END \
     FROM crm.orders",
    "SELECT id FROM crm.orders WHERE 1 / (amount - 31337.31) > -9",
    "SELECT id FROM crm.orders WHERE status LIKE '%p%a%i%d%'",
    "SELECT id + 9223372036854775807 FROM crm.orders",
    "SELECT status || tenant_id FROM crm.orders",
    "SELECT CASE WHEN amount = 31337.31 THEN 'aaaaaaaaa' ELSE 'b' END LIKE '%a%a%b' FROM crm.orders",
    "SELECT id FROM crm.orders o WHERE EXISTS (SELECT 1 FROM crm.tenants t \
     WHERE 1 / (o.amount - 31337.31) > 0)",
    "SELECT t.tenant_id FROM crm.tenants t WHERE (SELECT count(*) FROM crm.orders o \
     WHERE o.tenant_id = t.tenant_id AND t.tenant_name LIKE '%a%a%b') > 0",
    "SELECT 10 / v.z FROM crm.orders o JOIN (VALUES (31337.31, 0)) v(k, z) ON o.amount = v.k",
    "SELECT 10 / v.z FROM (VALUES (31337.31, 0)) v(k, z) WHERE v.k IN (SELECT amount FROM crm.orders)",
    "SELECT o.id FROM (VALUES (31337.31, 0)) v(k, z) LEFT JOIN crm.orders o ON o.amount = v.k AND 1 / v.z > 0",
    "SELECT CASE WHEN amount = 31337.31 THEN 1 / 0 END FROM crm.orders",
    "SELECT coalesce(nullif(amount, 31337.31), 1 / 0) FROM crm.orders",
    "SELECT 1 / 0 FROM (SELECT 1 AS x FROM crm.orders WHERE amount = 31337.31) s",
    "SELECT (SELECT 1) / (SELECT 0) FROM crm.orders WHERE amount = 31337.31",
    "SELECT id FROM crm.orders WHERE amount = 31337.31 AND 1 / 0 > 0",
    "SELECT id FROM crm.orders WHERE amount = 31337.31 AND now() + 999999 * interval '1 year' > now()",
    "SELECT t.tenant_id FROM crm.tenants t WHERE EXISTS (SELECT 1 FROM (VALUES ('acme', 0)) v(k, z) \
     WHERE v.k = t.tenant_id AND 1 / v.z > 0)",
    "SELECT round(amount, 1), ordered_at + interval '1 day' FROM crm.orders",
    "WITH RECURSIVE r(n, s) AS (SELECT id, status FROM crm.orders UNION ALL \
     SELECT n, s FROM r WHERE n < 0) SELECT count(*) FROM r WHERE s LIKE '%a%a%b'",
];

/// A statement is answered, as over the permitted rows.
async fn same(ana: &Client, permitted: &Client, sql: &str) {
    let (got, want) = (ana.simple(sql).await, permitted.simple(sql).await);
    assert_eq!((got.error(), want.error()), (None, None), "{sql}");
    compare(got.rows(), want.rows(), false).unwrap_or_else(|what| panic!("{sql}: {what}"));
}

/// Statements that fail on hidden rows are refused, or answered as over the permitted ones.
async fn probe(ana: &Client, permitted: &Client) {
    let mut refused = 0;
    for sql in probes() {
        let (got, want) = (ana.simple(&sql).await, permitted.simple(&sql).await);
        match (got.error(), want.error()) {
            (Some(("0A000", _)), _) => refused += 1,
            (None, None) => compare(got.rows(), want.rows(), false)
                .unwrap_or_else(|what| panic!("{sql}: {what}")),
            (Some(_), Some(_)) => {}
            (got, want) => panic!("{sql}: {got:?}, but {want:?}"),
        }
    }
    println!("{refused} probes are refused");
}

/// Over a view that is more than columns and conditions no column can be guarded, and a value that a policy looks up is equal to a key of another table,
/// for all of which it might be computed: a statement that holds anything that can fail there is refused.
#[test]
fn what_no_guard_keeps_raises_no_errors_over_snowflake() {
    harness::run(async {
        let (world, emulator) = emulator().await;
        let policies = [POLICIES[0], "snowflake/lookups.sql", "snowflake/views.sql"];
        let gateway = over(emulator.warehouse(), "views in snowflake", &policies).await;
        let ana = gateway.connect("ana").await;
        let viewed = world.postgres.connect("projected").await;
        let policies = case("snowflake/views.sql");
        let views = policies.split_inclusive(";\n").filter(|text| text.contains("CREATE VIEW"));
        viewed.inner.batch_execute(&format!("BEGIN; {}", views.collect::<String>())).await.unwrap();
        for sql in ["SELECT id, status FROM crm.paid", "SELECT count(*), max(amount) FROM crm.paid"]
        {
            same(&ana, &viewed, sql).await;
        }
        // Of what the view leaves out nothing fails, as in a table that hasn't got it.
        for sql in [
            "SELECT count(*), max(amount) / 7 FROM crm.paid",
            "SELECT id / amount FROM crm.paid",
            "SELECT count(*) FROM crm.paid WHERE 10 / id > 0",
            "SELECT id, gross, odd, each, near FROM crm.priced",
            "SELECT sum(gross), max(near / odd) FROM crm.priced WHERE odd <> 0",
            "SELECT id FROM crm.priced WHERE near < 1 AND id <> 3",
            "SELECT count(shared), sum(gross) FROM crm.few",
            "SELECT f.id, f.shared / p.each FROM crm.few f JOIN crm.priced p ON p.id = f.id + 3",
        ] {
            let (got, want) = (ana.simple(sql).await, viewed.simple(sql).await);
            match (got.error(), want.error()) {
                (None, None) => compare(got.rows(), want.rows(), false).unwrap(),
                (Some((got, _)), Some((want, _))) => assert_eq!(got, want, "{sql}"),
                (got, want) => panic!("{sql}: {got:?}, but {want:?}"),
            }
        }
        for sql in [
            "SELECT 10 / top FROM crm.tops",
            "SELECT id, x FROM crm.turned",
            "SELECT id FROM crm.failing",
            "SELECT id FROM crm.named",
            "SELECT id FROM crm.asserted",
            "SELECT id FROM crm.narrow",
            "SELECT id FROM crm.joined",
            "SELECT count(*) FROM crm.paid p JOIN crm.tops t ON 10 / t.top > p.id",
            "SELECT count(*) FROM crm.orders WHERE 10 / customer_id > 0",
            "SELECT count(*) FROM crm.orders WHERE sqrt(customer_id - 4711) > 0",
            "SELECT max(k) FROM (SELECT customer_id - 1 AS k FROM crm.orders) AS keys",
            "WITH RECURSIVE r(id, n) AS (SELECT id, 1 FROM crm.tenants t JOIN crm.orders o ON true UNION ALL \
             SELECT o.id, o.id * 2 FROM r JOIN crm.orders o ON o.customer_id = r.id) SELECT id, n FROM r",
        ] {
            match ana.simple(sql).await.error() {
                Some(("0A000", _)) => {}
                other => panic!("{sql}: {other:?}"),
            }
        }
    });
}

/// `tollgate test` asks the account of the configuration, as its users would.
#[test]
fn tests_of_policies_run_at_the_account() {
    harness::run(async {
        let tests = "TEST POLICY AS USER 'ana' WITH (tenant_id = 'acme')
              SELECT count(*), max(10 / nullif(id, 0)) FROM shop.items EXPECT ROWS (10, 10);
            TEST POLICY AS USER 'eve' ROLES (analyst) WITH (tenant_id = 'globex')
              SELECT count(*) FROM shop.items EXPECT ROWS (0);";
        let (site, _emulator) = crate::credits::over("rehearsed-account", &[], tests).await;
        let text = crate::ledger::works(&site, &["test"]).await;
        assert!(text.contains("2 tests, 0 failed"), "{text}");
    });
}

/// Snowflake masks as the gateway does, byte for byte.
#[test]
fn masks_give_the_same_values_in_snowflake() {
    harness::run(async {
        let world = harness::world().await;
        // What types of Snowflake hold that are the same here.
        let fitting = "DELETE FROM masks.numbers WHERE id IN (7, 8); \
                       UPDATE masks.numbers SET whole = 999999999 WHERE id = 6";
        let scripts = [&case("attacks/masks.sql")[..], fitting];
        let data = world.postgres.create("snowmasks", &scripts).await;
        let folder = world.postgres.scratch("snowflake masks data");
        export(&data, &folder).await;
        let policies = ["policy/corpus/masks.sql"];
        let audit = world.postgres.scratch("snowflake masks embedded").join("audit.jsonl");
        let embedded = start_with(&folder, &audit, &policies).await;
        let emulator = Emulator::start(&world.postgres.scratch("snowflake masks"));
        emulator.import(&data).await;
        let warehouse = emulator.warehouse();
        let found = discover(&warehouse, &["masks".to_owned()]).await.unwrap();
        let audit = world.postgres.scratch("snowflake masks forwarded").join("audit.jsonl");
        let caches = Caches { plans: 0, results: 0, ..Caches::default() };
        let warehouse = Arc::new(warehouse);
        let forwarded = start_over(found.tables, warehouse, &audit, &policies, caches).await;
        let (ana, other) = (embedded.connect("ana").await, forwarded.connect("ana").await);
        for table in ["texts", "numbers", "dates"] {
            let sql = format!("SELECT * FROM masks.{table} ORDER BY id");
            let (want, got) = (ana.simple(&sql).await, other.simple(&sql).await);
            assert_eq!((got.error(), want.error()), (None, None), "{table}");
            assert!(want.rows().len() > 6);
            compare(got.rows(), want.rows(), true).unwrap_or_else(|what| panic!("{table}: {what}"));
        }
    });
}

/// What is printed for a list of statements, and what is refused.
#[test]
fn texts_for_snowflake() {
    harness::run(async {
        let (_, emulator) = emulator().await;
        let warehouse = emulator.warehouse();
        let snapshot = Snapshot::new(1, discover(&warehouse, &schemas()).await.unwrap().tables);
        let text = case("snowflake/statements.sql");
        let statements: Vec<String> = text
            .lines()
            .filter(|line| !line.starts_with("--") && !line.is_empty())
            .map(str::to_owned)
            .collect();
        let mut texts = String::new();
        for (sql, secured) in statements.iter().zip(secured(&snapshot, &policies(), &statements)) {
            let printed = match secured.for_snowflake() {
                Ok(rendering) => {
                    // Each generated relation on a line of its own.
                    format!(
                        "{}\n  {} bound",
                        rendering.text().replace(" FROM ", "\n    FROM "),
                        rendering.parameters().len()
                    )
                }
                Err(error) => format!("{} {}", error.kind().sqlstate(), error.message()),
            };
            texts.push_str(&format!("{sql}\n  {printed}\n\n"));
        }
        harness::golden("snowflake/texts.txt", &texts);
        warehouse.close().await;
    });
}

/// What the emulator was asked to run since it was last told to forget.
fn statements(emulator: &Emulator) -> Vec<Json> {
    let log = emulator.look()["log"].as_array().unwrap().clone();
    log.into_iter().filter(|entry| entry["sql"].is_string()).collect()
}

/// How often something was asked.
pub(crate) fn count(emulator: &Emulator, at: &str) -> usize {
    let log = emulator.look()["log"].as_array().unwrap().clone();
    log.iter().filter(|entry| entry["at"] == at).count()
}

const ALL: &str = "SELECT id, tenant_id, amount, status, ordered_at FROM crm.orders ORDER BY id";

/// Waits until the emulator is as wanted; nobody is told when that is.
async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..2_400 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what}");
}

/// Each query of a gateway has one receipt, whatever became of it; how many there are.
async fn one_receipt_each(world: &World, scratch: &str) -> usize {
    let file = world.postgres.scratch(scratch).join("audit.jsonl");
    let ids = |kind: &str| -> Vec<String> {
        let text = std::fs::read_to_string(&file).unwrap();
        // The last line may be half written.
        let records = text.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok());
        let records = records.filter(|record| record["record"] == kind);
        let mut ids: Vec<_> = records.map(|record| record["id"].to_string()).collect();
        ids.sort();
        ids
    };
    until("receipts are missing", || ids("receipt").len() >= ids("decision").len()).await;
    assert_eq!(ids("receipt"), ids("decision"));
    ids("receipt").len()
}

/// An emulator of one's own, whose faults hit nobody else, and a gateway over it.
pub(crate) async fn faulty(name: &str) -> (&'static World, Emulator, Running) {
    let world = harness::world().await;
    let emulator = Emulator::start(&world.postgres.scratch(name));
    emulator.import(&world.postgres.connect("full").await).await;
    let gateway = over(emulator.warehouse(), &format!("{name} gateway"), &POLICIES).await;
    emulator.control(json!({ "options": { "inline": 10, "chunk": 17 } }));
    (world, emulator, gateway)
}

/// Busy services, broken connections, tokens that expire: the answer is the same.
#[test]
fn what_passes_is_overcome() {
    harness::run(async {
        let (world, emulator, gateway) = faulty("passing").await;
        let ana = gateway.connect("ana").await;
        let projected = world.postgres.connect("projected").await;
        let want = projected.simple(ALL).await;
        let faults = [
            json!([]),
            json!([{ "at": "query", "kind": "503", "times": 3 }]),
            json!([{ "at": "query", "kind": "429", "times": 2 }]),
            json!([{ "at": "query", "kind": "truncate", "times": 1 }]),
            json!([{ "at": "query", "kind": "before", "times": 1 }]),
            json!([{ "at": "query", "kind": "html", "times": 1 }]),
            json!([{ "at": "chunk", "kind": "503", "times": 4 }]),
            json!([{ "at": "chunk", "kind": "truncate", "times": 2, "after": 1 }]),
            json!([{ "at": "chunk", "kind": "slow", "times": 3 }]),
            json!([{ "at": "statement", "kind": "expire", "times": 1 }]),
            json!([{ "at": "renew", "kind": "503", "times": 2 }]),
        ];
        for format in ["arrow", "json"] {
            for scale in [9, 6] {
                emulator.control(json!({ "options": { "format": format, "scale": scale } }));
                for faults in &faults {
                    emulator
                        .control(json!({ "faults": faults, "expire": faults[0]["at"] == "renew" }));
                    let got = ana.simple(ALL).await;
                    assert_eq!(got.error(), None, "{faults} {format}");
                    compare(got.rows(), want.rows(), true)
                        .unwrap_or_else(|what| panic!("{faults} {format}: {what}"));
                }
            }
        }
        // A token that expired, a session that is gone, a statement that takes long.
        emulator.control(json!({ "options": { "format": "arrow" }, "expire": true }));
        assert_eq!(ana.simple(ALL).await.rows().len(), want.rows().len());
        emulator.control(json!({ "forget": true }));
        assert_eq!(ana.simple(ALL).await.rows().len(), want.rows().len());
        let expire = json!([{ "at": "statement", "kind": "expire", "times": 1 }]);
        emulator.control(json!({ "options": { "async_after": 0.0 }, "faults": expire }));
        assert_eq!(ana.simple(ALL).await.rows().len(), want.rows().len());
        assert!(count(&emulator, "result") > 0 && count(&emulator, "renew") > 1);
        // Each statement ran once, however often it was sent.
        let mut requests: Vec<String> = Vec::new();
        for entry in statements(&emulator) {
            requests.push(entry["query"]["requestId"].to_string());
            let tag: Json =
                serde_json::from_str(entry["parameters"]["QUERY_TAG"].as_str().unwrap()).unwrap();
            assert_eq!(tag["request"], entry["query"]["requestId"]);
        }
        let sent = requests.len();
        requests.sort();
        requests.dedup();
        assert_eq!(requests.len(), sent);
        let last = statements(&emulator).pop().unwrap();
        let tag = last["parameters"]["QUERY_TAG"].as_str().unwrap();
        let tag: Json = serde_json::from_str(tag).unwrap();
        assert_eq!(tag["by"], json!({ "user": "ana", "tenant": "acme" }));
    });
}

/// What doesn't pass is told without values, and the next statement runs.
#[test]
fn what_stays_is_told() {
    harness::run(async {
        let (world, emulator, gateway) = faulty("staying").await;
        let ana = gateway.connect("ana").await;
        for (at, kind, told) in [
            ("query", "503", "the warehouse can't be reached"),
            ("query", "403", "the warehouse can't be reached"),
            ("query", "html", "the warehouse sent an answer that can't be read"),
            ("chunk", "503", "the connection to the warehouse was lost"),
            ("chunk", "403", "the connection to the warehouse was lost"),
            ("chunk", "truncate", "the connection to the warehouse was lost"),
            ("chunk", "html", "the warehouse sent an answer that can't be read"),
        ] {
            emulator.control(json!({ "faults": [{ "at": at, "kind": kind, "times": 99 }] }));
            let answer = ana.simple(ALL).await;
            assert_eq!(answer.error(), Some(("58000", told)), "{at} {kind}");
            emulator.control(json!({ "faults": [], "clear": true }));
            let answer = ana.simple("SELECT count(*) FROM crm.tenants").await;
            assert_eq!(answer.rows(), [[Value::Number(1.0)]], "{at} {kind}");
        }
        until("sessions leak", || emulator.look()["sessions"].as_u64().unwrap() <= 1).await;
        assert_eq!(one_receipt_each(world, "staying gateway").await, 14);

        // Who isn't let in.
        for (kind, secret) in [
            (CredentialKind::Password, "wrong"),
            (CredentialKind::ProgrammaticAccessToken, "wrong"),
            (CredentialKind::KeyPair, "no key"),
        ] {
            let wrong = Snowflake::new(emulator.options(kind, secret)).unwrap();
            let error = discover(&wrong, &schemas()).await.unwrap_err();
            assert_eq!(error.message(), "the warehouse can't be reached");
            let cause = error.cause().map(ToString::to_string).unwrap_or_default();
            assert!(!cause.contains(secret) || secret == "no key", "{cause}");
        }
        let key = std::fs::read_to_string(&emulator.key).unwrap();
        for (kind, secret) in [
            (CredentialKind::KeyPair, key.as_str()),
            (CredentialKind::OAuth, TOKEN),
            (CredentialKind::ProgrammaticAccessToken, TOKEN),
            (CredentialKind::Password, PASSWORD),
        ] {
            let right = Snowflake::new(emulator.options(kind, secret)).unwrap();
            assert_eq!(discover(&right, &schemas()).await.unwrap().tables.len(), 5, "{kind:?}");
            right.close().await;
        }
        let none = discover(&emulator.warehouse(), &["no".to_owned()]).await.unwrap_err();
        assert_eq!(none.message(), "the database has no schema \"NO\"");

        // A service that isn't there.
        let port = harness::free_port();
        let mut gone = emulator.options(CredentialKind::Password, PASSWORD);
        gone.address = format!("http://127.0.0.1:{port}");
        let error = discover(&Snowflake::new(gone).unwrap(), &schemas()).await.unwrap_err();
        assert_eq!(error.message(), "the warehouse can't be reached");
        let mut plain = emulator.options(CredentialKind::Password, PASSWORD);
        plain.address = "http://example.com".to_owned();
        assert!(Snowflake::new(plain).is_err());
    });
}

/// Takes longer than anyone waits.
const LONG: &str = "SELECT count(*) FROM crm.orders a, crm.orders b, crm.orders c, crm.orders d, \
                    crm.orders e WHERE a.amount + b.amount + c.amount + d.amount + e.amount < 0";

/// Timeouts end a statement at the service, and so do clients who cancel, at every stage.
#[test]
fn nothing_runs_on_when_nobody_waits() {
    harness::run(async {
        let (world, emulator, gateway) = faulty("canceled").await;
        let mut options = emulator.options(CredentialKind::Password, PASSWORD);
        options.statement_timeout = Some(Duration::from_secs(1));
        let slow = over(Snowflake::new(options).unwrap(), "slow snowflake", &POLICIES).await;
        let answer = slow.connect("ana").await.simple(LONG).await;
        assert_eq!(answer.error(), Some(("57014", "canceling statement due to statement timeout")));
        let running = || emulator.look()["running"].as_u64().unwrap();
        for patience in [45.0, 0.1] {
            emulator.control(json!({ "options": { "async_after": patience } }));
            let ana = gateway.connect("ana").await;
            let token = ana.inner.cancel_token();
            let (answer, ()) = futures::join!(ana.simple(LONG), async {
                until("the statement doesn't begin", || running() > 0).await;
                token.cancel_query(tokio_postgres::NoTls).await.unwrap();
            });
            assert_eq!(answer.error().map(|(code, _)| code), Some("57014"));
            until("the statement runs on", || running() == 0).await;
            let answer = ana.simple("SELECT count(*) FROM crm.tenants").await;
            assert_eq!(answer.rows(), [[Value::Number(1.0)]]);
        }
        // While pieces are on their way.
        emulator.control(json!({ "faults": [{ "at": "chunk", "kind": "hang", "times": 9 }] }));
        let ana = gateway.connect("ana").await;
        let token = ana.inner.cancel_token();
        let (answer, ()) = futures::join!(ana.simple(ALL), async {
            until("no piece is fetched", || count(&emulator, "chunk") > 0).await;
            token.cancel_query(tokio_postgres::NoTls).await.unwrap();
        });
        assert_eq!(answer.error().map(|(code, _)| code), Some("57014"));
        emulator.control(json!({ "clear": true }));
        until("sessions leak", || emulator.look()["sessions"].as_u64().unwrap() <= 4).await;
        assert_eq!(one_receipt_each(world, "canceled gateway").await, 5);
    });
}

/// What the service says that a statement would read is what limits and budgets go by; where rows are
/// hidden, only the sizes of whole tables are, which the emulator doesn't have.
#[test]
fn snowflake_says_what_a_statement_would_scan() {
    harness::run(async {
        let (world, emulator) = emulator().await;
        let policies = [POLICIES[0], POLICIES[1], "snowflake/limits.sql"];
        let gateway = over(emulator.warehouse(), "estimates of snowflake", &policies).await;
        let answer = gateway.connect("ana").await.simple(ALL).await;
        let (code, text) = answer.error().unwrap();
        let wanted =
            "it can't be told how much the statement would scan, which limit \"most\" bounds";
        assert_eq!((code, text), ("53T02", wanted));
        let root = gateway.connect("root").await;
        assert_eq!(root.simple(ALL).await.error(), None);
        // The receipt follows the last row.
        assert_eq!(root.simple("SELECT 1").await.error(), None);
        let audit = world.postgres.scratch("estimates of snowflake").join("audit.jsonl");
        let receipt = || {
            let records = std::fs::read_to_string(&audit).unwrap();
            let mut records = records.lines().filter_map(|line| serde_json::from_str(line).ok());
            records
                .find(|record: &Json| record["record"] == "receipt" && !record["scanned"].is_null())
        };
        until("no receipt says what was scanned", || receipt().is_some()).await;
        let receipt = receipt().unwrap();
        assert_eq!((&receipt["estimated"], &receipt["scanned"]), (&json!(4096), &json!(3000)));
        let asked = statements(emulator);
        let explained = asked.iter().filter(|entry| {
            let text = entry["sql"].as_str().unwrap();
            text.starts_with("EXPLAIN USING JSON SELECT") && text.contains("\"ORDERS\"")
        });
        assert!(explained.count() > 0 && count(emulator, "monitoring") > 0);
    });
}

const SHOP: &[&str] = &[
    "CREATE SCHEMA SHOP",
    "CREATE TABLE SHOP.\"Odd names\" (ID NUMBER(18,0), TENANT_ID VARCHAR, \"Mixed \"\"case\"\"\" VARCHAR(20), \
     SMALL NUMBER(4,0), WHOLE NUMBER(38,0), EXACT NUMBER(12,3), WIDE FLOAT, YES BOOLEAN, MOMENT TIMESTAMP_NTZ, \
     ZONED TIMESTAMP_TZ, DAY DATE, CLOCK TIME, DATA BINARY, DOC VARIANT)",
    "INSERT INTO SHOP.\"Odd names\" SELECT 1, 'acme', 'it''s \\\\ \"here\"', -7, 1234567890123456789::NUMBER(38,0), \
     -123456789.123, 1e300, true, '2024-02-29 12:34:56.789'::TIMESTAMP_NTZ, \
     '2024-02-29 10:34:56.789+00:00'::TIMESTAMP_TZ, '0001-01-01'::DATE, '23:59:59.999999'::TIME, \
     TO_BINARY('00FF', 'HEX'), NULL",
    "INSERT INTO SHOP.\"Odd names\" SELECT 2, 'acme', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL",
    "INSERT INTO SHOP.\"Odd names\" SELECT 3, 'globex', 'CANARY', 1, 1, 1, 1, false, NULL, NULL, NULL, NULL, NULL, NULL",
];

/// From a configuration to rows: `check` and `serve` with an account of every type.
#[test]
fn a_configuration_names_an_account() {
    harness::run(async {
        let postgres = Postgres::shared().await;
        let site = Site::new(postgres.scratch("served over snowflake"), &[]);
        let emulator = Emulator::start(&site.folder);
        emulator.sql(&SHOP.iter().map(|sql| (*sql).to_owned()).collect::<Vec<_>>());
        let config = std::fs::read_to_string(site.config()).unwrap();
        let embedded = "warehouse.kind = \"embedded\"\nwarehouse.data = \"data\"\n";
        assert!(config.contains(embedded));
        let account = format!(
            "warehouse.kind = \"snowflake\"\nwarehouse.account = \"acct\"\n\
             warehouse.address = \"http://127.0.0.1:{}\"\nwarehouse.database = \"{}\"\n\
             warehouse.user = \"{USER}\"\nwarehouse.authenticator = \"key_pair\"\n\
             warehouse.secret_file = \"key.pem\"\nwarehouse.schemas = [\"shop\"]\n",
            emulator.port,
            DATABASE.to_uppercase(),
        );
        std::fs::write(site.config(), config.replace(embedded, &account)).unwrap();

        let loaded = load::load(&site.config()).unwrap_or_else(|errors| panic!("{errors}"));
        let odd = loaded.snapshot.table(&TableName::new("shop", "Odd names")).unwrap();
        assert_eq!(odd.columns.len(), 14);
        let _server = site.serve().await;
        let ana = site.connect("ana").await;
        let sql = "SELECT id, \"Mixed \"\"case\"\"\", small, whole, exact, wide, yes, moment, zoned, day, \
                   clock, data FROM shop.\"Odd names\" ORDER BY id";
        let full = postgres.create("oddnames", &[
            "CREATE TABLE o (id bigint, mixed text, small smallint, whole numeric, exact numeric(12,3), \
             wide float8, yes boolean, moment timestamp, zoned timestamptz, day date, clock time, data bytea)",
            "INSERT INTO o VALUES (1, 'it''s \\ \"here\"', -7, 1234567890123456789, -123456789.123, 1e300, true, \
             '2024-02-29 12:34:56.789', '2024-02-29 12:34:56.789+02', '0001-01-01', '23:59:59.999999', '\\x00ff'), \
             (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
        ])
        .await;
        let measure = "SELECT * FROM o ORDER BY id";
        for format in ["arrow", "json"] {
            emulator.control(json!({ "options": { "format": format } }));
            for (got, want) in [
                (ana.simple(sql).await, full.simple(measure).await),
                (ana.extended(sql, &[]).await, full.extended(measure, &[]).await),
            ] {
                assert_eq!((got.error(), want.error()), (None, None));
                compare(got.rows(), want.rows(), true).unwrap_or_else(|what| panic!("{what}"));
            }
        }

        // What is in the literals and parameters stays a value.
        for text in [
            "it's \\ \"here\"",
            "\\' OR true --",
            "'; DROP TABLE x; --",
            ":1",
            "?",
            "",
            "é\u{1F600}",
        ] {
            let sql =
                "SELECT $1::text, count(*) FROM shop.\"Odd names\" WHERE tenant_id <> $1::text";
            let want = [[Value::Text(text.to_owned()), Value::Number(2.0)]];
            let quoted = sql.replace("$1", &format!("'{}'", text.replace('\'', "''")));
            assert_eq!(ana.simple(&quoted).await.rows(), want, "{text}");
            let bound = ana.extended(sql, &[crate::harness::client::Parameter(Some(text))]).await;
            assert_eq!(bound.rows(), want, "{text}");
        }
        for entry in statements(&emulator) {
            let text = entry["sql"].as_str().unwrap();
            assert!(!text.contains("here") && !text.contains("acme"), "{text}");
        }
    });
}
