//! Samples of tables: for who sees all of their rows, and refused in one way for who doesn't; at the warehouse, or
//! not at all.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;
use tollgate_catalog::Table;
use tollgate_warehouse::{Warehouse, postgres, snowflake};

use crate::harness::client::Client;
use crate::harness::gateway::{Caches, Running, start_over, start_with};
use crate::harness::snowflake::Emulator;
use crate::harness::value::compare;
use crate::harness::{self, World};
use crate::postgres_warehouse::warehouse;

const POLICIES: [&str; 1] = ["snowflake/samples.sql"];

fn schemas() -> [String; 3] {
    ["crm", "health", "hr"].map(str::to_owned)
}

/// A gateway that would keep results, and shares plans.
async fn over(
    world: &World,
    mut tables: Vec<Table>,
    warehouse: Arc<dyn Warehouse>,
    name: &str,
) -> Running {
    for table in &mut tables {
        table.cache_for = Some(Duration::from_secs(600));
    }
    let audit = world.postgres.scratch(name).join("audit.jsonl");
    let caches = Caches { plans: 64 << 20, results: 64 << 20, ..Caches::default() };
    start_over(tables, warehouse, &audit, &POLICIES, caches).await
}

async fn rows(client: &Client, sql: &str) -> Vec<Vec<String>> {
    let answer = client.simple(sql).await;
    assert_eq!(answer.error(), None, "{sql}");
    let texts = |row: &Vec<_>| row.iter().map(harness::value::Value::text).collect();
    answer.rows().iter().map(texts).collect()
}

/// What may not be sampled is refused by one text, whatever the reason is.
async fn refused(client: &Client, table: &str, sql: &str) {
    let wanted = format!("relation \"{table}\" can't be sampled in this statement");
    assert_eq!(client.simple(sql).await.error(), Some(("42501", wanted.as_str())), "{sql}");
    let explained = client.simple(&format!("EXPLAIN {sql}")).await;
    assert_eq!(explained.error(), Some(("42501", wanted.as_str())), "{sql}");
}

