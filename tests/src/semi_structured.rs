//! Semi-structured values and bytes over a Snowflake: what of them is shown to whom, and what isn't asked.

use std::sync::Arc;

use tokio::sync::OnceCell;
use tollgate_catalog::{Snapshot, TableName, pg_type};
use tollgate_policy::{Bundle, MaskSecret, SourceFile};
use tollgate_rewriter::Registry;
use tollgate_warehouse::embedded::Embedded;
use tollgate_warehouse::snowflake::{Discovery, discover};

use crate::harness::client::{Answer, Client, Parameter};
use crate::harness::gateway::{Caches, PASSWORD, Running, start_over};
use crate::harness::snowflake::Emulator;
use crate::harness::value::compare;
use crate::harness::{self, case, flight::Flight, golden};

/// A gateway over an emulator with tables of such columns.
async fn gateway() -> (&'static Emulator, &'static Running) {
    static WORLD: OnceCell<(Emulator, Running)> = OnceCell::const_new();
    let start = || over("semi-structured", case("snowflake/semi/tables.sql"));
    let (emulator, running) = WORLD.get_or_init(start).await;
    (emulator, running)
}

/// The same over what statements make.
async fn over(name: &str, tables: String) -> (Emulator, Running) {
    let postgres = &harness::world().await.postgres;
    let emulator = Emulator::start(&postgres.scratch(name));
    let tables: Vec<String> =
        tables.lines().filter(|line| !line.starts_with("--")).map(str::to_owned).collect();
    emulator.sql(&tables);
    let warehouse = emulator.warehouse();
    let Discovery { tables, left_out } = discover(&warehouse, &["web".to_owned()]).await.unwrap();
    assert!(left_out.is_empty(), "{left_out:?}");
    let audit = postgres.scratch(&format!("over {name}")).join("audit.jsonl");
    let caches = Caches { plans: 64 << 20, results: 64 << 20, ..Caches::default() };
    let policies = ["snowflake/semi/policies.sql"];
    let running = start_over(tables, Arc::new(warehouse), &audit, &policies, caches).await;
    (emulator, running)
}

/// What a user is answered, as text.
async fn told(client: &Client, sql: &str) -> String {
    match client.simple(sql).await {
        Answer::Rows { rows, .. } => {
            let rows = rows.iter().map(|row| {
                let values: Vec<String> = row.iter().map(|value| value.text()).collect();
                format!("  {}\n", values.join(" | "))
            });
            rows.collect()
        }
        Answer::Error { fields, .. } => {
            let hint = fields.get("hint").map(|hint| format!("\n  {hint}")).unwrap_or_default();
            format!("  {} {}{hint}\n", fields["code"], fields["message"])
        }
    }
}

/// Asks what is in a case, and compares with its golden file. Nothing hidden may be in any answer.
pub(crate) async fn judged(client: &Client, path: &str) {
    let mut out = String::new();
    for sql in case(&format!("snowflake/semi/{path}.sql")).lines() {
        if sql.starts_with("--") {
            out.push_str(&format!("{sql}\n"));
            continue;
        }
        let told = told(client, sql).await;
        assert!(!told.contains("canary-") && !told.contains("cafe"), "{sql}\n{told}");
        out.push_str(&format!("{sql}\n{told}"));
    }
    golden(&format!("snowflake/semi/{path}.txt"), &out);
}

