//! What the account attributes to statements of the gateway: the history that it keeps of them, found by
//! the tag that each was sent with.
//!
//! The history is behind by hours, leaves out what took about a tenth of a second, and holds what others
//! run as well. So only rows of the gateway's own user are asked for, and whether a name in a tag is one
//! of a statement is for the ledger to say: here it is a text like any other.

use std::collections::VecDeque;
use std::str::FromStr;
use std::sync::Arc;

use arrow::array::{Array, AsArray, StringArray};
use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use chrono::{DateTime, SecondsFormat};
use futures::StreamExt;
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::{Value, json};
use tollgate_catalog::{Error, ErrorKind};
use tollgate_rewriter::Parameter;

use super::decode::Columns;
use super::error::malformed;
use super::session::{self, Counter, Statement};
use super::{Snowflake, bindings, result};
use crate::BatchStream;
use crate::credits::DIGITS;

/// The longest tag, in characters: longer ones are refused.
const MAX_TAG: usize = 2_000;

/// How the tag of a statement that records know begins; their name for it follows.
const BEGINS: &str = r#"{"gateway":"tollgate","query":""#;

/// The longest name of a statement, in bytes.
const MAX_NAME: usize = 64;

/// The most rows that are read of a history at once.
const MOST: u64 = 5_000_000;

/// How far apart the rows of one statement begin at most, in microseconds: what runs again after a broken
/// connection has several.
const APART: i64 = 60 * 60 * 1_000_000;

/// What one statement can be attributed at most, in credits: more than the largest warehouse takes in a
/// year.
const ABSURD: Decimal = Decimal::from_parts(10_000_000, 0, 0, false, 0);

/// The tag of a statement. Who is named in it may have a long name, so what the statement is found by comes
/// before.
pub(super) fn tag(request: &str, statement: &Statement) -> String {
    let request = json!(request);
    let by = &statement.tag;
    let tag = match &statement.id {
        Some(id) => {
            let id = json!(id);
            format!(r#"{{"gateway":"tollgate","query":{id},"request":{request},"by":{by}}}"#)
        }
        None => format!(r#"{{"gateway":"tollgate","request":{request},"by":{by}}}"#),
    };
    tag.chars().take(MAX_TAG).collect()
}

/// The name of a statement in a tag, if it can be one of ours.
fn named(tag: &str) -> Option<&str> {
    let (name, _) = tag.strip_prefix(BEGINS)?.split_once('"')?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    ((1..=MAX_NAME).contains(&name.len()) && name.bytes().all(plain)).then_some(name)
}

/// What the account attributes to one statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// What records call the statement, as its tag says.
    pub statement: String,
    /// Credits, with nine digits behind the point.
    pub credits: Decimal,
}

/// Figures as they come, statement by statement.
pub struct Attributed {
    rows: BatchStream,
    /// The figures of a batch that were not asked for yet.
    ready: VecDeque<Figure>,
    sums: Sums,
    ended: bool,
}

/// Where a row begins, seen from the time that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begin {
    Before,
    Within,
    After,
}

/// A statement whose rows come.
#[derive(Debug)]
struct Last {
    name: String,
    /// Nothing if those of one row were none.
    credits: Option<Decimal>,
    /// Where its first row begins.
    begin: Begin,
}

/// Rows become figures: those of one statement follow each other. One that began at another time is another
/// question's, with all its rows.
#[derive(Debug, Default)]
struct Sums {
    last: Option<Last>,
    rows: u64,
    refused: u64,
}

/// Asks the account what it attributes to the statements that this gateway's user began in a time, from and
/// until in microseconds since 1970.
///
/// # Errors
/// The service can't be reached, or the role may not read the history.
pub async fn attributed(warehouse: &Snowflake, from: i64, until: i64) -> Result<Attributed, Error> {
    // In order, so that what was attributed to one statement in several rows is summed up; with what begins
    // shortly before and after, so that no row of it is missing.
    let text = format!(
        "SELECT CAST(QUERY_TAG AS VARCHAR) AS \"c0\", \
         CAST(CREDITS_ATTRIBUTED_COMPUTE AS VARCHAR) AS \"c1\", \
         CAST(CREDITS_USED_QUERY_ACCELERATION AS VARCHAR) AS \"c2\", \
         CASE WHEN START_TIME < CAST(:4 AS TIMESTAMP_LTZ) THEN 'before' \
         WHEN START_TIME < CAST(:5 AS TIMESTAMP_LTZ) THEN 'within' ELSE 'after' END AS \"c3\" \
         FROM \"SNOWFLAKE\".\"ACCOUNT_USAGE\".\"QUERY_ATTRIBUTION_HISTORY\" \
         WHERE START_TIME >= CAST(:1 AS TIMESTAMP_LTZ) AND START_TIME < CAST(:2 AS TIMESTAMP_LTZ) \
         AND USER_NAME = CURRENT_USER() AND STARTSWITH(QUERY_TAG, :3) \
         ORDER BY QUERY_TAG LIMIT {}",
        MOST + 1
    );
    let around = (spelled(from.saturating_sub(APART)), spelled(until.saturating_add(APART)));
    let values = [around.0, around.1, BEGINS.to_owned(), spelled(from), spelled(until)];
    let values = values.map(Parameter::Text);
    let statement = Statement {
        text,
        bindings: bindings(&values)?,
        id: None,
        tag: json!({ "user": Value::Null, "tenant": Value::Null }),
        timeout: None,
        describe_only: false,
        counter: Counter::default(),
    };
    let pool = &warehouse.computes.default().pool;
    let data = session::run(pool, statement).await?;
    let described = data.rowtype.clone().unwrap_or_default();
    let columns = Columns::of(&vec![DataType::Utf8; 4], &described)?;
    let rows = result::rows(Arc::clone(&pool.service), columns, data)?;
    Ok(Attributed { rows, ready: VecDeque::new(), sums: Sums::default(), ended: false })
}

