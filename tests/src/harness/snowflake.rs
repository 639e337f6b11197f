//! The emulator of a Snowflake account, and tables in it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use arrow::datatypes::DataType;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};
use tollgate_warehouse::snowflake::{Credential, CredentialKind, Options, Snowflake};

use super::client::Client;
use super::data::texts;

/// What the emulator lets in.
pub const USER: &str = "TOLLGATE";
pub const PASSWORD: &str = "the account's password";
pub const TOKEN: &str = "the account's token";
pub const DATABASE: &str = "Corpus";

/// An emulator that runs as long as this.
pub struct Emulator {
    pub port: u16,
    /// The private key that logs in.
    pub key: PathBuf,
    /// It ends when its input does.
    _process: Child,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("emulator")
}

/// The interpreter that has the emulator installed.
pub fn interpreter() -> PathBuf {
    let path = std::env::var_os("TOLLGATE_TEST_EMULATOR").map_or_else(
        || {
            let home = std::env::var_os("HOME").unwrap_or_default();
            PathBuf::from(home).join(".cache/tollgate/emulator/bin/python")
        },
        PathBuf::from,
    );
    assert!(
        path.exists(),
        "there is no Python with the emulator at {}: run `cargo xtask setup`, or set \
         TOLLGATE_TEST_EMULATOR",
        path.display()
    );
    path
}

