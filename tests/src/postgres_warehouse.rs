//! The same governed statements over a PostgreSQL as the warehouse: the text that is forwarded gives
//! what PostgreSQL gives over the projected database, and nothing else gets out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion_common::ScalarValue;
use tokio::sync::OnceCell;
use tokio_postgres::types::{ToSql, Type};
use tollgate_catalog::{Snapshot, TableName};
use tollgate_gateway::introspect::SystemRelations;
use tollgate_identity::Principal;
use tollgate_policy::{Bundle, Circumstances, MaskSecret, SourceFile, Standing, decide};
use tollgate_proxy::load;
use tollgate_rewriter::{
    Parameter as Bound, Prepared, Registry, Rendering, Secured, SessionFacts, VisibleTable,
    VisibleTables,
};
use tollgate_warehouse::embedded::Embedded;
use tollgate_warehouse::postgres::{Options, Postgres, discover};

use crate::attacks::{Findings, judge_text};
use crate::differential::{agree, nothing_hidden_fails, probes};
use crate::harness::client::{Client, Parameter};
use crate::harness::data::export;
use crate::harness::gateway::{Caches, PASSWORD, Running, policies, start_over, start_with, users};
use crate::harness::served::Site;
use crate::harness::value::{Value, compare};
use crate::harness::{self, World, case};
use crate::ledger::{of, works};

/// A warehouse over the whole corpus.
pub(crate) fn warehouse(dsn: &str) -> Postgres {
    let server = dsn.parse().unwrap();
    Postgres::new(Options { server, tls: None, statement_timeout: None, pooled: None }).unwrap()
}

/// A gateway that forwards to the PostgreSQL that holds the whole corpus.
pub(crate) async fn forwarding() -> (&'static World, &'static Running) {
    static GATEWAY: OnceCell<Running> = OnceCell::const_new();
    let world = harness::world().await;
    let start = || async {
        let warehouse = warehouse(&world.postgres.dsn("full"));
        let schemas = ["crm", "health", "hr"].map(str::to_owned);
        let found = discover(&warehouse, &schemas).await.unwrap();
        assert!(found.left_out.is_empty(), "{:?}", found.left_out);
        let audit = world.postgres.scratch("forwarded").join("audit.jsonl");
        let policies = ["policy/corpus/roles.sql", "policy/corpus/crm.sql"];
        let caches = Caches { plans: 64 << 20, results: 0, ..Caches::default() };
        start_over(found.tables, Arc::new(warehouse), &audit, &policies, caches).await
    };
    (world, GATEWAY.get_or_init(start).await)
}

#[test]
fn no_attack_gets_past_the_text() {
    harness::run(async {
        let (world, gateway) = forwarding().await;
        judge_text(gateway, world, Findings::default(), "attacks/refused_postgres.txt").await;
    });
}

#[test]
fn random_statements_give_what_the_projected_database_gives() {
    harness::run(async {
        let (world, gateway) = forwarding().await;
        let ana = gateway.connect("ana").await;
        let projected = world.postgres.connect("projected").await;
        agree(&ana, &projected, true).await;
    });
}

/// What fails on hidden rows only doesn't fail.
#[test]
fn hidden_rows_raise_no_errors_in_a_forwarded_query() {
    harness::run(async {
        let (world, gateway) = forwarding().await;
        let ana = gateway.connect("ana").await;
        let projected = world.postgres.connect("projected").await;
        nothing_hidden_fails(&ana, &projected).await;
    });
}

