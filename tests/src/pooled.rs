//! Connections to a PostgreSQL that are kept: texts with names at the server, settings, and what stands in between.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tollgate_warehouse::postgres::{Options, Postgres as Warehouse, discover, server};

use crate::harness::client::{Client, Parameter};
use crate::harness::gate::Relay;
use crate::harness::gateway::{Caches, Running, start_over};
use crate::harness::postgres::Postgres;
use crate::harness::value::{Value, compare};
use crate::harness::{self, free_port};
use crate::postgres_warehouse::warehouse;

/// A row of each type, twice; NULLs; a row of somebody else.
const KINDS: &str = "
CREATE SCHEMA shop;
CREATE TABLE shop.kinds (
  id bigint PRIMARY KEY, tenant_id text NOT NULL, small smallint, whole integer, single real,
  wide double precision, exact numeric(12,3), yes boolean, word text, day date, clock time,
  at timestamp, zoned timestamptz);
INSERT INTO shop.kinds VALUES
  (1, 'acme', -7, 40, 1.5, 1e300, -123456789.123, true, 'it''s \\ \"here\"', '2024-02-29', '23:59:59.999999',
   '2024-02-29 12:34:56.789', '2024-02-29 12:34:56.789+02'),
  (2, 'acme', 8, -50, -0.25, 'Infinity', 0.5, false, '', '0001-01-01', '00:00', '2024-01-01', '2024-01-01 00:00+00'),
  (3, 'acme', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (4, 'globex', 8, 40, 1.5, 1e300, 0.5, true, 'CANARY', '2024-02-29', '00:00', '2024-01-01', '2024-01-01 00:00+00');
";

/// A view whose function changes a setting for the session.
const TURNING: &str = "
CREATE FUNCTION shop.turn() RETURNS text LANGUAGE sql VOLATILE AS
  $$ SELECT pg_catalog.set_config('TimeZone', 'Asia/Tokyo', false) $$;
CREATE VIEW shop.turning AS SELECT 1::bigint AS id, shop.turn() AS zone;
CREATE VIEW shop.connection AS SELECT 1::bigint AS id,
  (SELECT count(*) FROM pg_catalog.pg_prepared_statements) AS named,
  coalesce(pg_catalog.current_setting('tollgate.connection', true), '') <> '' AS own,
  pg_catalog.current_setting('TimeZone') AS zone,
  pg_catalog.current_setting('statement_timeout') AS time;
";

/// Each column's type, and values for it.
const VALUES: [(&str, &str, &[&str]); 11] = [
    ("small", "smallint", &["-7", "8", "0"]),
    ("whole", "integer", &["40", "-50", "2147483647"]),
    ("single", "real", &["1.5", "-0.25", "NaN"]),
    ("wide", "double precision", &["1e300", "Infinity", "-1"]),
    ("exact", "numeric", &["-123456789.123", "0.5", "0.50"]),
    ("yes", "boolean", &["true", "false"]),
    ("word", "text", &["it''s \\ \"here\"", "", "'' OR true --", "$1"]),
    ("day", "date", &["2024-02-29", "0001-01-01"]),
    ("clock", "time", &["23:59:59.999999", "00:00:00"]),
    ("at", "timestamp", &["2024-02-29 12:34:56.789", "2024-01-01 00:00:00"]),
    ("zoned", "timestamptz", &["2024-02-29 10:34:56.789+00", "2024-01-01 00:00:00+00"]),
];

async fn gateway(postgres: &Postgres, name: &str, dsn: &str) -> Running {
    through(postgres, name, warehouse(dsn)).await
}

async fn through(postgres: &Postgres, name: &str, warehouse: Warehouse) -> Running {
    let found = discover(&warehouse, &["shop".to_owned()]).await.unwrap();
    let audit = postgres.scratch(&format!("pooled {name}")).join("audit.jsonl");
    let policies = ["postgres/kinds.sql"];
    start_over(found.tables, Arc::new(warehouse), &audit, &policies, Caches::default()).await
}

/// What the server was last asked for over connections of a gateway.
async fn last(client: &Client, database: &str) -> Vec<String> {
    let sql =
        "SELECT query FROM pg_stat_activity WHERE application_name = 'tollgate' AND datname = $1";
    let rows = client.inner.query(sql, &[&database]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// A text is proven once and then has a name and a plan at the server; the values are bound.
#[test]
fn bound_values_are_what_literals_are() {
    harness::run(async {
        let postgres = Postgres::shared().await;
        let full = postgres.create("bound", &[KINDS, TURNING]).await;
        let gateway = gateway(postgres, "bound", &postgres.dsn("bound")).await;
        let ana = gateway.connect("ana").await;
        let own = "(SELECT * FROM shop.kinds WHERE tenant_id = 'acme') AS kinds";
        for (column, of, values) in VALUES {
            for condition in [
                format!("{column} = $1::{of}"),
                format!("{column} <> $1::{of} OR $1::{of} IS NULL"),
                format!("{column} IN ($1::{of}, $1::{of}) OR coalesce($1::{of}, {column}) IS NULL"),
            ] {
                let sql =
                    format!("SELECT id, $1::{of} FROM shop.kinds WHERE {condition} ORDER BY id");
                let prepared = ana.simple(&format!("PREPARE asked AS {sql}")).await;
                assert_eq!(prepared.error(), None, "{sql}");
                // Often enough for a plan that knows no value.
                for _ in 0..4 {
                    for value in
                        values.iter().map(|value| format!("'{value}'")).chain(["NULL".to_owned()])
                    {
                        let got = ana.simple(&format!("EXECUTE asked({value})")).await;
                        let measure = sql.replace("shop.kinds", own).replace("$1", &value);
                        let want = full.simple(&measure).await;
                        assert_eq!((got.error(), want.error()), (None, None), "{sql} {value}");
                        compare(got.rows(), want.rows(), true)
                            .unwrap_or_else(|what| panic!("{sql} {value}: {what}"));
                    }
                }
                ana.simple("DEALLOCATE asked").await;
            }
        }
        // The transaction is always rolled back, and with it what a function would set.
        let asked = last(&full, "bound").await;
        assert!(!asked.is_empty() && asked.iter().all(|query| query == "ROLLBACK"), "{asked:?}");

        // What a cast rounds, or refuses, isn't left open.
        for (sql, value, want) in [
            ("SELECT $1::numeric(20,2)::integer", "1.495", "2"),
            ("SELECT $1::numeric(10,2)::text", "1.235", "1.24"),
            ("SELECT count(*) FROM shop.kinds WHERE exact = $1::numeric(12,1)", "0.54", "1"),
        ] {
            ana.simple(&format!("PREPARE asked AS {sql}")).await;
            for _ in 0..3 {
                let answer = ana.simple(&format!("EXECUTE asked('{value}')")).await;
                assert_eq!(answer.error(), None, "{sql}");
                assert_eq!(answer.rows()[0][0].text(), want, "{sql}");
            }
            ana.simple("DEALLOCATE asked").await;
        }
        // A limit is, a pattern isn't, nor is what stands beside one.
        for (sql, value, rows) in [
            ("SELECT id FROM shop.kinds ORDER BY id LIMIT $1", "1", 1),
            ("SELECT id FROM shop.kinds WHERE word LIKE $1", "it%", 1),
            ("SELECT id FROM shop.kinds WHERE id > $1 AND word ~ 'h.re'", "0", 1),
        ] {
            for _ in 0..3 {
                let answer = ana.extended(sql, &[Parameter(Some(value))]).await;
                assert_eq!((answer.error(), answer.rows().len()), (None, rows), "{sql}");
            }
        }
        // A long text has no name; what its values are is bound the first time.
        let list = (0..4000).map(|id| id.to_string()).collect::<Vec<_>>().join(", ");
        let long =
            format!("SELECT id FROM shop.kinds WHERE id <> $1 AND id IN ({list}) ORDER BY 1");
        for (value, rest) in [("1", ["2", "3"]), ("2", ["1", "3"]), ("3", ["1", "2"])] {
            let answer = ana.extended(&long, &[Parameter(Some(value))]).await;
            let ids: Vec<_> = answer.rows().iter().map(|row| row[0].text()).collect();
            assert_eq!((answer.error(), ids.as_slice()), (None, &rest.map(str::to_owned)[..]));
        }
        let broken =
            ana.extended("SELECT id FROM shop.kinds WHERE word LIKE $1", &[Parameter(Some("a\\"))]);
        assert_eq!(broken.await.error().map(|(code, _)| code), Some("22023"));

        // A name that the server has forgotten, a table that has changed, a failure between.
        let sql = "SELECT id, 10 / whole FROM shop.kinds WHERE id = $1";
        let ask = async || ana.extended(sql, &[Parameter(Some("1"))]).await;
        for change in [
            "SELECT 1",
            "ALTER TABLE shop.kinds ADD COLUMN late text",
            "ALTER TABLE shop.kinds ALTER COLUMN whole TYPE bigint",
            "UPDATE shop.kinds SET whole = 0 WHERE id = 1",
            "UPDATE shop.kinds SET whole = 5 WHERE id = 1",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE application_name = 'tollgate' AND datname = 'bound'",
        ] {
            full.inner.batch_execute(change).await.unwrap();
            for _ in 0..3 {
                let answer = ask().await;
                match change.ends_with("0 WHERE id = 1") {
                    true => assert_eq!(answer.error().map(|(code, _)| code), Some("22012")),
                    false => {
                        assert_eq!((answer.error(), answer.rows().len()), (None, 1), "{change}")
                    }
                }
            }
        }
    });
}

const NOBODY: u32 = 65_534;

/// A PgBouncer that gives each transaction to any connection.
struct Pooler {
    port: u16,
    child: Child,
}

impl Pooler {
    async fn start(postgres: &Postgres, database: &str, more: &str) -> Self {
        let port = free_port();
        let folder = postgres.scratch(&format!("pgbouncer {port}"));
        let configuration = format!(
            "[databases]\n{database} = host=127.0.0.1 port={} user=postgres\n[pgbouncer]\n\
             listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
             pool_mode = transaction\ndefault_pool_size = 2\n{more}\n",
            postgres.port
        );
        let path = folder.join("pgbouncer.ini");
        std::fs::write(&path, configuration).unwrap();
        let mut command = Command::new("/usr/sbin/pgbouncer");
        command.arg(&path).stdout(Stdio::null()).stderr(Stdio::null());
        if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
            // It refuses to run as root.
            command.uid(NOBODY).gid(NOBODY);
        }
        let child = command.spawn().expect("PgBouncer, which `cargo xtask setup` installs");
        let pooler = Self { port, child };
        let limit = Instant::now() + Duration::from_secs(60);
        while let Err(error) = Client::connect(&pooler.dsn(database)).await {
            assert!(Instant::now() < limit, "PgBouncer doesn't answer: {error}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        pooler
    }

    fn dsn(&self, database: &str) -> String {
        format!("host=127.0.0.1 port={} user=postgres dbname={database} sslmode=disable", self.port)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Settings that would change what a text means are the gateway's own, with a pooler of transactions in between,
/// too, whether that refuses a connection's settings or drops them; and no name there means another's text.
#[test]
fn settings_hold_whoever_stands_in_between() {
    harness::run(async {
        let postgres = Postgres::shared().await;
        let full = postgres.create("odd", &[KINDS, TURNING]).await;
        for setting in [
            "DateStyle = 'SQL, DMY'",
            "TimeZone = 'Asia/Tokyo'",
            "standard_conforming_strings = off",
            "extra_float_digits = -15",
            "transform_null_equals = on",
            "search_path = shop",
        ] {
            full.inner.batch_execute(&format!("ALTER DATABASE odd SET {setting}")).await.unwrap();
        }
        let refusing = Pooler::start(postgres, "odd", "").await;
        let dropping = Pooler::start(
            postgres,
            "odd",
            "ignore_startup_parameters = options, extra_float_digits",
        )
        .await;
        for (name, dsn) in [
            ("direct", postgres.dsn("odd")),
            ("refusing", refusing.dsn("odd")),
            ("dropping", dropping.dsn("odd")),
        ] {
            let gateway = gateway(postgres, name, &dsn).await;
            let clients = [gateway.connect("ana").await, gateway.connect("ana").await];
            let stranger = Client::connect(&dsn).await.unwrap();
            let sql = "SELECT id, day::text, at::text, zoned::text, zoned::date, wide::text, word, \
                       extract(hour FROM zoned), word = NULL::text FROM shop.kinds WHERE id < $1 \
                       ORDER BY id";
            for round in 0..6 {
                stranger.simple("SET TimeZone = 'America/New_York'").await;
                for client in &clients {
                    let turned = client.simple("SELECT zone FROM shop.turning").await;
                    assert_eq!(turned.rows(), [[Value::Text("Asia/Tokyo".to_owned())]], "{name}");
                    let got = client.extended(sql, &[Parameter(Some("4"))]).await;
                    let shown: Vec<_> =
                        got.rows().iter().take(1).map(|row| row[1..4].to_vec()).collect();
                    assert_eq!(got.error(), None, "{name} {round}");
                    assert_eq!(
                        shown,
                        [["2024-02-29", "2024-02-29 12:34:56.789", "2024-02-29 10:34:56.789+00"]
                            .map(|text| Value::Text(text.to_owned()))],
                        "{name} {round}"
                    );
                }
            }
        }
    });
}

/// What the operator says counts, whatever was found out: with a pooler each transaction brings its settings and nothing
/// has a name; without one, what looks like a pooler is not connected to.
#[test]
fn the_operator_says_what_stands_in_between() {
    harness::run(async {
        let postgres = Postgres::shared().await;
        let full = postgres.create("said", &[KINDS, TURNING]).await;
        full.inner.batch_execute("ALTER DATABASE said SET TimeZone = 'Asia/Tokyo'").await.unwrap();
        let refusing = Pooler::start(postgres, "said", "").await;
        let dropping = Pooler::start(
            postgres,
            "said",
            "ignore_startup_parameters = options, extra_float_digits",
        )
        .await;
        let schemas = ["shop".to_owned()];
        for (name, dsn, pooled, own) in [
            ("said direct", postgres.dsn("said"), None, Some(true)),
            ("said direct pooled", postgres.dsn("said"), Some(true), Some(false)),
            ("said direct alone", postgres.dsn("said"), Some(false), Some(true)),
            ("said refusing", refusing.dsn("said"), None, Some(false)),
            ("said refusing pooled", refusing.dsn("said"), Some(true), Some(false)),
            ("said refusing alone", refusing.dsn("said"), Some(false), None),
            ("said dropping pooled", dropping.dsn("said"), Some(true), Some(false)),
            ("said dropping alone", dropping.dsn("said"), Some(false), None),
        ] {
            let server = dsn.parse().unwrap();
            let options = Options { server, tls: None, statement_timeout: None, pooled };
            let warehouse = Warehouse::new(options).unwrap();
            let Some(own) = own else {
                let error = discover(&warehouse, &schemas).await.unwrap_err();
                assert_eq!(error.message(), "the warehouse can't be reached", "{name}");
                let cause = error.cause().unwrap().to_string();
                assert!(cause.contains("\"pooled\" is false"), "{name}: {cause}");
                continue;
            };
            let gateway = through(postgres, name, warehouse).await;
            let ana = gateway.connect("ana").await;
            let sql = "SELECT named > 0, own, zone FROM shop.connection WHERE id = $1";
            for round in 0..4 {
                let answer = ana.extended(sql, &[Parameter(Some("1"))]).await;
                let (is_named, own) = match own && round > 0 {
                    true => ("t", "t"),
                    false => ("f", if own { "t" } else { "f" }),
                };
                let row = [is_named, own, "UTC"].map(|text| Value::Text(text.to_owned()));
                assert_eq!(
                    (answer.error(), answer.rows()),
                    (None, &[row.to_vec()][..]),
                    "{name} {round}"
                );
            }
            let asked = ana.simple("SELECT id FROM shop.kinds WHERE id < 4").await;
            assert_eq!((asked.error(), asked.rows().len()), (None, 3), "{name}");
        }
    });
}

/// How long a statement may take is said to the server together with the statement, whoever asked last on its connection;
/// where that can't be said, there are no rows.
#[test]
fn a_statements_time_goes_with_it() {
    harness::run(async {
        let postgres = Postgres::shared().await;
        postgres.create("timed", &[KINDS, TURNING]).await;
        let relay = Relay::to(postgres.port).await;
        let server = server("127.0.0.1", relay.port, "timed", "postgres");
        let statement_timeout = Some(Duration::from_secs(40));
        let options = Options { server, tls: None, statement_timeout, pooled: None };
        let gateway = through(postgres, "timed", Warehouse::new(options).unwrap()).await;
        let (ana, amy) = (gateway.connect("ana").await, gateway.connect("amy").await);
        let sql = "SELECT time FROM shop.connection WHERE id = $1";
        let ask = async |client: &Client| client.extended(sql, &[Parameter(Some("1"))]).await;
        relay.sent();
        for round in 0..3 {
            for (client, time) in [(&ana, "40s"), (&ana, "40s"), (&amy, "31s"), (&amy, "31s")] {
                let answer = ask(client).await;
                assert_eq!(answer.error(), None, "{round}");
                assert_eq!(answer.rows()[0][0].text(), time, "{round}");
            }
        }
        let sent = relay.sent();
        let said = sent.iter().filter(|sent| sent.contains("SET statement_timeout"));
        let said: Vec<_> = said.collect();
        assert_eq!(said.len(), 6, "{sent:?}");
        assert!(said.iter().all(|said| said.contains("BEGIN") && said.contains("ROLLBACK")));
        // All else that is sent is a name for the text, at most: a query is one text.
        assert!(sent.len() <= 12 + 1, "{sent:?}");

        for round in 0..3 {
            relay.change(Some(("SET statement_timeout", "SET statement_timeouf")));
            let answer = ask(&ana).await;
            let told = ("58000", "the warehouse could not run the query");
            assert_eq!(answer.error(), Some(told), "{round}");
            relay.change(None);
            let answer = ask(&amy).await;
            assert_eq!(
                (answer.error(), answer.rows()[0][0].text()),
                (None, "31s".to_owned()),
                "{round}"
            );
        }
        // With the name that a text gets.
        for (client, time) in [(&ana, "40s"), (&amy, "31s"), (&ana, "40s")] {
            let answer = client.simple("SELECT time FROM shop.connection").await;
            assert_eq!((answer.error(), answer.rows()[0][0].text()), (None, time.to_owned()));
        }
    });
}
