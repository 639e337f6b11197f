//! What is kept between queries shows nobody more, or less, or anything else.

use crate::generator::Random;
use crate::harness::gateway::{Caches, start_caching};
use crate::harness::value::Value;
use crate::harness::{self, client};
use crate::noninterference::{canonical, statements};

const POLICIES: &[&str] =
    &["policy/corpus/roles.sql", "policy/corpus/crm.sql", "policy/corpus/colleagues.sql"];

const USERS: [&str; 4] = ["ana", "amy", "bob", "root"];

/// What the session itself gives, or the clock, or chance.
fn is_own(sql: &str) -> bool {
    let sql = sql.to_ascii_lowercase();
    ["pg_backend_pid", "now(", "clock_", "random", "current_time", "localtime", "pg_stat_activity"]
        .iter()
        .any(|word| sql.contains(word))
}

/// Users of equal and of other roles and attributes, in any order, ask the same things of a gateway
/// that keeps plans and results and of one that keeps nothing.
#[test]
fn sharing_crosses_no_principal() {
    harness::run(async {
        let world = harness::world().await;
        let folder = world.postgres.scratch("caches");
        let (all, none) = (64 << 20, 0);
        let start = async |name: &str, room| {
            let caches = Caches { plans: room, results: room, ..Caches::default() };
            start_caching(&world.folder, &folder.join(name), POLICIES, caches).await
        };
        let (keeps, bare) = (start("keeps.jsonl", all).await, start("bare.jsonl", none).await);
        let mut clients: Vec<(client::Client, client::Client)> = Vec::new();
        for user in USERS {
            clients.push((keeps.connect(user).await, bare.connect(user).await));
        }
        let mut random = Random::new(1);
        let mut wrong = Vec::new();
        for sql in statements(100).into_iter().filter(|sql| !is_own(sql)) {
            // Each user twice, in an order of the statement's own.
            let mut order: Vec<usize> = (0..USERS.len()).chain(0..USERS.len()).collect();
            for last in (1..order.len()).rev() {
                let bound = u64::try_from(last + 1).unwrap();
                order.swap(last, usize::try_from(random.next() % bound).unwrap());
            }
            let mut expected = vec![None; USERS.len()];
            for user in order {
                let (kept, bare) = &clients[user];
                if expected[user].is_none() {
                    expected[user] = Some(canonical(bare.simple(&sql).await));
                    assert!(bare.reset().await, "the session is broken after {sql}");
                }
                let answer = canonical(kept.simple(&sql).await);
                assert!(kept.reset().await, "the session is broken after {sql}");
                if Some(&answer) != expected[user].as_ref() {
                    let expected = expected[user].as_ref().unwrap();
                    wrong.push(format!("{}: {sql}\n--- {expected}\n+++ {answer}", USERS[user]));
                }
            }
        }
        assert!(wrong.is_empty(), "{} findings:\n{}", wrong.len(), wrong.join("\n"));
        // It was put to the test: plans were shared between users, results with their colleagues.
        let counts = keeps.gateway.cache_counts();
        assert!(counts.plan_hits > 1_000, "{counts:?}");
        assert!(counts.result_hits > 500, "{counts:?}");
        let counts = bare.gateway.cache_counts();
        assert_eq!((counts.plan_hits, counts.result_hits), (0, 0), "{counts:?}");
    });
}

/// A result rests on the tables that policies look into, too: who loses a row there must not be shown
/// what it gave until the result is too old.
#[test]
fn results_are_no_older_than_what_policies_look_into_allows() {
    harness::run(async {
        let world = harness::world().await;
        let folder = world.postgres.scratch("looked-into");
        let policies = ["policy/corpus/roles.sql", "policy/corpus/mapped.sql"];
        for (silent, hits) in [("", 1), ("crm.tenants", 0), ("crm.orders", 0)] {
            let caches = Caches { plans: 0, results: 64 << 20, silent };
            let audit = folder.join(format!("without-{silent}.jsonl"));
            let gateway = start_caching(&world.folder, &audit, &policies, caches).await;
            let ana = gateway.connect("ana").await;
            for _ in 0..2 {
                let answer = ana.simple("SELECT count(*) FROM crm.orders").await;
                assert_ne!(answer.rows(), [[Value::Number(0.0)]], "{silent}");
            }
            assert_eq!(gateway.gateway.cache_counts().result_hits, hits, "without {silent}");
        }
    });
}

/// What isn't the same each time is computed each time, wherever in the statement it stands.
#[test]
fn results_of_chance_and_time_are_not_kept() {
    harness::run(async {
        let world = harness::world().await;
        let audit = world.postgres.scratch("chance").join("audit.jsonl");
        let caches = Caches { plans: 64 << 20, results: 64 << 20, ..Caches::default() };
        let gateway = start_caching(&world.folder, &audit, POLICIES, caches).await;
        let ana = gateway.connect("ana").await;
        for sql in [
            "SELECT random() AS r, id FROM crm.orders ORDER BY id LIMIT 3",
            "SELECT id FROM crm.orders ORDER BY random() LIMIT 3",
            "SELECT count(*) FROM crm.orders WHERE random() < 0.5",
            "WITH w AS (SELECT random() AS r, id FROM crm.orders) SELECT max(r) FROM w",
            "SELECT id FROM crm.customers WHERE id IN (SELECT customer_id FROM crm.orders WHERE random() < 0.5)",
            "SELECT id, row_number() OVER (ORDER BY random()) FROM crm.orders",
            "SELECT count(*) FROM crm.orders WHERE ordered_at < now()",
            "SELECT count(*) FROM crm.orders WHERE ordered_at < current_timestamp",
            "SELECT count(*) FROM crm.orders WHERE ordered_at::date < current_date",
            "SELECT max(clock_timestamp()) FROM crm.orders",
        ] {
            for _ in 0..2 {
                let (simple, extended) = (ana.simple(sql).await, ana.extended(sql, &[]).await);
                if sql.contains("clock_timestamp") {
                    continue;
                }
                assert_eq!((simple.error(), extended.error()), (None, None), "{sql}");
            }
            assert_eq!(gateway.gateway.cache_counts().result_hits, 0, "{sql}");
        }
        let chance = "SELECT random() AS r FROM crm.orders ORDER BY id LIMIT 3";
        assert_ne!(ana.simple(chance).await, ana.simple(chance).await);
        // What is the same is kept.
        for _ in 0..2 {
            ana.simple("SELECT count(*) FROM crm.orders").await;
        }
        assert_eq!(gateway.gateway.cache_counts().result_hits, 1);
    });
}
