//! Several warehouses behind one gateway: files, a PostgreSQL and two databases of a Snowflake. Each
//! statement goes to the one that has its tables, none to two; a warehouse that is down, is changed or gets
//! other tables leaves the others alone.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tollgate_catalog::WarehouseName;
use tollgate_gateway::introspect::SystemRelations;
use tollgate_proxy::load;
use tollgate_proxy::serve::Server;
use tollgate_warehouse::admission::Admission;
use tollgate_warehouse::embedded::{Embedded, Options};
use tollgate_warehouse::warehouses::{NamedWarehouse, Warehouses};

use crate::fuzz::world;
use crate::harness;
use crate::harness::client::Client;
use crate::harness::gate::{Gate, Passage};
use crate::harness::postgres::Postgres;
use crate::harness::raw::{kinds, message, zero};
use crate::harness::served::{Site, rows, write};
use crate::harness::snowflake::{DATABASE, Emulator, PASSWORD, USER};
use crate::harness::value::Value;

const POLICIES: &str = "
CREATE ROLE analyst;
CREATE ROLE owner;
GRANT ROLE analyst TO USER 'ana';
GRANT ROLE owner TO USER 'root';
GRANT ROLE analyst TO ROLE owner;
GRANT SELECT ON ALL TABLES IN SCHEMA shop TO ROLE analyst;
GRANT SELECT (id, tenant_id, name) ON crm.customers TO ROLE analyst;
GRANT SELECT ON ALL TABLES IN SCHEMA mart TO ROLE analyst;
GRANT SELECT ON lab.runs TO ROLE owner;
CREATE VIEW crm.names AS SELECT id, name FROM crm.customers;
GRANT SELECT ON crm.names TO ROLE analyst;
CREATE ROW POLICY tenant ON ALL TABLES WITH COLUMN (tenant_id) AS RESTRICTIVE
  TO ROLE analyst USING (tenant_id = principal_attr('tenant_id'));
CREATE ROW POLICY region ON crm.customers AS RESTRICTIVE
  TO ROLE analyst USING (region IN (SELECT region FROM crm.regions WHERE open));
";

pub(crate) const CRM: &str = "
CREATE SCHEMA crm;
CREATE TABLE crm.customers (id bigint PRIMARY KEY, tenant_id text, name text, region text);
CREATE TABLE crm.regions (region text, open boolean);
INSERT INTO crm.regions VALUES ('eu', true), ('us', false);
INSERT INTO crm.customers VALUES (1, 'acme', 'ines', 'eu'), (2, 'acme', 'hugo', 'us'), (3, 'globex', 'CANARY', 'eu');
";

pub(crate) fn postgres(server: &Postgres, database: &str, port: u16, more: &str) -> String {
    let port = if port == 0 { server.port } else { port };
    format!(
        "[[warehouses]]\nname = \"sales\"\nkind = \"postgres\"\nhost = \"127.0.0.1\"\nport = {port}\n\
         database = \"{database}\"\nuser = \"postgres\"\nschemas = [\"crm\"]\n{more}\n"
    )
}

fn snowflake(emulator: &Emulator, name: &str, database: &str, schema: &str) -> String {
    format!(
        "[[warehouses]]\nname = \"{name}\"\nkind = \"snowflake\"\naccount = \"acct\"\n\
         address = \"http://127.0.0.1:{}\"\ndatabase = \"{database}\"\nuser = \"{USER}\"\n\
         secret_file = \"snowflake.password\"\nschemas = [\"{schema}\"]\n",
        emulator.port
    )
}

const FILES: &str = "[[warehouses]]\nname = \"files\"\ndata = \"data\"\nschemas = [\"shop\"]\n";

/// A site over these warehouses, with files in the schema `shop`.
pub(crate) async fn site(name: &str, warehouses: &str, policies: &str) -> Site {
    let folder = Postgres::shared().await.scratch(name);
    let site = Site::new(folder, &["admin.listen = \"127.0.0.1:0\"", "drain = \"1s\""]);
    write(&site.data().join("items.parquet"), &rows(0..30), 10);
    std::fs::write(site.folder.join("snowflake.password"), PASSWORD).unwrap();
    std::fs::write(site.folder.join("policies/all.sql"), policies).unwrap();
    configure(&site, warehouses);
    site
}