#[test]
fn values_are_shown_counted_and_tested_for_null() {
    harness::run(async {
        let (emulator, gateway) = gateway().await;
        let ana = gateway.connect("ana").await;
        judged(&ana, "shown").await;
        // In both formats, and by both protocols.
        let sql = "SELECT id, body, tags, data FROM web.events ORDER BY id";
        let want = told(&ana, sql).await;
        emulator.control(serde_json::json!({ "options": { "format": "json" } }));
        assert_eq!(told(&ana, sql).await, want);
        emulator.control(serde_json::json!({ "options": { "format": "arrow" } }));
        let typed = ana.inner.prepare(sql).await.unwrap();
        let types: Vec<_> = typed.columns().iter().map(|column| column.type_().name()).collect();
        assert_eq!(types, ["int4", "json", "json", "bytea"]);
        let sql = "SELECT id, body, tags FROM web.events ORDER BY id";
        let (bound, simple) = (ana.extended(sql, &[]).await, ana.simple(sql).await);
        assert_eq!(bound.error(), None);
        compare(bound.rows(), simple.rows(), true).unwrap();
        let mut flight = Flight::connect(gateway.flight, "ana", PASSWORD).await.unwrap();
        let rows = flight.statement(sql).await.unwrap();
        assert_eq!(rows.schema.field(1).data_type(), &arrow::datatypes::DataType::Utf8);
        compare(&rows.values(), simple.rows(), true).unwrap();
    });
}

/// Bytes compare by what they are, with bound ones too.
#[test]
fn bytes_are_compared_and_bound() {
    harness::run(async {
        let (_, gateway) = gateway().await;
        let ana = gateway.connect("ana").await;
        let sql = "SELECT id FROM web.events WHERE data = $1::bytea";
        for (bytes, ids) in
            [(vec![0_u8, 0xff], vec![1]), (vec![], vec![2]), (vec![0xca, 0x7a], vec![])]
        {
            let rows = ana.inner.query(sql, &[&bytes]).await.unwrap();
            let found: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
            assert_eq!(found, ids, "{bytes:?}");
        }
        for (sql, want) in [
            (
                "SELECT a.id, b.id FROM web.events a JOIN web.events b ON a.data = b.data ORDER BY 1",
                "  1 | 1\n  2 | 2\n",
            ),
            ("SELECT count(data), count(DISTINCT data) FROM web.events", "  2 | 2\n"),
            ("SELECT id FROM web.events ORDER BY data DESC NULLS LAST LIMIT 1", "  1\n"),
            ("SELECT count(token), count(DISTINCT token) FROM web.events", "  0 | 0\n"),
        ] {
            assert_eq!(told(&ana, sql).await, want, "{sql}");
        }
    });
}

#[test]
fn the_catalogs_call_them_json() {
    harness::run(async {
        let (emulator, gateway) = gateway().await;
        let found = discover(&emulator.warehouse(), &["web".to_owned()]).await.unwrap();
        let events = found.tables.iter().find(|of| of.name == TableName::new("web", "events"));
        let documents: Vec<&str> = events
            .unwrap()
            .columns
            .iter()
            .filter(|column| pg_type::is_document(&column.data_type))
            .map(|column| column.name.as_str())
            .collect();
        assert_eq!(documents, ["body", "extra", "tags", "secret", "proof", "shared"]);
        let ana = gateway.connect("ana").await;
        let sql = "SELECT data_type, count(*) FROM information_schema.columns \
                   WHERE table_name = 'events' GROUP BY data_type ORDER BY data_type";
        let want =
            "  bytea | 2\n  integer | 1\n  json | 6\n  text | 1\n  timestamp with time zone | 2\n";
        assert_eq!(told(&ana, sql).await, want);
    });
}

/// Whoever no rule restricts sees all.
#[test]
fn the_owner_sees_what_is_there() {
    harness::run(async {
        let (_, gateway) = gateway().await;
        let root = gateway.connect("root").await;
        let sql = "SELECT secret, proof, shared, token FROM web.events WHERE id = 5";
        let want = "  {\"pin\":\"canary-eve\"} | {\"p\":\"canary-eve\"} | {\"s\":\"canary-s\"} | \\xca7a\n";
        assert_eq!(told(&root, sql).await, want);
    });
}

async fn snowflake(gateway: &Running, user: &str) -> Client {
    let client = gateway.connect(user).await;
    assert_eq!(client.simple("SET tollgate.dialect = 'snowflake'").await.error(), None);
    client
}

