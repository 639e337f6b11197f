//! The client against a real Snowflake account, for whoever has one. Nothing here runs by itself:
//!
//! ```text
//! export TOLLGATE_SNOWFLAKE_ACCOUNT=xy12345        # and _ADDRESS, if it is another one
//! export TOLLGATE_SNOWFLAKE_USER=TOLLGATE
//! export TOLLGATE_SNOWFLAKE_KEY=tollgate_key.pem   # or _PASSWORD, or _TOKEN (a programmatic one)
//! export TOLLGATE_SNOWFLAKE_DATABASE=TOLLGATE_TEST # and _WAREHOUSE, _ROLE
//! cargo test -p tollgate-tests -- --ignored snowflake_live
//! ```
//!
//! The database needs the tables of `cases/attacks/snowflake_live.sql`, in schema `CRM`, and of
//! `cases/snowflake/semi/tables.sql`, in schema `WEB`; the user reads them and nothing else. The last test needs the database role `SNOWFLAKE.USAGE_VIEWER` as well.

use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tollgate_warehouse::postgres::trusting;
use tollgate_warehouse::snowflake::{
    Credential, CredentialKind, Options, Snowflake, attributed, discover,
};

use crate::harness::gateway::{Caches, Running, start_over};
use crate::harness::postgres::Postgres;
use crate::harness::value::{Value, compare};
use crate::harness::{self, case};
use crate::semi_structured::judged;

fn variable(name: &str) -> Option<String> {
    std::env::var(format!("TOLLGATE_SNOWFLAKE_{name}")).ok()
}

fn account() -> Options {
    let needed = |name| variable(name).unwrap_or_else(|| panic!("TOLLGATE_SNOWFLAKE_{name}"));
    let (kind, secret) = if let Some(path) = variable("KEY") {
        (CredentialKind::KeyPair, std::fs::read(path).unwrap())
    } else if let Some(token) = variable("TOKEN") {
        (CredentialKind::ProgrammaticAccessToken, token.into_bytes())
    } else {
        (CredentialKind::Password, needed("PASSWORD").into_bytes())
    };
    let name = needed("ACCOUNT");
    let pem = std::fs::read("/etc/ssl/certs/ca-certificates.crt").unwrap();
    assert!(CertificateDer::pem_slice_iter(&pem).next().is_some());
    Options {
        address: variable("ADDRESS")
            .unwrap_or_else(|| format!("https://{name}.snowflakecomputing.com")),
        account: name,
        user: needed("USER"),
        credential: Credential::new(kind, move || Ok(secret.clone().into())),
        database: needed("DATABASE"),
        warehouse: variable("WAREHOUSE"),
        by_role: Vec::new(),
        role: variable("ROLE"),
        tls: Some(trusting(&pem).unwrap()),
        statement_timeout: Some(Duration::from_secs(120)),
        credits: None,
        pause: Duration::from_secs(1),
    }
}

async fn gateway() -> Running {
    let warehouse = Snowflake::new(account()).unwrap();
    let found = discover(&warehouse, &["crm".to_owned()]).await.unwrap();
    let audit = Postgres::shared().await.scratch("live").join("audit.jsonl");
    let policies = ["policy/corpus/roles.sql", "policy/corpus/crm.sql"];
    let caches = Caches { plans: 0, results: 0, ..Caches::default() };
    start_over(found.tables, Arc::new(warehouse), &audit, &policies, caches).await
}

/// Dashboards over the account give what PostgreSQL gives over the projected database, or are refused.
#[test]
#[ignore = "needs a Snowflake account"]
fn dashboards_give_what_the_projected_database_gives() {
    harness::run(async {
        let world = harness::world().await;
        let ana = gateway().await.connect("ana").await;
        let projected = world.postgres.connect("projected").await;
        let mut wrong = Vec::new();
        for line in case("attacks/benign.jsonl").lines() {
            let statement: serde_json::Value = serde_json::from_str(line).unwrap();
            let sql = statement["sql"].as_str().unwrap();
            let (got, want) = (ana.simple(sql).await, projected.simple(sql).await);
            match (got.error(), want.error()) {
                (Some((code, message)), None) => println!("refused: {code} {message}: {sql}"),
                (None, None) => {
                    if let Err(what) = compare(got.rows(), want.rows(), false) {
                        wrong.push(format!("{sql}: {what}"));
                    }
                }
                (_, Some(_)) => {}
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

/// Semi-structured values and paths into them are what the emulator says that they are.
#[test]
#[ignore = "needs a Snowflake account"]
fn semi_structured_values_are_those_of_the_account() {
    harness::run(async {
        let warehouse = Snowflake::new(account()).unwrap();
        let found = discover(&warehouse, &["web".to_owned()]).await.unwrap();
        let audit = Postgres::shared().await.scratch("live paths").join("audit.jsonl");
        let policies = ["snowflake/semi/policies.sql"];
        let caches = Caches { plans: 0, results: 0, ..Caches::default() };
        let gateway =
            start_over(found.tables, Arc::new(warehouse), &audit, &policies, caches).await;
        let ana = gateway.connect("ana").await;
        judged(&ana, "shown").await;
        assert_eq!(ana.simple("SET tollgate.dialect = 'snowflake'").await.error(), None);
        judged(&ana, "paths").await;
    });
}

/// What could fail on hidden rows doesn't.
#[test]
#[ignore = "needs a Snowflake account"]
fn hidden_rows_raise_no_errors_at_the_account() {
    harness::run(async {
        let ana = gateway().await.connect("ana").await;
        for sql in [
            "SELECT id FROM crm.orders WHERE 1 / (amount - 31337.31) > -9",
            "SELECT id, 100 / (id - 150) FROM crm.orders ORDER BY id",
            "SELECT sum(10 / (id - 150)) FROM crm.orders",
            "SELECT count(*) FROM crm.orders o JOIN crm.customers c ON 7 / (o.id - 150) = c.id",
        ] {
            assert_eq!(ana.simple(sql).await.error(), None, "{sql}");
        }
    });
}

/// Whoever cancels is told at once, and the next statement runs.
#[test]
#[ignore = "needs a Snowflake account"]
fn a_statement_is_canceled_at_the_account() {
    harness::run(async {
        let ana = gateway().await.connect("ana").await;
        let token = ana.inner.cancel_token();
        let long = "SELECT count(*) FROM crm.orders a, crm.orders b, crm.orders c, crm.orders d, \
                    crm.orders e WHERE a.amount + b.amount + c.amount + d.amount + e.amount < 0";
        let (answer, ()) = futures::join!(ana.simple(long), async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            token.cancel_query(tokio_postgres::NoTls).await.unwrap();
        });
        assert_eq!(answer.error().map(|(code, _)| code), Some("57014"));
        let answer = ana.simple("SELECT count(*) FROM crm.tenants").await;
        assert_eq!(answer.rows(), [[Value::Number(1.0)]]);
    });
}

/// The history can be asked for, and has what an earlier run of these tests has left there, once the account
/// knows it.
#[test]
#[ignore = "needs a Snowflake account"]
fn the_account_tells_what_it_attributes() {
    harness::run(async {
        let warehouse = Snowflake::new(account()).unwrap();
        let mut history = attributed(&warehouse, 0, i64::MAX).await.unwrap();
        let mut count = 0;
        loop {
            let page = history.next(500).await.unwrap();
            if page.is_empty() {
                break;
            }
            count += page.len();
        }
        println!("{count} statements, {} figures refused", history.refused());
        warehouse.close().await;
    });
}
