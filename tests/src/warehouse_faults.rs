//! Faults of a PostgreSQL that is a warehouse, at each stage of a query: what the client is told, that nothing
//! is left open at the server, and that each query has one receipt.

use serde_json::{Value as Json, json};
use tollgate_proxy::serve::Server;

use crate::harness;
use crate::harness::client::{Answer, Client};
use crate::harness::gate::{Gate, Passage};
use crate::harness::postgres::Postgres;
use crate::harness::raw::{self, kinds, message, zero};
use crate::harness::served::Site;
use crate::routing::{CRM, count, metric, postgres, site, until};

const POLICIES: &str = "CREATE ROLE a; GRANT ROLE a TO USER 'ana';
    GRANT SELECT ON ALL TABLES IN SCHEMA crm TO ROLE a;";

/// Many rows, and a query over them that gives rows for longer than anyone waits, and one that gives none.
const MANY: &str = "INSERT INTO crm.customers SELECT 10 + n, 'acme', 'many', 'eu' FROM generate_series(1, 3000) AS n";
const ENDLESS: &str = "SELECT a.name FROM crm.customers a, crm.customers b";
const SILENT: &str = "SELECT count(*) FROM crm.customers a, crm.customers b, crm.customers c WHERE a.id + b.id + c.id < 0";

/// A database of one's own, a gateway over it by a user of its own, and its way there.
struct Place {
    owner: Client,
    gate: Gate,
    site: Site,
    server: Server,
    user: String,
}

impl Place {
    async fn new(name: &str, connections: i32) -> Place {
        let server = Postgres::shared().await;
        let user = format!("{name}_user");
        let grants = format!(
            "CREATE ROLE {user} LOGIN CONNECTION LIMIT {connections}; GRANT USAGE ON SCHEMA crm TO {user}; \
             GRANT SELECT ON ALL TABLES IN SCHEMA crm TO {user}"
        );
        let owner = server.create(name, &[CRM, MANY, &grants]).await;
        let gate = Gate::to(server.port).await;
        let warehouse = postgres(server, name, gate.port, "max_concurrent = 8");
        let warehouse = warehouse.replace("\"postgres\"\nschemas", &format!("\"{user}\"\nschemas"));
        let site = site(name, &warehouse, POLICIES).await;
        let server = site.serve().await;
        Place { owner, gate, site, server, user }
    }

    /// How many connections of the gateway are in a state at the server.
    async fn at_server(&self, state: &str) -> i64 {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE usename = $1 AND state LIKE $2";
        self.owner.inner.query_one(sql, &[&self.user, &state]).await.unwrap().get(0)
    }

    /// Ends the gateway's connections at the server, as a restart would.
    async fn terminate(&self) {
        let sql =
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = $1";
        self.owner.inner.query_one(sql, &[&self.user]).await.unwrap();
    }

    /// Ends the gateway; its receipts by how they ended, and that there is one for each decision.
    async fn receipts(self) -> Vec<(String, Json)> {
        self.server.stop().await;
        let records = self.site.records();
        let of = |kind: &str| -> Vec<&Json> {
            records.iter().filter(|record| record["record"] == kind).collect()
        };
        let (decisions, receipts) = (of("decision"), of("receipt"));
        assert_eq!(decisions.len(), receipts.len());
        for decision in decisions {
            let own = receipts.iter().filter(|receipt| receipt["id"] == decision["id"]).count();
            assert_eq!(own, 1, "{decision}");
        }
        let told = receipts.iter();
        told.map(|receipt| {
            (receipt["outcome"].as_str().unwrap().to_owned(), receipt["error"].clone())
        })
        .collect()
    }
}

fn told(answer: &Answer) -> (&str, &str) {
    answer.error().unwrap_or_else(|| panic!("{answer:?}"))
}

#[test]
fn a_server_that_is_full_says_so_and_loses_no_connection() {
    harness::run(async {
        let place = Place::new("filled", 2).await;
        until("discovery stays", || async { place.at_server("%").await == 0 }).await;
        let ana = place.site.connect("ana").await;
        let mut readers = Vec::new();
        for _ in 0..2 {
            let mut reader = place.site.raw("ana").await;
            reader.send(&message(b'Q', &zero(ENDLESS))).await;
            reader.wait(b'D').await;
            readers.push(reader);
        }
        let connections = async |of: &str| {
            let name = format!("tollgate_warehouse_{of}_connections{{warehouse=\"sales\"}}");
            metric(&place.server, &name).await
        };
        assert_eq!((connections("used").await, connections("idle").await), (2, 0));
        for _ in 0..3 {
            let answer = ana.simple("SELECT 1 FROM crm.customers LIMIT 1").await;
            assert_eq!(told(&answer), ("53300", "the warehouse takes no more connections now"));
            let Answer::Error { fields, .. } = &answer else { unreachable!() };
            assert!(fields["hint"].starts_with("try again in a few seconds"), "{fields:?}");
        }
        assert_eq!(ana.simple("SELECT 1").await.error(), None);
        readers.pop();
        until("no place is free again", || async {
            ana.simple("SELECT 1 FROM crm.customers LIMIT 1").await.error().is_none()
        })
        .await;
        drop(readers);
        until("connections leak", || async { place.at_server("active").await == 0 }).await;
        assert_eq!(count(&ana, "crm.customers").await, 3003.0);
        assert!(place.at_server("%").await <= 2);
        until("connections stay in use", || async { connections("used").await == 0 }).await;
        assert!((1..=2).contains(&connections("idle").await));
        drop(ana);
        let receipts = place.receipts().await;
        let full = receipts.iter().filter(|(_, error)| *error == json!("too_many_connections"));
        assert!(full.count() >= 3, "{receipts:?}");
    });
}