/// Puts these warehouses into the configuration in place of those that are there.
fn configure(site: &Site, warehouses: &str) {
    let config = std::fs::read_to_string(site.config()).unwrap();
    let config = config.replace("warehouse.kind = \"embedded\"\nwarehouse.data = \"data\"\n", "");
    let above = config.split("[[warehouses]]").next().unwrap();
    std::fs::write(site.config(), format!("{above}{warehouses}")).unwrap();
}

fn errors(site: &Site) -> String {
    load::load(&site.config()).err().map(|errors| errors.to_string()).unwrap_or_default()
}

/// The body of an answer of the admin front end.
pub(crate) async fn admin(server: &Server, path: &str) -> String {
    let (status, text) = answer(server, path).await;
    assert_eq!(status, "200", "{text}");
    text
}

/// Waits until the lines of a metric sum up to a number.
pub(crate) async fn shows(server: &Server, metric: &str, number: u64) {
    let limit = std::time::Instant::now() + std::time::Duration::from_secs(120);
    loop {
        let text = admin(server, "/metrics").await;
        let lines = text.lines().filter(|line| {
            line.strip_prefix(metric).is_some_and(|rest| rest.starts_with(['{', ' ']))
        });
        let numbers = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
        let sum: u64 = numbers.sum();
        if sum == number {
            return;
        }
        assert!(std::time::Instant::now() < limit, "{metric} is {sum}, not {number}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// An answer of the admin front end, whatever its status.
pub(crate) async fn answer(server: &Server, path: &str) -> (String, String) {
    let mut socket = TcpStream::connect(server.admin().unwrap()).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).await.unwrap();
    let status = text.split(' ').nth(1).unwrap().to_owned();
    (status, text.split_once("\r\n\r\n").unwrap().1.to_owned())
}

/// The value of a metric with these labels.
pub(crate) async fn metric(server: &Server, line: &str) -> u64 {
    let text = admin(server, "/metrics").await;
    let found = text.lines().find_map(|found| found.strip_prefix(&format!("{line} ")));
    found.unwrap_or_else(|| panic!("{line}: {text}")).parse().unwrap()
}

/// Waits until something is as wanted; nobody is told when that is.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    for _ in 0..2_400 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what}");
}

pub(crate) async fn count(client: &Client, table: &str) -> f64 {
    let answer = client.simple(&format!("SELECT count(*) FROM {table}")).await;
    let [row] = answer.rows() else { panic!("{table}: {answer:?}") };
    let [Value::Number(count)] = row.as_slice() else { panic!("{table}: {row:?}") };
    *count
}

fn texts(emulator: &Emulator) -> Vec<String> {
    let log = emulator.look()["log"].as_array().unwrap().clone();
    log.iter().filter_map(|entry| Some(entry["sql"].as_str()?.to_owned())).collect()
}

/// The policies without those of tables in Snowflake.
fn without_snowflake() -> String {
    let lines = POLICIES.lines().filter(|line| !line.contains("mart") && !line.contains("lab."));
    lines.map(|line| format!("{line}\n")).collect()
}

/// What a refusal of two warehouses says.
fn apart(first: &str, other: &str) -> String {
    format!(
        "relations \"{first}\" and \"{other}\" are in different warehouses, a query over both is not supported"
    )
}

#[test]
fn a_statement_goes_to_the_warehouse_of_its_tables() {
    harness::run(async {
        let server = Postgres::shared().await;
        server.create("routed", &[CRM]).await;
        let emulator = Emulator::start(&server.scratch("routed snowflake"));
        let sql = |database: &str, statements: &[&str]| {
            emulator
                .control(json!({ "database": database, "schema": "PUBLIC", "sql": statements }));
        };
        sql(
            DATABASE,
            &[
                "CREATE SCHEMA MART",
                "CREATE TABLE MART.FACTS (ID NUMBER(9,0), TENANT_ID VARCHAR)",
                "INSERT INTO MART.FACTS SELECT * FROM VALUES (1, 'acme'), (2, 'acme'), (3, 'globex')",
            ],
        );
        sql(
            "Trials",
            &[
                "CREATE SCHEMA LAB",
                "CREATE TABLE LAB.RUNS (ID NUMBER(9,0))",
                "INSERT INTO LAB.RUNS SELECT * FROM VALUES (7)",
            ],
        );
        let warehouses = [
            FILES.to_owned(),
            postgres(server, "routed", 0, "max_concurrent = 3"),
            snowflake(&emulator, "lake", &DATABASE.to_uppercase(), "mart"),
            snowflake(&emulator, "trials", "TRIALS", "lab"),
        ];
        let site = site("routed", &warehouses.concat(), POLICIES).await;
        let config = std::fs::read_to_string(site.config()).unwrap();
        let readers = "policies.readers = [\"owner\"]\npolicies.folder";
        std::fs::write(site.config(), config.replace("policies.folder", readers)).unwrap();
        let loaded = load::load(&site.config()).unwrap_or_else(|errors| panic!("{errors}"));
        let summary = loaded.summary();
        for line in [
            "warehouse \"files\": 1 tables in shop",
            "warehouse \"sales\": 2 tables in crm",
            "warehouse \"lake\": 1 tables in mart",
            "warehouse \"trials\": 1 tables in lab",
        ] {
            assert!(summary.contains(line), "{summary}");
        }
        let running = site.serve().await;
        let (ana, root) = (site.connect("ana").await, site.connect("root").await);

        // Each where it belongs, with its policies: 20 of 30, one of three, two of three.
        assert_eq!(count(&ana, "shop.items").await, 20.0);
        assert_eq!(count(&ana, "crm.customers").await, 1.0);
        assert_eq!(count(&ana, "crm.names").await, 1.0);
        assert_eq!(count(&ana, "mart.facts").await, 2.0);
        assert_eq!(count(&root, "lab.runs").await, 1.0);
        let both = "SELECT count(*) FROM crm.customers c JOIN crm.names n ON n.id = c.id";
        assert_eq!(ana.simple(both).await.rows(), [[Value::Number(1.0)]]);
        let found = texts(&emulator);
        assert!(found.iter().any(|text| text.contains("\"FACTS\"")), "{found:?}");
        assert!(!found.iter().any(|text| text.contains("customers")), "{found:?}");

        // No table, the catalogs, the caller's own records: the gateway's, wherever tables are.
        for sql in [
            "SELECT 1",
            "SELECT count(*) > 0 FROM pg_catalog.pg_class WHERE relname IN ('items', 'customers', 'facts')",
            "SELECT count(*) FROM tollgate.my_queries",
        ] {
            assert_eq!(ana.simple(sql).await.error(), None, "{sql}");
        }
        let seen = "SELECT table_schema FROM information_schema.tables \
                    WHERE table_schema IN ('shop', 'crm', 'mart', 'lab') GROUP BY 1 ORDER BY 1";
        let schemas = ["crm", "mart", "shop"].map(|name| [Value::Text(name.to_owned())]);
        assert_eq!(ana.simple(seen).await.rows(), schemas);

        // Two are refused wherever the second one stands, by the names that were written.
        let before = texts(&emulator).len();
        ana.simple("SET search_path = crm, shop").await;
        for (sql, first, other) in [
            (
                "SELECT * FROM crm.customers c JOIN shop.items i ON i.id = c.id",
                "crm.customers",
                "shop.items",
            ),
            ("SELECT * FROM customers, \"items\" AS x", "customers", "items"),
            ("SELECT * FROM customers c, mart.facts f, items", "customers", "mart.facts"),
            ("SELECT id FROM items WHERE id IN (SELECT id FROM mart.facts)", "mart.facts", "items"),
            ("SELECT id, (SELECT max(id) FROM names) FROM items", "names", "items"),
            ("SELECT id FROM items WHERE EXISTS (SELECT 1 FROM customers)", "customers", "items"),
            (
                "WITH x AS (SELECT id FROM mart.facts) SELECT * FROM x, tollgate.crm.names",
                "tollgate.crm.names",
                "mart.facts",
            ),
            ("SELECT id FROM items UNION ALL SELECT id FROM customers", "customers", "items"),
            (
                "SELECT id FROM items EXCEPT SELECT id FROM mart.facts WHERE false",
                "mart.facts",
                "items",
            ),
            ("EXPLAIN SELECT * FROM names, items", "names", "items"),
            ("EXPLAIN ACCESS SELECT * FROM names, items", "names", "items"),
        ] {
            let told = apart(first, other);
            assert_eq!(ana.simple(sql).await.error(), Some(("0A000", told.as_str())), "{sql}");
            let extended = ana.extended(sql, &[]).await;
            assert_eq!(extended.error(), Some(("0A000", told.as_str())), "{sql}");
        }
        assert_eq!(texts(&emulator).len(), before, "nothing of it was sent");
        // Where it runs is told to who may read the policies, and to nobody else.
        let access = async |client: &Client, sql: &str| {
            let answer = client.simple(&format!("EXPLAIN ACCESS {sql}")).await;
            assert_eq!(answer.error(), None);
            format!("{:?}", answer.rows())
        };
        let told = access(&root, "SELECT id FROM lab.runs").await;
        assert!(told.contains("runs at: warehouse \\\"trials\\\""), "{told}");
        assert!(!access(&ana, "SELECT id FROM mart.facts").await.contains("warehouse"));
        // One that is hidden is in no warehouse: missing comes first.
        for hidden in ["lab.runs", "lab.nothing", "crm.regions"] {
            let sql = format!("SELECT * FROM shop.items, {hidden}");
            let told = format!("relation \"{hidden}\" does not exist");
            assert_eq!(ana.simple(&sql).await.error(), Some(("42P01", told.as_str())));
        }
        let told = apart("lab.runs", "shop.items");
        let answer = root.simple("SELECT * FROM shop.items, lab.runs").await;
        assert_eq!(answer.error(), Some(("0A000", told.as_str())));
        let sql = "SELECT * FROM shop.items, tollgate.my_usage";
        assert_eq!(ana.simple(sql).await.error().map(|(code, _)| code), Some("0A000"));

        // Under its name in metrics and receipts; all are up.
        until("one is down", || async { admin(&running, "/readyz").await == "ready\n" }).await;
        for (name, at_least) in [("files", 1), ("sales", 3), ("lake", 1), ("trials", 1)] {
            let ended = format!(
                "tollgate_warehouse_queries_total{{warehouse=\"{name}\",outcome=\"complete\"}}"
            );
            assert!(metric(&running, &ended).await >= at_least, "{name}");
            let up = format!("tollgate_warehouse_up{{warehouse=\"{name}\"}}");
            assert_eq!(metric(&running, &up).await, 1, "{name}");
            let open = format!("tollgate_warehouse_running{{warehouse=\"{name}\"}}");
            assert_eq!(metric(&running, &open).await, 0, "{name}");
        }
        drop((ana, root));
        running.stop().await;
        let records = site.records();
        let receipts: Vec<&Json> =
            records.iter().filter(|record| record["record"] == "receipt").collect();
        for (table, warehouse) in [
            ("shop.items", "files"),
            ("crm.names", "sales"),
            ("mart.facts", "lake"),
            ("lab.runs", "trials"),
        ] {
            let of = receipts.iter().find(|receipt| receipt["tables"] == json!([table])).unwrap();
            assert_eq!(of["warehouse"], warehouse, "{of}");
        }
        let none = receipts.iter().filter(|receipt| receipt["warehouse"].is_null());
        assert!(none.clone().count() > 20 && none.clone().all(|r| r["tables"].is_null()));
        let decisions = records.iter().filter(|record| record["record"] == "decision").count();
        assert_eq!(decisions, receipts.len());
    });
}

#[test]
fn what_would_span_warehouses_is_a_load_error() {
    harness::run(async {
        let server = Postgres::shared().await;
        server
            .create("spanned", &[CRM, "CREATE SCHEMA shop; CREATE TABLE shop.items (id int)"])
            .await;
        let sales = postgres(server, "spanned", 0, "");
        let site = site("spanned", &format!("{FILES}{sales}"), &without_snowflake()).await;
        assert_eq!(errors(&site), "");

        // A mapping table elsewhere, a view over two.
        let policies = site.folder.join("policies/more.sql");
        let row = "CREATE ROW POLICY far ON shop.items AS RESTRICTIVE TO PUBLIC\n  \
                   USING (name IN (SELECT region FROM crm.regions));\n";
        std::fs::write(&policies, row).unwrap();
        let told = errors(&site);
        for part in [
            "more.sql:2:10: error: a policy on shop.items can't read crm.regions: they are in different warehouses",
            "shop.items is in warehouse \"files\", and crm.regions is in warehouse \"sales\"",
        ] {
            assert!(told.contains(part), "{told}");
        }
        // By a pattern it reaches tables of both: those of the other one are told.
        let pattern = "CREATE ROW POLICY far ON ALL TABLES WITH COLUMN (tenant_id) AS RESTRICTIVE TO PUBLIC\n  \
                       USING (tenant_id IN (SELECT region FROM crm.regions));\n";
        std::fs::write(&policies, pattern).unwrap();
        let told = errors(&site);
        assert!(told.contains("more.sql:2:10: error: a policy on shop.items"), "{told}");
        assert!(!told.contains("a policy on crm.customers"), "{told}");
        let view =
            "\nCREATE VIEW crm.all_of_it AS SELECT i.id FROM shop.items i, crm.customers c;\n";
        std::fs::write(&policies, view).unwrap();
        let told = errors(&site);
        for part in [
            "more.sql:2:",
            "view crm.all_of_it can't be declared: it reads relations of different warehouses",
            "it reads from \"files\" and \"sales\"",
        ] {
            assert!(told.contains(part), "{told}");
        }
        std::fs::remove_file(&policies).unwrap();

        // The same schema in two: as it is written, and as it is found.
        let twice = sales.replace("[\"crm\"]", "[\"crm\", \"shop\"]");
        configure(&site, &format!("{FILES}{twice}"));
        let told = errors(&site);
        assert!(told.contains("schema \"shop\" is in warehouse \"files\" already"), "{told}");
        let all = FILES.replace("schemas = [\"shop\"]\n", "");
        configure(&site, &format!("{all}{twice}"));
        let told = errors(&site);
        let found = "schema \"shop\" is in warehouse \"files\" and in warehouse \"sales\"";
        assert!(told.contains(found) && told.contains("leave it out of the \"schemas\""), "{told}");
        configure(&site, &FILES.replace("[\"shop\"]", "[\"none\"]"));
        let told = errors(&site);
        assert!(told.contains("there are no tables of schema \"none\""), "{told}");
    });
}

#[test]
fn a_warehouse_that_is_down_leaves_the_others_alone() {
    harness::run(async {
        let server = Postgres::shared().await;
        server.create("downed", &[CRM]).await;
        let gate = Gate::to(server.port).await;
        let sales = postgres(server, "downed", gate.port, "refresh = \"100ms\"");
        let policies = without_snowflake();
        let site = site("downed", &format!("{FILES}{sales}"), &policies).await;
        let running = site.serve().await;
        let ana = site.connect("ana").await;
        assert_eq!(count(&ana, "crm.customers").await, 1.0);
        until("one is down", || async { admin(&running, "/readyz").await == "ready\n" }).await;

        gate.set(Passage::Closed);
        let answer = ana.simple("SELECT count(*) FROM crm.customers").await;
        assert_eq!(answer.error().map(|(code, _)| code), Some("58000"), "{answer:?}");
        assert_eq!(count(&ana, "shop.items").await, 20.0);
        assert_eq!(ana.simple("SELECT 1").await.error(), None);
        let ready = async || admin(&running, "/readyz").await;
        until("it is said to be up", || async {
            let text = ready().await;
            text.contains("warehouse \"sales\" is down: the warehouse can't be reached\n")
                && text.contains("tables of warehouse \"sales\" are those of before ")
        })
        .await;
        assert!(!ready().await.contains("files"), "{}", ready().await);
        assert_eq!(metric(&running, "tollgate_warehouse_up{warehouse=\"sales\"}").await, 0);
        assert_eq!(metric(&running, "tollgate_warehouse_up{warehouse=\"files\"}").await, 1);
        let failed = "tollgate_warehouse_refreshes_total{warehouse=\"sales\",outcome=\"failed\"}";
        assert!(metric(&running, failed).await > 0);

        // Policies change meanwhile; the tables that can't be asked for stay.
        let narrower = policies.replace("(id, tenant_id, name) ON crm", "(id) ON crm");
        assert_ne!(narrower, policies);
        let view = "CREATE VIEW crm.names AS SELECT id, name FROM crm.customers;\n";
        let narrower =
            narrower.replace(view, "").replace("GRANT SELECT ON crm.names TO ROLE analyst;\n", "");
        std::fs::write(site.folder.join("policies/all.sql"), narrower).unwrap();
        running.reload();
        let answer = ana.simple("SELECT name FROM crm.customers").await;
        assert_eq!(answer.error(), Some(("42703", "column \"name\" does not exist")));

        gate.set(Passage::Open);
        until("it stays down", || async { ready().await == "ready\n" }).await;
        assert_eq!(count(&ana, "crm.customers").await, 1.0);
        drop(ana);
        running.stop().await;
        let records = site.records();
        let count = |kind: &str| records.iter().filter(|record| record["record"] == kind).count();
        assert_eq!(count("decision"), count("receipt"));
    });
}

#[test]
fn a_reload_adds_removes_and_moves_warehouses() {
    harness::run(async {
        let server = Postgres::shared().await;
        let many = "INSERT INTO crm.customers SELECT 10 + n, 'acme', 'many', 'eu' FROM generate_series(1, 3000) AS n";
        server.create("moved_old", &[CRM, many]).await;
        server.create("moved_new", &[CRM]).await;
        let policies = "CREATE ROLE a; GRANT ROLE a TO USER 'ana';
            GRANT SELECT ON ALL TABLES IN SCHEMA crm TO ROLE a;";
        let old = postgres(server, "moved_old", 0, "max_concurrent = 2");
        let site = site("moved", &old, policies).await;
        let running = site.serve().await;
        let ana = site.connect("ana").await;
        assert_eq!(count(&ana, "crm.customers").await, 3003.0);

        // A query that runs finishes where it is; the next one is where the tables are by then.
        let mut reader = site.raw("ana").await;
        let endless = "SELECT a.name FROM crm.customers a, crm.customers b";
        reader.send(&message(b'Q', &zero(endless))).await;
        reader.wait(b'D').await;
        configure(&site, &postgres(server, "moved_new", 0, "max_concurrent = 2"));
        running.reload();
        assert_eq!(count(&ana, "crm.customers").await, 3.0);
        for _ in 0..20_000 {
            reader.wait(b'D').await;
        }
        drop(reader);

        // One more, with grants of its own.
        let more = format!("{policies} GRANT SELECT ON shop.items TO ROLE a;");
        std::fs::write(site.folder.join("policies/all.sql"), &more).unwrap();
        let sales = postgres(server, "moved_new", 0, "max_concurrent = 2");
        configure(&site, &format!("{sales}{FILES}"));
        running.reload();
        assert_eq!(count(&ana, "shop.items").await, 30.0);
        assert_eq!(metric(&running, "tollgate_warehouse_up{warehouse=\"files\"}").await, 1);
        // A reload that isn't valid changes nothing, one that leaves out a table that policies name neither.
        configure(&site, &format!("{sales}{FILES}{FILES}"));
        running.reload();
        configure(&site, &sales);
        running.reload();
        assert_eq!(count(&ana, "shop.items").await, 30.0);

        // And without the first: its table is gone, and so is what ran over it.
        let mut reader = site.raw("ana").await;
        let all: Vec<_> = (0..14).map(|number| format!("crm.customers c{number}")).collect();
        let endless = format!("SELECT c0.name FROM {}", all.join(", "));
        reader.send(&message(b'Q', &zero(&endless))).await;
        reader.wait(b'D').await;
        std::fs::write(
            site.folder.join("policies/all.sql"),
            "CREATE ROLE a; GRANT ROLE a TO USER 'ana'; GRANT SELECT ON shop.items TO ROLE a;",
        )
        .unwrap();
        configure(&site, FILES);
        running.reload();
        let cut = reader.until_ready().await;
        assert!(kinds(&cut).ends_with("EZ"), "{:?}", cut.last());
        let answer = ana.simple("SELECT count(*) FROM crm.customers").await;
        assert_eq!(answer.error(), Some(("42P01", "relation \"crm.customers\" does not exist")));
        assert_eq!(count(&ana, "shop.items").await, 30.0);
        assert!(!admin(&running, "/metrics").await.contains("sales"));
        running.stop().await;
    });
}

/// A catalog that follows its server: what appears is there for whom a grant says, what goes is gone.
#[test]
fn tables_are_asked_for_again() {
    harness::run(async {
        let server = Postgres::shared().await;
        let owner = server.create("followed", &[CRM]).await;
        let run = async |sql: &str| owner.inner.batch_execute(sql).await.unwrap();
        let policies = "
            CREATE ROLE narrow; CREATE ROLE wide;
            GRANT ROLE narrow TO USER 'ana'; GRANT ROLE wide TO USER 'root';
            GRANT SELECT (id, name) ON crm.customers TO ROLE narrow;
            GRANT SELECT ON ALL TABLES IN SCHEMA crm TO ROLE wide;
            GRANT SELECT ON ALL TABLES IN SCHEMA shop TO ROLE wide;
            CREATE MASKING POLICY m ON TAG pii USING (NULL) EXCEPT ROLE auditor;
            TAG COLUMN *.*.name AS pii;
            CREATE ROLE auditor;";
        let every = "refresh = \"100ms\"\n";
        let warehouses = format!("{}{FILES}{every}", postgres(server, "followed", 0, every));
        let site = site("followed", &warehouses, policies).await;
        let running = site.serve().await;
        let (ana, root) = (site.connect("ana").await, site.connect("root").await);
        let prepared = root.inner.prepare("SELECT * FROM crm.customers ORDER BY id").await.unwrap();
        assert_eq!(prepared.columns().len(), 4);
        let version = || metric(&running, "tollgate_catalog_version");
        assert_eq!(version().await, 1);
        let columns = async |client: &Client, table: &str| {
            let sql = format!(
                "SELECT column_name FROM information_schema.columns WHERE table_schema = 'crm' \
                 AND table_name = '{table}' ORDER BY ordinal_position"
            );
            let answer = client.simple(&sql).await;
            let names = answer.rows().iter().map(|row| match row.as_slice() {
                [Value::Text(name)] => name.clone(),
                other => panic!("{other:?}"),
            });
            names.collect::<Vec<_>>().join(" ")
        };

        // A column, a table, in sessions that are open. The grant that names columns doesn't know it.
        run("ALTER TABLE crm.customers ADD COLUMN income int DEFAULT 5; \
             CREATE TABLE crm.calls (id int, name text); INSERT INTO crm.calls VALUES (1, 'x')")
        .await;
        until("the new column isn't found", || async {
            columns(&root, "customers").await == "id tenant_id name region income"
                && columns(&root, "calls").await == "id name"
        })
        .await;
        assert_eq!(columns(&ana, "customers").await, "id name");
        let answer = ana.simple("SELECT income FROM crm.customers").await;
        assert_eq!(answer.error(), Some(("42703", "column \"income\" does not exist")));
        assert_eq!(ana.simple("SELECT * FROM crm.customers").await.rows()[0].len(), 2);
        let answer = ana.simple("SELECT * FROM crm.calls").await;
        assert_eq!(answer.error(), Some(("42P01", "relation \"crm.calls\" does not exist")));
        let income = root.simple("SELECT sum(income) FROM crm.customers").await;
        assert_eq!(income.rows(), [[Value::Number(15.0)]]);
        // A pattern of tags covers the new table at once.
        let masked = root.simple("SELECT name FROM crm.calls").await;
        assert_eq!(masked.rows(), [[Value::Null]]);
        // A statement that was prepared before means what it means now, or says that it doesn't.
        if let Err(error) = root.inner.query(&prepared, &[]).await {
            assert!(error.as_db_error().is_some(), "{error}");
        }

        // How large it is.
        let rows = "SELECT reltuples FROM pg_class WHERE relname = 'calls'";
        let known = root.simple(rows).await.rows().to_vec();
        let changed = "tollgate_warehouse_refreshes_total{warehouse=\"sales\",outcome=\"changed\"}";
        let before = metric(&running, changed).await;
        run("INSERT INTO crm.calls SELECT n, 'y' FROM generate_series(1, 5000) AS n; ANALYZE crm.calls").await;
        until("the size isn't found", || async {
            metric(&running, changed).await > before || root.simple(rows).await.rows() != known
        })
        .await;

        // What is gone is missing, for the pattern; what a policy names must stay, or all stays as it was.
        run("DROP TABLE crm.calls").await;
        until("the table isn't missed", || async {
            root.simple("SELECT 1 FROM crm.calls")
                .await
                .error()
                .is_some_and(|(code, _)| code == "42P01")
        })
        .await;
        let good = version().await;
        run("ALTER TABLE crm.customers RENAME COLUMN name TO label; CREATE TABLE crm.later (id int)").await;
        let failed = "tollgate_warehouse_refreshes_total{warehouse=\"sales\",outcome=\"failed\"}";
        until("nothing fails", || async { metric(&running, failed).await > 1 }).await;
        let ready = admin(&running, "/readyz").await;
        let told = "tables of warehouse \"sales\" are those of before ";
        assert!(ready.starts_with("ready\n") && ready.contains(told), "{ready}");
        assert!(ready.contains("column \"name\" of crm.customers does not exist"), "{ready}");
        assert_eq!(version().await, good);
        assert_eq!(columns(&ana, "customers").await, "id name");
        assert_eq!(columns(&root, "later").await, "");
        run("ALTER TABLE crm.customers RENAME COLUMN label TO name").await;
        until("it isn't well again", || async { columns(&root, "later").await == "id" }).await;
        until("one is down", || async { admin(&running, "/readyz").await == "ready\n" }).await;
        assert_eq!(ana.simple("SELECT * FROM crm.customers").await.rows().len(), 3);

        // A folder is looked through again as well.
        std::fs::write(site.folder.join("more"), "id,name\n1,x\n2,y\n").unwrap();
        std::fs::rename(site.folder.join("more"), site.data().join("more.csv")).unwrap();
        until("the new file isn't found", || async {
            root.simple("SELECT 1 FROM shop.more").await.error().is_none()
        })
        .await;
        assert_eq!(count(&root, "shop.more").await, 2.0);

        // Nothing new is no new version.
        let (still, same) = (
            version().await,
            "tollgate_warehouse_refreshes_total{warehouse=\"sales\",outcome=\"same\"}",
        );
        let seen = metric(&running, same).await;
        until("it isn't asked", || async { metric(&running, same).await > seen + 2 }).await;
        assert_eq!(version().await, still);
        running.stop().await;
    });
}

/// Whoever runs a query can't take it elsewhere.
#[test]
fn a_warehouse_refuses_what_is_not_its_own() {
    let functions = tollgate_gateway::Functions::new(Embedded::udf_source());
    let world = world::World::new(&functions, Box::new(SystemRelations));
    let secured = |sql: &str| {
        let parsed = tollgate_rewriter::parse(sql).unwrap();
        world.road(&parsed[0]).unwrap().unwrap()
    };
    let engine = || Arc::new(Embedded::open(&Options::default()).unwrap());
    let of = |name: &str| {
        let name = WarehouseName::new(name);
        Warehouses::new([Arc::new(NamedWarehouse::new(name, engine(), 1))])
    };
    let (own, other) = (of("main"), of("other"));
    let query = secured("SELECT id FROM crm.orders");
    assert_eq!(own.of(&query).unwrap().name().as_str(), "main");
    assert!(other.of(&query).is_err(), "there is none of its name");
    for sql in ["SELECT 1", "SELECT count(*) FROM pg_catalog.pg_class"] {
        assert!(own.of(&secured(sql)).is_err(), "{sql} is no query of a warehouse");
    }
    let stranger = Arc::clone(other.iter().next().unwrap());
    let admission = Admission::new(1);
    let refused = futures::executor::block_on(async {
        let estimate = stranger.estimate(&query).await.err();
        let admitted = admission.admit(query).await.unwrap();
        [estimate, stranger.run(&admitted).await.err()]
    });
    for error in refused {
        let cause = error.as_ref().and_then(|error| error.cause()).map(ToString::to_string);
        assert_eq!(cause.as_deref(), Some("a query of another warehouse came to \"other\""));
    }
    assert_eq!(stranger.queries().ended().map(|(_, count)| count), [0; 3]);
}