#[test]
fn paths_lead_to_what_may_be_seen() {
    harness::run(async {
        let (emulator, gateway) = gateway().await;
        emulator.control(serde_json::json!({ "clear_log": true }));
        let ana = snowflake(gateway, "ana").await;
        judged(&ana, "paths").await;
        // No key and no literal of a statement is ever in a text, nor what a statement's name was.
        let log = emulator.look();
        let texts = log["log"].as_array().unwrap().iter().filter_map(|entry| entry["sql"].as_str());
        for text in texts.filter(|text| text.contains("\"EVENTS\"")) {
            for key in ["user", "it's", "UNION ALL SELECT 1", "DROP", "langs", "acme"] {
                assert!(!text.contains(key), "{text}");
            }
        }
    });
}

/// Functions tell of what may be seen of a value, on rows that may.
#[test]
fn functions_tell_of_what_may_be_seen() {
    harness::run(async {
        let (emulator, gateway) = gateway().await;
        emulator.control(serde_json::json!({ "clear_log": true }));
        judged(&snowflake(gateway, "ana").await, "functions").await;
        // What is read or looked for is bound, and never in a text.
        let log = emulator.look();
        let texts = log["log"].as_array().unwrap().iter().filter_map(|entry| entry["sql"].as_str());
        for text in texts.filter(|text| text.contains("\"RAW\"") || text.contains("\"EVENTS\"")) {
            for value in ["'fr'", "canary", "{", "acme"] {
                assert!(!text.contains(value), "{text}");
            }
        }
        // Whoever no rule restricts sees all, and what fails there.
        let root = snowflake(gateway, "root").await;
        let sql = "SELECT TYPEOF(secret:pin) AS t, ARRAY_CONTAINS('canary-t'::VARIANT, tags) AS c FROM web.events WHERE id = 5";
        assert_eq!(told(&root, sql).await, "  VARCHAR | t\n");
        let failed = root.simple("SELECT PARSE_JSON(note) FROM web.raw").await;
        let message = "a value could not be converted to the requested type";
        assert_eq!(failed.error(), Some(("22P02", message)));
        // What is read, or looked for, may be a parameter.
        for (sql, value, want) in [
            (
                "SELECT id FROM web.events WHERE ARRAY_CONTAINS(?::string::VARIANT, body:user.langs)",
                "fr",
                "1",
            ),
            ("SELECT PARSE_JSON(?):k::string AS k FROM web.flags", "{\"k\":\"' OR 1\"}", "' OR 1"),
        ] {
            let ana = snowflake(gateway, "ana").await;
            let answer = ana.extended(sql, &[Parameter(Some(value))]).await;
            assert_eq!(answer.error(), None, "{sql}");
            let found: Vec<String> = answer.rows().iter().map(|row| row[0].text()).collect();
            assert_eq!(found, [want], "{sql}");
        }
        // In PostgreSQL's dialect there are none.
        let plain = gateway.connect("ana").await;
        for sql in ["SELECT typeof(body) FROM web.events", "SELECT parse_json(note) FROM web.raw"] {
            assert_eq!(
                plain.simple(sql).await.error().map(|(code, _)| code),
                Some("42883"),
                "{sql}"
            );
        }
    });
}

/// A view shows what may be seen of what it reads, and guards the rows that it leaves out, too.
#[test]
fn views_show_what_may_be_seen() {
    harness::run(async {
        let (_, gateway) = gateway().await;
        judged(&snowflake(gateway, "ana").await, "views").await;
        // Whoever no rule restricts sees all of what the view does.
        let root = snowflake(gateway, "root").await;
        let sql = "SELECT id, body:user.name::string, tags[0]::string FROM web.bodies WHERE id = 5";
        assert_eq!(told(&root, sql).await, "  5 | canary-eve | canary-t\n");
        let sql = "SELECT OBJECT_KEYS(doc:user) FROM web.shorts WHERE id = 5";
        assert_eq!(told(&root, sql).await, "");
        // In PostgreSQL's dialect they are shown.
        let plain = gateway.connect("ana").await;
        let sql = "SELECT id, doc IS NULL, tags FROM web.shorts ORDER BY id";
        assert_eq!(told(&plain, sql).await, "  1 | f | [1,\"two\",[3]]\n  2 | f | []\n");
        let typed = plain.inner.prepare("SELECT doc FROM web.shorts").await.unwrap();
        assert_eq!(typed.columns()[0].type_().name(), "json");
    });
}

