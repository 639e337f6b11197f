//! The ledger as its users ask it: queries and sums, newest first, a page at a time.
//!
//! Every page is a statement of its own on a connection of its own: a reader holds no lock, stops no
//! writer, and keeps one page in memory whatever the ledger holds.

use std::collections::{BTreeMap, HashMap, VecDeque};

use rust_decimal::Decimal;
use sqlx::Row;

use crate::billing::{CORRECTIONS, corrected_credits};
use crate::error::LedgerError;
use crate::read::PAGE;
use crate::record::{Body, Kind};
use crate::store::{Place, Store};

/// Queries that may be open at once, of those that are asked for: receipts wait for so many decisions.
const OPEN: usize = 1 << 16;

/// Sums of one day that are kept at once.
const SUMS: usize = 1 << 16;

const DAY: i64 = 86_400_000_000;

/// By how much a decision may be older than its commit, in microseconds: nobody waits that long for
/// one.
const LATE: i64 = 15 * 60 * 1_000_000;

/// Whose records are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// Those of one principal, and nothing else.
    Of(String),
    /// Those of all.
    Everyone,
}

/// A query: what was decided, and how it ended if it has.
#[derive(Debug, Clone)]
pub struct Query {
    /// The chain that holds it: which replica ran it.
    pub chain: String,
    /// The decision.
    pub decision: Body,
    /// The receipt; nothing while it runs.
    pub receipt: Option<Body>,
}

/// What was used on one day, by one principal for one tenant, over one set of tables; where prices were in
/// several currencies, in each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sum {
    /// The day in UTC, in days since 1970.
    pub day: i64,
    /// The user.
    pub principal: String,
    /// Who pays.
    pub tenant: Option<String>,
    /// The base tables of the queries, all of them.
    pub tables: Vec<String>,
    /// How many queries ended.
    pub queries: u64,
    /// How many of them were refused.
    pub refused: u64,
    /// Rows that went to clients.
    pub rows: u64,
    /// Bytes that went to clients.
    pub bytes: u64,
    /// Bytes that the warehouse read, as far as is known.
    pub scanned: u64,
    /// From arrival to end, together, in microseconds.
    pub elapsed_us: u64,
    /// Credits of warehouses.
    pub credits: Decimal,
    /// The money in which queries have a price; empty if none has.
    pub currency: String,
    /// What they cost, exactly.
    pub cost: Decimal,
    /// Whether the user may know that.
    pub tells_cost: bool,
}

impl Sum {
    /// Adds a query that has ended.
    fn add(&mut self, receipt: &Body) {
        self.queries += 1;
        self.refused += u64::from(receipt.outcome == "denied");
        self.rows = self.rows.saturating_add(receipt.rows);
        self.bytes = self.bytes.saturating_add(receipt.bytes);
        self.scanned = self.scanned.saturating_add(receipt.scanned.unwrap_or_default());
        self.elapsed_us = self.elapsed_us.saturating_add(receipt.elapsed_us);
        self.credits = self.credits.saturating_add(receipt.credits.unwrap_or_default());
        self.cost = self.cost.saturating_add(receipt.cost().unwrap_or_default());
        self.tells_cost &= receipt.tells_cost();
    }

    /// Adds queries that have no price.
    fn add_free(&mut self, free: &Self) {
        self.queries += free.queries;
        self.refused += free.refused;
        self.rows = self.rows.saturating_add(free.rows);
        self.bytes = self.bytes.saturating_add(free.bytes);
        self.scanned = self.scanned.saturating_add(free.scanned);
        self.elapsed_us = self.elapsed_us.saturating_add(free.elapsed_us);
        self.credits = self.credits.saturating_add(free.credits);
    }
}

/// One record, as far as it matters here.
struct Found {
    chain: i64,
    seq: i64,
    kind: i64,
    at: i64,
    body: String,
    /// Of a receipt, what its account attributes to the query if that is known.
    credits: Option<String>,
}

impl Found {
    fn is(&self, kind: Kind) -> bool {
        self.kind == kind.number()
    }

    /// The record, with the credits that are billed.
    fn read(&self) -> Result<Body, LedgerError> {
        let mut body: Body = serde_json::from_str(&self.body).map_err(|_| {
            LedgerError::Damaged(format!("record {} is not one of a gateway", self.seq))
        })?;
        if let Some(text) = &self.credits {
            body.credits = Some(corrected_credits(text)?);
        }
        Ok(body)
    }
}

