//! Tokens of another issuer, over both protocols.

use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tokio::process::Command;
use tollgate_gateway::{CancelToken, Session, StartupSettings};

use crate::harness::flight::Flight;
use crate::harness::gateway::{self, DATABASE, Running};
use crate::harness::issuer::{issuer, now, token};
use crate::harness::{self};

/// What psql says to a query, with a token for a password.
async fn psql(gateway: &Running, user: &str, options: &str, token: &str, sql: &str) -> String {
    let port = gateway.address.port();
    let output = Command::new("psql")
        .args(["-X", "-A", "-t", "-c", sql])
        .arg(format!(
            "host=127.0.0.1 port={port} dbname={DATABASE} user={user} {options} \
             options='-c tollgate.auth=token'"
        ))
        .env("PGPASSWORD", token)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .expect("psql is missing: run `cargo xtask setup`");
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8(text).unwrap().trim().to_owned()
}

/// A gateway whose policies know those who come with tokens.
pub(crate) async fn start(name: &str, more: &[&str]) -> Running {
    let world = harness::world().await;
    let audit = world.postgres.scratch(name).join("audit.jsonl");
    let policies = ["policy/corpus/roles.sql", "policy/corpus/crm.sql", "policy/corpus/tokens.sql"];
    gateway::start_with(&world.folder, &audit, &[&policies, more].concat()).await
}

const TLS: &str = "sslmode=require";
const COUNT: &str = "SELECT count(*), min(tenant_id) FROM crm.customers";

#[test]
fn psql_comes_with_a_token_for_a_password() {
    harness::run(async {
        let gateway = &start("tokens-psql", &[]).await;
        let none = json!({});
        for (user, tenant, expected) in [
            ("tess", "acme", "40|acme"),
            ("tom", "globex", "30|globex"),
            ("tess", "globex", "30|globex"),
        ] {
            let token = token(user, tenant, 60, &none);
            assert_eq!(psql(gateway, user, TLS, &token, COUNT).await, expected, "{user} {tenant}");
        }
        // Whom the user file doesn't know has the roles that the policies grant the name: none.
        let stranger = token("zoe", "acme", 60, &none);
        let answer = psql(gateway, "zoe", TLS, &stranger, COUNT).await;
        assert!(answer.contains("relation \"crm.customers\" does not exist"), "{answer}");

        let good = token("tess", "acme", 60, &none);
        let failed = |user: &str| format!("token authentication failed for user \"{user}\"");
        for (user, token, expected) in [
            ("tom", good.clone(), failed("tom")),
            ("tess", token("tess", "acme", -1, &none), failed("tess")),
            ("tess", format!("{good}A"), failed("tess")),
            ("tess", gateway::PASSWORD.to_owned(), failed("tess")),
            // Who has a password comes with it.
            ("ana", token("ana", "acme", 60, &none), failed("ana")),
        ] {
            let answer = psql(gateway, user, TLS, &token, COUNT).await;
            assert!(answer.contains(&expected), "{user}: {answer}");
        }
        let answer = psql(gateway, "tess", "sslmode=disable", &good, COUNT).await;
        assert!(answer.contains("a token needs an encrypted connection"), "{answer}");
    });
}

#[test]
fn a_token_proves_what_access_rules_ask_for() {
    harness::run(async {
        let gateway = start("tokens-mfa", &["policy/corpus/mfa.sql"]).await;
        for (claims, expected) in [
            (json!({ "amr": ["pwd", "otp"], "purpose": "care" }), "40|acme"),
            (json!({ "amr": ["pwd"], "purpose": "care" }), "access is not permitted"),
            (json!({ "amr": ["otp"], "purpose": "research" }), "access is not permitted"),
            (json!({ "purpose": "care" }), "access is not permitted"),
        ] {
            let token = token("tess", "acme", 60, &claims);
            let answer = psql(&gateway, "tess", TLS, &token, COUNT).await;
            assert!(answer.contains(expected), "{claims}: {answer}");
        }
    });
}

/// A policy asks for the purpose that the token attests; without one it is NULL.
#[test]
fn a_purpose_decides_about_rows() {
    harness::run(async {
        let gateway = start("tokens-purpose", &["policy/corpus/purpose.sql"]).await;
        for (claims, expected) in [
            (json!({ "purpose": "care" }), "40|acme"),
            (json!({ "purpose": "research" }), "10|acme"),
            (json!({ "purpose": ["care"] }), "10|acme"),
            (json!({}), "10|acme"),
        ] {
            let token = token("tess", "acme", 60, &claims);
            let answer = psql(&gateway, "tess", TLS, &token, COUNT).await;
            assert!(answer.contains(expected), "{claims}: {answer}");
        }
    });
}

