//! The gateway's own records, asked by its users over both protocols: their own and nobody else's, and
//! everybody's for those who are granted them.

use std::process::Stdio;
use std::time::{Duration, Instant};

use arrow::array::{RecordBatch, StringArray};
use arrow_flight::sql::CommandGetTables;
use tokio::process::Command;
use tollgate_identity::{UserStore, Verifier};
use tollgate_proxy::serve::Server;
use tollgate_proxy::{cli, load};

use crate::harness::client::{Answer, Client};
use crate::harness::flight::{Flight, answer, command};
use crate::harness::gateway::{DATABASE, PASSWORD};
use crate::harness::postgres::Postgres;
use crate::harness::raw::{Raw, Reply, kinds, message, zero};
use crate::harness::run;
use crate::harness::served::{Site, rows, write};
use crate::harness::value::Value;

const POLICIES: &str = "CREATE ROLE auditor; CREATE ROLE half;
GRANT ROLE auditor TO USER 'eve'; GRANT ROLE half TO USER 'max';
GRANT ROLE analyst TO USER 'bob'; GRANT ROLE analyst TO USER 'max';
GRANT SELECT ON tollgate.audit TO ROLE auditor;
GRANT SELECT ON ALL TABLES IN SCHEMA tollgate TO ROLE half;
DENY SELECT (statement, secured_statement) ON tollgate.audit TO ROLE half;
CREATE ROW POLICY own_tenant ON tollgate.audit AS RESTRICTIVE TO ROLE half
  USING (tenant = principal_attr('tenant_id'));
CREATE MASKING POLICY addresses ON tollgate.audit (address) USING ('somewhere') EXCEPT ROLE auditor;
-- What grants by a pattern covers tables, not records.
GRANT SELECT ON ALL TABLES WITH COLUMN (name) TO ROLE auditor;";

/// Rows without end.
const ENDLESS: &str = "SELECT a.id FROM shop.items a, shop.items b, shop.items c, shop.items d, \
                       shop.items e";

async fn site(name: &str, keys: &[&str]) -> Site {
    let mut all = vec!["flight.listen = \"127.0.0.1:0\"", "ledger.statements = \"whole\""];
    all.extend(keys);
    let site = Site::new(Postgres::shared().await.scratch(name), &all);
    write(&site.data().join("items.parquet"), &rows(0..90), 30);
    std::fs::write(site.folder.join("policies/records.sql"), POLICIES).unwrap();
    let verifier = Verifier::from_password(PASSWORD, 4096, b"salt of the tests").unwrap();
    let mut users = UserStore::parse("").unwrap();
    for (user, tenant) in [("ana", "acme"), ("bob", "globex"), ("eve", "x"), ("max", "acme")] {
        let tenant = [("tenant_id".to_owned(), vec![tenant.to_owned()])];
        users = users.with_user(user, verifier.clone(), tenant.into());
    }
    std::fs::write(site.folder.join("users.toml"), users.to_toml()).unwrap();
    site
}

async fn flight(server: &Server, user: &str) -> Flight {
    Flight::connect(server.flight().unwrap(), user, PASSWORD).await.unwrap()
}

fn lines(answer: &Answer) -> Vec<String> {
    assert!(answer.error().is_none(), "{answer:?}");
    let text = |value: &Value| match value {
        Value::Null => "NULL".to_owned(),
        value => value.text(),
    };
    let rows = answer.rows().iter();
    rows.map(|row| row.iter().map(text).collect::<Vec<_>>().join("|")).collect()
}

async fn ask(client: &Client, sql: &str) -> Vec<String> {
    lines(&client.simple(sql).await)
}

/// The code and message of a refusal.
async fn refused(client: &Client, sql: &str) -> String {
    let answer = client.simple(sql).await;
    let (code, message) = answer.error().unwrap_or_else(|| panic!("{sql}: {answer:?}"));
    format!("{code} {message}")
}

