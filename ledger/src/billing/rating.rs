//! From receipts to money.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Connection, Row};

use super::correcting::{CORRECTIONS, between};
use super::price::Price;
use super::proving::unproven;
use crate::error::LedgerError;
use crate::read::PAGE;
use crate::record::{Body, Kind};
use crate::store::{ChainRow, Place, Store, begin};

/// A receipt with what it costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rated {
    /// The receipt's chain.
    pub chain: String,
    /// The receipt's number.
    pub seq: i64,
    /// The query's id.
    pub id: String,
    /// When it ended, in microseconds since 1970.
    pub at: i64,
    /// Who pays; empty if nobody was named.
    pub tenant: String,
    /// The user.
    pub principal: String,
    /// The base tables.
    pub tables: Vec<String>,
    /// The price; none: it costs nothing.
    pub price: Option<String>,
    /// The price's currency.
    pub currency: String,
    /// What the price says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<Price>,
    /// Rows that went to the client.
    pub rows: u64,
    /// Bytes that went to the client.
    pub bytes: u64,
    /// Bytes that the warehouse read; what it was expected to read where it doesn't tell.
    pub scanned: u64,
    /// Credits of the warehouse: those that its account attributes to the query, once that is known.
    #[serde(default, skip_serializing_if = "Decimal::is_zero")]
    pub credits: Decimal,
    /// The receipt's credits, where the account's are others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<Decimal>,
    /// What it costs, exactly.
    pub amount: Decimal,
}

impl Rated {
    /// The same with other credits; nothing if that is beyond all bounds.
    pub(super) fn corrected(self, credits: Decimal) -> Option<Rated> {
        let amount = match &self.terms {
            Some(price) => price.of(self.scanned, self.rows, credits)?,
            None => Decimal::ZERO,
        };
        let measured = self.measured.or(Some(self.credits));
        Some(Rated { credits, measured, amount, ..self })
    }
}

/// What a query is found by that was charged credits.
pub(super) fn query_key(warehouse: &str, id: &str) -> String {
    format!("{warehouse}/{id}")
}

/// The bytes that a query is billed for: what it was expected to scan, where the warehouse doesn't tell
/// what it has scanned. The answer to an earlier one scans nothing.
pub fn billed_bytes(cached: bool, scanned: Option<u64>, estimated: Option<u64>) -> u64 {
    if cached { 0 } else { scanned.or(estimated).unwrap_or_default() }
}

/// What a receipt costs: what it used, at the price that it names. A query that never ran names none.
pub(crate) fn rated(chain: &str, receipt: &Body) -> Result<Rated, LedgerError> {
    let broken = |what: &str| LedgerError::Damaged(format!("receipt {} has {what}", receipt.seq));
    let at = receipt.at().ok_or_else(|| broken("no time"))?;
    let scanned = billed_bytes(receipt.cached, receipt.scanned, receipt.estimated);
    let credits = receipt.credits.unwrap_or_default();
    let amount = match &receipt.price {
        Some(price) => price.of(scanned, receipt.rows, credits),
        None => Some(Decimal::ZERO),
    };
    let amount = amount.ok_or_else(|| broken("a price beyond all bounds"))?;
    let price = receipt.price.clone();
    Ok(Rated {
        chain: chain.to_owned(),
        seq: receipt.seq,
        id: receipt.id.clone(),
        at,
        tenant: receipt.tenant.clone().unwrap_or_default(),
        principal: receipt.principal.clone(),
        tables: receipt.tables.clone(),
        currency: price.as_ref().map(|price| price.currency.clone()).unwrap_or_default(),
        price: price.as_ref().map(|price| price.name.clone()),
        terms: price,
        rows: receipt.rows,
        bytes: receipt.bytes,
        scanned,
        credits,
        measured: None,
        amount,
    })
}

/// Rates the receipts that aren't rated yet; says how many they were. Two at once do no harm.
///
/// # Errors
/// The store can't be read or written.
pub async fn rate(place: &Place) -> Result<usize, LedgerError> {
    rate_within(place, None).await
}

/// The same within a bound; see [`crate::Options`].
pub(super) async fn rate_within(
    place: &Place,
    max_bytes: Option<u64>,
) -> Result<usize, LedgerError> {
    let mut store = Store::open(place, max_bytes).await?;
    let mut count = 0;
    for chain in receipts(&mut store).await? {
        let query = "SELECT coalesce(max(seq), 0) FROM rated WHERE chain = $1";
        let row = sqlx::query(query).bind(chain.id).fetch_one(&mut store.connection).await?;
        let mut after: i64 = row.try_get(0)?;
        while let Some((lines, last)) = page(&mut store, &chain, after, true).await? {
            after = last;
            count += lines.len();
            keep(&mut store, chain.id, lines).await?;
        }
    }
    store.close().await?;
    Ok(count)
}

