//! What BI tools write: the gateway's answers over all rows are PostgreSQL's over the permitted ones.
//!
//! `cases/bi/<tool>.sql` holds statements as the tools generate them. Rows and names must be equal;
//! what is refused, and columns of another type than PostgreSQL's, are a golden file. What the other
//! warehouses answer is another one.

use crate::harness::client::{Answer, Client};
use crate::harness::gateway::{self, Running};
use crate::harness::postgres::Postgres;
use crate::harness::three::{Query, Three};
use crate::harness::value::compare;
use crate::harness::{self, case, data};

const TOOLS: &[&str] = &[
    "tableau", "metabase", "superset", "powerbi", "looker", "grafana", "psql", "sets", "values",
    "rows",
];

/// Those whose statements must run at all warehouses.
const TOOLS_OF_THREE: &[&str] =
    &["tableau", "metabase", "superset", "powerbi", "looker", "grafana"];

/// The comment above a statement, and the statement.
fn read(text: &str) -> Vec<(String, String)> {
    let mut cases = Vec::new();
    for part in text.split(";\n").filter(|part| !part.trim().is_empty()) {
        let (comment, sql) = part.trim().split_once('\n').unwrap();
        cases.push((comment.trim_start_matches("-- ").to_owned(), sql.to_owned()));
    }
    cases
}

/// Whether rows come in an order. A tie in a window's or an inner ORDER BY is none of the result's.
fn is_ordered(sql: &str) -> bool {
    let last = sql.to_lowercase().rfind("order by");
    last.is_some_and(|at| !sql[at..].contains(')') && !sql.contains("UNION"))
}

/// The names and types of a result.
async fn columns(client: &Client, sql: &str) -> Vec<(String, String)> {
    match client.inner.prepare(sql).await {
        Ok(statement) => statement
            .columns()
            .iter()
            .map(|column| (column.name().to_owned(), column.type_().name().to_owned()))
            .collect(),
        Err(_) => Vec::new(),
    }
}

/// What ana may see.
async fn seen(postgres: &Postgres, name: &str) -> Client {
    let scripts = [&case("bi/schema.sql")[..], &case("bi/masked.sql")];
    postgres.create(&format!("bi_{name}_seen"), &scripts).await
}

/// A gateway over all rows, and PostgreSQL with those that ana may see.
async fn both(name: &str) -> (Running, Client, Client) {
    let postgres = Postgres::shared().await;
    let seen = seen(postgres, name).await;
    let full = postgres
        .create(&format!("bi_{name}_full"), &[&case("bi/schema.sql"), &case("bi/hidden.sql")])
        .await;
    let folder = postgres.scratch(&format!("bi-{name}"));
    data::export(&full, &folder).await;
    let audit = postgres.scratch(&format!("bi-{name}-audit")).join("audit.jsonl");
    let gateway = gateway::start_with(&folder, &audit, &["bi/policies.sql"]).await;
    let ana = gateway.connect("ana").await;
    (gateway, ana, seen)
}

/// What two servers tell by one protocol, if it isn't the same.
fn difference(got: &Answer, want: &Answer, ordered: bool) -> Option<String> {
    match (got, want) {
        (_, Answer::Error { fields, .. }) => Some(format!("PostgreSQL refuses it: {fields:?}")),
        (Answer::Error { .. }, Answer::Rows { .. }) => None,
        (
            Answer::Rows { columns, rows },
            Answer::Rows { columns: wanted_columns, rows: wanted_rows },
        ) => {
            if columns != wanted_columns {
                return Some(format!("names {columns:?} against {wanted_columns:?}"));
            }
            compare(rows, wanted_rows, ordered).err()
        }
    }
}

#[test]
fn tools_get_the_answers_of_postgresql() {
    harness::run(async {
        let (_gateway, ana, seen) = both("tools").await;
        let (mut differs, mut wrong, mut count) = (String::new(), Vec::new(), 0_usize);
        for tool in TOOLS {
            for (comment, sql) in read(&case(&format!("bi/{tool}.sql"))) {
                count += 1;
                let ordered = is_ordered(&sql);
                let roads = [
                    ("simple", ana.simple(&sql).await, seen.simple(&sql).await),
                    ("extended", ana.extended(&sql, &[]).await, seen.extended(&sql, &[]).await),
                ];
                let mut refused = Vec::new();
                for (road, got, want) in &roads {
                    if let Some(what) = difference(got, want, ordered) {
                        wrong.push(format!("{tool}, {comment} ({road}): {sql}\n    {what}"));
                    }
                    if let Some((code, message)) = got.error() {
                        refused.push(format!("{code} {message}"));
                    }
                }
                refused.dedup();
                for error in &refused {
                    differs.push_str(&format!("{tool}, {comment}: refused: {error}\n"));
                }
                if refused.is_empty() {
                    let pairs = [columns(&ana, &sql).await, columns(&seen, &sql).await];
                    for ((name, got), (_, want)) in pairs[0].iter().zip(&pairs[1]) {
                        if got != want {
                            let line = format!("{tool}, {comment}: {name} is {got}, not {want}\n");
                            differs.push_str(&line);
                        }
                    }
                }
            }
        }
        assert!(count >= 100, "{count} statements");
        println!("{differs}");
        assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
        harness::golden("bi/differs.txt", &differs);
    });
}

#[test]
fn tools_get_the_answers_of_postgresql_at_three_warehouses() {
    harness::run(async {
        let postgres = Postgres::shared().await;
        let scripts = [&case("bi/schema.sql")[..], &case("bi/hidden.sql")];
        let full = postgres.create("bi_three", &scripts).await;
        let folder = postgres.scratch("bi three data");
        data::export(&full, &folder).await;
        let three = Three::start(&folder, "bi_three", &["bi"], &["bi/policies.sql"]).await;
        let mut queries = Vec::new();
        for tool in TOOLS_OF_THREE {
            for (comment, sql) in read(&case(&format!("bi/{tool}.sql"))) {
                let ordered = is_ordered(&sql);
                queries.push(Query {
                    name: format!("{tool}, {comment}"),
                    schema: "bi",
                    sql,
                    ordered,
                });
            }
        }
        assert!(queries.len() > 80, "{} statements", queries.len());
        let outcome = three.measure(&seen(postgres, "three").await, &queries).await;
        harness::golden("bi/differs_warehouses.txt", &outcome.text());
        assert_eq!(outcome.equal_at("embedded"), queries.len());
    });
}

#[test]
fn what_fails_in_postgresql_fails_with_the_same_code() {
    harness::run(async {
        let (_gateway, ana, seen) = both("fails").await;
        let mut wrong = Vec::new();
        for sql in case("bi/fails.sql").lines() {
            let (got, want) = (ana.simple(sql).await, seen.simple(sql).await);
            let code = |answer: &Answer| answer.error().map(|(code, _)| code.to_owned());
            assert!(code(&want).is_some(), "PostgreSQL runs {sql}");
            if code(&got) != code(&want) {
                wrong.push(format!("{sql}\n    {:?} against {:?}", got.error(), want.error()));
            }
        }
        assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    });
}