/// Runs what each user's history is to hold.
async fn live(site: &Site) -> (Client, Client) {
    let (ana, bob) = (site.connect("ana").await, site.connect("bob").await);
    assert_eq!(ask(&ana, "SELECT count(*), 'of ana' FROM shop.items").await, ["60|of ana"]);
    assert!(ana.simple("SELECT 'of ana' FROM shop.hidden").await.error().is_some());
    assert!(ana.simple("SELECT 'of ana', 1 / (id - id) FROM shop.items").await.error().is_some());
    assert_eq!(ask(&bob, "SELECT count(*), 'CANARY' FROM shop.items").await, ["30|CANARY"]);
    (ana, bob)
}

const HISTORY: &str = "SELECT status, statement, rows, sqlstate, array_to_string(tables, ','), \
                       ended >= started \
                       FROM tollgate.my_queries WHERE statement LIKE '%of ana%' \
                       AND statement NOT LIKE '%my_queries%' ORDER BY started";
const EXPECTED: [&str; 3] = [
    "finished|SELECT count(*), 'of ana' FROM shop.items|1|NULL|shop.items|t",
    "refused|SELECT 'of ana' FROM shop.hidden|0|42P01||t",
    "failed|SELECT 'of ana', 1 / (id - id) FROM shop.items|0|22012|shop.items|t",
];

/// Asks everything of one ledger, whatever keeps it.
async fn histories(site: &Site) {
    let server = site.serve().await;
    let (ana, bob) = live(site).await;
    assert_eq!(ask(&ana, HISTORY).await, EXPECTED);
    assert_eq!(lines(&ana.extended(HISTORY, &[]).await), EXPECTED);
    let mut flown = flight(&server, "ana").await;
    let of_flight = answer(flown.statement(HISTORY).await);
    assert_eq!(lines(&of_flight), EXPECTED);
    assert_eq!(ask(&bob, HISTORY).await, [""; 0]);
    // A statement sees itself, since it is recorded before it runs.
    let own = "SELECT status, rows, ended FROM tollgate.my_queries ORDER BY started DESC LIMIT 1";
    assert_eq!(ask(&ana, own).await, ["running|NULL|NULL"]);

    let usage = "SELECT queries, refused, rows, day = current_date FROM tollgate.my_usage \
                 WHERE 'shop.items' = ANY(tables)";
    assert_eq!(ask(&ana, usage).await, ["2|0|1|t"]);
    assert_eq!(lines(&answer(flown.statement(usage).await)), ["2|0|1|t"]);
    assert_eq!(ask(&bob, usage).await, ["1|0|1|t"]);

    let eve = site.connect("eve").await;
    let audit = "SELECT principal, tenant, status, address, array_to_string(policies, ',') <> '' FROM tollgate.audit \
                 WHERE statement LIKE '%of ana%' AND principal <> 'eve' \
                 AND statement NOT LIKE '%my_%' ORDER BY started";
    let all = ["finished", "refused", "failed"].map(|status| {
        format!("ana|acme|{status}|127.0.0.1|{}", if status == "refused" { "f" } else { "t" })
    });
    assert_eq!(ask(&eve, audit).await, all);
    let mut eves = flight(&server, "eve").await;
    assert_eq!(lines(&answer(eves.statement(audit).await)), all);
    let who = "SELECT DISTINCT principal FROM tollgate.audit ORDER BY 1";
    assert_eq!(ask(&eve, who).await, ["ana", "bob", "eve"]);
    // The newest come first, whatever is asked of them.
    let newest = "SELECT principal FROM tollgate.audit LIMIT 1";
    assert_eq!(ask(&eve, newest).await, ["eve"]);
    assert_eq!(refused(&eve, "SELECT * FROM tollgate.usage").await, MISSING_USAGE);

    // Rows, masks and denials as on any table.
    let max = site.connect("max").await;
    assert_eq!(ask(&max, who).await, ["ana", "max"]);
    let masked = "SELECT DISTINCT address FROM tollgate.audit";
    assert_eq!(ask(&max, masked).await, ["somewhere"]);
    let denied = refused(&max, "SELECT statement FROM tollgate.audit").await;
    assert_eq!(denied, "42703 column \"statement\" does not exist");
    let sums = "SELECT principal, queries FROM tollgate.usage WHERE rows = 1 \
                AND 'shop.items' = ANY(tables) ORDER BY 1";
    assert_eq!(ask(&max, sums).await, ["ana|2", "bob|1"]);
    server.stop().await;
}