/// Elements are of values that may be seen, on rows that may.
#[test]
fn elements_are_those_of_what_may_be_seen() {
    harness::run(async {
        let (_, gateway) = gateway().await;
        judged(&snowflake(gateway, "ana").await, "flatten").await;
        // Whoever no rule restricts sees all of them.
        let root = snowflake(gateway, "root").await;
        let sql = "SELECT e.id, f.value::string FROM web.events e, LATERAL FLATTEN(INPUT => e.tags) f WHERE e.id = 5";
        assert_eq!(told(&root, sql).await, "  5 | canary-t\n");
        // They may be many, not too many.
        let calls = |count: usize| {
            let more =
                (1..count).map(|at| format!(", LATERAL FLATTEN(INPUT => f{}.value) f{at}", at - 1));
            let calls = more.collect::<String>();
            format!("SELECT 1 FROM web.events e, LATERAL FLATTEN(INPUT => e.tags) f0{calls}")
        };
        assert_eq!(told(&root, &calls(16)).await, "");
        for (sql, code) in [(calls(17), "54000"), (calls(1_000), "54000")] {
            assert_eq!(root.simple(&sql).await.error().map(|(code, _)| code), Some(code));
        }
        // All columns before a call are those of a list, which has bounds.
        let columns = (0..1_600).map(|at| format!("id AS a{at}")).collect::<Vec<_>>().join(", ");
        let wide = |count: usize| {
            let places = (0..count).map(|at| format!("w w{at}, ")).collect::<String>();
            format!(
                "WITH w AS (SELECT {columns} FROM web.events) SELECT w0.a7 FROM {places}web.events e, LATERAL FLATTEN(INPUT => e.tags) f WHERE e.id = 5 AND w0.a0 = 5"
            )
        };
        assert_eq!(told(&root, &wide(1)).await, "  5\n");
        for count in [2, 120] {
            let answer = root.simple(&wide(count)).await;
            assert_eq!(answer.error().map(|(code, _)| code), Some("54000"), "{count}");
        }
        // In PostgreSQL's dialect there is none.
        let plain = gateway.connect("ana").await;
        let sql = "SELECT 1 FROM web.events e, LATERAL flatten(e.tags) f";
        assert_eq!(plain.simple(sql).await.error().map(|(code, _)| code), Some("42883"));
    });
}

#[test]
fn a_path_has_bounds() {
    harness::run(async {
        let (_, gateway) = gateway().await;
        let ana = snowflake(gateway, "ana").await;
        let steps = |count: usize| {
            format!("SELECT body:{} AS x FROM web.events", vec!["a"; count].join("."))
        };
        let nested = format!("SELECT {}body{}", "(".repeat(120), ":a.b)".repeat(120));
        for (sql, code) in [
            (steps(64), None),
            (steps(65), Some("54000")),
            (format!("SELECT body:\"{}\" FROM web.events", "k".repeat(1_024)), None),
            (format!("SELECT body:\"{}\" FROM web.events", "k".repeat(1_025)), Some("54000")),
            (format!("SELECT body['{}'] FROM web.events", "k".repeat(60_000)), Some("54000")),
            (
                format!("SELECT GET_PATH(body, '{}') FROM web.events", vec!["a"; 20_000].join(".")),
                Some("54000"),
            ),
            (format!("SELECT body{} FROM web.events", "[0]".repeat(64)), None),
            (format!("SELECT body{} FROM web.events", "[0]".repeat(5_000)), Some("54000")),
            (format!("{nested} FROM web.events"), Some("54000")),
            (
                format!("SELECT {}body{}", "GET(".repeat(100), ", 0)".repeat(100))
                    + " FROM web.events",
                Some("54000"),
            ),
            (
                format!(
                    "SELECT DECODE(body:\"{}\"::string, {} 0) FROM web.events",
                    "k".repeat(1_000),
                    "'a', 1, ".repeat(45)
                ),
                None,
            ),
        ] {
            let answer = ana.simple(&sql).await;
            let start: String = sql.chars().take(60).collect();
            assert_eq!(answer.error().map(|(code, _)| code), code, "{start}: {:?}", answer.error());
        }
    });
}