/// The chains that hold receipts.
async fn receipts(store: &mut Store) -> Result<Vec<ChainRow>, LedgerError> {
    let chains = store.chains().await?.into_iter();
    Ok(chains.filter(|chain| chain.name != CORRECTIONS).collect())
}

/// Keeps the rated receipts of a page.
async fn keep(store: &mut Store, chain: i64, lines: Vec<Line>) -> Result<(), LedgerError> {
    let mut transaction = store.connection.begin_with(begin(store.engine)).await?;
    for line in lines {
        line.put(&mut transaction, chain).await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// A rated receipt, and what its query is found by if it was charged credits.
#[derive(PartialEq)]
pub(super) struct Line {
    pub(super) rated: Rated,
    pub(super) query: Option<String>,
}

impl Line {
    /// Rates a receipt.
    fn of(chain: &str, seq: i64, text: &str) -> Result<Line, LedgerError> {
        let receipt: Body = serde_json::from_str(text)
            .map_err(|_| LedgerError::Damaged(format!("receipt {seq} can't be read")))?;
        let query = receipt.credits.and(receipt.warehouse.as_ref());
        let query = query.map(|warehouse| query_key(warehouse, &receipt.id));
        Ok(Line { rated: rated(chain, &receipt)?, query })
    }

    /// A line as it was stored, and whether its columns repeat what it says.
    fn stored(row: &AnyRow) -> Result<(Line, bool), LedgerError> {
        let rated = read(&row.try_get::<String, _>(1)?)?;
        let (seq, at): (i64, i64) = (row.try_get(0)?, row.try_get(2)?);
        let (tenant, principal): (String, String) = (row.try_get(3)?, row.try_get(4)?);
        let repeats = (seq, at) == (rated.seq, rated.at)
            && (&tenant, &principal) == (&rated.tenant, &rated.principal);
        Ok((Line { rated, query: row.try_get(5)? }, repeats))
    }

    /// Keeps it, unless it is kept already.
    async fn put(&self, connection: &mut AnyConnection, chain: i64) -> Result<(), LedgerError> {
        let Line { rated, query } = self;
        let body =
            serde_json::to_string(rated).map_err(|error| LedgerError::System(error.to_string()))?;
        let insert = "INSERT INTO rated (chain, seq, at, tenant, principal, body, query) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";
        sqlx::query(insert)
            .bind(chain)
            .bind(rated.seq)
            .bind(rated.at)
            .bind(rated.tenant.as_str())
            .bind(rated.principal.as_str())
            .bind(body)
            .bind(query.as_deref())
            .execute(connection)
            .await?;
        Ok(())
    }
}

/// The rated receipts of the next page of records, and the last record of it.
async fn page(
    store: &mut Store,
    chain: &ChainRow,
    after: i64,
    corrections: bool,
) -> Result<Option<(Vec<Line>, i64)>, LedgerError> {
    let rows = store.records(chain.id, after, PAGE).await?;
    let Some(last) = rows.last().map(|row| row.seq) else { return Ok(None) };
    let corrected = match corrections {
        true => between(store, chain.id, after, last).await?,
        false => BTreeMap::new(),
    };
    let mut lines = Vec::new();
    for row in rows.iter().filter(|row| row.kind == Kind::Receipt.number()) {
        let mut line = Line::of(&chain.name, row.seq, &row.body)?;
        if let Some(credits) = corrected.get(&row.seq) {
            let broken = || LedgerError::Damaged(format!("the correction of receipt {}", row.seq));
            line.rated = line.rated.corrected(*credits).ok_or_else(broken)?;
        }
        lines.push(line);
    }
    Ok(Some((lines, last)))
}

/// Places of a statement's parameters: so many, from a number on.
pub(super) fn places(first: usize, count: usize) -> String {
    let places: Vec<String> = (first..first + count).map(|number| format!("${number}")).collect();
    places.join(", ")
}

/// Receipts of a chain, rated without any correction, by their numbers: those that are there.
pub(super) async fn anew(
    connection: &mut AnyConnection,
    (chain, name): (i64, &str),
    seqs: &[i64],
) -> Result<BTreeMap<i64, Line>, LedgerError> {
    let text = format!(
        "SELECT seq, body FROM records WHERE chain = $1 AND kind = $2 AND seq IN ({})",
        places(3, seqs.len())
    );
    let mut query = sqlx::query(&text).bind(chain).bind(Kind::Receipt.number());
    for seq in seqs {
        query = query.bind(*seq);
    }
    let mut lines = BTreeMap::new();
    for row in query.fetch_all(connection).await? {
        let seq: i64 = row.try_get(0)?;
        let line = Line::of(name, seq, &row.try_get::<String, _>(1)?)?;
        // One that says that it is another one is none.
        if line.rated.seq == seq {
            lines.insert(seq, line);
        }
    }
    Ok(lines)
}

/// What rating everything anew gives, against what was rated before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replay {
    /// Receipts that were rated the same.
    pub same: usize,
    /// Receipts that are rated otherwise now: before, now. The first hundred.
    pub differ: Vec<(Rated, Rated)>,
    /// How many they are.
    pub differing: usize,
    /// Receipts that weren't rated before.
    pub new: usize,
    /// Rated before, but retention has deleted the receipts.
    pub gone: usize,
    /// Corrections of credits that aren't what the records of corrections say.
    pub unproven: usize,
}

/// Rates all receipts anew, with the corrections of credits that were recorded, and compares with what was
/// rated: all that bills are made of. Nothing is written.
///
/// # Errors
/// The store can't be read.
pub async fn replay(place: &Place) -> Result<Replay, LedgerError> {
    let mut store = Store::open_to_read(place).await?;
    store.hold_still().await?;
    let mut replay = Replay::default();
    let corrections = store.has_corrections().await?;
    // Before there were corrections, queries had no names.
    let name = if corrections { "query" } else { "CAST(NULL AS TEXT)" };
    if corrections {
        replay.unproven = unproven(&mut store).await?;
    }
    for chain in receipts(&mut store).await? {
        let cut = store.cut(chain.id).await?.map_or(0, |cut| cut.seq);
        let query = "SELECT count(*) FROM rated WHERE chain = $1 AND seq >= 1 AND seq <= $2";
        let row =
            sqlx::query(query).bind(chain.id).bind(cut).fetch_one(&mut store.connection).await?;
        replay.gone += usize::try_from(row.try_get::<i64, _>(0)?).unwrap_or_default();
        let mut after = cut;
        while let Some((lines, last)) = page(&mut store, &chain, after, corrections).await? {
            let text = format!(
                "SELECT seq, body, at, tenant, principal, {name} FROM rated \
                 WHERE chain = $1 AND seq > $2 AND seq <= $3"
            );
            let rows = sqlx::query(&text)
                .bind(chain.id)
                .bind(after)
                .bind(last)
                .fetch_all(&mut store.connection)
                .await?;
            let mut before = std::collections::HashMap::new();
            for row in rows {
                let seq: i64 = row.try_get(0)?;
                before.insert(seq, Line::stored(&row)?);
            }
            for mut now in lines {
                let seq = now.rated.seq;
                if !corrections {
                    now.query = None;
                }
                match before.remove(&seq) {
                    None => replay.new += 1,
                    Some((before, true)) if before == now => replay.same += 1,
                    Some((before, _)) => {
                        replay.differing += 1;
                        if replay.differ.len() < 100 {
                            replay.differ.push((before.rated, now.rated));
                        }
                    }
                }
            }
            // What was rated there without a receipt.
            replay.differing += before.len();
            after = last;
        }
        let query = "SELECT count(*) FROM rated WHERE chain = $1 AND (seq < 1 OR seq > $2)";
        let row =
            sqlx::query(query).bind(chain.id).bind(after).fetch_one(&mut store.connection).await?;
        replay.differing += usize::try_from(row.try_get::<i64, _>(0)?).unwrap_or_default();
    }
    let query = "SELECT count(*) FROM rated \
                 WHERE chain NOT IN (SELECT id FROM chains WHERE name <> $1)";
    let row = sqlx::query(query).bind(CORRECTIONS).fetch_one(&mut store.connection).await?;
    replay.differing += usize::try_from(row.try_get::<i64, _>(0)?).unwrap_or_default();
    Ok(replay)
}

/// A rated line as it was stored.
pub(super) fn read(text: &str) -> Result<Rated, LedgerError> {
    serde_json::from_str(text)
        .map_err(|_| LedgerError::Damaged("a rated line can't be read".to_owned()))
}