impl Emulator {
    /// Starts one. `scratch` is a folder of its own.
    pub fn start(scratch: &Path) -> Emulator {
        let key = scratch.join("key.pem");
        let account =
            json!({ "user": USER, "password": PASSWORD, "token": TOKEN, "key_file": key });
        let mut process = Command::new(interpreter())
            .args(["-W", "ignore"])
            .arg(folder().join("emulator.py"))
            .arg(account.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().parse().unwrap();
        let limit = Instant::now() + Duration::from_secs(120);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert_eq!(process.try_wait().unwrap(), None, "the emulator doesn't start");
            assert!(Instant::now() < limit, "the emulator doesn't listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        Emulator { port, key, _process: process }
    }

    /// Runs the official connector's check.
    pub fn check(&self) -> std::process::Output {
        Command::new(interpreter())
            .arg(folder().join("check_connector.py"))
            .args([&self.port.to_string(), USER, PASSWORD])
            .arg(&self.key)
            .output()
            .unwrap()
    }

    fn http(&self, head: &str, body: &str) -> Value {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let length = body.len();
        write!(
            socket,
            "{head} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
        serde_json::from_str(body).unwrap()
    }

    /// Changes what it does: `faults`, `options`, `expire`, `forget`, `reset`, `sql`.
    pub fn control(&self, asked: Value) {
        self.http("POST /control", &asked.to_string());
    }

    /// What it was asked, and what runs: `sessions`, `running`, `log`.
    pub fn look(&self) -> Value {
        self.http("GET /control", "")
    }

    /// Runs statements as the account's owner would.
    pub fn sql(&self, statements: &[String]) {
        self.control(json!({ "database": DATABASE, "schema": "PUBLIC", "sql": statements }));
    }

    /// How to reach it.
    pub fn options(&self, kind: CredentialKind, secret: &str) -> Options {
        let secret = secret.to_owned();
        Options {
            address: format!("http://127.0.0.1:{}", self.port),
            account: "acct".to_owned(),
            user: USER.to_owned(),
            credential: Credential::new(kind, move || Ok(secret.clone().into_bytes().into())),
            database: DATABASE.to_uppercase(),
            warehouse: Some("WH".to_owned()),
            by_role: Vec::new(),
            role: None,
            tls: None,
            statement_timeout: None,
            credits: None,
            pause: Duration::from_millis(5),
        }
    }

    /// A warehouse over it.
    pub fn warehouse(&self) -> Snowflake {
        Snowflake::new(self.options(CredentialKind::Password, PASSWORD)).unwrap()
    }

    /// Reads the tables in `<folder>/<schema>/<table>.parquet`. Whole numbers have as many digits as their
    /// largest value, the longest ones 38, as `BIGINT` is there.
    pub fn load(&self, folder: &Path, schemas: &[&str]) {
        for schema in schemas {
            let mut files: Vec<_> = std::fs::read_dir(folder.join(schema))
                .unwrap()
                .map(|file| file.unwrap().path())
                .filter(|path| path.extension().is_some_and(|extension| extension == "parquet"))
                .collect();
            files.sort();
            let mut statements = vec![format!("CREATE SCHEMA IF NOT EXISTS {schema}")];
            let mut inserts = Vec::new();
            for file in files {
                let name = file.file_stem().unwrap().to_string_lossy().to_uppercase();
                let reader = std::fs::File::open(&file).unwrap();
                let reader = ParquetRecordBatchReaderBuilder::try_new(reader).unwrap();
                let columns: Vec<String> = reader
                    .schema()
                    .fields()
                    .iter()
                    .map(|field| {
                        let kind = type_of_arrow(field.data_type());
                        format!("\"{}\" {kind}", field.name().to_uppercase())
                    })
                    .collect();
                statements.push(format!("CREATE TABLE {schema}.{name} ({})", columns.join(", ")));
                inserts.push(format!(
                    "INSERT INTO \"{}\".\"{}\".\"{name}\" SELECT * FROM read_parquet('{}')",
                    DATABASE.to_uppercase(),
                    schema.to_uppercase(),
                    file.display()
                ));
            }
            self.sql(&statements);
            for insert in inserts {
                self.control(json!({ "duck": insert }));
            }
        }
    }

    /// Copies every table of a PostgreSQL into it.
    pub async fn import(&self, client: &Client) {
        let tables = texts(
            client,
            "SELECT table_schema, table_name FROM information_schema.tables \
             WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2",
        )
        .await;
        let mut statements = Vec::new();
        for table in tables {
            let (schema, name) = (table[0].clone().unwrap(), table[1].clone().unwrap());
            let columns = texts(
                client,
                &format!(
                    "SELECT column_name, data_type FROM information_schema.columns \
                     WHERE table_schema = '{schema}' AND table_name = '{name}' \
                     ORDER BY ordinal_position"
                ),
            )
            .await;
            let types: Vec<&str> =
                columns.iter().map(|column| type_of(column[1].as_deref().unwrap())).collect();
            let declared: Vec<String> = columns
                .iter()
                .zip(&types)
                .map(|(column, kind)| {
                    // Some are words of the emulator's engine.
                    format!("\"{}\" {kind}", column[0].as_deref().unwrap().to_uppercase())
                })
                .collect();
            statements.push(format!("CREATE SCHEMA IF NOT EXISTS {schema}"));
            statements.push(format!("CREATE TABLE {schema}.{name} ({})", declared.join(", ")));
            let rows = texts(client, &format!("SELECT * FROM {schema}.{name} ORDER BY 1")).await;
            let rows: Vec<String> = rows
                .iter()
                .map(|row| {
                    let values = row.iter().zip(&types).map(|(value, kind)| match value {
                        None => format!("NULL::{kind}"),
                        Some(text) => {
                            let text = text.replace('\\', "\\\\").replace('\'', "''");
                            format!("'{text}'::{kind}")
                        }
                    });
                    format!("({})", values.collect::<Vec<_>>().join(", "))
                })
                .collect();
            if !rows.is_empty() {
                statements.push(format!(
                    "INSERT INTO {schema}.{name} SELECT * FROM VALUES {}",
                    rows.join(", ")
                ));
            }
        }
        self.sql(&statements);
    }
}

fn type_of_arrow(kind: &DataType) -> String {
    match kind {
        DataType::Int16 => "NUMBER(5,0)".to_owned(),
        DataType::Int32 => "NUMBER(10,0)".to_owned(),
        DataType::Int64 => "NUMBER(38,0)".to_owned(),
        DataType::Decimal128(precision, scale) => format!("NUMBER({precision},{scale})"),
        DataType::Float64 => "FLOAT".to_owned(),
        DataType::Utf8 => "VARCHAR".to_owned(),
        DataType::Boolean => "BOOLEAN".to_owned(),
        DataType::Date32 => "DATE".to_owned(),
        DataType::Timestamp(_, None) => "TIMESTAMP_NTZ".to_owned(),
        DataType::Timestamp(_, Some(_)) => "TIMESTAMP_TZ".to_owned(),
        other => panic!("a column of type {other} has no counterpart here"),
    }
}

fn type_of(kind: &str) -> &'static str {
    match kind {
        "smallint" => "NUMBER(4,0)",
        "integer" => "NUMBER(9,0)",
        "bigint" => "NUMBER(18,0)",
        "numeric" => "NUMBER(18,2)",
        "double precision" => "FLOAT",
        "text" => "VARCHAR",
        "boolean" => "BOOLEAN",
        "date" => "DATE",
        "timestamp without time zone" => "TIMESTAMP_NTZ",
        "timestamp with time zone" => "TIMESTAMP_TZ",
        other => panic!("a column of type {other} has no counterpart here"),
    }
}