const MISSING_USAGE: &str = "42P01 relation \"tollgate.usage\" does not exist";

#[test]
fn users_ask_the_ledger_of_a_file() {
    run(async { histories(&site("records_file", &[]).await).await });
}

#[test]
fn users_ask_the_ledger_of_a_postgres() {
    run(async {
        let postgres = Postgres::shared().await;
        postgres.create("records_ledger", &[]).await;
        let keys = ["ledger.kind = \"postgres\"", "ledger.url_file = \"ledger.url\""];
        let site = site("records_postgres", &keys).await;
        let url = format!(
            "postgres://postgres@127.0.0.1:{}/records_ledger?sslmode=disable",
            postgres.port
        );
        std::fs::write(site.folder.join("ledger.url"), url).unwrap();
        histories(&site).await;
    });
}

#[test]
fn nobody_finds_the_records_of_others() {
    run(async {
        let site = site("records_attacks", &[]).await;
        let server = site.serve().await;
        let (ana, _bob) = live(&site).await;
        let mut flown = flight(&server, "ana").await;
        let own = "tollgate.my_queries";
        for sql in [
            format!("SELECT * FROM {own}"),
            format!("SELECT * FROM {own} a CROSS JOIN {own} b"),
            format!("SELECT * FROM {own} a FULL JOIN {own} b ON a.query_id <> b.query_id"),
            format!("SELECT (SELECT string_agg(statement, ',') FROM {own})"),
            format!("WITH q AS (SELECT * FROM {own}) SELECT * FROM q UNION ALL SELECT * FROM q"),
            "SELECT * FROM \"tollgate\".\"my_queries\"".to_owned(),
            "SELECT * FROM tollgate.tollgate.my_queries".to_owned(),
            format!("SELECT array_agg(statement) FROM {own}"),
            format!("SELECT * FROM {own} WHERE statement LIKE '%CAN' || 'ARY%'"),
            format!("EXPLAIN SELECT * FROM {own}"),
            format!("EXPLAIN ACCESS SELECT * FROM {own}"),
            format!("SELECT * FROM {own}, tollgate.my_usage, tollgate.my_limits"),
            format!("SELECT * FROM pg_class, {own}"),
            "SELECT * FROM pg_stat_activity".to_owned(),
            "SELECT * FROM pg_stat_user_tables".to_owned(),
        ] {
            let answers = [
                ana.simple(&sql).await,
                ana.extended(&sql, &[]).await,
                answer(flown.statement(&sql).await),
            ];
            for answer in answers {
                let text = format!("{answer:?}");
                assert!(!text.contains("CANARY") && !text.contains("bob"), "{sql}: {text}");
            }
        }
        // As many as ana has sent, and not one more: these, whoever else is there.
        let count = format!("SELECT count(*) FROM {own}");
        let before: u64 = ask(&ana, &count).await[0].parse().unwrap();
        let bob = site.connect("bob").await;
        ask(&bob, "SELECT 1").await;
        assert_eq!(ask(&ana, &count).await, [(before + 1).to_string()]);
        let sums = "SELECT sum(queries) FROM tollgate.my_usage";
        let used: u64 = ask(&ana, sums).await[0].parse().unwrap();
        ask(&bob, "SELECT 1").await;
        assert_eq!(ask(&ana, sums).await, [(used + 1).to_string()]);
        // Nothing counts rows of others for a planner or a tool.
        let tuples = "SELECT relname, reltuples FROM pg_class c JOIN pg_namespace n \
                      ON n.oid = c.relnamespace WHERE nspname = 'tollgate' ORDER BY 1";
        assert_eq!(ask(&ana, tuples).await, ["my_limits|-1", "my_queries|-1", "my_usage|-1"]);
        // Names that are almost theirs, by every way to a name.
        for sql in [
            "SELECT * FROM my_queries",
            "SELECT * FROM public.my_queries",
            "SELECT * FROM pg_catalog.my_queries",
            "SELECT * FROM \"tollgate.my_queries\"",
            "SELECT * FROM tollgate.\"My_Queries\"",
            "SELECT * FROM tollgate.records",
            "SELECT principal FROM tollgate.my_queries",
            "SELECT scanned FROM tollgate.my_usage",
            "SELECT * FROM tollgate.my_queries, shop.items",
            "SELECT * FROM shop.items WHERE name IN (SELECT statement FROM tollgate.my_queries)",
        ] {
            assert!(ana.simple(sql).await.error().is_some(), "{sql}");
        }
        ask(&ana, "SET search_path = tollgate").await;
        assert!(!ask(&ana, "SELECT * FROM my_queries").await.is_empty());
        assert!(refused(&ana, "SELECT * FROM audit").await.starts_with("42P01"));
        server.stop().await;
    });
}

