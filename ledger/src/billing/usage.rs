//! Rated receipts, summed up: reports and invoices.

use std::collections::BTreeMap;

use rust_decimal::{Decimal, RoundingStrategy};
use sqlx::Row;

use super::price::Price;
use super::rating::{Rated, read};
use crate::error::LedgerError;
use crate::record::spelled;
use crate::store::{Place, Store};

/// What sums are made by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// Who pays.
    Tenant,
    /// The user.
    User,
    /// The base tables of a query, all of them: a join is not counted for each.
    Table,
    /// The price.
    Price,
    /// The day, in UTC.
    Day,
    /// The month, in UTC.
    Month,
}

impl Key {
    /// Its name, as a column's.
    pub fn name(self) -> &'static str {
        match self {
            Key::Tenant => "tenant",
            Key::User => "user",
            Key::Table => "table",
            Key::Price => "price",
            Key::Day => "day",
            Key::Month => "month",
        }
    }

    fn of(self, line: &Rated) -> String {
        let time = spelled(line.at);
        match self {
            Key::Tenant => line.tenant.clone(),
            Key::User => line.principal.clone(),
            Key::Table => line.tables.join(", "),
            Key::Price => line.price.clone().unwrap_or_default(),
            Key::Day => time.get(..10).unwrap_or_default().to_owned(),
            Key::Month => time.get(..7).unwrap_or_default().to_owned(),
        }
    }
}

/// A sum.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// The values of the keys, in their order.
    pub keys: Vec<String>,
    /// The currency; empty for what has no price.
    pub currency: String,
    /// How many queries ended.
    pub queries: u64,
    /// Rows that went to clients.
    pub rows: u64,
    /// Bytes that went to clients.
    pub bytes: u64,
    /// Bytes that the warehouse read, as far as is known.
    pub scanned: u64,
    /// Credits of warehouses, as they are billed.
    pub credits: Decimal,
    /// The same by the gateway's own clock: what receipts say.
    pub measured: Decimal,
    /// What it costs, exactly.
    pub amount: Decimal,
}

/// Visits the rated lines of queries that ended in a time, from and until in microseconds since 1970.
///
/// # Errors
/// The store can't be read, or a sum is beyond all bounds.
pub async fn rated(
    place: &Place,
    from: i64,
    until: i64,
    mut visit: impl FnMut(Rated) -> Result<(), LedgerError>,
) -> Result<(), LedgerError> {
    let mut store = Store::open_to_read(place).await?;
    let mut after = (i64::MIN, 0, 0);
    loop {
        let query = "SELECT at, chain, seq, body FROM rated WHERE at >= $1 AND at < $2 \
                     AND (at > $3 OR (at = $3 AND (chain > $4 OR (chain = $4 AND seq > $5)))) \
                     ORDER BY at, chain, seq LIMIT 1000";
        let rows = sqlx::query(query)
            .bind(from)
            .bind(until)
            .bind(after.0)
            .bind(after.1)
            .bind(after.2)
            .fetch_all(&mut store.connection)
            .await?;
        if rows.is_empty() {
            return Ok(());
        }
        for row in rows {
            after =
                (row.try_get::<i64, _>(0)?, row.try_get::<i64, _>(1)?, row.try_get::<i64, _>(2)?);
            visit(read(&row.try_get::<String, _>(3)?)?)?;
        }
    }
}

/// Sums of what was rated, by keys and currency.
///
/// # Errors
/// As [`rated`].
pub async fn report(
    place: &Place,
    keys: &[Key],
    from: i64,
    until: i64,
) -> Result<Vec<Usage>, LedgerError> {
    let mut sums: BTreeMap<(Vec<String>, String), Usage> = BTreeMap::new();
    rated(place, from, until, |line| {
        let key: Vec<String> = keys.iter().map(|key| key.of(&line)).collect();
        let sum = sums.entry((key.clone(), line.currency.clone())).or_default();
        sum.keys = key;
        sum.currency = line.currency;
        sum.queries += 1;
        sum.rows = sum.rows.saturating_add(line.rows);
        sum.bytes = sum.bytes.saturating_add(line.bytes);
        sum.scanned = sum.scanned.saturating_add(line.scanned);
        sum.credits = add(sum.credits, line.credits)?;
        sum.measured = add(sum.measured, line.measured.unwrap_or(line.credits))?;
        sum.amount = add(sum.amount, line.amount)?;
        Ok(())
    })
    .await?;
    Ok(sums.into_values().collect())
}

fn add(sum: Decimal, amount: Decimal) -> Result<Decimal, LedgerError> {
    sum.checked_add(amount)
        .ok_or_else(|| LedgerError::System("a sum is beyond all bounds".to_owned()))
}

/// A price, and the queries that were billed by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// What it says.
    pub price: Price,
    /// When the first of them ended, in microseconds since 1970.
    pub first: i64,
    /// When the last of them ended.
    pub last: i64,
    /// How many they are.
    pub queries: u64,
}

/// The prices by which queries of a time were billed, by name; one of a name for each that said
/// something else.
///
/// # Errors
/// As [`rated`].
pub async fn applied(place: &Place, from: i64, until: i64) -> Result<Vec<Applied>, LedgerError> {
    let mut prices: BTreeMap<Price, Applied> = BTreeMap::new();
    rated(place, from, until, |line| {
        let Some(price) = line.terms else { return Ok(()) };
        let new = || Applied { price: price.clone(), first: line.at, last: line.at, queries: 0 };
        let applied = prices.entry(price.clone()).or_insert_with(new);
        applied.last = line.at;
        applied.queries += 1;
        Ok(())
    })
    .await?;
    let mut all: Vec<Applied> = prices.into_values().collect();
    all.sort_by(|a, b| (&a.price.name, a.first).cmp(&(&b.price.name, b.first)));
    Ok(all)
}

/// What a tenant pays for a month, in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoice {
    /// Who pays.
    pub tenant: String,
    /// The currency.
    pub currency: String,
    /// By price.
    pub lines: Vec<InvoiceLine>,
    /// The sum of the lines, rounded to cents: half a cent and more goes up.
    pub total: Decimal,
}

/// What was used at one price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvoiceLine {
    /// The price's name.
    pub price: String,
    /// What was used, and what it costs exactly.
    pub usage: Usage,
}

/// The invoices of a time, by tenant and currency. Queries without a price are on none.
///
/// # Errors
/// As [`rated`].
pub async fn invoices(place: &Place, from: i64, until: i64) -> Result<Vec<Invoice>, LedgerError> {
    let mut invoices: BTreeMap<(String, String), Vec<InvoiceLine>> = BTreeMap::new();
    for usage in report(place, &[Key::Tenant, Key::Price], from, until).await? {
        let [tenant, price] = usage.keys.as_slice() else { continue };
        if price.is_empty() {
            continue;
        }
        let line = InvoiceLine { price: price.clone(), usage: usage.clone() };
        invoices.entry((tenant.clone(), usage.currency.clone())).or_default().push(line);
    }
    let mut all = Vec::new();
    for ((tenant, currency), lines) in invoices {
        let mut sum = Decimal::ZERO;
        for line in &lines {
            sum = add(sum, line.usage.amount)?;
        }
        let total = sum.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
        all.push(Invoice { tenant, currency, lines, total });
    }
    Ok(all)
}