/// A path is a constant, what it is compared with may be a parameter; and a plan that was made for one
/// user serves another one only with what that one may see.
#[test]
fn statements_with_paths_are_prepared_and_kept() {
    harness::run(async {
        let (_, gateway) = gateway().await;
        let (ana, root) = (snowflake(gateway, "ana").await, snowflake(gateway, "root").await);
        let sql = "SELECT id FROM web.events WHERE body:user.name::string = ? ORDER BY id";
        for (client, name, ids) in [
            (&ana, "Ada", vec!["1"]),
            (&ana, "canary-eve", vec![]),
            (&root, "canary-eve", vec!["5"]),
            (&ana, "' OR true --", vec![]),
        ] {
            let answer = client.extended(sql, &[Parameter(Some(name))]).await;
            assert_eq!(answer.error(), None, "{name}");
            let found: Vec<String> = answer.rows().iter().map(|row| row[0].text()).collect();
            assert_eq!(found, ids, "{name}");
        }
        let computed =
            ana.extended("SELECT GET(body, ?) FROM web.events", &[Parameter(Some("n"))]).await;
        assert_eq!(computed.error().map(|(code, _)| code), Some("0A000"));
        for sql in [
            "SELECT id, secret:pin::string FROM web.events ORDER BY id",
            "SELECT id, secret, shared FROM web.events ORDER BY id",
        ] {
            for _ in 0..2 {
                let (own, other) = (told(&ana, sql).await, told(&root, sql).await);
                assert!(!own.contains("canary") && own.lines().count() == 4, "{own}");
                assert!(other.contains("canary") && other.lines().count() == 5, "{other}");
            }
        }
        // Where nothing is hidden, what fails fails, and says no value.
        let failed = root.simple("SELECT body:user.age::int FROM web.events").await;
        let (code, message) = failed.error().unwrap();
        assert_eq!(
            (code, message),
            ("22P02", "a value could not be converted to the requested type")
        );
        // In PostgreSQL's dialect there are no paths.
        let plain = gateway.connect("ana").await;
        for sql in ["SELECT body:n FROM web.events", "SELECT body::numeric FROM web.events"] {
            assert!(plain.simple(sql).await.error().is_some(), "{sql}");
        }
    });
}

