//! The records: what is known when a query is decided, and what when it has ended.

use std::time::Duration;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::billing::{Price, billed_bytes};

/// How long a writer may refer to a text that it has written: then it writes it again. What is deleted
/// must be older by so much than what is kept.
pub const TEXT_MEMORY: Duration = Duration::from_secs(3600);

/// The kinds of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A query was permitted or denied.
    Decision,
    /// A query has ended.
    Receipt,
    /// A text that is too long for each record that names it.
    Text,
    /// The account of a warehouse attributes other credits to a query than its receipt says.
    Correction,
}

impl Kind {
    /// Its word in the record.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Decision => "decision",
            Kind::Receipt => "receipt",
            Kind::Text => "text",
            Kind::Correction => "correction",
        }
    }

    /// Its number in the store.
    pub(crate) fn number(self) -> i64 {
        match self {
            Kind::Decision => 1,
            Kind::Receipt => 2,
            Kind::Text => 3,
            Kind::Correction => 4,
        }
    }
}

/// The decision on one statement: made before anything ran.
#[derive(Debug, Serialize)]
pub struct Decision<'a> {
    /// The query's id; its receipt has the same.
    pub id: &'a str,
    /// The authenticated user.
    pub principal: &'a str,
    /// Who pays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<&'a str>,
    /// The active roles.
    pub roles: Vec<&'a str>,
    /// The client's address.
    pub address: String,
    /// What the client calls itself; never trusted.
    pub application: &'a str,
    /// What the client's text is written in, unless it is PostgreSQL's SQL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dialect: Option<&'a str>,
    /// The client's text.
    pub sql: &'a str,
    /// What runs instead; absent when refused.
    pub secured_sql: Option<&'a str>,
    /// The policy bundle that decided.
    pub bundle: &'a str,
    /// The catalog version.
    pub snapshot: u64,
    /// The base tables.
    pub tables: Vec<String>,
    /// The policies that shaped them, with file and line.
    pub policies: Vec<String>,
    /// `permitted` or `denied`.
    pub outcome: &'static str,
    /// The error's label, if denied.
    pub error: Option<&'static str>,
}

/// How a query ended and what it used: exactly one per decision.
#[derive(Debug, Default, Serialize)]
pub struct Receipt<'a> {
    /// The query's id.
    pub id: &'a str,
    /// The authenticated user.
    pub principal: &'a str,
    /// Who pays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<&'a str>,
    /// The roles that were active.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub roles: &'a [String],
    /// The base tables.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub tables: &'a [String],
    /// The warehouse that has them, by its name in the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warehouse: Option<&'a str>,
    /// The virtual warehouse that it was sent to, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtual_warehouse: Option<&'a str>,
    /// `complete`, `denied`, `canceled`, `failed`, `abandoned`, or `interrupted` if the gateway died.
    pub outcome: &'static str,
    /// The error's label, if it failed.
    pub error: Option<&'static str>,
    /// Rows that went to the client.
    pub rows: u64,
    /// Bytes that went to the client.
    pub bytes: u64,
    /// From the statement's arrival to its end, in microseconds.
    pub elapsed_us: u64,
    /// The rows come from an earlier execution.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cached: bool,
    /// Bytes that it was expected to read, if that could be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated: Option<u64>,
    /// Bytes that the warehouse read for it, if it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scanned: Option<u64>,
    /// Credits of the warehouse that it is charged, where it charges any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credits: Option<Decimal>,
    /// Rows of its tables were hidden from the user, so that what it scanned may tell about them; known
    /// where a price is for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filtered: Option<bool>,
    /// A limit ended the rows before the result did.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// What it is billed by; nothing if it never ran, or has no price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
}

/// A text that is too long for each record that names it.
#[derive(Debug, Serialize)]
pub struct Text<'a> {
    /// Its SHA-256, in hexadecimal; records refer to it as `sha256:…`.
    pub sha256: &'a str,
    /// The text.
    pub text: &'a str,
}

/// Where a record is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct At {
    /// The chain's name.
    pub(crate) chain: String,
    /// The number in it.
    pub(crate) seq: i64,
}

