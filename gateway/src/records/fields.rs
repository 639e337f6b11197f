//! The columns of the history and the usage: each with its type, what it means, and its value.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field as ArrowField, Schema, TimeUnit};
use datafusion::common::ScalarValue;
use rust_decimal::Decimal;
use tollgate_catalog::{Column, Error, ErrorKind};
use tollgate_ledger::history::{Query, Sum};

/// A column over records of the type `R`.
pub(super) struct Field<R: 'static> {
    name: &'static str,
    kind: Kind,
    nullable: bool,
    /// Whether it is shown of one's own records. What isn't could tell about hidden rows, or about
    /// policies.
    own: bool,
    /// Whether it is shown of everybody's records.
    everyones: bool,
    comment: &'static str,
    value: fn(&R) -> ScalarValue,
}

/// The types of columns.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Text,
    Texts,
    Count,
    Flag,
    Day,
    Time,
    Number,
    Money,
}

/// Digits of a number, and those behind the point.
const NUMBER: (u8, i8) = (38, 9);

/// The same of money: nine digits of a price, and nine of what is paid for.
const MONEY: (u8, i8) = (38, 18);

impl Kind {
    fn data_type(self) -> DataType {
        match self {
            Kind::Text => DataType::Utf8,
            Kind::Texts => {
                DataType::List(Arc::new(ArrowField::new_list_field(DataType::Utf8, true)))
            }
            Kind::Count => DataType::Int64,
            Kind::Flag => DataType::Boolean,
            Kind::Day => DataType::Date32,
            Kind::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Kind::Number => DataType::Decimal128(NUMBER.0, NUMBER.1),
            Kind::Money => DataType::Decimal128(MONEY.0, MONEY.1),
        }
    }
}

pub(super) const fn shown<R>(
    name: &'static str,
    kind: Kind,
    comment: &'static str,
    value: fn(&R) -> ScalarValue,
) -> Field<R> {
    Field { name, kind, nullable: false, own: true, everyones: true, comment, value }
}

impl<R> Field<R> {
    /// The same, for who is granted everybody's records only.
    pub(super) const fn granted(self) -> Self {
        Self { own: false, ..self }
    }

    /// The same, for one's own records only.
    pub(super) const fn private(self) -> Self {
        Self { everyones: false, ..self }
    }

    fn is_shown(&self, own: bool) -> bool {
        if own { self.own } else { self.everyones }
    }

    /// The same, where a value may be missing.
    pub(super) const fn or_null(self) -> Self {
        Self { nullable: true, ..self }
    }
}

/// The columns as a table has them: all, or those of one's own records.
pub(super) fn columns<R>(all: &[Field<R>], own: bool) -> Vec<Column> {
    let shown = all.iter().filter(|field| field.is_shown(own));
    let column = |field: &Field<R>| Column {
        name: field.name.to_owned(),
        data_type: field.kind.data_type(),
        nullable: field.nullable,
        comment: Some(field.comment.to_owned()),
    };
    shown.map(column).collect()
}