#[test]
fn a_server_that_goes_is_told_and_found_again() {
    harness::run(async {
        let place = Place::new("goes", 50).await;
        let ana = place.site.connect("ana").await;

        // While nobody uses it: the next query finds it again, the client isn't told.
        for _ in 0..5 {
            assert_eq!(count(&ana, "crm.customers").await, 3003.0);
            until("a connection is kept", || async { place.at_server("idle").await > 0 }).await;
            place.terminate().await;
        }

        // While it works, and while rows come.
        let (answer, ()) = futures::join!(ana.simple(SILENT), async {
            until("it doesn't run", || async { place.at_server("active").await > 0 }).await;
            place.terminate().await;
        });
        assert_eq!(told(&answer), ("58000", "the connection to the warehouse was lost"));
        let mut reader = place.site.raw("ana").await;
        reader.send(&message(b'Q', &zero(ENDLESS))).await;
        reader.wait(b'D').await;
        place.terminate().await;
        let end = reader.until_ready().await;
        assert!(kinds(&end).ends_with("EZ"));
        let error = &end[end.len() - 2];
        assert_eq!(error.field(b'C').as_deref(), Some("58000"));
        assert_eq!(error.field(b'H').as_deref(), Some("run the statement again"));
        reader.works().await;

        // Between connecting and the first answer, and when it isn't there at all.
        reader.send(&message(b'Q', &zero(SILENT))).await;
        until("it doesn't run", || async { place.at_server("active").await > 0 }).await;
        place.gate.set(Passage::Closed);
        let end = reader.until_ready().await;
        assert_eq!(end[0].field(b'C').as_deref(), Some("58000"), "{end:?}");
        let answer = ana.simple("SELECT 1 FROM crm.customers").await;
        assert_eq!(told(&answer), ("58000", "the warehouse can't be reached"));
        place.gate.set(Passage::Open);
        assert_eq!(count(&ana, "crm.customers").await, 3003.0);
        until("queries run on", || async { place.at_server("active").await == 0 }).await;
        drop((ana, reader));
        let receipts = place.receipts().await;
        let failed = receipts.iter().filter(|(_, error)| *error == json!("warehouse_failed"));
        assert_eq!(failed.count(), 4, "{receipts:?}");
    });
}

#[test]
fn a_cancel_is_heard_at_every_stage() {
    harness::run(async {
        let place = Place::new("stages", 50).await;
        let ana = place.site.connect("ana").await;
        let token = ana.inner.cancel_token();
        let cancel = async || token.cancel_query(tokio_postgres::NoTls).await.unwrap();
        let user_request = ("57014", "canceling statement due to user request");

        // While it connects: the server takes the connection and says nothing.
        place.gate.set(Passage::Silent);
        let (answer, ()) = futures::join!(ana.simple(ENDLESS), async {
            until("it isn't decided", || async {
                place.site.records().iter().any(|record| record["sql"] == ENDLESS)
            })
            .await;
            cancel().await;
        });
        assert_eq!(told(&answer), user_request);
        place.gate.set(Passage::Open);

        // While the server plans: it waits for a lock.
        let lock = "BEGIN; LOCK TABLE crm.customers IN ACCESS EXCLUSIVE MODE";
        place.owner.inner.batch_execute(lock).await.unwrap();
        let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND database = \
                     (SELECT oid FROM pg_database WHERE datname = current_database())";
        let waiting =
            async || place.owner.inner.query_one(waits, &[]).await.unwrap().get::<_, i64>(0);
        let (answer, ()) = futures::join!(ana.simple(ENDLESS), async {
            until("it doesn't wait", || async { waiting().await > 0 }).await;
            cancel().await;
        });
        assert_eq!(told(&answer), user_request);
        until("it waits on", || async { waiting().await == 0 }).await;
        place.owner.inner.batch_execute("ROLLBACK").await.unwrap();

        // While it works, and while rows come.
        let (answer, ()) = futures::join!(ana.simple(SILENT), async {
            until("it doesn't run", || async { place.at_server("active").await > 0 }).await;
            cancel().await;
        });
        assert_eq!(told(&answer), user_request);
        let mut raw = place.site.raw("ana").await;
        raw.send(&message(b'Q', &zero(ENDLESS))).await;
        raw.wait(b'D').await;
        raw::cancel(place.site.address, &raw.key).await;
        let end = raw.until_ready().await;
        assert!(kinds(&end).ends_with("EZ"));
        assert_eq!(end[end.len() - 2].field(b'C').as_deref(), Some("57014"));
        until("queries run on", || async { place.at_server("active").await == 0 }).await;

        // When it has ended, nothing is canceled.
        drop(ana);
        let regions = "SELECT count(*) FROM crm.regions";
        assert_eq!(kinds(&raw.query(regions).await), "TDCZ");
        // It is closed once it is carried out, so that it can't meet the next statement.
        raw::cancel(place.site.address, &raw.key).await;
        let next = raw.query(regions).await;
        assert_eq!(kinds(&next), "TDCZ", "{next:?}");
        drop(raw);
        let receipts = place.receipts().await;
        let canceled = receipts.iter().filter(|(outcome, _)| outcome == "canceled");
        assert_eq!(canceled.count(), 4, "{receipts:?}");
    });
}
