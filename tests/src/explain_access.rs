//! `EXPLAIN ACCESS` over the PostgreSQL protocol: what users are told of what they see, and that it
//! tells nothing else.

use crate::harness::client::Answer;
use crate::harness::gateway::start_with;
use crate::harness::raw::{Raw, kinds};
use crate::harness::value::Value;
use crate::harness::{run, world};

fn lines(answer: &Answer) -> Vec<String> {
    assert!(answer.error().is_none(), "{answer:?}");
    let rows = answer.rows().iter();
    rows.map(|row| row.iter().map(Value::text).collect::<Vec<_>>().join("|")).collect()
}

#[test]
fn users_are_told_what_they_see_and_nothing_else() {
    run(async {
        let gateway = &world().await.gateway;
        let (ana, root) = (gateway.connect("ana").await, gateway.connect("root").await);
        let sql = "EXPLAIN ACCESS SELECT count(*) FROM crm.customers AS c WHERE c.id = 1";
        let expected = [
            "crm.customers||rows are filtered",
            "crm.customers|id|shown",
            "crm.customers|tenant_id|shown",
            "crm.customers|full_name|shown",
            "crm.customers|email|masked",
            "crm.customers|phone|masked",
            "crm.customers|national_id|masked",
            "crm.customers|birth_date|shown",
            "crm.customers|country|shown",
            "crm.customers|city|shown",
            "crm.customers|created_at|shown",
            "||a statement may take any time",
        ];
        let mut found = lines(&ana.simple(sql).await);
        found[1..11].sort();
        let mut sorted = expected.to_vec();
        sorted[1..11].sort_unstable();
        assert_eq!(found, sorted);
        // the same by the extended protocol, with a parameter
        let number = "explain /* what? */ Access select 1 from crm.customers where id = $1";
        let statement = ana.inner.prepare(number).await.unwrap();
        let names: Vec<_> = statement.columns().iter().map(|column| column.name()).collect();
        assert_eq!(names, ["relation", "column", "access"]);
        assert_eq!(statement.params().len(), 1);
        let rows = ana.inner.query(&statement, &[&1_i64]).await;
        let rows = match rows {
            Ok(rows) => rows,
            Err(_) => ana.inner.query(&statement, &[&1_i32]).await.unwrap(),
        };
        assert_eq!(rows.len(), expected.len());
        // who sees all of it is told so
        let all = lines(&root.simple(sql).await);
        assert_eq!(all[0], "crm.customers||all rows");
        assert!(all.iter().any(|line| line == "crm.customers|income|shown"), "{all:?}");
        assert!(all.iter().any(|line| line == "crm.customers|email|shown"), "{all:?}");
        // over no table, and over the catalogs
        assert_eq!(lines(&ana.simple("EXPLAIN ACCESS SELECT 1").await).len(), 1);
        let catalog = "EXPLAIN ACCESS SELECT relname FROM pg_catalog.pg_class";
        assert_eq!(lines(&ana.simple(catalog).await).len(), 1);
    });
}

#[test]
fn who_may_read_the_policies_is_told_which_decide() {
    run(async {
        let world = world().await;
        let files = ["roles", "crm", "colleagues", "auditor"];
        let policies = files.map(|file| format!("policy/corpus/{file}.sql"));
        let policies = policies.each_ref().map(String::as_str);
        let audit = world.postgres.scratch("readers").join("audit.jsonl");
        let gateway = start_with(&world.folder, &audit, &policies).await;
        let sql = "EXPLAIN ACCESS SELECT email FROM crm.customers";
        let (amy, ana) = (gateway.connect("amy").await, gateway.connect("ana").await);
        let told = lines(&amy.simple(sql).await);
        for line in [
            "crm.customers||rows: tenant_id = 'acme'",
            "crm.customers||restrictive row policy tenant at crm.sql:7 applies: \
             tenant_id = principal_attr('tenant_id')",
            "crm.customers|email|shown as mask_email(email): GRANT SELECT ON crm.customers at crm.sql:4",
            "crm.customers|email|masking policy m_email at crm.sql:10 applies",
            "crm.customers|phone|hidden: DENY SELECT ON crm.customers at colleagues.sql:4",
            "crm.customers|income|hidden: no grant is for the user",
        ] {
            assert!(told.iter().any(|told| told == line), "{line}\n{told:#?}");
        }
        let runs: Vec<_> = told.iter().filter(|line| line.starts_with("||runs: ")).collect();
        assert!(runs.iter().any(|line| line.contains("mask_email")), "{told:#?}");
        // Reading policies is no grant.
        let salaries = amy.simple("EXPLAIN ACCESS SELECT 1 FROM hr.salaries").await;
        assert_eq!(salaries.error().map(|(state, _)| state), Some("42P01"));
        // Nobody else is told.
        let told = lines(&ana.simple(sql).await).join("\n");
        assert!(!told.contains(".sql") && !told.contains("income"), "{told}");
    });
}

