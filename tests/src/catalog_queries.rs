//! The catalog queries of real clients, as captured: which of them the gateway refuses is a golden
//! file, so that one that stops working shows.

use bytes::BytesMut;
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};
use tollgate_catalog::TableName;
use tollgate_gateway::introspect;

use crate::harness::client::Client;
use crate::harness::gateway::Running;
use crate::harness::{self, value::Value};

const FILES: &[&str] = &["psql", "psycopg", "asyncpg", "sqlalchemy", "pgjdbc", "browse"];

/// One captured statement.
struct Case {
    /// Who sent it.
    label: String,
    sql: String,
    /// Values of its parameters in text form, if it has any.
    parameters: Option<Vec<Text>>,
}

/// A parameter that is sent as text, whatever its type.
#[derive(Debug)]
struct Text(String);

impl ToSql for Text {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

/// Reads a file of statements: each ends with a `;` alone on its line.
fn read(text: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    for part in text.split("\n;\n") {
        let (mut label, mut parameters, mut sql) = (String::new(), None, Vec::new());
        for line in part.trim().lines() {
            if let Some(values) = line.strip_prefix("-- parameters: ") {
                parameters = Some(values.split(", $").map(value).collect());
            } else if let Some(comment) = line.strip_prefix("-- ") {
                label = comment.to_owned();
            } else {
                sql.push(line);
            }
        }
        let sql = sql.join("\n");
        if !sql.trim().is_empty() {
            cases.push(Case { label, sql, parameters });
        }
    }
    cases
}

/// The value in `$1 = 'value'`.
fn value(text: &str) -> Text {
    let (_, value) = text.split_once(" = ").unwrap();
    Text(value.trim().trim_matches('\'').to_owned())
}

/// Puts the oids of tables in the place of their names.
async fn with_oids(client: &Client, text: &str) -> String {
    let mut text = text.to_owned();
    while let Some(start) = text.find("{{oid:") {
        let end = start + text[start..].find("}}").unwrap();
        let table = text[start + "{{oid:".len()..end].to_owned();
        let answer = client.simple(&format!("SELECT '{table}'::regclass::oid")).await;
        let Some(Value::Number(oid)) = answer.rows().first().and_then(|row| row.first()) else {
            panic!("{table}: {answer:?}");
        };
        text.replace_range(start..end + 2, &format!("{oid:.0}"));
    }
    text
}

/// What a statement is refused with.
async fn refusal(client: &Client, case: &Case) -> Option<String> {
    let sql = with_oids(client, &case.sql).await;
    let answer = match &case.parameters {
        None => {
            let answer = client.simple(&sql).await;
            answer.error().map(|(code, message)| format!("{code} {message}"))
        }
        Some(parameters) => {
            let mut values = Vec::new();
            for parameter in parameters {
                values.push(Text(with_oids(client, &parameter.0).await));
            }
            let values: Vec<&(dyn ToSql + Sync)> =
                values.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
            let error = client.inner.query(sql.as_str(), &values).await.err();
            error.map(|error| match error.as_db_error() {
                Some(told) => format!("{} {}", told.code().code(), told.message()),
                None => format!("client {error}"),
            })
        }
    };
    if answer.is_some() {
        client.simple("ROLLBACK").await;
    }
    answer
}

async fn refusals(gateway: &Running) -> String {
    let mut refused = String::new();
    for file in FILES {
        let client = gateway.connect("ana").await;
        let cases = read(&harness::case(&format!("clients/{file}.sql")));
        for (number, case) in cases.iter().enumerate() {
            if let Some(error) = refusal(&client, case).await {
                refused.push_str(&format!("{file} {} ({}): {error}\n", number + 1, case.label));
            }
        }
    }
    refused
}

#[test]
fn clients_find_their_way() {
    harness::run(async {
        let world = harness::world().await;
        harness::golden("clients/refused.txt", &refusals(&world.gateway).await);
    });
}

/// The answer to a template with the names of one thing put in.
async fn answer(client: &Client, template: &str, names: &[(&str, String)]) -> String {
    let put = |text: String, (key, name): &(&str, String)| text.replace(key, name);
    let sql = names.iter().fold(template.to_owned(), put);
    let answer = format!("{:?}", client.simple(&sql).await);
    client.simple("ROLLBACK").await;
    answer
}

#[test]
fn hidden_equals_missing_in_every_question() {
    harness::run(async {
        let world = harness::world().await;
        let client = world.gateway.connect("ana").await;
        let names = |schema: &str, table: &str, column: &str, role: &str| {
            let oid = |name: &TableName| introspect::table_oid(name).to_string();
            [
                ("{oid}", oid(&TableName::new(schema, table))),
                ("{column}", column.to_owned()),
                ("{table}", table.to_owned()),
                ("{schema}", schema.to_owned()),
                ("{role}", role.to_owned()),
            ]
        };
        let hidden = names("hr", "salaries", "income", "owner");
        let missing = names("hq", "salariez", "incomf", "owned");
        let mut asked = 0;
        for template in harness::case("clients/hidden.txt").lines() {
            if template.starts_with("--") || template.is_empty() {
                continue;
            }
            let told = answer(&client, template, &hidden).await;
            // What a client sent may come back to it.
            let names = missing.iter().zip(&hidden);
            let expected = names.fold(
                answer(&client, template, &missing).await,
                |text, ((_, missing), (_, hidden))| text.replace(missing, hidden),
            );
            assert_eq!(told, expected, "{template}");
            asked += 1;
        }
        assert!(asked > 50, "{asked}");
    });
}