/// PostgreSQL masks as the gateway does, byte for byte.
#[test]
fn masks_give_the_same_values_in_both_warehouses() {
    harness::run(async {
        let world = harness::world().await;
        let name = "masks";
        let data = world.postgres.create(name, &[&case("attacks/masks.sql")]).await;
        let folder = world.postgres.scratch("masks data");
        export(&data, &folder).await;
        let policies = ["policy/corpus/masks.sql"];
        let audit = |name| world.postgres.scratch(name).join("audit.jsonl");
        let embedded = start_with(&folder, &audit("masks embedded"), &policies).await;
        let warehouse = warehouse(&world.postgres.dsn(name));
        let tables = discover(&warehouse, &[name.to_owned()]).await.unwrap().tables;
        let caches = Caches { plans: 0, results: 0, ..Caches::default() };
        let audit = audit("masks forwarded");
        let forwarded = start_over(tables, Arc::new(warehouse), &audit, &policies, caches).await;
        let (ana, other) = (embedded.connect("ana").await, forwarded.connect("ana").await);
        for table in ["texts", "numbers", "dates"] {
            let sql = format!("SELECT * FROM masks.{table} ORDER BY id");
            let (want, got) = (ana.simple(&sql).await, other.simple(&sql).await);
            assert_eq!((got.error(), want.error()), (None, None), "{table}");
            assert!(want.rows().len() > 8);
            compare(got.rows(), want.rows(), true).unwrap_or_else(|what| panic!("{table}: {what}"));
        }
    });
}

struct Visible<'a>(&'a Snapshot, &'a Bundle, &'a Principal, &'a Standing);

impl VisibleTables for Visible<'_> {
    fn table(&self, name: &TableName) -> Option<VisibleTable> {
        let table = self.0.table(name)?;
        let columns = self.1.visible(self.2, self.3, table)?;
        Some(VisibleTable { table: Arc::clone(table), columns })
    }
}

/// The texts that are forwarded for ana.
async fn renderings(world: &World, files: &[SourceFile], statements: &[String]) -> Vec<Rendering> {
    let warehouse = warehouse(&world.postgres.dsn("full"));
    let schemas = ["crm", "health", "hr"].map(str::to_owned);
    let snapshot = Snapshot::new(1, discover(&warehouse, &schemas).await.unwrap().tables);
    let secured = secured(&snapshot, files, statements);
    secured.iter().map(|secured| secured.for_postgres().unwrap()).collect()
}

/// What ana's statements become over the tables of a snapshot.
pub(crate) fn secured(
    snapshot: &Snapshot,
    files: &[SourceFile],
    statements: &[String],
) -> Vec<Secured> {
    let prepared = prepared(snapshot, files, statements).into_iter();
    prepared.map(|prepared| prepared.bind(Vec::new()).unwrap()).collect()
}

/// The same before parameters have values.
fn prepared(snapshot: &Snapshot, files: &[SourceFile], statements: &[String]) -> Vec<Prepared> {
    let registry = Registry::new(&tollgate_gateway::Functions::new(Embedded::udf_source()));
    let bundle = Bundle::load(files, snapshot, &registry, &MaskSecret::new([7; 32])).unwrap();
    let bundle = Arc::new(bundle);
    let ana = users().verify_password("ana", PASSWORD, [127, 0, 0, 1].into()).unwrap();
    let ana = Arc::new(ana);
    let now = Circumstances { now: 0, mfa: false, purpose: None };
    let standing = bundle.standing(&ana, &now).unwrap();
    let facts = SessionFacts {
        user: "ana".to_owned(),
        database: "tollgate".to_owned(),
        search_path: vec!["crm".to_owned()],
        version: String::new(),
        backend_pid: 1,
        settings: Arc::new(BTreeMap::new()),
    };
    let visible = Visible(snapshot, &bundle, &ana, &standing);
    let secure = |sql: &String| {
        let parsed = tollgate_rewriter::parse(sql).unwrap().pop().unwrap();
        let resolved =
            tollgate_rewriter::resolve(&parsed, &registry, &facts, &visible, &SystemRelations);
        let permit = decide(&bundle, &ana, &now, resolved.unwrap()).unwrap();
        tollgate_rewriter::secure(permit, &registry, 1, &[]).unwrap()
    };
    statements.iter().map(secure).collect()
}