#[test]
fn hidden_is_missing_byte_for_byte() {
    run(async {
        let address = world().await.address();
        let mut ana = Raw::session(address, "ana").await;
        let bytes = |replies: &[crate::harness::raw::Reply]| {
            format!(
                "{} {:?}",
                kinds(replies),
                replies.iter().map(|reply| &reply.body).collect::<Vec<_>>()
            )
        };
        for (hidden, missing) in [
            ("hr.salaries", "hr.salarier"),
            ("health.visits", "health.visitz"),
            ("crm.customers WHERE income > 1", "crm.customers WHERE incomf > 1"),
        ] {
            let ask = |from: &str| format!("EXPLAIN ACCESS SELECT 1 FROM {from}");
            let one = bytes(&ana.query(&ask(hidden)).await);
            let other = bytes(&ana.query(&ask(missing)).await);
            let (name, stranger) = (last_word(hidden), last_word(missing));
            let spelled = |text: &str| {
                let bytes: Vec<u8> = text.bytes().collect();
                format!("{bytes:?}").trim_matches(['[', ']']).to_owned()
            };
            assert_eq!(one.replace(&spelled(name), &spelled(stranger)), other, "{hidden}");
            // and what the query itself is told
            let plain = bytes(&ana.query(&format!("SELECT 1 FROM {hidden}")).await);
            assert_eq!(one, plain, "{hidden}");
        }
    });
}

/// The word by which a hidden name and a missing one differ.
fn last_word(from: &str) -> &str {
    let name = from.split_once(" WHERE ").map_or(from, |(_, column)| column);
    let name = name.split_once(' ').map_or(name, |(name, _)| name);
    name.rsplit('.').next().unwrap()
}

#[test]
fn only_queries_are_explained() {
    run(async {
        let ana = world().await.gateway.connect("ana").await;
        for (sql, state) in [
            ("EXPLAIN ACCESS", "42601"),
            ("EXPLAIN ACCESS DELETE FROM crm.customers", "25006"),
            ("EXPLAIN ACCESS EXPLAIN SELECT 1", "0A000"),
            ("EXPLAIN ACCESS PREPARE a AS SELECT 1", "0A000"),
            ("EXPLAIN \"access\" SELECT 1", "42601"),
        ] {
            let answer = ana.simple(sql).await;
            assert_eq!(answer.error().map(|(state, _)| state), Some(state), "{sql}: {answer:?}");
        }
    });
}

/// `EXPLAIN` tells of the statement, not of what the policies make of it: its text is the same for whoever
/// sees other rows, or the values themselves.
#[test]
fn explain_shows_nothing_of_the_policies() {
    run(async {
        let gateway = &world().await.gateway;
        let mut clients = Vec::new();
        for user in ["ana", "bob", "root"] {
            clients.push(gateway.connect(user).await);
        }
        for (sql, filters) in [
            ("SELECT email, phone, national_id FROM crm.customers", 0),
            ("SELECT tenant_id, count(*) FROM crm.orders GROUP BY tenant_id ORDER BY 1", 0),
            ("SELECT c.email FROM crm.customers c JOIN crm.orders o ON o.customer_id = c.id", 1),
            ("SELECT id FROM crm.customers WHERE phone LIKE '+1%' AND id > 3", 1),
            (
                "SELECT id FROM crm.customers c WHERE EXISTS (SELECT 1 FROM crm.orders o WHERE o.customer_id = c.id)",
                2,
            ),
            ("WITH w AS (SELECT email FROM crm.customers) SELECT max(email) FROM w", 0),
        ] {
            let mut texts = Vec::new();
            for client in &clients {
                texts.push(lines(&client.simple(&format!("EXPLAIN {sql}")).await));
            }
            assert!(texts.iter().all(|text| *text == texts[0]), "{sql}: {texts:?}");
            let text = texts[0].join("\n");
            assert_eq!(text.matches("Filter:").count(), filters, "{text}");
        }
        // Of whole rows it names what the user sees.
        for sql in ["SELECT * FROM crm.customers", "SELECT c FROM crm.customers AS c"] {
            let text = lines(&clients[0].simple(&format!("EXPLAIN {sql}")).await).join("\n");
            for hidden in ["income", "acme", "Filter", "mask", "tenant_id =", "CASE", "***"] {
                assert!(!text.contains(hidden), "{hidden} in {text}");
            }
        }
    });
}
