//! A client whose every answer is kept: rows, errors in all their fields, notices.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::BytesMut;
use futures::StreamExt;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{AsyncMessage, NoTls, SimpleQueryMessage};

use super::value::Value;

/// Fields of an error by name.
pub type Fields = BTreeMap<&'static str, String>;

/// What a statement led to.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Result sets, one after the other, flattened; only the names of the last one are kept.
    Rows { columns: Vec<String>, rows: Vec<Vec<Value>> },
    /// An error, and the rows that came before it.
    Error { fields: Fields, before: Vec<Vec<Value>> },
}

impl Answer {
    /// The error's code and message, if it is one.
    pub fn error(&self) -> Option<(&str, &str)> {
        match self {
            Answer::Rows { .. } => None,
            Answer::Error { fields, .. } => Some((
                fields.get("code").map_or("", String::as_str),
                fields.get("message").map_or("", String::as_str),
            )),
        }
    }

    /// The rows that came.
    pub fn rows(&self) -> &[Vec<Value>] {
        match self {
            Answer::Rows { rows, .. } => rows,
            Answer::Error { before, .. } => before,
        }
    }
}

/// A connection.
pub struct Client {
    pub inner: tokio_postgres::Client,
    notices: Arc<Mutex<Vec<String>>>,
}

impl Client {
    /// Connects without encryption.
    pub async fn connect(dsn: &str) -> Result<Client, tokio_postgres::Error> {
        let (inner, mut connection) = tokio_postgres::connect(dsn, NoTls).await?;
        let notices = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&notices);
        tokio::spawn(async move {
            let mut messages =
                futures::stream::poll_fn(move |context| connection.poll_message(context));
            while let Some(Ok(message)) = messages.next().await {
                match message {
                    AsyncMessage::Notice(notice) => {
                        kept.lock().unwrap().push(format!("{notice:?}"));
                    }
                    AsyncMessage::Notification(notification) => {
                        kept.lock().unwrap().push(format!("{notification:?}"));
                    }
                    _ => {}
                }
            }
        });
        Ok(Client { inner, notices })
    }

    /// The notices since the last call.
    pub fn take_notices(&self) -> Vec<String> {
        std::mem::take(&mut *self.notices.lock().unwrap())
    }

    /// Puts the session back to its start, as a pool does; whether that worked.
    ///
    /// Connections are kept because an unoptimised client takes its time over a password.
    pub async fn reset(&self) -> bool {
        let _ = self.simple("ROLLBACK").await;
        let discarded = self.simple("DISCARD ALL").await.error().is_none();
        self.take_notices();
        discarded && !self.inner.is_closed()
    }

    /// Runs a text by the simple protocol.
    pub async fn simple(&self, sql: &str) -> Answer {
        let mut columns = Vec::new();
        let mut rows = Vec::new();
        let messages = match self.inner.simple_query_raw(sql).await {
            Ok(messages) => messages,
            Err(error) => return failed(&error, rows),
        };
        let mut messages = std::pin::pin!(messages);
        while let Some(message) = messages.next().await {
            match message {
                Ok(SimpleQueryMessage::RowDescription(description)) => {
                    columns = description.iter().map(|column| column.name().to_owned()).collect();
                }
                Ok(SimpleQueryMessage::Row(row)) => rows
                    .push((0..row.len()).map(|index| Value::from_text(row.get(index))).collect()),
                Ok(_) => {}
                Err(error) => return failed(&error, rows),
            }
        }
        Answer::Rows { columns, rows }
    }

    /// Runs a statement by the extended protocol, with binary results.
    pub async fn extended(&self, sql: &str, parameters: &[Parameter]) -> Answer {
        let statement = match self.inner.prepare(sql).await {
            Ok(statement) => statement,
            Err(error) => return failed(&error, Vec::new()),
        };
        let columns = statement.columns().iter().map(|column| column.name().to_owned()).collect();
        let mut rows = Vec::new();
        let stream = match self.inner.query_raw(&statement, parameters).await {
            Ok(stream) => stream,
            Err(error) => return failed(&error, rows),
        };
        let mut stream = std::pin::pin!(stream);
        while let Some(row) = stream.next().await {
            match row {
                Ok(row) => rows.push(values(&row)),
                Err(error) => return failed(&error, rows),
            }
        }
        Answer::Rows { columns, rows }
    }

    /// Runs a statement in a transaction, `size` rows at a time.
    pub async fn portal(&mut self, sql: &str, parameters: &[Parameter], size: i32) -> Answer {
        let transaction = match self.inner.transaction().await {
            Ok(transaction) => transaction,
            Err(error) => return failed(&error, Vec::new()),
        };
        let statement = match transaction.prepare(sql).await {
            Ok(statement) => statement,
            Err(error) => return failed(&error, Vec::new()),
        };
        let columns = statement.columns().iter().map(|column| column.name().to_owned()).collect();
        let parameters: Vec<&(dyn ToSql + Sync)> =
            parameters.iter().map(|parameter| -> &(dyn ToSql + Sync) { parameter }).collect();
        let mut rows = Vec::new();
        let portal = match transaction.bind(&statement, &parameters).await {
            Ok(portal) => portal,
            Err(error) => return failed(&error, rows),
        };
        loop {
            let stream = match transaction.query_portal_raw(&portal, size).await {
                Ok(stream) => stream,
                Err(error) => return failed(&error, rows),
            };
            let mut stream = std::pin::pin!(stream);
            let before = rows.len();
            while let Some(row) = stream.next().await {
                match row {
                    Ok(row) => rows.push(values(&row)),
                    Err(error) => return failed(&error, rows),
                }
            }
            if rows.len() - before < usize::try_from(size).unwrap() {
                break;
            }
        }
        // A DataRow may be followed by an error that ends the block, which COMMIT would not tell.
        match transaction.commit().await {
            Ok(()) => Answer::Rows { columns, rows },
            Err(error) => failed(&error, rows),
        }
    }
}