/// Records as rows: all columns, or those of one's own records.
pub(super) fn batch<R>(all: &[Field<R>], own: bool, rows: &[R]) -> Result<RecordBatch, Error> {
    let mut fields = Vec::with_capacity(all.len());
    let mut arrays = Vec::with_capacity(all.len());
    for field in all.iter().filter(|field| field.is_shown(own)) {
        let data_type = field.kind.data_type();
        let array = match rows {
            [] => arrow::array::new_empty_array(&data_type),
            rows => {
                ScalarValue::iter_to_array(rows.iter().map(field.value)).map_err(Error::internal)?
            }
        };
        fields.push(ArrowField::new(field.name, data_type, field.nullable));
        arrays.push(array);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(Error::internal)
}

pub(super) fn text(value: &str) -> ScalarValue {
    perhaps(Some(value))
}

/// A text without zero bytes, which PostgreSQL's protocol couldn't send: one record with any must not keep the
/// others from being read.
fn perhaps(value: Option<&str>) -> ScalarValue {
    ScalarValue::Utf8(value.map(|value| value.replace('\0', "\u{fffd}")))
}

fn texts(values: &[String]) -> ScalarValue {
    let values: Vec<_> = values.iter().map(|value| text(value)).collect();
    ScalarValue::List(ScalarValue::new_list_nullable(&values, &DataType::Utf8))
}

fn count(value: u64) -> ScalarValue {
    ScalarValue::Int64(Some(i64::try_from(value).unwrap_or(i64::MAX)))
}

fn counted(value: Option<u64>) -> ScalarValue {
    value.map_or(ScalarValue::Int64(None), count)
}

/// A number with nine digits behind the point.
pub(super) fn number(value: Option<Decimal>) -> ScalarValue {
    decimal(value, NUMBER)
}

/// An amount of money.
fn money(value: Option<Decimal>) -> ScalarValue {
    decimal(value, MONEY)
}

fn decimal(value: Option<Decimal>, (precision, scale): (u8, i8)) -> ScalarValue {
    let digits = u32::from(scale.unsigned_abs());
    let exact = value.map(|value| value.round_dp(digits));
    let digits = exact.and_then(|value| {
        let missing = digits.saturating_sub(value.scale());
        value.mantissa().checked_mul(10_i128.checked_pow(missing)?)
    });
    ScalarValue::Decimal128(digits, precision, scale)
}

/// What a query is billed.
fn cost(query: &Query) -> Option<Decimal> {
    query.receipt.as_ref()?.cost()
}

/// The same, as far as its user may know.
fn own_cost(query: &Query) -> Option<Decimal> {
    query.receipt.as_ref().filter(|receipt| receipt.tells_cost())?.cost()
}

fn currency(query: &Query) -> Option<&str> {
    Some(query.receipt.as_ref()?.price.as_ref()?.currency.as_str())
}

/// Microseconds since 1970.
pub(super) fn time(value: Option<i64>) -> ScalarValue {
    ScalarValue::TimestampMicrosecond(value, Some("UTC".into()))
}

/// How far a query is, in a word.
fn status(query: &Query) -> &str {
    match &query.receipt {
        None if query.decision.outcome == "denied" => "refused",
        None => "running",
        Some(receipt) => match receipt.outcome.as_str() {
            "complete" => "finished",
            "denied" => "refused",
            // By a request, a timeout, or because its client didn't want the rest.
            "canceled" | "abandoned" => "cancelled",
            other => other,
        },
    }
}

/// The label of what went wrong.
fn error(query: &Query) -> Option<&str> {
    let ended = query.receipt.as_ref().and_then(|receipt| receipt.error.as_deref());
    ended.or(query.decision.error.as_deref())
}

fn sqlstate(query: &Query) -> Option<&'static str> {
    let label = error(query)?;
    ErrorKind::ALL.iter().find(|kind| kind.label() == label).map(|kind| kind.sqlstate())
}

macro_rules! ended {
    ($field:ident) => {
        |query: &Query| counted(query.receipt.as_ref().map(|receipt| receipt.$field))
    };
}