#[test]
fn samples_in_a_postgresql() {
    harness::run(async {
        let world = harness::world().await;
        let server = warehouse(&world.postgres.dsn("full"));
        let found = postgres::discover(&server, &schemas()).await.unwrap();
        let gateway = over(world, found.tables, Arc::new(server), "samples in postgres").await;
        let ana = gateway.connect("ana").await;
        let bob = gateway.connect("bob").await;
        let clerk = gateway.connect("root").await;
        let full = world.postgres.connect("full").await;

        // The rows are those that PostgreSQL chooses.
        for sql in [
            "SELECT id FROM crm.customers TABLESAMPLE BERNOULLI (30) REPEATABLE (7) ORDER BY id",
            "SELECT c.id, c.country FROM crm.customers AS c TABLESAMPLE BERNOULLI (12.5) REPEATABLE (1) \
             WHERE c.id > 10 ORDER BY 1",
            "SELECT x.a FROM crm.customers x(a) TABLESAMPLE SYSTEM (100) REPEATABLE (3) ORDER BY 1",
            "SELECT count(*) FROM crm.orders TABLESAMPLE BERNOULLI (0)",
            "SELECT count(*), max(orders.id) FROM crm.orders TABLESAMPLE BERNOULLI (100)",
            "SELECT o.id, t.tenant_id FROM crm.orders o TABLESAMPLE BERNOULLI (20) REPEATABLE (5) \
             JOIN crm.tenants t TABLESAMPLE BERNOULLI (100) ON t.tenant_id = o.tenant_id ORDER BY 1",
            "WITH s AS (SELECT id FROM crm.orders TABLESAMPLE BERNOULLI (40) REPEATABLE (2)) \
             SELECT count(*) FROM s JOIN s AS z ON z.id = s.id",
            // What can fail stays outside of a table with a mask.
            "SELECT id FROM crm.customers TABLESAMPLE BERNOULLI (30) REPEATABLE (7) WHERE 10 / id >= 0 ORDER BY id",
            "SELECT t.tenant_id FROM crm.tenants t WHERE EXISTS (SELECT 1 FROM crm.orders o \
             TABLESAMPLE BERNOULLI (100) WHERE o.tenant_id = t.tenant_id) ORDER BY 1",
        ] {
            let (got, want) = (ana.simple(sql).await, full.simple(sql).await);
            assert_eq!((got.error(), want.error()), (None, None), "{sql}");
            compare(got.rows(), want.rows(), true).unwrap_or_else(|what| panic!("{sql}: {what}"));
        }
        // No result of one is kept, while others are.
        let sql = "SELECT id FROM crm.orders TABLESAMPLE BERNOULLI (50) ORDER BY id";
        assert_ne!(rows(&ana, sql).await, rows(&ana, sql).await);

        // A plan that was made for ana, who sees all orders, is none for bob.
        assert!(!rows(&ana, sql).await.is_empty());
        refused(&bob, "crm.orders", sql).await;
        assert_eq!(rows(&bob, "SELECT count(*) FROM crm.orders").await, [["120"]]);
        // No row of theirs is there, or values hang together, or only aggregates are shown, or it is a view.
        refused(&clerk, "hr.salaries", "SELECT 1 FROM hr.salaries TABLESAMPLE SYSTEM (10)").await;
        let masked = "SELECT id FROM crm.customers TABLESAMPLE BERNOULLI (100)";
        refused(&clerk, "crm.customers", masked).await;
        assert_eq!(rows(&ana, masked).await.len(), 90);
        let visits = "SELECT count(*) FROM health.visits TABLESAMPLE BERNOULLI (10)";
        refused(&ana, "health.visits", visits).await;
        let view = "SELECT tenant_id FROM crm.names TABLESAMPLE BERNOULLI (100)";
        refused(&ana, "crm.names", view).await;
        // The two sides of a guard would see different ones.
        let beside = "SELECT v.clinic, count(*), (SELECT count(*) FROM crm.tenants TABLESAMPLE BERNOULLI (50)) \
                      FROM health.visits v GROUP BY v.clinic";
        refused(&ana, "crm.tenants", beside).await;

        for (sql, wanted) in [
            ("SELECT 1 FROM crm.orders SAMPLE (10)", "SAMPLE is not supported"),
            (
                "SELECT 1 FROM crm.orders TABLESAMPLE (10)",
                "TABLESAMPLE without BERNOULLI or SYSTEM is not supported",
            ),
            (
                "SELECT 1 FROM crm.orders TABLESAMPLE BERNOULLI (1 + 1)",
                "TABLESAMPLE of what is no number is not supported",
            ),
            (
                "SELECT 1 FROM crm.orders TABLESAMPLE BERNOULLI (10 ROWS)",
                "a unit in TABLESAMPLE is not supported",
            ),
            (
                "SELECT 1 FROM (SELECT 1) q TABLESAMPLE SYSTEM (10)",
                "TABLESAMPLE of a query is not supported",
            ),
            (
                "WITH o AS (SELECT 1) SELECT 1 FROM o TABLESAMPLE SYSTEM (1)",
                "TABLESAMPLE of a common table expression is not supported",
            ),
            (
                "SELECT 1 FROM pg_class TABLESAMPLE SYSTEM (1)",
                "TABLESAMPLE of a relation of the system is not supported",
            ),
            (
                "WITH s AS (SELECT id FROM crm.orders TABLESAMPLE BERNOULLI (40)) SELECT 1 FROM s JOIN s AS z ON z.id = s.id",
                "a sample without a seed that is read more than once is not supported",
            ),
            (
                "SELECT 1 FROM crm.orders TABLESAMPLE BERNOULLI (101)",
                "sample percentage must be between 0 and 100, with 6 digits after the point at most",
            ),
            (
                "SELECT 1 FROM crm.missing TABLESAMPLE SYSTEM (1)",
                "relation \"crm.missing\" does not exist",
            ),
        ] {
            let answer = ana.simple(sql).await;
            assert_eq!(answer.error().map(|(_, text)| text), Some(wanted), "{sql}");
        }
    });
}