/// The bytes of replies, with one name for another.
fn bytes(replies: &[Reply], from: &str, to: &str) -> String {
    let bodies: Vec<_> = replies
        .iter()
        .map(|reply| String::from_utf8_lossy(&reply.body).replace(from, to))
        .collect();
    format!("{} {bodies:?}", kinds(replies))
}

#[test]
fn records_that_are_not_granted_do_not_exist() {
    run(async {
        let site = site("records_hidden", &[]).await;
        let server = site.serve().await;
        let mut ana = site.raw("ana").await;
        for (hidden, missing) in [("audit", "audix"), ("usage", "usagx")] {
            for sql in [
                "SELECT * FROM tollgate.NAME",
                "SELECT count(*) FROM tollgate.NAME",
                "EXPLAIN SELECT 1 FROM tollgate.NAME",
                "EXPLAIN ACCESS SELECT 1 FROM tollgate.NAME",
                "SELECT 1 FROM tollgate.NAME, shop.items",
                "SELECT 1 FROM shop.items, tollgate.NAME",
                "SELECT 1 FROM tollgate.NAME, pg_class",
                "SELECT 1 FROM shop.items WHERE id IN (SELECT rows FROM tollgate.NAME)",
                "PREPARE p AS SELECT * FROM tollgate.NAME",
                "SELECT 'tollgate.NAME'::regclass",
                "SELECT to_regclass('tollgate.NAME')",
                "SELECT has_table_privilege('tollgate.NAME', 'SELECT')",
                "SELECT count(*) FROM pg_class WHERE relname = 'NAME'",
                "SELECT count(*) FROM information_schema.columns WHERE table_name = 'NAME'",
                "INSERT INTO tollgate.NAME SELECT 1",
                "DELETE FROM tollgate.NAME",
            ] {
                let one = ana.query(&sql.replace("NAME", hidden)).await;
                let other = ana.query(&sql.replace("NAME", missing)).await;
                assert_eq!(bytes(&one, hidden, missing), bytes(&other, "", ""), "{sql}");
            }
        }
        // Who is granted it is told of the mix.
        let eve = site.connect("eve").await;
        for sql in [
            "SELECT 1 FROM tollgate.audit, shop.items",
            "SELECT 1 FROM tollgate.audit, tollgate.my_queries",
            "SELECT 1 FROM shop.items WHERE id IN (SELECT rows FROM tollgate.audit)",
        ] {
            assert!(refused(&eve, sql).await.starts_with("0A000"), "{sql}");
        }
        server.stop().await;
    });
}

