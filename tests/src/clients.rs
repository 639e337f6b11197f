//! Real clients: they connect, browse and query, and find nothing that is hidden.

use std::process::{Output, Stdio};

use tokio::process::Command;

use crate::attacks::leak;
use crate::harness::gateway::{DATABASE, PASSWORD};
use crate::harness::{self, python};

/// Runs psql over TLS; its output.
async fn psql(user: &str, options: &str, commands: &[&str]) -> String {
    let output = raw_psql(user, options, commands).await;
    let out = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{commands:?}: {errors}\n{out}");
    assert_eq!(errors, "", "{commands:?}");
    out
}

async fn raw_psql(user: &str, options: &str, commands: &[&str]) -> Output {
    let world = harness::world().await;
    let port = world.address().port();
    let mut command = Command::new("psql");
    command
        .arg("-X")
        .arg("-v")
        .arg("ON_ERROR_STOP=1")
        .arg(format!("host=127.0.0.1 port={port} dbname={DATABASE} user={user} {options}"))
        .env("PGPASSWORD", PASSWORD)
        .env("PAGER", "")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    for text in commands {
        command.arg("-c").arg(text);
    }
    command.output().await.expect("psql is missing: run `cargo xtask setup`")
}

const TLS: &str = "sslmode=require";
const BOUND: &str = "sslmode=require channel_binding=require";

/// What a listing of everything shows to ana.
fn shows_what_is_visible(command: &str, output: &str) {
    for hidden in ["hr", "health", "visits", "salaries"] {
        let found =
            output.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == hidden);
        assert!(!found, "{command} shows {hidden}:\n{output}");
    }
    assert!(!output.contains("income"), "{command}:\n{output}");
}

#[test]
fn psql_lists_what_is_visible() {
    harness::run(async {
        for command in [
            r"\d *.*",
            r"\dt *.*",
            r"\dt crm.*",
            r"\dn",
            r"\du",
            r"\l",
            r"\df crm.*",
            r"\dp crm.*",
            r"\d crm.customers",
            r"\d+ crm.orders",
        ] {
            let output = psql("ana", TLS, &[command]).await;
            shows_what_is_visible(command, &output);
        }
        let tables = psql("ana", TLS, &[r"\dt crm.*"]).await;
        for table in ["customers", "orders", "tenants"] {
            assert!(tables.contains(table), "{tables}");
        }
        assert!(psql("ana", TLS, &[r"\dn"]).await.contains("crm"));
        let customers = psql("ana", TLS, &[r"\d crm.customers"]).await;
        for column in
            ["id", "full_name", "email", "birth_date", "date", "timestamp without time zone"]
        {
            assert!(customers.contains(column), "{column} is missing:\n{customers}");
        }
        let owned = psql("root", TLS, &[r"\dt *.*"]).await;
        assert!(owned.contains("salaries") && owned.contains("visits"), "{owned}");
    });
}