/// What a policy can't do with such a column is an error when it is loaded.
#[test]
fn policies_over_them_are_checked() {
    harness::run(async {
        let (emulator, _) = gateway().await;
        let found = discover(&emulator.warehouse(), &["web".to_owned()]).await.unwrap();
        let snapshot = Snapshot::new(1, found.tables);
        let registry = Registry::new(&tollgate_gateway::Functions::new(Embedded::udf_source()));
        let load = |text: &str| {
            let text = format!(
                "CREATE ROLE r; GRANT SELECT ON ALL TABLES IN SCHEMA web TO ROLE r; {text}"
            );
            let file = SourceFile { path: "p.sql".to_owned(), text };
            Bundle::load(&[file], &snapshot, &registry, &MaskSecret::new([7; 32]))
                .map(drop)
                .map_err(|errors| errors.to_string())
        };
        let mask =
            |mask: &str| format!("CREATE MASKING POLICY m ON web.events (body) USING ({mask});");
        let rows = |using: &str| {
            format!("CREATE ROW POLICY p ON web.events AS RESTRICTIVE TO ROLE r USING ({using});")
        };
        let view = |query: &str| format!("CREATE VIEW web.v AS {query};");
        for good in [
            mask("NULL"),
            mask("mask_null(value)"),
            mask("mask_redact(value)"),
            mask("CASE WHEN has_role('r') THEN value ELSE NULL END"),
            rows("body IS NOT NULL"),
            view("SELECT id, body FROM web.events"),
            view("SELECT body, 10 / id AS q FROM web.events"),
            view(
                "SELECT id, body AS b, tags IS NULL AS t FROM web.events WHERE body IS NOT NULL AND id > 1",
            ),
            format!(
                "{} CREATE MASKING POLICY m ON web.v (body) USING (mask_null(value));",
                view("SELECT id, body FROM web.events")
            ),
        ] {
            assert_eq!(load(&good), Ok(()), "{good}");
        }
        let mut out = String::new();
        for bad in [
            mask("mask_partial(value, 1)"),
            mask("mask_hash(value)"),
            mask("mask_email(value)"),
            mask("mask_round(value, 1)"),
            mask("'x'"),
            mask("lower(value)"),
            mask("value::text"),
            mask("CASE WHEN value = '1' THEN value ELSE NULL END"),
            rows("body = '1'"),
            rows("body = body"),
            rows("body::text = '1'"),
            rows("lower(body) = '1'"),
            rows("body IN ('1')"),
            rows("body LIKE '1'"),
            rows("concat(body, 'x') = '1'"),
            rows("body IN (SELECT profile FROM web.users)"),
            rows("nullif(body, body) IS NULL"),
            rows("greatest(body, body) IS NULL"),
            rows("coalesce(body, body) IS NULL"),
            rows("body:user = '1'"),
            view("SELECT e.id, e.body FROM web.events e JOIN web.users u ON u.name = e.tenant_id"),
            view("SELECT id, body FROM web.events UNION ALL SELECT id, doc FROM web.equal"),
            view("SELECT id, body FROM web.events ORDER BY id LIMIT 1"),
            view("SELECT DISTINCT id, body FROM web.events"),
            view("SELECT body, 10 / coalesce(id, 0) AS q FROM web.events"),
            view("SELECT body FROM web.events WHERE 10 / id > 1"),
            view("SELECT body FROM web.events WHERE id IN (SELECT id FROM web.equal)"),
            view("SELECT body, (SELECT max(id) FROM web.equal) AS m FROM web.events"),
            view("SELECT body, row_number() OVER (ORDER BY id) AS n FROM web.events"),
            view("SELECT body FROM web.events WHERE body = body"),
            view("SELECT body::text AS t FROM web.events"),
            view("SELECT row_to_json(e) AS r FROM web.events e"),
            view("SELECT CASE WHEN id = 1 THEN body END AS b FROM web.events"),
        ] {
            let Err(errors) = load(&bad) else { panic!("loaded: {bad}") };
            out.push_str(&format!("{bad}\n{errors}\n"));
        }
        golden("snowflake/semi/policies.txt", &out);
    });
}