/// A parameter: text for any type, in the type's text form where it is text, a number otherwise.
#[derive(Debug, Clone)]
pub struct Parameter(pub Option<&'static str>);

impl ToSql for Parameter {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        let Some(text) = self.0 else { return Ok(IsNull::Yes) };
        match *kind {
            Type::INT8 => text.parse::<i64>()?.to_sql(kind, out),
            Type::INT4 => text.parse::<i32>()?.to_sql(kind, out),
            _ => text.to_sql(kind, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

struct Raw(Value);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(
        kind: &Type,
        raw: &'a [u8],
    ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Raw(Value::from_binary(kind.oid(), raw)))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Raw(Value::Null))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn values(row: &tokio_postgres::Row) -> Vec<Value> {
    (0..row.len()).map(|index| row.get::<_, Raw>(index).0).collect()
}

fn failed(error: &tokio_postgres::Error, before: Vec<Vec<Value>>) -> Answer {
    let Some(told) = error.as_db_error() else {
        return Answer::Error {
            fields: Fields::from([("code", "client".to_owned()), ("message", describe(error))]),
            before,
        };
    };
    let mut fields = Fields::from([
        ("code", told.code().code().to_owned()),
        ("message", told.message().to_owned()),
        ("severity", told.severity().to_owned()),
    ]);
    for (name, value) in [
        ("detail", told.detail()),
        ("hint", told.hint()),
        ("where", told.where_()),
        ("schema", told.schema()),
        ("table", told.table()),
        ("column", told.column()),
        ("datatype", told.datatype()),
        ("constraint", told.constraint()),
    ] {
        if let Some(value) = value {
            fields.insert(name, value.to_owned());
        }
    }
    Answer::Error { fields, before }
}

fn describe(error: &tokio_postgres::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
