//! Whoever is in no group that is released changes no answer about groups, whatever is known of them.

use futures::future::join_all;

use super::Question;
use crate::generator::Random;
use crate::harness::gateway::{Running, start_with};
use crate::harness::postgres::Postgres;
use crate::harness::value::Value;
use crate::harness::{self, case, data};
use crate::noninterference::canonical;

/// Visits of one patient, in clinics, with diagnoses and in months that fewer than five patients have.
const OTHERWISE: [(&str, &str); 4] = [
    (
        "as_it_is",
        "INSERT INTO health.visits VALUES (9001, 9001, 'solo', 'odd', 10, '2031-01-05'),
         (9002, 9001, 'solo', 'odd', NULL, '2031-02-05'), (9003, 9001, 'Z', 'odd', 30, '2031-02-06')",
    ),
    (
        "other_costs",
        "INSERT INTO health.visits VALUES (9001, 9001, 'solo', 'odd', -1e9, '2031-01-05'),
         (9002, 9001, 'solo', 'odd', 31337.31, '2031-02-05'),
         (9003, 9001, 'Z', 'odd', NULL, '2031-02-06')",
    ),
    (
        "elsewhere",
        "INSERT INTO health.visits VALUES (9001, 9001, 'Z', 'hiv9', 10, '2033-01-05'),
         (9002, 9001, 'X', NULL, 20, '2033-02-05')",
    ),
    ("not_at_all", ""),
];

/// Statements about all groups of others: what single patients decide there is withheld.
const OTHERS: [&str; 7] = [
    "SELECT count(*), sum(cost), avg(cost) FROM health.visits WHERE clinic = 'S'",
    "SELECT count(*), count(DISTINCT patient_id) FROM health.visits WHERE clinic IN ('N', 'S')",
    "SELECT count(*), sum(cost) FROM health.visits WHERE clinic = 'solo'",
    "SELECT count(*), sum(cost) FROM health.visits WHERE diagnosis = 'odd'",
    "SELECT clinic FROM health.visits GROUP BY clinic",
    "SELECT c.country, count(*) FROM health.visits v JOIN crm.customers c ON c.id = v.patient_id
     WHERE v.clinic = 'N' GROUP BY c.country",
    "SELECT count(*) FILTER (WHERE clinic = 'N'), sum(cost) FILTER (WHERE clinic = 'solo')
     FROM health.visits WHERE visited_on < DATE '2025-05-01'",
];

async fn gateway(name: &str, visits: &str) -> Running {
    let postgres = Postgres::shared().await;
    let database = format!("aggregates_{name}");
    let setup = [case("attacks/schema.sql"), case("aggregates/more.sql")];
    let whole = postgres.create(&database, &[&setup[0], &setup[1], visits]).await;
    let folder = postgres.scratch(&database);
    data::export(&whole, &folder).await;
    let audit = postgres.scratch(&format!("{database} audit")).join("audit.jsonl");
    start_with(&folder, &audit, &["aggregates/policies.sql"]).await
}

#[test]
fn who_is_alone_changes_no_answer() {
    harness::run(async {
        let mut gateways = Vec::new();
        for (name, visits) in OTHERWISE {
            gateways.push(gateway(name, visits).await);
        }
        let clients = join_all(gateways.iter().map(|gateway| gateway.connect("ana"))).await;
        let mut random = Random::new(11);
        // A group by a dimension of the visits themselves is one of others, or is withheld.
        let own = ["clinic", "diagnosis", "month"];
        let questions = std::iter::repeat_with(|| Question::random(&mut random))
            .filter(|question| question.keys.iter().any(|key| own.contains(key)))
            .map(|question| question.sql());
        let statements = OTHERS.map(str::to_owned).into_iter().chain(questions.take(30));
        let (mut wrong, mut told) = (Vec::new(), 0);
        for sql in statements {
            let answers = join_all(clients.iter().map(|client| client.simple(&sql))).await;
            assert_eq!(answers[0].error(), None, "{sql}");
            let values = answers[0].rows().iter().flatten();
            told += values.filter(|value| **value != Value::Null).count();
            let answers: Vec<String> = answers.into_iter().map(canonical).collect();
            for ((name, _), answer) in OTHERWISE.iter().zip(&answers).skip(1) {
                if *answer != answers[0] {
                    wrong.push(format!("{name}: {sql}\n--- {}\n+++ {answer}", answers[0]));
                }
            }
        }
        assert!(wrong.is_empty(), "{} findings:\n{}", wrong.len(), wrong.join("\n"));
        assert!(told > 200, "only {told} values were released");

        // What thresholds over exact values don't withhold, as the reference says: a difference.
        let all = "SELECT count(*) - (SELECT sum(n) FROM (SELECT clinic, count(*) AS n \
                   FROM health.visits GROUP BY clinic) g) FROM health.visits";
        let (with, without) = (clients[0].simple(all).await, clients[3].simple(all).await);
        let number = |rows: &[Vec<Value>]| match rows {
            [row] => match row.as_slice() {
                [Value::Number(number)] => *number,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        };
        assert_eq!(number(with.rows()) - number(without.rows()), 3.0);
    });
}
