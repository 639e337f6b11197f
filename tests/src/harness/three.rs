//! One policy over the same tables at each kind of warehouse, and what PostgreSQL gives over a copy that
//! holds what the policy lets ana see.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tollgate_warehouse::snowflake;
use tollgate_warehouse::{Warehouse, postgres};

use super::client::{Answer, Client};
use super::gateway::{Caches, Running, start_over, start_with};
use super::postgres::Postgres;
use super::snowflake::Emulator;
use super::value::compare;

/// How long a query may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// A gateway over each kind of warehouse.
pub struct Three {
    roads: [(&'static str, Client); 3],
    emulator: Emulator,
    gateways: [Running; 3],
}

/// A statement, and where it finds tables without a schema.
pub struct Query {
    pub name: String,
    pub schema: &'static str,
    pub sql: String,
    /// Whether its rows have one order.
    pub ordered: bool,
}

/// What came of queries.
#[derive(Default)]
pub struct Outcome {
    /// How many were equal, by suite and warehouse.
    pub equal: BTreeMap<(String, &'static str), usize>,
    /// All others, each on a line with its reason.
    pub findings: String,
    /// The rows of each query.
    pub rows: BTreeMap<String, usize>,
}

impl Three {
    /// Starts gateways over the tables in a folder of Parquet files and in a database that has the same.
    pub async fn start(
        folder: &Path,
        database: &str,
        schemas: &[&str],
        policies: &[&str],
    ) -> Three {
        let postgres = Postgres::shared().await;
        let scratch = |name: &str| postgres.scratch(&format!("{database} {name}"));
        let audit = |name: &str| scratch(name).join("audit.jsonl");
        let embedded = start_with(folder, &audit("embedded"), policies).await;

        let names: Vec<String> = schemas.iter().map(|name| (*name).to_owned()).collect();
        let warehouse = crate::postgres_warehouse::warehouse(&postgres.dsn(database));
        let tables = postgres::discover(&warehouse, &names).await.unwrap().tables;
        let over = async |tables, warehouse: Arc<dyn Warehouse>, name| {
            start_over(tables, warehouse, &audit(name), policies, Caches::default()).await
        };
        let forwarded = over(tables, Arc::new(warehouse), "postgres").await;

        let emulator = Emulator::start(&scratch("snowflake"));
        emulator.load(folder, schemas);
        let warehouse = emulator.warehouse();
        let found = snowflake::discover(&warehouse, &names).await.unwrap();
        assert!(found.left_out.is_empty(), "{:?}", found.left_out);
        let snowflake = over(found.tables, Arc::new(warehouse), "snowflake").await;
        Three {
            roads: [
                ("embedded", embedded.connect("ana").await),
                ("postgres", forwarded.connect("ana").await),
                ("snowflake", snowflake.connect("ana").await),
            ],
            emulator,
            gateways: [embedded, forwarded, snowflake],
        }
    }

    /// Runs each query at all warehouses and compares what comes with what `permitted` gives. Names begin
    /// with their suite.
    pub async fn measure(&self, permitted: &Client, queries: &[Query]) -> Outcome {
        let mut outcome = Outcome::default();
        for query in queries {
            let suite = query.name.split(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
            let asked = self.roads.iter().map(|(_, client)| run(client, query));
            let (want, got) = futures::join!(run(permitted, query), join_all(asked));
            let want = want.unwrap_or_else(|error| panic!("{}: {error}", query.name));
            outcome.rows.insert(query.name.clone(), want.rows().len());
            for ((road, _), got) in self.roads.iter().zip(got) {
                let entry = outcome.equal.entry((suite.to_owned(), *road)).or_default();
                match got.and_then(|got| same(&got, &want, query.ordered)) {
                    Ok(()) => *entry += 1,
                    Err(what) => {
                        let said = if *road == "snowflake" { self.said() } else { None };
                        let line = format!("{} {road}: {}\n", query.name, said.unwrap_or(what));
                        outcome.findings.push_str(&line);
                    }
                }
            }
        }
        outcome
    }

    /// The warehouses by name, each with ana's connection.
    pub fn roads(&self) -> &[(&'static str, Client); 3] {
        &self.roads
    }

    /// The same for another user.
    pub async fn connect(&self, user: &str) -> Vec<(&'static str, Client)> {
        let mut clients = Vec::new();
        for ((road, _), gateway) in self.roads.iter().zip(&self.gateways) {
            clients.push((*road, gateway.connect(user).await));
        }
        clients
    }

    /// What the emulator says about the statement that it couldn't run.
    pub fn said(&self) -> Option<String> {
        let log = self.emulator.look()["log"].take();
        self.emulator.control(serde_json::json!({ "clear_log": true }));
        let mut errors = log.as_array()?.iter().filter_map(|entry| entry["error"].as_str());
        errors.next_back().map(|error| format!("the emulator: {error}"))
    }
}

impl Outcome {
    /// The golden text: how many of a suite's queries are equal at each warehouse, and why others aren't.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for ((suite, road), count) in &self.equal {
            let of = self.rows.keys().filter(|name| name.starts_with(suite.as_str())).count();
            text.push_str(&format!("{suite} {road}: {count} of {of}\n"));
        }
        text + &self.findings
    }

    /// How many are equal at a warehouse.
    pub fn equal_at(&self, road: &str) -> usize {
        self.equal.iter().filter(|((_, at), _)| *at == road).map(|(_, count)| count).sum()
    }
}

/// Runs a query in its schema.
async fn run(client: &Client, query: &Query) -> Result<Answer, String> {
    client.simple(&format!("SET search_path = {}", query.schema)).await;
    let answer = tokio::time::timeout(PATIENCE, client.simple(&query.sql)).await;
    let answer = answer.map_err(|_| "takes too long".to_owned())?;
    match answer.error() {
        Some((state, message)) => Err(format!("{state} {message}")),
        None => Ok(answer),
    }
}

/// The same names and rows.
fn same(got: &Answer, want: &Answer, ordered: bool) -> Result<(), String> {
    if let (Answer::Rows { columns: got, .. }, Answer::Rows { columns: want, .. }) = (got, want)
        && got != want
    {
        return Err(format!("names {got:?} against {want:?}"));
    }
    compare(got.rows(), want.rows(), ordered)
}