/// Decisions and receipts, newest first.
struct Records {
    store: Store,
    whose: Whose,
    /// What is older isn't asked for, in microseconds since 1970.
    since: Option<i64>,
    /// The chains that there are, by id.
    names: BTreeMap<i64, String>,
    /// Of everyone's: of each chain the next page, and before which number it goes on.
    chains: BTreeMap<i64, (VecDeque<Found>, Option<i64>)>,
    /// Of one principal's: the next page, and before which record it goes on.
    own: VecDeque<Found>,
    before: Option<(i64, i64, i64)>,
}

impl Records {
    async fn open(place: &Place, whose: Whose) -> Result<Self, LedgerError> {
        let mut store = Store::open_to_read(place).await?;
        let mut rows = store.chains().await?;
        // It holds no query, and to find that out would mean to read all of it.
        rows.retain(|chain| chain.name != CORRECTIONS);
        let names = rows.iter().map(|chain| (chain.id, chain.name.clone())).collect();
        let chains =
            rows.iter().map(|chain| (chain.id, (VecDeque::new(), Some(i64::MAX)))).collect();
        let before = Some((i64::MAX, i64::MAX, i64::MAX));
        Ok(Self { store, whose, since: None, names, chains, own: VecDeque::new(), before })
    }

    fn chain(&self, id: i64) -> String {
        self.names.get(&id).cloned().unwrap_or_default()
    }

    async fn next(&mut self) -> Result<Option<Found>, LedgerError> {
        match self.whose.clone() {
            Whose::Of(principal) => self.next_of(&principal).await,
            Whose::Everyone => self.next_of_all().await,
        }
    }

    async fn next_of(&mut self, principal: &str) -> Result<Option<Found>, LedgerError> {
        if let (true, Some((at, chain, seq))) = (self.own.is_empty(), self.before) {
            // `at <= $2` alone finds the place in the index.
            let query = "SELECT r.chain, r.seq, r.kind, r.at, r.body, c.credits FROM records r \
                         LEFT JOIN corrections c ON c.chain = r.chain AND c.seq = r.seq \
                         WHERE r.principal = $1 AND r.at <= $2 \
                         AND (r.at < $2 OR r.chain < $3 OR (r.chain = $3 AND r.seq < $4)) \
                         AND r.kind <= 2 \
                         ORDER BY r.at DESC, r.chain DESC, r.seq DESC LIMIT $5";
            let rows = sqlx::query(query)
                .bind(principal)
                .bind(at)
                .bind(chain)
                .bind(seq)
                .bind(PAGE)
                .fetch_all(&mut self.store.connection)
                .await?;
            self.own = rows.iter().map(found).collect::<Result<_, _>>()?;
            let last = self.own.back().map(|last| (last.at, last.chain, last.seq));
            self.before = last.filter(|_| is_full(self.own.len()));
            if ends(&mut self.own, self.since) {
                self.before = None;
            }
        }
        Ok(self.own.pop_front())
    }

    async fn next_of_all(&mut self) -> Result<Option<Found>, LedgerError> {
        for (id, (page, before)) in &mut self.chains {
            let (true, Some(from)) = (page.is_empty(), *before) else { continue };
            let query = "SELECT r.chain, r.seq, r.kind, r.at, r.body, c.credits FROM records r \
                         LEFT JOIN corrections c ON c.chain = r.chain AND c.seq = r.seq \
                         WHERE r.chain = $1 AND r.seq < $2 AND r.kind <= 2 \
                         ORDER BY r.seq DESC LIMIT $3";
            let rows = sqlx::query(query)
                .bind(*id)
                .bind(from)
                .bind(PAGE)
                .fetch_all(&mut self.store.connection)
                .await?;
            *page = rows.iter().map(found).collect::<Result<_, _>>()?;
            *before = page.back().map(|last| last.seq).filter(|_| is_full(page.len()));
            if ends(page, self.since) {
                *before = None;
            }
        }
        let newest = self.chains.values_mut().map(|(page, _)| page);
        let newest = newest.filter(|page| !page.is_empty());
        Ok(newest
            .max_by_key(|page| page.front().map(|found| found.at))
            .and_then(VecDeque::pop_front))
    }
}

/// Whether nothing that is asked for comes behind a page, which ends there then. A chain is in the order
/// of commits: what stands before a decision in it was written before that was committed, and can't be
/// younger. (Receipts say nothing: they may have waited for a ledger that was full.)
fn ends(page: &mut VecDeque<Found>, since: Option<i64>) -> bool {
    let Some(since) = since else { return false };
    let old = |found: &Found| found.is(Kind::Decision) && found.at < since.saturating_sub(LATE);
    let Some(end) = page.iter().position(old) else { return false };
    page.truncate(end);
    true
}

fn is_full(count: usize) -> bool {
    i64::try_from(count).is_ok_and(|count| count >= PAGE)
}