/// A text is printed for all values once; a long one is for those that it was printed for first, and isn't kept.
#[test]
fn texts_are_printed_once() {
    harness::run(async {
        let world = harness::world().await;
        let warehouse = warehouse(&world.postgres.dsn("full"));
        let schemas = ["crm", "health", "hr"].map(str::to_owned);
        let snapshot = Snapshot::new(1, discover(&warehouse, &schemas).await.unwrap().tables);
        let files = policies();
        let list = |of: i64| (0..of).map(|id| id.to_string()).collect::<Vec<_>>().join(", ");
        let sql = |of| format!("SELECT id FROM crm.orders WHERE id <> $1 AND id IN ({})", list(of));
        let prepared = prepared(&snapshot, &files, &[sql(10), sql(4000)]);
        for (prepared, is_open) in prepared.iter().zip([[true, true, true], [true, false, false]]) {
            let mut texts = Vec::new();
            for (value, is_open) in (7_i64..).zip(is_open) {
                let secured = prepared.bind(vec![ScalarValue::Int64(Some(value))]).unwrap();
                let rendering = secured.for_postgres().unwrap();
                let is_value = |bound: &&Bound| matches!(bound, Bound::Written { text: Some(text), .. } if *text == value.to_string());
                let open = rendering.parameters().iter().filter(is_value).count();
                assert_eq!(open, usize::from(is_open), "{value}");
                texts.push(rendering.text().to_owned());
            }
            assert_eq!(texts[0] == texts[1], is_open[1]);
        }
    });
}

/// Runs a text as it stands.
async fn raw(client: &Client, text: &str, rendering: &Rendering) -> Result<usize, String> {
    let (mut types, mut values) = (Vec::new(), Vec::<&(dyn ToSql + Sync)>::new());
    for parameter in rendering.parameters() {
        match parameter {
            Bound::Text(text) => {
                types.push(Type::TEXT);
                values.push(text);
            }
            Bound::Bytes(bytes) => {
                types.push(Type::BYTEA);
                values.push(bytes);
            }
            Bound::Written { .. } => panic!("a parameter of nobody"),
        }
    }
    let statement = client.inner.prepare_typed(text, &types).await.unwrap();
    let rows = client.inner.query(&statement, &values).await;
    rows.map(|rows| rows.len()).map_err(|error| error.as_db_error().unwrap().message().to_owned())
}

/// Rows by a mapping table: PostgreSQL makes a join of it, after the conditions of the scan.
const MAPPED: &str = "
CREATE ROLE mapped;
GRANT ROLE mapped TO USER 'ana';
GRANT SELECT ON ALL TABLES IN SCHEMA crm TO ROLE mapped;
CREATE ROW POLICY mapped ON ALL TABLES WITH COLUMN (customer_id) AS RESTRICTIVE TO ROLE mapped
  USING (tenant_id IN (SELECT tenant_id FROM crm.tenants WHERE tenant_name = 'Acme Corp'));
CREATE ROW POLICY listed ON crm.customers AS RESTRICTIVE TO ROLE mapped
  USING (lower(tenant_id) = 'acme' AND tenant_id IN ('acme', 'none', 'nobody'));
CREATE ROW POLICY own ON crm.tenants AS RESTRICTIVE TO ROLE mapped USING (tenant_id = 'acme');
";

/// The barrier is needed: without `OFFSET 0` some of the probes fail on hidden rows, and say so.
#[test]
fn without_the_barrier_hidden_rows_show() {
    const BARRIER: &str = " OFFSET CAST('0' AS bigint)";
    harness::run(async {
        let world = harness::world().await;
        let full = world.postgres.connect("full").await;
        let (mut with, mut without) = (Vec::new(), Vec::new());
        let probes = probes();
        let files = [SourceFile { path: "mapped.sql".to_owned(), text: MAPPED.to_owned() }];
        for (sql, rendering) in probes.iter().zip(renderings(world, &files, &probes).await) {
            with.push(raw(&full, rendering.text(), &rendering).await.is_err());
            let text = rendering.text().replace(BARRIER, "");
            if let Err(error) = raw(&full, &text, &rendering).await {
                without.push(format!("{sql}: {error}"));
            }
        }
        let failing = with.iter().filter(|failed| **failed).count();
        println!("{failing} fail anyway, without barriers {}:", without.len());
        println!("{}", without.join("\n"));
        assert!(without.len() >= failing + 4, "{without:?}");
    });
}

