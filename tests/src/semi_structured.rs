//! Semi-structured values and bytes over a Snowflake: what of them is shown to whom, and what isn't asked.

use std::sync::Arc;

use tokio::sync::OnceCell;
use tollgate_catalog::{TableName, pg_type};
use tollgate_warehouse::snowflake::{Discovery, discover};

use crate::harness::client::{Answer, Client};
use crate::harness::gateway::{Caches, PASSWORD, Running, start_over};
use crate::harness::snowflake::Emulator;
use crate::harness::value::compare;
use crate::harness::{self, case, flight::Flight, golden};

/// A gateway over an emulator with tables of such columns.
async fn gateway() -> (&'static Emulator, &'static Running) {
    static WORLD: OnceCell<(Emulator, Running)> = OnceCell::const_new();
    let start = || async {
        let postgres = &harness::world().await.postgres;
        let emulator = Emulator::start(&postgres.scratch("semi-structured"));
        let tables = case("snowflake/semi/tables.sql");
        let tables: Vec<String> =
            tables.lines().filter(|line| !line.starts_with("--")).map(str::to_owned).collect();
        emulator.sql(&tables);
        let warehouse = emulator.warehouse();
        let Discovery { tables, left_out } =
            discover(&warehouse, &["web".to_owned()]).await.unwrap();
        assert!(left_out.is_empty(), "{left_out:?}");
        let audit = postgres.scratch("over semi-structured").join("audit.jsonl");
        let caches = Caches { plans: 0, results: 0, ..Caches::default() };
        let policies = ["snowflake/semi/policies.sql"];
        let running = start_over(tables, Arc::new(warehouse), &audit, &policies, caches).await;
        (emulator, running)
    };
    let (emulator, running) = WORLD.get_or_init(start).await;
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
async fn judged(client: &Client, path: &str) {
    let mut out = String::new();
    for sql in case(&format!("snowflake/semi/{path}.sql")).lines() {
        if sql.starts_with("--") {
            out.push_str(&format!("{sql}\n"));
            continue;
        }
        let told = told(client, sql).await;
        assert!(!told.contains("canary") && !told.contains("cafe"), "{sql}\n{told}");
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