/// Whatever hidden rows and masked values hold, and whatever a cast of them would say, the answers are the same.
#[test]
fn hidden_values_change_no_answer() {
    harness::run(async {
        let (_, one) = gateway().await;
        let tables = case("snowflake/semi/tables.sql");
        let altered =
            tables.replace("\"canary-", "\"1").replace("TO_BINARY('CA7A', 'HEX')", "NULL");
        assert_ne!(altered, tables);
        let (_emulator, other) = over("altered semi-structured", altered).await;
        let root = snowflake(one, "root").await;
        let differs = "SELECT body:user.name::string FROM web.events WHERE id = 5";
        let seen = told(&snowflake(&other, "root").await, differs).await;
        assert_ne!(told(&root, differs).await, seen);
        for (path, dialect) in [
            ("shown", "postgresql"),
            ("paths", "snowflake"),
            ("flatten", "snowflake"),
            ("functions", "snowflake"),
            ("views", "snowflake"),
        ] {
            let clients = [one.connect("ana").await, other.connect("ana").await];
            for client in &clients {
                let set = format!("SET tollgate.dialect = '{dialect}'");
                assert_eq!(client.simple(&set).await.error(), None);
            }
            let [one, other] = clients;
            let mut asked = 0;
            for sql in case(&format!("snowflake/semi/{path}.sql")).lines() {
                if !sql.starts_with("--") {
                    let (one, other) = futures::join!(told(&one, sql), told(&other, sql));
                    assert_eq!(one, other, "{sql}");
                    asked += 1;
                }
            }
            assert!(asked > 25);
        }
    });
}

/// The texts that are sent, with what is bound in them.
#[test]
fn values_stay_what_they_are_until_they_leave() {
    harness::run(async {
        let (emulator, gateway) = over("texts of paths", case("snowflake/semi/tables.sql")).await;
        let mut out = String::new();
        for (user, sql) in [
            ("root", "SELECT body, tags[0]::string FROM web.events"),
            ("ana", "SELECT body FROM web.events"),
            ("ana", "SELECT id FROM web.events WHERE body IS NOT NULL"),
            (
                "ana",
                "SELECT id, body:user.langs[1]::string FROM web.events WHERE secret:pin::int > 1",
            ),
            (
                "ana",
                "SELECT x:name::string FROM (SELECT body:\"it's \\ :1\" AS x FROM web.events) WHERE x IS NOT NULL",
            ),
            (
                "root",
                "SELECT f.key, f.value::string FROM web.users u, LATERAL FLATTEN(INPUT => u.profile, OUTER => TRUE) f WHERE u.name = 'Ada'",
            ),
            (
                "ana",
                "SELECT e.id, f.index FROM web.events e, LATERAL FLATTEN(INPUT => e.body:user.langs) f",
            ),
            (
                "ana",
                "SELECT PARSE_JSON(note):a, TYPEOF(TRY_PARSE_JSON(note)) FROM web.raw WHERE ARRAY_CONTAINS('b'::VARIANT, OBJECT_KEYS(PARSE_JSON(note):a))",
            ),
            ("ana", "SELECT bare, OBJECT_KEYS(doc) FROM web.objects"),
            ("root", "SELECT profile:level::int FROM web.levels"),
            ("ana", "SELECT twice FROM web.twice"),
            (
                "root",
                "SELECT u.name, f.seq, f.path FROM web.users u, LATERAL FLATTEN(INPUT => u.profile, MODE => 'OBJECT', OUTER => TRUE, RECURSIVE => TRUE, PATH => 'a.b[0]') f",
            ),
            (
                "ana",
                "SELECT TRY_CAST(body:n::string AS NUMBER(10, 1)) FROM web.events WHERE TRY_TO_DATE(body:day::string) IS NOT NULL",
            ),
        ] {
            let client = snowflake(&gateway, user).await;
            emulator.control(serde_json::json!({ "clear_log": true }));
            assert_eq!(client.simple(sql).await.error(), None, "{sql}");
            let log = emulator.look();
            let sent = log["log"].as_array().unwrap().iter().find(|entry| entry["sql"].is_string());
            let sent = sent.unwrap();
            let text = sent["sql"].as_str().unwrap().replace(" FROM ", "\n    FROM ");
            let bound: Vec<String> = sent["bindings"]
                .as_object()
                .unwrap()
                .iter()
                .map(|(number, value)| format!(":{number} {}", value["value"]))
                .collect();
            out.push_str(&format!("{user}: {sql}\n  {text}\n  {}\n\n", bound.join(", ")));
        }
        golden("snowflake/semi/texts.txt", &out);
    });
}