/// What dashboards ask has no barrier, so that indexes serve it.
#[test]
fn ordinary_dashboards_have_no_barrier() {
    harness::run(async {
        let world = harness::world().await;
        let statements = [
            "SELECT status, count(*), sum(amount) FROM crm.orders WHERE ordered_at >= '2025-01-01' \
             AND status IN ('paid', 'open') GROUP BY status HAVING count(*) > 1 ORDER BY 3 DESC LIMIT 10",
            "SELECT date_trunc('month', o.ordered_at) AS month, c.country, avg(o.amount / 3) \
             FROM crm.orders o JOIN crm.customers c ON c.id = o.customer_id WHERE o.id BETWEEN 1 AND 50 \
             GROUP BY 1, 2 ORDER BY 1, 2",
            "SELECT id, rank() OVER (PARTITION BY status ORDER BY amount) FROM crm.orders WHERE id = 7",
        ];
        let closed = [
            "SELECT id FROM crm.orders WHERE 10 / id > 1",
            "SELECT q.x FROM (SELECT 10 / id AS x FROM crm.orders) q WHERE q.x > 1",
            "SELECT o.id FROM crm.orders o JOIN crm.customers c ON c.id = o.customer_id + 0",
        ];
        let texts = |all: [&str; 3]| all.map(str::to_owned).to_vec();
        for rendering in renderings(world, &policies(), &texts(statements)).await {
            assert!(!rendering.text().contains("OFFSET"), "{}", rendering.text());
        }
        for rendering in renderings(world, &policies(), &texts(closed)).await {
            assert!(rendering.text().contains("OFFSET"), "{}", rendering.text());
        }
    });
}