/// Queries. What was estimated and scanned tells about hidden rows, what ran instead and why about
/// policies, and a kept result about others who asked.
#[rustfmt::skip]
pub(super) const QUERY: &[Field<Query>] = &[
    shown("query_id", Kind::Text, "its id, as tollgate.cancel_query takes it", |q| text(&q.decision.id)),
    shown("principal", Kind::Text, "the user", |q: &Query| text(&q.decision.principal)).granted(),
    shown("tenant", Kind::Text, "who pays", |q: &Query| perhaps(q.decision.tenant.as_deref())).granted().or_null(),
    shown("roles", Kind::Texts, "the roles that were active", |q: &Query| texts(&q.decision.roles)).granted(),
    shown("address", Kind::Text, "the client's address", |q| text(&q.decision.address)),
    shown("application", Kind::Text, "what the client calls itself", |q| text(&q.decision.application)),
    shown("status", Kind::Text, "running, finished, failed, cancelled, refused or interrupted", |q| text(status(q))),
    shown("statement", Kind::Text, "the statement, as far as it is kept", |q| text(&q.decision.sql)),
    shown("secured_statement", Kind::Text, "what ran instead", |q: &Query| perhaps(q.decision.secured_sql.as_deref())).granted().or_null(),
    shown("tables", Kind::Texts, "the relations that it names", |q| texts(&q.decision.tables)),
    shown("warehouse", Kind::Text, "the warehouse that has them", |q: &Query| perhaps(q.receipt.as_ref().and_then(|r| r.warehouse.as_deref()))).granted().or_null(),
    shown("virtual_warehouse", Kind::Text, "the virtual warehouse that it was sent to", |q: &Query| perhaps(q.receipt.as_ref().and_then(|r| r.virtual_warehouse.as_deref()))).granted().or_null(),
    shown("policies", Kind::Texts, "the policies that shaped it", |q: &Query| texts(&q.decision.policies)).granted(),
    shown("bundle", Kind::Text, "the hash of the policies that decided", |q: &Query| text(&q.decision.bundle)).granted(),
    shown("started", Kind::Time, "when it was decided", |q| time(q.decision.at())),
    shown("ended", Kind::Time, "when it had ended", |q: &Query| time(q.receipt.as_ref().and_then(tollgate_ledger::Body::at))).or_null(),
    shown("elapsed_us", Kind::Count, "microseconds from its arrival to its end", ended!(elapsed_us)).or_null(),
    shown("rows", Kind::Count, "rows that went to the client", ended!(rows)).or_null(),
    shown("bytes", Kind::Count, "bytes that went to the client", ended!(bytes)).or_null(),
    shown("estimated", Kind::Count, "bytes that it was expected to read", |q: &Query| counted(q.receipt.as_ref().and_then(|r| r.estimated))).granted().or_null(),
    shown("scanned", Kind::Count, "bytes that the warehouse read for it", |q: &Query| counted(q.receipt.as_ref().and_then(|r| r.scanned))).granted().or_null(),
    shown("credits", Kind::Number, "credits of the warehouse that it is charged", |q: &Query| number(q.receipt.as_ref().and_then(|r| r.credits))).or_null(),
    shown("cost", Kind::Money, "what it is billed", |q: &Query| money(cost(q))).granted().or_null(),
    shown("cost", Kind::Money, "what it is billed; null too if that would tell about rows that are hidden", |q: &Query| money(own_cost(q))).private().or_null(),
    shown("currency", Kind::Text, "in which money", |q: &Query| perhaps(currency(q))).or_null(),
    shown("cached", Kind::Flag, "whether the rows came from an earlier execution", |q: &Query| ScalarValue::Boolean(q.receipt.as_ref().map(|r| r.cached))).granted().or_null(),
    shown("truncated", Kind::Flag, "whether a limit ended the rows", |q: &Query| ScalarValue::Boolean(q.receipt.as_ref().map(|r| r.truncated))).or_null(),
    shown("error", Kind::Text, "the kind of error, if it failed or was refused", |q: &Query| perhaps(error(q))).or_null(),
    shown("sqlstate", Kind::Text, "the SQLSTATE of the error", |q: &Query| perhaps(sqlstate(q))).or_null(),
    shown("replica", Kind::Text, "the chain of the ledger that holds it", |q: &Query| text(&q.chain)).granted(),
];

/// What queries are billed, if any has a price.
fn sum_cost(sum: &Sum) -> Option<Decimal> {
    (!sum.currency.is_empty()).then_some(sum.cost)
}

/// Usage, of queries that have ended.
#[rustfmt::skip]
pub(super) const SUM: &[Field<Sum>] = &[
    shown("day", Kind::Day, "the day in UTC on which they ended", |s| ScalarValue::Date32(i32::try_from(s.day).ok())),
    shown("principal", Kind::Text, "the user", |s: &Sum| text(&s.principal)).granted(),
    shown("tenant", Kind::Text, "who pays", |s: &Sum| perhaps(s.tenant.as_deref())).granted().or_null(),
    shown("tables", Kind::Texts, "the relations that the queries name, all of them", |s| texts(&s.tables)),
    shown("queries", Kind::Count, "how many queries", |s| count(s.queries)),
    shown("refused", Kind::Count, "how many of them were refused", |s| count(s.refused)),
    shown("rows", Kind::Count, "rows that went to clients", |s| count(s.rows)),
    shown("bytes", Kind::Count, "bytes that went to clients", |s| count(s.bytes)),
    shown("scanned", Kind::Count, "bytes that the warehouse read, as far as is known", |s: &Sum| count(s.scanned)).granted(),
    shown("elapsed_us", Kind::Count, "microseconds from arrival to end, together", |s| count(s.elapsed_us)),
    shown("credits", Kind::Number, "credits of warehouses that they are charged", |s| number(Some(s.credits))),
    shown("cost", Kind::Money, "what they are billed; null if none has a price", |s: &Sum| money(sum_cost(s))).granted().or_null(),
    shown("cost", Kind::Money, "what you are billed; null too if that would tell about rows that are hidden", |s: &Sum| money(sum_cost(s).filter(|_| s.tells_cost))).private().or_null(),
    shown("currency", Kind::Text, "in which money", |s: &Sum| perhaps(Some(s.currency.as_str()).filter(|text| !text.is_empty()))).or_null(),
];