fn found(row: &sqlx::any::AnyRow) -> Result<Found, LedgerError> {
    Ok(Found {
        chain: row.try_get(0)?,
        seq: row.try_get(1)?,
        kind: row.try_get(2)?,
        at: row.try_get(3)?,
        body: row.try_get(4)?,
        credits: row.try_get(5)?,
    })
}

fn too_many(what: &str) -> LedgerError {
    LedgerError::Damaged(format!("it has too many {what}"))
}

/// The queries of a ledger, those that were decided last first. A gateway may write to it meanwhile;
/// what it writes after the first page isn't seen.
pub struct Queries {
    records: Records,
    /// Receipts whose decision comes later: it is older.
    ended: HashMap<String, Body>,
}

impl Queries {
    /// Opens a ledger that is there.
    ///
    /// # Errors
    /// It isn't, or it can't be read.
    pub async fn open(place: &Place, whose: Whose) -> Result<Self, LedgerError> {
        Ok(Self { records: Records::open(place, whose).await?, ended: HashMap::new() })
    }

    /// Leaves out queries that were decided before a time, in microseconds since 1970, as far as that
    /// spares reading: some of them may come all the same.
    #[must_use]
    pub fn since(mut self, at: Option<i64>) -> Self {
        self.records.since = at;
        self
    }

    /// The next query.
    ///
    /// # Errors
    /// The store can't be read, or a record isn't one.
    pub async fn next(&mut self) -> Result<Option<Query>, LedgerError> {
        while let Some(found) = self.records.next().await? {
            if found.is(Kind::Receipt) {
                let receipt = found.read()?;
                if self.ended.len() >= OPEN {
                    return Err(too_many("receipts without a decision"));
                }
                self.ended.insert(receipt.id.clone(), receipt);
            } else if found.is(Kind::Decision) {
                let decision = found.read()?;
                let receipt = self.ended.remove(&decision.id);
                return Ok(Some(Query {
                    chain: self.records.chain(found.chain),
                    decision,
                    receipt,
                }));
            }
        }
        Ok(None)
    }
}

/// What was used by day, the last one first.
pub struct Days {
    records: Records,
    /// The first receipt of the next day.
    next: Option<Found>,
}

impl Days {
    /// Opens a ledger that is there.
    ///
    /// # Errors
    /// It isn't, or it can't be read.
    pub async fn open(place: &Place, whose: Whose) -> Result<Self, LedgerError> {
        Ok(Self { records: Records::open(place, whose).await?, next: None })
    }

    /// Leaves out what was used before a time, in microseconds since 1970, as far as that spares reading:
    /// the sum of the day of that time is whole, sums of earlier days may come and not be.
    #[must_use]
    pub fn since(mut self, at: Option<i64>) -> Self {
        self.records.since = at;
        self
    }

    async fn receipt(&mut self) -> Result<Option<Found>, LedgerError> {
        if let Some(next) = self.next.take() {
            return Ok(Some(next));
        }
        while let Some(found) = self.records.next().await? {
            if found.is(Kind::Receipt) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The sums of the next day on which a query ended.
    ///
    /// # Errors
    /// The store can't be read, a record isn't one, or a day has more than 65536 sums.
    pub async fn next(&mut self) -> Result<Option<Vec<Sum>>, LedgerError> {
        let mut day = None;
        let mut sums: BTreeMap<(String, Option<String>, Vec<String>, String), Sum> =
            BTreeMap::new();
        while let Some(found) = self.receipt().await? {
            let on = found.at.div_euclid(DAY);
            if *day.get_or_insert(on) != on {
                self.next = Some(found);
                break;
            }
            let receipt = found.read()?;
            if sums.len() >= SUMS {
                return Err(too_many("sums on one day"));
            }
            let Body { principal, tenant, tables, price, .. } = receipt.clone();
            let currency = price.map(|price| price.currency).unwrap_or_default();
            let key = (principal, tenant, tables, currency);
            let sum = sums.entry(key).or_insert_with(|| Sum { tells_cost: true, ..Sum::default() });
            sum.add(&receipt);
        }
        let Some(day) = day else { return Ok(None) };
        let sums = sums.into_iter().map(|((principal, tenant, tables, currency), sum)| Sum {
            day,
            principal,
            tenant,
            tables,
            currency,
            ..sum
        });
        let mut all: Vec<Sum> = Vec::new();
        for mut sum in sums {
            // What has no price comes before what has one, and is on its line.
            let same = |free: &mut Sum| {
                free.currency.is_empty()
                    && (&free.principal, &free.tenant, &free.tables)
                        == (&sum.principal, &sum.tenant, &sum.tables)
            };
            if let Some(free) = all.pop_if(same) {
                sum.add_free(&free);
            }
            all.push(sum);
        }
        Ok(Some(all))
    }
}

#[cfg(test)]
mod tests;