/// A server that isn't there, a wrong password, a timeout, a canceled query: each is told without
/// values, and the next query runs.
#[test]
fn faults_are_told_and_pass() {
    harness::run(async {
        let world = harness::world().await;
        let port = harness::free_port();
        let gone = format!("host=127.0.0.1 port={port} user=postgres dbname=full");
        let error = discover(&warehouse(&gone), &["crm".to_owned()]).await.unwrap_err();
        assert_eq!(error.message(), "the warehouse can't be reached");
        let nobody = world.postgres.dsn("full").replace("user=postgres", "user=nobody");
        let error = discover(&warehouse(&nobody), &["crm".to_owned()]).await.unwrap_err();
        assert_eq!(error.message(), "the warehouse can't be reached");
        let error = discover(&warehouse(&world.postgres.dsn("full")), &["no".to_owned()]).await;
        assert_eq!(error.unwrap_err().message(), "the database has no schema \"no\"");

        // 90^4 pairs take longer than anyone waits.
        let long = "SELECT count(*) FROM crm.orders a, crm.orders b, crm.orders c, crm.orders d, \
                    crm.orders e WHERE a.amount + b.amount + c.amount + d.amount + e.amount < 0";
        let slow = Postgres::new(Options {
            server: world.postgres.dsn("full").parse().unwrap(),
            tls: None,
            statement_timeout: Some(Duration::from_millis(200)),
            pooled: None,
        });
        let schemas = ["crm", "health", "hr"].map(str::to_owned);
        let full = warehouse(&world.postgres.dsn("full"));
        let tables = discover(&full, &schemas).await.unwrap().tables;
        let audit = world.postgres.scratch("slow").join("audit.jsonl");
        let policies = ["policy/corpus/roles.sql", "policy/corpus/crm.sql"];
        let caches = Caches { plans: 0, results: 0, ..Caches::default() };
        let slow = start_over(tables, Arc::new(slow.unwrap()), &audit, &policies, caches).await;
        let ana = slow.connect("ana").await;
        let answer = ana.simple(long).await;
        let told = ("57014", "canceling statement due to statement timeout");
        assert_eq!(answer.error(), Some(told));

        // Who goes away takes the query along.
        let own = world.postgres.create("faults", &[&case("attacks/schema.sql")]).await;
        let patient = warehouse(&world.postgres.dsn("faults"));
        let tables = discover(&patient, &schemas).await.unwrap().tables;
        let audit = world.postgres.scratch("patient").join("audit.jsonl");
        let caches = Caches { plans: 0, results: 0, ..Caches::default() };
        let patient = start_over(tables, Arc::new(patient), &audit, &policies, caches).await;
        let ana = patient.connect("ana").await;
        let running = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tollgate' \
                       AND state = 'active' AND datname = 'faults'";
        let count = || async { own.inner.query_one(running, &[]).await.unwrap().get::<_, i64>(0) };
        let canceled = {
            let token = ana.inner.cancel_token();
            let (answer, ()) = futures::join!(ana.simple(long), async {
                for _ in 0..200 {
                    if count().await > 0 {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                token.cancel_query(tokio_postgres::NoTls).await.unwrap();
            });
            answer
        };
        assert_eq!(canceled.error().map(|(code, _)| code), Some("57014"));
        let limit = Instant::now() + Duration::from_secs(60);
        while count().await > 0 {
            assert!(Instant::now() < limit, "the query goes on at the server");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let answer = ana.simple("SELECT count(*) FROM crm.tenants").await;
        assert_eq!(answer.rows(), [[Value::Number(1.0)]]);
    });
}

const SHOP: &str = "
CREATE SCHEMA shop;
CREATE TYPE shop.mood AS ENUM ('fine', 'bad');
CREATE TABLE shop.\"Odd names\" (
  id bigint PRIMARY KEY, tenant_id text NOT NULL, \"Mixed \"\"case\"\"\" varchar(20), code char(4),
  key uuid, mood shop.mood, tags text[], numbers integer[], data bytea, doc jsonb, small smallint,
  single real, wide double precision, exact numeric(12,3), yes boolean, at timestamp, zoned timestamptz,
  day date, clock time, span interval, place point);
COMMENT ON COLUMN shop.\"Odd names\".code IS 'four letters';
CREATE TABLE shop.parts (id bigint PRIMARY KEY, tenant_id text,
  whole bigint REFERENCES shop.\"Odd names\" (id));
INSERT INTO shop.\"Odd names\" VALUES
  (1, 'acme', 'it''s \\ \"here\"', 'ab', '00000000-0000-0000-0000-000000000001', 'fine', '{a,NULL,\"b,c\"}',
   '{1,2}', '\\x00ff', '{\"a\": [1, null]}', -7, 1.5, 1e300, -123456789.123, true,
   '2024-02-29 12:34:56.789', '2024-02-29 12:34:56.789+02', '0001-01-01', '23:59:59.999999',
   '1 year 2 days 03:04:05.006', '(1,2)'),
  (2, 'acme', NULL, NULL, NULL, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
   NULL, NULL, NULL, NULL),
  (3, 'globex', 'CANARY', 'CAN', NULL, 'bad', '{CANARY}', '{98700}', NULL, '{}', 1, 1, 1, 1, false, now(),
   now(), now(), '00:00', '0', NULL);
INSERT INTO shop.parts VALUES (1, 'acme', 1);
";

/// From a configuration to rows: `check` and `serve` with a server of every type.
/// `tollgate test` asks the server of the configuration, as its users would.
#[test]
fn tests_of_policies_run_at_the_server() {
    harness::run(async {
        let postgres = harness::postgres::Postgres::shared().await;
        let shop = "CREATE SCHEMA shop; CREATE TABLE shop.items (id integer, tenant_id text);
            INSERT INTO shop.items VALUES (1, 'acme'), (2, 'acme'), (3, 'globex');
            CREATE TABLE shop.private (id integer)";
        postgres.create("rehearsed", &[shop]).await;
        let site = Site::new(postgres.scratch("rehearsed at a server"), &[]);
        let config = std::fs::read_to_string(site.config()).unwrap();
        let embedded = "warehouse.kind = \"embedded\"\nwarehouse.data = \"data\"\n";
        let server = format!(
            "warehouse.kind = \"postgres\"\nwarehouse.host = \"127.0.0.1\"\nwarehouse.port = {}\n\
             warehouse.database = \"rehearsed\"\nwarehouse.user = \"postgres\"\n\
             warehouse.password_file = \"password\"\nwarehouse.schemas = [\"shop\"]\n",
            postgres.port
        );
        std::fs::write(site.folder.join("password"), "unused\n").unwrap();
        std::fs::write(site.config(), config.replace(embedded, &server)).unwrap();
        let tests = "DENY SELECT ON shop.private TO ROLE analyst;
            TEST POLICY AS USER 'ana' WITH (tenant_id = 'acme')
              SELECT id FROM shop.items ORDER BY id EXPECT ROWS (1), (2);
            TEST POLICY AS USER 'eve' ROLES (analyst) WITH (tenant_id = 'globex')
              SELECT 100 / (id - 1) FROM shop.items EXPECT ROWS (50);
            TEST POLICY AS USER 'ana' SELECT id FROM shop.private EXPECT DENIED;";
        let file = site.folder.join("policies/tests.sql");
        std::fs::write(&file, tests).unwrap();
        let text = works(&site, &["test"]).await;
        assert!(text.contains("3 tests, 0 failed"), "{text}");
        std::fs::write(&file, tests.replace("(50)", "(51)")).unwrap();
        let (code, text) = of(&site, &["test"]).await;
        assert_eq!(code, std::process::ExitCode::FAILURE);
        assert!(text.contains("3 tests, 1 failed") && text.contains("51"), "{text}");
    });
}

#[test]
fn a_configuration_names_a_server() {
    harness::run(async {
        let postgres = harness::postgres::Postgres::shared().await;
        let full = postgres.create("served", &[SHOP]).await;
        let site = Site::new(postgres.scratch("served over a server"), &[]);
        let config = std::fs::read_to_string(site.config()).unwrap();
        let embedded = "warehouse.kind = \"embedded\"\nwarehouse.data = \"data\"\n";
        assert!(config.contains(embedded));
        let server = format!(
            "warehouse.kind = \"postgres\"\nwarehouse.host = \"127.0.0.1\"\nwarehouse.port = {}\n\
             warehouse.database = \"served\"\nwarehouse.user = \"postgres\"\n\
             warehouse.password_file = \"password\"\nwarehouse.schemas = [\"shop\"]\n",
            postgres.port
        );
        std::fs::write(site.folder.join("password"), "unused\n").unwrap();
        std::fs::write(site.config(), config.replace(embedded, &server)).unwrap();

        let loaded = load::load(&site.config()).unwrap_or_else(|errors| panic!("{errors}"));
        let odd = loaded.snapshot.table(&TableName::new("shop", "Odd names")).unwrap();
        assert_eq!(odd.columns.len(), 20, "a point can't be read");
        assert_eq!(odd.columns[3].comment.as_deref(), Some("four letters"));
        assert_eq!(odd.primary_key, [0]);
        let parts = loaded.snapshot.table(&TableName::new("shop", "parts")).unwrap();
        assert_eq!(parts.foreign_keys.len(), 1);

        let _server = site.serve().await;
        let ana = site.connect("ana").await;
        let columns = "id, \"Mixed \"\"case\"\"\", trim(code), key, mood, tags, numbers, data, small, \
                       single, wide, exact, yes, at, zoned, day, clock, span";
        let sql = format!("SELECT {columns} FROM shop.\"Odd names\" ORDER BY id");
        let measure = sql.replace("ORDER BY", "WHERE tenant_id = 'acme' ORDER BY");
        let text = measure.replace("key,", "key::text,").replace("mood,", "mood::text,");
        for (got, want) in [
            (ana.simple(&sql).await, full.simple(&text).await),
            (ana.extended(&sql, &[]).await, full.extended(&text, &[]).await),
        ] {
            assert_eq!((got.error(), want.error()), (None, None));
            compare(got.rows(), want.rows(), true).unwrap_or_else(|what| panic!("{what}"));
        }
        let hidden = ana.simple("SELECT place FROM shop.\"Odd names\"").await;
        assert_eq!(hidden.error(), Some(("42703", "column \"place\" does not exist")));
        let joined =
            "SELECT count(*) FROM shop.\"Odd names\" o LEFT JOIN shop.parts p ON p.whole = o.id";
        assert_eq!(ana.simple(joined).await.rows(), [[Value::Number(2.0)]]);

        // What is in the literals and parameters stays a value.
        for text in
            ["it's \\ \"here\"", "\\' OR true --", "'; DROP TABLE x; --", "$1", "", "é\u{1F600}"]
        {
            let sql = "SELECT $1::text, count(*) FROM shop.parts WHERE tenant_id <> $1::text";
            let quoted = sql.replace("$1", &format!("'{}'", text.replace('\'', "''")));
            let want = [[Value::Text(text.to_owned()), Value::Number(1.0)]];
            assert_eq!(ana.simple(&quoted).await.rows(), want, "{text}");
            let bound = ana.extended(sql, &[Parameter(Some(text))]).await;
            assert_eq!(bound.rows(), want, "{text}");
        }
    });
}
