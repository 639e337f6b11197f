//! A reload of users and policies on a running server: what is revoked ends, the rest goes on.

use std::fs;
use std::path::Path;
use std::time::Duration;

use arrow_flight::sql::CommandStatementQuery;
use tollgate_identity::{UserStore, Verifier};
use tollgate_proxy::{load, serve};

use crate::harness;
use crate::harness::flight::{Flight, command};
use crate::harness::gateway::PASSWORD;
use crate::harness::raw::{Raw, kinds, message, zero};

const PATIENCE: Duration = Duration::from_secs(120);

const CONFIG: &str = r#"
drain = "1s"
[pg]
listen = "127.0.0.1:0"
tls = "optional"
[users]
file = "users.toml"
[policies]
folder = "policies"
watch = "50ms"
[warehouse]
data = "data"
[audit]
file = "audit.jsonl"
"#;

const POLICIES: &str = "CREATE ROLE reader; CREATE ROLE other; CREATE ROLE unused;
GRANT ROLE reader TO USER 'ana'; GRANT ROLE reader TO USER 'bob'; GRANT ROLE other TO USER 'lee';
GRANT SELECT ON shop.items TO ROLE reader; GRANT SELECT (id) ON shop.items TO ROLE other;
GRANT SELECT ON shop.items TO ROLE unused;";

/// Rows without end, for the patience of a test.
const ENDLESS: &str = "SELECT a.id FROM shop.items a, shop.items b, shop.items c, shop.items d";

fn write_users(folder: &Path, users: &[(&str, &str)]) {
    let verifier = Verifier::from_password(PASSWORD, 4096, b"salt of the tests").unwrap();
    let mut store = UserStore::parse("").unwrap();
    for (name, tenant) in users {
        let attributes = [("tenant_id".to_owned(), vec![(*tenant).to_owned()])].into();
        store = store.with_user(name, verifier.clone(), attributes);
    }
    fs::write(folder.join("users.toml"), store.to_toml()).unwrap();
}

fn write_policies(folder: &Path, text: &str) {
    fs::write(folder.join("policies/all.sql"), text).unwrap();
}

/// A session that reads rows without end.
async fn endless(server: &serve::Server, user: &str) -> Raw {
    let mut raw = Raw::session(server.pg(), user).await;
    raw.send(&message(b'Q', &zero(ENDLESS))).await;
    raw.wait(b'D').await;
    raw
}

#[test]
fn a_reload_reaches_what_runs() {
    harness::run(async {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path();
        fs::create_dir_all(folder.join("policies")).unwrap();
        fs::create_dir_all(folder.join("data/shop")).unwrap();
        let ids: String = (0..200).map(|id| format!("{id},thing\n")).collect();
        fs::write(folder.join("data/shop/items.csv"), format!("id,name\n{ids}")).unwrap();
        fs::write(folder.join("tollgate.toml"), CONFIG).unwrap();
        let all = [("ana", "acme"), ("bob", "acme"), ("lee", "acme"), ("eve", "acme")];
        write_users(folder, &all);
        write_policies(folder, POLICIES);
        let loaded =
            load::load(&folder.join("tollgate.toml")).unwrap_or_else(|errors| panic!("{errors}"));
        let server = serve::start(loaded).await.unwrap();

        // A reload that changes nothing of theirs cuts nobody.
        let (mut ana, mut bob, mut lee) = (
            endless(&server, "ana").await,
            endless(&server, "bob").await,
            endless(&server, "lee").await,
        );
        write_policies(
            folder,
            &POLICIES.replace("CREATE ROLE unused", "CREATE ROLE more; CREATE ROLE unused"),
        );
        server.reload();
        write_policies(folder, "GRANT SELECT ON shop.nothing TO ROLE nobody;");
        server.reload();
        for client in [&mut ana, &mut bob, &mut lee] {
            for _ in 0..2_000 {
                client.wait(b'D').await;
            }
        }

        // Ana loses her role: her query is cut, her session stays and sees nothing any more.
        write_policies(folder, &POLICIES.replace("GRANT ROLE reader TO USER 'ana';", ""));
        server.reload();
        let error = loop {
            let reply = ana.reply().await.unwrap();
            match reply.kind {
                b'D' => {}
                _ => break reply,
            }
        };
        assert_eq!(error.kind, b'E');
        assert_eq!(error.field(b'C').as_deref(), Some("42501"));
        assert_eq!(
            error.field(b'M').as_deref(),
            Some("canceling statement because access was revoked")
        );
        assert_eq!(kinds(&ana.until_ready().await), "Z");
        let replies = ana.query("SELECT id FROM shop.items").await;
        assert_eq!(replies[0].field(b'C').as_deref(), Some("42P01"));

        // A column that lee had is gone: it may be in any of the rows to come.
        write_policies(folder, &POLICIES.replace("GRANT SELECT (id) ON", "GRANT SELECT (name) ON"));
        server.reload();
        let cut = lee.until_ready().await;
        assert!(kinds(&cut).ends_with("EZ"), "{:?}", cut.last());

        // Bob's attributes change, while he reads; eve is removed, while she rests.
        let mut eve = Raw::session(server.pg(), "eve").await;
        eve.works().await;
        write_users(folder, &[("ana", "acme"), ("bob", "globex"), ("lee", "acme")]);
        server.reload();
        for client in [&mut bob, &mut eve] {
            let last = client.until_closed().await.pop().unwrap();
            assert_eq!(last.kind, b'E');
            assert_eq!(last.field(b'S').as_deref(), Some("FATAL"));
            assert_eq!(last.field(b'C').as_deref(), Some("57P01"));
        }
        ana.works().await;
        lee.works().await;

        // Each of these statements has one decision and one receipt, when all is written.
        server.stop().await;
        let records = fs::read_to_string(folder.join("audit.jsonl")).unwrap();
        let count = |kind: &str| records.matches(&format!("\"record\":\"{kind}\"")).count();
        assert_eq!(count("decision"), count("receipt"), "{records}");
    });
}