/// What a query is charged instead of what its receipt says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Correction {
    /// The query's id.
    pub(crate) id: String,
    /// The authenticated user.
    pub(crate) principal: String,
    /// Who pays; empty if nobody was named.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) tenant: String,
    /// The warehouse, by its name in the configuration.
    pub(crate) warehouse: String,
    /// The receipt.
    pub(crate) of: At,
    /// What the account attributes to it.
    pub(crate) credits: Decimal,
    /// What the gateway's clock said: the receipt's credits.
    pub(crate) measured: Decimal,
    /// What the receipt's price is in; empty if it has none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) currency: String,
    /// What the query costs by that, exactly.
    pub(crate) amount: Decimal,
}

/// A record with what all of them have.
#[derive(Debug, Serialize)]
pub struct Line<'a, T> {
    /// When, as RFC 3339 with microseconds, in UTC.
    pub time: &'a str,
    /// The kind's word.
    pub record: &'static str,
    /// Nobody authenticated: an operator tried it out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub rehearsal: bool,
    /// The rest.
    #[serde(flatten)]
    pub body: &'a T,
}

/// A record as it is read back: what verification, rating and export need of any kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Body {
    /// Its number in the chain.
    pub seq: i64,
    /// When.
    pub time: String,
    /// The kind's word.
    pub record: String,
    /// The query's id.
    pub id: String,
    /// The user.
    pub principal: String,
    /// Who pays.
    pub tenant: Option<String>,
    /// The active roles.
    pub roles: Vec<String>,
    /// The client's address.
    pub address: String,
    /// What the client calls itself.
    pub application: String,
    /// The client's text, or a reference to it.
    pub sql: String,
    /// What ran instead, or a reference to it.
    pub secured_sql: Option<String>,
    /// The policy bundle.
    pub bundle: String,
    /// The base tables.
    pub tables: Vec<String>,
    /// The warehouse that has them.
    pub warehouse: Option<String>,
    /// The virtual warehouse that it was sent to.
    pub virtual_warehouse: Option<String>,
    /// The policies.
    pub policies: Vec<String>,
    /// What was decided, or how it ended.
    pub outcome: String,
    /// The error's label.
    pub error: Option<String>,
    /// Rows that went to the client.
    pub rows: u64,
    /// Bytes that went to the client.
    pub bytes: u64,
    /// Microseconds.
    pub elapsed_us: u64,
    /// The rows come from an earlier execution.
    pub cached: bool,
    /// Bytes that it was expected to read.
    pub estimated: Option<u64>,
    /// Bytes that the warehouse read for it.
    pub scanned: Option<u64>,
    /// Credits of the warehouse.
    pub credits: Option<Decimal>,
    /// Rows of its tables were hidden from the user.
    pub filtered: Option<bool>,
    /// A limit ended the rows.
    pub truncated: bool,
    /// What it is billed by.
    pub price: Option<Price>,
}

impl Body {
    /// When, in microseconds since 1970; nothing if it isn't a time.
    pub fn at(&self) -> Option<i64> {
        let time = chrono::DateTime::parse_from_rfc3339(&self.time).ok()?;
        Some(time.timestamp_micros())
    }

    /// What a query is billed, as its receipt says; nothing if it has no price.
    pub fn cost(&self) -> Option<Decimal> {
        let scanned = billed_bytes(self.cached, self.scanned, self.estimated);
        self.price.as_ref()?.of(scanned, self.rows, self.credits.unwrap_or_default())
    }

    /// Whether the user may know what it is billed: it must not tell how much of what is hidden was
    /// scanned.
    pub fn tells_cost(&self) -> bool {
        match (self.filtered, &self.price) {
            (Some(filtered), _) => !filtered,
            (None, Some(price)) => price.per_gb_scanned.is_zero(),
            (None, None) => true,
        }
    }
}

/// A time in microseconds since 1970 as records spell it.
pub(crate) fn spelled(at: i64) -> String {
    let time = chrono::DateTime::from_timestamp_micros(at).unwrap_or_default();
    time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}

/// Now, in microseconds since 1970.
pub(crate) fn now() -> i64 {
    chrono::Utc::now().timestamp_micros()
}