#[test]
fn a_grant_that_goes_takes_prepared_statements_along() {
    run(async {
        let site = site("records_revoked", &["cache.results = \"16 MiB\""]).await;
        let server = site.serve().await;
        let eve = site.connect("eve").await;
        let prepared = eve.inner.prepare("SELECT principal FROM tollgate.audit").await.unwrap();
        assert!(!eve.inner.query(&prepared, &[]).await.unwrap().is_empty());
        ask(&eve, "PREPARE p AS SELECT principal FROM tollgate.audit").await;
        assert!(!ask(&eve, "EXECUTE p").await.is_empty());
        let mut eves = flight(&server, "eve").await;
        let handle = eves.prepare("SELECT principal FROM tollgate.audit").await.unwrap().handle;
        assert!(eves.redeem(&handle).await.unwrap().count() > 0);
        // Each execution sees what has come since: nothing of records is kept.
        let count = "SELECT count(*) FROM tollgate.audit";
        let one: u64 = ask(&eve, count).await[0].parse().unwrap();
        assert_eq!(ask(&eve, count).await, [(one + 1).to_string()]);

        let less = POLICIES.replace("GRANT SELECT ON tollgate.audit TO ROLE auditor;", "");
        std::fs::write(site.folder.join("policies/records.sql"), less).unwrap();
        server.reload();
        let error = eve.inner.query(&prepared, &[]).await.unwrap_err();
        assert_eq!(error.code().unwrap().code(), "42P01");
        for sql in ["EXECUTE p", "SELECT principal FROM tollgate.audit", count] {
            assert!(refused(&eve, sql).await.starts_with("42P01"), "{sql}");
        }
        eves.redeem(&handle).await.unwrap_err();
        server.stop().await;
    });
}

#[test]
fn bundles_say_of_records_what_can_hold_only() {
    run(async {
        let site = site("records_bundles", &[]).await;
        for (policy, error) in [
            (
                "CREATE VIEW shop.v AS SELECT principal FROM tollgate.audit;",
                "a view can't read the gateway's own records",
            ),
            (
                "CREATE VIEW tollgate.mine AS SELECT id FROM shop.items;",
                "the schema \"tollgate\" is the gateway's own",
            ),
            (
                "CREATE VIEW tollgate.my_queries AS SELECT id FROM shop.items;",
                "the schema \"tollgate\" is the gateway's own",
            ),
            (
                "CREATE ROW POLICY p ON tollgate.audit AS RESTRICTIVE TO PUBLIC \
                 USING (principal IN (SELECT name FROM shop.items));",
                "a subquery in a policy can't stand on the gateway's own records",
            ),
            (
                "CREATE ROW POLICY p ON shop.items AS RESTRICTIVE TO PUBLIC \
                 USING (name IN (SELECT principal FROM tollgate.audit));",
                "a subquery in a policy can't stand on the gateway's own records",
            ),
            ("GRANT SELECT ON tollgate.my_queries TO PUBLIC;", "does not exist"),
            (
                "GRANT SELECT ON ALL TABLES WITH COLUMN (principal) TO PUBLIC;",
                "only the gateway's own records have a column",
            ),
        ] {
            std::fs::write(site.folder.join("policies/more.sql"), policy).unwrap();
            let errors = load::load(&site.config()).err().expect(policy).to_string();
            assert!(errors.contains(error), "{policy}\n{errors}");
        }
        std::fs::remove_file(site.folder.join("policies/more.sql")).unwrap();
        // A pattern that restricts covers records, too.
        let restricts = "CREATE ROW POLICY p ON ALL TABLES WITH COLUMN (principal) AS RESTRICTIVE \
                         TO PUBLIC USING (principal = 'bob');";
        std::fs::write(site.folder.join("policies/more.sql"), restricts).unwrap();
        let server = site.serve().await;
        let (_, _) = live(&site).await;
        let eve = site.connect("eve").await;
        assert_eq!(ask(&eve, "SELECT DISTINCT principal FROM tollgate.audit").await, ["bob"]);
        server.stop().await;
        // The names are the gateway's.
        std::fs::create_dir(site.folder.join("data/tollgate")).unwrap();
        write(&site.folder.join("data/tollgate/audit.parquet"), &rows(0..3), 3);
        let errors = load::load(&site.config()).err().unwrap().to_string();
        assert!(errors.contains("a schema \"tollgate\""), "{errors}");
    });
}