/// The same over Flight SQL: a stream goes on through reloads that are none of its business, and ends
/// with the one that takes its role away.
#[test]
fn a_reload_cuts_a_flight_stream() {
    harness::run(async {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path();
        fs::create_dir_all(folder.join("policies")).unwrap();
        fs::create_dir_all(folder.join("data/shop")).unwrap();
        let ids: String = (0..200).map(|id| format!("{id},thing\n")).collect();
        fs::write(folder.join("data/shop/items.csv"), format!("id,name\n{ids}")).unwrap();
        let flight = format!("{CONFIG}[flight]\nlisten = \"127.0.0.1:{}\"\n", harness::free_port());
        fs::write(folder.join("tollgate.toml"), flight.replace("\"50ms\"", "\"0s\"")).unwrap();
        write_users(folder, &[("ana", "acme"), ("bob", "acme")]);
        write_policies(folder, POLICIES);
        let loaded =
            load::load(&folder.join("tollgate.toml")).unwrap_or_else(|errors| panic!("{errors}"));
        let server = serve::start(loaded).await.unwrap();
        let address = server.flight().unwrap();

        let mut streams = Vec::new();
        for user in ["ana", "bob"] {
            let mut client = Flight::connect(address, user, PASSWORD).await.unwrap();
            let asked = CommandStatementQuery { query: ENDLESS.to_owned(), transaction_id: None };
            let info = client.info(command(&asked)).await.unwrap();
            let ticket = info.endpoint[0].ticket.clone().unwrap();
            let request = client.request(ticket);
            let stream = client.inner.do_get(request).await.unwrap().into_inner();
            streams.push((client, stream));
        }
        let [(mut ana, mut anas), (mut bob, mut bobs)] = <[_; 2]>::try_from(streams).ok().unwrap();
        write_policies(
            folder,
            &POLICIES.replace("CREATE ROLE unused", "CREATE ROLE more; CREATE ROLE unused"),
        );
        server.reload();
        for _ in 0..50 {
            assert!(anas.message().await.unwrap().is_some());
            assert!(bobs.message().await.unwrap().is_some());
        }

        write_policies(folder, &POLICIES.replace("GRANT ROLE reader TO USER 'ana';", ""));
        server.reload();
        let cut = async {
            loop {
                match anas.message().await {
                    Ok(more) => assert!(more.is_some(), "the stream ended as if it were whole"),
                    Err(status) => break status,
                }
            }
        };
        let status = tokio::time::timeout(PATIENCE, cut).await.expect("it goes on");
        assert_eq!(status.code(), tonic::Code::PermissionDenied, "{status:?}");
        let told = status.message();
        assert!(told.starts_with("canceling statement because access was revoked"), "{told}");
        let missing = ana.statement("SELECT id FROM shop.items").await.unwrap_err();
        let told = missing.message();
        assert!(told.starts_with("relation \"shop.items\" does not exist"), "{told}");
        // Bob keeps what he has, until he leaves it.
        for _ in 0..50 {
            assert!(bobs.message().await.unwrap().is_some());
        }
        assert_eq!(bob.statement("SELECT count(*) FROM shop.items").await.unwrap().count(), 1);
        drop((ana, anas, bob, bobs));
        let receipts = async {
            loop {
                let records = fs::read_to_string(folder.join("audit.jsonl")).unwrap();
                let count = |kind: &str| records.matches(&format!("\"record\":\"{kind}\"")).count();
                if count("decision") == count("receipt") {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, receipts).await.expect("a receipt is missing");
        server.stop().await;
    });
}

#[test]
fn a_change_of_the_files_needs_no_signal() {
    harness::run(async {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path();
        fs::create_dir_all(folder.join("policies")).unwrap();
        fs::create_dir_all(folder.join("data/shop")).unwrap();
        fs::write(folder.join("data/shop/items.csv"), "id,name\n1,thing\n").unwrap();
        fs::write(folder.join("tollgate.toml"), CONFIG).unwrap();
        write_users(folder, &[("ana", "acme")]);
        write_policies(folder, POLICIES);
        let loaded =
            load::load(&folder.join("tollgate.toml")).unwrap_or_else(|errors| panic!("{errors}"));
        let server = serve::start(loaded).await.unwrap();
        let mut ana = Raw::session(server.pg(), "ana").await;
        let served = tokio::spawn(server.until_signal(serve::Signals::hear().unwrap()));

        assert_eq!(kinds(&ana.query("SELECT id FROM shop.items").await), "TDCZ");
        write_policies(folder, &POLICIES.replace("GRANT ROLE reader TO USER 'ana';", ""));
        let mut waits = 0;
        while kinds(&ana.query("SELECT id FROM shop.items").await) != "EZ" {
            waits += 1;
            assert!(waits < 2_400, "the change isn't noticed");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        served.abort();
    });
}