#[test]
fn samples_in_a_snowflake() {
    harness::run(async {
        let world = harness::world().await;
        let emulator = Emulator::start(&world.postgres.scratch("samples emulated"));
        emulator.import(&world.postgres.connect("full").await).await;
        let account = emulator.warehouse();
        let found = snowflake::discover(&account, &schemas()).await.unwrap();
        let gateway = over(world, found.tables, Arc::new(account), "samples in snowflake").await;
        let (ana, bob) = (gateway.connect("ana").await, gateway.connect("bob").await);
        for client in [&ana, &bob] {
            assert_eq!(client.simple("SET tollgate.dialect = 'snowflake'").await.error(), None);
        }
        for (clause, count) in [
            ("SAMPLE (100)", "220"),
            ("SAMPLE (0)", "0"),
            ("TABLESAMPLE BERNOULLI (100.0)", "220"),
            ("SAMPLE ROW (100) SEED (7)", "220"),
            ("SAMPLE SYSTEM (100) REPEATABLE (7)", "220"),
            ("SAMPLE BLOCK (100)", "220"),
            ("SAMPLE (7 ROWS)", "7"),
        ] {
            let sql = format!("SELECT COUNT(*) FROM crm.orders o {clause} WHERE o.id > 0");
            assert_eq!(rows(&ana, &sql).await, [[count]], "{sql}");
            refused(&bob, "crm.orders", &sql).await;
        }
        let log = emulator.look()["log"].as_array().unwrap().clone();
        let sent: Vec<&str> = log.iter().filter_map(|entry| entry["sql"].as_str()).collect();
        for text in [
            "TABLESAMPLE BERNOULLI (100)",
            "TABLESAMPLE SYSTEM (100) REPEATABLE (7)",
            "TABLESAMPLE (7 ROWS)",
        ] {
            // Inside of the generated relation, beside the raw table.
            let own = format!(".\"ORDERS\" AS \"t1\" {text}) AS \"t2\"");
            assert!(sent.iter().any(|sql| sql.contains(&own)), "{own}: {sent:?}");
        }
        for sql in [
            "SELECT 1 FROM crm.orders SAMPLE (7 ROWS) SEED (1)",
            "SELECT 1 FROM crm.orders SAMPLE SYSTEM (7 ROWS)",
            "SELECT 1 FROM crm.orders SAMPLE (10 PERCENT)",
            "SELECT 1 FROM crm.orders SAMPLE (10) SEED (1.5)",
        ] {
            let answer = ana.simple(sql).await;
            assert!(matches!(answer.error(), Some(("0A000" | "22023", _))), "{sql}: {answer:?}");
        }
    });
}

/// The embedded engine takes none, whoever asks for whichever table.
#[test]
fn no_samples_of_files() {
    harness::run(async {
        let world = harness::world().await;
        let gateway = start_with(
            &world.folder,
            &world.postgres.scratch("no samples").join("audit.jsonl"),
            &POLICIES,
        )
        .await;
        for user in ["ana", "bob"] {
            let client = gateway.connect(user).await;
            for sql in [
                "SELECT 1 FROM crm.orders TABLESAMPLE SYSTEM (1)",
                "SELECT 1 FROM health.visits TABLESAMPLE SYSTEM (1)",
            ] {
                let wanted = "TABLESAMPLE on a warehouse of kind \"embedded\" is not supported";
                assert_eq!(client.simple(sql).await.error(), Some(("0A000", wanted)), "{sql}");
            }
        }
    });
}

/// What is recorded says which sample it was.
#[test]
fn records_tell_of_samples() {
    harness::run(async {
        let world = harness::world().await;
        let server = warehouse(&world.postgres.dsn("full"));
        let found = postgres::discover(&server, &schemas()).await.unwrap();
        let gateway = over(world, found.tables, Arc::new(server), "samples recorded").await;
        let sql = "SELECT count(*) FROM crm.tenants TABLESAMPLE SYSTEM (100) REPEATABLE (9)";
        assert_eq!(rows(&gateway.connect("ana").await, sql).await, [["3"]]);
        let file = world.postgres.scratch("samples recorded").join("audit.jsonl");
        let text = std::fs::read_to_string(file).unwrap();
        let told =
            text.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok()).any(|record| {
                record["secured_sql"]
                    .as_str()
                    .is_some_and(|sql| sql.contains("crm TABLESAMPLE SYSTEM (100) REPEATABLE (9)"))
            });
        assert!(told, "{text}");
    });
}