#[test]
fn without_a_ledger_there_are_no_records() {
    run(async {
        let site = Site::new(
            Postgres::shared().await.scratch("records_none"),
            &["ledger.kind = \"none\""],
        );
        write(&site.data().join("items.parquet"), &rows(0..9), 9);
        let server = site.serve().await;
        let ana = site.connect("ana").await;
        for name in ["my_queries", "my_usage", "my_limits", "audit", "usage"] {
            let told = refused(&ana, &format!("SELECT * FROM tollgate.{name}")).await;
            assert_eq!(told, format!("42P01 relation \"tollgate.{name}\" does not exist"));
        }
        server.stop().await;
        // Nor are there any in a rehearsal.
        let site = self::site("records_rehearsed", &[]).await;
        let mut out = Vec::new();
        let config = site.config().display().to_string();
        let sql = "SELECT * FROM tollgate.my_queries";
        let words = ["tollgate", "explain", "--config", &config, "--as", "ana", sql];
        let words = words.map(str::to_owned);
        let text = tokio::task::spawn_blocking(move || {
            cli::run_to(words, &mut out);
            String::from_utf8_lossy(&out).into_owned()
        });
        let text = text.await.unwrap();
        assert!(text.contains("42P01"), "{text}");
    });
}

/// What is true in the end, however long it takes.
async fn eventually(what: &str, mut ask: impl AsyncFnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !ask().await {
        assert!(Instant::now() < limit, "{what} doesn't come");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A session that reads rows without end.
async fn endless(site: &Site, user: &str) -> Raw {
    let mut raw = site.raw(user).await;
    raw.send(&message(b'Q', &zero(ENDLESS))).await;
    raw.wait(b'D').await;
    raw
}

#[test]
fn users_cancel_their_own_queries_by_id() {
    run(async {
        let site = site("records_cancel", &[]).await;
        let server = site.serve().await;
        let mut running = endless(&site, "ana").await;
        let (ana, bob) = (site.connect("ana").await, site.connect("bob").await);
        let find = "SELECT query_id, status FROM tollgate.my_queries \
                    WHERE statement LIKE 'SELECT a.id FROM%'";
        let found = ask(&ana, find).await;
        let [line] = found.as_slice() else { panic!("{found:?}") };
        let id = line.strip_suffix("|running").unwrap();

        // Somebody else's is answered like none, byte by byte; nobody's is stopped by it.
        let mut bobs = site.raw("bob").await;
        let stranger = id.replace(id.chars().last().unwrap(), "z");
        let mut told = Vec::new();
        for id in [id, &stranger, "", "nonsense"] {
            let replies = bobs.query(&format!("SELECT tollgate.cancel_query('{id}')")).await;
            told.push(bytes(&replies, "", ""));
        }
        assert!(told.iter().all(|one| *one == told[0]), "{told:?}");
        assert_eq!(ask(&bob, &format!("SELECT tollgate.cancel_query('{id}')")).await, ["f"]);
        let mut bobs = flight(&server, "bob").await;
        let cancel = "SELECT tollgate.cancel_query($1) AS done";
        let row = |id: &str| {
            let ids = StringArray::from(vec![id.to_owned()]);
            RecordBatch::try_from_iter([("1", std::sync::Arc::new(ids) as _)]).unwrap()
        };
        assert_eq!(lines(&answer(bobs.prepared(cancel, Some(row(id))).await)), ["f"]);
        // Neither does what isn't run.
        for sql in [
            format!("EXPLAIN SELECT tollgate.cancel_query('{id}')"),
            format!("EXPLAIN ACCESS SELECT tollgate.cancel_query('{id}')"),
            format!("PREPARE p AS SELECT tollgate.cancel_query('{id}')"),
            format!("SELECT CASE WHEN 1 = 2 THEN tollgate.cancel_query('{id}') END"),
            "SELECT tollgate.cancel_query(NULL)".to_owned(),
        ] {
            ask(&ana, &sql).await;
        }
        // It is in one schema only, and no function of queries over tables.
        for sql in [
            format!("SELECT cancel_query('{id}')"),
            format!("SELECT pg_catalog.cancel_query('{id}')"),
            format!("SELECT tollgate.count('{id}')"),
            "SELECT tollgate.cancel_query()".to_owned(),
            format!("SELECT tollgate.cancel_query('{id}') FROM shop.items"),
        ] {
            assert!(ana.simple(&sql).await.error().is_some(), "{sql}");
        }
        running.wait(b'D').await;
        assert_eq!(ask(&ana, find).await, [format!("{id}|running")]);

        let mut anas = flight(&server, "ana").await;
        assert_eq!(lines(&answer(anas.prepared(cancel, Some(row(id))).await)), ["t"]);
        let replies = running.until_ready().await;
        let error = replies.iter().find(|reply| reply.kind == b'E').expect("it goes on");
        assert_eq!(error.field(b'C').as_deref(), Some("57014"));
        let shown = "canceling statement due to user request";
        assert_eq!(error.field(b'M').as_deref(), Some(shown));
        running.works().await;
        eventually("its end", async || ask(&ana, find).await == [format!("{id}|cancelled")]).await;
        assert_eq!(ask(&ana, &format!("SELECT tollgate.cancel_query('{id}')")).await, ["f"]);
        // All of one's own at once, but for the statement that does it.
        let mut two = [endless(&site, "ana").await, endless(&site, "ana").await];
        let mut other = endless(&site, "bob").await;
        let all = "SELECT count(*) FROM (SELECT tollgate.cancel_query(query_id) AS done \
                   FROM tollgate.my_queries WHERE status = 'running') q WHERE done";
        assert_eq!(ask(&ana, all).await, ["2"]);
        for raw in &mut two {
            assert!(raw.until_ready().await.iter().any(|reply| reply.kind == b'E'));
        }
        other.wait(b'D').await;
        drop(other);
        server.stop().await;
    });
}

#[test]
fn users_are_told_their_limits_and_what_is_used_of_them() {
    run(async {
        let site = site("records_limits", &[]).await;
        let limits = "CREATE LIMIT day TO ROLE analyst MAX ROWS 4000000000 ON EXCEED TRUNCATE
              MAX RUNTIME '30 s' MAX CONCURRENT 4 RATE 10 PER HOUR PER USER BUDGET 25.00 PER DAY;
            CREATE LIMIT bobs TO USER 'bob' MAX BYTES SCANNED '50 GB';
            CREATE PRICE p TO PUBLIC PER QUERY 0.30 CURRENCY 'USD';";
        std::fs::write(site.folder.join("policies/limits.sql"), limits).unwrap();
        let server = site.serve().await;
        let (ana, bob) = (site.connect("ana").await, site.connect("bob").await);
        let ask_limits = "SELECT limit_name, part, bound::double precision, unit, \
                          used::double precision, renews > now() FROM tollgate.my_limits";
        let at_first = [
            "day|rows|4000000000|rows|NULL|NULL",
            "day|runtime|30|seconds|NULL|NULL",
            "day|concurrent|4|statements|0|NULL",
            "day|rate|10|statements|0|NULL",
            "day|budget|25|USD|0|t",
        ];
        assert_eq!(ask(&ana, ask_limits).await, at_first);
        for _ in 0..3 {
            ask(&ana, "SELECT count(*) FROM shop.items").await;
        }
        let used = [
            "day|concurrent|4|statements|0|NULL",
            "day|rate|10|statements|3|t",
            "day|budget|25|USD|1|t",
        ];
        let now = async || ask(&ana, ask_limits).await[2..] == used;
        eventually("the money", now).await;
        let mut flown = flight(&server, "ana").await;
        assert_eq!(lines(&answer(flown.statement(ask_limits).await))[2..], used);
        // A rate for each user is their own; a budget is shared, and so is what is used of it.
        let bobs = ask(&bob, ask_limits).await;
        assert!(bobs.contains(&"bobs|bytes|50000000000|bytes|NULL|NULL".to_owned()), "{bobs:?}");
        assert!(bobs.contains(&"day|rate|10|statements|0|NULL".to_owned()), "{bobs:?}");
        assert!(bobs.contains(&"day|budget|25|USD|1|t".to_owned()), "{bobs:?}");
        let eve = site.connect("eve").await;
        assert_eq!(ask(&eve, ask_limits).await, [""; 0]);
        let says = "SELECT says FROM tollgate.my_limits WHERE part = 'rate'";
        assert_eq!(ask(&ana, says).await, ["at most 10 per hour, for each user"]);
        let running = endless(&site, "ana").await;
        let places = "SELECT used::integer FROM tollgate.my_limits WHERE part = 'concurrent'";
        assert_eq!(ask(&bob, places).await, ["1"]);
        drop(running);
        server.stop().await;
    });
}

async fn psql(site: &Site, user: &str, text: &str) -> String {
    let port = site.address.port();
    let output = Command::new("psql")
        .args(["-X", "-v", "ON_ERROR_STOP=1"])
        .arg(format!("host=127.0.0.1 port={port} dbname={DATABASE} user={user} sslmode=disable"))
        .args(["-c", text])
        .env("PGPASSWORD", PASSWORD)
        .env("PAGER", "")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text}: {errors}");
    String::from_utf8(output.stdout).unwrap() + &errors
}

#[test]
fn tools_show_the_records_that_are_the_callers_to_read() {
    run(async {
        let site = site("records_shown", &[]).await;
        let server = site.serve().await;
        let text = psql(&site, "ana", r"\d tollgate.my_queries").await;
        for column in ["query_id", "statement", "timestamp with time zone", "text[]", "sqlstate"] {
            assert!(text.contains(column), "{text}");
        }
        let text = psql(&site, "ana", r"\d+ tollgate.my_limits").await;
        assert!(
            text.contains("numeric(38,9)") && text.contains("what it says, in words"),
            "{text}"
        );
        let names = async |user: &str| {
            let listed = psql(&site, user, r"\dt tollgate.*").await;
            let client = site.connect(user).await;
            let sql = "SELECT table_name FROM information_schema.tables \
                       WHERE table_schema = 'tollgate' ORDER BY 1";
            let names = ask(&client, sql).await;
            assert!(names.iter().all(|name| listed.contains(name)), "{listed}");
            assert_eq!(listed.matches("| table |").count(), names.len(), "{listed}");
            let mut flown = flight(&server, user).await;
            let tables = CommandGetTables {
                db_schema_filter_pattern: Some("tollgate".to_owned()),
                ..CommandGetTables::default()
            };
            let flown = flown.run(command(&tables)).await.unwrap();
            let flown: Vec<_> = flown.values().iter().map(|row| row[2].text()).collect();
            assert_eq!(flown, names);
            names.join(" ")
        };
        assert_eq!(names("ana").await, "my_limits my_queries my_usage");
        assert_eq!(names("eve").await, "audit my_limits my_queries my_usage");
        assert_eq!(names("max").await, "audit my_limits my_queries my_usage usage");
        let eve = site.connect("eve").await;
        let columns = "SELECT column_name FROM information_schema.columns WHERE table_name = 'audit' \
                       AND column_name IN ('statement', 'principal') ORDER BY 1";
        assert_eq!(ask(&eve, columns).await, ["principal", "statement"]);
        let max = site.connect("max").await;
        assert_eq!(ask(&max, columns).await, ["principal"]);
        let may = "SELECT has_table_privilege('tollgate.my_usage', 'SELECT')";
        assert_eq!(ask(&max, may).await, ["t"]);
        server.stop().await;
    });
}