/// A time as the service reads it in any session; what is beyond its years is their end.
fn spelled(at: i64) -> String {
    const FIRST: i64 = 0;
    const LAST: i64 = 253_402_300_799_000_000;
    let time = DateTime::from_timestamp_micros(at.clamp(FIRST, LAST)).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Micros, false)
}

impl Attributed {
    /// The next figures, so many at most; none: there are no more.
    ///
    /// # Errors
    /// The service can't be reached any more, or the history is too long.
    pub async fn next(&mut self, most: usize) -> Result<Vec<Figure>, Error> {
        while self.ready.len() < most && !self.ended {
            match self.rows.next().await {
                Some(batch) => self.sums.batch(&batch?, &mut self.ready)?,
                None => {
                    self.ended = true;
                    self.sums.end(&mut self.ready);
                }
            }
        }
        let count = self.ready.len().min(most);
        Ok(self.ready.drain(..count).collect())
    }

    /// Whether there are more statements in this time than are read at once: those until then have come.
    pub fn is_too_long(&self) -> bool {
        self.sums.rows > MOST
    }

    /// How many figures were none that a statement can have, until now.
    pub fn refused(&self) -> u64 {
        self.sums.refused
    }
}

impl Begin {
    fn first(self, other: Begin) -> Begin {
        match (self, other) {
            (Begin::Before, _) | (_, Begin::Before) => Begin::Before,
            (Begin::Within, _) | (_, Begin::Within) => Begin::Within,
            (Begin::After, Begin::After) => Begin::After,
        }
    }
}

impl Sums {
    fn batch(&mut self, batch: &RecordBatch, to: &mut VecDeque<Figure>) -> Result<(), Error> {
        let [tags, compute, acceleration, begins] = batch.columns() else {
            return Err(malformed("a history with other columns"));
        };
        let [tags, compute, acceleration, begins]: [&StringArray; 4] =
            [tags, compute, acceleration, begins].map(|column| column.as_string());
        for row in 0..batch.num_rows() {
            let value =
                |column: &StringArray| column.is_valid(row).then(|| column.value(row).to_owned());
            let begin = match value(begins).as_deref() {
                Some("before") => Begin::Before,
                Some("within") => Begin::Within,
                Some("after") => Begin::After,
                Some(_) | None => return Err(malformed("a history with other columns")),
            };
            self.row(value(tags), begin, [value(compute), value(acceleration)], to);
        }
        if self.rows > MOST {
            let text =
                format!("the account's history has more than {MOST} statements in this time");
            return Err(Error::new(ErrorKind::InvalidParameterValue, text)
                .with_hint("ask for a shorter time"));
        }
        Ok(())
    }

    fn row(
        &mut self,
        tag: Option<String>,
        begin: Begin,
        [compute, acceleration]: [Option<String>; 2],
        to: &mut VecDeque<Figure>,
    ) {
        self.rows += 1;
        let Some(name) = tag.as_deref().and_then(named) else {
            self.refused += u64::from(begin == Begin::Within);
            return;
        };
        // Only what was accelerated has the second one.
        let faster = acceleration.map_or(Some(Decimal::ZERO), |text| number(&text));
        let credits = compute.as_deref().and_then(number).zip(faster);
        let credits = credits.and_then(|(one, other)| one.checked_add(other));
        match &mut self.last {
            Some(last) if last.name == name => {
                let sum = last.credits.zip(credits);
                last.credits = sum.and_then(|(sum, credits)| sum.checked_add(credits));
                last.begin = last.begin.first(begin);
            }
            Some(_) | None => {
                let next = Some(Last { name: name.to_owned(), credits, begin });
                self.end(to);
                self.last = next;
            }
        }
    }

    /// No more rows of the last statement.
    fn end(&mut self, to: &mut VecDeque<Figure>) {
        let Some(Last { name: statement, credits, begin }) = self.last.take() else { return };
        if begin != Begin::Within {
            return;
        }
        match credits.filter(|credits| *credits <= ABSURD) {
            Some(credits) => {
                let rounding = RoundingStrategy::MidpointAwayFromZero;
                let credits = credits.round_dp_with_strategy(DIGITS, rounding).normalize();
                to.push_back(Figure { statement, credits });
            }
            None => self.refused += 1,
        }
    }
}

/// Credits as the service writes them, exactly; nothing if nobody can be charged that.
fn number(text: &str) -> Option<Decimal> {
    let text = text.trim();
    let number = Decimal::from_str(text).or_else(|_| Decimal::from_scientific(text)).ok()?;
    (!number.is_sign_negative() || number.is_zero()).then_some(number)
}

#[cfg(test)]
mod tests;