/// A token brings roles that the policies declare, beside those of its user's name; access rules hold for
/// them as for others.
#[test]
fn roles_come_with_a_token() {
    harness::run(async {
        let gateway = start("tokens-roles", &[]).await;
        let hidden = "relation \"crm.customers\" does not exist";
        for (claims, expected) in [
            (json!({ "groups": ["staff", "analyst", "PUBLIC"] }), "40|acme"),
            (json!({ "groups": "analyst" }), "40|acme"),
            (json!({ "groups": ["staff", "Analyst", ""] }), hidden),
            (json!({ "groups": { "analyst": true } }), hidden),
            (json!({ "roles": ["analyst"] }), hidden),
        ] {
            let token = token("zoe", "acme", 60, &claims);
            let answer = psql(&gateway, "zoe", TLS, &token, COUNT).await;
            assert!(answer.contains(expected), "{claims}: {answer}");
        }
        // A prepared statement is redeemed by who still has the role, by nobody else.
        let mut flight = Flight::stranger(gateway.flight).await;
        let bearer =
            |groups| format!("Bearer {}", token("zoe", "acme", 60, &json!({ "groups": groups })));
        flight.token = bearer(["analyst"]);
        let prepared = flight.prepare("SELECT id FROM crm.customers").await.unwrap();
        flight.redeem(&prepared.handle).await.unwrap();
        flight.token = bearer(["staff"]);
        assert!(flight.redeem(&prepared.handle).await.is_err());

        let strict = start("tokens-roles-mfa", &["policy/corpus/mfa.sql"]).await;
        for (claims, expected) in [
            (json!({ "groups": ["analyst"] }), "access is not permitted"),
            (json!({ "groups": ["analyst"], "amr": ["otp"], "purpose": "care" }), "40|acme"),
        ] {
            let token = token("zoe", "acme", 60, &claims);
            let answer = psql(&strict, "zoe", TLS, &token, COUNT).await;
            assert!(answer.contains(expected), "{claims}: {answer}");
        }
    });
}

#[test]
fn flight_takes_a_token_at_each_call() {
    harness::run(async {
        let gateway = start("tokens-flight", &[]).await;
        let mut flight = Flight::stranger(gateway.flight).await;
        let none = json!({});
        flight.token = format!("Bearer {}", token("tess", "acme", 60, &none));
        assert_eq!(flight.statement("SELECT id FROM crm.customers").await.unwrap().count(), 40);
        // A renewed token redeems what another one was given.
        let prepared = flight.prepare("SELECT id FROM crm.customers").await.unwrap();
        flight.token = format!("Bearer {}", token("tess", "acme", 90, &none));
        flight.redeem(&prepared.handle).await.unwrap();
        // Another tenant's doesn't, though it bears the same name.
        flight.token = format!("Bearer {}", token("tess", "globex", 60, &none));
        assert!(flight.redeem(&prepared.handle).await.is_err());
        for wrong in [token("tess", "acme", -1, &none), "a.b.c".to_owned(), "..".to_owned()] {
            flight.token = format!("Bearer {wrong}");
            let error = flight.statement("SELECT 1").await.unwrap_err();
            assert_eq!(error.code(), tonic::Code::Unauthenticated, "{wrong}");
        }
    });
}

#[test]
fn a_session_ends_with_its_token() {
    harness::run(async {
        let world = harness::world().await;
        let users = gateway::users();
        assert_eq!(
            users.issuer().map(|known| format!("{known:?}")),
            Some(format!("{:?}", issuer()))
        );
        let short = token("tess", "acme", 2, &json!({}));
        let principal = users.verify_issued_token(&short, [127, 0, 0, 1].into(), now()).unwrap();
        let startup = StartupSettings { database: DATABASE.to_owned(), ..Default::default() };
        let gateway = std::sync::Arc::clone(&world.gateway.gateway);
        let (mut session, _) = Session::new(gateway, principal, startup).unwrap();
        let limit = Duration::from_secs(60);
        tokio::time::timeout(limit, session.ended().cancelled()).await.expect("it goes on");
        let statement = session.parse("SELECT 1").unwrap().pop().unwrap();
        let cancel = CancelToken::new();
        let error = session.execute(&statement, &[], Vec::new(), &cancel).await.err().unwrap();
        assert_eq!(error.message(), "the authentication has ended");
    });
}