#[test]
fn psql_hides_like_what_is_missing() {
    harness::run(async {
        for command in [r"\d", r"\dt", r"\d+"] {
            let mut outputs = Vec::new();
            for schema in ["hr", "no"] {
                let output = raw_psql("ana", TLS, &[&format!("{command} {schema}.salaries")]).await;
                let texts =
                    [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
                outputs.push((output.status.code(), texts.map(|text| text.replace("hr.", "no."))));
            }
            assert_eq!(outputs[0], outputs[1], "{command}");
        }
    });
}

#[test]
fn psql_binds_the_channel() {
    harness::run(async {
        let output = psql("ana", BOUND, &["SELECT count(*) FROM crm.customers"]).await;
        assert!(output.contains("40"), "{output}");
        let output = psql("bob", BOUND, &["SELECT count(*) FROM crm.customers"]).await;
        assert!(output.contains("30"), "{output}");

        let world = harness::world().await;
        let root = world.postgres.scratch("tls").join("root.pem");
        std::fs::write(&root, &world.gateway.certificate).unwrap();
        let verified =
            format!("sslmode=verify-ca channel_binding=require sslrootcert={}", root.display());
        let output = psql("ana", &verified, &["SELECT current_user"]).await;
        assert!(output.contains("ana"), "{output}");
    });
}

/// Masked values and foreign rows don't come out in any output format of psql.
#[test]
fn psql_prints_no_canary() {
    harness::run(async {
        for command in
            ["SELECT * FROM crm.customers", "SELECT * FROM crm.orders", "SELECT * FROM crm.tenants"]
        {
            for format in ["aligned", "unaligned", "csv", "wrapped"] {
                let set = format!(r"\pset format {format}");
                let output = psql("ana", TLS, &[&set, command]).await;
                // Incomes are numbers that other columns might hold; the rest is checked here.
                assert!(
                    leak(&output).is_none_or(|leak| leak.starts_with(char::is_numeric)),
                    "{output}"
                );
            }
        }
    });
}

async fn script(name: &str) {
    let world = harness::world().await;
    let port = world.address().port().to_string();
    let output = python::run(name, &["127.0.0.1", &port, DATABASE, PASSWORD], "").await;
    assert!(
        output.status.success() && output.stdout.ends_with(b"ok\n"),
        "{name}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Where Debian puts the JDBC driver.
const JDBC: &str = "/usr/share/java/postgresql.jar";

/// What the JDBC driver finds at a server, line by line.
async fn jdbc(url: &str) -> String {
    let output = Command::new("java")
        .args(["-cp", JDBC])
        .arg(harness::cases().join("clients/CheckJdbc.java"))
        .args([url, "ana", PASSWORD])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .expect("java is missing: run `cargo xtask setup`");
    let out = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && out.ends_with("ok\n"), "{url}: {errors}\n{out}");
    out
}

/// The real driver works, and finds what it finds at a PostgreSQL that holds only what ana may see,
/// but for the differences in a golden file.
#[test]
fn jdbc_works() {
    harness::run(async {
        let world = harness::world().await;
        let scripts = ["attacks/schema.sql", "attacks/projected.sql", "clients/keys.sql"];
        let scripts = scripts.map(harness::case);
        let scripts: Vec<&str> = scripts.iter().map(String::as_str).collect();
        world.postgres.create(DATABASE, &scripts).await;
        let port = world.postgres.port;
        let expected =
            jdbc(&format!("jdbc:postgresql://127.0.0.1:{port}/{DATABASE}?sslmode=disable")).await;

        let root = world.postgres.scratch("tls").join("jdbc.pem");
        std::fs::write(&root, &world.gateway.certificate).unwrap();
        let server = format!("jdbc:postgresql://{}/{DATABASE}", world.address());
        let found =
            jdbc(&format!("{server}?sslmode=verify-ca&sslrootcert={}", root.display())).await;
        jdbc(&format!("{server}?sslmode=require&channelBinding=require")).await;

        let (old, new): (Vec<_>, Vec<_>) = (expected.lines().collect(), found.lines().collect());
        let gone = old
            .iter()
            .filter(|line| !new.contains(line))
            .map(|line| format!("PostgreSQL: {line}\n"));
        let come = new
            .iter()
            .filter(|line| !old.contains(line))
            .map(|line| format!("Tollgate:   {line}\n"));
        harness::golden("clients/jdbc.txt", &gone.chain(come).collect::<String>());
    });
}

/// psql shows declared keys as PostgreSQL does, and none that involves what is hidden.
#[test]
fn psql_shows_keys() {
    harness::run(async {
        let keys = |text: &str| -> Vec<String> {
            let lines = text.lines().skip_while(|line| !line.starts_with("Indexes:"));
            lines.map(str::to_owned).collect()
        };
        let orders = keys(&psql("ana", TLS, &[r"\d crm.orders"]).await);
        let expected = [
            "Indexes:",
            r#"    "orders_pkey" PRIMARY KEY, btree (id)"#,
            "Foreign-key constraints:",
            r#"    "orders_customer_id_fkey" FOREIGN KEY (customer_id) REFERENCES crm.customers(id)"#,
            "",
        ];
        assert_eq!(orders, expected);
        let customers = keys(&psql("ana", TLS, &[r"\d crm.customers"]).await).join("\n");
        assert!(customers.contains("TABLE \"crm.orders\" CONSTRAINT"), "{customers}");
        assert!(!customers.contains("salaries"), "{customers}");
        let customers = keys(&psql("root", TLS, &[r"\d crm.customers"]).await).join("\n");
        assert!(customers.contains("TABLE \"hr.salaries\" CONSTRAINT"), "{customers}");
    });
}

#[test]
fn asyncpg_works() {
    harness::run(script("check_asyncpg.py"));
}

#[test]
fn psycopg_works() {
    harness::run(script("check_psycopg.py"));
}

#[test]
fn sqlalchemy_works() {
    harness::run(script("check_sqlalchemy.py"));
}

#[test]
fn drivers_that_fetch_and_copy_work() {
    harness::run(script("check_deliveries.py"));
}
